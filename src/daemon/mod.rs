//! Everything that exists only while the service runs: *when* something happens.
//!
//! # Four rooms
//! `shared` is what all parts share and knows none of them; `hearing` finds out what is new and queues work;
//! `working` does it; `telling` has every sentence that people read and brings it to them. [`run`] starts them;
//! `http` is what is served.
//!
//! # What happens on a push
//! A trigger (file notification, webhook, poll, sweep, start) sends one [`event::Event`]; all of them
//! mean only "look again". `look` fetches, compares heads with what the store has seen, finds the
//! touched environments and stores work and pending statuses in one transaction. The `dispatcher`
//! gives work to workers through the pure [`queue`]; a `worker` takes the environment's lease and stores
//! how the `pass` over it ended, with its final statuses, in one transaction; a `pass` reads its
//! `subject` and runs `reconcile`; `delivery` brings statuses from the outbox to the forge until it
//! accepts them.
//!
//! # Guarantees
//! - Work and statuses are durable before anything acts on them: after a kill at any instant the next
//!   start finishes the same work, and no status stays pending.
//! - One run per environment at a time; a newer commit supersedes a queued older one, which says so.
//! - Applying happens for commits of the main branch only.

pub mod api;
mod hearing;
mod http;
mod service;
mod shared;
mod telling;
mod working;

#[cfg(test)]
mod fixture;

pub use hearing::unheeded;
pub use http::HttpOptions;
pub use service::{ForgeChoice, Parts, run, watchers};
pub use shared::beat::Rhythm;
pub use shared::error::DaemonError;
pub use shared::event;
pub use shared::forks::Forks;
pub use shared::happening::{self, Happening};
pub use shared::tally::{Counted, Tally};
pub use shared::wellness::{Part, Reason, Supervisor, Wellness};
pub use telling::wording;
pub use working::queue;
