//! Is it well? What `/readyz`, the watchdog and systemd's status line are told.
//!
//! Guarantees: not ready for two reasons only: the loop that does the work stands still, or the journal
//! cannot be written. A forge or a repository that refuses us or has not answered for a minute, or whose budget has
//! run out, is said and leaves the daemon ready: it is not the daemon that has to be restarted then.

use jiff::Timestamp;
use serde::Serialize;

/// What can be unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The loop that does the work.
    Loop,
    /// The journal.
    Journal,
    /// Azure, or its Entra.
    Azure,
    /// The watched repository.
    Repository,
    /// The forge, asked for pull requests.
    PullRequests,
    /// The forge, told statuses and comments.
    Forge,
    /// What may be written to the forge within an hour.
    Budget,
}

/// Why something is not well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What.
    pub part: Part,
    /// Since when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Why, and what to do: one line.
    pub reason: String,
}

/// How it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wellness {
    /// All is well.
    Ready,
    /// The daemon works, and something outside refuses it or has not answered for a minute.
    Degraded(Vec<Reason>),
    /// The daemon does not do its work. What else is not well is said as well.
    NotReady(Vec<Reason>),
}

impl Wellness {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded(_) => "degraded",
            Self::NotReady(_) => "not ready",
        }
    }

    /// Why, the worst first.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Ready => &[],
            Self::Degraded(reasons) | Self::NotReady(reasons) => reasons,
        }
    }

    /// Whether the loop that does the work beats.
    #[must_use]
    pub fn beats(&self) -> bool {
        self.reasons().iter().all(|reason| reason.part != Part::Loop)
    }
}

/// Is told at every beat of the loop how the daemon is.
pub type Supervisor = Box<dyn Fn(&Wellness) + Send + Sync>;
