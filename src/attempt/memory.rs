//! What the journal remembers of an environment, as far as it decides what a plan says.

use super::Estate;
use super::source::load_at;
use crate::definitions::Environment;
use crate::git::{CommitId, Reader, RepoPath};
use crate::reconcile::Remembered;
use crate::resources::id::{ResourceId, SubscriptionId};
use crate::store::{EnvironmentRecord, Store, StoreError};

/// The record of an environment. Without one everything is found out from Git and Azure.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    record: Option<EnvironmentRecord>,
}

impl Memory {
    /// What is remembered of `environment`, under its name or the one that it had before.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn of(store: &Store, environment: &Environment) -> Result<Self, StoreError> {
        let own = store.environment(&environment.name).await?;
        let record = match (own, &environment.renamed_from) {
            (None, Some(former)) => store.environment(former).await?,
            (own, _) => own,
        };
        Ok(Self { record })
    }

    /// The commit of the last complete apply: the consents of the commits after it count.
    #[must_use]
    pub fn since(&self) -> Option<CommitId> {
        let complete = self.record.as_ref().and_then(|record| record.last_complete.as_ref());
        complete.map(|applied| applied.commit)
    }

    /// What the definitions declared that were applied and tried last. A commit that cannot be read (any more) says
    /// nothing: what only it could prove is left alone. Blocking.
    #[must_use]
    pub fn declared_before(&self, reader: &Reader, root: &RepoPath, estate: &Estate) -> Remembered {
        let Some(record) = &self.record else { return Remembered::NOTHING };
        let at = |commit: CommitId| {
            let found = load_at(&reader.snapshot(&commit).ok()?, root, &record.path).ok()?;
            let environment = found?.loaded.environment?;
            let site = estate.site(&environment)?;
            Some((environment.ids(&site), environment.managed_ids(&site)))
        };
        let applied = record.last_complete.as_ref().map(|applied| applied.commit);
        let tried = record
            .last_attempt
            .as_ref()
            .map(|attempt| attempt.commit)
            .filter(|tried| applied != Some(*tried));
        let (applied, managed) = applied.and_then(at).unwrap_or_default();
        let (tried, _) = tried.and_then(at).unwrap_or_default();
        Remembered::new(applied, tried).managing(managed)
    }

    /// The group where `environment` lived before, in its subscription, while something may be left there.
    #[must_use]
    pub fn former_groups(&self, environment: &Environment, subscription: SubscriptionId) -> Vec<ResourceId> {
        let moved = self.record.iter().filter(|record| {
            !record.resource_group.is_empty()
                && record.subscription == environment.subscription
                && record.resource_group != environment.resource_group
        });
        moved.map(|record| ResourceId::resource_group(subscription, &record.resource_group)).collect()
    }
}

/// An environment whose file is gone, as far as the store remembers it.
#[must_use]
pub fn removed_environment(record: &EnvironmentRecord) -> Environment {
    Environment::removed(
        record.environment.clone(),
        record.path.clone(),
        record.subscription.clone(),
        record.resource_group.clone(),
    )
}
