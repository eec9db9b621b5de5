//! A value that only an earlier step can yield, as data: `<production/workspace>/identity/principalId`.
//!
//! A plan leaves nothing to decide; where a value is not known yet, the plan says exactly which
//! property of which resource it will be, and the executor only substitutes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::address::Address;

/// The key that makes a JSON object a placeholder.
const KEY: &str = "$known_after_apply";

/// A property of a resource that is known once the resource has been applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Placeholder {
    /// The resource.
    pub address: Address,
    /// JSON pointer into its body as Azure answers it.
    pub property: String,
}

impl Placeholder {
    /// The JSON form that stands in a body in the value's place.
    #[must_use]
    pub fn to_value(&self) -> Value {
        json!({ KEY: { "address": self.address, "property": self.property } })
    }

    /// Reads the JSON form.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let object = value.as_object().filter(|object| object.len() == 1)?;
        serde_json::from_value(object.get(KEY)?.clone()).ok()
    }

    /// Every placeholder within `value`.
    #[must_use]
    pub fn within(value: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        collect(value, &mut found);
        found
    }
}

/// Replaces every placeholder in `value` by what `lookup` answers.
///
/// # Errors
/// The first placeholder that `lookup` does not know.
pub fn substitute(
    value: &Value,
    lookup: &impl Fn(&Placeholder) -> Option<Value>,
) -> Result<Value, Placeholder> {
    if let Some(placeholder) = Placeholder::from_value(value) {
        return lookup(&placeholder).ok_or(placeholder);
    }
    match value {
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| Ok((key.clone(), substitute(value, lookup)?)))
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        Value::Array(items) => {
            items.iter().map(|item| substitute(item, lookup)).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
    }
}

fn collect(value: &Value, found: &mut Vec<Placeholder>) {
    if let Some(placeholder) = Placeholder::from_value(value) {
        found.push(placeholder);
        return;
    }
    match value {
        Value::Object(object) => object.values().for_each(|value| collect(value, found)),
        Value::Array(items) => items.iter().for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal() -> Placeholder {
        Placeholder { address: "p/workspace".parse().unwrap(), property: "/identity/principalId".into() }
    }

    #[test]
    fn a_placeholder_is_replaced_wherever_it_stands() {
        let body = json!({ "properties": { "list": [principal().to_value()], "other": 1 } });
        assert_eq!(Placeholder::within(&body), [principal()]);
        let done = substitute(&body, &|_| Some(json!("abc"))).unwrap();
        assert_eq!(done, json!({ "properties": { "list": ["abc"], "other": 1 } }));
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        assert_eq!(substitute(&principal().to_value(), &|_| None), Err(principal()));
    }
}
