//! Whether something that works goes on: when it last moved, and until when it has said that it waits.
//!
//! A future that is waited for and never wakes looks like one that has much to do. A [`Pulse`] tells them
//! apart: it beats whenever the future that it watches is woken by something of its own (an answer, a
//! timer, a lock), not when somebody polls it. A wait of the passed-in clock announces its end, so that
//! an operation that is to be looked at in ten minutes is no silence. It is monotonic time throughout.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    /// The pulse of the future that is being polled.
    static WATCHING: Pulse;
}

/// The pulse of one thing. Cheap to clone; clones are the same pulse.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How long it may be silent beyond its announced waits.
    bound: Duration,
    beats: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Instant,
    waits: BTreeMap<u64, Instant>,
    next_wait: u64,
}

impl Pulse {
    /// One that beats now, and must not be silent for longer than `bound`.
    #[must_use]
    pub fn new(bound: Duration) -> Self {
        let state = State { last: Instant::now(), waits: BTreeMap::new(), next_wait: 0 };
        Self(Arc::new(Inner { bound, beats: AtomicU64::new(0), state: Mutex::new(state) }))
    }

    /// It moves.
    pub fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
        self.state(|state| state.last = Instant::now());
    }

    /// How often it has moved.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }

    /// For how long it has been silent, when that is longer than it may.
    #[must_use]
    pub fn silence(&self) -> Option<Duration> {
        let silent = self.state(|state| {
            let last = state.waits.values().copied().max().map_or(state.last, |wait| wait.max(state.last));
            last.elapsed()
        });
        (silent > self.0.bound).then_some(silent)
    }

    /// Carries out `work`, whose own wakes are beats and whose waits are announced.
    pub async fn watch<F: Future>(&self, work: F) -> F::Output {
        self.beat();
        let woken = Arc::new(Woken { pulse: self.clone(), parent: Mutex::new(None) });
        let work = pin!(work);
        WATCHING.scope(self.clone(), Watched { work, waker: woken.clone().into(), woken }).await
    }

    fn announce(&self, until: Instant) -> Wait {
        let number = self.state(|state| {
            state.next_wait += 1;
            state.waits.insert(state.next_wait, until);
            state.next_wait
        });
        Wait { pulse: self.clone(), number }
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A wait that somebody is told of, until it is dropped.
#[derive(Debug)]
pub(crate) struct Wait {
    pulse: Pulse,
    number: u64,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.pulse.state(|state| state.waits.remove(&self.number));
    }
}

/// Tells the pulse of the future that is being polled, if it has one, of a wait until `moment`.
pub(crate) fn announce(moment: Instant) -> Option<Wait> {
    WATCHING.try_with(|pulse| pulse.announce(moment)).ok()
}

/// Passes wakes on, and counts them as beats.
struct Woken {
    pulse: Pulse,
    parent: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.pulse.beat();
        let parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}

struct Watched<'a, F> {
    work: Pin<&'a mut F>,
    waker: Waker,
    woken: Arc<Woken>,
}

impl<F: Future> Future for Watched<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        {
            let mut parent = this.woken.parent.lock().unwrap_or_else(PoisonError::into_inner);
            if !parent.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                *parent = Some(context.waker().clone());
            }
        }
        this.work.as_mut().poll(&mut Context::from_waker(&this.waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const BOUND: Duration = Duration::from_secs(60);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_wakes_is_noticed_although_it_is_polled() {
        let pulse = Pulse::new(BOUND);
        let stuck = pulse.watch(std::future::pending::<()>());
        let polling = async {
            for _ in 0..10 {
                tokio::time::sleep(secs(10)).await;
            }
        };
        tokio::select! {
            () = stuck => unreachable!(),
            () = polling => {}
        }
        assert_eq!(pulse.silence(), Some(secs(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_and_what_waits_as_announced_is_well() {
        let clock = Clock::simulated(jiff::Timestamp::UNIX_EPOCH, 1);
        let pulse = Pulse::new(BOUND);
        let work = pulse.watch(async {
            for _ in 0..10 {
                tokio::time::sleep(secs(50)).await;
            }
            clock.sleep(secs(3600)).await;
            tokio::time::sleep(secs(300)).await;
        });
        let watching = async {
            tokio::time::sleep(secs(500 + 3590)).await;
            assert_eq!(pulse.silence(), None, "{pulse:?}");
            tokio::time::sleep(secs(50)).await;
            assert_eq!(pulse.silence(), None, "the wait has just ended");
            tokio::time::sleep(secs(100)).await;
            assert!(pulse.silence().is_some(), "this wait was not announced");
        };
        tokio::join!(work, watching);
        assert_eq!(pulse.silence(), None);
        assert!(pulse.beats() >= 12);
    }
}
