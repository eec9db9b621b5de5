//! The contract of a resource type, and the table of all of them.

use serde_json::Value;

use crate::arm::{ArmError, Call, Query, Typed, Write};
use crate::body;
use crate::http::Reply;
use crate::operation::Afterlife;
use crate::providers::{
    authorization::definitions as authorization_definitions, authorization::deny_assignments,
    authorization::lists as authorization_lists, authorization::locks,
    authorization::role_assignments as authorization, budgets, container_registry, insights::alerts,
    insights::components as insights, insights::purge as insights_purge, key_vault::names as key_vault_names,
    key_vault::secrets as vault_secrets, key_vault::vaults as key_vault, log_analytics,
    machine_learning::computes, machine_learning::connections as ml_connections,
    machine_learning::datastores, machine_learning::managed_network as ml_network,
    machine_learning::registries as ml_registries, machine_learning::workspaces as machine_learning,
    managed_identity::federated_credentials, managed_identity::identities as managed_identity,
    managed_identity::system_identities, network::dns_records, network::free_addresses,
    network::private_endpoints, network::private_link, network::private_zones as private_dns,
    network::security_groups as network_security, network::security_rules as network_rules,
    network::subnet_links, network::virtual_networks as network, network::zone_groups,
    resource_graph::answers as resource_graph, resources::groups as resources, resources::provider_catalog,
    resources::tags, services, storage::accounts as storage, storage::children as storage_children,
    storage::containers as storage_containers, storage::names as storage_names,
    storage::skus as storage_skus,
};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// Every resource type of the world.
pub(crate) const KINDS: [&dyn Kind; 42] = [
    &resources::Group,
    &storage::Account,
    &storage_containers::Container,
    &key_vault::Vault,
    &log_analytics::Workspace,
    &insights::Component,
    &alerts::DetectorRule,
    &alerts::ActionGroup,
    &container_registry::Registry,
    &machine_learning::Workspace,
    &computes::Compute,
    &datastores::Datastore,
    &network::VirtualNetwork,
    &network::Subnet,
    &network_security::SecurityGroup,
    &network_rules::SecurityRule,
    &managed_identity::Identity,
    &authorization::RoleAssignment,
    &authorization_definitions::RoleDefinition,
    &locks::Lock,
    &private_endpoints::PrivateEndpoint,
    &zone_groups::ZoneGroup,
    &private_dns::Zone,
    &private_dns::Link,
    &budgets::Budget,
    &ml_registries::Registry,
    &ml_registries::OutboundRule,
    &ml_connections::Connection,
    &storage_children::Share,
    &storage_children::EncryptionScope,
    &storage_children::LIFECYCLE,
    &storage_children::INVENTORY,
    &vault_secrets::Secret,
    &federated_credentials::FederatedCredential,
    &dns_records::A,
    &dns_records::AAAA,
    &dns_records::CNAME,
    &dns_records::MX,
    &dns_records::PTR,
    &dns_records::SOA,
    &dns_records::SRV,
    &dns_records::TXT,
];

/// The resource providers that the world knows.
pub(crate) const NAMESPACES: [&str; 13] = [
    "Microsoft.AlertsManagement",
    "Microsoft.Authorization",
    "Microsoft.Consumption",
    "Microsoft.ContainerRegistry",
    "Microsoft.KeyVault",
    "Microsoft.MachineLearningServices",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.ResourceGraph",
    "Microsoft.Resources",
    "Microsoft.Storage",
    "microsoft.insights",
];

/// How a type answers a PUT or PATCH (`facts.md` 14, styles per type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done at once, with this status.
    Sync(u16),
    /// 202 without a body, with `Location`.
    Location,
    /// This status and a body with this provisioning state; the client looks at the resource again.
    Resource { status: u16, state: &'static str },
    /// This status, a body, and `Azure-AsyncOperation`.
    AsyncOperation(u16),
}

/// How a type answers a DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is made at once: 200 or 201, nothing to wait for.
    Sync,
    /// 200 at once, with the body of what was deleted.
    SyncWithBody,
    /// Answered by 202 with a `Location` to ask.
    Location,
    /// 202 with `Location` and `Azure-AsyncOperation`.
    LocationAndStatus,
}

/// Whether a resource has a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It has, and it comes back normalised (`eastus`).
    Regional,
    /// It has, and it comes back as a display name (`East US`).
    Display,
    Nowhere,
}

/// Whether a body shows `properties.provisioningState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provisioning {
    Shown,
    Hidden,
}

/// Whether a type's ETags guard writes; ARM itself does not check them (ARM RPC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Etags {
    Ignored,
    Checked,
}

/// Whether ARM's generic listings show the type (`facts.md` 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracking {
    Tracked,
    Untracked,
}

/// The outward manners of a type. Times are in seconds, as observed in Azure.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    /// The type as its provider spells it.
    pub(crate) arm_type: &'static str,
    /// Older versions are refused, later ones served.
    pub(crate) first_version: &'static str,
    pub(crate) placement: Placement,
    pub(crate) provisioning: Provisioning,
    pub(crate) tracking: Tracking,
    pub(crate) create: Answer,
    pub(crate) update: Answer,
    pub(crate) patch: Answer,
    pub(crate) delete: Removal,
    pub(crate) create_secs: f64,
    pub(crate) update_secs: f64,
    pub(crate) delete_secs: f64,
    pub(crate) retry_after_secs: u64,
    /// The path segment of `Azure-AsyncOperation` URLs.
    pub(crate) status_segment: &'static str,
    /// The path segment of `Location` URLs.
    pub(crate) result_segment: &'static str,
}

impl Style {
    /// A type without a location whose writes are done at once.
    pub(super) const SYNC: Self = Self {
        arm_type: "",
        first_version: "2014-04-01",
        placement: Placement::Nowhere,
        provisioning: Provisioning::Hidden,
        tracking: Tracking::Untracked,
        create: Answer::Sync(201),
        update: Answer::Sync(200),
        patch: Answer::Sync(200),
        delete: Removal::Sync,
        create_secs: 0.0,
        update_secs: 0.0,
        delete_secs: 0.0,
        retry_after_secs: 10,
        status_segment: "operationStatuses",
        result_segment: "operationResults",
    };

    /// A tracked type with a location and a provisioning state.
    pub(super) const TRACKED: Self = Self {
        placement: Placement::Regional,
        provisioning: Provisioning::Shown,
        tracking: Tracking::Tracked,
        ..Self::SYNC
    };
}

/// What differs from one resource type to another.
pub(crate) trait Kind: Sync {
    fn style(&self) -> &'static Style;

    /// Where a resource of this type is kept, whatever scope it is asked at.
    fn home(&self, id: ResourceId) -> ResourceId {
        id
    }

    /// Refuses what the service refuses. Group, parent, location and running operations were checked.
    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError>;

    /// The body that is stored: what was sent, what the service fills in, what it ignores.
    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value;

    /// What a PATCH asks the resource to become.
    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        let mut wanted = existing.clone();
        if let Some(tags) = body::at(sent, "/tags") {
            body::set(&mut wanted, "/tags", tags.clone());
        }
        let mut rest = sent.clone();
        body::remove(&mut rest, "/tags");
        body::merge(&mut wanted, &rest);
        Ok(wanted)
    }

    /// How a PUT on an existing resource is answered.
    fn update_answer(&self, _write: &Write<'_>) -> Answer {
        self.style().update
    }

    /// How long a creation takes, in seconds.
    fn create_secs(&self, _write: &Write<'_>) -> f64 {
        self.style().create_secs
    }

    /// The body as GET answers it.
    fn render(&self, _state: &State, stored: &Stored) -> Value {
        stored.body.clone()
    }

    /// Stores a body that has the shape of [`Kind::render`].
    fn absorb(&self, state: &mut State, id: &ResourceId, body: Value) {
        state.store(id, body);
    }

    /// Whether a resource of this type can exist in `container`.
    fn has_container(&self, state: &State, container: &ResourceId) -> bool {
        state.get(container).is_some()
    }

    /// The refusal of a write while an operation runs.
    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        let message = format!(
            "Another operation is in progress on the resource '{}' (provisioning state '{phase}'). Please try again later.",
            id.name()
        );
        ArmError::conflict("Conflict", message)
    }

    /// Whether `If-Match` and `If-None-Match` guard writes.
    fn etags(&self) -> Etags {
        Etags::Ignored
    }

    /// How the deletion of what is not there is answered.
    fn when_gone(&self) -> u16 {
        204
    }

    /// Refuses a deletion, or says what becomes of the name.
    fn before_delete(&self, _state: &State, _stored: &Stored, _query: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::SoftDelete)
    }

    /// After the resource is gone.
    fn removed(&self, _state: &mut State, _stored: &Stored, _afterlife: Afterlife) {}

    /// After the resource became ready.
    fn provisioned(&self, _state: &mut State, _id: &ResourceId) {}

    /// Whether a list with this query shows the resource.
    fn is_listed(&self, _stored: &Stored, _query: &Query) -> bool {
        true
    }

    /// A POST on the resource; `None` when there is no such action. `action` is in lower case.
    fn action(
        &self,
        _state: &mut State,
        _call: &Call<'_>,
        _stored: &Stored,
        _action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        None
    }
}

/// The type of this name.
pub(crate) fn kind(arm_type: &str) -> Option<&'static dyn Kind> {
    KINDS.into_iter().find(|kind| kind.style().arm_type.eq_ignore_ascii_case(arm_type))
}

/// Requests that are no plain PUT, GET, PATCH, DELETE or list of a type.
pub(crate) fn special(state: &mut State, call: &Call<'_>, typed: &Typed) -> Option<Result<Reply, ArmError>> {
    let (namespace, tail) = (typed.namespace.to_ascii_lowercase(), typed.folded());
    let tail: Vec<&str> = tail.iter().map(String::as_str).collect();
    let general = services::special(state, call, typed, &tail)
        .or_else(|| private_link::special(state, call, typed, &tail))
        .or_else(|| provider_catalog::special(state, call, typed, &tail));
    if general.is_some() {
        return general;
    }
    match namespace.as_str() {
        "microsoft.resources" => tags::special(state, call, typed, &tail),
        "microsoft.resourcegraph" => resource_graph::special(state, call, &tail),
        "microsoft.authorization" => authorization_lists::special(state, call, typed, &tail)
            .or_else(|| deny_assignments::special(call, typed, &tail)),
        "microsoft.keyvault" => key_vault_names::special(state, call, typed, &tail),
        "microsoft.managedidentity" => system_identities::special(state, call, typed, &tail),
        "microsoft.insights" => insights_purge::special(state, call, typed, &tail),
        "microsoft.storage" => {
            storage_names::special(state, call, typed, &tail).or_else(|| storage_skus::special(call, &tail))
        }
        "microsoft.containerregistry" => container_registry::special(state, call, typed, &tail),
        "microsoft.operationalinsights" => log_analytics::special(state, call, typed, &tail),
        "microsoft.machinelearningservices" => machine_learning::special(state, call, typed, &tail)
            .or_else(|| ml_network::special(state, call, typed, &tail)),
        "microsoft.network" => network::special(state, call, typed, &tail)
            .or_else(|| free_addresses::special(state, call, typed, &tail))
            .or_else(|| dns_records::special(state, call, typed, &tail))
            .or_else(|| subnet_links::special(state, call, typed, &tail)),
        _ => None,
    }
}
