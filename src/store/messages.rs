//! What is said on a forge beside statuses: comments on pull requests, replies, check runs; kept until
//! the forge has accepted them.
//!
//! Guarantees: of one key only the newest message waits, and a delivery that was under way is not taken
//! for that of a newer one; delivery is at least once; the forge's id of a comment is remembered, so
//! that the comment is edited in place.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::column::{Columns, json, micros};
use super::outbox::latest_due;
use super::{Shown, Store, StoreError};
use crate::forge::{CheckRun, CommentId, PullRequestNumber};
use crate::text::both_ends;

/// The longest error text that is kept, in characters.
const MAX_ERROR_CHARS: usize = 500;

/// For how long writes are remembered to be counted.
const WRITES_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Something to say on a pull request beside its statuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "message")]
pub enum Message {
    /// The comment with the plan; a newer one takes its place.
    Plan {
        /// The pull request on which it is said.
        pull_request: PullRequestNumber,
        /// Markdown, without the marker.
        body: String,
        /// What it shows; `None` in journals of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shown: Option<Shown>,
    },
    /// That a comment was read.
    Acknowledgement {
        /// The pull request on which it is said.
        pull_request: PullRequestNumber,
        /// The comment, by the forge's id.
        comment: CommentId,
    },
    /// An answer to a comment.
    Reply {
        /// The pull request on which it is said.
        pull_request: PullRequestNumber,
        /// The comment that is answered.
        comment: CommentId,
        /// Markdown, without the marker.
        body: String,
    },
    /// The page of a check.
    Check(CheckRun),
}

impl Message {
    /// What a newer message takes the place of.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Plan { pull_request, .. } => format!("plan {pull_request}"),
            Self::Acknowledgement { pull_request, comment } => format!("seen {pull_request} {comment}"),
            Self::Reply { pull_request, comment, .. } => format!("reply {pull_request} {comment}"),
            Self::Check(check) => format!("check {}", check.commit),
        }
    }
}

/// A message that waits for the forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    id: i64,
    version: i64,
    /// What is said, and where.
    pub message: Message,
    /// The comment that an earlier message of this key stands in.
    pub remote: Option<CommentId>,
    /// How often its delivery has failed.
    pub attempts: u32,
}

impl Store {
    /// Queues messages.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then none is queued.
    pub async fn say(&self, messages: &[Message], now: Timestamp) -> Result<(), StoreError> {
        let messages = messages.to_vec();
        self.write(move |db| Box::pin(async move { put_messages(db, &messages, now).await })).await
    }

    /// Messages whose time has come, oldest first, at most `limit`; also those that were put off for longer
    /// than anybody does, as in [`Store::due`].
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn due_messages(&self, now: Timestamp, limit: u32) -> Result<Vec<OutgoingMessage>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT * FROM messages WHERE delivered_at IS NULL AND (next_try_at <= $1 OR next_try_at > $3)
                     ORDER BY next_try_at, queued_at, message_id LIMIT $2",
                )
                .bind(micros(now))
                .bind(i64::from(limit))
                .bind(micros(latest_due(now)))
                .fetch_all(&mut *db)
                .await?;
                rows.iter().map(outgoing_of).collect()
            })
        })
        .await
    }

    /// When the next message is due; `None` when none waits.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn next_due_message(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
            "SELECT next_try_at FROM messages WHERE delivered_at IS NULL ORDER BY next_try_at LIMIT 1",
        )
        .fetch_optional(&mut *db)
        .await?;
                row.map(|row| Columns::of("message", &row).time("next_try_at")).transpose()
            })
        })
        .await
    }

    /// Notes that the forge has accepted a message, and where it stands. When a newer one has taken its
    /// place meanwhile, that one still waits.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn message_delivered(
        &self,
        outgoing: &OutgoingMessage,
        remote: Option<&CommentId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, version, remote) = (outgoing.id, outgoing.version, remote.cloned());
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE messages SET remote_id = COALESCE($1, remote_id) WHERE message_id = $2")
                    .bind(remote.map(|remote| remote.to_string()))
                    .bind(id)
                    .execute(&mut *db)
                    .await?;
                sqlx::query(
            "UPDATE messages SET delivered_at = $1, last_error = NULL WHERE message_id = $2 AND version = $3",
        )
        .bind(micros(now))
        .bind(id)
        .bind(version)
        .execute(&mut *db)
        .await?;
                // One message may be written many times within an hour.
                sqlx::query("DELETE FROM message_writes WHERE written_at < $1")
                    .bind(micros(now.checked_sub(WRITES_KEPT).unwrap_or(now)))
                    .execute(&mut *db)
                    .await?;
                sqlx::query("INSERT INTO message_writes (written_at) VALUES ($1)")
                    .bind(micros(now))
                    .execute(&mut *db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes that the forge has not accepted a message, why, and when to try again.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn message_failed(
        &self,
        outgoing: &OutgoingMessage,
        error: &str,
        retry_at: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, version) = (outgoing.id, outgoing.version);
        let error = both_ends(error, MAX_ERROR_CHARS);
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE messages SET attempts = attempts + 1, last_error = $1, next_try_at = $2
             WHERE message_id = $3 AND version = $4 AND delivered_at IS NULL",
                )
                .bind(error)
                .bind(micros(retry_at))
                .bind(id)
                .bind(version)
                .execute(&mut *db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// How many messages wait.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn pending_messages(&self) -> Result<u64, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT COUNT(*) AS waiting FROM messages WHERE delivered_at IS NULL")
                    .fetch_one(&mut *db)
                    .await?;
                let waiting: i64 = row.try_get("waiting")?;
                Ok(u64::try_from(waiting).unwrap_or(0))
            })
        })
        .await
    }

    /// How often something was written to the forge from `since` to `until`, as far as the store knows.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn writes_between(&self, since: Timestamp, until: Timestamp) -> Result<u64, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "SELECT (SELECT COUNT(*) FROM outbox WHERE delivered_at BETWEEN $1 AND $2)
                  + (SELECT COUNT(*) FROM message_writes WHERE written_at BETWEEN $1 AND $2) AS written",
                )
                .bind(micros(since))
                .bind(micros(until))
                .fetch_one(&mut *db)
                .await?;
                let written: i64 = row.try_get("written")?;
                Ok(u64::try_from(written).unwrap_or(0))
            })
        })
        .await
    }

    /// Takes everything that is dated after `now` as written to the forge at `now`: a process before this one had a
    /// clock that has been set back since.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn date_writes_back(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                for sql in [
                    "UPDATE outbox SET delivered_at = $1 WHERE delivered_at > $1",
                    "UPDATE message_writes SET written_at = $1 WHERE written_at > $1",
                ] {
                    sqlx::query(sql).bind(micros(now)).execute(&mut *db).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

/// Queues messages inside the caller's transaction. One that says what was said already is left out.
pub(super) async fn put_messages(
    db: &mut AnyConnection,
    messages: &[Message],
    now: Timestamp,
) -> Result<(), StoreError> {
    for message in messages {
        sqlx::query(
            "INSERT INTO messages (message_key, message, version, queued_at, attempts, next_try_at)
             VALUES ($1, $2, 1, $3, 0, 0)
             ON CONFLICT (message_key) DO UPDATE SET message = excluded.message, version = version + 1,
             queued_at = excluded.queued_at, attempts = 0, next_try_at = excluded.next_try_at,
             last_error = NULL, delivered_at = NULL
             WHERE messages.message <> excluded.message",
        )
        .bind(message.key())
        .bind(json(message))
        .bind(micros(now))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

fn outgoing_of(row: &AnyRow) -> Result<OutgoingMessage, StoreError> {
    let columns = Columns::of("message", row);
    Ok(OutgoingMessage {
        id: columns.number("message_id")?,
        version: columns.number("version")?,
        message: columns.json("message")?,
        remote: columns.optional_parsed("remote_id")?,
        attempts: u32::try_from(columns.number("attempts")?).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{later, now};
    use super::*;

    fn plan(body: &str) -> Message {
        let pull_request = PullRequestNumber::new(7).unwrap();
        Message::Plan { pull_request, body: body.to_owned(), shown: None }
    }

    async fn due(store: &Store) -> Vec<OutgoingMessage> {
        store.due_messages(later(10_000), 9).await.unwrap()
    }

    #[tokio::test]
    async fn the_newest_message_of_a_key_waits_and_keeps_its_place_on_the_forge() {
        let store = Store::in_memory().await.unwrap();
        store.say(&[plan("first")], now()).await.unwrap();
        let first = due(&store).await.remove(0);
        store.say(&[plan("second")], now()).await.unwrap();
        store.message_delivered(&first, Some(&CommentId::from(12)), now()).await.unwrap();
        let second = due(&store).await.remove(0);
        assert_eq!(
            (second.message.clone(), second.remote.clone()),
            (plan("second"), Some(CommentId::from(12)))
        );
        store.message_delivered(&second, None, now()).await.unwrap();
        assert_eq!(store.pending_messages().await.unwrap(), 0);
        store.say(&[plan("second")], now()).await.unwrap();
        assert!(due(&store).await.is_empty(), "what was said is not said again");
        store.say(&[plan("third")], now()).await.unwrap();
        assert_eq!(due(&store).await[0].remote, Some(CommentId::from(12)));
    }

    #[tokio::test]
    async fn a_failed_message_waits_for_its_time_and_a_newer_one_does_not() {
        let store = Store::in_memory().await.unwrap();
        store.say(&[plan("first")], now()).await.unwrap();
        let first = due(&store).await.remove(0);
        store.message_failed(&first, "down", later(60)).await.unwrap();
        assert!(store.due_messages(later(59), 9).await.unwrap().is_empty());
        assert_eq!(store.due_messages(later(60), 9).await.unwrap()[0].attempts, 1);
        store.say(&[plan("second")], now()).await.unwrap();
        assert_eq!(store.due_messages(now(), 9).await.unwrap()[0].attempts, 0);
    }

    #[tokio::test]
    async fn what_was_written_in_the_last_hour_is_counted() {
        let store = Store::in_memory().await.unwrap();
        store.say(&[plan("first")], now()).await.unwrap();
        let first = due(&store).await.remove(0);
        store.message_delivered(&first, None, later(5)).await.unwrap();
        assert_eq!(store.writes_between(now(), later(9)).await.unwrap(), 1);
        assert_eq!(store.writes_between(later(6), later(9)).await.unwrap(), 0);
        store.say(&[plan("second")], later(7)).await.unwrap();
        let second = due(&store).await.remove(0);
        store.message_delivered(&second, None, later(8)).await.unwrap();
        assert_eq!(
            store.writes_between(now(), later(9)).await.unwrap(),
            2,
            "the same comment was written twice"
        );
        store.date_writes_back(later(6)).await.unwrap();
        assert_eq!(
            store.writes_between(now(), later(6)).await.unwrap(),
            2,
            "nothing is written in the future"
        );
        assert_eq!(store.writes_between(later(7), later(9)).await.unwrap(), 0);
    }
}
