//! What the daemon tells those who watch it: the demo's terminal, tests. Nothing depends on it.

use crate::definitions::Diagnostic;
use crate::forge::{PullRequestNumber, Status};
use crate::git::{BranchName, CommitId};
use crate::reconcile::plan::Plan;
use crate::reconcile::report::{Progress, Report};
use crate::resources::EnvironmentName;
use crate::store::{Message, Work};

/// Something worth showing.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A branch has a new head that was accepted.
    NewHead {
        /// The branch.
        branch: BranchName,
        /// Its head.
        commit: CommitId,
        /// The environments it touches.
        work: Vec<Work>,
    },
    /// A pull request was accepted as it is now.
    Proposed {
        /// Its number.
        number: PullRequestNumber,
        /// Its head.
        commit: CommitId,
        /// The environments it touches.
        work: Vec<Work>,
    },
    /// The forge has accepted a message.
    Said(Box<Message>),
    /// A definition has errors.
    Invalid {
        /// The work.
        work: Work,
        /// What is wrong.
        diagnostics: Vec<Diagnostic>,
    },
    /// A plan was made.
    Planned {
        /// The work.
        work: Work,
        /// The plan.
        plan: Box<Plan>,
    },
    /// A run moved.
    Progress {
        /// The environment.
        environment: EnvironmentName,
        /// How.
        progress: Progress,
    },
    /// A run ended.
    Reported(Box<Report>),
    /// Work ended; its final statuses are in the outbox.
    Ended {
        /// The work, in its final state.
        work: Work,
    },
    /// The forge accepted a status.
    Delivered(Status),
    /// Something does not work, and is tried again.
    Trouble(String),
}
