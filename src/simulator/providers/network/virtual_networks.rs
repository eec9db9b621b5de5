//! `Microsoft.Network` virtual networks and subnets (`facts.md` 9): PUT replaces everything, one write
//! at a time per network, a subnet in use stays.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Query, Typed, Write};
use crate::body;
use crate::http::Reply;
use crate::operation::Afterlife;
use crate::providers::names::word;
use crate::providers::{
    Answer, Kind, Placement, Provisioning, Removal, Style, Tracking, network::bgp_communities,
    network::private_endpoints,
};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// A virtual network. Its subnets are resources of their own, shown inside it.
pub(in crate::providers) struct VirtualNetwork;

pub(in crate::providers) struct Subnet;

/// Versions after this one make new subnets private (`facts.md` 22).
const OUTBOUND_BY_DEFAULT_UNTIL: &str = "2026-03-31";

pub(in crate::providers) const NETWORK: Style = Style {
    first_version: "2014-12-01-preview",
    create: Answer::AsyncOperation(201),
    update: Answer::AsyncOperation(200),
    delete: Removal::LocationAndStatus,
    create_secs: 8.0,
    update_secs: 5.0,
    delete_secs: 8.0,
    status_segment: "operations",
    ..Style::TRACKED
};

static STYLE: Style = Style { arm_type: "Microsoft.Network/virtualNetworks", ..NETWORK };

static SUBNET: Style = Style {
    arm_type: "Microsoft.Network/virtualNetworks/subnets",
    placement: Placement::Nowhere,
    provisioning: Provisioning::Shown,
    tracking: Tracking::Untracked,
    create_secs: 5.0,
    ..NETWORK
};

impl Kind for VirtualNetwork {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write.name())?;
        check_quiet(state, write.id)?;
        let spaces = prefixes(body::items(write.body, "/properties/addressSpace/addressPrefixes"));
        let Some(spaces) = spaces.filter(|spaces| !spaces.is_empty()) else {
            let message =
                format!("The address space of the virtual network '{}' is missing or invalid.", write.name());
            return Err(ArmError::bad_request("InvalidAddressPrefixFormat", message).at("addressSpace"));
        };
        let subnets = body::items(write.body, "/properties/subnets");
        let mut ranges = Vec::new();
        for subnet in subnets {
            let name = body::text(subnet, "/name").unwrap_or_default();
            check_name(name)?;
            check_references(state, subnet)?;
            let own = subnet_ranges(subnet).ok_or_else(|| invalid_subnet(name, write.name()))?;
            check_ranges(name, write.name(), &own, &spaces, &ranges)?;
            ranges.extend(own);
        }
        let stays = |id: &ResourceId| {
            subnets.iter().any(|subnet| {
                body::text(subnet, "/name").is_some_and(|name| name.eq_ignore_ascii_case(id.name()))
            })
        };
        let mut gone = state.below(write.id).filter(|stored| is_subnet(&stored.id) && !stays(&stored.id));
        gone.try_for_each(|stored| check_unused(state, &stored.id))
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        body::fill(&mut filled, "/properties/virtualNetworkPeerings", json!([]));
        body::fill(&mut filled, "/properties/enableDdosProtection", false);
        body::fill(&mut filled, "/properties/privateEndpointVNetPolicies", "Disabled");
        body::set(&mut filled, "/properties/resourceGuid", json!(state.uuid_of("network", write.id)));
        bgp_communities::fill(&mut filled);
        stamp(state, write, &mut filled);
        let subnets: Vec<Value> = body::items(write.body, "/properties/subnets")
            .iter()
            .map(|subnet| {
                let id = write.id.child("subnets", body::text(subnet, "/name").unwrap_or_default());
                let existing = state.get(&id).map(|stored| stored.body.clone());
                let inner = Write { id: &id, body: subnet, existing, ..*write };
                let mut subnet = fill_subnet(state, &inner);
                body::set(&mut subnet, "/properties/provisioningState", "Succeeded");
                subnet
            })
            .collect();
        body::set(&mut filled, "/properties/subnets", subnets);
        filled
    }

    fn render(&self, state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        let subnets = state.below(&stored.id).filter(|below| is_subnet(&below.id));
        let subnets: Vec<Value> = subnets.map(|subnet| Subnet.render(state, subnet)).collect();
        body::set(&mut body, "/properties/subnets", subnets);
        body
    }

    /// The subnets inside the body become the subnets there are.
    fn absorb(&self, state: &mut State, id: &ResourceId, mut body: Value) {
        let subnets = body::remove(&mut body, "/properties/subnets");
        state.store(id, body);
        let Some(Value::Array(subnets)) = subnets else { return };
        let named: Vec<(ResourceId, Value)> = subnets
            .into_iter()
            .filter_map(|subnet| Some((id.child("subnets", body::text(&subnet, "/name")?), subnet)))
            .collect();
        let gone: Vec<ResourceId> = state
            .below(id)
            .filter(|stored| is_subnet(&stored.id) && !named.iter().any(|(kept, _)| *kept == stored.id))
            .map(|stored| stored.id.clone())
            .collect();
        for id in gone {
            state.remove_tree(&id, Afterlife::Purge);
        }
        for (id, mut subnet) in named {
            body::set(&mut subnet, "/id", id.as_str());
            Subnet.absorb(state, &id, subnet);
        }
    }

    /// PATCH knows tags only.
    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        Ok(with_tags(existing, sent))
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        in_progress(id, phase)
    }

    fn before_delete(&self, state: &State, stored: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        check_quiet(state, &stored.id)?;
        let mut subnets = state.below(&stored.id).filter(|below| is_subnet(&below.id));
        subnets.try_for_each(|subnet| check_unused(state, &subnet.id))?;
        Ok(Afterlife::Purge)
    }
}

impl Kind for Subnet {
    fn style(&self) -> &'static Style {
        &SUBNET
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write.name())?;
        let Some(network) = write.id.parent().and_then(|id| state.get(&id)) else { return Ok(()) };
        check_quiet(state, &network.id)?;
        check_references(state, write.body)?;
        let spaces = prefixes(body::items(&network.body, "/properties/addressSpace/addressPrefixes"));
        let others = state.below(&network.id).filter(|other| is_subnet(&other.id) && other.id != *write.id);
        let others: Vec<Range> = others.filter_map(|other| subnet_ranges(&other.body)).flatten().collect();
        let own = subnet_ranges(write.body).ok_or_else(|| invalid_subnet(write.name(), network.id.name()))?;
        check_ranges(write.name(), network.id.name(), &own, &spaces.unwrap_or_default(), &others)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        fill_subnet(state, write)
    }

    fn render(&self, state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        let users: Vec<Value> = users(state, &stored.id)
            .map(|user| json!({ "id": format!("{}/ipConfigurations/node", user.id) }))
            .collect();
        if !users.is_empty() {
            body::set(&mut body, "/properties/ipConfigurations", users);
        }
        body
    }

    fn absorb(&self, state: &mut State, id: &ResourceId, mut body: Value) {
        body::remove(&mut body, "/properties/ipConfigurations");
        state.store(id, body);
    }

    fn patched(&self, _: &Value, _: &Value) -> Result<Value, ArmError> {
        Err(ArmError::new(
            405,
            "HttpMethodNotAllowed",
            "The HTTP method 'PATCH' is not supported for subnets.",
        ))
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        in_progress(id, phase)
    }

    fn before_delete(&self, state: &State, stored: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        if let Some(network) = stored.id.parent() {
            check_quiet(state, &network)?;
        }
        check_unused(state, &stored.id)?;
        Ok(Afterlife::Purge)
    }
}

pub(in crate::providers) fn with_tags(existing: &Value, sent: &Value) -> Value {
    let mut wanted = existing.clone();
    if let Some(tags) = body::at(sent, "/tags") {
        body::set(&mut wanted, "/tags", tags.clone());
    }
    wanted
}

fn is_subnet(id: &ResourceId) -> bool {
    id.arm_type().eq_ignore_ascii_case(SUBNET.arm_type)
}

/// The etag that every write changes.
pub(in crate::providers) fn stamp(state: &State, write: &Write<'_>, filled: &mut Value) {
    let what = format!("etag {} {}", state.requests_seen, write.id.folded());
    body::set(filled, "/etag", format!("W/\"{}\"", state.uuid(&what)));
}

fn fill_subnet(state: &State, write: &Write<'_>) -> Value {
    let mut filled = json!({
        "id": write.id.as_str(), "name": write.name(), "type": SUBNET.arm_type,
        "properties": body::at(write.body, "/properties").cloned().unwrap_or_else(|| json!({})),
    });
    for (name, value) in [
        ("delegations", json!([])),
        ("privateEndpointNetworkPolicies", json!("Disabled")),
        ("privateLinkServiceNetworkPolicies", json!("Enabled")),
    ] {
        body::fill(&mut filled, &format!("/properties/{name}"), value);
    }
    if write.existing.is_none() && write.api_version > OUTBOUND_BY_DEFAULT_UNTIL {
        body::fill(&mut filled, "/properties/defaultOutboundAccess", false);
    }
    let endpoints: Vec<Value> = body::items(write.body, "/properties/serviceEndpoints")
        .iter()
        .map(|endpoint| {
            let mut endpoint = endpoint.clone();
            body::fill(&mut endpoint, "/locations", json!(["*"]));
            body::set(&mut endpoint, "/provisioningState", "Succeeded");
            endpoint
        })
        .collect();
    if !endpoints.is_empty() {
        body::set(&mut filled, "/properties/serviceEndpoints", endpoints);
    }
    fill_delegations(write, &mut filled);
    stamp(state, write, &mut filled);
    filled
}

fn fill_delegations(write: &Write<'_>, filled: &mut Value) {
    let delegations: Vec<Value> = body::items(write.body, "/properties/delegations")
        .iter()
        .map(|delegation| {
            let mut delegation = delegation.clone();
            let name = body::text(&delegation, "/name").unwrap_or_default().to_owned();
            body::set(&mut delegation, "/id", write.id.child("delegations", &name).as_str());
            body::set(&mut delegation, "/type", "Microsoft.Network/virtualNetworks/subnets/delegations");
            body::fill(&mut delegation, "/properties/actions", json!([]));
            body::set(&mut delegation, "/properties/provisioningState", "Succeeded");
            delegation
        })
        .collect();
    if !delegations.is_empty() {
        body::set(filled, "/properties/delegations", delegations);
    }
}

pub(in crate::providers) fn check_name(name: &str) -> Result<(), ArmError> {
    let plain = name.replace('.', "_");
    if word(&plain, 1, 80) && name.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(());
    }
    let message = format!(
        "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word character, \
         and it must end with a word character or with '_'. The name may contain word characters or '.', '-', '_'."
    );
    Err(ArmError::bad_request("InvalidResourceName", message))
}

pub(in crate::providers) fn in_progress(id: &ResourceId, phase: &str) -> ArmError {
    let message = format!(
        "Another operation on this or dependent resource is in progress. The resource '{id}' is in state '{phase}'."
    );
    ArmError::conflict("AnotherOperationInProgress", message)
}

/// One write at a time in a network and its subnets.
pub(in crate::providers) fn check_quiet(state: &State, network: &ResourceId) -> Result<(), ArmError> {
    let own = state.get(network).into_iter();
    match own.chain(state.below(network)).find(|stored| stored.operation.is_some()) {
        Some(stored) => Err(in_progress(&stored.id, "Updating")),
        None => Ok(()),
    }
}

/// The computes whose nodes are in a subnet, and its private endpoints.
fn users<'a>(state: &'a State, subnet: &'a ResourceId) -> impl Iterator<Item = &'a Stored> {
    let computes = state.of_type("Microsoft.MachineLearningServices/workspaces/computes");
    let in_subnet = computes.filter(|stored| {
        let own = body::text(&stored.body, "/properties/properties/subnet/id");
        own.is_some_and(|own| own.eq_ignore_ascii_case(subnet.as_str()))
    });
    in_subnet.chain(private_endpoints::in_subnet(state, subnet))
}

fn check_unused(state: &State, subnet: &ResourceId) -> Result<(), ArmError> {
    let Some(user) = users(state, subnet).next() else { return Ok(()) };
    let message = format!(
        "Subnet {} is in use by {} and cannot be deleted. In order to delete the subnet, delete all the resources within \
         the subnet. See aka.ms/deletesubnet.",
        subnet.name(),
        user.id
    );
    Err(ArmError::bad_request("InUseSubnetCannotBeDeleted", message))
}

fn check_references(state: &State, subnet: &Value) -> Result<(), ArmError> {
    let Some(group) = body::text(subnet, "/properties/networkSecurityGroup/id") else { return Ok(()) };
    if group.parse::<ResourceId>().is_ok_and(|id| state.get(&id).is_some()) {
        return Ok(());
    }
    let message = format!(
        "Resource {group} referenced by the subnet was not found. Please make sure that the referenced resource exists."
    );
    Err(ArmError::bad_request("InvalidResourceReference", message))
}

/// The first and the last address of a prefix, as numbers of one family.
type Range = (bool, u128, u128);

fn range(prefix: &str) -> Option<Range> {
    let (address, length) = prefix.split_once('/')?;
    let length: u32 = length.parse().ok()?;
    let (six, bits, value) = match address.parse().ok()? {
        IpAddr::V4(address) => (false, 32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (true, 128, address.to_bits()),
    };
    let host = u32::checked_sub(bits, length)?;
    let mask = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
    (value & mask == 0).then_some((six, value, value | mask))
}

fn prefixes(items: &[Value]) -> Option<Vec<Range>> {
    items.iter().map(|item| item.as_str().and_then(range)).collect()
}

/// The ranges of a subnet, which writes one prefix or several.
fn subnet_ranges(subnet: &Value) -> Option<Vec<Range>> {
    let several = prefixes(body::items(subnet, "/properties/addressPrefixes"))?;
    match body::text(subnet, "/properties/addressPrefix") {
        Some(one) => Some(vec![range(one)?]),
        None => Some(several).filter(|ranges| !ranges.is_empty()),
    }
}

fn invalid_subnet(subnet: &str, network: &str) -> ArmError {
    let message = format!("Subnet '{subnet}' is not valid in virtual network '{network}'.");
    ArmError::bad_request("NetcfgInvalidSubnet", message)
}

fn check_ranges(
    subnet: &str,
    network: &str,
    own: &[Range],
    spaces: &[Range],
    others: &[Range],
) -> Result<(), ArmError> {
    let inside = |range: &Range| {
        spaces.iter().any(|space| space.0 == range.0 && space.1 <= range.1 && range.2 <= space.2)
    };
    if !own.iter().all(inside) {
        return Err(invalid_subnet(subnet, network));
    }
    let overlaps = |range: &Range| {
        others.iter().any(|other| other.0 == range.0 && range.1 <= other.2 && other.1 <= range.2)
    };
    if own.iter().any(overlaps) {
        let message = format!(
            "Subnet '{subnet}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '{network}'."
        );
        return Err(ArmError::bad_request("NetcfgSubnetRangesOverlap", message));
    }
    Ok(())
}

/// How many addresses of each subnet are taken. Azure keeps five of every subnet for itself.
fn usages(state: &State, id: &ResourceId) -> Result<Reply, ArmError> {
    if state.get(id).is_none() {
        return Err(crate::arm::missing_resource(id));
    }
    let entry = |subnet: &Stored| {
        let ranges = subnet_ranges(&subnet.body).unwrap_or_default();
        let size = ranges.iter().map(|(_, first, last)| last - first + 1).fold(0, u128::saturating_add);
        let limit = u64::try_from(size.saturating_sub(5)).unwrap_or(u64::MAX);
        json!({
            "id": subnet.id.as_str(), "unit": "Count", "limit": limit,
            "currentValue": users(state, &subnet.id).count(),
            "name": { "value": "SubnetSpace", "localizedValue": "Subnet size and usage" },
        })
    };
    let value: Vec<Value> = state.below(id).filter(|below| is_subnet(&below.id)).map(entry).collect();
    Ok(Reply::json(200, json!({ "value": value })))
}

/// Lists of a network that are no resources.
pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    if let ("GET", ["virtualnetworks", _, "usages"]) = (call.method.as_str(), tail) {
        return Some(typed.id_of(2).and_then(|id| usages(state, &id)));
    }
    None
}
