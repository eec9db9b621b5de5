//! The loop: select → one event → handle → response.
//!
//! The `select!` only names what happened; [`Dispatcher::handle`] is synchronous and says what to do;
//! [`run`] does it. A task that panics is a bug that costs its own piece of work, nothing else.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::outage::{Outage, outlast};
use super::queue::{Queue, Queued};
use super::worker::{Verdict, give_up, tell_queued, work_on};
use crate::clock::{Clock, Instant};
use crate::daemon::hearing::error::LookError;
use crate::daemon::hearing::look::{Looked, View, look, look_beside};
use crate::daemon::hearing::sweep::sweep;
use crate::daemon::shared::Shared;
use crate::daemon::shared::ailments::{Sort, Subject};
use crate::daemon::shared::beat::Rhythm;
use crate::daemon::shared::event::{Because, Event};
use crate::daemon::shared::log;
use crate::daemon::shared::tally::Counted;
use crate::daemon::shared::wellness::Part;
use crate::forge::Class;
use crate::reconcile::apply::RunKind;
use crate::store::{Accepted, StoreError, Work, WorkId};

/// The first and the longest wait before a failed look is tried again by itself.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN_AT_LAST: Duration = Duration::from_secs(5 * 60);

/// The first wait for a head that the forge lists and Git does not have yet. Each next one is twice as long;
/// after half a minute, which is these many looks, the usual ones must do.
const LATE_HEAD: Duration = Duration::from_secs(1);
const LATE_LOOKS: u32 = 5;

/// The first and the longest rest between looks while something happens during each of them.
const REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// The age from which it is told what waits in the queue, and the longest time between two looks at that.
const TOLD_FROM: Duration = Duration::from_secs(30);
const REVIEW: Duration = Duration::from_secs(5);

/// How long what was told stands, before it is told that something else is in the way: statuses are counted.
const TOLD_AGAIN: Duration = Duration::from_secs(2 * 60);

/// Where it shows that the repository cannot be read: at the main branch, or at what is looked at beside it;
/// and that it can be read, and that there is something wrong with the main branch.
const MAIN: &str = "main";
const BESIDE: &str = "beside";
const HEAD: &str = "head";

/// What the loop must do next.
#[derive(Debug, PartialEq)]
enum Response {
    /// Look at the repository.
    Look,
    /// Try again what failed.
    Sweep,
    /// Have an event sent after a while.
    Later(Duration, Event),
    /// Nothing.
    Nothing,
}

/// Whether the repository is being looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It is, and something has happened since that look began.
    AndAgain,
    /// It is not, and will be after a rest, whatever happens meanwhile.
    Resting,
    /// It is not, and will be as soon as the look beside is over, or after a rest where that takes long.
    Behind,
}

/// Whether the other branches and the pull requests are being looked at.
#[derive(Debug)]
enum Beside {
    /// They are not.
    Idle,
    /// They are.
    Busy,
    /// They are, and this has been seen since: it is looked at next.
    BusyAndNext(View),
    /// They are not, and this is to be looked at.
    Due(View),
    /// They are not: that has just failed, and what the look sees that was under way then is no reason to
    /// try it at once.
    Failed,
}

/// The state of the loop.
struct Dispatcher {
    queue: Queue,
    tries: BTreeMap<WorkId, u32>,
    looking: Looking,
    beside: Beside,
    /// During how many looks, one after the other, something has happened.
    busy_looks: u32,
    /// How many looks have failed one after the other, and how many looks beside them.
    failed_looks: u32,
    failed_beside: u32,
    /// How many looks waited for a head, one after the other.
    late_looks: u32,
    /// Whether the next try of a failed look is on its way. There is never more than one.
    is_retry_due: bool,
    is_sweeping: bool,
    /// What was told of what waits in the queue, and when.
    told: BTreeMap<WorkId, (Queued, Instant)>,
}

impl Dispatcher {
    fn new(parallel: usize) -> Self {
        Self {
            queue: Queue::new(parallel),
            tries: BTreeMap::new(),
            looking: Looking::No,
            beside: Beside::Idle,
            busy_looks: 0,
            failed_looks: 0,
            failed_beside: 0,
            late_looks: 0,
            is_retry_due: false,
            is_sweeping: false,
            told: BTreeMap::new(),
        }
    }

    fn handle(&mut self, event: Event) -> Response {
        match event {
            Event::Look(because) => {
                self.is_retry_due &= because != Because::Failed;
                match self.looking {
                    // The rest of a look that has begun meanwhile.
                    Looking::No | Looking::Yes | Looking::AndAgain if because == Because::Rested => {
                        Response::Nothing
                    }
                    // However many wake us, what is slow beside is no reason to fetch in a storm.
                    Looking::No if matches!(self.beside, Beside::Busy | Beside::BusyAndNext(_)) => {
                        self.looking = Looking::Behind;
                        Response::Later(LONGEST_REST, Event::Look(Because::Rested))
                    }
                    Looking::No => {
                        self.looking = Looking::Yes;
                        Response::Look
                    }
                    Looking::Yes | Looking::AndAgain => {
                        self.looking = Looking::AndAgain;
                        Response::Nothing
                    }
                    Looking::Resting | Looking::Behind if because == Because::Rested => {
                        self.looking = Looking::Yes;
                        Response::Look
                    }
                    Looking::Resting | Looking::Behind => Response::Nothing,
                }
            }
            Event::Sweep if self.is_sweeping => Response::Nothing,
            Event::Sweep => {
                self.is_sweeping = true;
                Response::Sweep
            }
            Event::Again(id) => {
                self.queue.wake(id);
                Response::Nothing
            }
            Event::Asked(work) => {
                self.queue.add(*work);
                Response::Nothing
            }
        }
    }

    /// A look is over. What it accepted counts in any case.
    fn looked(&mut self, looked: Looked, view: Option<View>) -> Response {
        let (has_failed, is_partial) = self.take_in(looked);
        if let Some(view) = view {
            self.beside = match std::mem::replace(&mut self.beside, Beside::Idle) {
                Beside::Idle | Beside::Due(_) => Beside::Due(view),
                Beside::Busy | Beside::BusyAndNext(_) => Beside::BusyAndNext(view),
                Beside::Failed => Beside::Idle,
            };
        }
        let asked = std::mem::replace(&mut self.looking, Looking::No) == Looking::AndAgain;
        if has_failed {
            self.failed_looks = self.failed_looks.saturating_add(1);
            return self.look_again_after(self.failed_looks);
        }
        self.failed_looks = 0;
        self.busy_looks = if asked { self.busy_looks.saturating_add(1) } else { 0 };
        if is_partial || self.busy_looks == 1 {
            self.looking = Looking::Yes;
            return Response::Look;
        }
        if asked {
            self.looking = Looking::Resting;
            let rest = REST.saturating_mul(1 << (self.busy_looks - 2).min(16)).min(LONGEST_REST);
            return Response::Later(rest, Event::Look(Because::Rested));
        }
        Response::Nothing
    }

    fn late_head(&mut self) -> Response {
        if self.late_looks >= LATE_LOOKS || std::mem::replace(&mut self.is_retry_due, true) {
            return Response::Nothing;
        }
        let wait = LATE_HEAD.saturating_mul(1 << self.late_looks);
        self.late_looks += 1;
        Response::Later(wait, Event::Look(Because::Failed))
    }

    /// A look at the other branches and the pull requests is over.
    fn looked_beside(&mut self, looked: Looked) -> Response {
        let next = std::mem::replace(&mut self.beside, Beside::Idle);
        let awaits_head = looked.awaits_head;
        let (has_failed, is_partial) = self.take_in(looked);
        if has_failed {
            // What was seen meanwhile is seen again by then; at once it would only fail once more.
            self.beside = match self.looking {
                Looking::Yes | Looking::AndAgain => Beside::Failed,
                Looking::No | Looking::Resting | Looking::Behind => Beside::Idle,
            };
            self.failed_beside = self.failed_beside.saturating_add(1);
            return self.look_again_after(self.failed_beside);
        }
        self.failed_beside = 0;
        self.beside = match next {
            Beside::BusyAndNext(view) | Beside::Due(view) => Beside::Due(view),
            Beside::Busy | Beside::Idle | Beside::Failed => Beside::Idle,
        };
        if !is_partial && !awaits_head {
            self.late_looks = 0;
        }
        match (self.looking, is_partial) {
            (Looking::Behind, _) | (Looking::No | Looking::Resting, true) => {
                self.looking = Looking::Yes;
                Response::Look
            }
            (Looking::Yes | Looking::AndAgain, true) => {
                self.looking = Looking::AndAgain;
                Response::Nothing
            }
            (Looking::No | Looking::Yes | Looking::AndAgain | Looking::Resting, false) if awaits_head => {
                self.late_head()
            }
            (Looking::No | Looking::Yes | Looking::AndAgain | Looking::Resting, false) => Response::Nothing,
        }
    }

    /// What is to be looked at beside, if that may begin now.
    fn next_beside(&mut self) -> Option<View> {
        match std::mem::replace(&mut self.beside, Beside::Busy) {
            Beside::Due(view) => Some(view),
            other @ (Beside::Idle | Beside::Busy | Beside::BusyAndNext(_) | Beside::Failed) => {
                self.beside = other;
                None
            }
        }
    }

    /// Queues what a look accepted, and says whether it failed and whether there is more.
    fn take_in(&mut self, looked: Looked) -> (bool, bool) {
        for superseded in &looked.accepted.superseded {
            self.queue.drop_superseded(superseded.id);
            self.tries.remove(&superseded.id);
        }
        looked.accepted.work.into_iter().for_each(|work| self.queue.add(work));
        (looked.error.is_some(), looked.is_partial)
    }

    /// Has a look tried again that has failed so many times, unless that is under way.
    fn look_again_after(&mut self, failed: u32) -> Response {
        if std::mem::replace(&mut self.is_retry_due, true) {
            return Response::Nothing;
        }
        let wait = LOOK_AGAIN.saturating_mul(1 << failed.saturating_sub(1).min(16));
        Response::Later(wait.min(LOOK_AGAIN_AT_LAST), Event::Look(Because::Failed))
    }

    fn swept(&mut self, work: Vec<Work>) {
        self.is_sweeping = false;
        work.into_iter().for_each(|work| self.queue.add(work));
    }

    fn worked(&mut self, work: Work, verdict: Verdict) -> Response {
        let id = work.id;
        match verdict {
            Verdict::Ended => {
                self.queue.ended(id);
                self.tries.remove(&id);
                Response::Nothing
            }
            Verdict::Again(wait) => {
                self.queue.rest(work);
                Response::Later(wait, Event::Again(id))
            }
            Verdict::Busy(wait) => {
                self.queue.rest(work);
                // Somebody else works on it: that was no try.
                self.tries.entry(id).and_modify(|tries| *tries = tries.saturating_sub(1));
                Response::Later(wait, Event::Again(id))
            }
            Verdict::Stopped => {
                self.queue.rest(work);
                Response::Nothing
            }
        }
    }

    /// What has waited in the queue for long and was not told yet, or waits for something else than was told. That
    /// what is ahead waits itself is told as soon as it is known.
    fn untold(&mut self, shared: &Shared) -> Vec<(Work, Queued)> {
        let (clock, now) = (&shared.clock, shared.clock.monotonic());
        let old = |work: &Work| clock.age(work.queued_at, TOLD_FROM) >= TOLD_FROM;
        let waiting = self.queue.held_up().filter(|(work, _)| old(work));
        let (mut told, mut untold) = (BTreeMap::new(), Vec::new());
        for (work, behind) in waiting {
            let root = behind.ahead().iter().find_map(|ahead| shared.standstill.why(ahead.id));
            let why = Queued { behind, root };
            let stands = self.told.remove(&work.id).filter(|(known, at)| {
                let is_deeper = known.root.is_none() && why.root.is_some();
                *known == why || (!is_deeper && now.duration_since(*at) < TOLD_AGAIN)
            });
            if stands.is_none() {
                untold.push((work.clone(), why.clone()));
            }
            told.insert(work.id, stands.unwrap_or((why, now)));
        }
        self.told = told;
        untold
    }

    /// How long until what waits is looked at again: when the next piece is old enough to be told, or soon.
    fn next_review(&self, clock: &Clock) -> Duration {
        let left = |work: &Work| TOLD_FROM.saturating_sub(clock.age(work.queued_at, TOLD_FROM));
        let young = self.queue.in_queue().map(left).filter(|left| !left.is_zero());
        young.min().unwrap_or(REVIEW).min(REVIEW)
    }

    fn next(&mut self) -> Option<(Work, u32)> {
        let work = self.queue.start_next()?;
        let tries = self.tries.entry(work.id).or_insert(0);
        *tries = tries.saturating_add(1);
        Some((work, *tries))
    }
}

/// Something that came out of a task.
enum Finished {
    Look(Looked, Option<View>),
    Beside(Looked),
    Sweep(Result<Vec<Work>, StoreError>),
    Work(Work, Verdict),
    /// The service stops; what was under way is done at the next start.
    Cut,
}

/// Runs until `stop`; then waits for what is under way to reach a safe point.
pub(in crate::daemon) async fn run(
    shared: Arc<Shared>,
    mut events: Receiver<Event>,
    sender: Sender<Event>,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let mut state = Dispatcher::new(shared.parallel);
    for work in left_over(&shared, &stop).await? {
        shared.onsets.taken_up(&work, &shared.clock);
        state.queue.add(work);
    }
    let clock = shared.clock.clone();
    let Rhythm { beat, exchange, .. } = shared.beats.rhythm;
    let mut next_beat = clock.monotonic();
    let mut tasks: JoinSet<Finished> = JoinSet::new();
    let mut review = shared.clock.after(REVIEW);
    loop {
        while let Some((work, tries)) = state.next() {
            tasks.spawn(start(shared.clone(), work, tries, stop.clone()));
        }
        if let Some(view) = state.next_beside() {
            let (shared, stop) = (shared.clone(), stop.clone());
            let beating = shared.beats.begin("a look at branches and pull requests".to_owned(), exchange);
            tasks.spawn(async move {
                let looked = caught(beating.watch(Box::pin(look_beside(&shared, view))));
                let looked = stop.run_until_cancelled(looked).await;
                looked.map_or(Finished::Cut, |looked| Finished::Beside(looked.unwrap_or_else(panicked)))
            });
        }
        shared.beats.round();
        if clock.left(next_beat).is_zero() {
            shared.beat();
            next_beat = clock.after(beat);
        }
        let response = tokio::select! {
            biased;
            () = shared.clock.sleep_until(review), if state.queue.waiting() > 0 => {
                let untold = state.untold(&shared);
                if !untold.is_empty() {
                    tasks.spawn(told(shared.clone(), untold));
                }
                review = clock.after(state.next_review(&clock));
                Response::Nothing
            }
            () = stop.cancelled() => break,
            Some(event) = events.recv() => state.handle(event),
            Some(finished) = tasks.join_next() => settle(&shared, &mut state, finished),
            // In this very loop, so that nothing but the loop can beat for it.
            () = clock.sleep_until(next_beat) => Response::Nothing,
        };
        match response {
            Response::Look => {
                shared.tally.count(Counted::Look);
                let (shared, stop) = (shared.clone(), stop.clone());
                let beating = shared.beats.begin("a look at the repository".to_owned(), exchange);
                tasks.spawn(async move {
                    let looked =
                        stop.run_until_cancelled(caught(beating.watch(Box::pin(look(&shared))))).await;
                    looked.map_or(Finished::Cut, |looked| {
                        let (looked, view) = looked.unwrap_or_else(|| (panicked(), None));
                        Finished::Look(looked, view)
                    })
                });
            }
            Response::Sweep => {
                let (shared, stop) = (shared.clone(), stop.clone());
                let beating = shared.beats.begin("a sweep".to_owned(), exchange);
                tasks.spawn(async move {
                    let swept =
                        stop.run_until_cancelled(caught(beating.watch(Box::pin(sweep(&shared))))).await;
                    swept.map_or(Finished::Cut, |swept| Finished::Sweep(swept.unwrap_or(Ok(Vec::new()))))
                });
            }
            Response::Later(wait, event) => later(&shared, wait, event, &sender, &stop),
            Response::Nothing => {}
        }
    }
    // Running work sees `stop`: it starts nothing new and leaves its journal to the next start.
    while tasks.join_next().await.is_some() {}
    Ok(())
}

async fn told(shared: Arc<Shared>, waiting: Vec<(Work, Queued)>) -> Finished {
    let beats = shared.beats.clone();
    let _beating = beats.begin("saying why work waits in the queue".to_owned(), beats.rhythm.work);
    tell_queued(shared, waiting).await;
    Finished::Cut
}

/// The work that earlier processes have left behind, back in the queue: whoever had it is gone. A journal that
/// fails meanwhile is waited for.
async fn left_over(shared: &Shared, stop: &CancellationToken) -> Result<Vec<Work>, StoreError> {
    let found = async || {
        let work = shared.store.open_work().await?;
        for one in &work {
            shared.store.requeue(one.id).await?;
            shared.beats.round();
        }
        Ok(work)
    };
    loop {
        match found().await {
            Err(error) if StoreError::is_of_the_disk(&error) => {
                tracing::error!(%error, "what is left to do cannot be read yet");
                if outlast_beating(shared, stop).await == Outage::Stopped {
                    return Ok(Vec::new());
                }
            }
            outcome => return outcome,
        }
    }
}

/// Waits for the journal before there is a loop: whoever supervises hears of it.
async fn outlast_beating(shared: &Shared, stop: &CancellationToken) -> Outage {
    let mut outage = pin!(outlast(shared, stop));
    loop {
        shared.beats.round();
        shared.beat();
        tokio::select! {
            over = &mut outage => return over,
            () = shared.clock.sleep(shared.beats.rhythm.beat) => {}
        }
    }
}

async fn start(shared: Arc<Shared>, work: Work, tries: u32, stop: CancellationToken) -> Finished {
    let what = match work.kind {
        RunKind::Apply => "apply",
        RunKind::Plan => "plan",
        RunKind::Drift => "comparison",
    };
    let what = format!("the {what} of {} at {}", work.environment, work.commit.short());
    let beating = shared.beats.begin(what, shared.beats.rhythm.work);
    let verdict = match caught(work_on(&shared, work.clone(), tries, &stop, &beating)).await {
        Some(verdict) => verdict,
        None => {
            let summary = "Failed unexpectedly. This is a bug; the daemon's log has its place";
            give_up(&shared, &work, summary, &stop).await
        }
    };
    Finished::Work(work, verdict)
}

/// `None` when it panicked, which the panic hook has logged.
async fn caught<T>(task: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(task).catch_unwind().await.ok()
}

fn panicked() -> Looked {
    Looked { error: Some(LookError::Panicked), ..Looked::default() }
}

/// Has the forge told of what a look did, and says what went wrong, once. A look that did nothing is no
/// reason to try a forge that is down. Where the next try `is_on_its_way` already, no second one is announced.
fn say(shared: &Shared, looked: &Looked, from: &str, is_on_its_way: bool) {
    if looked.accepted != Accepted::default() {
        shared.outbox.notify_one();
    }
    looked.accepted.superseded.iter().for_each(log::superseded);
    looked.accepted.superseded.iter().for_each(|work| shared.standstill.forget(work.id));
    looked.accepted.superseded.iter().for_each(|work| shared.onsets.forget(work.id));
    looked.accepted.work.iter().for_each(|work| shared.onsets.queued(work.id, &shared.clock));
    let Some(error) = &looked.error else { return };
    let subject = match error {
        LookError::Git(_) | LookError::Late { .. } => Some(Subject::from((Part::Repository, from))),
        LookError::Forge(_) => Some(Subject::from(Part::PullRequests)),
        LookError::Store(_) | LookError::Cut(_) | LookError::Panicked => None,
    };
    if let Some(subject) = subject.clone() {
        let sort = if is_refusal(error) { Sort::Refusal } else { Sort::Failure };
        shared.not_well(subject, sort, &error.to_string(), shared.clock.monotonic());
    }
    // What is degraded is logged as that.
    let is_known = subject.is_some_and(|subject| shared.is_degraded(subject));
    if shared.tell_trouble(error.to_string()) && !is_known {
        let what = if matches!(error, LookError::Forge(_)) { "forge" } else { "repository" };
        let next = if is_on_its_way { "" } else { "; tried again" };
        tracing::warn!(%error, "the {what} could not be looked at{next}");
    }
}

/// Whether somebody has to act.
fn is_refusal(error: &LookError) -> bool {
    match error {
        LookError::Git(error) => error.is_refusal(),
        LookError::Forge(error) => match error.class {
            Class::Refused => true,
            Class::Retry { .. } | Class::NoCommit => false,
        },
        LookError::Late { .. } | LookError::Store(_) | LookError::Cut(_) | LookError::Panicked => false,
    }
}

/// What a finished task means for the loop.
fn settle(
    shared: &Arc<Shared>,
    state: &mut Dispatcher,
    finished: Result<Finished, tokio::task::JoinError>,
) -> Response {
    match finished {
        Ok(Finished::Look(looked, view)) => {
            say(shared, &looked, MAIN, state.is_retry_due);
            // The branches were read, whatever else went wrong.
            if let Some(view) = &view {
                shared.looked();
                if !matches!(looked.error, Some(LookError::Git(_) | LookError::Late { .. })) {
                    shared.accepted((Part::Repository, MAIN));
                }
                match &view.ailment {
                    Some(why) => shared.refused((Part::Repository, HEAD), why),
                    None => shared.accepted((Part::Repository, HEAD)),
                }
            }
            state.looked(looked, view)
        }
        Ok(Finished::Beside(looked)) => {
            if !matches!(looked.error, Some(LookError::Forge(_))) {
                shared.accepted(Part::PullRequests);
            }
            if !matches!(looked.error, Some(LookError::Git(_) | LookError::Late { .. })) {
                shared.accepted((Part::Repository, BESIDE));
            }
            say(shared, &looked, BESIDE, state.is_retry_due);
            state.looked_beside(looked)
        }
        Ok(Finished::Sweep(swept)) => {
            if let Err(error) = &swept {
                tracing::warn!(%error, "the sweep failed; the next one tries again");
            }
            let work = swept.unwrap_or_default();
            work.iter().for_each(|work| shared.onsets.queued(work.id, &shared.clock));
            state.swept(work);
            shared.outbox.notify_one();
            Response::Nothing
        }
        Ok(Finished::Work(work, verdict)) => {
            if matches!(verdict, Verdict::Ended) {
                shared.onsets.forget(work.id);
            }
            state.worked(work, verdict)
        }
        Ok(Finished::Cut) => Response::Nothing,
        Err(error) => {
            tracing::error!(%error, "a task was cancelled; its work is taken up at the next start");
            Response::Nothing
        }
    }
}

fn later(
    shared: &Arc<Shared>,
    wait: Duration,
    event: Event,
    sender: &Sender<Event>,
    stop: &CancellationToken,
) {
    let (clock, sender, stop) = (shared.clock.clone(), sender.clone(), stop.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        // A closed channel means that the service has stopped.
        let _ = sender.send(event).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::fixture::work;

    fn failed() -> Looked {
        Looked { error: Some(LookError::Panicked), ..Looked::default() }
    }

    fn dispatcher() -> Dispatcher {
        let mut state = Dispatcher::new(2);
        assert_eq!(state.handle(Event::Look(Because::Started)), Response::Look);
        state
    }

    #[test]
    fn looks_are_coalesced_and_none_is_lost() {
        let mut state = dispatcher();
        for _ in 0..9 {
            assert_eq!(state.handle(Event::Look(Because::Webhook)), Response::Nothing);
        }
        assert_eq!(state.looked(Looked::default(), None), Response::Look);
        assert_eq!(state.looked(Looked::default(), None), Response::Nothing);
    }

    #[test]
    fn a_late_head_is_looked_for_during_half_a_minute() {
        let mut state = dispatcher();
        let mut beside = |because: Option<Event>, awaits_head: bool| {
            if let Some(event) = because {
                assert_eq!(state.handle(event), Response::Look);
            }
            assert_eq!(state.looked(Looked::default(), Some(View::default())), Response::Nothing);
            assert!(state.next_beside().is_some());
            state.looked_beside(Looked { awaits_head, ..Looked::default() })
        };
        let (again, polled) = (Event::Look(Because::Failed), Event::Look(Because::Polled));
        let mut because = None;
        for wait in [1, 2, 4, 8, 16] {
            let expected = Response::Later(Duration::from_secs(wait), again.clone());
            assert_eq!(beside(because.take(), true), expected);
            because = Some(again.clone());
        }
        assert_eq!(beside(because, true), Response::Nothing, "from now on the usual looks");
        assert_eq!(beside(Some(polled.clone()), false), Response::Nothing);
        assert!(matches!(beside(Some(polled), true), Response::Later(..)), "another one is waited for anew");
    }

    #[test]
    fn a_storm_of_webhooks_is_looked_at_with_growing_rests() {
        let mut state = dispatcher();
        let mut rests = Vec::new();
        for round in 0..9 {
            assert_eq!(state.handle(Event::Look(Because::Webhook)), Response::Nothing);
            let response = state.looked(Looked::default(), None);
            if round == 0 {
                assert_eq!(response, Response::Look, "the first time at once");
                continue;
            }
            let Response::Later(rest, again) = response else { panic!("no rest") };
            assert_eq!(again, Event::Look(Because::Rested));
            assert_eq!(state.handle(Event::Look(Because::Webhook)), Response::Nothing);
            assert_eq!(state.handle(again), Response::Look);
            rests.push(rest.as_millis());
        }
        assert_eq!(rests, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
        assert_eq!(state.looked(Looked::default(), None), Response::Nothing);
        assert_eq!(state.handle(Event::Look(Because::Webhook)), Response::Look, "the storm is over");
    }

    #[test]
    fn a_look_that_saw_only_a_part_is_followed_by_another() {
        let mut state = dispatcher();
        assert_eq!(state.looked(Looked { is_partial: true, ..Looked::default() }, None), Response::Look);
    }

    #[test]
    fn failed_looks_back_off_and_one_retry_at_a_time_is_under_way() {
        let mut state = dispatcher();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let Response::Later(wait, again) = state.looked(failed(), None) else { panic!("no retry") };
            assert_eq!(again, Event::Look(Because::Failed));
            waits.push(wait.as_secs());
            // A poll comes in between, fails as well, and starts no second row of retries.
            assert_eq!(state.handle(Event::Look(Because::Polled)), Response::Look);
            assert_eq!(state.looked(failed(), None), Response::Nothing);
            assert_eq!(state.handle(Event::Look(Because::Failed)), Response::Look);
        }
        assert_eq!(waits[..3], [5, 20, 80]);
        assert_eq!(waits[8], 300);
        assert_eq!(state.looked(Looked::default(), None), Response::Nothing);
        assert_eq!(state.failed_looks, 0);
    }

    #[test]
    fn the_main_branch_is_looked_at_while_the_others_still_are() {
        let mut state = dispatcher();
        assert_eq!(state.looked(Looked::default(), Some(View::default())), Response::Nothing);
        assert!(state.next_beside().is_some());
        for _ in 0..3 {
            let Response::Later(rest, again) = state.handle(Event::Look(Because::Webhook)) else {
                panic!("no rest")
            };
            assert!(rest <= Duration::from_secs(2), "however long the others take");
            for _ in 0..200 {
                assert_eq!(state.handle(Event::Look(Because::Webhook)), Response::Nothing, "no storm");
            }
            assert_eq!(state.handle(again), Response::Look);
            assert_eq!(state.looked(Looked::default(), Some(View::default())), Response::Nothing);
            assert!(state.next_beside().is_none(), "one look beside at a time");
        }
        state.handle(Event::Look(Because::Webhook));
        assert_eq!(state.looked_beside(Looked::default()), Response::Look, "at once, when they are done");
        assert_eq!(state.handle(Event::Look(Because::Rested)), Response::Nothing, "the rest was cut short");
        assert_eq!(state.looked(Looked::default(), None), Response::Nothing);
        assert!(state.next_beside().is_some(), "what was seen meanwhile comes next, once");
        let partial = Looked { is_partial: true, ..Looked::default() };
        assert_eq!(state.looked_beside(partial), Response::Look, "there is more");
        assert!(state.next_beside().is_none());
    }

    #[test]
    fn a_failure_beside_backs_off_by_itself() {
        let mut state = dispatcher();
        let mut waits = Vec::new();
        for _ in 0..4 {
            assert_eq!(state.looked(Looked::default(), Some(View::default())), Response::Nothing);
            assert!(state.next_beside().is_some());
            let Response::Later(wait, again) = state.looked_beside(failed()) else { panic!("no retry") };
            waits.push(wait.as_secs());
            assert_eq!(state.handle(again), Response::Look);
        }
        assert_eq!(waits, [5, 10, 20, 40]);
    }

    #[test]
    fn what_a_failed_look_accepted_is_worked_on() {
        let mut state = dispatcher();
        let accepted = Accepted { work: vec![work(1, "a", RunKind::Apply)], superseded: Vec::new() };
        state.looked(Looked { accepted, ..failed() }, None);
        assert_eq!(state.next().map(|(work, tries)| (work.id, tries)), Some((WorkId(1), 1)));
    }

    #[test]
    fn waiting_for_somebody_elses_lease_is_no_try() {
        let mut state = dispatcher();
        state.queue.add(work(1, "a", RunKind::Apply));
        for (verdict, tries) in [
            (Verdict::Busy(Duration::ZERO), 1),
            (Verdict::Again(Duration::ZERO), 1),
            (Verdict::Busy(Duration::ZERO), 2),
            (Verdict::Again(Duration::ZERO), 2),
        ] {
            let (work, counted) = state.next().unwrap();
            assert_eq!(counted, tries);
            state.worked(work, verdict);
            state.handle(Event::Again(WorkId(1)));
        }
    }
}
