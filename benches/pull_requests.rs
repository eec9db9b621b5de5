//! From a webhook to the first pending status of a pull request, and to the comment with its plan.
//!
//! A whole daemon, its journal on disk, its repository behind nginx over HTTPS, webhooks over loopback. GitHub
//! and Azure are the simulators in this process; each of their answers takes 20 ms longer. Run with
//! `cargo bench --bench pull_requests`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the benchmarks use a part of the stories' worlds")]
mod support;

use std::time::{Duration, Instant};

use beamline::daemon::Happening;
use beamline::forge::github::{Access, Options};
use beamline::forge::{Forge, GitHub, State};
use beamline::git::CommitId;
use beamline::store::Message;
use beamline::wire;
use beamline_simulator::forge::{ForgeKind, ForgeOptions, ForgeWorld, Permission, PullRequest};
use support::connection::{Connection, post};
use support::daemon_world::slowly;
use support::git_servers::{Authority, Nginx, TOKEN};
use support::{DaemonWorld, PRODUCTION, Setup};

/// Pushes that are measured.
const PUSHES: usize = 25;

/// How much longer every answer of Azure and of the forge takes.
const LATENCY: Duration = Duration::from_millis(20);

/// The longest that is waited for one thing.
const PATIENCE: Duration = Duration::from_secs(60);

const SECRET: &str = "webhook:secret";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(pull_request());
}

async fn pull_request() {
    let setup = Setup::real_time();
    let github = ForgeWorld::new(ForgeOptions::new(setup.clock.clone(), ForgeKind::GitHub));
    let token = github.add_account("beamline", Permission::Write);
    let options = Options {
        api: "https://api.github.invalid".to_owned(),
        repository: "octo/infra".parse().unwrap(),
        access: Access::Token(token.into()),
    };
    let client = wire::Client::in_process(slowly(github.router(), LATENCY));
    let forge = Some(Forge::GitHub(GitHub::new(client, setup.clock.clone(), options).unwrap()));
    let mut world = DaemonWorld::with(Setup { forge, secrets: Some(vec![SECRET]), delay: LATENCY, ..setup });
    // No file notification tells of a push.
    let server = Nginx::start(world.repository.folder(), Authority::trusted());
    world.poll_from(server.remote("origin.git", TOKEN), Duration::from_secs(60 * 60));
    world.repository.write("environments/production.yaml", PRODUCTION);
    let main = world.repository.push("the first environment");
    github.pushed("main", &main.to_string());
    world.start().await;
    let began = Instant::now();
    while !world.is_settled("main", &main).await {
        assert!(began.elapsed() < PATIENCE, "the first environment is not applied");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let (mut pending, mut planned) = (Vec::new(), Vec::new());
    for round in 0..PUSHES {
        let head = push(&world, round);
        drop(github.deliveries());
        if round == 0 {
            let proposal = PullRequest::new("alice", "feature", &head.to_string());
            github.open(proposal.changing(&["environments/production.yaml"]));
        } else {
            github.push(1, &head.to_string());
        }
        world.happenings();
        let began = Instant::now();
        deliver(&world, &github).await;
        let is_pending = |happening: &Happening| {
            matches!(happening, Happening::Delivered(status)
                if status.commit == head && status.state == State::Pending)
        };
        pending.push(seen(&world, began, is_pending).await);
        let is_said = |happening: &Happening| matches!(happening, Happening::Said(message) if matches!(**message, Message::Plan { .. }));
        planned.push(seen(&world, began, is_said).await);
        let rest = Instant::now();
        while !world.is_at_rest().await {
            assert!(rest.elapsed() < PATIENCE, "it does not come to rest");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    println!("a push to a pull request that changes one cluster, {PUSHES} pushes, 20 ms to Azure and GitHub");
    print("webhook → first pending status", pending, 100.0);
    print("webhook → plan posted", planned, 1000.0);
    world.stop().await;
}

/// Pushes another size of the cluster to the pull request's branch, as GitHub keeps it.
fn push(world: &DaemonWorld, round: usize) -> CommitId {
    let size = 11 + round;
    let text = PRODUCTION.replacen("max_node_count: 10", &format!("max_node_count: {size}"), 1);
    world.repository.write("environments/production.yaml", &text);
    let head = world.repository.push_to("feature", "more nodes");
    world.repository.git(&["push", "-q", "--force", "origin", "HEAD:refs/pull/1/head"]);
    head
}

/// Brings what the forge has to say to the daemon.
async fn deliver(world: &DaemonWorld, github: &ForgeWorld) {
    for delivery in github.deliveries() {
        let headers: Vec<_> =
            delivery.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        let request = post(delivery.path, &headers, &delivery.body);
        let answer = Connection::open(world.port()).await.ask(&request).await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
}

/// How long after `began` something happened.
async fn seen(world: &DaemonWorld, began: Instant, wanted: impl Fn(&Happening) -> bool) -> Duration {
    while !world.has_happened(&wanted) {
        assert!(began.elapsed() < PATIENCE, "it does not happen");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    began.elapsed()
}

fn print(name: &str, mut samples: Vec<Duration>, aim_ms: f64) {
    samples.sort();
    let ms =
        |share: f64| samples[((samples.len() - 1) as f64 * share).ceil() as usize].as_secs_f64() * 1000.0;
    println!("{name:<32} p50 {:>6.1} ms, p99 {:>6.1} ms (aim {aim_ms:.0} ms)", ms(0.5), ms(0.99));
}
