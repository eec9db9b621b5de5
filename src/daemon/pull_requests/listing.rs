//! Which pull requests are open, asked with conditional requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::errand::errand;
use crate::forge::{Forge, ForgeError, PullRequest, PullRequestNumber, PullRequests, Validator};
use crate::git::{BranchName, CommitId};

/// What the forge said last, kept for as long as it says that nothing has changed.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Listed(Arc<tokio::sync::Mutex<Known>>);

type Known = Option<(Validator, Arc<Listing>)>;

/// The open pull requests.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Listing {
    /// By number.
    pub(super) open: BTreeMap<PullRequestNumber, PullRequest>,
    /// Whether these are all.
    pub(super) is_whole: bool,
}

impl Listed {
    /// Asks the forge, one errand at a time; where it has no pull requests, nothing is asked and none are open.
    pub(in crate::daemon) async fn ask(&self, forge: &Forge) -> Result<Arc<Listing>, ForgeError> {
        if !forge.has_pull_requests() {
            return Ok(Arc::default());
        }
        let (known, forge) = (Arc::clone(&self.0), forge.clone());
        errand(async move { list(&mut *known.lock().await, &forge).await }).await
    }
}

async fn list(known: &mut Known, forge: &Forge) -> Result<Arc<Listing>, ForgeError> {
    let answer = forge.open_pull_requests(known.as_ref().map(|(validator, _)| validator)).await?;
    match (answer, known.as_ref()) {
        (PullRequests::Unchanged, Some((_, listing))) => Ok(listing.clone()),
        (PullRequests::Unchanged, None) => Ok(Arc::default()),
        (PullRequests::Open { pull_requests, truncated, validator }, _) => {
            if truncated {
                tracing::warn!(read = pull_requests.len(), "more pull requests are open than are looked at");
            }
            let open = pull_requests.into_iter().map(|one| (one.number, one)).collect();
            let listing = Arc::new(Listing { open, is_whole: !truncated });
            *known = validator.map(|validator| (validator, listing.clone()));
            Ok(listing)
        }
    }
}

impl Listing {
    /// The numbers.
    pub(in crate::daemon) fn numbers(&self) -> BTreeSet<u64> {
        self.open.keys().map(|number| number.get()).collect()
    }

    /// The proposed commits.
    pub(in crate::daemon) fn heads(&self) -> impl Iterator<Item = &CommitId> {
        self.open.values().map(|one| &one.head)
    }

    /// Whether a branch with this head is proposed, so that it is planned as a pull request.
    pub(in crate::daemon) fn proposes(&self, commit: &CommitId) -> bool {
        self.open.values().any(|one| one.head == *commit)
    }

    /// The pull requests that speak for their commits: a status stands on a commit, so of several that
    /// propose the same one only one can be planned: one for the main branch, else the oldest.
    pub(super) fn speaking(&self, main: &BranchName) -> Vec<&PullRequest> {
        let mut speakers: BTreeMap<CommitId, &PullRequest> = BTreeMap::new();
        for one in self.open.values() {
            let speaker = speakers.entry(one.head).or_insert(one);
            if speaker.base != *main && one.base == *main {
                *speaker = one;
            }
        }
        let mut all: Vec<&PullRequest> = speakers.into_values().collect();
        all.sort_by_key(|one| one.number);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::{Origin, Stage};

    fn pull_request(number: u64, digit: char, base: &str) -> PullRequest {
        PullRequest {
            number: PullRequestNumber::new(number).unwrap(),
            head: digit.to_string().repeat(40).parse().unwrap(),
            head_branch: None,
            origin: Origin::SameRepository,
            base: base.parse().unwrap(),
            stage: Stage::Ready,
            activity: String::new(),
        }
    }

    #[test]
    fn one_pull_request_speaks_for_a_commit() {
        let all =
            [(1, 'a', "release"), (2, 'a', "main"), (3, 'a', "main"), (4, 'b', "release"), (5, 'b', "other")];
        let open = all.map(|(number, digit, base)| pull_request(number, digit, base));
        let listing =
            Listing { open: open.into_iter().map(|one| (one.number, one)).collect(), is_whole: true };
        let speaking = listing.speaking(&"main".parse().unwrap());
        assert_eq!(speaking.iter().map(|one| one.number.get()).collect::<Vec<_>>(), [2, 4]);
    }
}
