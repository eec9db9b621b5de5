//! Branches get a plan and never a write.

use beamline_simulator::Latency;

use crate::support::{DaemonWorld, Setup, consent_to_remove, small};

#[tokio::test(start_paused = true)]
async fn a_branch_gets_the_plan_of_what_it_changes_and_nothing_is_written() {
    let world =
        DaemonWorld::running(&[("environments/dev.yaml", &small(1)), ("environments/other.yaml", &small(1))])
            .await;
    // The main branch goes on; what it changed meanwhile is not the branch's doing.
    let base = world.repository.git(&["rev-parse", "HEAD"]);
    world.repository.write("environments/other.yaml", &small(2));
    world.push("main goes on").await;
    world.repository.git(&["reset", "-q", "--hard", &base]);
    world.take_writes();
    world.repository.write("environments/dev.yaml", &small(3));
    world.repository.write("environments/new.yaml", &small(1));
    let note = world.push_branch("feature/nodes", "more").await;
    assert_eq!(
        note,
        "beamline/plan: success: 2 environments planned: dev, new\n\
         beamline/plan: dev: success: Would be: 1 to change\n\
         beamline/plan: new: success: Would be: 7 to create"
    );
    world.repository.write("environments/dev.yaml", "location: [\n");
    let note = world.push_branch("feature/nodes", "a mistake").await;
    assert!(note.contains("beamline/plan: dev: failure: environments/dev.yaml:"), "{note}");
    assert!(world.take_writes().is_empty());
    let attempts = world.attempts().await;
    assert!(!attempts.contains_key("new"), "{attempts:?}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_destroys_fails_with_the_line_that_would_allow_it() {
    let world =
        DaemonWorld::running(&[("environments/dev.yaml", &small(1)), ("environments/other.yaml", &small(1))])
            .await;
    world.take_writes();
    let elsewhere = small(1)
        .replace("default: { name: \"st${environment}001\"", "default: { name: \"st${environment}002\"");
    world.repository.write("environments/dev.yaml", &elsewhere);
    world.repository.remove("environments/other.yaml");
    let note = world.push_branch("destroy", "no consent").await;
    assert!(note.contains("beamline/plan: dev: failure: "), "{note}");
    let line = "beamline/plan: other: failure: Needs 5 consent lines: see the plan. The first: \
                Beamline-Consent: destroy other/";
    assert!(note.contains(line), "{note}");
    let note = world.push_branch("destroy", &format!("with it\n\n{}", consent_to_remove("other"))).await;
    assert!(note.contains("beamline/plan: other: success: Would be: "), "{note}");
    assert!(world.take_writes().is_empty());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_head_supersedes_and_a_deleted_branch_drops_the_plans_that_wait() {
    let mut world =
        DaemonWorld::with(Setup { parallel: 1, latency: Latency::Realistic { factor: 1.0 }, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    world.repository.push("keeps the only worker busy");
    world.until("the apply runs", async || !world.store().unfinished_runs().await.unwrap().is_empty()).await;
    let mut heads = Vec::new();
    for (branch, nodes) in [("one", 2), ("one", 3), ("two", 4)] {
        world.repository.write("environments/dev.yaml", &small(nodes));
        let head = world.repository.push_to(branch, "a plan");
        world
            .until("it is seen", async || {
                world.store().seen_heads().await.unwrap().values().any(|seen| *seen == head)
            })
            .await;
        heads.push(head);
    }
    world.repository.git(&["push", "-q", "origin", ":two"]);
    world.until("rest", async || world.is_at_rest().await).await;
    let notes: Vec<String> = heads.iter().map(|head| world.repository.note(head)).collect();
    let by = format!("beamline/plan: dev: error: Superseded by {}", heads[1].short());
    assert!(notes[0].contains(&by), "{}", notes[0]);
    assert!(notes[1].contains("beamline/plan: dev: success: Would be: 1 to change"), "{}", notes[1]);
    assert!(notes[2].contains("beamline/plan: dev: error: Its branch was deleted"), "{}", notes[2]);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_merged_branch_is_not_planned() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    let merged = world.repository.git(&["rev-parse", "HEAD"]).parse().unwrap();
    world.repository.write("environments/dev.yaml", &small(2));
    world.push("main goes on").await;
    world.azure.take_requests();
    world.repository.git(&["push", "-q", "origin", "HEAD~1:refs/heads/merged"]);
    world.settled("merged", &merged).await;
    assert!(world.azure.take_requests().is_empty());
    let note = world.repository.note(&merged);
    assert!(note.contains("beamline/plan: success: No environments changed"), "{note}");
    world.finish().await;
}
