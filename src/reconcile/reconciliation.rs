//! The two halves of a reconciliation, each on one screen: make a plan, carry it out.

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::apply::{
    Apply, ApplyError, Event, Fence, Journal, JournalError, RunId, RunKind, RunRecord, apply,
};
use super::handover::{self, Neighbours, NeighboursError};
use super::observe::{ObserveError, Observed, observe};
use super::plan::{Consents, Defect, Input, Plan, Revision, check, plan};
use super::preflight::preflight;
use super::report::{Progress, Report};
use super::{Remembered, claimed, copied, released};
use crate::azure::Arm;
use crate::definitions::{Environment, InputDigest};
use crate::resources::Site;
use crate::resources::id::ResourceId;

/// Most steps that run at the same time in one environment. Azure ML itself works on few resources of
/// one workspace at once, and a production environment has about twenty.
pub const PARALLELISM: usize = 16;

/// What is to be reconciled.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The definition. For a removed environment one without resources.
    pub environment: &'a Environment,
    /// Where it lives.
    pub site: &'a Site,
    /// Other groups that may hold resources of ours.
    pub former_groups: &'a [ResourceId],
    /// What may be destroyed.
    pub consents: &'a Consents,
    /// The commit.
    pub commit: Option<&'a Revision>,
    /// Digest of the definition and its defaults.
    pub input_digest: Option<&'a InputDigest>,
    /// What earlier definitions of it declared.
    pub remembered: &'a Remembered,
    /// The other environments of the commit, where there may be some.
    pub neighbours: Option<&'a dyn Neighbours>,
}

/// A plan and what it was made from.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// What was observed.
    pub observed: Observed,
}

/// Why there is no plan, or no report.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Azure could not be read.
    #[error("Azure could not be read")]
    Observe(#[from] ObserveError),
    /// The commit could not be read.
    #[error(transparent)]
    Neighbours(#[from] NeighboursError),
    /// The plan failed its check.
    #[error(transparent)]
    Defect(#[from] Defect),
    /// The run could not be remembered, or its lease is lost.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The executor could not go on.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

/// Observes and plans. Sends reads only.
///
/// # Errors
/// [`ReconcileError::Observe`] when Azure cannot be read, [`ReconcileError::Defect`] when the checker
/// finds fault with the plan.
pub async fn make_plan(wanted: &Wanted<'_>, arm: &Arm) -> Result<Planned, ReconcileError> {
    let mut observed =
        observe(wanted.environment, wanted.site, wanted.former_groups, wanted.remembered, arm).await?;
    copied::unmark_declared(&mut observed, wanted.site, wanted.remembered);
    claimed::recall(&mut observed, wanted.environment, wanted.site, wanted.remembered);
    handover::settle(&mut observed, wanted.site, wanted.neighbours, arm).await?;
    copied::spare_copies(&mut observed, wanted.remembered);
    released::let_go(&mut observed, wanted.consents);
    let plan = plan(&Input {
        environment: wanted.environment,
        site: wanted.site,
        observed: &observed,
        consents: wanted.consents,
        commit: wanted.commit,
        input_digest: wanted.input_digest,
        remembered: wanted.remembered,
    });
    let plan = preflight(plan, &observed, wanted.site.subscription, arm).await;
    if plan.blockers.is_empty() {
        let own = wanted.site.group_id();
        let groups: Vec<ResourceId> = observed.former_groups.iter().cloned().chain([own]).collect();
        if let Some(defect) = check(&plan, &groups, wanted.consents).into_iter().next() {
            return Err(defect.into());
        }
    }
    Ok(Planned { plan, observed })
}

/// What an apply needs beside its plan.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Azure.
    pub arm: &'a Arm,
    /// Where the run is remembered.
    pub journal: &'a dyn Journal,
    /// The lease under which it runs.
    pub fence: Fence,
    /// Ends it early: nothing new is started.
    pub stop: &'a CancellationToken,
    /// Who watches.
    pub observer: &'a (dyn Fn(&Progress) + Send + Sync),
}

/// Carries out a plan that has no blockers.
///
/// # Errors
/// [`ReconcileError`] when the journal cannot be written or the lease is lost. Whatever Azure refuses
/// is in the report instead.
pub async fn carry_out(
    wanted: &Wanted<'_>,
    planned: &Planned,
    run: &RunRecord,
    means: Means<'_>,
) -> Result<Report, ReconcileError> {
    means.journal.begin(run, means.fence).await?;
    go_on(wanted, &run.plan, run.id, &[], planned.observed.everything(), means).await
}

/// Goes on with a run that was interrupted, from what the journal remembers of it.
///
/// # Errors
/// As [`carry_out`].
pub async fn resume(
    wanted: &Wanted<'_>,
    run: &RunRecord,
    means: Means<'_>,
) -> Result<Report, ReconcileError> {
    let history = means.journal.replay(run.id).await?;
    go_on(wanted, &run.plan, run.id, &history, std::collections::BTreeMap::new(), means).await
}

async fn go_on(
    wanted: &Wanted<'_>,
    plan: &Plan,
    run: RunId,
    history: &[(Timestamp, Event)],
    observed: std::collections::BTreeMap<crate::resources::Address, Value>,
    means: Means<'_>,
) -> Result<Report, ReconcileError> {
    let arm = means.arm.with_correlation(run.0);
    let report = apply(Apply {
        environment: wanted.environment,
        site: wanted.site,
        plan,
        run,
        fence: means.fence,
        arm: &arm,
        journal: means.journal,
        parallelism: PARALLELISM,
        stop: means.stop.clone(),
        observer: means.observer,
        history,
        observed,
    })
    .await?;
    // A run in which Azure still works stays open: the next start resumes it.
    if !report.is_underway() {
        means.journal.finish(run, means.fence, means.arm.clock().now(), report.end).await?;
    }
    Ok(report)
}

/// The record with which a run begins.
#[must_use]
pub fn run_record(wanted: &Wanted<'_>, plan: &Plan, kind: RunKind, arm: &Arm) -> RunRecord {
    RunRecord {
        id: RunId(arm.clock().ordered_uuid()),
        owner: wanted.site.mark.owner.clone(),
        environment: wanted.site.mark.environment.clone(),
        path: wanted.environment.path.clone(),
        commit: wanted.commit.cloned(),
        kind,
        input_digest: wanted.input_digest.cloned(),
        plan_digest: plan.digest(),
        plan: plan.clone(),
        began: arm.clock().now(),
        asked_by: None,
    }
}

/// Hex SHA-256 of a value's canonical JSON (RFC 8785).
#[must_use]
pub fn digest_of(value: &Value) -> String {
    // Canonical JSON has no numbers beyond doubles; ARM bodies have none either.
    let canonical =
        serde_json_canonicalizer::to_vec(value).unwrap_or_else(|_| value.to_string().into_bytes());
    Sha256::digest(&canonical).iter().map(|byte| format!("{byte:02x}")).collect()
}
