//! The one door through which statuses leave, whatever the forge.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::github::GitHub;
use super::status::Status;
use crate::git::CommitId;

/// Where statuses go.
#[derive(Clone, Debug)]
pub enum Forge {
    /// GitHub's commit-status API.
    GitHub(GitHub),
    /// Notes in the repository itself, where there is no forge.
    Notes(NotesWriter),
}

impl Forge {
    /// Hands over `statuses` in their order, and says of each whether it was accepted. After a failure
    /// that concerns all of them (no connection, a refused token, a rate limit) the rest is not sent and
    /// gets the same error.
    pub async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        match self {
            Self::GitHub(github) => github.post(statuses).await,
            Self::Notes(notes) => notes.post(statuses).await,
        }
    }
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It can, by itself.
    Retry {
        /// Not before this has passed, where the forge says so.
        after: Option<Duration>,
    },
    /// It cannot before somebody acts: a token, a permission, a repository name.
    Refused,
}

/// Why a status was not accepted. The message ends with the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ForgeError {
    /// Whether trying again can help.
    pub class: Class,
    /// What happened and what to do.
    pub message: String,
}

/// A line for a commit's note: the commit, the context that the line is about (a newer line of the same
/// context replaces the older one), and the line without the context.
pub type Note = (CommitId, String, String);

type Write = dyn Fn(Vec<Note>) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// Writes statuses as Git notes. The writing is passed in, because this module does not know how a
/// repository is written to.
#[derive(Clone)]
pub struct NotesWriter {
    write: Arc<Write>,
}

impl NotesWriter {
    /// A writer that hands each batch of lines to `write`, in order, to be written and pushed at once.
    /// `write` answers with a message for people when it could not.
    pub fn new(
        write: impl Fn(Vec<Note>) -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) -> Self {
        Self { write: Arc::new(write) }
    }

    async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        if statuses.is_empty() {
            return Vec::new();
        }
        let outcome =
            (self.write)(statuses.iter().map(note_of).collect()).await.map_err(|message| ForgeError {
                class: Class::Retry { after: None },
                message: format!(
                    "the statuses could not be written as Git notes: {message}. \
                 Check that the daemon may push refs/notes/beamline"
                ),
            });
        vec![outcome; statuses.len()]
    }
}

impl fmt::Debug for NotesWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotesWriter").finish_non_exhaustive()
    }
}

fn note_of(status: &Status) -> Note {
    let mut line = format!("{}: {}", status.state.as_str(), status.description);
    if let Some(url) = &status.target_url {
        line.push_str(&format!(" ({url})"));
    }
    (status.commit, status.context.to_string(), line)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;

    use super::*;
    use crate::forge::{Context, Description, State};

    fn status(context: Context, state: State, url: Option<&str>) -> Status {
        Status {
            commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
            context,
            state,
            description: Description::new("3 created"),
            target_url: url.map(str::to_owned),
        }
    }

    #[tokio::test]
    async fn all_notes_are_written_at_once_and_in_order() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&written);
        let forge = Forge::Notes(NotesWriter::new(move |notes| {
            log.lock().unwrap().push(notes);
            async { Ok(()) }.boxed()
        }));
        let first =
            status(Context::apply_of(&"dev".parse().unwrap()), State::Success, Some("https://b/runs/1"));
        let second = status(Context::apply(), State::Pending, None);
        assert_eq!(forge.post(&[first.clone(), second]).await, vec![Ok(()), Ok(())]);
        let lines = |commit| {
            vec![
                (
                    commit,
                    "beamline/apply: dev".to_owned(),
                    "success: 3 created (https://b/runs/1)".to_owned(),
                ),
                (commit, "beamline/apply".to_owned(), "pending: 3 created".to_owned()),
            ]
        };
        assert_eq!(*written.lock().unwrap(), vec![lines(first.commit)]);
    }

    #[tokio::test]
    async fn a_failed_push_fails_every_status_and_is_tried_again() {
        let forge =
            Forge::Notes(NotesWriter::new(|_| async { Err("the remote hung up".to_owned()) }.boxed()));
        let outcomes = forge.post(&[status(Context::apply(), State::Success, None)]).await;
        let error = outcomes[0].clone().unwrap_err();
        assert_eq!(error.class, Class::Retry { after: None });
        assert!(error.message.contains("the remote hung up"), "{error}");
    }

    #[tokio::test]
    async fn nothing_to_say_writes_nothing() {
        let forge = Forge::Notes(NotesWriter::new(|_| unreachable!("nothing to write")));
        assert!(forge.post(&[]).await.is_empty());
    }
}
