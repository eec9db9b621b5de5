//! Webhooks that nobody may believe: hundreds of forged, cut, oversized and garbled ones, and replays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use beamline::daemon::Counted;
use beamline::forge::github::{Access, Options};
use beamline::forge::{Forge, GitHub};
use beamline::wire;
use fastrand::Rng;
use tokio::sync::Semaphore;

use crate::support::connection::Connection;
use crate::support::hook::{Hook, REPOSITORY, Sender};
use crate::support::{DaemonWorld, Setup};

const SECRET: &str = "a secret of the webhook";

/// How many are forged.
const FORGERIES: usize = 720;

/// What is wrong with a webhook.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    /// It is signed with another secret.
    WrongSecret,
    /// It is not signed.
    Unsigned,
    /// The header that proves it is empty.
    EmptyProof,
    /// One bit of that header differs.
    FlippedProof,
    /// A part of it is missing.
    CutProof,
    /// It is no text.
    GarbledProof,
    /// It is there twice, the forged one first or last.
    SecondProof,
    /// The event or the id is there twice.
    SecondName,
    /// What names the event is missing, or is no text.
    NoEvent,
    /// It was meant for another forge.
    OtherForge,
    /// One bit of the body differs from what was signed.
    FlippedBody,
    /// The end of the body is missing.
    CutBody,
    /// There is more than what was signed.
    LongerBody,
    /// It is signed, and its body is no UTF-8.
    NotText,
    /// It is signed, and its body is no JSON.
    NotJson,
    /// It is signed, and its body is nested without end.
    Nested,
    /// It is signed, and a field has a value that it cannot have.
    Impossible,
    /// Its sender hangs up in the middle of the body.
    HungUp,
    /// It says that its body is larger than any.
    Oversized,
}

const FLAWS: [Flaw; 19] = [
    Flaw::WrongSecret,
    Flaw::Unsigned,
    Flaw::EmptyProof,
    Flaw::FlippedProof,
    Flaw::CutProof,
    Flaw::GarbledProof,
    Flaw::SecondProof,
    Flaw::SecondName,
    Flaw::NoEvent,
    Flaw::OtherForge,
    Flaw::FlippedBody,
    Flaw::CutBody,
    Flaw::LongerBody,
    Flaw::NotText,
    Flaw::NotJson,
    Flaw::Nested,
    Flaw::Impossible,
    Flaw::HungUp,
    Flaw::Oversized,
];

/// A webhook with this flaw; `None` where the forge cannot have it.
fn forged(sender: Sender, flaw: Flaw, id: &str, rng: &mut Rng) -> Option<Hook> {
    let mut hook = Hook::push(sender, REPOSITORY, id, SECRET);
    let proof = sender.proof();
    match flaw {
        Flaw::WrongSecret => {
            let secret = if rng.bool() { "A secret of the webhook" } else { "" };
            *hook.header(proof) = sender.prove(secret, &hook.body).into_bytes();
        }
        Flaw::Unsigned => hook.headers.retain(|(name, _)| name != proof),
        Flaw::EmptyProof => hook.header(proof).clear(),
        Flaw::FlippedProof => flip_hexadecimal(hook.header(proof), sender, rng),
        Flaw::CutProof => {
            let value = hook.header(proof);
            // The padding of basic authentication may be left out by some: not so little is cut.
            let kept = rng.usize(0..value.len() - 4);
            value.truncate(kept);
        }
        Flaw::GarbledProof => {
            let value = hook.header(proof);
            let at = rng.usize(0..value.len());
            value[at] = rng.u8(0x80..=0xff);
        }
        Flaw::SecondProof => {
            let forged = (proof.to_owned(), sender.prove("another", &hook.body).into_bytes());
            let at = if rng.bool() { 0 } else { hook.headers.len() };
            hook.headers.insert(at, forged);
        }
        Flaw::SecondName => {
            let names = [sender.event_header()?, sender.id_header()?];
            hook.headers.push((names[rng.usize(0..2)].to_owned(), b"push".to_vec()));
        }
        Flaw::NoEvent => {
            let name = sender.event_header()?;
            if rng.bool() {
                hook.headers.retain(|header| header.0 != name);
            } else {
                *hook.header(name) = b"\xff\xfe".to_vec();
            }
        }
        Flaw::OtherForge => {
            // Gitea and Forgejo take one another's.
            let is_kin = |it: Sender| matches!(it, Sender::Gitea | Sender::Forgejo);
            let is_other = |it: &Sender| *it != sender && !(is_kin(*it) && is_kin(sender));
            let others: Vec<Sender> = Sender::ALL.into_iter().filter(is_other).collect();
            hook.sender = others[rng.usize(0..others.len())];
        }
        Flaw::FlippedBody | Flaw::CutBody | Flaw::LongerBody if !sender.signs() => return None,
        Flaw::FlippedBody => {
            let at = rng.usize(0..hook.body.len());
            hook.body[at] ^= 1 << rng.u8(0..8);
        }
        Flaw::CutBody => hook.body.truncate(rng.usize(0..hook.body.len())),
        Flaw::LongerBody => hook.body.extend((0..rng.usize(1..50)).map(|_| rng.u8(..))),
        Flaw::NotText => {
            let at = rng.usize(0..hook.body.len());
            hook.body[at] = rng.u8(0xf8..=0xff);
        }
        Flaw::NotJson => hook.body.truncate(rng.usize(0..hook.body.len() - 1)),
        Flaw::Nested => hook.body = b"[{\"a\":".repeat(rng.usize(200..20_000)),
        Flaw::Impossible => {
            let text = String::from_utf8(hook.body).unwrap();
            let repository = REPOSITORY.split('/').next_back().unwrap();
            let wrong = ["../..", "a?b", "", "\\u0000", "a\\nb"][rng.usize(0..5)];
            hook.body = text.replace(repository, wrong).into_bytes();
        }
        Flaw::HungUp => {
            let length = (hook.body.len() + rng.usize(1..1000)).to_string();
            hook.headers.push(("content-length".to_owned(), length.into()));
        }
        Flaw::Oversized => {
            let length = [26_214_401_u64, 4_000_000_000, 1_000_000_000_000_000][rng.usize(0..3)].to_string();
            hook.headers.push(("content-length".to_owned(), length.into()));
        }
    }
    if matches!(flaw, Flaw::NotText | Flaw::NotJson | Flaw::Nested | Flaw::Impossible) {
        *hook.header(proof) = sender.prove(SECRET, &hook.body).into_bytes();
    }
    Some(hook)
}

/// Changes one character that carries something.
fn flip_hexadecimal(proof: &mut [u8], sender: Sender, rng: &mut Rng) {
    let at = match sender {
        // Of basic authentication: the password is behind `beamline:`.
        Sender::AzureDevOps => rng.usize("Basic ".len() + 12..proof.len() - 4),
        Sender::GitHub | Sender::Bitbucket => rng.usize("sha256=".len()..proof.len()),
        Sender::GitLab | Sender::Gitea | Sender::Forgejo => rng.usize(0..proof.len()),
    };
    proof[at] = match proof[at] {
        b'0' => b'1',
        _ => b'0',
    };
}

#[tokio::test]
async fn no_forged_webhook_is_accepted_and_each_is_counted() {
    let setup = Setup { secrets: Some(vec![SECRET, "the next one"]), ..Setup::real_time() };
    let mut world = DaemonWorld::with(Setup { repository: Some(REPOSITORY), ..setup });
    world.start().await;
    let mut rng = Rng::with_seed(4);
    let mut sent = 0;
    for round in 0.. {
        if sent == FORGERIES {
            break;
        }
        let (sender, flaw) = (Sender::ALL[round % 6], FLAWS[round / 6 % FLAWS.len()]);
        let Some(hook) = forged(sender, flaw, &format!("forged-{round}"), &mut rng) else { continue };
        let mut connection = Connection::open(world.port()).await;
        connection.send(&hook.request()).await;
        if matches!(flaw, Flaw::HungUp) {
            connection.finish().await;
        }
        let answer = connection.answer().await;
        sent += 1;
        let status = answer.map(|answer| answer.status);
        let refused =
            matches!(status, Some(400 | 401 | 413)) || matches!((status, flaw), (None, Flaw::HungUp));
        assert!(refused, "round {round}: {flaw:?} to {sender:?} was answered {status:?}");
        let counted = || world.tally.of(Counted::Refused) == sent as u64;
        world.soon("it is counted", async || counted()).await;
    }
    assert_eq!(world.tally.of(Counted::Refused), FORGERIES as u64);
    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, 0);
    assert_eq!(world.tally.of(Counted::Look), 1, "only the one of the start");
    for sender in Sender::ALL {
        assert_eq!(Hook::push(sender, REPOSITORY, "true", SECRET).send(world.port()).await, Some(202));
    }
    let pending = async || world.store().pending_deliveries().await.unwrap();
    world.soon("the true ones are acted on", async || pending().await.is_empty()).await;
    world.stop_quietly().await;
}

#[tokio::test]
async fn connections_that_never_send_a_whole_request_keep_nobody_out() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![SECRET]), ..Setup::real_time() });
    world.start().await;
    let push = Hook::push(Sender::GitHub, REPOSITORY, "true", SECRET).request();
    let mut forged = Hook::push(Sender::GitHub, REPOSITORY, "forged", "another secret");
    forged.headers.push(("expect".to_owned(), b"100-continue".to_vec()));
    forged.headers.push(("content-length".to_owned(), b"1000000".to_vec()));
    let beginnings = [b"GET /readyz HTTP/1.1\r\nhost: x\r\n".to_vec(), Vec::new(), forged.request()];
    let mut open = Vec::new();
    for beginning in beginnings.iter().cycle().take(300) {
        let mut connection = Connection::open(world.port()).await;
        connection.send(beginning).await;
        open.push(connection);
    }
    for _ in 0..3 {
        let ready = b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";
        let answer = Connection::open(world.port()).await.ask(ready).await.expect("nobody comes in");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut forge = Connection::open(world.port()).await;
    assert_eq!(forge.ask(&push).await.expect("it is kept out").status, 202);
    drop(open);
    world.stop_quietly().await;
}

#[tokio::test]
async fn connections_that_were_answered_and_send_nothing_more_keep_nobody_out() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![SECRET]), ..Setup::real_time() });
    world.start().await;
    let alive = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    // The first one asks again, slowly.
    let mut slow = Connection::open(world.port()).await;
    assert_eq!(slow.ask(alive).await.unwrap().status, 200);
    let push = Hook::push(Sender::GitHub, REPOSITORY, "slow", SECRET).request();
    let (beginning, end) = push.split_at(push.len() - 10);
    slow.send(beginning).await;
    let mut open = Vec::new();
    for _ in 0..300 {
        let mut connection = Connection::open(world.port()).await;
        assert_eq!(connection.ask(alive).await.expect("nobody comes in").status, 200);
        open.push(connection);
    }
    assert!(open[0].answer().await.is_none(), "the oldest that is idle gives way");
    assert_eq!(open[299].ask(alive).await.expect("the newest stays").status, 200);
    slow.send(end).await;
    assert_eq!(slow.answer().await.expect("a request in work is finished").status, 202);
    drop(open);
    world.stop_quietly().await;
}

/// A GitHub that answers which pull requests are open when it is let.
#[derive(Clone)]
struct SlowGitHub {
    asked: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
}

async fn no_pull_requests(State(github): State<SlowGitHub>) -> &'static str {
    github.asked.fetch_add(1, Ordering::SeqCst);
    github.answers.acquire().await.unwrap().forget();
    "[]"
}

#[tokio::test]
async fn replays_cause_at_most_one_look_more() {
    let github = SlowGitHub { asked: Arc::default(), answers: Arc::new(Semaphore::new(1)) };
    let router = Router::new()
        .route("/repos/{owner}/{name}/pulls", get(no_pull_requests))
        .route(
            "/repos/{owner}/{name}/statuses/{commit}",
            post(async || (http::StatusCode::CREATED, "{\"id\": 1}")),
        )
        .with_state(github.clone());
    let setup = Setup::real_time();
    let options = Options {
        api: "https://api.github.invalid".to_owned(),
        repository: REPOSITORY.parse().unwrap(),
        access: Access::Token("token-1".into()),
    };
    let forge = GitHub::new(wire::Client::in_process(router), setup.clock.clone(), options).unwrap();
    let forge = Some(Forge::GitHub(forge));
    let mut world = DaemonWorld::with(Setup { forge, secrets: Some(vec![SECRET]), ..setup });
    world.start().await;
    let asked = || github.asked.load(Ordering::SeqCst);
    let captured = Hook::push(Sender::GitHub, REPOSITORY, "first", SECRET);
    assert_eq!(captured.send(world.port()).await, Some(202));
    world.soon("the look that it causes", async || asked() == 2).await;

    let mut connection = Connection::open(world.port()).await;
    for number in 0..200 {
        let mut replay = captured.clone();
        if number % 2 == 0 {
            *replay.header("x-github-delivery") = format!("replay-{number}").into_bytes();
        }
        assert_eq!(connection.ask(&replay.request()).await.unwrap().status, 202);
    }
    assert_eq!(world.tally.of(Counted::Look), 2, "one look at a time");
    github.answers.add_permits(100);
    let pending = async || world.store().pending_deliveries().await.unwrap();
    world.soon("all are acted on", async || pending().await.is_empty()).await;
    assert_eq!(world.tally.of(Counted::Look), 3, "what came meanwhile is one look");
    assert_eq!(captured.send(world.port()).await, Some(202));
    assert_eq!(world.tally.of(Counted::Repeated), 101);
    let next = Hook::push(Sender::GitHub, REPOSITORY, "second", SECRET);
    assert_eq!(next.send(world.port()).await, Some(202));
    world.soon("it is acted on", async || pending().await.is_empty()).await;
    assert_eq!(world.tally.of(Counted::Look), 4, "a delivery that was seen before causes none");
    assert_eq!(asked(), 4);
    world.stop_quietly().await;
}
