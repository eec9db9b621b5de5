//! PURE but for the passed-in clock: how a forge that accepts nothing is asked whether it is back.
//!
//! One round in which everything failed may be the fault of what was sent; so the next round follows
//! soon, with one other thing. Only as nothing at all is accepted the waits grow, up to five minutes.

use std::time::Duration;

use crate::clock::{Clock, Instant};
use crate::forge::{Class, after_failure};

/// What came of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) struct Tally {
    /// How much was accepted.
    pub(in crate::daemon) accepted: usize,
    /// Why the last thing that was not accepted was not.
    pub(in crate::daemon) failure: Option<Class>,
}

/// How the forge has been of late.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::daemon) struct Weather {
    /// Rounds, one after the other, in which nothing was accepted.
    failures: u32,
    /// Before when the forge has asked not to be asked again.
    not_before: Option<Instant>,
}

impl Weather {
    /// How much of what is due is sent in one round, of at most `most`.
    pub(in crate::daemon) fn at_once(&self, most: u32) -> u32 {
        if self.failures == 0 { most } else { most.min(1) }
    }

    /// How long the forge has asked to be left alone.
    pub(in crate::daemon) fn asked_to_wait(&self, now: Instant) -> Option<Duration> {
        let left = self.not_before?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Takes note of a round; the wait before the next one, when nothing was accepted in it.
    pub(in crate::daemon) fn after(&mut self, tally: &Tally, clock: &Clock) -> Option<Duration> {
        self.not_before = None;
        match (&tally.failure, tally.accepted) {
            (None, 0) => None,
            (Some(class), 0) => {
                self.failures = self.failures.saturating_add(1);
                // A refusal may concern only what was refused.
                let soon = match class {
                    Class::Refused => Class::Retry { after: None },
                    Class::Retry { .. } | Class::NoCommit => *class,
                };
                let wait = after_failure(self.failures, &soon, clock);
                let is_asked = matches!(class, Class::Retry { after: Some(_) });
                self.not_before = is_asked.then(|| clock.after(wait));
                Some(wait)
            }
            (None | Some(_), _) => {
                self.failures = 0;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn failed(class: Class) -> Tally {
        Tally { accepted: 0, failure: Some(class) }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_while_nothing_is_accepted_and_one_thing_at_a_time_is_sent() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH, 1);
        let mut weather = Weather::default();
        assert_eq!(weather.at_once(50), 50);
        let mut wait = || weather.after(&failed(Class::Refused), &clock).unwrap();
        assert!(wait() <= Duration::from_secs(1));
        let long = (0..20).map(|_| wait()).last().unwrap();
        assert!((150..=300).contains(&long.as_secs()), "{long:?}");
        assert_eq!((weather.at_once(50), weather.at_once(0)), (1, 0));
        assert_eq!(weather.asked_to_wait(clock.monotonic()), None);
        assert_eq!(weather.after(&Tally::default(), &clock), None);
        assert_eq!(weather.at_once(50), 1, "a round without anything to send says nothing");
        assert_eq!(weather.after(&Tally { accepted: 1, failure: Some(Class::Refused) }, &clock), None);
        assert_eq!(weather.at_once(50), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_forge_that_asks_for_a_pause_gets_it() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH, 1);
        let mut weather = Weather::default();
        let asked = Duration::from_secs(600);
        weather.after(&failed(Class::Retry { after: Some(asked) }), &clock);
        assert!(weather.asked_to_wait(clock.monotonic()).unwrap() >= asked);
        clock.sleep(Duration::from_secs(602)).await;
        assert_eq!(weather.asked_to_wait(clock.monotonic()), None);
    }
}
