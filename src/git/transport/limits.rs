//! Time and size limits of one exchange with a remote.
//!
//! Guarantees: no wait outlasts the whole exchange's limit, and no more bytes are taken than allowed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Sleep;

use crate::git::failure::{Failure, MAX_FETCH_BYTES};

/// How long one exchange with a remote may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long the other side may stay silent. A server that packs a large repository needs some time.
    pub silence: Duration,
    /// The whole exchange. The first fetch of a large repository over a slow line must fit.
    pub whole: Duration,
}

impl Default for Patience {
    /// A minute, and half an hour.
    fn default() -> Self {
        Self { silence: Duration::from_secs(60), whole: Duration::from_secs(30 * 60) }
    }
}

/// How much a list of references may be. A hundred thousand references are about 8 MB.
const MAX_ADVERTISEMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The remaining allowance of one exchange. Must be used on a thread that may block.
pub(super) struct Limits {
    runtime: Handle,
    patience: Patience,
    deadline: Pin<Box<Sleep>>,
    received_bytes: u64,
    limit_bytes: u64,
}

impl Limits {
    pub(super) fn new(runtime: &Handle, patience: Patience) -> Self {
        let _context = runtime.enter();
        Self {
            runtime: runtime.clone(),
            patience,
            deadline: Box::pin(tokio::time::sleep(patience.whole)),
            received_bytes: 0,
            limit_bytes: MAX_ADVERTISEMENT_BYTES,
        }
    }

    /// From here on a pack may follow, not only a list of references.
    pub(super) fn expect_pack(&mut self) {
        self.limit_bytes = MAX_FETCH_BYTES;
    }

    /// Waits for `work` until the exchange's time is over.
    pub(super) fn wait<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let (deadline, whole) = (&mut self.deadline, self.patience.whole);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                done = work => Ok(done),
                () = deadline.as_mut() => Err(Failure::TimedOut(format!("it took longer than {} s", whole.as_secs()))),
            }
        })
    }

    /// As [`Limits::wait`], at most `limit` long; `what` says what took too long.
    pub(super) fn wait_at_most<T>(
        &mut self,
        limit: Duration,
        what: &str,
        work: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        // A timer needs the runtime around it when it is made, not only when it is awaited.
        let ended = self.wait(async { tokio::time::timeout(limit, work).await })?;
        ended.map_err(|_| Failure::TimedOut(format!("{what} for {} s", limit.as_secs())))
    }

    /// As [`Limits::wait`], as long as the other side may be silent.
    pub(super) fn hear<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        self.wait_at_most(self.patience.silence, "it sent nothing", work)
    }

    pub(super) fn count(&mut self, bytes: usize) -> Result<(), Failure> {
        self.received_bytes = self.received_bytes.saturating_add(bytes as u64);
        if self.received_bytes > self.limit_bytes {
            return Err(Failure::TooLarge { limit_bytes: self.limit_bytes });
        }
        Ok(())
    }
}
