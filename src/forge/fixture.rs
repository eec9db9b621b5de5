//! For unit tests: a forge that answers what it is told to and remembers what it was asked, and what a
//! forge publishes about its requests.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::wire;

/// What is answered: status, headers, body.
pub(super) type Answer = (u16, Vec<(&'static str, String)>, String);

/// A 200 with this JSON.
pub(super) fn ok(body: Value) -> Answer {
    (200, vec![], body.to_string())
}

/// A forge that answers in the order that it is told to; a request too many is answered with a 500.
#[derive(Clone, Default)]
pub(super) struct FakeForge {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) host: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// `null` when there was none.
    pub(super) body: Value,
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

    /// `GET /path?query`, in order.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }
}

async fn answer(State(fake): State<FakeForge>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    fake.asked.lock().unwrap().push(Asked {
        host: head.uri.host().unwrap_or_default().to_owned(),
        method: head.method.to_string(),
        path: head.uri.path_and_query().unwrap().to_string(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let unexpected = || (500, vec![], "one request too many".to_owned());
    let (code, headers, text) = fake.answers.lock().unwrap().pop_front().unwrap_or_else(unexpected);
    let mut response = (StatusCode::from_u16(code).unwrap(), text).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A file of `shared/forge` beside the project, or further up; it is not part of the repository.
pub(super) fn shared_file(name: &str) -> Option<PathBuf> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.map(|folder| folder.join("shared/forge").join(name)).find(|file| file.exists());
    if found.is_none() {
        eprintln!("skipped: shared/forge/{name} is absent");
    }
    found
}

/// The recorded webhooks of a forge: file, event, body. `None` where they are absent.
pub(super) fn recorded_webhooks(forge: &str) -> Option<Vec<(String, String, Vec<u8>)>> {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(shared_file("webhooks/manifest.json")?).unwrap()).unwrap();
    let entries = manifest.as_array().unwrap().iter().filter(|entry| entry["forge"] == forge);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let read = |entry: &Value| {
        let file = text(&entry["file"]);
        let body = std::fs::read(shared_file("webhooks").unwrap().join(&file)).unwrap();
        (file.split('/').next_back().unwrap().to_owned(), text(&entry["event"]), body)
    };
    Some(entries.map(read).collect())
}

/// What a forge publishes about its API, in Swagger 2.
pub(super) struct Contract {
    document: Value,
    /// Parameters that its documentation has for every list.
    pub(super) of_every_list: &'static [&'static str],
}

impl Contract {
    /// `None` where it is absent.
    pub(super) fn of(forge: &str) -> Option<Self> {
        let text = std::fs::read(shared_file(&format!("contracts/{forge}.json"))?).unwrap();
        Some(Self { document: serde_json::from_slice(&text).unwrap(), of_every_list: &[] })
    }

    /// Fails unless the request is as published; `false` when nothing is published about its path.
    pub(super) fn has(&self, asked: &Asked) -> bool {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let paths = self.document["paths"].as_object().unwrap();
        let Some((_, item)) = paths.iter().find(|(template, _)| fits(template, path)) else { return false };
        let operation = &item[asked.method.to_lowercase()];
        assert!(operation.is_object(), "{} {path} is not published", asked.method);
        let of_path = item["parameters"].as_array().into_iter().flatten();
        let of_operation = operation["parameters"].as_array().into_iter().flatten();
        let all: Vec<&Value> = of_path.chain(of_operation).map(|it| self.resolved(it)).collect();
        self.check_query(query, &all);
        if let Some(body) = all.iter().find(|parameter| parameter["in"] == "body") {
            let mut schema = body["schema"].clone();
            schema["definitions"] = self.document["definitions"].clone();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&asked.body).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{} {path}: {errors:?}", asked.method);
        } else {
            assert_eq!(asked.body, json!(null), "{} {path} has no body", asked.method);
        }
        true
    }

    fn check_query(&self, query: &str, parameters: &[&Value]) {
        let given: Vec<&str> = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        let in_query = || parameters.iter().filter(|parameter| parameter["in"] == "query");
        for name in &given {
            let known = in_query().any(|parameter| parameter["name"] == *name);
            assert!(known || self.of_every_list.contains(name), "the parameter {name} is not published");
        }
        for required in in_query().filter(|parameter| parameter["required"] == true) {
            let name = required["name"].as_str().unwrap();
            assert!(given.contains(&name), "the parameter {name} is missing");
        }
    }

    fn resolved<'a>(&'a self, parameter: &'a Value) -> &'a Value {
        match parameter["$ref"].as_str() {
            None => parameter,
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')).unwrap(),
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(one, other)| one == other || (one.starts_with('{') && !other.is_empty()))
}
