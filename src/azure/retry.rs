//! When to try again: exponential delays with full jitter, by class of error.
//!
//! Pure: the policy holds no state, the caller counts attempts; the clock only lends its randomness.
//! `Retry-After` is a lower bound, because retrying earlier restarts Azure's wait (Resource Manager,
//! request limits and throttling).

use std::time::Duration;

use super::ErrorClass;
use crate::clock::Clock;

/// The delays between the attempts of one request, for one class of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// Attempts after which it is given up.
    attempts: u32,
    /// Expected waiting after which it is given up.
    patience: Duration,
}

impl Backoff {
    /// The policy for a class. [`ErrorClass::NotRegistered`], [`ErrorClass::NotFound`] and
    /// [`ErrorClass::Fatal`] never wait: something else has to happen first.
    #[must_use]
    pub fn for_class(class: ErrorClass) -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let policy = |first_ms, longest_s, attempts, patience| Self {
            first: Duration::from_millis(first_ms),
            longest: Duration::from_secs(longest_s),
            attempts,
            patience,
        };
        match class {
            ErrorClass::Throttled => policy(2_000, 60, u32::MAX, minutes(60)),
            ErrorClass::Busy => policy(4_000, 30, u32::MAX, minutes(30)),
            ErrorClass::Transient => policy(500, 30, 10, minutes(60)),
            ErrorClass::Propagating => policy(2_000, 20, u32::MAX, minutes(10)),
            ErrorClass::NotRegistered | ErrorClass::NotFound | ErrorClass::Fatal => {
                policy(0, 0, 0, Duration::ZERO)
            }
        }
    }

    /// For a principal that nothing of the run has made: that it is only not known everywhere yet is unlikely, and passes
    /// within two minutes.
    #[must_use]
    pub fn for_strangers() -> Self {
        Self { patience: Duration::from_secs(2 * 60), ..Self::for_class(ErrorClass::Propagating) }
    }

    /// How long to wait before attempt number `attempt + 1`, after `attempt + 1` failures (`attempt` is
    /// 0 after the first failure); never less than `retry_after`. `None` when it is time to give up: the
    /// waiting so far is estimated from the attempts, so that no state is needed.
    #[must_use]
    pub fn delay(&self, attempt: u32, retry_after: Option<Duration>, clock: &Clock) -> Option<Duration> {
        let least = retry_after.unwrap_or_default();
        if attempt >= self.attempts || self.waited_more_than_patience(attempt, least) {
            return None;
        }
        Some(clock.between(Duration::ZERO, self.ceiling(attempt)).max(least))
    }

    fn ceiling(&self, attempt: u32) -> Duration {
        let doubled = 2_u32.checked_pow(attempt).and_then(|factor| self.first.checked_mul(factor));
        doubled.unwrap_or(self.longest).min(self.longest)
    }

    fn waited_more_than_patience(&self, attempt: u32, least: Duration) -> bool {
        let mut waited = Duration::ZERO;
        for earlier in 0..attempt {
            waited = waited.saturating_add((self.ceiling(earlier) / 2).max(least));
            if waited >= self.patience {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn total(class: ErrorClass, retry_after: Option<Duration>, seed: u64) -> (u32, Duration) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = runtime.block_on(async { Clock::simulated(Timestamp::UNIX_EPOCH, seed) });
        let mut waited = Duration::ZERO;
        for attempt in 0.. {
            match Backoff::for_class(class).delay(attempt, retry_after, &clock) {
                Some(delay) => waited += delay,
                None => return (attempt, waited),
            }
        }
        unreachable!("a back-off ends")
    }

    #[test]
    fn each_class_is_given_up_in_its_time() {
        let minutes = |class| total(class, None, 1).1.as_secs() / 60;
        assert!((6..=14).contains(&minutes(ErrorClass::Propagating)));
        assert!((22..=38).contains(&minutes(ErrorClass::Busy)));
        assert!((45..=75).contains(&minutes(ErrorClass::Throttled)));
        assert_eq!(total(ErrorClass::Transient, None, 1).0, 10);
        for class in [ErrorClass::Fatal, ErrorClass::NotFound, ErrorClass::NotRegistered] {
            assert_eq!(total(class, Some(Duration::from_secs(1)), 1).0, 0);
        }
    }

    #[test]
    fn long_waits_that_azure_asks_for_count_as_waiting() {
        assert_eq!(total(ErrorClass::Propagating, Some(Duration::from_secs(600)), 1).0, 1);
        assert_eq!(total(ErrorClass::Busy, Some(Duration::from_secs(60)), 1).0, 30);
    }

    proptest! {
        #[test]
        fn nobody_retries_before_retry_after(attempt in 0_u32..50, seconds in 0_u64..600, seed: u64) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let clock = runtime.block_on(async { Clock::simulated(Timestamp::UNIX_EPOCH, seed) });
            let least = Duration::from_secs(seconds);
            for class in [ErrorClass::Throttled, ErrorClass::Busy, ErrorClass::Transient] {
                if let Some(delay) = Backoff::for_class(class).delay(attempt, Some(least), &clock) {
                    prop_assert!(delay >= least && delay <= least.max(Duration::from_secs(60)));
                }
            }
        }
    }
}
