//! What is said of a whole commit while its environments wait or go on.

use super::nameless::called;
use super::wording;
use crate::daemon::shared::Shared;
use crate::git::CommitId;
use crate::reconcile::apply::RunKind;
use crate::store::{StoreError, Work};

/// A commit and what is done about it: what an aggregate is about.
pub(in crate::daemon) type Whole = (CommitId, RunKind);

/// Says what open work of these commits waits for, or that it goes on. A last word stays.
pub(in crate::daemon) async fn tell_commits(
    shared: &Shared,
    commits: impl IntoIterator<Item = Whole>,
) -> Result<(), StoreError> {
    let mut told: Vec<Whole> = Vec::new();
    for (commit, kind) in commits {
        if told.contains(&(commit, kind)) {
            continue;
        }
        told.push((commit, kind));
        let all = shared.store.work_of_commit(&commit, kind).await?;
        if let Some(status) = wording::under_way(&all, &shared.standstill.of(&all)) {
            shared.store.enqueue(&[status], shared.clock.now()).await?;
        }
        shared.outbox.notify_one();
    }
    Ok(())
}

/// After the end of `work`: what the rest of its commit waits for is said again, with the new count.
pub(in crate::daemon) async fn tell_after(shared: &Shared, work: &Work) -> Result<(), StoreError> {
    shared.standstill.forget(work.id);
    if shared.standstill.is_empty() {
        return Ok(());
    }
    let all = shared.store.work_of_commit(&work.commit, work.kind).await?;
    if shared.standstill.of(&all).is_empty() {
        return Ok(());
    }
    tell_commits(shared, [(work.commit, work.kind)]).await
}

/// Whether the commit's status may still say that `work` waits, from before a restart.
pub(in crate::daemon) async fn is_said_to_wait(shared: &Shared, work: &Work) -> Result<bool, StoreError> {
    let context = wording::aggregate_context(work.kind);
    let said = shared.store.newest_status(&work.commit, &context).await?;
    Ok(said.is_some_and(|(state, said)| {
        !state.is_final() && said.as_str().contains(&format!("{}: ", called(work)))
    }))
}
