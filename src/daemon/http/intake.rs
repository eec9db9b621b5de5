//! Webhooks on their way into the store: those that arrive together are stored together.
//!
//! A commit to the disk takes milliseconds, whatever is in it. Guarantees: a delivery is answered after
//! it is on the disk; what cannot be taken in time is refused, so that the forge delivers it again.

use tokio::sync::{mpsc, oneshot};

use crate::daemon::shared::tally::{Counted, Tally};
use crate::store::{Delivery, Store, Stored};

/// Deliveries that may wait for the next transaction. More are refused.
const WAITING: usize = 4096;

/// Most deliveries of one transaction, so that none waits long for its own.
const AT_ONCE: usize = 256;

/// A delivery, and who waits for it to be stored.
type Waiting = (Delivery, oneshot::Sender<Stored>);

/// The way in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Intake(mpsc::Sender<Waiting>);

/// The store did not take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotStored;

impl Intake {
    /// A way into `store`, which ends with its last clone.
    pub(super) fn open(store: Store, tally: Tally) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(store_all(store, tally, receiver));
        Self(sender)
    }

    /// Stores a delivery; comes back when it is on the disk.
    pub(super) async fn take(&self, delivery: Delivery) -> Result<Stored, NotStored> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send((delivery, answer)).map_err(|_| NotStored)?;
        answered.await.map_err(|_| NotStored)
    }
}

async fn store_all(store: Store, tally: Tally, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(AT_ONCE);
    while waiting.recv_many(&mut batch, AT_ONCE).await > 0 {
        let (deliveries, answers): (Vec<Delivery>, Vec<_>) = batch.drain(..).unzip();
        match store.store_deliveries(&deliveries).await {
            Ok(stored) => {
                tally.count(Counted::InboxCommit);
                for (answer, stored) in answers.into_iter().zip(stored) {
                    // Whoever asked may have hung up.
                    let _ = answer.send(stored);
                }
            }
            Err(error) => tracing::error!(%error, count = deliveries.len(), "webhooks could not be stored"),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::join_all;

    use super::*;

    fn delivery(id: &str) -> Delivery {
        Delivery {
            forge: "github".to_owned(),
            delivery_id: id.parse().unwrap(),
            event: "push".to_owned(),
            body_digest: "abc".to_owned(),
            about: None,
            received_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn what_arrives_together_is_stored_together_and_each_is_told_its_own() {
        let (store, tally) = (Store::in_memory().await.unwrap(), Tally::default());
        let intake = Intake::open(store.clone(), tally.clone());
        let ids = (0..300).map(|number| (number % 299).to_string());
        let told = join_all(ids.map(|id| intake.take(delivery(&id)))).await;
        assert_eq!(told.iter().filter(|told| **told == Ok(Stored::New)).count(), 299);
        assert_eq!(told.last(), Some(&Ok(Stored::Duplicate)));
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 299);
        assert_eq!(tally.of(Counted::InboxCommit), 2);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused_at_once() {
        let (sender, mut receiver) = mpsc::channel(1);
        let intake = Intake(sender);
        let mut first = Box::pin(intake.take(delivery("1")));
        assert_eq!(first.as_mut().now_or_never(), None, "it waits for the store");
        assert_eq!(intake.take(delivery("2")).now_or_never(), Some(Err(NotStored)));
        let (_, answer) = receiver.recv().await.unwrap();
        answer.send(Stored::New).unwrap();
        assert_eq!(first.await, Ok(Stored::New));
    }

    #[tokio::test]
    async fn what_the_store_does_not_take_is_not_acknowledged() {
        let (store, tally) = (Store::in_memory().await.unwrap(), Tally::default());
        let intake = Intake::open(store.clone(), tally.clone());
        assert_eq!(intake.take(delivery("1")).await, Ok(Stored::New));
        store.close().await;
        assert_eq!(intake.take(delivery("2")).await, Err(NotStored));
        assert_eq!(intake.take(delivery("3")).await, Err(NotStored), "the way in stays open");
        assert_eq!(tally.of(Counted::InboxCommit), 1);
    }
}
