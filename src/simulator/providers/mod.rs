//! The resource providers, a folder for each namespace with several files, and the contract of a resource type.
//!
//! Adding a type: implement [`Kind`] in its provider's file and add it to [`KINDS`]. The front of ARM
//! does the rest: groups, parents, locations, conflicts, operations, lists, deletion.

mod authorization;
mod budgets;
mod container_registry;
mod identity;
mod insights;
mod key_vault;
mod kind;
mod log_analytics;
mod machine_learning;
mod managed_identity;
mod names;
mod network;
mod resource_graph;
pub(super) mod resources;
mod services;
mod shapes;
mod storage;
mod tidy;

pub(super) use authorization::locks::check as check_locks;
pub(super) use authorization::permissions::{allows, has_any_inside};
pub(super) use authorization::role_assignments::role_guid;
pub(super) use insights::alerts::add_due as add_by_products;
pub(super) use kind::{
    Answer, Etags, KINDS, Kind, NAMESPACES, Placement, Provisioning, Removal, Style, Tracking, kind, special,
};
pub(super) use machine_learning::compute_quota::exhausted as quota_exhausted;
pub(super) use machine_learning::vm_sizes::facts as vm_size_facts;
pub(super) use network::private_link::connections_of as private_connections_of;
pub(super) use resources::provider_catalog::is_open as is_open_catalog;
pub(super) use resources::subscriptions::normal_location;
pub(super) use shapes::check as check_values;
pub(super) use tidy::tidied;
