//! The worlds in which stories happen, and what contract tests stand on. No test lives here.

mod azure_world;
pub(crate) mod bench;
pub(crate) mod bicep;
pub(crate) mod connection;
pub(crate) mod contract;
pub(crate) mod daemon_world;
mod definition;
mod definitions;
pub(crate) mod description;
mod gate;
mod generated;
pub(crate) mod git_servers;
pub(crate) mod hook;
mod kept_log;
pub(crate) mod machine;
pub(crate) mod port;
pub(crate) mod prism;
pub(crate) mod proposals;
mod repository;
pub(crate) mod samples;
pub(crate) mod shape;
mod stage;

pub(crate) use azure_world::{
    AzureWorld, PRODUCTION, block_on, crashed, end_of, ends_within, failures, group, id, never_hangs,
    paused_runtime,
};
pub(crate) use daemon_world::{DaemonWorld, Setup};
pub(crate) use definition::{Definition, SPARES, address, leaves, other_value};
pub(crate) use definitions::{consent_to_remove, group_of, small};
pub(crate) use gate::DeathAt;
pub(crate) use generated::{IDENTITIES, definition, identity, place_identities, values, workshop};
pub(crate) use kept_log::Kept;
pub(crate) use port::Port;
pub(crate) use repository::Repository;
pub(crate) use stage::Stage;

/// Whether this runs where nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}
