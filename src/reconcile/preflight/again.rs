//! The same questions once more, right before the first deletion that a replacement needs is sent: between plan and
//! apply, quota is used up, names are taken and roles are withdrawn.
//!
//! Only of what is still to be made, and only for the replacements: a creation that nothing is taken down for may fail
//! by itself. What cannot be read refuses nothing, as at plan time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::plan::{Action, Plan, is_deletion};
use super::{at_stake, is_new, look_into, made};
use crate::azure::Arm;
use crate::resources::id::{ResourceId, SubscriptionId};
use crate::resources::{self, Kind, Target};

/// Why something that `plan` takes down could not be made again; `None` where nothing is known that stands in the way.
/// The steps in `begun` have been asked for in Azure, and count as made.
pub(in crate::reconcile) async fn again(
    plan: &Plan,
    begun: &BTreeSet<u32>,
    subscription: SubscriptionId,
    arm: &Arm,
) -> Option<String> {
    let left = left(plan, begun);
    if !left.steps.iter().any(is_new) {
        return None;
    }
    let bodies = going(&left, arm).await;
    let found = Box::pin(look_into(&left, &bodies.iter().collect(), subscription, arm)).await;
    found.blockers.first().map(|blocker| plan.problem(blocker))
}

/// The plan, in which everything that is made and not at stake, or made already, stays as it is.
fn left(plan: &Plan, begun: &BTreeSet<u32>) -> Plan {
    let at_stake: BTreeSet<u32> = at_stake(plan).iter().map(|step| step.ordinal).collect();
    let mut left = plan.clone();
    for step in &mut left.steps {
        if is_new(step) && (begun.contains(&step.ordinal) || !at_stake.contains(&step.ordinal)) {
            step.action = Action::Keep;
        }
    }
    left
}

/// What is there of the machines that go, where machines are made in their place. What cannot be read frees nothing.
async fn going(left: &Plan, arm: &Arm) -> BTreeMap<ResourceId, Value> {
    let kinds: BTreeSet<Kind> = made(left).map(|(step, _)| step.address.kind()).collect();
    let mut bodies = BTreeMap::new();
    for step in left.steps.iter().filter(|step| is_deletion(step) && kinds.contains(&step.address.kind())) {
        let Target::Known(id) = &step.target else { continue };
        if let Ok(Some(body)) = arm.get(id, resources::of(step.address.kind()).spec().api_version).await {
            bodies.insert(id.clone(), body);
        }
    }
    bodies
}
