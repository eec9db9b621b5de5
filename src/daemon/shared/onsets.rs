//! Since when this process has had each piece of work.
//!
//! Why: what is stored is a date of the wall clock, which may jump, and counts the time in which no process lived.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::log::Lasted;
use crate::clock::{Clock, Instant};
use crate::store::{Work, WorkId};

/// The longest interruption that is measured: it is of the wall clock.
pub(in crate::daemon) const LONGEST: Duration = Duration::from_secs(100 * 24 * 60 * 60);

/// When this process heard of work, and how long that was after it had been queued by an earlier one.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Onsets(Mutex<BTreeMap<WorkId, (Instant, Option<Duration>)>>);

impl Onsets {
    /// This process has queued the work.
    pub(in crate::daemon) fn queued(&self, id: WorkId, clock: &Clock) {
        self.note(id, clock, None);
    }

    /// An earlier process has queued the work, and this one takes it up.
    pub(in crate::daemon) fn taken_up(&self, work: &Work, clock: &Clock) {
        self.note(work.id, clock, Some(clock.age(work.queued_at, LONGEST)));
    }

    fn note(&self, id: WorkId, clock: &Clock, resumed_after: Option<Duration>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(id).or_insert_with(|| (clock.monotonic(), resumed_after));
    }

    /// How long it has gone on.
    pub(in crate::daemon) fn of(&self, id: WorkId, clock: &Clock) -> Lasted {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.monotonic();
        let (began, resumed_after) = known.get(&id).copied().unwrap_or((now, None));
        Lasted { took: now.saturating_duration_since(began), resumed_after }
    }

    /// It is over.
    pub(in crate::daemon) fn forget(&self, id: WorkId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
