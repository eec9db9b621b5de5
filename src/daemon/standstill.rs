//! What open work waits for, so that the whole commit's status says it beside the environment's own.
//!
//! Guarantee: the aggregate names a wait for as long as the status of its environment does. Kept in memory: after
//! a restart whatever still waits is told anew, and work that goes on takes back what an earlier process said.

use std::sync::{Mutex, PoisonError};

use super::wording::{Held, Waiting};
use crate::store::{Work, WorkId};

/// What a pending status is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// Something is in the way.
    Waits,
    /// Nothing but its turn: others are worked on.
    Queued,
    /// It goes on.
    GoesOn,
}

/// What is known to wait now.
#[derive(Debug, Default)]
pub(super) struct Standstill(Mutex<Waiting>);

impl Standstill {
    /// Notes what was said of work; whether that is news for its commit.
    pub(super) fn note(&self, id: WorkId, footing: Footing, text: &str) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if footing == Footing::GoesOn {
            return waiting.remove(&id).is_some();
        }
        let held = Held { text: text.to_owned(), is_queued: footing == Footing::Queued };
        waiting.insert(id, held.clone()).as_ref() != Some(&held)
    }

    /// Forgets work that has ended or was superseded.
    pub(super) fn forget(&self, id: WorkId) {
        self.note(id, Footing::GoesOn, "");
    }

    /// What of `work` waits, and for what.
    pub(super) fn of(&self, work: &[Work]) -> Waiting {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work.iter().filter_map(|one| Some((one.id, waiting.get(&one.id)?.clone()))).collect()
    }

    /// What this piece of work waits for, in the words of its own status.
    pub(super) fn why(&self, id: WorkId) -> Option<String> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.get(&id).map(|held| held.text.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
