//! Reading back: a step is done when a read shows its effect, not when Azure says so.

use std::time::Duration;

use serde_json::Value;

use super::halt::Break;
use super::journal::Event;
use super::resume::Wish;
use super::standing::{self, Standing};
use super::step_run::StepRun;
use super::verdict;
use crate::reconcile::digest_of;
use crate::reconcile::plan::{Action, ReadBack, Step};
use crate::reconcile::report::Progress;
use crate::resources::{self, Target};

/// How often a read may show something else than was asked for, and how long between two of them: ARM
/// reads are cached and may lag behind a write by some seconds.
const READS: u32 = 3;
const READ_AGAIN: Duration = Duration::from_secs(2);

/// A step that another one carries out, as the carrier's body shows it.
pub(super) struct Carried<'a> {
    step: &'a Step,
    body: Option<Value>,
    /// What is lacking.
    unmet: Option<String>,
}

impl Carried<'_> {
    /// Whether it is as asked for.
    pub(super) fn is_met(&self) -> bool {
        self.unmet.is_none()
    }
}

impl<'a> StepRun<'_, 'a> {
    /// Verifies the step and those it carries, and records them as done.
    pub(super) async fn read_back(&mut self) -> Result<(), Break> {
        match self.step.read_back {
            ReadBack::CoveredBy(_) => {
                let carried = self.carried_in(None).await?;
                self.done(None, carried).await
            }
            ReadBack::Matches | ReadBack::Absent => self.read_until_it_shows().await,
        }
    }

    /// Ends a deletion whose resource is gone before anything was sent.
    pub(super) async fn already_gone(&mut self) -> Result<(), Break> {
        let carried = self.carried_in(None).await?;
        self.write(Event::ReadBack { step: self.step.ordinal, digest: None }).await?;
        self.done(None, carried).await
    }

    async fn read_until_it_shows(&mut self) -> Result<(), Break> {
        let id = self.target().await?;
        let mut misses = 0;
        loop {
            let body = match self.result.take() {
                Some(body) => Some(body),
                None => self.read(&id, self.api_version).await?,
            };
            if let Some(state) = self.at_work(body.as_ref())? {
                let why = format!("Azure works on it ({state})");
                self.shared.record.tell(&Progress::Working { step: self.step.ordinal, state, percent: None });
                self.watch(&why).await?;
                continue;
            }
            // One of ours that only the list shows yet is read again, and judged.
            if body.is_none()
                && let Some(theirs) = self.granted_by_others().await?
                && !standing::is_of(&theirs, &id)
            {
                return self.shown(Some(theirs), Vec::new()).await;
            }
            let unmet = self.verdict(self.step, body.as_ref()).await?;
            let carried = self.carried_in(body.as_ref()).await?;
            misses += 1;
            let all_met = unmet.is_none() && carried.iter().all(Carried::is_met);
            if all_met || misses >= READS {
                return match unmet {
                    Some(message) => Err(Break::Failed(message)),
                    None => self.shown(body, carried).await,
                };
            }
            self.pause(READ_AGAIN).await?;
        }
    }

    /// Azure's word for what it is doing with the resource; `None` when it rests.
    fn at_work(&self, body: Option<&Value>) -> Result<Option<String>, Break> {
        match (self.wish(), body.map(standing::of)) {
            (Wish::Present, Some(Standing::Broken { message })) => Err(Break::Failed(message)),
            (_, Some(Standing::Working { state })) => Ok(Some(state)),
            (_, Some(Standing::Deleting)) => Ok(Some("Deleting".to_owned())),
            (Wish::Absent, Some(Standing::Broken { .. })) | (_, Some(Standing::Settled) | None) => Ok(None),
        }
    }

    pub(super) async fn shown(
        &mut self,
        body: Option<Value>,
        carried: Vec<Carried<'a>>,
    ) -> Result<(), Break> {
        let digest = body.as_ref().map(digest_of);
        self.write(Event::ReadBack { step: self.step.ordinal, digest }).await?;
        self.done(body, carried).await
    }

    async fn done(&mut self, body: Option<Value>, carried: Vec<Carried<'a>>) -> Result<(), Break> {
        // What is released may have the address of what is declared.
        if let Some(body) = body.filter(|_| self.step.action != Action::Release) {
            self.shared.bodies.insert(&self.step.address, body);
        }
        for Carried { step, body, unmet } in carried {
            self.end_carried(step, body, unmet).await?;
        }
        self.write(Event::Done { step: self.step.ordinal }).await
    }

    async fn end_carried(
        &self,
        step: &Step,
        body: Option<Value>,
        unmet: Option<String>,
    ) -> Result<(), Break> {
        let ordinal = step.ordinal;
        if let Some(message) = unmet {
            return self.write(Event::Failed { step: ordinal, message }).await;
        }
        if let Some(body) = body {
            self.write(Event::ReadBack { step: ordinal, digest: Some(digest_of(&body)) }).await?;
            self.shared.bodies.insert(&step.address, body);
        }
        self.write(Event::Done { step: ordinal }).await
    }

    /// The steps that this one carries out and that have not ended, judged by this one's body. What
    /// does not live inside that body went with its container.
    pub(super) async fn carried_in(&self, body: Option<&Value>) -> Result<Vec<Carried<'a>>, Break> {
        let mut all = Vec::new();
        for ordinal in self.shared.record.carried(self.step.ordinal) {
            let Some(step) = self.shared.input.plan.step(ordinal) else { continue };
            let found = body.map(|body| verdict::element(step, body).map(|element| element.cloned()));
            let carried = match found {
                Some(Ok(element)) => {
                    let unmet = match body.is_some_and(|body| self.still_marks(step, body)) {
                        true => Some("Azure accepted it, but our mark is still there".to_owned()),
                        false => self.verdict(step, element.as_ref()).await?,
                    };
                    Carried { step, body: element, unmet }
                }
                Some(Err(())) | None => Carried { step, body: None, unmet: None },
            };
            all.push(carried);
        }
        Ok(all)
    }

    /// Whether `body`, in which the resource of `step` lies, says that a released one is ours.
    fn still_marks(&self, step: &Step, body: &Value) -> bool {
        let Target::Known(id) = &step.target else { return false };
        let marks = resources::of(self.step.address.kind()).inner_marks(body);
        step.action == Action::Release && marks.iter().any(|(name, _)| name.eq_ignore_ascii_case(id.name()))
    }

    pub(super) async fn write(&self, event: Event) -> Result<(), Break> {
        Ok(self.shared.record.write(event).await?)
    }
}
