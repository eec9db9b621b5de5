//! The leases that a command holds, one for each environment, for as long as it runs.

use tokio_util::sync::CancellationToken;

use super::error::CliError;
use crate::attempt::{Lease, Taken};
use crate::clock::Clock;
use crate::reconcile::apply::Fence;
use crate::resources::EnvironmentName;
use crate::store::{Store, this_process};

/// A lease that renews itself until it is released or dropped.
pub(super) struct Held {
    lease: Lease,
    renewal: tokio::task::JoinHandle<()>,
}

impl Held {
    /// Takes the lease of `environment`. When somebody else takes it over, `lost` is cancelled.
    pub(super) async fn take(
        store: &Store,
        clock: &Clock,
        environment: &EnvironmentName,
        lost: &CancellationToken,
    ) -> Result<Self, CliError> {
        let holder = this_process(clock.uuid());
        let lease = match Lease::take(store, clock, environment, &holder).await? {
            Taken::Ours(lease) => lease,
            Taken::Theirs(holding) => {
                return Err(CliError::Leased { environment: environment.clone(), holding });
            }
        };
        let (kept, lost) = (lease.clone(), lost.clone());
        let renewal = tokio::spawn(async move {
            kept.keep().await;
            lost.cancel();
        });
        Ok(Self { lease, renewal })
    }

    pub(super) fn fence(&self) -> Fence {
        self.lease.fence()
    }

    pub(super) fn environment(&self) -> &EnvironmentName {
        self.lease.environment()
    }

    /// Gives it back.
    pub(super) async fn release(self) {
        self.renewal.abort();
        self.lease.clone().release().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
