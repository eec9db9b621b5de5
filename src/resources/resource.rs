//! A declared resource: what a definition says about one Azure resource, validated, with defaults
//! filled in and references resolved to addresses or ids.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::address::Address;
use super::id::{ResourceId, SubscriptionId, TenantId};
use super::mark::Mark;

/// The declared resources of one environment.
pub type Resources = BTreeMap<Address, Resource>;

/// Whether beamline writes a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// beamline makes it and keeps it as declared.
    Managed,
    /// `existing: true`: it is read, never written; the id when the definition gives one.
    Existing(Option<ResourceId>),
}

/// Whether a resource that is there without our mark may be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// It is reported and left alone.
    Refused,
    /// `adopt: true`.
    Requested,
}

/// What happens to the name when the resource is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// Azure's own soft delete, where the type has one.
    Keep,
    /// `on_delete: purge`: the name is free at once, and nothing can be recovered.
    Purge,
}

/// What a reference points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A resource of the same environment.
    Local(Address),
    /// Any resource in Azure.
    Arm(ResourceId),
}

/// One declared resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its address.
    pub address: Address,
    /// Its name in Azure.
    pub name: String,
    /// Managed or existing.
    pub presence: Presence,
    /// Whether it may be adopted.
    pub adoption: Adoption,
    /// What happens to its name on deletion.
    pub on_delete: OnDelete,
    /// The region, in ARM's short form (`eastus`).
    pub location: String,
    /// Tags of the environment and of the resource, without beamline's own.
    pub tags: BTreeMap<String, String>,
    /// The values of its fields, defaults filled in, nested as in the definition. A field that is
    /// absent or left to the service is not here.
    pub fields: Map<String, Value>,
    /// Dotted paths of the leaf fields that the definition wrote (by itself or by inheritance).
    pub written: BTreeSet<String>,
    /// What the reference fields point to, by dotted path. In `fields` stands the definition's text.
    pub references: BTreeMap<String, Reference>,
    /// Codes of advice that the definition acknowledges for this resource.
    pub acknowledged: BTreeSet<String>,
}

impl Resource {
    /// The value of the field at a dotted path.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&Value> {
        let mut segments = path.split('.');
        let first = self.fields.get(segments.next()?)?;
        segments.try_fold(first, |value, segment| value.get(segment))
    }

    /// The text at a dotted path.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.field(path)?.as_str()
    }

    /// The boolean at a dotted path; absent is `false`.
    #[must_use]
    pub fn is_set(&self, path: &str) -> bool {
        self.field(path).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether beamline writes this resource.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        self.presence == Presence::Managed
    }
}

/// Where in Azure an environment lives, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The subscription that the alias in the definition stands for.
    pub subscription: SubscriptionId,
    /// The directory of that subscription.
    pub tenant: TenantId,
    /// The name of the environment's resource group in Azure.
    pub resource_group: String,
    /// Our mark.
    pub mark: Mark,
    /// Marks that count as ours too and are rewritten (`renamed_from`).
    pub former_marks: Vec<Mark>,
    /// Patterns of tags that are never touched (`*` matches any run of characters).
    pub ignore_tags: Vec<String>,
}

impl Site {
    /// The id of the environment's resource group.
    #[must_use]
    pub fn group_id(&self) -> ResourceId {
        ResourceId::resource_group(self.subscription, &self.resource_group)
    }

    /// Whether `mark` is ours.
    #[must_use]
    pub fn owns(&self, mark: &Mark) -> bool {
        *mark == self.mark || self.former_marks.contains(mark)
    }
}
