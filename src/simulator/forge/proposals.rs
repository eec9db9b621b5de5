//! What people do with branches and pull requests.

use super::accounts::Permission;
use super::change::{Change, PullDeed};
use super::options::ForgeKind;
use super::pull_requests::{ChangedFile, Proposal, PullRequest, Stage, Standing};
use super::state::State;
use super::world::ForgeWorld;

impl ForgeWorld {
    /// Somebody pushed a branch; its open pull requests move with it.
    pub fn pushed(&self, branch: &str, sha: &str) {
        let mut state = self.state();
        let by = state.somebody();
        state.push_branch(branch, sha, &by);
    }

    /// Somebody deleted a branch. Does nothing when there is none.
    pub fn deleted_branch(&self, branch: &str) {
        let mut state = self.state();
        let by = state.somebody();
        state.delete_branch(branch, &by);
    }

    /// Somebody opens a pull request; its number.
    pub fn open(&self, what: PullRequest) -> u64 {
        self.state().open(what)
    }

    /// The author of a pull request pushes to it. From a fork no push is announced.
    pub fn push(&self, number: u64, sha: &str) {
        let branch = {
            let mut state = self.state();
            let Some(proposal) = state.proposals.get(&number) else { return };
            if proposal.what.fork.is_some() {
                let by = proposal.what.author.clone();
                let moved = PullRequest { head: sha.to_owned(), ..proposal.what.clone() };
                state.note_commit(&moved);
                state.move_head(number, sha, &by);
                return;
            }
            proposal.what.branch.clone()
        };
        self.pushed(&branch, sha);
    }

    /// Says what a pull request changes from now on.
    pub fn set_files(&self, number: u64, files: Vec<ChangedFile>) {
        if let Some(proposal) = self.state().proposals.get_mut(&number) {
            proposal.what.files = files;
        }
    }

    /// A closed pull request is opened again. (Bitbucket Cloud has no such thing.)
    pub fn reopen(&self, number: u64) {
        self.change(number, PullDeed::Reopened, |proposal| proposal.standing = Standing::Open);
    }

    /// A pull request is proposed to another branch.
    pub fn retarget(&self, number: u64, branch: &str) {
        let Some(from) = self.state().proposals.get(&number).map(|known| known.what.target.clone()) else {
            return;
        };
        let deed = PullDeed::Retargeted { from };
        self.change(number, deed, |proposal| branch.clone_into(&mut proposal.what.target));
    }

    /// A pull request is closed without a merge.
    pub fn close(&self, number: u64) {
        let at = self.state().now();
        self.change(number, PullDeed::Closed, |proposal| proposal.standing = Standing::Closed { at });
    }

    /// A pull request is merged: its target branch points to `commit` now.
    pub fn merge(&self, number: u64, commit: &str) {
        let mut state = self.state();
        let Some(by) = state.proposals.get(&number).map(|known| known.what.author.clone()) else { return };
        let pusher = state.somebody();
        state.end_merged(number, commit, &pusher, &by);
    }

    /// A draft is called finished.
    pub fn mark_ready(&self, number: u64) {
        self.change(number, PullDeed::MarkedReady, |proposal| proposal.what.stage = Stage::Ready);
    }

    /// A pull request becomes a draft again.
    pub fn mark_draft(&self, number: u64) {
        self.change(number, PullDeed::MarkedDraft, |proposal| proposal.what.stage = Stage::Draft);
    }

    /// A merge queue wants checks of `sha`, which merges a pull request into its target (GitHub). The
    /// branch that it made for this.
    pub fn queue_merge(&self, number: u64, sha: &str) -> Option<String> {
        let (branch, base) = {
            let state = self.state();
            let proposal = state.proposals.get(&number)?;
            let base = state.base_of(proposal);
            (format!("gh-readonly-queue/{}/pr-{number}-{base}", proposal.what.target), base)
        };
        self.pushed(&branch, sha);
        let head = sha.to_owned();
        self.state().announce(&Change::MergeGroup { branch: branch.clone(), head, base });
        Some(branch)
    }

    fn change(&self, number: u64, deed: PullDeed, how: impl FnOnce(&mut Proposal)) {
        let mut state = self.state();
        let Some(by) = state.proposals.get(&number).map(|known| known.what.author.clone()) else { return };
        state.change(number, deed, &by, how);
    }
}

impl State {
    /// `by` pushed a branch of the repository.
    pub(super) fn push_branch(&mut self, branch: &str, sha: &str, by: &str) {
        self.commits.insert(sha.to_owned());
        let before = self.branches.insert(branch.to_owned(), sha.to_owned());
        let after = Some(sha.to_owned());
        self.announce(&Change::Push { branch: branch.to_owned(), before, after, by: by.to_owned() });
        self.move_heads(None, branch, sha, by);
        let into: Vec<u64> = self
            .proposals
            .values()
            .filter(|open| open.what.target == branch)
            .map(|open| open.number)
            .collect();
        for number in into {
            self.list_files_anew(number);
        }
    }

    /// `by` deleted a branch of the repository. Does nothing when there is none.
    pub(super) fn delete_branch(&mut self, branch: &str, by: &str) {
        if let Some(before) = self.branches.remove(branch) {
            let (branch, by) = (branch.to_owned(), by.to_owned());
            self.announce(&Change::Push { branch, before: Some(before), after: None, by });
        }
    }

    /// `by` pushed a branch of a fork: the repository hears of it by its pull requests only.
    pub(super) fn push_fork(&mut self, fork: &str, branch: &str, sha: &str, by: &str) {
        self.move_heads(Some(fork), branch, sha, by);
    }

    /// The open pull requests of a branch move with it.
    fn move_heads(&mut self, fork: Option<&str>, branch: &str, sha: &str, by: &str) {
        let is_of = |open: &&Proposal| {
            open.standing.is_open() && open.what.fork.as_deref() == fork && open.what.branch == branch
        };
        let moved: Vec<u64> = self.proposals.values().filter(is_of).map(|open| open.number).collect();
        for number in moved {
            if let Some(proposal) = self.proposals.get(&number) {
                let there = PullRequest { head: sha.to_owned(), ..proposal.what.clone() };
                self.note_commit(&there);
            }
            self.move_head(number, sha, by);
        }
    }

    /// A pull request is opened by its author; its number.
    pub(super) fn open(&mut self, what: PullRequest) -> u64 {
        let (number, id, now) = (self.proposals.len() as u64 + 1, self.next_id(), self.now());
        if self.accounts.by_login(&what.author).is_none() {
            self.account(&what.author, Permission::None);
        }
        self.note_commit(&what);
        if what.fork.is_none() {
            self.branches.insert(what.branch.clone(), what.head.clone());
        }
        let by = what.author.clone();
        let iterations = vec![(what.head.clone(), now)];
        let standing = Standing::Open;
        let proposal = Proposal { id, number, what, standing, iterations, created: now, updated: now };
        self.proposals.insert(number, proposal);
        self.keep_head(number);
        self.announce(&Change::PullRequest { number, deed: PullDeed::Opened, by });
        number
    }

    /// `by` changes a pull request, which is announced.
    pub(super) fn change(&mut self, number: u64, deed: PullDeed, by: &str, how: impl FnOnce(&mut Proposal)) {
        let now = self.now();
        let Some(proposal) = self.proposals.get_mut(&number) else { return };
        how(proposal);
        proposal.updated = now;
        self.announce(&Change::PullRequest { number, deed, by: by.to_owned() });
    }

    /// A pull request ends as merged: `pusher` has moved its target branch to `commit`, for `by`.
    pub(super) fn end_merged(&mut self, number: u64, commit: &str, pusher: &str, by: &str) {
        let at = self.now();
        let Some(target) = self.proposals.get(&number).map(|known| known.what.target.clone()) else { return };
        self.push_branch(&target, commit, pusher);
        let standing = Standing::Merged { at, commit: commit.to_owned() };
        self.change(number, PullDeed::Merged, by, |proposal| proposal.standing = standing);
    }

    /// Who pushes when nobody is named: the first who may.
    fn somebody(&self) -> String {
        let writer = self.accounts.all().iter().find(|account| account.permission >= Permission::Write);
        writer.map_or_else(|| "octocat".to_owned(), |account| account.login.clone())
    }

    /// Bitbucket knows a fork's commits in the fork only.
    fn note_commit(&mut self, what: &PullRequest) {
        if what.fork.is_none() || self.options.kind != ForgeKind::Bitbucket {
            self.commits.insert(what.head.clone());
        }
    }

    fn move_head(&mut self, number: u64, sha: &str, by: &str) {
        let now = self.now();
        let Some(proposal) = self.proposals.get_mut(&number) else { return };
        let before = std::mem::replace(&mut proposal.what.head, sha.to_owned());
        proposal.iterations.push((sha.to_owned(), now));
        proposal.updated = now;
        self.keep_head(number);
        self.list_files_anew(number);
        self.announce(&Change::PullRequest { number, deed: PullDeed::Pushed { before }, by: by.to_owned() });
    }
}
