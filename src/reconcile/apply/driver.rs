//! Carries out a plan: starts steps when the schedule says so, and ends when it says so.
//!
//! Everything is decided elsewhere: what and in which order by the plan, what may run by
//! [`super::schedule`], what comes next in a step by [`super::resume`]. Here is the loop. All steps run
//! as futures of the caller's task, so that dropping this future stops everything at once.
//!
//! Guarantees: while anything runs, this waits for nothing else. A future that is not polled may hold what
//! others wait for (a turn in a queue, a permit), and then nothing would ever go on.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::bodies::Bodies;
use super::halt::{Fatal, Halt};
use super::journal::{Event, Fence, Journal, JournalError, RunEnd, RunId};
use super::progress::IllegalTransition;
use super::record::Record;
use super::resume::Wish;
use super::step_run::StepRun;
use super::verdict;
use crate::azure::Arm;
use crate::clock::{Clock, Instant};
use crate::definitions::Environment;
use crate::pulse::part;
use crate::reconcile::plan::{Action, Plan, ReadBack, Step};
use crate::reconcile::report::{Progress, Report};
use crate::resources::{self, Address, Site};

/// How long requests that are on their way when a stop is asked for may take to be answered and
/// journaled. What is not answered by then is read back by the next start.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// How long after a role assignment of our own a missing permission may be one that has not arrived
/// (facts.md 15: propagation takes up to ten minutes).
const PROPAGATION: Duration = Duration::from_secs(10 * 60);

/// Everything that carrying out a plan needs.
pub struct Apply<'a> {
    /// The definition that the plan was made from.
    pub environment: &'a Environment,
    /// Where it lives.
    pub site: &'a Site,
    /// The plan.
    pub plan: &'a Plan,
    /// The run, which the caller has begun in the journal.
    pub run: RunId,
    /// The lease under which it runs.
    pub fence: Fence,
    /// Azure.
    pub arm: &'a Arm,
    /// Where the run is remembered.
    pub journal: &'a dyn Journal,
    /// Most steps that run at the same time.
    pub parallelism: usize,
    /// Ends the run early: nothing new is started.
    pub stop: CancellationToken,
    /// Who watches.
    pub observer: &'a (dyn Fn(&Progress) + Send + Sync),
    /// What the journal remembers of this run; empty for a fresh one.
    pub history: &'a [(Timestamp, Event)],
    /// Bodies that observation saw. What is not here and is asked for is read.
    pub observed: BTreeMap<Address, Value>,
}

/// Why a run could not be carried on. What Azure refuses is in the report instead.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The run could not be remembered, or its lease is lost. Nothing was sent after that.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The plan was made by another version or from another definition than it is to be applied with.
    #[error("step {ordinal} ({address}) of the plan does not fit: {what}. Plan again")]
    Mismatch {
        /// The step.
        ordinal: u32,
        /// Its resource.
        address: Address,
        /// What does not fit.
        what: String,
    },
    /// The journal's events are not those of this plan.
    #[error("the journal of run {run} does not fit its plan. Plan again")]
    History {
        /// The run.
        run: RunId,
        /// Where they part.
        #[source]
        source: IllegalTransition,
    },
}

/// What the steps of a run share.
pub(super) struct Shared<'a> {
    pub(super) input: &'a Apply<'a>,
    pub(super) record: Record<'a>,
    pub(super) bodies: Bodies<'a>,
    /// Until when a missing permission may be one of ours that has not arrived yet.
    propagating: Mutex<Option<Instant>>,
    /// What was found out before the first deletion that a replacement needs.
    pub(super) asked_again: OnceLock<AskedAgain<'a>>,
}

/// Asked once for all steps that wait for it: whichever of them is polled goes on with it. Why something cannot be made
/// again, and the steps that had begun when that was asked.
pub(super) type AskedAgain<'a> = futures::future::Shared<BoxFuture<'a, Option<(String, BTreeSet<u32>)>>>;

/// Whether further steps are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Closed,
}

/// Carries out `input.plan`, or goes on with it from `input.history`.
///
/// The caller has called [`Journal::begin`] before, and calls [`Journal::finish`] afterwards, unless
/// [`Report::is_underway`]: such a run is resumed by the next start, with its history.
/// A plan with blockers is not touched.
///
/// # Errors
/// [`ApplyError`]. After [`ApplyError::Journal`] the run must not be finished either.
pub async fn apply(input: Apply<'_>) -> Result<Report, ApplyError> {
    if let Some(mismatch) = input.plan.steps.iter().find_map(|step| misfit(step, &input)) {
        return Err(mismatch);
    }
    let shared = Shared::of(&input)?;
    if input.plan.blockers.is_empty() {
        carry_out(&shared).await.map_err(|fatal| input.error(fatal))?;
        Ok(shared.record.report())
    } else {
        Ok(Report { end: RunEnd::Blocked, ..shared.record.report() })
    }
}

/// What has come to an end.
enum Ended {
    Step(u32, Result<(), Halt>),
    /// All that had become unreachable is written down as skipped.
    Skips(Result<(), Fatal>),
}

/// Whether skips are being written. One at a time, so that none is written twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skipping {
    No,
    Yes,
}

async fn carry_out(shared: &Shared<'_>) -> Result<(), Fatal> {
    let stop = &shared.input.stop;
    let mut out_of_patience = pin!(async {
        stop.cancelled().await;
        shared.clock().sleep(STOP_GRACE).await;
    });
    let mut running: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
    let (mut gate, mut skipping) = (Gate::Open, Skipping::No);
    loop {
        if skipping == Skipping::No && shared.record.has_skips() {
            skipping = Skipping::Yes;
            running.push(Box::pin(async { Ended::Skips(shared.record.write_skips().await) }));
        }
        if gate == Gate::Open && !stop.is_cancelled() {
            let started =
                shared.record.take().into_iter().filter_map(|ordinal| shared.input.plan.step(ordinal));
            for step in started {
                let name = || format!("the step {}", step.address.local());
                let run = part(name, StepRun::new(shared, step).run());
                running.push(Box::pin(run.map(|ended| Ended::Step(step.ordinal, ended))));
            }
        }
        let ended = tokio::select! {
            biased;
            ended = running.next() => ended,
            () = &mut out_of_patience => None,
        };
        match ended {
            None => return Ok(()),
            Some(Ended::Skips(written)) => {
                written?;
                skipping = Skipping::No;
            }
            Some(Ended::Step(step, Ok(()) | Err(Halt::Stopped))) => shared.record.release(step),
            Some(Ended::Step(step, Err(Halt::Moved { message }))) => {
                gate = Gate::Closed;
                shared.record.give_up(step, message);
            }
            Some(Ended::Step(_, Err(Halt::Fatal(fatal)))) => return Err(fatal),
        }
    }
}

fn misfit(step: &Step, input: &Apply<'_>) -> Option<ApplyError> {
    let kind = step.address.kind();
    let known = resources::of(kind).spec().api_version.to_string();
    let undeclared = !input.environment.resources.contains_key(&step.address);
    let compared = verdict::wish(step) == Wish::Present && step.action != Action::Release;
    let verified = step.read_back == ReadBack::Matches && compared;
    let what = if step.api_version != known {
        format!("it is written for {} of {kind}, this version speaks {known}", step.api_version)
    } else if undeclared && verified {
        "the definition does not declare it".to_owned()
    } else {
        return None;
    };
    Some(ApplyError::Mismatch { ordinal: step.ordinal, address: step.address.clone(), what })
}

impl Apply<'_> {
    fn error(&self, fatal: Fatal) -> ApplyError {
        match fatal {
            Fatal::Journal(source) => ApplyError::Journal(source),
            Fatal::Illegal(source) => ApplyError::History { run: self.run, source },
        }
    }
}

impl<'a> Shared<'a> {
    fn of(input: &'a Apply<'a>) -> Result<Self, ApplyError> {
        let record =
            Record::replay(input).map_err(|source| ApplyError::History { run: input.run, source })?;
        let (bodies, propagating) = (Bodies::of(input), Mutex::new(None));
        let shared = Self { input, record, bodies, propagating, asked_again: OnceLock::new() };
        for (at, event) in input.history {
            if let Some(step) =
                input.plan.step(event.step()).filter(|_| matches!(event, Event::Answered { .. }))
            {
                shared.note_role(step, shared.clock().age(*at, PROPAGATION));
            }
        }
        Ok(shared)
    }

    pub(super) fn clock(&self) -> &'a Clock {
        self.input.arm.clock()
    }

    /// Remembers that a role assignment was written `ago`, which may take a while to arrive everywhere.
    pub(super) fn note_role(&self, step: &Step, ago: Duration) {
        if resources::of(step.address.kind()).spec().behaviour.propagates {
            let until = self.clock().after(PROPAGATION.saturating_sub(ago));
            *self.propagating.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        }
    }

    /// Whether a missing permission may be one of ours that has not arrived yet.
    pub(super) fn is_propagating(&self) -> bool {
        let until = *self.propagating.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| self.clock().monotonic() < until)
    }
}
