//! The journal is a memory, not the truth: without it everything is planned again, and nothing changes.

use std::time::Duration;

use crate::support::{DaemonWorld, consent_to_remove, small};

fn lose_everything(world: &DaemonWorld) {
    let folder = world.repository.folder();
    assert!(folder.join("journal.db").exists());
    world.delete_journal();
    std::fs::remove_dir_all(folder.join("mirror.git")).unwrap();
    // The forge is told everything once more.
    world.happenings();
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_everything_is_planned_and_nothing_changes() {
    let mut world =
        DaemonWorld::running(&[("environments/dev.yaml", &small(1)), ("environments/other.yaml", &small(1))])
            .await;
    let commit = world.repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
    world.stop().await;
    lose_everything(&world);
    world.take_writes();
    world.start().await;
    world.settled("main", &commit).await;
    assert!(world.take_writes().is_empty());
    let line = "success: As declared: 7 resources, no changes";
    assert_eq!(
        world.repository.note(&commit),
        format!(
            "beamline/apply: success: 2 environments applied: dev, other\n\
             beamline/apply: dev: {line}\nbeamline/apply: other: {line}"
        )
    );
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_journal_a_removed_environment_is_found_by_its_mark() {
    let mut world =
        DaemonWorld::running(&[("environments/dev.yaml", &small(1)), ("environments/other.yaml", &small(1))])
            .await;
    world.stop().await;
    lose_everything(&world);
    world.take_writes();
    world.repository.remove("environments/dev.yaml");
    let commit = world.repository.push("removed while nobody watched");
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: failure: Needs 5 consent lines"), "{note}");
    assert!(note.contains("beamline/apply: other: success: As declared"), "{note}");
    assert!(world.take_writes().is_empty());
    let note = world.push(&format!("go\n\n{}", consent_to_remove("dev"))).await;
    assert!(note.contains("beamline/apply: dev: success: Applied: "), "{note}");
    assert_eq!(world.groups(), ["rg-other"]);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn marks_that_could_not_be_listed_at_the_start_are_listed_by_the_sweep() {
    let mut world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.stop().await;
    lose_everything(&world);
    world.repository.remove("environments/dev.yaml");
    let commit = world.repository.push("removed while nobody watched");
    world.gate.shut();
    world.start().await;
    world.settled("main", &commit).await;
    assert_eq!(world.repository.note(&commit), "beamline/apply: success: No environments changed");
    world.gate.open();
    world.sweep().await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: failure: Needs 5 consent lines"), "{note}");
    world.finish().await;
}

/// The journal is lost, and the next head changes where everything lives.
#[tokio::test(start_paused = true)]
async fn a_resource_group_is_renamed_and_the_old_one_goes_with_consent() {
    let named = |group: &str| {
        small(1).replace("rg-${environment}", group).replace("standard,", "standard, on_delete: purge,")
    };
    let mut world = DaemonWorld::running(&[("environments/dev.yaml", &named("rg-ml-dev"))]).await;
    world.stop().await;
    lose_everything(&world);
    world.take_writes();
    world.repository.write("environments/dev.yaml", &named("rg-ml-dev-weu"));
    let commit = world.repository.push("another group");
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: failure: Needs 5 consent lines"), "{note}");
    assert!(world.take_writes().is_empty());
    let note = world.push(&format!("go\n\n{}", consent_to_remove("dev"))).await;
    assert!(note.contains("beamline/apply: dev: success: Applied: "), "{note}");
    assert_eq!(world.groups(), ["rg-ml-dev-weu"]);
    let note = world.push("nothing else").await;
    assert!(!note.contains("failure"), "{note}");
    assert!(note.contains("As declared") || note.contains("No environments changed"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_environment_file_is_renamed_and_nothing_is_made_or_deleted() {
    let dev = small(1).replace("${environment}", "dev");
    for text in [dev.clone(), format!("{dev}renamed_from: dev\n")] {
        let mut world = DaemonWorld::running(&[("environments/dev.yaml", &dev)]).await;
        let before = world.azure.ids();
        world.stop().await;
        lose_everything(&world);
        world.take_writes();
        world.repository.remove("environments/dev.yaml");
        world.repository.write("environments/development.yaml", &text);
        let commit = world.repository.push("another name");
        world.start().await;
        world.settled("main", &commit).await;
        let note = world.repository.note(&commit);
        assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
        assert!(!note.contains("failure"), "{note}");
        assert_eq!(world.azure.ids(), before);
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn first_plans_take_a_quarter_of_the_read_budget() {
    let mut world = DaemonWorld::new();
    for number in 0..12 {
        world.repository.write(&format!("environments/env{number}.yaml"), &small(1));
    }
    world.start().await;
    let commit = world.repository.push("many");
    world.settled("main", &commit).await;
    world.stop().await;
    lose_everything(&world);
    world.azure.take_requests();
    world.start().await;
    world.settled("main", &commit).await;
    let requests = world.azure.take_requests();
    let (first, last) = (requests.first().unwrap().at, requests.last().unwrap().at);
    let took = Duration::try_from(last.duration_since(first)).unwrap().as_secs_f64();
    // Azure refills 25 reads a second; one second's worth of the quarter may go at once.
    let fastest = (requests.len() as f64 - 25.0) / (25.0 * 0.25);
    assert!(requests.len() > 60 && took >= fastest, "{} reads in {took} s", requests.len());
    world.finish().await;
}
