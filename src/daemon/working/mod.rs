//! What is done: the loop gives work to workers, which plan and carry out, one piece per environment at a time.

pub(super) mod account;
pub(super) mod announcement;
pub(super) mod by_hand;
pub(super) mod comments;
pub(super) mod consent;
pub(super) mod dispatcher;
pub(super) mod error;
pub(super) mod neighbours;
pub(super) mod outage;
pub(super) mod pass;
pub mod queue;
pub(super) mod side_by_side;
pub(super) mod subject;
pub(super) mod turn;
pub(super) mod worker;
