//! Azure Resource Manager over HTTP: a few verbs, long-running operations, errors with a meaning.
//!
//! Why: everything that is peculiar to ARM as a protocol is decided here once, so that `reconcile`
//! speaks of ids, bodies and outcomes only. This module knows no resource types.
//!
//! Guarantees:
//! - A read may be sent several times, a write is sent exactly once for a call of [`Arm::send`] (and a
//!   second time only after a 401, which had no effect).
//! - What can be decided without I/O is a pure function over a response: [`operation::started`],
//!   [`operation::looked`], the class of an error, the next delay of a [`Backoff`].
//! - The token goes to the cloud's own host only, whatever an answer says. No token, no signed poll
//!   URL and no secret is ever printed.
//! - Everything is bounded: pages, items, depth, attempts, waiting.
//!
//! Where to look: verbs in `arm.rs`, asynchronous operations in `operation/`, the class of an
//! error code in `error_class.rs`, when to try again in `retry.rs`, request pacing in `throttle.rs`,
//! tokens in `auth/`. It may use `wire`, `clock` and `resources::id`, nothing else of this project.

mod address;
mod arm;
mod auth;
mod call;
mod cloud;
mod count;
mod error;
mod error_class;
pub mod operation;
mod payload;
mod problem;
mod reach;
mod retry;
mod retry_after;
mod throttle;
mod waits;

pub use crate::wire::Sent;
pub use arm::Arm;
pub use auth::{Credential, TokenError, Tokens};
pub use call::{Answer, Call, Method};
pub use cloud::{Cloud, CloudError};
pub use count::RequestCount;
pub use error::ArmError;
pub use error_class::ErrorClass;
pub(crate) use operation::next_wait;
pub use operation::{Operation, Polled, Style};
pub use problem::AzureProblem;
pub use reach::Outage;
pub use retry::Backoff;
pub use throttle::{Budget, OperationClass};
pub(crate) use waits::Waiting;
pub use waits::{Wait, WaitKind, Waits};
