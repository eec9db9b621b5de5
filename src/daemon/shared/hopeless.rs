//! Heads that were refused for what they are: looking into them again says the same.
//!
//! Why: a refused head whose objects were lost is looked into again when they are there, and the journal does not know
//! one from the other. What is forgotten by a restart costs one look.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::git::CommitId;
use crate::store::Line;

/// Of every branch and pull request, the head that was looked into in vain by this process.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Hopeless(Mutex<BTreeMap<Line, CommitId>>);

impl Hopeless {
    pub(in crate::daemon) fn note(&self, line: &Line, commit: &CommitId) {
        self.heads().insert(line.clone(), *commit);
    }

    pub(in crate::daemon) fn has(&self, line: &Line, commit: &CommitId) -> bool {
        self.heads().get(line) == Some(commit)
    }

    /// The branch was deleted, or the pull request ended.
    pub(in crate::daemon) fn forget(&self, line: &Line) {
        self.heads().remove(line);
    }

    fn heads(&self) -> MutexGuard<'_, BTreeMap<Line, CommitId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
