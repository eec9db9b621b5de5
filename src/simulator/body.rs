//! Reading and changing JSON bodies by pointer, without ever failing on a shape that is not expected.

use serde_json::{Map, Value};

/// The value at `pointer`, unless it is absent or null.
pub(super) fn at<'a>(body: &'a Value, pointer: &str) -> Option<&'a Value> {
    body.pointer(pointer).filter(|value| !value.is_null())
}

/// The text at `pointer`.
pub(super) fn text<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Value::as_str)
}

/// The truth value at `pointer`.
pub(super) fn truth(body: &Value, pointer: &str) -> Option<bool> {
    body.pointer(pointer).and_then(Value::as_bool)
}

/// The elements of the array at `pointer`; none when there is no array.
pub(super) fn items<'a>(body: &'a Value, pointer: &str) -> &'a [Value] {
    body.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Writes `value` at `pointer`, making (or replacing) what is not an object on the way.
pub(super) fn set(body: &mut Value, pointer: &str, value: impl Into<Value>) {
    let mut place = body;
    for key in pointer.split('/').skip(1) {
        let key = key.replace("~1", "/").replace("~0", "~");
        place = step(place, key);
    }
    *place = value.into();
}

fn step(place: &mut Value, key: String) -> &mut Value {
    let index = place.as_array().and_then(|items| key.parse().ok().filter(|at: &usize| *at < items.len()));
    if let (Some(index), true) = (index, place.is_array()) {
        return &mut place[index];
    }
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    &mut place[key]
}

/// Writes `value` at `pointer` where nothing (or null) is.
pub(super) fn fill(body: &mut Value, pointer: &str, value: impl Into<Value>) {
    if at(body, pointer).is_none() {
        set(body, pointer, value);
    }
}

/// Removes what is at `pointer` and gives it back.
pub(super) fn remove(body: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, key) = pointer.rsplit_once('/')?;
    match body.pointer_mut(parent)? {
        Value::Object(map) => map.remove(key),
        Value::Array(items) => {
            let index: usize = key.parse().ok()?;
            (index < items.len()).then(|| items.remove(index))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Copies what is at `pointer` in `from`; removes it from `body` where `from` has nothing.
pub(super) fn copy(body: &mut Value, from: &Value, pointer: &str) {
    match from.pointer(pointer) {
        Some(value) => set(body, pointer, value.clone()),
        None => {
            remove(body, pointer);
        }
    }
}

/// JSON merge patch (RFC 7396): what most PATCH requests of ARM mean.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(map) = target {
        for (key, change) in changes {
            if change.is_null() {
                map.remove(key);
            } else {
                merge(map.entry(key.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn setting_makes_the_way() {
        let mut body = json!({ "a": 1, "list": [{ "x": 1 }] });
        set(&mut body, "/a/b/c", true);
        set(&mut body, "/list/0/x", 2);
        assert_eq!(body, json!({ "a": { "b": { "c": true } }, "list": [{ "x": 2 }] }));
    }

    #[test]
    fn a_merge_removes_nulls_and_replaces_arrays() {
        let mut body = json!({ "a": { "b": 1, "c": 2 }, "d": [1] });
        merge(&mut body, &json!({ "a": { "b": null }, "d": [2, 3] }));
        assert_eq!(body, json!({ "a": { "c": 2 }, "d": [2, 3] }));
    }
}
