//! What all parts of a running daemon share: what they work with, and what is known since the start.
//!
//! Guarantee: it knows of no part. Parts call it and one another; what they keep here is data.

pub(super) mod absent;
pub(super) mod agreed;
pub(super) mod ailments;
pub(super) mod allowance;
pub(super) mod beat;
pub(super) mod error;
pub mod event;
pub(super) mod forks;
pub mod happening;
pub(super) mod health;
pub(super) mod hopeless;
pub(super) mod listing;
pub(super) mod log;
pub(super) mod onsets;
pub(super) mod recent;
pub(super) mod refusals;
pub(super) mod rivals;
pub(super) mod standstill;
pub(super) mod tally;
pub(super) mod trouble;
pub(super) mod wellness;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, broadcast};

use self::absent::Absent;
use self::agreed::Agreed;
use self::ailments::Ailments;
use self::allowance::Supply;
use self::beat::Beats;
use self::forks::Forks;
use self::happening::Happening;
use self::hopeless::Hopeless;
use self::listing::Listed;
use self::onsets::Onsets;
use self::recent::Recent;
use self::refusals::Refusals;
use self::rivals::Rivals;
use self::standstill::Standstill;
use self::tally::Tally;
use self::trouble::Troubles;
use self::wellness::Supervisor;
use crate::attempt::Estate;
use crate::azure::Arm;
use crate::clock::Clock;
use crate::forge::{Forge, PullRequest, Status};
use crate::git::{BranchName, CommitId, Mirror, RepoPath};
use crate::reconcile::Declared;
use crate::reconcile::apply::RunKind;
use crate::store::Store;

/// What all parts of a running daemon share.
pub(in crate::daemon) struct Shared {
    pub(in crate::daemon) estate: Estate,
    pub(in crate::daemon) mirror: Arc<Mirror>,
    pub(in crate::daemon) branch: BranchName,
    pub(in crate::daemon) root: RepoPath,
    pub(in crate::daemon) store: Store,
    pub(in crate::daemon) forge: Forge,
    pub(in crate::daemon) forks: Forks,
    pub(in crate::daemon) public_url: Option<String>,
    /// What the forge said last about open pull requests.
    pub(in crate::daemon) listed: Listed,
    /// Whether everything was said since the start that is to be said about them.
    pub(in crate::daemon) pull_requests_told: AtomicBool,
    pub(in crate::daemon) clock: Clock,
    pub(in crate::daemon) parallel: usize,
    pub(in crate::daemon) holder: String,
    /// What the environments of the last few commits claim from one another.
    pub(in crate::daemon) rivals: Recent<(CommitId, RunKind), Rivals>,
    /// Since when this process has had its work.
    pub(in crate::daemon) onsets: Onsets,
    /// What open work waits for.
    pub(in crate::daemon) standstill: Standstill,
    /// What the environments of the last few commits declare.
    pub(in crate::daemon) declared: Recent<CommitId, Declared>,
    /// Whether Azure was asked since the start for environments that nobody knows of.
    pub(in crate::daemon) orphans_found: AtomicBool,
    /// The ways into the subscriptions that leave most of the read budget to others, by alias.
    pub(in crate::daemon) walking: BTreeMap<String, Arm>,
    /// Something was put into the outbox.
    pub(in crate::daemon) outbox: Notify,
    /// Most writes to the forge within an hour; `None`: any number.
    pub(in crate::daemon) write_limit: Option<u64>,
    /// How much may be written to the forge, as the last round of deliveries found it.
    pub(in crate::daemon) supply: Mutex<Supply>,
    /// Commits that the forge does not have.
    pub(in crate::daemon) absent: Absent,
    /// The plans that work asked for by hand is bound to.
    pub(in crate::daemon) agreed: Agreed,
    /// Heads that need not be looked into again.
    pub(in crate::daemon) hopeless: Hopeless,
    /// A credential was replaced since the last round of deliveries.
    pub(in crate::daemon) has_new_credential: AtomicBool,
    pub(in crate::daemon) troubles: Troubles,
    /// The refused comments that were logged lately.
    pub(in crate::daemon) refusals: Refusals,
    /// What moves, and what does not.
    pub(in crate::daemon) beats: Beats,
    /// What outside is not well.
    pub(in crate::daemon) ailments: Ailments,
    pub(in crate::daemon) supervisor: Option<Supervisor>,
    pub(in crate::daemon) watchers: broadcast::Sender<Happening>,
    pub(in crate::daemon) tally: Tally,
    pub(in crate::daemon) looked_once: AtomicBool,
}

impl Shared {
    pub(in crate::daemon) fn tell(&self, happening: Happening) {
        log::happening(&happening);
        // Nobody watching is fine.
        let _ = self.watchers.send(happening);
    }

    /// Says that something does not work; `false` when that was said lately.
    pub(in crate::daemon) fn tell_trouble(&self, text: String) -> bool {
        let is_news = self.troubles.is_news(&text, self.clock.monotonic());
        if is_news {
            self.tell(Happening::Trouble(text));
        }
        is_news
    }

    /// Whether `text` was not said lately: for what a stranger can cause as often as he likes.
    pub(in crate::daemon) fn is_news(&self, text: &str) -> bool {
        self.troubles.is_news(text, self.clock.monotonic())
    }

    /// What waits because the forge's budget runs low, as a sentence; `None` while there is enough.
    pub(in crate::daemon) fn shortage(&self) -> Option<String> {
        self.supply.lock().unwrap_or_else(PoisonError::into_inner).shortage()
    }

    pub(in crate::daemon) fn looked(&self) {
        self.looked_once.store(true, Ordering::Release);
    }

    /// Where a status leads.
    pub(in crate::daemon) fn target_of(&self, status: &Status) -> Option<String> {
        let root = self.public_url.as_ref()?.trim_end_matches('/');
        let page = format!("{root}/commits/{}", status.commit);
        Some(match status.context.environment() {
            None => page,
            Some(environment) => format!("{page}#{}-{environment}", status.context.check().as_str()),
        })
    }

    /// Whether the repository was looked at since the start.
    pub(in crate::daemon) fn was_looked_at(&self) -> bool {
        self.looked_once.load(Ordering::Acquire)
    }

    /// The loop beats: whoever supervises is told how the daemon is.
    pub(in crate::daemon) fn beat(&self) {
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
    pub(in crate::daemon) fn walking(&self, alias: &str) -> Option<&Arm> {
        self.walking.get(alias)
    }

    /// The forge says that `commit` was pushed, so it has it: what waits for that is tried now.
    pub(in crate::daemon) async fn commit_arrived(&self, commit: &CommitId) {
        if self.absent.has(commit) {
            self.try_commit_again(commit).await;
        }
    }

    /// The forge lists a pull request, so it should have its head: what waits for that is tried, once.
    pub(in crate::daemon) async fn listed(&self, pull_request: &PullRequest) {
        if self.absent.is_listed_anew(pull_request) {
            self.try_commit_again(&pull_request.head).await;
        }
    }

    async fn try_commit_again(&self, commit: &CommitId) {
        match self.store.try_commit_again(commit).await {
            Ok(()) => self.outbox.notify_one(),
            Err(error) => tracing::warn!(%error, "a status that waits for its commit waits longer"),
        }
    }
}
