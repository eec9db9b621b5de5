//! Another attempt at what failed, and forgetting what is old: what no push asks for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::head::{again, open_environments};
use super::orphans::orphans;
use crate::daemon::shared::Shared;
use crate::forge::PullRequestNumber;
use crate::git::CommitId;
use crate::reconcile::apply::RunEnd;
use crate::reconcile::plan::Remedy;
use crate::resources::EnvironmentName;
use crate::store::{Attempt, EnvironmentRecord, Line, NewWork, StoreError, Work};

/// How long what has ended is remembered.
const RETENTION: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Queues another attempt for what failed at the newest head of the main branch, and forgets what is old.
/// What is blocked by Azure's state alone is planned again, which costs reads until that has changed: nobody sends an
/// event for it. What is blocked otherwise or invalid needs a commit, not another attempt.
pub(in crate::daemon) async fn sweep(shared: &Shared) -> Result<Vec<Work>, StoreError> {
    shared.store.prune(shared.clock.now(), RETENTION).await?;
    forget_merges(shared).await;
    let Some(head) = shared.store.seen_heads().await?.get(&shared.branch).copied() else {
        return Ok(Vec::new());
    };
    let mut work = orphans(shared, &head, &open_environments(shared).await?).await?;
    work.extend(ended(shared, |_, last| is_swept(last)).await?);
    enqueue(shared, &head, work).await
}

/// Queues another attempt for what failed or is blocked; of one environment, or of all. Whoever asks may have taken
/// out of the way what was in it: no plan of what is blocked knows of that before the next one.
pub(in crate::daemon) async fn retry_applies(
    shared: &Shared,
    environment: Option<&EnvironmentName>,
) -> Result<Vec<Work>, StoreError> {
    let Some(head) = shared.store.seen_heads().await?.get(&shared.branch).copied() else {
        return Ok(Vec::new());
    };
    let is_meant = |record: &EnvironmentRecord| environment.is_none_or(|name| record.environment == *name);
    let work = ended(shared, |record, last| is_meant(record) && is_retried(last.end)).await?;
    enqueue(shared, &head, work).await
}

/// Whether there is something to try again by command.
pub(in crate::daemon) async fn has_applies_to_retry(shared: &Shared) -> Result<bool, StoreError> {
    Ok(!ended(shared, |_, last| is_retried(last.end)).await?.is_empty())
}

/// What may go on although no commit came. An older version did not say what lifts what it met: one plan finds out.
fn is_swept(last: &Attempt) -> bool {
    match last.end {
        RunEnd::Failed => true,
        RunEnd::Blocked => last.remedy != Some(Remedy::Commit),
        RunEnd::Complete | RunEnd::Interrupted | RunEnd::Planned | RunEnd::Invalid | RunEnd::Superseded => {
            false
        }
    }
}

/// What is invalid needs a commit, not another attempt.
fn is_retried(end: RunEnd) -> bool {
    match end {
        RunEnd::Failed | RunEnd::Blocked => true,
        RunEnd::Complete | RunEnd::Interrupted | RunEnd::Planned | RunEnd::Invalid | RunEnd::Superseded => {
            false
        }
    }
}

/// Another attempt for those whose last one ended so that it `is_meant`.
async fn ended(
    shared: &Shared,
    is_meant: impl Fn(&EnvironmentRecord, &Attempt) -> bool,
) -> Result<Vec<NewWork>, StoreError> {
    let touched = shared.store.touched_environments().await?;
    let is_meant =
        |record: &&EnvironmentRecord| record.last_attempt.as_ref().is_some_and(|last| is_meant(record, last));
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
