//! What stays never points at what goes.
//!
//! Azure lets most things be deleted that others refer to, and breaks those later: a workspace without its
//! registry builds no image. So a plan is refused that would leave such a reference. It is found in the
//! body that Azure answers, whatever type it is of: a reference that the definition overwrites with another
//! value, or that goes with its resource, is none.

use serde_json::Value;

use crate::resources::id::ResourceId;

/// JSON pointers into `observed` that refer to `going` or to something in it, and that `desired` does not
/// overwrite with something else. `desired` is the body that would be written, or `observed` again where
/// nothing is written.
pub(super) fn references(observed: &Value, desired: &Value, going: &ResourceId) -> Vec<String> {
    let mut found = Vec::new();
    collect(observed, Some(desired), going, &mut String::new(), &mut found);
    found
}

fn collect(
    value: &Value,
    desired: Option<&Value>,
    going: &ResourceId,
    at: &mut String,
    found: &mut Vec<String>,
) {
    match value {
        Value::String(text) => {
            let refers = |text: &str| text.parse::<ResourceId>().is_ok_and(|id| id.is_within(going));
            // What the definition leaves out stays as Azure has it.
            let stays = match desired {
                None => true,
                Some(Value::String(desired)) => refers(desired),
                Some(_) => false,
            };
            if stays && refers(text) {
                found.push(at.clone());
            }
        }
        Value::Object(members) => {
            // An object with a name besides is a part of the resource, whose id is its own.
            let is_part =
                members.contains_key("id") && (members.contains_key("name") || members.contains_key("type"));
            for (key, member) in members.iter().filter(|(key, _)| !(is_part && *key == "id")) {
                let length = at.len();
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                let desired = desired.and_then(|desired| desired.as_object()).map(|desired| desired.get(key));
                collect(member, desired.flatten(), going, at, found);
                at.truncate(length);
            }
        }
        // Elements have no names to pair them by; lists are written whole, or kept whole.
        Value::Array(items) if desired.is_none() => {
            for (number, item) in items.iter().enumerate() {
                let length = at.len();
                at.push_str(&format!("/{number}"));
                collect(item, None, going, at, found);
                at.truncate(length);
            }
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GOING: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.X/registries/a";

    fn found(observed: Value, desired: Value) -> Vec<String> {
        references(&observed, &desired, &GOING.parse().unwrap())
    }

    #[test]
    fn a_reference_that_nobody_overwrites_is_left_over_in_any_casing() {
        let observed = json!({ "id": "/x", "properties": { "registry": GOING.to_uppercase(), "kind": "a" } });
        assert_eq!(
            found(observed.clone(), json!({ "properties": { "kind": "a" } })),
            ["/properties/registry"]
        );
        let other = json!({ "properties": { "registry": format!("{GOING}b") } });
        assert_eq!(found(observed.clone(), other), [""; 0]);
        assert_eq!(found(observed, json!({ "properties": { "registry": GOING } })), ["/properties/registry"]);
    }

    #[test]
    fn a_part_of_the_resource_has_an_id_and_a_reference_is_nothing_else() {
        let within = format!("{GOING}/subnets/b");
        let part = json!({ "id": GOING, "name": "a", "parts": [{ "id": within, "name": "b" }] });
        assert_eq!(found(part, json!({})), [""; 0]);
        let reference = json!({ "properties": { "subnet": { "id": within } } });
        assert_eq!(found(reference, json!({})), ["/properties/subnet/id"]);
    }
}
