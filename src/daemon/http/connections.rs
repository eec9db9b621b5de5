//! A bound on connections: each costs memory, whoever opened it and whatever is sent.
//!
//! Guarantees: at most [`MAX_CONNECTIONS`] are served at a time. Whoever opens them and sends nothing, or never a
//! whole request, keeps nobody out: for one more, the connection that has been open longest without ever having been
//! answered is closed. Only where all have been answered is one more closed at once, which a proxy or a forge answers
//! by coming again.

use std::collections::BTreeMap;
use std::future::{Future as _, Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::clock::{Clock, Instant};

/// Most connections at a time. With 64 KiB of buffers each that is 16 MiB.
pub(super) const MAX_CONNECTIONS: usize = 256;

/// How often it is logged that connections are refused.
const REMARK: Duration = Duration::from_secs(60);

/// What an answer begins with that only asks for the rest of the request: anybody gets it.
const INTERIM: &[u8] = b"HTTP/1.1 100 ";

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
    /// The number of the next one; later ones have higher numbers.
    next: u64,
    /// Those that were never answered, with what asks them to leave.
    strangers: BTreeMap<u64, CancellationToken>,
    /// How many were answered.
    known: usize,
    /// When it was last logged that one was refused.
    remarked: Option<Instant>,
}

/// What a connection holds of the room.
#[derive(Debug)]
struct Place {
    house: Arc<House>,
    number: u64,
    /// Whether it was answered.
    is_known: bool,
}

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Guest {
    stream: TcpStream,
    asked_to_leave: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Given back when the connection ends.
    place: Place,
}

impl Doorkeeper {
    pub(super) fn new(most: usize, clock: Clock) -> Self {
        Self(Arc::new(House { most, clock, places: Mutex::default() }))
    }
}

impl House {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, and what says that it is needed for somebody else; `None`: there is no room.
    fn admit(self: &Arc<Self>) -> Option<(Place, CancellationToken)> {
        let mut places = self.places();
        if places.strangers.len() + places.known >= self.most {
            // Without a stranger there is nobody who could be asked.
            let (_, leave) = places.strangers.pop_first()?;
            leave.cancel();
        }
        let (number, leave) = (places.next, CancellationToken::new());
        places.next += 1;
        places.strangers.insert(number, leave.clone());
        Some((Place { house: self.clone(), number, is_known: false }, leave))
    }

    /// Logs that a connection was refused, unless that was just said.
    fn remark(&self) {
        let (mut places, now) = (self.places(), self.clock.monotonic());
        if places.remarked.is_none_or(|last| now.saturating_duration_since(last) >= REMARK) {
            places.remarked = Some(now);
            tracing::warn!(
                most = self.most,
                "connections are refused: as many as are served at a time are open, and each was answered before. Let \
                 only the forge and whoever watches /readyz reach this port"
            );
        }
    }
}

impl Place {
    /// It was answered. One that is to leave is not known any more.
    fn answered(&mut self) {
        if !self.is_known {
            let mut places = self.house.places();
            if places.strangers.remove(&self.number).is_some() {
                places.known += 1;
                self.is_known = true;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.house.places();
        if self.is_known {
            places.known -= 1;
        } else {
            places.strangers.remove(&self.number);
        }
    }
}

impl<S> Accept<TcpStream, S> for Doorkeeper {
    type Stream = Guest;
    type Service = S;
    type Future = Ready<io::Result<(Guest, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Some((place, leave)) = self.0.admit() else {
            self.0.remark();
            return ready(Err(io::Error::other("too many connections")));
        };
        let asked_to_leave = Box::pin(leave.cancelled_owned());
        ready(Ok((Guest { stream, asked_to_leave, place }, service)))
    }
}

impl Guest {
    /// Takes note of what was just written.
    fn wrote(&mut self, bytes: &[u8], written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) && !bytes.starts_with(INTERIM) {
            self.place.answered();
        }
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
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(bytes, &written);
        written
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.wrote(first.map_or(&[], |slice| slice), &written);
        written
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
    async fn the_longest_unanswered_makes_room_and_nobody_who_was_answered() {
        let house = Doorkeeper::new(3, Clock::simulated(Timestamp::UNIX_EPOCH, 1)).0;
        let (mut first, first_leaves) = house.admit().unwrap();
        first.answered();
        let (second, second_leaves) = house.admit().unwrap();
        let (mut third, third_leaves) = house.admit().unwrap();
        let (mut fourth, fourth_leaves) = house.admit().unwrap();
        let leave = || {
            [&first_leaves, &second_leaves, &third_leaves, &fourth_leaves]
                .map(CancellationToken::is_cancelled)
        };
        assert_eq!(leave(), [false, true, false, false]);
        // Its place is given once, also when it goes late.
        drop(second);
        third.answered();
        fourth.answered();
        assert!(house.admit().is_none(), "all of them were answered");
        assert_eq!(leave(), [false, true, false, false]);
        drop(first);
        assert!(house.admit().is_some(), "one has gone");
    }
}
