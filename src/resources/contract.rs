//! The contract of a resource type: one of the two traits of the project.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::address::{Address, Kind};
use super::behaviour::{Behaviour, Carried, Identity};
use super::body;
use super::difference::difference_of;
use super::difference::{Difference, Effect};
use super::field::Field;
use super::finding::Finding;
use super::id::{ApiVersion, ResourceId};
use super::machines::Machines;
use super::mark::{self, Mark, Marked};
use super::merge::Merge;
use super::placeholder::Placeholder;
use super::resource::{Reference, Resource, Resources, Site};
use super::tags;

/// What beamline knows of a resource type, as data.
#[derive(Debug)]
pub struct Spec {
    /// The kind.
    pub kind: Kind,
    /// The key under which a definition lists them: `key_vaults`.
    pub key: &'static str,
    /// What one of them is called in a sentence: `key vault`.
    pub noun: &'static str,
    /// The ARM type: `Microsoft.KeyVault/vaults`.
    pub arm_type: &'static str,
    /// The version that requests are written against (`facts.md` 0).
    pub api_version: ApiVersion,
    /// One or two sentences for the schema and the reference.
    pub doc: &'static str,
    /// The kind whose resource contains this one in Azure; `None` for the group itself and for role
    /// assignments, which extend their scope.
    pub parent: Option<Kind>,
    /// The part of a child's id between its parent's id and its name: `computes`,
    /// `blobServices/default/containers`. Empty for top-level types.
    pub segment: &'static str,
    /// Within what the name of one of these is unique, beyond its id.
    pub name_scope: NameScope,
    /// The fields.
    pub fields: &'static [Field],
    /// Where beamline's mark stands.
    pub carrier: Carrier,
    /// Whether deletion and replacement need consent (design.md, promise 4).
    pub protection: Protection,
    /// How all resources of this type in an environment are found.
    pub listing: Listing,
    /// Whether the ARM body has a `location`.
    pub located: Located,
    /// JSON pointers of properties that Azure answers with and does not take back, beside those of
    /// every type (`id`, `name`, `type`, `systemData`, `etag`, `provisioningState`). `*` stands for
    /// every element of a list.
    pub read_only: &'static [&'static str],
    /// How long a write may take before it counts as stuck, in seconds (azurerm's timeouts, `facts.md`).
    pub timeout_secs: u64,
    /// What it does otherwise than most types.
    pub behaviour: Behaviour,
}

impl Spec {
    /// Whether it is known by what it says, and not by its id.
    #[must_use]
    pub fn is_known_by_content(&self) -> bool {
        matches!(self.behaviour.identity, Identity::Content { .. })
    }

    /// The action that a role must allow for `verb`, `write` or `delete`, of one of these.
    #[must_use]
    pub fn action(&self, verb: &str) -> String {
        match self.listing {
            // Groups are what subscriptions consist of; their type leaves that out.
            Listing::Group => format!("Microsoft.Resources/subscriptions/resourceGroups/{verb}"),
            Listing::InGroup | Listing::InParent | Listing::AtScope | Listing::InParentBody(_) => {
                format!("{}/{verb}", self.arm_type)
            }
        }
    }

    /// Whether it is an element of the body of the resource that it is written inside of.
    #[must_use]
    pub fn is_inner(&self) -> bool {
        self.behaviour.carried == Carried::Always
    }
}

/// Within what two resources of a type cannot have one name, although their ids would differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameScope {
    /// Nothing beyond the id: another group or parent may have the same name.
    Id,
    /// All of Azure: the name is a host name (`facts.md` 2, 3, 7).
    Azure,
    /// A region of the subscription: instances of all its workspaces share their names (`facts.md` 11).
    Region,
}

/// Where beamline's mark stands on a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `tags` of the resource.
    Tags,
    /// `properties.tags` (datastores).
    PropertyTags,
    /// `properties.metadata` (blob containers).
    Metadata,
    /// `properties.description` (role assignments).
    Description,
    /// Tags of the network (subnets).
    Network,
}

/// Whether a resource is precious.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Deleting or replacing it needs a consent line.
    Protected,
    /// It can be made again from the definition.
    Free,
}

/// Whether an ARM body has a `location`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Located {
    /// It has one, and it cannot change.
    Yes,
    /// It has none.
    No,
}

/// How the resources of a type are found with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It is the group: a GET of it.
    Group,
    /// `{group}/providers/{arm_type}`.
    InGroup,
    /// `{parent}/{segment}`, once per parent. Kinds that share an ARM type share the request.
    InParent,
    /// `{group}/providers/{arm_type}` for an extension: everything at and below the group, plus once
    /// per scope outside the group.
    AtScope,
    /// Elements of the array at this JSON pointer of the parent's body.
    InParentBody(&'static str),
}

/// The id that a step works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A known id.
    Known(ResourceId),
    /// A role assignment, whose id is a function of a principal that is not known yet:
    /// [`crate::resources::role_assignment::id`].
    RoleAssignment {
        /// The scope.
        scope: ResourceId,
        /// The GUID of the role definition.
        role_definition: Uuid,
        /// The principal.
        principal: Placeholder,
    },
}

impl Target {
    /// The id, once the principal is known whose identity it is made of.
    #[must_use]
    pub fn with_principal(&self, principal: &str) -> ResourceId {
        match self {
            Self::Known(id) => id.clone(),
            Self::RoleAssignment { scope, role_definition, .. } => {
                super::role_assignment::id(scope, *role_definition, principal)
            }
        }
    }

    /// Whether `body`, which stands at `id`, is what this means for that principal. Azure has one assignment for each
    /// scope, role and principal, under whatever id.
    #[must_use]
    pub fn is_at(&self, id: &ResourceId, body: &Value, principal: &str) -> bool {
        match self {
            Self::Known(known) => known == id,
            Self::RoleAssignment { scope, role_definition, .. } => {
                super::role_assignment::gives(body, scope, *role_definition, principal)
            }
        }
    }
}

/// What is left of a deleted resource, and holds its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remains {
    /// The id that it had.
    pub former: ResourceId,
    /// Where it was, as definitions write it; empty where Azure does not say.
    pub location: String,
    /// When Azure removes it for good, as Azure writes it.
    pub scheduled_purge: Option<String>,
    /// The mark that it carried.
    pub mark: Option<Mark>,
    /// The tags that it carried and comes back with, where a living one has them.
    pub tagged: Value,
    /// Whether nobody can end that earlier.
    pub stays: bool,
    /// Fields with which it comes back when it is recovered, and which cannot be changed then.
    pub keeps: Vec<(&'static str, Value)>,
}

/// What the type needs to know beside the declared resource.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where the environment lives.
    pub site: &'a Site,
    /// All declared resources.
    pub resources: &'a Resources,
    /// Bodies of resources as Azure answers them now. A resource that is absent, or that this plan
    /// replaces, is not here: its properties are placeholders.
    pub observed: &'a BTreeMap<Address, Value>,
}

impl Context<'_> {
    /// The id of a declared resource. `None` for a role assignment whose principal is not known yet,
    /// and for an address that is not declared.
    #[must_use]
    pub fn id_of(&self, address: &Address) -> Option<ResourceId> {
        let resource = self.resources.get(address)?;
        match super::of(address.kind()).target(resource, self) {
            Target::Known(id) => Some(id),
            Target::RoleAssignment { .. } => None,
        }
    }

    /// The ARM id that a reference stands for.
    #[must_use]
    pub fn resolve(&self, reference: &Reference) -> Option<ResourceId> {
        match reference {
            Reference::Local(address) => self.id_of(address),
            Reference::Arm(id) => Some(id.clone()),
        }
    }

    /// A property of another resource: its value if Azure has it now, else a placeholder's JSON form.
    #[must_use]
    pub fn property(&self, address: &Address, pointer: &str) -> Value {
        match self.observed.get(address).and_then(|body| body.pointer(pointer)) {
            Some(value) => value.clone(),
            None => Placeholder { address: address.clone(), property: pointer.to_owned() }.to_value(),
        }
    }
}

/// One request of a creation or an update in place, before it is addressed.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// PUT with exactly this body.
    Put(Value),
    /// GET, lay [`Merge`] over it, PUT.
    Merged(Merge),
    /// PATCH with exactly this body.
    Patch(Value),
    /// POST to `{id}/{action}` with this body.
    Action {
        /// The last path segment.
        action: &'static str,
        /// The body.
        body: Value,
    },
}

/// What becomes of one element of a resource's body that is a resource of its own ([`super::behaviour::Carried::Always`]).
#[derive(Clone, Debug, PartialEq)]
pub struct InnerChange {
    /// Its name in Azure.
    pub azure_name: String,
    /// What becomes of it.
    pub fate: InnerFate,
}

/// What becomes of an element.
#[derive(Clone, Debug, PartialEq)]
pub enum InnerFate {
    /// This is laid over it, or makes it (see [`Merge::elements`]).
    Written(Value),
    /// It is taken out.
    Removed,
    /// It stays as it is, and its mark goes.
    Released,
}

/// Advice that the presence of a resource makes pointless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispelled {
    /// The advice's code.
    pub code: &'static str,
    /// The field that it is about.
    pub field: &'static str,
    /// The resource.
    pub by: ResourceId,
}

/// What is being updated.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The declared resource.
    pub resource: &'a Resource,
    /// What Azure has.
    pub observed: &'a Value,
    /// The in-place differences between the two; empty only where `inner` is not, or the last write failed.
    pub differences: &'a [Difference],
    /// What becomes of elements of its body that are resources of their own.
    pub inner: &'a [InnerChange],
}

/// What a resource type can say of itself. Everything has a default that follows the [`Spec`].
pub trait ResourceType: Sync {
    /// The table.
    fn spec(&self) -> &'static Spec;

    /// Rules that the shape of a single field cannot say: the name, combinations of fields, what other
    /// declared resources must be like.
    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding>;

    /// The word for a field that is missing, where what is written beside it leaves only that one.
    fn fitting(&self, _field: &str, _is_written: &dyn Fn(&str) -> bool) -> Option<&'static str> {
        None
    }

    /// The id in Azure.
    fn target(&self, resource: &Resource, context: &Context<'_>) -> Target {
        Target::Known(body::known_id(self.spec(), resource, context))
    }

    /// The body of the PUT that creates the resource, our mark included; values that are not known yet
    /// are placeholders.
    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        body::of(self.spec(), resource, context)
    }

    /// Every field in which the observed body differs from the declared resource, as Azure means it;
    /// tags and mark included. Empty means: no change.
    fn differences(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> Vec<Difference> {
        difference_of(self, resource, observed, context)
    }

    /// What a change of the field at `path` costs. Default: what its row says.
    fn effect(&self, resource: &Resource, path: &str, before: &Value, after: &Value) -> Effect {
        body::effect_by_table(self.spec(), resource, path, before, after)
    }

    /// The requests that bring in-place differences to Azure, in order. Default: one merged PUT.
    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        vec![Write::Merged(body::merge(self, update, context))]
    }

    /// The default of a field where it depends on the other ones; `None`: it is the table's.
    fn default_beside(&self, _field: &str, _fields: &Map<String, Value>) -> Option<Value> {
        None
    }

    /// The requests that write a resource anew of which Azure says that its last write failed: it may lack most of
    /// its body. Default: the PUT that creates it.
    fn rewrite(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        vec![Write::Put(self.body(update.resource, context))]
    }

    /// What the update of the resource around it does for this one, of which Azure has `observed`. `None`: it has
    /// requests of its own.
    fn inner_change(
        &self,
        _resource: &Resource,
        _observed: Option<&Value>,
        _context: &Context<'_>,
    ) -> Option<InnerChange> {
        None
    }

    /// The requests that bring a soft-deleted one back, which carried the tags `tagged`; `body` is what would create it.
    /// Default: the creation.
    fn recovery(&self, body: Value, _tagged: &Value, _site: &Site) -> Vec<Write> {
        vec![Write::Put(body)]
    }

    /// Of a replacement that makes the new one first: whether the old one goes also when the new one could not be made,
    /// because what it gives must not be had any longer. `going` is the old one, `others` are the bodies of everything
    /// that was observed with it.
    fn ends_anyway(&self, _going: &Value, _others: &[&Value]) -> bool {
        false
    }

    /// Whether the resource can be deleted and made again under its present name.
    ///
    /// # Errors
    /// Why not, as a sentence for people with what to do instead.
    fn replaceable(&self, _resource: &Resource, _observed: &Value) -> Result<(), String> {
        Ok(())
    }

    /// Query parameters of the DELETE beside `api-version`. `resource` is `None` for an orphan.
    fn delete_query(
        &self,
        _resource: Option<&Resource>,
        _observed: &Value,
    ) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    /// The POST (its resource, its action) that frees the name after the DELETE, where the DELETE itself
    /// cannot: `on_delete: purge` of a vault.
    fn purge(&self, _resource: &Resource, _observed: &Value) -> Option<(ResourceId, &'static str)> {
        None
    }

    /// The path at which Azure lists what is left of deleted ones in the subscription, of all regions, where that can be
    /// asked.
    fn remains_at(&self, _site: &Site) -> Option<String> {
        None
    }

    /// What one of them says.
    fn remains(&self, _body: &Value) -> Option<Remains> {
        None
    }

    /// Our mark on an observed body, and what stands beside it. Default: where the table says.
    fn mark_on(&self, observed: &Value) -> Option<Marked> {
        mark::carried(self.spec().carrier, observed)
    }

    /// Whether an observed body says that somebody else made the resource, and beamline adopted it. Default: where the
    /// mark stands. What is claimed was adopted, and its row says that it is protected.
    fn is_adopted(&self, observed: &Value) -> bool {
        tags::is_adopted(self.spec().carrier, observed)
    }

    /// Makes the body that is to be sent say so.
    fn adopt(&self, body: &mut Value) {
        tags::adopt(self.spec().carrier, body);
    }

    /// The requests that take everything off `observed` which says that it is ours, and change nothing else. None where
    /// nothing on it does: it is claimed in the tags of what contains it, or written inside it. Default: one merged PUT.
    ///
    /// # Errors
    /// Why it cannot be given up, as a sentence for people with what to do instead.
    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        Ok(vec![Write::Merged(body::unmarked(self.spec(), observed))])
    }

    /// Whether nothing on it says that it is ours.
    fn is_released(&self, observed: &Value) -> bool {
        tags::own_places(self.spec().carrier, observed).is_empty()
    }

    /// Elements of an observed body that are marked as ours: their names in Azure, and their short names.
    fn inner_marks(&self, _observed: &Value) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Of a type that is known by its content: whether `observed` says what `resource` declares, under whatever id.
    fn is_same(&self, _resource: &Resource, _observed: &Value, _context: &Context<'_>) -> bool {
        false
    }

    /// Of a type that is known by its content: whether `resource` says nearly what `observed` says, so that it is
    /// probably written in its place.
    fn succeeds(&self, _resource: &Resource, _observed: &Value, _context: &Context<'_>) -> bool {
        false
    }

    /// The resource that must have been read before [`ResourceType::is_same`] and the id can be told.
    fn known_through(&self, _resource: &Resource, _context: &Context<'_>) -> Option<Address> {
        None
    }

    /// Whether the service has made `observed` by itself for a resource of the kind `beside` with this body: nobody
    /// manages it, and it is no news.
    fn is_made_by_service(&self, _observed: &Value, _beside: Kind, _body: &Value) -> bool {
        false
    }

    /// Whether an observed body belongs to this kind, where kinds share an ARM type (computes), or
    /// whether it is a by-product of the service that nobody manages (built-in datastores).
    fn is_mine(&self, _observed: &Value) -> bool {
        true
    }

    /// Addresses that must be applied before this resource, beside its parent and its references.
    fn depends_on(&self, _resource: &Resource, _all: &Resources) -> Vec<Address> {
        Vec::new()
    }

    /// References that do not make an order: the thing that is named is made later
    /// (`image_build_compute_name`). Dotted paths.
    fn loose_references(&self) -> &'static [&'static str] {
        &[]
    }

    /// Advice about `resource` that says nothing once a resource is there which nobody declares: the code, the field,
    /// and that resource.
    fn dispelled(&self, _resource: &Resource, _context: &Context<'_>) -> Option<Dispelled> {
        None
    }

    /// The machines that Azure has to offer for it, of its ARM body: one that is to be sent, or one that Azure
    /// answered with.
    fn machines(&self, _body: &Value) -> Option<Machines> {
        None
    }

    /// What an observed resource is, for people, where its name in Azure says nothing: a role assignment's is a GUID.
    fn told(&self, _observed: &Value) -> Option<String> {
        None
    }

    /// What would be interrupted if it were deleted now, as a clause for people: allocated nodes, a running
    /// machine. Whoever is in use is not taken down without consent.
    fn in_use(&self, _observed: &Value) -> Option<String> {
        None
    }

    /// What pipelines ask for: name → JSON pointer into the observed body.
    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}
