//! What all parts of a running daemon share: what they work with, and what is known since the start.
//!
//! Guarantee: it knows of no part. Parts call it and one another; what they keep here is data.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, broadcast};

use super::absent::Absent;
use super::ailments::Ailments;
use super::allowance::Supply;
use super::beat::Beats;
use super::forks::Forks;
use super::happening::Happening;
use super::hopeless::Hopeless;
use super::log;
use super::pull_requests::Listed;
use super::recent::Recent;
use super::rivals::Rivals;
use super::standstill::Standstill;
use super::tally::Tally;
use super::trouble::Troubles;
use super::wellness::Supervisor;
use crate::attempt::Estate;
use crate::azure::Arm;
use crate::clock::Clock;
use crate::forge::{Forge, Status};
use crate::git::{BranchName, CommitId, Mirror, RepoPath};
use crate::reconcile::Declared;
use crate::reconcile::apply::RunKind;
use crate::store::Store;

/// What all parts of a running daemon share.
pub(super) struct Shared {
    pub(super) estate: Estate,
    pub(super) mirror: Arc<Mirror>,
    pub(super) branch: BranchName,
    pub(super) root: RepoPath,
    pub(super) store: Store,
    pub(super) forge: Forge,
    pub(super) forks: Forks,
    pub(super) public_url: Option<String>,
    /// What the forge said last about open pull requests.
    pub(super) listed: Listed,
    /// Whether everything was said since the start that is to be said about them.
    pub(super) pull_requests_told: AtomicBool,
    pub(super) clock: Clock,
    pub(super) parallel: usize,
    pub(super) holder: String,
    /// What the environments of the last few commits claim from one another.
    pub(super) rivals: Recent<(CommitId, RunKind), Rivals>,
    /// What open work waits for.
    pub(super) standstill: Standstill,
    /// What the environments of the last few commits declare.
    pub(super) declared: Recent<CommitId, Declared>,
    /// Whether Azure was asked since the start for environments that nobody knows of.
    pub(super) orphans_found: AtomicBool,
    /// The ways into the subscriptions that leave most of the read budget to others, by alias.
    pub(super) walking: BTreeMap<String, Arm>,
    /// Something was put into the outbox.
    pub(super) outbox: Notify,
    /// Most writes to the forge within an hour; `None`: any number.
    pub(super) write_limit: Option<u64>,
    /// How much may be written to the forge, as the last round of deliveries found it.
    pub(super) supply: Mutex<Supply>,
    /// Commits that the forge does not have.
    pub(super) absent: Absent,
    /// Heads that need not be looked into again.
    pub(super) hopeless: Hopeless,
    /// A credential was replaced since the last round of deliveries.
    pub(super) has_new_credential: AtomicBool,
    pub(super) troubles: Troubles,
    /// What moves, and what does not.
    pub(super) beats: Beats,
    /// What outside is not well.
    pub(super) ailments: Ailments,
    pub(super) supervisor: Option<Supervisor>,
    pub(super) watchers: broadcast::Sender<Happening>,
    pub(super) tally: Tally,
    pub(super) looked_once: AtomicBool,
}

impl Shared {
    pub(super) fn tell(&self, happening: Happening) {
        log::happening(&happening);
        // Nobody watching is fine.
        let _ = self.watchers.send(happening);
    }

    /// Says that something does not work; `false` when that was said lately.
    pub(super) fn tell_trouble(&self, text: String) -> bool {
        let is_news = self.troubles.is_news(&text, self.clock.monotonic());
        if is_news {
            self.tell(Happening::Trouble(text));
        }
        is_news
    }

    /// Whether `text` was not said lately: for what a stranger can cause as often as he likes.
    pub(super) fn is_news(&self, text: &str) -> bool {
        self.troubles.is_news(text, self.clock.monotonic())
    }

    /// What waits because the forge's budget runs low, as a sentence; `None` while there is enough.
    pub(super) fn shortage(&self) -> Option<String> {
        self.supply.lock().unwrap_or_else(PoisonError::into_inner).shortage()
    }

    pub(super) fn looked(&self) {
        self.looked_once.store(true, Ordering::Release);
    }

    /// Where a status leads.
    pub(super) fn target_of(&self, status: &Status) -> Option<String> {
        let root = self.public_url.as_ref()?.trim_end_matches('/');
        let page = format!("{root}/commits/{}", status.commit);
        Some(match status.context.environment() {
            None => page,
            Some(environment) => format!("{page}#{}-{environment}", status.context.check().as_str()),
        })
    }

    /// Whether the repository was looked at since the start.
    pub(super) fn was_looked_at(&self) -> bool {
        self.looked_once.load(Ordering::Acquire)
    }

    /// The loop beats: whoever supervises is told how the daemon is.
    pub(super) fn beat(&self) {
        if self.journal_trouble().is_some() {
            // What waits for the journal does not stand still.
            self.beats.excuse();
        }
        self.log_ailments();
        if let Some(supervisor) = &self.supervisor {
            supervisor(&self.wellness());
        }
    }

    /// The way into a subscription at a walking pace, which all who use it share.
    pub(super) fn walking(&self, alias: &str) -> Option<&Arm> {
        self.walking.get(alias)
    }

    /// The forge has named `commit`, so it has it: what waits for that is tried now.
    pub(super) async fn commit_arrived(&self, commit: &CommitId) {
        if !self.absent.arrived(commit) {
            return;
        }
        match self.store.try_commit_again(commit).await {
            Ok(()) => self.outbox.notify_one(),
            Err(error) => tracing::warn!(%error, "a status that waits for its commit waits longer"),
        }
    }
}
