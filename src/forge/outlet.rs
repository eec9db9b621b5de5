//! The one door through which everything leaves for a forge and is asked of it, whatever the forge.
//!
//! What a forge lacks is left out by its own file: an operation that it does not have answers with the
//! value that says so ([`Acknowledged::ByNothing`], no pull requests), never with an error.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::api::Quota;
use super::azure_devops::AzureDevOps;
use super::bitbucket::Bitbucket;
use super::check_run::CheckRun;
use super::comment::{Author, Comment, CommentId, Comments, Permission, Posted};
use super::gitea::Gitea;
use super::github::GitHub;
use super::gitlab::GitLab;
use super::pull_request::{ChangedFiles, Ending, Fate, PullRequestNumber, PullRequests, Validator};
use super::status::Status;
use crate::git::CommitId;

/// Where people look: the one forge of the settings.
#[derive(Clone, Debug)]
pub enum Forge {
    /// GitHub and GitHub Enterprise Server.
    GitHub(GitHub),
    /// GitLab, hosted or self-managed.
    GitLab(GitLab),
    /// Gitea, and Forgejo, which kept its API.
    Gitea(Gitea),
    /// Azure DevOps Repos, the service.
    AzureDevOps(AzureDevOps),
    /// Bitbucket Cloud; the server's API is another one.
    Bitbucket(Bitbucket),
    /// Notes in the repository itself, where there is no forge.
    Notes(NotesWriter),
}

/// How a comment was answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// A reaction stands on it.
    ByReaction,
    /// The forge has no reactions: a reply says it.
    ByNothing,
}

impl Forge {
    /// Hands over `statuses` in their order, and says of each whether it was accepted. After a failure
    /// that concerns all of them (no connection, a refused token, a rate limit) the rest is not sent and
    /// gets the same error.
    pub async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        match self {
            Self::GitHub(github) => github.post(statuses).await,
            Self::GitLab(gitlab) => gitlab.post(statuses).await,
            Self::Gitea(gitea) => gitea.post(statuses).await,
            Self::AzureDevOps(azure) => azure.post(statuses).await,
            Self::Bitbucket(bitbucket) => bitbucket.post(statuses).await,
            Self::Notes(notes) => notes.post(statuses).await,
        }
    }

    /// The pull requests that are open now; `validator` is what the last answer came with.
    ///
    /// # Errors
    /// [`ForgeError`] when the forge does not say.
    pub async fn open_pull_requests(
        &self,
        validator: Option<&Validator>,
    ) -> Result<PullRequests, ForgeError> {
        match self {
            Self::GitHub(github) => github.open_pull_requests(validator).await,
            Self::GitLab(gitlab) => gitlab.open_pull_requests(validator).await,
            Self::Gitea(gitea) => gitea.open_pull_requests(validator).await,
            Self::AzureDevOps(azure) => azure.open_pull_requests(validator).await,
            Self::Bitbucket(bitbucket) => bitbucket.open_pull_requests(validator).await,
            Self::Notes(_) => {
                Ok(PullRequests::Open { pull_requests: Vec::new(), truncated: false, validator: None })
            }
        }
    }

    /// What has become of a pull request.
    ///
    /// # Errors
    /// [`ForgeError`] when the forge does not say.
    pub async fn fate(&self, number: PullRequestNumber) -> Result<Fate, ForgeError> {
        self.ending(number).await.map(|ending| ending.fate())
    }

    /// How a pull request stands, and of a merged one how it was merged.
    ///
    /// # Errors
    /// [`ForgeError`] when the forge does not say.
    pub async fn ending(&self, number: PullRequestNumber) -> Result<Ending, ForgeError> {
        match self {
            Self::GitHub(github) => github.ending(number).await,
            Self::GitLab(gitlab) => gitlab.ending(number).await,
            Self::Gitea(gitea) => gitea.ending(number).await,
            Self::AzureDevOps(azure) => azure.ending(number).await,
            Self::Bitbucket(bitbucket) => bitbucket.ending(number).await,
            Self::Notes(_) => Ok(Ending::Closed),
        }
    }

    /// The paths that a pull request changes, as the forge lists them: for commits that cannot be
    /// fetched.
    ///
    /// # Errors
    /// [`ForgeError`] when the forge does not say.
    pub async fn changed_files(&self, number: PullRequestNumber) -> Result<ChangedFiles, ForgeError> {
        match self {
            Self::GitHub(github) => github.changed_files(number).await,
            Self::GitLab(gitlab) => gitlab.changed_files(number).await,
            Self::Gitea(gitea) => gitea.changed_files(number).await,
            Self::AzureDevOps(azure) => azure.changed_files(number).await,
            Self::Bitbucket(bitbucket) => bitbucket.changed_files(number).await,
            Self::Notes(_) => Ok(ChangedFiles { paths: Vec::new(), truncated: false }),
        }
    }

    /// The comments of a pull request. Deleted ones and those that the forge itself wrote are left out.
    ///
    /// # Errors
    /// [`ForgeError`] when the forge does not say.
    pub async fn comments(&self, number: PullRequestNumber) -> Result<Comments, ForgeError> {
        match self {
            Self::GitHub(github) => github.comments(number).await,
            Self::GitLab(gitlab) => gitlab.comments(number).await,
            Self::Gitea(gitea) => gitea.comments(number).await,
            Self::AzureDevOps(azure) => azure.comments(number).await,
            Self::Bitbucket(bitbucket) => bitbucket.comments(number).await,
            Self::Notes(_) => Ok(Comments { read: Vec::new(), is_whole: true }),
        }
    }

    /// What stands in the reviews of a pull request and not among its comments, as far as the forge tells
    /// the two apart: reviews' own texts, and comments on lines.
    ///
    /// # Errors
    /// [`ForgeError`] when the forge does not say.
    pub async fn reviews(&self, number: PullRequestNumber) -> Result<Vec<Comment>, ForgeError> {
        match self {
            Self::GitHub(github) => github.reviews(number).await,
            Self::Gitea(gitea) => gitea.reviews(number).await,
            // Comments on lines are comments there.
            Self::GitLab(_) | Self::AzureDevOps(_) | Self::Bitbucket(_) | Self::Notes(_) => Ok(Vec::new()),
        }
    }

    /// Writes a comment: in the place of `existing`, which is ours, or a new one. Answers with its id, which
    /// is another one when `existing` was deleted meanwhile, and with when and by whom, as the forge says it.
    /// `body` has at most [`Self::max_comment_chars`] characters.
    ///
    /// # Errors
    /// [`ForgeError`] when it was not accepted.
    pub async fn write_comment(
        &self,
        number: PullRequestNumber,
        existing: Option<&CommentId>,
        body: &str,
    ) -> Result<Posted, ForgeError> {
        match self {
            Self::GitHub(github) => github.write_comment(number, existing, body).await,
            Self::GitLab(gitlab) => gitlab.write_comment(number, existing, body).await,
            Self::Gitea(gitea) => gitea.write_comment(number, existing, body).await,
            Self::AzureDevOps(azure) => azure.write_comment(number, existing, body).await,
            Self::Bitbucket(bitbucket) => bitbucket.write_comment(number, existing, body).await,
            Self::Notes(_) => Err(ForgeError {
                class: Class::Refused,
                message: "Git notes have no pull requests to comment on".to_owned(),
            }),
        }
    }

    /// Shows the author of a comment at once that it was read: 👀, where the forge has reactions. A
    /// second time changes nothing.
    ///
    /// # Errors
    /// [`ForgeError`] when it was not accepted.
    pub async fn acknowledge(
        &self,
        number: PullRequestNumber,
        comment: &CommentId,
    ) -> Result<Acknowledged, ForgeError> {
        match self {
            // In a review there is nothing to react to; its answer follows at once.
            Self::GitHub(_) | Self::Gitea(_) if comment.as_str().contains('/') => {
                Ok(Acknowledged::ByReaction)
            }
            Self::GitHub(github) => github.acknowledge(comment).await,
            Self::GitLab(gitlab) => gitlab.acknowledge(number, comment).await,
            Self::Gitea(gitea) => gitea.acknowledge(comment).await,
            Self::AzureDevOps(_) | Self::Bitbucket(_) | Self::Notes(_) => Ok(Acknowledged::ByNothing),
        }
    }

    /// What an account may do in the repository now.
    ///
    /// # Errors
    /// [`ForgeError`] when the forge does not say.
    pub async fn permission(&self, author: &Author) -> Result<Permission, ForgeError> {
        match self {
            Self::GitHub(github) => github.permission(author).await,
            Self::GitLab(gitlab) => gitlab.permission(author).await,
            Self::Gitea(gitea) => gitea.permission(author).await,
            Self::AzureDevOps(azure) => azure.permission(author).await,
            Self::Bitbucket(bitbucket) => bitbucket.permission(author).await,
            Self::Notes(_) => Ok(Permission::None),
        }
    }

    /// Publishes a check run, where the forge has them for the credential that it was given; otherwise
    /// nothing happens.
    ///
    /// # Errors
    /// [`ForgeError`] when it was not accepted.
    pub async fn publish(&self, check: &CheckRun) -> Result<(), ForgeError> {
        match self {
            Self::GitHub(github) => github.publish(check).await,
            Self::GitLab(_) | Self::Gitea(_) | Self::AzureDevOps(_) | Self::Bitbucket(_) | Self::Notes(_) => {
                Ok(())
            }
        }
    }

    /// What the forge said last about how much it still takes, where it says that.
    #[must_use]
    pub fn quota(&self) -> Option<Quota> {
        match self {
            Self::GitHub(github) => github.quota(),
            Self::GitLab(gitlab) => gitlab.quota(),
            Self::Gitea(gitea) => gitea.quota(),
            Self::AzureDevOps(azure) => azure.quota(),
            Self::Bitbucket(bitbucket) => bitbucket.quota(),
            Self::Notes(_) => None,
        }
    }

    /// Whether another credential stands where ours was read than the one in use: what was refused is then
    /// worth trying again at once.
    #[must_use]
    pub fn has_new_credential(&self) -> bool {
        match self {
            Self::GitHub(github) => github.has_new_credential(),
            Self::GitLab(gitlab) => gitlab.has_new_credential(),
            Self::Gitea(gitea) => gitea.has_new_credential(),
            Self::AzureDevOps(azure) => azure.has_new_credential(),
            Self::Bitbucket(bitbucket) => bitbucket.has_new_credential(),
            Self::Notes(_) => false,
        }
    }

    /// Whether [`Self::publish`] does anything.
    #[must_use]
    pub fn has_check_runs(&self) -> bool {
        match self {
            Self::GitHub(github) => github.is_app(),
            Self::GitLab(_) | Self::Gitea(_) | Self::AzureDevOps(_) | Self::Bitbucket(_) | Self::Notes(_) => {
                false
            }
        }
    }

    /// Whether there are pull requests.
    #[must_use]
    pub fn has_pull_requests(&self) -> bool {
        match self {
            Self::GitHub(_)
            | Self::GitLab(_)
            | Self::Gitea(_)
            | Self::AzureDevOps(_)
            | Self::Bitbucket(_) => true,
            Self::Notes(_) => false,
        }
    }

    /// The refs under which the forge keeps the heads of pull requests, forks included, with `*` for the
    /// number; `None` where it keeps none and only branches of the repository can be read.
    #[must_use]
    pub fn head_refs(&self) -> Option<&'static str> {
        match self {
            Self::GitHub(_) | Self::Gitea(_) => Some("refs/pull/*/head"),
            Self::GitLab(_) => Some("refs/merge-requests/*/head"),
            Self::AzureDevOps(_) | Self::Bitbucket(_) | Self::Notes(_) => None,
        }
    }

    /// The longest comment, in characters: GitHub 65,536 (its API refuses more), GitLab 1,000,000
    /// ("Application limits"), Gitea and Forgejo have no documented limit and get GitHub's, Azure DevOps
    /// 150,000 and Bitbucket 32,768 (both as their services were seen to refuse more).
    #[must_use]
    pub fn max_comment_chars(&self) -> usize {
        match self {
            Self::GitHub(_) | Self::Gitea(_) => 65_536,
            Self::GitLab(_) => 1_000_000,
            Self::AzureDevOps(_) => 150_000,
            Self::Bitbucket(_) => 32_768,
            Self::Notes(_) => 0,
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
    /// It cannot before the forge has the commit. Nothing is wrong with the forge, nor with what else waits.
    NoCommit,
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

impl ForgeError {
    /// Whether it may pass by itself, as when the forge is away.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self.class {
            Class::Retry { .. } => true,
            Class::Refused | Class::NoCommit => false,
        }
    }
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
            pull_request: None,
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
