//! What a forge publishes about its API, made ready to hold requests against.
//!
//! The descriptions lie in `shared/forge` beside the project or further up, GitHub's whole one and the
//! validating server in a folder that `tests/forges/install` makes. Where one is absent, the tests that
//! need it say so and pass, except under `CI=true`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::contract::read;
use super::in_ci;

/// How many references deep the schema of a request is closed.
const MAX_DEPTH: usize = 6;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A forge's own description of its API: OpenAPI 3, or Swagger 2.
#[derive(Clone)]
pub(crate) struct Description {
    document: Value,
}

/// Where a file of one of the npm packages is that `tests/forges/install` installs.
pub(crate) fn npm(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BEAMLINE_FORGES_NPM").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
            target.unwrap_or_else(own).join("forges-npm")
        },
        PathBuf::from,
    );
    let file = folder.join("node_modules").join(path);
    found(file.exists(), &format!("{}, which tests/forges/install installs", file.display()))?;
    let node = std::process::Command::new("node").arg("--version").output();
    found(node.is_ok_and(|output| output.status.success()), "node")?;
    Some(file)
}

fn found(is_there: bool, what: &str) -> Option<()> {
    assert!(is_there || !in_ci(), "missing: {what}");
    if !is_there {
        println!("skipped, because it is not there: {what}");
    }
    is_there.then_some(())
}

impl Description {
    /// `shared/forge/contracts/<name>.json`.
    pub(crate) fn published(name: &str) -> Option<Self> {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut files = folders.map(|folder| folder.join(format!("shared/forge/contracts/{name}.json")));
        let file = files.find(|file| file.is_file());
        found(file.is_some(), &format!("shared/forge/contracts/{name}.json"))?;
        Some(Self { document: read(&file?) })
    }

    /// With `paths` of GitHub's whole description, and all that they refer to.
    pub(crate) fn with_more_of_github(mut self, paths: &[&str]) -> Option<Self> {
        let whole = read(&npm("@octokit/openapi/generated/api.github.com.json")?);
        for path in paths {
            assert!(self.document["paths"][*path].is_null(), "the excerpt has {path}");
            self.document["paths"][*path] = whole["paths"][*path].clone();
            also_of_githubs_media_type(&mut self.document["paths"][*path]);
        }
        let mut open: Vec<String> =
            paths.iter().flat_map(|path| references(&whole["paths"][*path])).collect();
        while let Some(reference) = open.pop() {
            let pointer: Vec<&str> = reference.trim_start_matches("#/").split('/').collect();
            let [_, kind, name] = pointer[..] else { panic!("{reference}") };
            if self.document["components"][kind][name].is_null() {
                let component = &whole["components"][kind][name];
                open.extend(references(component));
                self.document["components"][kind][name] = component.clone();
            }
        }
        Some(self)
    }

    /// With `value` where `pointer` points, which must be there: the correction of a mistake.
    pub(crate) fn corrected(mut self, pointer: &str, value: Value) -> Self {
        let place = self.document.pointer_mut(pointer);
        *place.unwrap_or_else(|| panic!("nothing to correct at {pointer}")) = value;
        self
    }

    /// With parameters that every GET takes, where the forge documents them apart from its operations.
    pub(crate) fn with_parameters_of_get(mut self, names: &[&str]) -> Self {
        for (_, item) in self.document["paths"].as_object_mut().unwrap() {
            let Some(get) = item.get_mut("get").and_then(Value::as_object_mut) else { continue };
            let parameters = get.entry("parameters").or_insert(json!([])).as_array_mut().unwrap();
            parameters
                .extend(names.iter().map(|name| json!({ "name": name, "in": "query", "type": "string" })));
        }
        self
    }

    /// With `change` applied to every schema, the inner ones before the outer ones.
    pub(crate) fn with_schemas(mut self, change: impl Fn(&mut Map<String, Value>)) -> Self {
        fn walk(value: &mut Value, change: &impl Fn(&mut Map<String, Value>)) {
            match value {
                Value::Object(object) => {
                    object.values_mut().for_each(|inner| walk(inner, change));
                    if object.contains_key("type") || object.contains_key("properties") {
                        change(object);
                    }
                }
                Value::Array(items) => items.iter_mut().for_each(|inner| walk(inner, change)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        for part in ["definitions", "components", "paths"] {
            walk(&mut self.document[part], &change);
        }
        self
    }

    /// With `change` applied to the schema of every answer: the correction of a mistake in all of them.
    pub(crate) fn with_answers(mut self, change: impl Fn(&mut Value)) -> Self {
        for (_, item) in self.document["paths"].as_object_mut().unwrap() {
            for (_, operation) in operations_of(item) {
                let answers = operation["responses"].as_object_mut().unwrap();
                answers.values_mut().filter_map(|answer| answer.get_mut("schema")).for_each(&change);
            }
        }
        self
    }

    /// Sharpened: in the body of a request, what the description does not name is an error.
    pub(crate) fn closed(mut self) -> Self {
        let known = self.document.clone();
        for (_, item) in self.document["paths"].as_object_mut().unwrap() {
            for (_, operation) in operations_of(item) {
                let of_body = |parameter: &&mut Value| parameter["in"] == "body";
                let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
                if let Some(body) = parameters.and_then(|all| all.iter_mut().find(of_body)) {
                    body["schema"] = closed(&known, &body["schema"], 0);
                }
                if let Some(schema) = operation.pointer_mut("/requestBody/content/application~1json/schema") {
                    *schema = closed(&known, schema, 0);
                }
            }
        }
        self
    }

    pub(crate) fn text(&self) -> String {
        self.document.to_string()
    }

    /// The operation that a request is: `POST /repos/{owner}/{repo}/statuses/{sha}`.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<String> {
        let paths = self.document["paths"].as_object().unwrap();
        let has_method = |item: &Value| item.get(method.to_ascii_lowercase()).is_some();
        let mut fitting = paths.iter().filter(|(template, item)| fits(template, path) && has_method(item));
        fitting.next().map(|(template, _)| format!("{method} {template}"))
    }

    /// Whether the operation takes a parameter of this name in its query.
    pub(crate) fn takes(&self, operation: &str, parameter: &str) -> bool {
        let (method, template) = operation.split_once(' ').unwrap();
        let item = &self.document["paths"][template];
        let of = |place: &Value| place["parameters"].as_array().cloned().unwrap_or_default();
        let all = [of(item), of(&item[method.to_ascii_lowercase()])].concat();
        all.iter()
            .map(|it| resolved(&self.document, it))
            .any(|it| it["in"] == "query" && it["name"] == parameter)
    }
}

/// Whether a path is one of a template, in which `{name}` stands for any one segment.
pub(crate) fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let is_same = |(known, asked): (&&str, &&str)| known.starts_with('{') || known == asked;
    template.len() == path.len() && template.iter().zip(&path).all(is_same)
}

fn operations_of(item: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    item.as_object_mut().unwrap().iter_mut().filter(|(method, _)| METHODS.contains(&method.as_str()))
}

/// GitHub's documentation recommends `application/vnd.github+json`, which its description forgets. (The
/// excerpt in `shared/forge` has it.)
fn also_of_githubs_media_type(item: &mut Value) {
    for (_, operation) in operations_of(item) {
        for answer in operation["responses"].as_object_mut().unwrap().values_mut() {
            let Some(content) = answer.get_mut("content").and_then(Value::as_object_mut) else { continue };
            if let Some(json) = content.get("application/json").cloned() {
                content.insert("application/vnd.github+json".to_owned(), json);
            }
        }
    }
}

fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap_or_else(|| panic!("no {reference}")),
        None => value,
    }
}

/// The schema without references and inheritance, and with nothing but its own properties.
fn closed(document: &Value, schema: &Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return json!({});
    }
    let mut schema = resolved(document, schema).clone();
    let Some(own) = schema.as_object_mut() else { return schema };
    own.remove("discriminator");
    for part in own.remove("allOf").iter().flat_map(|parts| parts.as_array().unwrap()) {
        let part = closed(document, part, depth);
        for key in ["type", "properties", "required"] {
            absorb(own, key, &part[key]);
        }
    }
    if let Some(items) = own.get_mut("items") {
        *items = closed(document, items, depth + 1);
    }
    if let Some(properties) = own.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| *property = closed(document, property, depth + 1));
        own.insert("additionalProperties".to_owned(), json!(false));
    }
    schema
}

fn absorb(own: &mut Map<String, Value>, key: &str, inherited: &Value) {
    match (own.get_mut(key), inherited) {
        (_, Value::Null) => {}
        (None, inherited) => drop(own.insert(key.to_owned(), inherited.clone())),
        (Some(Value::Object(own)), Value::Object(inherited)) => {
            own.extend(inherited.iter().map(|(name, schema)| (name.clone(), schema.clone())));
        }
        (Some(Value::Array(own)), Value::Array(inherited)) => own.extend(inherited.iter().cloned()),
        (Some(_), _) => {}
    }
}
