//! What fails stays touched, and is tried again until it is done.

use std::time::Duration;

use beamline::daemon::{Counted, Happening};
use beamline_simulator::{Fault, FaultEffect};

use crate::support::{AzureWorld, DaemonWorld, small};

fn refuse_clusters(world: &DaemonWorld) {
    world.azure.faults().add(Fault {
        method: Some("PUT".to_owned()),
        path_contains: "/computes/".to_owned(),
        times: 1,
        effect: FaultEffect::Status {
            code: 400,
            retry_after_secs: None,
            error_code: "ClusterCoreQuotaReached".to_owned(),
            message: "Not enough cores are left".to_owned(),
        },
    });
}

#[tokio::test(start_paused = true)]
async fn an_environment_whose_apply_failed_is_tried_again_by_the_next_push_of_something_else() {
    let mut world = DaemonWorld::new();
    refuse_clusters(&world);
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let note = world.push("too many cores").await;
    let failed = "beamline/apply: dev: failure: 1 of 7 steps failed: compute_clusters/cpu: ";
    assert!(note.contains(failed) && note.contains("Not enough cores are left"), "{note}");
    world.repository.write("README", "something else");
    let note = world.push("something else").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_sweep_tries_again_and_the_same_commit_becomes_a_success() {
    let mut world = DaemonWorld::new();
    refuse_clusters(&world);
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("too many cores");
    world.settled("main", &commit).await;
    world.sweep().await;
    assert_eq!(
        world.repository.note(&commit),
        "beamline/apply: success: dev: Applied: 1 created\nbeamline/apply: dev: success: Applied: 1 created"
    );
    world.take_writes();
    world.sweep().await;
    assert!(world.take_writes().is_empty(), "what is done is not done again");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_azure_never_finishes_ends_as_a_failure_and_is_waited_for_no_longer() {
    let mut world = DaemonWorld::new();
    world.azure.faults().add(Fault {
        method: Some("PUT".to_owned()),
        path_contains: "/computes/".to_owned(),
        times: 1,
        effect: FaultEffect::NeverFinish,
    });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("stuck");
    for _ in 0..2 {
        world
            .until("the commit is seen", async || !world.store().seen_heads().await.unwrap().is_empty())
            .await;
        world.until("rest", async || world.is_at_rest().await).await;
        let note = world.repository.note(&commit);
        assert!(note.contains("beamline/apply: dev: failure: "), "{note}");
        // The sweep finds it in progress still, and gives up again.
        world.sweep().await;
    }
    let note = world.repository.note(&commit);
    assert!(
        note.contains("dev: failure: Not finished: Azure is still working on dev/compute_clusters/cpu"),
        "{note}"
    );
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_azure_only_take_longer() {
    let mut world = DaemonWorld::new();
    world.repository.write("environments/dev.yaml", &small(1));
    world.gate.shut();
    world.start().await;
    let commit = world.repository.push("while Azure is away");
    world.clock.sleep(Duration::from_secs(10 * 60)).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: pending: "), "{note}");
    world.gate.open();
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn hours_without_azure_are_a_failure_that_a_later_sweep_mends() {
    let mut world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.gate.shut();
    world.repository.write("environments/dev.yaml", &small(2));
    let commit = world.repository.push("while Azure is away");
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: failure: Not finished: "), "{note}");
    world.clock.sleep(Duration::from_secs(3 * 60 * 60)).await;
    world.gate.open();
    world.sweep().await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    world.stop().await;
    world.start().await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_away_is_looked_at_again_with_growing_pauses() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    let (origin, away) = (world.repository.origin(), world.repository.folder().join("away"));
    std::fs::rename(&origin, &away).unwrap();
    world.happenings();
    let before = world.tally.of(Counted::Look);
    world.clock.sleep(Duration::from_secs(60 * 60)).await;
    let looks = world.tally.of(Counted::Look) - before;
    assert!((60..100).contains(&looks), "{looks} looks in an hour of polling every minute");
    let is_trouble = |happening: &Happening| matches!(happening, Happening::Trouble(_));
    let troubles = world.happenings().iter().filter(|happening| is_trouble(happening)).count();
    assert!((1..=2).contains(&troubles), "the same trouble is told once, and then hourly: {troubles}");
    std::fs::rename(&away, &origin).unwrap();
    world.repository.write("environments/dev.yaml", &small(2));
    let note = world.push("back").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_azure_alone_blocks_goes_on_by_itself_once_it_is_gone() {
    let mut world = DaemonWorld::new();
    let group = AzureWorld::group_called("rg-dev");
    world.azure.put(&group, serde_json::json!({ "location": "eastus" }));
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("a group of somebody else is in the way");
    world.settled("main", &commit).await;
    let blocked = world.repository.note(&commit);
    assert!(
        blocked.contains("beamline/apply: dev: failure: ") && blocked.contains("not carry our mark"),
        "{blocked}"
    );
    world.take_writes();
    for _ in 0..2 {
        world.sweep().await;
        assert_eq!(world.repository.note(&commit), blocked, "nothing is said again");
        assert!(world.take_writes().is_empty(), "it is only read");
    }
    assert!(world.azure.remove(&group));
    world.sweep().await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_consent_is_not_planned_by_the_sweep() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.remove("environments/dev.yaml");
    let note = world.push("without consent").await;
    assert!(note.contains("Beamline-Consent: destroy"), "{note}");
    world.happenings();
    world.sweep().await;
    let planned = |one: &Happening| matches!(one, Happening::Planned { .. });
    assert!(!world.happenings().iter().any(planned));
    world.finish().await;
}
