//! What happens in a repository, in no forge's words: each forge's file says it in its own.

/// Something that webhooks are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The webhook was set up.
    Ping,
    Push {
        branch: String,
        before: Option<String>,
        after: Option<String>,
        by: String,
    },
    /// Something happened to a pull request.
    PullRequest {
        number: u64,
        deed: PullDeed,
        by: String,
    },
    /// Something happened to a comment.
    Comment {
        id: u64,
        deed: Deed,
    },
    /// A review was submitted.
    Review {
        id: u64,
    },
    /// A status was accepted.
    Status {
        id: u64,
    },
    /// Something happened to a check run.
    CheckRun {
        id: u64,
        deed: Deed,
    },
    /// A merge queue asks for checks of what it would merge.
    MergeGroup {
        branch: String,
        head: String,
        base: String,
    },
}

/// What happened to a comment or a check run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Made,
    Changed,
    Removed,
    /// A check run has its conclusion.
    Finished,
    /// Somebody pressed the Re-run button of a check run.
    Rerequested,
}

/// What happened to a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PullDeed {
    Opened,
    Pushed { before: String },
    Reopened,
    Retargeted { from: String },
    Closed,
    Merged,
    MarkedReady,
    MarkedDraft,
}
