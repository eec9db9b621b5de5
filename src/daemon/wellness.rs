//! Is it well? What `/readyz`, the watchdog and systemd's status line are told.
//!
//! Guarantees: not ready for two reasons only: the loop that does the work stands still, or the journal
//! cannot be written. A forge or a repository that refuses us, or whose budget has run out, is said and
//! leaves the daemon ready: it is not the daemon that has to be restarted then.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use super::service::Shared;
use crate::resources::brief;
use crate::store::Writability;

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// What can be unwell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The loop that does the work.
    Loop,
    /// The journal.
    Journal,
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
    /// The daemon works, and something outside refuses it until somebody acts.
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

/// What is known to refuse us, by part. The same reason keeps its date.
#[derive(Debug, Default)]
pub(super) struct Ailments(Mutex<BTreeMap<Part, Reason>>);

impl Ailments {
    /// `part` is refused for `why`; says whether that is news.
    pub(super) fn refused(&self, part: Part, why: &str, now: Timestamp) -> bool {
        let reason = one_line(why);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.get(&part);
        let since = before.map_or(Some(now), |before| before.since);
        let is_news = before.is_none();
        known.insert(part, Reason { part, since, reason });
        is_news
    }

    /// `part` is accepted again; says whether that is news.
    pub(super) fn accepted(&self, part: Part) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&part).is_some()
    }

    fn all(&self) -> Vec<Reason> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

fn one_line(why: &str) -> String {
    brief::fitting(&why.split_whitespace().collect::<Vec<_>>().join(" "), MAX_REASON).into_owned()
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
        if !self.was_looked_at() {
            let known = self.ailments.all().iter().any(|reason| reason.part == Part::Repository);
            let reason = "the repository has not been read since the start".to_owned();
            reasons.extend((!known).then_some(Reason { part: Part::Repository, since: None, reason }));
        }
        reasons.extend(self.ailments.all());
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

    /// Something refuses us until somebody acts.
    pub(super) fn refused(&self, part: Part, why: &str) {
        if self.ailments.refused(part, why, self.clock.now()) {
            tracing::warn!(?part, why, "degraded");
        }
    }

    /// It accepts us again.
    pub(super) fn accepted(&self, part: Part) {
        if self.ailments.accepted(part) {
            tracing::info!(?part, "well again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_refusal_keeps_its_date_until_it_is_over() {
        let ailments = Ailments::default();
        assert!(ailments.refused(Part::Forge, "the token\n was refused", at(1)));
        assert!(!ailments.refused(Part::Forge, "the repository is missing", at(2)));
        let reason = "the repository is missing".to_owned();
        assert_eq!(ailments.all(), [Reason { part: Part::Forge, since: Some(at(1)), reason }]);
        assert!(ailments.accepted(Part::Forge));
        assert!(!ailments.accepted(Part::Forge));
        assert_eq!(ailments.all(), []);
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        let ailments = Ailments::default();
        ailments.refused(Part::Repository, &"long\nstory ".repeat(1000), at(1));
        let reason = &ailments.all()[0].reason;
        assert!(!reason.contains('\n') && reason.chars().count() <= MAX_REASON && reason.ends_with('…'));
    }
}
