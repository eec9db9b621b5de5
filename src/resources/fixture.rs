//! Declared resources for tests: what `definitions` would make of a few lines, without its syntax.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::address::{Address, EnvironmentName, Kind};
use super::contract::{Context, ResourceType, Update, Write};
use super::difference::{Difference, Effect};
use super::field::{Field, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::{SubscriptionId, TenantId};
use super::mark::Mark;
use super::resource::{Adoption, OnDelete, Presence, Reference, Resource, Resources, Site};

/// The group of every [`World`].
pub(crate) const GROUP: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-ml-production";

/// An environment named `production` in `eastus` of the owner `acme`.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) resources: Resources,
    pub(crate) observed: BTreeMap<Address, Value>,
}

impl World {
    /// The environment with its group.
    pub(crate) fn new() -> Self {
        let environment: EnvironmentName = "production".parse().unwrap();
        let site = Site {
            subscription: SubscriptionId(Uuid::from_u128(1)),
            tenant: TenantId(Uuid::from_u128(0x1111_1111_1111_1111_1111_1111_1111_1111)),
            resource_group: "rg-ml-production".to_owned(),
            mark: Mark { owner: "acme".to_owned(), environment },
            former_marks: Vec::new(),
            ignore_tags: vec!["cost-*".to_owned()],
        };
        let mut world = Self { site, resources: Resources::new(), observed: BTreeMap::new() };
        world.declare("resource_group", "rg-ml-production", Value::Null);
        world
    }

    /// Declares a managed resource with the tags of the reference environment.
    pub(crate) fn declare(&mut self, local: &str, name: &str, fields: Value) -> Address {
        let address: Address = format!("production/{local}").parse().unwrap();
        let rows = super::of(address.kind()).spec().fields;
        let written = fields.as_object().cloned().unwrap_or_default();
        let mut resource = Resource {
            address: address.clone(),
            name: name.to_owned(),
            presence: Presence::Managed,
            adoption: Adoption::Refused,
            on_delete: OnDelete::Keep,
            location: "eastus".to_owned(),
            tags: [("environment", "production"), ("team", "data-science")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            fields: filled(rows, &written),
            written: BTreeSet::new(),
            references: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
        };
        note_leaves(rows, &written, "", &mut resource);
        self.resources.insert(address.clone(), resource);
        address
    }

    /// A declared resource, to change it.
    pub(crate) fn get(&mut self, local: &str) -> &mut Resource {
        let address: Address = format!("production/{local}").parse().unwrap();
        self.resources.get_mut(&address).unwrap()
    }

    /// Writes a top-level field of a declared resource.
    pub(crate) fn write(&mut self, local: &str, field: &str, value: Value) {
        let resource = self.get(local);
        resource.fields.insert(field.to_owned(), value);
        resource.written.insert(field.to_owned());
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { site: &self.site, resources: &self.resources, observed: &self.observed }
    }

    fn find(&self, local: &str) -> (&'static dyn ResourceType, &Resource) {
        let address: Address = format!("production/{local}").parse().unwrap();
        (super::of(address.kind()), &self.resources[&address])
    }

    pub(crate) fn body(&self, local: &str) -> Value {
        let (of, resource) = self.find(local);
        of.body(resource, &self.context())
    }

    pub(crate) fn differences(&self, local: &str, observed: &Value) -> Vec<Difference> {
        let (of, resource) = self.find(local);
        of.differences(resource, observed, &self.context())
    }

    /// The one difference there is, as field and effect.
    pub(crate) fn difference(&self, local: &str, observed: &Value) -> (String, Effect) {
        let mut differences = self.differences(local, observed);
        assert_eq!(differences.len(), 1, "{differences:#?}");
        let difference = differences.remove(0);
        (difference.field, difference.effect)
    }

    pub(crate) fn update(&self, local: &str, observed: &Value) -> Vec<Write> {
        let (of, resource) = self.find(local);
        let differences = self.differences(local, observed);
        of.update(Update { resource, observed, differences: &differences, inner: &[] }, &self.context())
    }

    /// The PATCH that brings the definition to Azure.
    pub(crate) fn patch(&self, local: &str, observed: &Value) -> Value {
        match self.update(local, observed).as_slice() {
            [Write::Patch(body)] => body.clone(),
            other => panic!("not one PATCH: {other:#?}"),
        }
    }

    /// The PUT body that brings the definition to Azure.
    pub(crate) fn put(&self, local: &str, observed: &Value) -> Value {
        match self.update(local, observed).as_slice() {
            [Write::Merged(merge)] => merge.apply(observed).unwrap(),
            other => panic!("not one PUT: {other:#?}"),
        }
    }

    pub(crate) fn findings(&self, local: &str) -> Vec<Finding> {
        let (of, resource) = self.find(local);
        of.check(resource, &self.resources)
    }

    pub(crate) fn codes(&self, local: &str) -> Vec<&'static str> {
        self.findings(local).into_iter().map(|finding| finding.code).collect()
    }

    /// Which of `names` the type accepts.
    pub(crate) fn accepted<'a>(&mut self, local: &str, names: &[&'a str]) -> Vec<&'a str> {
        let is_accepted = |name: &&&str| {
            self.get(local).name = (**name).to_owned();
            !self.codes(local).contains(&"invalid-name")
        };
        names.iter().filter(is_accepted).copied().collect()
    }
}

fn filled(rows: &[Field], written: &Map<String, Value>) -> Map<String, Value> {
    for name in written.keys() {
        assert!(rows.iter().any(|row| row.name == name), "there is no field {name}");
    }
    let value = |row: &Field| match (written.get(row.name), row.shape, row.absent) {
        (Some(Value::Object(written)), Shape::Object(rows), _) => Some(Value::Object(filled(rows, written))),
        (Some(value), _, _) => Some(value.clone()),
        (None, _, WhenAbsent::Default(literal)) => Some(literal.to_value()),
        (None, _, WhenAbsent::Refused | WhenAbsent::Nothing | WhenAbsent::ServiceDefault) => None,
    };
    rows.iter().filter_map(|row| Some((row.name.to_owned(), value(row)?))).collect()
}

fn note_leaves(rows: &[Field], written: &Map<String, Value>, within: &str, resource: &mut Resource) {
    for (name, value) in written {
        let path = format!("{within}{name}");
        let row = rows.iter().find(|row| row.name == name).unwrap();
        match (row.shape, value) {
            (Shape::Object(rows), Value::Object(written)) => {
                note_leaves(rows, written, &format!("{path}."), resource);
                continue;
            }
            (Shape::Principal(_), Value::String(text)) if Uuid::parse_str(text).is_ok() => {}
            (Shape::Reference(kinds) | Shape::Principal(kinds), Value::String(text)) => {
                let environment = resource.address.environment();
                resource.references.insert(path.clone(), reference(kinds, environment, text));
            }
            _ => {}
        }
        resource.written.insert(path);
    }
}

fn reference(kinds: &[Kind], environment: &EnvironmentName, text: &str) -> Reference {
    if text.starts_with('/') {
        return Reference::Arm(text.parse().unwrap());
    }
    let local = match (kinds, text.split_once('/')) {
        ([kind], Some((outer, inner))) => {
            format!("{}/{outer}/{kind}/{inner}", kind.written_inside().unwrap())
        }
        ([kind], None) if !kind.is_single() => format!("{kind}/{text}"),
        _ => text.to_owned(),
    };
    Reference::Local(Address::parse_local(environment, &local).unwrap())
}
