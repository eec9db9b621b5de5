//! Sending one request of a step: its body, the intent before it, and what a refusal means.

use serde_json::Value;

use super::halt::{Break, Halt};
use super::journal::{Event, PollStyle, Prior};
use super::progress::{Phase, State};
use super::resume::Wish;
use super::step_run::{Registration, StepRun};
use crate::azure::Sent;
use crate::azure::{Answer, ArmError, Backoff, Call, ErrorClass, Method, Operation, Style, WaitKind};
use crate::reconcile::digest_of;
use crate::reconcile::plan::{Action, Part, RequestTemplate, Verb};
use crate::reconcile::report::Progress;
use crate::resources::Merge;
use crate::resources::id::ResourceId;

/// How many operations of one step may end with a fault that may pass.
const MAX_FAILED_OPERATIONS: u32 = 3;

/// A request that is ready to be sent.
struct Prepared {
    call: Call,
    prior: Prior,
}

impl StepRun<'_, '_> {
    /// Sends a request of the step once, with everything that comes before and after.
    pub(super) async fn send(&mut self, request: u32) -> Result<(), Break> {
        if self.shared.input.stop.is_cancelled() {
            return Err(Halt::Stopped.into());
        }
        self.in_time()?;
        let index = usize::try_from(request).unwrap_or(usize::MAX);
        let Some(template) = self.step.requests.get(index) else {
            return Err(self.broken(format!("the plan has no request {request}")));
        };
        if request == 0 {
            self.require_precondition().await?;
            self.require_that_it_can_be_made().await?;
        }
        let Some(Prepared { call, prior }) = self.prepare(template).await? else {
            return self.already_gone().await;
        };
        self.shared
            .record
            .write(Event::Intent {
                step: self.step.ordinal,
                request,
                verb: template.verb,
                path: call.id_or_path.clone(),
                api_version: call.api_version.clone(),
                body_digest: call.body.as_ref().map(digest_of),
                client_request_id: call.client_request_id,
                prior,
            })
            .await?;
        match self.shared.input.arm.send(&call).await {
            Ok(answer) => self.accepted(request, answer).await,
            Err(error) => self.not_accepted(request, template.verb, &error).await,
        }
    }

    /// The request as it is sent; `None` when what is to be deleted is gone already.
    async fn prepare(&mut self, template: &RequestTemplate) -> Result<Option<Prepared>, Break> {
        let id = self.target().await?;
        let (body, prior) = match (&template.merge, &template.body) {
            (Some(merge), _) => {
                let (body, prior) = self.merged(&id, merge).await?;
                (Some(body), prior)
            }
            (None, body) => {
                let Some(prior) = self.prior(&id).await? else { return Ok(None) };
                match body {
                    Some(body) => (Some(self.resolved(body).await?), prior),
                    None => (None, prior),
                }
            }
        };
        let call = Call {
            method: method(template.verb),
            id_or_path: format!("{}{}", template.instead.as_ref().unwrap_or(&id), template.suffix),
            api_version: self.step.api_version.clone(),
            query: template.query.clone(),
            body,
            client_request_id: self.shared.clock().uuid(),
        };
        Ok(Some(Prepared { call, prior }))
    }

    /// A body read just now with the merge laid over it.
    async fn merged(&self, id: &ResourceId, merge: &Merge) -> Result<(Value, Prior), Break> {
        let moved = |message: String| Halt::Moved { message: format!("{}: {message}", self.step.address) };
        let Some(fresh) = self.read(id, self.api_version).await? else {
            return Err(moved("it was there when the plan was made, and is gone".to_owned()).into());
        };
        let template = serde_json::to_value(merge).unwrap_or_default();
        let merge: Merge = serde_json::from_value(self.resolved(&template).await?)
            .map_err(|error| Break::Failed(format!("the plan's merge cannot be read: {error}")))?;
        let body = merge.apply(&fresh).map_err(|path| moved(path.to_string()))?;
        Ok((body, Prior::Digest(digest_of(&fresh))))
    }

    /// What was there before the step; `None` when what is to be deleted was gone before the step began.
    /// Observation knows it for most resources; the others are read.
    async fn prior(&mut self, id: &ResourceId) -> Result<Option<Prior>, Break> {
        if let Some(prior) = &self.prior {
            return Ok(Some(prior.clone()));
        }
        let makes = match (self.step.action, self.step.part) {
            (Action::Create | Action::Recover, _) | (Action::Replace, Part::Creation) => true,
            (
                Action::Update
                | Action::Delete
                | Action::Adopt
                | Action::Release
                | Action::Keep
                | Action::Replace,
                Part::Whole | Part::Removal | Part::Creation,
            ) => false,
        };
        let observed = self.shared.input.observed.get(&self.step.address);
        let prior = match (makes, observed) {
            (true, _) => Prior::Absent,
            (false, Some(body)) => Prior::Digest(digest_of(body)),
            (false, None) => match self.read(id, self.api_version).await? {
                Some(body) => Prior::Digest(digest_of(&body)),
                None if self.wish() == Wish::Absent && matches!(self.state(), State::Waiting) => {
                    return Ok(None);
                }
                None => Prior::Absent,
            },
        };
        self.prior = Some(prior.clone());
        Ok(Some(prior))
    }

    async fn accepted(&mut self, request: u32, answer: Answer) -> Result<(), Break> {
        (self.failures, self.last_refusal) = (0, None);
        self.waits_no_more();
        match answer.operation {
            Some(operation) => self.follow(request, operation).await,
            None => self.answered(request).await,
        }
    }

    /// Records where to look for the end of a request that Azure has accepted.
    pub(super) async fn follow(&mut self, request: u32, operation: Operation) -> Result<(), Break> {
        let clock = self.shared.clock();
        let moment = clock.after(operation.retry_after);
        let next_look = clock.now().checked_add(operation.retry_after).unwrap_or(jiff::Timestamp::MAX);
        let event = Event::Accepted {
            step: self.step.ordinal,
            request,
            poll_url: operation.url.clone(),
            style: match operation.style {
                Style::AzureAsyncOperation => PollStyle::AzureAsyncOperation,
                Style::Location => PollStyle::Location,
                Style::Resource => PollStyle::Resource,
            },
            next_look,
        };
        self.shared.record.write(event).await?;
        self.waits(WaitKind::Work, "Azure works on it", Some(moment));
        self.live = Some((operation, moment));
        Ok(())
    }

    async fn not_accepted(&mut self, request: u32, verb: Verb, error: &ArmError) -> Result<(), Break> {
        let message = error.message_for_people();
        match (error.sent(), self.class(error)) {
            // It stays in doubt: the next decision is to read.
            (Sent::Maybe, class) => {
                let class = if class == ErrorClass::Fatal { ErrorClass::Transient } else { class };
                self.wait_for(class, error.retry_after(), message).await
            }
            // Nothing is left to delete, or to purge.
            (Sent::No, ErrorClass::NotFound) if verb == Verb::Delete || self.wish() == Wish::Absent => {
                self.answered(request).await
            }
            (Sent::No, class) => {
                if self.is_granted_already(request, error).await? {
                    return Ok(());
                }
                self.refused(request, &message).await?;
                if class == ErrorClass::NotRegistered && self.registration == Registration::NotTried {
                    self.registration = Registration::Done;
                    return self.register_provider().await;
                }
                self.wait_for(class, error.retry_after(), message).await
            }
        }
    }

    /// What the end of an operation with a fault means: mostly that the step failed.
    pub(super) async fn operation_failed(
        &mut self,
        request: u32,
        class: ErrorClass,
        message: String,
    ) -> Result<(), Break> {
        self.refused(request, &message).await?;
        self.live = None;
        self.failed_operations += 1;
        if self.failed_operations >= MAX_FAILED_OPERATIONS {
            return Err(Break::Failed(message));
        }
        self.wait_for(class, None, message).await
    }

    async fn refused(&mut self, request: u32, message: &str) -> Result<(), Break> {
        self.last_refusal = Some(message.to_owned());
        let event = Event::Refused { step: self.step.ordinal, request, message: message.to_owned() };
        Ok(self.shared.record.write(event).await?)
    }

    /// Waits before another attempt, or ends the step when there is none.
    async fn wait_for(
        &mut self,
        class: ErrorClass,
        retry_after: Option<std::time::Duration>,
        message: String,
    ) -> Result<(), Break> {
        let is_stranger = class == ErrorClass::Propagating && self.grants_to_a_stranger();
        let backoff = if is_stranger { Backoff::for_strangers() } else { Backoff::for_class(class) };
        let message = if is_stranger { told_of_a_stranger(&message) } else { message };
        let wait = backoff.delay(self.failures, retry_after, self.shared.clock());
        self.failures = self.failures.saturating_add(1);
        let Some(wait) = wait else { return Err(self.exhausted(message)) };
        let why = if is_stranger { message.clone() } else { class.why_to_wait(&message) };
        self.waits(WaitKind::Trouble, &why, Some(self.shared.clock().after(wait)));
        self.shared.record.tell(&Progress::Retrying { step: self.step.ordinal, message, wait });
        self.pause(wait).await
    }

    /// Whether the step gives a right to a principal that the definition names by its object id alone.
    fn grants_to_a_stranger(&self) -> bool {
        let mut bodies = self.step.requests.iter().filter_map(|request| request.body.as_ref());
        let says = |body: &Value, name: &str| {
            body.pointer(&format!("/properties/{name}")).is_some_and(Value::is_string)
        };
        bodies.any(|body| says(body, "principalId") && !says(body, "principalType"))
    }

    /// How the step ends when no further attempt is made: a refusal is a failure, silence is doubt.
    fn exhausted(&self, message: String) -> Break {
        match self.state() {
            State::Running(Phase::Refused { .. }) => Break::Failed(message),
            State::Waiting
            | State::Running(_)
            | State::Done
            | State::Failed { .. }
            | State::Skipped { .. }
            | State::Unknown { .. } => self.broken(message),
        }
    }

    fn class(&self, error: &ArmError) -> ErrorClass {
        let permission = error.code().is_some_and(|code| {
            ["AuthorizationFailed", "LinkedAuthorizationFailed"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(code))
        });
        let class = error.class();
        if class == ErrorClass::Propagating && permission && !self.shared.is_propagating() {
            ErrorClass::Fatal
        } else {
            class
        }
    }
}

/// What a person can do about a principal that Azure does not find.
fn told_of_a_stranger(message: &str) -> String {
    if message.starts_with(STRANGER) {
        return message.to_owned();
    }
    format!("{STRANGER}: compare the object id; where it is right, write `principal_type`. Azure: {message}")
}

const STRANGER: &str = "the directory does not find this principal";

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Put => Method::Put,
        Verb::Patch => Method::Patch,
        Verb::Post => Method::Post,
        Verb::Delete => Method::Delete,
    }
}
