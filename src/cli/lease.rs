//! The lease of an environment, held for as long as a person's apply takes.
//!
//! The same lease as the daemon's, in the same store: whoever has it is the only one who writes to the
//! journal of that environment; the fence in every event proves it.

use tokio_util::sync::CancellationToken;

use super::error::CliError;
use crate::clock::Clock;
use crate::reconcile::apply::{Fence, LEASE_DURATION};
use crate::resources::EnvironmentName;
use crate::store::{Store, environment_lease, this_process};

/// A lease that renews itself until it is released or dropped.
pub(super) struct Lease {
    store: Store,
    key: String,
    /// Its number.
    pub(super) fence: Fence,
    renewal: tokio::task::JoinHandle<()>,
}

impl Lease {
    /// Takes the lease of `environment`. When somebody else takes it over, `lost` is cancelled.
    pub(super) async fn take(
        store: &Store,
        clock: &Clock,
        environment: &EnvironmentName,
        lost: &CancellationToken,
    ) -> Result<Self, CliError> {
        let key = environment_lease(environment);
        let holder = this_process(clock.uuid());
        let taken = store.acquire_lease(&key, &holder, clock.now(), LEASE_DURATION).await?;
        let Some(fence) = taken else {
            let environment = environment.clone();
            return Err(CliError::Leased { environment, holding: store.holding(&key).await? });
        };
        let renewal = renew(store.clone(), clock.clone(), key.clone(), holder, fence, lost.clone());
        Ok(Self { store: store.clone(), key, fence, renewal: tokio::spawn(renewal) })
    }

    /// Gives it back.
    pub(super) async fn release(self) -> Result<(), CliError> {
        self.renewal.abort();
        Ok(self.store.release_lease(&self.key, self.fence).await?)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(
    store: Store,
    clock: Clock,
    key: String,
    holder: String,
    fence: Fence,
    lost: CancellationToken,
) {
    loop {
        clock.sleep(LEASE_DURATION / 3).await;
        match store.renew_lease(&key, &holder, fence, clock.now(), LEASE_DURATION).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!(key, "the lease was taken over: stopping");
                lost.cancel();
                return;
            }
            Err(error) => tracing::warn!(%error, key, "the lease could not be renewed; tried again"),
        }
    }
}
