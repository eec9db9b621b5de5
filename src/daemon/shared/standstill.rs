//! What open work waits for, so that the whole commit's status says it beside the environment's own.
//!
//! Guarantee: the aggregate names a wait for as long as the status of its environment does. Kept in memory: after
//! a restart whatever still waits is told anew, and work that goes on takes back what an earlier process said.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::store::{Work, WorkId};

/// What a pending status is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Footing {
    /// Something is in the way.
    Waits,
    /// Nothing but its turn: others are worked on.
    Queued,
    /// It goes on.
    GoesOn,
}

/// What work waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Held {
    /// As its own status says it.
    pub(in crate::daemon) text: String,
    /// Whether it only waits for its turn. While others of the same commit go on, that is no news of the commit.
    pub(in crate::daemon) is_queued: bool,
}

/// What each piece of work waits for that waits.
pub(in crate::daemon) type Waiting = BTreeMap<WorkId, Held>;

/// What is known to wait now.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Standstill(Mutex<Waiting>);

impl Standstill {
    /// Notes what was said of work; whether that is news for its commit.
    pub(in crate::daemon) fn note(&self, id: WorkId, footing: Footing, text: &str) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if footing == Footing::GoesOn {
            return waiting.remove(&id).is_some();
        }
        let held = Held { text: text.to_owned(), is_queued: footing == Footing::Queued };
        waiting.insert(id, held.clone()).as_ref() != Some(&held)
    }

    /// Forgets work that has ended or was superseded.
    pub(in crate::daemon) fn forget(&self, id: WorkId) {
        self.note(id, Footing::GoesOn, "");
    }

    /// What of `work` waits, and for what.
    pub(in crate::daemon) fn of(&self, work: &[Work]) -> Waiting {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work.iter().filter_map(|one| Some((one.id, waiting.get(&one.id)?.clone()))).collect()
    }

    /// What this piece of work waits for, in the words of its own status.
    pub(in crate::daemon) fn why(&self, id: WorkId) -> Option<String> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(&id).map(|held| held.text.clone())
    }

    pub(in crate::daemon) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
