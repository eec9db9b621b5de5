//! The definitions repository: a bare mirror on disk, read by commit, never checked out.
//!
//! Why: a commit is the only input of a plan, so whatever is decided must come from blobs at a commit
//! and from nothing that a person or another process can change meanwhile.
//!
//! Reading starts at [`Reader`], which [`Mirror`] (the daemon) and [`Local`] (the command line) both
//! give: one code path. [`Mirror`] also talks to the remote: it fetches branches and the heads of pull
//! requests, says what merging one would give ([`Merge`]), and writes
//! statuses into the remote's `refs/notes/beamline`, the only thing that is ever pushed.
//!
//! Guarantees: every function is synchronous and may block on disk or network (call it from
//! `spawn_blocking`); sizes, depths, counts and times are bounded; no error and no file on disk
//! contains a credential. libgit2 is touched here and nowhere else. May import `wire` and `clock` only.

mod address;
mod apart;
mod changes;
mod compact;
mod credentials;
mod download;
mod error;
mod failure;
mod fetch;
mod history;
mod id;
mod listing;
mod merge;
mod merges;
mod mirror;
mod namesakes;
mod notes;
mod password;
mod pulls;
mod reader;
mod snapshot;
mod stale;
mod transport;
mod workdir;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod network_tests;

pub use changes::Change;
pub use credentials::{Credentials, Remote};
pub use error::{GitError, Lasting};
pub use fetch::{Heads, Late, Lost, NO_PULLS};
pub use history::CommitInfo;
pub use id::{BlobId, BranchName, CommitId, CommitPrefix, InvalidName, RepoPath};
pub use listing::{EntryKind, TreeEntry};
pub use merge::Merge;
pub use mirror::{Mirror, Recursion};
pub use namesakes::{Namesake, is_alike, renaming};
pub use password::PasswordSource;
pub use pulls::PullRefs;
pub use reader::{Content, Reader};
pub use snapshot::{Found, Snapshot};
pub use transport::{Patience, register_transports};
pub use workdir::{Local, open_local};
