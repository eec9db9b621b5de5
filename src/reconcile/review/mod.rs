//! PURE: what a plan says to those who review it: data of one environment ([`Section`]), and the comment
//! that is made of several ([`comment`]).
//!
//! Guarantees: what is dangerous comes first; every section is bounded when it is made; a comment fits
//! the forge's limit with its totals kept; nothing that a definition contains is taken for Markdown or
//! mentions anybody.

mod markdown;
mod section;

pub use markdown::{Heading, Older, comment, escape, overview};
pub use section::{Asked, Brought, Change, Danger, Outcome, Place, Section};
