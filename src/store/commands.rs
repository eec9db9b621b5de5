//! What people ask for in comments: each comment is acted on once.
//!
//! Guarantees: a comment that was read is remembered together with the acknowledgement that it gets; a
//! command that was read and not acted on is found again after a crash.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::column::{Columns, json, micros};
use super::messages::put_messages;
use super::{Message, Store, StoreError};
use crate::forge::{Author, CommentId, PullRequestNumber};
use crate::git::CommitPrefix;
use crate::reconcile::plan::ConsentVerb;
use crate::resources::EnvironmentName;

/// Something that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The pull request that it is about.
    pub pull_request: PullRequestNumber,
    /// The comment in which it stands.
    pub comment: CommentId,
    /// Who asks, by the forge's account.
    pub author: Author,
    /// When it was written, by the forge's clock; `None` in journals of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// Digest of the comment as it was read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body_digest: String,
    /// What is asked for in the comment's first command.
    pub wish: Wish,
    /// What for beside that, in the lines below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Wish>,
}

impl Command {
    /// Everything that is asked for, in the order of its lines.
    pub fn wishes(&self) -> impl Iterator<Item = &Wish> {
        std::iter::once(&self.wish).chain(&self.further)
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wish")]
pub enum Wish {
    /// `/beamline plan`: plan once more.
    Plan {
        /// Of one environment only.
        environment: Option<EnvironmentName>,
        /// Of this commit only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<CommitPrefix>,
    },
    /// `/beamline retry`: try again what failed.
    Retry {
        /// Of one environment only.
        environment: Option<EnvironmentName>,
    },
    /// `/beamline cancel`: drop what waits.
    Cancel {
        /// Of one environment only.
        environment: Option<EnvironmentName>,
    },
    /// `/beamline consent destroy` or `release`: this may be done when the pull request is merged.
    Consent {
        /// What is consented to.
        #[serde(default, skip_serializing_if = "ConsentVerb::is_destroy")]
        verb: ConsentVerb,
        /// As it is written.
        target: String,
        /// The commit whose plan is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<CommitPrefix>,
    },
    /// `/beamline consent withdraw`: it may not after all.
    Withdraw {
        /// As it is written.
        target: String,
    },
    /// `/beamline help`.
    Help,
    /// Something that is no command, with what is wrong about it.
    Unclear {
        /// A sentence that ends with what may be written.
        problem: String,
    },
}

impl Store {
    /// Notes commands that were read, with the acknowledgements that they get. Those that are known
    /// already are left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then none is noted.
    pub async fn note_commands(&self, commands: &[Command], now: Timestamp) -> Result<(), StoreError> {
        let commands = commands.to_vec();
        self.write(move |db| {
            Box::pin(async move {
                for command in &commands {
                    let inserted = sqlx::query(
                "INSERT INTO commands (pull_request, comment_id, command, read_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (pull_request, comment_id) DO NOTHING",
            )
            .bind(key_of(command.pull_request))
            .bind(command.comment.to_string())
            .bind(json(command))
            .bind(micros(now))
            .execute(&mut *db)
            .await?;
                    if inserted.rows_affected() == 1 {
                        let seen = Message::Acknowledgement {
                            pull_request: command.pull_request,
                            comment: command.comment.clone(),
                        };
                        put_messages(db, &[seen], now).await?;
                    }
                }
                Ok(())
            })
        })
        .await
    }

    /// Commands that were not acted on, in the order in which they were read, and of those that were read at
    /// the same time in the order in which they were written.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn open_commands(&self) -> Result<Vec<Command>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query("SELECT * FROM commands WHERE handled_at IS NULL")
                    .fetch_all(&mut *db)
                    .await?;
                let mut open = Vec::with_capacity(rows.len());
                for row in &rows {
                    let columns = Columns::of("command", row);
                    let command: Command = columns.json("command")?;
                    open.push((columns.time("read_at")?, command));
                }
                open.sort_by(|(one_at, one), (other_at, other)| {
                    let key = |command: &Command| (command.pull_request, command.comment.clone());
                    one_at.cmp(other_at).then_with(|| key(one).cmp(&key(other)))
                });
                Ok(open.into_iter().map(|(_, command)| command).collect())
            })
        })
        .await
    }

    /// Notes that a command was acted on, and queues the answer to it, where it gets one.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn command_handled(
        &self,
        command: &Command,
        reply: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let command = command.clone();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE commands SET handled_at = $1 WHERE pull_request = $2 AND comment_id = $3",
                )
                .bind(micros(now))
                .bind(key_of(command.pull_request))
                .bind(command.comment.to_string())
                .execute(&mut *db)
                .await?;
                let (pull_request, comment) = (command.pull_request, command.comment.clone());
                let reply = reply.map(|body| Message::Reply { pull_request, comment, body });
                put_messages(db, &reply.into_iter().collect::<Vec<_>>(), now).await?;
                Ok(())
            })
        })
        .await
    }
}

fn key_of(number: PullRequestNumber) -> i64 {
    i64::try_from(number.get()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{later, now};
    use super::*;

    fn command(comment: u64) -> Command {
        Command {
            pull_request: PullRequestNumber::new(7).unwrap(),
            comment: comment.into(),
            author: Author::new("1", "ada"),
            written_at: Some(now()),
            body_digest: String::new(),
            wish: Wish::Plan { environment: None, at: None },
            further: Vec::new(),
        }
    }

    #[test]
    fn a_command_of_an_older_journal_is_understood() {
        let text = r#"{"pull_request":7,"comment":"9","author":{"id":"1","name":"ada"},
            "wish":{"wish":"plan","environment":"dev"}}"#;
        let command: Command = serde_json::from_str(text).unwrap();
        assert_eq!(command.wish, Wish::Plan { environment: Some("dev".parse().unwrap()), at: None });
        assert_eq!((command.written_at, command.wishes().count()), (None, 1));
    }

    #[tokio::test]
    async fn a_comment_is_acknowledged_and_acted_on_once() {
        let store = Store::in_memory().await.unwrap();
        store.note_commands(&[command(9), command(10)], now()).await.unwrap();
        store.note_commands(&[command(9)], later(1)).await.unwrap();
        assert_eq!(store.pending_messages().await.unwrap(), 2);
        assert_eq!(store.open_commands().await.unwrap(), [command(9), command(10)]);
        store.command_handled(&command(9), Some("done".to_owned()), later(2)).await.unwrap();
        store.note_commands(&[command(9)], later(3)).await.unwrap();
        assert_eq!(store.open_commands().await.unwrap(), [command(10)]);
        assert_eq!(store.pending_messages().await.unwrap(), 3);
    }
}
