//! What is waited for right now, and since when.
//!
//! Why: whatever waits for longer than half a minute says for what. A request that is tried again, a
//! budget that is used up, an answer that does not come and an operation that Azure works on are entered
//! here while they last; whoever tells people asks for the one that matters most.
//!
//! Guarantees: a wait is over when its [`Waiting`] is dropped, also with the future that held it. At most
//! one entry per request under way, and one per running step.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Instant;

/// What kind of wait it is. The order is that in which they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitKind {
    /// Something is not as it should be: no answer, a refusal that may pass, a limit.
    Trouble,
    /// Azure works, as it should.
    Work,
}

/// One wait, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Whether anything is wrong.
    pub kind: WaitKind,
    /// What waits: the address of a resource, or `Azure` for reads that are for no single one.
    pub what: String,
    /// For what, as a clause. It may change while the wait goes on.
    pub why: String,
    /// Since when, by the clock that the type names.
    pub since: Instant,
    /// When it is tried or looked at again, where that is known.
    pub next: Option<Instant>,
}

/// The waits of one attempt. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Waits(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    last: u64,
    open: BTreeMap<u64, Wait>,
}

/// A wait that goes on until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    waits: Waits,
    number: u64,
}

impl Waits {
    /// Something begins to wait at `since`.
    pub(crate) fn begin(&self, kind: WaitKind, what: &str, why: &str, since: Instant) -> Waiting {
        let mut book = self.book();
        book.last += 1;
        let number = book.last;
        let wait = Wait { kind, what: what.to_owned(), why: why.to_owned(), since, next: None };
        book.open.insert(number, wait);
        Waiting { waits: self.clone(), number }
    }

    /// Of the waits that are at least `least` old at `now` the one to tell: trouble before work, then the
    /// longest.
    #[must_use]
    pub fn longest(&self, now: Instant, least: Duration) -> Option<Wait> {
        let book = self.book();
        let old = book.open.values().filter(|wait| now.saturating_duration_since(wait.since) >= least);
        old.min_by_key(|wait| (wait.kind, wait.since)).cloned()
    }

    /// How long until the next wait that is younger than `least` at `now` is as old.
    #[must_use]
    pub fn until_old(&self, now: Instant, least: Duration) -> Option<Duration> {
        let book = self.book();
        let left = |wait: &Wait| least.saturating_sub(now.saturating_duration_since(wait.since));
        book.open.values().map(left).filter(|left| !left.is_zero()).min()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// It goes on: why now, and until when.
    pub(crate) fn goes_on(&self, why: &str, next: Option<Instant>) {
        if let Some(wait) = self.waits.book().open.get_mut(&self.number) {
            (wait.why, wait.next) = (why.to_owned(), next);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.book().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_before_work_and_the_longest_first() {
        let (waits, began) = (Waits::default(), Instant::now());
        let at = |second| began + Duration::from_secs(second);
        let told = |second| waits.longest(at(second), Duration::from_secs(30)).map(|wait| wait.what);
        let _work = waits.begin(WaitKind::Work, "workspace", "Creating", at(0));
        let first = waits.begin(WaitKind::Trouble, "key_vaults/main", "no answer", at(5));
        let _second = waits.begin(WaitKind::Trouble, "Azure", "no answer", at(6));
        assert_eq!(told(29), None);
        let left = |second| waits.until_old(at(second), Duration::from_secs(30)).map(|left| left.as_secs());
        assert_eq!([left(29), left(30), left(36)], [Some(1), Some(5), None]);
        assert_eq!(told(30).as_deref(), Some("workspace"));
        assert_eq!(told(40).as_deref(), Some("key_vaults/main"));
        first.goes_on("refused", Some(at(60)));
        let wait = waits.longest(at(40), Duration::ZERO).unwrap();
        assert_eq!((wait.why.as_str(), wait.since, wait.next), ("refused", at(5), Some(at(60))));
        drop(first);
        assert_eq!(told(40).as_deref(), Some("Azure"));
    }
}
