//! ARM's request limits: a token bucket per caller, subscription and class of operation, and one per
//! subscription and class that all callers share (Azure "request limits and throttling", `facts.md` 13).
//!
//! Switched off, the buckets are counted down and refuse nothing, so that the headers tell the truth
//! either way. A request that comes before its `Retry-After` has passed begins the wait anew.

use std::collections::BTreeMap;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use beamline_base::id::SubscriptionId;

/// Whether the world refuses requests above ARM's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Throttling {
    /// The remaining-requests headers count down, and nothing is refused.
    #[default]
    Off,
    /// Above the limits requests get 429 with `Retry-After`.
    On {
        /// By which ARM's documented bucket sizes and refill rates are multiplied; 1 is Azure.
        scale: f64,
    },
}

/// How much larger the bucket is that all callers of a subscription share.
const SHARED_FACTOR: f64 = 15.0;

/// Most buckets that are remembered; all are forgotten (full again) when there are more.
const MAX_BUCKETS: usize = 20_000;

/// A class of operations with its own limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Reads,
    Writes,
    Deletes,
    /// Resource Graph queries: 15 in five seconds (Resource Graph, guidance for throttled requests).
    Queries,
}

impl Class {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Reads,
            Method::DELETE => Self::Deletes,
            _ => Self::Writes,
        }
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Reads => "read",
            Self::Writes => "write",
            Self::Deletes => "delete",
            Self::Queries => "query",
        }
    }

    /// The size of the bucket, and its refill in a second.
    fn limits(self) -> (f64, f64) {
        match self {
            Self::Reads => (250.0, 25.0),
            Self::Writes | Self::Deletes => (200.0, 10.0),
            Self::Queries => (15.0, 3.0),
        }
    }

    fn header(self, subscription: Option<SubscriptionId>) -> &'static str {
        match (self, subscription) {
            (Self::Reads, Some(_)) => "x-ms-ratelimit-remaining-subscription-reads",
            (Self::Writes, Some(_)) => "x-ms-ratelimit-remaining-subscription-writes",
            (Self::Deletes, Some(_)) => "x-ms-ratelimit-remaining-subscription-deletes",
            (Self::Queries, _) => "x-ms-user-quota-remaining",
            (Self::Reads, None) => "x-ms-ratelimit-remaining-tenant-reads",
            (Self::Writes | Self::Deletes, None) => "x-ms-ratelimit-remaining-tenant-writes",
        }
    }

    fn shared_header(self) -> &'static str {
        match self {
            Self::Reads => "x-ms-ratelimit-remaining-subscription-global-reads",
            Self::Writes => "x-ms-ratelimit-remaining-subscription-global-writes",
            Self::Deletes => "x-ms-ratelimit-remaining-subscription-global-deletes",
            Self::Queries => "x-ms-tenant-subscription-limit-hit",
        }
    }
}

/// Whose bucket: a caller's, or (`None`) the one that all share.
type Key = (Option<SubscriptionId>, Option<Uuid>, Class);

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    counted: Timestamp,
    closed_until: Option<Timestamp>,
}

/// What a request found in its buckets.
#[derive(Clone, Debug)]
pub(super) struct Spent {
    pub(super) headers: Vec<(&'static str, String)>,
    /// `Some`: the request is refused.
    pub(super) refusal: Option<Refusal>,
}

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) retry_after_secs: u64,
    pub(super) message: String,
}

/// The buckets of a world.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    throttling: Throttling,
    buckets: BTreeMap<Key, Bucket>,
}

impl Throttle {
    pub(super) fn new(throttling: Throttling) -> Self {
        Self { throttling, buckets: BTreeMap::new() }
    }

    /// Takes a request out of the buckets that it belongs to.
    pub(super) fn spend(
        &mut self,
        caller: Uuid,
        subscription: Option<SubscriptionId>,
        method: &Method,
        now: Timestamp,
    ) -> Spent {
        self.spend_class(caller, subscription, Class::of(method), now)
    }

    /// Takes a Resource Graph query out of the caller's bucket.
    pub(super) fn spend_query(&mut self, caller: Uuid, now: Timestamp) -> Spent {
        self.spend_class(caller, None, Class::Queries, now)
    }

    fn spend_class(
        &mut self,
        caller: Uuid,
        subscription: Option<SubscriptionId>,
        class: Class,
        now: Timestamp,
    ) -> Spent {
        if self.buckets.len() > MAX_BUCKETS {
            self.buckets.clear();
        }
        let own = self.take((subscription, Some(caller), class), 1.0, now);
        let mut headers = vec![(class.header(subscription), own.0.to_string())];
        let mut wait = own.1;
        if subscription.is_some() && wait.is_none() {
            let shared = self.take((subscription, None, class), SHARED_FACTOR, now);
            headers.push((class.shared_header(), shared.0.to_string()));
            wait = shared.1;
        }
        let place = subscription.map_or_else(|| "tenant".to_owned(), |id| format!("subscription '{id}'"));
        let refusal = wait.map(|retry_after_secs| Refusal {
            retry_after_secs,
            message: format!(
                "Number of '{}' requests for {place} actor '{caller}' exceeded. Please try again after \
                 '{retry_after_secs}' seconds after additional tokens are available. Refer to \
                 https://aka.ms/arm-throttling for additional information.",
                class.verb()
            ),
        });
        Spent { headers, refusal }
    }

    /// What is left after this request, and for how many seconds it is refused.
    fn take(&mut self, key: Key, factor: f64, now: Timestamp) -> (f64, Option<u64>) {
        let scale = match self.throttling {
            Throttling::On { scale } if scale.is_finite() && scale > 0.0 => scale,
            Throttling::On { .. } | Throttling::Off => 1.0,
        };
        let (size, rate) = key.2.limits();
        let (size, rate) = ((size * factor * scale).max(1.0), rate * factor * scale);
        let bucket =
            self.buckets.entry(key).or_insert(Bucket { left: size, counted: now, closed_until: None });
        let passed = now.duration_since(bucket.counted).as_secs_f64().max(0.0);
        bucket.left = (bucket.left + passed * rate).min(size);
        bucket.counted = now;
        let closed = bucket.closed_until.is_some_and(|until| now < until);
        if self.throttling == Throttling::Off || (bucket.left >= 1.0 && !closed) {
            bucket.left = (bucket.left - 1.0).max(0.0);
            bucket.closed_until = None;
            return (bucket.left.floor(), None);
        }
        let wait_secs = ((1.0 - bucket.left).max(0.0) / rate).ceil().clamp(1.0, 3600.0);
        let wait = SignedDuration::try_from_secs_f64(wait_secs).unwrap_or(SignedDuration::from_secs(1));
        bucket.closed_until = now.checked_add(wait).ok();
        (bucket.left.floor(), Some(wait.as_secs().unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_bucket_empties_refills_and_punishes_impatience() {
        let mut throttle = Throttle::new(Throttling::On { scale: 0.1 });
        let caller = Uuid::nil();
        let mut spend = |method: &Method, now| throttle.spend(caller, None, method, now);
        for left in (0..20).rev() {
            let spent = spend(&Method::PUT, at(0));
            assert_eq!(spent.headers[0].1, left.to_string());
            assert!(spent.refusal.is_none());
        }
        assert_eq!(spend(&Method::PUT, at(0)).refusal.unwrap().retry_after_secs, 1);
        assert!(spend(&Method::GET, at(0)).refusal.is_none());
        let half: Timestamp = "1970-01-01T00:00:00.5Z".parse().unwrap();
        assert!(spend(&Method::PUT, half).refusal.is_some());
        assert!(spend(&Method::PUT, at(1)).refusal.is_some());
        assert!(spend(&Method::PUT, at(2)).refusal.is_none());
    }

    #[test]
    fn switched_off_it_counts_and_refuses_nothing() {
        let mut throttle = Throttle::default();
        for _ in 0..1000 {
            assert!(throttle.spend(Uuid::nil(), None, &Method::GET, at(0)).refusal.is_none());
        }
        assert_eq!(throttle.spend(Uuid::nil(), None, &Method::GET, at(0)).headers[0].1, "0");
    }
}
