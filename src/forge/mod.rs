//! Where people look: commit statuses out, webhooks in. One file (or folder) per forge.
//!
//! A status leaves through [`Forge::post`]; what was refused comes back as a [`ForgeError`] whose class
//! says whether trying again can help, and [`after_failure`] says when. A webhook comes in through
//! [`verify`] (over the raw body, in constant time) and the forge's own decoding; it only wakes: what
//! is true is read from Git.
//!
//! Guarantees: a description never exceeds what a forge takes; a token is never printed; what arrives
//! from outside is bounded and never panics. What a forge lacks is left out by its file, not by ifs
//! elsewhere. May import `wire`, `clock`, and the ids of `git` and `resources`; nothing else, so a
//! forge that writes into the repository itself is given a function that does it ([`NotesWriter`]).

pub mod github;

mod delivery;
mod outlet;
mod status;
mod webhook;

pub use delivery::after_failure;
pub use github::GitHub;
pub use outlet::{Class, Forge, ForgeError, Note, NotesWriter};
pub use status::{Check, Context, ContextError, Description, State, Status};
pub use webhook::{
    DeliveryId, DeliveryIdError, Incoming, MAX_BODY_BYTES, PushEvent, Repository, RepositoryError,
    SignatureError, verify,
};
