//! PURE: from what is desired and what is observed to an immutable plan. No async, no clock, no I/O.
//!
//! # What a plan promises
//! - It leaves nothing to decide: steps, order, preconditions and request templates are fixed; values
//!   that only an earlier step can yield are typed placeholders.
//! - It is quiet: the plan of an applied environment has no steps, whatever casing, defaults or order
//!   Azure answers with.
//! - It is safe: what does not carry our mark is never written; nothing protected is deleted or
//!   replaced without consent; while it has a blocker, nothing of it is applied.
//! - Every step carries its reason, as data. No code branches on a reason.

mod action;
mod check;
mod consent;
mod dangling;
mod left_over;
mod moved;
mod order;
mod planner;
mod render;
mod requests;
mod step;
mod wording;

pub use action::{Action, Blocker, Lacking, Note, Reason, Remedy};
pub use check::{Defect, check};
pub use consent::{
    ConsentLine, ConsentSource, ConsentStanding, ConsentVerb, Consents, Globs, Going, Reach, Standing, Told,
    VALID_FOR, is_target, printable, probably, told, trailer,
};
pub use moved::moved;
pub(in crate::reconcile) use planner::is_deletion;
pub use planner::{Input, plan};
pub(in crate::reconcile) use render::render_step;
pub use render::{Style, render, summary_line};
pub use step::{FORMAT, Part, Plan, Precondition, ReadBack, RequestTemplate, Revision, Step, Summary, Verb};
