//! Whether something that works goes on: when it last moved, and until when it has said that it waits.
//!
//! A future that is waited for and never wakes looks like one that has much to do. A [`Pulse`] tells them
//! apart: it beats whenever the future that it watches is woken by something of its own (an answer, a
//! timer, a lock), not when somebody polls it. A wait of the passed-in clock announces its end, so that
//! an operation that is to be looked at in ten minutes is no silence. It is monotonic time throughout.
//!
//! Of parts that go on beside each other ([`part`]) each has a pulse of its own: one that stands still is noticed
//! although the others move. Whoever watches the whole is told of it by name.

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
    /// What it is a part of.
    whole: Option<Pulse>,
    beats: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Instant,
    waits: BTreeMap<u64, Instant>,
    parts: BTreeMap<u64, (String, Pulse)>,
    /// The number that was given out last, to a wait or a part.
    number: u64,
}

/// Something that has not moved for longer than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Which of the parts; `None` for the whole.
    pub part: Option<String>,
    /// How long nothing moved.
    pub length: Duration,
}

impl Pulse {
    /// One that beats now, and must not be silent for longer than `bound`.
    #[must_use]
    pub fn new(bound: Duration) -> Self {
        Self::of(bound, None)
    }

    fn of(bound: Duration, whole: Option<Pulse>) -> Self {
        let state = State { last: Instant::now(), waits: BTreeMap::new(), parts: BTreeMap::new(), number: 0 };
        Self(Arc::new(Inner { bound, whole, beats: AtomicU64::new(0), state: Mutex::new(state) }))
    }

    /// It moves: whoever watches starts counting anew.
    pub fn beat(&self) {
        self.0.beats.fetch_add(1, Ordering::Relaxed);
        self.state(|state| state.last = Instant::now());
    }

    /// It, and every part of it, is waiting for something that is known: it has not stood still so far.
    pub fn excuse(&self) {
        self.beat();
        self.parts().iter().for_each(|(_, part)| part.excuse());
    }

    /// How often it has moved.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.0.beats.load(Ordering::Relaxed)
    }

    /// Whether it, or else a part of it, has been silent for longer than it may: of several parts the one that
    /// has been so for longest.
    #[must_use]
    pub fn silence(&self) -> Option<Silence> {
        let length = self.state(|state| {
            let last = state.waits.values().copied().max().map_or(state.last, |wait| wait.max(state.last));
            last.elapsed()
        });
        if length > self.0.bound {
            return Some(Silence { part: None, length });
        }
        let silent = self.parts().into_iter().filter_map(|(name, part)| {
            let Silence { part, length } = part.silence()?;
            Some(Silence { part: Some(part.unwrap_or(name)), length })
        });
        silent.max_by_key(|silence| silence.length)
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
            state.number += 1;
            state.waits.insert(state.number, until);
            state.number
        });
        // The whole waits as well, if nothing else of it moves.
        let whole = self.0.whole.as_ref().map(|whole| Box::new(whole.announce(until)));
        Wait { pulse: self.clone(), number, _whole: whole }
    }

    fn begin(&self, name: String) -> Part {
        let pulse = Self::of(self.0.bound, Some(self.clone()));
        let number = self.state(|state| {
            state.number += 1;
            state.parts.insert(state.number, (name, pulse.clone()));
            state.number
        });
        Part { whole: self.clone(), number, pulse }
    }

    fn parts(&self) -> Vec<(String, Pulse)> {
        self.state(|state| state.parts.values().cloned().collect())
    }

    fn state<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Carries out `work` as a part of what is being watched here, if anything is: it has to move by itself.
pub async fn part<F: Future>(name: impl FnOnce() -> String, work: F) -> F::Output {
    match WATCHING.try_with(Pulse::clone) {
        Ok(whole) => {
            let part = whole.begin(name());
            part.pulse.watch(work).await
        }
        Err(_) => work.await,
    }
}

/// A part that is under way, until it is dropped.
#[derive(Debug)]
struct Part {
    whole: Pulse,
    number: u64,
    pulse: Pulse,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.whole.state(|state| state.parts.remove(&self.number));
    }
}

/// A wait that somebody is told of, until it is dropped.
#[derive(Debug)]
pub(crate) struct Wait {
    pulse: Pulse,
    number: u64,
    _whole: Option<Box<Wait>>,
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
        assert_eq!(pulse.silence(), Some(Silence { part: None, length: secs(100) }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_stands_still_is_named_although_another_one_moves() {
        let clock = Clock::simulated(jiff::Timestamp::UNIX_EPOCH, 1);
        let pulse = Pulse::new(BOUND);
        let moving = async {
            for _ in 0..20 {
                tokio::time::sleep(secs(10)).await;
            }
        };
        let work = pulse.watch(async {
            let stuck = part(|| "stuck".to_owned(), std::future::pending::<()>());
            let waiting = part(|| "waiting".to_owned(), clock.sleep(secs(3600)));
            tokio::join!(part(|| "moving".to_owned(), moving), waiting, stuck);
        });
        let watching = async {
            tokio::time::sleep(secs(55)).await;
            assert_eq!(pulse.silence(), None);
            tokio::time::sleep(secs(45)).await;
            let silence = Silence { part: Some("stuck".to_owned()), length: secs(100) };
            assert_eq!(pulse.silence(), Some(silence));
            pulse.excuse();
            assert_eq!(pulse.silence(), None);
        };
        tokio::select! {
            () = work => unreachable!(),
            () = watching => {}
        }
        assert!(pulse.parts().is_empty(), "what was dropped is still watched");
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
