//! A thousand histories, each drawn from a seed: the whole daemon over a real repository and the real store
//! (SQLite in a file), on virtual time. Faults at the same instants, failed and cancelled operations, lost
//! answers, a frozen group, stops at random moments, a full disk, a state folder that goes away; and deaths: of the
//! daemon, which lets go of everything in order, and of its whole runtime, between any two polls of any two tasks,
//! with everything that was under way in it.
//!
//! All settle: every status is final and true, no run is left open, no resource was made twice, a second plan is
//! empty. A seed that fails is named; `BEAMLINE_SEEDS=17..18 cargo test --test it seeds` repeats it alone.
//!
//! A seed costs 0.4 s of CPU in a debug build (most of it git and SQLite), so that a thousand take three and a half
//! minutes on two cores. They run in CI; elsewhere the first hundred do.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use beamline::git::CommitId;
use beamline::resources::id::ResourceId;
use beamline_simulator::{DEFAULT_SUBSCRIPTION, Fault, FaultEffect, Latency, Moment};
use serde_json::json;

use crate::support::{
    DaemonWorld, Repository, Setup, crashed, ends_within, group_of, in_ci, paused_runtime, small,
};

/// Real seconds that one seed may take; it takes less than one.
const PATIENCE_SECS: u64 = 300;

/// Tests that share the seeds, so that they run beside each other.
const LANES: u64 = 2;

const ALL: Range<u64> = 0..1000;
const SAMPLE: Range<u64> = 0..100;

/// What is drawn from the seed.
struct Draw(fastrand::Rng);

impl Draw {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.usize(0..of.len())]
    }

    /// More often short than long: things happen at the beginning.
    fn moment(&mut self) -> Duration {
        let most = self.one(&[50, 500, 5_000, 30_000, 120_000]);
        Duration::from_millis(self.0.u64(0..most))
    }

    fn fault(&mut self) -> Fault {
        let path = self.one(&[
            "/vaults/",
            "/storageAccounts/",
            "/workspaces/",
            "/components/",
            "/computes/",
            "/resourcegroups/rg-dev",
            "",
        ]);
        let method = self.one(&[Some("PUT"), Some("GET"), None]);
        let status = |code: u16, error_code: &str, retry_after_secs: Option<u64>| FaultEffect::Status {
            code,
            retry_after_secs,
            error_code: error_code.to_owned(),
            message: "drawn".to_owned(),
        };
        let effect = match self.0.u8(0..11) {
            0 => FaultEffect::CancelOperation,
            1 => FaultEffect::FailOperation {
                code: "InternalServerError".to_owned(),
                message: "drawn".to_owned(),
            },
            2 => FaultEffect::LoseAnswer,
            3 => FaultEffect::Reset { moment: Moment::After },
            4 => FaultEffect::Reset { moment: Moment::Before },
            5 => status(429, "TooManyRequests", Some(self.0.u64(1..40))),
            6 => status(503, "ServiceUnavailable", None),
            7 => status(409, "AnotherOperationInProgress", None),
            8 => status(403, "AuthorizationFailed", None),
            9 => FaultEffect::Slow { ms: self.0.u64(10..20_000) },
            _ => FaultEffect::HidePoll { secs: self.0.u64(1..30) },
        };
        Fault {
            method: method.map(str::to_owned),
            path_contains: path.to_owned(),
            times: self.0.u32(1..6),
            effect,
        }
    }
}

/// What comes between.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Stop,
    Death,
    Crash,
    FullDisk,
    Unmounted,
    Frozen,
    Push,
    Faults,
}

const BLOWS: [Blow; 11] = [
    Blow::Stop,
    Blow::Death,
    Blow::Death,
    Blow::Crash,
    Blow::Crash,
    Blow::FullDisk,
    Blow::Unmounted,
    Blow::Frozen,
    Blow::Push,
    Blow::Push,
    Blow::Faults,
];

fn lock_id() -> ResourceId {
    let group = group_of("dev");
    let below = "providers/Microsoft.Authorization/locks/frozen";
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/{group}/{below}").parse().unwrap()
}

fn definition(round: u64, nodes: u32) -> String {
    format!("{}tags: {{ round: \"{round}\" }}\n", small(nodes))
}

/// What has happened so far.
struct History {
    draw: Draw,
    world: DaemonWorld,
    commits: Vec<CommitId>,
    may_repeat: bool,
    round: u64,
    rounds: u64,
}

/// How a part of a history ends.
enum Part {
    /// All that was drawn has happened.
    Last,
    /// The runtime goes.
    Crash,
}

/// One history.
fn history(seed: u64) {
    let mut runtime = paused_runtime();
    let mut history = runtime.block_on(History::begin(seed));
    while let Part::Crash = runtime.block_on(history.go_on()) {
        history.world.lose();
        runtime = crashed(runtime);
        runtime.block_on(history.world.start());
    }
    runtime.block_on(history.settle());
}

impl History {
    async fn begin(seed: u64) -> Self {
        let mut draw = Draw(fastrand::Rng::with_seed(seed));
        let latency = draw.one(&[
            Latency::None,
            Latency::Realistic { factor: 0.1 },
            Latency::Realistic { factor: 1.0 },
        ]);
        let mut world = DaemonWorld::over(Repository::in_memory(), Setup { latency, ..Setup::new() });
        world.own_state_folder();
        let commits = vec![push(&world, &mut draw, 0)];
        world.start().await;
        let rounds = draw.0.u64(1..5);
        Self { draw, world, commits, may_repeat: false, round: 0, rounds }
    }

    async fn go_on(&mut self) -> Part {
        while self.round < self.rounds {
            self.round += 1;
            self.world.clock.sleep(self.draw.moment()).await;
            let blow = self.draw.one(&BLOWS);
            // Shown when the seed fails.
            println!("{}: {blow:?} at {}", self.round, self.world.clock.now());
            if let Blow::Crash = blow {
                for _ in 0..self.draw.0.u16(0..500) {
                    tokio::task::yield_now().await;
                }
                return Part::Crash;
            }
            self.strike(blow).await;
        }
        Part::Last
    }

    async fn strike(&mut self, blow: Blow) {
        let Self { draw, world, commits, may_repeat, round, .. } = self;
        match blow {
            Blow::Crash => unreachable!("it ends this part of the history"),
            Blow::Stop => {
                world.stop().await;
                world.start().await;
            }
            Blow::Death => {
                world.kill().await;
                world.clock.sleep(draw.moment() / 10).await;
                world.start().await;
            }
            Blow::FullDisk => {
                world.store().limit_room(NonZeroU32::new(1));
                world.clock.sleep(draw.moment()).await;
                world.store().limit_room(None);
            }
            Blow::Unmounted => {
                world.unmount();
                world.clock.sleep(draw.moment()).await;
                world.mount();
            }
            Blow::Frozen if world.exists(&group_of("dev")) => {
                world.azure.put(&lock_id(), json!({ "properties": { "level": "ReadOnly" } }));
                world.clock.sleep(draw.moment()).await;
                world.azure.remove(&lock_id());
            }
            Blow::Push | Blow::Frozen => commits.push(push(world, draw, *round)),
            Blow::Faults => {
                for _ in 0..draw.0.u8(1..5) {
                    let fault = draw.fault();
                    *may_repeat |= matches!(
                        fault.effect,
                        FaultEffect::FailOperation { .. } | FaultEffect::CancelOperation
                    );
                    world.azure.faults().add(fault);
                }
            }
        }
    }

    async fn settle(self) {
        let Self { mut draw, world, commits, may_repeat, .. } = self;
        settle(world, commits, &mut draw, may_repeat).await;
    }
}

fn push(world: &DaemonWorld, draw: &mut Draw, round: u64) -> CommitId {
    world.repository.write("environments/dev.yaml", &definition(round, draw.0.u32(1..4)));
    if draw.0.bool() {
        world.repository.write("environments/other.yaml", &definition(round, 2));
    }
    world.repository.push(&format!("round {round}"))
}

/// Whatever has happened: it comes to an end, the end is told as it is, and what failed is made up for by the
/// next push.
async fn settle(world: DaemonWorld, commits: Vec<CommitId>, draw: &mut Draw, may_repeat: bool) {
    let last = commits.last().unwrap();
    world.settled("main", last).await;
    world.azure.faults().clear();
    let mut told = world.repository.note(last);
    if told.contains("failure") {
        let commit = push(&world, draw, 99);
        world.settled("main", &commit).await;
        told = world.repository.note(&commit);
    }
    for commit in &commits {
        println!("{}:\n{}", commit.short(), world.repository.note(commit));
    }
    println!("in the end:\n{told}");
    assert!(told.contains("beamline/apply: success: "), "{told}");
    for commit in &commits {
        let note = world.repository.note(commit);
        assert!(!note.contains("pending"), "{note}");
    }
    let mut made = BTreeSet::new();
    for write in world.take_writes() {
        let is_new =
            write.method != "PUT" || write.status != 201 || made.insert(write.path.to_ascii_lowercase());
        assert!(is_new || may_repeat, "{} was made twice", write.path);
    }
    world.finish().await;
}

fn seeds() -> Range<u64> {
    let Ok(range) = std::env::var("BEAMLINE_SEEDS") else {
        return if in_ci() { ALL } else { SAMPLE };
    };
    let (from, to) = range.split_once("..").expect("BEAMLINE_SEEDS is like 0..1000");
    from.parse().unwrap()..to.parse().unwrap()
}

fn lane(number: u64) {
    for seed in seeds().filter(|seed| seed % LANES == number) {
        let told = std::panic::catch_unwind(|| ends_within(PATIENCE_SECS, move || history(seed)));
        assert!(told.is_ok(), "seed {seed} failed: its story is above");
    }
}

#[test]
fn every_history_of_even_seeds_settles_and_is_true() {
    lane(0);
}

#[test]
fn every_history_of_odd_seeds_settles_and_is_true() {
    lane(1);
}
