//! The one place where events of a run are written: first to the journal, then to the schedule.
//!
//! An event that the state machine does not allow is never written; an event that the journal did not
//! take never happened. Watchers are told last.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::driver::Apply;
use super::halt::Fatal;
use super::journal::{Event, RunEnd, RunRecord};
use super::progress::{IllegalTransition, State};
use super::schedule::Schedule;
use crate::reconcile::plan::Plan;
use crate::reconcile::report::{Progress, Report, StepEnd, StepReport};

/// The longest wait before a look that a journal is believed: `Retry-After` is cut to it.
const LONGEST_LOOK: Duration = Duration::from_secs(600);

/// When a step's first request was about to be sent, when Azure last named an operation for it, and when
/// the step ended. Dates of the wall clock, which may have been set in between.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    began: Option<Timestamp>,
    accepted: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// What happened and what may happen next, kept in step with the journal.
pub(super) struct Record<'a> {
    input: &'a Apply<'a>,
    began: Timestamp,
    book: Mutex<Book<'a>>,
}

struct Book<'a> {
    schedule: Schedule<'a>,
    times: Vec<Times>,
    /// Why steps were given up without an event: they were planned for what is no longer so.
    moved: Vec<(u32, String)>,
}

impl<'a> Record<'a> {
    /// The run as its history left it.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the history is not of this plan.
    pub(super) fn replay(input: &'a Apply<'a>) -> Result<Self, IllegalTransition> {
        let book = Book::replay(input.plan, input.history)?;
        let began = input.history.first().map_or_else(|| input.arm.clock().now(), |(at, _)| *at);
        Ok(Self { input, began, book: Mutex::new(book) })
    }

    /// Writes an event and enters the state that it leads to.
    pub(super) async fn write(&self, event: Event) -> Result<(), Fatal> {
        let at = self.input.arm.clock().now();
        self.book().schedule.check(&event).map_err(Fatal::Illegal)?;
        self.input
            .journal
            .append(self.input.run, self.input.fence, at, &event)
            .await
            .map_err(Fatal::Journal)?;
        let news = {
            let mut book = self.book();
            let is_first = matches!(book.schedule.state(event.step()), State::Waiting);
            book.enter(at, &event).map_err(Fatal::Illegal)?;
            book.news(&event, is_first)
        };
        if let Some(news) = news {
            self.tell(&news);
        }
        Ok(())
    }

    /// Whether a failure has made a step unreachable that is not yet written down as skipped.
    pub(super) fn has_skips(&self) -> bool {
        !self.book().schedule.skips().is_empty()
    }

    /// Writes that steps are skipped, until no failure makes another one unreachable.
    pub(super) async fn write_skips(&self) -> Result<(), Fatal> {
        loop {
            let skips = self.book().schedule.skips();
            if skips.is_empty() {
                return Ok(());
            }
            for (step, because) in skips {
                self.write(Event::Skipped { step, because }).await?;
            }
        }
    }

    /// Tells those who watch.
    pub(super) fn tell(&self, progress: &Progress) {
        (self.input.observer)(progress);
    }

    /// Where a step stands.
    pub(super) fn state(&self, step: u32) -> State {
        self.book().schedule.state(step).clone()
    }

    /// Steps of which something may have been sent.
    pub(super) fn begun(&self) -> BTreeSet<u32> {
        let book = self.book();
        let begun = |step: &u32| !matches!(book.schedule.state(*step), State::Waiting);
        self.input.plan.steps.iter().map(|step| step.ordinal).filter(begun).collect()
    }

    /// Steps that may run now; they count as running until [`Record::release`].
    pub(super) fn take(&self) -> Vec<u32> {
        self.book().schedule.take(self.input.parallelism)
    }

    /// No task works on the step any more.
    pub(super) fn release(&self, step: u32) {
        self.book().schedule.release(step);
    }

    /// No task works on the step any more, because what it was planned for has moved.
    pub(super) fn give_up(&self, step: u32, message: String) {
        let mut book = self.book();
        book.schedule.release(step);
        book.moved.push((step, message));
    }

    /// Ordinals of the steps that `step` carries out beside itself and that have not ended.
    pub(super) fn carried(&self, step: u32) -> Vec<u32> {
        let book = self.book();
        let carried = book.schedule.carried(step).into_iter().map(|step| step.ordinal);
        carried.filter(|step| !book.schedule.state(*step).is_final()).collect()
    }

    /// What is left of the wait before `next_look`, which the journal remembers: never longer than the
    /// whole wait was, however the clock was set since.
    pub(super) fn left_until(&self, step: u32, next_look: Timestamp) -> Duration {
        let times = usize::try_from(step).ok().and_then(|step| self.book().times.get(step).copied());
        let Some(accepted) = times.and_then(|times| times.accepted) else { return Duration::ZERO };
        let whole = Duration::try_from(next_look.duration_since(accepted)).unwrap_or(Duration::ZERO);
        let whole = whole.min(LONGEST_LOOK);
        whole - self.input.arm.clock().age(accepted, whole)
    }

    /// The outcome as it is now.
    pub(super) fn report(&self) -> Report {
        let book = self.book();
        Report {
            run: self.input.run,
            environment: self.input.plan.environment.clone(),
            end: book.schedule.end(),
            steps: book.steps(self.input.plan),
            began: self.began,
            ended: self.input.arm.clock().now(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book<'a>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The report of a run, made from what the journal remembers of it: that of a run that has ended is as it
/// was, except for the words with which steps were given up; that of another one is how it stands.
///
/// # Errors
/// [`IllegalTransition`] when the history is not of this run's plan.
pub fn report_of(
    run: &RunRecord,
    history: &[(Timestamp, Event)],
    ended: Option<(Timestamp, RunEnd)>,
) -> Result<Report, IllegalTransition> {
    let book = Book::replay(&run.plan, history)?;
    let last = history.last().map_or(run.began, |(at, _)| *at);
    Ok(Report {
        run: run.id,
        environment: run.environment.clone(),
        end: ended.map_or_else(|| book.schedule.end(), |(_, end)| end),
        steps: book.steps(&run.plan),
        began: history.first().map_or(run.began, |(at, _)| *at),
        ended: ended.map_or(last, |(at, _)| at),
    })
}

impl<'p> Book<'p> {
    fn replay(plan: &'p Plan, history: &[(Timestamp, Event)]) -> Result<Self, IllegalTransition> {
        let times = vec![Times::default(); plan.steps.len()];
        let mut book = Self { schedule: Schedule::new(plan), times, moved: Vec::new() };
        for (at, event) in history {
            book.enter(*at, event)?;
        }
        Ok(book)
    }

    fn steps(&self, plan: &Plan) -> Vec<StepReport> {
        let steps = plan.steps.iter().zip(&self.times).map(|(step, times)| StepReport {
            ordinal: step.ordinal,
            address: step.address.clone(),
            action: step.action,
            part: step.part,
            end: self.end_of(step.ordinal),
            began: times.began,
            ended: times.ended,
        });
        steps.collect()
    }

    fn enter(&mut self, at: Timestamp, event: &Event) -> Result<(), IllegalTransition> {
        self.schedule.enter(event)?;
        let step = event.step();
        let ended = self.schedule.state(step).is_final();
        let times = usize::try_from(step).ok().and_then(|step| self.times.get_mut(step));
        if let Some(times) = times {
            if matches!(event, Event::Intent { .. }) {
                times.began.get_or_insert(at);
            }
            if matches!(event, Event::Accepted { .. }) {
                times.accepted = Some(at);
            }
            times.ended = ended.then_some(at);
        }
        Ok(())
    }

    fn news(&self, event: &Event, is_first: bool) -> Option<Progress> {
        let step = event.step();
        match self.schedule.state(step) {
            State::Running(_) => {
                (is_first && matches!(event, Event::Intent { .. })).then_some(Progress::Started { step })
            }
            State::Waiting => None,
            State::Done | State::Failed { .. } | State::Skipped { .. } | State::Unknown { .. } => {
                Some(Progress::Ended { step, end: self.end_of(step) })
            }
        }
    }

    fn end_of(&self, step: u32) -> StepEnd {
        match self.schedule.state(step) {
            State::Done => StepEnd::Done,
            State::Failed { message } => StepEnd::Failed { message: message.clone() },
            State::Unknown { message } => StepEnd::Unknown { message: message.clone() },
            State::Skipped { because } => match self.schedule.address(*because) {
                Some(because) => StepEnd::Skipped { because: because.clone() },
                None => StepEnd::NotReached,
            },
            State::Waiting | State::Running(_) => {
                let moved = self.moved.iter().find(|(moved, _)| *moved == step);
                match (moved, self.schedule.state(step)) {
                    (Some((_, message)), _) => StepEnd::Moved { message: message.clone() },
                    (None, State::Running(_)) => StepEnd::Underway,
                    (None, _) => StepEnd::NotReached,
                }
            }
        }
    }
}
