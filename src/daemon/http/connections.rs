//! A bound on connections: each costs memory, whoever opened it and whatever is sent.
//!
//! Guarantees: at most [`MAX_CONNECTIONS`] are served at a time. Whoever opens them and sends nothing, never a whole
//! request, or nothing more after an answer, keeps nobody out: for one more, the connection is closed that has waited
//! longest for its first answer, or since its last one. Only where all have a request in work, after an earlier one
//! was answered, is one more closed at once, which a proxy or a forge answers by coming again.

use std::collections::BTreeMap;
use std::future::{Future as _, Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower::Service;

use crate::clock::{Clock, Instant};

/// Most connections at a time. With 64 KiB of buffers each that is 16 MiB.
pub(super) const MAX_CONNECTIONS: usize = 256;

/// How often it is logged that connections are refused.
const REMARK: Duration = Duration::from_secs(60);

/// Lets connections in while there is room.
#[derive(Clone, Debug)]
pub(super) struct Doorkeeper(Arc<House>);

#[derive(Debug)]
struct House {
    most: usize,
    clock: Clock,
    places: Mutex<Places>,
}

/// Who is in.
#[derive(Debug, Default)]
struct Places {
    /// The number of the next one that waits; later ones have higher numbers.
    next: u64,
    /// Those that wait for their first answer or were answered and send nothing, with what asks them to leave.
    waiting: BTreeMap<u64, CancellationToken>,
    /// How many were answered and have a request in work.
    at_work: usize,
    /// When it was last logged that one was refused.
    remarked: Option<Instant>,
}

/// What a connection holds of the room.
#[derive(Debug)]
struct Place {
    house: Arc<House>,
    leave: CancellationToken,
    standing: Mutex<Standing>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It waits for its first answer, since it came.
    New(u64),
    /// It was answered, and has waited since then for somebody to ask again.
    Idle(u64),
    /// It was answered before and is asking again.
    AtWork,
}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Guest {
    stream: TcpStream,
    asked_to_leave: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Given back when the connection ends.
    _place: Arc<Place>,
}

/// What answers the requests of one connection.
#[derive(Clone, Debug)]
pub(super) struct Attended<S> {
    service: S,
    place: Arc<Place>,
}

/// A request that is in work.
struct InWork(Arc<Place>);

impl Doorkeeper {
    pub(super) fn new(most: usize, clock: Clock) -> Self {
        Self(Arc::new(House { most, clock, places: Mutex::default() }))
    }
}

impl House {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place; `None`: there is no room.
    fn admit(self: &Arc<Self>) -> Option<Arc<Place>> {
        let mut places = self.places();
        if places.waiting.len() + places.at_work >= self.most {
            // Where nobody waits there is nobody who could be asked.
            let (_, leave) = places.waiting.pop_first()?;
            leave.cancel();
        }
        let leave = CancellationToken::new();
        let standing = Mutex::new(Standing::New(places.wait(leave.clone())));
        Some(Arc::new(Place { house: self.clone(), leave, standing }))
    }

    /// Logs that a connection was refused, unless that was just said.
    fn remark(&self) {
        let (mut places, now) = (self.places(), self.clock.monotonic());
        if places.remarked.is_none_or(|last| now.saturating_duration_since(last) >= REMARK) {
            places.remarked = Some(now);
            tracing::warn!(
                most = self.most,
                "connections are refused: as many as are served at a time are open, and each has a request in work. Let \
                 only the forge and whoever watches /readyz reach this port"
            );
        }
    }
}

impl Places {
    /// The last of those that wait, as which it is known.
    fn wait(&mut self, leave: CancellationToken) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, leave);
        number
    }
}

impl Place {
    /// A request arrived. One that has not been answered before keeps its turn: anybody can send one slowly.
    fn asked(&self) {
        let (mut places, mut standing) = (self.house.places(), self.standing());
        if let Standing::Idle(number) = *standing
            && places.waiting.remove(&number).is_some()
        {
            places.at_work += 1;
            *standing = Standing::AtWork;
        }
    }

    /// It was answered. One that is to leave has no place any more.
    fn answered(&self) {
        let (mut places, mut standing) = (self.house.places(), self.standing());
        let had_place = match *standing {
            Standing::AtWork => {
                places.at_work -= 1;
                true
            }
            Standing::New(number) | Standing::Idle(number) => places.waiting.remove(&number).is_some(),
        };
        if had_place {
            *standing = Standing::Idle(places.wait(self.leave.clone()));
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (mut places, standing) = (self.house.places(), *self.standing());
        match standing {
            Standing::AtWork => places.at_work -= 1,
            Standing::New(number) | Standing::Idle(number) => drop(places.waiting.remove(&number)),
        }
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl<S, R> Service<R> for Attended<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.place.asked();
        let (in_work, answer) = (InWork(self.place.clone()), self.service.call(request));
        Box::pin(async move {
            let answer = answer.await;
            drop(in_work);
            answer
        })
    }
}

impl<S> Accept<TcpStream, S> for Doorkeeper {
    type Stream = Guest;
    type Service = Attended<S>;
    type Future = Ready<io::Result<(Guest, Attended<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Some(place) = self.0.admit() else {
            self.0.remark();
            return ready(Err(io::Error::other("too many connections")));
        };
        let asked_to_leave = Box::pin(place.leave.clone().cancelled_owned());
        let guest = Guest { stream, asked_to_leave, _place: place.clone() };
        ready(Ok((guest, Attended { service, place })))
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asked_to_leave.as_mut().poll(context).is_ready() {
            // Nothing more comes, as if the other side had ended it.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[tokio::test]
    async fn whoever_has_waited_longest_makes_room_and_nobody_with_a_request_in_work() {
        let house = Doorkeeper::new(3, Clock::simulated(Timestamp::UNIX_EPOCH, 1)).0;
        let [first, second, third] = [(); 3].map(|()| house.admit().unwrap());
        first.asked();
        first.answered();
        let fourth = house.admit().unwrap();
        let leave = || [&first, &second, &third, &fourth].map(|place| place.leave.is_cancelled());
        assert_eq!(leave(), [false, true, false, false], "it has not been answered for longest");
        // Its place is given once, also when it is answered or goes late.
        second.answered();
        for place in [&third, &fourth] {
            place.asked();
            place.answered();
        }
        first.asked();
        let fifth = house.admit().unwrap();
        assert_eq!(leave(), [false, true, true, false], "it has been idle for longest");
        fourth.asked();
        fifth.answered();
        fifth.asked();
        assert!(house.admit().is_none(), "all of them have a request in work");
        first.answered();
        let sixth = house.admit().unwrap();
        assert_eq!(leave(), [true, true, true, false], "it has just been answered");
        drop((first, second, third));
        sixth.answered();
        sixth.asked();
        assert!(house.admit().is_none());
        drop(fourth);
        assert!(house.admit().is_some(), "one has gone");
    }
}
