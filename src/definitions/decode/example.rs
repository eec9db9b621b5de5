//! What the remedy of a missing or misspelt key shows: a line that is accepted where it is pasted.
//! "Add `scale_settings`." sends people to the documentation for the shape of what they add.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::{NAME, meaning};
use crate::definitions::document::{Entry, Key, Node, NodeValue};
use crate::definitions::export::to_json;
use crate::definitions::notation::line;
use crate::definitions::references::Declared;
use crate::resources::address::is_name;
use crate::resources::normalise::Prefix;
use crate::resources::{Address, Field, Kind, Resource, Shape, WhenAbsent, of};

/// Longest line that repeats what somebody wrote, in characters.
const MAX_LINE: usize = 160;

/// Longest made-up name: what every type of resource takes.
const MAX_NAME: usize = 20;

/// The range of a network that has none yet.
const RANGE: &str = "10.0.0.0/16";

/// What somebody may call what he has to declare.
pub(super) const MADE_UP: &str = "main";

/// How many bits longer a range may be proposed than usual, where the others leave no more room.
const LONGER: u8 = 4;

/// The length of the prefix that is proposed for a range around others.
const OUTER_LENGTH: u8 = 16;

/// The length of the prefix that is proposed for a range within another.
const INNER_LENGTH: u8 = 24;

/// Values that fit a definition.
pub(super) struct Examples<'e> {
    /// What references may name.
    pub(super) declared: &'e Declared,
    /// What the resource is in.
    pub(super) outer: Option<&'e Resource>,
    /// What is written beside the field.
    pub(super) beside: &'e [&'e Entry],
    /// Ranges that others have within the same network.
    pub(super) taken: &'e [Prefix],
}

impl Examples<'_> {
    pub(super) fn field(&self, field: &Field) -> Value {
        match field.shape {
            Shape::Bool => Value::Bool(true),
            Shape::Integer { min, max } => Value::from(4.max(self.least(field.name)).clamp(min, max)),
            Shape::Text { example, .. } => Value::from(example.unwrap_or(field.name)),
            Shape::Guid => Value::from("00000000-0000-0000-0000-000000000000"),
            Shape::Choice(words) => Value::from(words.first().copied().unwrap_or_default()),
            Shape::Word { example } => Value::from(example),
            Shape::Duration { .. } => Value::from("PT1H"),
            Shape::Set { .. } => json!([]),
            Shape::Prefixes => self.ranges().into(),
            Shape::Reference(kinds) | Shape::Principal(kinds) => Value::from(self.reference(kinds)),
            Shape::Object(fields) => Value::Object(self.object(fields)),
            Shape::Objects { fields, .. } => json!([self.object(fields)]),
        }
    }

    /// A resource of a kind of which there is one, with everything that it must have.
    pub(super) fn resource(&self, kind: Kind) -> Value {
        let address = Address::single(&self.declared.environment, kind);
        let mut fields = Map::from_iter([(NAME.to_owned(), name(kind, &address))]);
        fields.extend(self.object(of(kind).spec().fields));
        Value::Object(fields)
    }

    /// What has to be declared so that a new resource of `kind` can name it, in lines.
    pub(super) fn declarations(&self, kind: Kind) -> Vec<String> {
        let required =
            of(kind).spec().fields.iter().filter(|field| matches!(field.absent, WhenAbsent::Refused));
        required.flat_map(|field| self.declaration(field.shape, None)).collect()
    }

    /// What has to be declared so that a field of this shape can name it, in lines; nothing where something is.
    pub(super) fn declaration(&self, shape: Shape, name: Option<&str>) -> Vec<String> {
        let (Shape::Reference(kinds) | Shape::Principal(kinds)) = shape else { return Vec::new() };
        let [kind] = kinds else { return Vec::new() };
        if self.declared.first(kinds).is_some() || kind.is_single() {
            return Vec::new();
        }
        let names: Vec<&str> = name.unwrap_or(MADE_UP).split('/').filter(|name| is_name(name)).collect();
        let (mut kind, mut names) = (*kind, names.into_iter().rev());
        let mut value = Value::Object(self.object(of(kind).spec().fields));
        let needed = self.declarations(kind);
        loop {
            value = json!({ names.next().unwrap_or(MADE_UP): value });
            let Some(outer) = kind.written_inside() else { break };
            let mut fields = self.object(of(outer).spec().fields);
            fields.insert(kind.key().to_owned(), value);
            (kind, value) = (outer, Value::Object(fields));
        }
        needed.into_iter().chain([line(kind.key(), &value)]).collect()
    }

    pub(super) fn object(&self, fields: &[Field]) -> Map<String, Value> {
        let required = fields.iter().filter(|field| matches!(field.absent, WhenAbsent::Refused));
        required.map(|field| (field.name.to_owned(), self.field(field))).collect()
    }

    /// What is declared, else what somebody may call what he has to declare.
    fn reference(&self, kinds: &[Kind]) -> String {
        let made_up = || match kinds {
            [kind] if kind.written_inside().is_some() => format!("{MADE_UP}/{MADE_UP}"),
            [kind] if !kind.is_single() => MADE_UP.to_owned(),
            [kind, ..] => kind.key().to_owned(),
            [] => String::new(),
        };
        self.declared.first(kinds).unwrap_or_else(made_up)
    }

    /// What `max_…` cannot be less than: the `min_…` beside it.
    fn least(&self, name: &str) -> i64 {
        let least = name.strip_prefix("max_").map(|rest| format!("min_{rest}"));
        let written = least.and_then(|least| self.beside.iter().find(|entry| entry.key.name == least));
        match written.map(|entry| &entry.node.value) {
            Some(NodeValue::Integer(least)) => *least,
            _ => 0,
        }
    }

    /// A free range of the outer resource; else ranges that hold those which are written inside.
    fn ranges(&self) -> Vec<String> {
        let outer = self.outer.and_then(|outer| prefixes(&outer.fields).next());
        if let Some(outer) = outer {
            let is_free = |one: &Prefix| self.taken.iter().all(|other| !one.overlaps(*other));
            let free = (0..=LONGER).find_map(|longer| parts(outer, longer).find(is_free));
            return vec![free.unwrap_or(outer).to_string()];
        }
        let mut holding: Vec<String> = Vec::new();
        for inner in self.taken {
            let range = around(*inner).to_string();
            if !holding.contains(&range) {
                holding.push(range);
            }
        }
        if holding.is_empty() { vec![RANGE.to_owned()] } else { holding }
    }
}

fn prefixes(fields: &Map<String, Value>) -> impl Iterator<Item = Prefix> {
    let texts = fields.values().filter_map(Value::as_array).flatten().filter_map(Value::as_str);
    texts.filter_map(Prefix::parse)
}

/// The range of the usual length that `inner` is in.
fn around(inner: Prefix) -> Prefix {
    let wide = Prefix { bits: OUTER_LENGTH.min(inner.bits), ..inner };
    Prefix { address: wide.first(), ..wide }
}

/// The ranges that `outer` has room for, of the usual length or, where it is smaller itself, of its own, and so many
/// bits longer.
fn parts(outer: Prefix, longer: u8) -> impl Iterator<Item = Prefix> {
    let (first, width) = match outer.first() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let bits = (outer.bits.max(INNER_LENGTH) + longer).min(width);
    let count = 1_u128 << (bits - outer.bits).min(12);
    (0..count).filter_map(move |position| {
        let address = first.checked_add(position.checked_shl(u32::from(width - bits))?)?;
        let address = match width {
            32 => IpAddr::from(u32::try_from(address).ok()?.to_be_bytes()),
            _ => IpAddr::from(address.to_be_bytes()),
        };
        Some(Prefix { address, bits })
    })
}

/// Every range that is written in and below these.
pub(super) fn written_ranges(entries: &[Entry]) -> Vec<Prefix> {
    fn collect(node: &Node, found: &mut Vec<Prefix>) {
        match &node.value {
            NodeValue::Text(text) => found.extend(Prefix::parse(text)),
            NodeValue::List(items) => items.iter().for_each(|item| collect(item, found)),
            NodeValue::Map(entries) => entries.iter().for_each(|entry| collect(&entry.node, found)),
            NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    entries.iter().for_each(|entry| collect(&entry.node, &mut found));
    found
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

/// A line, where it is short enough to be read.
pub(super) fn shown(key: &str, value: &Value) -> Option<String> {
    let line = line(key, value);
    (line.chars().count() <= MAX_LINE && !line.contains(char::is_control)).then_some(line)
}

/// The remedy of a key that is none: the one that was meant, with what is written, or is meant by it.
pub(super) fn did_you_mean(meant: &str, node: &Node, value: Option<Value>) -> String {
    let written =
        || json_of(&Entry { key: Key { name: meant.to_owned(), span: node.span }, node: node.clone() });
    match shown(meant, &value.unwrap_or_else(written)) {
        Some(line) => format!("Did you mean `{meant}`? Write {line}."),
        None => format!("Did you mean `{meant}`? Write that name in its place."),
    }
}

fn json_of(entry: &Entry) -> Value {
    to_json(std::slice::from_ref(entry))[&entry.key.name].take()
}

/// The remedy of a section that is no map: each resource below a short name.
pub(super) fn section(kind: Kind, entry: &Entry, examples: &Examples<'_>) -> Option<String> {
    let fields = of(kind).spec().fields;
    let items = match &entry.node.value {
        NodeValue::List(items) => items.iter().collect(),
        NodeValue::Text(_) => vec![&entry.node],
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Number(_)
        | NodeValue::Map(_) => Vec::new(),
    };
    let mut all = Map::new();
    for item in items {
        let (name, value) = match &item.value {
            NodeValue::Map(entries) => {
                let mut value = to_json(entries);
                let written =
                    value.get(NAME).and_then(Value::as_str).filter(|name| is_name(name)).map(str::to_owned);
                if let (Some(_), Some(value)) = (&written, value.as_object_mut()) {
                    value.remove(NAME);
                }
                (written.unwrap_or_else(|| MADE_UP.to_owned()), value)
            }
            NodeValue::Text(text) => (short_name(text), Value::Object(examples.object(fields))),
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Number(_)
            | NodeValue::List(_) => return None,
        };
        if all.insert(name, value).is_some() {
            break;
        }
    }
    let such = "Write a short name above the fields of each";
    let first = all.iter().next().map(|(name, value)| (name.clone(), value.clone()));
    let line =
        shown(kind.key(), &Value::Object(all)).or_else(|| shown(kind.key(), &Map::from_iter(first).into()));
    Some(match line {
        Some(line) => format!("{such}: {line}."),
        None => format!("{such}."),
    })
}

/// The remedy of a resource that is no map: its fields.
pub(super) fn resource(kind: Kind, entry: &Entry, examples: &Examples<'_>) -> Option<String> {
    let spec = of(kind).spec();
    let mut value = meaning::object(spec.fields, &entry.node, examples);
    if let NodeValue::Text(text) = &entry.node.value
        && kind.is_single()
    {
        value = Some(examples.object(spec.fields));
        value.iter_mut().for_each(|fields| drop(fields.insert(NAME.to_owned(), Value::from(text.as_str()))));
    }
    let value = value.unwrap_or_else(|| examples.object(spec.fields));
    Some(format!("Write {}.", shown(&entry.key.name, &Value::Object(value))?))
}
