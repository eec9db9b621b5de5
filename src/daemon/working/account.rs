//! What was done for a piece of work, from the journal: whatever was killed when, the end of the work is told
//! with all of its runs.
//!
//! Guarantee: work that counts as superseded although its run had begun says what that run came to, once
//! somebody else has finished it.

use crate::daemon::shared::Shared;
use crate::daemon::telling::sentences;
use crate::daemon::telling::wording;
use crate::git::CommitId;
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::reconcile::deeds::Deeds;
use crate::reconcile::plan::ConsentStanding;
use crate::reconcile::report::Report;
use crate::store::{Ending, EnvironmentChange, StoreError, StoredRun, Work, WorkId, WorkState};

/// What was done for a piece of work, and by whose leave.
pub(in crate::daemon) struct Done {
    pub(in crate::daemon) deeds: Deeds,
    /// The consents that were in force for its runs. They are spent once a run is complete, and no later plan
    /// knows of them.
    pub(in crate::daemon) consents: Vec<ConsentStanding>,
}

/// What was done for `work`; `latest` is the report of its newest run, whose words the journal does not have.
pub(in crate::daemon) async fn done_for(
    shared: &Shared,
    work: &Work,
    latest: Option<&Report>,
) -> Result<Done, StoreError> {
    let runs = shared.store.runs_of(work).await?;
    let mut reports = shared.store.reports_of(&runs).await?;
    if let Some(latest) = latest {
        reports.retain(|report| report.run != latest.run);
        reports.push(latest.clone());
    }
    let mut consents: Vec<ConsentStanding> = Vec::new();
    for consent in runs.into_iter().rev().flat_map(|run| run.record.plan.consents) {
        if consent.is_in_force() && consents.iter().all(|known| known.line != consent.line) {
            consents.push(consent);
        }
    }
    Ok(Done { deeds: Deeds::of(&reports), consents })
}

/// Corrects what is said of the work before `work`, where that was superseded in the middle of its run. A
/// second time changes nothing.
pub(in crate::daemon) async fn correct_superseded(shared: &Shared, work: &Work) -> Result<(), StoreError> {
    let newest = shared.store.recent_runs(Some(&work.environment), 1).await?.pop();
    let Some(run) = newest.filter(|run| run.record.asked_by != Some(work.id.0)) else { return Ok(()) };
    let Some((_, end)) = run.ended else { return Ok(()) };
    let Some(former) = superseded_work_of(shared, &run).await? else { return Ok(()) };
    let WorkState::Ended { summary: before, .. } = &former.state else { return Ok(()) };
    let deeds = done_for(shared, &former, None).await?.deeds;
    let (end, summary) = match end {
        RunEnd::Complete => (end, sentences::applied_before(before, &deeds)),
        RunEnd::Failed => (end, sentences::reported(&deeds)),
        RunEnd::Interrupted | RunEnd::Planned | RunEnd::Blocked | RunEnd::Invalid | RunEnd::Superseded => {
            (RunEnd::Superseded, sentences::superseded_after(before, &deeds))
        }
    };
    if summary == *before {
        return Ok(());
    }
    let mut told = former.clone();
    told.state = WorkState::Ended { end, summary: summary.clone() };
    let named = is_told(shared, &told).await?;
    let statuses = named.then(|| wording::status_of(&told)).into_iter().collect();
    let now = shared.clock.now();
    let environment = EnvironmentChange::None;
    let ending = Ending { end, summary, now, statuses, environment, section: None };
    shared.store.amend_superseded(former.id, ending, &wording::of_commit).await?;
    shared.outbox.notify_one();
    Ok(())
}

/// The superseded work for which `run` began.
async fn superseded_work_of(shared: &Shared, run: &StoredRun) -> Result<Option<Work>, StoreError> {
    let commit = run.record.commit.as_ref().and_then(|commit| commit.0.parse::<CommitId>().ok());
    let Some(commit) = commit else { return Ok(None) };
    // Asked for each environment of a push: listing the former commit's work each time would cost its square.
    let work = shared.store.work_of_environment(&commit, RunKind::Apply, &run.record.environment).await?;
    let is_its = |work: &Work| {
        work.state.is_superseded() && run.record.asked_by.is_none_or(|asked_by| WorkId(asked_by) == work.id)
    };
    Ok(work.filter(is_its))
}

/// Whether the forge is told of this environment of a commit: it has one of its few contexts, or one was
/// begun that must not stay pending.
pub(in crate::daemon) async fn is_told(shared: &Shared, work: &Work) -> Result<bool, StoreError> {
    // Asked at every end: listing the commit's work each time would cost its square.
    if !shared.store.is_newest_of_commit(work).await? {
        // When it was queued once more meanwhile, the last word is that of the newer item.
        return Ok(false);
    }
    let context = wording::context_of(work.kind, &work.environment);
    let enough = u32::try_from(wording::MAX_CONTEXTS).unwrap_or(u32::MAX).saturating_add(1);
    let environments = shared.store.environments_of_commit(&work.commit, work.kind, enough).await?;
    Ok(wording::have_all_a_context(environments) || shared.store.has_status(&work.commit, &context).await?)
}
