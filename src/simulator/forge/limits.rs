//! How much a forge takes in an hour.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The window of every limit.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// That of creating content (GitHub: a secondary rate limit).
    Writes,
    /// That of all requests (GitHub: the primary rate limit).
    Requests,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Writes,
}

/// A request that came too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub(super) limit: Limit,
    /// When the next one is taken.
    pub(super) until: Timestamp,
}

/// What is left of the requests of this hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) limit: u64,
    pub(super) remaining: u64,
    pub(super) reset: Timestamp,
}

#[derive(Debug, Default)]
struct Window(VecDeque<Timestamp>);

impl Window {
    fn settle(&mut self, now: Timestamp) {
        while self.0.front().is_some_and(|first| now.duration_since(*first) >= HOUR) {
            self.0.pop_front();
        }
    }

    fn full_until(&self, limit: u64) -> Option<Timestamp> {
        let over = (self.0.len() as u64).checked_sub(limit)?;
        let freeing = usize::try_from(over).unwrap_or(usize::MAX);
        Some(self.0.get(freeing).map_or(Timestamp::MAX, |at| at.saturating_add(HOUR).unwrap_or(*at)))
    }
}

/// The windows of all accounts.
#[derive(Debug, Default)]
pub(super) struct Limits {
    writes_per_hour: Option<u64>,
    requests_per_hour: Option<u64>,
    writes: BTreeMap<String, Window>,
    requests: BTreeMap<String, Window>,
}

impl Limits {
    pub(super) fn set_writes(&mut self, per_hour: Option<u64>) {
        self.writes_per_hour = per_hour;
    }

    pub(super) fn set_requests(&mut self, per_hour: Option<u64>) {
        self.requests_per_hour = per_hour;
    }

    /// Admits a request of an account and counts it, or says until when none is admitted.
    pub(super) fn admit(&mut self, account: &str, now: Timestamp, effect: Effect) -> Result<(), Exceeded> {
        let requests = self.requests.entry(account.to_owned()).or_default();
        requests.settle(now);
        if let Some(until) = self.requests_per_hour.and_then(|limit| requests.full_until(limit)) {
            return Err(Exceeded { limit: Limit::Requests, until });
        }
        requests.0.push_back(now);
        if effect == Effect::Reads {
            return Ok(());
        }
        let made = self.writes.entry(account.to_owned()).or_default();
        made.settle(now);
        if let Some(until) = self.writes_per_hour.and_then(|limit| made.full_until(limit)) {
            return Err(Exceeded { limit: Limit::Writes, until });
        }
        made.0.push_back(now);
        Ok(())
    }

    /// Gives back a request that does not count (GitHub: one that was answered with 304).
    pub(super) fn give_back(&mut self, account: &str) {
        if let Some(requests) = self.requests.get_mut(account) {
            requests.0.pop_back();
        }
    }

    /// What is left to an account. GitHub's documented limit of 5,000 where none is set.
    pub(super) fn budget(&self, account: &str, now: Timestamp) -> Budget {
        let limit = self.requests_per_hour.unwrap_or(5000);
        let used = self.requests.get(account).map_or(0, |window| window.0.len() as u64);
        let first = self.requests.get(account).and_then(|window| window.0.front()).copied().unwrap_or(now);
        let reset = first.saturating_add(HOUR).unwrap_or(first);
        Budget { limit, remaining: limit.saturating_sub(used), reset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn writes_are_taken_again_an_hour_after_the_oldest() {
        let mut limits = Limits::default();
        limits.set_writes(Some(2));
        assert_eq!(limits.admit("bot", at(0), Effect::Writes), Ok(()));
        assert_eq!(limits.admit("bot", at(10), Effect::Writes), Ok(()));
        let refused = Exceeded { limit: Limit::Writes, until: at(3600) };
        assert_eq!(limits.admit("bot", at(20), Effect::Writes), Err(refused));
        assert_eq!(limits.admit("bot", at(20), Effect::Reads), Ok(()));
        assert_eq!(limits.admit("alice", at(20), Effect::Writes), Ok(()));
        assert_eq!(limits.admit("bot", at(3600), Effect::Writes), Ok(()));
        assert!(limits.admit("bot", at(3601), Effect::Writes).is_err());
    }

    #[test]
    fn a_request_that_is_given_back_does_not_count() {
        let mut limits = Limits::default();
        limits.set_requests(Some(1));
        assert_eq!(limits.admit("bot", at(0), Effect::Reads), Ok(()));
        assert_eq!(limits.budget("bot", at(0)).remaining, 0);
        limits.give_back("bot");
        assert_eq!(limits.admit("bot", at(1), Effect::Reads), Ok(()));
        let refused = Exceeded { limit: Limit::Requests, until: at(3601) };
        assert_eq!(limits.admit("bot", at(2), Effect::Reads), Err(refused));
        limits.set_requests(Some(0));
        assert!(limits.admit("nobody", at(2), Effect::Reads).is_err());
    }
}
