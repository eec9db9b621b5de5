//! Long-running operations: ARM's asynchronous contract as two pure decisions.
//!
//! [`started`] reads the answer to a write: is it done, or where to look next? [`looked`] reads the
//! answer to one look. Neither sends anything; an [`Operation`] is all that has to survive a restart.
//!
//! The contract (ARM RPC async-api-reference; Microsoft Learn, "Track asynchronous operations"; what
//! Terraform's pollers found in practice): `Azure-AsyncOperation` is preferred to `Location`, that to
//! the resource's own `provisioningState`; the newest URL wins; an operation that cannot be found yet
//! is one that goes on; Retry-After is obeyed between 0 and 600 s; when it
//! is absent, the first look comes after 1 s and further ones at growing intervals up to 10 s.
//!
//! A poll URL is signed, hence a secret, and comes from an answer, hence untrusted: it must lead to
//! the cloud's own host.

mod look;
mod outcome;
mod start;
mod state;

pub use look::looked;
pub use outcome::{Operation, Polled, Style};
pub(crate) use start::next_wait;
pub use start::started;
