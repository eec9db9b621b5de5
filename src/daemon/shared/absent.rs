//! Commits that the forge does not have: their statuses wait, and are tried again when it shows that it has
//! them.
//!
//! That it lists a pull request with such a commit is no such sign for ever: it may have lost what it lists. So it is
//! one once, and again whenever something about that pull request changes; else the commit is asked for in its own time,
//! with growing waits.
//!
//! Bounds: [`MAX_COMMITS`] are remembered; one that was forgotten, also by a restart, is tried again in its
//! own time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::forge::{PullRequest, PullRequestNumber};
use crate::git::CommitId;

/// Most commits that are remembered.
const MAX_COMMITS: usize = 1000;

/// The last change of each pull request at which a commit was asked for.
type Listings = BTreeMap<PullRequestNumber, String>;

/// Commits that were missing when their status was to be written.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Absent(Mutex<BTreeMap<CommitId, Listings>>);

impl Absent {
    /// Whether that is news.
    pub(in crate::daemon) fn note(&self, commit: &CommitId) -> bool {
        let mut commits = self.commits();
        let is_news = commits.len() < MAX_COMMITS && !commits.contains_key(commit);
        if is_news {
            commits.insert(*commit, Listings::new());
        }
        is_news
    }

    /// Whether `commit` is missing as far as is known.
    pub(in crate::daemon) fn has(&self, commit: &CommitId) -> bool {
        self.commits().contains_key(commit)
    }

    /// Whether it is worth asking for the head of a pull request that the forge lists: it was missing, and this is
    /// seen for the first time.
    pub(in crate::daemon) fn is_listed_anew(&self, listed: &PullRequest) -> bool {
        let mut commits = self.commits();
        let Some(listings) = commits.get_mut(&listed.head) else { return false };
        let activity = listed.activity.clone();
        listings.insert(listed.number, activity).is_none_or(|before| before != listed.activity)
    }

    /// The forge has it.
    pub(in crate::daemon) fn forget(&self, commit: &CommitId) {
        self.commits().remove(commit);
    }

    fn commits(&self) -> MutexGuard<'_, BTreeMap<CommitId, Listings>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
