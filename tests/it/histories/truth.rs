//! Whether Azure is as a definition says, looked at without the code that plans.

use super::hands::CLONE;
use std::collections::BTreeSet;

use beamline::resources::id::ResourceId;
use beamline::resources::{self, Arm as Place, Kind, Resource, Shape, WhenAbsent};
use serde_json::Value;

use super::edits::Sound;
use crate::support::{AzureWorld, leaves};

/// Places where a mark stands in a body.
const MARKS: [&str; 4] = [
    "/tags/beamline",
    "/properties/tags/beamline",
    "/properties/metadata/beamline",
    "/properties/description",
];

/// Where Azure is otherwise than `sound` says.
pub(super) fn lies(world: &AzureWorld, sound: &Sound) -> Vec<String> {
    let group = AzureWorld::group_called(&sound.environment.resource_group);
    let there: Vec<(ResourceId, Value)> =
        world.azure.ids().into_iter().filter_map(|id| Some((id.clone(), world.azure.get(&id)?))).collect();
    let declared: Vec<&Resource> = sound
        .environment
        .resources
        .values()
        .filter(|one| one.is_managed() && one.address.kind() != Kind::RoleAssignment)
        .collect();
    let mut lies = Vec::new();
    let mut known = BTreeSet::new();
    for resource in declared {
        let is_it = |(id, body): &&(ResourceId, Value)| is_of(resource, id, body) && id.is_within(&group);
        let found: Vec<&(ResourceId, Value)> = there.iter().filter(is_it).collect();
        if found.is_empty() {
            lies.push(format!("{} is not there", resource.address));
        }
        for (id, body) in found {
            known.insert(id.folded());
            // Names in a container may meet: then which one it is is no question for here.
            lies.extend(
                other_fields(resource, body).into_iter().filter(|_| resource.address.outer().is_none()),
            );
        }
    }
    for (id, body) in &there {
        let mark = MARKS.iter().find_map(|place| body.pointer(place)?.as_str());
        let is_role = id.arm_type().eq_ignore_ascii_case("Microsoft.Authorization/roleAssignments");
        if mark.is_some_and(|mark| mark.starts_with("ops/production"))
            && !is_role
            && id.name() != CLONE
            && !known.contains(&id.folded())
        {
            lies.push(format!("{id} carries our mark and is not declared"));
        }
    }
    lies
}

/// What of the catalog refers to what else of it that is not there, both in lower case.
pub(super) fn dangling(world: &AzureWorld) -> BTreeSet<(String, String)> {
    let ids = world.azure.ids();
    let there: BTreeSet<String> = ids.iter().map(ResourceId::folded).collect();
    let mut found = BTreeSet::new();
    for id in ids.iter().filter(|id| is_known(id)) {
        let Some(body) = world.azure.get(id) else { continue };
        for target in referred(&body).into_iter().filter(|target| !there.contains(target)) {
            found.insert((id.folded(), target));
        }
    }
    found
}

/// Whether it is of a kind that definitions declare.
fn is_known(id: &ResourceId) -> bool {
    Kind::ALL.iter().any(|kind| resources::of(*kind).spec().arm_type.eq_ignore_ascii_case(&id.arm_type()))
}

/// What of the catalog a body refers to, in lower case.
pub(super) fn referred(body: &Value) -> Vec<String> {
    match body {
        Value::String(text) => text.parse().ok().filter(is_known).map(|id| id.folded()).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(referred).collect(),
        Value::Object(members) => members.values().flat_map(referred).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

fn is_of(resource: &Resource, id: &ResourceId, body: &Value) -> bool {
    let kind = resources::of(resource.address.kind());
    kind.spec().arm_type.eq_ignore_ascii_case(&id.arm_type())
        && id.name().eq_ignore_ascii_case(&resource.name)
        && kind.is_mine(body)
}

/// Written fields that Azure has otherwise, where the table says plainly where they are.
fn other_fields(resource: &Resource, body: &Value) -> Vec<String> {
    let mut lies = Vec::new();
    for leaf in leaves(resource.address.kind()).into_iter().filter(|leaf| !leaf.path.contains('.')) {
        let Place::At(pointer) = leaf.field.arm else { continue };
        let is_plain = matches!(leaf.field.shape, Shape::Bool | Shape::Integer { .. } | Shape::Choice(_));
        // What the service decides may be no field of this one (a datastore's, by its type).
        let is_ours = !matches!(leaf.field.absent, WhenAbsent::ServiceDefault);
        let (Some(wanted), Some(found)) = (resource.field(&leaf.path), body.pointer(pointer)) else {
            continue;
        };
        let same = wanted.to_string().eq_ignore_ascii_case(&found.to_string());
        if is_plain && is_ours && resource.written.contains(&leaf.path) && !same {
            lies.push(format!("{}: {} is {found} instead of {wanted}", resource.address, leaf.path));
        }
    }
    lies
}
