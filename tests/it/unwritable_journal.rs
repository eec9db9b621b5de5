//! A journal that cannot be written while the daemon works: nothing is sent that could not be written down,
//! nothing is told that is not so, and when the journal is back, all of it goes on without a restart.

use std::num::NonZeroU32;
use std::time::Duration;

use beamline::store::Writability;
use beamline_simulator::Latency;

use crate::support::{DaemonWorld, Setup, never_hangs, small};

/// Real seconds: a story takes a few.
const PATIENCE_SECS: u64 = 240;

const LATENCY: Latency = Latency::Realistic { factor: 1.0 };

async fn beginning() -> (DaemonWorld, beamline::git::CommitId) {
    let mut world = DaemonWorld::with(Setup { latency: LATENCY, ..Setup::new() });
    world.own_state_folder();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    (world, commit)
}

/// Sees that `commit` ended as it did, that nothing was made twice and nothing is left.
async fn well_in_the_end(world: DaemonWorld, commit: beamline::git::CommitId) {
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    let made: Vec<String> = world
        .take_writes()
        .into_iter()
        .filter(|write| write.method == "PUT" && write.status == 201)
        .map(|write| write.path.to_ascii_lowercase())
        .collect();
    let mut once = made.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), made.len(), "made twice: {made:#?}");
    world.finish().await;
}

#[test]
fn a_disk_that_is_full_for_a_while_delays_an_apply_and_changes_nothing_about_it() {
    never_hangs(PATIENCE_SECS, async || {
        for seconds in [0, 1, 3, 8, 20, 45, 90] {
            let (world, commit) = beginning().await;
            world.clock.sleep(Duration::from_secs(seconds)).await;
            world.store().limit_room(NonZeroU32::new(1));
            world.clock.sleep(Duration::from_secs(40)).await;
            world.store().limit_room(None);
            well_in_the_end(world, commit).await;
        }
    });
}

#[test]
fn an_older_commit_that_is_tried_again_never_undoes_a_newer_one() {
    never_hangs(PATIENCE_SECS, async || {
        for seconds in [1, 5, 20, 40, 90] {
            let (world, first) = beginning().await;
            world.repository.write("environments/dev.yaml", &small(3));
            world.clock.sleep(Duration::from_secs(seconds)).await;
            let second = world.repository.push("second");
            world
                .until("the second is seen", async || {
                    let seen = world.store().seen_heads().await.unwrap();
                    seen.get(&"main".parse().unwrap()) == Some(&second)
                })
                .await;
            world.unmount();
            world.clock.sleep(Duration::from_secs(45)).await;
            world.mount();
            world.settled("main", &second).await;
            let (first, second) = (world.repository.note(&first), world.repository.note(&second));
            assert!(second.contains("beamline/apply: dev: success: "), "after {seconds} s: {second}");
            assert!(!first.contains("pending"), "after {seconds} s: {first}");
            // What stands in Azure is what the second one says.
            world.finish().await;
        }
    });
}

#[test]
fn a_state_folder_that_goes_away_and_comes_back_delays_an_apply_and_changes_nothing_about_it() {
    never_hangs(PATIENCE_SECS, async || {
        for seconds in [0, 1, 3, 8, 20, 45, 90] {
            let (world, commit) = beginning().await;
            world.clock.sleep(Duration::from_secs(seconds)).await;
            world.unmount();
            world.clock.sleep(Duration::from_secs(60)).await;
            world.clock.sleep(Duration::from_secs(60)).await;
            assert!(
                matches!(world.store().writability(), Writability::Unwritable { .. }),
                "after {seconds} s"
            );
            let told = world.repository.note(&commit);
            world.clock.sleep(Duration::from_secs(60)).await;
            assert_eq!(world.repository.note(&commit), told, "it goes on telling");
            world.mount();
            well_in_the_end(world, commit).await;
        }
    });
}

#[test]
fn a_journal_that_is_deleted_under_a_running_daemon_is_begun_anew_and_everything_is_true() {
    never_hangs(PATIENCE_SECS, async || {
        for seconds in [0, 1, 3, 8, 20, 45, 90, 400] {
            let (world, commit) = beginning().await;
            world.clock.sleep(Duration::from_secs(seconds)).await;
            world.delete_journal();
            // The forge is told everything once more.
            world.happenings();
            world.clock.sleep(Duration::from_secs(200)).await;
            world.settled("main", &commit).await;
            let note = world.repository.note(&commit);
            assert!(note.contains("beamline/apply: dev: success: "), "after {seconds} s: {note}");
            world.finish().await;
        }
    });
}
