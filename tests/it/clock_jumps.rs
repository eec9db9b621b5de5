//! A wall clock that is set forward or back changes dates and nothing else: the same requests at the
//! same moments, the same statuses, the same waits.
//!
//! Azure's clock and the forge's stay as they are ([`beamline::clock::Clock::apart`]).

use std::time::Duration;

use beamline::git::CommitId;
use beamline_simulator::forge::ForgeKind;
use beamline_simulator::{Fault, FaultEffect, Latency, RequestRecord};
use jiff::{SignedDuration, Timestamp};

use crate::support::proposals::{Choices, Proposals};
use crate::support::{AzureWorld, DaemonWorld, Definition, Setup, small};

/// By how much the clock is set, in seconds.
const JUMPS: [i64; 3] = [2 * 60 * 60, -2 * 60 * 60, -90];

/// What Azure was asked, and when.
fn asked(records: Vec<RequestRecord>) -> Vec<(Timestamp, String)> {
    records.into_iter().map(|one| (one.at, format!("{} {} {}", one.method, one.path, one.status))).collect()
}

/// Applies, throttled and refused on the way, while the clock is set a minute after the start and back
/// two minutes later.
async fn applied(jump: i64) -> (Vec<(Timestamp, String)>, Duration) {
    let world = AzureWorld::with_latency(Latency::REALISTIC);
    let clock = world.arm.clock().clone();
    let effect = |code, error_code: &str| FaultEffect::Status {
        code,
        retry_after_secs: (code == 429).then_some(40),
        error_code: error_code.to_owned(),
        message: format!("{error_code}."),
    };
    for (method, path, effect) in [
        ("GET", "computes/cpu-cluster", effect(429, "TooManyRequests")),
        ("PUT", "computes/gpu-cluster", effect(429, "TooManyRequests")),
        ("PUT", "workspaces/mlw-production", effect(409, "AnotherOperationInProgress")),
        ("PUT", "roleAssignments", effect(400, "PrincipalNotFound")),
    ] {
        let (method, path_contains) = (Some(method.to_owned()), path.to_owned());
        world.azure.faults().add(Fault { method, path_contains, times: 3, effect });
    }
    let began = clock.monotonic();
    let setting = async {
        clock.sleep(Duration::from_secs(60)).await;
        clock.jump(SignedDuration::from_secs(jump));
        clock.sleep(Duration::from_secs(120)).await;
        clock.jump(SignedDuration::from_secs(-jump));
    };
    let text = Definition::production().text();
    let (_, ()) = tokio::join!(world.apply(&text), setting);
    (asked(world.azure.take_requests()), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_apply_sends_the_same_requests_at_the_same_moments() {
    let (requests, took) = applied(0).await;
    assert!(took > Duration::from_secs(200), "{took:?}: the clock was set in the middle");
    for jump in JUMPS {
        let (others, otherwise) = applied(jump).await;
        assert_eq!(otherwise, took, "{jump} s");
        assert_eq!(others, requests, "{jump} s");
    }
}

/// A daemon that applies a push, whose clock is set while it does; then it plans a branch, and the clock
/// is set meanwhile too.
async fn reconciled(jump: i64) -> (String, Duration, usize) {
    let mut world = DaemonWorld::with(Setup { latency: Latency::REALISTIC, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let began = world.clock.monotonic();
    let first = world.repository.push("first");
    world.until("the apply is under way", async || world.azure.ids().len() > 2).await;
    world.clock.jump(SignedDuration::from_secs(jump));
    world.settled("main", &first).await;
    let applied = began.elapsed();
    world.repository.write("environments/dev.yaml", &small(2));
    world.azure.faults().add(Fault {
        method: Some("GET".to_owned()),
        path_contains: "vaults".to_owned(),
        times: 2,
        effect: FaultEffect::Status {
            code: 429,
            retry_after_secs: Some(30),
            error_code: "TooManyRequests".to_owned(),
            message: "Too many.".to_owned(),
        },
    });
    let second = world.repository.push_to("feature", "second");
    world.clock.sleep(Duration::from_secs(10)).await;
    world.clock.jump(SignedDuration::from_secs(-2 * jump));
    world.settled("feature", &second).await;
    let notes = [world.repository.note(&first), world.repository.note(&second)].concat();
    let requests = world.azure.take_requests().len();
    world.finish().await;
    (notes, applied, requests)
}

#[tokio::test(start_paused = true)]
async fn a_daemon_whose_clock_is_set_applies_and_plans_as_ever() {
    let (notes, took, requests) = reconciled(0).await;
    assert!(notes.contains("beamline/apply: dev: success: Applied: 7 created"), "{notes}");
    assert!(notes.contains("beamline/plan: dev: success: "), "{notes}");
    for jump in JUMPS {
        assert_eq!(reconciled(jump).await, (notes.clone(), took, requests), "{jump} s");
    }
}

/// How long after the forge is back a status that it missed arrives.
async fn delivered(jump: i64) -> Duration {
    let story =
        Proposals::with(Choices::of(ForgeKind::GitHub), &[("environments/dev.yaml", &small(1))]).await;
    let clock = story.daemon.clock.clone();
    story.forge.go_down();
    story.main();
    story.daemon.repository.write("environments/dev.yaml", &small(2));
    let commit: CommitId = story.commit_to_main("meanwhile");
    story.worked("main", &commit).await;
    clock.sleep(Duration::from_secs(100)).await;
    clock.jump(SignedDuration::from_secs(jump));
    clock.sleep(Duration::from_secs(10)).await;
    story.forge.come_back();
    let back = clock.monotonic();
    story.daemon.settled("main", &commit).await;
    let took = back.elapsed();
    assert_eq!(story.status(&commit, "beamline/apply"), "success: dev: Applied: 1 changed");
    story.daemon.happenings();
    story.finish().await;
    took
}

#[tokio::test(start_paused = true)]
async fn a_status_that_waits_for_the_forge_arrives_as_soon_as_ever() {
    let took = delivered(0).await;
    assert!(took > Duration::from_secs(5), "{took:?}: it waits to be tried again");
    for jump in JUMPS {
        assert_eq!(delivered(jump).await, took, "{jump} s");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_that_ran_ahead_put_off_is_not_kept_waiting_by_the_next_start() {
    for kind in [ForgeKind::GitHub, ForgeKind::Gitea] {
        let mut story = Proposals::with(Choices::of(kind), &[("environments/dev.yaml", &small(1))]).await;
        let clock = story.daemon.clock.clone();
        story.forge.go_down();
        story.main();
        story.daemon.repository.write("environments/dev.yaml", &small(2));
        let commit = story.commit_to_main("meanwhile");
        story.worked("main", &commit).await;
        clock.sleep(Duration::from_secs(600)).await;
        story.daemon.stop().await;
        clock.jump(SignedDuration::from_hours(-2));
        story.forge.come_back();
        story.daemon.start().await;
        let back = clock.monotonic();
        story.daemon.settled("main", &commit).await;
        assert!(back.elapsed() < Duration::from_secs(120), "{kind:?}: {:?}", back.elapsed());
        story.daemon.happenings();
        story.finish().await;
    }
}

/// How long a status waits for the forge's hourly limit, used up before the clock was set and the service restarted.
async fn waited(jump: i64) -> Duration {
    let mut world = DaemonWorld::with(Setup { write_limit: Some(8), ..Setup::new() });
    for nodes in 1..4 {
        world.repository.write("environments/dev.yaml", &small(nodes));
        if nodes == 1 {
            world.start().await;
        }
        world.push(&format!("{nodes} nodes")).await;
    }
    world.stop().await;
    world.clock.jump(SignedDuration::from_secs(jump));
    world.repository.write("environments/dev.yaml", &small(4));
    let commit = world.repository.push("after the clock was set");
    world.start().await;
    let began = world.clock.monotonic();
    world.settled("main", &commit).await;
    let took = began.elapsed();
    world.finish().await;
    took
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_used_up_before_the_clock_was_set_back_is_over_within_the_hour() {
    let as_ever = waited(0).await;
    assert!(as_ever > Duration::from_secs(600), "{as_ever:?}: the limit was not used up");
    // What was written before is older than the process, so an hour later it does not count.
    let took = waited(-6 * 60 * 60).await;
    assert!(took <= as_ever + Duration::from_secs(61 * 60), "{took:?} instead of {as_ever:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_was_used_up_is_not_used_up_again_when_the_clock_gets_there() {
    let mut world = DaemonWorld::with(Setup { write_limit: Some(8), ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    for nodes in 1..4 {
        world.repository.write("environments/dev.yaml", &small(nodes));
        world.push(&format!("{nodes} nodes")).await;
    }
    let written_at = world.clock.now();
    world.stop().await;
    world.clock.jump(SignedDuration::from_hours(-2));
    world.start().await;
    let left = written_at.duration_since(world.clock.now());
    world.clock.sleep(Duration::try_from(left).unwrap() + Duration::from_secs(60)).await;
    world.repository.write("environments/dev.yaml", &small(4));
    let began = world.clock.monotonic();
    let commit = world.repository.push("when the clock has come there");
    world.settled("main", &commit).await;
    assert!(began.elapsed() < Duration::from_secs(600), "{:?}", began.elapsed());
    world.finish().await;
}
