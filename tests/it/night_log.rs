//! An operator knows from the log alone what became of each push.

use std::time::Duration;

use beamline_simulator::{Fault, FaultEffect, Latency};
use jiff::SignedDuration;

use crate::support::{DaemonWorld, Kept, Setup, group_of, small};

/// How long something took, and how long it was interrupted, in seconds.
fn times(line: &str) -> [f64; 2] {
    ["took", "resumed_after"].map(|field| {
        let (_, rest) = line.split_once(&format!("{field}=\"")).expect(line);
        rest.split_once(" s\"").expect(line).0.parse().unwrap()
    })
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_night_tells_what_became_of_each_push() {
    let log = Kept::default();
    let _kept = log.keep();
    let mut world = DaemonWorld::with(Setup { latency: Latency::Realistic { factor: 1.0 }, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    // A first push, killed in the middle of its run.
    let first = world.repository.push("first");
    let vault = format!("{}/providers/Microsoft.KeyVault/vaults/kv-dev", group_of("dev"));
    world.until("the vault is being made", async || world.exists(&vault)).await;
    world.kill().await;
    world.clock.sleep(Duration::from_secs(3600)).await;
    world.start().await;
    world.until("it goes on", async || !log.lines("run_resumed", &[]).is_empty()).await;
    world.clock.jump(SignedDuration::from_hours(2));
    world.settled("main", &first).await;
    let first = first.short();
    for event in ["run_ended", "work_ended"] {
        let [took, resumed_after] = times(&log.lines(event, &[&first])[0]);
        assert!((1.0..1800.0).contains(&took), "{event}: what nobody did took {took} s");
        assert!((3600.0..5400.0).contains(&resumed_after), "{event}: resumed after {resumed_after} s");
    }
    log.says("head_accepted", &[&first, "touched=\"dev\""]);
    log.says("run_started", &["environment=dev", &first, "7 to create"]);
    log.says("run_resumed", &["an interrupted run goes on", "environment=dev", &first, "done=", "steps=7"]);
    log.says("run_ended", &["environment=dev", &first, "end=\"complete\"", "7 created", "took="]);
    log.says("work_ended", &["environment=dev", &first, "Applied: 7 created"]);
    log.says("status_delivered", &[&first, "context=beamline/apply ", "state=\"success\""]);
    // A second one that fails when the old cluster is gone, for a reason that no plan can know.
    world.azure.faults().add(Fault {
        method: Some("PUT".to_owned()),
        path_contains: "/computes/cpu".to_owned(),
        times: 1,
        effect: FaultEffect::Status {
            code: 400,
            retry_after_secs: None,
            error_code: "BadRequest".to_owned(),
            message: "no such machines today".to_owned(),
        },
    });
    let larger = small(1).replace("Standard_D4s_v3", "Standard_D8s_v3");
    world.repository.write("environments/dev.yaml", &larger);
    let second = world.repository.push("a larger size");
    world.settled("main", &second).await;
    let second = second.short();
    log.says(
        "run_ended",
        &[&second, "end=\"failed\"", "failed=\"compute_clusters/cpu: ", "gone=\"compute_clusters/cpu\""],
    );
    log.says("status_delivered", &[&second, "state=\"failure\""]);
    for event in ["run_ended", "work_ended"] {
        assert!(log.lines(event, &[&second])[0].contains("WARN "), "{event}");
        assert!(log.lines(event, &[&first])[0].contains("INFO "), "{event}");
    }
    // A third one while Azure is away.
    world.gate.shut();
    world.repository.write("environments/dev.yaml", &small(2));
    let third = world.repository.push("mended");
    world.clock.sleep(Duration::from_secs(150)).await;
    let of_third = third.short();
    assert!(
        !log.lines("waiting", &["environment=dev", &of_third]).is_empty()
            || !log.lines("retry", &["environment=dev", &of_third]).is_empty(),
        "nobody says that the third push waits"
    );
    world.gate.open();
    world.settled("main", &third).await;
    log.says("run_ended", &[&of_third, "end=\"complete\"", "1 created"]);
    log.says("work_ended", &[&of_third, "Applied: 1 created"]);
    for commit in [&first, &second, &of_third] {
        assert_eq!(log.lines("head_accepted", &[commit]).len(), 1, "{commit}");
        assert_eq!(log.lines("work_ended", &[commit]).len(), 1, "{commit}");
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_status_says_that_it_applies_as_soon_as_it_does() {
    let mut world =
        DaemonWorld::with(Setup { latency: Latency::Realistic { factor: 1.0 }, parallel: 1, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.repository.write("environments/qa.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    world.clock.sleep(Duration::from_secs(10)).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: pending: Applying: 7 to create"), "{note}");
    world.settled("main", &commit).await;
    world.finish().await;
}
