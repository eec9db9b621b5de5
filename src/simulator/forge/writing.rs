//! What people ask of a forge through its REST API: to open, close, reopen and merge pull requests. Each
//! forge's file reads the request and words the answer; what happens is here, once.

use std::collections::BTreeMap;

use super::accounts::Permission;
use super::change::PullDeed;
use super::http::Call;
use super::merging::{Merge, MergeStyle, Unmergeable};
use super::options::ForgeKind;
use super::pull_requests::{ChangedFile, Proposal, PullRequest, Stage, Standing};
use super::state::State;

/// How late Gitea shows the head of a fork's pull request in Git, at most.
const LATE_HEAD_MILLIS: i64 = 3_000;

/// A pull request that somebody asks for.
pub(super) struct Proposed {
    pub(super) author: String,
    pub(super) title: String,
    pub(super) branch: String,
    pub(super) target: String,
    pub(super) fork: Option<String>,
    pub(super) stage: Stage,
}

/// Why a pull request is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproposable {
    /// The branch that is proposed is not there.
    NoSource,
    /// The branch that it is proposed to is not there.
    NoTarget,
    /// The branch has nothing that its target has not.
    NothingNew,
    /// This pull request is open already.
    Exists(u64),
}

impl State {
    /// Opens a pull request; its number.
    pub(super) fn propose(&mut self, asked: Proposed) -> Result<u64, Unproposable> {
        let head = match &asked.fork {
            None => self.branches.get(&asked.branch),
            Some(fork) => self.fork_heads.get(&(fork.clone(), asked.branch.clone())),
        };
        let head = head.cloned().ok_or(Unproposable::NoSource)?;
        let base = self.branches.get(&asked.target).ok_or(Unproposable::NoTarget)?;
        if head == *base || self.objects.as_ref().is_some_and(|objects| objects.contains(base, &head)) {
            return Err(Unproposable::NothingNew);
        }
        let is_same = |known: &&Proposal| {
            known.standing.is_open()
                && known.what.branch == asked.branch
                && known.what.target == asked.target
                && known.what.fork == asked.fork
        };
        if let Some(known) = self.proposals.values().find(is_same) {
            return Err(Unproposable::Exists(known.number));
        }
        let files = self.changed_files(&asked.target, &head);
        Ok(self.open(PullRequest {
            author: asked.author,
            branch: asked.branch,
            head,
            target: asked.target,
            title: asked.title,
            fork: asked.fork,
            stage: asked.stage,
            files,
        }))
    }

    /// Merges a pull request; the commit at which its target branch stands then. `seen` is the head that
    /// the caller wants merged, where they say one.
    pub(super) fn merge_proposal(
        &mut self,
        number: u64,
        style: MergeStyle,
        seen: Option<&str>,
        message: Option<String>,
        by: &str,
    ) -> Result<String, Unmergeable> {
        let proposal = self.proposals.get(&number).filter(|known| known.standing.is_open());
        let proposal = proposal.ok_or(Unmergeable::NotOpen)?;
        if proposal.is_draft() {
            return Err(Unmergeable::Draft);
        }
        // Forges take abbreviations that are long enough.
        if seen.is_some_and(|seen| seen.is_empty() || !proposal.what.head.starts_with(seen)) {
            return Err(Unmergeable::HeadMoved);
        }
        let objects = self.objects.as_ref().ok_or(Unmergeable::NoObjects)?;
        let message = message.unwrap_or_else(|| self.merge_message(proposal, style));
        let commit = objects.merge(&Merge {
            target: &proposal.what.target,
            head: &proposal.what.head,
            style,
            message: &message,
            login: by,
            at: self.now().as_second(),
        })?;
        self.know_commits(&commit);
        self.end_merged(number, &commit, by, by);
        Ok(commit)
    }

    /// What each forge writes when nobody says anything else. A squash keeps the title only.
    fn merge_message(&self, proposal: &Proposal, style: MergeStyle) -> String {
        let (number, what) = (proposal.number, &proposal.what);
        let (title, branch, target) = (&what.title, &what.branch, &what.target);
        let repository = &self.options.repository;
        let owner = what.fork.as_ref().unwrap_or(repository).split('/').next().unwrap_or_default();
        match (self.options.kind, style) {
            (ForgeKind::GitHub | ForgeKind::Gitea | ForgeKind::Forgejo, MergeStyle::Squash) => {
                format!("{title} (#{number})")
            }
            (ForgeKind::GitHub, _) => {
                format!("Merge pull request #{number} from {owner}/{branch}\n\n{title}")
            }
            (ForgeKind::GitLab, MergeStyle::Squash) => title.clone(),
            (ForgeKind::GitLab, _) => format!(
                "Merge branch '{branch}' into '{target}'\n\n{title}\n\nSee merge request {repository}!{number}"
            ),
            (ForgeKind::Gitea | ForgeKind::Forgejo, _) => {
                format!("Merge pull request '{title}' (#{number}) from {branch} into {target}")
            }
            (ForgeKind::AzureDevOps, _) => format!("Merged PR {number}: {title}"),
            (ForgeKind::Bitbucket, _) => {
                format!("Merged in {branch} (pull request #{number})\n\n{title}")
            }
        }
    }

    /// Closes, reopens or renames a pull request, or proposes it to another branch.
    pub(super) fn amend(&mut self, number: u64, amendment: Amendment, by: &str) {
        let now = self.now();
        match amendment {
            Amendment::Close => {
                self.change(number, PullDeed::Closed, by, |it| it.standing = Standing::Closed { at: now });
            }
            Amendment::Reopen => {
                self.change(number, PullDeed::Reopened, by, |it| it.standing = Standing::Open);
            }
            Amendment::Retarget(branch) => {
                let Some(proposal) = self.proposals.get(&number) else { return };
                let (from, head) = (proposal.what.target.clone(), proposal.what.head.clone());
                let files = self.changed_files(&branch, &head);
                self.change(number, PullDeed::Retargeted { from }, by, |it| {
                    it.what.target = branch;
                    it.what.files = files;
                });
            }
            Amendment::Stage(stage) => {
                let deed = match stage {
                    Stage::Ready => PullDeed::MarkedReady,
                    Stage::Draft => PullDeed::MarkedDraft,
                };
                self.change(number, deed, by, |it| it.what.stage = stage);
            }
            Amendment::Title(title) => {
                if let Some(proposal) = self.proposals.get_mut(&number) {
                    proposal.what.title = title;
                    proposal.updated = now;
                }
            }
        }
    }

    /// What a pull request of `head` changes; nothing where there are no objects to compare.
    fn changed_files(&self, target: &str, head: &str) -> Vec<ChangedFile> {
        let Some((objects, base)) = self.objects.as_ref().zip(self.branches.get(target)) else {
            return Vec::new();
        };
        objects.changed(base, head).unwrap_or_default()
    }

    /// Lists the files of an open pull request anew, after its head or its base has moved.
    pub(super) fn list_files_anew(&mut self, number: u64) {
        let Some(proposal) = self.proposals.get(&number).filter(|known| known.standing.is_open()) else {
            return;
        };
        if self.objects.is_some() {
            let files = self.changed_files(&proposal.what.target, &proposal.what.head);
            if let Some(proposal) = self.proposals.get_mut(&number) {
                proposal.what.files = files;
            }
        }
    }

    /// Everything that `head` brings is known from now on.
    pub(super) fn know_commits(&mut self, head: &str) {
        let Some(objects) = &self.objects else { return };
        let known: Vec<String> = self.branches.values().cloned().collect();
        self.commits.extend(objects.new_commits(head, &known).unwrap_or_default());
    }

    /// Keeps the head of a pull request where the forge shows it in Git, at once or (a fork's, on Gitea
    /// and Forgejo) up to three seconds later.
    pub(super) fn keep_head(&mut self, number: u64) {
        let Some(proposal) = self.proposals.get(&number) else { return };
        let reference = match self.options.kind {
            ForgeKind::GitHub | ForgeKind::Gitea | ForgeKind::Forgejo => format!("refs/pull/{number}/head"),
            ForgeKind::GitLab => format!("refs/merge-requests/{number}/head"),
            ForgeKind::AzureDevOps | ForgeKind::Bitbucket => return,
        };
        let head = proposal.what.head.clone();
        let is_late = matches!(self.options.kind, ForgeKind::Gitea | ForgeKind::Forgejo)
            && proposal.what.fork.is_some();
        if self.objects.is_none() {
            return;
        }
        if is_late {
            let late = jiff::SignedDuration::from_millis(self.random_below(LATE_HEAD_MILLIS));
            let due = self.now().checked_add(late).unwrap_or_else(|_| self.now());
            self.late_heads.push((due, reference, head));
        } else if let Some(objects) = &self.objects {
            objects.point(&reference, &head).ok();
        }
    }

    /// Shows the heads whose time has come.
    pub(super) fn show_late_heads(&mut self) {
        let now = self.now();
        let Some(objects) = &self.objects else { return };
        self.late_heads.retain(|(due, reference, head)| {
            if *due > now {
                return true;
            }
            objects.point(reference, head).ok();
            false
        });
    }

    /// Takes in what a push by `by` has changed in the repository, or in a fork.
    pub(super) fn take_in(&mut self, fork: Option<&str>, by: &str) {
        let Some(heads) = self.objects.as_ref().and_then(|objects| objects.heads(fork).ok()) else { return };
        match fork {
            None => self.take_in_branches(&heads, by),
            Some(fork) => {
                for (branch, sha) in heads {
                    let known = self.fork_heads.insert((fork.to_owned(), branch.clone()), sha.clone());
                    if known.as_deref() != Some(&*sha) {
                        self.push_fork(fork, &branch, &sha, by);
                    }
                }
            }
        }
    }

    fn take_in_branches(&mut self, heads: &BTreeMap<String, String>, by: &str) {
        let gone: Vec<String> =
            self.branches.keys().filter(|branch| !heads.contains_key(*branch)).cloned().collect();
        for branch in gone {
            self.delete_branch(&branch, by);
        }
        for (branch, sha) in heads {
            if self.branches.get(branch) != Some(sha) {
                self.know_commits(sha);
                self.push_branch(branch, sha, by);
                self.end_what_is_contained(branch, sha, by);
            }
        }
    }

    /// A pull request whose head reached its target by a push is called merged (not on Gitea and Forgejo,
    /// where that is an option, nor on Azure DevOps).
    fn end_what_is_contained(&mut self, branch: &str, sha: &str, by: &str) {
        let tells = matches!(self.options.kind, ForgeKind::GitHub | ForgeKind::GitLab | ForgeKind::Bitbucket);
        let Some(objects) = self.objects.as_ref().filter(|_| tells) else { return };
        let is_in = |open: &&Proposal| {
            open.standing.is_open() && open.what.target == branch && objects.contains(sha, &open.what.head)
        };
        let ended: Vec<u64> = self.proposals.values().filter(is_in).map(|open| open.number).collect();
        let at = self.now();
        for number in ended {
            let standing = Standing::Merged { at, commit: sha.to_owned() };
            self.change(number, PullDeed::Merged, by, |proposal| proposal.standing = standing);
        }
    }

    /// What the message of a commit is; without objects a made-up one.
    pub(super) fn message_of(&self, sha: &str) -> String {
        let written = self.objects.as_ref().and_then(|objects| objects.message(sha));
        written.unwrap_or_else(|| "A commit\n".to_owned())
    }

    /// Whether a caller may close a pull request or write it anew: its author, and who may push.
    pub(super) fn may_amend(&self, call: &Call, number: u64) -> bool {
        let is_author = self.proposals.get(&number).is_some_and(|known| known.what.author == call.login());
        is_author || call.permission() >= Permission::Write
    }

    /// The fork of this name, in whatever casing.
    pub(super) fn fork_named(&self, name: &str) -> Option<String> {
        let forks = self.objects.as_ref().map_or(&[][..], |objects| objects.forks());
        forks.iter().find(|known| known.eq_ignore_ascii_case(name)).cloned()
    }

    /// The fork of an owner.
    pub(super) fn fork_of(&self, owner: &str) -> Option<String> {
        let forks = self.objects.as_ref().map_or(&[][..], |objects| objects.forks());
        let is_theirs =
            |known: &&String| known.split('/').next().is_some_and(|name| name.eq_ignore_ascii_case(owner));
        forks.iter().find(is_theirs).cloned()
    }
}

/// What is changed of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Amendment {
    Close,
    Reopen,
    Retarget(String),
    Stage(Stage),
    Title(String),
}
