//! HTTP in, HTTP out: reads a bounded body, finds the face that is asked, writes the log, turns a
//! [`Reply`] into a response. The only asynchronous part of the simulator besides the TLS server.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State as Extract};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;

use super::admin;
use super::arm::{self, ArmError};
use super::entra;
use super::faults::{FaultEffect, Moment};
use super::request_log::{RequestClass, RequestRecord};
use super::world::World;

/// ARM's own limit for a request body.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// How long a request's body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);

/// The header that marks an answer which must not arrive.
pub(super) const LOST: &str = "x-simulator-lost";

/// An answer before it is HTTP.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

impl Reply {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Some(body) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn into_response(self, keep: Option<usize>) -> Response {
        let bytes = self.body.map(|body| Bytes::from(serde_json::to_vec(&body).unwrap_or_default()));
        let length = bytes.as_ref().map(Bytes::len);
        let body = match (bytes, keep) {
            (None, _) => Body::empty(),
            (Some(bytes), None) => Body::from(bytes),
            (Some(bytes), Some(keep)) => cut(bytes, keep),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        if let Some(length) = length {
            headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(http::header::CONTENT_TYPE, json);
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.append(name, value);
            }
        }
        response
    }
}

/// The beginning of a body, and then the end of the connection.
fn cut(bytes: Bytes, keep: usize) -> Body {
    let broken =
        std::io::Error::new(std::io::ErrorKind::ConnectionReset, "a scripted fault cuts this answer");
    let begin = bytes.slice(..keep.min(bytes.len()));
    Body::from_stream(futures::stream::iter([Ok(begin), Err(broken)]))
}

/// A request with its whole body.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Incoming {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The router of a world: everything goes through one handler, because ARM's paths match without
/// regard to casing.
pub(super) fn router(world: World) -> axum::Router {
    axum::Router::new().fallback(answer).with_state(world)
}

async fn answer(Extract(world): Extract<World>, request: Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let (parts, body) = request.into_parts();
    let is_admin = admin::is_at(parts.uri.path());
    let limit = if is_admin && admin::admits(peer) { admin::MAX_BODY_BYTES } else { MAX_BODY_BYTES };
    let (refused, body) = match tokio::time::timeout(BODY_TIME, to_bytes(body, limit)).await {
        Ok(Ok(body)) => (None, body),
        Ok(Err(_)) => (Some(arm::too_large(limit)), Bytes::new()),
        Err(_) => (Some(arm::too_slow(BODY_TIME)), Bytes::new()),
    };
    let incoming = Incoming { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    if is_admin {
        let reply = refused.map_or_else(|| admin::handle(&world, &incoming, peer), ArmError::into_reply);
        return reply.into_response(None);
    }
    respond(&world, &incoming, refused).await
}

async fn respond(world: &World, incoming: &Incoming, refused: Option<ArmError>) -> Response {
    let (method, path) = (incoming.method.as_str(), incoming.uri.path());
    let class = entra::class(path);
    let (clock, at) = {
        let state = world.state();
        (state.clock.clone(), state.now())
    };
    let scripted = world.faults().take(method, path, |effect| {
        let resets = FaultEffect::Reset { moment: Moment::Before };
        matches!(effect, FaultEffect::Status { .. }) || *effect == resets
    });
    let resets_before = matches!(scripted, Some(FaultEffect::Reset { .. }));
    let mut reply = match (scripted, refused) {
        (Some(effect), _) => scripted_status(world, effect, class),
        (None, Some(error)) => error.into_reply(),
        (None, None) => dispatch(world, incoming, class),
    };
    if class == RequestClass::Arm {
        arm::stamp(&mut world.state(), incoming, &mut reply);
    }
    world.state().log.push(RequestRecord {
        at,
        method: method.to_owned(),
        path: path.to_owned(),
        query: incoming.uri.query().unwrap_or_default().to_owned(),
        status: reply.status,
        class,
    });
    if resets_before {
        return lost();
    }
    match world.faults().take(method, path, spoils_answer) {
        None => reply.into_response(None),
        Some(FaultEffect::Slow { ms }) => {
            clock.sleep(Duration::from_millis(ms)).await;
            reply.into_response(None)
        }
        Some(FaultEffect::Truncate { keep_bytes }) => reply.into_response(Some(keep_bytes)),
        Some(_) => lost(),
    }
}

fn lost() -> Response {
    Reply::empty(502).with(LOST, 1).into_response(None)
}

fn spoils_answer(effect: &FaultEffect) -> bool {
    let resets = FaultEffect::Reset { moment: Moment::After };
    matches!(effect, FaultEffect::LoseAnswer | FaultEffect::Slow { .. } | FaultEffect::Truncate { .. })
        || *effect == resets
}

fn dispatch(world: &World, incoming: &Incoming, class: RequestClass) -> Reply {
    let mut state = world.settled();
    match class {
        RequestClass::Arm => {
            arm::handle(&mut state, &world.faults(), incoming).unwrap_or_else(ArmError::into_reply)
        }
        RequestClass::Token | RequestClass::Metadata => entra::handle(&mut state, &world.faults(), incoming),
    }
}

fn scripted_status(world: &World, effect: FaultEffect, class: RequestClass) -> Reply {
    let FaultEffect::Status { code, retry_after_secs, error_code, message } = effect else {
        return Reply::empty(502);
    };
    let reply = match class {
        RequestClass::Token => entra::down(&world.state(), code),
        RequestClass::Arm | RequestClass::Metadata => ArmError::new(code, &error_code, message).into_reply(),
    };
    match retry_after_secs {
        Some(seconds) => reply.with("retry-after", seconds),
        None => reply,
    }
}
