//! Whatever waits for longer than half a minute says for what, in a pending status.

use std::time::Duration;

use beamline_simulator::{Fault, FaultEffect, Latency};

use beamline::reconcile::apply::LEASE_DURATION;
use beamline::store::{environment_lease, this_process};

use crate::support::{DaemonWorld, Setup, group_of, small};

/// Ten seconds until it is noticed, half a minute, what a look takes, and the steps in which stories look.
const TOLD_WITHIN: Duration = Duration::from_secs(10 + 30 + 5 + 15);

fn realistic() -> DaemonWorld {
    DaemonWorld::with(Setup { latency: Latency::REALISTIC, ..Setup::new() })
}

#[tokio::test(start_paused = true)]
async fn an_apply_says_since_when_azure_cannot_be_reached_and_for_which_resource() {
    let mut world = realistic();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    let vault = format!("{}/providers/Microsoft.KeyVault/vaults/kv-dev", group_of("dev"));
    world.until("the vault is being made", async || world.exists(&vault)).await;
    world.gate.shut();
    let shut = world.clock.monotonic();
    let note = async || world.repository.note(&commit);
    let told = async || note().await.contains("waits since 00:00 UTC for ");
    world.until("it is told", told).await;
    assert!(shut.elapsed() <= TOLD_WITHIN, "{:?}", shut.elapsed());
    let text = note().await;
    assert!(text.contains("beamline/apply: dev: pending: Applying: "), "{text}");
    assert!(text.contains("beamline/apply: pending: dev: Applying: "), "{text}");
    world.clock.sleep(Duration::from_secs(100)).await;
    world.gate.open();
    world.settled("main", &commit).await;
    assert!(note().await.contains("beamline/apply: dev: success: Applied: 7 created"), "{}", note().await);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_apply_says_which_operation_runs_for_long() {
    let mut world = realistic();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    let told = async || world.repository.note(&commit).contains("for workspace: Azure works on it");
    world.until("it is told", told).await;
    world.settled("main", &commit).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_that_azure_limits_its_requests() {
    let mut world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.azure.faults().add(Fault {
        method: Some("GET".to_owned()),
        path_contains: "vaults".to_owned(),
        times: 2,
        effect: FaultEffect::Status {
            code: 429,
            retry_after_secs: Some(100),
            error_code: "TooManyRequests".to_owned(),
            message: "Too many.".to_owned(),
        },
    });
    world.repository.write("environments/dev.yaml", &small(2));
    let commit = world.repository.push_to("feature", "second");
    let began = world.clock.monotonic();
    let told = async || world.repository.note(&commit).contains("Planning; waits since ");
    world.until("it is told", told).await;
    assert!(began.elapsed() <= TOLD_WITHIN, "{:?}", began.elapsed());
    let note = world.repository.note(&commit);
    let why = " UTC: Azure limits requests: TooManyRequests: Too many.";
    assert!(note.contains("for Azure, next at 00:01:4") && note.contains(why), "{note}");
    world.settled("feature", &commit).await;
    world.stop().await;
    world.start().await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_rests_says_why_and_until_when() {
    let mut world = DaemonWorld::new();
    world.gate.shut();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    let told = async || world.repository.note(&commit).contains("pending: Waits, tried again at 00:");
    world.until("it is told", told).await;
    world.gate.open();
    world.settled("main", &commit).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_waits_in_the_queue_says_its_place_and_behind_what() {
    let mut world = DaemonWorld::with(Setup { latency: Latency::REALISTIC, parallel: 1, ..Setup::new() });
    for name in ["dev", "other", "third"] {
        world.repository.write(&format!("environments/{name}.yaml"), &small(1));
    }
    world.start().await;
    let commit = world.repository.push("first");
    let note = || world.repository.note(&commit);
    let ahead = format!("behind what runs (1 at once): dev (apply of {})", commit.short());
    for (name, place) in [("other", 1), ("third", 2)] {
        let told = format!("{name}: pending: Queued at place {place} {ahead}");
        world.until(&told, async || note().contains(&told)).await;
    }
    let next = format!(
        "third: pending: Queued at place 1 behind what runs (1 at once): other (apply of {})",
        commit.short()
    );
    world.until(&next, async || note().contains(&next)).await;
    world.settled("main", &commit).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_and_goes_on_is_not_said_to_wait_after_a_restart() {
    let mut world = realistic();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let key = environment_lease(&"dev".parse().unwrap());
    let (store, holder) = (world.store().clone(), this_process(world.clock.uuid()));
    store.acquire_lease(&key, &holder, world.clock.now(), 10 * LEASE_DURATION).await.unwrap().unwrap();
    let commit = world.repository.push("first");
    let told = "beamline/apply: pending: dev: Waits for ";
    world.until(told, async || world.repository.note(&commit).contains(told)).await;
    world.stop().await;
    // The start voids the leases that an earlier process left.
    world.start().await;
    let goes_on = "beamline/apply: pending: 0 of 1 environment done, open: dev";
    world.until(goes_on, async || world.repository.note(&commit).contains(goes_on)).await;
    world.settled("main", &commit).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn work_behind_another_commit_of_its_environment_names_that() {
    let mut world = realistic();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let first = world.repository.push("first");
    let vault = format!("{}/providers/Microsoft.KeyVault/vaults/kv-dev", group_of("dev"));
    world.until("the vault is being made", async || world.exists(&vault)).await;
    world.repository.write("environments/dev.yaml", &small(2));
    let second = world.repository.push("second");
    let told = format!("pending: Queued: waits for the apply of {} on this environment", first.short());
    world.until(&told, async || world.repository.note(&second).contains(&told)).await;
    // The one ahead waits itself, and that is the cause.
    let root = format!("{told}. That one: waits since ");
    world.until(&root, async || world.repository.note(&second).contains(&root)).await;
    world.settled("main", &second).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn work_whose_environment_another_process_has_names_that_process_and_since_when() {
    let mut world = DaemonWorld::new();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let key = environment_lease(&"dev".parse().unwrap());
    let (store, holder) = (world.store().clone(), this_process(world.clock.uuid()));
    let fence =
        store.acquire_lease(&key, &holder, world.clock.now(), 10 * LEASE_DURATION).await.unwrap().unwrap();
    let commit = world.repository.push("first");
    let (process, _) = holder.split_once(" #").unwrap();
    assert!(process.starts_with("process ") && process.contains(" on "), "{process}");
    let told = format!("pending: Waits for {process} since 00:00 UTC, which works on this environment");
    world.until(&told, async || world.repository.note(&commit).contains(&told)).await;
    let whole = format!("beamline/apply: pending: dev: Waits for {process} since 00:00 UTC, which works on");
    assert!(world.repository.note(&commit).contains(&whole), "{}", world.repository.note(&commit));
    store.release_lease(&key, fence).await.unwrap();
    world.settled("main", &commit).await;
    world.finish().await;
}
