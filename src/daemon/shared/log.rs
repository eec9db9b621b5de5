//! What an operator reads: one line for everything that becomes of a push, so that the log alone tells it.
//!
//! Guarantees: each line has a stable `event` and the same names for the same things (`environment`, `commit`,
//! `run`, `took`); it carries no secret, because what it prints is what a status or a report may say. How
//! often something is tried again is said each time; what merely goes on is not.

use std::time::Duration;

use super::ailments::one_line;
use super::happening::Happening;
use crate::forge::Status;
use crate::git::{BranchName, CommitId};
use crate::reconcile::apply::{RunEnd, RunKind, RunRecord};
use crate::reconcile::deeds::Deeds;
use crate::reconcile::plan::summary_line;
use crate::reconcile::report::Report;
use crate::resources::{Address, EnvironmentName};
use crate::store::{Command, Work, WorkState};

/// Most resources that one line names.
const MAX_NAMED: usize = 20;

/// Writes a line that somebody should look at where something is `$bad`, and one that only tells otherwise.
macro_rules! line {
    ($bad:expr, $($fields:tt)+) => {
        match $bad {
            true => tracing::warn!($($fields)+),
            false => tracing::info!($($fields)+),
        }
    };
}

/// How long something has gone on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon) struct Lasted {
    /// In this process.
    pub(in crate::daemon) took: Duration,
    /// How long after it was last heard of this process took it up, where an earlier one had begun it.
    pub(in crate::daemon) resumed_after: Option<Duration>,
}

impl Lasted {
    fn said(self) -> (String, Option<String>) {
        (seconds(self.took), self.resumed_after.map(seconds))
    }
}

/// The lines of what watchers are told too.
pub(in crate::daemon) fn happening(happening: &Happening) {
    match happening {
        Happening::NewHead { branch, commit, work } => {
            let (commit, touched) = (commit.short(), names(work));
            tracing::info!(event = "head_accepted", %branch, commit, count = work.len(), touched, "a new head");
        }
        Happening::Proposed { number, commit, work } => {
            let (commit, touched) = (commit.short(), names(work));
            tracing::info!(event = "head_accepted", pull_request = %number, commit, count = work.len(), touched,
                "a pull request");
        }
        Happening::Delivered(status) if status.state.is_final() => {
            let Status { commit, context, state, description, .. } = status;
            let (commit, state, text) = (commit.short(), state.as_str(), description.as_str());
            tracing::info!(event = "status_delivered", commit, %context, state, text, "the forge has the last word");
        }
        Happening::Delivered(_)
        | Happening::Said(_)
        | Happening::Invalid { .. }
        | Happening::Planned { .. }
        | Happening::Progress { .. }
        | Happening::Reported(_)
        | Happening::Ended { .. }
        | Happening::Trouble(_) => {}
    }
}

/// A new head cannot be read, and will not be: its status says so.
pub(in crate::daemon) fn head_refused(branch: &BranchName, commit: &CommitId, why: &str) {
    tracing::warn!(event = "head_refused", %branch, commit = commit.short(), why, "a new head is refused");
}

/// A newer commit took the place of work before it began.
pub(in crate::daemon) fn superseded(work: &Work) {
    let (environment, commit) = (&work.environment, work.commit.short());
    let text = ended_text(work);
    tracing::info!(event = "superseded", %environment, commit, text, "work is not done any more");
}

/// A plan is carried out from now on.
pub(in crate::daemon) fn run_started(run: &RunRecord) {
    let (environment, commit, plan) = (&run.environment, commit_of(run), summary_line(&run.plan));
    tracing::info!(event = "run_started", %environment, commit, run = %run.id, plan, "a run begins");
}

/// A run that was interrupted goes on, so long after it was last written down.
pub(in crate::daemon) fn run_resumed(run: &RunRecord, done: usize, after: Duration) {
    let (environment, commit, steps) = (&run.environment, commit_of(run), run.plan.steps.len());
    let resumed_after = seconds(after);
    tracing::info!(event = "run_resumed", %environment, commit, run = %run.id, done, steps, resumed_after,
        "an interrupted run goes on");
}

/// A run that was interrupted cannot go on: what it did is found by the next plan.
pub(in crate::daemon) fn run_dropped(run: &RunRecord, done: usize, why: &str) {
    let (environment, commit, steps) = (&run.environment, commit_of(run), run.plan.steps.len());
    tracing::warn!(event = "run_ended", %environment, commit, run = %run.id, end = "dropped", done, steps, why,
        "an interrupted run does not go on");
}

/// A run ended, or stops and is resumed later. What an interruption took is not its time.
pub(in crate::daemon) fn run_ended(run: &RunRecord, report: &Report, lasted: Lasted) {
    let (environment, commit, run) = (&run.environment, commit_of(run), run.id);
    let deeds = Deeds::of(std::slice::from_ref(report));
    let (took, resumed_after) = lasted.said();
    let done = deeds.counts();
    if report.end == RunEnd::Complete {
        tracing::info!(event = "run_ended", %environment, commit, %run, end = "complete", done, took,
            resumed_after, "a run ended");
        return;
    }
    let end = match report.is_underway() {
        true => "stopped".to_owned(),
        false => word(report.end),
    };
    let underway = deeds.underway();
    let failed: Vec<String> = deeds
        .failed()
        .iter()
        .take(MAX_NAMED)
        .map(|failure| format!("{}: {}", failure.address.local(), failure.message))
        .collect();
    let blocked: Vec<String> = deeds
        .blocked()
        .iter()
        .take(MAX_NAMED)
        .map(|(address, because)| format!("{} (by {})", address.local(), because.local()))
        .collect();
    let gone: Vec<String> = deeds.gone().into_iter().take(MAX_NAMED).map(Address::local).collect();
    let underway: Vec<String> = underway.into_iter().take(MAX_NAMED).map(Address::local).collect();
    line!(is_bad(report.end), event = "run_ended", %environment, commit, %run, end, done, failed = failed.join("; "),
        blocked = blocked.join(", "), gone = gone.join(", "), underway = underway.join(", "), took, resumed_after,
        "a run ended");
}

/// Everything about an environment at a commit is over: planned, applied, refused or given up.
pub(in crate::daemon) fn work_ended(work: &Work, lasted: Lasted) {
    let (environment, commit, kind) = (&work.environment, work.commit.short(), word(work.kind));
    let (took, resumed_after) = lasted.said();
    let text = ended_text(work);
    // What is proposed is for its author to mend.
    let is_bad = work.kind != RunKind::Plan && ending(work).is_some_and(is_bad);
    line!(is_bad, event = "work_ended", %environment, commit, kind, text, took, resumed_after, "work ended");
}

/// Whether what a definition says is not so, and does not become so by itself.
fn is_bad(end: RunEnd) -> bool {
    match end {
        RunEnd::Failed | RunEnd::Blocked | RunEnd::Invalid => true,
        RunEnd::Complete | RunEnd::Planned | RunEnd::Interrupted | RunEnd::Superseded => false,
    }
}

/// What a comment asks for is not done; `unsaid` others were not logged before it.
pub(in crate::daemon) fn comment_refused(command: &Command, why: &str, unsaid: u64) {
    let (number, author, why) = (command.pull_request, &command.author.name, one_line(why));
    let unsaid = (unsaid > 0).then_some(unsaid);
    tracing::info!(event = "comment_refused", pull_request = %number, comment = %command.comment, author = one_line(author),
        why, unsaid, "a comment is refused");
}

/// Work is tried again after a while.
pub(in crate::daemon) fn retry(work: &Work, why: &str, tries: u32, wait: Duration) {
    let (environment, commit, wait) = (&work.environment, work.commit.short(), seconds(wait));
    tracing::warn!(event = "retry", %environment, commit, tries, wait, why, "the work is tried again");
}

/// Work has waited for longer than is passed over in silence.
pub(in crate::daemon) fn waiting(work: &Work, what_for: &str, waited: Duration, next: Option<Duration>) {
    let (environment, commit) = (&work.environment, work.commit.short());
    let (waited, next) = (seconds(waited), next.map(seconds));
    tracing::info!(event = "waiting", %environment, commit, waited, next, what_for, "work waits");
}

/// Work waits from its beginning: in the queue, or for whoever has its environment.
pub(in crate::daemon) fn waiting_to_begin(work: &Work, what_for: &str, lasted: Lasted) {
    waiting(work, what_for, lasted.took, None);
}

fn names(work: &[Work]) -> String {
    let names: Vec<&str> =
        work.iter().take(MAX_NAMED).map(|work| EnvironmentName::as_str(&work.environment)).collect();
    match work.len().saturating_sub(MAX_NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

fn commit_of(run: &RunRecord) -> String {
    let commit = run.commit.as_ref().and_then(|commit| commit.0.parse::<CommitId>().ok());
    commit.map(|commit| commit.short()).unwrap_or_default()
}

fn ended_text(work: &Work) -> &str {
    match &work.state {
        WorkState::Ended { summary, .. } => summary,
        WorkState::Queued | WorkState::Running { .. } => "",
    }
}

fn ending(work: &Work) -> Option<RunEnd> {
    match work.state {
        WorkState::Ended { end, .. } => Some(end),
        WorkState::Queued | WorkState::Running { .. } => None,
    }
}

/// The word under which a value is stored.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
