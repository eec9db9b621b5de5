//! Pull requests, as every forge has them under its own name (GitLab: merge requests).
//!
//! What is read here only says which commits are proposed for which branch; what they contain is read
//! from Git. Guarantees: numbers and texts from outside are bounded before anything else sees them.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::git::{BranchName, CommitId, CommitPrefix};

/// Most open pull requests that are looked at. A repository of definitions has a few dozen.
pub const MAX_PULL_REQUESTS: usize = 1000;

/// The number by which people call a pull request: `7` (GitLab's `iid`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PullRequestNumber(NonZeroU64);

/// The text is not the number of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pull request has a number from 1")]
pub struct PullRequestNumberError;

impl PullRequestNumber {
    /// The number; `None` for 0.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number, as URLs of the forge have it.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for PullRequestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PullRequestNumber {
    type Err = PullRequestNumberError;

    fn from_str(text: &str) -> Result<Self, PullRequestNumberError> {
        text.parse().map(Self).map_err(|_| PullRequestNumberError)
    }
}

/// An open pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// The number that the forge gave it, from 1.
    pub number: PullRequestNumber,
    /// The commit that is proposed.
    pub head: CommitId,
    /// The branch that the commit is on, in the repository that it comes from.
    pub head_branch: Option<BranchName>,
    /// Where the commit comes from.
    pub origin: Origin,
    /// The branch that it is proposed for.
    pub base: BranchName,
    /// Whether it is meant to be merged yet.
    pub stage: Stage,
    /// Changes whenever anything about the pull request does, comments included, where the forge tells
    /// (its `updated_at`); otherwise empty, and comments are read at every look.
    pub activity: String,
}

/// Where a proposed commit comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// From a branch of the watched repository: its author may write there.
    SameRepository,
    /// From another repository: anybody may have written it.
    Fork,
}

/// Whether a pull request is meant to be merged yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its author wants it merged.
    Ready,
    /// Its author still works on it.
    Draft,
}

/// The open pull requests of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullRequests {
    /// Nothing has changed since the answer that `validator` came with.
    Unchanged,
    /// What is open now, by number.
    Open {
        /// The newest, at most [`MAX_PULL_REQUESTS`].
        pull_requests: Vec<PullRequest>,
        /// Whether there are more, which were left out.
        truncated: bool,
        /// For the next question.
        validator: Option<Validator>,
    },
}

/// What a forge gave with an answer so that it can say later that nothing changed (an `ETag`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator(pub String);

/// What has become of a pull request that is no longer among the open ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is open after all.
    Open,
    /// It was merged, and is closed with that.
    Merged,
    /// It was closed without being merged, or deleted.
    Closed,
}

/// How a pull request stands, and of a merged one how it was merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is open, as a draft or not.
    Open,
    /// It was merged, and is closed with that.
    Merged(Merged),
    /// It was closed without being merged, or deleted.
    Closed,
}

/// How a pull request was merged. What the forge does not say (yet) is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The commit that the base branch was brought to: a merge commit, a squashed one, or the last of those
    /// that were rebased or moved along.
    pub commit: Option<CommitPrefix>,
    /// The head that was merged.
    pub head: Option<CommitPrefix>,
    /// The branch that it was merged into.
    pub base: Option<BranchName>,
    /// When, by the forge's clock.
    pub at: Option<Timestamp>,
}

impl Ending {
    /// What has become of it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Self::Open => Fate::Open,
            Self::Merged(_) => Fate::Merged,
            Self::Closed => Fate::Closed,
        }
    }
}

impl Merged {
    /// From texts of a forge; what cannot be read counts as not said.
    pub(super) fn read(
        commit: Option<&str>,
        head: Option<&str>,
        base: Option<&str>,
        at: Option<&str>,
    ) -> Self {
        Self {
            commit: commit.and_then(|text| text.parse().ok()),
            head: head.and_then(|text| text.parse().ok()),
            base: base.and_then(|text| text.parse().ok()),
            at: at.and_then(|text| text.parse().ok()),
        }
    }
}

/// The paths that a pull request changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFiles {
    /// Paths from the repository's root; of a renamed file both.
    pub paths: Vec<String>,
    /// Whether the forge lists no more although there are more.
    pub truncated: bool,
}
