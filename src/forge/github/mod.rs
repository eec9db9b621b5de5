//! GitHub (also GitHub Enterprise Server): commit statuses and the push webhook.
//!
//! Contract: GitHub's published OpenAPI description, `repos/create-commit-status`; limits that it does
//! not state come from its documentation: 140 characters of description, 1,000 statuses per commit and
//! context, primary and secondary rate limits ("Best practices for using the REST API").

mod answer;
mod event;
mod statuses;

pub use event::{DecodeError, decode};
pub use statuses::{GitHub, Options, OptionsError};
