//! What a piece of work is about: the definition at a commit with everything that a reconciliation needs
//! to know of it, or why it cannot be reconciled.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::consent::consents;
use super::error::WorkError;
use super::neighbours::OfCommit;
use super::side_by_side::{claims_at, rivals_of};
use crate::attempt::source::{Definition, load_at};
use crate::attempt::{Memory, Subject, removed_environment, stored_claims};
use crate::daemon::shared::Shared;
use crate::definitions::{Diagnostic, Environment, claims, collisions};
use crate::git::{CommitId, GitError};
use crate::resources::EnvironmentName;
use crate::store::{Claim, EnvironmentRecord, Work};

/// What a piece of work comes to.
pub(in crate::daemon) enum Reading {
    /// Something to reconcile.
    Subject {
        /// What.
        subject: Box<Subject>,
        /// How many environments its commit is about.
        neighbours: usize,
    },
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

/// Reads what `work` is about, as `commit` has it.
pub(in crate::daemon) async fn read(
    shared: &Arc<Shared>,
    work: &Work,
    commit: &CommitId,
) -> Result<Reading, WorkError> {
    let record = shared.store.environment(&work.environment).await?;
    let mut found = {
        let (shared, commit, work, record) = (shared.clone(), *commit, work.clone(), record.clone());
        tokio::task::spawn_blocking(move || locate(&shared, &commit, &work, record.as_ref())).await??
    };
    let (environment, digest) = match (found.own.pop(), found.own.is_empty()) {
        (Some(last), false) => return Ok(found.rivals(last)),
        (Some((_, Definition { loaded, digest, .. })), true) => match loaded.environment {
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
    let rivals = rivals_of(shared, work).await?;
    let mut diagnostics = rivals.problems_of(&environment.path).to_vec();
    // What has no file claims nothing: whoever claims the same takes it over.
    if digest.is_some() {
        diagnostics.extend(collisions_with_others(shared, commit, &environment).await?);
    }
    diagnostics.retain(Diagnostic::is_error);
    if !diagnostics.is_empty() {
        diagnostics.dedup();
        return Ok(Reading::Invalid { diagnostics, claims: stored_claims(&environment) });
    }
    let memory = Memory::of(&shared.store, &environment).await?;
    // What a pull request would merge is said of its head.
    let named = if *commit == work.reads { work.commit } else { *commit };
    let is_removed = digest.is_none();
    let subject = match Subject::new(environment.clone(), Some(named), digest, &memory, &shared.estate) {
        Ok(subject) => subject,
        Err(unknown) => {
            let diagnostics = vec![*unknown];
            return Ok(Reading::Invalid { diagnostics, claims: Vec::new() });
        }
    };
    let mut subject = if is_removed { subject.gone() } else { subject };
    subject.remembered = {
        let shared = Arc::clone(shared);
        let read = move || {
            let reader = shared.mirror.reader()?;
            Ok::<_, GitError>(memory.declared_before(&reader, &shared.root, &shared.estate))
        };
        tokio::task::spawn_blocking(read).await??
    };
    subject.consents = consents(shared, work, commit, subject.since.as_ref(), &rivals).await?;
    subject.neighbours = Some(Arc::new(OfCommit { shared: Arc::clone(shared), commit: *commit }));
    Ok(Reading::Subject { subject: Box::new(subject), neighbours: rivals.number() })
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
