//! A world in this process and a client that knows only HTTP.

use axum::body::{Body, to_bytes};
use beamline::clock::Clock;
use beamline::resources::id::{ResourceId, SubscriptionId};
use beamline_simulator::{DEFAULT_SUBSCRIPTION, World, WorldOptions};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::samples;

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

pub(crate) struct Bench {
    pub(crate) world: World,
    router: axum::Router,
}

impl Bench {
    /// A world without latency. Needs a tokio runtime.
    pub(crate) fn new() -> Self {
        let clock = Clock::simulated("2026-11-01T00:00:00Z".parse().unwrap(), 1);
        let world = World::new(WorldOptions::new(clock));
        let router = world.router();
        Self { world, router }
    }

    pub(crate) async fn send(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder()
            .method(method.to_ascii_uppercase().as_str())
            .uri(encoded(target.strip_prefix("https://arm.simulator.invalid").unwrap_or(target)))
            .header("authorization", "Bearer opaque")
            .header("content-type", "application/json")
            .body(Body::from(bytes))
            .unwrap();
        self.raw(request).await.unwrap_or_else(|text| panic!("{method} {target}: not JSON: {text}"))
    }

    /// Sends a request as it is; the answer's text when it is not JSON.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Result<Answer, String> {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
        let body = body.map_err(|_| String::from_utf8_lossy(&bytes).into_owned())?;
        Ok(Answer { status, headers, body })
    }

    /// Places what `id` needs above itself, without a word to the front of ARM.
    pub(crate) fn place_above(&self, id: &ResourceId) {
        let Some(parent) = id.parent().filter(|parent| parent.subscription_id().is_some()) else { return };
        if parent == subscription() || self.world.get(&parent).is_some() {
            return;
        }
        self.place(&parent, samples::body(&parent.arm_type()));
    }

    /// Places a resource with all that is above it.
    pub(crate) fn place(&self, id: &ResourceId, body: Value) {
        self.place_above(id);
        self.world.put(id, body);
    }

    /// Places every resource of the subscription that `body` refers to and that is not there yet,
    /// except `own` and what is below it.
    pub(crate) fn place_references(&self, body: &Value, own: Option<&ResourceId>) {
        match body {
            Value::String(text) => {
                let id: Option<ResourceId> = text.parse().ok();
                let Some(id) = id.filter(|id| id.resource_group_name().is_some()) else { return };
                let inside = own.is_some_and(|own| id == *own || id.is_within(own));
                if !inside && self.world.get(&id).is_none() {
                    self.place(&id, samples::body(&id.arm_type()));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.place_references(item, own)),
            Value::Object(map) => {
                for (key, value) in map {
                    self.place_references(&json!(key), own);
                    self.place_references(value, own);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

pub(crate) fn subscription() -> ResourceId {
    ResourceId::subscription(SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap()))
}

/// Percent-encodes what may not stand in a URI.
pub(crate) fn encoded(target: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"{}\"<>\\^`|#".contains(&byte);
    target
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
