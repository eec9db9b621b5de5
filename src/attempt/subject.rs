//! An environment with everything that a plan of it needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Account, Estate, Memory};
use crate::definitions::{Diagnostic, Environment, InputDigest};
use crate::git::CommitId;
use crate::reconcile::plan::{Consents, Revision};
use crate::reconcile::{Neighbours, Remembered, Wanted};
use crate::resources::Site;
use crate::resources::id::ResourceId;

/// A sound definition, and everything that belongs to it.
#[derive(Clone)]
pub struct Subject {
    /// The definition; of a removed environment one without resources.
    pub environment: Environment,
    /// The commit that it was read from; `None` for a working tree.
    pub commit: Option<CommitId>,
    /// Digest of its file and of what that inherits; `None` where there is no file or no commit.
    pub digest: Option<InputDigest>,
    /// Its subscription, and the way into it.
    pub account: Account,
    /// What may be destroyed.
    pub consents: Consents,
    /// The commit of its last complete apply, as far as it is remembered.
    pub since: Option<CommitId>,
    /// The other environments of its commit.
    pub neighbours: Option<Arc<dyn Neighbours>>,
    /// What earlier definitions of it declared.
    pub remembered: Remembered,
    site: Site,
    former_groups: Vec<ResourceId>,
    revision: Option<Revision>,
    removed: bool,
}

impl Subject {
    /// `environment` as it stands at `commit`, with what is remembered of it. Nothing is consented to yet.
    ///
    /// # Errors
    /// The problem of the definition, whose subscription is not configured.
    pub fn new(
        environment: Environment,
        commit: Option<CommitId>,
        digest: Option<InputDigest>,
        memory: &Memory,
        estate: &Estate,
    ) -> Result<Self, Box<Diagnostic>> {
        let account = estate.account(&environment)?.clone();
        Ok(Self {
            site: environment.site(&estate.owner, account.subscription, account.tenant),
            former_groups: memory.former_groups(&environment, account.subscription),
            since: memory.since(),
            consents: Consents::new(estate.globs),
            neighbours: None,
            remembered: Remembered::NOTHING,
            revision: commit.map(|commit| Revision(commit.to_string())),
            removed: false,
            environment,
            commit,
            digest,
            account,
        })
    }

    /// The same, of an environment whose file is gone: everything of it is to go.
    #[must_use]
    pub fn gone(self) -> Self {
        Self { removed: true, ..self }
    }

    /// Whether its file is gone.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.removed
    }

    /// The ids of what it declares.
    #[must_use]
    pub fn declared(&self) -> BTreeSet<ResourceId> {
        self.environment.ids(&self.site).into_iter().collect()
    }

    /// What is to be reconciled.
    #[must_use]
    pub fn wanted(&self) -> Wanted<'_> {
        Wanted {
            environment: &self.environment,
            site: &self.site,
            former_groups: &self.former_groups,
            consents: &self.consents,
            commit: self.revision.as_ref(),
            input_digest: self.digest.as_ref(),
            remembered: &self.remembered,
            neighbours: self.neighbours.as_deref(),
        }
    }
}
