//! What the daemon does while its journal cannot be written: nothing, and that in order.
//!
//! Guarantees: no attempt counts as a try that only the journal has ended; what has been done and could not be
//! written down is written down when the journal is back; nothing is told to a forge that could not be
//! noted as told; when the journal is back, the repository is looked at and all of it goes on.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::daemon::shared::Shared;
use crate::daemon::shared::event::{Because, Event};
use crate::store::{StoreError, Writability};

/// How long work rests that only the journal keeps from going on; and the shortest wait before the same thing
/// is written again.
pub(in crate::daemon) const JOURNAL_WAIT: Duration = Duration::from_secs(2);

/// Whether an outage is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Outage {
    Over,
    /// The service stops before that.
    Stopped,
}

/// Waits until what could not be written may be tried again.
pub(in crate::daemon) async fn outlast(shared: &Shared, stop: &CancellationToken) -> Outage {
    let outlasted = stop.run_until_cancelled(async {
        // A write may fail although the one before it did not; never faster than this.
        shared.clock.sleep(JOURNAL_WAIT).await;
        shared.store.until_writable().await;
    });
    if outlasted.await.is_some() { Outage::Over } else { Outage::Stopped }
}

/// Sends an event when the journal is back after an outage: what happened meanwhile is looked at at once.
pub(in crate::daemon) async fn watch_journal(
    shared: Arc<Shared>,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let mut watching = shared.store.watch_writability();
    let is_out = |state: &Writability| *state != Writability::Writable;
    let outages = async {
        while watching.wait_for(is_out).await.is_ok() {
            shared.store.until_writable().await;
            shared.outbox.notify_one();
            if events.send(Event::Look(Because::JournalBack)).await.is_err() {
                return;
            }
        }
    };
    stop.run_until_cancelled(outages).await;
}

/// Whether it is the journal's disk that has made something fail.
pub(in crate::daemon) fn is_of_the_journal(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<StoreError>().is_some_and(StoreError::is_of_the_disk) {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::error::WorkError;
    use super::*;
    use crate::reconcile::ReconcileError;
    use crate::reconcile::apply::{ApplyError, JournalError};

    fn gone() -> StoreError {
        StoreError::Gone { path: "journal.db".into(), what: "is gone", source: None }
    }

    fn journal(source: StoreError) -> JournalError {
        JournalError::Store { verb: "written", source: Box::new(source) }
    }

    #[test]
    fn a_failing_disk_is_found_below_every_error_and_nothing_else_is() {
        let late = || StoreError::NotUnderWay { run: "1".to_owned() };
        assert!(WorkError::Store(gone()).is_of_the_journal());
        assert!(WorkError::Reconcile(ReconcileError::Journal(journal(gone()))).is_of_the_journal());
        let applied = ReconcileError::Apply(ApplyError::Journal(journal(gone())));
        assert!(WorkError::Reconcile(applied).is_of_the_journal());
        assert!(!WorkError::Store(late()).is_of_the_journal());
        assert!(!WorkError::Reconcile(ReconcileError::Journal(journal(late()))).is_of_the_journal());
    }
}
