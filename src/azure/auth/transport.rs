//! The door through which `azure_identity` sends: our wire client.
//!
//! Beside sending it does two things. It rewrites the address of the Instance Metadata Service, which
//! is a constant in `azure_identity`, to a configured one. And it notes what an answer said, because
//! `azure_identity` turns a token's lifetime into a moment of the system's clock, which is not ours.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::request::Body;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Url};
use bytes::Bytes;
use serde_json::Value;

use crate::azure::payload;
use crate::clock::Clock;
use crate::wire::{self, Skew};

/// The address of the Instance Metadata Service on every Azure machine.
const INSTANCE_METADATA_HOST: &str = "169.254.169.254";

/// What the last answer said.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The HTTP status; `None` when there was no answer.
    pub(super) status: Option<u16>,
    /// How long the token is valid.
    pub(super) lifetime: Option<Duration>,
    /// Why there was no answer.
    pub(super) failure: Option<String>,
    /// How far our clock is from that of whoever answered.
    pub(super) skew: Skew,
}

/// The transport of one token request.
#[derive(Debug)]
pub(super) struct Transport {
    wire: wire::Client,
    clock: Clock,
    instance_metadata: Option<Url>,
    seen: Mutex<Seen>,
}

impl Transport {
    pub(super) fn new(wire: wire::Client, clock: Clock, instance_metadata: Option<Url>) -> Self {
        Self { wire, clock, instance_metadata, seen: Mutex::new(Seen::default()) }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, seen: Seen) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn address(&self, asked: &Url) -> Url {
        match &self.instance_metadata {
            Some(endpoint) if asked.host_str() == Some(INSTANCE_METADATA_HOST) => {
                let mut url = endpoint.clone();
                url.set_path(asked.path());
                url.set_query(asked.query());
                url
            }
            Some(_) | None => asked.clone(),
        }
    }

    fn outgoing(&self, request: &Request) -> azure_core::Result<wire::Request> {
        let method = request.method();
        let mut builder =
            http::Request::builder().method(method.as_ref()).uri(self.address(request.url()).as_str());
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let body = match request.body() {
            Body::Bytes(bytes) => bytes.clone(),
            Body::SeekableStream(_) => Bytes::new(),
        };
        builder.body(body).map_err(|error| Error::new(ErrorKind::DataConversion, error))
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.wire.send(self.outgoing(request)?).await;
        let response = answer.map_err(|error| {
            self.note(Seen { failure: Some(error.to_string()), ..Seen::default() });
            Error::new(ErrorKind::Io, error)
        })?;
        let status = response.status().as_u16();
        let skew = Skew::of(response.headers(), self.clock.now());
        self.note(Seen { status: Some(status), lifetime: lifetime(&response), failure: None, skew });
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(value) = value.to_str() {
                let name = HeaderName::from(name.as_str().to_owned());
                headers.insert(name, HeaderValue::from(value.to_owned()));
            }
        }
        Ok(AsyncRawResponse::from_bytes(status.into(), headers, response.into_body()))
    }
}

/// `expires_in` of a token answer, in seconds. The Instance Metadata Service writes it as text.
fn lifetime(response: &wire::Response) -> Option<Duration> {
    let body = payload::json(response).ok()??;
    let seconds = body.get("expires_in")?;
    let seconds = seconds.as_u64().or_else(|| seconds.as_str().and_then(|text| text.parse().ok()))?;
    (body.get("access_token").is_some_and(Value::is_string)).then(|| Duration::from_secs(seconds))
}
