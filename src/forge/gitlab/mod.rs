//! GitLab, hosted or self-managed: commit statuses, merge requests, their notes, and webhooks.
//!
//! Contract: GitLab's published description of its REST API. What it does not say comes from GitLab's
//! documentation ("Commits API", "Merge requests API", "Notes API", "Webhooks") and its source, cited
//! where it is used. What is called a pull request here is a merge request there, its number the `iid`.

mod client;
mod event;
mod merge_requests;
mod notes;
mod statuses;

pub use client::{GitLab, Options};
pub(super) use event::{decode, expect};
