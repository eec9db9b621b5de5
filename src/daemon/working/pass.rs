//! One pass over a piece of work, under its lease: read, finish what was interrupted, plan, apply, and
//! say how it ended.
//!
//! It decides nothing about Azure: it makes the same `attempt` as the command line and turns its outcome into an
//! end and a sentence.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::account::{correct_superseded, done_for};
use super::comments::{Spoken, spoken};
use super::error::WorkError;
use super::subject::{Reading, read};
use crate::attempt::{About, Attempt, Lease, Subject, Tried, forget_givers, kept_while_given, remembered};
use crate::azure::Waits;
use crate::daemon::shared::Shared;
use crate::daemon::shared::beat::Beating;
use crate::daemon::shared::happening::Happening;
use crate::daemon::shared::log::{self, Lasted};
use crate::daemon::shared::onsets::LONGEST;
use crate::daemon::telling::asking;
use crate::daemon::telling::sentences;
use crate::definitions::Diagnostic;
use crate::git::CommitId;
use crate::reconcile::apply::{Event, Fence, Journal as _, RunEnd, RunKind, RunRecord};
use crate::reconcile::plan::{Blocker, ConsentStanding, Plan, Remedy, Standing, told};
use crate::reconcile::report::{Progress, StepEnd};
use crate::reconcile::review::Section;
use crate::reconcile::{Planned, ReconcileError};
use crate::resources::EnvironmentName;
use crate::store::{Claim, EnvironmentChange, StoreError, Work};

/// A commit that is about more environments than this plans those that were never applied at a walking
/// pace: with an empty journal that is every environment there is.
const MANY_ENVIRONMENTS: usize = 8;

/// What a pass came to.
pub(in crate::daemon) enum Passed {
    /// The work is over.
    Ended(Outcome),
    /// Azure is not ready for it; why, as a clause.
    Waiting {
        /// What for, as a clause.
        why: String,
        /// How long at most, where that is known.
        at_most: Option<Duration>,
    },
    /// Another environment that is being worked on comes first.
    Behind(EnvironmentName),
    /// The service stops; the next start goes on.
    Stopped,
}

/// A plan, once comments were heard.
pub(in crate::daemon) enum Heard {
    /// It knows all that can be known.
    Planned(Box<Planned>),
    /// The forge cannot tell yet.
    NotYet {
        /// Why, as a clause.
        why: String,
        /// How long it is waited for that at most, where there is an end to it.
        at_most: Option<Duration>,
        /// The plan without what comments may say.
        planned: Box<Planned>,
    },
    /// The service stops.
    Stopped,
}

/// How a piece of work ends.
pub(in crate::daemon) struct Outcome {
    pub(in crate::daemon) end: RunEnd,
    pub(in crate::daemon) summary: String,
    /// What is remembered of the environment from now on.
    pub(in crate::daemon) change: EnvironmentChange,
    /// What is said of it where it was proposed.
    pub(in crate::daemon) section: Option<Box<Section>>,
}

/// A worker's hold on a piece of work.
pub(in crate::daemon) struct Pass<'a> {
    pub(in crate::daemon) shared: &'a Arc<Shared>,
    pub(in crate::daemon) work: &'a Work,
    /// What the parts of it that wait for others are watched by; `None` where it only says something.
    pub(in crate::daemon) beating: Option<&'a Beating>,
    pub(in crate::daemon) fence: Fence,
    pub(in crate::daemon) stop: CancellationToken,
    /// How many steps are done.
    pub(in crate::daemon) done: AtomicUsize,
    /// What is being carried out, once it is.
    pub(in crate::daemon) plan: OnceLock<Plan>,
    /// The leases of those that come before it, once it has them.
    pub(in crate::daemon) ahead: OnceLock<Vec<Lease>>,
    /// What its requests and steps wait for.
    pub(in crate::daemon) waits: Waits,
}

impl<'a> Pass<'a> {
    pub(in crate::daemon) fn new(
        shared: &'a Arc<Shared>,
        work: &'a Work,
        fence: Fence,
        stop: CancellationToken,
    ) -> Self {
        let (done, plan, waits) = (AtomicUsize::new(0), OnceLock::new(), Waits::default());
        let (beating, ahead) = (None, OnceLock::new());
        Self { shared, work, beating, fence, stop, done, plan, ahead, waits }
    }
}

impl Pass<'_> {
    pub(in crate::daemon) async fn run(&self) -> Result<Passed, WorkError> {
        // Writes belong to applies: a plan that finds an interrupted run leaves it to them.
        if self.work.kind == RunKind::Apply
            && let Some(open) = self.shared.store.unfinished_run_of(&self.work.environment).await?
            && let Some(not_yet) = self.finish(&open, self.fence).await?
        {
            return Ok(not_yet);
        }
        if self.work.kind == RunKind::Apply {
            correct_superseded(self.shared, self.work).await?;
        }
        let outcome = match read(self.shared, self.work, &self.work.reads).await? {
            Reading::Subject { subject, neighbours } => return self.in_turn(*subject, neighbours).await,
            Reading::Invalid { diagnostics, claims } => self.invalid(&diagnostics, &claims).await?,
            Reading::Nothing => {
                let change = EnvironmentChange::Remove(self.work.environment.clone());
                self.at_rest(self.nothing_left().await?, change)
            }
            // Whoever has its new name does the rest.
            Reading::Renamed(name) => self.at_rest(sentences::renamed(&name), EnvironmentChange::None),
        };
        Ok(Passed::Ended(outcome))
    }

    /// Carries out a part that waits for others, and lets it beat.
    async fn watched<F: Future>(&self, part: F) -> F::Output {
        match self.beating {
            Some(beating) => beating.watch(part).await,
            None => part.await,
        }
    }

    /// Finishes a run that was interrupted, of this environment or of one that comes before it, under the `fence` of
    /// that one's lease. Its definition is read from its own commit, because the plan was made from that one. `None`
    /// when it is out of the way.
    pub(in crate::daemon) async fn finish(
        &self,
        run: &RunRecord,
        fence: Fence,
    ) -> Result<Option<Passed>, WorkError> {
        let environment = &run.environment;
        let path = if *environment == self.work.environment { &self.work.path } else { &run.path };
        let work = &Work { environment: environment.clone(), path: path.clone(), ..self.work.clone() };
        let commit = run.commit.as_ref().and_then(|commit| commit.0.parse::<CommitId>().ok());
        let subject = match commit {
            Some(commit) => match read(self.shared, work, &commit).await {
                Ok(Reading::Subject { subject, .. }) => Ok(subject),
                Ok(Reading::Invalid { diagnostics, .. }) => Err(sentences::invalid(&diagnostics)),
                Ok(Reading::Nothing) => Err("nothing is known of it any more".to_owned()),
                Ok(Reading::Renamed(name)) => Err(sentences::renamed(&name)),
                Err(WorkError::Git(error)) => Err(format!("its commit cannot be read: {error}")),
                Err(error) => return Err(error),
            },
            None => Err("it names no commit".to_owned()),
        };
        let observer = |progress: &Progress| self.observe(environment, progress);
        let attempt = self.attempt(fence, &observer);
        let done = self.done_of(run).await?;
        let subject = match subject {
            Ok(subject) => subject,
            Err(why) => {
                attempt.finish(run, None).await?;
                log::run_dropped(run, done, &why);
                return Ok(None);
            }
        };
        let (begun, after) = (self.shared.clock.monotonic(), self.silence_of(run).await?);
        log::run_resumed(run, done, after);
        self.tell_begun(&sentences::resuming(&run.plan, done)).await;
        let arm = subject.account.arm.with_waits(self.waits.clone());
        let Some(report) = self.watched(Box::pin(attempt.finish(run, Some((&subject, &arm))))).await? else {
            return Ok(None);
        };
        self.done.store(0, Ordering::Relaxed);
        log::run_ended(run, &report, Lasted { took: begun.elapsed(), resumed_after: Some(after) });
        if self.stop.is_cancelled() {
            return Ok(Some(Passed::Stopped));
        }
        let is_open = report.is_underway();
        Ok(is_open.then(|| Passed::Waiting {
            why: "an interrupted run is still under way".to_owned(),
            at_most: None,
        }))
    }

    pub(in crate::daemon) async fn reconcile(
        &self,
        mut subject: Subject,
        neighbours: usize,
    ) -> Result<Passed, WorkError> {
        match self.hear(&mut subject, neighbours).await? {
            Heard::Planned(planned) => self.go_by(&subject, &planned).await,
            Heard::NotYet { why, at_most, .. } => {
                tracing::info!(environment = %self.work.environment, reason = why, "waiting for the forge");
                Ok(Passed::Waiting { why, at_most })
            }
            Heard::Stopped => Ok(Passed::Stopped),
        }
    }

    /// Plans, with the consents that comments give where it is an apply.
    pub(in crate::daemon) async fn hear(
        &self,
        subject: &mut Subject,
        neighbours: usize,
    ) -> Result<Heard, WorkError> {
        let Some(planned) = self.plan(subject, neighbours).await? else { return Ok(Heard::Stopped) };
        if self.work.kind != RunKind::Apply {
            return Ok(Heard::Planned(planned));
        }
        match self.watched(Box::pin(spoken(self.shared, self.work, &planned.plan, subject.since))).await? {
            Spoken::Lines(lines) if lines.is_empty() => Ok(Heard::Planned(planned)),
            Spoken::Lines(lines) => {
                lines.into_iter().for_each(|(line, reach)| subject.consents.add(line, reach));
                let again = self.plan(subject, neighbours).await?;
                Ok(again.map_or(Heard::Stopped, Heard::Planned))
            }
            Spoken::NotYet { why, at_most } => Ok(Heard::NotYet { why, at_most, planned }),
        }
    }

    /// `None` when the service stops.
    async fn plan(&self, subject: &Subject, neighbours: usize) -> Result<Option<Box<Planned>>, WorkError> {
        let arm = match self.shared.walking(&subject.environment.subscription) {
            Some(paced) if subject.since.is_none() && neighbours > MANY_ENVIRONMENTS => paced,
            Some(_) | None => &subject.account.arm,
        };
        let arm = &arm.with_waits(self.waits.clone());
        let planned = self.stop.run_until_cancelled(self.watched(Box::pin(subject.plan(arm)))).await;
        Ok(planned.transpose()?.map(Box::new))
    }

    /// Does what a plan comes to.
    async fn go_by(&self, subject: &Subject, planned: &Planned) -> Result<Passed, WorkError> {
        let plan = &planned.plan;
        let is_done = self.work.kind == RunKind::Apply && plan.blockers.is_empty() && plan.steps.is_empty();
        // What was done before an interruption was done for this commit, by lines that are spent now.
        let done = match is_done {
            true => Some(done_for(self.shared, self.work, None).await?),
            false => None,
        };
        let spent = done.as_ref().map_or(&[][..], |done| &done.consents);
        self.log_consents(plan, spent);
        self.shared.tell(Happening::Planned { work: self.work.clone(), plan: Box::new(plan.clone()) });
        let is_busy = |blocker: &&Blocker| matches!(blocker, Blocker::InProgress { .. });
        if let Some(busy) = plan.blockers.iter().find(is_busy) {
            return Ok(Passed::Waiting { why: plan.problem(busy), at_most: None });
        }
        let (end, summary) = match self.work.kind {
            _ if !plan.blockers.is_empty() => (RunEnd::Blocked, self.after(sentences::blocked(plan)).await?),
            RunKind::Plan | RunKind::Drift => (RunEnd::Planned, sentences::planned(plan)),
            RunKind::Apply if let Some(done) = &done => {
                let deeds = done.deeds.clone().settled();
                let is_nothing = deeds.is_nothing();
                let text = match sentences::handed_over(&planned.observed.given) {
                    Some(text) if subject.is_removed() => sentences::after(&deeds, text),
                    Some(_) | None if !is_nothing => sentences::applied(plan, &deeds),
                    Some(_) | None if subject.is_removed() => sentences::removed(),
                    Some(_) | None => sentences::as_declared(plan),
                };
                (RunEnd::Complete, text)
            }
            RunKind::Apply => match self.shared.agreed.moved(self.work.id, plan) {
                moved if moved.is_empty() => return self.apply(subject, planned).await,
                moved => (RunEnd::Blocked, sentences::moved(&moved)),
            },
        };
        // An apply that was carried out has its run; one that is blocked has nothing but its plan.
        let is_kept = self.is_kept() || end == RunEnd::Blocked;
        let section = is_kept.then(|| Box::new(Section::of_plan(plan)));
        let summary = asking::with_consents(summary, plan, spent, &self.touched_beside(plan).await?);
        Ok(Passed::Ended(Outcome { section, ..self.outcome((subject, planned), end, summary).await? }))
    }

    /// The environments of the same commit, where a plan has lines that speak of another one.
    async fn touched_beside(&self, plan: &Plan) -> Result<BTreeSet<EnvironmentName>, StoreError> {
        if plan.consents.iter().all(|one| one.standing != Standing::Elsewhere) {
            return Ok(BTreeSet::new());
        }
        let all = self.shared.store.work_of_commit(&self.work.commit, self.work.kind).await?;
        Ok(all.into_iter().map(|work| work.environment).collect())
    }

    /// Nothing that somebody wrote is passed over in silence; what is `spent` has had its line.
    fn log_consents(&self, plan: &Plan, spent: &[ConsentStanding]) {
        let environment = &self.work.environment;
        let is_spent = |one: &ConsentStanding| spent.iter().any(|spent| spent.line == one.line);
        let consents: Vec<ConsentStanding> =
            plan.consents.iter().filter(|one| !is_spent(one)).cloned().collect();
        let told = told(&consents);
        for one in &told.lines {
            let said = one.sentence();
            match one.code() {
                Some(_) => tracing::warn!(%environment, consent = said, "a consent line does nothing"),
                None => tracing::info!(%environment, consent = said, "a consent line"),
            }
        }
        if let Some(rest) = told.rest() {
            tracing::warn!(%environment, consent = rest, "consent lines do nothing");
        }
    }

    /// Whether what comes of this is kept: a plan of a pull request is said in its comment, and every plan
    /// on the page of its commit. An apply has its run.
    fn is_kept(&self) -> bool {
        self.work.kind == RunKind::Plan
    }

    async fn apply(&self, subject: &Subject, planned: &Planned) -> Result<Passed, WorkError> {
        if let Some(giver) = self.busy_giver(subject, planned).await? {
            return Ok(Passed::Behind(giver));
        }
        let observer = |progress: &Progress| self.observe(&self.work.environment, progress);
        let attempt = self.attempt(self.fence, &observer);
        let run = &attempt.run(subject, planned, Some(self.work.id.0));
        let arm = subject.account.arm.with_waits(self.waits.clone());
        let _ = self.plan.set(planned.plan.clone());
        let begun = self.shared.clock.monotonic();
        log::run_started(run);
        self.tell_begun(&sentences::applying(&planned.plan, 0)).await;
        let report = self.watched(Box::pin(attempt.carry_out((subject, &arm), planned, run))).await?;
        log::run_ended(run, &report, Lasted { took: begun.elapsed(), resumed_after: None });
        self.shared.tell(Happening::Reported(Box::new(report.clone())));
        if report.end == RunEnd::Interrupted {
            return Ok(match self.stop.is_cancelled() {
                true => Passed::Stopped,
                false => Passed::Waiting {
                    why: "something else changed the environment meanwhile".to_owned(),
                    at_most: None,
                },
            });
        }
        let done = done_for(self.shared, self.work, Some(&report)).await?;
        let applied = sentences::applied(&planned.plan, &done.deeds);
        let summary = asking::with_consents(applied, &planned.plan, &done.consents, &BTreeSet::new());
        Ok(Passed::Ended(self.outcome((subject, planned), report.end, summary).await?))
    }

    fn attempt<'b>(&'b self, fence: Fence, observer: &'b (dyn Fn(&Progress) + Send + Sync)) -> Attempt<'b> {
        let Shared { store, clock, .. } = self.shared.as_ref();
        Attempt { store, clock, fence, stop: &self.stop, observer }
    }

    /// How many steps of an interrupted run are done.
    async fn done_of(&self, run: &RunRecord) -> Result<usize, WorkError> {
        let history = self.shared.store.replay(run.id).await.map_err(ReconcileError::from)?;
        Ok(history.iter().filter(|(_, event)| matches!(event, Event::Done { .. })).count())
    }

    /// How long ago a run was last written down.
    async fn silence_of(&self, run: &RunRecord) -> Result<Duration, WorkError> {
        let history = self.shared.store.replay(run.id).await.map_err(ReconcileError::from)?;
        let last = history.last().map_or(run.began, |(at, _)| *at);
        Ok(self.shared.clock.age(last, LONGEST))
    }

    fn observe(&self, environment: &EnvironmentName, progress: &Progress) {
        if let Progress::Ended { end: StepEnd::Done, .. } = progress {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        self.shared
            .tell(Happening::Progress { environment: environment.clone(), progress: progress.clone() });
    }

    async fn invalid(&self, diagnostics: &[Diagnostic], claims: &[Claim]) -> Result<Outcome, StoreError> {
        self.shared.tell(Happening::Invalid { work: self.work.clone(), diagnostics: diagnostics.to_vec() });
        let change = self.change(RunEnd::Invalid, About::Claims(claims), None).await?;
        let section = Section::of_diagnostics(&self.work.environment, diagnostics);
        let section = self.is_kept().then(|| Box::new(section));
        let summary = self.after(sentences::invalid(diagnostics)).await?;
        Ok(Outcome { end: RunEnd::Invalid, summary, change, section })
    }

    /// What is said of a file that is gone and of which nothing is remembered: all of it was deleted for this work or
    /// before, or nothing was made.
    async fn nothing_left(&self) -> Result<String, StoreError> {
        if self.work.kind == RunKind::Apply {
            let done = done_for(self.shared, self.work, None).await?;
            if !done.deeds.is_nothing() {
                let consents: Vec<_> = done.consents.iter().collect();
                return Ok(asking::by_leave(sentences::reported(&done.deeds), &consents));
            }
        }
        let was_made = !self.shared.store.recent_runs(Some(&self.work.environment), 1).await?.is_empty();
        Ok(if was_made { sentences::removed() } else { sentences::never_made() })
    }

    /// Nothing is to be done.
    fn at_rest(&self, summary: String, change: EnvironmentChange) -> Outcome {
        match self.work.kind {
            RunKind::Apply => Outcome { end: RunEnd::Complete, summary, change, section: None },
            RunKind::Plan | RunKind::Drift => {
                let section = Section::without_changes(&self.work.environment, &summary);
                let section = self.is_kept().then(|| Box::new(section));
                Outcome { end: RunEnd::Planned, summary, change: EnvironmentChange::None, section }
            }
        }
    }

    async fn outcome(
        &self,
        (subject, planned): (&Subject, &Planned),
        end: RunEnd,
        summary: String,
    ) -> Result<Outcome, StoreError> {
        let change = self.change(end, About::Subject(subject), planned.plan.remedy()).await?;
        let change = kept_while_given(change, &planned.observed);
        if self.work.kind == RunKind::Apply && end == RunEnd::Complete {
            forget_givers(&self.shared.store, &planned.observed).await?;
        }
        Ok(Outcome { end, summary, change, section: None })
    }

    /// What is said at the end of work that may have done something before.
    pub(in crate::daemon) async fn after(&self, text: String) -> Result<String, StoreError> {
        match self.work.kind {
            RunKind::Apply => {
                let done = done_for(self.shared, self.work, None).await?;
                Ok(sentences::after(&done.deeds, text))
            }
            RunKind::Plan | RunKind::Drift => Ok(text),
        }
    }

    /// The environment's record with this attempt noted.
    pub(in crate::daemon) async fn change(
        &self,
        end: RunEnd,
        about: About<'_>,
        remedy: Option<Remedy>,
    ) -> Result<EnvironmentChange, StoreError> {
        if self.work.kind != RunKind::Apply {
            return Ok(EnvironmentChange::None);
        }
        let Work { environment, path, commit, .. } = self.work;
        let tried = Tried { environment, path, commit, about, remedy };
        remembered(&self.shared.store, tried, end, self.shared.clock.now()).await
    }
}
