//! What people of the same machine ask the daemon, and what it answers: the messages of `/api/v1`, over a socket in its
//! state folder. `openapi.yaml` beside the routes says the same for other programs.
//!
//! Guarantee: a plan that is asked for here is made as the daemon's own applies make theirs: with its memory, its
//! credentials, and the consents that comments give.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::git::CommitId;
use crate::reconcile::apply::RunEnd;
use crate::reconcile::plan::Plan;
use crate::reconcile::report::{Progress, Report};
use crate::resources::EnvironmentName;

/// The socket's file in the state folder.
pub const SOCKET: &str = "beamline.sock";

/// `POST /api/v1/plans`: what would an apply of this environment do at this commit?
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRequest {
    /// A commit that the daemon's mirror has.
    pub commit: CommitId,
    /// The environment.
    pub environment: EnvironmentName,
    /// Its file, relative to the repository; where it was, when it is gone.
    pub path: String,
}

/// The answer to a [`PlanRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum PlanAnswer {
    /// A plan.
    Planned {
        /// The plan.
        plan: Box<Plan>,
        /// What it does not know yet, as a sentence.
        remark: Option<String>,
    },
    /// The definition, or one that claims the same, has errors.
    Invalid {
        /// The errors, as `beamline validate --json` has them.
        diagnostics: Vec<Value>,
        /// The errors for people.
        text: String,
    },
    /// There is nothing to plan.
    Nothing {
        /// Why, as a sentence.
        reason: String,
    },
}

/// `POST /api/v1/applies`: apply this environment now, once more if need be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The newest commit of the branch that is applied; no other one is.
    pub commit: CommitId,
    /// The environment.
    pub environment: EnvironmentName,
    /// Its file, relative to the repository.
    pub path: String,
    /// What was agreed to: nothing is done when the plan of that time comes to something else.
    pub plan: Option<Box<Plan>>,
}

/// The answer to an [`ApplyRequest`]: the apply is stored, and will be done whatever becomes of whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyAnswer {
    /// Its number, for `/api/v1/applies/{id}`.
    pub id: i64,
    /// It was queued or begun before; it is not bound to the plan of this request.
    pub was_there: bool,
}

/// `GET /api/v1/applies/{id}`: where an apply stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum ApplyState {
    /// It waits for its turn, or to be tried again.
    Queued,
    /// It is being worked on.
    Running,
    /// It is over.
    Ended {
        /// How.
        end: RunEnd,
        /// The text of its final status.
        summary: String,
        /// Its runs, oldest first; none when there was nothing to do.
        reports: Vec<Report>,
    },
}

/// A line of `GET /api/v1/applies/{id}/events` (`application/x-ndjson`), whose last one is the end. Lines may be
/// missing when the reader is slow; the end is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum ApplyEvent {
    /// It was planned.
    Planned {
        /// What is going to be done.
        plan: Box<Plan>,
    },
    /// A step moved.
    Step {
        /// How.
        #[serde(flatten)]
        progress: Progress,
    },
    /// It is over.
    Ended,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong.
    pub error: String,
    /// What to do.
    pub hint: String,
}
