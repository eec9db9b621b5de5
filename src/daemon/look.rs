//! Look again: fetch, compare heads with what the store has seen, store what they touch.
//!
//! The truth is in Git and in the store; why we were woken plays no part. A head is accepted in one
//! transaction with its work and its pending statuses, so that nothing can be lost between them. A
//! branch that cannot be read does not keep the others waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::definitions::Environment;
use crate::forge::{ForgeError, PullRequestNumber};
use crate::git::{BranchName, CommitId, GitError, Heads, Reader};
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::resources::EnvironmentName;
use crate::store::{
    Acceptance, Accepted, Arrival, Claim, EnvironmentRecord, Line, NewWork, StoreError, Work,
};

use super::absent::commit_arrived;
use super::happening::Happening;
use super::orphans::orphans;
use super::pull_requests::{Listing, look_at};
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
    /// The forge does not answer.
    #[error(transparent)]
    Forge(#[from] ForgeError),
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
    let inbox = shared.store.inbox().await?;
    let (heads, listing) = fetch(shared).await?;
    let listing = listing.map_err(|error| {
        tracing::warn!(%error, "the forge does not say which pull requests are open");
        LookError::from(error)
    });
    for head in listing.iter().flat_map(|listing| listing.heads()) {
        commit_arrived(shared, head).await;
    }
    let seen = shared.store.seen_heads().await?;
    for branch in seen.keys().filter(|branch| !heads.branches.contains_key(*branch)) {
        let superseded = shared.store.forget_branch(branch, shared.clock.now(), &wording::superseded).await?;
        looked.accepted.superseded.extend(superseded);
    }
    let new = new_heads(shared, &heads, &seen);
    looked.is_partial = new.len() > MAX_BRANCHES_PER_LOOK;
    let mut failed = None;
    for (branch, commit) in new.into_iter().take(MAX_BRANCHES_PER_LOOK) {
        let is_proposed = listing.as_ref().is_ok_and(|listing| listing.proposes(&commit));
        match accept(shared, &heads, &seen, (&branch, &commit), is_proposed).await {
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
    match listing {
        Ok(listing) => {
            let seen = look_at(shared, &heads, &listing, &inbox.about).await;
            looked.accepted.work.extend(seen.accepted.work);
            looked.accepted.superseded.extend(seen.accepted.superseded);
            looked.is_partial |= seen.is_partial;
            failed = failed.or(seen.error);
        }
        Err(error) => drop(failed.get_or_insert(error)),
    }
    if let Some(newest) = inbox.newest.filter(|_| failed.is_none() && !looked.is_partial) {
        shared.store.deliveries_handled(newest, shared.clock.now()).await?;
    }
    failed.map_or(Ok(()), Err)
}

/// The branches and the open pull requests, asked for at the same time; then the heads of pull requests
/// that came with neither.
async fn fetch(shared: &Arc<Shared>) -> Result<(Heads, Result<Arc<Listing>, ForgeError>), LookError> {
    let known: BTreeSet<u64> =
        shared.store.open_pull_requests().await?.into_keys().map(PullRequestNumber::get).collect();
    let fetched = {
        let (mirror, known) = (shared.mirror.clone(), known.clone());
        tokio::task::spawn_blocking(move || mirror.fetch(&known))
    };
    let (fetched, listing) = tokio::join!(fetched, shared.listed.ask(&shared.forge));
    let heads = fetched??;
    let Ok(open) = &listing else { return Ok((heads, listing)) };
    let shared_heads: BTreeSet<&CommitId> = heads.branches.values().chain(heads.pulls.values()).collect();
    if shared.forge.head_refs().is_none() || open.heads().all(|head| shared_heads.contains(head)) {
        return Ok((heads, listing));
    }
    let (mirror, numbers) = (shared.mirror.clone(), open.numbers());
    let heads = tokio::task::spawn_blocking(move || mirror.fetch(&numbers)).await??;
    Ok((heads, listing))
}

/// Heads that were not seen yet, the main branch first.
fn new_heads(
    shared: &Shared,
    heads: &Heads,
    seen: &BTreeMap<BranchName, CommitId>,
) -> Vec<(BranchName, CommitId)> {
    let is_new = |(branch, commit): &(&BranchName, &CommitId)| seen.get(*branch) != Some(*commit);
    let mut new: Vec<(BranchName, CommitId)> =
        heads.branches.iter().filter(is_new).map(|(branch, commit)| (branch.clone(), *commit)).collect();
    new.sort_by_key(|(branch, _)| *branch != shared.branch);
    new
}

async fn accept(
    shared: &Arc<Shared>,
    heads: &Heads,
    seen: &BTreeMap<BranchName, CommitId>,
    (branch, commit): (&BranchName, &CommitId),
    is_proposed: bool,
) -> Result<Accepted, LookError> {
    let kind = if *branch == shared.branch { RunKind::Apply } else { RunKind::Plan };
    let main = heads.branches.get(&shared.branch).copied();
    let (from, head) = (seen.get(branch).copied(), *commit);
    let found = {
        let shared = shared.clone();
        let looked = move || find(&shared, kind, main.as_ref(), from.as_ref(), &head);
        tokio::task::spawn_blocking(looked).await??
    };
    // A proposed head is planned as the pull request that it is of, merged into its base.
    let is_left_out = kind == RunKind::Plan && is_proposed;
    let work = if is_left_out { Vec::new() } else { new_work(shared, kind, commit, found).await? };
    let ahead = match kind {
        RunKind::Apply => open_environments(shared).await?.len(),
        RunKind::Plan | RunKind::Drift => 0,
    };
    let head = wording::Head { commit: *commit, kind, pull_request: None, ahead, again: None };
    let names: Vec<&EnvironmentName> = work.iter().map(|work| &work.environment).collect();
    let statuses = if is_left_out { Vec::new() } else { wording::first(&head, &names) };
    let now = shared.clock.now();
    let arrival = Arrival::Head(branch.clone());
    let acceptance = Acceptance { arrival, commit: *commit, reads: *commit, now, work, statuses };
    let accepted = shared.store.accept_head(acceptance, &wording::superseded).await?;
    shared.outbox.notify_one();
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

pub(super) fn work_for(kind: RunKind, candidate: Candidate) -> NewWork {
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

/// Queues another attempt for what failed at the newest head of the main branch, and forgets what is old.
/// What is blocked or invalid needs a commit, not another attempt.
pub(super) async fn sweep(shared: &Shared) -> Result<Vec<Work>, StoreError> {
    shared.store.prune(shared.clock.now(), RETENTION).await?;
    forget_merges(shared).await;
    let Some(head) = shared.store.seen_heads().await?.get(&shared.branch).copied() else {
        return Ok(Vec::new());
    };
    let mut work = orphans(shared, &head, &open_environments(shared).await?).await?;
    work.extend(failed(shared, None).await?);
    enqueue(shared, &head, work).await
}

/// Queues another attempt for what failed; of one environment, or of all.
pub(super) async fn retry_failed(
    shared: &Shared,
    environment: Option<&EnvironmentName>,
) -> Result<Vec<Work>, StoreError> {
    let Some(head) = shared.store.seen_heads().await?.get(&shared.branch).copied() else {
        return Ok(Vec::new());
    };
    let work = failed(shared, environment).await?;
    enqueue(shared, &head, work).await
}

/// Whether there is something to try again.
pub(super) async fn has_failed_applies(shared: &Shared) -> Result<bool, StoreError> {
    Ok(!failed(shared, None).await?.is_empty())
}

async fn failed(shared: &Shared, environment: Option<&EnvironmentName>) -> Result<Vec<NewWork>, StoreError> {
    let touched = shared.store.touched_environments().await?;
    let is_meant = |record: &&EnvironmentRecord| {
        environment.is_none_or(|name| record.environment == *name)
            && record.last_attempt.as_ref().is_some_and(|attempt| attempt.end == RunEnd::Failed)
    };
    Ok(touched.iter().filter(is_meant).map(again).collect())
}

async fn enqueue(shared: &Shared, head: &CommitId, work: Vec<NewWork>) -> Result<Vec<Work>, StoreError> {
    let line = Line::Branch(shared.branch.clone());
    shared.store.enqueue_sweep(&line, head, shared.clock.now(), work).await
}

/// Lets go of merge results that nobody needs. They can be made again.
async fn forget_merges(shared: &Shared) {
    if !shared.forge.has_pull_requests() {
        return;
    }
    let open = match shared.store.open_pull_requests().await {
        Ok(open) => open.into_keys().map(PullRequestNumber::get).collect::<BTreeSet<u64>>(),
        Err(error) => {
            tracing::warn!(%error, "merge results stay until the next sweep");
            return;
        }
    };
    let (mirror, now) = (shared.mirror.clone(), shared.clock.now());
    let forgotten = tokio::task::spawn_blocking(move || mirror.forget_merges(&open, now)).await;
    if let Ok(Err(error)) = forgotten {
        tracing::warn!(%error, "merge results stay until the next sweep");
    }
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
