//! The forges' published descriptions, as far as they say what an answer looks like.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use crate::forge::ForgeKind;

/// One forge's description; without it nothing is checked.
pub(super) struct Contract {
    kind: ForgeKind,
    document: Option<Value>,
    validators: Mutex<BTreeMap<String, Validator>>,
}

impl Contract {
    /// The descriptions are not part of the repository: `shared/forge` beside it, or further up.
    pub(super) fn of(kind: ForgeKind) -> Self {
        let name = match kind {
            ForgeKind::GitHub => "github.json",
            ForgeKind::GitLab => "gitlab.json",
            ForgeKind::Gitea => "gitea.json",
            ForgeKind::Forgejo => "forgejo.json",
            ForgeKind::AzureDevOps => "azuredevops.json",
            ForgeKind::Bitbucket => "bitbucket.json",
        };
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut files = folders.map(|folder| folder.join("shared/forge/contracts").join(name));
        let document = files.find(|file| file.is_file()).map(|file| {
            let mut document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            translate(&mut document, kind, "");
            document
        });
        if document.is_none() {
            eprintln!("skipped: the folder of the forges' published contracts is absent");
        }
        Self { kind, document, validators: Mutex::default() }
    }

    /// Gitea's description lists the words of states; the server keeps whatever it is sent, and says nothing
    /// of a commit that has no statuses.
    fn without_seen_deviations(&self, body: &Value) -> Value {
        let mut body = body.clone();
        if matches!(self.kind, ForgeKind::Gitea | ForgeKind::Forgejo) {
            for (field, words) in [("state", ["", "running"]), ("status", ["", "running"])] {
                if let Some(word) = body.get_mut(field)
                    && words.iter().any(|known| word == known)
                {
                    *word = Value::from("pending");
                }
            }
        }
        body
    }

    /// Checks an answer; `false` when the description does not know the request.
    pub(super) fn check(&self, method: &str, path: &str, status: u16, body: &Value) -> bool {
        let Some(document) = &self.document else { return true };
        let body = &self.without_seen_deviations(body);
        let Some((name, schema)) = schema(document, method, path, status) else { return false };
        let mut validators = self.validators.lock().unwrap();
        let validator = validators.entry(name).or_insert_with(|| validator(document, schema));
        let errors = |one: &Value| -> Vec<String> {
            validator.iter_errors(one).map(|error| format!("{}: {error}", error.instance_path())).collect()
        };
        // Azure DevOps wraps lists; GitLab's description gives one element for a list.
        let found: Vec<String> = match (self.kind, body) {
            (ForgeKind::AzureDevOps, Value::Object(fields)) if fields.contains_key("count") => {
                errors(&fields["value"])
            }
            (ForgeKind::GitLab, Value::Array(items)) if schema["type"] != "array" => {
                items.iter().flat_map(errors).collect()
            }
            _ => errors(body),
        };
        assert!(found.is_empty(), "{method} {path} answered {status}:\n{}", found.join("\n"));
        true
    }
}

/// The name and the schema of an answer.
fn schema<'a>(document: &'a Value, method: &str, path: &str, status: u16) -> Option<(String, &'a Value)> {
    let method = method.to_lowercase();
    let paths = document["paths"].as_object()?;
    let (template, item) =
        paths.iter().find(|(template, item)| is_below(template, path) && item.get(&method).is_some())?;
    let responses = &item[&method]["responses"];
    // GitLab's description says 200 for creating a status where the service answers 201.
    let exact = responses.get(status.to_string());
    let any = || responses.as_object()?.iter().find(|(code, _)| code.starts_with('2')).map(|(_, it)| it);
    let response = if (200..300).contains(&status) { exact.or_else(any)? } else { exact? };
    let response = match response["$ref"].as_str() {
        Some(pointer) => document.pointer(&pointer[1..])?,
        None => response,
    };
    let schema = response.get("schema").or_else(|| response.pointer("/content/application~1json/schema"))?;
    Some((format!("{method} {template} {status}"), schema))
}

fn validator(document: &Value, schema: &Value) -> Validator {
    let mut root = Map::new();
    for name in ["definitions", "components", "responses"] {
        if let Some(part) = document.get(name) {
            root.insert(name.to_owned(), part.clone());
        }
    }
    root.insert("allOf".to_owned(), json!([schema]));
    jsonschema::options().with_draft(Draft::Draft7).build(&Value::Object(root)).unwrap()
}

fn is_below(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template
            .iter()
            .zip(&path)
            .all(|(part, segment)| part.starts_with('{') || part.eq_ignore_ascii_case(segment))
}

/// JSON Schema from OpenAPI: `nullable` becomes a type. Swagger has no word for it, so what is not
/// required may be null there. GitLab's generator writes `string` where the source names no type, and an
/// object where there is a list of them. Bitbucket's description closes objects that the service adds to.
fn translate(schema: &mut Value, kind: ForgeKind, key: &str) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| translate(item, kind, "")),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if name != "example" && name != "examples" && name != "x-ms-enum" {
                    translate(field, kind, name);
                }
            }
            if kind == ForgeKind::Bitbucket && fields.get("additionalProperties") == Some(&json!(false)) {
                fields.remove("additionalProperties");
            }
            // An example that stands where a pattern was.
            if fields.contains_key("x-acceptance-example") {
                fields.remove("enum");
            }
            let is_nullable = fields.get("nullable") == Some(&json!(true));
            if key == "properties" && kind != ForgeKind::GitHub {
                for field in fields.values_mut().filter(|field| field.is_object()) {
                    loosen(field, kind);
                }
            } else if is_nullable {
                let plain = Value::Object(std::mem::take(fields));
                fields.insert("anyOf".to_owned(), json!([plain, { "type": "null" }]));
            } else if fields.get("items").is_some() && fields.get("type").is_none() && key != "properties" {
                fields.insert("type".to_owned(), json!("array"));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn loosen(field: &mut Value, kind: ForgeKind) {
    if kind == ForgeKind::GitLab && field["type"] == "string" && field.get("format").is_none() {
        *field = json!({});
        return;
    }
    let plain = field.take();
    let lists = kind == ForgeKind::GitLab && plain.get("$ref").is_some();
    let list = if lists { json!([{ "type": "array", "items": plain.clone() }]) } else { json!([]) };
    let mut any = vec![plain, json!({ "type": "null" })];
    any.extend(list.as_array().cloned().unwrap_or_default());
    *field = json!({ "anyOf": any });
}
