//! Whose turn is before that of an apply: nothing older is written over what a newer commit has brought.
//!
//! Guarantee: while an apply plans and writes, no run of another name changes what its definition declares. That of a
//! former name, and whatever was interrupted under another name, is finished first, under that one's lease.

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::error::WorkError;
use super::pass::{Pass, Passed};
use super::subject::{Reading, read};
use crate::attempt::{Lease, Subject, Taken, ahead_of};
use crate::daemon::shared::Shared;
use crate::reconcile::apply::RunKind;
use crate::reconcile::{Planned, ReconcileError};
use crate::resources::EnvironmentName;
use crate::store::{StoreError, this_process};

impl Pass<'_> {
    /// Reconciles once everybody is at rest who may still write to what the definition declares.
    pub(in crate::daemon) async fn in_turn(
        &self,
        subject: Subject,
        neighbours: usize,
    ) -> Result<Passed, WorkError> {
        if self.work.kind != RunKind::Apply {
            return self.reconcile(subject, neighbours).await;
        }
        let mut held = Vec::new();
        for environment in ahead_of(&self.shared.store, &subject).await? {
            let outcome = match self.lease_of(&environment).await {
                Ok(Taken::Ours(lease)) => {
                    held.push(lease);
                    continue;
                }
                Ok(Taken::Theirs(_)) => Ok(Passed::Behind(environment)),
                Err(error) => Err(error.into()),
            };
            give_back(held).await;
            return outcome;
        }
        let held = self.ahead.get_or_init(|| held);
        let mut kept: FuturesUnordered<_> = held.iter().map(|lease| Box::pin(lease.keep())).collect();
        let passed = tokio::select! {
            passed = self.after_others(held, subject, neighbours) => passed,
            Some(lost) = kept.next() => Err(ReconcileError::Journal(lost).into()),
        };
        give_back(held.clone()).await;
        passed
    }

    /// Finishes what those before this one have left, and reconciles.
    async fn after_others(
        &self,
        held: &[Lease],
        subject: Subject,
        neighbours: usize,
    ) -> Result<Passed, WorkError> {
        let (mut subject, mut neighbours) = (subject, neighbours);
        for lease in held {
            let Some(open) = self.shared.store.unfinished_run_of(lease.environment()).await? else {
                continue;
            };
            if let Some(not_yet) = self.finish(&open, lease.fence()).await? {
                return Ok(not_yet);
            }
            // What is remembered under the other name is newer now.
            if let Reading::Subject { subject: now, neighbours: all } =
                read(self.shared, self.work, &self.work.reads).await?
            {
                (subject, neighbours) = (*now, all);
            }
        }
        self.reconcile(subject, neighbours).await
    }

    /// An environment that hands something over, and that somebody works on: a run of an older commit may still change
    /// it. A newer one leaves it alone. Nobody who has died holds anybody up for longer than a lease lasts. One whose
    /// run has begun since the plan was made counts too.
    pub(in crate::daemon) async fn busy_giver(
        &self,
        subject: &Subject,
        planned: &Planned,
    ) -> Result<Option<EnvironmentName>, StoreError> {
        let mut givers = ahead_of(&self.shared.store, subject).await?;
        givers.extend(planned.observed.taken.values().map(|taken| taken.from.clone()));
        for lease in self.ahead.get().into_iter().flatten() {
            givers.remove(lease.environment());
        }
        for giver in givers {
            match self.lease_of(&giver).await? {
                Taken::Ours(lease) => lease.release().await,
                Taken::Theirs(_) => return Ok(Some(giver)),
            }
        }
        Ok(None)
    }

    /// The lease of another environment. Other work of this process may have it as well.
    async fn lease_of(&self, environment: &EnvironmentName) -> Result<Taken, StoreError> {
        let Shared { store, clock, .. } = self.shared.as_ref();
        Lease::take(store, clock, environment, &this_process(clock.uuid())).await
    }
}

async fn give_back(held: Vec<Lease>) {
    for lease in held {
        lease.release().await;
    }
}
