//! An independent check of finished plans, by other code than the one that makes them.
//!
//! It is run on every plan before it is applied, and on every plan of the tests. A defect is a bug of
//! the planner; applying stops before the first request.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::consent::{Consents, Going};
use super::step::{Part, Plan, ReadBack, Step, Verb};
use crate::resources::id::ResourceId;
use crate::resources::{self, Address, NameScope, Placeholder, Protection, Target};

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan is not sound at step {ordinal} ({address}): {what}. This is a bug in beamline")]
pub struct Defect {
    /// The step.
    pub ordinal: u32,
    /// Its resource.
    pub address: Address,
    /// What is wrong.
    pub what: String,
}

/// Everything that is wrong with `plan`. `groups` are the groups that it may write to.
#[must_use]
pub fn check(plan: &Plan, groups: &[ResourceId], consents: &Consents) -> Vec<Defect> {
    let mut defects = Vec::new();
    for (place, step) in plan.steps.iter().enumerate() {
        let rules = [
            numbered(place, step),
            ordered(step),
            carried(plan, step),
            verified(plan, step),
            placeholders(plan, step),
            within(step, groups),
            redirected(step),
            consented(plan, step, consents),
            freed(plan, step),
        ];
        defects.extend(rules.into_iter().filter_map(|rule| rule.err()).map(|what| Defect {
            ordinal: step.ordinal,
            address: step.address.clone(),
            what,
        }));
    }
    defects.extend(repeated(plan));
    defects
}

fn numbered(place: usize, step: &Step) -> Result<(), String> {
    let fits = usize::try_from(step.ordinal) == Ok(place);
    fits.then_some(()).ok_or_else(|| format!("it stands at place {place}"))
}

fn ordered(step: &Step) -> Result<(), String> {
    match step.after.iter().find(|earlier| **earlier >= step.ordinal) {
        Some(earlier) => Err(format!("it waits for step {earlier}, which does not come before it")),
        None => Ok(()),
    }
}

fn carried(plan: &Plan, step: &Step) -> Result<(), String> {
    match (step.carried_by, step.requests.is_empty()) {
        (None, false) => Ok(()),
        (None, true) => Err("it has no requests and nobody carries it".to_owned()),
        (Some(_), false) => Err("it has requests although another step carries it".to_owned()),
        (Some(carrier), true) => match plan.step(carrier) {
            Some(other) if !other.requests.is_empty() && step.after.contains(&carrier) => Ok(()),
            Some(_) | None => Err(format!("step {carrier} does not carry it")),
        },
    }
}

fn verified(plan: &Plan, step: &Step) -> Result<(), String> {
    match step.read_back {
        ReadBack::Matches | ReadBack::Absent => Ok(()),
        ReadBack::CoveredBy(other) => match plan.step(other).map(|other| other.read_back) {
            Some(ReadBack::Matches | ReadBack::Absent) => Ok(()),
            Some(ReadBack::CoveredBy(_)) | None => Err(format!("step {other} does not verify it")),
        },
    }
}

fn placeholders(plan: &Plan, step: &Step) -> Result<(), String> {
    let in_bodies =
        step.requests.iter().filter_map(|request| request.body.as_ref()).flat_map(Placeholder::within);
    let in_target = match &step.target {
        Target::RoleAssignment { principal, .. } => Some(principal.clone()),
        Target::Known(_) => None,
    };
    let made: BTreeSet<&Address> = step
        .after
        .iter()
        .filter_map(|at| plan.step(*at))
        .filter(|step| !goes(step))
        .map(|step| &step.address)
        .collect();
    match in_bodies.chain(in_target).find(|needed| !made.contains(&needed.address)) {
        Some(needed) => Err(format!("nothing before it yields {} of {}", needed.property, needed.address)),
        None => Ok(()),
    }
}

fn within(step: &Step, groups: &[ResourceId]) -> Result<(), String> {
    let id = match &step.target {
        Target::Known(id) => id,
        Target::RoleAssignment { scope, .. } => scope,
    };
    // A role assignment may be for a scope outside; everything else is written inside our groups.
    let is_role = id.arm_type().eq_ignore_ascii_case("Microsoft.Authorization/roleAssignments")
        || matches!(step.target, Target::RoleAssignment { .. });
    let inside = groups.iter().any(|group| id.is_within(group));
    (inside || is_role).then_some(()).ok_or_else(|| format!("{id} is outside the environment's groups"))
}

/// Only a step that deletes may write to something else than its target: to what is left of it.
fn redirected(step: &Step) -> Result<(), String> {
    let Target::Known(target) = &step.target else { return Ok(()) };
    let is_remains = |other: &ResourceId| {
        step.part == Part::Removal
            && other.name().eq_ignore_ascii_case(target.name())
            && other.subscription_id() == target.subscription_id()
    };
    match step.requests.iter().filter_map(|request| request.instead.as_ref()).find(|other| !is_remains(other))
    {
        Some(other) => Err(format!("it writes to {other}, which is not its target")),
        None => Ok(()),
    }
}

fn consented(plan: &Plan, step: &Step, consents: &Consents) -> Result<(), String> {
    let destroys = step.requests.iter().any(|request| request.verb == Verb::Delete);
    let by_kind = resources::of(step.address.kind()).spec().protection == Protection::Protected;
    let protected = by_kind || step.adopted;
    let id = match &step.target {
        Target::Known(id) => id,
        Target::RoleAssignment { scope, .. } => scope,
    };
    // Its former name counts only where nothing else goes under it.
    let goes_too = |was: &Address| plan.steps.iter().any(|other| goes(other) && other.address == *was);
    let was = step.was.clone().filter(|was| !goes_too(was));
    let going = Going { address: step.address.clone(), was, id: id.clone() };
    if destroys && protected && !consents.allow(&going) {
        return Err("it destroys a protected resource without consent".to_owned());
    }
    if step.action == Action::Release && !consents.release(&going) {
        return Err("nobody has consented to its release".to_owned());
    }
    let deletes = matches!(step.action, Action::Delete) || step.part == Part::Removal;
    (destroys == deletes || step.carried_by.is_some())
        .then_some(())
        .ok_or_else(|| "its action and its requests disagree".to_owned())
}

/// Each id once, or twice where it is deleted and then made again; each address made or changed once, and
/// each half of a replacement with its other half.
fn repeated(plan: &Plan) -> Vec<Defect> {
    let mut by_id: BTreeMap<String, Vec<&Step>> = BTreeMap::new();
    let mut by_address: BTreeMap<&Address, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        by_id.entry(place_of(step)).or_default().push(step);
        by_address.entry(&step.address).or_default().push(step);
    }
    let made_again = |steps: &[&Step]| match steps {
        [_] => true,
        [first, second] => goes(first) && !goes(second) && second.after.contains(&first.ordinal),
        _ => false,
    };
    let whole = |steps: &[&Step]| {
        let of = |part: Part| steps.iter().filter(|step| step.part == part).count();
        let made = steps.iter().filter(|step| !goes(step) && step.action != Action::Release).count();
        made <= 1 && of(Part::Removal) == of(Part::Creation) && of(Part::Creation) <= 1
    };
    let twice = by_id.into_values().filter(|steps| !made_again(steps)).map(|steps| (steps, "more than once"));
    let torn = by_address.into_values().filter(|steps| !whole(steps)).map(|steps| (steps, "in parts"));
    twice
        .chain(torn)
        .filter_map(|(steps, how)| Some((*steps.first()?, how)))
        .map(|(step, how)| Defect {
            ordinal: step.ordinal,
            address: step.address.clone(),
            what: format!("it is planned {how}"),
        })
        .collect()
}

fn goes(step: &Step) -> bool {
    step.part == Part::Removal || matches!(step.action, Action::Delete)
}

/// Where a step works, as far as that is known before it runs.
fn place_of(step: &Step) -> String {
    match &step.target {
        Target::Known(id) => id.folded(),
        Target::RoleAssignment { scope, role_definition, principal } => {
            format!("{}|{role_definition}|{principal:?}", scope.folded())
        }
    }
}

/// What Azure allows once is free when it is taken.
fn freed(plan: &Plan, step: &Step) -> Result<(), String> {
    let Target::Known(id) = &step.target else { return Ok(()) };
    let scope = resources::of(step.address.kind()).spec().name_scope;
    if goes(step) || scope == NameScope::Id {
        return Ok(());
    }
    let makes = matches!(step.action, Action::Create | Action::Recover) || step.part == Part::Creation;
    let holds = |other: &Step| {
        let holder = match &other.target {
            Target::Known(holder) => holder,
            Target::RoleAssignment { .. } => return false,
        };
        let is_same =
            other.address.kind() == step.address.kind() && holder.name().eq_ignore_ascii_case(id.name());
        goes(other) && is_same && !waits_for(plan, step, other.ordinal)
    };
    match plan.steps.iter().find(|other| makes && holds(other)) {
        Some(other) => Err(format!("step {} frees its name, and it does not wait for that", other.ordinal)),
        None => Ok(()),
    }
}

/// Whether `step` waits for `earlier`, directly or through others. Steps come after those they wait for.
fn waits_for(plan: &Plan, step: &Step, earlier: u32) -> bool {
    step.after.iter().any(|at| {
        *at == earlier
            || plan.step(*at).is_some_and(|on| on.ordinal < step.ordinal && waits_for(plan, on, earlier))
    })
}
