//! How fast webhooks are answered while very many arrive: 10,000 deliveries over 64 connections that are
//! kept alive, to a whole daemon over loopback with its journal on disk.
//!
//! The senders share the machine's cores with the daemon, and sign what they send beforehand. Run with
//! `cargo bench --bench webhooks`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be run fails")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the benchmarks use a part of the stories' worlds")]
mod support;

use std::time::{Duration, Instant};

use beamline::daemon::Counted;
use support::connection::Connection;
use support::hook::{Hook, REPOSITORY, Sender};
use support::{DaemonWorld, Setup};

const SECRET: &str = "a secret of the webhook";
const DELIVERIES: usize = 10_000;
const CONNECTIONS: usize = 64;

/// The longest at the 99th percentile.
const AIM: Duration = Duration::from_millis(50);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for round in 1..=3 {
            burst(round).await;
        }
    });
}

async fn burst(round: usize) {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![SECRET]), ..Setup::real_time() });
    world.repository.write("README", "nothing");
    let head = world.repository.push("no environment");
    world.start().await;
    world.settled("main", &head).await;
    let looks = world.tally.of(Counted::Look);
    let port = world.port();
    let prepared: Vec<Vec<Vec<u8>>> = (0..CONNECTIONS).map(requests).collect();
    let began = Instant::now();
    let senders: Vec<_> =
        prepared.into_iter().map(|requests| tokio::spawn(deliver(port, requests))).collect();
    let mut times = Vec::with_capacity(DELIVERIES);
    for sender in senders {
        times.extend(sender.await.unwrap());
    }
    let took = began.elapsed();
    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, DELIVERIES as i64);
    times.sort();
    let ms = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    println!(
        "burst {round}: {DELIVERIES} webhooks over {CONNECTIONS} connections in {:.2} s; answered in \
         {:.1} ms (median), {:.1} ms (p99, aim {} ms), {:.1} ms (worst); {} transactions, {} looks",
        took.as_secs_f64(),
        ms(0.5),
        ms(0.99),
        AIM.as_millis(),
        ms(1.0),
        world.tally.of(Counted::InboxCommit),
        world.tally.of(Counted::Look) - looks,
    );
    world.stop().await;
}

fn requests(first: usize) -> Vec<Vec<u8>> {
    let numbers = (first..DELIVERIES).step_by(CONNECTIONS);
    let hook = |number: usize| Hook::push(Sender::GitHub, REPOSITORY, &number.to_string(), SECRET);
    numbers.map(|number| hook(number).request()).collect()
}

/// How long each answer took.
async fn deliver(port: u16, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut connection = Connection::open(port).await;
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let began = Instant::now();
        assert_eq!(connection.ask(&request).await.unwrap().status, 202);
        times.push(began.elapsed());
    }
    times
}
