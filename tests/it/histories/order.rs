//! Whether a plan takes down and makes in an order that Azure can follow, judged from what Azure has, and not from
//! the catalog's references and names.

use std::collections::BTreeSet;

use beamline::reconcile::plan::{Action, Part, Plan, Step};
use beamline::resources::Target;
use beamline::resources::id::ResourceId;

use super::truth::referred;
use crate::plan_properties::before;
use crate::support::AzureWorld;

/// Types of which a name is given once in the world, in lower case.
const ONCE: [&str; 3] = [
    "microsoft.storage/storageaccounts",
    "microsoft.keyvault/vaults",
    "microsoft.containerregistry/registries",
];

/// Where the order of a plan is one that Azure refuses.
pub(super) fn refused(plan: &Plan, world: &AzureWorld) -> Vec<String> {
    let going: Vec<(&Step, &ResourceId)> =
        plan.steps.iter().filter(|step| goes(step)).filter_map(|step| Some((step, known(step)?))).collect();
    let mut found = Vec::new();
    for (user, user_id) in &going {
        let body = world.azure.get(user_id).unwrap_or_default();
        let used: BTreeSet<String> = referred(&body).into_iter().collect();
        for (used, id) in going.iter().filter(|(_, id)| used.contains(&id.folded())) {
            if !user_id.is_within(id) && !id.is_within(user_id) && !waits(plan, used, user) {
                found.push(format!("{id} goes while {user_id} uses it"));
            }
        }
    }
    for (made, id) in plan.steps.iter().filter_map(|step| Some((step, known(step)?))) {
        let is_once = ONCE.contains(&id.arm_type().to_ascii_lowercase().as_str());
        if !is_once || made.action != Action::Create && made.part != Part::Creation {
            continue;
        }
        for (former, held) in &going {
            let same = held.arm_type().eq_ignore_ascii_case(&id.arm_type())
                && held.name().eq_ignore_ascii_case(id.name());
            if same && !waits(plan, made, former) {
                found.push(format!("{id} is made while {held} has its name"));
            }
        }
    }
    found
}

fn goes(step: &Step) -> bool {
    step.action == Action::Delete || step.part == Part::Removal
}

fn known(step: &Step) -> Option<&ResourceId> {
    match &step.target {
        Target::Known(id) => Some(id),
        Target::RoleAssignment { .. } => None,
    }
}

/// Whether `later` is done after `earlier`, or together with it.
fn waits(plan: &Plan, later: &Step, earlier: &Step) -> bool {
    let done_with = |step: &Step| step.carried_by.unwrap_or(step.ordinal);
    let (later, earlier) = (done_with(later), done_with(earlier));
    later == earlier || plan.step(later).is_some_and(|step| before(plan, step).contains(&earlier))
}
