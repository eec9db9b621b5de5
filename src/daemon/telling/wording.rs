//! PURE: what statuses say. States and work in, contexts and sentences out.
//!
//! Per commit one aggregate context and at most [`MAX_CONTEXTS`] contexts of environments; the
//! aggregate names the rest. Never success before it is success; a superseded commit says by which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::nameless::{apart, called};
use super::sentences::{self, Gone};
use crate::daemon::hearing::unheeded::Unheeded;
use crate::daemon::shared::standstill::Waiting;
use crate::forge::{Context, Description, MAX_DESCRIPTION_CHARS, PullRequestNumber, State, Status};
use crate::git::CommitId;
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::resources::EnvironmentName;
use crate::store::{Work, WorkId, WorkState};

/// Most contexts of single environments on one commit. Forges limit what a commit can carry, and
/// people what they read.
pub const MAX_CONTEXTS: usize = 20;

/// Whether each of a commit's environments has a context of its own from the beginning. Where there are more
/// than [`MAX_CONTEXTS`], an environment gets one when it has ended, by [`contexts`]: none is begun that the
/// others could take away.
#[must_use]
pub fn have_all_a_context(environments: usize) -> bool {
    environments <= MAX_CONTEXTS
}

/// The work of a commit that has a context of its own now: what failed first, in the order in which it ended;
/// when everything has ended, then what changed something, then the rest.
#[must_use]
pub fn contexts(work: &[Work]) -> Vec<&Work> {
    if have_all_a_context(work.len()) {
        return work.iter().collect();
    }
    let is_over = work.iter().all(|one| one.state.is_ended());
    let mut ranked: Vec<(Rank, &Work)> = work.iter().filter_map(|one| Some((rank(one)?, one))).collect();
    ranked.retain(|(rank, _)| is_over || *rank <= Rank::NotDone);
    // A stable order: what failed early keeps its place.
    ranked.sort_by_key(|(rank, one)| (*rank, one.ended_at, one.id));
    ranked.into_iter().take(MAX_CONTEXTS).map(|(_, one)| one).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Failed,
    NotDone,
    Changed,
    Quiet,
}

fn rank(work: &Work) -> Option<Rank> {
    let WorkState::Ended { end, summary } = &work.state else { return None };
    Some(match state_of(*end) {
        State::Failure => Rank::Failed,
        State::Error => Rank::NotDone,
        State::Success if sentences::says_change(summary) => Rank::Changed,
        State::Success | State::Pending => Rank::Quiet,
    })
}

/// The context of a whole commit.
#[must_use]
pub fn aggregate_context(kind: RunKind) -> Context {
    match kind {
        RunKind::Apply | RunKind::Drift => Context::apply(),
        RunKind::Plan => Context::plan(),
    }
}

/// The context of one environment.
#[must_use]
pub fn context_of(kind: RunKind, environment: &EnvironmentName) -> Context {
    match kind {
        RunKind::Apply | RunKind::Drift => Context::apply_of(environment),
        RunKind::Plan => Context::plan_of(environment),
    }
}

/// The status of one piece of work as it is now.
#[must_use]
pub fn status_of(work: &Work) -> Status {
    let (state, text) = match &work.state {
        WorkState::Queued => (State::Pending, "Queued".to_owned()),
        WorkState::Running { .. } => (State::Pending, running(work.kind).to_owned()),
        WorkState::Ended { end, summary } => (state_of(*end), summary.clone()),
    };
    of_work(work, state, &text)
}

/// A new head, of which the first statuses speak.
#[derive(Clone, Debug)]
pub struct Head {
    /// The commit on which they stand.
    pub commit: CommitId,
    /// What is done about it.
    pub kind: RunKind,
    /// The pull request that it is the head of.
    pub pull_request: Option<PullRequestNumber>,
    /// The environments of whose applies, of earlier commits, some have not ended and stay.
    pub ahead: Vec<EnvironmentName>,
    /// When it was queued once more, for a head whose last word was spoken already.
    pub again: Option<Timestamp>,
}

/// The first statuses of a new head: the aggregate, and one for each environment where there are few.
#[must_use]
pub fn first(head: &Head, environments: &[&EnvironmentName]) -> Vec<Status> {
    let again = head.again.map(|at| format!(" again at {}", at.strftime("%H:%M:%S UTC")));
    let place = match (&again, head.ahead.as_slice()) {
        (Some(again), _) => again.clone(),
        (None, []) => String::new(),
        (None, ahead) => format!(" behind {} ({})", ahead.len(), names_ahead(ahead, None)),
    };
    let own_place = |environment: &EnvironmentName| match (&again, head.ahead.as_slice()) {
        (Some(again), _) => again.clone(),
        (None, []) => String::new(),
        (None, ahead) => format!(" behind {}: {}", ahead.len(), names_ahead(ahead, Some(environment))),
    };
    let (state, text) = if environments.is_empty() {
        (State::Success, "No environments changed".to_owned())
    } else {
        let (count, names) = (count_of(environments.len()), names(environments));
        (State::Pending, format!("{count} queued{place}: {names}"))
    };
    let aggregate = of_head(head, aggregate_context(head.kind), state, &text);
    let own = if have_all_a_context(environments.len()) { environments } else { &[] };
    let named = own.iter().map(|environment| {
        let text = format!("Queued{}", own_place(environment));
        of_head(head, context_of(head.kind, environment), State::Pending, &text)
    });
    std::iter::once(aggregate).chain(named).collect()
}

/// Most environments ahead that a status names.
const MAX_AHEAD: usize = 3;

/// What is ahead, `own` first: nothing passes that.
fn names_ahead(ahead: &[EnvironmentName], own: Option<&EnvironmentName>) -> String {
    let (first, rest): (Vec<_>, Vec<_>) = ahead.iter().partition(|name| Some(*name) == own);
    let named: Vec<&EnvironmentName> = first.into_iter().chain(rest).take(MAX_AHEAD).collect();
    match ahead.len() - named.len() {
        0 => names(&named),
        more => format!("{} and {more} more", names(&named)),
    }
}

/// The first and last status of a head that touches no environment. What it brings and nobody acts on is
/// named: who wrote it may have meant it.
#[must_use]
pub fn none_changed(head: &Head, unheeded: &Unheeded) -> Status {
    let text = match unheeded.sentences() {
        None => "No environments changed".to_owned(),
        Some(said) => format!("No environments changed. {said}"),
    };
    of_head(head, aggregate_context(head.kind), State::Success, &text)
}

/// The last word on a new head that is not worked on, and why.
#[must_use]
pub fn refused(head: &Head, why: &str) -> Status {
    of_head(head, aggregate_context(head.kind), State::Failure, why)
}

/// The last word on environments that an earlier plan of the same head spoke of and this one does not.
#[must_use]
pub fn untouched(head: &Head, environments: &[EnvironmentName]) -> Vec<Status> {
    let text = "No longer changed";
    let of = |name: &EnvironmentName| of_head(head, context_of(head.kind, name), State::Success, text);
    environments.iter().map(of).collect()
}

/// The last word on environments that an earlier plan of the same head spoke of, when it cannot be planned
/// now, and why.
#[must_use]
pub fn not_planned(head: &Head, environments: &[EnvironmentName], why: &str) -> Vec<Status> {
    let text = format!("Not planned: {why}");
    let of = |name: &EnvironmentName| of_head(head, context_of(head.kind, name), State::Failure, &text);
    environments.iter().map(of).collect()
}

/// What is to be said of a commit some of whose work was superseded.
#[must_use]
pub fn superseded(work: &[Work]) -> Vec<Status> {
    let is_superseded = |work: &&Work| matches!(work.state, WorkState::Ended { end: RunEnd::Superseded, .. });
    // The first ones were given contexts by an older version, whatever became of them.
    let of_environments = work.iter().take(MAX_CONTEXTS).filter(is_superseded).map(status_of);
    let mut told: Vec<Status> = of_environments.collect();
    for status in of_commit(work) {
        if told.iter().all(|one| one.context != status.context) {
            told.push(status);
        }
    }
    told
}

/// The aggregate of a commit's work, where there is any, and of many environments those that have earned a
/// context. Plans take seconds: of them only the first and the last word is said.
#[must_use]
pub fn of_commit(work: &[Work]) -> Vec<Status> {
    let is_said = |first: &&Work| first.kind != RunKind::Plan || work.iter().all(|one| one.state.is_ended());
    let aggregate = work.first().filter(is_said).map(|first| aggregate(&head_of(first), work));
    let earned = if have_all_a_context(work.len()) { Vec::new() } else { contexts(work) };
    aggregate.into_iter().chain(earned.into_iter().map(status_of)).collect()
}

/// What is to be said of a commit some of whose work was queued again at `now`.
#[must_use]
pub fn queued_again(work: &[Work], now: Timestamp) -> Vec<Status> {
    let Some(head) = work.first().map(|first| Head { again: Some(now), ..head_of(first) }) else {
        return Vec::new();
    };
    let waiting: Vec<&EnvironmentName> =
        work.iter().filter(|work| !work.state.is_ended()).map(|work| &work.environment).collect();
    first(&head, &waiting)
}

/// A pending status with a sentence of its own.
#[must_use]
pub fn pending(work: &Work, text: &str) -> Status {
    of_work(work, State::Pending, text)
}

/// What work that runs is called.
pub(in crate::daemon) fn running(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Apply => "Applying",
        RunKind::Plan => "Planning",
        RunKind::Drift => "Comparing",
    }
}

/// What the end of a run means for a commit.
#[must_use]
pub fn state_of(end: RunEnd) -> State {
    match end {
        RunEnd::Complete | RunEnd::Planned => State::Success,
        RunEnd::Failed | RunEnd::Blocked | RunEnd::Invalid => State::Failure,
        RunEnd::Interrupted | RunEnd::Superseded => State::Error,
    }
}

/// The aggregate status of a commit from all of its work.
#[must_use]
pub fn aggregate(head: &Head, work: &[Work]) -> Status {
    let (state, text) = match (work, open(work, &Waiting::new())) {
        ([], _) => (State::Success, "No environments changed".to_owned()),
        (_, Some(text)) => (State::Pending, text),
        (work, None) => {
            let (state, text) = ended(head.kind, work);
            (state, remarked(state, text, work))
        }
    };
    of_head(head, aggregate_context(head.kind), state, &text)
}

/// The aggregate of a commit that is worked on, of whose work that is `waiting` which waits; `None` when nothing
/// is open.
#[must_use]
pub(in crate::daemon) fn under_way(work: &[Work], waiting: &Waiting) -> Option<Status> {
    let head = head_of(work.first()?);
    let text = open(work, waiting)?;
    Some(of_head(&head, aggregate_context(head.kind), State::Pending, &text))
}

/// What is open of a commit's work: what waits with its reason, else the names; `None` when nothing is.
fn open(work: &[Work], waiting: &Waiting) -> Option<String> {
    let open: Vec<&Work> = work.iter().filter(|work| !work.state.is_ended()).collect();
    let held = || open.iter().filter_map(|work| Some((called(work), waiting.get(&work.id)?)));
    // What waits for its turn behind others of this commit stands still only when they do.
    let stands_still = held().count() == open.len();
    let obstructed = held().find(|(_, held)| !held.is_queued);
    let named = obstructed.or_else(|| held().next().filter(|_| stands_still));
    match (named, work) {
        _ if open.is_empty() => None,
        (Some((name, held)), [_]) => Some(format!("{name}: {}", held.text)),
        (Some((name, held)), _) => Some(format!("{}; {name}: {}", how_many_done(work), held.text)),
        (None, _) => Some(format!("{}, open: {}", how_many_done(work), names_of(&open))),
    }
}

fn ended(kind: RunKind, work: &[Work]) -> (State, String) {
    let having = |wanted: State| move |work: &&Work| matches!(&work.state, WorkState::Ended { end, .. } if state_of(*end) == wanted);
    let failed: Vec<&Work> = work.iter().filter(having(State::Failure)).collect();
    let errors: Vec<&Work> = work.iter().filter(having(State::Error)).collect();
    match (failed.as_slice(), errors.as_slice(), work) {
        ([], [], [only]) => (State::Success, format!("{}: {}", only.environment, summary(only))),
        ([], [], _) => (State::Success, well(kind, work)),
        ([only], [], _) => (State::Failure, named(only)),
        ([], [only], _) => (State::Error, named(only)),
        ([], errors, _) => {
            let same = errors.iter().all(|work| summary(work) == summary(errors[0]));
            let text = if same {
                format!("{}: {}", count_of(errors.len()), summary(errors[0]))
            } else {
                format!("{} not applied: {}", count_of(errors.len()), names_of(errors))
            };
            (State::Error, text)
        }
        (failed, _, _) => (State::Failure, how_many_failed(failed, work)),
    }
}

/// What became of a piece of work, with what it is called. The error of a file begins with its path, in full or with
/// its end.
fn named(work: &Work) -> String {
    let (called, summary) = (called(work), summary(work));
    let end = called.rsplit('/').next().unwrap_or(called);
    let says_it = |place: &str| summary.starts_with(&format!("{place}:"));
    match called != work.environment.as_str() && (says_it(called) || says_it(&format!("…/{end}"))) {
        true => summary.to_owned(),
        false => format!("{called}: {summary}"),
    }
}

/// Work some of which failed. What only carries an error is no environment.
fn how_many_failed(failed: &[&Work], work: &[Work]) -> String {
    let (failed, unread) = apart(failed.iter().copied());
    let unread = unread.into_iter().map(called).collect::<Vec<_>>().join(", ");
    let known = apart(work).0.len();
    match (failed.as_slice(), unread.as_str()) {
        (failed, "") => format!("{} of {known} failed: {}", failed.len(), names_of(failed)),
        ([], unread) => format!("Cannot be read: {unread}"),
        (failed, unread) => {
            format!("{} of {known} failed: {}; cannot be read: {unread}", failed.len(), names_of(failed))
        }
    }
}

/// How many characters of a status every forge shows.
const ROOM: usize = MAX_DESCRIPTION_CHARS;

/// Adds what nobody acts on. A status is cut at its end: where both do not fit, what went well gives way, what failed
/// does not.
fn remarked(state: State, text: String, work: &[Work]) -> String {
    match work.iter().find_map(|work| work.remark.as_deref()) {
        None => text,
        Some(remark) => {
            let whole = format!("{text}. {remark}");
            // A file that is ignored may be why another one is gone.
            let is_cause = state != State::Success && work.iter().any(|work| work.removed);
            let gives_way = is_cause || state == State::Success && whole.chars().count() > ROOM;
            if gives_way { format!("{remark}. {text}") } else { whole }
        }
    }
}

/// How much of a commit's work went well. What ended otherwise is counted beside it, and not passed off as done.
fn how_many_done(work: &[Work]) -> String {
    let (known, unread) = apart(work);
    let counted = if known.is_empty() { &unread } else { &known };
    let having = |wanted: State| {
        let ended =
            |work: &&&Work| matches!(&work.state, WorkState::Ended { end, .. } if state_of(*end) == wanted);
        counted.iter().filter(ended).count()
    };
    let others = [(having(State::Failure), "failed"), (having(State::Error), "not done")];
    let others: Vec<String> = others
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
    format!("{} of {} done{others}", having(State::Success), count_of(counted.len()))
}

/// Work all of which ended well. What is no environment any more was not applied.
fn well(kind: RunKind, work: &[Work]) -> String {
    let mut gone: BTreeMap<Gone, Vec<&Work>> = BTreeMap::new();
    let mut rest: Vec<&Work> = Vec::new();
    for work in work {
        match sentences::gone_as(summary(work)).filter(|_| kind != RunKind::Plan) {
            Some(how) => gone.entry(how).or_default().push(work),
            None => rest.push(work),
        }
    }
    let verb = match kind {
        RunKind::Apply | RunKind::Drift => "applied",
        RunKind::Plan => "planned",
    };
    let named = if gone.is_empty() { all_names(work) } else { names_of(&rest) };
    let rest = (!rest.is_empty()).then_some((rest.len(), verb, named));
    let gone = gone.iter().map(|(how, work)| (work.len(), how.word(), names_of(work)));
    let clauses = rest.into_iter().chain(gone).enumerate().map(|(place, (count, verb, names))| match place {
        0 => format!("{} {verb}: {names}", count_of(count)),
        _ => format!("{verb}: {names}"),
    });
    clauses.collect::<Vec<_>>().join("; ")
}

fn summary(work: &Work) -> &str {
    match &work.state {
        WorkState::Ended { summary, .. } => summary,
        WorkState::Queued | WorkState::Running { .. } => "",
    }
}

fn count_of(count: usize) -> String {
    if count == 1 { "1 environment".to_owned() } else { format!("{count} environments") }
}

/// The environments of a commit. Those without a context of their own come first: the others are named by
/// theirs, and the end of a long line is cut off.
fn all_names(work: &[Work]) -> String {
    let own: BTreeSet<WorkId> = contexts(work).into_iter().map(|one| one.id).collect();
    let (named, rest): (Vec<&Work>, Vec<&Work>) = work.iter().partition(|one| own.contains(&one.id));
    names(&rest.into_iter().chain(named).map(|one| &one.environment).collect::<Vec<_>>())
}

fn names_of(work: &[&Work]) -> String {
    work.iter().map(|work| called(work)).collect::<Vec<_>>().join(", ")
}

fn names(environments: &[&EnvironmentName]) -> String {
    environments.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The head that a piece of work is about.
#[must_use]
pub fn head_of(work: &Work) -> Head {
    Head {
        commit: work.commit,
        kind: work.kind,
        pull_request: work.line.pull_request(),
        ahead: Vec::new(),
        again: None,
    }
}

fn of_work(work: &Work, state: State, text: &str) -> Status {
    of_head(&head_of(work), context_of(work.kind, &work.environment), state, text)
}

fn of_head(head: &Head, context: Context, state: State, text: &str) -> Status {
    let (commit, pull_request) = (head.commit, head.pull_request);
    Status { commit, context, state, description: Description::new(text), target_url: None, pull_request }
}

#[cfg(test)]
mod tests;
