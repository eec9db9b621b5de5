//! Heads that were refused for what they are: looking into them again says the same.
//!
//! Why: a refused head whose objects were lost is looked into again when they are there, and the journal does not know
//! one from the other. What is forgotten by a restart costs one look.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::git::{BranchName, CommitId};

/// Of every branch, the head that was looked into in vain by this process.
#[derive(Debug, Default)]
pub(super) struct Hopeless(Mutex<BTreeMap<BranchName, CommitId>>);

impl Hopeless {
    pub(super) fn note(&self, branch: &BranchName, commit: &CommitId) {
        self.heads().insert(branch.clone(), *commit);
    }

    pub(super) fn has(&self, branch: &BranchName, commit: &CommitId) -> bool {
        self.heads().get(branch) == Some(commit)
    }

    /// The branch was deleted.
    pub(super) fn forget(&self, branch: &BranchName) {
        self.heads().remove(branch);
    }

    fn heads(&self) -> MutexGuard<'_, BTreeMap<BranchName, CommitId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
