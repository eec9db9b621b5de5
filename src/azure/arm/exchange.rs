//! One request on its way: budget, token, headers, and one line about it in the log.

use azure_core::http::Url;
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::{AZURE, Arm, NO_ANSWER};
use crate::azure::auth::Freshness;
use crate::azure::count::Purpose;
use crate::azure::waits::Waiting;
use crate::azure::{ArmError, OperationClass, WaitKind, payload, retry_after};
use crate::wire;

/// One request before its token and its headers.
pub(super) struct Outgoing<'a> {
    pub(super) method: http::Method,
    pub(super) url: &'a Url,
    pub(super) body: Option<Bytes>,
    pub(super) purpose: Purpose,
    pub(super) client_request_id: Uuid,
}

impl Arm {
    /// One request within the budget. A 401 had no effect: with a new token it is sent once more.
    pub(super) async fn exchange(
        &self,
        outgoing: &Outgoing<'_>,
        class: OperationClass,
    ) -> Result<wire::Response, ArmError> {
        let waiting = self.waiting(WaitKind::Trouble, AZURE, NO_ANSWER);
        self.exchange_during(outgoing, class, &waiting).await
    }

    /// The same, as a part of a wait that goes on.
    pub(super) async fn exchange_during(
        &self,
        outgoing: &Outgoing<'_>,
        class: OperationClass,
        waiting: &Waiting,
    ) -> Result<wire::Response, ArmError> {
        self.budget.acquire_telling(class, |why, until| waiting.goes_on(why, Some(until))).await;
        waiting.goes_on(NO_ANSWER, None);
        let began = self.clock().monotonic();
        let outcome = self.asked(outgoing, class).await;
        self.inner.reach.note(began, self.clock().monotonic(), &outcome);
        outcome
    }

    async fn asked(
        &self,
        outgoing: &Outgoing<'_>,
        class: OperationClass,
    ) -> Result<wire::Response, ArmError> {
        let token = self.inner.tokens.token().await?;
        let response = self.attempt(outgoing, class, &token).await?;
        if response.status() != StatusCode::UNAUTHORIZED
            || self.inner.tokens.forget(&token) == Freshness::Same
        {
            return Ok(response);
        }
        self.budget.acquire(class).await;
        let token = self.inner.tokens.token().await?;
        self.attempt(outgoing, class, &token).await
    }

    async fn attempt(
        &self,
        outgoing: &Outgoing<'_>,
        class: OperationClass,
        token: &SecretString,
    ) -> Result<wire::Response, ArmError> {
        let request = self.request(outgoing, token)?;
        let begun = self.clock().monotonic();
        self.inner.counters.add(outgoing.purpose);
        let outcome = self.inner.wire.send(request).await;
        self.trace(outgoing, begun.elapsed(), &outcome);
        let response = outcome?;
        self.budget.learn(class, &response, retry_after::read(&response, self.clock().now()));
        Ok(response)
    }

    fn request(&self, outgoing: &Outgoing<'_>, token: &SecretString) -> Result<wire::Request, ArmError> {
        let unusable = |what: &str| ArmError::Malformed { what: what.to_owned() };
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| unusable("the token is no header value"))?;
        authorization.set_sensitive(true);
        let mut builder = http::Request::builder()
            .method(outgoing.method.clone())
            .uri(outgoing.url.as_str())
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header("x-ms-client-request-id", outgoing.client_request_id.to_string())
            .header("x-ms-return-client-request-id", "true")
            .header("x-ms-correlation-request-id", self.correlation.to_string());
        if outgoing.body.is_some() {
            builder = builder.header(CONTENT_TYPE, "application/json");
        }
        builder
            .body(outgoing.body.clone().unwrap_or_default())
            .map_err(|_| ArmError::Address { path: outgoing.url.path().to_owned() })
    }

    /// Says what was sent and what came back: the path only, because a query may be signed.
    fn trace(
        &self,
        outgoing: &Outgoing<'_>,
        took: std::time::Duration,
        outcome: &Result<wire::Response, wire::WireError>,
    ) {
        let (status, request_id, error) = match outcome {
            Ok(response) => (Some(response.status().as_u16()), payload::request_id(response), None),
            Err(error) => (None, None, Some(error)),
        };
        tracing::debug!(
            method = %outgoing.method,
            path = outgoing.url.path(),
            status,
            milliseconds = took.as_millis(),
            client_request_id = %outgoing.client_request_id,
            correlation_id = %self.correlation,
            request_id,
            error = error.map(tracing::field::display),
            "request to Azure Resource Manager"
        );
    }
}
