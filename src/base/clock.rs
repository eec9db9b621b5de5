//! Time, randomness and ids, passed in.
//!
//! Why: a run that depends on the wall clock or on a global random generator cannot be repeated.
//! This is the only place in the project that asks the system for either. Production uses
//! [`Clock::system`]; a simulation uses [`Clock::simulated`], whose time follows tokio's (pausable)
//! timer and whose randomness comes from a seed, so that hours pass in milliseconds and every run
//! with the same seed is the same run.
//!
//! There are two kinds of time, and they have different types. The wall clock ([`Timestamp`]) may jump
//! at any moment, by hours, either way: it is for dates that people read and that others sent. What
//! waits, ends, expires or refills goes by monotonic time ([`Instant`]). A due date that has to survive
//! a restart is stored by [`Clock::steady`], which is a date that does not jump while the process lives.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
pub use tokio::time::Instant;
use uuid::Uuid;

/// What a wait without end is cut to, so that no sum overflows: 30 years.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// A handle on time and randomness. Cheap to clone; clones share one source of randomness.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    wall: Wall,
    /// What the wall clock showed when this process began, and the moment of that.
    began: (Timestamp, Instant),
    random: Arc<Mutex<fastrand::Rng>>,
}

#[derive(Clone, Debug)]
enum Wall {
    System,
    /// Follows the timer from a date and a moment on. `jumped_ms` is by how much it was set since.
    Simulated {
        from: (Timestamp, Instant),
        jumped_ms: Arc<AtomicI64>,
    },
}

impl Clock {
    /// The machine's clock and a generator seeded by the operating system.
    #[must_use]
    pub fn system() -> Self {
        let random = Arc::new(Mutex::new(fastrand::Rng::new()));
        Self::of(Inner { wall: Wall::System, began: (Timestamp::now(), Instant::now()), random })
    }

    /// A clock that starts at `start` and advances with tokio's timer (which a test may pause), with
    /// all randomness drawn from `seed`. Must be called inside a tokio runtime.
    #[must_use]
    pub fn simulated(start: Timestamp, seed: u64) -> Self {
        let began = (start, Instant::now());
        let wall = Wall::Simulated { from: began, jumped_ms: Arc::default() };
        Self::of(Inner { wall, began, random: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))) })
    }

    fn of(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// The clock of the next process on the same machine: [`Clock::steady`] begins anew.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self::of(Inner { began: (self.now(), Instant::now()), ..self.inner.as_ref().clone() })
    }

    /// The same time and randomness with a wall clock of its own: a [`Clock::jump`] of one is not one of
    /// the other. A simulated Azure has such a clock, because another machine's clock does not jump with
    /// ours.
    #[must_use]
    pub fn apart(&self) -> Self {
        let wall = match &self.inner.wall {
            Wall::System => Wall::System,
            Wall::Simulated { from, jumped_ms } => Wall::Simulated {
                from: *from,
                jumped_ms: Arc::new(AtomicI64::new(jumped_ms.load(Ordering::Relaxed))),
            },
        };
        Self::of(Inner { wall, ..self.inner.as_ref().clone() })
    }

    /// Sets the wall clock of a simulation forward or back, for everybody who shares it. Monotonic time
    /// goes on as it was. Nobody can set the machine's clock this way: there it does nothing.
    pub fn jump(&self, by: SignedDuration) {
        match &self.inner.wall {
            Wall::System => {}
            Wall::Simulated { from: _, jumped_ms } => {
                let milliseconds = i64::try_from(by.as_millis()).unwrap_or(0);
                jumped_ms.fetch_add(milliseconds, Ordering::Relaxed);
            }
        }
    }

    /// What the wall clock shows: a date for people and for others. It may jump; nothing waits by it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.inner.wall {
            Wall::System => Timestamp::now(),
            Wall::Simulated { from, jumped_ms } => {
                let jumped = SignedDuration::from_millis(jumped_ms.load(Ordering::Relaxed));
                since(*from).checked_add(jumped).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// A date that does not jump while this process lives: what the wall clock showed when this clock was
    /// made, plus the monotonic time since. For due dates that are stored. It may be hours away from the
    /// wall clock, also from that of the process before: whoever compares a stored one bounds the wait.
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        since(self.inner.began)
    }

    /// The present moment of monotonic time. It does not count what the machine sleeps through.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// The moment `wait` from now.
    #[must_use]
    pub fn after(&self, wait: Duration) -> Instant {
        self.monotonic() + wait.min(LONGEST)
    }

    /// Waits for `duration`, in the time of this clock.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.after(duration)).await;
    }

    /// Waits until `moment`; returns at once when that is past.
    pub async fn sleep_until(&self, moment: Instant) {
        // Whoever watches over what is being done here is not to take a wait for a standstill.
        let _announced = crate::pulse::announce(moment);
        tokio::time::sleep_until(moment).await;
    }

    /// How long until `moment`; zero when it is past.
    #[must_use]
    pub fn left(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.monotonic())
    }

    /// How old a stored date is by the wall clock, at most `most`: one that lies in the future, by a clock
    /// that has been set back since, has age zero.
    #[must_use]
    pub fn age(&self, of: Timestamp, most: Duration) -> Duration {
        Duration::try_from(self.now().duration_since(of)).unwrap_or(Duration::ZERO).min(most)
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
        draw(&mut self.inner.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a clock shows that showed `date` at `moment` and was not set since.
fn since((date, moment): (Timestamp, Instant)) -> Timestamp {
    date.checked_add(moment.elapsed()).unwrap_or(Timestamp::MAX)
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
        let clock = Clock::system();
        assert_eq!(clock.left(clock.monotonic()), Duration::ZERO);
    }

    #[test]
    fn the_longest_wait_is_a_moment_too() {
        let clock = Clock::system();
        assert!(clock.left(clock.after(Duration::MAX)) > LONGEST / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_moves_dates_and_no_moment() {
        let clock = Clock::simulated("2026-01-01T12:00:00Z".parse().unwrap(), 1);
        let (other, due) = (clock.apart(), clock.after(Duration::from_secs(60)));
        clock.sleep(Duration::from_secs(10)).await;
        for hours in [2, -4] {
            clock.jump(SignedDuration::from_hours(hours));
            assert_eq!(clock.left(due), Duration::from_secs(50));
            assert_eq!(clock.steady().to_string(), "2026-01-01T12:00:10Z");
        }
        assert_eq!(clock.now().to_string(), "2026-01-01T10:00:10Z");
        assert_eq!(other.now().to_string(), "2026-01-01T12:00:10Z", "another machine's clock stays");
    }

    #[tokio::test(start_paused = true)]
    async fn an_age_is_bounded_whichever_way_the_clock_was_set() {
        let clock = Clock::simulated("2026-01-01T12:00:00Z".parse().unwrap(), 1);
        let (stored, minute) = (clock.now(), Duration::from_secs(60));
        clock.sleep(Duration::from_secs(5)).await;
        assert_eq!(clock.age(stored, minute), Duration::from_secs(5));
        clock.jump(SignedDuration::from_hours(2));
        assert_eq!(clock.age(stored, minute), minute);
        clock.jump(SignedDuration::from_hours(-4));
        assert_eq!(clock.age(stored, minute), Duration::ZERO);
    }
}
