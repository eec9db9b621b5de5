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
        state.commits.insert(sha.to_owned());
        let before = state.branches.insert(branch.to_owned(), sha.to_owned());
        let by = state.somebody();
        let after = Some(sha.to_owned());
        state.announce(&Change::Push { branch: branch.to_owned(), before, after, by });
        let moved: Vec<u64> = state
            .proposals
            .values()
            .filter(|open| open.standing.is_open() && open.what.fork.is_none() && open.what.branch == branch)
            .map(|open| open.number)
            .collect();
        for number in moved {
            state.move_head(number, sha);
        }
    }

    /// Somebody deleted a branch. Does nothing when there is none.
    pub fn deleted_branch(&self, branch: &str) {
        let mut state = self.state();
        if let Some(before) = state.branches.remove(branch) {
            let by = state.somebody();
            let change = Change::Push { branch: branch.to_owned(), before: Some(before), after: None, by };
            state.announce(&change);
        }
    }

    /// Somebody opens a pull request; its number.
    pub fn open(&self, what: PullRequest) -> u64 {
        let mut state = self.state();
        let (number, id, now) = (state.proposals.len() as u64 + 1, state.next_id(), state.now());
        if state.accounts.by_login(&what.author).is_none() {
            state.account(&what.author, Permission::None);
        }
        state.note_commit(&what);
        if what.fork.is_none() {
            state.branches.insert(what.branch.clone(), what.head.clone());
        }
        let by = what.author.clone();
        let iterations = vec![(what.head.clone(), now)];
        let standing = Standing::Open;
        let proposal = Proposal { id, number, what, standing, iterations, created: now, updated: now };
        state.proposals.insert(number, proposal);
        state.announce(&Change::PullRequest { number, deed: PullDeed::Opened, by });
        number
    }

    /// The author of a pull request pushes to it. From a fork no push is announced.
    pub fn push(&self, number: u64, sha: &str) {
        let branch = {
            let mut state = self.state();
            let Some(proposal) = state.proposals.get(&number) else { return };
            if proposal.what.fork.is_some() {
                let moved = PullRequest { head: sha.to_owned(), ..proposal.what.clone() };
                state.note_commit(&moved);
                state.move_head(number, sha);
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
        let (at, target) = {
            let state = self.state();
            let Some(proposal) = state.proposals.get(&number) else { return };
            (state.now(), proposal.what.target.clone())
        };
        self.pushed(&target, commit);
        let standing = Standing::Merged { at, commit: commit.to_owned() };
        self.change(number, PullDeed::Merged, |proposal| proposal.standing = standing);
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
        let now = state.now();
        let Some(proposal) = state.proposals.get_mut(&number) else { return };
        how(proposal);
        proposal.updated = now;
        let by = proposal.what.author.clone();
        state.announce(&Change::PullRequest { number, deed, by });
    }
}

impl State {
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

    fn move_head(&mut self, number: u64, sha: &str) {
        let now = self.now();
        let Some(proposal) = self.proposals.get_mut(&number) else { return };
        let before = std::mem::replace(&mut proposal.what.head, sha.to_owned());
        proposal.iterations.push((sha.to_owned(), now));
        proposal.updated = now;
        let by = proposal.what.author.clone();
        self.announce(&Change::PullRequest { number, deed: PullDeed::Pushed { before }, by });
    }
}
