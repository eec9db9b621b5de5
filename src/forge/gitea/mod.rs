//! Gitea and Forgejo: commit statuses, pull requests, their comments, and webhooks.
//!
//! Contract: both publish the description of their API; what is called here is the same in both. What
//! the descriptions do not say comes from their sources, cited where it is used.

mod client;
mod comments;
mod event;
mod pulls;
mod reviews;
mod statuses;

pub use client::{Gitea, Options};
pub(super) use event::{decode, expect};
