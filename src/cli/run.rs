//! One environment's apply by hand: an `attempt`, with what a person sees of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::lease::Held;
use super::live::Live;
use super::sources::{Place, Sources};
use super::subject::{Journal, Knowledge, Selection, plan_of, select};
use crate::attempt::{
    About, Attempt, AttemptError, Estate, Subject, Tried, ahead_of, forget_givers, kept_while_given,
    remembered,
};
use crate::clock::Clock;
use crate::definitions::Environment;
use crate::git::BranchName;
use crate::reconcile::Planned;
use crate::reconcile::apply::{Fence, RunEnd, RunRecord};
use crate::reconcile::plan::Plan;
use crate::reconcile::report::{Progress, Report};
use crate::resources::EnvironmentName;
use crate::store::Store;

/// What all applies of one command share.
pub(super) struct Runner {
    pub(super) sources: Sources,
    pub(super) estate: Estate,
    pub(super) store: Store,
    pub(super) branch: BranchName,
    pub(super) clock: Clock,
    pub(super) live: Live,
    pub(super) stop: CancellationToken,
    pub(super) leases: Mutex<Vec<Held>>,
}

/// An environment that has its lease and its plan.
pub(super) struct Turn {
    subject: Subject,
    planned: Planned,
    fence: Fence,
    /// What came of the runs that were interrupted before.
    resumed: Vec<Report>,
}

impl Turn {
    /// What would be done.
    pub(super) fn plan(&self) -> &Plan {
        &self.planned.plan
    }

    /// What came of the runs that were interrupted before: of its own, and of those that come before it.
    pub(super) fn resumed(&self) -> &[Report] {
        &self.resumed
    }

    /// Whether there is anything to do.
    pub(super) fn has_steps(&self) -> bool {
        !self.planned.plan.steps.is_empty()
    }
}

impl Runner {
    /// Takes the lease, finishes an interrupted run, its own and that of whoever may still write to what the definition
    /// declares, and plans.
    pub(super) async fn prepare(&self, environment: Environment) -> Result<Turn, CliError> {
        let name = environment.name.clone();
        let fence = self.hold(&name).await?;
        let mut resumed = Vec::new();
        if let Some(open) = self.store.unfinished_run_of(&name).await? {
            resumed.extend(self.finish(&open, fence).await?);
        }
        let mut subject = self.knowledge().subject(environment.clone(), &self.sources).await?;
        for other in ahead_of(&self.store, &subject).await? {
            let fence = self.hold(&other).await?;
            if let Some(open) = self.store.unfinished_run_of(&other).await? {
                resumed.extend(self.finish(&open, fence).await?);
                // What was remembered under the other name is newer now.
                subject = self.knowledge().subject(environment.clone(), &self.sources).await?;
            }
        }
        let planned = plan_of(&subject).await?;
        let turn = Turn { subject, planned, fence, resumed };
        if !turn.plan().blockers.is_empty() {
            self.remember(&turn, RunEnd::Blocked).await?;
        } else if !turn.has_steps() {
            self.remember(&turn, RunEnd::Complete).await?;
        }
        Ok(turn)
    }

    /// Carries out the plan of `turn`.
    pub(super) async fn apply(&self, turn: &Turn) -> Result<Report, CliError> {
        let name = &turn.subject.environment.name;
        self.hold_givers(turn).await?;
        let observer = |progress: &Progress| self.live.progress(name, progress);
        let attempt = self.attempt(turn.fence, &observer);
        let run = attempt.run(&turn.subject, &turn.planned, None);
        self.live.begin(turn.plan());
        let way = (&turn.subject, &turn.subject.account.arm);
        let carried = attempt.carry_out(way, &turn.planned, &run).await;
        self.live.end(name);
        let report = carried.map_err(|error| failed(name, "applied", error))?;
        self.remember(turn, report.end).await?;
        Ok(report)
    }

    /// Takes the leases of those that hand something over, so that they do not change it meanwhile.
    async fn hold_givers(&self, turn: &Turn) -> Result<(), CliError> {
        for taken in turn.planned.observed.taken.values() {
            self.hold(&taken.from).await?;
        }
        Ok(())
    }

    /// Takes a lease, unless this command has it.
    async fn hold(&self, environment: &EnvironmentName) -> Result<Fence, CliError> {
        let of_this = |held: &&Held| held.environment() == environment;
        if let Some(held) = self.held().iter().find(of_this) {
            return Ok(held.fence());
        }
        let held = Held::take(&self.store, &self.clock, environment, &self.stop).await?;
        let fence = held.fence();
        self.held().push(held);
        Ok(fence)
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives everything back that others may wait for.
    pub(super) async fn close(&self) {
        let leases = std::mem::take(&mut *self.held());
        for held in leases {
            held.release().await;
        }
        self.store.close().await;
    }

    /// Finishes a run that was interrupted, with the definition of its own commit.
    async fn finish(&self, run: &RunRecord, fence: Fence) -> Result<Option<Report>, CliError> {
        let name = &run.environment;
        let observer = |progress: &Progress| self.live.progress(name, progress);
        let attempt = self.attempt(fence, &observer);
        let subject = match self.subject_of(run).await? {
            Ok(subject) => {
                self.live.event(&format!("{name}: going on with a run that was interrupted"));
                self.live.begin(&run.plan);
                Some(subject)
            }
            Err(why) => {
                self.live.event(&format!(
                    "{name}: a run that was interrupted does not go on: {why}. What it did is found by the plan"
                ));
                None
            }
        };
        let way = subject.as_ref().map(|subject| (subject, &subject.account.arm));
        let resumed = attempt.finish(run, way).await;
        self.live.end(name);
        let report = resumed.map_err(|error| failed(name, "resumed", error))?;
        if report.is_some() && self.stop.is_cancelled() {
            return Err(CliError::Other(format!("{name}: interrupted; run the same command again to go on")));
        }
        Ok(report)
    }

    /// What an interrupted run was about; or why its commit or its definition cannot be had any more, as a clause.
    async fn subject_of(&self, run: &RunRecord) -> Result<Result<Subject, String>, CliError> {
        let (Some(commit), Some(dir)) = (&run.commit, &self.sources.dir) else {
            return Ok(Err("it names no commit".to_owned()));
        };
        let short: String = commit.0.chars().take(7).collect();
        let place =
            Place { dir: dir.clone(), root: self.sources.root.clone(), revision: Some(commit.0.clone()) };
        let Ok(sources) = place.read().await else {
            return Ok(Err(format!("its commit {short} cannot be read any more")));
        };
        let name = &run.environment;
        let remembered: Vec<_> = self.store.environment(name).await?.into_iter().collect();
        let (environments, errors) = match select(&sources, &[name.to_string()], &remembered) {
            Ok(Selection { environments, errors }) => (environments, errors),
            Err(error) => return Ok(Err(format!("at its commit {short} {error}"))),
        };
        match environments.into_iter().next() {
            Some(environment) if errors.is_empty() => {
                self.knowledge().subject(environment, &sources).await.map(Ok)
            }
            Some(_) | None => Ok(Err(format!("its definition at {short} has errors"))),
        }
    }

    fn knowledge(&self) -> Knowledge<'_> {
        let journal = Journal { store: &self.store, branch: &self.branch };
        Knowledge { estate: &self.estate, journal: Some(journal) }
    }

    fn attempt<'a>(&'a self, fence: Fence, observer: &'a (dyn Fn(&Progress) + Send + Sync)) -> Attempt<'a> {
        Attempt { store: &self.store, clock: &self.clock, fence, stop: &self.stop, observer }
    }

    /// So that the next plan, the daemon's too, knows what has become of the environment.
    async fn remember(&self, turn: &Turn, end: RunEnd) -> Result<(), CliError> {
        let Some(commit) = &self.sources.commit else { return Ok(()) };
        let environment = &turn.subject.environment;
        let (about, path) = (About::Subject(&turn.subject), environment.path.as_str());
        let remedy = turn.plan().remedy();
        let tried = Tried { environment: &environment.name, path, commit, about, remedy };
        let change = remembered(&self.store, tried, end, self.clock.now()).await?;
        self.store.change_environment(kept_while_given(change, &turn.planned.observed)).await?;
        if end == RunEnd::Complete {
            forget_givers(&self.store, &turn.planned.observed).await?;
        }
        Ok(())
    }
}

fn failed(environment: &EnvironmentName, verb: &'static str, error: AttemptError) -> CliError {
    match error {
        AttemptError::Store(error) => error.into(),
        AttemptError::Reconcile(source) => {
            CliError::Reconcile { environment: environment.clone(), verb, source }
        }
    }
}
