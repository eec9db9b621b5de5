//! Pull requests: what is proposed is planned, and what people ask for in comments is done.
//!
//! # What happens
//! At every look the forge is asked which pull requests are open (`listing`); each whose head, base or
//! base's head has moved is merged into its base, in the mirror, and what the merge result touches is
//! planned (`proposal`, `look`). When the last plan of a head has ended, its comment and its check run
//! say so (`saying`). Comments that begin with `/beamline` are read (`command`) and acted on after the
//! forge was asked what their author may do (`acting`).
//!
//! # Guarantees
//! - A proposal is only ever planned: nothing here starts an apply, but for `/beamline retry` on what
//!   was merged, which repeats what the main branch already says.
//! - One plan per head and base; a plan whose base has moved is made again when the move touches what it
//!   is about, and says so.
//! - A command that approves something (a plan of what anybody may have pushed, consent to destroy) holds for
//!   the head that its author had seen (`binding`), and for no later one.
//! - A forge that does not answer keeps no branch waiting.
//! - A comment that cannot be read or acted on keeps no other waiting.
//!
//! # Pull requests that have ended
//! A `/beamline retry` on one is heard when a webhook names it, however old it is. Without webhooks the
//! five that ended last within a day are listened to while an apply has failed.

mod acting;
mod binding;
mod command;
mod consenting;
mod look;
mod proposal;

pub(in crate::daemon) use consenting::{Stands, hear, stands};
pub(in crate::daemon) use look::look_at;
