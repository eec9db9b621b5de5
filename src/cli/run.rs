//! One environment's apply by hand: lease, finish what was interrupted, plan, carry out, remember.
//!
//! The steps are the daemon's worker's, with the same functions; only who decides differs.

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::lease::Lease;
use super::live::Live;
use super::sources::{Place, Sources};
use super::subject::Subject;
use crate::clock::Clock;
use crate::daemon::Estate;
use crate::definitions::Environment;
use crate::reconcile::apply::{Fence, Journal as _, RunEnd, RunKind, RunRecord};
use crate::reconcile::plan::Plan;
use crate::reconcile::report::{Progress, Report};
use crate::reconcile::{Means, Planned, ReconcileError, carry_out, resume, run_record};
use crate::resources::EnvironmentName;
use crate::store::{Applied, Attempt, EnvironmentRecord, Store};

/// What all applies of one command share.
pub(super) struct Runner {
    sources: Sources,
    estate: Estate,
    store: Store,
    clock: Clock,
    pub(super) live: Live,
    pub(super) stop: CancellationToken,
    leases: Mutex<Vec<Lease>>,
}

/// An environment that has its lease and its plan.
pub(super) struct Turn {
    subject: Subject,
    planned: Planned,
    fence: Fence,
    record: Option<EnvironmentRecord>,
    /// What came of the run that was interrupted before, where there was one.
    resumed: Option<Report>,
}

impl Turn {
    /// What would be done.
    pub(super) fn plan(&self) -> &Plan {
        &self.planned.plan
    }

    /// What came of the run that was interrupted before, where there was one.
    pub(super) fn resumed(&self) -> Option<&Report> {
        self.resumed.as_ref()
    }

    /// Whether there is anything to do.
    pub(super) fn has_steps(&self) -> bool {
        !self.planned.plan.steps.is_empty()
    }
}

impl Runner {
    pub(super) fn new(
        sources: Sources,
        estate: Estate,
        store: Store,
        clock: Clock,
        live: Live,
        stop: CancellationToken,
    ) -> Self {
        Self { sources, estate, store, clock, live, stop, leases: Mutex::new(Vec::new()) }
    }

    /// Takes the lease, finishes an interrupted run, and plans.
    pub(super) async fn prepare(&self, environment: Environment) -> Result<Turn, CliError> {
        let name = environment.name.clone();
        let lease = Lease::take(&self.store, &self.clock, &name, &self.stop).await?;
        let fence = lease.fence;
        self.leases.lock().await.push(lease);
        let resumed = match self.store.unfinished_run_of(&name).await? {
            Some(open) => self.finish(&open, fence).await?,
            None => None,
        };
        let record = self.store.environment(&name).await?;
        let subject = Subject::new(environment, &self.sources, &self.estate, record.as_ref()).await?;
        let planned = subject.plan().await?;
        Ok(Turn { subject, planned, fence, record, resumed })
    }

    /// Carries out the plan of `turn`.
    pub(super) async fn apply(&self, turn: &Turn) -> Result<Report, CliError> {
        let wanted = turn.subject.wanted();
        let arm = &turn.subject.account.arm;
        let run = run_record(&wanted, turn.plan(), RunKind::Apply, arm);
        self.live.begin(turn.plan());
        let name = &turn.subject.environment.name;
        let observer = |progress: &Progress| self.live.progress(name, progress);
        let carried =
            carry_out(&wanted, &turn.planned, &run, self.means(&turn.subject, turn.fence, &observer)).await;
        self.live.end(name);
        let report = carried.map_err(|source| failed(name, "applied", source))?;
        self.store.save_report(&report).await?;
        self.remember(turn, &report).await?;
        Ok(report)
    }

    /// Gives everything back that others may wait for.
    pub(super) async fn close(&self) {
        for lease in self.leases.lock().await.drain(..) {
            if let Err(error) = lease.release().await {
                tracing::warn!(%error, "a lease stays until it expires");
            }
        }
        self.store.close().await;
    }

    /// Finishes a run that was interrupted, with the definition of its own commit, because its plan was
    /// made from that one.
    async fn finish(&self, run: &RunRecord, fence: Fence) -> Result<Option<Report>, CliError> {
        let name = &run.environment;
        let Some(subject) = self.subject_of(run).await? else {
            // What its steps did is found by the next plan.
            let ended = self.store.finish(run.id, fence, self.clock.now(), RunEnd::Interrupted).await;
            ended.map_err(|source| failed(name, "resumed", source.into()))?;
            return Ok(None);
        };
        self.live.event(&format!("{name}: going on with a run that was interrupted"));
        self.live.begin(&run.plan);
        let observer = |progress: &Progress| self.live.progress(name, progress);
        let resumed = resume(&subject.wanted(), run, self.means(&subject, fence, &observer)).await;
        self.live.end(name);
        let report = resumed.map_err(|source| failed(name, "resumed", source))?;
        self.store.save_report(&report).await?;
        if self.stop.is_cancelled() {
            return Err(CliError::Other(format!("{name}: interrupted; run the same command again to go on")));
        }
        Ok(Some(report))
    }

    /// What an interrupted run was about; `None` when its commit or its definition cannot be had any more.
    async fn subject_of(&self, run: &RunRecord) -> Result<Option<Subject>, CliError> {
        let (Some(commit), Some(dir)) = (&run.commit, &self.sources.dir) else { return Ok(None) };
        let place =
            Place { dir: dir.clone(), root: self.sources.root.clone(), revision: Some(commit.0.clone()) };
        let Ok(sources) = place.read().await else { return Ok(None) };
        let mut environments = sources.estate.environments.iter();
        let found = environments.find(|environment| environment.name == run.environment).cloned();
        let Some(environment) = found else { return Ok(None) };
        Subject::new(environment, &sources, &self.estate, None).await.map(Some)
    }

    fn means<'a>(
        &'a self,
        subject: &'a Subject,
        fence: Fence,
        observer: &'a (dyn Fn(&Progress) + Send + Sync),
    ) -> Means<'a> {
        Means { arm: &subject.account.arm, journal: &self.store, fence, stop: &self.stop, observer }
    }

    /// So that the next plan knows which consents are spent.
    async fn remember(&self, turn: &Turn, report: &Report) -> Result<(), CliError> {
        let Some(commit) = self.sources.commit else { return Ok(()) };
        let environment = &turn.subject.environment;
        let digest = turn.subject.digest.clone();
        let before = turn.record.as_ref();
        let complete = digest.clone().filter(|_| report.end == RunEnd::Complete);
        let applied = complete.map(|input_digest| Applied { commit, input_digest });
        let record = EnvironmentRecord {
            environment: environment.name.clone(),
            path: environment.path.clone(),
            subscription: environment.subscription.clone(),
            resource_group: environment.resource_group.clone(),
            last_complete: applied.or_else(|| before.and_then(|record| record.last_complete.clone())),
            last_attempt: Some(Attempt { commit, input_digest: digest, end: report.end }),
            // Whoever looks after a whole repository keeps these.
            claims: before.map(|record| record.claims.clone()).unwrap_or_default(),
            updated_at: self.clock.now(),
        };
        Ok(self.store.save_environment(&record).await?)
    }
}

fn failed(environment: &EnvironmentName, verb: &'static str, source: ReconcileError) -> CliError {
    CliError::Reconcile { environment: environment.clone(), verb, source }
}
