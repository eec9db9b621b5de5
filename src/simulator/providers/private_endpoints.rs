//! Private endpoints and their DNS zone groups (`facts.md` 9): an address in a subnet for another
//! resource, approved at once where the caller may; both are immutable in what they connect.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::network::{NETWORK, check_name, check_quiet, in_progress, stamp};
use super::{Kind, Placement, Provisioning, Style, Tracking};
use crate::resources::id::ResourceId;
use crate::simulator::arm::{ArmError, Query, Write};
use crate::simulator::body;
use crate::simulator::operation::Afterlife;
use crate::simulator::state::{State, Stored};

/// A private endpoint.
pub(super) struct PrivateEndpoint;

/// The DNS zones that answer for a private endpoint.
pub(super) struct ZoneGroup;

/// The type of private endpoints.
pub(super) const TYPE: &str = "Microsoft.Network/privateEndpoints";

static STYLE: Style = Style { arm_type: TYPE, create_secs: 25.0, delete_secs: 20.0, ..NETWORK };

static GROUP: Style = Style {
    arm_type: "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    placement: Placement::Nowhere,
    provisioning: Provisioning::Shown,
    tracking: Tracking::Untracked,
    create_secs: 5.0,
    ..NETWORK
};

/// What can be connected: type, its groups, and the names that each answers for (azure-docs
/// private-endpoint-dns). `{}` is the resource's name, `{l}` its location.
const TARGETS: [(&str, &str, &[&str]); 8] = [
    ("Microsoft.Storage/storageAccounts", "blob", &["{}.blob.core.windows.net"]),
    ("Microsoft.Storage/storageAccounts", "file", &["{}.file.core.windows.net"]),
    ("Microsoft.Storage/storageAccounts", "dfs", &["{}.dfs.core.windows.net"]),
    ("Microsoft.Storage/storageAccounts", "queue", &["{}.queue.core.windows.net"]),
    ("Microsoft.Storage/storageAccounts", "table", &["{}.table.core.windows.net"]),
    ("Microsoft.KeyVault/vaults", "vault", &["{}.vault.azure.net"]),
    ("Microsoft.ContainerRegistry/registries", "registry", &["{}.azurecr.io", "{}.{l}.data.azurecr.io"]),
    (
        "Microsoft.MachineLearningServices/workspaces",
        "amlworkspace",
        &[
            "{}.workspace.{l}.api.azureml.ms",
            "{}.workspace.{l}.cert.api.azureml.ms",
            "{}.{l}.notebooks.azure.net",
        ],
    ),
];

const CONNECTIONS: [&str; 2] =
    ["/properties/privateLinkServiceConnections", "/properties/manualPrivateLinkServiceConnections"];

/// Most DNS zones in a group.
const MAX_ZONES: usize = 5;

fn refused(code: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request(code, message)
}

fn target_of(connection: &Value) -> Option<ResourceId> {
    body::text(connection, "/properties/privateLinkServiceId")?.parse().ok()
}

fn groups_of(connection: &Value) -> impl Iterator<Item = &str> {
    body::items(connection, "/properties/groupIds").iter().filter_map(Value::as_str)
}

fn connections(endpoint: &Value) -> impl Iterator<Item = &Value> {
    CONNECTIONS.into_iter().flat_map(|pointer| body::items(endpoint, pointer))
}

impl Kind for PrivateEndpoint {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write.name())?;
        check_subnet(state, write)?;
        let mut all = connections(write.body).peekable();
        if all.peek().is_none() {
            let message =
                format!("Private endpoint {} has no private link service connection.", write.name());
            return Err(refused("InvalidRequestFormat", message).at("privateLinkServiceConnections"));
        }
        all.try_for_each(|connection| check_connection(state, connection))?;
        check_unchanged(write)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        for (pointer, (status, description)) in
            CONNECTIONS.into_iter().zip([("Approved", "Auto-approved"), ("Pending", "Awaiting approval")])
        {
            let own: Vec<Value> = body::items(write.body, pointer)
                .iter()
                .enumerate()
                .map(|(at, connection)| fill_connection(write, connection, at, (status, description)))
                .collect();
            body::set(&mut filled, pointer, own);
        }
        let nic = write.text("/properties/customNetworkInterfaceName").map(str::to_owned);
        let digest = state.uuid_of("network interface", write.id);
        let nic = nic.unwrap_or_else(|| format!("{}.nic.{digest}", write.name()));
        let group = write.id.parent().unwrap_or_else(|| write.id.clone());
        let interface = group.provider("Microsoft.Network/networkInterfaces", &nic);
        for (name, value) in [
            ("networkInterfaces", json!([{ "id": interface.as_str() }])),
            ("customDnsConfigs", json!(dns(state, write))),
        ] {
            body::set(&mut filled, &format!("/properties/{name}"), value);
        }
        for (name, value) in [
            ("ipConfigurations", json!([])),
            ("applicationSecurityGroups", json!([])),
            ("customNetworkInterfaceName", json!("")),
        ] {
            body::fill(&mut filled, &format!("/properties/{name}"), value);
        }
        stamp(state, write, &mut filled);
        filled
    }

    fn patched(&self, _: &Value, _: &Value) -> Result<Value, ArmError> {
        Err(no_patch())
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        in_progress(id, phase)
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::Purge)
    }
}

fn no_patch() -> ArmError {
    ArmError::new(405, "HttpMethodNotAllowed", "The HTTP method 'PATCH' is not supported here.")
}

fn check_subnet(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let sent = write.text("/properties/subnet/id").unwrap_or_default();
    let subnet: Option<ResourceId> = sent.parse().ok();
    let Some(subnet) = subnet.filter(|id| state.get(id).is_some()) else {
        let message = format!(
            "Resource {sent} referenced by resource {} was not found. Please make sure that the referenced resource \
             exists, and that both resources are in the same region.",
            write.id
        );
        return Err(refused("InvalidResourceReference", message).at("subnet"));
    };
    subnet.parent().map_or(Ok(()), |network| check_quiet(state, &network))
}

fn check_connection(state: &State, connection: &Value) -> Result<(), ArmError> {
    let target = target_of(connection);
    let Some(stored) = target.as_ref().and_then(|id| state.get(id)) else {
        let sent = body::text(connection, "/properties/privateLinkServiceId").unwrap_or_default();
        let message = format!("The resource '{sent}' of the private link service connection was not found.");
        return Err(refused("PrivateLinkServiceIdInvalid", message).at("privateLinkServiceId"));
    };
    let arm_type = stored.id.arm_type();
    let known = |group: &str| {
        TARGETS
            .iter()
            .any(|(own, name, _)| own.eq_ignore_ascii_case(&arm_type) && name.eq_ignore_ascii_case(group))
    };
    let mut groups = groups_of(connection).peekable();
    let modelled = TARGETS.iter().any(|(own, ..)| own.eq_ignore_ascii_case(&arm_type));
    if modelled && (groups.peek().is_none() || !groups.all(known)) {
        let message =
            format!("Call to {arm_type} failed. Error message: the given group ids are not supported.");
        return Err(refused("InvalidGroupId", message).at("groupIds"));
    }
    match body::text(&stored.body, "/properties/provisioningState").unwrap_or("Succeeded") {
        "Succeeded" => Ok(()),
        _ if arm_type.eq_ignore_ascii_case("Microsoft.Storage/storageAccounts") => {
            let message =
                format!("Call to {arm_type} failed. Error message: an operation is currently in progress.");
            Err(ArmError::conflict("StorageAccountOperationInProgress", message))
        }
        phase => {
            let message = format!("The resource {} is in provisioning state '{phase}'.", stored.id);
            Err(ArmError::new(429, "RetryableError", message)
                .detail("ReferencedResourceNotProvisioned", "Not ready."))
        }
    }
}

fn check_unchanged(write: &Write<'_>) -> Result<(), ArmError> {
    let Some(old) = &write.existing else { return Ok(()) };
    let place =
        |body: &Value| body::text(body, "/properties/subnet/id").unwrap_or_default().to_ascii_lowercase();
    let targets = |body: &Value| {
        let all = connections(body).map(|connection| {
            (target_of(connection), groups_of(connection).map(str::to_ascii_lowercase).collect::<Vec<_>>())
        });
        all.collect::<Vec<_>>()
    };
    if place(write.body) != place(old) {
        let message = format!("The subnet of private endpoint {} cannot be changed.", write.name());
        return Err(refused("CannotChangeSubnetOnPrivateEndpoint", message));
    }
    if targets(write.body) != targets(old) {
        let message = format!("The connections of private endpoint {} cannot be changed.", write.name());
        return Err(refused("CannotChangePrivateLinkConnectionOnPrivateEndpoint", message));
    }
    Ok(())
}

fn fill_connection(
    write: &Write<'_>,
    connection: &Value,
    at: usize,
    (status, description): (&str, &str),
) -> Value {
    let mut filled = connection.clone();
    body::fill(&mut filled, "/name", format!("{}-{at}", write.name()));
    let name = body::text(&filled, "/name").unwrap_or_default().to_owned();
    body::set(&mut filled, "/id", write.id.child("privateLinkServiceConnections", &name).as_str());
    body::set(&mut filled, "/type", format!("{TYPE}/privateLinkServiceConnections"));
    body::set(&mut filled, "/properties/provisioningState", "Succeeded");
    let state = json!({ "status": status, "description": description, "actionsRequired": "None" });
    body::set(&mut filled, "/properties/privateLinkServiceConnectionState", state);
    filled
}

/// The names that the endpoint answers for, each with its address in the subnet.
fn dns(state: &State, write: &Write<'_>) -> Vec<Value> {
    let base =
        write.text("/properties/subnet/id").and_then(|id| id.parse().ok()).and_then(|id: ResourceId| {
            let subnet = state.get(&id)?;
            let several =
                body::items(&subnet.body, "/properties/addressPrefixes").first().and_then(Value::as_str);
            let prefix = body::text(&subnet.body, "/properties/addressPrefix").or(several)?;
            prefix.split('/').next()?.parse::<Ipv4Addr>().ok()
        });
    let base = base.unwrap_or(Ipv4Addr::new(10, 0, 0, 0)).to_bits();
    let drawn = u32::from(state.digest(&format!("address of {}", write.id.folded()))[0] % 200);
    let names = connections(write.body).flat_map(|connection| names(state, connection));
    names
        .enumerate()
        .map(|(at, name)| {
            let offset = 4 + drawn + u32::try_from(at).unwrap_or(0);
            json!({ "fqdn": name, "ipAddresses": [Ipv4Addr::from_bits(base.saturating_add(offset)).to_string()] })
        })
        .collect()
}

fn names(state: &State, connection: &Value) -> Vec<String> {
    let Some(target) = target_of(connection).and_then(|id| state.get(&id).cloned()) else {
        return Vec::new();
    };
    let location = body::text(&target.body, "/location").map(super::normal_location).unwrap_or_default();
    let workspace = body::text(&target.body, "/properties/workspaceId");
    let name = workspace.unwrap_or(target.id.name()).to_ascii_lowercase();
    let arm_type = target.id.arm_type();
    let mut found = Vec::new();
    for group in groups_of(connection) {
        let known = TARGETS
            .iter()
            .find(|(own, name, _)| own.eq_ignore_ascii_case(&arm_type) && name.eq_ignore_ascii_case(group));
        let patterns = known.map_or(&[] as &[&str], |(.., patterns)| patterns);
        found.extend(
            patterns.iter().map(|pattern| pattern.replacen("{}", &name, 1).replace("{l}", &location)),
        );
    }
    found
}

/// The private endpoints that are in a subnet.
pub(super) fn in_subnet<'a>(state: &'a State, subnet: &'a ResourceId) -> impl Iterator<Item = &'a Stored> {
    state.of_type(TYPE).filter(|endpoint| {
        let own = body::text(&endpoint.body, "/properties/subnet/id");
        own.is_some_and(|own| own.eq_ignore_ascii_case(subnet.as_str()))
    })
}

/// What the target of private endpoints shows in `privateEndpointConnections`; empty without any.
pub(in crate::simulator) fn connections_of(state: &State, target: &ResourceId) -> Vec<Value> {
    let arm_type = target.arm_type();
    if !TARGETS.iter().any(|(own, ..)| own.eq_ignore_ascii_case(&arm_type)) {
        return Vec::new();
    }
    let of_target = |connection: &&Value| target_of(connection).as_ref() == Some(target);
    let mut found = Vec::new();
    for endpoint in state.of_type(TYPE) {
        for connection in connections(&endpoint.body).filter(of_target) {
            let name = format!("{}.{}", endpoint.id.name(), state.uuid_of("connection", &endpoint.id));
            let group = groups_of(connection).collect::<Vec<_>>();
            found.push(json!({
                "id": target.child("privateEndpointConnections", &name).as_str(), "name": name,
                "type": format!("{arm_type}/privateEndpointConnections"),
                "properties": {
                    "provisioningState": "Succeeded", "privateEndpoint": { "id": endpoint.id.as_str() }, "groupIds": group,
                    "privateLinkServiceConnectionState": connection["properties"]["privateLinkServiceConnectionState"],
                },
            }));
        }
    }
    found
}

impl Kind for ZoneGroup {
    fn style(&self) -> &'static Style {
        &GROUP
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write.name())?;
        let configs = body::items(write.body, "/properties/privateDnsZoneConfigs");
        if configs.len() > MAX_ZONES {
            let message = format!("A private DNS zone group has at most {MAX_ZONES} configurations.");
            return Err(refused("PrivateDnsZoneGroupTooManyConfigs", message));
        }
        let known = |config: &Value| {
            let id = body::text(config, "/properties/privateDnsZoneId")
                .and_then(|id| id.parse::<ResourceId>().ok());
            id.is_some_and(|id| state.get(&id).is_some())
        };
        if !configs.iter().all(known) {
            let message = "A private DNS zone of the group was not found.";
            return Err(refused("InvalidResourceReference", message).at("privateDnsZoneConfigs"));
        }
        let endpoint = write.id.parent();
        let others = state.inventory.of_type_within(GROUP.arm_type, endpoint.as_ref(), None);
        if others.into_iter().any(|other| other.id != *write.id) {
            let message = "A private endpoint can have one private DNS zone group only.";
            return Err(refused("PrivateEndpointCannotHaveMultipleDnsZoneGroups", message));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let endpoint = write.id.parent().and_then(|id| state.get(&id));
        let names =
            endpoint.map_or(&[] as &[Value], |own| body::items(&own.body, "/properties/customDnsConfigs"));
        let configs: Vec<Value> = body::items(write.body, "/properties/privateDnsZoneConfigs")
            .iter()
            .map(|config| {
                let mut config = config.clone();
                let found = records(&config, names);
                body::set(&mut config, "/properties/recordSets", found);
                config
            })
            .collect();
        let mut filled = json!({ "properties": { "privateDnsZoneConfigs": configs } });
        stamp(state, write, &mut filled);
        filled
    }

    fn patched(&self, _: &Value, _: &Value) -> Result<Value, ArmError> {
        Err(no_patch())
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        in_progress(id, phase)
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::Purge)
    }
}

/// The A records that a zone gets: of the names whose public zone the private one stands for.
fn records(config: &Value, names: &[Value]) -> Vec<Value> {
    let zone = body::text(config, "/properties/privateDnsZoneId").and_then(|id| id.rsplit('/').next());
    let zone = zone.unwrap_or_default().to_ascii_lowercase();
    let public =
        zone.strip_prefix("privatelink.").unwrap_or(&zone).replace("vaultcore.azure.net", "vault.azure.net");
    let of_zone = names.iter().filter_map(|name| {
        let record = body::text(name, "/fqdn")?.strip_suffix(&public)?.strip_suffix('.')?;
        Some(json!({
            "recordType": "A", "recordSetName": record, "fqdn": format!("{record}.{zone}"), "ttl": 10,
            "ipAddresses": name["ipAddresses"], "provisioningState": "Succeeded",
        }))
    });
    of_zone.collect()
}
