//! What outside is not well, since when, and when that is said.
//!
//! What refuses us is said at once. What only fails may pass by itself, and is said once it has lasted.
//!
//! Guarantees: whatever is said has a beginning, is logged again in growing intervals, hourly at last, and has an
//! end in the log with how long it took. What has passed before it was said is not spoken of.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::wellness::{Part, Reason};
use crate::clock::{Clock, Instant};
use crate::resources::brief;

/// How long what fails may take to pass by itself.
pub(in crate::daemon) const PASSING: Duration = Duration::from_secs(60);

/// When it is logged again that something goes on, the first time; then after twice as long, hourly at last.
const AGAIN: Duration = Duration::from_secs(5 * 60);
const AGAIN_AT_LAST: Duration = Duration::from_secs(60 * 60);

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// Whether something passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Sort {
    /// Somebody has to act.
    Refusal,
    /// It may pass.
    Failure,
}

/// What is not well: a part, and which one where there are several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::daemon) struct Subject {
    pub(in crate::daemon) part: Part,
    name: String,
}

impl From<Part> for Subject {
    fn from(part: Part) -> Self {
        Self { part, name: String::new() }
    }
}

impl From<(Part, &str)> for Subject {
    fn from((part, name): (Part, &str)) -> Self {
        Self { part, name: name.to_owned() }
    }
}

/// Something that is not well.
#[derive(Debug)]
struct Ailment {
    sort: Sort,
    since: Timestamp,
    began: Instant,
    reason: String,
    /// When it was logged last, and when it is logged next.
    logged: Option<(Instant, Instant)>,
}

impl Ailment {
    fn is_said(&self, now: Instant) -> bool {
        self.sort == Sort::Refusal || now.saturating_duration_since(self.began) >= PASSING
    }

    /// Takes note of a line in the log; the next one comes when as much time has passed again.
    fn log(&mut self, now: Instant) {
        let lasted = now.saturating_duration_since(self.logged.map_or(now, |(first, _)| first));
        let first = self.logged.map_or(now, |(first, _)| first);
        self.logged = Some((first, now + lasted.clamp(AGAIN, AGAIN_AT_LAST)));
    }
}

/// Something to be logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum News {
    Begun(Part, String),
    GoesOn(Part, String, Duration),
}

/// What is not well, by subject.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Ailments(Mutex<BTreeMap<Subject, Ailment>>);

impl Ailments {
    /// `subject` is not well for `why`, which began at `began` unless it was known. What was a refusal stays one.
    pub(in crate::daemon) fn note(
        &self,
        subject: Subject,
        sort: Sort,
        why: &str,
        began: Instant,
        clock: &Clock,
    ) {
        let mut known = self.known();
        let before = known.remove(&subject);
        let since = || clock.now().checked_sub(clock.monotonic().saturating_duration_since(began));
        let ailment = match before {
            Some(before) => {
                let sort = if sort == Sort::Refusal { sort } else { before.sort };
                Ailment { sort, reason: one_line(why), ..before }
            }
            None => {
                let since = since().unwrap_or_default();
                Ailment { sort, since, began, reason: one_line(why), logged: None }
            }
        };
        known.insert(subject, ailment);
    }

    /// `subject` is well; for how long it was not, where that was logged.
    pub(in crate::daemon) fn well(&self, subject: &Subject, now: Instant) -> Option<Duration> {
        let ailment = self.known().remove(subject)?;
        ailment.logged.map(|_| now.saturating_duration_since(ailment.began))
    }

    /// All that is said.
    pub(in crate::daemon) fn said(&self, now: Instant) -> Vec<Reason> {
        let known = self.known();
        let said = known.iter().filter(|(_, ailment)| ailment.is_said(now));
        said.map(|(subject, ailment)| Reason {
            part: subject.part,
            since: Some(ailment.since),
            reason: ailment.reason.clone(),
        })
        .collect()
    }

    /// Why `part` is not well, as far as it is known, also before that is said.
    pub(in crate::daemon) fn why(&self, part: Part) -> Option<String> {
        let known = self.known();
        known.iter().find(|(subject, _)| subject.part == part).map(|(_, ailment)| ailment.reason.clone())
    }

    pub(in crate::daemon) fn is_said(&self, subject: &Subject, now: Instant) -> bool {
        self.known().get(subject).is_some_and(|ailment| ailment.is_said(now))
    }

    /// Whether it begins to be said now that `subject` is not well; then whoever asks logs it.
    pub(in crate::daemon) fn begins(&self, subject: &Subject, now: Instant) -> bool {
        let mut known = self.known();
        let begun = known.get_mut(subject).filter(|ailment| ailment.is_said(now) && ailment.logged.is_none());
        begun.map(|ailment| ailment.log(now)).is_some()
    }

    /// What is to be logged now.
    pub(in crate::daemon) fn news(&self, now: Instant) -> Vec<News> {
        let mut known = self.known();
        let said = known.iter_mut().filter(|(_, ailment)| ailment.is_said(now));
        let news = said.filter_map(|(subject, ailment)| {
            let (part, why) = (subject.part, ailment.reason.clone());
            let news = match ailment.logged {
                None => News::Begun(part, why),
                Some((_, next)) if next <= now => {
                    News::GoesOn(part, why, now.saturating_duration_since(ailment.began))
                }
                Some(_) => return None,
            };
            ailment.log(now);
            Some(news)
        });
        news.collect()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Subject, Ailment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(in crate::daemon) fn one_line(why: &str) -> String {
    brief::fitting(&why.split_whitespace().collect::<Vec<_>>().join(" "), MAX_REASON).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::simulated(Timestamp::UNIX_EPOCH, 1)
    }

    async fn minutes(minutes: u64) {
        tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_said_at_once_and_keeps_its_date_until_it_is_over() {
        let (ailments, clock) = (Ailments::default(), clock());
        let note = |sort, why| ailments.note(Part::Forge.into(), sort, why, clock.monotonic(), &clock);
        note(Sort::Refusal, "the token\n was refused");
        let since = clock.now();
        minutes(1).await;
        note(Sort::Failure, "no route");
        let reason = "no route".to_owned();
        assert_eq!(
            ailments.said(clock.monotonic()),
            [Reason { part: Part::Forge, since: Some(since), reason }]
        );
        assert_eq!(ailments.news(clock.monotonic()), [News::Begun(Part::Forge, "no route".to_owned())]);
        let lasted = ailments.well(&Part::Forge.into(), clock.monotonic()).unwrap();
        assert_eq!(lasted.as_secs(), 60);
        assert_eq!(ailments.well(&Part::Forge.into(), clock.monotonic()), None);
        assert_eq!(ailments.said(clock.monotonic()), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_within_a_minute_is_not_spoken_of_and_what_lasts_is_logged_ever_more_rarely() {
        let (ailments, clock) = (Ailments::default(), clock());
        let note = || {
            ailments.note(Part::Repository.into(), Sort::Failure, "no route", clock.monotonic(), &clock);
        };
        note();
        assert_eq!((ailments.said(clock.monotonic()), ailments.news(clock.monotonic())), (vec![], vec![]));
        assert_eq!(ailments.well(&Part::Repository.into(), clock.monotonic()), None);
        note();
        let mut logged = Vec::new();
        for minute in 0..6 * 60_u64 {
            note();
            for news in ailments.news(clock.monotonic()) {
                logged.push((minute, matches!(news, News::Begun(..))));
            }
            minutes(1).await;
        }
        let expected =
            [(1, true), (6, false), (11, false), (21, false), (41, false), (81, false), (141, false)];
        assert_eq!(logged[..7], expected);
        assert_eq!(logged[7..].iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [201, 261, 321]);
        assert_eq!(ailments.well(&Part::Repository.into(), clock.monotonic()).unwrap().as_secs(), 6 * 3600);
    }

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        let reason = one_line(&"long\nstory ".repeat(1000));
        assert!(!reason.contains('\n') && reason.chars().count() <= MAX_REASON && reason.ends_with('…'));
    }
}
