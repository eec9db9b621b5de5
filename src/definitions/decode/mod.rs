//! The merged tree → declared resources, along the field tables of the catalog.
//!
//! `header` reads the keys of the environment itself, `outline` finds the resources (so that references
//! can be checked against all of them), `shared_keys` reads what every resource has in common and `field`
//! what its table says, with `scalar`, `prefix` and `tags` for single values. Everything goes on after a problem.

mod example;
mod field;
mod header;
mod meaning;
mod misspelt;
mod outline;
mod prefix;
mod resource;
mod scalar;
mod shared_keys;
mod tags;

pub(super) use header::{FORMAT_VERSION, Header, KEYS as HEADER_KEYS, NAME, entry_of, name, version_is_ours};
pub(super) use outline::{declared, nested_kinds, outline};
pub(super) use resource::{Scope, decode};
pub(super) use shared_keys::{Holds, common_keys};
