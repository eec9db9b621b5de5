//! HTTP in, HTTP out: finds the endpoint, counts the request, lets the forge's file judge it, and turns
//! an [`Answer`] into a response. The only asynchronous part of the forge.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as Extract};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;

use super::face::{Bodies, Caller, Refused, Route, Validators, Via, admit, decoded};
use super::signature::digest;
use super::state::{Outage, State};
use super::world::ForgeWorld;
use crate::http::LOST;

/// More than any forge takes.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// What is in the body of an answer.
#[derive(Clone, Debug)]
enum Content {
    Nothing,
    Json(Value),
    Text(&'static str, String),
}

/// An answer before it is HTTP.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(&'static str, String)>,
    content: Content,
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), content: Content::Json(body) }
    }

    pub(super) fn text(status: u16, media_type: &'static str, text: &str) -> Self {
        Self { status, headers: Vec::new(), content: Content::Text(media_type, text.to_owned()) }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Content::Nothing }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn into_response(self) -> Response {
        let (media_type, bytes) = match self.content {
            Content::Nothing => (None, Bytes::new()),
            Content::Json(body) => (Some("application/json; charset=utf-8"), body.to_string().into()),
            Content::Text(media_type, text) => (Some(media_type), text.into()),
        };
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        if let Some(media_type) = media_type {
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::try_from(value))
            {
                headers.append(name, value);
            }
        }
        response
    }
}

/// A request with what its path names.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) uri: Uri,
    headers: HeaderMap,
    /// Null when there is none.
    pub(super) body: Value,
    params: Vec<(String, String)>,
    caller: Option<Caller>,
}

impl Call {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What the path has in the place of a name; empty when it has no such place.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.param(name).parse().ok()
    }

    /// The first value of a query parameter.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        pairs(self.uri.query()?).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The text at a pointer into the body.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }

    /// The text at a pointer into the body, where there is any.
    pub(super) fn filled(&self, pointer: &str) -> Option<&str> {
        self.text(pointer).filter(|text| !text.trim().is_empty())
    }

    /// Whether the body says yes at a pointer, in a form as well.
    pub(super) fn says_yes(&self, pointer: &str) -> bool {
        match self.body.pointer(pointer) {
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(word)) => word == "true",
            Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
        }
    }

    /// The login of who asks; empty where nobody needs to be known.
    pub(super) fn login(&self) -> &str {
        self.caller.as_ref().map_or("", |caller| &caller.login)
    }

    pub(super) fn permission(&self) -> super::Permission {
        self.caller.as_ref().map_or(super::Permission::None, |caller| caller.permission)
    }

    pub(super) fn is_app(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.via == Via::Installation)
    }
}

/// The router of a world: one handler, because the table of endpoints is the forge's.
pub(super) fn router(world: ForgeWorld) -> axum::Router {
    axum::Router::new().fallback(answer).with_state(world)
}

async fn answer(Extract(world): Extract<ForgeWorld>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return Answer::empty(413).into_response();
    };
    let call = Call {
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body: Value::Null,
        params: Vec::new(),
        caller: None,
    };
    if !world.has_objects() {
        return judge(&mut world.state(), call, &body).into_response();
    }
    // Merging and comparing read the disk, which must keep nobody else waiting.
    let judged = tokio::task::spawn_blocking(move || judge(&mut world.state(), call, &body));
    judged.await.unwrap_or_else(|_| Answer::empty(500)).into_response()
}

fn judge(state: &mut State, mut call: Call, body: &[u8]) -> Answer {
    let face = state.face();
    let found = face.find(&call.method, call.uri.path());
    let template = found.as_ref().map_or("(no such endpoint)", |(route, _)| route.template);
    *state.counts.entry(format!("{} {template}", call.method)).or_default() += 1;
    match state.outage {
        Some(Outage::Status(code)) => {
            let page = "<html><body><h1>We will be back soon</h1></body></html>";
            return Answer::text(code, "text/html", page);
        }
        Some(Outage::NoConnection) => return Answer::empty(502).with(LOST, 1),
        None => {}
    }
    let Some((route, params)) = found else { return (face.refuse)(state, &call, Refused::NoEndpoint) };
    call.params = params;
    match read(&call, body, face.bodies) {
        Some(body) => call.body = body,
        None => return (face.refuse)(state, &call, Refused::Malformed),
    }
    match admit(state, &call, route.needs) {
        Err(refused) => refused,
        Ok(caller) => {
            call.caller = caller;
            handle(state, &call, route)
        }
    }
}

/// What a body says; null when it is empty, `None` when the forge cannot read it.
fn read(call: &Call, body: &[u8], bodies: Bodies) -> Option<Value> {
    if body.is_empty() {
        return Some(Value::Null);
    }
    let is_form = call.header("content-type").is_some_and(|it| it.starts_with("application/x-www-form"));
    match (serde_json::from_slice(body), bodies) {
        (Ok(json), _) => Some(json),
        (Err(_), Bodies::JsonOrForm) if is_form => {
            let text = std::str::from_utf8(body).ok()?;
            Some(pairs(text).map(|(name, value)| (name, Value::String(value))).collect())
        }
        (Err(_), Bodies::Json | Bodies::JsonOrForm) => None,
    }
}

/// The pairs of a query or of a form.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let plain = |text: &str| decoded(&text.replace('+', " "));
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(move |(name, value)| (plain(name), plain(value)))
}

fn handle(state: &mut State, call: &Call, route: &Route) -> Answer {
    let face = state.face();
    let mut answer = (route.handler)(state, call).unwrap_or_else(|refused| refused);
    if call.method == Method::GET && answer.status == 200 && face.validators != Validators::None {
        answer = validated(answer, call);
        if answer.status == 304 && face.validators == Validators::Free {
            state.limits.give_back(call.login());
        }
    }
    let now = state.now();
    let budget = state.limits.budget(call.login(), now);
    answer.headers.extend((face.budget)(budget));
    answer
}

/// The answer with its validator, or nothing at all when the caller has it already.
fn validated(answer: Answer, call: &Call) -> Answer {
    let Content::Json(body) = &answer.content else { return answer };
    let etag = format!("W/\"{}\"", digest(body.to_string().as_bytes()));
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = call
        .header("if-none-match")
        .is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(&etag)));
    if known { Answer::empty(304).with("etag", etag) } else { answer.with("etag", etag) }
}
