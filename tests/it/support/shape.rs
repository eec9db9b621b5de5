//! Comparing an answer with the answer of an example: every property path, every JSON type.

use serde_json::Value;

/// A difference, at a JSON pointer of the example.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    pub(crate) pointer: String,
    pub(crate) what: String,
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What `actual` lacks of the shape of `example`. A null of the example asks for nothing; an element of
/// an array asks for one element of its shape, the one of its name or id where it has one.
pub(crate) fn differences(example: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(example, actual, "", &mut found);
    found
}

fn compare(example: &Value, actual: &Value, pointer: &str, found: &mut Vec<Difference>) {
    let mut report = |what: String| found.push(Difference { pointer: pointer.to_owned(), what });
    match (example, actual) {
        (Value::Null, _) => {}
        (Value::Object(wanted), Value::Object(own)) => {
            for (key, value) in wanted {
                let below = format!("{pointer}/{key}");
                match own.get(key) {
                    Some(actual) => compare(value, actual, &below, found),
                    None if value.is_null() => {}
                    None => {
                        found.push(Difference { pointer: below, what: format!("missing {}", kind(value)) })
                    }
                }
            }
        }
        (Value::Array(wanted), Value::Array(own)) => {
            for (at, value) in wanted.iter().enumerate() {
                let below = format!("{pointer}/{at}");
                let best = candidates(value, own).map(|actual| {
                    let mut inside = Vec::new();
                    compare(value, actual, &below, &mut inside);
                    inside
                });
                match best.min_by_key(Vec::len) {
                    Some(inside) => found.extend(inside),
                    None => found.push(Difference { pointer: below, what: "missing element".to_owned() }),
                }
            }
        }
        (wanted, own) if kind(wanted) == kind(own) => {}
        (wanted, own) => report(format!("{} instead of {}", kind(own), kind(wanted))),
    }
}

/// The elements that an element of an example can mean: the one that is named like it, or any.
fn candidates<'a>(wanted: &Value, own: &'a [Value]) -> impl Iterator<Item = &'a Value> + use<'a> {
    let key = |value: &Value| {
        let text = value["id"].as_str().or(value["name"].as_str());
        text.map(str::to_ascii_lowercase)
    };
    let wanted = key(wanted).filter(|wanted| own.iter().any(|value| key(value).as_ref() == Some(wanted)));
    own.iter().filter(move |value| wanted.is_none() || key(value) == wanted)
}

/// The pointers and values of all leaves.
pub(crate) fn leaves(value: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    walk(value, String::new(), &mut found);
    found
}

fn walk(value: &Value, pointer: String, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                walk(value, format!("{pointer}/{key}"), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, value) in items.iter().enumerate() {
                walk(value, format!("{pointer}/{at}"), found);
            }
        }
        Value::Object(_)
        | Value::Array(_)
        | Value::String(_)
        | Value::Number(_)
        | Value::Bool(_)
        | Value::Null => {
            found.push((pointer, value.clone()));
        }
    }
}
