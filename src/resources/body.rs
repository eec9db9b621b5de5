//! From a declared resource to what is sent: ids, bodies, merges and patches, all from a type's table.
//!
//! Types call these functions from the methods they override, so that an override says only what is
//! special. Nothing here knows a type.

use serde_json::{Map, Value, json};

use super::address::{Address, Kind};
use super::claims;
use super::contract::{Context, Located, ResourceType, Spec, Update};
use super::difference::{Difference, Effect};
use super::field::{Arm, Change, Field, Shape};
use super::id::ResourceId;
use super::mark::MARK_KEY;
use super::merge::Merge;
use super::normalise;
use super::pointer;
use super::resource::{Presence, Resource};
use super::tags;

/// The id of a resource whose id follows from its name and its parent.
pub(crate) fn known_id(spec: &Spec, resource: &Resource, context: &Context<'_>) -> ResourceId {
    if let Presence::Existing(Some(id)) = &resource.presence {
        return id.clone();
    }
    match spec.parent {
        None => ResourceId::resource_group(context.site.subscription, &resource.name),
        Some(Kind::ResourceGroup) => group_id(resource, context).provider(spec.arm_type, &resource.name),
        Some(parent) => parent_id(parent, resource, context).child(spec.segment, &resource.name),
    }
}

/// The address of the resource that contains `resource` in Azure.
pub(crate) fn parent_address(parent: Kind, resource: &Resource) -> Address {
    let outer = resource.address.outer().filter(|outer| outer.kind() == parent);
    outer.unwrap_or_else(|| Address::single(resource.address.environment(), parent))
}

fn group_id(resource: &Resource, context: &Context<'_>) -> ResourceId {
    let group = Address::single(resource.address.environment(), Kind::ResourceGroup);
    match context.resources.get(&group).map(|group| &group.presence) {
        Some(Presence::Existing(Some(id))) => id.clone(),
        Some(Presence::Existing(None) | Presence::Managed) | None => context.site.group_id(),
    }
}

fn parent_id(parent: Kind, resource: &Resource, context: &Context<'_>) -> ResourceId {
    let address = parent_address(parent, resource);
    // Definitions guarantee the parent; an undeclared one is addressed where it would be.
    context.id_of(&address).unwrap_or_else(|| {
        group_id(resource, context).provider(super::of(parent).spec().arm_type, address.name())
    })
}

/// The body of the PUT that creates `resource`, without its name.
pub(crate) fn of(spec: &Spec, resource: &Resource, context: &Context<'_>) -> Value {
    let mut body = json!({});
    if spec.located == Located::Yes {
        pointer::put(&mut body, "/location", Value::from(normalise::location(&resource.location)));
    }
    Writer { resource, context }.fields(spec.fields, &resource.fields, "", &mut body);
    let carried = tags::carried(spec.carrier, resource, context);
    if let Some((at, members)) = tags::pointer_of(spec.carrier).zip(carried) {
        pointer::put(&mut body, at, Value::Object(members));
    }
    body
}

/// What a change costs by the field's row. What is not a field (tags, mark) is changed in place, a
/// location never.
pub(crate) fn effect_by_table(
    spec: &Spec,
    _resource: &Resource,
    path: &str,
    _before: &Value,
    _after: &Value,
) -> Effect {
    if path == "location" {
        return Effect::Replace("a resource cannot move to another region".to_owned());
    }
    match field_at(spec.fields, path).map(|field| field.change) {
        Some(Change::Replace(why)) => Effect::Replace(why.to_owned()),
        Some(Change::CreationOnly(why)) => Effect::Note(why.to_owned()),
        Some(Change::InPlace) | None => Effect::InPlace,
    }
}

/// The row of the field at a dotted path.
pub(crate) fn field_at(fields: &'static [Field], path: &str) -> Option<&'static Field> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let field = fields.iter().find(|field| field.name == first)?;
    match (rest, field.shape) {
        (None, _) => Some(field),
        (Some(rest), Shape::Object(fields)) => field_at(fields, rest),
        (
            Some(_),
            Shape::Bool
            | Shape::Integer { .. }
            | Shape::Text { .. }
            | Shape::Guid
            | Shape::Choice(_)
            | Shape::Word { .. }
            | Shape::Duration { .. }
            | Shape::Set { .. }
            | Shape::Prefixes
            | Shape::Reference(_)
            | Shape::Principal(_)
            | Shape::Objects { .. },
        ) => None,
    }
}

/// The merge that brings in-place differences into a full-replace PUT.
pub(crate) fn merge<T: ResourceType + ?Sized>(of: &T, update: Update<'_>, context: &Context<'_>) -> Merge {
    let spec = of.spec();
    let desired = of.body(update.resource, context);
    let mut merge = Merge::stripping(spec.read_only);
    for difference in in_place(update.differences) {
        for at in pointers(spec, update.resource, difference, context) {
            let value = pointer::get(&desired, &at).cloned();
            merge.own(at, update.observed, value);
        }
    }
    for at in tags::along_with_a_write(spec.carrier, &desired, update.observed) {
        let value = pointer::get(&desired, &at).cloned();
        merge.own(at, update.observed, value);
    }
    for (at, value) in claims::changes(update, context) {
        merge.own(at, update.observed, value);
    }
    merge
}

/// The body of a PATCH with exactly the fields of `update`'s in-place differences. What goes away is
/// `null`. Tags are sent whole, as a PATCH replaces them: the desired ones and those that are kept.
pub(crate) fn patch_of<T: ResourceType + ?Sized>(of: &T, update: Update<'_>, context: &Context<'_>) -> Value {
    let spec = of.spec();
    let desired = of.body(update.resource, context);
    let at_tags = tags::pointer_of(spec.carrier);
    let mut patch = json!({});
    for difference in in_place(update.differences) {
        let claims = difference.field.starts_with(claims::FIELD_PREFIX).then(|| "/tags/".to_owned());
        for at in pointers(spec, update.resource, difference, context).into_iter().chain(claims) {
            match at_tags.filter(|tags| at.starts_with(&format!("{tags}/"))) {
                Some(at) => {
                    let mut members = tags::kept(spec.carrier, update.observed, context.site);
                    let own = pointer::get(&desired, at).and_then(Value::as_object);
                    members.extend(own.cloned().unwrap_or_default());
                    if claims::can_claim(spec.kind) {
                        members.retain(|name, _| !claims::is_key(name));
                        members.extend(claims::left_by(update, context));
                    }
                    pointer::put(&mut patch, at, Value::Object(members));
                }
                None => {
                    let value = pointer::get(&desired, &at).cloned().unwrap_or_default();
                    pointer::put(&mut patch, &at, value);
                }
            }
        }
    }
    patch
}

/// The merge that takes everything off a resource which says that it is ours, and changes nothing else.
pub(crate) fn unmarked(spec: &Spec, observed: &Value) -> Merge {
    let mut merge = Merge::stripping(spec.read_only);
    for at in tags::own_places(spec.carrier, observed) {
        merge.own(at, observed, None);
    }
    merge
}

/// The body of a PATCH that does the same: all other tags, because a PATCH replaces them.
pub(crate) fn unmarking_patch(spec: &Spec, observed: &Value) -> Value {
    let mut patch = json!({});
    if let Some(at) = tags::pointer_of(spec.carrier) {
        let mut left = observed.clone();
        tags::own_places(spec.carrier, observed).iter().for_each(|own| pointer::remove(&mut left, own));
        pointer::put(&mut patch, at, pointer::get(&left, at).cloned().unwrap_or_else(|| json!({})));
    }
    patch
}

fn in_place(differences: &[Difference]) -> impl Iterator<Item = &Difference> {
    differences.iter().filter(|difference| difference.effect == Effect::InPlace)
}

/// Where in the ARM body a difference lies.
pub(crate) fn pointers(
    spec: &Spec,
    resource: &Resource,
    difference: &Difference,
    context: &Context<'_>,
) -> Vec<String> {
    let path = difference.field.as_str();
    let carrier = tags::pointer_of(spec.carrier);
    let tag = match path {
        "mark" => Some(MARK_KEY),
        "address" => Some(tags::address_key(spec.carrier)),
        "seal" => Some(tags::seal_key(spec.carrier)),
        _ => path.strip_prefix("tags."),
    };
    if let Some((at, tag)) = carrier.zip(tag) {
        return vec![format!("{at}/{}", pointer::escape(tag))];
    }
    let Some(field) = field_at(spec.fields, path) else { return Vec::new() };
    match field.arm {
        Arm::At(at) | Arm::AtOr(at, _) | Arm::Enabled(at) | Arm::Not(at) => vec![at.to_owned()],
        Arm::Inside | Arm::Nowhere => Vec::new(),
        Arm::By { write, .. } => {
            // Where such a field lives only its `write` knows: ask it for both values.
            let after = Writer { resource, context }.resolved(field, path, &difference.after);
            let mut places = Vec::new();
            for value in [&after, &difference.before].into_iter().filter(|value| !value.is_null()) {
                let mut alone = json!({});
                write(value, &mut alone);
                let new = pointer::leaves(&alone).into_iter().filter(|at| !at.is_empty());
                places.extend(new.filter(|at| !places.contains(at)).collect::<Vec<_>>());
            }
            places
        }
    }
}

/// Writes fields into bodies.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) resource: &'a Resource,
    pub(crate) context: &'a Context<'a>,
}

impl Writer<'_> {
    fn fields(self, fields: &[Field], values: &Map<String, Value>, within: &str, body: &mut Value) {
        for field in fields {
            let Some(value) = values.get(field.name).filter(|value| !value.is_null()) else { continue };
            let path = format!("{within}{}", field.name);
            match (field.arm, field.shape, value.as_object()) {
                (Arm::Nowhere, ..) => {}
                (Arm::Inside, Shape::Object(fields), Some(values)) => {
                    self.fields(fields, values, &format!("{path}."), body);
                }
                (Arm::Inside, ..) => {}
                (Arm::By { write, .. }, ..) => write(&self.resolved(field, &path, value), body),
                (Arm::At(at) | Arm::AtOr(at, _), ..) => {
                    pointer::put(body, at, self.resolved(field, &path, value));
                }
                (Arm::Enabled(at), ..) => pointer::put(body, at, spelled_enabled(value)),
                (Arm::Not(at), ..) => pointer::put(body, at, spelled_not(value)),
            }
        }
    }

    /// The value as ARM wants it: references as ids, objects with the names that ARM gives them.
    pub(crate) fn resolved(self, field: &Field, path: &str, value: &Value) -> Value {
        match (field.shape, value) {
            (Shape::Reference(_), Value::String(text)) => {
                let target = self.resource.references.get(path);
                let id = target.and_then(|target| self.context.resolve(target));
                Value::from(id.map_or_else(|| text.clone(), |id| id.as_str().to_owned()))
            }
            (Shape::Object(fields), Value::Object(values)) if !matches!(field.arm, Arm::By { .. }) => {
                let mut object = json!({});
                self.fields(fields, values, &format!("{path}."), &mut object);
                object
            }
            (Shape::Objects { fields, .. }, Value::Array(items)) if !matches!(field.arm, Arm::By { .. }) => {
                let object = |(at, item): (usize, &Value)| {
                    let mut object = json!({});
                    let values = item.as_object().cloned().unwrap_or_default();
                    self.fields(fields, &values, &format!("{path}.{at}."), &mut object);
                    object
                };
                items.iter().enumerate().map(object).collect()
            }
            _ => value.clone(),
        }
    }
}

fn spelled_enabled(value: &Value) -> Value {
    value.as_bool().map_or_else(|| value.clone(), |on| Value::from(if on { "Enabled" } else { "Disabled" }))
}

fn spelled_not(value: &Value) -> Value {
    value.as_bool().map_or_else(|| value.clone(), |on| Value::from(!on))
}

#[cfg(test)]
mod tests {
    use super::super::contract::Write;
    use super::super::sample::{id, reference};
    use super::*;

    #[test]
    fn what_is_given_up_loses_its_marks_and_keeps_everything_else() {
        let world = reference();
        for resource in world.resources.values() {
            let (local, kind) = (resource.address.local(), super::super::of(resource.address.kind()));
            let mut observed = world.body(&local);
            pointer::put(&mut observed, "/id", Value::from(id(&format!("x/{}", resource.name))));
            if let Some(at) = tags::pointer_of(kind.spec().carrier) {
                pointer::put(&mut observed, &format!("{at}/owner"), Value::from("ada"));
                pointer::put(&mut observed, &format!("{at}/Beamline-Claims-1"), Value::from("later/x"));
            }
            let Ok(writes) = kind.release(&observed) else {
                assert_eq!(resource.address.kind(), Kind::ComputeInstance, "{local}");
                continue;
            };
            let left = match writes.as_slice() {
                [] => {
                    assert!(kind.spec().is_inner(), "{local}");
                    continue;
                }
                [Write::Merged(merge)] => merge.apply(&observed).unwrap(),
                [Write::Patch(patch)] => {
                    let mut left = observed.clone();
                    for member in ["/tags", "/properties/metadata"] {
                        if let Some(whole) = pointer::get(patch, member) {
                            pointer::put(&mut left, member, whole.clone());
                        }
                    }
                    left
                }
                other => panic!("{local}: {other:#?}"),
            };
            assert!(kind.mark_on(&left).is_none() && kind.is_released(&left), "{local}: {left:#}");
            assert!(!kind.is_released(&observed), "{local}");
            let places = tags::own_places(kind.spec().carrier, &observed);
            let mut expected = observed.clone();
            places.iter().for_each(|at| pointer::remove(&mut expected, at));
            if kind.spec().is_known_by_content() {
                pointer::remove(&mut expected, "/properties/description");
            }
            ["/id", "/name"].iter().for_each(|at| pointer::remove(&mut expected, at));
            let mut left = left;
            pointer::remove(&mut left, "/id");
            assert_eq!(left, expected, "{local}");
        }
    }

    #[test]
    fn a_grant_keeps_the_text_of_its_user() {
        let kind = super::super::of(Kind::RoleAssignment);
        let text = "beamline, adopted: ops/production role_assignments/a | because | of this";
        let body = json!({ "properties": { "description": text } });
        let [Write::Merged(merge)] = &kind.release(&body).unwrap()[..] else { panic!() };
        assert_eq!(merge.apply(&body).unwrap()["properties"]["description"], json!("because | of this"));
    }

    #[test]
    fn a_datastore_whose_secret_would_be_lost_is_not_written() {
        let kind = super::super::of(Kind::Datastore);
        let key = json!({ "properties": { "credentials": { "credentialsType": "AccountKey" } } });
        assert!(kind.release(&key).unwrap_err().contains("(AccountKey)"));
    }
}
