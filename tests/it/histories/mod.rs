//! Histories of an environment, each drawn from a seed: its definition is edited over the whole catalog, and after
//! each edit it is planned and applied. In between people delete and change things by hand; while a plan is carried
//! out, Azure fails, refuses, loses and ignores requests, or the process dies, and then all goes well again.
//!
//! Always: a plan is sound; what was applied is there as declared, and nothing else of ours; what is done is what it promised; planning again finds nothing; nothing precious goes
//! without consent; nothing that is somebody else's is touched; nothing is made twice; every write stands in the
//! journal; nothing is called complete that is not; what was interrupted is finished; nothing is sent again before the
//! time that Azure asked to wait. A plan that must not be applied says why, and nothing is done.
//!
//! A seed that fails prints its history; `BEAMLINE_HISTORY_SEED=17 cargo test --test it histories -- --nocapture`
//! repeats it alone, `BEAMLINE_HISTORIES=3000` makes that many.

mod draw;
mod edits;
mod estate;
mod hands;
mod judge;
mod order;
mod trouble;
mod truth;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use draw::Draw;
use edits::Sound;
use estate::{Estate, Reached};
use trouble::Trouble;

use beamline_simulator::Latency;

use crate::support::{block_on, ends_within, in_ci};

/// Real seconds that one history may take; it takes less than one.
const PATIENCE_SECS: u64 = 300;

/// After so many failures no more are looked for.
const MOST_TOLD: usize = 5;

/// How many failed.
static FAILED: AtomicUsize = AtomicUsize::new(0);

/// Who wants to know only whether one fails sets `BEAMLINE_HISTORIES_STOP`.
fn most_told() -> usize {
    if std::env::var_os("BEAMLINE_HISTORIES_STOP").is_some() { 1 } else { MOST_TOLD }
}

/// Tests that share the seeds, so that they run beside each other.
const LANES: u64 = 2;

/// About four minutes on two cores that do nothing else.
const IN_CI: u64 = 1000;
const ELSEWHERE: u64 = 100;

/// What has happened, a line each: printed when a history fails.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn say(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

async fn history(seed: u64, told: &Told) {
    let mut draw = Draw::new(seed);
    let latency = if draw.chance(50) { Latency::None } else { Latency::Realistic { factor: 4.0 } };
    let mut estate = Estate::new(seed, latency);
    let mut now = Sound::drawn(&mut draw);
    told.say(format!("begun as {}", now.definition.0));
    let trouble = Trouble::drawn(&mut draw);
    told.say(format!("while {trouble}"));
    if let Reached::Blocked(why) = estate.reach(&now, trouble).await {
        panic!("nothing is there, and yet: {why:?}");
    }
    for round in 1..=1 + draw.below(6) {
        let mut next = now.clone();
        for _ in 0..=draw.below(4) {
            if let Some((what, edited)) = next.edited(&mut draw) {
                told.say(format!("{round}: {what}"));
                next = edited;
            }
        }
        if draw.chance(40) {
            for _ in 0..=draw.below(3) {
                if let Some(what) = estate.touch(&now, &mut draw).await {
                    told.say(format!("{round}: by hand: {what}"));
                }
            }
        }
        let trouble = Trouble::drawn(&mut draw);
        told.say(format!("{round}: while {trouble}"));
        match estate.reach(&next, trouble).await {
            Reached::Yes => now = next,
            Reached::Blocked(why) => {
                told.say(format!("{round}: blocked, and given up: {why:?}"));
                let trouble = Trouble::drawn(&mut draw);
                told.say(format!("while {trouble}"));
                if let Reached::Blocked(why) = estate.reach(&now, trouble).await {
                    panic!("what was there before is blocked too: {why:?}");
                }
            }
        }
    }
}

fn seeds() -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match (number("BEAMLINE_HISTORY_SEED"), number("BEAMLINE_HISTORIES")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(how_many)) => 0..how_many,
        (None, None) => 0..if in_ci() { IN_CI } else { ELSEWHERE },
    }
}

fn lane(number: u64) {
    let mut failed = Vec::new();
    for seed in seeds().filter(|seed| seed % LANES == number) {
        if FAILED.load(Ordering::Relaxed) >= most_told() {
            break;
        }
        let told = Told::default();
        let teller = told.clone();
        let story = move || block_on(history(seed, &teller));
        if catch_unwind(AssertUnwindSafe(|| ends_within(PATIENCE_SECS, story))).is_err() {
            println!("the history of seed {seed}:\n{}\n", told.text());
            failed.push(seed);
            FAILED.fetch_add(1, Ordering::Relaxed);
        }
    }
    assert!(
        failed.is_empty(),
        "the seeds {failed:?} failed: their histories are above. One alone: \
         BEAMLINE_HISTORY_SEED={} cargo test --test it histories -- --nocapture",
        failed[0]
    );
}

#[test]
fn every_history_of_even_seeds_converges() {
    lane(0);
}

#[test]
fn every_history_of_odd_seeds_converges() {
    lane(1);
}
