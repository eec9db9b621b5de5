//! The acts of an attempt, in the order in which they happen: finish what was interrupted, plan, carry out.

use tokio_util::sync::CancellationToken;

use super::{About, Subject, Tried, remembered};
use crate::azure::Arm;
use crate::clock::Clock;
use crate::git::CommitId;
use crate::reconcile::apply::{Fence, Journal as _, RunEnd, RunKind, RunRecord};
use crate::reconcile::report::{Progress, Report};
use crate::reconcile::{Means, Planned, ReconcileError, carry_out, make_plan, resume, run_record};
use crate::store::{Applied, EnvironmentChange, EnvironmentRecord, Store, StoreError};

/// Why an attempt cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// The journal could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reconciliation could not be made or finished.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

/// An attempt at one environment under its lease.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Where everything is remembered.
    pub store: &'a Store,
    /// The clock by which it waits and dates.
    pub clock: &'a Clock,
    /// The fencing number of the lease that is held.
    pub fence: Fence,
    /// Ends it early: nothing new is started.
    pub stop: &'a CancellationToken,
    /// Who is told of each step; must be quick.
    pub observer: &'a (dyn Fn(&Progress) + Send + Sync),
}

impl Attempt<'_> {
    /// Goes on with a run that was interrupted. `subject` is its environment as the commit of that run has it,
    /// because its plan was made from that one; without it the run is closed, and what its steps did is found by
    /// the next plan. `arm` is the way into its subscription.
    ///
    /// # Errors
    /// [`AttemptError`]; whatever Azure refuses is in the report instead.
    pub async fn finish(
        &self,
        run: &RunRecord,
        subject: Option<(&Subject, &Arm)>,
    ) -> Result<Option<Report>, AttemptError> {
        let Some((subject, arm)) = subject else {
            let finished = self.store.finish(run.id, self.fence, self.clock.now(), RunEnd::Interrupted).await;
            finished.map_err(ReconcileError::from)?;
            return Ok(None);
        };
        let report = resume(&subject.wanted(), run, self.means(arm)).await?;
        self.store.save_report(&report).await?;
        if report.end == RunEnd::Complete {
            self.note_complete(subject).await?;
        }
        Ok(Some(report))
    }

    /// What a run of an earlier process was allowed to destroy is spent by its end, as by that of any other.
    async fn note_complete(&self, subject: &Subject) -> Result<(), StoreError> {
        let record = self.store.environment(&subject.environment.name).await?;
        let (Some(record), Some(commit), Some(digest)) = (record, &subject.commit, &subject.digest) else {
            return Ok(());
        };
        let last_complete = Some(Applied { commit: *commit, input_digest: digest.clone() });
        self.store.save_environment(&EnvironmentRecord { last_complete, ..record }).await
    }

    /// The record of a run of `kind` that carries out `planned`; `asked_by` is the work that asks for it.
    #[must_use]
    pub fn run(&self, subject: &Subject, planned: &Planned, asked_by: Option<i64>) -> RunRecord {
        let run = run_record(&subject.wanted(), &planned.plan, RunKind::Apply, &subject.account.arm);
        RunRecord { asked_by, ..run }
    }

    /// Carries out a plan that has no blockers. Before anything else the environment is noted as touched.
    ///
    /// # Errors
    /// [`AttemptError`]; whatever Azure refuses is in the report instead.
    pub async fn carry_out(
        &self,
        (subject, arm): (&Subject, &Arm),
        planned: &Planned,
        run: &RunRecord,
    ) -> Result<Report, AttemptError> {
        if let Some(commit) = &subject.commit {
            match self.remembered(subject, commit, RunEnd::Interrupted).await? {
                EnvironmentChange::Save(record) | EnvironmentChange::Rename { record, .. } => {
                    self.store.save_environment(&record).await?;
                }
                EnvironmentChange::None | EnvironmentChange::Remove(_) => {}
            }
        }
        let report = carry_out(&subject.wanted(), planned, run, self.means(arm)).await?;
        self.store.save_report(&report).await?;
        Ok(report)
    }

    async fn remembered(
        &self,
        subject: &Subject,
        commit: &CommitId,
        end: RunEnd,
    ) -> Result<EnvironmentChange, StoreError> {
        let environment = &subject.environment;
        let (about, path) = (About::Subject(subject), environment.path.as_str());
        let tried = Tried { environment: &environment.name, path, commit, about, remedy: None };
        remembered(self.store, tried, end, self.clock.now()).await
    }

    fn means<'a>(&'a self, arm: &'a Arm) -> Means<'a> {
        let Self { store, fence, stop, observer, .. } = *self;
        Means { arm, journal: store, fence, stop, observer }
    }
}

impl Subject {
    /// Observes and plans, over `arm` or the subject's own way into Azure. Sends reads only.
    ///
    /// # Errors
    /// [`ReconcileError`] when Azure cannot be read or the plan fails its check.
    pub async fn plan(&self, arm: &Arm) -> Result<Planned, ReconcileError> {
        make_plan(&self.wanted(), arm).await
    }
}
