//! How a body read a moment ago becomes the body of a full-replace PUT.
//!
//! A PUT of a network, a vault or a cluster replaces everything. What the definition does not own must
//! survive it, including properties that did not exist when this was written; therefore such a write
//! starts from a fresh read and changes owned paths only, and it stops if one of them moved.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::normalise;
use super::pointer;

/// What every resource provider adds to an answer and nobody may send back.
const READ_ONLY: [&str; 6] =
    ["/id", "/name", "/type", "/systemData", "/etag", "/properties/provisioningState"];

/// Owned paths and what becomes of them. All pointers are read by [`super::pointer`]: names of members
/// in any casing, elements of lists by their `name`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Merge {
    /// JSON pointers and the values to put there (parents are made as needed).
    pub set: Vec<(String, Value)>,
    /// JSON pointers to remove.
    pub remove: Vec<String>,
    /// Elements of arrays that are known by their `name`: array pointer, name, and the element's
    /// content to lay over the present one (a merge patch, RFC 7396: `null` removes), or `None` to
    /// remove it. Other elements stay.
    pub elements: Vec<(String, String, Option<Value>)>,
    /// JSON pointers of owned paths and the values they had when the plan was made. If a fresh read
    /// says otherwise, the step stops and the run plans again.
    pub expect: Vec<(String, Value)>,
    /// JSON pointers that are read-only and are taken out of the fresh read; `*` is every element.
    pub strip: Vec<String>,
}

/// An owned path no longer has the value the plan was made for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{pointer} was {expected} when the plan was made and is {found} now; plan again")]
pub struct MovedPath {
    /// The path.
    pub pointer: String,
    /// What the plan saw.
    pub expected: Value,
    /// What is there now.
    pub found: Value,
}

impl Merge {
    /// A merge that changes nothing yet and takes out what nobody may send, and `read_only`.
    #[must_use]
    pub fn stripping(read_only: &[&str]) -> Self {
        let strip = READ_ONLY.iter().chain(read_only).map(|&pointer| pointer.to_owned()).collect();
        Self { strip, ..Self::default() }
    }

    /// Owns `pointer`: expects there what `observed` has and puts `value` there; `None` or `null`
    /// removes it. Owning a path a second time replaces the first decision.
    pub fn own(&mut self, pointer: String, observed: &Value, value: Option<Value>) {
        self.set.retain(|(path, _)| *path != pointer);
        self.remove.retain(|path| *path != pointer);
        self.expect.retain(|(path, _)| *path != pointer);
        let before = pointer::get(observed, &pointer).cloned().unwrap_or_default();
        self.expect.push((pointer.clone(), before));
        match value {
            None | Some(Value::Null) => self.remove.push(pointer),
            Some(value) => self.set.push((pointer, value)),
        }
    }

    /// Lays `content` over the element `name` of the list at `list` (`None` removes the element), and
    /// expects what is there now in the places that change.
    pub(crate) fn own_element(&mut self, list: &str, name: &str, observed: &Value, content: Option<&Value>) {
        let element = format!("{list}/{}", pointer::escape(name));
        let none = Value::Object(Map::new());
        let properties = content.unwrap_or(&none).get("properties").and_then(Value::as_object);
        for key in properties.into_iter().flatten().map(|(key, _)| key) {
            let path = format!("{element}/properties/{}", pointer::escape(key));
            let before = pointer::get(observed, &path).cloned().unwrap_or_default();
            self.expect.push((path, before));
        }
        self.elements.push((list.to_owned(), name.to_owned(), content.cloned()));
    }

    /// The body to send.
    ///
    /// A path that already has the value this merge would put there counts as unmoved: after a crash
    /// the same request is sent again.
    ///
    /// # Errors
    /// [`MovedPath`], the first owned path whose value is neither the planned one nor the wanted one.
    pub fn apply(&self, fresh: &Value) -> Result<Value, MovedPath> {
        for (path, expected) in &self.expect {
            let found = pointer::get(fresh, path).unwrap_or(&Value::Null);
            if !normalise::alike(expected, found) && !self.is_done(path, found) {
                let (pointer, expected, found) = (path.clone(), expected.clone(), found.clone());
                return Err(MovedPath { pointer, expected, found });
            }
        }
        let mut body = fresh.clone();
        self.strip.iter().chain(&self.remove).for_each(|path| pointer::remove(&mut body, path));
        self.set.iter().for_each(|(path, value)| pointer::put(&mut body, path, value.clone()));
        for (list, name, content) in &self.elements {
            let element = format!("{list}/{}", pointer::escape(name));
            match content {
                None => pointer::remove(&mut body, &element),
                Some(content) => {
                    if !pointer::get(&body, list).is_some_and(Value::is_array) {
                        pointer::put(&mut body, list, Value::Array(Vec::new()));
                    }
                    let named = Map::from_iter([("name".to_owned(), Value::from(name.as_str()))]);
                    let present = pointer::get(&body, &element).cloned().unwrap_or(Value::Object(named));
                    pointer::put(&mut body, &element, laid_over(present, content));
                }
            }
        }
        Ok(body)
    }

    /// Whether `path` has the value that this merge would put there.
    fn is_done(&self, path: &str, found: &Value) -> bool {
        if let Some((_, wanted)) = self.set.iter().find(|(set, _)| set == path) {
            return normalise::alike(wanted, found);
        }
        let is_removed = self.remove.iter().any(|removed| removed == path);
        let element = self.elements.iter().find_map(|(list, name, content)| {
            let rest = path.strip_prefix(&format!("{list}/{}", pointer::escape(name)))?;
            let wanted = content
                .as_ref()
                .map_or(&Value::Null, |content| pointer::get(content, rest).unwrap_or(&Value::Null));
            Some(normalise::alike(wanted, found))
        });
        element.unwrap_or(is_removed && found.is_null())
    }
}

/// A merge patch (RFC 7396) of `patch` over `base`.
pub(crate) fn laid_over(base: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut members = match base {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    for (key, value) in patch {
        let key = members.keys().find(|name| name.eq_ignore_ascii_case(key)).unwrap_or(key).clone();
        if value.is_null() {
            members.remove(&key);
        } else {
            let present = members.remove(&key).unwrap_or_default();
            members.insert(key, laid_over(present, value));
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn network() -> Value {
        json!({
            "id": "/x", "name": "v", "type": "t", "etag": "W/1", "location": "eastus",
            "tags": { "Team": "a", "cost": "1" },
            "properties": {
                "provisioningState": "Succeeded",
                "ddos": { "unknown": true },
                "subnets": [
                    { "name": "mine", "etag": "W/2", "properties": { "addressPrefix": "10.0.0.0/24", "nsg": { "id": "/n" } } },
                    { "name": "theirs", "etag": "W/3", "properties": { "addressPrefix": "10.0.1.0/24" } }
                ]
            }
        })
    }

    #[test]
    fn only_owned_paths_change() {
        let observed = network();
        let mut merge = Merge::stripping(&["/properties/subnets/*/etag"]);
        merge.own("/tags/team".into(), &observed, Some(json!("b")));
        merge.own("/tags/cost".into(), &observed, None);
        let content = json!({ "properties": { "addressPrefix": null, "addressPrefixes": ["10.0.0.0/25"] } });
        merge.elements.push(("/properties/subnets".into(), "Mine".into(), Some(content)));
        let new = json!({ "properties": { "addressPrefixes": ["10.0.2.0/24"], "x": null } });
        merge.elements.push(("/properties/subnets".into(), "new".into(), Some(new)));
        assert_eq!(
            merge.apply(&observed).unwrap(),
            json!({
                "location": "eastus",
                "tags": { "Team": "b" },
                "properties": {
                    "ddos": { "unknown": true },
                    "subnets": [
                        { "name": "mine", "properties": { "addressPrefixes": ["10.0.0.0/25"], "nsg": { "id": "/n" } } },
                        { "name": "theirs", "properties": { "addressPrefix": "10.0.1.0/24" } },
                        { "name": "new", "properties": { "addressPrefixes": ["10.0.2.0/24"] } }
                    ]
                }
            })
        );
    }

    #[test]
    fn an_element_is_removed_by_name() {
        let merge =
            Merge { elements: vec![("/properties/subnets".into(), "MINE".into(), None)], ..Merge::default() };
        let body = merge.apply(&network()).unwrap();
        assert_eq!(body["properties"]["subnets"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_path_that_moved_stops_the_write() {
        let mut merge = Merge::default();
        merge.own("/tags/team".into(), &network(), Some(json!("b")));
        let mut fresh = network();
        fresh["tags"]["Team"] = json!("c");
        let moved = merge.apply(&fresh).unwrap_err();
        assert_eq!((moved.pointer.as_str(), moved.found), ("/tags/team", json!("c")));
    }

    #[test]
    fn sending_again_after_a_crash_is_not_a_move() {
        let mut merge = Merge::default();
        merge.own("/tags/team".into(), &network(), Some(json!("b")));
        merge.own("/tags/cost".into(), &network(), None);
        let done = merge.apply(&network()).unwrap();
        assert_eq!(merge.apply(&done).unwrap(), done);
    }
}
