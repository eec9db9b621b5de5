//! What Azure says the environment is now: read with one request per list, then sorted out.
//!
//! Reading is separate from deciding: [`observe`] sends the requests, [`sort_out`] is pure. Nothing is
//! remembered between runs, so a deletion is found with an empty journal too: whatever carries our
//! mark and is not declared is an orphan.

mod claimed;
mod elsewhere;
mod gather;
mod sort;

pub use gather::{ObserveError, observe};
pub use sort::{Foreign, Found, Given, Lists, Observed, Orphan, SoftDeleted, Taken, sort_out};
pub(in crate::reconcile) use sort::{address_from_name, tell_former_from_orphans};
