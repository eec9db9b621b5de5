//! Which environments a push touches, and what happens to those that are still busy with an older one.

use std::time::Duration;

use beamline::daemon::Happening;
use beamline_simulator::Latency;

use crate::support::{DaemonWorld, Setup, group_of, small};

#[tokio::test(start_paused = true)]
async fn defaults_touch_what_is_below_them_and_nothing_else_does() {
    let world = DaemonWorld::running(&[
        ("environments/eu/one.yaml", &small(1)),
        ("environments/eu/deep/two.yaml", &small(1)),
        ("environments/us.yaml", &small(1)),
    ])
    .await;
    world.repository.write("environments/eu/defaults.yaml", "tags: { region: eu }\n");
    let note = world.push("a tag for the eu").await;
    assert!(note.starts_with("beamline/apply: success: 2 environments applied: one, two\n"), "{note}");

    for unrelated in ["environments/README.md", "environments/_draft.yaml", "elsewhere/three.yaml"] {
        world.repository.write(unrelated, "text");
    }
    assert_eq!(world.push("unrelated").await, "beamline/apply: success: No environments changed");

    world.take_writes();
    world.repository.write("environments/us.yaml", &format!("# a comment\n{}", small(1)));
    let note = world.push("a comment").await;
    let line = "beamline/apply: us: success: As declared: 7 resources, no changes";
    assert!(note.contains(line), "{note}");
    assert!(world.take_writes().is_empty());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_revert_and_a_force_push_are_ordinary_changes() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    world.repository.write("environments/dev.yaml", &small(4));
    let note = world.push("more nodes").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    world.repository.git(&["revert", "--no-edit", "HEAD"]);
    let note = world.push("and an empty commit").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");

    world.repository.git(&["reset", "-q", "--hard", "HEAD~3"]);
    world.repository.write("environments/dev.yaml", &small(9));
    world.repository.write("environments/new.yaml", &small(1));
    let note = world.push("history as it should have been").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    assert!(note.contains("beamline/apply: new: success: Applied: 7 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_newer_push_supersedes_what_waits_and_not_what_runs() {
    let mut world = slow();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let first = world.repository.push("first");
    underway(&world).await;
    world.repository.write("environments/dev.yaml", &small(2));
    let second = world.repository.push("second");
    world.until("the second is seen", async || heads(&world).await.contains(&second)).await;
    world.repository.write("environments/dev.yaml", &small(3));
    let third = world.repository.push("third");
    world.settled("main", &third).await;
    let note = world.repository.note(&first);
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    let note = world.repository.note(&second);
    let by = format!("Superseded by {}", third.short());
    assert_eq!(note, format!("beamline/apply: error: dev: {by}\nbeamline/apply: dev: error: {by}"));
    let note = world.repository.note(&third);
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_reverted_while_it_is_applied_is_taken_back() {
    let mut world = slow();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    world.push("first").await;
    world.happenings();
    world.repository.write("environments/dev.yaml", &small(5));
    world.repository.push("second");
    underway(&world).await;
    world.repository.write("environments/dev.yaml", &small(1));
    let note = world.push("never mind").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn environments_run_side_by_side_and_each_only_once_at_a_time() {
    let mut world = slow();
    for name in ["one", "two"] {
        world.repository.write(&format!("environments/{name}.yaml"), &small(1));
    }
    world.start().await;
    world.repository.push("both");
    world.until("both run", async || world.exists(&group_of("one")) && world.exists(&group_of("two"))).await;
    assert_eq!(world.store().unfinished_runs().await.unwrap().len(), 2);
    for nodes in 2..5 {
        for name in ["one", "two"] {
            world.repository.write(&format!("environments/{name}.yaml"), &small(nodes));
        }
        world.repository.push("more");
        for _ in 0..90 {
            world.clock.sleep(Duration::from_secs(1)).await;
            let runs = world.store().unfinished_runs().await.unwrap();
            let mut names: Vec<_> = runs.iter().map(|run| run.environment.to_string()).collect();
            names.dedup();
            assert_eq!(names.len(), runs.len(), "an environment has two runs");
        }
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_apply_says_that_it_is_under_way() {
    let mut world = slow();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    underway(&world).await;
    world.clock.sleep(Duration::from_secs(45)).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: pending: Applying: "), "{note}");
    assert!(note.contains(" of 7 steps done"), "{note}");
    world.finish().await;
}

fn slow() -> DaemonWorld {
    DaemonWorld::with(Setup { latency: Latency::Realistic { factor: 1.0 }, ..Setup::new() })
}

async fn underway(world: &DaemonWorld) {
    let is_underway = |happening: &Happening| matches!(happening, Happening::Progress { .. });
    world.until("an apply is under way", async || world.has_happened(is_underway)).await;
}

async fn heads(world: &DaemonWorld) -> Vec<beamline::git::CommitId> {
    world.store().seen_heads().await.unwrap().into_values().collect()
}
