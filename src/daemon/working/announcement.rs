//! Says how far an attempt is and what it waits for, as a pending status and as a line in the log.
//!
//! Guarantees: a wait that lasts half a minute is told then, or half a minute after the wait that was told
//! last; that a run begins is told at once; other statuses are at least half a minute
//! apart; nothing is told twice, and a wait that only changes its words at most every five minutes. A status that cannot be stored is no reason to stop applying.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::account::is_told;
use super::pass::Pass;
use crate::azure::{Wait, WaitKind};
use crate::clock::{Clock, Instant};
use crate::daemon::shared::log;
use crate::daemon::shared::standstill::Footing;
use crate::daemon::telling::aggregate::{is_said_to_wait, tell_commits};
use crate::daemon::telling::sentences;
use crate::daemon::telling::wording;
use crate::store::StoreError;

/// A status that says how far a run is follows the one before it by at least this long; a wait is told
/// when it is as old.
const INTERVAL: Duration = Duration::from_secs(30);

/// How often it is looked whether there is something to tell, at least.
const LOOK: Duration = Duration::from_secs(5);

/// A wait that goes on is logged again after this long, and told again when its words have changed.
const TOLD_AGAIN: Duration = Duration::from_secs(5 * 60);

/// The next try is told when it is at least this far away: a nearer one is over before anybody reads of it.
const FAR: Duration = Duration::from_secs(30);

/// Which wait it is: the same one may change its words.
type Key = (WaitKind, String, Instant);

/// What was told last.
struct Told {
    state: (Option<usize>, Option<Key>),
    text: String,
    at: Instant,
}

impl Pass<'_> {
    /// Tells for as long as it is polled: first half a minute after the commit got its first status.
    pub(in crate::daemon) async fn announce(&self) -> Infallible {
        let clock = &self.shared.clock;
        // Progress and waits have turns of their own: news of the one does not put off that of the other.
        let first = clock.after(INTERVAL - clock.age(self.work.queued_at, INTERVAL));
        let (mut due, mut wait_due) = (first, first);
        let (mut told, mut logged, mut has_spoken) = (None::<Told>, None, false);
        loop {
            let wait = self.waits.longest(clock.monotonic(), INTERVAL);
            if let Some(wait) = &wait {
                self.log(wait, &mut logged);
            }
            let turn = if wait.is_some() { wait_due } else { due };
            let done = self.plan.get().map(|_| self.done.load(Ordering::Relaxed));
            let state = (done, wait.as_ref().map(key));
            let text = self.progress(wait.as_ref());
            let is_news = match &told {
                None => state != (None, None),
                Some(told) => {
                    let is_old = clock.monotonic().duration_since(told.at) >= TOLD_AGAIN;
                    told.state != state || (is_old && wait.is_some() && told.text != text)
                }
            };
            if is_news && clock.left(turn).is_zero() {
                let is_wait = wait.is_some();
                let wait = if wait.is_some() && self.has_last_word().await { None } else { wait };
                if wait.is_some() || done.is_some() || has_spoken {
                    has_spoken = true;
                    let footing = if wait.is_some() { Footing::Waits } else { Footing::GoesOn };
                    let text = self.progress(wait.as_ref());
                    stored(self.tell(footing, &text).await);
                }
                told = Some(Told { state, text, at: clock.monotonic() });
                due = clock.after(INTERVAL);
                if is_wait {
                    wait_due = due;
                }
            }
            let turns =
                [due, wait_due].map(|turn| clock.left(turn)).into_iter().filter(|left| !left.is_zero());
            let next = turns.chain(self.waits.until_old(clock.monotonic(), INTERVAL)).min().unwrap_or(LOOK);
            clock.sleep(next.min(LOOK)).await;
        }
    }

    /// Says what the attempt is at, as a pending status, and on the whole commit that it waits or goes on again.
    async fn tell(&self, footing: Footing, text: &str) -> Result<(), StoreError> {
        if self.tell_own(footing, text).await? {
            tell_commits(self.shared, [(self.work.commit, self.work.kind)]).await?;
        }
        Ok(())
    }

    /// Says what the attempt is at, as a pending status; whether that is news for the whole commit.
    async fn tell_own(&self, footing: Footing, text: &str) -> Result<bool, StoreError> {
        if is_told(self.shared, self.work).await? {
            let status = wording::pending(self.work, text);
            self.shared.store.enqueue(&[status], self.shared.clock.now()).await?;
            self.shared.outbox.notify_one();
        }
        Ok(self.shared.standstill.note(self.work.id, footing, text))
    }

    /// Says at once that a run begins or goes on.
    pub(in crate::daemon) async fn tell_begun(&self, text: &str) {
        if self.has_last_word().await {
            return;
        }
        stored(self.tell(Footing::GoesOn, text).await);
        match is_said_to_wait(self.shared, self.work).await {
            Ok(true) => stored(tell_commits(self.shared, [(self.work.commit, self.work.kind)]).await),
            Ok(false) => {}
            Err(error) => stored(Err(error)),
        }
    }

    /// Says in a pending status for what the work waits before it is begun, once it is half a minute old; whether
    /// that is news for the whole commit. The same words again cost nothing.
    pub(in crate::daemon) async fn tell_before(&self, footing: Footing, text: &str) -> bool {
        let age = self.shared.clock.age(self.work.queued_at, INTERVAL);
        if age < INTERVAL || self.has_last_word().await {
            return false;
        }
        self.tell_own(footing, text).await.unwrap_or_else(|error| {
            stored(Err(error));
            false
        })
    }

    /// [`Self::tell_before`], and says it on the whole commit too.
    pub(in crate::daemon) async fn tell_held(&self, text: &str) {
        if self.tell_before(Footing::Waits, text).await {
            stored(tell_commits(self.shared, [(self.work.commit, self.work.kind)]).await);
        }
    }

    /// Says that nothing can be done for `wait`, when that is worth a status: at the fourth try the work has
    /// rested for half a minute.
    pub(in crate::daemon) async fn tell_rest(&self, why: &str, tries: u32, wait: Duration) {
        log::retry(self.work, why, tries, wait);
        if tries < 4 && wait < INTERVAL {
            return;
        }
        if self.has_last_word().await {
            return;
        }
        let again = self.shared.clock.now().checked_add(wait).unwrap_or_default();
        stored(self.tell(Footing::Waits, &sentences::resting(why, again)).await);
    }

    /// Whether the status is a last word, of an attempt before this one that only a sweep repeats: it
    /// stays until there is another one.
    async fn has_last_word(&self) -> bool {
        let context = wording::context_of(self.work.kind, &self.work.environment);
        // What cannot be read is not told over either.
        self.shared.store.ends_with_last_word(&self.work.commit, &context).await.unwrap_or(true)
    }

    fn progress(&self, wait: Option<&Wait>) -> String {
        let stage = match self.plan.get() {
            Some(plan) => sentences::applying(plan, self.done.load(Ordering::Relaxed)),
            None => wording::running(self.work.kind).to_owned(),
        };
        match wait {
            Some(wait) => {
                let clock = &self.shared.clock;
                let next = wait.next.map(|next| clock.left(next)).filter(|left| *left >= FAR);
                let next = next.and_then(|left| clock.now().checked_add(left).ok());
                sentences::waiting(&stage, &wait.what, &wait.why, date_of(wait.since, clock), next)
            }
            None => stage,
        }
    }

    fn log(&self, wait: &Wait, logged: &mut Option<(Key, Instant)>) {
        let (clock, key) = (&self.shared.clock, key(wait));
        let now = clock.monotonic();
        let is_known = |(known, at): &(Key, Instant)| *known == key && now.duration_since(*at) < TOLD_AGAIN;
        if logged.as_ref().is_some_and(is_known) {
            return;
        }
        let what_for = format!("{}: {}", wait.what, wait.why);
        let next = wait.next.map(|next| clock.left(next));
        log::waiting(self.work, &what_for, now.duration_since(wait.since), next);
        *logged = Some((key, now));
    }
}

/// A status that could not be stored is no reason to stop.
pub(in crate::daemon) fn stored(told: Result<(), StoreError>) {
    if let Err(error) = told {
        tracing::warn!(%error, "a status could not be stored");
    }
}

fn key(wait: &Wait) -> Key {
    (wait.kind, wait.what.clone(), wait.since)
}

fn date_of(moment: Instant, clock: &Clock) -> jiff::Timestamp {
    let ago = clock.monotonic().duration_since(moment);
    clock.now().checked_sub(ago).unwrap_or_default()
}
