//! Bitbucket Cloud: build statuses, pull requests, comments, permissions, webhooks.
//!
//! Contract: Atlassian's published description of the REST API 2.0; what it does not hold comes from the
//! reference pages that each file names. What Bitbucket lacks is left out: it has no reactions, no
//! documented conditional requests, and keeps no refs for the heads of pull requests.

mod access;
mod comments;
mod connection;
mod event;
mod markup;
mod pull_requests;
mod statuses;
#[cfg(test)]
mod tests;

pub use connection::{Bitbucket, Credential, Options};
pub(super) use event::{decode, expect};
