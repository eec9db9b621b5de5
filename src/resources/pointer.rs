//! JSON pointers (RFC 6901) into ARM bodies, with the two liberties that ARM takes: the names of
//! members may come back in another casing, and an element of a list is known by its `name`.

use serde_json::{Map, Value};

/// Escapes one segment.
#[must_use]
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// What stands at `pointer`.
#[must_use]
pub fn get<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    segments(pointer).try_fold(value, |value, segment| match value {
        Value::Object(members) => key_in(members, &segment).and_then(|key| members.get(&key)),
        Value::Array(items) => items.get(position(items, &segment)?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// Puts `new` at `pointer`, making parents as needed. A member that is there in another casing keeps
/// its name; an element that a list does not have is appended.
pub fn put(value: &mut Value, pointer: &str, new: Value) {
    let slot = segments(pointer).fold(value, |value, segment| match value {
        Value::Array(items) => {
            let at = position(items, &segment).unwrap_or_else(|| {
                let name = Map::from_iter([("name".to_owned(), Value::from(segment))]);
                items.push(Value::Object(name));
                items.len() - 1
            });
            &mut items[at]
        }
        Value::Object(members) => member(members, segment),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            *other = Value::Object(Map::new());
            member(other.as_object_mut().expect("made an object above"), segment)
        }
    });
    *slot = new;
}

fn member(members: &mut Map<String, Value>, segment: String) -> &mut Value {
    let key = key_in(members, &segment).unwrap_or(segment);
    members.entry(key).or_insert(Value::Null)
}

/// Removes what stands at `pointer`. A segment `*` stands for every element or member.
pub fn remove(value: &mut Value, pointer: &str) {
    let segments: Vec<String> = segments(pointer).collect();
    remove_at(value, &segments);
}

fn remove_at(value: &mut Value, segments: &[String]) {
    let Some((first, rest)) = segments.split_first() else { return };
    match (value, first.as_str(), rest.is_empty()) {
        (Value::Object(members), "*", false) => {
            members.values_mut().for_each(|value| remove_at(value, rest));
        }
        (Value::Array(items), "*", false) => items.iter_mut().for_each(|value| remove_at(value, rest)),
        (Value::Object(members), "*", true) => members.clear(),
        (Value::Array(items), "*", true) => items.clear(),
        (Value::Object(members), segment, last) => {
            let Some(key) = key_in(members, segment) else { return };
            if last {
                members.remove(&key);
            } else if let Some(value) = members.get_mut(&key) {
                remove_at(value, rest);
            }
        }
        (Value::Array(items), segment, last) => {
            let Some(at) = position(items, segment) else { return };
            if last {
                items.remove(at);
            } else {
                remove_at(&mut items[at], rest);
            }
        }
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _, _) => {}
    }
}

/// The pointers of everything in `value` that is not an object with members.
#[must_use]
pub fn leaves(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(value, String::new(), &mut found);
    found
}

fn collect(value: &Value, at: String, found: &mut Vec<String>) {
    match value.as_object() {
        Some(members) if !members.is_empty() => {
            members.iter().for_each(|(key, value)| collect(value, format!("{at}/{}", escape(key)), found))
        }
        _ => found.push(at),
    }
}

fn segments(pointer: &str) -> impl Iterator<Item = String> {
    let rest = pointer.strip_prefix('/');
    rest.into_iter().flat_map(|rest| rest.split('/')).map(|part| part.replace("~1", "/").replace("~0", "~"))
}

/// The name under which `members` has `segment`: exactly, or else in another casing.
fn key_in(members: &Map<String, Value>, segment: &str) -> Option<String> {
    if members.contains_key(segment) {
        return Some(segment.to_owned());
    }
    members.keys().find(|key| key.eq_ignore_ascii_case(segment)).cloned()
}

/// The element that `segment` names: by its `name`, or else by its number.
fn position(items: &[Value], segment: &str) -> Option<usize> {
    let named = |item: &Value| {
        item.get("name").and_then(Value::as_str).is_some_and(|name| name.eq_ignore_ascii_case(segment))
    };
    items.iter().position(named).or_else(|| segment.parse().ok().filter(|&at: &usize| at < items.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_found_in_any_casing_and_keeps_its_name() {
        let mut body = json!({ "Tags": { "Team": "a" } });
        assert_eq!(get(&body, "/tags/team"), Some(&json!("a")));
        put(&mut body, "/tags/team", json!("b"));
        put(&mut body, "/tags/a~1b", json!("c"));
        assert_eq!(body, json!({ "Tags": { "Team": "b", "a/b": "c" } }));
        remove(&mut body, "/TAGS/TEAM");
        assert_eq!(body, json!({ "Tags": { "a/b": "c" } }));
    }

    #[test]
    fn an_element_is_known_by_its_name() {
        let mut body = json!({ "subnets": [{ "name": "one", "x": 1 }, { "name": "two", "x": 2 }] });
        assert_eq!(get(&body, "/subnets/Two/x"), Some(&json!(2)));
        put(&mut body, "/subnets/two/x", json!(3));
        put(&mut body, "/subnets/three/x", json!(4));
        remove(&mut body, "/subnets/one");
        remove(&mut body, "/subnets/*/name");
        assert_eq!(body, json!({ "subnets": [{ "x": 3 }, { "x": 4 }] }));
    }

    #[test]
    fn leaves_are_what_has_no_members() {
        let body = json!({ "a": { "b": [1], "c/d": {} }, "e": null });
        assert_eq!(leaves(&body), ["/a/b", "/a/c~1d", "/e"]);
    }

    #[test]
    fn parents_are_made_as_needed() {
        let mut body = json!({ "a": null });
        put(&mut body, "/a/b/c", json!(1));
        assert_eq!(body, json!({ "a": { "b": { "c": 1 } } }));
    }
}
