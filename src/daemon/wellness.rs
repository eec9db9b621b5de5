//! Is it well? What `/readyz`, the watchdog and systemd's status line are told.
//!
//! Guarantees: not ready for two reasons only: the loop that does the work stands still, or the journal
//! cannot be written. A forge or a repository that refuses us or has not answered for a minute, or whose budget has
//! run out, is said and leaves the daemon ready: it is not the daemon that has to be restarted then.

use jiff::Timestamp;
use serde::Serialize;

use super::ailments::one_line;
use super::service::Shared;
use crate::store::Writability;

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

impl Shared {
    /// How the daemon is now.
    pub(super) fn wellness(&self) -> Wellness {
        let mut reasons = Vec::new();
        if let Some(standstill) = self.beats.standstill() {
            let reason = format!(
                "{} has not moved for {} s: restart the service, which loses nothing",
                standstill.what,
                standstill.silent.as_secs()
            );
            reasons.push(Reason { part: Part::Loop, since: None, reason });
        }
        reasons.extend(self.journal_trouble());
        let is_at_work = reasons.is_empty();
        let said = self.ailments.said(self.clock.monotonic());
        if !self.was_looked_at() {
            let known = said.iter().any(|reason| reason.part == Part::Repository);
            let reason = "the repository has not been read since the start".to_owned();
            reasons.extend((!known).then_some(Reason { part: Part::Repository, since: None, reason }));
        }
        reasons.extend(said);
        let shortage = self.shortage();
        reasons.extend(shortage.map(|reason| Reason { part: Part::Budget, since: None, reason }));
        match (is_at_work, reasons.is_empty()) {
            (false, _) => Wellness::NotReady(reasons),
            (true, true) => Wellness::Ready,
            (true, false) => Wellness::Degraded(reasons),
        }
    }

    /// Why the journal cannot be written.
    pub(super) fn journal_trouble(&self) -> Option<Reason> {
        match self.store.writability() {
            Writability::Writable => None,
            Writability::Unwritable { since, why } => {
                Some(Reason { part: Part::Journal, since: Some(since), reason: one_line(&why) })
            }
        }
    }
}
