//! The verbs: get, list, read-only POST, send a write once, look at an operation.
//!
//! This file sends; what answers mean is decided by the pure modules beside it. A read is repeated
//! here while its failure may pass; a write never is, because only the caller's journal knows whether
//! it may be.

mod exchange;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use azure_core::http::Url;
use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use self::exchange::Outgoing;
use super::auth::Tokens;
use super::count::{Counters, Purpose};
use super::error::body_of;
use super::reach::Reach;
use super::{
    Answer, ArmError, Backoff, Budget, Call, Cloud, ErrorClass, Method, Operation, OperationClass, Outage,
    Polled, RequestCount, WaitKind, Waiting, Waits, address, operation,
};
use crate::clock::Clock;
use crate::resources::id::{ApiVersion, ResourceId, SubscriptionId};
use crate::wire;

/// Bounds of a list.
const MAX_PAGES: usize = 1000;
const MAX_ITEMS: usize = 100_000;

/// Who is waited for, and for what, where it is not known better.
const AZURE: &str = "Azure";
const NO_ANSWER: &str = "no answer yet";

/// The version in which a subscription is asked for.
const SUBSCRIPTION: ApiVersion = ApiVersion("2022-12-01");

/// POST requests that change nothing, by the end of their path: name availability, and queries to
/// Azure Resource Graph.
const READ_ONLY_POSTS: &[&str] = &["/checknameavailability", "/providers/microsoft.resourcegraph/resources"];

/// A client of one cloud's Azure Resource Manager with one identity and one request budget. Cheap to
/// clone; clones count together.
#[derive(Clone, Debug)]
pub struct Arm {
    inner: Arc<Inner>,
    budget: Budget,
    correlation: Uuid,
    waits: Waits,
}

#[derive(Debug)]
struct Inner {
    wire: wire::Client,
    cloud: Cloud,
    tokens: Arc<Tokens>,
    clock: Clock,
    counters: Counters,
    reach: Reach,
}

impl Arm {
    /// Whether another secret stands where ours was read than the one in use.
    pub(crate) fn has_new_credential(&self) -> bool {
        self.inner.tokens.has_new_credential()
    }

    /// A client that sends over `wire` to `cloud`, as whoever `tokens` stand for, within `budget`.
    #[must_use]
    pub fn new(wire: wire::Client, cloud: Cloud, tokens: Arc<Tokens>, budget: Budget, clock: Clock) -> Self {
        let correlation = clock.uuid();
        let counters = Counters::default();
        Self {
            inner: Arc::new(Inner { wire, cloud, tokens, clock, counters, reach: Reach::default() }),
            budget,
            correlation,
            waits: Waits::default(),
        }
    }

    /// The same client, whose requests enter in `waits` what they wait for.
    #[must_use]
    pub fn with_waits(&self, waits: Waits) -> Self {
        Self { waits, ..self.clone() }
    }

    /// The same client whose requests carry `correlation` (one per run): it groups them in Azure's
    /// activity log.
    #[must_use]
    pub fn with_correlation(&self, correlation: Uuid) -> Self {
        Self { correlation, ..self.clone() }
    }

    /// The same client whose reads take at most `share` of the budget's refill.
    #[must_use]
    pub fn paced(&self, share: f64) -> Self {
        Self { budget: self.budget.paced(share), ..self.clone() }
    }

    /// Reads a resource. `None` when it, its parent or its group does not exist.
    ///
    /// # Errors
    /// [`ArmError`], after failures that may pass were retried. A 404 that means something else, such as
    /// an unknown subscription or API version, is an error.
    pub async fn get(&self, id: &ResourceId, api: ApiVersion) -> Result<Option<Value>, ArmError> {
        self.get_path(id.as_str(), api).await
    }

    /// Reads `path_and_query` below the cloud's endpoint. `None` as for [`Arm::get`].
    ///
    /// # Errors
    /// As [`Arm::get`]; [`ArmError::Address`] when it is not a path.
    pub async fn get_path(&self, path_and_query: &str, api: ApiVersion) -> Result<Option<Value>, ArmError> {
        let url = address::below(&self.inner.cloud, path_and_query, api.0, std::iter::empty())?;
        self.read_if_there(&url).await
    }

    /// Reads a whole list: the items of all pages, `None` when its scope does not exist.
    ///
    /// # Errors
    /// As [`Arm::get`]; [`ArmError::ForeignLink`] when a next page is elsewhere, [`ArmError::TooMany`]
    /// beyond 1000 pages or 100,000 items, [`ArmError::Malformed`] when an answer is no list.
    pub async fn list(
        &self,
        path: &str,
        api: ApiVersion,
        query: &[(&str, &str)],
    ) -> Result<Option<Vec<Value>>, ArmError> {
        let cloud = &self.inner.cloud;
        let too_many =
            |limit, unit| ArmError::TooMany { path: address::without_query(path).to_owned(), limit, unit };
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let first = address::below(cloud, path, api.0, query)?;
        let Some(body) = self.read_if_there(&first).await? else { return Ok(None) };
        let (mut items, mut next) = page(body)?;
        for _ in 1..MAX_PAGES {
            if items.len() > MAX_ITEMS {
                return Err(too_many(MAX_ITEMS, "items"));
            }
            let Some(link) = next else { return Ok(Some(items)) };
            let (more, after) =
                page(self.read(http::Method::GET, &address::linked(cloud, &link)?, None).await?)?;
            items.extend(more);
            next = after;
        }
        if next.is_none() && items.len() <= MAX_ITEMS {
            Ok(Some(items))
        } else {
            Err(too_many(MAX_PAGES, "pages"))
        }
    }

    /// Sends a POST that changes nothing, and retries it like a read.
    ///
    /// # Errors
    /// As [`Arm::get`]; [`ArmError::NotAReadOnlyPost`] for a path that is not in the list of such
    /// requests, and nothing is sent.
    pub async fn post_read(&self, path: &str, api: ApiVersion, body: &Value) -> Result<Value, ArmError> {
        let folded = address::without_query(path).to_ascii_lowercase();
        if !READ_ONLY_POSTS.iter().any(|suffix| folded.ends_with(suffix)) {
            return Err(ArmError::NotAReadOnlyPost { path: address::without_query(path).to_owned() });
        }
        let url = address::below(&self.inner.cloud, path, api.0, std::iter::empty())?;
        self.read(http::Method::POST, &url, Some(Bytes::from(body.to_string()))).await
    }

    /// Sends a write, once.
    ///
    /// # Errors
    /// [`ArmError`]; [`ArmError::sent`] says whether it can have had an effect.
    pub async fn send(&self, call: &Call) -> Result<Answer, ArmError> {
        let cloud = &self.inner.cloud;
        let url = address::below(cloud, &call.id_or_path, &call.api_version, call.query.iter().cloned())?;
        let outgoing = Outgoing {
            method: call.method.into(),
            url: &url,
            body: call.body.as_ref().map(|body| Bytes::from(body.to_string())),
            purpose: Purpose::Write,
            client_request_id: call.client_request_id,
        };
        let response = self.exchange(&outgoing, class_of(call.method)).await?;
        operation::started(cloud, call.method, url.as_str(), &response, self.clock().now())
    }

    /// Looks at a running operation, once.
    ///
    /// # Errors
    /// [`ArmError`] when the look failed, which says nothing about the operation: look again, by the
    /// error's class. Class not found: Azure has no trace of it, read the resource.
    pub async fn poll(&self, operation: &Operation) -> Result<Polled, ArmError> {
        let cloud = &self.inner.cloud;
        let url = address::linked(cloud, operation.address())?;
        let outgoing = self.outgoing(http::Method::GET, &url, None, Purpose::Poll);
        let response = self.exchange(&outgoing, OperationClass::Read).await?;
        operation::looked(cloud, operation, &response, self.clock().now())
    }

    /// Since when nothing is answered; `None` while something is.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        self.inner.reach.outage()
    }

    /// Asks once whether Azure answers, and does nothing with the answer but note it.
    pub(crate) async fn knock(&self, subscription: SubscriptionId) {
        let path = format!("/subscriptions/{subscription}");
        let Ok(url) = address::below(&self.inner.cloud, &path, SUBSCRIPTION.0, std::iter::empty()) else {
            return;
        };
        let outgoing = self.outgoing(http::Method::GET, &url, None, Purpose::Read);
        // What came of it stands in `outage`.
        let _ = self.exchange(&outgoing, OperationClass::Read).await;
    }

    /// Whether the cloud has said what it is, where it has to.
    pub(crate) fn is_described(&self) -> bool {
        self.inner.tokens.is_described()
    }

    /// What people call this cloud.
    pub(crate) fn cloud_name(&self) -> &str {
        &self.inner.cloud.name
    }

    /// The clock that everything here runs on.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Something of the caller's own begins to wait.
    pub(crate) fn waiting(&self, kind: WaitKind, what: &str, why: &str) -> Waiting {
        self.waits.begin(kind, what, why, self.clock().monotonic())
    }

    /// How many requests were sent since the start, by this client and its clones.
    #[must_use]
    pub fn request_count(&self) -> RequestCount {
        self.inner.counters.read()
    }

    async fn read_if_there(&self, url: &Url) -> Result<Option<Value>, ArmError> {
        match self.read(http::Method::GET, url, None).await {
            Ok(body) => Ok(Some(body)),
            Err(ArmError::Refused { status: 404, problem, retry_after }) => {
                let error = ArmError::Refused { status: 404, problem, retry_after };
                if error.class() == ErrorClass::NotFound { Ok(None) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a read until it succeeds, or fails in a way that does not pass, or its back-off ends.
    async fn read(&self, method: http::Method, url: &Url, body: Option<Bytes>) -> Result<Value, ArmError> {
        let mut attempt = 0;
        let waiting = self.waiting(WaitKind::Trouble, AZURE, NO_ANSWER);
        loop {
            let outgoing = self.outgoing(method.clone(), url, body.clone(), Purpose::Read);
            let error = match self.exchange_during(&outgoing, OperationClass::Read, &waiting).await {
                Ok(response) if response.status().is_success() => {
                    return body_of(&response).map(Option::unwrap_or_default);
                }
                Ok(response) => ArmError::refused(&response, self.clock().now()),
                Err(error) => error,
            };
            let passes = matches!(error.class(), ErrorClass::Throttled | ErrorClass::Transient);
            let delay = Backoff::for_class(error.class()).delay(attempt, error.retry_after(), self.clock());
            let Some(delay) = delay.filter(|_| passes) else { return Err(error) };
            let why = error.class().why_to_wait(&error.message_for_people());
            waiting.goes_on(&why, Some(self.clock().after(delay)));
            self.clock().sleep(delay).await;
            attempt += 1;
        }
    }

    fn outgoing<'a>(
        &self,
        method: http::Method,
        url: &'a Url,
        body: Option<Bytes>,
        purpose: Purpose,
    ) -> Outgoing<'a> {
        Outgoing { method, url, body, purpose, client_request_id: self.clock().uuid() }
    }
}

fn class_of(method: Method) -> OperationClass {
    match method {
        Method::Put | Method::Patch | Method::Post => OperationClass::Write,
        Method::Delete => OperationClass::Delete,
    }
}

/// The items of one page and the link to the next.
fn page(mut body: Value) -> Result<(Vec<Value>, Option<String>), ArmError> {
    let next =
        body.get("nextLink").and_then(Value::as_str).filter(|link| !link.is_empty()).map(str::to_owned);
    let items = body.get_mut("value").and_then(Value::as_array_mut).map(std::mem::take);
    let items =
        items.ok_or_else(|| ArmError::Malformed { what: "a list has no array `value`".to_owned() })?;
    Ok((items, next))
}
