//! The catalog: what beamline knows of each Azure resource type. Pure: no async, no I/O, no clock.
//!
//! A resource type is one file and one row. The file declares a [`Spec`]: the type's fields in the
//! definition, where each lives in the ARM body, how two values are compared, what a change of it
//! costs; its name rule, its parent, how it is listed, and the carrier of beamline's mark. From that
//! one table follow the definition's decoding, the JSON Schema, the documentation, the ARM body, the
//! comparison with what Azure answers and the reason of every change. What a table cannot say (a
//! field that costs a replacement only for some values, an update by POST) is a method of
//! [`ResourceType`] that the type overrides.
//!
//! # Adding a resource type
//! 1. a file with a `Spec` and an `impl ResourceType`, 2. a row in `catalog.rs`, 3. an example in `environments/`.
//!    The compiler asks for nothing else; the tests list the rest.

pub mod address;
pub mod advice;
pub mod application_insights;
pub mod behaviour;
pub mod body;
pub mod brief;
pub mod catalog;
pub mod claims;
mod compute;
pub mod compute_cluster;
pub mod compute_instance;
pub mod container;
pub mod container_registry;
pub mod contract;
pub mod datastore;
pub mod difference;
pub mod field;
pub mod finding;
#[cfg(test)]
pub(crate) mod fixture;
mod identity;
pub mod key_vault;
pub mod log_analytics;
pub mod machines;
pub mod mark;
pub mod merge;
mod name_rule;
pub mod normalise;
pub mod placeholder;
pub mod pointer;
mod prefixes;
pub mod resource;
pub mod resource_group;
pub mod role;
pub mod role_assignment;
#[cfg(test)]
pub(crate) mod sample;
pub mod storage_account;
pub mod subnet;
pub(crate) mod suggest;
pub mod tags;
pub mod virtual_network;
pub mod vm_size;
pub mod workspace;

pub use beamline_base::id;

pub use address::{Address, EnvironmentName, Kind};
pub use catalog::{all, of};
pub use contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Target, Update, Write,
};
pub use difference::{Difference, Effect, read_fields};
pub use field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
pub use finding::{Finding, Severity};
pub use machines::Machines;
pub use mark::{Mark, Seal};
pub use merge::{Merge, MovedPath};
pub use placeholder::Placeholder;
pub use resource::{Adoption, OnDelete, Presence, Reference, Resource, Resources, Site};
