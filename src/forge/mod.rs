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

pub mod azure_devops;
pub mod bitbucket;
pub mod gitea;
pub mod github;
pub mod gitlab;

mod api;
mod check_run;
mod comment;
mod delivery;
#[cfg(test)]
mod exchange_fixture;
#[cfg(test)]
mod fixture;
mod outcomes;
mod outlet;
mod payload;
mod pull_request;
mod signature;
mod status;
mod webhook;

/// What a forge is shown, and what it shows: secrets that may be replaced while we run.
pub use crate::wire::Renewable;
pub use api::{OptionsError, Quota};
pub use azure_devops::AzureDevOps;
pub use bitbucket::Bitbucket;
pub use check_run::{Annotation, CheckRun, Level, MAX_ANNOTATIONS};
pub use comment::{
    Author, Comment, CommentId, CommentIdError, Comments, MAX_READ_BYTES, Marker, Permission, Posted,
};
pub use delivery::{LONGEST_DUE, after_failure};
pub use gitea::Gitea;
pub use github::GitHub;
pub use gitlab::GitLab;
pub use outlet::{Acknowledged, Class, Forge, ForgeError, Note, NotesWriter};
pub use payload::{Payload, PayloadDigest};
pub use pull_request::{
    ChangedFiles, Ending, Fate, MAX_PULL_REQUESTS, Merged, Origin, PullRequest, PullRequestNumber,
    PullRequestNumberError, PullRequests, Stage, Validator,
};
pub use signature::{Checker, Proof, SignatureError, verify};
pub use status::{Check, Context, ContextError, Description, MAX_DESCRIPTION_CHARS, State, Status};
pub use webhook::{
    DecodeError, DeliveryId, DeliveryIdError, Expected, Incoming, MAX_BODY_BYTES, PushEvent, Received,
    Refusal, Repository, RepositoryError, Source, expect, receive,
};
