//! One piece of work: take the environment's lease, pass over it, store how it ended, or when it is
//! tried again.
//!
//! The end, the environment's record and the final statuses are stored in one transaction. Work that
//! cannot go on is tried again with growing waits, a bounded number of times: no status stays pending
//! for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::account::is_told;
use super::announcement::stored;
use super::error::WorkError;
use super::outage::{JOURNAL_WAIT, Outage, outlast};
use super::pass::{Outcome, Pass, Passed};
use super::queue::{Obstacle, Queued};
use crate::attempt::{About, Lease, Taken};
use crate::azure::ErrorClass;
use crate::daemon::shared::Shared;
use crate::daemon::shared::beat::Beating;
use crate::daemon::shared::happening::Happening;
use crate::daemon::shared::log;
use crate::daemon::shared::standstill::Footing;
use crate::daemon::telling::aggregate::{tell_after, tell_commits};
use crate::daemon::telling::pull_request;
use crate::daemon::telling::sentences;
use crate::daemon::telling::wording;
use crate::git::Lasting;
use crate::reconcile::ReconcileError;
use crate::reconcile::apply::{Fence, RunEnd, RunKind};
use crate::store::{Ending, StoreError, Work, WorkState};

/// How often work is tried before it counts as failed for this commit. With the waits below that is
/// about a quarter of an hour; the sweep tries again later.
const MAX_TRIES: u32 = 10;

/// The first and the longest wait between two tries.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// What became of a piece of work.
#[derive(Debug)]
pub(in crate::daemon) enum Verdict {
    /// It ended; its outcome and statuses are stored.
    Ended,
    /// It is tried again after a while.
    Again(Duration),
    /// Somebody else has the lease of its environment; it is tried again after a while.
    Busy(Duration),
    /// The service stops; the next start takes it up.
    Stopped,
}

/// Works on `work`, for the `tries`-th time (from 1).
pub(in crate::daemon) async fn work_on(
    shared: &Arc<Shared>,
    work: Work,
    tries: u32,
    stop: &CancellationToken,
    beating: &Beating,
) -> Verdict {
    match shared.store.begin_work(work.id, shared.clock.now()).await {
        Ok(Some(_)) => {}
        // A newer commit superseded it before it began.
        Ok(None) => return Verdict::Ended,
        Err(error) => return unstored(shared, &work, tries, &error),
    }
    let verdict = Box::pin(with_lease(shared, &work, tries, stop, beating)).await;
    match verdict {
        Verdict::Ended => Verdict::Ended,
        Verdict::Again(_) | Verdict::Busy(_) | Verdict::Stopped => {
            put_back(shared, &work, stop, verdict).await
        }
    }
}

/// Puts work back to the queue, unless newer work has come for its environment. What is not put back is never
/// taken again before the next start: hence the journal is waited for, without which nothing else could go on.
async fn put_back(shared: &Shared, work: &Work, stop: &CancellationToken, verdict: Verdict) -> Verdict {
    loop {
        match shared.store.put_back(work.id, shared.clock.now(), &wording::superseded).await {
            Ok(None) => return verdict,
            Ok(Some(superseded)) => {
                shared.standstill.forget(superseded.id);
                shared.outbox.notify_one();
                shared.tell(Happening::Ended { work: superseded });
                return Verdict::Ended;
            }
            Err(error) => {
                tracing::error!(%error, environment = %work.environment, "work cannot be put back to the queue");
                if outlast(shared, stop).await == Outage::Stopped {
                    return Verdict::Stopped;
                }
            }
        }
    }
}

/// Ends work that failed for a reason of our own.
pub(in crate::daemon) async fn give_up(
    shared: &Arc<Shared>,
    work: &Work,
    summary: &str,
    stop: &CancellationToken,
) -> Verdict {
    let pass = Pass::new(shared, work, Fence(0), stop.child_token());
    fail(&pass, summary.to_owned()).await
}

/// Says why work that waits in the queue has not begun, of each piece once it is half a minute old.
pub(in crate::daemon) async fn tell_queued(shared: Arc<Shared>, waiting: Vec<(Work, Queued)>) {
    let mut commits = Vec::new();
    for (work, why) in waiting {
        let pass = Pass::new(&shared, &work, Fence(0), CancellationToken::new());
        let text = sentences::queued(&why.behind, why.root.as_deref());
        log::waiting_to_begin(&work, &text, shared.onsets.of(work.id, &shared.clock));
        let footing = match why.behind {
            Obstacle::Environment(_) => Footing::Waits,
            Obstacle::Limit { .. } => Footing::Queued,
        };
        if pass.tell_before(footing, &text).await {
            commits.push((work.commit, work.kind));
        }
    }
    // Once for each commit: telling it for each of its environments would cost their square.
    stored(tell_commits(&shared, commits).await);
}

async fn with_lease(
    shared: &Arc<Shared>,
    work: &Work,
    tries: u32,
    stop: &CancellationToken,
    beating: &Beating,
) -> Verdict {
    let lease = match Lease::take(&shared.store, &shared.clock, &work.environment, &shared.holder).await {
        Ok(Taken::Ours(lease)) => lease,
        Ok(Taken::Theirs(holding)) => {
            let pass = Pass::new(shared, work, Fence(0), stop.child_token());
            let text = sentences::held(holding.as_ref());
            if shared.tell_trouble(format!("{}: {text}", work.environment)) {
                log::waiting_to_begin(work, &text, shared.onsets.of(work.id, &shared.clock));
            }
            pass.tell_held(&text).await;
            return Verdict::Busy(FIRST_WAIT);
        }
        Err(error) => return unstored(shared, work, tries, &error),
    };
    let pass = Pass { beating: Some(beating), ..Pass::new(shared, work, lease.fence(), stop.child_token()) };
    let passed = tokio::select! {
        passed = pass.run() => passed,
        never = pass.announce() => match never {},
        // Whoever holds the lease now does the work.
        lost = lease.keep() => Err(ReconcileError::Journal(lost).into()),
    };
    let verdict = match passed {
        Ok(Passed::Ended(outcome)) => record(&pass, outcome).await,
        Ok(Passed::Stopped) => Verdict::Stopped,
        Ok(Passed::Behind(other)) => {
            let text = sentences::behind(&other);
            log::waiting_to_begin(work, &text, shared.onsets.of(work.id, &shared.clock));
            pass.tell_held(&text).await;
            Verdict::Busy(FIRST_WAIT)
        }
        Ok(Passed::Waiting { why, .. }) if tries >= MAX_TRIES => {
            fail(&pass, not_finished(work.kind, &why)).await
        }
        Ok(Passed::Waiting { why, at_most }) => Verdict::Again(rest(&pass, tries, &why, at_most).await),
        Err(_) if stop.is_cancelled() => Verdict::Stopped,
        // That is no try: nothing was done but what the journal knows.
        Err(error) if error.is_of_the_journal() => Verdict::Busy(JOURNAL_WAIT),
        Err(WorkError::Git(error)) if error.lasting() == Lasting::OfTheCommit => {
            end(&pass, RunEnd::Invalid, error.to_string()).await
        }
        Err(error) if tries >= MAX_TRIES || !passes(&error) => {
            fail(&pass, not_finished(work.kind, &cause(&error))).await
        }
        Err(error) => {
            let message = cause(&error);
            let wait = rest(&pass, tries, &message, None).await;
            let seconds = wait.as_secs();
            shared.tell(Happening::Trouble(format!(
                "{}: {message}; tried again in {seconds} s",
                work.environment
            )));
            Verdict::Again(wait)
        }
    };
    lease.release().await;
    verdict
}

fn not_finished(kind: RunKind, why: &str) -> String {
    match kind {
        RunKind::Apply => {
            format!("Not finished: {}; tried again at the next sweep", why.trim_end_matches('.'))
        }
        // Nothing tries it again by itself.
        RunKind::Plan => format!("Not planned: {why}"),
        RunKind::Drift => format!("Not compared: {why}"),
    }
}

/// Ends work that came to nothing.
async fn fail(pass: &Pass<'_>, summary: String) -> Verdict {
    end(pass, RunEnd::Failed, summary).await
}

/// Ends work of which nothing was read.
async fn end(pass: &Pass<'_>, end: RunEnd, summary: String) -> Verdict {
    let summary = match pass.after(summary).await {
        Ok(summary) => summary,
        Err(error) => return unstored(pass.shared, pass.work, MAX_TRIES, &error),
    };
    match pass.change(end, About::Unread, None).await {
        Ok(change) => record(pass, Outcome { end, summary, change, section: None }).await,
        Err(error) => unstored(pass.shared, pass.work, MAX_TRIES, &error),
    }
}

/// Stores the end of the work, however long the journal is away: what was done is said, and not found out by
/// another attempt, which would only see that nothing is left to do.
async fn record(pass: &Pass<'_>, outcome: Outcome) -> Verdict {
    let shared = pass.shared;
    let mut ended = pass.work.clone();
    ended.state = WorkState::Ended { end: outcome.end, summary: outcome.summary.clone() };
    loop {
        match store_end(shared, &ended, &outcome).await {
            Ok(stored_as) => {
                stored(tell_after(shared, &ended).await);
                shared.outbox.notify_one();
                say(shared, &ended).await;
                // Nobody waits any more for a plan whose pull request has moved meanwhile.
                if stored_as.is_some() {
                    log::work_ended(&ended, shared.onsets.of(ended.id, &shared.clock));
                    shared.tell(Happening::Ended { work: ended });
                }
                return Verdict::Ended;
            }
            Err(error) if error.is_of_the_disk() => {
                tracing::error!(%error, environment = %ended.environment, "the end of work cannot be stored yet");
                if outlast(shared, &pass.stop).await == Outage::Stopped {
                    return Verdict::Stopped;
                }
            }
            Err(error) => return unstored(shared, &ended, MAX_TRIES, &error),
        }
    }
}

/// Stores the end of the work with its final statuses, in one transaction.
async fn store_end(shared: &Shared, ended: &Work, outcome: &Outcome) -> Result<Option<Work>, StoreError> {
    let Outcome { end, summary, change, section } = outcome;
    let named = is_told(shared, ended).await?;
    let statuses = named.then(|| wording::status_of(ended)).into_iter().collect();
    let ending = Ending {
        end: *end,
        summary: summary.clone(),
        now: shared.clock.now(),
        statuses,
        environment: change.clone(),
        section: section.clone(),
    };
    shared.store.end_work(ended.id, ending, &wording::of_commit).await
}

/// Says what has come of a pull request, when this was the last of its plans. What is not said now is
/// said after the next start.
async fn say(shared: &Shared, work: &Work) {
    if let (RunKind::Plan, Some(number)) = (work.kind, work.line.pull_request())
        && let Err(error) = pull_request::say(shared, number).await
    {
        tracing::error!(%error, %number, "what has come of a pull request is said after the next start");
    }
}

/// What follows when the journal could not be read or written.
fn unstored(shared: &Shared, work: &Work, tries: u32, error: &StoreError) -> Verdict {
    if error.is_of_the_disk() { Verdict::Busy(JOURNAL_WAIT) } else { again(shared, work, tries, error) }
}

fn again(shared: &Shared, work: &Work, tries: u32, error: &StoreError) -> Verdict {
    let wait = wait_before(tries, &shared.clock);
    let message = chain(error);
    log::retry(work, &message, tries, wait);
    let seconds = wait.as_secs();
    shared.tell(Happening::Trouble(format!("{}: {message}; tried again in {seconds} s", work.environment)));
    Verdict::Again(wait)
}

/// For how long the work is left alone; says why.
async fn rest(pass: &Pass<'_>, tries: u32, why: &str, at_most: Option<Duration>) -> Duration {
    let wait = wait_before(tries, &pass.shared.clock).min(at_most.unwrap_or(Duration::MAX));
    pass.tell_rest(why, tries, wait).await;
    wait
}

fn wait_before(tries: u32, clock: &crate::clock::Clock) -> Duration {
    let full = FIRST_WAIT.saturating_mul(1 << tries.min(16)).min(LONGEST_WAIT);
    clock.between(full / 2, full)
}

/// Whether an error may pass by itself.
fn passes(error: &WorkError) -> bool {
    match error {
        WorkError::Reconcile(ReconcileError::Observe(observe)) => match observe.source.class() {
            ErrorClass::Throttled
            | ErrorClass::Busy
            | ErrorClass::Transient
            | ErrorClass::Propagating
            | ErrorClass::NotFound => true,
            ErrorClass::NotRegistered | ErrorClass::Fatal => false,
        },
        WorkError::Reconcile(ReconcileError::Defect(_)) => false,
        WorkError::Git(_)
        | WorkError::Store(_)
        | WorkError::Cut(_)
        | WorkError::Reconcile(
            ReconcileError::Neighbours(_) | ReconcileError::Journal(_) | ReconcileError::Apply(_),
        ) => true,
    }
}

/// Why work cannot go on, the innermost cause first: what stands at the end of a status is cut off.
fn cause(error: &WorkError) -> String {
    match error {
        WorkError::Reconcile(ReconcileError::Observe(observe)) => {
            format!("{} (while {} was read)", observe.source.message_for_people(), observe.what)
        }
        WorkError::Reconcile(
            ReconcileError::Neighbours(_)
            | ReconcileError::Defect(_)
            | ReconcileError::Journal(_)
            | ReconcileError::Apply(_),
        )
        | WorkError::Git(_)
        | WorkError::Store(_)
        | WorkError::Cut(_) => chain(error),
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
