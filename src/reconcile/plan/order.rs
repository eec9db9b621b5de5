//! The order of steps: what must be done before what, as edges of a graph, and one list that respects
//! it.
//!
//! - What is made waits for what contains it, what it refers to, and the removal of its predecessor.
//! - What is deleted waits for the deletion of what lies in it and of what may use it (the catalog's
//!   references, kind by kind), and for changes that drop a reference to it. An element that goes with an update
//!   of what contains it lets that wait for the deletion of what uses it.
//! - What another step carries out waits for that step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::action::Action;
use super::planner::{Input, is_deletion, shares_name};
use super::step::{Part, ReadBack, Step};
use crate::resources::behaviour::Carried;
use crate::resources::claims;
use crate::resources::id::ResourceId;
use crate::resources::{
    self, Address, Context, Field, Kind, Listing, Reference, Resource, Resources, Shape, Target,
};

/// The declared resource that contains `resource` in Azure.
pub(super) fn parent_of(resource: &Resource, all: &Resources) -> Option<Address> {
    let parent = resources::of(resource.address.kind()).spec().parent?;
    match resource.address.outer() {
        Some(outer) => Some(outer),
        None => all.keys().find(|address| address.kind() == parent && parent.is_single()).cloned(),
    }
}

/// Everything that must be there before `resource` can be made.
pub(super) fn prerequisites(resource: &Resource, all: &Resources) -> BTreeSet<Address> {
    let kind = resources::of(resource.address.kind());
    let loose = kind.loose_references();
    let references = resource.references.iter().filter_map(|(path, reference)| match reference {
        Reference::Local(address) if !loose.contains(&path.as_str()) => Some(address.clone()),
        Reference::Local(_) | Reference::Arm(_) => None,
    });
    let claimant = claims::claimant_of(resource, all).map(|claimant| claimant.address.clone());
    let around = parent_of(resource, all).into_iter().chain(claimant);
    around.chain(references).chain(kind.depends_on(resource, all)).collect()
}

/// The kinds that a resource of `kind` may refer to. What it lies in its id says: a container of one account is no
/// reason to keep another one.
fn uses(kind: Kind) -> BTreeSet<Kind> {
    let loose = resources::of(kind).loose_references();
    let mut used = BTreeSet::new();
    referred_kinds(resources::of(kind).spec().fields, loose, &mut used);
    // What extends its scope may stand on anything.
    if resources::of(kind).spec().listing == Listing::AtScope {
        used.extend(Kind::ALL);
    }
    used.remove(&kind);
    used
}

fn referred_kinds(fields: &[Field], loose: &[&str], into: &mut BTreeSet<Kind>) {
    for field in fields.iter().filter(|field| !loose.contains(&field.name)) {
        match field.shape {
            Shape::Reference(kinds) | Shape::Principal(kinds) => into.extend(kinds),
            Shape::Object(fields) | Shape::Objects { fields, .. } => referred_kinds(fields, &[], into),
            Shape::Bool
            | Shape::Integer { .. }
            | Shape::Text { .. }
            | Shape::Guid
            | Shape::Choice(_)
            | Shape::Word { .. }
            | Shape::Duration { .. }
            | Shape::Set { .. }
            | Shape::Prefixes => {}
        }
    }
}

/// Puts steps in order, numbers them, and settles who carries and who verifies whom.
pub(super) fn arrange(steps: Vec<Step>, input: &Input<'_>) -> Vec<Step> {
    let carriers = carriers(&steps);
    let firm = firm_edges(&steps, &carriers, input);
    // What another step carries out cannot wait by itself: its carrier does.
    let acting = |at: usize| root_of(&carriers, at);
    let succeeded = successors(&steps, input);
    let soft: Vec<(usize, usize)> = former_selves(&steps)
        .into_iter()
        .chain(succeeded.iter().copied())
        .chain(references(&steps, input))
        .map(|(later, earlier)| (acting(later), acting(earlier)))
        .filter(|(later, earlier)| later != earlier)
        .collect();
    let edges = with_as_many_as_fit(steps.len(), firm, &soft);
    let order = sorted(steps.len(), &edges).unwrap_or_else(|| (0..steps.len()).collect());
    let place = |at: usize| order.iter().position(|one| *one == at).and_then(|at| u32::try_from(at).ok());
    let mut waits: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (later, earlier) in former_selves(&steps).into_iter().chain(succeeded) {
        if let Some((later, earlier)) = place(later).zip(place(earlier)) {
            waits.entry(later).or_default().insert(earlier);
        }
    }
    let mut steps = number(steps, &order, &edges, &carriers);
    let present = input.observed.present.values().map(|found| &found.body);
    let bodies: Vec<&Value> = present.chain(input.observed.going().map(|orphan| &orphan.body)).collect();
    for (at, waits) in waits {
        let Some(step) = steps.iter_mut().find(|step| step.ordinal == at) else { continue };
        let going = observed_body(step, input);
        if going.is_some_and(|going| resources::of(step.address.kind()).ends_anyway(going, &bodies)) {
            step.also_after_failure = waits.into_iter().filter(|made| step.after.contains(made)).collect();
        }
    }
    steps
}

/// `firm`, and of the edges that are only better so those that close no circle with what is there already.
/// Where a name must be freed before it is taken, what is used by its holder goes early as well, before its
/// successor is made.
fn with_as_many_as_fit(
    count: usize,
    firm: Vec<(usize, usize)>,
    soft: &[(usize, usize)],
) -> Vec<(usize, usize)> {
    let all: Vec<(usize, usize)> = firm.iter().chain(soft).copied().collect();
    if sorted(count, &all).is_some() {
        return all;
    }
    let mut edges = firm;
    let mut waits: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (later, earlier) in &edges {
        waits[*later].push(*earlier);
    }
    for (later, earlier) in soft {
        if !reaches(&waits, *earlier, *later) {
            waits[*later].push(*earlier);
            edges.push((*later, *earlier));
        }
    }
    edges
}

/// Whether `from` waits for `to`, directly or through others.
fn reaches(waits: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; waits.len()];
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(&waits[at]);
        }
    }
    false
}

/// For each step that another one carries out: that one.
fn carriers(steps: &[Step]) -> BTreeMap<usize, usize> {
    let mut carriers = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        let spec = resources::of(step.address.kind()).spec();
        let carrier = match spec.behaviour.carried {
            Carried::Always => {
                // Its deletion is an update of what it is an element of, unless that is deleted as well.
                let outer = known(step).and_then(ResourceId::parent);
                let is_outer = |other: &Step| outer.is_some() && known(other) == outer.as_ref();
                let same_side = |other: &Step| is_deletion(other) == is_deletion(step);
                position(steps, |other| is_outer(other) && same_side(other))
                    .or_else(|| position(steps, is_outer))
            }
            Carried::WhenParentGoes if is_deletion(step) => position(steps, |other| {
                is_deletion(other) && Some(other.address.kind()) == spec.parent && contains(other, step)
            }),
            Carried::WhenParentGoes | Carried::Never => None,
        };
        carriers.extend(carrier.map(|carrier| (at, carrier)));
    }
    carriers
}

/// The step whose requests carry out step `at`: itself, or its outermost carrier.
fn root_of(carriers: &BTreeMap<usize, usize>, at: usize) -> usize {
    // A chain is as long as there are carried steps at most.
    std::iter::successors(Some(at), |at| carriers.get(at).copied())
        .take(carriers.len() + 1)
        .last()
        .unwrap_or(at)
}

fn position(steps: &[Step], wanted: impl Fn(&Step) -> bool) -> Option<usize> {
    steps.iter().position(wanted)
}

/// Whether the resource of `inner` lies in that of `outer`.
fn contains(outer: &Step, inner: &Step) -> bool {
    match (known(outer), known(inner)) {
        (Some(outer), Some(inner)) => outer != inner && inner.is_within(outer),
        (None, _) | (_, None) => false,
    }
}

fn known(step: &Step) -> Option<&ResourceId> {
    match &step.target {
        Target::Known(id) => Some(id),
        Target::RoleAssignment { .. } => None,
    }
}

/// Edges (later, earlier) that must hold.
fn firm_edges(steps: &[Step], carriers: &BTreeMap<usize, usize>, input: &Input<'_>) -> Vec<(usize, usize)> {
    let all = &input.environment.resources;
    let mut edges: Vec<(usize, usize)> =
        carriers.iter().map(|(carried, carrier)| (*carried, *carrier)).collect();
    for (at, step) in steps.iter().enumerate() {
        // Who carries others waits for what those have to wait for.
        let carried =
            carriers.iter().filter(|(_, carrier)| **carrier == at).map(|(carried, _)| &steps[*carried]);
        let goes: BTreeSet<Kind> = carried.chain([step]).map(|step| step.address.kind()).collect();
        // What is released may have the address of what is declared, where a kind has no short names.
        let declared = all.get(&step.address).filter(|_| step.action != Action::Release);
        let needed = declared.map(|resource| prerequisites(resource, all)).unwrap_or_default();
        for (other_at, other) in steps.iter().enumerate().filter(|(other_at, _)| *other_at != at) {
            let waits = match (is_deletion(step), is_deletion(other)) {
                (false, false) => needed.contains(&other.address) && other.action != Action::Release,
                // What is in it is found by its mark as long as it is there.
                (false, true) => {
                    frees_the_name(step, other) || step.action == Action::Release && contains(step, other)
                }
                (true, true) => {
                    let carried = carriers.get(&other_at) == Some(&at);
                    let used = !uses(other.address.kind()).is_disjoint(&goes);
                    !carried && !carriers.contains_key(&at) && (used || contains(step, other))
                }
                (true, false) => false,
            };
            if waits {
                edges.push((at, other_at));
            }
        }
    }
    edges.extend(freed_elements(steps, carriers, input));
    edges.extend(let_go(steps, input));
    edges
}

/// Edges (update, deletion): a claim goes after what it claims.
fn let_go(steps: &[Step], input: &Input<'_>) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| !is_deletion(step)) {
        let gone = |local: &str| {
            let mut fields = step.differences.iter().filter(|one| one.after.is_null());
            fields.any(|one| one.field.strip_prefix(claims::FIELD_PREFIX) == Some(local))
        };
        let found = input.observed.present.get(&step.address);
        let claims = found.and_then(|found| claims::on(&found.body)).map(|(_, claims)| claims);
        for claim in claims.into_iter().flatten().filter(|claim| gone(&claim.local)) {
            let deletes = |other: &Step| is_deletion(other) && known(other) == Some(&claim.id);
            edges.extend(position(steps, deletes).map(|deletion| (at, deletion)));
        }
    }
    edges
}

/// Edges (carrier, deletion): what stays and is written without one of its elements waits for the deletion of
/// everything that uses that element. Only of what does: a network's update is no reason to take down first what is
/// made again elsewhere.
fn freed_elements(
    steps: &[Step],
    carriers: &BTreeMap<usize, usize>,
    input: &Input<'_>,
) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    for (element, carrier) in carriers {
        if !is_deletion(&steps[*element]) || is_deletion(&steps[*carrier]) {
            continue;
        }
        let Some(id) = known(&steps[*element]) else { continue };
        for (at, step) in steps.iter().enumerate().filter(|(_, step)| is_deletion(step)) {
            if observed_body(step, input).is_some_and(|body| mentions(body, id)) {
                edges.push((*carrier, at));
            }
        }
    }
    edges
}

/// What Azure showed of the resource that a step deletes.
fn observed_body<'a>(step: &Step, input: &Input<'a>) -> Option<&'a Value> {
    let id = known(step)?;
    let present = input.observed.present.get(&step.address).filter(|found| found.id == *id);
    let going = || input.observed.going().find(|orphan| orphan.id == *id).map(|orphan| &orphan.body);
    present.map(|found| &found.body).or_else(going)
}

/// Whether what `made` makes cannot be there together with what `goes` deletes.
fn frees_the_name(made: &Step, goes: &Step) -> bool {
    let same_type = made.address.kind() == goes.address.kind();
    known(goes).is_some_and(|id| same_type && shares_name(made.address.kind(), id, &made.target))
}

/// Edges (removal, creation): what becomes another is made before its former self goes, so that a failure
/// leaves that standing.
fn former_selves(steps: &[Step]) -> Vec<(usize, usize)> {
    let made: BTreeMap<&Address, usize> = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.part == Part::Creation)
        .map(|(at, step)| (&step.address, at))
        .collect();
    let goes = steps.iter().enumerate().filter(|(_, step)| step.part == Part::Removal);
    goes.filter_map(|(at, step)| Some((at, *made.get(&step.address)?)))
        .filter(|(at, made)| !frees_the_name(&steps[*made], &steps[*at]))
        .collect()
}

/// Edges (deletion, creation): what goes and is declared under another short name, with something else in it, goes as a
/// former self does.
fn successors(steps: &[Step], input: &Input<'_>) -> Vec<(usize, usize)> {
    let observed = input.observed.bodies();
    let resources = &input.environment.resources;
    let context = Context { site: input.site, resources, observed: &observed };
    let mut edges = Vec::new();
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.action == Action::Delete) {
        let kind = step.address.kind();
        let Some(going) =
            observed_body(step, input).filter(|_| resources::of(kind).spec().is_known_by_content())
        else {
            continue;
        };
        for (made_at, made) in steps.iter().enumerate().filter(|(_, made)| made.action == Action::Create) {
            let declared = resources.get(&made.address).filter(|one| one.address.kind() == kind);
            if declared.is_some_and(|declared| resources::of(kind).succeeds(declared, going, &context)) {
                edges.push((at, made_at));
            }
        }
    }
    edges
}

/// Edges (deletion, step): what goes waits for the deletion of everything that refers to it, or to something in it, and
/// where nothing of its id is made again for the change of what has referred to it.
fn references(steps: &[Step], input: &Input<'_>) -> Vec<(usize, usize)> {
    let ids = |step: &Step| known(step).map(ResourceId::folded);
    let made: BTreeSet<String> = steps.iter().filter(|step| !is_deletion(step)).filter_map(ids).collect();
    let deletions = steps.iter().enumerate().filter(|(_, step)| is_deletion(step));
    let going: BTreeMap<String, usize> = deletions.filter_map(|(at, step)| Some((ids(step)?, at))).collect();
    let mut edges = Vec::new();
    for (other_at, other) in steps.iter().enumerate().filter(|_| !going.is_empty()) {
        let living = || input.observed.present.get(&other.address).map(|found| &found.body);
        let Some(body) = (if is_deletion(other) { observed_body(other, input) } else { living() }) else {
            continue;
        };
        let own = body.get("id").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let mut found = BTreeSet::new();
        ids_in(body, &mut found);
        for mentioned in &found {
            for (id, at) in lies_in(mentioned).filter_map(|id| Some((id, *going.get(id)?))) {
                let is_its_own = below(&own, id) || below(id, &own);
                let goes = steps[at].address.kind();
                // What is used may list its users.
                let is_list = may_refer(goes, other.address.kind()) && !may_refer(other.address.kind(), goes);
                if at != other_at && !is_its_own && !is_list && (is_deletion(other) || !made.contains(id)) {
                    edges.push((at, other_at));
                }
            }
        }
    }
    edges
}

/// Whether a resource of one kind may refer to one of another, or to something in it.
fn may_refer(from: Kind, to: Kind) -> bool {
    let outer = resources::of(to).spec().arm_type;
    let is_below = |arm_type: &str| arm_type.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    uses(from).into_iter().any(|kind| kind == to || is_below(resources::of(kind).spec().arm_type))
}

/// All ids that a body mentions, in lower case.
fn ids_in(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if text.starts_with('/') => drop(into.insert(text.to_ascii_lowercase())),
        Value::Array(items) => items.iter().for_each(|item| ids_in(item, into)),
        Value::Object(fields) => fields.values().for_each(|value| ids_in(value, into)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A folded id, and the beginnings of it that may be ids of what it lies in.
fn lies_in(id: &str) -> impl Iterator<Item = &str> {
    let ends = id.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).chain([id.len()]);
    ends.map(|end| &id[..end])
}

/// Whether a folded id is another one, or lies in it.
fn below(inner: &str, outer: &str) -> bool {
    !outer.is_empty()
        && inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a resource refers to `id`. That it is it, or that the other lies in it, is no reference.
fn mentions(body: &Value, id: &ResourceId) -> bool {
    let own = body.get("id").and_then(Value::as_str).and_then(|text| text.parse().ok());
    !own.is_some_and(|own| id.is_within(&own)) && says(body, id)
}

fn says(value: &Value, id: &ResourceId) -> bool {
    match value {
        Value::String(text) => text.eq_ignore_ascii_case(id.as_str()),
        Value::Array(items) => items.iter().any(|item| says(item, id)),
        Value::Object(fields) => fields.values().any(|value| says(value, id)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Kahn's algorithm, the earliest possible step first in the given order. `None` for a cycle.
fn sorted(count: usize, edges: &[(usize, usize)]) -> Option<Vec<usize>> {
    let mut waiting: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); count];
    for (later, earlier) in edges {
        waiting[*later].insert(*earlier);
    }
    let mut open: BTreeSet<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    while !open.is_empty() {
        let next =
            open.iter().copied().find(|at| waiting[*at].iter().all(|earlier| !open.contains(earlier)))?;
        open.remove(&next);
        order.push(next);
    }
    Some(order)
}

fn number(
    steps: Vec<Step>,
    order: &[usize],
    edges: &[(usize, usize)],
    carriers: &BTreeMap<usize, usize>,
) -> Vec<Step> {
    let place: BTreeMap<usize, u32> = order.iter().copied().zip(0..).collect();
    let covers: BTreeMap<usize, usize> =
        (0..steps.len()).filter_map(|at| Some((at, covering(&steps, at, carriers)?))).collect();
    let mut steps: Vec<Step> = steps
        .into_iter()
        .enumerate()
        .map(|(at, mut step)| {
            let after: BTreeSet<u32> =
                edges.iter().filter(|(later, _)| *later == at).map(|(_, earlier)| place[earlier]).collect();
            step.after = after.into_iter().collect();
            step.ordinal = place[&at];
            step.carried_by = carriers.get(&at).map(|carrier| place[carrier]);
            if step.carried_by.is_some() {
                step.requests.clear();
            }
            if let Some(cover) = covers.get(&at) {
                step.read_back = ReadBack::CoveredBy(place[cover]);
            }
            step
        })
        .collect();
    steps.sort_by_key(|step| step.ordinal);
    steps
}

/// The step whose reading back verifies step `at` as well: its carrier, or the deletion of the
/// outermost thing that contains it.
fn covering(steps: &[Step], at: usize, carriers: &BTreeMap<usize, usize>) -> Option<usize> {
    if let Some(carrier) = carriers.get(&at) {
        return covering(steps, *carrier, carriers).or(Some(*carrier));
    }
    let step = steps.get(at).filter(|step| is_deletion(step))?;
    let outer = steps.iter().enumerate().filter(|(_, other)| is_deletion(other) && contains(other, step));
    outer.min_by_key(|(_, other)| known(other).map_or(usize::MAX, |id| id.as_str().len())).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::sample::reference;

    fn address(local: &str) -> Address {
        Address::parse_local(&"production".parse().unwrap(), local).unwrap()
    }

    fn before(local: &str) -> Vec<String> {
        let all = reference().resources;
        prerequisites(&all[&address(local)], &all).iter().map(Address::local).collect()
    }

    #[test]
    fn the_order_is_the_given_one_as_far_as_the_edges_allow() {
        assert_eq!(sorted(4, &[]), Some(vec![0, 1, 2, 3]));
        assert_eq!(sorted(4, &[(0, 3), (1, 0)]), Some(vec![2, 3, 0, 1]));
        assert_eq!(sorted(0, &[]), Some(vec![]));
    }

    #[test]
    fn a_circle_has_no_order() {
        assert_eq!(sorted(3, &[(0, 1), (1, 0)]), None);
        assert_eq!(sorted(1, &[(0, 0)]), None);
    }

    #[test]
    fn what_is_made_waits_for_its_container_and_what_it_refers_to() {
        assert_eq!(before("resource_group"), [""; 0]);
        assert_eq!(
            before("workspace"),
            [
                "resource_group",
                "storage_accounts/default",
                "key_vaults/main",
                "application_insights/main",
                "container_registries/main"
            ],
            "and not for the cluster that builds its images, which is made in it"
        );
        assert_eq!(before("role_assignments/workspace-vault"), ["key_vaults/main", "workspace"]);
        let lake = before("datastores/data_lake");
        assert!(lake.contains(&"storage_accounts/data_lake/containers/data".to_owned()), "{lake:?}");
    }

    #[test]
    fn a_kind_may_be_used_by_what_may_refer_to_it() {
        assert!(uses(Kind::ComputeCluster).contains(&Kind::Subnet));
        assert!(!uses(Kind::Container).contains(&Kind::StorageAccount), "it lies in one, which its id says");
        assert!(uses(Kind::Workspace).contains(&Kind::KeyVault));
        assert!(!uses(Kind::Workspace).contains(&Kind::ComputeCluster), "a loose reference is no use");
        for kind in Kind::ALL {
            assert!(!uses(kind).contains(&kind), "{kind}");
        }
    }

    #[test]
    fn a_kind_refers_to_what_has_something_that_it_refers_to() {
        assert!(may_refer(Kind::ComputeCluster, Kind::VirtualNetwork), "it stands in a subnet");
        assert!(!may_refer(Kind::VirtualNetwork, Kind::ComputeCluster), "a network lists who is in it");
        assert_eq!(lies_in("/a/b/c").collect::<Vec<_>>(), ["/a", "/a/b", "/a/b/c"]);
        assert!(below("/a/b", "/a") && below("/a", "/a") && !below("/ab", "/a") && !below("", ""));
    }

    #[test]
    fn a_body_mentions_an_id_in_any_casing_and_not_its_own() {
        let id: ResourceId = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/y/z".parse().unwrap();
        let shouted = id.as_str().to_uppercase();
        assert!(mentions(&serde_json::json!({ "a": [{ "b": shouted }] }), &id));
        assert!(!mentions(&serde_json::json!({ "id": id.as_str(), "a": 1 }), &id));
        let other = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/y/other";
        assert!(mentions(&serde_json::json!({ "id": other, "subnet": { "id": shouted } }), &id));
        let element = serde_json::json!({ "id": id.as_str(), "elements": [{ "id": format!("{id}/e/f") }] });
        assert!(!mentions(&element, &format!("{id}/e/f").parse().unwrap()), "it contains it");
    }
}
