//! What people do by hand in the simulated Azure: they delete, change fields and tags, and put things of their own
//! beside ours.

use beamline::azure::{Call, Method};
use beamline::resources::id::ResourceId;
use beamline::resources::{self, Arm as Place, Change, Effect, Kind, Resources, Shape};
use serde_json::{Value, json};
use uuid::Uuid;

use super::draw::Draw;
use crate::support::{AzureWorld, leaves, values};

/// What somebody did.
pub(super) struct Deed {
    /// For people.
    pub(super) told: String,
    /// What is there now and is not ours.
    pub(super) foreign: Option<ResourceId>,
}

/// What somebody has made with a copy of our tags.
pub(super) const CLONE: &str = "ai-clone";

/// Somebody does something to what is in one of `groups`; `None` where what was drawn cannot be done.
pub(super) async fn act(
    world: &AzureWorld,
    groups: &[ResourceId],
    declared: &Resources,
    draw: &mut Draw,
) -> Option<Deed> {
    let ours: Vec<(Kind, ResourceId)> = world
        .azure
        .ids()
        .into_iter()
        .filter(|id| groups.iter().any(|group| id.is_within(group)))
        .filter_map(|id| Some((kind_of(world, &id)?, id)))
        .collect();
    let (kind, id) = draw.among(&ours)?;
    match draw.below(11) {
        0..=3 => deleted(world, *kind, id).await,
        4..=6 => changed(world, declared, (*kind, id), draw),
        7 => tagged(world, id),
        8 => beside(world, id),
        9 => cloned(world, id),
        _ => granted(world, id),
    }
}

fn kind_of(world: &AzureWorld, id: &ResourceId) -> Option<Kind> {
    let body = world.azure.get(id)?;
    Kind::ALL.into_iter().find(|kind| {
        let of = resources::of(*kind);
        of.spec().arm_type.eq_ignore_ascii_case(&id.arm_type()) && of.is_mine(&body)
    })
}

/// As the portal does it: Azure may refuse it. A workspace is deleted for good, since its name could not be had
/// again for two weeks.
async fn deleted(world: &AzureWorld, kind: Kind, id: &ResourceId) -> Option<Deed> {
    let force = ("forceToPurge".to_owned(), "true".to_owned());
    let query = if kind == Kind::Workspace { vec![force] } else { Vec::new() };
    let call = Call {
        method: Method::Delete,
        id_or_path: id.to_string(),
        api_version: resources::of(kind).spec().api_version.to_string(),
        query,
        body: None,
        client_request_id: Uuid::nil(),
    };
    world.arm.send(&call).await.ok()?;
    let is_gone = world.azure.get(id).is_none();
    Some(Deed { told: format!("{id} is deleted ({is_gone})"), foreign: None })
}

/// A field that can change on the living resource does; there and back.
fn changed(
    world: &AzureWorld,
    declared: &Resources,
    (kind, id): (Kind, &ResourceId),
    draw: &mut Draw,
) -> Option<Deed> {
    let resource = declared
        .values()
        .find(|one| one.address.kind() == kind && one.name.eq_ignore_ascii_case(id.name()))?;
    let plain: Vec<(&str, Shape, String)> = leaves(kind)
        .into_iter()
        .filter(|leaf| matches!(leaf.field.change, Change::InPlace) && !leaf.path.contains('.'))
        .filter(|leaf| matches!(leaf.field.shape, Shape::Bool | Shape::Choice(_) | Shape::Integer { .. }))
        .filter_map(|leaf| match leaf.field.arm {
            Place::At(pointer) | Place::AtOr(pointer, _) => Some((pointer, leaf.field.shape, leaf.path)),
            Place::Enabled(_) | Place::Not(_) | Place::Inside | Place::By { .. } | Place::Nowhere => None,
        })
        .collect();
    let (pointer, shape, path) = draw.among(&plain)?;
    let value = draw.among(&values(kind, path, *shape))?.clone();
    let now = world.azure.get(id)?.pointer(pointer)?.clone();
    let changes = |from: &Value, to: &Value| resources::of(kind).effect(resource, path, from, to);
    if changes(&now, &value) != Effect::InPlace || changes(&value, &now) != Effect::InPlace {
        return None;
    }
    let told = format!("{pointer} of {id} is {value}");
    let mut is_there = false;
    world.azure.edit(id, |body| {
        if let Some(place) = body.pointer_mut(pointer) {
            *place = value;
            is_there = true;
        }
    });
    is_there.then_some(Deed { told, foreign: None })
}

/// A tag of somebody's own, which is no business of ours, in place of one of ours.
fn tagged(world: &AzureWorld, id: &ResourceId) -> Option<Deed> {
    let mut is_there = false;
    world.azure.edit(id, |body| {
        if let Some(Value::Object(tags)) = body.get_mut("tags") {
            tags.remove("team");
            tags.insert("cost-center".to_owned(), json!("42"));
            is_there = true;
        }
    });
    is_there.then(|| Deed { told: format!("tags of {id} are others"), foreign: None })
}

/// An account of somebody else in the same group.
fn beside(world: &AzureWorld, id: &ResourceId) -> Option<Deed> {
    let foreign = id.resource_group_id()?.provider("Microsoft.Storage/storageAccounts", "stforeign001");
    if world.azure.get(&foreign).is_some() {
        return None;
    }
    world.azure.put(&foreign, json!({ "location": "eastus", "sku": { "name": "Standard_LRS" } }));
    Some(Deed { told: format!("{foreign} is there"), foreign: Some(foreign) })
}

/// Something of somebody else in the same group, with a copy of the tags of one of ours, as clones and policies make it.
fn cloned(world: &AzureWorld, id: &ResourceId) -> Option<Deed> {
    let foreign = id.resource_group_id()?.provider("Microsoft.Insights/components", CLONE);
    let body = world.azure.get(id)?;
    let mut tags = ["/tags", "/properties/tags"].iter().find_map(|at| body.pointer(at))?.clone();
    // What the original might have claimed: somebody's machine in it, and one in ours.
    let machines = world.azure.ids().into_iter().filter(|id| id.as_str().contains("/computes/"));
    let claims: Vec<String> = machines
        .take(1)
        .map(|id| format!("compute_instances/copied={id}"))
        .chain(["compute_instances/ci".to_owned()])
        .collect();
    tags["beamline-claims-1"] = json!(claims.join(" "));
    if world.azure.get(&foreign).is_some() {
        return None;
    }
    let body = json!({ "location": "eastus", "kind": "web", "tags": tags, "properties": { "Application_Type": "web" } });
    world.azure.put(&foreign, body);
    Some(Deed { told: format!("{foreign} bears the tags of {id}"), foreign: Some(foreign) })
}

/// Somebody may read it.
fn granted(world: &AzureWorld, id: &ResourceId) -> Option<Deed> {
    let who = Uuid::from_u128(0x4f8c_2a86);
    let scope = if id.arm_type().to_ascii_lowercase().starts_with("microsoft.authorization") {
        id.resource_group_id()?
    } else {
        id.clone()
    };
    let foreign = world.azure.grant(who, "Reader", &scope).ok()?;
    Some(Deed { told: format!("{foreign} is granted"), foreign: Some(foreign) })
}
