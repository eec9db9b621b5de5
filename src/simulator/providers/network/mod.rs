//! `Microsoft.Network`: networks, security groups, private endpoints, links and zones.

pub(in crate::providers) mod bgp_communities;
pub(in crate::providers) mod dns_records;
pub(in crate::providers) mod free_addresses;
pub(in crate::providers) mod private_endpoints;
pub(in crate::providers) mod private_link;
pub(in crate::providers) mod private_zones;
pub(in crate::providers) mod security_groups;
pub(in crate::providers) mod security_rules;
pub(in crate::providers) mod subnet_links;
pub(in crate::providers) mod virtual_networks;
pub(in crate::providers) mod zone_groups;
