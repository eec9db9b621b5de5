//! Why a look came to nothing, or not to everything.

use crate::forge::ForgeError;
use crate::git::GitError;
use crate::store::StoreError;

/// Why a look came to nothing, or not to everything.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum LookError {
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A branch or a pull request did not come, though others did.
    #[error("{what} cannot be fetched: {why}")]
    Late {
        /// Which.
        what: String,
        /// Why.
        why: String,
    },
    /// The store cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The forge does not answer.
    #[error(transparent)]
    Forge(#[from] ForgeError),
    /// A task was cancelled by the runtime.
    #[error("the look was cut short")]
    Cut(#[from] tokio::task::JoinError),
    /// A bug.
    #[error("the look failed unexpectedly. This is a bug; the log has its place")]
    Panicked,
}
