//! Time, randomness and ids, passed in.
//!
//! Why: a run that depends on the wall clock or on a global random generator cannot be repeated.
//! This is the only place in the project that asks the system for either. Production uses
//! [`Clock::system`]; a simulation uses [`Clock::simulated`], whose time follows tokio's (pausable)
//! timer and whose randomness comes from a seed, so that hours pass in milliseconds and every run
//! with the same seed is the same run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

/// A handle on time and randomness. Cheap to clone; clones share one source of randomness.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    random: Arc<Mutex<fastrand::Rng>>,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    System,
    Simulated { start: Timestamp, origin: tokio::time::Instant },
}

impl Clock {
    /// The machine's clock and a generator seeded by the operating system.
    #[must_use]
    pub fn system() -> Self {
        Self { source: Source::System, random: Arc::new(Mutex::new(fastrand::Rng::new())) }
    }

    /// A clock that starts at `start` and advances with tokio's timer (which a test may pause), with
    /// all randomness drawn from `seed`. Must be called inside a tokio runtime.
    #[must_use]
    pub fn simulated(start: Timestamp, seed: u64) -> Self {
        Self {
            source: Source::Simulated { start, origin: tokio::time::Instant::now() },
            random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))),
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.source {
            Source::System => Timestamp::now(),
            Source::Simulated { start, origin } => {
                start.checked_add(origin.elapsed()).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Waits for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until this clock shows `moment`; returns at once when that is past.
    pub async fn sleep_until(&self, moment: Timestamp) {
        self.sleep(self.until(moment)).await;
    }

    /// How long until `moment`; zero when it is past.
    #[must_use]
    pub fn until(&self, moment: Timestamp) -> Duration {
        Duration::try_from(moment.duration_since(self.now())).unwrap_or(Duration::ZERO)
    }

    /// A fresh version 4 UUID from this clock's randomness.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.with_random(|random| random.fill(&mut bytes));
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// A fresh version 7 UUID: ids sort by the moment they were made.
    #[must_use]
    pub fn ordered_uuid(&self) -> Uuid {
        let mut bytes = [0; 10];
        self.with_random(|random| random.fill(&mut bytes));
        let millis = u64::try_from(self.now().as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    /// A number in `0..1`.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        self.with_random(fastrand::Rng::f64)
    }

    /// A duration between `from` and `to` (both in whole milliseconds), evenly distributed.
    #[must_use]
    pub fn between(&self, from: Duration, to: Duration) -> Duration {
        let span = to.saturating_sub(from);
        from + span.mul_f64(self.fraction())
    }

    fn with_random<T>(&self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_follows_the_paused_timer() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Clock::simulated(start, 1);
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.now().to_string(), "2026-01-01T01:00:00Z");
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_ids() {
        let ids = |seed| {
            let clock = Clock::simulated(Timestamp::UNIX_EPOCH, seed);
            (clock.uuid(), clock.uuid())
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
    }

    #[test]
    fn a_past_moment_is_no_wait() {
        assert_eq!(Clock::system().until(Timestamp::UNIX_EPOCH), Duration::ZERO);
    }
}
