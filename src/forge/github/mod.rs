//! GitHub (also GitHub Enterprise Server): statuses, pull requests, comments, check runs, webhooks.
//!
//! Contract: GitHub's published OpenAPI description; what it does not state comes from its
//! documentation, which is named where it is used. One request at a time ("Best practices for using the
//! REST API"); lists in pages of 100.

mod app;
mod check_runs;
mod comments;
mod connection;
mod event;
mod pull_requests;
mod reviews;
mod statuses;

#[cfg(test)]
mod fixture;

pub use connection::{Access, GitHub, Options};
pub use event::decode;
pub(super) use event::{decode_payload, expect};
