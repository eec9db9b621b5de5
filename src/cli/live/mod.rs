//! What happens, shown while it happens.
//!
//! `Board` is pure: progress and the time in, lines and a status block out. [`Live`] puts them on a
//! terminal, where the block is redrawn in place, or, without one, line by line as events. Showing can
//! never fail a run: when nobody reads any more, it goes on in silence.

mod board;
mod screen;
mod wording;

pub(super) use screen::{Live, Stream, tick};
pub(super) use wording::span;
