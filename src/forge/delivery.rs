//! When a status that could not be delivered is tried again. Pure but for the passed-in clock.

use std::time::Duration;

use super::outlet::Class;
use crate::clock::Clock;

/// The wait after the first failure.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait that we choose ourselves: a forge that is back is noticed within it.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The longest wait that a forge may ask for. GitHub's primary limit starts anew every hour.
const LONGEST_ASKED: Duration = Duration::from_secs(60 * 60);

/// The first and the longest wait for a forge to have a commit, and how often it is waited: a day and a half
/// in all.
const FIRST_COMMIT_WAIT: Duration = Duration::from_secs(60);
const LONGEST_COMMIT_WAIT: Duration = Duration::from_secs(60 * 60);
const COMMIT_WAITS: u32 = 40;

/// The first wait after a refusal: somebody has to act first, and may be about to.
const FIRST_REFUSED_WAIT: Duration = Duration::from_secs(15);

/// How long to wait after failure number `attempts` (from 1) of class `class`: 1 s, 2 s, 4 s … up to
/// 5 min, the upper half of each wait random so that several statuses do not come back together; never
/// less than the forge asked for (at most an hour). A refusal waits 15 s, 30 s, 1 min … up to 5 min:
/// somebody has to act first. A commit that the forge does not have is waited for 1 min, 2 min … up to
/// an hour, for a day and a half; then the answer is [`Duration::MAX`], and only its arrival helps.
#[must_use]
pub fn after_failure(attempts: u32, class: &Class, clock: &Clock) -> Duration {
    match class {
        Class::NoCommit if attempts > COMMIT_WAITS => Duration::MAX,
        Class::NoCommit => {
            let full = doubled(FIRST_COMMIT_WAIT, attempts).min(LONGEST_COMMIT_WAIT);
            clock.between(full, full + full / 12)
        }
        Class::Refused => {
            let full = doubled(FIRST_REFUSED_WAIT, attempts).min(LONGEST_WAIT);
            clock.between(full, full + full / 10)
        }
        Class::Retry { after } => {
            let asked = after.unwrap_or_default().min(LONGEST_ASKED);
            let full = doubled(FIRST_WAIT, attempts).min(LONGEST_WAIT);
            asked + clock.between(full / 2, full)
        }
    }
}

/// The longest wait that comes of it. A stored due date that is further away was stored by a clock that
/// has been set back since.
pub const LONGEST_DUE: Duration = Duration::from_secs(60 * 60 + 5 * 60);

fn doubled(first: Duration, attempts: u32) -> Duration {
    first.saturating_mul(1 << attempts.saturating_sub(1).min(16))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn waits(class: &Class) -> Vec<Duration> {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH, 1);
        (1..=20).map(|attempts| after_failure(attempts, class, &clock)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_five_minutes() {
        let waits = waits(&Class::Retry { after: None });
        for (index, wait) in waits.iter().enumerate() {
            let full = Duration::from_secs(1 << index.min(16)).min(Duration::from_secs(300));
            assert!(*wait >= full / 2 && *wait <= full, "wait {index} is {wait:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_forges_own_wish_is_respected_up_to_an_hour() {
        let asked = Duration::from_secs(90);
        assert!(waits(&Class::Retry { after: Some(asked) }).iter().all(|wait| *wait >= asked));
        let absurd = Class::Retry { after: Some(Duration::from_secs(u64::MAX)) };
        assert!(waits(&absurd).iter().all(|wait| *wait <= LONGEST_DUE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_waits_for_people_who_may_be_about_to_act() {
        let waits = waits(&Class::Refused);
        assert!((15..=17).contains(&waits[0].as_secs()), "{waits:?}");
        assert!(waits.windows(2).all(|two| two[1] + Duration::from_secs(31) >= two[0]));
        assert!(waits[5..].iter().all(|wait| (300..=330).contains(&wait.as_secs())), "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_never_comes_is_not_waited_for_without_end() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH, 1);
        let wait = |attempts| after_failure(attempts, &Class::NoCommit, &clock);
        assert!((60..=66).contains(&wait(1).as_secs()), "{:?}", wait(1));
        assert!((1..=COMMIT_WAITS).all(|attempts| wait(attempts) <= LONGEST_DUE));
        let all: Duration = (1..=COMMIT_WAITS).map(wait).sum();
        assert!((33..=40).contains(&(all.as_secs() / 3600)), "{all:?}");
        assert_eq!(wait(COMMIT_WAITS + 1), Duration::MAX);
    }
}
