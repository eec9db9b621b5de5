//! One new head of a branch: what it touches, and its acceptance in one transaction.
//!
//! Guarantees: a head is accepted once, with its work and its first statuses, so that nothing can be lost
//! between them. What is wrong with a commit for good is the last word on it, not an error of the look: it
//! is accepted like any other, and what it changes is found at the next head, which is compared with the
//! last one that could be looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::LookError;
use super::orphans::orphans;
use super::touched::{Candidate, Extent, Found, touched};
use super::unheeded::Unheeded;
use crate::daemon::shared::Shared;
use crate::daemon::shared::happening::Happening;
use crate::daemon::shared::log;
use crate::daemon::telling::nameless::names_of_new;
use crate::daemon::telling::wording;
use crate::git::{BranchName, CommitId, GitError, Lasting};
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::resources::EnvironmentName;
use crate::store::{
    Acceptance, Accepted, Arrival, Claim, EnvironmentRecord, Line, NewWork, StoreError, Work, WorkState,
};

/// A head that was not seen yet.
#[derive(Clone, Debug)]
pub(in crate::daemon) struct NewHead {
    pub(in crate::daemon) branch: BranchName,
    pub(in crate::daemon) commit: CommitId,
    /// Why its objects are not here, when the remote does not have them.
    pub(in crate::daemon) lost: Option<String>,
    /// Whether it is the head of an open pull request, and planned as that.
    pub(in crate::daemon) proposed: Proposed,
}

/// Whether a branch's head is that of an open pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) enum Proposed {
    /// It is not.
    No,
    /// It is.
    Yes,
}

/// What a look into a head came to.
enum Looked {
    /// What it touches.
    Into(Found, Unheeded),
    /// It cannot be looked into, whatever is tried; why.
    Refused(String),
}

/// Accepts a head; `main` is that of the main branch.
pub(in crate::daemon) async fn accept(
    shared: &Arc<Shared>,
    main: Option<&CommitId>,
    head: &NewHead,
) -> Result<Accepted, LookError> {
    let (branch, commit) = (&head.branch, head.commit);
    let kind = if *branch == shared.branch { RunKind::Apply } else { RunKind::Plan };
    let looked = match &head.lost {
        Some(why) => Looked::Refused(why.clone()),
        None => look_into(shared, kind, main, head).await?,
    };
    if head.lost.is_none() && matches!(looked, Looked::Refused(_)) {
        shared.hopeless.note(&Line::Branch(branch.clone()), &commit);
    }
    // A proposed head is planned as the pull request that it is of, merged into its base.
    let is_left_out = kind == RunKind::Plan && head.proposed == Proposed::Yes;
    // One that was refused has had its last word.
    let is_again = shared.store.seen_heads().await?.get(branch) == Some(&commit);
    let again = is_again.then(|| shared.clock.now());
    let mut about = wording::Head { commit, kind, pull_request: None, ahead: Vec::new(), again };
    let (arrival, work, statuses) = match looked {
        Looked::Refused(why) => {
            log::head_refused(branch, &commit, &why);
            let statuses = vec![wording::refused(&about, &why)];
            (Arrival::Refused(branch.clone()), Vec::new(), statuses)
        }
        Looked::Into(found, mut unheeded) => {
            let mut work =
                if is_left_out { Vec::new() } else { new_work(shared, kind, &commit, found).await? };
            // Work may come of what no commit touches: an environment whose last apply waits for this very line.
            unheeded.leave_to(&work);
            unheeded.log(branch.as_str(), &commit);
            remark(&mut work, &unheeded);
            about.ahead = ahead(shared, kind, &work).await?;
            let names = names_of_new(&work);
            let statuses = match names.as_slice() {
                [] => vec![wording::none_changed(&about, &unheeded)],
                names => wording::first(&about, names),
            };
            (Arrival::Head(branch.clone()), work, statuses)
        }
    };
    let statuses = if is_left_out { Vec::new() } else { statuses };
    let now = shared.clock.now();
    let acceptance = Acceptance { arrival, commit, reads: commit, now, work, statuses };
    let accepted = shared.store.accept_head(acceptance, &wording::superseded).await?;
    shared.outbox.notify_one();
    shared.tell(Happening::NewHead { branch: branch.clone(), commit, work: accepted.work.clone() });
    Ok(accepted)
}

/// The environments that `work` waits for, or may: those whose applies of earlier commits run, or wait and are not
/// superseded by it.
async fn ahead(shared: &Shared, kind: RunKind, work: &[NewWork]) -> Result<Vec<EnvironmentName>, StoreError> {
    if kind != RunKind::Apply {
        return Ok(Vec::new());
    }
    let is_replaced = |one: &Work| {
        one.state == WorkState::Queued && work.iter().any(|new| new.environment == one.environment)
    };
    let open = shared.store.open_work().await?.into_iter();
    let ahead = open.filter(|one| one.kind == RunKind::Apply && !is_replaced(one));
    let names: BTreeSet<EnvironmentName> = ahead.map(|one| one.environment).collect();
    Ok(names.into_iter().collect())
}

/// What a head touches, or why that cannot be said.
async fn look_into(
    shared: &Arc<Shared>,
    kind: RunKind,
    main: Option<&CommitId>,
    head: &NewHead,
) -> Result<Looked, LookError> {
    let from = shared.store.compared_head(&head.branch).await?;
    let (daemon, main, commit) = (shared.clone(), main.copied(), head.commit);
    let find = move || find(&daemon, kind, main.as_ref(), from.as_ref(), &commit);
    match tokio::task::spawn_blocking(find).await? {
        Ok((found, unheeded)) => Ok(Looked::Into(found, unheeded)),
        Err(error) => match error.lasting() {
            Lasting::OfTheCommit => Ok(Looked::Refused(error.to_string())),
            Lasting::Passing => Err(error.into()),
        },
    }
}

/// What a head touches. Blocking.
fn find(
    shared: &Shared,
    kind: RunKind,
    main: Option<&CommitId>,
    compared: Option<&CommitId>,
    commit: &CommitId,
) -> Result<(Found, Unheeded), GitError> {
    let reader = shared.mirror.reader()?;
    let base = match (kind, main) {
        (RunKind::Plan, Some(main)) if reader.is_ancestor(commit, main)? => Some(*commit),
        (RunKind::Plan, Some(main)) => Some(reader.merge_base(main, commit)?.unwrap_or(*main)),
        (RunKind::Plan, None) => None,
        (RunKind::Apply | RunKind::Drift, _) => compared.copied(),
    };
    let found = touched(&reader, base.as_ref(), commit, &shared.root)?;
    let files = found.overlooked.clone();
    // The plans of a proposal tell the lines that it brings; those of what is applied know only their own environment's.
    let tells_lines = found.candidates.is_empty() || (kind == RunKind::Apply && base.is_some());
    let unheeded = match tells_lines {
        true => Unheeded::read(&reader, base.as_ref(), commit, files),
        false => Unheeded { files, ..Unheeded::default() },
    };
    Ok((found, unheeded))
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
    let Found { candidates, former_names, extent, overlooked: _ } = found;
    if kind != RunKind::Apply {
        return Ok(candidates.into_iter().map(|candidate| work_for(kind, candidate)).collect());
    }
    // Before the records are read: what ends meanwhile has then left its record.
    let open = open_environments(shared).await?;
    let mut known: BTreeSet<EnvironmentName> = candidates.iter().map(|one| one.name.clone()).collect();
    known.extend(former_names.keys().cloned());
    let open_before: Vec<(&EnvironmentName, &String)> =
        former_names.iter().filter(|(name, _)| open.contains(*name)).collect();
    let is_undone = |path: &String| open_before.iter().any(|(_, of)| *of == path);
    let mut work: BTreeMap<EnvironmentName, NewWork> = BTreeMap::new();
    for candidate in candidates {
        if let Some(first) = work.get(&candidate.name) {
            remember_files(shared, &candidate.name, [&first.path, &candidate.path]).await?;
            continue;
        }
        let record = shared.store.environment(&candidate.name).await?;
        let applied = record.as_ref().is_some_and(|record| is_applied(record, &candidate));
        // What is applied now is undone by what is still to be applied, unless it is looked at again.
        if !applied || open.contains(&candidate.name) || is_undone(&candidate.path) {
            work.insert(candidate.name.clone(), work_for(kind, candidate));
        }
    }
    for record in shared.store.touched_environments().await? {
        if !former_names.contains_key(&record.environment) {
            work.entry(record.environment.clone()).or_insert_with(|| again(&record));
        }
    }
    // What is still to be applied under a former name would undo what the new one does.
    for (name, path) in open_before {
        let (environment, path) = (name.clone(), path.clone());
        let renamed = NewWork { kind, environment, path, removed: false, input_digest: None, remark: None };
        work.entry(name.clone()).or_insert(renamed);
    }
    let mut work: Vec<NewWork> = work.into_values().collect();
    if extent == Extent::Everything {
        let queued: BTreeSet<EnvironmentName> = work.iter().map(|one| one.environment.clone()).collect();
        for record in shared.store.environments().await? {
            if known.insert(record.environment.clone()) && !queued.contains(&record.environment) {
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

pub(in crate::daemon) async fn open_environments(
    shared: &Shared,
) -> Result<BTreeSet<EnvironmentName>, StoreError> {
    let open = shared.store.open_work().await?;
    Ok(open.into_iter().filter(|work| work.kind == RunKind::Apply).map(|work| work.environment).collect())
}

/// Has the end of the head's work say what nobody acts on.
pub(in crate::daemon) fn remark(work: &mut [NewWork], unheeded: &Unheeded) {
    if let Some(first) = work.first_mut() {
        first.remark = unheeded.sentences();
    }
}

pub(in crate::daemon) fn work_for(kind: RunKind, candidate: Candidate) -> NewWork {
    let Candidate { name, path, digest } = candidate;
    NewWork { kind, environment: name, path, removed: digest.is_none(), input_digest: digest, remark: None }
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
pub(in crate::daemon) fn again(record: &EnvironmentRecord) -> NewWork {
    NewWork {
        kind: RunKind::Apply,
        environment: record.environment.clone(),
        path: record.path.clone(),
        removed: false,
        input_digest: None,
        remark: None,
    }
}
