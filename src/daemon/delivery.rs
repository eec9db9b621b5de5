//! Drains the outbox to the forge: at least once, in order per commit and context, until accepted.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::happening::Happening;
use super::service::Shared;
use crate::forge::{Class, after_failure};

/// Most statuses that are taken out at once. One Git push carries them all.
const BATCH: u32 = 50;

/// How long an outbox in which nothing is due is left alone. Whoever puts something in wakes it; this is
/// the backstop.
const IDLE: Duration = Duration::from_secs(60);

/// The shortest pause, so that a store that cannot be written does not make statuses go out in a storm.
const BREATH: Duration = Duration::from_millis(100);

/// Delivers until `stop`, then once more whatever is due.
pub(super) async fn deliver(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let woken = shared.outbox.notified();
        let delivered = deliver_due(&shared).await;
        if stop.is_cancelled() {
            return;
        }
        let pause = if delivered == BATCH as usize { BREATH } else { pause(&shared).await };
        tokio::select! {
            () = woken => {}
            () = shared.clock.sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Until the next status is due.
async fn pause(shared: &Shared) -> Duration {
    match shared.store.next_due().await {
        Ok(Some(next)) => shared.clock.until(next).clamp(BREATH, IDLE),
        Ok(None) | Err(_) => IDLE,
    }
}

/// Delivers what is due now; answers how many statuses were taken out.
async fn deliver_due(shared: &Shared) -> usize {
    let due = match shared.store.due(shared.clock.now(), BATCH).await {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(%error, "the outbox cannot be read");
            return 0;
        }
    };
    let statuses: Vec<_> = due.iter().map(|outgoing| outgoing.status.clone()).collect();
    if statuses.is_empty() {
        return 0;
    }
    let answers = shared.forge.post(&statuses).await;
    for (outgoing, answer) in due.iter().zip(answers) {
        let now = shared.clock.now();
        let recorded = match answer {
            Ok(()) => {
                shared.tell(Happening::Delivered(outgoing.status.clone()));
                shared.store.delivered(outgoing.id, now).await
            }
            Err(error) => {
                let retry_at = after_failure(outgoing.attempts + 1, &error.class, &shared.clock);
                match error.class {
                    Class::Refused => {
                        tracing::error!(commit = %outgoing.status.commit.short(), %error, "the forge refuses a status");
                        shared.tell(Happening::Trouble(error.to_string()));
                    }
                    Class::Retry { .. } => tracing::warn!(%error, %retry_at, "a status is delivered later"),
                }
                shared.store.delivery_failed(outgoing.id, &error.to_string(), retry_at).await
            }
        };
        if let Err(error) = recorded {
            tracing::error!(%error, "the outbox cannot be written; the status will be delivered again");
        }
    }
    statuses.len()
}
