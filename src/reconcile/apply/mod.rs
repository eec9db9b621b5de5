//! The executor of a plan: substitutes, sends, waits, reads back and records. It decides nothing that
//! the plan could have decided.
//!
//! # What is guaranteed
//! - An event is durable before the effect that it announces, and as soon as the effect is known.
//! - Whatever is killed when: the same plan with its journal leads to the same world. A request is sent
//!   a second time only after a read that shows that the first had no (full) effect.
//! - A step is done only when a read has shown what was asked for, or that nothing is left.
//! - A step starts only when what it waits for is done; steps with one lock never run together; a
//!   failure skips its dependents and nothing else.
//! - Everything ends: steps by their time limits, retries by the patience of their error's class.
//!
//! # How it is built
//! Pure, and tested without Azure: `progress` (the states of one step), `schedule` (those of all),
//! `resume` (what comes next), `verdict` and `standing` (what a body says). They meet the world in
//! `driver`, `step_run` and what these call; everything that happens passes through `record`.

mod bodies;
mod driver;
mod granted;
mod halt;
mod journal;
mod look;
mod memory;
mod prepare;
mod progress;
mod read_back;
mod record;
mod resume;
mod schedule;
mod send;
mod standing;
mod step_run;
mod verdict;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use driver::{Apply, ApplyError, apply};
pub use journal::{
    Event, Fence, Journal, JournalError, LEASE_DURATION, PollStyle, Prior, RunEnd, RunId, RunKind, RunRecord,
};
pub use memory::{LastWrite, MemoryJournal};
pub use progress::IllegalTransition;
pub use record::report_of;
