//! Why the work on a step ends before the step does.

use super::journal::JournalError;
use super::progress::IllegalTransition;

/// What ends the run at once: nothing may be done that the journal could not remember.
#[derive(Debug)]
pub(super) enum Fatal {
    /// The journal takes nothing more.
    Journal(JournalError),
    /// The journal's events do not fit the plan.
    Illegal(IllegalTransition),
}

/// What ends more than one step.
#[derive(Debug)]
pub(super) enum Halt {
    /// The run ends at once.
    Fatal(Fatal),
    /// What the plan was made for is no longer so; it must be planned again.
    Moved {
        /// What moved, as a sentence.
        message: String,
    },
    /// The service is asked to stop. What Azure works on is in the journal.
    Stopped,
}

/// What ends the work on one step.
#[derive(Debug)]
pub(super) enum Break {
    /// More than this step ends.
    Halt(Halt),
    /// The step failed: what it asked for certainly did not come about.
    Failed(String),
    /// Whether the step had its effect could not be found out.
    Unknown(String),
}

impl From<Fatal> for Halt {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

impl From<Fatal> for Break {
    fn from(fatal: Fatal) -> Self {
        Self::Halt(Halt::Fatal(fatal))
    }
}

impl From<Halt> for Break {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}
