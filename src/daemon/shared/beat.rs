//! Whether the loop that does the work beats: the dispatcher, and everything that it has started.
//!
//! Guarantees: whatever the dispatcher starts, and the delivery, has a pulse of its own from its first
//! moment to its last, and so has every step of a run; one that is silent for longer than its bound is named,
//! although everything beside it goes on. An idle daemon beats too, by a timer inside the dispatcher's own loop.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::pulse::{Pulse, Silence};

/// How often the loop beats, and how long what may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// Between two beats of a dispatcher that has nothing to do.
    pub beat: Duration,
    /// The dispatcher.
    pub dispatcher: Duration,
    /// A piece of work. A request may take 90 s, a token 120 s.
    pub work: Duration,
    /// What speaks to the repository. One exchange with it may take half an hour.
    pub exchange: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(5),
            dispatcher: Duration::from_secs(30),
            work: Duration::from_secs(5 * 60),
            exchange: Duration::from_secs(40 * 60),
        }
    }
}

/// Something that has not moved for longer than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Standstill {
    pub(in crate::daemon) what: String,
    pub(in crate::daemon) silent: Duration,
}

/// All pulses. Cheap to clone; clones are the same.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct Beats {
    pub(in crate::daemon) rhythm: Rhythm,
    dispatcher: Pulse,
    under_way: Arc<Mutex<UnderWay>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    next: u64,
    pulses: BTreeMap<u64, (String, Pulse)>,
}

impl Beats {
    pub(in crate::daemon) fn new(rhythm: Rhythm) -> Self {
        Self { rhythm, dispatcher: Pulse::new(rhythm.dispatcher), under_way: Arc::default() }
    }

    /// The dispatcher goes round.
    pub(in crate::daemon) fn round(&self) {
        self.dispatcher.beat();
    }

    /// Something begins, named as people know it.
    pub(in crate::daemon) fn begin(&self, what: String, bound: Duration) -> Beating {
        let pulse = Pulse::new(bound);
        let number = self.under_way(|under_way| {
            under_way.next += 1;
            under_way.pulses.insert(under_way.next, (what, pulse.clone()));
            under_way.next
        });
        Beating { beats: self.clone(), number, pulse }
    }

    /// What has stood still for longest; the dispatcher before all others.
    pub(in crate::daemon) fn standstill(&self) -> Option<Standstill> {
        if let Some(Silence { part: _, length: silent }) = self.dispatcher.silence() {
            return Some(Standstill { what: "the loop that gives out the work".to_owned(), silent });
        }
        self.under_way(|under_way| {
            let silent = under_way.pulses.values().filter_map(|(what, pulse)| {
                let Silence { part, length: silent } = pulse.silence()?;
                let what = part.map_or_else(|| what.clone(), |part| format!("{part} of {what}"));
                Some(Standstill { what, silent })
            });
            silent.max_by_key(|standstill| standstill.silent)
        })
    }

    /// Whatever is under way is waiting for something else that is known: it has not stood still so far.
    pub(in crate::daemon) fn excuse(&self) {
        self.under_way(|under_way| under_way.pulses.values().for_each(|(_, pulse)| pulse.excuse()));
    }

    fn under_way<T>(&self, look: impl FnOnce(&mut UnderWay) -> T) -> T {
        look(&mut self.under_way.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Something that is under way, until it is dropped.
#[derive(Debug)]
pub(in crate::daemon) struct Beating {
    beats: Beats,
    number: u64,
    pulse: Pulse,
}

impl Beating {
    /// Carries out a part of it, which beats by itself.
    pub(in crate::daemon) async fn watch<F: Future>(&self, part: F) -> F::Output {
        self.pulse.watch(part).await
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.beats.under_way(|under_way| under_way.pulses.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_piece_of_work_that_stands_still_is_named_although_the_loop_goes_round() {
        let beats = Beats::new(Rhythm::default());
        let beating = beats.begin("the apply of dev".to_owned(), Rhythm::default().work);
        for _ in 0..61 {
            assert_eq!(beats.standstill(), None);
            tokio::time::sleep(Duration::from_secs(5)).await;
            beats.round();
        }
        assert_eq!(beats.standstill().unwrap().what, "the apply of dev");
        beats.excuse();
        assert_eq!(beats.standstill(), None);
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert!(beats.standstill().unwrap().what.starts_with("the loop"));
        beats.round();
        drop(beating);
        assert_eq!(beats.standstill(), None);
    }
}
