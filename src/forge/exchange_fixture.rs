//! For tests of the forges: a forge that answers what it is told to, and the forges' own descriptions,
//! against which every request that it was sent can be held.
//!
//! The descriptions and the recorded webhooks are not part of the repository: they stand in
//! `shared/forge` beside it, or further up, and what needs them is skipped where they are absent.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::webhook::Incoming;
use crate::wire;

/// A forge that answers in the order of its answers, and remembers what it was asked.
#[derive(Clone, Default)]
pub(super) struct FakeForge {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What the fake says.
pub(super) struct Answer {
    code: u16,
    headers: Vec<(&'static str, String)>,
    body: Value,
}

/// What the fake was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    /// `Null` where there is none.
    pub(super) body: Value,
}

impl Asked {
    /// `POST /path?query`
    pub(super) fn line(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{} {}{query}", self.method, self.path)
    }
}

impl Answer {
    pub(super) fn new(code: u16, body: Value) -> Self {
        Self { code, headers: Vec::new(), body }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// With a `Link` header that names a next page.
    pub(super) fn and_more(self) -> Self {
        self.with("link", r#"<https://forge.example/next>; rel="next", <https://forge.example/>; rel="last""#)
    }
}

impl FakeForge {
    pub(super) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let fake = Self::default();
        fake.answers.lock().unwrap().extend(answers);
        fake
    }

    pub(super) fn client(&self) -> wire::Client {
        wire::Client::in_process(Router::new().fallback(answer).with_state(self.clone()))
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

async fn answer(State(fake): State<FakeForge>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 4 * 1024 * 1024).await.unwrap();
    fake.asked.lock().unwrap().push(Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() },
    });
    let next = fake.answers.lock().unwrap().pop_front();
    let Answer { code, headers, body } =
        next.unwrap_or_else(|| Answer::new(201, json!({ "id": 1, "state": "any" })));
    let mut response = (StatusCode::from_u16(code).unwrap(), body.to_string()).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// What a forge publishes about its API (OpenAPI 2).
pub(super) struct Contract(Value);

impl Contract {
    /// `None`, with a message, where the folder is absent.
    pub(super) fn load(forge: &str) -> Option<Self> {
        let file = shared(&format!("contracts/{forge}.json"))?;
        Some(Self(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()))
    }

    /// Panics when a request is not as the contract has it.
    pub(super) fn check(&self, asked: &Asked) {
        let operation = self.operation(asked);
        let parameters = operation["parameters"].as_array().unwrap();
        for pair in asked.query.iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').unwrap();
            let known = parameters.iter().find(|it| it["in"] == "query" && it["name"] == name);
            let known = known.unwrap_or_else(|| panic!("{name} is no parameter of {}", asked.line()));
            let is_listed = known["enum"].as_array().is_none_or(|all| all.iter().any(|it| it == value));
            let is_number = known["type"] != "integer" || value.parse::<u64>().is_ok();
            assert!(is_listed && is_number, "{}: {pair}", asked.line());
        }
        match parameters.iter().find(|it| it["in"] == "body") {
            None => assert!(asked.body.is_null(), "{} has no body", asked.line()),
            Some(body) => self.check_body(&body["schema"], &asked.body),
        }
    }

    fn operation(&self, asked: &Asked) -> &Value {
        let fits = |template: &str| {
            let both = || template.split('/').zip(asked.path.split('/'));
            template.split('/').count() == asked.path.split('/').count()
                && both().all(|(name, given)| name == given || name.starts_with('{') && !given.is_empty())
        };
        let mut paths = self.0["paths"].as_object().unwrap().iter();
        let path = paths.find(|(template, _)| fits(template)).map(|(_, path)| path);
        path.and_then(|path| path.get(asked.method.to_ascii_lowercase()))
            .unwrap_or_else(|| panic!("{} is not in the contract", asked.line()))
    }

    fn check_body(&self, schema: &Value, body: &Value) {
        let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        let schema = pointer.map_or(schema, |pointer| self.0.pointer(pointer).unwrap());
        let whole = json!({ "allOf": [schema], "definitions": self.0["definitions"] });
        let validator = jsonschema::validator_for(&whole).unwrap();
        let problems: Vec<_> = validator.iter_errors(body).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{body}: {problems:?}");
        let known = schema["properties"].as_object().unwrap();
        assert!(body.as_object().unwrap().keys().all(|key| known.contains_key(key)), "{body}");
    }
}

/// What a webhook says, in one line.
pub(super) fn told(incoming: &Incoming) -> String {
    match incoming {
        Incoming::Ping => "ping".to_owned(),
        Incoming::Push(push) => format!(
            "push {} {} {}",
            push.repository,
            push.branch.as_ref().map_or("-", |branch| branch.as_str()),
            push.after.map_or("-".to_owned(), |after| after.short()),
        ),
        Incoming::PullRequest { repository, number } => format!("pull request {repository} {number}"),
        Incoming::Rerun { repository, commit } => format!("rerun {repository} {}", commit.short()),
        Incoming::Ignored => "ignored".to_owned(),
    }
}

/// The headers of a webhook.
pub(super) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    pairs.iter().map(pair).collect()
}

/// A webhook that a forge has really sent.
pub(super) struct Recorded {
    pub(super) file: String,
    pub(super) event: String,
    pub(super) body: Vec<u8>,
}

/// The recorded webhooks of a forge; `None`, with a message, where the folder is absent.
pub(super) fn recorded(forge: &str) -> Option<Vec<Recorded>> {
    let manifest = shared("webhooks/manifest.json")?;
    let folder = manifest.parent().unwrap();
    let entries: Vec<Value> = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let of_forge = entries.iter().filter(|entry| entry["forge"] == forge).map(|entry| Recorded {
        file: text(entry, "file"),
        event: text(entry, "event"),
        body: std::fs::read(folder.join(text(entry, "file"))).unwrap(),
    });
    Some(of_forge.collect())
}

fn shared(name: &str) -> Option<PathBuf> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut files = folders.map(|folder| folder.join("shared/forge").join(name));
    let found = files.find(|file| file.is_file());
    if found.is_none() {
        eprintln!("skipped: shared/forge/{name} is absent");
    }
    found
}
