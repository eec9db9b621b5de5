//! What a piece of work is about: the definition at a commit with everything that a reconciliation needs
//! to know of it, or why it cannot be reconciled.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::consent::consents;
use super::estate::{Account, EstateError};
use super::head::removed_environment;
use super::rivals::claims_at;
use super::service::Shared;
use super::source::{Definition, load_at};
use super::worker::WorkError;
use crate::definitions::{self, Code, Diagnostic, Environment, InputDigest, claims, collisions};
use crate::git::{CommitId, GitError};
use crate::reconcile::Wanted;
use crate::reconcile::plan::{Consents, Revision};
use crate::resources::id::ResourceId;
use crate::resources::{EnvironmentName, Severity, Site};
use crate::store::{Claim, EnvironmentRecord, Work};

/// What a piece of work comes to.
pub(super) enum Reading {
    /// Something to reconcile.
    Subject(Box<Subject>),
    /// Definitions with errors.
    Invalid {
        /// The errors, and advice.
        diagnostics: Vec<Diagnostic>,
        /// What the definition claims all the same, so that whoever else claims it hears of it too.
        claims: Vec<Claim>,
    },
    /// Its file is gone, and nothing was ever made of it.
    Nothing,
    /// It has another name now.
    Renamed(EnvironmentName),
}

/// A definition that can be reconciled, with everything that belongs to it.
pub(super) struct Subject {
    pub(super) environment: Environment,
    pub(super) digest: Option<InputDigest>,
    pub(super) account: Account,
    pub(super) consents: Consents,
    pub(super) former_groups: Vec<ResourceId>,
    /// The commit of its last complete apply, as far as the store remembers.
    pub(super) since: Option<CommitId>,
    /// How many environments its commit is about.
    pub(super) neighbours: usize,
}

impl Subject {
    pub(super) fn site(&self, owner: &str) -> Site {
        self.environment.site(owner, self.account.subscription, self.account.tenant)
    }

    pub(super) fn wanted<'a>(&'a self, site: &'a Site, commit: Option<&'a Revision>) -> Wanted<'a> {
        Wanted {
            environment: &self.environment,
            site,
            former_groups: &self.former_groups,
            consents: &self.consents,
            commit,
            input_digest: self.digest.as_ref(),
        }
    }

    /// Whether its file is gone.
    pub(super) fn is_removed(&self) -> bool {
        self.digest.is_none()
    }
}

/// Reads what `work` is about, as `commit` has it.
pub(super) async fn read(shared: &Arc<Shared>, work: &Work, commit: &CommitId) -> Result<Reading, WorkError> {
    let record = shared.store.environment(&work.environment).await?;
    let mut found = {
        let (shared, commit, work, record) = (shared.clone(), *commit, work.clone(), record.clone());
        tokio::task::spawn_blocking(move || locate(&shared, &commit, &work, record.as_ref())).await??
    };
    let (environment, digest) = match (found.own.pop(), found.own.is_empty()) {
        (Some(last), false) => return Ok(found.rivals(last)),
        (Some((_, Definition { loaded, digest })), true) => match loaded.environment {
            Some(environment) => (environment, Some(digest)),
            None => return Ok(Reading::Invalid { diagnostics: loaded.diagnostics, claims: Vec::new() }),
        },
        (None, _) => match (found.renamed_to, &record) {
            (Some(name), _) => return Ok(Reading::Renamed(name)),
            // Its file is gone: what is left of it in Azure is known from the record.
            (None, Some(record)) if !record.resource_group.is_empty() => (removed_environment(record), None),
            (None, Some(_) | None) => return Ok(Reading::Nothing),
        },
    };
    let rivals = shared.rivals.of(shared, work).await?;
    let mut diagnostics = rivals.problems_of(&environment.path).to_vec();
    diagnostics.extend(collisions_with_others(shared, commit, &environment).await?);
    diagnostics.retain(Diagnostic::is_error);
    if !diagnostics.is_empty() {
        diagnostics.dedup();
        return Ok(Reading::Invalid { diagnostics, claims: stored_claims(&environment) });
    }
    let account = match shared.estate.account(&environment.subscription) {
        Ok(account) => account.clone(),
        Err(error) => {
            let diagnostics = vec![unknown_subscription(&environment, &error)];
            return Ok(Reading::Invalid { diagnostics, claims: Vec::new() });
        }
    };
    let record = match (record, &environment.renamed_from) {
        (None, Some(former)) => shared.store.environment(former).await?,
        (record, _) => record,
    };
    let since =
        record.as_ref().and_then(|record| record.last_complete.as_ref()).map(|applied| applied.commit);
    let consents = consents(shared, work, commit, since.as_ref()).await?;
    let moved = record.iter().filter(|record| {
        !record.resource_group.is_empty()
            && record.subscription == environment.subscription
            && record.resource_group != environment.resource_group
    });
    let former_groups = moved
        .map(|record| ResourceId::resource_group(account.subscription, &record.resource_group))
        .collect();
    let neighbours = rivals.environments;
    Ok(Reading::Subject(Box::new(Subject {
        environment,
        digest,
        account,
        consents,
        former_groups,
        since,
        neighbours,
    })))
}

/// What a definition claims, as it is stored.
pub(super) fn stored_claims(environment: &Environment) -> Vec<Claim> {
    claims(environment).iter().map(stored_claim).collect()
}

fn stored_claim(claim: &definitions::Claim) -> Claim {
    Claim { kind: claim.kind.as_str().to_owned(), key: claim.key.clone() }
}

/// The files that define an environment.
struct Located {
    own: Vec<(String, Definition)>,
    renamed_to: Option<EnvironmentName>,
}

impl Located {
    /// More than one file defines it; `last` is one of them.
    fn rivals(self, last: (String, Definition)) -> Reading {
        let files: Vec<_> = self.own.into_iter().chain([last]).collect();
        let mut claimed = Vec::new();
        let mut diagnostics = Vec::new();
        let mut stored: Vec<Claim> = files.iter().map(|(path, _)| Claim::file(path)).collect();
        for (path, definition) in files {
            diagnostics.extend(definition.loaded.diagnostics);
            if let Some(environment) = definition.loaded.environment {
                stored.extend(stored_claims(&environment));
                claimed.push((path, claims(&environment)));
            }
        }
        diagnostics.extend(collisions(&claimed).into_iter().map(|found| found.diagnostic));
        Reading::Invalid { diagnostics, claims: stored }
    }
}

/// Finds the file of an environment: where the work says it is, where it was last, or where a rival of it
/// was seen. A file that is too broken to say its name counts. Blocking.
fn locate(
    shared: &Shared,
    commit: &CommitId,
    work: &Work,
    record: Option<&EnvironmentRecord>,
) -> Result<Located, GitError> {
    let reader = shared.mirror.reader()?;
    let snapshot = reader.snapshot(commit)?;
    let remembered = record.iter().flat_map(|record| record.rival_files().chain([record.path.as_str()]));
    let paths: BTreeSet<&str> = remembered.chain([work.path.as_str()]).collect();
    let mut located = Located { own: Vec::new(), renamed_to: None };
    for path in paths {
        let Some(definition) = load_at(&snapshot, &shared.root, path)? else { continue };
        match (&definition.loaded.name, &definition.loaded.environment) {
            (Some(name), Some(environment)) if *name != work.environment => {
                let is_former = environment.renamed_from.as_ref() == Some(&work.environment);
                located.renamed_to = located.renamed_to.or_else(|| is_former.then(|| name.clone()));
            }
            (Some(name), None) if *name != work.environment => {}
            (Some(_) | None, _) => located.own.push((path.to_owned(), definition)),
        }
    }
    Ok(located)
}

/// Names that another environment of this repository has claimed, at whatever commit.
async fn collisions_with_others(
    shared: &Arc<Shared>,
    commit: &CommitId,
    environment: &Environment,
) -> Result<Vec<Diagnostic>, WorkError> {
    let holders = shared.store.claims_matching(&stored_claims(environment)).await?;
    let paths: BTreeSet<String> = holders
        .into_iter()
        .filter(|holder| holder.environment != environment.name && holder.path != environment.path)
        .map(|holder| holder.path)
        .collect();
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    // The store may remember what a file claimed at an older commit: what counts is this one.
    let (shared, commit) = (shared.clone(), *commit);
    let others = tokio::task::spawn_blocking(move || claims_at(&shared, &commit, &paths)).await??;
    let own = (environment.path.clone(), claims(environment));
    let all: Vec<_> = others.into_iter().chain([own]).collect();
    let own = collisions(&all).into_iter().filter(|found| found.path == environment.path);
    Ok(own.map(|found| found.diagnostic).collect())
}

fn unknown_subscription(environment: &Environment, error: &EstateError) -> Diagnostic {
    Diagnostic {
        code: Code::UnknownReference,
        severity: Severity::Error,
        message: error.to_string(),
        location: environment.locate_key("subscription"),
        rule: "`subscription` is an alias that the daemon's configuration maps to a subscription".to_owned(),
        remedy: format!(
            "write one of the configured aliases, or have [subscriptions.{}] configured",
            error.alias
        ),
        related: Vec::new(),
    }
}
