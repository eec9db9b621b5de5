//! The front of Azure Resource Manager: addresses, versions, errors, the verbs, long-running answers.
//! It knows no resource type; the types are in [`super::providers`].

mod address;
mod authenticate;
mod authorize;
mod error;
mod filter;
mod front;
mod list;
mod long_running;
mod query;
mod read;
mod write;

pub(super) use address::Typed;
pub(super) use authorize::Sight;
pub(super) use error::{ArmError, too_large, too_slow};
pub(super) use filter::Filter;
pub(super) use front::{Call, handle, stamp};
pub(super) use list::{after, page, page_by};
pub(super) use long_running::{Start, start};
pub(super) use query::Query;
pub(super) use read::missing_resource;
pub(super) use write::{Write, afterlife, place, tags_fit};
