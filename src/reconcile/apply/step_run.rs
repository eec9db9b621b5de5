//! One step under way: asks what to do next, does it, and asks again.
//!
//! What each decision means is in the files beside this one: `send`, `look`, `read_back`. Here are the
//! loop, the waiting and the reading that they share. Every wait ends at the step's deadline or when
//! the service is asked to stop; a request that is on its way is not cut off.

use std::time::Duration;

use serde_json::Value;

use super::driver::Shared;
use super::halt::{Break, Halt};
use super::journal::{Event, Prior};
use super::progress::{Phase, State};
use super::read_back::Carried;
use super::resume::{Decision, Seen, Wish, decide};
use super::standing::{self, Standing};
use super::verdict::{self, Verdict};
use crate::azure::{Operation, WaitKind, Waiting, next_wait};
use crate::clock::Instant;
use crate::reconcile::plan::Step;
use crate::resources::id::{ApiVersion, ResourceId};
use crate::resources::placeholder::substitute;
use crate::resources::{self, Address, Placeholder, Target};

/// A step and everything that is known of it while it runs.
pub(super) struct StepRun<'s, 'a> {
    pub(super) shared: &'s Shared<'a>,
    pub(super) step: &'a Step,
    pub(super) api_version: ApiVersion,
    deadline: Instant,
    /// The last wait between two looks at a resource that Azure works on and gives no hint about.
    watched: Duration,
    /// What the last read showed; consumed by the next decision.
    seen: Option<Seen>,
    /// The operation and when to look at it, as the last look left them.
    pub(super) live: Option<(Operation, Instant)>,
    /// The resource as the end of the last operation showed it.
    pub(super) result: Option<Value>,
    /// What was there before the step's first write.
    pub(super) prior: Option<Prior>,
    /// Failures of the present request in a row.
    pub(super) failures: u32,
    /// Operations of this step that ended with a fault.
    pub(super) failed_operations: u32,
    /// Failures of looking at the present operation in a row.
    pub(super) blind_looks: u32,
    /// The last refusal, for a step that gives up waiting.
    pub(super) last_refusal: Option<String>,
    pub(super) registration: Registration,
    /// What it waits for, from the first try or look that did not do.
    waiting: Option<(WaitKind, Waiting)>,
}

/// Whether this step has registered its resource provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registration {
    NotTried,
    Done,
}

impl<'s, 'a> StepRun<'s, 'a> {
    pub(super) fn new(shared: &'s Shared<'a>, step: &'a Step) -> Self {
        let patience = Duration::from_secs(step.timeout_secs);
        Self {
            shared,
            step,
            api_version: resources::of(step.address.kind()).spec().api_version,
            deadline: shared.clock().after(patience),
            watched: Duration::ZERO,
            seen: None,
            live: None,
            result: None,
            prior: None,
            failures: 0,
            failed_operations: 0,
            blind_looks: 0,
            last_refusal: None,
            registration: Registration::NotTried,
            waiting: None,
        }
    }

    /// Works on the step until it has ended, and records how.
    pub(super) async fn run(mut self) -> Result<(), Halt> {
        let step = self.step.ordinal;
        match self.drive().await {
            Ok(()) => Ok(()),
            Err(Break::Halt(halt)) => Err(halt),
            Err(Break::Failed(message)) => {
                Ok(self.shared.record.write(Event::Failed { step, message }).await?)
            }
            Err(Break::Unknown(message)) => {
                for step in self.shared.record.carried(step) {
                    self.shared.record.write(Event::Unknown { step, message: message.clone() }).await?;
                }
                Ok(self.shared.record.write(Event::Unknown { step, message }).await?)
            }
        }
    }

    async fn drive(&mut self) -> Result<(), Break> {
        let requests = u32::try_from(self.step.requests.len()).unwrap_or(u32::MAX);
        loop {
            let seen = self.seen.take();
            match decide(&self.state(), self.wish(), requests, seen) {
                Decision::Finished => return Ok(()),
                Decision::Continue { request } => {
                    (self.failures, self.blind_looks, self.watched) = (0, 0, Duration::ZERO);
                    self.send(request).await?;
                }
                Decision::SendAgain { request } => self.send(request).await?,
                Decision::Poll { request, operation } => self.look(request, &operation).await?,
                Decision::Watch => {
                    self.watch("Azure works on it").await?;
                    self.see().await?;
                }
                Decision::ReadFirst => self.see().await?,
                Decision::Settled { request } => self.answered(request).await?,
                Decision::ReadBack => self.read_back().await?,
            }
        }
    }

    /// Reads the resource, so that the next decision is made by what is there.
    pub(super) async fn see(&mut self) -> Result<(), Break> {
        let id = self.target().await?;
        let body = self.read(&id, self.api_version).await?;
        let seen = match body.as_ref().map(standing::of) {
            None => Seen::Absent,
            Some(Standing::Deleting) => Seen::Deleting,
            Some(Standing::Working { .. }) => Seen::Working,
            Some(Standing::Broken { .. }) => Seen::Broken,
            Some(Standing::Settled) => match self.wish() {
                Wish::Absent => Seen::Other,
                Wish::Present if self.verdict(self.step, body.as_ref()).await?.is_some() => Seen::Other,
                // What it carries is part of what was asked for.
                Wish::Present if self.carried_in(body.as_ref()).await?.iter().all(Carried::is_met) => {
                    Seen::Matching
                }
                Wish::Present => Seen::Other,
            },
        };
        self.seen = Some(seen);
        Ok(())
    }

    /// What `body` lacks of what `step` wants; `None` when it lacks nothing. Reads other resources
    /// where the comparison depends on them.
    pub(super) async fn verdict(&self, step: &Step, body: Option<&Value>) -> Result<Option<String>, Break> {
        let mut read: Vec<Address> = Vec::new();
        loop {
            match self.shared.bodies.with_context(|context| verdict::judge(step, body, context)) {
                Verdict::Met => return Ok(None),
                Verdict::Unmet(message) => return Ok(Some(message)),
                Verdict::Needs(address) if !read.contains(&address) => {
                    self.load(&address).await?;
                    read.push(address);
                }
                Verdict::Needs(address) => {
                    return Ok(Some(format!("it cannot be compared without {address}, which is not there")));
                }
            }
        }
    }

    /// Records that the present request had its effect.
    pub(super) async fn answered(&mut self, request: u32) -> Result<(), Break> {
        let step = self.step.ordinal;
        self.shared.record.write(Event::Answered { step, request }).await?;
        self.shared.note_role(self.step, Duration::ZERO);
        self.live = None;
        Ok(())
    }

    /// The id that the step works on.
    pub(super) async fn target(&self) -> Result<ResourceId, Break> {
        match &self.step.target {
            Target::Known(id) => Ok(id.clone()),
            Target::RoleAssignment { principal, .. } => {
                let value = self.resolved(&principal.to_value()).await?;
                match value.as_str() {
                    Some(principal) => Ok(self.step.target.with_principal(principal)),
                    None => Err(Break::Failed(format!(
                        "{} of {} is not an id: {value}",
                        principal.property, principal.address
                    ))),
                }
            }
        }
    }

    /// `template` with every placeholder replaced by its value, which is read where it is not known.
    pub(super) async fn resolved(&self, template: &Value) -> Result<Value, Break> {
        let mut read: Vec<Address> = Vec::new();
        loop {
            match substitute(template, &|placeholder: &Placeholder| self.shared.bodies.value(placeholder)) {
                Ok(value) => return Ok(value),
                Err(missing) if !read.contains(&missing.address) => {
                    self.load(&missing.address).await?;
                    read.push(missing.address);
                }
                Err(Placeholder { address, property }) => {
                    return Err(Break::Failed(format!("{address} has no {property}, which this step needs")));
                }
            }
        }
    }

    /// Reads another resource, so that its properties are known.
    pub(super) async fn load(&self, address: &Address) -> Result<(), Break> {
        let Some(id) = self.shared.bodies.id_of(address) else { return Ok(()) };
        let version = resources::of(address.kind()).spec().api_version;
        if let Some(body) = self.read(&id, version).await? {
            self.shared.bodies.insert(address, body);
        }
        Ok(())
    }

    /// Reads a resource. [`crate::azure::Arm::get`] tries again by itself.
    pub(super) async fn read(&self, id: &ResourceId, version: ApiVersion) -> Result<Option<Value>, Break> {
        let answer = tokio::select! {
            biased;
            () = self.shared.input.stop.cancelled() => return Err(Halt::Stopped.into()),
            answer = self.shared.input.arm.get(id, version) => answer,
        };
        answer.map_err(|error| self.broken(format!("{id} could not be read: {}", error.message_for_people())))
    }

    /// Enters what the step waits for, until when. A wait of the same kind goes on since its beginning.
    pub(super) fn waits(&mut self, kind: WaitKind, why: &str, next: Option<Instant>) {
        if self.waiting.as_ref().is_none_or(|(waiting, _)| *waiting != kind) {
            let waiting = self.shared.input.arm.waiting(kind, &self.step.address.local(), why);
            self.waiting = Some((kind, waiting));
        }
        if let Some((_, waiting)) = &self.waiting {
            waiting.goes_on(why, next);
        }
    }

    /// What it waited for is over.
    pub(super) fn waits_no_more(&mut self) {
        self.waiting = None;
    }

    /// Waits, but not beyond the step's deadline nor once the service is asked to stop.
    pub(super) async fn pause(&self, wait: Duration) -> Result<(), Break> {
        self.pause_until(self.shared.clock().after(wait)).await
    }

    /// Waits before another look at a resource that Azure works on: at first shortly, then longer.
    pub(super) async fn watch(&mut self, why: &str) -> Result<(), Break> {
        self.watched = next_wait(self.watched);
        self.waits(WaitKind::Work, why, Some(self.shared.clock().after(self.watched)));
        self.pause(self.watched).await
    }

    /// As [`StepRun::pause`], until a moment.
    pub(super) async fn pause_until(&self, moment: Instant) -> Result<(), Break> {
        tokio::select! {
            biased;
            () = self.shared.input.stop.cancelled() => return Err(Halt::Stopped.into()),
            () = self.shared.clock().sleep_until(moment.min(self.deadline)) => {}
        }
        self.in_time()
    }

    /// Fails when the step has had its time.
    pub(super) fn in_time(&self) -> Result<(), Break> {
        if self.shared.clock().monotonic() < self.deadline {
            return Ok(());
        }
        let minutes = self.step.timeout_secs.div_ceil(60);
        Err(self.broken(match &self.last_refusal {
            Some(refusal) => format!("given up after {minutes} min. Azure's last refusal: {refusal}"),
            None => format!("Azure did not finish within {minutes} min"),
        }))
    }

    /// How the step ends when it cannot go on: failed if nothing of it can have had an effect.
    pub(super) fn broken(&self, message: String) -> Break {
        match self.state() {
            State::Waiting | State::Running(Phase::Refused { request: 0 }) => Break::Failed(message),
            State::Running(_)
            | State::Done
            | State::Failed { .. }
            | State::Skipped { .. }
            | State::Unknown { .. } => Break::Unknown(message),
        }
    }

    pub(super) fn state(&self) -> State {
        self.shared.record.state(self.step.ordinal)
    }

    pub(super) fn wish(&self) -> Wish {
        verdict::wish(self.step)
    }
}
