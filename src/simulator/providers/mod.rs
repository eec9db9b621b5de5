//! The resource providers, one file each, and the contract of a resource type.
//!
//! Adding a type: implement [`Kind`] in its provider's file and add it to [`KINDS`]. The front of ARM
//! does the rest: groups, parents, locations, conflicts, operations, lists, deletion.

pub(super) mod authorization;
mod authorization_definitions;
mod authorization_permissions;
mod authorization_roles;
mod budgets;
mod compute_checks;
mod compute_defaults;
mod compute_quota;
mod computes;
mod container_registry;
mod datastores;
mod identity;
mod insights;
mod key_vault;
mod kind;
mod kql;
mod locks;
mod log_analytics;
mod machine_learning;
mod managed_identity;
mod ml_registries;
mod names;
mod network;
mod network_rules;
mod network_security;
mod private_dns;
mod private_endpoints;
mod resource_graph;
pub(super) mod resources;
mod services;
mod storage;
mod storage_containers;
mod storage_services;
pub(super) mod subscriptions;
mod tags;
mod tidy;
mod vm_sizes;

pub(super) use authorization::role_guid;
pub(super) use authorization_permissions::{allows, has_any_inside};
pub(super) use compute_quota::exhausted as quota_exhausted;
pub(super) use kind::{
    Answer, Etags, KINDS, Kind, NAMESPACES, Placement, Provisioning, Removal, Style, Tracking, kind, special,
};
pub(super) use locks::check as check_locks;
pub(super) use private_endpoints::connections_of as private_connections_of;
pub(super) use subscriptions::normal_location;
pub(super) use tidy::tidied;
