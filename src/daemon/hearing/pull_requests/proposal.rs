//! What a pull request comes to: its head merged into its base, and what the result touches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::daemon::hearing::error::LookError;
use crate::daemon::hearing::touched::{Candidate, Found, touched};
use crate::daemon::hearing::unheeded::Unheeded;
use crate::daemon::shared::Shared;
use crate::definitions::InputDigest;
use crate::forge::PullRequest;
use crate::git::{CommitId, GitError, Heads, Lasting, Merge};
use crate::resources::EnvironmentName;
use crate::store::Work;

/// Most files with conflicts that are named.
const MAX_NAMED: usize = 3;

/// What a pull request comes to.
pub(super) enum Proposal {
    /// It can be merged.
    Merges {
        /// The merge result.
        merged: CommitId,
        /// What it touches.
        candidates: Vec<Candidate>,
        /// What nobody acts on.
        unheeded: Unheeded,
    },
    /// It cannot, or it cannot be read; why, as the sentence of a status.
    Refused(String),
    /// It touches nothing of ours, as far as the forge says; its commit cannot be read.
    Elsewhere,
    /// Its commit is not here yet; the next look has it.
    NotYet,
}

/// Merges `pull_request` into its base, as `heads` has them. What is wrong with the commits for good is a
/// refusal, not an error: it would be the same at the next look.
pub(super) async fn propose(
    shared: &Arc<Shared>,
    pull_request: &PullRequest,
    heads: &Heads,
    base: &CommitId,
) -> Result<Proposal, LookError> {
    if let Some(why) = why_lost(heads, pull_request) {
        return Ok(Proposal::Refused(why.to_owned()));
    }
    let (daemon, head, base) = (shared.clone(), pull_request.head, *base);
    let number = pull_request.number.get();
    let read = move || -> Result<Option<Proposal>, GitError> {
        let reader = daemon.mirror.reader()?;
        if reader.commit(&head).is_err() {
            return Ok(None);
        }
        Ok(Some(match daemon.mirror.merge(number, &base, &head)? {
            Merge::Conflicts { paths, more } => Proposal::Refused(conflicts(&paths, more)),
            Merge::Result(merged) => {
                let Found { candidates, overlooked, .. } =
                    touched(&reader, Some(&base), &merged, &daemon.root)?;
                let unheeded = match candidates.is_empty() {
                    true => Unheeded::read(&reader, Some(&base), &head, overlooked),
                    false => Unheeded { files: overlooked, ..Unheeded::default() },
                };
                Proposal::Merges { merged, candidates, unheeded }
            }
        }))
    };
    match tokio::task::spawn_blocking(read).await? {
        Ok(Some(proposal)) => Ok(proposal),
        Ok(None) if shared.forge.head_refs().is_some() => Ok(Proposal::NotYet),
        Ok(None) => from_elsewhere(shared, pull_request).await,
        Err(error) => match error.lasting() {
            Lasting::OfTheCommit => Ok(Proposal::Refused(error.to_string())),
            Lasting::Passing => Err(error.into()),
        },
    }
}

/// Why the commit of a pull request cannot be had, where the forge has lost it: as a pull request's, or as that of its
/// branch.
pub(super) fn why_lost<'a>(heads: &'a Heads, pull_request: &PullRequest) -> Option<&'a str> {
    let of_pull = heads.lost.pulls.get(&pull_request.number.get());
    let mut lost = of_pull.into_iter().chain(heads.lost.branches.values());
    lost.find(|(commit, _)| *commit == pull_request.head).map(|(_, why)| why.as_str())
}

/// A commit that the forge keeps where it cannot be fetched from (a fork on Azure DevOps or Bitbucket).
async fn from_elsewhere(shared: &Shared, pull_request: &PullRequest) -> Result<Proposal, LookError> {
    let changed = shared.forge.changed_files(pull_request.number).await?;
    let root = format!("{}/", shared.root.as_str());
    let ours = changed.truncated || changed.paths.iter().any(|path| path.starts_with(&root));
    Ok(if ours {
        let advice = "Its commit cannot be fetched from its fork: push it to a branch of this repository";
        Proposal::Refused(advice.to_owned())
    } else {
        Proposal::Elsewhere
    })
}

fn conflicts(paths: &[String], more: usize) -> String {
    let named = paths.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match more + paths.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("Conflicts with its base in {named}{more}: merge or rebase")
}

/// What a plan was made of, to tell whether another one would differ.
pub(super) fn digests_of(work: &[Work]) -> BTreeMap<EnvironmentName, Option<InputDigest>> {
    work.iter().map(|work| (work.environment.clone(), work.input_digest.clone())).collect()
}

/// As [`digests_of`], of candidates.
pub(super) fn digests(candidates: &[Candidate]) -> BTreeMap<EnvironmentName, Option<InputDigest>> {
    candidates.iter().map(|one| (one.name.clone(), one.digest.clone())).collect()
}

/// The environments that differ between two heads of a base branch. Everything, when that cannot be told.
pub(super) async fn moved(
    shared: &Arc<Shared>,
    from: &CommitId,
    to: &CommitId,
) -> Result<BTreeSet<EnvironmentName>, LookError> {
    let (shared, from, to) = (shared.clone(), *from, *to);
    let find = move || touched(&shared.mirror.reader()?, Some(&from), &to, &shared.root);
    let found = tokio::task::spawn_blocking(find).await??;
    Ok(found.candidates.into_iter().map(|one| one.name).collect())
}
