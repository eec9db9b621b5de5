//! An orderly stop: quick, and the next start finishes what was under way.

use std::time::Duration;

use beamline_simulator::Latency;

use crate::support::{DaemonWorld, Setup, group_of, small};

/// The longest that a stop may take.
const SECONDS: Duration = Duration::from_secs(10);

async fn stopped_quickly(world: &mut DaemonWorld) {
    let began = world.clock.now();
    world.stop().await;
    let took = Duration::try_from(world.clock.now().duration_since(began)).unwrap();
    assert!(took <= SECONDS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_an_apply_is_quick_and_the_next_start_finishes_it() {
    let mut world = DaemonWorld::with(Setup { latency: Latency::Realistic { factor: 1.0 }, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    let vault = format!("{}/providers/Microsoft.KeyVault/vaults/kv-dev", group_of("dev"));
    world.until("the vault is being made", async || world.exists(&vault)).await;
    stopped_quickly(&mut world).await;
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: success: "), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_azure_is_away_is_quick() {
    let mut world = DaemonWorld::new();
    world.gate.shut();
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    world.clock.sleep(Duration::from_secs(120)).await;
    stopped_quickly(&mut world).await;
    world.gate.open();
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    world.finish().await;
}
