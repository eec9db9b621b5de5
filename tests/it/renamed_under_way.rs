//! An environment gets another name while an apply under its former one is under way or was interrupted: the older
//! commit is never applied over the newer one.

use std::time::Duration;

use beamline::resources::contract::Carrier;
use beamline::resources::mark::carried;
use beamline_simulator::Latency;

use crate::support::{DaemonWorld, Setup, small};

const OLD: &str = "environments/dev.yaml";
const NEW: &str = "environments/development.yaml";

/// A small environment whose names in Azure do not follow its own, with a cluster.
fn before() -> String {
    small(1).replace("${environment}", "dev")
}

/// The same without the cluster, with another value; `former` is the first line.
fn after(former: &str) -> String {
    let text = before();
    let (text, _) = text.split_once("compute_clusters:").unwrap();
    format!("{former}{text}tags: {{ cost: new }}\n")
}

/// A world in which an apply of `dev` is under way.
async fn under_way() -> (DaemonWorld, beamline::git::CommitId) {
    let mut world = DaemonWorld::with(Setup { latency: Latency::Realistic { factor: 1.0 }, ..Setup::new() });
    world.start().await;
    world.repository.write(OLD, &before());
    let commit = world.repository.push("the beginning");
    world.until("something is made", async || world.exists("rg-dev")).await;
    world.clock.sleep(Duration::from_secs(10)).await;
    (world, commit)
}

/// Whether all that is marked is marked with `name`, and nothing is left of the cluster.
fn is_all_of(world: &DaemonWorld, name: &str) {
    for id in world.azure.ids() {
        let body = world.azure.get(&id).unwrap();
        let Some(marked) = carried(Carrier::Tags, &body) else { continue };
        assert_eq!(marked.mark.environment.as_str(), name, "{id}");
    }
    assert!(
        world.azure.ids().iter().all(|id| !id.as_str().contains("/computes/")),
        "{:#?}",
        world.azure.ids()
    );
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_was_killed_is_finished_before_the_new_name_is_planned() {
    let (mut world, first) = under_way().await;
    world.kill().await;
    world.repository.remove(OLD);
    world.repository.write(NEW, &after("renamed_from: dev\n"));
    let second = world.repository.push("another name");
    world.start().await;
    world.settled("main", &second).await;
    let (first, second) = (world.repository.note(&first), world.repository.note(&second));
    assert!(second.contains("beamline/apply: development: success: Applied"), "{second}");
    assert!(!first.contains("failure") && !second.contains("failure"), "{first}\n{second}");
    is_all_of(&world, "development");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_in_the_queue_under_the_old_name_is_superseded() {
    let mut world = DaemonWorld::with(Setup { parallel: 1, ..Setup::new() });
    world.gate.shut();
    world.start().await;
    world.repository.write(OLD, &before());
    let first = world.repository.push("the beginning");
    world.until("it was looked at", async || !world.store().open_work().await.unwrap().is_empty()).await;
    world.repository.remove(OLD);
    world.repository.write(NEW, &after("renamed_from: dev\n"));
    let second = world.repository.push("another name");
    let is_open = async || world.store().open_work().await.unwrap().iter().any(|work| work.commit == first);
    world.until("the older work is superseded", async || !is_open().await).await;
    world.gate.open();
    world.settled("main", &second).await;
    let (first, note) = (world.repository.note(&first), world.repository.note(&second));
    assert!(
        first.contains(&format!("beamline/apply: dev: error: Superseded by {}", second.short())),
        "{first}"
    );
    assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
    assert!(note.contains("beamline/apply: dev: success: Renamed to development"), "{note}");
    is_all_of(&world, "development");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_apply_that_runs_ends_before_that_of_the_new_name_begins() {
    let (world, first) = under_way().await;
    world.repository.remove(OLD);
    world.repository.write(NEW, &after("renamed_from: dev\n"));
    let second = world.repository.push("another name");
    world.settled("main", &second).await;
    let (first, second) = (world.repository.note(&first), world.repository.note(&second));
    assert!(first.contains("beamline/apply: dev: success: Applied"), "{first}");
    assert!(second.contains("beamline/apply: development: success: Applied"), "{second}");
    is_all_of(&world, "development");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn two_renames_during_an_interruption_are_as_one() {
    let (mut world, first) = under_way().await;
    world.kill().await;
    world.repository.remove(OLD);
    world.repository.write(NEW, &after("renamed_from: dev\n"));
    world.repository.commit("another name");
    world.repository.remove(NEW);
    world.repository.write("environments/last.yaml", &after("renamed_from: development\n"));
    let last = world.repository.push("one more");
    world.start().await;
    world.settled("main", &last).await;
    let (first, note) = (world.repository.note(&first), world.repository.note(&last));
    assert!(note.contains("beamline/apply: last: success: Applied"), "{note}");
    assert!(!first.contains("failure") && !note.contains("failure"), "{first}\n{note}");
    is_all_of(&world, "last");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_is_taken_back_while_it_is_applied_is_taken_back() {
    for former in ["", "renamed_from: development\n"] {
        let (world, _) = under_way().await;
        world.repository.remove(OLD);
        world.repository.write(NEW, &format!("renamed_from: dev\n{}tags: {{ cost: new }}\n", before()));
        let second = world.repository.push("another name");
        let is_begun = async || {
            let open = world.store().unfinished_runs().await.unwrap();
            open.iter().any(|run| run.environment.as_str() == "development")
        };
        world.until("the new name is applied", is_begun).await;
        world.repository.remove(NEW);
        world.repository.write(OLD, &after(former));
        let third = world.repository.push("and back");
        world.settled("main", &third).await;
        let (second, third) = (world.repository.note(&second), world.repository.note(&third));
        assert!(third.contains("beamline/apply: dev: success: Applied"), "{third}");
        assert!(!second.contains("failure") && !third.contains("failure"), "{second}\n{third}");
        is_all_of(&world, "dev");
        world.finish().await;
    }
}
