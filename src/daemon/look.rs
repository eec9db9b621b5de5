//! Look again: fetch, compare heads with what the store has seen, store what they touch.
//!
//! The truth is in Git and in the store; why we were woken plays no part. A head is accepted in one
//! transaction with its work and its pending statuses, so that nothing can be lost between them. A
//! branch that cannot be read does not keep the others waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::definitions::Environment;
use crate::forge::Status;
use crate::git::{BranchName, CommitId, GitError, Heads, Reader};
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::resources::EnvironmentName;
use crate::store::{Acceptance, Accepted, Claim, EnvironmentRecord, NewWork, StoreError, Work};

use super::happening::Happening;
use super::orphans::orphans;
use super::service::Shared;
use super::touched::{Candidate, Extent, Found, touched};
use super::wording;

/// How long what has ended is remembered.
const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Most branches that are accepted at one look; the next look follows at once.
const MAX_BRANCHES_PER_LOOK: usize = 100;

/// Why a look came to nothing, or not to everything.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A task was cancelled by the runtime.
    #[error("the look was cut short")]
    Cut(#[from] tokio::task::JoinError),
    /// A bug.
    #[error("the look failed unexpectedly. This is a bug; the log has its place")]
    Panicked,
}

/// What a look found. What was accepted counts, also when something else went wrong.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Work that was queued and work that was superseded.
    pub(super) accepted: Accepted,
    /// What went wrong first.
    pub(super) error: Option<LookError>,
    /// Whether there are more new heads than one look accepts.
    pub(super) is_partial: bool,
}

/// Looks once.
pub(super) async fn look(shared: &Arc<Shared>) -> Looked {
    let mut looked = Looked::default();
    if let Err(error) = try_look(shared, &mut looked).await {
        looked.error = Some(error);
    }
    looked
}

async fn try_look(shared: &Arc<Shared>, looked: &mut Looked) -> Result<(), LookError> {
    // What arrived before the fetch is answered by it.
    let delivered = shared.store.pending_deliveries().await?;
    let mirror = shared.mirror.clone();
    let heads = tokio::task::spawn_blocking(move || mirror.fetch()).await??;
    let seen = shared.store.seen_heads().await?;
    for branch in seen.keys().filter(|branch| !heads.0.contains_key(*branch)) {
        let superseded = shared.store.forget_branch(branch, shared.clock.now(), &wording::superseded).await?;
        looked.accepted.superseded.extend(superseded);
    }
    let new = new_heads(shared, &heads, &seen);
    looked.is_partial = new.len() > MAX_BRANCHES_PER_LOOK;
    let mut failed = None;
    for (branch, commit) in new.into_iter().take(MAX_BRANCHES_PER_LOOK) {
        match accept(shared, &heads, &seen, &branch, &commit).await {
            Ok(accepted) => {
                looked.accepted.work.extend(accepted.work);
                looked.accepted.superseded.extend(accepted.superseded);
            }
            Err(error) => {
                tracing::warn!(%branch, commit = %commit.short(), %error, "a branch cannot be looked at");
                failed.get_or_insert(error);
            }
        }
    }
    if let Some(last) = delivered.last().filter(|_| failed.is_none() && !looked.is_partial) {
        shared.store.deliveries_handled(last.number, shared.clock.now()).await?;
    }
    failed.map_or(Ok(()), Err)
}

/// Heads that were not seen yet, the main branch first.
fn new_heads(
    shared: &Shared,
    heads: &Heads,
    seen: &BTreeMap<BranchName, CommitId>,
) -> Vec<(BranchName, CommitId)> {
    let is_new = |(branch, commit): &(&BranchName, &CommitId)| seen.get(*branch) != Some(*commit);
    let mut new: Vec<(BranchName, CommitId)> =
        heads.0.iter().filter(is_new).map(|(branch, commit)| (branch.clone(), *commit)).collect();
    new.sort_by_key(|(branch, _)| *branch != shared.branch);
    new
}

async fn accept(
    shared: &Arc<Shared>,
    heads: &Heads,
    seen: &BTreeMap<BranchName, CommitId>,
    branch: &BranchName,
    commit: &CommitId,
) -> Result<Accepted, LookError> {
    let kind = if *branch == shared.branch { RunKind::Apply } else { RunKind::Plan };
    let main = heads.0.get(&shared.branch).copied();
    let (from, head) = (seen.get(branch).copied(), *commit);
    let found = {
        let shared = shared.clone();
        let looked = move || find(&shared, kind, main.as_ref(), from.as_ref(), &head);
        tokio::task::spawn_blocking(looked).await??
    };
    let work = new_work(shared, kind, commit, found).await?;
    let statuses = first_statuses(commit, kind, &work);
    let now = shared.clock.now();
    let acceptance = Acceptance { branch: branch.clone(), commit: *commit, now, work, statuses };
    let accepted = shared.store.accept_head(acceptance, &wording::superseded).await?;
    tracing::info!(%branch, commit = %commit.short(), touched = accepted.work.len(), "accepted a new head");
    shared.tell(Happening::NewHead { branch: branch.clone(), commit: *commit, work: accepted.work.clone() });
    Ok(accepted)
}

/// What a head touches. Blocking.
fn find(
    shared: &Shared,
    kind: RunKind,
    main: Option<&CommitId>,
    seen: Option<&CommitId>,
    commit: &CommitId,
) -> Result<Found, GitError> {
    let reader: Reader = shared.mirror.reader()?;
    let base = match (kind, main) {
        (RunKind::Plan, Some(main)) if reader.is_ancestor(commit, main)? => Some(*commit),
        (RunKind::Plan, Some(main)) => Some(reader.merge_base(main, commit)?.unwrap_or(*main)),
        (RunKind::Plan, None) => None,
        (RunKind::Apply | RunKind::Drift, _) => seen.copied(),
    };
    touched(&reader, base.as_ref(), commit, &shared.root)
}

/// The work that a head brings. Of a branch: everything it touches. Of the main branch: candidates whose
/// input digest differs from that of their last complete apply, environments whose last apply did not
/// end well, and those that are gone although no commit says so.
async fn new_work(
    shared: &Shared,
    kind: RunKind,
    commit: &CommitId,
    found: Found,
) -> Result<Vec<NewWork>, StoreError> {
    let Found { candidates, former_names, extent } = found;
    if kind != RunKind::Apply {
        return Ok(candidates.into_iter().map(|candidate| work_for(kind, candidate)).collect());
    }
    // Before the records are read: what ends meanwhile has then left its record.
    let open = open_environments(shared).await?;
    let mut known: BTreeSet<EnvironmentName> = candidates.iter().map(|one| one.name.clone()).collect();
    known.extend(former_names.iter().cloned());
    let mut work: BTreeMap<EnvironmentName, NewWork> = BTreeMap::new();
    for candidate in candidates {
        if let Some(first) = work.get(&candidate.name) {
            remember_files(shared, &candidate.name, [&first.path, &candidate.path]).await?;
            continue;
        }
        let record = shared.store.environment(&candidate.name).await?;
        let applied = record.as_ref().is_some_and(|record| is_applied(record, &candidate));
        // What is applied now is undone by what is still to be applied, unless it is looked at again.
        if !applied || open.contains(&candidate.name) {
            work.insert(candidate.name.clone(), work_for(kind, candidate));
        }
    }
    for record in shared.store.touched_environments().await? {
        if !former_names.contains(&record.environment) {
            work.entry(record.environment.clone()).or_insert_with(|| again(&record));
        }
    }
    let mut work: Vec<NewWork> = work.into_values().collect();
    if extent == Extent::Everything {
        for record in shared.store.environments().await? {
            if known.insert(record.environment.clone())
                && work.iter().all(|one| one.environment != record.environment)
            {
                work.push(again(&record));
            }
        }
        work.extend(orphans(shared, commit, &known).await?);
    }
    Ok(work)
}

/// Notes that more than one file defines an environment: it cannot be applied before one of them is gone.
async fn remember_files(shared: &Shared, name: &EnvironmentName, paths: [&str; 2]) -> Result<(), StoreError> {
    let known = shared.store.environment(name).await?;
    let mut record = known.unwrap_or_else(|| EnvironmentRecord::new(name, paths[0], shared.clock.now()));
    record.claims.extend(paths.map(Claim::file));
    shared.store.save_environment(&record).await
}

async fn open_environments(shared: &Shared) -> Result<BTreeSet<EnvironmentName>, StoreError> {
    let open = shared.store.open_work().await?;
    Ok(open.into_iter().filter(|work| work.kind == RunKind::Apply).map(|work| work.environment).collect())
}

fn work_for(kind: RunKind, candidate: Candidate) -> NewWork {
    let Candidate { name, path, digest } = candidate;
    NewWork { kind, environment: name, path, removed: digest.is_none(), input_digest: digest }
}

/// Whether the candidate's definition is what the environment was last brought to, completely, and its
/// file is where it was.
fn is_applied(record: &EnvironmentRecord, candidate: &Candidate) -> bool {
    let complete = record.last_complete.as_ref().map(|applied| &applied.input_digest);
    let settled = record.last_attempt.as_ref().is_none_or(|attempt| attempt.end == RunEnd::Complete);
    let unmoved = record.path == candidate.path && record.rival_files().next().is_none();
    settled && unmoved && candidate.digest.is_some() && complete == candidate.digest.as_ref()
}

/// Work for an environment whose last apply did not end well.
fn again(record: &EnvironmentRecord) -> NewWork {
    NewWork {
        kind: RunKind::Apply,
        environment: record.environment.clone(),
        path: record.path.clone(),
        removed: false,
        input_digest: None,
    }
}

/// Queues another attempt for what failed at the newest head of the main branch. What is blocked or
/// invalid needs a commit, not another attempt.
pub(super) async fn sweep(shared: &Shared) -> Result<Vec<Work>, StoreError> {
    shared.store.prune(shared.clock.now(), RETENTION).await?;
    let Some(head) = shared.store.seen_heads().await?.get(&shared.branch).copied() else {
        return Ok(Vec::new());
    };
    let mut work = orphans(shared, &head, &open_environments(shared).await?).await?;
    let failed =
        shared.store.touched_environments().await?.into_iter().filter(|record| {
            record.last_attempt.as_ref().is_some_and(|attempt| attempt.end == RunEnd::Failed)
        });
    work.extend(failed.map(|record| again(&record)));
    shared.store.enqueue_sweep(&shared.branch, &head, shared.clock.now(), work).await
}

/// The first statuses of a new head.
fn first_statuses(commit: &CommitId, kind: RunKind, work: &[NewWork]) -> Vec<Status> {
    let names: Vec<&EnvironmentName> = work.iter().map(|work| &work.environment).collect();
    let mut statuses = vec![wording::first(commit, kind, &names)];
    let named = names.into_iter().take(wording::MAX_CONTEXTS);
    statuses.extend(named.map(|name| wording::queued(commit, kind, name)));
    statuses
}

/// An environment whose file is gone, as far as the store remembers it.
pub(super) fn removed_environment(record: &EnvironmentRecord) -> Environment {
    Environment::removed(
        record.environment.clone(),
        record.path.clone(),
        record.subscription.clone(),
        record.resource_group.clone(),
    )
}
