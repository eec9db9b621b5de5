//! The inbox: webhooks, stored before they are acknowledged.
//!
//! Guarantees: a delivery that was answered survives a crash; a repeated one is recognised by its id. The
//! body is not kept: a webhook only wakes, and Git is read again.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::{AnyConnection, AssertSqlSafe};

use super::column::{Columns, micros};
use super::{Store, StoreError};
use crate::forge::{DeliveryId, PullRequestNumber};
use crate::git::CommitId;

/// How many deliveries are looked at in one go. They all mean the same: look again.
const MAX_PENDING: i64 = 1000;

/// Columns that are written.
const COLUMNS: usize = 6;

/// Most rows of one statement. SQLite takes 32,766 parameters ("Limits in SQLite"), PostgreSQL 65,535.
const MAX_ROWS: usize = 500;

/// A webhook, as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The forge, by the segment of its webhooks: `github`.
    pub forge: String,
    /// The forge's id of it.
    pub delivery_id: DeliveryId,
    /// The forge's word for the event.
    pub event: String,
    /// Digest of the body, for an operator who compares.
    pub body_digest: String,
    /// What to look at beside Git.
    pub about: Option<About>,
    /// When it arrived, by the clock of this machine.
    pub received_at: Timestamp,
}

/// What a webhook asks to look at beside Git. It is no truth either: the forge is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A pull request, open or not.
    PullRequest(PullRequestNumber),
    /// The check of a commit, once more.
    Rerun(CommitId),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PullRequest(number) => write!(f, "pull:{number}"),
            Self::Rerun(commit) => write!(f, "commit:{commit}"),
        }
    }
}

/// The text says nothing to look at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a pull request nor a commit")]
pub struct AboutError(String);

impl FromStr for About {
    type Err = AboutError;

    fn from_str(text: &str) -> Result<Self, AboutError> {
        let about = match text.split_once(':') {
            Some(("pull", number)) => number.parse().ok().map(Self::PullRequest),
            Some(("commit", id)) => id.parse().ok().map(Self::Rerun),
            Some(_) | None => None,
        };
        about.ok_or_else(|| AboutError(text.to_owned()))
    }
}

/// The place of a delivery in the inbox; a later one has a larger number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryNumber(pub i64);

/// A delivery that has not been acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingDelivery {
    /// Its place in the inbox.
    pub number: DeliveryNumber,
    /// What arrived, as it was believed then.
    pub delivery: Delivery,
}

/// What deliveries that have not been acted on ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbox {
    /// The newest of them.
    pub newest: Option<DeliveryNumber>,
    /// What they name beside Git, each once, at most a thousand.
    pub about: Vec<About>,
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
    /// Stores deliveries in one transaction, and says of each whether it is new. When this returns they may
    /// be acknowledged.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then none is stored.
    pub async fn store_deliveries(&self, deliveries: &[Delivery]) -> Result<Vec<Stored>, StoreError> {
        let deliveries = deliveries.to_vec();
        self.write(move |db| {
            Box::pin(async move {
                let mut stored = Vec::with_capacity(deliveries.len());
                for some in deliveries.chunks(MAX_ROWS) {
                    stored.extend(insert(db, some).await?);
                }
                Ok(stored)
            })
        })
        .await
    }

    /// What the deliveries in the inbox ask for, however many there are.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn inbox(&self) -> Result<Inbox, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let newest =
                    sqlx::query("SELECT MAX(inbox_id) AS newest FROM inbox WHERE handled_at IS NULL")
                        .fetch_one(&mut *db)
                        .await?;
                let newest = Columns::of("delivery", &newest).optional_number("newest")?.map(DeliveryNumber);
                let rows = sqlx::query(
            "SELECT DISTINCT about FROM inbox WHERE handled_at IS NULL AND about IS NOT NULL LIMIT $1",
        )
        .bind(MAX_PENDING)
        .fetch_all(&mut *db)
        .await?;
                let about = rows.iter().map(|row| Columns::of("delivery", row).parsed("about"));
                Ok(Inbox { newest, about: about.collect::<Result<_, _>>()? })
            })
        })
        .await
    }

    /// Deliveries that have not been acted on, oldest first, at most a thousand.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn pending_deliveries(&self) -> Result<Vec<PendingDelivery>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows =
                    sqlx::query("SELECT * FROM inbox WHERE handled_at IS NULL ORDER BY inbox_id LIMIT $1")
                        .bind(MAX_PENDING)
                        .fetch_all(&mut *db)
                        .await?;
                rows.iter()
                    .map(|row| {
                        let columns = Columns::of("delivery", row);
                        let delivery = Delivery {
                            forge: columns.text("forge")?,
                            delivery_id: columns.parsed("delivery_id")?,
                            event: columns.text("event")?,
                            body_digest: columns.text("body_digest")?,
                            about: columns.optional_parsed("about")?,
                            received_at: columns.time("received_at")?,
                        };
                        Ok(PendingDelivery { number: DeliveryNumber(columns.number("inbox_id")?), delivery })
                    })
                    .collect()
            })
        })
        .await
    }

    /// Notes that all deliveries up to this one have been acted on.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn deliveries_handled(&self, up_to: DeliveryNumber, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE inbox SET handled_at = $1 WHERE inbox_id <= $2 AND handled_at IS NULL")
                    .bind(micros(now))
                    .bind(up_to.0)
                    .execute(&mut *db)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

/// Stores deliveries with one statement: a statement each would take ten times as long.
async fn insert(db: &mut AnyConnection, deliveries: &[Delivery]) -> Result<Vec<Stored>, StoreError> {
    let row = |row: usize| {
        let numbers = (1..=COLUMNS).map(|column| format!("${}", row * COLUMNS + column));
        format!("({})", numbers.collect::<Vec<_>>().join(", "))
    };
    let rows: Vec<String> = (0..deliveries.len()).map(row).collect();
    // Nothing but numbers is put into it.
    let statement = AssertSqlSafe(format!(
        "INSERT INTO inbox (forge, delivery_id, event, body_digest, received_at, about) VALUES {}
         ON CONFLICT (forge, delivery_id) DO NOTHING RETURNING forge, delivery_id",
        rows.join(", ")
    ));
    let mut query = sqlx::query(statement).persistent(false);
    for delivery in deliveries {
        query = query
            .bind(delivery.forge.as_str())
            .bind(delivery.delivery_id.to_string())
            .bind(delivery.event.as_str())
            .bind(delivery.body_digest.as_str())
            .bind(micros(delivery.received_at))
            .bind(delivery.about.as_ref().map(ToString::to_string));
    }
    let mut new = BTreeSet::new();
    for row in query.fetch_all(db).await? {
        let columns = Columns::of("delivery", &row);
        new.insert((columns.text("forge")?, columns.parsed("delivery_id")?));
    }
    let answer = |delivery: &Delivery| {
        // The second of two alike in one go is the duplicate.
        match new.remove(&(delivery.forge.clone(), delivery.delivery_id.clone())) {
            true => Stored::New,
            false => Stored::Duplicate,
        }
    };
    Ok(deliveries.iter().map(answer).collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{delivery, folder, later};
    use super::*;

    async fn keep(store: &Store, delivery: Delivery) -> Stored {
        store.store_deliveries(&[delivery]).await.unwrap().remove(0)
    }

    #[tokio::test]
    async fn what_the_inbox_asks_for_is_named_once() {
        let store = Store::in_memory().await.unwrap();
        assert_eq!(store.inbox().await.unwrap(), Inbox::default());
        let seven = About::PullRequest(PullRequestNumber::new(7).unwrap());
        let about = |id: &str| Delivery { about: Some(seven.clone()), ..delivery(id) };
        let all = [about("1"), about("2"), about("1"), delivery("3")];
        let stored = store.store_deliveries(&all).await.unwrap();
        assert_eq!(stored, [Stored::New, Stored::New, Stored::Duplicate, Stored::New]);
        let inbox = store.inbox().await.unwrap();
        assert_eq!(inbox.about, [seven]);
        store.deliveries_handled(inbox.newest.unwrap(), later(1)).await.unwrap();
        assert_eq!(store.inbox().await.unwrap(), Inbox::default());
    }

    #[tokio::test]
    async fn very_many_fit_into_one_transaction() {
        let store = Store::in_memory().await.unwrap();
        let all: Vec<Delivery> = (0..MAX_ROWS + 1).map(|id| delivery(&id.to_string())).collect();
        assert!(store.store_deliveries(&all).await.unwrap().iter().all(|stored| *stored == Stored::New));
        assert!(
            store.store_deliveries(&all).await.unwrap().iter().all(|stored| *stored == Stored::Duplicate)
        );
        assert_eq!(store.store_deliveries(&[]).await.unwrap(), []);
        let newest = store.pending_deliveries().await.unwrap().last().unwrap().clone();
        assert_eq!(newest.delivery, all[MAX_ROWS]);
    }

    #[tokio::test]
    async fn a_delivery_is_stored_once_and_survives() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        assert_eq!(keep(&store, delivery("1")).await, Stored::New);
        assert_eq!(keep(&store, delivery("1")).await, Stored::Duplicate);
        let elsewhere = Delivery { forge: "gitea".to_owned(), ..delivery("1") };
        assert_eq!(keep(&store, elsewhere.clone()).await, Stored::New);
        drop(store);
        let store = Store::open(&path).await.unwrap();
        let pending = store.pending_deliveries().await.unwrap();
        assert_eq!(pending.iter().map(|it| &it.delivery).collect::<Vec<_>>(), [&delivery("1"), &elsewhere]);
    }

    #[tokio::test]
    async fn what_arrives_while_others_are_handled_stays() {
        let store = Store::in_memory().await.unwrap();
        for id in ["1", "2", "3"] {
            keep(&store, delivery(id)).await;
        }
        let second = store.pending_deliveries().await.unwrap()[1].number;
        store.deliveries_handled(second, later(1)).await.unwrap();
        let left = store.pending_deliveries().await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].delivery, delivery("3"));
        assert_eq!(keep(&store, delivery("1")).await, Stored::Duplicate);
    }
}
