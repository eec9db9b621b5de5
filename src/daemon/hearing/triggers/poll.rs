//! The poll: what a lost webhook or file notification costs at most is one interval.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::daemon::shared::event::{Because, Event};

/// Sends a look every `interval` until `stop`.
pub(in crate::daemon) async fn poll(
    interval: Duration,
    clock: Clock,
    events: Sender<Event>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = clock.sleep(interval) => {}
            () = stop.cancelled() => return,
        }
        if events.send(Event::Look(Because::Polled)).await.is_err() {
            return;
        }
    }
}
