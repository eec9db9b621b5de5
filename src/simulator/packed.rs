//! A JSON body that takes its text's room while nobody looks at it.
//!
//! Why: a parsed storage account takes four times the memory of its text, and a large world is mostly
//! resources that nobody looks at. A body is parsed when it is read and stays so until [`Ledger::crowded`]
//! says that too many are; then the inventory packs them again.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;

/// How many bodies may be parsed at a time.
const MAX_PARSED: usize = 4096;

/// The keys of the bodies that were parsed since they were last packed.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    keys: Mutex<Vec<Arc<str>>>,
}

impl Ledger {
    fn keys(&self) -> MutexGuard<'_, Vec<Arc<str>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, key: &Arc<str>) {
        self.keys().push(Arc::clone(key));
    }

    /// Gives the keys away when there are too many.
    pub(super) fn crowded(&self) -> Option<Vec<Arc<str>>> {
        let mut keys = self.keys();
        (keys.len() > MAX_PARSED).then(|| std::mem::take(&mut *keys))
    }
}

/// The text of a body, and what searches look at without parsing it.
struct Text {
    /// Shared with whoever saves the world meanwhile.
    bytes: Arc<[u8]>,
    labels: Labels,
}

/// Names and values, one behind the other in one piece of memory: a search through a large world waits
/// for memory more than for anything else.
#[derive(Default)]
struct Labels {
    text: Box<str>,
    /// Where each name ends, and each value.
    ends: Box<[(usize, usize)]>,
}

impl Labels {
    fn of<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, &'a str)>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for (name, value) in pairs {
            text.push_str(&name);
            let middle = text.len();
            text.push_str(value);
            ends.push((middle, text.len()));
        }
        Self { text: text.into(), ends: ends.into() }
    }

    /// The value of the first name that is `wanted`.
    fn find(&self, wanted: impl Fn(&str) -> bool) -> Option<&str> {
        let mut begin = 0;
        for (middle, end) in &self.ends {
            if wanted(self.text.get(begin..*middle)?) {
                return self.text.get(*middle..*end);
            }
            begin = *end;
        }
        None
    }
}

impl Text {
    fn of(value: &Value) -> Option<Self> {
        let bytes = serde_json::to_vec(value).ok()?.into();
        let own = |name: &'static str| Some((Cow::Borrowed(name), value.get(name)?.as_str()?));
        let tags = value.get("tags").and_then(Value::as_object).into_iter().flatten();
        let tags = tags.filter_map(|(name, tag)| Some((Cow::Owned(format!("tags.{name}")), tag.as_str()?)));
        Some(Self { bytes, labels: Labels::of(["location", "kind"].into_iter().filter_map(own).chain(tags)) })
    }
}

/// A body: its text, its value, or both. Reads as a [`Value`]; it is not `Clone`, so that `clone()` gives
/// the value.
pub(super) struct Packed {
    /// `None`: the value was changed since.
    text: Option<Text>,
    value: OnceLock<Value>,
    noted: Option<(Arc<str>, Arc<Ledger>)>,
}

impl Packed {
    /// Lets a ledger know, under this key, when the body is parsed; packs it.
    pub(super) fn keep(&mut self, key: &Arc<str>, ledger: &Arc<Ledger>) {
        self.noted = Some((Arc::clone(key), Arc::clone(ledger)));
        self.pack();
    }

    /// Gives up the value for its text.
    pub(super) fn pack(&mut self) {
        let Some(value) = self.value.take() else { return };
        if self.text.is_none() {
            self.text = Text::of(&value);
            // Values always have a text; should one not, the value itself stays.
            if self.text.is_none() {
                self.value = OnceLock::from(value);
            }
        }
    }

    /// The text of the body, whether or not it is parsed; parses nothing.
    pub(super) fn text(&self) -> Arc<[u8]> {
        match &self.text {
            Some(text) => Arc::clone(&text.bytes),
            None => serde_json::to_vec(&**self).unwrap_or_else(|_| b"null".to_vec()).into(),
        }
    }

    /// Puts another value in the place of this one.
    pub(super) fn replace(&mut self, value: Value) {
        self.note();
        self.text = None;
        self.value = OnceLock::from(value);
    }

    fn note(&self) {
        if let Some((key, ledger)) = &self.noted {
            ledger.note(key);
        }
    }

    /// The text of `location` or `kind`, without parsing the body.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        match (self.value.get(), &self.text) {
            (Some(value), _) => value.get(name)?.as_str(),
            (None, Some(text)) => text.labels.find(|own| own == name),
            (None, None) => None,
        }
    }

    /// The value of a tag, whose name compares without regard to casing, without parsing the body.
    pub(super) fn tag(&self, name: &str) -> Option<&str> {
        match (self.value.get(), &self.text) {
            (Some(value), _) => {
                let mut tags = value.get("tags")?.as_object()?.iter();
                tags.find(|(own, _)| own.eq_ignore_ascii_case(name))?.1.as_str()
            }
            (None, Some(text)) => {
                let of_tag = |label: &str| {
                    label.strip_prefix("tags.").is_some_and(|own| own.eq_ignore_ascii_case(name))
                };
                text.labels.find(of_tag)
            }
            (None, None) => None,
        }
    }

    /// The same body, on its own.
    pub(super) fn duplicate(&self) -> Self {
        Self { text: None, value: OnceLock::from(Value::clone(self)), noted: None }
    }
}

impl From<Value> for Packed {
    fn from(value: Value) -> Self {
        Self { text: None, value: OnceLock::from(value), noted: None }
    }
}

impl Deref for Packed {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.value.get_or_init(|| {
            self.note();
            self.text
                .as_ref()
                .map(|text| serde_json::from_slice(&text.bytes).unwrap_or_default())
                .unwrap_or_default()
        })
    }
}

impl DerefMut for Packed {
    fn deref_mut(&mut self) -> &mut Value {
        let _: &Value = self;
        self.text = None;
        self.value.get_mut().expect("reading the body has parsed it")
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Value::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_reads_the_same_packed_and_parsed_and_keeps_its_changes() {
        let (key, ledger) = (Arc::from("key"), Arc::new(Ledger::default()));
        let mut body = Packed::from(json!({ "a": 100.65, "b": [1, null, "x"] }));
        body.keep(&key, &ledger);
        assert_eq!(*body, json!({ "a": 100.65, "b": [1, null, "x"] }));
        body["a"] = json!(2);
        body.pack();
        assert_eq!(body["a"], 2);
        body["tags"] = json!({ "Owner": "me" });
        body["location"] = json!("eastus");
        assert_eq!((body.label("location"), body.tag("owner")), (Some("eastus"), Some("me")));
        body.pack();
        assert_eq!(
            (body.label("location"), body.tag("OWNER"), body.tag("x")),
            (Some("eastus"), Some("me"), None)
        );
        let value: Value = body.clone();
        assert_eq!(value, *body.duplicate());
        assert!(ledger.keys().len() >= 2);
    }
}
