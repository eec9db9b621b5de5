//! What the remedy of a missing or misspelt key shows: a line that is accepted where it is pasted.
//! "Add `scale_settings`." sends people to the documentation for the shape of what they add.

use serde_json::{Map, Value, json};

use super::NAME;
use crate::definitions::document::{Entry, Key, Node};
use crate::definitions::export::to_json;
use crate::definitions::notation::line;
use crate::definitions::references::Declared;
use crate::resources::{Address, Field, Kind, Resource, Shape, WhenAbsent, of};

/// Longest line that repeats what somebody wrote, in characters.
const MAX_LINE: usize = 160;

/// Longest made-up name: what every type of resource takes.
const MAX_NAME: usize = 20;

/// The range of a network that has none yet.
const RANGE: &str = "10.0.0.0/16";

/// The length of the prefix that is proposed for a range within another.
const INNER_LENGTH: u8 = 24;

/// Values that fit a definition.
pub(super) struct Examples<'e> {
    /// What references may name.
    pub(super) declared: &'e Declared,
    /// What the resource is in.
    pub(super) outer: Option<&'e Resource>,
}

impl Examples<'_> {
    pub(super) fn field(&self, field: &Field) -> Value {
        match field.shape {
            Shape::Bool => Value::Bool(true),
            Shape::Integer { min, max } => Value::from(4.clamp(min, max)),
            Shape::Text { example, .. } => Value::from(example.unwrap_or(field.name)),
            Shape::Guid => Value::from("00000000-0000-0000-0000-000000000000"),
            Shape::Choice(words) => Value::from(words.first().copied().unwrap_or_default()),
            Shape::Word { example } => Value::from(example),
            Shape::Duration { .. } => Value::from("PT1H"),
            Shape::Set { .. } => json!([]),
            Shape::Prefixes => json!([self.range()]),
            Shape::Reference(kinds) | Shape::Principal(kinds) => Value::from(self.reference(kinds)),
            Shape::Object(fields) => self.object(fields),
            Shape::Objects { fields, .. } => json!([self.object(fields)]),
        }
    }

    /// A resource of a kind of which there is one, with everything that it must have.
    pub(super) fn resource(&self, kind: Kind) -> Value {
        let address = Address::single(&self.declared.environment, kind);
        let mut fields = Map::from_iter([(NAME.to_owned(), name(kind, &address))]);
        if let Value::Object(others) = self.object(of(kind).spec().fields) {
            fields.extend(others);
        }
        Value::Object(fields)
    }

    fn object(&self, fields: &[Field]) -> Value {
        let required = fields.iter().filter(|field| matches!(field.absent, WhenAbsent::Refused));
        required.map(|field| (field.name.to_owned(), self.field(field))).collect()
    }

    /// What is declared, else what somebody may call what he has to declare.
    fn reference(&self, kinds: &[Kind]) -> String {
        let made_up = || match kinds {
            [kind] if !kind.is_single() => "main".to_owned(),
            [kind, ..] => kind.key().to_owned(),
            [] => String::new(),
        };
        self.declared.first(kinds).unwrap_or_else(made_up)
    }

    /// The beginning of the range that the outer resource has.
    fn range(&self) -> String {
        let outer = self.outer.and_then(|outer| {
            let fields = of(outer.address.kind()).spec().fields.iter();
            let ranges = fields.filter(|field| matches!(field.shape, Shape::Prefixes));
            ranges.filter_map(|field| outer.fields.get(field.name)?.get(0)?.as_str()).next()
        });
        let narrowed = outer.and_then(|range| {
            let (network, length) = range.split_once('/')?;
            let length: u8 = length.parse().ok()?;
            Some(format!("{network}/{}", length.max(INNER_LENGTH)))
        });
        narrowed.unwrap_or_else(|| RANGE.to_owned())
    }
}

/// A name in Azure that says whose it is.
pub(super) fn name(kind: Kind, address: &Address) -> Value {
    let prefix = if kind == Kind::ResourceGroup { "rg" } else { "mlw" };
    Value::from(format!("{prefix}-{}", short_name(address.environment().as_str())))
}

/// A short name like one that is none.
pub(super) fn short_name(text: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let word: String = text.chars().map(legal).take(MAX_NAME).collect();
    let word = word.trim_matches('-');
    if word.is_empty() { "main".to_owned() } else { word.to_owned() }
}

/// The remedy of a key that is none: the one that was meant, with the value that is written.
pub(super) fn did_you_mean(meant: &str, node: &Node) -> String {
    let key = Key { name: meant.to_owned(), span: node.span };
    let written = to_json(&[Entry { key, node: node.clone() }]);
    let line = line(meant, &written[meant]);
    if line.chars().count() > MAX_LINE || line.contains(char::is_control) {
        return format!("Did you mean `{meant}`? Write that name in its place.");
    }
    format!("Did you mean `{meant}`? Write {line}.")
}
