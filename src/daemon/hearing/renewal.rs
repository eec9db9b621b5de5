//! A credential that was replaced is noticed: what was refused with the old one is tried again at once.
//!
//! The new one itself is taken by whoever is refused with the old one (`wire::Renewable`); this only wakes
//! them, once for each replacement, so that nobody waits for a retry's time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::daemon::shared::Shared;
use crate::daemon::shared::event::{Because, Event};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// Looks until `stop`.
pub(in crate::daemon) async fn watch_credentials(
    shared: Arc<Shared>,
    events: Sender<Event>,
    stop: CancellationToken,
) {
    let (mut forge, mut azure) = (Noticed::No, Noticed::No);
    loop {
        tokio::select! {
            () = shared.clock.sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        if forge.is_news(shared.forge.has_new_credential()) {
            tracing::info!("the forge's credential was replaced: what was refused is tried again");
            try_again(&shared).await;
            let _ = events.try_send(Event::Look(Because::Renewed));
        }
        if azure.is_news(shared.estate.accounts.values().any(|account| account.arm.has_new_credential())) {
            tracing::info!("a credential for Azure was replaced: what failed is tried again");
            let _ = events.try_send(Event::Sweep);
        }
    }
}

async fn try_again(shared: &Shared) {
    if let Err(error) = shared.store.try_all_again().await {
        tracing::warn!(%error, "what was refused is tried again in its own time");
    }
    shared.listed.ask_anew().await;
    shared.has_new_credential.store(true, Ordering::Release);
    shared.outbox.notify_one();
}

/// Whether a replacement was noticed that is not in use yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noticed {
    No,
    Yes,
}

impl Noticed {
    fn is_news(&mut self, is_replaced: bool) -> bool {
        let before = std::mem::replace(self, if is_replaced { Self::Yes } else { Self::No });
        is_replaced && before == Self::No
    }
}
