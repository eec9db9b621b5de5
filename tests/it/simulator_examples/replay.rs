//! One example: its request, its answer, and how that differs from the example's.

use beamline::resources::id::ResourceId;
use serde_json::Value;

use super::prepare::prepare;
use super::translate::translated;
use crate::support::bench::{Answer, Bench, encoded};
use crate::support::bicep::Types;
use crate::support::contract::Example;
use crate::support::shape::{Difference, differences, leaves};

/// How a replay went.
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) differences: Vec<Difference>,
}

/// The request of an example, in the words of the world.
pub(super) struct Request {
    pub(super) path: String,
    pub(super) target: String,
    pub(super) body: Option<Value>,
}

fn request(example: &Example) -> Request {
    let (mut path, mut query, mut body) = (example.template.clone(), Vec::new(), None);
    for (name, value) in &example.parameters {
        let place = format!("{{{name}}}");
        match value {
            Value::String(text) if path.contains(&place) => path = path.replace(&place, text),
            Value::Object(_) | Value::Array(_) => body = Some(value.clone()),
            Value::String(text) if !name.starts_with("If-") => {
                query.push(format!("{name}={}", encoded(text).replace('&', "%26")))
            }
            Value::Number(number) => query.push(format!("{name}={number}")),
            Value::Bool(word) => query.push(format!("{name}={word}")),
            Value::String(_) | Value::Null => {}
        }
    }
    let path = format!("/{}", path.trim_matches('/')).replace("//", "/");
    Request { target: format!("{path}?{}", query.join("&")), path, body }
}

/// Replays one example.
pub(super) async fn replay(example: &Example, types: &Types) -> Outcome {
    let example = translated(example);
    let bench = Bench::new();
    let mut request = request(&example);
    prepare(&bench, &example, &mut request).await;
    let answer = bench.send(&example.method, &request.target, request.body.as_ref()).await;
    let mut found = Vec::new();
    if !example.responses.contains_key(&answer.status) {
        let known: Vec<u16> = example.responses.keys().copied().collect();
        let what = format!("{} instead of {known:?}: {}", answer.status, answer.body["error"]);
        found.push(Difference { pointer: "status".to_owned(), what });
        return Outcome { status: answer.status, differences: found };
    }
    let answers = finished(&bench, &request, &answer).await;
    for (status, body) in answers {
        let Some(wanted) = example.responses.get(&status).filter(|body| !body.is_null()) else { continue };
        found.extend(differences(wanted, &body));
        found.extend(value_differences(&example, &request, types, wanted, &body));
    }
    found.sort();
    found.dedup();
    Outcome { status: answer.status, differences: found }
}

/// The answers to compare: the first one, and what the operation comes to.
async fn finished(bench: &Bench, request: &Request, answer: &Answer) -> Vec<(u16, Value)> {
    let mut answers = vec![(answer.status, answer.body.clone())];
    let poll = answer.header("location").filter(|_| answer.status == 202).map(str::to_owned);
    if let Some(poll) = poll {
        let last = bench.send("get", &poll, None).await;
        answers.push((last.status, last.body));
    } else if answer.status == 202 || answer.header("azure-asyncoperation").is_some() {
        let read = bench.send("get", &request.target, None).await;
        if read.status == 200 {
            answers.push((200, read.body));
        }
    }
    answers
}

/// Values that are determined: equal in the request (or in what was placed) and in the example's answer.
fn value_differences(
    example: &Example,
    request: &Request,
    types: &Types,
    wanted: &Value,
    own: &Value,
) -> Vec<Difference> {
    let arm_type = request.path.parse::<ResourceId>().map(|id| id.arm_type()).unwrap_or_default();
    let determined = |pointer: &str, value: &Value| match (example.method.as_str(), &request.body) {
        ("put" | "patch", Some(body)) => body.pointer(pointer) == Some(value),
        ("get", _) => types.knows(&arm_type) && !types.read_only(&arm_type, pointer, wanted),
        _ => false,
    };
    let mut found = Vec::new();
    for (pointer, value) in leaves(wanted) {
        if value.is_null()
            || is_drawn(request, &pointer)
            || pointer.contains("/value/")
            || !determined(&pointer, &value)
        {
            continue;
        }
        let Some(actual) = own.pointer(&pointer) else { continue };
        if !same(&pointer, &value, actual) {
            found.push(Difference { pointer, what: format!("{actual} instead of {value}") });
        }
    }
    found
}

/// What the service makes up: etags, where the next page is, addresses, and the names of connections
/// (their endpoints name them).
fn is_drawn(request: &Request, pointer: &str) -> bool {
    let is_connection = request.path.contains("/privateEndpointConnections/");
    pointer.to_ascii_lowercase().ends_with("/etag")
        || pointer == "/nextLink"
        || pointer.contains("/ipAddresses/")
        || (is_connection && pointer == "/name")
}

fn same(pointer: &str, wanted: &Value, actual: &Value) -> bool {
    let fold = |text: &str| text.to_ascii_lowercase().replace(' ', "");
    match (wanted.as_str(), actual.as_str()) {
        (Some(wanted), Some(actual))
            if pointer.ends_with("ocation") || wanted.starts_with('/') || pointer == "/type" =>
        {
            fold(wanted) == fold(actual)
        }
        _ => wanted == actual || wanted.as_f64().is_some_and(|wanted| actual.as_f64() == Some(wanted)),
    }
}
