//! Very many webhooks at once: all of them stored, in few transactions, and few looks for all of them.
//! How fast they are answered is measured by `benches/webhooks.rs`.

use beamline::daemon::Counted;

use crate::support::connection::Connection;
use crate::support::hook::{Hook, REPOSITORY, Sender};
use crate::support::{DaemonWorld, Setup};

const SECRET: &str = "a secret of the webhook";

const DELIVERIES: usize = 10_000;
const CONNECTIONS: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_deliveries_are_stored_and_their_work_is_one() {
    let mut world = DaemonWorld::with(Setup { secrets: Some(vec![SECRET]), ..Setup::real_time() });
    world.start().await;
    let port = world.port();
    let senders: Vec<_> = (0..CONNECTIONS).map(|first| tokio::spawn(deliver(port, first))).collect();
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(world.on_disk("SELECT COUNT(*) FROM inbox").await, DELIVERIES as i64);
    let (commits, looks) = (world.tally.of(Counted::InboxCommit), world.tally.of(Counted::Look));
    println!("{commits} transactions, {looks} looks");
    assert!(commits < DELIVERIES as u64 / 4, "{commits} transactions");
    assert!(looks < DELIVERIES as u64 / 100, "{looks} looks");
    let pending = async || world.store().pending_deliveries().await.unwrap();
    world.soon("all are acted on", async || pending().await.is_empty()).await;
    world.stop_quietly().await;
}

async fn deliver(port: u16, first: usize) {
    let mut connection = Connection::open(port).await;
    for number in (first..DELIVERIES).step_by(CONNECTIONS) {
        let hook = Hook::push(Sender::GitHub, REPOSITORY, &number.to_string(), SECRET);
        assert_eq!(connection.ask(&hook.request()).await.unwrap().status, 202);
    }
}
