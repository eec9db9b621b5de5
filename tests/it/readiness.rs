//! `/readyz` tells the truth about the loop that does the work, and about whoever refuses us.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use beamline::daemon::event::{Because, Event};
use beamline::daemon::{Rhythm, Wellness};
use beamline::forge::{Forge, GitHub, github};
use beamline::store::{Delivery, Plight, StoreError};
use beamline::wire;
use serde_json::Value;

use crate::support::{DaemonWorld, Setup, small};

/// How long a piece of work may stand still in these stories.
const STILL: Duration = Duration::from_millis(500);

/// A daemon that serves, in real time.
fn served() -> Setup {
    let rhythm = Rhythm { beat: Duration::from_millis(50), ..Rhythm::default() };
    Setup { secrets: Some(vec!["secret"]), rhythm, ..Setup::real_time() }
}

async fn started(setup: Setup) -> DaemonWorld {
    let mut world = DaemonWorld::with(setup);
    world.repository.write("README", "nothing");
    world.repository.push("before the daemon");
    world.start().await;
    world
}

async fn get(world: &DaemonWorld, path: &str, accept: &str) -> (u16, String) {
    wire::install_tls_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(world.address(path)).header("accept", accept).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The code and the text of `/readyz`.
async fn readiness(world: &DaemonWorld) -> (u16, String) {
    get(world, "/readyz", "*/*").await
}

/// Waits until `/readyz` has this code, this first line, and a reason with these words.
async fn becomes(world: &DaemonWorld, code: u16, word: &str, reason: &str) {
    let is_so = async || {
        let (found, text) = readiness(world).await;
        found == code && text.lines().next() == Some(word) && text.contains(reason)
    };
    world.soon(&format!("{code} {word}: {reason}"), is_so).await;
}

#[tokio::test]
async fn a_daemon_with_nothing_to_do_is_ready_and_stays_so() {
    let rhythm = Rhythm { beat: Duration::from_millis(50), dispatcher: STILL, ..Rhythm::default() };
    let world = started(Setup { rhythm, ..served() }).await;
    becomes(&world, 200, "ready", "").await;
    tokio::time::sleep(STILL * 3).await;
    // Whoever does not beat is not ready for ever from here on; a machine that stood still itself is at once.
    world.soon("ready", async || readiness(&world).await == (200, "ready\n".to_owned())).await;
    let expected = serde_json::json!({ "format": 1, "state": "ready", "reasons": [] });
    let is_said = async || {
        let (code, text) = get(&world, "/readyz", "application/json").await;
        code == 200 && serde_json::from_str::<Value>(&text).unwrap() == expected
    };
    world.soon("ready, as JSON", is_said).await;
    world.stop_quietly().await;
}

#[tokio::test]
async fn a_piece_of_work_that_stands_still_is_said_although_the_loop_goes_round() {
    let rhythm = Rhythm { work: STILL, ..served().rhythm };
    let world = started(Setup { rhythm, ..served() }).await;
    becomes(&world, 200, "ready", "").await;
    world.gate.fall_silent();
    world.repository.write("environments/dev.yaml", &small(1));
    let commit = world.repository.push("first");
    world.ask(Event::Look(Because::Webhook)).await;
    becomes(&world, 503, "not ready", &format!("the apply of dev at {} has not moved for", commit.short()))
        .await;
    let (_, text) = get(&world, "/readyz", "application/json").await;
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&said["state"], &said["reasons"][0]["part"]), (&"not ready".into(), &"loop".into()));
    assert_eq!(get(&world, "/healthz", "*/*").await.0, 200, "the process lives");
    world.stop_quietly().await;
}

#[tokio::test]
async fn a_step_that_stands_still_is_named_although_those_beside_it_move() {
    let rhythm = Rhythm { work: STILL, ..served().rhythm };
    let latency = beamline_simulator::Latency::REALISTIC;
    let mut world = DaemonWorld::with(Setup { rhythm, latency, ..served() });
    world.gate.fall_silent_about("/vaults/");
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    let commit = world.repository.push("first");
    world.ask(Event::Look(Because::Webhook)).await;
    let stuck =
        format!("the step key_vaults/main of the apply of dev at {} has not moved for", commit.short());
    becomes(&world, 503, "not ready", &stuck).await;
    assert!(world.azure.ids().len() > 1, "nothing moves");
    // A request that is under way is not cut off in order.
    world.kill().await;
}

// On virtual time, in which no machine is too busy to move within half a second.
#[tokio::test(start_paused = true)]
async fn a_wait_that_is_announced_is_no_standstill() {
    let rhythm = Rhythm { work: STILL, ..served().rhythm };
    let latency = beamline_simulator::Latency::REALISTIC;
    // At every beat; a panic ends the daemon.
    let supervisor: fn(&Wellness) = |found| assert!(found.beats(), "{found:?}");
    let mut world =
        DaemonWorld::with(Setup { rhythm, latency, supervisor: Some(supervisor), ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    // Operations are under way for minutes, and are looked at again after seconds.
    let note = world.push("first").await;
    assert!(note.contains("beamline/apply: dev: success: "), "{note}");
    world.finish().await;
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_is_not_ready_until_it_can() {
    let world = started(served()).await;
    becomes(&world, 200, "ready", "").await;
    world.store().limit_room(std::num::NonZeroU32::new(1));
    // What is small still finds room in the pages that are there.
    let large = Delivery {
        forge: "github".to_owned(),
        delivery_id: "large".parse().unwrap(),
        event: "x".repeat(100_000),
        body_digest: "abc".to_owned(),
        about: None,
        received_at: world.clock.now(),
    };
    let refused = world.store().store_deliveries(&[large]).await;
    assert!(matches!(refused, Err(StoreError::Unwritable { plight: Plight::Full, .. })), "{refused:?}");
    world.repository.write("environments/dev.yaml", &small(1));
    let commit = world.repository.push("while the disk is full");
    world.ask(Event::Look(Because::Webhook)).await;
    let is_said = async || {
        let (code, text) = get(&world, "/readyz", "application/json").await;
        let said: Value = serde_json::from_str(&text).unwrap();
        let reason = &said["reasons"][0];
        code == 503
            && (&said["state"], &reason["part"]) == (&"not ready".into(), &"journal".into())
            && reason["since"].is_string()
            && reason["reason"].as_str().unwrap().contains("full")
    };
    for _ in 0..20 {
        assert!(is_said().await, "it is said to be ready while the disk is full");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.store().limit_room(None);
    world.ask(Event::Look(Because::Webhook)).await;
    becomes(&world, 200, "ready", "").await;
    world.soon("it is applied", async || world.is_settled("main", &commit).await).await;
    world.finish().await;
}

#[tokio::test]
async fn a_repository_that_refuses_us_is_said_and_forgotten_when_it_is_back() {
    let world = started(served()).await;
    becomes(&world, 200, "ready", "").await;
    let (origin, away) = (world.repository.origin(), world.repository.folder().join("away"));
    std::fs::rename(&origin, &away).unwrap();
    world.ask(Event::Look(Because::Webhook)).await;
    becomes(&world, 200, "degraded", &origin.display().to_string()).await;
    let (_, text) = get(&world, "/readyz", "application/json").await;
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["reasons"][0]["part"], "repository");
    assert!(said["reasons"][0]["since"].is_string(), "{said}");
    std::fs::rename(&away, &origin).unwrap();
    world.ask(Event::Look(Because::Webhook)).await;
    becomes(&world, 200, "ready", "").await;
    world.stop_quietly().await;
}

#[tokio::test]
async fn a_forge_that_refuses_the_token_is_said_and_keeps_nobody_from_being_ready() {
    let refusing =
        Router::new().fallback(|| async { (StatusCode::UNAUTHORIZED, "{\"message\": \"Bad credentials\"}") });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let forge = tokio::spawn(async move { axum::serve(listener, refusing).await });
    let options = github::Options {
        api,
        repository: "octo/infra".parse().unwrap(),
        access: github::Access::Token("token".into()),
    };
    let setup = served();
    let client = wire::Client::new(&wire::Options::default()).unwrap();
    let github = Forge::GitHub(GitHub::new(client, setup.clock.clone(), options).unwrap());
    let world = started(Setup { forge: Some(github), ..setup }).await;
    becomes(&world, 200, "degraded", "token").await;
    let is_said = async || {
        let (_, text) = get(&world, "/readyz", "application/json").await;
        let said: Value = serde_json::from_str(&text).unwrap();
        let parts: Vec<&str> = said["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reason| reason["part"].as_str().unwrap())
            .collect();
        parts == ["pull-requests", "forge"]
    };
    world.soon("both are said", is_said).await;
    world.stop_quietly().await;
    forge.abort();
}

#[tokio::test]
async fn a_loop_that_breaks_ends_the_daemon() {
    let supervisor = |_: &beamline::daemon::Wellness| panic!("a bug in the loop");
    let mut world = started(Setup { supervisor: Some(supervisor), ..served() }).await;
    let why = world.ended().await;
    assert!(why.contains("Broken") && why.contains("the loop that gives out the work"), "{why}");
}
