//! Commit statuses, in whatever words the forge has for their states.

use jiff::Timestamp;

use super::history::{Seen, Shown};
use super::state::State;

/// A status as it stands.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) id: u64,
    pub(super) commit: String,
    pub(super) context: String,
    /// Bitbucket: what tells statuses of a commit apart. Elsewhere the context.
    pub(super) key: String,
    /// The forge's own word for how it stands.
    pub(super) state: String,
    pub(super) description: Option<String>,
    pub(super) target: Option<String>,
    /// Azure DevOps: the pull request and its iteration, when it is not the commit's.
    pub(super) proposal: Option<(u64, Option<u64>)>,
    pub(super) creator: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
}

/// A status that somebody posts.
#[derive(Clone, Debug)]
pub(super) struct NewStatus {
    pub(super) commit: String,
    pub(super) context: String,
    /// Bitbucket: the key, where it is not the context.
    pub(super) key: Option<String>,
    pub(super) state: String,
    pub(super) shown: Shown,
    pub(super) description: Option<String>,
    pub(super) target: Option<String>,
    pub(super) proposal: Option<(u64, Option<u64>)>,
    pub(super) creator: String,
}

/// Where a status goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Beside the older ones.
    New,
    /// Instead of this one.
    Instead(u64),
}

impl State {
    /// Accepts a status and remembers that it was seen.
    pub(super) fn accept(&mut self, new: NewStatus, place: Place) -> Status {
        let now = self.now();
        self.history.push(
            now,
            Seen::Status {
                commit: new.commit.clone(),
                context: new.context.clone(),
                state: new.state.clone(),
                shown: new.shown,
                description: new.description.clone().unwrap_or_default(),
                target: new.target.clone(),
                pull_request: new.proposal.map(|(number, _)| number),
            },
        );
        let (id, created) = match place {
            Place::New => (self.next_id(), now),
            Place::Instead(id) => {
                let created = self.statuses.iter().find(|status| status.id == id).map(|old| old.created);
                self.statuses.retain(|status| status.id != id);
                (id, created.unwrap_or(now))
            }
        };
        let status = Status {
            id,
            commit: new.commit,
            key: new.key.unwrap_or_else(|| new.context.clone()),
            context: new.context,
            state: new.state,
            description: new.description,
            target: new.target,
            proposal: new.proposal,
            creator: new.creator,
            created,
            updated: now,
        };
        self.statuses.push(status.clone());
        status
    }

    /// The statuses of a commit itself, newest first.
    pub(super) fn statuses_of(&self, commit: &str) -> Vec<&Status> {
        let of_commit =
            self.statuses.iter().rev().filter(|status| status.commit == commit && status.proposal.is_none());
        of_commit.collect()
    }

    /// The newest status of each context of a commit, newest first.
    pub(super) fn latest_statuses(&self, commit: &str) -> Vec<&Status> {
        let mut latest: Vec<&Status> = Vec::new();
        for status in self.statuses_of(commit) {
            if latest.iter().all(|known| known.context != status.context) {
                latest.push(status);
            }
        }
        latest
    }
}

/// Whether a target can be followed by a browser.
pub(super) fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
