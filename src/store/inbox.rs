//! The inbox: webhooks, stored before they are acknowledged.
//!
//! Guarantees: a delivery that was answered survives a crash; a repeated one is recognised by its id. The
//! body is not kept: a webhook only wakes, and Git is read again.

use jiff::Timestamp;

use super::column::{Columns, micros};
use super::{Store, StoreError};
use crate::forge::DeliveryId;

/// How many deliveries are looked at in one go. They all mean the same: look again.
const MAX_PENDING: i64 = 1000;

/// A webhook, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The forge: `github`.
    pub forge: String,
    /// The forge's id of it.
    pub delivery_id: DeliveryId,
    /// The forge's word for the event.
    pub event: String,
    /// Digest of the body, for an operator who compares.
    pub body_digest: String,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// The place of a delivery in the inbox; a later one has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryNumber(pub i64);

/// A delivery that has not been acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingDelivery {
    /// Its place in the inbox.
    pub number: DeliveryNumber,
    /// What arrived.
    pub delivery: Delivery,
}

/// Whether a delivery was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is new, and on the disk.
    New,
    /// The forge sent it again.
    Duplicate,
}

impl Store {
    /// Stores a delivery. When this returns it may be acknowledged.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn store_delivery(&self, delivery: &Delivery) -> Result<Stored, StoreError> {
        let mut writing = self.begin_write().await?;
        let inserted = sqlx::query(
            "INSERT INTO inbox (forge, delivery_id, event, body_digest, received_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (forge, delivery_id) DO NOTHING",
        )
        .bind(delivery.forge.as_str())
        .bind(delivery.delivery_id.to_string())
        .bind(delivery.event.as_str())
        .bind(delivery.body_digest.as_str())
        .bind(micros(delivery.received_at))
        .execute(writing.db())
        .await?;
        writing.commit().await?;
        Ok(if inserted.rows_affected() == 1 { Stored::New } else { Stored::Duplicate })
    }

    /// Deliveries that have not been acted on, oldest first, at most a thousand.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn pending_deliveries(&self) -> Result<Vec<PendingDelivery>, StoreError> {
        let mut reading = self.begin_read().await?;
        let rows = sqlx::query("SELECT * FROM inbox WHERE handled_at IS NULL ORDER BY inbox_id LIMIT $1")
            .bind(MAX_PENDING)
            .fetch_all(reading.db())
            .await?;
        rows.iter()
            .map(|row| {
                let columns = Columns::of("delivery", row);
                let delivery = Delivery {
                    forge: columns.text("forge")?,
                    delivery_id: columns.parsed("delivery_id")?,
                    event: columns.text("event")?,
                    body_digest: columns.text("body_digest")?,
                    received_at: columns.time("received_at")?,
                };
                Ok(PendingDelivery { number: DeliveryNumber(columns.number("inbox_id")?), delivery })
            })
            .collect()
    }

    /// Notes that all deliveries up to this one have been acted on.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn deliveries_handled(&self, up_to: DeliveryNumber, now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.begin_write().await?;
        sqlx::query("UPDATE inbox SET handled_at = $1 WHERE inbox_id <= $2 AND handled_at IS NULL")
            .bind(micros(now))
            .bind(up_to.0)
            .execute(writing.db())
            .await?;
        writing.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{delivery, folder, later};
    use super::*;

    #[tokio::test]
    async fn a_delivery_is_stored_once_and_survives() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        assert_eq!(store.store_delivery(&delivery("1")).await.unwrap(), Stored::New);
        assert_eq!(store.store_delivery(&delivery("1")).await.unwrap(), Stored::Duplicate);
        let elsewhere = Delivery { forge: "gitea".to_owned(), ..delivery("1") };
        assert_eq!(store.store_delivery(&elsewhere).await.unwrap(), Stored::New);
        drop(store);
        let store = Store::open(&path).await.unwrap();
        let pending = store.pending_deliveries().await.unwrap();
        assert_eq!(pending.iter().map(|it| &it.delivery).collect::<Vec<_>>(), [&delivery("1"), &elsewhere]);
    }

    #[tokio::test]
    async fn what_arrives_while_others_are_handled_stays() {
        let store = Store::in_memory().await.unwrap();
        for id in ["1", "2", "3"] {
            store.store_delivery(&delivery(id)).await.unwrap();
        }
        let second = store.pending_deliveries().await.unwrap()[1].number;
        store.deliveries_handled(second, later(1)).await.unwrap();
        let left = store.pending_deliveries().await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].delivery, delivery("3"));
        assert_eq!(store.store_delivery(&delivery("1")).await.unwrap(), Stored::Duplicate);
    }
}
