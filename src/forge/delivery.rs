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

/// How long to wait after failure number `attempts` (from 1) of class `class`: 1 s, 2 s, 4 s … up to
/// 5 min, the upper half of each wait random so that several statuses do not come back together; never
/// less than the forge asked for (at most an hour). A refusal waits 5 min at once: somebody
/// has to act first.
#[must_use]
pub fn after_failure(attempts: u32, class: &Class, clock: &Clock) -> Duration {
    match class {
        Class::Refused => clock.between(LONGEST_WAIT, LONGEST_WAIT + LONGEST_WAIT / 10),
        Class::Retry { after } => {
            let asked = after.unwrap_or_default().min(LONGEST_ASKED);
            let doublings = attempts.saturating_sub(1).min(16);
            let full = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
            asked + clock.between(full / 2, full)
        }
    }
}

/// The longest wait that comes of it. A stored due date that is further away was stored by a clock that
/// has been set back since.
pub const LONGEST_DUE: Duration = Duration::from_secs(60 * 60 + 5 * 60);

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
    async fn a_refusal_waits_for_people() {
        assert!(waits(&Class::Refused).iter().all(|wait| *wait >= Duration::from_secs(300)));
    }
}
