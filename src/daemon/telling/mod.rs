//! What people are told, and how it reaches them: every sentence of a status or comment, and their delivery.

pub(super) mod aggregate;
pub(super) mod asking;
pub(super) mod delivery;
pub(super) mod messenger;
pub(super) mod nameless;
pub(super) mod notes;
pub(super) mod pull_request;
pub(super) mod sentences;
pub(super) mod weather;
pub mod wording;
