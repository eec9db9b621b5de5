//! Steps that end at the same instant, some of them with a failure: the run goes on, whoever holds what.
//!
//! On the real store, because a journal in memory has no turn that one step could keep from another.

use std::time::Duration;

use beamline_simulator::{DEFAULT_SUBSCRIPTION, Fault, FaultEffect, Latency};
use serde_json::json;

use crate::support::{DaemonWorld, Setup, group_of, never_hangs, small};

/// Real seconds: a story takes about one.
const PATIENCE_SECS: u64 = 300;

fn fault(method: &str, path: &str, times: u32, effect: FaultEffect) -> Fault {
    Fault { method: Some(method.to_owned()), path_contains: path.to_owned(), times, effect }
}

/// An environment in which everything changes at once: the tags.
fn retagged(round: u32) -> String {
    format!("{}tags: {{ round: \"{round}\" }}\n", small(1))
}

/// Applies a first definition, lets `trouble` begin, pushes a change of everything, and sees that it ends with a
/// failure; then lets the trouble end, and sees that the rest is made up for.
async fn story(latency: Latency, begin: fn(&DaemonWorld), end: fn(&DaemonWorld)) {
    let mut world = DaemonWorld::with(Setup { latency, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    world.push("the beginning").await;
    begin(&world);
    world.repository.write("environments/dev.yaml", &retagged(1));
    let note = world.push("everything changes").await;
    assert!(note.contains("beamline/apply: dev: failure: "), "{note}");
    assert!(!note.contains("pending"), "{note}");
    end(&world);
    world.repository.write("environments/dev.yaml", &retagged(2));
    let note = world.push("again").await;
    assert!(note.contains("beamline/apply: dev: success: "), "{note}");
    world.finish().await;
}

fn lock_id() -> beamline::resources::id::ResourceId {
    let group = group_of("dev");
    format!(
        "/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Authorization/locks/frozen"
    )
    .parse()
    .unwrap()
}

#[test]
fn a_read_only_lock_on_the_group_fails_every_step_at_once() {
    for latency in [Latency::None, Latency::Realistic { factor: 1.0 }] {
        never_hangs(PATIENCE_SECS, async move || {
            let begin = |world: &DaemonWorld| {
                world.azure.put(&lock_id(), json!({ "properties": { "level": "ReadOnly" } }));
            };
            story(latency, begin, |world| assert!(world.azure.remove(&lock_id()))).await;
        });
    }
}

#[test]
fn an_identity_that_may_only_read_is_refused_everywhere_at_once() {
    never_hangs(PATIENCE_SECS, async || {
        let begin = |world: &DaemonWorld| {
            for method in ["PUT", "PATCH", "POST"] {
                let effect = FaultEffect::Status {
                    code: 403,
                    retry_after_secs: None,
                    error_code: "AuthorizationFailed".to_owned(),
                    message: "The client does not have authorization to perform action".to_owned(),
                };
                world.azure.faults().add(fault(method, "/providers/", 10_000, effect));
            }
        };
        story(Latency::None, begin, |world| world.azure.faults().clear()).await;
    });
}

#[test]
fn a_cancelled_operation_ends_beside_others_that_succeed() {
    for latency in [Latency::None, Latency::Realistic { factor: 1.0 }] {
        never_hangs(PATIENCE_SECS, async move || {
            let mut world = DaemonWorld::with(Setup { latency, ..Setup::new() });
            for path in ["/vaults/", "/storageAccounts/"] {
                world.azure.faults().add(fault("PUT", path, 3, FaultEffect::CancelOperation));
                let (code, message) = ("InternalServerError".to_owned(), "it failed".to_owned());
                world.azure.faults().add(fault("PUT", path, 3, FaultEffect::FailOperation { code, message }));
            }
            world.repository.write("environments/dev.yaml", &small(1));
            world.start().await;
            let first = world.push("the beginning").await;
            assert!(!first.contains("pending"), "{first}");
            world.azure.faults().clear();
            world.repository.write("environments/dev.yaml", &small(2));
            let note = world.push("again").await;
            assert!(note.contains("beamline/apply: dev: success: "), "{note}");
            world.finish().await;
        });
    }
}

#[test]
fn a_stop_at_any_moment_is_quick_and_what_was_begun_is_finished() {
    never_hangs(4 * PATIENCE_SECS, async || {
        for moment in 0..24 {
            let mut world =
                DaemonWorld::with(Setup { latency: Latency::Realistic { factor: 0.2 }, ..Setup::new() });
            world.repository.write("environments/dev.yaml", &small(1));
            world.start().await;
            let commit = world.repository.push("first");
            world.clock.sleep(Duration::from_millis(90 * moment * moment)).await;
            let began = world.clock.now();
            world.stop().await;
            let took = Duration::try_from(world.clock.now().duration_since(began)).unwrap();
            assert!(took <= Duration::from_secs(10), "{took:?} in moment {moment}");
            world.start().await;
            world.settled("main", &commit).await;
            let note = world.repository.note(&commit);
            assert!(note.contains("beamline/apply: dev: success: "), "{note}");
            world.finish().await;
        }
    });
}
