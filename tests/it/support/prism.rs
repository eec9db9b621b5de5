//! Prism, a validating server that is not ours, in front of a forge client.
//!
//! The client talks over real HTTP to a door that hands every request on to Prism unchanged, and keeps
//! what Prism finds wrong. Prism answers with the examples of the forge's own description, or makes them
//! up from its schemas. An answer can be replaced after Prism has judged the request, to lead a client
//! where an example does not lead; what a description lacks is answered by the door itself.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use beamline::forge::ForgeError;
use beamline::wire::{Client, Options, Proxy};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::description::{Description, fits, npm};

const START: Duration = Duration::from_secs(120);
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// An operation that a forge's description lacks, so that nobody but our unit tests looks at it.
pub(crate) struct Undescribed {
    /// `POST /projects/{id}/...`
    pub(crate) operation: &'static str,
    /// Why it is not described, and where it is documented.
    pub(crate) reason: &'static str,
    pub(crate) status: u16,
    pub(crate) answer: Value,
}

/// An answer that is given instead of Prism's, once.
pub(crate) struct Instead {
    pub(crate) operation: &'static str,
    pub(crate) status: u16,
    pub(crate) answer: Value,
}

/// Where Prism's answers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// The description's examples; where it has none, the plainest value that its schema allows.
    Examples,
    /// Random values that its schema allows, from a fixed seed.
    MadeUp,
}

/// A forge client's other side.
pub(crate) struct Prism {
    door: Arc<Door>,
    /// `http://127.0.0.1:<port>`, without the base path of the API.
    pub(crate) url: String,
    _server: Child,
    /// Prism watches the description, and ends when it goes.
    _folder: TempDir,
}

struct Door {
    description: Description,
    undescribed: Vec<Undescribed>,
    client: Client,
    prism: String,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    made_up: bool,
    instead: Vec<Instead>,
    /// What was asked, of what the description has.
    described: BTreeSet<String>,
    /// What was asked, of what it lacks.
    undescribed: BTreeSet<&'static str>,
    /// What Prism, or the description itself, has against a request.
    violations: Vec<String>,
    /// One request with a body of each operation.
    written: Vec<(String, http::request::Parts, Value)>,
}

impl Prism {
    /// Starts it on `description`; `None` where it is not installed.
    pub(crate) async fn start(description: Description, undescribed: Vec<Undescribed>) -> Option<Self> {
        let program = npm(".bin/prism")?;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("description.json");
        std::fs::write(&file, description.text()).unwrap();
        let mut server = Command::new(program)
            .args(["mock", "--errors", "--seed", "1", "--host", "127.0.0.1", "--port", "0"])
            .arg(&file)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let prism = tokio::time::timeout(START, listening(&mut server)).await.expect("Prism listens in time");
        let client = Client::new(&Options { proxy: Proxy::Never, ..Options::default() }).unwrap();
        let door = Arc::new(Door { description, undescribed, client, prism, seen: Mutex::default() });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&door));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Some(Self { door, url, _server: server, _folder: folder })
    }

    pub(crate) fn client(&self) -> Client {
        self.door.client.clone()
    }

    pub(crate) fn answer_with(&self, answers: Answers) {
        self.door.seen.lock().unwrap().made_up = answers == Answers::MadeUp;
    }

    /// The next answer to an operation is this one; the request is judged all the same.
    pub(crate) fn once(&self, operation: &'static str, status: u16, answer: Value) {
        self.door.seen.lock().unwrap().instead.push(Instead { operation, status, answer });
    }

    /// What the client made of an answer; panics with what Prism found when that was a failure.
    pub(crate) fn accepted<T>(&self, outcome: Result<T, ForgeError>) -> T {
        outcome.unwrap_or_else(|error| {
            panic!("{error}\n{}", self.door.seen.lock().unwrap().violations.join("\n"))
        })
    }

    /// Panics unless the requests were exactly those of `used` and those that are known to be
    /// undescribed, none of them violating the description.
    pub(crate) fn approves_of(&self, used: &[&str]) {
        let seen = self.door.seen.lock().unwrap();
        assert!(seen.violations.is_empty(), "{}", seen.violations.join("\n"));
        let left: Vec<&str> = seen.instead.iter().map(|instead| instead.operation).collect();
        assert!(left.is_empty(), "not asked as often as expected: {left:?}");
        let used: BTreeSet<String> = used.iter().map(|&operation| operation.to_owned()).collect();
        assert_eq!(seen.described, used, "the operations that are held against the description");
        let undescribed: BTreeSet<&str> = self.door.undescribed.iter().map(|it| it.operation).collect();
        assert_eq!(seen.undescribed, undescribed, "the operations that the description lacks");
        for lacking in &self.door.undescribed {
            println!("not held against a description: {}: {}", lacking.operation, lacking.reason);
        }
        println!("{} operations hold, {} are not described", used.len(), undescribed.len());
    }

    /// Panics unless Prism refuses every body that was sent when it has a property too many, or is no
    /// object: it does read them.
    pub(crate) async fn reads_bodies(&self) {
        let written = std::mem::take(&mut self.door.seen.lock().unwrap().written);
        assert!(!written.is_empty());
        for (operation, parts, body) in written {
            let mut too_much = body.clone();
            too_much["nobody_knows_this"] = json!(1);
            for wrong in [too_much, json!([body])] {
                let answer = self.door.hand_on(&parts, Bytes::from(wrong.to_string())).await;
                assert!(!answer.status().is_success(), "Prism accepts {operation} with {wrong}");
            }
        }
    }
}

/// The address that it prints when it listens; whatever it prints later is read and dropped, so that it
/// never waits for a reader.
async fn listening(server: &mut Child) -> String {
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut printed = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, address)) = line.split_once("listening on ") {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return address.trim().to_owned();
        }
        printed.push_str(&line);
        printed.push('\n');
    }
    panic!("Prism ended: {printed}");
}

async fn answer(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.unwrap();
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let Some(operation) = door.description.operation(method, path) else {
        return door.answer_undescribed(&parts.method, path);
    };
    door.check_query(&operation, parts.uri.query().unwrap_or_default());
    let answer = door.hand_on(&parts, body.clone()).await;
    door.judge(&operation, &parts, &body, &answer);
    let instead = {
        let mut seen = door.seen.lock().unwrap();
        let at = seen.instead.iter().position(|instead| instead.operation == operation);
        at.map(|at| seen.instead.remove(at))
    };
    match instead {
        Some(instead) => reply(instead.status, &instead.answer),
        None => {
            let (mut head, body) = answer.into_parts();
            for hop in [header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_LENGTH] {
                head.headers.remove(hop);
            }
            Response::from_parts(head, Body::from(body))
        }
    }
}

fn reply(status: u16, answer: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), answer.to_string()).into_response()
}

impl Door {
    fn answer_undescribed(&self, method: &Method, path: &str) -> Response {
        let is_meant = |known: &&Undescribed| {
            let (known_method, template) = known.operation.split_once(' ').unwrap();
            known_method == method.as_str() && fits(template, path)
        };
        let mut seen = self.seen.lock().unwrap();
        match self.undescribed.iter().find(is_meant) {
            Some(known) => {
                seen.undescribed.insert(known.operation);
                reply(known.status, &known.answer)
            }
            None => {
                seen.violations.push(format!("{method} {path} is not published"));
                reply(404, &json!({ "message": "not published" }))
            }
        }
    }

    /// Prism leaves parameters alone that a description does not name.
    fn check_query(&self, operation: &str, query: &str) {
        let names =
            query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
        let unknown: Vec<&str> = names.filter(|name| !self.description.takes(operation, name)).collect();
        if !unknown.is_empty() {
            let violation = format!("{operation} takes no parameter {unknown:?}");
            self.seen.lock().unwrap().violations.push(violation);
        }
    }

    async fn hand_on(&self, parts: &http::request::Parts, body: Bytes) -> http::Response<Bytes> {
        let uri = format!("{}{}", self.prism, parts.uri.path_and_query().unwrap());
        let mut request = http::Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = uri.parse().unwrap();
        *request.headers_mut() = parts.headers.clone();
        request.headers_mut().remove(header::HOST);
        request.headers_mut().remove(header::CONTENT_LENGTH);
        // It drops idle connections after five seconds, perhaps just when the next request is sent.
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        if self.seen.lock().unwrap().made_up {
            let prefer = HeaderName::from_static("prefer");
            request.headers_mut().insert(prefer, HeaderValue::from_static("dynamic=true"));
        }
        self.client.send(request).await.unwrap()
    }

    fn judge(
        &self,
        operation: &str,
        parts: &http::request::Parts,
        body: &Bytes,
        answer: &http::Response<Bytes>,
    ) {
        let mut seen = self.seen.lock().unwrap();
        let is_first = seen.described.insert(operation.to_owned());
        let found =
            answer.headers().get("sl-violations").map(|found| String::from_utf8_lossy(found.as_bytes()));
        if !answer.status().is_success() || found.is_some() {
            let said = String::from_utf8_lossy(answer.body());
            let sent = String::from_utf8_lossy(body);
            let sent: String = sent.chars().take(1000).collect();
            let said: String = said.chars().take(2000).collect();
            let found = found.unwrap_or_default();
            let line = format!("{} {}", parts.method, parts.uri);
            seen.violations.push(format!("{line} with {sent}: {} {found} {said}", answer.status()));
        } else if let (true, Ok(body)) = (is_first, serde_json::from_slice(body)) {
            seen.written.push((operation.to_owned(), parts.clone(), body));
        }
    }
}
