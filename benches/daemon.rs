//! How long a push takes to be seen, said and planned; what a one-file push costs in a repository of
//! 10,000 environments. Real Git over a local path, the real store on disk, real time; Azure is the
//! simulator in the same process.
//!
//! Run with `cargo bench --bench daemon`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the benchmarks use a part of the stories' worlds")]
mod support;

use std::time::{Duration, Instant};

use beamline::daemon::Happening;
use beamline::definitions::InputDigest;
use beamline::forge::State;
use beamline::git::{Credentials, Mirror, NO_PULLS, Remote};
use beamline::store::{Acceptance, Applied, Arrival, EnvironmentRecord, Store};
use support::{DaemonWorld, PRODUCTION, Setup};

/// Pushes that are measured.
const PUSHES: usize = 15;

/// The longest that is waited for one thing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Environments of the large repository.
const ENVIRONMENTS: usize = 10_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        small_repository().await;
        large_repository().await;
    });
}

/// From the end of `git push` to the first pending status that the forge accepted, and to the plan.
async fn small_repository() {
    let mut world = DaemonWorld::with(Setup::real_time());
    world.repository.write("environments/production.yaml", PRODUCTION);
    world.start().await;
    let first = world.repository.push("the first environment");
    world.settled("main", &first).await;
    let (mut pending, mut planned) = (Vec::new(), Vec::new());
    for round in 0..PUSHES {
        let size = 11 + round;
        let text = PRODUCTION.replacen("max_node_count: 10", &format!("max_node_count: {size}"), 1);
        world.repository.write("environments/production.yaml", &text);
        world.happenings();
        let commit = world.repository.push("more nodes");
        let began = Instant::now();
        let is_pending = |happening: &Happening| {
            matches!(happening, Happening::Delivered(status)
                if status.commit == commit && status.state == State::Pending)
        };
        pending.push(seen(&world, began, is_pending).await);
        let is_planned = |happening: &Happening| matches!(happening, Happening::Planned { work, .. } if work.commit == commit);
        planned.push(seen(&world, began, is_planned).await);
        world.settled("main", &commit).await;
    }
    println!("a push that changes one cluster, {PUSHES} pushes, loopback");
    print("push → first pending status", pending, 300.0);
    print("push → end of the plan", planned, 1000.0);
    println!();
    world.stop().await;
}

/// A one-file push among 10,000 environments that are all applied.
async fn large_repository() {
    let mut world = DaemonWorld::with(Setup::real_time());
    for index in 0..ENVIRONMENTS {
        world
            .repository
            .write(&format!("environments/team-{}/e{index}.yaml", index / 100), &small(index, "a"));
    }
    let first = world.repository.push("ten thousand environments");
    let origin = world.repository.origin().display().to_string();
    let remote = || Remote { url: origin.clone(), credentials: Credentials::None, pull_refs: None };
    let sibling = Mirror::open(&world.repository.folder().join("sibling.git"), remote()).unwrap();
    sibling.fetch(&NO_PULLS).unwrap();
    remember_all(&world, first).await;
    world.start().await;
    let (mut accepted, mut fetched) = (Vec::new(), Vec::new());
    for round in 0..PUSHES {
        let index = round * 37;
        let path = format!("environments/team-{}/e{index}.yaml", index / 100);
        world.repository.write(&path, &small(index, &format!("b{round}")));
        world.happenings();
        let commit = world.repository.push("one file");
        let began = Instant::now();
        let is_accepted = |happening: &Happening| matches!(happening, Happening::NewHead { commit: head, .. } if *head == commit);
        accepted.push(seen(&world, began, is_accepted).await);
        let began = Instant::now();
        sibling.fetch(&NO_PULLS).unwrap();
        fetched.push(began.elapsed());
    }
    println!("a one-file push in a repository of {ENVIRONMENTS} environments, {PUSHES} pushes");
    print("fetch alone", fetched.clone(), f64::NAN);
    let beyond = accepted.iter().zip(&fetched).map(|(all, fetch)| all.saturating_sub(*fetch)).collect();
    print("push → work accepted", accepted, f64::NAN);
    print("… beyond the fetch", beyond, 50.0);
    world.stop().await;
}

/// How long after `began` something happened.
async fn seen(world: &DaemonWorld, began: Instant, wanted: impl Fn(&Happening) -> bool) -> Duration {
    while !world.has_happened(&wanted) {
        assert!(began.elapsed() < PATIENCE, "it does not happen");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

/// Tells the store that every environment was applied at `commit`.
async fn remember_all(world: &DaemonWorld, commit: beamline::git::CommitId) {
    let now = world.clock.now();
    let store = Store::open(&world.repository.folder().join("journal.db")).await.unwrap();
    for index in 0..ENVIRONMENTS {
        let path = format!("environments/team-{}/e{index}.yaml", index / 100);
        let record = EnvironmentRecord {
            environment: format!("e{index}").parse().unwrap(),
            path: path.clone(),
            subscription: "ml".to_owned(),
            resource_group: format!("rg-e{index}"),
            last_complete: Some(Applied {
                commit,
                input_digest: InputDigest::of(&[(path.as_str(), "known")]),
            }),
            last_attempt: None,
            claims: Vec::new(),
            updated_at: now,
        };
        store.save_environment(&record).await.unwrap();
    }
    let branch = "main".parse().unwrap();
    let acceptance = Acceptance {
        arrival: Arrival::Head(branch),
        commit,
        reads: commit,
        now,
        work: Vec::new(),
        statuses: Vec::new(),
    };
    store.accept_head(acceptance, &|_| Vec::new()).await.unwrap();
    store.close().await;
}

fn small(index: usize, tag: &str) -> String {
    format!(
        "beamline: 1\nsubscription: ml\nlocation: eastus\ntags: {{ round: {tag} }}\n\
         resource_group: {{ name: rg-e{index}, existing: true }}\n\
         workspace: {{ name: mlw-e{index}, existing: true }}\n"
    )
}

fn print(name: &str, mut samples: Vec<Duration>, aim_ms: f64) {
    samples.sort();
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let (median, worst) = (ms(samples[samples.len() / 2]), ms(samples[samples.len() - 1]));
    let aim = if aim_ms.is_nan() { String::new() } else { format!(" (aim {aim_ms:.0} ms)") };
    println!("{name:<30} median {median:>7.1} ms, worst {worst:>7.1} ms{aim}");
}
