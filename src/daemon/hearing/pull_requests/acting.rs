//! Comments → commands → what they ask for, each once.
//!
//! A command is noted with its acknowledgement before anything is done about it; what its author may do
//! is asked at the moment of acting; then it is done, and noted as done with its answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::binding::{bind, refusal};
use super::command::{HELP, wishes_of};
use super::consenting::{consent, consent_of_merged, digest_of, give_up_changed, withdraw};
use super::look::{Asked, accept};
use super::proposal::{Proposal, propose};
use crate::daemon::hearing::error::LookError;
use crate::daemon::hearing::sweep::{has_applies_to_retry, retry_applies};
use crate::daemon::shared::Shared;
use crate::daemon::shared::forks::Forks;
use crate::daemon::shared::listing::Listing;
use crate::daemon::shared::log;
use crate::daemon::telling::delivery::complain;
use crate::daemon::telling::pull_request as saying;
use crate::daemon::telling::wording;
use crate::forge::{
    Class, Comment, Comments, Fate, ForgeError, Origin, Permission, PullRequest, PullRequestNumber, State,
};
use crate::git::{CommitPrefix, Heads};
use crate::resources::EnvironmentName;
use crate::store::{Accepted, Command, PullRequestRecord, Wish, Work, WorkState};

/// Commands that are older than this when a pull request is first seen are not acted on: another
/// installation, or this one before it lost its journal, has done so.
const OLDEST: Duration = Duration::from_secs(60 * 60);

/// Most closed pull requests whose comments are read at one look.
const MAX_CLOSED: usize = 20;

/// A comment can be told from another by the second in which something changed, not within it: comments
/// are read once more this long after a change.
const SETTLES: Duration = Duration::from_secs(5);

/// For how long after its end a pull request is listened to without a webhook, while an apply has failed or is blocked.
const AFTERMATH: Duration = Duration::from_secs(24 * 60 * 60);

/// Most pull requests that are listened to after their end.
const MAX_AFTERMATH: u32 = 5;

/// Why a command in a review is answered and not obeyed: a review can be edited without a trace of when.
const IN_A_REVIEW: &str =
    "commands are read from comments on the pull request, not from reviews: write it as a comment";

/// What reading and acting came to. One comment that cannot be acted on keeps no other waiting.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Work that was queued and work that was superseded.
    pub(super) accepted: Accepted,
    /// What went wrong first.
    pub(super) error: Option<LookError>,
}

/// What became of a command.
pub(super) enum Done {
    /// It was acted on, and gets this answer.
    Handled { accepted: Accepted, reply: Option<String> },
    /// It is not done, and gets this answer.
    Refused(String),
    /// The next look can tell.
    NotYet,
}

impl Done {
    pub(super) fn answer(text: impl Into<String>) -> Self {
        Self::Handled { accepted: Accepted::default(), reply: Some(text.into()) }
    }
}

/// What became of all that a comment asks for.
struct Acted {
    accepted: Accepted,
    reply: Option<String>,
    /// Why some of it is not done.
    refusals: Vec<String>,
}

/// Reads the comments of pull requests about which something has changed, and of `named` ones; then acts
/// on every command that was not acted on.
pub(super) async fn read_and_act(
    shared: &Arc<Shared>,
    heads: &Heads,
    listing: &Listing,
    named: &[PullRequestNumber],
) -> Result<Heard, LookError> {
    let mut heard = Heard::default();
    let known = shared.store.open_pull_requests().await?;
    for pull_request in listing.open.values() {
        let record = known.get(&pull_request.number);
        match listen(shared, pull_request, record, named).await {
            Ok(accepted) => heard.accepted.work.extend(accepted.work),
            Err(error) => {
                heard.error.get_or_insert(error);
            }
        }
    }
    for number in ended(shared, listing, named).await? {
        if let Err(error) = read(shared, number, shared.clock.now()).await {
            heard.error.get_or_insert(error);
        }
    }
    for command in shared.store.open_commands().await? {
        match act(shared, heads, listing, &command).await {
            Ok(Some(Acted { accepted, reply, refusals })) => {
                heard.accepted.work.extend(accepted.work);
                heard.accepted.superseded.extend(accepted.superseded);
                shared.store.command_handled(&command, reply, shared.clock.now()).await?;
                shared.outbox.notify_one();
                if !refusals.is_empty() {
                    let unsaid = shared.refusals.admit(&command.author.id, shared.clock.monotonic());
                    unsaid.inspect(|unsaid| log::comment_refused(&command, &refusals.join(" "), *unsaid));
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(number = %command.pull_request, comment = %command.comment, %error, "a comment cannot be acted on yet");
                heard.error.get_or_insert(error);
            }
        }
    }
    Ok(heard)
}

/// Reads the comments of an open pull request, unless they were read since it last changed.
async fn listen(
    shared: &Shared,
    pull_request: &PullRequest,
    record: Option<&PullRequestRecord>,
    named: &[PullRequestNumber],
) -> Result<Accepted, LookError> {
    let now = shared.clock.now();
    let noted = record.map_or("", |record| record.activity.as_str());
    let next = next_note(noted, &pull_request.activity, now);
    if next.is_none() && !named.contains(&pull_request.number) {
        return Ok(Accepted::default());
    }
    let since = record.map_or(now, |record| record.first_seen_at);
    let Ok(comments) = read(shared, pull_request.number, since).await? else {
        return Ok(Accepted::default());
    };
    if let Some(note) = next {
        shared.store.note_activity(pull_request.number, &note).await?;
    }
    give_up_changed(shared, pull_request, &comments).await
}

/// What is to be noted after the comments of a pull request were read at `now`, whose last change is
/// `activity`; `None` when they need not be read. What changes within the same second as something that
/// was read looks unchanged: so they are read until a while has passed since the change was first seen.
fn next_note(noted: &str, activity: &str, now: Timestamp) -> Option<String> {
    if activity.is_empty() {
        return Some(String::new());
    }
    if noted == activity {
        return None;
    }
    let first_read = noted.strip_prefix(activity).and_then(|rest| rest.strip_prefix(" read "));
    let first_read: Option<Timestamp> = first_read.and_then(|at| at.parse().ok());
    Some(match first_read {
        Some(at) if now >= at.checked_add(SETTLES).unwrap_or(at) => activity.to_owned(),
        Some(_) => noted.to_owned(),
        None => format!("{activity} read {now}"),
    })
}

/// Pull requests that are not open and are listened to all the same: those that a webhook names, and while
/// an apply has failed or is blocked those that ended lately. Without webhooks that is how a retry is heard.
async fn ended(
    shared: &Shared,
    listing: &Listing,
    named: &[PullRequestNumber],
) -> Result<BTreeSet<PullRequestNumber>, LookError> {
    if !listing.is_whole {
        return Ok(BTreeSet::new());
    }
    let is_closed = |number: &PullRequestNumber| !listing.open.contains_key(number);
    let named = named.iter().copied().filter(is_closed).take(MAX_CLOSED);
    let mut ended: BTreeSet<PullRequestNumber> = named.collect();
    if has_applies_to_retry(shared).await? {
        let since = shared.clock.now().checked_sub(AFTERMATH).unwrap_or(Timestamp::MIN);
        let lately = shared.store.pull_requests_closed_since(since, MAX_AFTERMATH).await?;
        ended.extend(lately.into_iter().filter(is_closed));
    }
    Ok(ended)
}

/// Notes the commands among all comments of a pull request that was planned before; why not, when the forge refuses
/// to show them. That it does not show them says nothing of what stands there.
pub(super) async fn read_all(
    shared: &Shared,
    number: PullRequestNumber,
) -> Result<Result<Comments, ForgeError>, LookError> {
    let showings = shared.store.showings(number).await?;
    let since = showings.first().map_or(Timestamp::MIN, |showing| showing.at);
    read(shared, number, since).await
}

/// Notes the commands among the comments, as [`read_all`] does.
async fn read(
    shared: &Shared,
    number: PullRequestNumber,
    since: Timestamp,
) -> Result<Result<Comments, ForgeError>, LookError> {
    let oldest = since.checked_sub(OLDEST).unwrap_or(Timestamp::MIN);
    let comments = match shared.forge.comments(number).await {
        Ok(comments) => comments,
        Err(error) if error.class == Class::Refused => {
            complain(shared, &error, &format!("the comments of #{number}"), None);
            return Ok(Err(error));
        }
        Err(error) => return Err(error.into()),
    };
    let recent = comments.read.iter().filter(|comment| comment.created_at >= oldest);
    let reviews = match shared.forge.reviews(number).await {
        Ok(reviews) => reviews,
        Err(error) if error.class == Class::Refused => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let misplaced = reviews.iter().filter(|one| one.created_at >= oldest).filter_map(|one| {
        let misplaced = Wish::Unclear { problem: IN_A_REVIEW.to_owned() };
        (!wishes_of(one).is_empty()).then(|| command_of(number, one, misplaced, Vec::new()))
    });
    let commands: Vec<Command> = recent
        .filter_map(|comment| {
            let mut wishes = wishes_of(comment).into_iter();
            Some(command_of(number, comment, wishes.next()?, wishes.collect()))
        })
        .chain(misplaced)
        .collect();
    shared.store.note_commands(&commands, shared.clock.now()).await?;
    Ok(Ok(comments))
}

fn command_of(number: PullRequestNumber, comment: &Comment, wish: Wish, further: Vec<Wish>) -> Command {
    Command {
        pull_request: number,
        comment: comment.id.clone(),
        author: comment.author.clone(),
        written_at: Some(comment.created_at),
        body_digest: digest_of(&comment.body),
        wish,
        further,
    }
}

/// Acts on everything that a comment asks for, in the order of its lines. What was done already when one of
/// them cannot be done yet is done again, which changes nothing; then there is no answer.
async fn act(
    shared: &Arc<Shared>,
    heads: &Heads,
    listing: &Listing,
    command: &Command,
) -> Result<Option<Acted>, LookError> {
    let (mut whole, mut replies, mut refusals) = (Accepted::default(), Vec::new(), Vec::new());
    let mut refused = None;
    let wishes: Vec<&Wish> = command.wishes().collect();
    for wish in wishes {
        let done = match wish {
            Wish::Help => Done::answer(HELP),
            Wish::Unclear { problem } => Done::Refused(format!("Not done: {problem}.\n\n{HELP}")),
            Wish::Plan { .. }
            | Wish::Retry { .. }
            | Wish::Cancel { .. }
            | Wish::Consent { .. }
            | Wish::Withdraw { .. } => {
                if refused.is_none() {
                    refused = Some(refusal_of(shared, command).await?);
                }
                match refused.clone().flatten() {
                    Some(why) => Done::Refused(why),
                    None => act_on(shared, heads, listing, command, wish).await?,
                }
            }
        };
        let (accepted, reply) = match done {
            Done::Handled { accepted, reply } => (accepted, reply),
            Done::Refused(why) => {
                refusals.extend(why.lines().next().map(str::to_owned).filter(|why| !refusals.contains(why)));
                (Accepted::default(), Some(why))
            }
            Done::NotYet => return Ok(None),
        };
        whole.work.extend(accepted.work);
        whole.superseded.extend(accepted.superseded);
        replies.extend(reply.filter(|reply| !replies.contains(reply)));
    }
    let reply = Some(replies.join("\n\n")).filter(|reply| !reply.is_empty());
    Ok(Some(Acted { accepted: whole, reply, refusals }))
}

/// Why the author of a command may not ask for it; `None` when he may.
pub(super) async fn refusal_of(shared: &Shared, command: &Command) -> Result<Option<String>, LookError> {
    match shared.forge.permission(&command.author).await {
        Ok(Permission::Write | Permission::Admin) => Ok(None),
        Ok(Permission::None | Permission::Read) => {
            Ok(Some("Refused: it takes the right to push to this repository.".to_owned()))
        }
        Err(error) if error.class == Class::Refused => {
            complain(shared, &error, "what the author of a comment may do", None);
            let why = "the forge does not say whether you may push; beamline's log has its answer";
            Ok(Some(format!("Not done: {why}.")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn act_on(
    shared: &Arc<Shared>,
    heads: &Heads,
    listing: &Listing,
    command: &Command,
    wish: &Wish,
) -> Result<Done, LookError> {
    tracing::info!(number = %command.pull_request, author = command.author.name, ?wish, "acting on a comment");
    let Some(open) = listing.open.get(&command.pull_request) else {
        return act_on_ended(shared, listing, command, wish).await;
    };
    match wish {
        Wish::Plan { environment, at } => {
            let record = shared.store.pull_request(open.number).await?;
            if let Some(why_not) =
                unapproved(shared, open, record.as_ref(), command, wish, at.as_ref()).await?
            {
                return Ok(Done::Refused(why_not));
            }
            let is_refused = record.is_some_and(|record| record.refusal.is_some());
            match environment {
                // What was not planned at all has no single environments yet.
                Some(name) if !is_refused => again(shared, open, Some(name), |_| true).await,
                Some(_) | None => plan(shared, heads, open).await,
            }
        }
        Wish::Retry { environment } => again(shared, open, environment.as_ref(), has_failed).await,
        Wish::Cancel { environment } => cancel(shared, command, environment.as_ref()).await,
        Wish::Consent { verb, target, at } => {
            consent(shared, open, command, (*verb, target), at.as_ref()).await
        }
        Wish::Withdraw { target } => withdraw(shared, Some(open), open.number, target).await,
        Wish::Help | Wish::Unclear { .. } => Ok(Done::NotYet),
    }
}

/// Why a plan that is asked for is not made of what is there now, and what to write instead. A proposal that
/// anybody may have written is planned when somebody has seen it who may push; whoever names a commit means
/// that one.
async fn unapproved(
    shared: &Shared,
    open: &PullRequest,
    record: Option<&PullRequestRecord>,
    command: &Command,
    wish: &Wish,
    at: Option<&CommitPrefix>,
) -> Result<Option<String>, LookError> {
    let is_approved = record.is_some_and(|record| record.approved_head == Some(open.head));
    if open.origin == Origin::Fork && shared.forge.head_refs().is_none() {
        // Whatever is meant, nothing of it can be read.
        return Ok(None);
    }
    let is_asked_for = open.origin == Origin::Fork && shared.forks == Forks::Ask && !is_approved;
    if at.is_none() && !is_asked_for {
        return Ok(None);
    }
    let showings = shared.store.showings(open.number).await?;
    let line = match wish {
        Wish::Plan { environment: Some(name), .. } => format!("/beamline plan -e {name}"),
        Wish::Plan { environment: None, .. }
        | Wish::Retry { .. }
        | Wish::Cancel { .. }
        | Wish::Consent { .. }
        | Wish::Withdraw { .. }
        | Wish::Help
        | Wish::Unclear { .. } => "/beamline plan".to_owned(),
    };
    Ok(refusal(bind(&showings, &open.head, at, command.written_at), &open.head, &line))
}

/// Acts on a command that stands on a pull request that is not listed as open.
async fn act_on_ended(
    shared: &Arc<Shared>,
    listing: &Listing,
    command: &Command,
    wish: &Wish,
) -> Result<Done, LookError> {
    match (shared.forge.fate(command.pull_request).await?, wish) {
        (Fate::Merged, Wish::Retry { environment }) => retry(shared, environment.as_ref()).await,
        (Fate::Merged, Wish::Consent { verb, target, at }) => {
            consent_of_merged(shared, command, (*verb, target), at.as_ref()).await
        }
        (Fate::Merged, Wish::Withdraw { target }) => {
            withdraw(shared, None, command.pull_request, target).await
        }
        (Fate::Merged, _) => Ok(Done::Refused("Not done: this pull request is merged.".to_owned())),
        (Fate::Closed, _) => {
            Ok(Done::Refused("Not done: this pull request was closed without being merged.".to_owned()))
        }
        // The list and this answer crossed.
        (Fate::Open, _) if listing.is_whole => Ok(Done::NotYet),
        (Fate::Open, _) => {
            Ok(Done::Refused("Not done: more pull requests are open than are looked at.".to_owned()))
        }
    }
}

/// Plans a pull request anew.
async fn plan(shared: &Arc<Shared>, heads: &Heads, pull_request: &PullRequest) -> Result<Done, LookError> {
    let Some(base) = heads.branches.get(&pull_request.base) else {
        return Ok(Done::Refused("Not done: its base branch is not there.".to_owned()));
    };
    let record = shared.store.pull_request(pull_request.number).await?;
    let proposal = propose(shared, pull_request, heads, base).await?;
    // What stands in the plan's comment already does not change: the answer says that this is all.
    let reply = match &proposal {
        Proposal::Refused(why) => Some(format!("Not done: {why}.")),
        Proposal::Elsewhere => Some("Nothing to do: this pull request touches no environment.".to_owned()),
        Proposal::Merges { .. } | Proposal::NotYet => None,
    };
    let accepted = accept(shared, pull_request, base, record.as_ref(), proposal, Asked::ByMaintainer).await?;
    Ok(accepted.map_or(Done::NotYet, |accepted| Done::Handled { accepted, reply }))
}

fn has_failed(work: &Work) -> bool {
    match &work.state {
        WorkState::Queued | WorkState::Running { .. } => false,
        WorkState::Ended { end, .. } => wording::state_of(*end) != State::Success,
    }
}

/// Plans some environments of a pull request once more.
pub(super) async fn again(
    shared: &Shared,
    pull_request: &PullRequest,
    environment: Option<&EnvironmentName>,
    is_meant: fn(&Work) -> bool,
) -> Result<Done, LookError> {
    let plans = shared
        .store
        .plans_of(pull_request.number, &pull_request.head)
        .await?
        .into_iter()
        .map(|(work, _)| work);
    let named: Vec<Work> =
        plans.filter(|work| environment.is_none_or(|name| work.environment == *name)).collect();
    if let (Some(name), true) = (environment, named.is_empty()) {
        return Ok(Done::answer(format!("Nothing to do: this pull request does not touch `{name}`.")));
    }
    let plans: Vec<Work> = named.into_iter().filter(is_meant).collect();
    if plans.is_empty() {
        return Ok(Done::answer("Nothing to do: no plan of this pull request has failed."));
    }
    let now = shared.clock.now();
    let statuses = move |work: &[Work]| wording::queued_again(work, now);
    let work = shared.store.plan_again(&plans, now, statuses).await?;
    Ok(Done::Handled { accepted: Accepted { work, superseded: Vec::new() }, reply: None })
}

/// Tries the applies of the main branch again that failed or are blocked.
async fn retry(shared: &Arc<Shared>, environment: Option<&EnvironmentName>) -> Result<Done, LookError> {
    let work = retry_applies(shared, environment).await?;
    let reply = if work.is_empty() {
        "Nothing to do: no apply has failed or is blocked that does not wait for its turn already. A definition with \
         errors needs a commit."
            .to_owned()
    } else {
        let names: Vec<String> = work.iter().map(|work| format!("`{}`", work.environment)).collect();
        format!("Applying again: {}.", names.join(", "))
    };
    Ok(Done::Handled { accepted: Accepted { work, superseded: Vec::new() }, reply: Some(reply) })
}

async fn cancel(
    shared: &Shared,
    command: &Command,
    environment: Option<&EnvironmentName>,
) -> Result<Done, LookError> {
    let why = format!("Cancelled by {}", command.author.name);
    let now = shared.clock.now();
    let number = command.pull_request;
    let superseded = shared.store.cancel(number, environment, &why, now, &wording::superseded).await?;
    let reply = match superseded.len() {
        0 => "Nothing to do: no plan of this pull request waits.".to_owned(),
        1 => "Dropped 1 plan that waited.".to_owned(),
        count => format!("Dropped {count} plans that waited."),
    };
    // What was dropped may have been the last that its comment waited for.
    saying::say(shared, number).await?;
    Ok(Done::Handled { accepted: Accepted { work: Vec::new(), superseded }, reply: Some(reply) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_read_again_until_the_second_of_the_change_is_over() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = next_note("before", "now", at(0)).unwrap();
        assert_eq!(first, "now read 1970-01-01T00:00:00Z");
        assert_eq!(next_note(&first, "now", at(4)).as_ref(), Some(&first));
        assert_eq!(next_note(&first, "now", at(5)).as_deref(), Some("now"));
        assert_eq!(next_note("now", "now", at(6)), None);
        assert_eq!(next_note("now", "later", at(7)).as_deref(), Some("later read 1970-01-01T00:00:07Z"));
        assert_eq!(next_note("", "", at(8)).as_deref(), Some(""), "a forge that does not say is asked");
    }
}
