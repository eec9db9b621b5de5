//! Which connections the server holds, and how long it waits for them.
//!
//! Guarantee: nobody can hold the server by being slow, silent or many. A client that does not finish its
//! handshake, its first request, its headers or its body in time is let go; when all places are taken,
//! the connection that has been silent for longest gives its place to the new one.

use std::collections::BTreeMap;
use std::future::{Future, Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How many connections there may be, and how long the server waits for their clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections at a time.
    pub(super) connections: usize,
    /// From the connection to the end of the TLS handshake.
    pub(super) handshake: Duration,
    /// From the handshake to the end of the first request's headers.
    pub(super) first_request: Duration,
    /// From one answer to the end of the next request's headers (HTTP/1.1).
    pub(super) next_request: Duration,
    /// Between the pings that ask whether a client is still there (HTTP/2), and for their answer.
    pub(super) ping: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A process usually has 1,024 file descriptors.
            connections: 900,
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(30),
            // Longer than clients keep an idle connection (90 s in Go and reqwest), so that they close first
            // and never send a request into a closing connection.
            next_request: Duration::from_secs(120),
            ping: Duration::from_secs(30),
        }
    }
}

/// The places for connections. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    /// Counts everything that is read and written, which gives silence an order without a clock.
    events: AtomicU64,
    taken: Mutex<BTreeMap<u64, Arc<Place>>>,
}

#[derive(Debug, Default)]
struct Place {
    /// The event at which the connection was last heard of.
    heard: AtomicU64,
    given_up: CancellationToken,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let shared = Shared { most: most.max(1), events: AtomicU64::new(0), taken: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Gives a connection a place, which another one may have to leave.
    fn admit(&self, stream: TcpStream) -> Seated {
        let number = self.shared.event();
        let place = Arc::new(Place { heard: AtomicU64::new(number), ..Place::default() });
        let mut taken = self.shared.taken();
        while taken.len() >= self.shared.most {
            let silent = taken.iter().min_by_key(|(_, place)| place.heard.load(Ordering::Relaxed));
            let Some(longest) = silent.map(|(number, _)| *number) else { break };
            if let Some(place) = taken.remove(&longest) {
                place.given_up.cancel();
            }
        }
        taken.insert(number, Arc::clone(&place));
        drop(taken);
        let leave = Box::pin(place.given_up.clone().cancelled_owned());
        Seated { stream, number, place, leave, shared: Arc::clone(&self.shared) }
    }
}

impl Shared {
    fn event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Place>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Accept<TcpStream, S> for Places {
    type Stream = Seated;
    type Service = S;
    type Future = Ready<io::Result<(Seated, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        // Small answers must not wait for the acknowledgement of earlier ones.
        ready(stream.set_nodelay(true).map(|()| (self.admit(stream), service)))
    }
}

/// A connection that has a place, until it is dropped or has to leave it.
pub(super) struct Seated {
    stream: TcpStream,
    number: u64,
    place: Arc<Place>,
    leave: Pin<Box<WaitForCancellationFutureOwned>>,
    shared: Arc<Shared>,
}

impl Seated {
    /// Notes that something was heard; an error once the place is given up.
    fn heard<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.place.heard.store(self.shared.event(), Ordering::Relaxed);
            return outcome;
        }
        match self.leave.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.shared.taken().remove(&self.number);
    }
}

impl AsyncRead for Seated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.heard(cx, outcome)
    }
}

impl AsyncWrite for Seated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.heard(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.heard(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
