//! Commits that the forge does not have: their statuses wait, and are tried again when it shows that it has
//! them.
//!
//! Bounds: [`MAX_COMMITS`] are remembered; one that was forgotten, also by a restart, is tried again in its
//! own time.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::git::CommitId;

/// Most commits that are remembered.
const MAX_COMMITS: usize = 1000;

/// Commits that were missing when their status was to be written.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Absent(Mutex<BTreeSet<CommitId>>);

impl Absent {
    /// Whether that is news.
    pub(in crate::daemon) fn note(&self, commit: &CommitId) -> bool {
        let mut commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        commits.len() < MAX_COMMITS && commits.insert(*commit)
    }

    /// Whether `commit` was missing; it is not any more.
    pub(in crate::daemon) fn arrived(&self, commit: &CommitId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(commit)
    }
}
