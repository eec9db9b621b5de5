//! What is remembered of a run, and the trait by which the executor remembers it.
//!
//! The journal is events, not a log table: replaying a run's events through the same transition
//! function that the executor uses gives the state in which it was killed. An event is durable before
//! the effect it announces (`Intent`), or as soon as the effect is known (`Accepted`, `Answered`,
//! `Done`). Guarantee: every effect happens at least once, and a second time only after a read that
//! shows the first did not happen. Secret values are never stored, except poll URLs, which are signed
//! and are dropped when their step ends.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::definitions::InputDigest;
use crate::reconcile::plan::{Plan, Revision, Verb};
use crate::resources::EnvironmentName;

/// The id of a run; sorts by the time it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Show what would be done.
    Plan,
    /// Do it.
    Apply,
    /// Compare without a commit that asks for it.
    Drift,
}

/// The fencing number of the lease under which an event is written. A journal refuses events of a
/// lease that somebody else has taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub i64);

/// What is known of a run when it begins to apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The configured owner.
    pub owner: String,
    /// The environment.
    pub environment: EnvironmentName,
    /// The file that defines it.
    pub path: String,
    /// The commit.
    pub commit: Option<Revision>,
    /// What it is for.
    pub kind: RunKind,
    /// Digest of the definition and its inherited defaults.
    pub input_digest: Option<InputDigest>,
    /// The plan it carries out.
    pub plan: Plan,
    /// The plan's digest.
    pub plan_digest: String,
    /// When it began.
    pub began: Timestamp,
    /// The piece of work for which it began, by the number that its queue gave it; `None` by hand, and in
    /// journals of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<i64>,
}

/// What was there before a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// Nothing.
    Absent,
    /// A resource whose body has this digest.
    Digest(String),
}

/// Which header, or none, told where to look for the end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PollStyle {
    /// `Azure-AsyncOperation`.
    AzureAsyncOperation,
    /// `Location`.
    Location,
    /// The resource's own `provisioningState`.
    Resource,
}

/// Something that happened in a run.
///
/// Stored as JSON, without the poll URL, which a journal keeps apart so that it can be forgotten: fields are added,
/// never renamed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A request of a step is about to be sent.
    Intent {
        /// The step's ordinal.
        step: u32,
        /// Which of the step's requests, from 0.
        request: u32,
        /// The method.
        verb: Verb,
        /// The path: the ARM id and what follows it.
        path: String,
        /// The api-version.
        api_version: String,
        /// Digest of the body; `None` without one.
        body_digest: Option<String>,
        /// The id by which Azure's logs know the request.
        client_request_id: Uuid,
        /// What was there before.
        prior: Prior,
    },
    /// Azure has accepted the request and works on it.
    Accepted {
        /// The step's ordinal.
        step: u32,
        /// Which request.
        request: u32,
        /// Where to look. Signed, hence a secret, and no part of the JSON; empty once it is forgotten.
        #[serde(skip)]
        poll_url: SecretString,
        /// What kind of place that is.
        style: PollStyle,
        /// Not before.
        next_look: Timestamp,
    },
    /// The request has had its full effect, as far as Azure says.
    Answered {
        /// The step's ordinal.
        step: u32,
        /// Which request.
        request: u32,
    },
    /// Azure refused the request, or its operation ended badly; it may be sent again.
    Refused {
        /// The step's ordinal.
        step: u32,
        /// Which request.
        request: u32,
        /// Azure's words.
        message: String,
    },
    /// The effect was read back.
    ReadBack {
        /// The step's ordinal.
        step: u32,
        /// Digest of the body that was read; `None` for a confirmed absence.
        digest: Option<String>,
    },
    /// The step is done.
    Done {
        /// The step's ordinal.
        step: u32,
    },
    /// The step failed for good in this run.
    Failed {
        /// The step's ordinal.
        step: u32,
        /// Azure's own innermost message, or ours.
        message: String,
    },
    /// Whether the step had an effect could not be found out in this run.
    Unknown {
        /// The step's ordinal.
        step: u32,
        /// Why not.
        message: String,
    },
    /// The step was not tried because of another.
    Skipped {
        /// The step's ordinal.
        step: u32,
        /// The step that failed.
        because: u32,
    },
}

impl Event {
    /// The step that the event is about.
    #[must_use]
    pub fn step(&self) -> u32 {
        match self {
            Self::Intent { step, .. }
            | Self::Accepted { step, .. }
            | Self::Answered { step, .. }
            | Self::Refused { step, .. }
            | Self::ReadBack { step, .. }
            | Self::Done { step }
            | Self::Failed { step, .. }
            | Self::Unknown { step, .. }
            | Self::Skipped { step, .. } => *step,
        }
    }

    /// The word for its kind, as the JSON has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Intent { .. } => "intent",
            Self::Accepted { .. } => "accepted",
            Self::Answered { .. } => "answered",
            Self::Refused { .. } => "refused",
            Self::ReadBack { .. } => "read_back",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
            Self::Skipped { .. } => "skipped",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Everything is as the definition says.
    Complete,
    /// There was something to do and, as asked, it was only shown.
    Planned,
    /// A step failed; the rest was finished.
    Failed,
    /// The plan had blockers; nothing was done.
    Blocked,
    /// The definition could not be read; nothing was done.
    Invalid,
    /// Azure moved under the plan, or the service stopped: it is planned again.
    Interrupted,
    /// A newer commit took its place before it began.
    Superseded,
}

/// Why the journal could not take or give an event.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else holds the lease now: this run must stop at once.
    #[error("the lease of {environment} was taken over; this run stops")]
    LeaseLost {
        /// The environment.
        environment: EnvironmentName,
    },
    /// The store failed.
    #[error("the journal cannot be {verb}")]
    Store {
        /// `written` or `read`.
        verb: &'static str,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where a run's events go. Two implementations: `store` (SQLite) and [`super::MemoryJournal`].
#[async_trait]
pub trait Journal: Send + Sync {
    /// Records that a run begins. Durable when it returns.
    async fn begin(&self, run: &RunRecord, fence: Fence) -> Result<(), JournalError>;

    /// Records an event. Durable when it returns.
    async fn append(
        &self,
        run: RunId,
        fence: Fence,
        at: Timestamp,
        event: &Event,
    ) -> Result<(), JournalError>;

    /// All events of a run, in order.
    async fn replay(&self, run: RunId) -> Result<Vec<(Timestamp, Event)>, JournalError>;

    /// Records how a run ended, and forgets its poll URLs.
    async fn finish(&self, run: RunId, fence: Fence, at: Timestamp, end: RunEnd) -> Result<(), JournalError>;
}

/// How long a lease is valid without being renewed.
pub const LEASE_DURATION: Duration = Duration::from_secs(60);
