//! How a declared resource differs from what Azure says it is, field by field, in the words of the
//! definition.
//!
//! Everything that Azure answers and no row names is passed over: it is not ours.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address::{Address, Kind};
use super::body::Writer;
use super::contract::{Context, Located, ResourceType, Spec};
use super::field::{Arm, Field, Shape, WhenAbsent};
use super::id::ResourceId;
use super::normalise;
use super::placeholder::Placeholder;
use super::pointer;
use super::resource::Resource;
use super::tags;

/// What a difference asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect", content = "why")]
pub enum Effect {
    /// The living resource is changed.
    InPlace,
    /// The resource must be deleted and made again, because.
    Replace(String),
    /// Azure cannot do it at all, not even by a replacement under this name, because.
    Impossible(String),
    /// Nothing is done, because.
    Note(String),
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Dotted path in the definition: `scale_settings.max_node_count`, `tags.team`; `mark` and
    /// `address` are beamline's own, `location` is the region.
    pub field: String,
    /// What Azure has, in the definition's spelling; `null` for nothing.
    pub before: Value,
    /// What the definition asks for; `null` for nothing; may be a placeholder.
    pub after: Value,
    /// What it takes.
    #[serde(flatten)]
    pub effect: Effect,
}

/// Two values at a path that are not the same, before anybody asked what that costs.
pub(crate) struct Change {
    /// As [`Difference::field`].
    pub(crate) field: String,
    /// As [`Difference::before`].
    pub(crate) before: Value,
    /// As [`Difference::after`].
    pub(crate) after: Value,
    /// Who asks for it.
    pub(crate) origin: Origin,
}

/// Every field, tag and mark in which `observed` differs from `resource`.
pub(crate) fn difference_of<T: ResourceType + ?Sized>(
    of: &T,
    resource: &Resource,
    observed: &Value,
    context: &Context<'_>,
) -> Vec<Difference> {
    let spec = of.spec();
    let mut changes = field_changes(spec.fields, resource, observed, context);
    changes.extend(location_change(spec, resource, observed));
    changes.extend(tags::changes(spec.carrier, resource, observed, context));
    let difference = |Change { field, before, after, origin }: Change| {
        let effect = of.effect(resource, &field, &before, &after);
        let counts = match (origin, &effect) {
            (Origin::Definition, _) | (_, Effect::InPlace | Effect::Note(_)) => true,
            (Origin::Default, Effect::Replace(_) | Effect::Impossible(_)) => false,
        };
        counts.then_some(Difference { field, before, after, effect })
    };
    changes.into_iter().filter_map(difference).collect()
}

/// Who asks for a value. What cannot change on a living resource and nobody wrote is no difference: nobody
/// wants a vault made again because it keeps what is deleted for another time than a new one would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The definition, by what it writes or by leaving out what it wrote before.
    Definition,
    /// The schema's default.
    Default,
}

/// Whether a dotted path is `outer`, or lies below it.
fn is_path_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The fields of an observed body in the definition's spelling; references are ARM ids. What Azure
/// does not answer is not there.
#[must_use]
pub fn read_fields(spec: &Spec, observed: &Value) -> Map<String, Value> {
    read_all(spec.fields, observed)
}

fn read_all(fields: &[Field], observed: &Value) -> Map<String, Value> {
    let read = fields.iter().filter_map(|field| {
        let value = match (field.arm, field.shape) {
            (Arm::Inside, Shape::Object(fields)) => Some(Value::Object(read_all(fields, observed))),
            _ => read(field, observed),
        };
        let value = value.filter(|value| !normalise::is_nothing(value))?;
        Some((field.name.to_owned(), value))
    });
    read.collect()
}

fn field_changes(
    fields: &[Field],
    resource: &Resource,
    observed: &Value,
    context: &Context<'_>,
) -> Vec<Change> {
    let mut walk = Walk { writer: Writer { resource, context }, changes: Vec::new() };
    walk.fields(fields, Some(&resource.fields), observed, "");
    walk.changes
}

struct Walk<'a> {
    writer: Writer<'a>,
    changes: Vec<Change>,
}

impl Walk<'_> {
    /// `values` is `None` within an object that the definition does not have.
    fn fields(
        &mut self,
        fields: &[Field],
        values: Option<&Map<String, Value>>,
        observed: &Value,
        within: &str,
    ) {
        for field in fields {
            let path = format!("{within}{}", field.name);
            let value = values.and_then(|values| values.get(field.name)).filter(|value| !value.is_null());
            let has_object = values.is_some();
            match (field.arm, field.shape) {
                (Arm::Nowhere, _) => {}
                (Arm::Inside, Shape::Object(fields)) => {
                    if value.is_some() || matches!(field.absent, WhenAbsent::Nothing) {
                        let values = value.and_then(Value::as_object);
                        self.fields(fields, values, observed, &format!("{path}."));
                    }
                }
                _ => self.leaf(field, path, value, observed, has_object),
            }
        }
    }

    fn leaf(
        &mut self,
        field: &Field,
        path: String,
        value: Option<&Value>,
        observed: &Value,
        has_object: bool,
    ) {
        let desired = match (value, field.absent) {
            (Some(value), _) => Some(value.clone()),
            (None, WhenAbsent::Default(literal)) if has_object => Some(literal.to_value()),
            (None, WhenAbsent::ServiceDefault) => return,
            (None, WhenAbsent::Refused) if has_object => return,
            (None, WhenAbsent::Nothing | WhenAbsent::Default(_) | WhenAbsent::Refused) => None,
        };
        let found = read(field, observed);
        let (found, after) = match desired {
            Some(desired) => (found.or_else(|| assumed(field.arm)), desired),
            None => (found, Value::Null),
        };
        let before = found.unwrap_or_default();
        if !self.is_same(field, &path, &before, &after) {
            let before = self.spelled(field, before);
            let is_default = matches!(field.absent, WhenAbsent::Default(_));
            let is_written = self
                .writer
                .resource
                .written
                .iter()
                .any(|written| is_path_within(written, &path) || is_path_within(&path, written));
            let origin = if is_default && !is_written { Origin::Default } else { Origin::Definition };
            self.changes.push(Change { field: path, before, after, origin });
        }
    }

    fn is_same(&self, field: &Field, path: &str, before: &Value, after: &Value) -> bool {
        if Placeholder::from_value(after).is_some() {
            return false;
        }
        match (field.shape, before, after) {
            (Shape::Reference(_), ..) => {
                let after = self.writer.resolved(field, path, after);
                normalise::same(field.shape, before, &after)
            }
            (Shape::Object(fields), Value::Object(before), Value::Object(after)) => {
                self.are_same(fields, path, before, after)
            }
            (Shape::Objects { fields, .. }, Value::Array(befores), Value::Array(afters)) => {
                let pair_is_same = |(at, (before, after)): (usize, (&Value, &Value))| {
                    let path = format!("{path}.{at}");
                    let objects = before.as_object().zip(after.as_object());
                    objects.is_some_and(|(before, after)| self.are_same(fields, &path, before, after))
                };
                befores.len() == afters.len() && befores.iter().zip(afters).enumerate().all(pair_is_same)
            }
            _ => normalise::same(field.shape, before, after),
        }
    }

    /// Whether two objects, both in the definition's spelling, are the same.
    fn are_same(
        &self,
        fields: &[Field],
        path: &str,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
    ) -> bool {
        fields.iter().all(|field| {
            let after = after.get(field.name).filter(|after| !after.is_null()).cloned();
            let after = match (after, field.absent) {
                (Some(after), _) => after,
                (None, WhenAbsent::Default(literal)) => literal.to_value(),
                (None, WhenAbsent::ServiceDefault) => return true,
                (None, WhenAbsent::Nothing | WhenAbsent::Refused) => Value::Null,
            };
            let before = before.get(field.name).cloned();
            let before = if after.is_null() { before } else { before.or_else(|| assumed(field.arm)) };
            self.is_same(field, &format!("{path}.{}", field.name), &before.unwrap_or_default(), &after)
        })
    }

    /// An observed value as a definition would write it: the id of a declared resource by its short
    /// name.
    fn spelled(&self, field: &Field, value: Value) -> Value {
        let Shape::Reference(kinds) = field.shape else { return value };
        let Some(id) = value.as_str().and_then(|text| text.parse::<ResourceId>().ok()) else { return value };
        let context = self.writer.context;
        let mut declared = context.resources.keys().filter(|address| kinds.contains(&address.kind()));
        let named = declared.find(|address| context.id_of(address).as_ref() == Some(&id));
        named.map_or(value, |address| Value::from(short_name(kinds, address)))
    }
}

/// How a definition refers to a resource where resources of `kinds` are possible.
fn short_name(kinds: &[Kind], address: &Address) -> String {
    let name = match address.outer() {
        Some(outer) => format!("{}/{}", outer.name(), address.name()),
        None => address.name().to_owned(),
    };
    if kinds.len() == 1 || address.kind().is_single() { name } else { format!("{}/{name}", address.kind()) }
}

/// The value of a field in an observed body, in the definition's spelling; `None` where Azure has
/// nothing.
fn read(field: &Field, observed: &Value) -> Option<Value> {
    let value = match field.arm {
        Arm::At(at) | Arm::AtOr(at, _) => pointer::get(observed, at).cloned(),
        Arm::Enabled(at) => pointer::get(observed, at).map(read_enabled),
        Arm::Not(at) => pointer::get(observed, at).map(|value| match value.as_bool() {
            Some(on) => Value::from(!on),
            None => value.clone(),
        }),
        Arm::By { read, .. } => read(observed),
        Arm::Inside | Arm::Nowhere => None,
    }?;
    let value = match (field.shape, value) {
        (_, Value::Null) => return None,
        (shape, value) if matches!(field.arm, Arm::By { .. }) => in_words(shape, value),
        (Shape::Object(fields), value) => Value::Object(read_all(fields, &value)),
        (Shape::Objects { fields, .. }, Value::Array(items)) => {
            items.iter().map(|item| Value::Object(read_all(fields, item))).collect()
        }
        (shape, value) => in_words(shape, value),
    };
    Some(value)
}

/// A word of a fixed set, in the casing in which definitions write it.
fn in_words(shape: Shape, value: Value) -> Value {
    let Shape::Choice(words) = shape else { return value };
    let text = value.as_str().unwrap_or_default();
    words.iter().find(|word| word.eq_ignore_ascii_case(text)).map_or(value.clone(), |&word| Value::from(word))
}

/// `Enabled` and `Disabled` as booleans; a third word stays, and so differs from both.
fn read_enabled(value: &Value) -> Value {
    match value.as_str() {
        Some(text) if text.eq_ignore_ascii_case("Enabled") => Value::from(true),
        Some(text) if text.eq_ignore_ascii_case("Disabled") => Value::from(false),
        _ => value.clone(),
    }
}

/// What it means that Azure answers without a property.
fn assumed(arm: Arm) -> Option<Value> {
    match arm {
        Arm::AtOr(_, literal) => Some(literal.to_value()),
        Arm::Enabled(_) | Arm::Not(_) => Some(Value::from(true)),
        Arm::At(_) | Arm::Inside | Arm::By { .. } | Arm::Nowhere => None,
    }
}

fn location_change(spec: &Spec, resource: &Resource, observed: &Value) -> Option<Change> {
    match spec.located {
        Located::No => return None,
        Located::Yes => {}
    }
    let before = normalise::location(pointer::get(observed, "/location")?.as_str()?);
    let after = normalise::location(&resource.location);
    (before != after).then(|| Change {
        field: "location".to_owned(),
        before: Value::from(before),
        after: Value::from(after),
        origin: Origin::Definition,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::behaviour::Behaviour;
    use super::super::contract::{Carrier, Listing, NameScope, Protection, Update};
    use super::super::field::{Change as Cost, Literal};
    use super::super::finding::Finding;
    use super::super::fixture::{GROUP, World};
    use super::super::id::ApiVersion;
    use super::super::mark::Mark;
    use super::super::resource::{Presence, Resources};
    use super::*;

    /// A type with one field of every sort.
    struct Machine;

    static SPEC: Spec = Spec {
        kind: Kind::ApplicationInsights,
        key: "machines",
        noun: "machine",
        arm_type: "Example/machines",
        api_version: ApiVersion("2026-01-01"),
        doc: "A machine.",
        parent: Some(Kind::ResourceGroup),
        segment: "",
        name_scope: NameScope::Id,
        fields: &FIELDS,
        carrier: Carrier::PropertyTags,
        protection: Protection::Free,
        listing: Listing::InGroup,
        located: Located::Yes,
        read_only: &["/properties/serial"],
        timeout_secs: 60,
        behaviour: Behaviour::USUAL,
    };

    const fn field(name: &'static str, shape: Shape, absent: WhenAbsent, arm: Arm) -> Field {
        Field { name, doc: "A field.", shape, absent, arm, change: Cost::InPlace }
    }

    static FIELDS: [Field; 9] = [
        Field {
            change: Cost::Replace("machines do not grow"),
            ..field("size", Shape::Word { example: "S" }, WhenAbsent::Refused, Arm::At("/properties/size"))
        },
        Field {
            change: Cost::CreationOnly("set when the machine is made"),
            ..field(
                "label",
                Shape::Text { max_chars: 9, example: None },
                WhenAbsent::Nothing,
                Arm::At("/properties/label"),
            )
        },
        field(
            "logs",
            Shape::Reference(&[Kind::LogAnalyticsWorkspace]),
            WhenAbsent::Nothing,
            Arm::At("/properties/logs/id"),
        ),
        field(
            "open",
            Shape::Bool,
            WhenAbsent::Default(Literal::Bool(true)),
            Arm::Enabled("/properties/access"),
        ),
        field("keys", Shape::Bool, WhenAbsent::Default(Literal::Bool(true)), Arm::Not("/properties/noKeys")),
        field(
            "speed",
            Shape::Integer { min: 0, max: 9 },
            WhenAbsent::ServiceDefault,
            Arm::At("/properties/speed"),
        ),
        field("scale", Shape::Object(&SCALE), WhenAbsent::Nothing, Arm::Inside),
        field(
            "schedules",
            Shape::Objects { fields: &SCHEDULE, max: 4 },
            WhenAbsent::Nothing,
            Arm::At("/properties/schedules"),
        ),
        field("steering", Shape::Bool, WhenAbsent::Nothing, Arm::Nowhere),
    ];

    static SCALE: [Field; 2] = [
        field(
            "most",
            Shape::Integer { min: 0, max: 9 },
            WhenAbsent::Refused,
            Arm::At("/properties/scale/max"),
        ),
        field(
            "idle",
            Shape::Duration { min_secs: 0, max_secs: 9999 },
            WhenAbsent::Default(Literal::Text("PT15M")),
            Arm::At("/properties/scale/idleTime"),
        ),
    ];

    static SCHEDULE: [Field; 2] = [
        field("action", Shape::Choice(&["Start", "Stop"]), WhenAbsent::Refused, Arm::At("/action")),
        field("enabled", Shape::Bool, WhenAbsent::Default(Literal::Bool(true)), Arm::Enabled("/status")),
    ];

    impl ResourceType for Machine {
        fn spec(&self) -> &'static Spec {
            &SPEC
        }

        fn check(&self, _resource: &Resource, _all: &Resources) -> Vec<Finding> {
            Vec::new()
        }
    }

    const LOGS: &str = "/providers/Microsoft.OperationalInsights/workspaces/log";

    /// A world, and the machine in it with these fields.
    fn machine(fields: Value) -> (World, Resource) {
        let mut world = World::new();
        world.declare("log_analytics_workspaces/main", "log", json!({}));
        let address = world.declare("application_insights/machine", "m", json!({}));
        let mut resource = world.resources[&address].clone();
        resource.fields = fields.as_object().unwrap().clone();
        let logs = "production/log_analytics_workspaces/main".parse().unwrap();
        resource.references.insert("logs".to_owned(), super::super::resource::Reference::Local(logs));
        (world, resource)
    }

    fn full() -> Value {
        json!({
            "size": "Large", "logs": "main", "open": true, "keys": true,
            "scale": { "most": 4, "idle": "PT15M" },
            "schedules": [{ "action": "Stop" }], "steering": true
        })
    }

    fn observed() -> Value {
        json!({
            "location": "East US",
            "properties": {
                "size": "LARGE", "label": null, "logs": { "id": format!("{GROUP}{LOGS}").to_uppercase() },
                "speed": 7, "scale": { "MAX": 4, "idleTime": "PT900S", "unknown": 1 }, "serial": "x",
                "schedules": [{ "action": "stop", "status": "Enabled", "id": "read-only" }],
                "tags": {
                    "Environment": "production", "team": "data-science", "cost-center": "7",
                    "hidden-link": "x", "beamline": "acme/production",
                    "beamline-address": "application_insights/machine", "beamline-id": "d002f591126cf7ef"
                }
            }
        })
    }

    fn differences(fields: Value, observed: &Value) -> Vec<Difference> {
        let (world, resource) = machine(fields);
        Machine.differences(&resource, observed, &world.context())
    }

    /// The one difference there is.
    fn difference(fields: Value, observed: &Value) -> (String, Value, Value, Effect) {
        let mut differences = differences(fields, observed);
        assert_eq!(differences.len(), 1, "{differences:#?}");
        let Difference { field, before, after, effect } = differences.remove(0);
        (field, before, after, effect)
    }

    fn with(mut fields: Value, pointer: &str, value: Value) -> Value {
        pointer::put(&mut fields, pointer, value);
        fields
    }

    #[test]
    fn the_body_follows_the_table() {
        let (world, resource) = machine(full());
        assert_eq!(
            Machine.body(&resource, &world.context()),
            json!({
                "location": "eastus",
                "properties": {
                    "size": "Large", "logs": { "id": format!("{GROUP}{LOGS}") }, "access": "Enabled",
                    "noKeys": false, "scale": { "max": 4, "idleTime": "PT15M" },
                    "schedules": [{ "action": "Stop" }],
                    "tags": {
                        "environment": "production", "team": "data-science", "beamline": "acme/production",
                        "beamline-address": "application_insights/machine", "beamline-id": "d002f591126cf7ef"
                    }
                }
            })
        );
    }

    #[test]
    fn other_casing_order_units_and_foreign_properties_are_no_difference() {
        assert_eq!(differences(full(), &observed()), []);
    }

    #[test]
    fn a_field_differs_in_the_words_of_the_definition() {
        for (pointer, value, field, before) in [
            ("/open", json!(false), "open", json!(true)),
            ("/keys", json!(false), "keys", json!(true)),
            ("/scale/most", json!(5), "scale.most", json!(4)),
            ("/scale/idle", json!("PT1H"), "scale.idle", json!("PT900S")),
            ("/speed", json!(8), "speed", json!(7)),
        ] {
            let found = difference(with(full(), pointer, value.clone()), &observed());
            assert_eq!(found, (field.to_owned(), before, value, Effect::InPlace));
        }
        let schedules = json!([{ "action": "Start" }]);
        let (field, before, ..) = difference(with(full(), "/schedules", schedules), &observed());
        assert_eq!((field.as_str(), before), ("schedules", json!([{ "action": "Stop", "enabled": true }])));
    }

    #[test]
    fn the_row_says_what_a_change_costs() {
        let (.., effect) = difference(with(full(), "/size", json!("Small")), &observed());
        assert_eq!(effect, Effect::Replace("machines do not grow".to_owned()));
        let (.., effect) = difference(with(full(), "/label", json!("a")), &observed());
        assert_eq!(effect, Effect::Note("set when the machine is made".to_owned()));
        let moved = with(observed(), "/location", json!("West US"));
        assert!(matches!(difference(full(), &moved), (field, .., Effect::Replace(_)) if field == "location"));
    }

    #[test]
    fn what_is_no_longer_declared_goes_away() {
        let (world, mut resource) = machine(full());
        for gone in ["logs", "scale", "schedules"] {
            resource.fields.remove(gone);
        }
        let observed = observed();
        let differences = Machine.differences(&resource, &observed, &world.context());
        let found: Vec<_> =
            differences.iter().map(|one| (one.field.as_str(), &one.before, &one.after)).collect();
        let nothing = Value::Null;
        let schedules = json!([{ "action": "Stop", "enabled": true }]);
        assert_eq!(
            found,
            [
                ("logs", &json!("main"), &nothing),
                ("scale.most", &json!(4), &nothing),
                ("scale.idle", &json!("PT900S"), &nothing),
                ("schedules", &schedules, &nothing)
            ]
        );
        let update =
            Update { resource: &resource, observed: &observed, differences: &differences, inner: &[] };
        let body =
            crate::resources::body::merge(&Machine, update, &world.context()).apply(&observed).unwrap();
        assert_eq!(
            body["properties"],
            json!({
                "size": "LARGE", "label": null, "logs": {}, "speed": 7, "scale": { "unknown": 1 },
                "tags": observed["properties"]["tags"]
            })
        );
    }

    #[test]
    fn tags_that_nobody_declared_are_planned_away_and_ignored_ones_stay() {
        let stray = with(observed(), "/properties/tags/stray~1tag", json!("1"));
        let found = difference(full(), &stray);
        assert_eq!(found, ("tags.stray/tag".to_owned(), json!("1"), Value::Null, Effect::InPlace));
        let (world, resource) = machine(full());
        let differences = Machine.differences(&resource, &stray, &world.context());
        let update = Update { resource: &resource, observed: &stray, differences: &differences, inner: &[] };
        let merge = crate::resources::body::merge(&Machine, update, &world.context());
        assert_eq!(merge.apply(&stray).unwrap()["properties"]["tags"], observed()["properties"]["tags"]);
    }

    #[test]
    fn a_mark_is_one_difference() {
        let mut bare = observed();
        pointer::remove(&mut bare, "/properties/tags/beamline");
        let found = difference(full(), &bare);
        assert_eq!(found, ("mark".to_owned(), Value::Null, json!("acme/production"), Effect::InPlace));

        let renamed = with(observed(), "/properties/tags/beamline", json!("acme/prod"));
        let (mut world, resource) = machine(full());
        world.site.former_marks.push(Mark { owner: "acme".to_owned(), environment: "prod".parse().unwrap() });
        let found = Machine.differences(&resource, &renamed, &world.context());
        assert_eq!((found[0].field.as_str(), &found[0].before), ("mark", &json!("acme/prod")));

        let moved = with(observed(), "/properties/tags/beamline-address", json!("application_insights/old"));
        assert_eq!(difference(full(), &moved).0, "address");
    }

    #[test]
    fn a_value_that_is_not_known_yet_differs() {
        let placeholder =
            Placeholder { address: "production/workspace".parse().unwrap(), property: "/x".to_owned() }
                .to_value();
        assert_eq!(difference(with(full(), "/size", placeholder.clone()), &observed()).2, placeholder);
    }

    #[test]
    fn a_difference_survives_the_journal() {
        let (field, before, after, effect) = difference(with(full(), "/size", json!("S")), &observed());
        let difference = Difference { field, before, after, effect };
        let text = serde_json::to_string(&difference).unwrap();
        assert_eq!(serde_json::from_str::<Difference>(&text).unwrap(), difference);
    }

    #[test]
    fn an_observed_body_is_read_in_the_words_of_the_definition() {
        assert_eq!(
            Value::Object(read_fields(&SPEC, &observed())),
            json!({
                "size": "LARGE", "logs": format!("{GROUP}{LOGS}").to_uppercase(), "speed": 7,
                "scale": { "most": 4, "idle": "PT900S" }, "schedules": [{ "action": "Stop", "enabled": true }]
            })
        );
    }

    #[test]
    fn an_existing_parent_elsewhere_is_honoured() {
        let (mut world, resource) = machine(full());
        let id =
            |world: &World| crate::resources::body::known_id(&SPEC, &resource, &world.context()).to_string();
        assert_eq!(id(&world), format!("{GROUP}/providers/Example/machines/m"));
        let elsewhere = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/other";
        world.get("resource_group").presence = Presence::Existing(Some(elsewhere.parse().unwrap()));
        assert_eq!(id(&world), format!("{elsewhere}/providers/Example/machines/m"));
        let account = world.declare(
            "storage_accounts/lake",
            "lake",
            json!({ "account_tier": "Standard", "account_replication_type": "LRS" }),
        );
        let container = world.declare("storage_accounts/lake/containers/data", "data", json!({}));
        let hub = format!("{elsewhere}/providers/Microsoft.Storage/storageAccounts/hub");
        world.resources.get_mut(&account).unwrap().presence = Presence::Existing(Some(hub.parse().unwrap()));
        assert_eq!(
            world.context().id_of(&container).unwrap().as_str(),
            format!("{hub}/blobServices/default/containers/data")
        );
    }
}
