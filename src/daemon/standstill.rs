//! What open work waits for, so that the whole commit's status says it beside the environment's own.
//!
//! Guarantee: the aggregate names a wait for as long as the status of its environment does. Kept in memory: after
//! a restart whatever still waits is told anew, and work that goes on takes back what an earlier process said.

use std::sync::{Mutex, PoisonError};

use super::service::Shared;
use super::wording::{self, Held, Waiting};
use crate::git::CommitId;
use crate::reconcile::apply::RunKind;
use crate::store::{StoreError, Work, WorkId};

/// What a pending status is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// Something is in the way.
    Waits,
    /// Nothing but its turn: others are worked on.
    Queued,
    /// It goes on.
    GoesOn,
}

/// What is known to wait now.
#[derive(Debug, Default)]
pub(super) struct Standstill(Mutex<Waiting>);

impl Standstill {
    /// Notes what was said of work; whether that is news for its commit.
    pub(super) fn note(&self, id: WorkId, footing: Footing, text: &str) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if footing == Footing::GoesOn {
            return waiting.remove(&id).is_some();
        }
        let held = Held { text: text.to_owned(), is_queued: footing == Footing::Queued };
        waiting.insert(id, held.clone()).as_ref() != Some(&held)
    }

    /// Forgets work that has ended or was superseded.
    pub(super) fn forget(&self, id: WorkId) {
        self.note(id, Footing::GoesOn, "");
    }

    /// What of `work` waits, and for what.
    fn of(&self, work: &[Work]) -> Waiting {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work.iter().filter_map(|one| Some((one.id, waiting.get(&one.id)?.clone()))).collect()
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// A commit and what is done about it: what an aggregate is about.
pub(super) type Whole = (CommitId, RunKind);

/// Says what open work of these commits waits for, or that it goes on. A last word stays.
pub(super) async fn tell_commits(
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
pub(super) async fn tell_after(shared: &Shared, work: &Work) -> Result<(), StoreError> {
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
pub(super) async fn is_said_to_wait(shared: &Shared, work: &Work) -> Result<bool, StoreError> {
    let context = wording::aggregate_context(work.kind);
    let said = shared.store.newest_status(&work.commit, &context).await?;
    Ok(said.is_some_and(|(state, said)| {
        !state.is_final() && said.as_str().contains(&format!("{}: ", work.environment))
    }))
}
