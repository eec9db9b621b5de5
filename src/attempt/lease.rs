//! The lease of an environment: whoever has it is the only one who writes to the environment's journal.
//!
//! Guarantee: the fence in every event proves it; a lease that was taken over is noticed within a third of its
//! duration, by [`Lease::keep`].

use crate::clock::Clock;
use crate::reconcile::apply::{Fence, JournalError, LEASE_DURATION};
use crate::resources::EnvironmentName;
use crate::store::{Holding, Store, StoreError, environment_lease};

/// A lease that somebody has to [`keep`](Self::keep) while it is needed.
#[derive(Clone, Debug)]
pub struct Lease {
    store: Store,
    clock: Clock,
    environment: EnvironmentName,
    holder: String,
    fence: Fence,
}

/// What became of the wish for a lease.
#[derive(Debug)]
pub enum Taken {
    /// It is ours until it is released or runs out.
    Ours(Lease),
    /// Somebody else has it; `None` when that one has just let go.
    Theirs(Option<Holding>),
}

impl Lease {
    /// Takes the lease of `environment` for `holder`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn take(
        store: &Store,
        clock: &Clock,
        environment: &EnvironmentName,
        holder: &str,
    ) -> Result<Taken, StoreError> {
        let key = environment_lease(environment);
        let fence = store.acquire_lease(&key, holder, clock.now(), LEASE_DURATION).await?;
        let Some(fence) = fence else { return Ok(Taken::Theirs(store.holding(&key).await?)) };
        Ok(Taken::Ours(Self {
            store: store.clone(),
            clock: clock.clone(),
            environment: environment.clone(),
            holder: holder.to_owned(),
            fence,
        }))
    }

    /// The environment that nobody else may work on.
    #[must_use]
    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// The number of this hold; every later one has a larger number.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Prolongs the lease for as long as it is ours. Returns when somebody else has it: whoever holds it now
    /// does the work.
    pub async fn keep(&self) -> JournalError {
        let key = environment_lease(&self.environment);
        loop {
            self.clock.sleep(LEASE_DURATION / 3).await;
            let now = self.clock.now();
            match self.store.renew_lease(&key, &self.holder, self.fence, now, LEASE_DURATION).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!(key, "the lease was taken over");
                    return JournalError::LeaseLost { environment: self.environment.clone() };
                }
                Err(error) => tracing::warn!(%error, key, "the lease could not be renewed; tried again"),
            }
        }
    }

    /// Gives it back. Where that fails, it expires by itself.
    pub async fn release(self) {
        let key = environment_lease(&self.environment);
        if let Err(error) = self.store.release_lease(&key, self.fence).await {
            tracing::warn!(%error, key, "the lease stays until it expires");
        }
    }
}
