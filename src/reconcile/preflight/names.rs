//! Whether the names are free that all of Azure has only once, where something is taken down for what gets them: a name
//! that somebody else has, or that something deleted still holds, is found out before.
//!
//! A name that goes with this plan is held by what has it, and free afterwards or not as `plan` has found out. Source:
//! the providers' `checkNameAvailability` (facts.md 2, 3, 5; facts-data.md, checks by read). It tells no other name to
//! take, so the remedy is another one of the owner's choice.

use futures::future::join_all;
use serde_json::{Value, json};

use super::super::plan::{Plan, Step, is_deletion};
use super::{Findings, is_new, same};
use crate::azure::Arm;
use crate::resources::id::ResourceId;
use crate::resources::{self, NameScope, Target};

/// Says of each step of `steps` that makes something under a name that cannot be had, so.
pub(super) async fn taken(plan: &Plan, steps: &[&Step], arm: &Arm, findings: &mut Findings) {
    let wanted = steps.iter().filter_map(|step| Some((*step, wanted(plan, step)?)));
    let asked = join_all(wanted.map(async |(step, id)| (step, id, ask(step, id, arm).await))).await;
    for (step, id, answer) in asked {
        match answer {
            Ok(None) => {}
            Ok(Some(why)) => findings.block(
                &step.address,
                format!(
                    "the name {} cannot be had: {why} Nothing is taken down for it: choose another `name`",
                    id.name()
                ),
            ),
            Err(why) => findings.note(
                Some(&step.address),
                "not-verified",
                format!("{}: whether the name {} is free was not found out: {why}", step.address, id.name()),
            ),
        }
    }
}

/// The id that a step makes, where its name has to be asked for.
fn wanted<'a>(plan: &Plan, step: &'a Step) -> Option<&'a ResourceId> {
    let Target::Known(id) = &step.target else { return None };
    let is_unique = resources::of(step.address.kind()).spec().name_scope == NameScope::Azure;
    let goes = |other: &Step| {
        let Target::Known(going) = &other.target else { return false };
        is_deletion(other) && other.address.kind() == step.address.kind() && same(going.name(), id.name())
    };
    (is_new(step) && is_unique && !plan.steps.iter().any(goes)).then_some(id)
}

/// Why the name cannot be had, as Azure says it; `None` where it can.
async fn ask(step: &Step, id: &ResourceId, arm: &Arm) -> Result<Option<String>, String> {
    let spec = resources::of(step.address.kind()).spec();
    let Some(subscription) = id.subscription_id().map(ResourceId::subscription) else {
        return Err(format!("{id} is in no subscription"));
    };
    let namespace = spec.arm_type.split('/').next().unwrap_or_default();
    let path = format!("{subscription}/providers/{namespace}/checkNameAvailability");
    let question = json!({ "name": id.name(), "type": spec.arm_type });
    let answer = arm.post_read(&path, spec.api_version, &question).await;
    let answer = answer.map_err(|error| error.message_for_people())?;
    let text = |member: &str| answer.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    match answer.get("nameAvailable").and_then(Value::as_bool) {
        Some(true) => Ok(None),
        Some(false) => {
            let why = text("message").or(text("reason")).unwrap_or("Azure does not say why");
            Ok(Some(format!("{}.", why.trim_end_matches('.'))))
        }
        None => Err("Azure's answer does not say".to_owned()),
    }
}
