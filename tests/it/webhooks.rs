//! What the daemon serves: webhooks of every forge that are stored before they are answered and wake a
//! look at once, and its health. Real sockets, real time.

use beamline::daemon::Counted;
use beamline::forge::{Forge, GitHub, github};
use beamline::wire;
use serde_json::json;

use crate::support::connection::{Answer, Connection, post};
use crate::support::hook::{Hook, REPOSITORY, Sender};
use crate::support::{DaemonWorld, Setup, small};

const SECRET: &str = "a secret of the webhook";
const OLD_SECRET: &str = "the secret before it";

async fn served_with(setup: Setup) -> DaemonWorld {
    // It polls once an hour, and nothing is pushed: only the webhook wakes it.
    let mut world = DaemonWorld::with(setup);
    world.repository.write("environments/dev.yaml", &small(1));
    world.start().await;
    world
}

async fn served() -> DaemonWorld {
    let secrets = Some(vec![SECRET, OLD_SECRET]);
    served_with(Setup { secrets, repository: Some(REPOSITORY), ..Setup::real_time() }).await
}

async fn acted_on(world: &DaemonWorld) {
    let pending = async || world.store().pending_deliveries().await.unwrap();
    world.soon("the webhooks are acted on", async || pending().await.is_empty()).await;
}

async fn told(world: &DaemonWorld, hook: &Hook) -> (u16, String) {
    let Answer { status, body } = Connection::open(world.port()).await.ask(&hook.request()).await.unwrap();
    (status, body.trim().to_owned())
}

fn said(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn every_forge_is_heard_with_either_secret_and_each_delivery_once() {
    let world = served().await;
    for sender in Sender::ALL {
        let hook = |id: &str, secret| Hook::push(sender, REPOSITORY, &format!("{sender:?}-{id}"), secret);
        assert_eq!(told(&world, &hook("1", SECRET)).await, said(202, "stored"), "{sender:?}");
        assert_eq!(told(&world, &hook("2", OLD_SECRET)).await, said(202, "stored"), "{sender:?}");
        assert_eq!(told(&world, &hook("1", SECRET)).await, said(202, "seen before"), "{sender:?}");
        assert_eq!(told(&world, &hook("3", "another")).await.0, 401, "{sender:?}");
    }
    acted_on(&world).await;
    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, 12);
    assert_eq!(world.tally.of(Counted::Stored), 12);
    assert_eq!(world.tally.of(Counted::Repeated), 6);
    assert_eq!(world.tally.of(Counted::Refused), 6);
    world.stop_quietly().await;
}

#[tokio::test]
async fn what_concerns_nobody_is_acknowledged_and_forgotten() {
    let world = served().await;
    let ping = json!({ "zen": "Keep it logically awesome." }).to_string().into_bytes();
    let ping = Hook::new(Sender::GitHub, "ping", "1", SECRET, ping);
    assert_eq!(told(&world, &ping).await, said(200, "pong"));
    for sender in Sender::ALL {
        assert_eq!(told(&world, &Hook::unknown(sender, "2", SECRET)).await, said(202, "ignored"));
        let elsewhere = Hook::push(sender, "team/other", "3", SECRET);
        assert_eq!(told(&world, &elsewhere).await, said(202, "of another repository"), "{sender:?}");
    }
    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, 0);
    assert_eq!(world.tally.of(Counted::Unconcerned), 13);
    world.stop_quietly().await;
}

#[tokio::test]
async fn recorded_payloads_of_every_forge_are_taken() {
    // One installation listens to the webhooks of all repositories there are.
    let world = served_with(Setup { secrets: Some(vec![SECRET]), ..Setup::real_time() }).await;
    let mut lines = Vec::new();
    for sender in Sender::ALL {
        let Some(recorded) = sender.recorded() else { return };
        let counts = || {
            [Counted::Stored, Counted::Repeated, Counted::Unconcerned].map(|counted| world.tally.of(counted))
        };
        let before = counts();
        for (number, (event, body)) in recorded.into_iter().enumerate() {
            let hook = Hook::new(sender, &event, &format!("{sender:?}-{number}"), SECRET, body);
            let status = hook.send(world.port()).await.unwrap();
            assert!(matches!(status, 200 | 202), "{sender:?} {event}: {status}");
        }
        let [stored, repeated, unconcerned] = counts();
        lines.push(format!(
            "{}: {} stored, {} repeated, {} unconcerned",
            sender.segment(),
            stored - before[0],
            repeated - before[1],
            unconcerned - before[2]
        ));
    }
    insta::assert_snapshot!(lines.join("\n"), @r"
    github: 42 stored, 0 repeated, 60 unconcerned
    gitlab: 21 stored, 0 repeated, 1 unconcerned
    gitea: 12 stored, 0 repeated, 3 unconcerned
    forgejo: 12 stored, 0 repeated, 3 unconcerned
    azure-devops: 5 stored, 6 repeated, 0 unconcerned
    bitbucket: 15 stored, 0 repeated, 0 unconcerned
    ");
    acted_on(&world).await;
    world.stop_quietly().await;
}

#[tokio::test]
async fn what_is_not_a_webhook_of_ours_is_refused() {
    let world = served().await;
    let mut hook = Hook::push(Sender::GitHub, REPOSITORY, "1", SECRET);
    hook.header("x-github-delivery").extend_from_slice(b" \xe9");
    assert_eq!(told(&world, &hook).await.0, 400);
    let hook = Hook::push(Sender::GitHub, REPOSITORY, "1", SECRET);
    let unknown = post("/webhooks/sourceforge", &hook.headers, &hook.body);
    let mut connection = Connection::open(world.port()).await;
    assert_eq!(connection.ask(&unknown).await.unwrap().status, 404);
    assert_eq!(status(&world, "/webhooks/github").await, 405, "GET");
    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, 0);
    assert_eq!(world.tally.of(Counted::Refused), 3);
    world.stop_quietly().await;
}

#[tokio::test]
async fn without_a_secret_nothing_is_believed() {
    let world = served_with(Setup { secrets: Some(vec![]), ..Setup::real_time() }).await;
    for sender in Sender::ALL {
        assert_eq!(Hook::push(sender, REPOSITORY, "1", "").send(world.port()).await, Some(503));
    }
    assert_eq!(world.tally.of(Counted::Refused), 6);
    world.stop_quietly().await;
}

#[tokio::test]
async fn bodies_and_headers_are_bounded() {
    let world = served().await;
    // More than a framework's usual limit, less than GitHub's.
    let padding = " ".repeat(3 * 1024 * 1024);
    let mut body = Hook::push(Sender::GitLab, REPOSITORY, "1", SECRET).body;
    body.extend_from_slice(padding.as_bytes());
    let large = Hook::new(Sender::GitLab, "Push Hook", "1", SECRET, body);
    assert_eq!(large.send(world.port()).await, Some(202));

    let mut hook = Hook::push(Sender::GitHub, REPOSITORY, "2", SECRET);
    hook.headers.push(("content-length".to_owned(), (25 * 1024 * 1024 + 1).to_string().into()));
    assert_eq!(hook.send(world.port()).await, Some(413), "before any of it is read");
    hook.headers.pop();
    hook.headers.push(("transfer-encoding".to_owned(), b"chunked".to_vec()));
    hook.body = format!("{:x}\r\n", 25 * 1024 * 1024 + 1).into_bytes();
    hook.body.resize(hook.body.len() + 25 * 1024 * 1024 + 1, b' ');
    assert_eq!(hook.send(world.port()).await, Some(413), "as soon as it is too much");
    assert_eq!(world.tally.of(Counted::Refused), 2);

    let mut hook = Hook::push(Sender::GitHub, REPOSITORY, "3", SECRET);
    hook.headers.push(("x-long".to_owned(), vec![b'x'; 200 * 1024]));
    assert_eq!(hook.send(world.port()).await, Some(431), "too long");
    hook.headers.pop();
    hook.headers.extend((0..200).map(|number| (format!("x-{number}"), b"x".to_vec())));
    assert_eq!(hook.send(world.port()).await, Some(431), "too many");

    let mut hook = Hook::push(Sender::Bitbucket, REPOSITORY, "4", SECRET);
    hook.headers.push(("content-length".to_owned(), (1024 * 1024).to_string().into()));
    assert_eq!(hook.send(world.port()).await, Some(413), "Bitbucket sends no more than 256 KB");

    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, 1);
    acted_on(&world).await;
    world.stop_quietly().await;
}

#[tokio::test]
async fn what_the_headers_rule_out_is_refused_before_the_body_is_read() {
    let world = served().await;
    for sender in Sender::ALL {
        let hook = || {
            let mut hook = Hook::push(sender, REPOSITORY, "1", SECRET);
            hook.headers.push(("content-length".to_owned(), b"200000".to_vec()));
            // Not one byte of it ever comes.
            hook.body.clear();
            hook
        };
        let mut unsigned = hook();
        unsigned.headers.retain(|(name, _)| name != sender.proof());
        assert_eq!(unsigned.send(world.port()).await, Some(401), "{sender:?}: unsigned");
        let mut malformed = hook();
        *malformed.header(sender.proof()) = b"sha256=12".to_vec();
        assert_eq!(malformed.send(world.port()).await, Some(401), "{sender:?}: malformed");
        let mut form = hook();
        form.headers.push(("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec()));
        let (code, text) = told(&world, &form).await;
        assert_eq!(code, 415, "{sender:?}: a form");
        assert!(text.contains("application/json"), "{text}");
        if let Some(event) = sender.event_header() {
            let mut nameless = hook();
            nameless.headers.retain(|(name, _)| name != event);
            assert_eq!(nameless.send(world.port()).await, Some(400), "{sender:?}: without an event");
        }
    }
    world.stop_quietly().await;
}

#[tokio::test]
async fn a_large_webhook_is_believed_by_its_signature_and_read() {
    let world = served().await;
    let mut body = Hook::push(Sender::GitHub, REPOSITORY, "1", SECRET).body;
    body.resize(body.len() + 20 * 1024 * 1024, b' ');
    let hook = |secret| Hook::new(Sender::GitHub, "push", "1", secret, body.clone());
    assert_eq!(hook("another").send(world.port()).await, Some(401));
    assert_eq!(hook(SECRET).send(world.port()).await, Some(202));
    acted_on(&world).await;
    world.stop_quietly().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_is_hung_up_on() {
    let world = served_with(Setup { secrets: Some(vec![SECRET]), ..Setup::new() }).await;
    let mut hook = Hook::push(Sender::GitHub, REPOSITORY, "1", SECRET);
    hook.headers.push(("content-length".to_owned(), b"1000".to_vec()));
    // On virtual time, a head that the kernel delivers late is one that never came.
    let mut status = None;
    for _ in 0..20 {
        status = if status.is_none() { hook.send(world.port()).await } else { status };
    }
    assert_eq!(status, Some(408), "half a body");
    assert_eq!(world.tally.of(Counted::Refused), 1);
    for beginning in ["", "POST /webhooks/github HT", "POST /webhooks/github HTTP/1.1\r\nhost: localhost\r\n"]
    {
        let mut connection = Connection::open(world.port()).await;
        assert!(connection.ask(beginning.as_bytes()).await.is_none(), "{beginning}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_webhook_is_on_the_disk_before_it_is_answered() {
    let mut world = served().await;
    world.soon("ready", async || status(&world, "/readyz").await == 200).await;
    // While the origin is away no look can succeed, and what was stored stays to be acted on.
    let (origin, away) = (world.repository.origin(), world.repository.folder().join("away"));
    std::fs::rename(&origin, &away).unwrap();
    let hook = |id| Hook::push(Sender::GitHub, REPOSITORY, id, SECRET);
    assert_eq!(hook("1").send(world.port()).await, Some(202));
    world.kill().await;
    const UNHANDLED: &str = "SELECT COUNT(*) FROM inbox WHERE handled_at IS NULL";
    assert_eq!(world.on_disk(UNHANDLED).await, 1);
    std::fs::rename(&away, &origin).unwrap();
    world.start().await;
    acted_on(&world).await;
    assert_eq!(told(&world, &hook("1")).await, said(202, "seen before"));
    assert_eq!(told(&world, &hook("2")).await, said(202, "stored"));
    acted_on(&world).await;
    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, 2);
    world.stop_quietly().await;
}

#[tokio::test]
async fn health_says_alive_at_once_and_ready_after_the_first_look() {
    let world = served().await;
    assert_eq!(status(&world, "/healthz").await, 200);
    world.soon("ready", async || status(&world, "/readyz").await == 200).await;
    assert_eq!(status(&world, "/nothing").await, 404);
    world.stop_quietly().await;
}

#[tokio::test]
async fn a_forge_that_is_away_keeps_nobody_from_being_ready() {
    let options = github::Options {
        api: "http://127.0.0.1:9".to_owned(),
        repository: "octo/infra".parse().unwrap(),
        access: github::Access::Token("token".into()),
    };
    let setup = Setup { secrets: Some(vec!["secret"]), ..Setup::real_time() };
    let client = wire::Client::new(&wire::Options::default()).unwrap();
    let forge = Forge::GitHub(GitHub::new(client, setup.clock.clone(), options).unwrap());
    let mut world = DaemonWorld::with(Setup { forge: Some(forge), ..setup });
    world.repository.write("README", "nothing");
    world.repository.push("before the daemon");
    world.start().await;
    world.soon("ready", async || status(&world, "/readyz").await == 200).await;
    world.stop_quietly().await;
}

async fn status(world: &DaemonWorld, path: &str) -> u16 {
    wire::install_tls_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(world.address(path)).send().await.unwrap().status().as_u16()
}
