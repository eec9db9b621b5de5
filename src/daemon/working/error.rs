//! Why a piece of work cannot go on now.

use super::outage::is_of_the_journal;
use crate::attempt::AttemptError;
use crate::git::GitError;
use crate::reconcile::ReconcileError;
use crate::store::StoreError;

/// Why a piece of work cannot go on now.
#[derive(Debug, thiserror::Error)]
pub(in crate::daemon) enum WorkError {
    /// The repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reconciliation could not be made or finished.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// A task was cancelled by the runtime.
    #[error("the work was cut short")]
    Cut(#[from] tokio::task::JoinError),
}

impl From<AttemptError> for WorkError {
    fn from(error: AttemptError) -> Self {
        match error {
            AttemptError::Store(error) => error.into(),
            AttemptError::Reconcile(error) => error.into(),
        }
    }
}

impl WorkError {
    /// Whether it is the journal's disk that failed.
    pub(in crate::daemon) fn is_of_the_journal(&self) -> bool {
        match self {
            Self::Store(error) => error.is_of_the_disk(),
            Self::Git(_) | Self::Reconcile(_) | Self::Cut(_) => is_of_the_journal(self),
        }
    }
}
