//! Killed anywhere, started again: the same world, and every commit knows how it ended.

use std::collections::BTreeSet;

use beamline::resources::id::ResourceId;
use beamline_simulator::Latency;

use crate::support::{DaemonWorld, DeathAt, Setup, consent_to_remove, small};

/// One run: a first push, a second one, and a death in between or after.
async fn story(latency: Latency, deaths: &[DeathAt]) -> (Vec<ResourceId>, String, usize) {
    let mut world = DaemonWorld::with(Setup { latency, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.repository.write("environments/other.yaml", &small(2));
    let first = world.repository.push("first");
    let planned = deaths.len();
    let mut deaths = deaths.iter();
    start_and_survive(&mut world, &mut deaths).await;
    wait_and_survive(&mut world, &mut deaths, &first).await;
    world.repository.write("environments/dev.yaml", &small(3));
    world.repository.remove("environments/other.yaml");
    let second = world.repository.push(&format!("second\n\n{}", consent_to_remove("other")));
    wait_and_survive(&mut world, &mut deaths, &second).await;
    world.gate.disarm();
    let ids = world.azure.ids();
    let creations = world
        .take_writes()
        .into_iter()
        .filter(|write| write.method == "PUT" && write.status == 201)
        .map(|write| write.path.to_ascii_lowercase());
    let mut made = BTreeSet::new();
    for path in creations {
        assert!(made.insert(path.clone()), "{path} was created twice ({deaths:?})");
    }
    let notes = format!("{}\n{}", world.repository.note(&first), world.repository.note(&second));
    let died = world.deaths();
    assert!(died <= planned);
    world.finish().await;
    (ids, notes, died)
}

async fn start_and_survive(world: &mut DaemonWorld, deaths: &mut std::slice::Iter<'_, DeathAt>) {
    if let Some(death) = deaths.next() {
        world.gate.arm(*death);
    }
    world.start().await;
}

async fn wait_and_survive(
    world: &mut DaemonWorld,
    deaths: &mut std::slice::Iter<'_, DeathAt>,
    commit: &beamline::git::CommitId,
) {
    loop {
        let gate = world.gate.clone();
        let died = tokio::select! {
            () = world.settled("main", commit) => false,
            () = gate.death() => true,
        };
        if !died {
            return;
        }
        world.kill().await;
        start_and_survive(world, deaths).await;
    }
}

async fn every_death_leads_to_the_same_world(latency: Latency, deaths: Vec<Vec<DeathAt>>) {
    let (ids, notes, _) = story(latency, &[]).await;
    assert!(notes.contains("beamline/apply: dev: success: Applied: 1 changed"), "{notes}");
    for death in deaths {
        let (after, notes, died) = story(latency, &death).await;
        assert_eq!(died, death.len(), "{death:?} was not reached");
        assert_eq!(after, ids, "after {death:?}");
        assert!(!notes.contains("pending") && !notes.contains("failure"), "after {death:?}: {notes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_before_a_request_goes_on_where_it_was() {
    let deaths = (0..10).map(|number| vec![DeathAt::Request(1 + number * 7)]).collect();
    every_death_leads_to_the_same_world(Latency::None, deaths).await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_before_an_answer_goes_on_where_it_was() {
    let deaths = (0..10).map(|number| vec![DeathAt::Answer(4 + number * 11)]).collect();
    every_death_leads_to_the_same_world(Latency::Realistic { factor: 4.0 }, deaths).await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_when_something_has_happened_goes_on_where_it_was() {
    let deaths = (0..8).map(|number| vec![DeathAt::Happening(1 + number * 9)]).collect();
    every_death_leads_to_the_same_world(Latency::None, deaths).await;
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_dies_again_and_again_gets_there() {
    let often = (1..6).map(|number| DeathAt::Answer(number * 5)).collect();
    every_death_leads_to_the_same_world(Latency::Realistic { factor: 4.0 }, vec![often]).await;
}
