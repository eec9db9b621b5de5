//! For tests: a GitHub that answers what it is told to, remembers what it was asked, and holds that
//! against GitHub's published description.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{Access, GitHub, Options};
use crate::clock::Clock;
use crate::wire;

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(super) const NOW: &str = "2026-01-01T00:00:00Z";

/// A key and a certificate for tests; the key is RSA in PKCS#8.
pub(super) const KEY: &str = include_str!("../../azure/auth/test_certificate.pem");

/// Operations that the excerpt of the description in `shared/forge` does not have.
const NOT_IN_THE_EXCERPT: [&str; 4] = ["/installation", "/permission", "/reactions", "/commits/"];

#[derive(Clone, Debug)]
pub(super) struct Reply {
    code: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(super) fn new(code: StatusCode, body: &str) -> Self {
        Self { code, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) fn json(body: &Value) -> Self {
        Self::new(StatusCode::OK, &body.to_string())
    }

    /// A token that expires an hour after [`NOW`].
    pub(super) fn token(token: &str) -> Self {
        let body = json!({ "token": token, "expires_at": "2026-01-01T01:00:00Z" });
        Self { code: StatusCode::CREATED, ..Self::json(&body) }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Recorded {
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The text of a query parameter, as it was sent.
    pub(super) fn parameter(&self, name: &str) -> String {
        let value = self.parameters().into_iter().find(|(key, _)| key == name);
        value.unwrap_or_else(|| panic!("no {name} in {}", self.query)).1
    }

    fn parameters(&self) -> Vec<(String, String)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }
}

/// A clock that shows [`NOW`].
pub(super) fn clock() -> Clock {
    Clock::simulated(NOW.parse().unwrap(), 1)
}

type Answering = dyn Fn(&Recorded) -> Reply + Send + Sync;

#[derive(Clone)]
pub(super) struct FakeGitHub {
    answering: Arc<Answering>,
    recorded: Arc<Mutex<Vec<Recorded>>>,
    pub(super) clock: Clock,
}

impl Default for FakeGitHub {
    fn default() -> Self {
        Self::scripted([])
    }
}

impl FakeGitHub {
    /// Answers with `answering`.
    pub(super) fn answering(answering: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::at(clock(), answering)
    }

    /// Answers with `answering`, and is asked on `clock`.
    pub(super) fn at(clock: Clock, answering: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self { answering: Arc::new(answering), recorded: Arc::default(), clock }
    }

    /// Answers with `replies` in turn, then always 201.
    pub(super) fn scripted(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::answering(move |_| {
            replies.lock().unwrap().pop_front().unwrap_or(Reply::new(StatusCode::CREATED, r#"{"id":1}"#))
        })
    }

    pub(super) fn with(&self, access: Access) -> GitHub {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let options = Options {
            api: "https://github.example/api/v3/".to_owned(),
            repository: "octo/ml".parse().unwrap(),
            access,
        };
        GitHub::new(wire::Client::in_process(router), self.clock.clone(), options).unwrap()
    }

    /// Asked with a token.
    pub(super) fn github(&self) -> GitHub {
        self.with(Access::Token("ghp_secret".into()))
    }

    /// Asked by an App that is installed as 12.
    pub(super) fn app(&self, app_id: &str) -> GitHub {
        let (app_id, private_key) = (app_id.to_owned(), KEY.into());
        self.with(Access::App { app_id, installation_id: Some(12), private_key })
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.recorded.lock().unwrap().clone()
    }

    /// Panics when a request is not as GitHub publishes it; says so where the description is absent.
    pub(super) fn holds_to_the_contract(&self) {
        let Some(contract) = contract() else { return };
        for request in self.requests() {
            let path = request.path.strip_prefix("/api/v3").unwrap();
            let Some(operation) = operation(&contract, &request.method, path) else {
                let is_known = NOT_IN_THE_EXCERPT.iter().any(|part| path.contains(part));
                assert!(is_known, "GitHub publishes no {}", request.line());
                continue;
            };
            check_query(&contract, operation, &request);
            check_body(&contract, operation, &request);
        }
    }
}

async fn answer(State(fake): State<FakeGitHub>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap();
    let recorded = Recorded {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    fake.recorded.lock().unwrap().push(recorded.clone());
    let reply = (fake.answering)(&recorded);
    let mut response = Response::builder().status(reply.code);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

/// A folder of `shared/forge`, which is no part of the repository: beside it, or further up.
pub(super) fn shared(name: &str) -> Option<PathBuf> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = folders.map(|folder| folder.join("shared/forge").join(name));
    let found = folders.find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: the folder shared/forge/{name} is absent");
    }
    found
}

fn contract() -> Option<Value> {
    let text = std::fs::read(shared("contracts")?.join("github.json")).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// An example answer of GitHub's description.
pub(super) fn example(name: &str) -> Option<Value> {
    Some(contract()?["components"]["examples"][name]["value"].clone()).filter(|value| !value.is_null())
}

fn operation<'a>(contract: &'a Value, method: &Method, path: &str) -> Option<&'a Value> {
    let fits = |template: &str| {
        let (mut known, mut asked) = (template.split('/'), path.split('/'));
        known.by_ref().zip(asked.by_ref()).all(|(known, asked)| known.starts_with('{') || known == asked)
            && template.split('/').count() == path.split('/').count()
    };
    let (_, item) = contract["paths"].as_object()?.iter().find(|(template, _)| fits(template))?;
    item.get(method.as_str().to_ascii_lowercase())
}

fn check_query(contract: &Value, operation: &Value, request: &Recorded) {
    let parameters = operation["parameters"].as_array().unwrap();
    for (name, text) in request.parameters() {
        let of_name = |parameter: &&Value| parameter["name"] == name.as_str() && parameter["in"] == "query";
        let mut resolved = parameters.iter().map(|parameter| match parameter["$ref"].as_str() {
            Some(reference) => contract.pointer(&reference[1..]).unwrap(),
            None => parameter,
        });
        let known = resolved.find(of_name);
        let known = known.unwrap_or_else(|| panic!("{} has no parameter {name}", request.line()));
        let value = text.parse::<u64>().map_or(Value::from(text), Value::from);
        assert!(jsonschema::is_valid(&known["schema"], &value), "{} {name}={value}", request.line());
    }
}

fn check_body(contract: &Value, operation: &Value, request: &Recorded) {
    let published = &operation["requestBody"]["content"]["application/json"]["schema"];
    if published.is_null() {
        return assert_eq!(request.body, Value::Null, "{}", request.line());
    }
    let mut schema = published.clone();
    schema["components"] = contract["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(&request.body).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{}: {problems:?}", request.line());
    let known = published["properties"].as_object().unwrap();
    for key in request.body.as_object().unwrap().keys() {
        assert!(known.contains_key(key), "{} does not know {key}", request.line());
    }
}
