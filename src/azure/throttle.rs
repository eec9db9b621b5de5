//! The request budget of one subscription: token buckets that follow Azure's own.
//!
//! Why: Azure counts reads, writes and deletes per principal and subscription in token buckets
//! (Resource Manager, request limits and throttling: reads 250 refilled with 25 a second, writes and
//! deletes 200 with 10 a second). Everyone who sends to a subscription shares one [`Budget`], so that
//! beamline slows down by itself before Azure slows it down.
//!
//! Guarantees: first come, first served within a class; after a 429 nobody sends in that class before
//! its `Retry-After` has passed; a waiter that is dropped has spent nothing, and one that is not polled
//! keeps nobody waiting but for the one request that stays reserved for it; a wall clock that is set
//! forward or back changes nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::payload;
use crate::clock::{Clock, Instant};
use crate::wire;

/// The wait after a 429 without `Retry-After`.
const PENALTY: Duration = Duration::from_secs(5);

/// The smallest share of a paced view: a share of nothing would wait for ever.
const SMALLEST_SHARE: f64 = 0.01;

/// What Azure counts separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperationClass {
    /// GET, HEAD and read-only POST.
    Read,
    /// PUT, PATCH and POST.
    Write,
    /// Deletions, which have a budget of their own.
    Delete,
}

impl OperationClass {
    fn plural(self) -> &'static str {
        match self {
            Self::Read => "reads",
            Self::Write => "writes",
            Self::Delete => "deletions",
        }
    }
}

/// Why a request does not leave yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scarcity {
    /// Azure has refused an earlier one, and asked for silence.
    Silence,
    /// What may be sent was sent, and so many came earlier.
    UsedUp { ahead: usize },
}

/// The request budget of one subscription. Clones and paced views share the buckets.
#[derive(Clone, Debug)]
pub struct Budget {
    clock: Clock,
    shared: Arc<[Lane; 3]>,
    /// What a paced view additionally has to pass before a read.
    pace: Option<Arc<Lane>>,
}

/// A bucket and the queue before it. Waiting holds nothing but a place in the queue.
#[derive(Debug)]
struct Lane(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    bucket: Bucket,
    /// The numbers of those who wait, the first one first.
    waiting: VecDeque<u64>,
    /// The number that was given out last.
    last: u64,
}

/// A place in the queue of a lane, until it is dropped.
struct Place<'a> {
    lane: &'a Lane,
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    capacity: f64,
    per_second: f64,
    tokens: f64,
    /// When `tokens` was right; in the future while nobody may send.
    at: Instant,
}

impl Budget {
    /// A full budget on `clock`, with Azure's published numbers.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::of(clock, [(250.0, 25.0), (200.0, 10.0), (200.0, 10.0)])
    }

    /// For an Azure that counts no requests. A 429 is obeyed all the same.
    #[must_use]
    pub fn unlimited(clock: Clock) -> Self {
        Self::of(clock, [(f64::INFINITY, f64::INFINITY); 3])
    }

    /// Each lane with its capacity and its refill in a second.
    fn of(clock: Clock, lanes: [(f64, f64); 3]) -> Self {
        let now = clock.monotonic();
        let shared = Arc::new(lanes.map(|(capacity, per_second)| Lane::new(capacity, per_second, now)));
        Self { clock, shared, pace: None }
    }

    /// A view on the same buckets that takes at most `share` (0 to 1) of the refill rate for reads, so
    /// that a big background scan leaves room. Clones of the view share its pace.
    #[must_use]
    pub fn paced(&self, share: f64) -> Self {
        let share = if share.is_finite() { share.clamp(SMALLEST_SHARE, 1.0) } else { 1.0 };
        // One second's worth may be sent at once: a burst is what a pace is there to prevent.
        let rate = self.lane(OperationClass::Read).queue().bucket.per_second * share;
        let pace = Lane::new(rate.max(1.0), rate, self.clock.monotonic());
        Self { clock: self.clock.clone(), shared: Arc::clone(&self.shared), pace: Some(Arc::new(pace)) }
    }

    /// Waits until one request of `class` may be sent, and spends it.
    pub async fn acquire(&self, class: OperationClass) {
        self.acquire_telling(class, |_, _| {}).await;
    }

    /// The same; while it waits `tell` hears why, as a clause, and until when at least.
    pub(crate) async fn acquire_telling(&self, class: OperationClass, tell: impl Fn(&str, Instant)) {
        if let (OperationClass::Read, Some(pace)) = (class, &self.pace) {
            let why = "reads of environments that were never applied go slowly, to leave room for others";
            pace.acquire(&self.clock, |_, until| tell(why, until)).await;
        }
        let what = class.plural();
        let tell = |scarcity, until| match scarcity {
            Scarcity::Silence => {
                tell(&format!("Azure limits requests and takes no {what} at present"), until)
            }
            Scarcity::UsedUp { ahead: 0 } => {
                tell(&format!("the {what} of the subscription are used up"), until)
            }
            Scarcity::UsedUp { ahead } => {
                tell(&format!("the {what} of the subscription are used up, {ahead} wait before it"), until);
            }
        };
        self.lane(class).acquire(&self.clock, tell).await;
    }

    /// Learns from an answer: what Azure says remains, and how long it wants silence.
    pub(crate) fn learn(
        &self,
        class: OperationClass,
        response: &wire::Response,
        retry_after: Option<Duration>,
    ) {
        let mut queue = self.lane(class).queue();
        let bucket = &mut queue.bucket;
        if let Some(remaining) = remaining(class, response) {
            bucket.refill(self.clock.monotonic());
            bucket.tokens = bucket.tokens.min(remaining);
        }
        if response.status() == http::StatusCode::TOO_MANY_REQUESTS {
            bucket.silence_until(self.clock.after(retry_after.unwrap_or(PENALTY)));
        }
    }

    fn lane(&self, class: OperationClass) -> &Lane {
        match class {
            OperationClass::Read => &self.shared[0],
            OperationClass::Write => &self.shared[1],
            OperationClass::Delete => &self.shared[2],
        }
    }
}

impl Lane {
    fn new(capacity: f64, per_second: f64, now: Instant) -> Self {
        let bucket = Bucket { capacity, per_second, tokens: capacity, at: now };
        Self(Mutex::new(Queue { bucket, waiting: VecDeque::new(), last: 0 }))
    }

    async fn acquire(&self, clock: &Clock, tell: impl Fn(Scarcity, Instant)) {
        let place = self.line_up();
        while let Some((wait, scarcity)) = place.go(clock.monotonic()) {
            tell(scarcity, clock.after(wait));
            clock.sleep(wait).await;
        }
    }

    fn line_up(&self) -> Place<'_> {
        let mut queue = self.queue();
        queue.last += 1;
        let number = queue.last;
        queue.waiting.push_back(number);
        Place { lane: self, number }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Spends one token, or says how long to wait before asking again, and why.
    fn go(&self, now: Instant) -> Option<(Duration, Scarcity)> {
        let mut queue = self.lane.queue();
        let ahead = queue.waiting.partition_point(|number| *number < self.number);
        let wait = queue.bucket.take(now, ahead)?;
        let is_silent = now < queue.bucket.at;
        Some((wait, if is_silent { Scarcity::Silence } else { Scarcity::UsedUp { ahead } }))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.lane.queue();
        if let Ok(at) = queue.waiting.binary_search(&self.number) {
            queue.waiting.remove(at);
        }
    }
}

impl Bucket {
    /// Spends one token, when there is one beside those of the `before` who came earlier; else says how long
    /// to wait.
    fn take(&mut self, now: Instant, before: usize) -> Option<Duration> {
        self.refill(now);
        // What is reserved for the earlier ones does not count: else as many of them as the bucket holds could
        // stop everybody by not being polled.
        self.tokens = self.tokens.min(self.capacity + count(before));
        if now < self.at {
            return Some(self.at.duration_since(now));
        }
        let missing = count(before) + 1.0 - self.tokens;
        if missing > 0.0 {
            // Rounded up to the timer's millisecond, so that a wait is never followed by a hot loop.
            return Some(Duration::from_secs_f64(missing / self.per_second) + Duration::from_millis(1));
        }
        self.tokens -= 1.0;
        None
    }

    fn refill(&mut self, now: Instant) {
        if now > self.at {
            let gained = now.duration_since(self.at).as_secs_f64() * self.per_second;
            self.tokens += gained;
            self.at = now;
        }
    }

    /// Nothing is left, and refilling begins at `moment`.
    fn silence_until(&mut self, moment: Instant) {
        self.tokens = 0.0;
        self.at = self.at.max(moment);
    }
}

fn count(places: usize) -> f64 {
    u32::try_from(places).map_or(f64::from(u32::MAX), f64::from)
}

/// The smallest of the counters that Azure reports for `class`.
fn remaining(class: OperationClass, response: &wire::Response) -> Option<f64> {
    let kind = match class {
        OperationClass::Read => "reads",
        OperationClass::Write => "writes",
        OperationClass::Delete => "deletes",
    };
    ["subscription", "subscription-global", "tenant"]
        .iter()
        .filter_map(|scope| payload::header(response, &format!("x-ms-ratelimit-remaining-{scope}-{kind}")))
        .filter_map(|text| text.parse::<u32>().ok())
        .min()
        .map(f64::from)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::FutureExt as _;
    use futures::future::join_all;
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> wire::Response {
        let mut builder = http::Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Bytes::new()).unwrap()
    }

    async fn seconds_for(budget: &Budget, class: OperationClass, requests: usize) -> f64 {
        let start = budget.clock.monotonic();
        join_all((0..requests).map(|_| budget.acquire(class))).await;
        start.elapsed().as_secs_f64()
    }

    fn clock() -> Clock {
        Clock::simulated(Timestamp::UNIX_EPOCH, 1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_is_paced() {
        let budget = Budget::new(clock());
        assert!(seconds_for(&budget, OperationClass::Read, 250).await < 0.001);
        let seconds = seconds_for(&budget, OperationClass::Read, 250).await;
        assert!((10.0..10.5).contains(&seconds), "{seconds}");
        let seconds = seconds_for(&budget, OperationClass::Write, 300).await;
        assert!((10.0..10.3).contains(&seconds), "{seconds}");
        assert!(seconds_for(&budget, OperationClass::Delete, 200).await < 0.001);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_view_takes_its_share_and_leaves_the_rest() {
        let budget = Budget::new(clock());
        let quarter = budget.paced(0.25);
        let scan = tokio::spawn(async move { seconds_for(&quarter, OperationClass::Read, 100).await });
        tokio::task::yield_now().await;
        assert!(seconds_for(&budget, OperationClass::Read, 200).await < 0.001);
        let seconds = scan.await.unwrap();
        assert!((14.5..16.5).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_why_and_until_when() {
        let budget = Budget::new(clock());
        let told = Mutex::new(Vec::new());
        let tell = |why: &str, until: Instant| {
            told.lock().unwrap().push((why.to_owned(), budget.clock.left(until).as_secs()));
        };
        budget.acquire_telling(OperationClass::Write, tell).await;
        assert_eq!(*told.lock().unwrap(), []);
        budget.learn(OperationClass::Write, &response(429, &[]), Some(Duration::from_secs(40)));
        budget.acquire_telling(OperationClass::Write, tell).await;
        let told = std::mem::take(&mut *told.lock().unwrap());
        let silence = "Azure limits requests and takes no writes at present".to_owned();
        assert_eq!(told, [(silence, 40), ("the writes of the subscription are used up".to_owned(), 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_limits_only_a_429_makes_anybody_wait() {
        let budget = Budget::unlimited(clock());
        assert!(seconds_for(&budget, OperationClass::Write, 10_000).await < 0.001);
        assert!(seconds_for(&budget.paced(0.25), OperationClass::Read, 10_000).await < 0.001);
        let spent = response(200, &[("x-ms-ratelimit-remaining-subscription-writes", "0")]);
        budget.learn(OperationClass::Write, &spent, None);
        assert!(seconds_for(&budget, OperationClass::Write, 1000).await < 0.1);
        budget.learn(OperationClass::Write, &response(429, &[]), Some(Duration::from_secs(40)));
        let seconds = seconds_for(&budget, OperationClass::Write, 1000).await;
        assert!((40.0..40.1).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_sends_before_retry_after_has_passed_and_other_classes_go_on() {
        let budget = Budget::new(clock());
        budget.clone().learn(OperationClass::Write, &response(429, &[]), Some(Duration::from_secs(40)));
        assert!(seconds_for(&budget, OperationClass::Read, 10).await < 0.001);
        let seconds = seconds_for(&budget, OperationClass::Write, 10).await;
        assert!((41.0..41.3).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_gives_no_burst_and_no_silence() {
        for hours in [2, -2] {
            let budget = Budget::new(clock());
            seconds_for(&budget, OperationClass::Write, 200).await;
            budget.clock.jump(SignedDuration::from_hours(hours));
            let seconds = seconds_for(&budget, OperationClass::Write, 100).await;
            assert!((10.0..10.3).contains(&seconds), "{hours} h: {seconds}");
            budget.learn(OperationClass::Write, &response(429, &[]), Some(Duration::from_secs(40)));
            budget.clock.jump(SignedDuration::from_hours(hours));
            let seconds = seconds_for(&budget, OperationClass::Write, 10).await;
            assert!((41.0..41.3).contains(&seconds), "{hours} h: {seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_azure_says_remains_is_believed() {
        let budget = Budget::new(clock());
        let answer = response(
            200,
            &[
                ("x-ms-ratelimit-remaining-subscription-reads", "240"),
                ("x-ms-ratelimit-remaining-subscription-global-reads", "5"),
            ],
        );
        budget.learn(OperationClass::Read, &answer, None);
        let seconds = seconds_for(&budget, OperationClass::Read, 30).await;
        assert!((1.0..1.2).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_is_dropped_has_spent_nothing() {
        let budget = Budget::new(clock());
        seconds_for(&budget, OperationClass::Write, 200).await;
        let waiter = tokio::time::timeout(Duration::from_millis(20), budget.acquire(OperationClass::Write));
        assert!(waiter.await.is_err());
        let seconds = seconds_for(&budget, OperationClass::Write, 1).await;
        assert!(seconds < 0.1, "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiters_that_are_not_polled_keep_nobody_waiting() {
        let budget = Budget::new(clock());
        seconds_for(&budget, OperationClass::Write, 200).await;
        // More than the bucket holds.
        let mut held: Vec<_> = (0..300).map(|_| Box::pin(budget.acquire(OperationClass::Write))).collect();
        for waiter in &mut held {
            assert!(waiter.as_mut().now_or_never().is_none());
        }
        // Their requests stay reserved, everybody else's come after them.
        let seconds = seconds_for(&budget, OperationClass::Write, 100).await;
        assert!((40.0..40.5).contains(&seconds), "{seconds}");
        let seconds = seconds_for(&budget, OperationClass::Write, 100).await;
        assert!((9.9..10.5).contains(&seconds), "{seconds}");
        // When they are polled again, no more of them go at once than the bucket holds.
        let start = budget.clock.monotonic();
        join_all(held).await;
        assert!((9.9..10.5).contains(&start.elapsed().as_secs_f64()), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn first_come_first_served_also_after_a_silence() {
        let budget = Budget::new(clock());
        seconds_for(&budget, OperationClass::Write, 200).await;
        let served = Mutex::new(Vec::new());
        let waiters = join_all((0..50).map(async |number| {
            budget.acquire(OperationClass::Write).await;
            served.lock().unwrap().push(number);
        }));
        let refusal = async {
            budget.clock.sleep(Duration::from_millis(1_250)).await;
            budget.learn(OperationClass::Write, &response(429, &[]), Some(Duration::from_secs(20)));
            assert_eq!(served.lock().unwrap().len(), 12);
            budget.clock.sleep(Duration::from_secs(20)).await;
            assert_eq!(served.lock().unwrap().len(), 12);
        };
        futures::join!(waiters, refusal);
        assert_eq!(*served.lock().unwrap(), (0..50).collect::<Vec<_>>());
    }
}
