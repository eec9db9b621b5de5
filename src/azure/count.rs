//! How many requests were sent: the number that benchmarks and people ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests to Azure Resource Manager since the start, every attempt counted, tokens not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCount {
    /// GET, lists (one per page) and read-only POST.
    pub reads: u64,
    /// PUT, PATCH, POST and DELETE.
    pub writes: u64,
    /// Looks at running operations.
    pub polls: u64,
}

/// Why a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
    Poll,
}

/// The counters behind [`RequestCount`]; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(Arc<[AtomicU64; 3]>);

impl Counters {
    pub(super) fn add(&self, purpose: Purpose) {
        self.0[slot(purpose)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> RequestCount {
        let of = |purpose| self.0[slot(purpose)].load(Ordering::Relaxed);
        RequestCount { reads: of(Purpose::Read), writes: of(Purpose::Write), polls: of(Purpose::Poll) }
    }
}

const fn slot(purpose: Purpose) -> usize {
    match purpose {
        Purpose::Read => 0,
        Purpose::Write => 1,
        Purpose::Poll => 2,
    }
}
