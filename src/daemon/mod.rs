//! Everything that exists only while the service runs: *when* something happens.
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

pub mod event;
pub mod happening;
pub mod queue;
pub mod wording;

mod absent;
mod account;
mod aggregate;
mod ailments;
mod allowance;
mod asking;
mod beat;
mod comments;
mod consent;
mod delivery;
mod dispatcher;
mod error;
mod forks;
mod head;
mod health;
mod hopeless;
mod http;
mod log;
mod look;
mod look_error;
mod messenger;
mod nameless;
mod neighbours;
mod notes;
mod orphans;
mod outage;
mod pass;
mod pull_requests;
mod reaching;
mod recent;
mod renewal;
mod rivals;
mod sentences;
mod service;
mod shared;
mod side_by_side;
mod standstill;
mod subject;
mod sweep;
mod tally;
mod telling;
mod touched;
mod triggers;
mod trouble;
mod turn;
pub mod unheeded;
mod watched;
mod weather;
mod wellness;
mod work_error;
mod worker;

#[cfg(test)]
mod fixture;

pub use beat::Rhythm;
pub use error::DaemonError;
pub use forks::Forks;
pub use happening::Happening;
pub use http::HttpOptions;
pub use service::{ForgeChoice, Parts, run, watchers};
pub use tally::{Counted, Tally};
pub use wellness::{Part, Reason, Supervisor, Wellness};
