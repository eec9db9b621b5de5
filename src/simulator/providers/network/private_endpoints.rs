//! Private endpoints and their DNS zone groups (`facts.md` 9): an address in a subnet for another
//! resource, approved at once where the caller may; both are immutable in what they connect.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::network::private_link::targets_of;
use crate::providers::network::virtual_networks::{NETWORK, check_name, check_quiet, in_progress, stamp};
use crate::providers::{Kind, Style};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct PrivateEndpoint;

/// The type of private endpoints.
pub(in crate::providers) const TYPE: &str = "Microsoft.Network/privateEndpoints";

static STYLE: Style = Style { arm_type: TYPE, create_secs: 25.0, delete_secs: 20.0, ..NETWORK };

const CONNECTIONS: [&str; 2] =
    ["/properties/privateLinkServiceConnections", "/properties/manualPrivateLinkServiceConnections"];

/// Whether the owner of the target has approved, inside a connection.
pub(in crate::providers) const LINK_STATE: &str = "/properties/privateLinkServiceConnectionState";

pub(in crate::providers) fn refused(code: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request(code, message)
}

/// What a connection leads to.
pub(in crate::providers) fn target_of(connection: &Value) -> Option<ResourceId> {
    body::text(connection, "/properties/privateLinkServiceId")?.parse().ok()
}

fn groups_of(connection: &Value) -> impl Iterator<Item = &str> {
    body::items(connection, "/properties/groupIds").iter().filter_map(Value::as_str)
}

/// The connections of an endpoint, each with its pointer in the endpoint's body.
pub(in crate::providers) fn connections(endpoint: &Value) -> impl Iterator<Item = (String, &Value)> {
    CONNECTIONS.into_iter().flat_map(|pointer| {
        let items = body::items(endpoint, pointer).iter().enumerate();
        items.map(move |(at, connection)| (format!("{pointer}/{at}"), connection))
    })
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
        all.try_for_each(|(_, connection)| check_connection(state, connection))?;
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
                .map(|(at, connection)| {
                    let mut filled = fill_connection(write, connection, at, (status, description));
                    // What the owner of the target decided stays decided.
                    if let Some(decided) = write.old(&format!("{pointer}/{at}{LINK_STATE}")) {
                        body::set(&mut filled, LINK_STATE, decided.clone());
                    }
                    filled
                })
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

pub(in crate::providers) fn no_patch() -> ArmError {
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
    let known = |group: &str| targets_of(&arm_type).any(|target| target.group.eq_ignore_ascii_case(group));
    let mut groups = groups_of(connection).peekable();
    let modelled = targets_of(&arm_type).next().is_some();
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
        let all = connections(body).map(|(_, connection)| {
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
    body::set(&mut filled, LINK_STATE, state);
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
    let names = connections(write.body).flat_map(|(_, connection)| names(state, connection));
    let fixed: Vec<&str> = fixed_addresses(write.body).collect();
    names
        .enumerate()
        .map(|(at, name)| {
            let offset = 4 + drawn + u32::try_from(at).unwrap_or(0);
            let drawn = || Ipv4Addr::from_bits(base.saturating_add(offset)).to_string();
            let address = fixed.get(at).map_or_else(drawn, |fixed| (*fixed).to_owned());
            json!({ "fqdn": name, "ipAddresses": [address] })
        })
        .collect()
}

/// The addresses that an endpoint was given by hand.
pub(in crate::providers) fn fixed_addresses(endpoint: &Value) -> impl Iterator<Item = &str> {
    let configured = body::items(endpoint, "/properties/ipConfigurations").iter();
    configured.filter_map(|config| body::text(config, "/properties/privateIPAddress"))
}

fn names(state: &State, connection: &Value) -> Vec<String> {
    let Some(target) = target_of(connection).and_then(|id| state.get(&id).cloned()) else {
        return Vec::new();
    };
    let location =
        body::text(&target.body, "/location").map(crate::providers::normal_location).unwrap_or_default();
    let workspace = body::text(&target.body, "/properties/workspaceId");
    let name = workspace.unwrap_or(target.id.name()).to_ascii_lowercase();
    let arm_type = target.id.arm_type();
    let mut found = Vec::new();
    // A private link service of one's own says itself what it is called (swagger `fqdns`).
    if targets_of(&arm_type).next().is_none() {
        let own = body::items(&target.body, "/properties/fqdns").iter().filter_map(Value::as_str);
        return own.map(str::to_owned).collect();
    }
    for group in groups_of(connection) {
        let known = targets_of(&arm_type).find(|target| target.group.eq_ignore_ascii_case(group));
        let patterns = known.map_or(&[] as &[&str], |target| target.names);
        found.extend(
            patterns.iter().map(|pattern| pattern.replacen("{}", &name, 1).replace("{l}", &location)),
        );
    }
    found
}

/// The private endpoints that are in a subnet.
pub(in crate::providers) fn in_subnet<'a>(
    state: &'a State,
    subnet: &'a ResourceId,
) -> impl Iterator<Item = &'a Stored> {
    state.of_type(TYPE).filter(|endpoint| {
        let own = body::text(&endpoint.body, "/properties/subnet/id");
        own.is_some_and(|own| own.eq_ignore_ascii_case(subnet.as_str()))
    })
}
