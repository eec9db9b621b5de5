//! How the daemon is, out of what is shared: what outside is not well is noted, said and logged.

use std::time::Duration;

use super::Shared;
use super::ailments::{News, Sort, Subject, one_line};
use super::trouble::is_same_cause;
use super::wellness::{Part, Reason, Wellness};
use crate::clock::Instant;
use crate::store::Writability;

impl Shared {
    /// Something refuses us until somebody acts.
    pub(in crate::daemon) fn refused(&self, subject: impl Into<Subject>, why: &str) {
        self.not_well(subject, Sort::Refusal, why, self.clock.monotonic());
    }

    /// Something refuses `what` until somebody acts. That is one line of the log: the one with which it begins, or
    /// where it `is_news`, that of another cause.
    pub(in crate::daemon) fn refused_about(&self, part: Part, what: &str, why: &str, is_news: bool) {
        let now = self.clock.monotonic();
        let is_other = self.ailments.why(part).is_none_or(|before| !is_same_cause(&before, why));
        self.ailments.note(part.into(), Sort::Refusal, why, now, &self.clock);
        if self.ailments.begins(&part.into(), now) {
            tracing::error!(?part, what, why, "degraded");
        } else if is_news && is_other {
            tracing::error!(?part, what, why, "refused");
        }
        self.log_ailments();
    }

    /// Something does not work, which may pass.
    pub(in crate::daemon) fn failing(&self, subject: impl Into<Subject>, why: &str) {
        self.not_well(subject, Sort::Failure, why, self.clock.monotonic());
    }

    /// Something has not worked since `began`.
    pub(in crate::daemon) fn not_well(
        &self,
        subject: impl Into<Subject>,
        sort: Sort,
        why: &str,
        began: Instant,
    ) {
        self.ailments.note(subject.into(), sort, why, began, &self.clock);
        self.log_ailments();
    }

    /// It works again.
    pub(in crate::daemon) fn accepted(&self, subject: impl Into<Subject>) {
        let subject = subject.into();
        if let Some(time) = self.ailments.well(&subject, self.clock.monotonic()) {
            tracing::info!(part = ?subject.part, "well again, after {}", lasted(time));
        }
    }

    /// Whether it is known, and said, that something is not well.
    pub(in crate::daemon) fn is_degraded(&self, subject: impl Into<Subject>) -> bool {
        self.ailments.is_said(&subject.into(), self.clock.monotonic())
    }

    /// Logs what has begun to be said, and what has gone on for long.
    pub(in crate::daemon) fn log_ailments(&self) {
        for news in self.ailments.news(self.clock.monotonic()) {
            match news {
                News::Begun(part, why) => tracing::warn!(?part, why, "degraded"),
                News::GoesOn(part, why, time) => {
                    tracing::warn!(?part, why, "still degraded, after {}", lasted(time));
                }
            }
        }
    }
}

impl Shared {
    /// How the daemon is now.
    pub(in crate::daemon) fn wellness(&self) -> Wellness {
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
            let why = self.ailments.why(Part::Repository).map_or_else(String::new, |why| format!(": {why}"));
            let reason = one_line(&format!("the repository has not been read since the start{why}"));
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
    pub(in crate::daemon) fn journal_trouble(&self) -> Option<Reason> {
        match self.store.writability() {
            Writability::Writable => None,
            Writability::Unwritable { since, why } => {
                Some(Reason { part: Part::Journal, since: Some(since), reason: one_line(&why) })
            }
        }
    }
}

/// A time as people say it, in its two largest units.
fn lasted(time: Duration) -> String {
    let (secs, mins) = (time.as_secs(), time.as_secs() / 60);
    match mins {
        0 => format!("{secs} s"),
        1..60 => format!("{mins} min {} s", secs % 60),
        _ => format!("{} h {} min", mins / 60, mins % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_two_units() {
        let said = [59, 61, 3600, 90_061].map(|secs| lasted(Duration::from_secs(secs)));
        assert_eq!(said, ["59 s", "1 min 1 s", "1 h 0 min", "25 h 1 min"]);
    }
}
