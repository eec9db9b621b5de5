//! One example: the world that it needs, its request, its answer.

use beamline::resources::id::ResourceId;
use beamline::simulator::DEFAULT_SUBSCRIPTION;
use serde_json::{Map, Value, json};

use crate::support::bench::{Answer, Bench, encoded, subscription};
use crate::support::bicep::Types;
use crate::support::contract::Example;
use crate::support::samples;
use crate::support::shape::{Difference, differences, leaves};

/// How a replay went.
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) differences: Vec<Difference>,
}

/// The example in the words of our world: its subscription is the one of the world.
fn translated(example: &Example) -> Example {
    let mut own = example.clone();
    let mut parameters = Value::Object(own.parameters);
    rename(&mut parameters);
    own.parameters = parameters.as_object().cloned().unwrap_or_default();
    if own.parameters.contains_key("subscriptionId") {
        own.parameters.insert("subscriptionId".to_owned(), json!(DEFAULT_SUBSCRIPTION));
    }
    if own.parameters.contains_key("roleId") {
        let id = format!("providers/Microsoft.Authorization/roleDefinitions/{ROLE}");
        own.parameters
            .insert("roleId".to_owned(), json!(format!("subscriptions/{DEFAULT_SUBSCRIPTION}/{id}")));
    }
    own.responses.values_mut().for_each(rename);
    own
}

fn rename(value: &mut Value) {
    match value {
        Value::String(text) => *text = renamed(text),
        Value::Array(items) => items.iter_mut().for_each(rename),
        Value::Object(map) => {
            let entries: Map<String, Value> = std::mem::take(map)
                .into_iter()
                .map(|(key, mut value)| {
                    rename(&mut value);
                    (renamed_id(&key), value)
                })
                .collect();
            *map = entries;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Words of the examples that name nothing, and what stands for them.
const WORDS: [(&str, &str); 6] = [
    ("roletype", "CustomRole"),
    (
        "test-subnet-resource-id",
        "/subscriptions/-/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
    ),
    ("scope", "subscriptions/-/resourceGroups/rg"),
    ("roleDefinitionId", ROLE),
    ("parentResourcePath", ""),
    ("Microsoft.TestRP1", "Microsoft.Storage"),
];

/// The GUID of a role that the world does not know by itself.
const ROLE: &str = "2f1d9c1e-54d2-4a71-b0a6-0f6a2f0c7d22";

/// The example's own role, and one that exists in every directory.
const ROLES: (&str, &str) = ("0b5fe924-9a61-425c-96af-cfe6e287ca2d", "acdd72a7-3385-48ef-bd42-f606fba81ae7");

fn renamed(text: &str) -> String {
    let word = WORDS.iter().find(|(word, _)| *word == text).map_or(text, |(_, meant)| meant);
    renamed_id(&word.replace(ROLES.0, ROLES.1))
}

/// An id in our subscription.
fn renamed_id(text: &str) -> String {
    let folded = text.to_ascii_lowercase();
    let Some(at) = folded.find("subscriptions/").filter(|at| *at <= 1) else { return text.to_owned() };
    let begin = at + "subscriptions/".len();
    let end = text[begin..].find('/').map_or(text.len(), |length| begin + length);
    format!("{}{DEFAULT_SUBSCRIPTION}{}", &text[..begin], &text[end..])
}

struct Request {
    path: String,
    target: String,
    body: Option<Value>,
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
        if value.is_null() || pointer.contains("/value/") || !determined(&pointer, &value) {
            continue;
        }
        let Some(actual) = own.pointer(&pointer) else { continue };
        if !same(&pointer, &value, actual) {
            found.push(Difference { pointer, what: format!("{actual} instead of {value}") });
        }
    }
    found
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

/// Makes the world in which the example can happen.
async fn prepare(bench: &Bench, example: &Example, request: &mut Request) {
    let target: Option<ResourceId> = request.path.parse().ok();
    let Some(target) = target.filter(|id| id.subscription_id().is_some()) else { return };
    let creates = example.method == "put" && !UPDATES.iter().any(|part| example.name.contains(part));
    let segments = request.path.split('/').count();
    let after = request.path.rsplit_once("/providers/").map(|(_, tail)| tail.split('/').count());
    // Namespace, then pairs: an odd count names a resource, an even one a collection or an action.
    let names_resource = after.map_or(segments % 2 == 1, |count| count % 2 == 1);
    let own = if names_resource { Some(target.clone()) } else { target.parent() };
    if let Some(body) = &request.body {
        bench.place_references(body, own.as_ref().filter(|_| creates));
    }
    let answer = example.responses.get(&200).cloned().unwrap_or_default();
    place_list(bench, &answer);
    let resource = if names_resource { target.clone() } else { above(&request.path) };
    if creates {
        bench.place_above(&resource);
    } else if resource != subscription() {
        let mut body = placed(example, &resource);
        if names_resource && answer["properties"].is_object() {
            bench.place_references(&answer, Some(&resource));
            body = merged(&body, &answer);
        } else if bench.world.get(&resource).is_some() {
            return;
        }
        if let Some(location) = request.body.as_ref().and_then(|body| body["location"].as_str()) {
            body["location"] = json!(location);
        }
        bench.place_references(&body, Some(&resource));
        bench.place(&resource, body);
    }
    deleted(bench, example, request, &answer).await;
    if request.path.ends_with("/tags/default") && answer["properties"]["tags"].is_object() {
        let tags = json!({ "properties": { "tags": answer["properties"]["tags"] } });
        bench.send("put", &request.target, Some(&tags)).await;
    }
    if example.name.contains("RegistryCheckNameNotAvailable") {
        bench.place_references(&json!(taken_registry()), None);
    }
}

/// Examples whose PUT changes something that is there already: the body alone would create nothing.
const UPDATES: [&str; 1] = ["createOrUpdate/AmlCompute.json"];

fn taken_registry() -> String {
    let group = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg");
    format!("{group}/providers/Microsoft.ContainerRegistry/registries/myRegistry")
}

/// What is placed before a request that needs a resource: a compute of the kind that the operation is for.
fn placed(example: &Example, resource: &ResourceId) -> Value {
    let mut body = samples::body(&resource.arm_type());
    if example.name.ends_with("Compute/listNodes.json") || example.name.ends_with("Compute/patch.json") {
        body["properties"] = json!({ "computeType": "AmlCompute", "properties": {
            "vmSize": "Standard_DS3_v2", "scaleSettings": { "minNodeCount": 2, "maxNodeCount": 4 },
        } });
    } else if example.name.ends_with("Compute/listKeys.json") {
        body["properties"] = json!({ "computeType": "AKS", "properties": {} });
    }
    body
}

/// The resource of a collection or an action.
fn above(path: &str) -> ResourceId {
    let before = path.rsplit_once('/').map_or(path, |(before, _)| before);
    let before = before
        .split_once("/providers/")
        .filter(|(_, tail)| !tail.contains('/'))
        .map_or(before, |(scope, _)| scope);
    before.parse().unwrap_or_else(|_| subscription())
}

fn merged(sample: &Value, answer: &Value) -> Value {
    let (Value::Object(own), Value::Object(more)) = (sample, answer) else { return answer.clone() };
    let mut all = own.clone();
    for (key, value) in more {
        let value = own.get(key).map_or_else(|| value.clone(), |own| merged(own, value));
        all.insert(key.clone(), value);
    }
    Value::Object(all)
}

fn place_list(bench: &Bench, answer: &Value) {
    for entry in answer["value"].as_array().into_iter().flatten() {
        let id = entry["id"].as_str().map(|id| format!("/{}", id.trim_start_matches('/')));
        let id: Option<ResourceId> = id.and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|id| id.parent().is_some() && *id != subscription()) {
            bench.place_references(entry, Some(&id));
            bench.place(&id, merged(&samples::body(&id.arm_type()), entry));
        }
    }
}

/// What must have been deleted for the example to happen.
async fn deleted(bench: &Bench, example: &Example, request: &mut Request, answer: &Value) {
    let path = request.path.to_ascii_lowercase();
    let name = path.split("/deletedvaults/").nth(1).or(path.split("/deletedaccounts/").nth(1));
    let mut ids: Vec<ResourceId> = Vec::new();
    for entry in answer["value"].as_array().into_iter().flatten().chain([answer]) {
        let id = entry["properties"]["vaultId"]
            .as_str()
            .or(entry["properties"]["storageAccountResourceId"].as_str());
        ids.extend(id.and_then(|id| id.parse().ok()));
    }
    if let (Some(name), true) = (name, ids.is_empty()) {
        let name = name.split('/').next().unwrap_or_default();
        ids.push(format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/{name}").parse().unwrap());
    }
    let location = path.split("/locations/").nth(1).and_then(|tail| tail.split('/').next());
    for id in ids {
        let mut body = samples::body(&id.arm_type());
        body["location"] = json!(location.unwrap_or("westus"));
        body["tags"] = json!({ "opportunity": "yes" });
        if example.name.contains("etDeleted") || example.name.contains("listDeleted") {
            body["properties"]["enablePurgeProtection"] = json!(true);
        }
        bench.place(&id, body);
        let gone = bench.send("delete", &format!("{id}?api-version=2026-02-01"), None).await;
        assert_eq!(gone.status, 200, "{}: {}", example.name, gone.body);
    }
}
