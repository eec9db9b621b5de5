//! One reconciliation of one environment at one commit: observe → plan → check → apply → report.
//!
//! One door: the command line, the daemon and the tests call the same functions here; a dry run has
//! no writer at all rather than a flag. All choices are made by [`plan`], a synchronous function from
//! values to a value; [`apply`] only substitutes, sends, waits, reads back and records.

pub mod apply;
pub mod deeds;
pub mod observe;
pub mod plan;
pub mod report;
pub mod review;

mod claimed;
mod copied;
mod handover;
mod preflight;
mod reconciliation;
mod released;
mod remembered;

pub use handover::{Broken, Declared, Neighbours, NeighboursError};
pub use reconciliation::{
    Means, PARALLELISM, Planned, ReconcileError, Wanted, carry_out, digest_of, make_plan, resume, run_record,
};
pub use remembered::Remembered;
