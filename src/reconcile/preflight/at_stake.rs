//! Which steps a plan must be sure of before it takes anything down: the halves of its replacements, and all that these
//! wait for.
//!
//! A creation that nothing is taken down for may fail by itself, and is not asked for.

use std::collections::BTreeSet;

use super::super::plan::{Action, Plan, Step, is_deletion};
use super::is_new;

/// The steps that `plan` makes or deletes and that a replacement needs; empty where it takes nothing down for anything.
pub(in crate::reconcile) fn at_stake(plan: &Plan) -> Vec<&Step> {
    let mut needed: BTreeSet<u32> =
        plan.steps.iter().filter(|step| takes_a_place(plan, step)).map(|step| step.ordinal).collect();
    // Each step comes after those that it waits for.
    for step in plan.steps.iter().rev() {
        if needed.contains(&step.ordinal) {
            needed.extend(&step.after);
        }
    }
    let counts = |step: &&Step| needed.contains(&step.ordinal) && (is_new(step) || is_deletion(step));
    plan.steps.iter().filter(counts).collect()
}

/// Whether a step is half of a replacement, or makes something once something else is gone.
fn takes_a_place(plan: &Plan, step: &Step) -> bool {
    let frees = |ordinal: &u32| plan.step(*ordinal).is_some_and(is_deletion);
    step.action == Action::Replace || (is_new(step) && step.after.iter().any(frees))
}
