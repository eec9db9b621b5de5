//! The resource providers, one file each, and the contract of a resource type.
//!
//! Adding a type: implement [`Kind`] in its provider's file and add it to [`KINDS`]. The front of ARM
//! does the rest: groups, parents, locations, conflicts, operations, lists, deletion.

mod alerts;
pub(super) mod authorization;
mod authorization_definitions;
mod authorization_lists;
mod authorization_permissions;
mod authorization_roles;
mod bgp_communities;
mod budgets;
mod compute_checks;
mod compute_defaults;
mod compute_quota;
mod computes;
mod container_registry;
mod datastores;
mod deny_assignments;
mod dns_records;
mod federated_credentials;
mod free_addresses;
mod geography;
mod identity;
mod insights;
mod insights_purge;
mod key_vault;
mod key_vault_names;
mod kind;
mod kql;
mod locks;
mod log_analytics;
mod machine_learning;
mod managed_identity;
mod ml_connections;
mod ml_network;
mod ml_registries;
mod names;
mod network;
mod network_rules;
mod network_security;
mod private_dns;
mod private_endpoints;
mod private_link;
mod provider_catalog;
pub(super) mod registrations;
mod resource_graph;
pub(super) mod resources;
mod services;
mod shapes;
mod storage;
mod storage_children;
mod storage_containers;
mod storage_defaults;
mod storage_names;
mod storage_services;
mod storage_skus;
mod subnet_links;
pub(super) mod subscriptions;
mod system_identities;
mod tags;
mod tidy;
mod vault_secrets;
mod vm_sizes;
mod workspace_grants;
mod zone_groups;

pub(super) use alerts::add_due as add_by_products;
pub(super) use authorization::role_guid;
pub(super) use authorization_permissions::{allows, has_any_inside};
pub(super) use compute_quota::exhausted as quota_exhausted;
pub(super) use kind::{
    Answer, Etags, KINDS, Kind, NAMESPACES, Placement, Provisioning, Removal, Style, Tracking, kind, special,
};
pub(super) use locks::check as check_locks;
pub(super) use private_link::connections_of as private_connections_of;
pub(super) use provider_catalog::is_open as is_open_catalog;
pub(super) use shapes::check as check_values;
pub(super) use subscriptions::normal_location;
pub(super) use tidy::tidied;
pub(super) use vm_sizes::facts as vm_size_facts;
