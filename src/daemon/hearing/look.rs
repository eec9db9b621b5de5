//! Look again: fetch, compare heads with what the store has seen, store what they touch.
//!
//! The truth is in Git and in the store; why we were woken plays no part. The main branch comes first, and
//! a look is over as soon as its head is accepted: what the other branches and the pull requests bring is
//! looked at *beside*, one such look at a time, and a new head of the main branch does not wait for it. A
//! branch that cannot be read does not keep the others waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::LookError;
use super::head::{NewHead, Proposed, accept};
use super::pull_requests::look_at;
use crate::daemon::shared::Shared;
use crate::daemon::shared::listing::Listing;
use crate::daemon::telling::wording;
use crate::forge::{ForgeError, PullRequestNumber};
use crate::git::{BranchName, CommitId, Heads};
use crate::store::{Accepted, Inbox, Line};

/// Most branches that are accepted at one look; the next look follows at once.
const MAX_BRANCHES_PER_LOOK: usize = 100;

/// What a look found. What was accepted counts, also when something else went wrong.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Looked {
    /// Work that was queued and work that was superseded.
    pub(in crate::daemon) accepted: Accepted,
    /// What went wrong first.
    pub(in crate::daemon) error: Option<LookError>,
    /// Whether there are more new heads than one look accepts.
    pub(in crate::daemon) is_partial: bool,
    /// Whether the forge lists a head that Git does not have yet.
    pub(in crate::daemon) awaits_head: bool,
}

impl Looked {
    fn add(&mut self, accepted: Accepted) {
        self.accepted.work.extend(accepted.work);
        self.accepted.superseded.extend(accepted.superseded);
    }

    fn failed(&mut self, error: LookError) {
        self.error.get_or_insert(error);
    }
}

/// What a look has seen, for the look beside it.
#[derive(Debug, Default)]
pub(in crate::daemon) struct View {
    heads: Heads,
    /// What arrived before the fetch and is answered by it.
    inbox: Inbox,
    /// Whether the main branch was dealt with.
    main: Main,
    /// What is the matter with the main branch itself, until somebody acts.
    pub(in crate::daemon) ailment: Option<String>,
}

/// What became of the main branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Main {
    /// Its head is accepted, or was before, or there is none.
    Done,
    /// The next look tries again.
    #[default]
    Failed,
}

/// Looks once at the main branch. Without a view the repository could not be fetched.
pub(in crate::daemon) async fn look(shared: &Arc<Shared>) -> (Looked, Option<View>) {
    let mut looked = Looked::default();
    let view = match view(shared).await {
        Ok(view) => view,
        Err(error) => {
            looked.failed(error);
            return (looked, None);
        }
    };
    let late = view.heads.late.branches.get(&shared.branch);
    if let Some(why) = late {
        looked.failed(late_branch(&shared.branch, why));
    }
    let main = match look_at_main(shared, &view.heads, &mut looked).await {
        Ok(()) if late.is_some() => Main::Failed,
        Ok(()) => Main::Done,
        Err(error) => {
            looked.failed(error);
            Main::Failed
        }
    };
    (looked, Some(View { main, ..view }))
}

async fn view(shared: &Arc<Shared>) -> Result<View, LookError> {
    let inbox = shared.store.inbox().await?;
    let known = shared.store.open_pull_requests().await?;
    let heads = fetch(shared, known.into_keys().map(PullRequestNumber::get).collect()).await?;
    let ailment = shared.ailment_of(&heads);
    Ok(View { heads, inbox, main: Main::Failed, ailment })
}

fn late_branch(branch: &BranchName, why: &str) -> LookError {
    LookError::Late { what: format!("the branch {branch}"), why: why.to_owned() }
}

async fn fetch(shared: &Arc<Shared>, pulls: BTreeSet<u64>) -> Result<Heads, LookError> {
    let mirror = shared.mirror.clone();
    Ok(tokio::task::spawn_blocking(move || mirror.fetch(&pulls)).await??)
}

async fn look_at_main(shared: &Arc<Shared>, heads: &Heads, looked: &mut Looked) -> Result<(), LookError> {
    let seen = Seen::read(shared).await?;
    let is_main = |head: &NewHead| head.branch == shared.branch;
    if let Some(head) = new_heads(heads, &seen, &Listing::default()).into_iter().find(is_main) {
        looked.add(accept_one(shared, heads, &head).await?);
    }
    Ok(())
}

/// Looks once at all other branches and at the pull requests, as `view` has them.
pub(in crate::daemon) async fn look_beside(shared: &Arc<Shared>, view: View) -> Looked {
    let mut looked = Looked::default();
    if let Err(error) = try_beside(shared, view, &mut looked).await {
        looked.failed(error);
    }
    looked
}

async fn try_beside(shared: &Arc<Shared>, view: View, looked: &mut Looked) -> Result<(), LookError> {
    let View { heads, inbox, main, .. } = view;
    let (heads, listing) = with_proposals(shared, heads, &inbox, looked).await?;
    if let Some((branch, why)) = heads.late.branches.iter().find(|(branch, _)| **branch != shared.branch) {
        looked.failed(late_branch(branch, why));
    }
    if let Some((number, why)) = heads.late.pulls.iter().next() {
        looked
            .failed(LookError::Late { what: format!("the head of pull request {number}"), why: why.clone() });
    }
    for pull_request in listing.iter().flat_map(|listing| listing.open.values()) {
        shared.listed(pull_request).await;
    }
    let seen = Seen::read(shared).await?;
    let is_there = |branch| {
        let Heads { branches, lost, late, .. } = &heads;
        branches.contains_key(branch)
            || lost.branches.contains_key(branch)
            || late.branches.contains_key(branch)
    };
    for branch in seen.heads.keys().filter(|branch| !is_there(*branch)) {
        let forgotten = shared.store.forget_branch(branch, shared.clock.now(), &wording::superseded).await?;
        shared.hopeless.forget(&Line::Branch(branch.clone()));
        looked.accepted.superseded.extend(forgotten);
    }
    let none = Listing::default();
    let mut new = new_heads(&heads, &seen, listing.as_deref().unwrap_or(&none));
    new.retain(|head| head.branch != shared.branch);
    looked.is_partial |= new.len() > MAX_BRANCHES_PER_LOOK;
    for head in new.into_iter().take(MAX_BRANCHES_PER_LOOK) {
        match accept_one(shared, &heads, &head).await {
            Ok(accepted) => looked.add(accepted),
            Err(error) => looked.failed(error),
        }
    }
    match listing {
        Ok(listing) => {
            let seen = look_at(shared, &heads, &listing, &inbox.about).await;
            looked.add(seen.accepted);
            looked.is_partial |= seen.is_partial;
            seen.error.into_iter().for_each(|error| looked.failed(error));
            looked.awaits_head = seen.awaits_head;
        }
        Err(error) => looked.failed(error.into()),
    }
    let is_answered = main == Main::Done && looked.error.is_none() && !looked.is_partial;
    if let Some(newest) = inbox.newest.filter(|_| is_answered) {
        shared.store.deliveries_handled(newest, shared.clock.now()).await?;
    }
    Ok(())
}

async fn accept_one(shared: &Arc<Shared>, heads: &Heads, head: &NewHead) -> Result<Accepted, LookError> {
    let accepted = accept(shared, heads.branches.get(&shared.branch), head).await;
    if let Err(error) = &accepted {
        let NewHead { branch, commit, .. } = head;
        tracing::warn!(%branch, commit = %commit.short(), %error, "a branch cannot be looked at");
    }
    accepted
}

/// The open pull requests, and the heads of those that came with the branches neither as branches nor as
/// pull requests that were known.
async fn with_proposals(
    shared: &Arc<Shared>,
    heads: Heads,
    inbox: &Inbox,
    looked: &mut Looked,
) -> Result<(Heads, Result<Arc<Listing>, ForgeError>), LookError> {
    let listing = shared.listed.ask(&shared.forge, inbox.newest, &shared.clock).await;
    let Ok(open) = &listing else { return Ok((heads, listing)) };
    let here: BTreeSet<&CommitId> = heads.branches.values().chain(heads.pulls.values()).collect();
    if shared.forge.head_refs().is_none() || open.heads().all(|head| here.contains(head)) {
        return Ok((heads, listing));
    }
    let newer = fetch(shared, open.numbers()).await?;
    // The main branch has moved meanwhile: it is looked at by the look, not beside it.
    looked.is_partial = newer.branches.get(&shared.branch) != heads.branches.get(&shared.branch);
    Ok((newer, listing))
}

/// The heads that were accepted.
struct Seen {
    heads: BTreeMap<BranchName, CommitId>,
    /// Those that were refused and may be looked into now, if their objects are here: the remote had lost them.
    waiting: BTreeSet<BranchName>,
}

impl Seen {
    async fn read(shared: &Shared) -> Result<Self, LookError> {
        let heads = shared.store.seen_heads().await?;
        let mut waiting = shared.store.refused_heads().await?;
        waiting.retain(|branch| {
            !heads.get(branch).is_some_and(|head| shared.hopeless.has(&Line::Branch(branch.clone()), head))
        });
        Ok(Self { heads, waiting })
    }

    fn has(&self, branch: &BranchName, commit: &CommitId, lost: Option<&String>) -> bool {
        self.heads.get(branch) == Some(commit) && (lost.is_some() || !self.waiting.contains(branch))
    }
}

/// Heads that were not seen yet, or not looked into. Of one that the remote has lost, its objects are not asked for.
fn new_heads(heads: &Heads, seen: &Seen, listing: &Listing) -> Vec<NewHead> {
    let lost = heads.lost.branches.iter().map(|(branch, (commit, why))| (branch, commit, Some(why.clone())));
    let whole = heads.branches.iter().filter(|(branch, _)| !heads.lost.branches.contains_key(*branch));
    let all = whole.map(|(branch, commit)| (branch, commit, None)).chain(lost);
    let new = all.filter(|(branch, commit, lost)| !seen.has(branch, commit, lost.as_ref()));
    new.map(|(branch, commit, lost)| {
        let proposed = if listing.proposes(commit) { Proposed::Yes } else { Proposed::No };
        NewHead { branch: branch.clone(), commit: *commit, lost, proposed }
    })
    .collect()
}
