//! Whether an address of a virtual network is free (VirtualNetworks_CheckIPAddressAvailability). Azure
//! keeps the first four addresses and the last one of every subnet; private endpoints take others.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed, missing_resource};
use crate::body;
use crate::http::Reply;
use crate::providers::network::private_endpoints;
use crate::state::State;
use beamline_base::id::ResourceId;

/// How many free addresses are offered instead.
const OFFERED: usize = 5;

pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let ("GET", ["virtualnetworks", _, "checkipaddressavailability"]) = (call.method.as_str(), tail) else {
        return None;
    };
    Some(typed.id_of(2).and_then(|network| {
        let Some(stored) = state.get(&network) else { return Err(missing_resource(&network)) };
        let asked = call.query.get("ipAddress").and_then(|text| text.parse::<Ipv4Addr>().ok());
        let Some(asked) = asked else {
            let message = "The query parameter ipAddress must be an IPv4 address.";
            return Err(ArmError::bad_request("InvalidIPAddress", message));
        };
        Ok(Reply::json(200, answer(state, &stored.id, asked)))
    }))
}

fn answer(state: &State, network: &ResourceId, asked: Ipv4Addr) -> Value {
    let Some((first, last)) = subnet_of(state, network, asked) else {
        return json!({ "available": true, "isPlatformReserved": false });
    };
    let taken = taken(state, network);
    let reserved = |address: u32| address < first + 4 || address == last;
    let free = |address: u32| !reserved(address) && !taken.contains(&address);
    let asked = asked.to_bits();
    let mut answer = json!({ "available": free(asked), "isPlatformReserved": reserved(asked) });
    if !free(asked) {
        let others = (first..=last).filter(|address| free(*address)).take(OFFERED);
        answer["availableIPAddresses"] =
            others.map(|own| json!(Ipv4Addr::from_bits(own).to_string())).collect();
    }
    answer
}

/// The first and the last address of the subnet that an address is in.
fn subnet_of(state: &State, network: &ResourceId, address: Ipv4Addr) -> Option<(u32, u32)> {
    let subnets = state.below(network).flat_map(|stored| {
        let several = body::items(&stored.body, "/properties/addressPrefixes").iter();
        let all =
            several.filter_map(Value::as_str).chain(body::text(&stored.body, "/properties/addressPrefix"));
        all.map(str::to_owned).collect::<Vec<_>>()
    });
    let mut ranges = subnets.filter_map(|prefix| {
        let (base, length) = prefix.split_once('/')?;
        let (base, length) = (base.parse::<Ipv4Addr>().ok()?.to_bits(), length.parse::<u32>().ok()?);
        let size = 1_u32.checked_shl(32_u32.checked_sub(length)?)?;
        Some((base, base.checked_add(size.checked_sub(1)?)?))
    });
    ranges.find(|(first, last)| (*first..=*last).contains(&address.to_bits()))
}

/// The addresses of the private endpoints in a network.
fn taken(state: &State, network: &ResourceId) -> BTreeSet<u32> {
    let inside = |subnet: &str| subnet.parse().is_ok_and(|id: ResourceId| id.is_within(network));
    let mut taken = BTreeSet::new();
    for endpoint in state.of_type(private_endpoints::TYPE) {
        if !body::text(&endpoint.body, "/properties/subnet/id").is_some_and(inside) {
            continue;
        }
        let configs = body::items(&endpoint.body, "/properties/customDnsConfigs").iter();
        let named = configs.flat_map(|config| body::items(config, "/ipAddresses")).filter_map(Value::as_str);
        let fixed = private_endpoints::fixed_addresses(&endpoint.body);
        taken.extend(named.chain(fixed).filter_map(|own| Some(own.parse::<Ipv4Addr>().ok()?.to_bits())));
    }
    taken
}
