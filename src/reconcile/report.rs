//! Outcome of a run as data; text, Markdown and JSON are rendered from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::apply::{RunEnd, RunId};
use super::plan::{Action, Part, Step};
use crate::resources::{Address, EnvironmentName};

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum StepEnd {
    /// Done and read back.
    Done,
    /// Refused or gone wrong.
    Failed {
        /// Azure's own innermost message, or ours.
        message: String,
    },
    /// Not tried.
    Skipped {
        /// The resource whose step failed.
        because: Address,
    },
    /// It may or may not have had its effect.
    Unknown {
        /// Why that could not be found out.
        message: String,
    },
    /// What it was planned for is no longer so. It is planned again.
    Moved {
        /// What moved.
        message: String,
    },
    /// The service stopped while Azure worked on it; the next start goes on with it.
    Underway,
    /// The run stopped before it.
    NotReached,
}

/// One step of a run, as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step.
    pub ordinal: u32,
    /// The resource.
    pub address: Address,
    /// What was to be done.
    pub action: Action,
    /// Which half of a replacement.
    pub part: Part,
    /// What became of it.
    #[serde(flatten)]
    pub end: StepEnd,
    /// When its first request was sent.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: RunId,
    /// The environment.
    pub environment: EnvironmentName,
    /// How it ended.
    pub end: RunEnd,
    /// Its steps.
    pub steps: Vec<StepReport>,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

impl Report {
    /// Whether steps are under way that only a resumed run can end: the run must not be finished in the
    /// journal, which would forget where Azure says how they end.
    #[must_use]
    pub fn is_underway(&self) -> bool {
        self.steps.iter().any(|step| step.end == StepEnd::Underway)
    }

    /// Whether it has done what `step`, of another plan of the same environment, asks for.
    #[must_use]
    pub fn has_done(&self, step: &Step) -> bool {
        let is_same = |one: &&StepReport| {
            one.address == step.address && one.action == step.action && one.part == step.part
        };
        self.steps.iter().filter(is_same).any(|one| one.end == StepEnd::Done)
    }
}

/// Something that happens during a run, for those who watch. Nothing depends on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "progress")]
pub enum Progress {
    /// A step's first request is about to be sent.
    Started {
        /// The step.
        step: u32,
    },
    /// Azure works on it.
    Working {
        /// The step.
        step: u32,
        /// Azure's word for it.
        state: String,
        /// Azure's estimate, where it gives one.
        percent: Option<u8>,
    },
    /// It is tried again after a while.
    Retrying {
        /// The step.
        step: u32,
        /// Why.
        message: String,
        /// After.
        wait: std::time::Duration,
    },
    /// It ended.
    Ended {
        /// The step.
        step: u32,
        /// How.
        end: StepEnd,
    },
}
