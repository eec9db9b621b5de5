//! Azure DevOps Repos, the service and the server (2022.1 or later): statuses of commits and of pull
//! requests, pull requests, comments, permissions, service hooks.
//!
//! Contract: Microsoft's published description of the Git API 7.1. What it does not hold comes from the
//! reference pages that each file names. What Azure DevOps lacks is left out: it has no reactions by
//! API, no conditional requests, and no time at which a pull request last changed.

mod access;
mod connection;
mod event;
mod pull_requests;
mod statuses;
#[cfg(test)]
mod tests;
mod threads;

pub use connection::{AzureDevOps, Options};
pub(super) use event::{expect, read_event};
