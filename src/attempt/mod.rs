//! One attempt at one environment, whoever asks for it: the daemon, `beamline apply`, `beamline plan` or a pull
//! request.
//!
//! ```text
//! Lease → Memory → finish what was interrupted → Subject → plan → carry out → remembered
//! ```
//!
//! # Guarantees
//! - The same commit, the same Azure and the same [`Memory`] give the same plan, whoever asks: consents, former
//!   groups and what is left of a removed environment are worked out here and nowhere else.
//! - Before the first effect the environment is noted as touched, with its group: after a crash whatever was
//!   made is found again.
//! - Where an environment lived before stays known until an apply of it is complete.
//!
//! Who asks decides when, what is told to whom, and whether a plan is carried out at all.

mod ahead;
mod estate;
mod lease;
mod memory;
mod messages;
mod remember;
mod run;
pub mod source;
mod subject;

pub use ahead::ahead_of;
pub use estate::{Account, Estate};
pub use lease::{Lease, Taken};
pub use memory::{Memory, removed_environment};
pub use messages::{Messages, arrival, expired};
pub use remember::{About, Tried, forget_givers, kept_while_given, remembered, stored_claims};
pub use run::{Attempt, AttemptError};
pub use subject::Subject;
