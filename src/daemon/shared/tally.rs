//! What a daemon counts from its start, for tests and for whoever watches over it. Nothing depends on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A look at the repository and its forge was begun.
    Look,
    /// A webhook was stored.
    Stored,
    /// A webhook had been stored before.
    Repeated,
    /// A webhook was acknowledged that concerns nobody: a ping, an event that is not known, one of another
    /// repository.
    Unconcerned,
    /// A webhook was not accepted, whatever the reason: not believed, not understood, too large, too slow,
    /// or not stored.
    Refused,
    /// Webhooks that arrived together were brought to the disk.
    InboxCommit,
}

/// How many kinds there are.
const KINDS: usize = Counted::InboxCommit as usize + 1;

/// Numbers that only grow. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<[AtomicU64; KINDS]>);

impl Tally {
    /// One more.
    pub(in crate::daemon) fn count(&self, counted: Counted) {
        self.0[counted as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn of(&self, counted: Counted) -> u64 {
        self.0[counted as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_and_kinds_apart() {
        let tally = Tally::default();
        tally.clone().count(Counted::Refused);
        tally.count(Counted::Refused);
        tally.count(Counted::InboxCommit);
        assert_eq!(tally.of(Counted::Refused), 2);
        assert_eq!(tally.of(Counted::InboxCommit), 1);
        assert_eq!(tally.of(Counted::Look), 0);
    }
}
