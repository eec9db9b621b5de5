//! The BGP communities of regions for private peering (azure-docs expressroute/expressroute-routing,
//! "Regional BGP community"): Azure adds the region's to a virtual network that has one of its own.

use serde_json::Value;

use crate::body;
use crate::providers::normal_location;

/// Region, and the value behind `12076:`.
const COMMUNITIES: [(&str, u32); 32] = [
    ("eastus", 50004),
    ("eastus2", 50005),
    ("westus", 50006),
    ("westus2", 50026),
    ("westus3", 50044),
    ("westcentralus", 50027),
    ("northcentralus", 50007),
    ("southcentralus", 50008),
    ("centralus", 50009),
    ("canadacentral", 50020),
    ("canadaeast", 50021),
    ("brazilsouth", 50014),
    ("northeurope", 50003),
    ("westeurope", 50002),
    ("uksouth", 50024),
    ("ukwest", 50025),
    ("francecentral", 50030),
    ("switzerlandnorth", 50038),
    ("germanywestcentral", 50041),
    ("norwayeast", 50042),
    ("eastasia", 50010),
    ("southeastasia", 50011),
    ("japaneast", 50012),
    ("japanwest", 50013),
    ("australiaeast", 50015),
    ("australiasoutheast", 50016),
    ("australiacentral", 50032),
    ("southindia", 50019),
    ("westindia", 50018),
    ("centralindia", 50017),
    ("koreasouth", 50028),
    ("koreacentral", 50029),
];

/// Writes the region's community beside the network's own.
pub(in crate::providers) fn fill(network: &mut Value) {
    if body::text(network, "/properties/bgpCommunities/virtualNetworkCommunity").is_none() {
        return;
    }
    let location = body::text(network, "/location").map(normal_location).unwrap_or_default();
    if let Some((_, value)) = COMMUNITIES.iter().find(|(region, _)| *region == location) {
        body::set(network, "/properties/bgpCommunities/regionalCommunity", format!("12076:{value}"));
    }
}
