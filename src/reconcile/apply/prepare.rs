//! What must be so before a step's first request: its precondition, that what is taken down can be made again, and the
//! registration of its resource provider.

use std::time::Duration;

use futures::FutureExt as _;
use serde_json::Value;

use super::halt::{Break, Halt};
use super::resume::Wish;
use super::step_run::StepRun;
use super::verdict;
use crate::azure::{Call, Method};
use crate::reconcile::plan::Precondition;
use crate::reconcile::preflight;
use crate::reconcile::report::Progress;
use crate::resources::Target;
use crate::resources::id::{ApiVersion, ResourceId};

/// The api-version of `Microsoft.Resources` for resource providers and the content of groups.
const RESOURCES: ApiVersion = ApiVersion("2021-04-01");

/// Between two looks at a registration, which takes one to two minutes.
const REGISTRATION_WAIT: Duration = Duration::from_secs(10);

/// How many resources that are in the way a message names.
const MAX_NAMED: usize = 5;

impl StepRun<'_, '_> {
    /// Stops the run when the step's precondition does not hold any more: it must be planned again.
    pub(super) async fn require_precondition(&self) -> Result<(), Break> {
        match &self.step.precondition {
            None => Ok(()),
            Some(Precondition::GroupHoldsOnly { types }) => {
                let group = self.target().await?;
                let foreign = self.foreign_in(&group, types).await?;
                if foreign.is_empty() {
                    return Ok(());
                }
                let named: Vec<&str> = foreign.iter().take(MAX_NAMED).map(ResourceId::as_str).collect();
                let message =
                    format!("{}: it holds what is not ours now: {}", self.step.address, named.join(", "));
                Err(Halt::Moved { message }.into())
            }
        }
    }

    /// Stops the run before a deletion that a replacement needs, when something of what is to be made could not be.
    pub(super) async fn require_that_it_can_be_made(&self) -> Result<(), Break> {
        let input = self.shared.input;
        let needed = preflight::at_stake(input.plan).iter().any(|step| step.ordinal == self.step.ordinal);
        if !needed || self.wish() != Wish::Absent {
            return Ok(());
        }
        let asked = self.shared.asked_again.get_or_init(|| {
            let begun = self.shared.record.begun();
            let subscription = input.site.subscription;
            let asked = async move {
                let why = preflight::again(input.plan, &begun, subscription, input.arm).await?;
                Some((why, begun))
            };
            asked.boxed().shared()
        });
        let found = async {
            let (mut why, mut known) = asked.clone().await?;
            // The names and the cores that this run has taken meanwhile are its own.
            loop {
                let begun = self.shared.record.begun();
                if begun == known {
                    return Some(why);
                }
                why = preflight::again(input.plan, &begun, input.site.subscription, input.arm).await?;
                known = begun;
            }
        };
        let found = tokio::select! {
            biased;
            () = input.stop.cancelled() => return Err(Halt::Stopped.into()),
            found = found => found,
        };
        match found {
            None => Ok(()),
            Some(why) => {
                Err(Halt::Moved { message: format!("{} is not taken down: {why}", self.step.address) }.into())
            }
        }
    }

    /// What a group holds beside resources of the given types and what this plan deletes (a list may
    /// show for a while what is gone).
    async fn foreign_in(&self, group: &ResourceId, types: &[String]) -> Result<Vec<ResourceId>, Break> {
        let path = format!("{group}/resources");
        let items = tokio::select! {
            biased;
            () = self.shared.input.stop.cancelled() => return Err(Halt::Stopped.into()),
            items = self.shared.input.arm.list(&path, RESOURCES, &[]) => items,
        };
        let items = items.map_err(|error| {
            self.broken(format!("{path} could not be read: {}", error.message_for_people()))
        })?;
        let plan = self.shared.input.plan;
        let going: Vec<&ResourceId> = (plan.steps.iter())
            .filter(|step| verdict::wish(step) == Wish::Absent && step.ordinal != self.step.ordinal)
            .filter_map(|step| match &step.target {
                Target::Known(id) => Some(id),
                Target::RoleAssignment { .. } => None,
            })
            .collect();
        let ids =
            items.iter().flatten().filter_map(|item| item.get("id")?.as_str()?.parse::<ResourceId>().ok());
        Ok(ids
            .filter(|id| !types.contains(&id.arm_type().to_ascii_lowercase()))
            .filter(|id| !going.iter().any(|going| id.is_within(going)))
            .collect())
    }

    /// Registers the subscription for the provider of the step's resource and waits until that is done.
    /// Registering is idempotent and is therefore not in the journal.
    pub(super) async fn register_provider(&mut self) -> Result<(), Break> {
        let id = self.target().await?;
        let arm_type = id.arm_type();
        let namespace = arm_type.split('/').next().unwrap_or_default();
        let Some(provider) = id
            .subscription_id()
            .map(|subscription| ResourceId::subscription(subscription).as_str().to_owned())
            .and_then(|subscription| {
                format!("{subscription}/providers/{namespace}").parse::<ResourceId>().ok()
            })
        else {
            return Err(Break::Failed(format!("the provider of {id} cannot be registered")));
        };
        let call = Call {
            method: Method::Post,
            id_or_path: format!("{provider}/register"),
            api_version: RESOURCES.to_string(),
            query: Vec::new(),
            body: None,
            client_request_id: self.shared.clock().uuid(),
        };
        self.shared.input.arm.send(&call).await.map_err(|error| {
            Break::Failed(format!(
                "the subscription is not registered for {namespace}, and registering it failed: {}. Let \
                 somebody who may do so run `az provider register --namespace {namespace}`",
                error.message_for_people()
            ))
        })?;
        loop {
            self.pause(REGISTRATION_WAIT).await?;
            let body = self.read(&provider, RESOURCES).await?.unwrap_or_default();
            let state = body.get("registrationState").and_then(Value::as_str).unwrap_or("Registering");
            if state.eq_ignore_ascii_case("Registered") {
                return Ok(());
            }
            let state = format!("{namespace} {state}");
            self.shared.record.tell(&Progress::Working { step: self.step.ordinal, state, percent: None });
        }
    }
}
