//! The model itself: what a world remembers.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::accounts::{Accounts, hex};
use super::app::App;
use super::check_runs::CheckRun;
use super::comments::{Comment, Reaction};
use super::face::Face;
use super::history::History;
use super::limits::Limits;
use super::merging::MergeStyle;
use super::objects::Objects;
use super::options::{ForgeKind, ForgeOptions};
use super::pull_requests::Proposal;
use super::reviews::Review;
use super::statuses::Status;
use super::webhooks::UnderWay;
use super::{azure_devops, bitbucket, gitea, github, gitlab};

/// How a forge is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It answers every request with this status, 500 to 599, and a page of HTML.
    Status(u16),
    /// It breaks every connection. In process, where there is none to break, it answers 502.
    NoConnection,
}

/// A merge that waits for its checks.
pub(super) struct Scheduled {
    pub(super) style: MergeStyle,
    pub(super) by: String,
}

/// Whether the repository is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Existence {
    There,
    /// To be read only, as far as the forge means that.
    Archived,
    Deleted,
}

pub(super) struct State {
    pub(super) options: ForgeOptions,
    pub(super) base_url: String,
    random: Rng,
    pub(super) disorder_random: Rng,
    last_id: u64,
    pub(super) outage: Option<Outage>,
    pub(super) existence: Existence,
    pub(super) accounts: Accounts,
    pub(super) app: Option<App>,
    pub(super) commits: BTreeSet<String>,
    pub(super) branches: BTreeMap<String, String>,
    /// Where the branches of forks stand, by the fork's name and the branch.
    pub(super) fork_heads: BTreeMap<(String, String), String>,
    /// Real Git objects, where the forge is served.
    pub(super) objects: Option<Objects>,
    /// Merges that wait for their checks, by the number of the pull request.
    pub(super) scheduled: BTreeMap<u64, Scheduled>,
    /// References that are shown later: when, their names and their commits.
    pub(super) late_heads: Vec<(Timestamp, String, String)>,
    pub(super) proposals: BTreeMap<u64, Proposal>,
    pub(super) comments: Vec<Comment>,
    pub(super) reactions: Vec<Reaction>,
    pub(super) reviews: Vec<Review>,
    pub(super) statuses: Vec<Status>,
    pub(super) check_runs: Vec<CheckRun>,
    pub(super) history: History,
    pub(super) under_way: Vec<UnderWay>,
    pub(super) announced: u64,
    pub(super) limits: Limits,
    pub(super) counts: BTreeMap<String, u64>,
}

impl State {
    pub(super) fn new(options: ForgeOptions) -> Self {
        Self {
            base_url: "https://forge.simulator.invalid".to_owned(),
            random: Rng::with_seed(options.seed),
            disorder_random: Rng::with_seed(options.seed ^ 0x00d1_50de),
            last_id: 5000,
            outage: None,
            existence: Existence::There,
            accounts: Accounts::default(),
            app: None,
            commits: BTreeSet::new(),
            branches: BTreeMap::new(),
            fork_heads: BTreeMap::new(),
            objects: None,
            scheduled: BTreeMap::new(),
            late_heads: Vec::new(),
            proposals: BTreeMap::new(),
            comments: Vec::new(),
            reactions: Vec::new(),
            reviews: Vec::new(),
            statuses: Vec::new(),
            check_runs: Vec::new(),
            history: History::default(),
            under_way: Vec::new(),
            announced: 0,
            limits: Limits::default(),
            counts: BTreeMap::new(),
            options,
        }
    }

    pub(super) fn face(&self) -> &'static Face {
        match self.options.kind {
            ForgeKind::GitHub => &github::FACE,
            ForgeKind::GitLab => &gitlab::FACE,
            ForgeKind::Gitea | ForgeKind::Forgejo => &gitea::FACE,
            ForgeKind::AzureDevOps => &azure_devops::FACE,
            ForgeKind::Bitbucket => &bitbucket::FACE,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The account's token; an account that is not known is added.
    pub(super) fn account(&mut self, login: &str, permission: super::Permission) -> String {
        self.accounts.add(login, permission, &mut self.random)
    }

    pub(super) fn renew(&mut self, login: &str) -> Option<String> {
        self.accounts.renew(login, &mut self.random)
    }

    pub(super) fn random_hex(&mut self, bytes: usize) -> String {
        hex(&mut self.random, bytes)
    }

    /// A number from 0 to `most`.
    pub(super) fn random_below(&mut self, most: i64) -> i64 {
        self.random.i64(0..=most)
    }

    pub(super) fn random_uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The id of a thing that has a name: always the same one.
    pub(super) fn named_uuid(&self, name: &str) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{} {name}", self.options.seed).as_bytes())
    }

    /// The login of an App's installation that a token is of.
    pub(super) fn app_login(&self, token: &str) -> Option<String> {
        let app = self.app.as_ref().filter(|app| app.knows(token, self.now()))?;
        Some(app.login())
    }

    /// The number of an account, 0 for one that is not known.
    pub(super) fn account_id(&self, login: &str) -> u64 {
        self.accounts.by_login(login).map_or(0, |account| account.id)
    }

    pub(super) fn proposal(&self, number: Option<u64>) -> Option<&Proposal> {
        number.and_then(|number| self.proposals.get(&number))
    }

    /// The commit of a full id, or of a branch.
    pub(super) fn commit(&self, reference: &str) -> Option<String> {
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        let branch = branch.strip_prefix("heads/").unwrap_or(branch);
        self.branches.get(branch).cloned().or_else(|| self.commits.get(reference).cloned())
    }

    /// Where the target branch of a pull request stands; a made-up commit where nobody pushed it.
    pub(super) fn base_of(&self, proposal: &Proposal) -> String {
        self.branches.get(&proposal.what.target).cloned().unwrap_or_else(|| "0".repeat(40))
    }
}

/// A moment with whole seconds in UTC, as most forges write it.
pub(super) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
