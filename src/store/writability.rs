//! Whether the journal can be written, and what stands in it be read: what the last write said, kept where readiness can read it for nothing.

use jiff::Timestamp;
use tokio::sync::watch;

use super::StoreError;
use crate::clock::Clock;

/// Whether the journal can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writability {
    /// It can: the last write succeeded.
    Writable,
    /// It cannot. It is tried again every few seconds, also when nobody writes.
    Unwritable {
        /// Since when, by the clock that the type names.
        since: Timestamp,
        /// Why, and what to do about it: one sentence that names the file.
        why: String,
    },
}

/// What the writer keeps up to date, and everybody may look at.
#[derive(Clone, Debug)]
pub(super) struct Health {
    clock: Clock,
    state: watch::Sender<Writability>,
}

impl Health {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, state: watch::Sender::new(Writability::Writable) }
    }

    pub(super) fn get(&self) -> Writability {
        self.state.borrow().clone()
    }

    pub(super) fn is_ill(&self) -> bool {
        *self.state.borrow() != Writability::Writable
    }

    pub(super) fn watch(&self) -> watch::Receiver<Writability> {
        self.state.subscribe()
    }

    pub(super) fn well(&self) {
        let was = self.state.send_replace(Writability::Writable);
        if let Writability::Unwritable { since, .. } = was {
            tracing::info!(%since, "the journal can be written again");
        }
    }

    /// Something could not be written.
    pub(super) fn ill(&self, error: &StoreError) {
        let detail = std::error::Error::source(error).map(|source| format!(" ({source})"));
        self.say(format!("{error}{}", detail.unwrap_or_default()));
    }

    /// A write has not ended for `secs` seconds.
    pub(super) fn slow(&self, secs: u64) {
        self.say(format!("a write to the journal has not ended for {secs} s: check the disk"));
    }

    fn say(&self, why: String) {
        let now = self.clock.now();
        let mut is_news = false;
        self.state.send_modify(|state| {
            let since = match state {
                Writability::Writable => now,
                Writability::Unwritable { since, .. } => *since,
            };
            let next = Writability::Unwritable { since, why: why.clone() };
            is_news = *state != next;
            *state = next;
        });
        if is_news {
            tracing::error!(why, "the journal cannot be written: nothing is sent to Azure meanwhile");
        }
    }
}
