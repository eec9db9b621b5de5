//! Look at the open pull requests: close what is gone, plan what moved, read what people ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::daemon::hearing::error::LookError;
use crate::daemon::hearing::head::{remark, work_for};
use crate::daemon::shared::Shared;
use crate::daemon::shared::forks::Forks;
use crate::daemon::shared::happening::Happening;
use crate::daemon::telling::nameless::names_of_new;
use crate::daemon::telling::wording::{self, Head};
use crate::forge::{Check, Fate, Origin, PullRequest, PullRequestNumber};
use crate::git::{CommitId, Heads};
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::resources::EnvironmentName;
use crate::store::{About, Acceptance, Accepted, Arrival, Line, NewWork, PullRequestRecord, Work, WorkState};

use super::acting;
use super::proposal::{Proposal, digests, digests_of, moved, propose, why_lost};
use crate::daemon::shared::listing::Listing;
use crate::daemon::telling::pull_request as saying;

/// Most pull requests that are planned at one look; the next look follows at once.
const MAX_PER_LOOK: usize = 100;

/// What a look at the pull requests came to.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Seen {
    /// Work that was queued and work that was superseded.
    pub(in crate::daemon) accepted: Accepted,
    /// What went wrong first.
    pub(in crate::daemon) error: Option<LookError>,
    /// Whether there is more to plan than one look does.
    pub(in crate::daemon) is_partial: bool,
    /// Whether the forge lists a head that Git does not have yet.
    pub(in crate::daemon) awaits_head: bool,
}

impl Seen {
    /// Something about one pull request failed; the others go on.
    pub(super) fn failed(&mut self, number: PullRequestNumber, error: LookError) {
        tracing::warn!(%number, %error, "a pull request cannot be looked at");
        self.error.get_or_insert(error);
    }
}

/// Why a pull request waits that anybody may have written.
const FROM_A_FORK: &str = "From a fork: somebody who may push must comment /beamline plan";

/// Whether a pull request is planned although nothing about it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is not.
    No,
    /// Somebody who may push asked for it.
    ByMaintainer,
}

/// Looks at what the forge lists as open, with the branches as they are now.
pub(in crate::daemon) async fn look_at(
    shared: &Arc<Shared>,
    heads: &Heads,
    listing: &Listing,
    named: &[About],
) -> Seen {
    let mut seen = Seen::default();
    if let Err(error) = try_look_at(shared, heads, listing, named, &mut seen).await {
        seen.error.get_or_insert(error);
    }
    seen
}

async fn try_look_at(
    shared: &Arc<Shared>,
    heads: &Heads,
    listing: &Listing,
    named: &[About],
    seen: &mut Seen,
) -> Result<(), LookError> {
    if !shared.forge.has_pull_requests() {
        return Ok(());
    }
    let known = shared.store.open_pull_requests().await?;
    if listing.is_whole {
        for number in known.keys().filter(|number| !listing.open.contains_key(number)) {
            match close(shared, *number).await {
                Ok(superseded) => seen.accepted.superseded.extend(superseded),
                Err(error) => seen.failed(*number, error),
            }
        }
    }
    let mut left = MAX_PER_LOOK;
    let rerun =
        |head: &CommitId| named.iter().any(|about| matches!(about, About::Rerun(commit) if commit == head));
    for pull_request in listing.speaking(&shared.branch) {
        if left == 0 {
            seen.is_partial = true;
            break;
        }
        let record = known.get(&pull_request.number);
        let asked = if rerun(&pull_request.head) { Asked::ByMaintainer } else { Asked::No };
        match plan_if_moved(shared, heads, pull_request, record, asked).await {
            Ok(Some(accepted)) => {
                left -= 1;
                seen.accepted.work.extend(accepted.work);
                seen.accepted.superseded.extend(accepted.superseded);
            }
            Ok(None) => seen.awaits_head |= is_awaited(shared, heads, pull_request, record),
            Err(error) => seen.failed(pull_request.number, error),
        }
    }
    saying::say_what_was_not_said(shared).await?;
    let numbers: Vec<PullRequestNumber> = named
        .iter()
        .filter_map(|about| match about {
            About::PullRequest(number) => Some(*number),
            About::Rerun(_) => None,
        })
        .collect();
    let heard = acting::read_and_act(shared, heads, listing, &numbers).await?;
    seen.accepted.work.extend(heard.accepted.work);
    seen.accepted.superseded.extend(heard.accepted.superseded);
    heard.error.map_or(Ok(()), Err)
}

async fn close(
    shared: &Arc<Shared>,
    number: PullRequestNumber,
) -> Result<Vec<crate::store::Work>, LookError> {
    let fate = match shared.forge.fate(number).await? {
        // The list and this answer crossed: the next look tells.
        Fate::Open => return Ok(Vec::new()),
        Fate::Merged => {
            // Somebody may have consented right before the merge.
            let showings = shared.store.showings(number).await?;
            if showings.iter().any(|showing| !showing.shown.asked.is_empty()) {
                // What the forge refuses to show does not keep the pull request open here.
                drop(super::consenting::hear(shared, number).await?);
            }
            "Merged"
        }
        Fate::Closed => "Closed",
    };
    let plans = match shared.store.pull_request(number).await? {
        Some(record) => shared.store.plans_of(number, &record.head).await?,
        None => Vec::new(),
    };
    let why = format!("{fate} before {}", unplanned(plans.iter().map(|(work, _)| work)));
    let now = shared.clock.now();
    let neighbours = saying::neighbours(shared, number).await?;
    let superseded = shared.store.close_pull_request(number, &why, now, &wording::superseded).await?;
    saying::say_of_neighbours(shared, number, &neighbours).await?;
    shared.hopeless.forget(&Line::PullRequest(number));
    tracing::info!(%number, fate, dropped = superseded.len(), "a pull request is no longer open");
    Ok(superseded)
}

/// What has not come about of a head's plans: those that wait may have been made before, all or some.
fn unplanned<'a>(plans: impl Iterator<Item = &'a Work>) -> &'static str {
    let (mut waiting, mut planned) = (BTreeSet::new(), BTreeSet::new());
    for work in plans {
        match &work.state {
            WorkState::Queued | WorkState::Running { .. } => waiting.insert(&work.environment),
            WorkState::Ended { end: RunEnd::Superseded, .. } => false,
            WorkState::Ended { .. } => planned.insert(&work.environment),
        };
    }
    if planned.is_empty() {
        "it was planned"
    } else if waiting.is_subset(&planned) {
        "it was planned again"
    } else {
        "all of it was planned"
    }
}

/// Plans a pull request when it, or what its plan is about, has moved.
async fn plan_if_moved(
    shared: &Arc<Shared>,
    heads: &Heads,
    pull_request: &PullRequest,
    record: Option<&PullRequestRecord>,
    asked: Asked,
) -> Result<Option<Accepted>, LookError> {
    let Some(base) = heads.branches.get(&pull_request.base) else {
        tracing::warn!(number = %pull_request.number, base = %pull_request.base, "its base branch is not there");
        return Ok(None);
    };
    match record {
        Some(record) if asked == Asked::ByMaintainer => {
            let proposal = propose(shared, pull_request, heads, base).await?;
            accept(shared, pull_request, base, Some(record), proposal, asked).await
        }
        Some(record) if is_same(record, pull_request) && record.base_commit == *base => {
            if !may_be_back(shared, heads, pull_request, record) {
                return Ok(None);
            }
            let proposal = propose(shared, pull_request, heads, base).await?;
            if refusal_of(shared, pull_request, Some(record), &proposal) == record.refusal.as_deref() {
                shared.hopeless.note(&Line::PullRequest(record.number), &record.head);
                return Ok(None);
            }
            accept(shared, pull_request, base, Some(record), proposal, Asked::No).await
        }
        Some(record) if is_same(record, pull_request) => {
            let proposal = propose(shared, pull_request, heads, base).await?;
            if is_undisturbed(shared, pull_request, record, base, &proposal).await? {
                shared.store.note_base(record.number, base).await?;
                return Ok(None);
            }
            accept(shared, pull_request, base, Some(record), proposal, Asked::No).await
        }
        Some(_) | None => {
            let proposal = propose(shared, pull_request, heads, base).await?;
            accept(shared, pull_request, base, record, proposal, Asked::No).await
        }
    }
}

/// Whether a pull request may have been refused because its forge had lost its commit, which is here now.
fn may_be_back(
    shared: &Shared,
    heads: &Heads,
    pull_request: &PullRequest,
    record: &PullRequestRecord,
) -> bool {
    record.refusal.as_deref().is_some_and(|why| why != FROM_A_FORK)
        && why_lost(heads, pull_request).is_none()
        && !shared.hopeless.has(&Line::PullRequest(record.number), &record.head)
}

/// Whether a pull request that was not accepted is new: then its head is not there yet, which a forge may
/// show in Git some seconds later than in its API.
fn is_awaited(
    shared: &Shared,
    heads: &Heads,
    pull_request: &PullRequest,
    record: Option<&PullRequestRecord>,
) -> bool {
    shared.forge.head_refs().is_some()
        && heads.branches.contains_key(&pull_request.base)
        && record.is_none_or(|record| !is_same(record, pull_request))
}

fn is_same(record: &PullRequestRecord, pull_request: &PullRequest) -> bool {
    record.head == pull_request.head
        && record.base_branch == pull_request.base
        && record.origin == pull_request.origin
}

/// Whether what was said stays true although the base has moved: it is refused for the same reason, or its plan is of
/// the same definitions and what moved concerns none of its environments.
async fn is_undisturbed(
    shared: &Arc<Shared>,
    pull_request: &PullRequest,
    record: &PullRequestRecord,
    base: &CommitId,
    proposal: &Proposal,
) -> Result<bool, LookError> {
    match (refusal_of(shared, pull_request, Some(record), proposal), record.refusal.as_deref()) {
        (None, None) => {}
        (why, before) => return Ok(why == before),
    }
    let line = Line::PullRequest(record.number);
    let planned = shared.store.work_of_line(&line, &record.head, RunKind::Plan).await?;
    let planned = digests_of(&planned);
    let proposed = match proposal {
        Proposal::Merges { candidates, .. } => digests(candidates),
        Proposal::Elsewhere => digests(&[]),
        Proposal::Refused(_) | Proposal::NotYet => return Ok(false),
    };
    if planned != proposed {
        return Ok(false);
    }
    let moved = moved(shared, &record.base_commit, base).await?;
    Ok(planned.keys().all(|environment| !moved.contains(environment)))
}

/// Why a pull request is not planned, where it is not.
fn refusal_of<'a>(
    shared: &Shared,
    pull_request: &PullRequest,
    record: Option<&PullRequestRecord>,
    proposal: &'a Proposal,
) -> Option<&'a str> {
    match proposal {
        Proposal::Refused(why) => Some(why),
        Proposal::Merges { candidates, .. } if !candidates.is_empty() => {
            waits_for_approval(shared, pull_request, record, Asked::No).then_some(FROM_A_FORK)
        }
        Proposal::Merges { .. } | Proposal::Elsewhere | Proposal::NotYet => None,
    }
}

/// The head that somebody who may push has asked a plan of.
fn approved(
    pull_request: &PullRequest,
    record: Option<&PullRequestRecord>,
    asked: Asked,
) -> Option<CommitId> {
    let before = record.and_then(|record| record.approved_head);
    match asked {
        Asked::ByMaintainer => Some(pull_request.head),
        Asked::No => before.filter(|approved| *approved == pull_request.head),
    }
}

fn waits_for_approval(
    shared: &Shared,
    pull_request: &PullRequest,
    record: Option<&PullRequestRecord>,
    asked: Asked,
) -> bool {
    let is_foreign = pull_request.origin == Origin::Fork && shared.forks == Forks::Ask;
    is_foreign && approved(pull_request, record, asked).is_none()
}

/// Accepts a pull request as it is now: what waits for an older state of it is superseded, what it touches
/// is queued, and its statuses and whatever can be said at once are stored, in one transaction.
pub(super) async fn accept(
    shared: &Arc<Shared>,
    pull_request: &PullRequest,
    base: &CommitId,
    record: Option<&PullRequestRecord>,
    proposal: Proposal,
    asked: Asked,
) -> Result<Option<Accepted>, LookError> {
    let now = shared.clock.now();
    let head = Head {
        commit: pull_request.head,
        kind: RunKind::Plan,
        pull_request: Some(pull_request.number),
        ahead: Vec::new(),
        again: shared.store.has_spoken(&pull_request.head, Check::Plan).await?.then_some(now),
    };
    let approved = approved(pull_request, record, asked);
    let waits = waits_for_approval(shared, pull_request, record, asked);
    let mut refusal = None;
    let (reads, work, mut statuses) = match proposal {
        Proposal::NotYet => {
            tracing::warn!(number = %pull_request.number, head = %head.commit.short(), "its head is not there yet");
            return Ok(None);
        }
        Proposal::Refused(why) => {
            let status = wording::refused(&head, &why);
            refusal = Some(why);
            (head.commit, Vec::new(), vec![status])
        }
        Proposal::Elsewhere => (head.commit, Vec::new(), wording::first(&head, &[])),
        Proposal::Merges { merged, candidates, .. } if waits && !candidates.is_empty() => {
            refusal = Some(FROM_A_FORK.to_owned());
            (merged, Vec::new(), vec![wording::refused(&head, FROM_A_FORK)])
        }
        Proposal::Merges { merged, candidates, unheeded } => {
            unheeded.log(&format!("#{}", pull_request.number), &head.commit);
            let mut work: Vec<NewWork> =
                candidates.into_iter().map(|candidate| work_for(RunKind::Plan, candidate)).collect();
            remark(&mut work, &unheeded);
            let names = names_of_new(&work);
            let statuses = match names.as_slice() {
                [] => vec![wording::none_changed(&head, &unheeded)],
                names => wording::first(&head, names),
            };
            (merged, work, statuses)
        }
    };
    let gone = no_longer_touched(shared, &head, &work).await?;
    statuses.extend(match &refusal {
        // Nothing was planned, so nothing is known of what an earlier plan of this head spoke of.
        Some(why) => wording::not_planned(&head, &gone, why),
        None => wording::untouched(&head, &gone),
    });
    let record = PullRequestRecord {
        number: pull_request.number,
        head: head.commit,
        base_branch: pull_request.base.clone(),
        base_commit: *base,
        origin: pull_request.origin,
        refusal,
        approved_head: approved,
        activity: record.map(|record| record.activity.clone()).unwrap_or_default(),
        said: record.map(|record| record.said.clone()).unwrap_or_default(),
        first_seen_at: record.map_or(now, |record| record.first_seen_at),
        changed_at: now,
    };
    let is_quiet = work.is_empty();
    let first = statuses[0].description.clone();
    let before = saying::neighbours(shared, pull_request.number).await?;
    let arrival = Arrival::PullRequest(Box::new(record.clone()));
    let acceptance = Acceptance { arrival, commit: head.commit, reads, now, work, statuses };
    let accepted = shared.store.accept_head(acceptance, &wording::superseded).await?;
    shared.outbox.notify_one();
    shared.tell(Happening::Proposed {
        number: record.number,
        commit: head.commit,
        work: accepted.work.clone(),
    });
    if head.again.is_some() {
        saying::say_again(shared, &head, &first).await?;
    }
    if is_quiet {
        saying::say(shared, record.number).await?;
    }
    saying::say_of_neighbours(shared, record.number, &before).await?;
    Ok(Some(accepted))
}

/// Environments that the statuses of this head speak of and its work does not. The plans themselves are forgotten with
/// each move of the base, the statuses stand.
async fn no_longer_touched(
    shared: &Shared,
    head: &Head,
    work: &[NewWork],
) -> Result<Vec<EnvironmentName>, LookError> {
    let told = shared.store.environments_told(&head.commit, Check::Plan).await?;
    let now: BTreeSet<&EnvironmentName> = work.iter().map(|work| &work.environment).collect();
    Ok(told.into_iter().filter(|name| !now.contains(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::fixture::work;

    #[test]
    fn what_was_planned_is_not_said_to_be_unplanned() {
        let waits = |name| work(1, name, RunKind::Plan);
        let ended = |name, end| Work {
            state: WorkState::Ended { end, summary: String::new() },
            ..work(2, name, RunKind::Plan)
        };
        let told = |plans: &[Work]| unplanned(plans.iter());
        assert_eq!(told(&[waits("a"), waits("b")]), "it was planned");
        assert_eq!(told(&[waits("a"), ended("b", RunEnd::Superseded)]), "it was planned");
        assert_eq!(told(&[ended("a", RunEnd::Planned), waits("a")]), "it was planned again");
        assert_eq!(told(&[ended("a", RunEnd::Planned), waits("b")]), "all of it was planned");
    }
}
