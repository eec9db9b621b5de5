//! Pull requests: what a test says of one, and what the world remembers of it.

use jiff::Timestamp;

/// What happened to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChange {
    /// The file was not there before.
    Added,
    /// It has other content.
    Modified,
    /// The file is there no more.
    Removed,
    /// It had another path before.
    RenamedFrom(String),
}

/// One line of a pull request's list of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFile {
    /// Its path (of a removed one: that it had).
    pub path: String,
    /// What happened to it.
    pub change: FileChange,
}

impl ChangedFile {
    /// A file with other content.
    #[must_use]
    pub fn modified(path: &str) -> Self {
        Self { path: path.to_owned(), change: FileChange::Modified }
    }

    /// The path before the change, where there was a file.
    pub(super) fn old_path(&self) -> Option<&str> {
        match &self.change {
            FileChange::Added => None,
            FileChange::Modified | FileChange::Removed => Some(&self.path),
            FileChange::RenamedFrom(old) => Some(old),
        }
    }

    /// The path after the change, where there is a file.
    pub(super) fn new_path(&self) -> Option<&str> {
        match &self.change {
            FileChange::Removed => None,
            FileChange::Added | FileChange::Modified | FileChange::RenamedFrom(_) => Some(&self.path),
        }
    }
}

/// Whether its author calls it finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its author does not want it merged yet.
    Draft,
    /// It can be merged as far as its author is concerned.
    Ready,
}

/// A pull request that somebody opens. [`PullRequest::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The login of who opens it; an account of the world (an unknown one is added, without permission).
    pub author: String,
    /// The branch that is proposed.
    pub branch: String,
    /// The commit that it points to.
    pub head: String,
    /// The branch that it is proposed to.
    pub target: String,
    /// The title, as people see it.
    pub title: String,
    /// The repository of `branch`, when that is a fork.
    pub fork: Option<String>,
    /// Whether it is a draft.
    pub stage: Stage,
    /// The files that it changes against its base.
    pub files: Vec<ChangedFile>,
}

impl PullRequest {
    /// Ready, from a branch of the repository into `main`, changing nothing yet.
    #[must_use]
    pub fn new(author: &str, branch: &str, head: &str) -> Self {
        Self {
            author: author.to_owned(),
            branch: branch.to_owned(),
            head: head.to_owned(),
            target: "main".to_owned(),
            title: format!("Merge {branch}"),
            fork: None,
            stage: Stage::Ready,
            files: Vec::new(),
        }
    }

    /// The same, to be merged into another branch than the default one.
    #[must_use]
    pub fn into_branch(self, target: &str) -> Self {
        Self { target: target.to_owned(), ..self }
    }

    /// The same, proposed from a fork of this name.
    #[must_use]
    pub fn from_fork(self, repository: &str) -> Self {
        Self { fork: Some(repository.to_owned()), ..self }
    }

    /// The same, as a draft that nobody is to merge yet.
    #[must_use]
    pub fn as_draft(self) -> Self {
        Self { stage: Stage::Draft, ..self }
    }

    /// Changing the content of these files.
    #[must_use]
    pub fn changing(self, paths: &[&str]) -> Self {
        Self { files: paths.iter().map(|path| ChangedFile::modified(path)).collect(), ..self }
    }
}

/// Where a pull request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    Closed { at: Timestamp },
    Merged { at: Timestamp, commit: String },
}

impl Standing {
    pub(super) fn is_open(&self) -> bool {
        *self == Self::Open
    }

    pub(super) fn ended(&self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::Closed { at } | Self::Merged { at, .. } => Some(*at),
        }
    }

    pub(super) fn merge_commit(&self) -> Option<&str> {
        match self {
            Self::Merged { commit, .. } => Some(commit),
            Self::Open | Self::Closed { .. } => None,
        }
    }
}

/// A pull request as the world remembers it.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) id: u64,
    pub(super) number: u64,
    pub(super) what: PullRequest,
    pub(super) standing: Standing,
    /// Every head that it ever had, oldest first: Azure DevOps' iterations.
    pub(super) iterations: Vec<(String, Timestamp)>,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

impl Proposal {
    pub(super) fn is_draft(&self) -> bool {
        self.what.stage == Stage::Draft
    }
}
