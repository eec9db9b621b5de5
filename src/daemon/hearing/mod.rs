//! What may have happened outside: triggers send an event, a look finds what is new, and work is queued for it.
//!
//! Nothing is planned or applied here, and nothing is told to a forge but by what is stored for `telling`.

pub(super) mod error;
pub(super) mod head;
pub(super) mod look;
pub(super) mod orphans;
pub(super) mod pull_requests;
pub(super) mod reaching;
pub(super) mod renewal;
pub(super) mod sweep;
pub(super) mod touched;
pub(super) mod triggers;
pub mod unheeded;
pub(super) mod watched;
