//! The vocabulary in which a resource type declares its fields.
//!
//! One row per field feeds everything: decoding and its errors, the JSON Schema, the reference
//! documentation, the ARM body, and the comparison with what Azure answers. Values travel as JSON:
//! text, numbers, booleans, arrays of text, objects; durations as ISO-8601 text; references as the
//! text of the definition until they are resolved to an ARM id.

use serde_json::Value;

use super::address::Kind;

/// One field of a resource type, as written in a definition.
#[derive(Debug)]
pub struct Field {
    /// The name in the definition (azurerm's where azurerm has one).
    pub name: &'static str,
    /// One or two sentences for the schema and the reference.
    pub doc: &'static str,
    /// What values it takes, and how two of them are compared.
    pub shape: Shape,
    /// What it means to leave it out.
    pub absent: WhenAbsent,
    /// Where it lives in the ARM body.
    pub arm: Arm,
    /// What a change of it costs.
    pub change: Change,
}

/// What values a field takes. The shape decides the comparison.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number between the bounds, both included.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Free text of at most so many characters.
    Text {
        /// Longest, in characters.
        max_chars: usize,
        /// What the remedy of a missing one proposes; a text that must be written has one.
        example: Option<&'static str>,
    },
    /// A GUID; compared without regard to casing.
    Guid,
    /// One of these words; written exactly so, compared without regard to casing.
    Choice(&'static [&'static str]),
    /// A word compared without regard to casing, of which only examples are known (VM sizes).
    Word {
        /// An example for the schema.
        example: &'static str,
    },
    /// An ISO-8601 duration between the bounds; compared as a duration (`PT60M` equals `PT1H`).
    Duration {
        /// Shortest, in seconds.
        min_secs: i64,
        /// Longest, in seconds.
        max_secs: i64,
    },
    /// A list of texts whose order means nothing.
    Set {
        /// Most elements.
        max: usize,
    },
    /// An IPv4 or IPv6 prefix list (`10.1.0.0/16`); compared as a set.
    Prefixes,
    /// A reference to a resource of one of these kinds: a short name or a full ARM id. Where several
    /// kinds are possible the text is `kind_key/short_name` (or the key alone for a single kind).
    Reference(&'static [Kind]),
    /// Somebody who is given a role: a reference to a resource of one of these kinds, meaning its
    /// system-assigned identity, or the object id (a GUID) of anybody in the directory. Only a
    /// reference is in `Resource::references`.
    Principal(&'static [Kind]),
    /// A fixed group of further fields.
    Object(&'static [Field]),
    /// A list of objects with these fields, compared in order (schedules).
    Objects {
        /// The fields of one element.
        fields: &'static [Field],
        /// Most elements.
        max: usize,
    },
}

/// What it means that a definition does not write a field.
#[derive(Clone, Copy, Debug)]
pub enum WhenAbsent {
    /// It must be written.
    Refused,
    /// It has this value, which is planned like a written one.
    Default(Literal),
    /// Nothing: the property is absent, and is removed where Azure has one (an empty text, an empty
    /// list and `null` count as absent).
    Nothing,
    /// Azure decides (a *service default*); compared only when written.
    ServiceDefault,
}

/// The row at a dotted path. `None` where it leads into a list, or to nothing.
#[must_use]
pub fn row<'a>(fields: &'a [Field], path: &str) -> Option<&'a Field> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let field = fields.iter().find(|field| field.name == first)?;
    match (rest, field.shape) {
        (None, _) => Some(field),
        (Some(rest), Shape::Object(fields)) => row(fields, rest),
        (Some(_), _) => None,
    }
}

/// A default value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Literal {
    /// A boolean.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// A text.
    Text(&'static str),
}

impl Literal {
    /// The value as JSON.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Bool(value) => Value::from(value),
            Self::Integer(value) => Value::from(value),
            Self::Text(value) => Value::from(value),
        }
    }
}

/// Where a field lives in the ARM body. The pointers of fields within an object or a list of objects
/// that is itself at a pointer begin at that object; those within [`Arm::Inside`] begin at the body.
#[derive(Clone, Copy)]
pub enum Arm {
    /// As it is at this JSON pointer.
    At(&'static str),
    /// As it is at this JSON pointer; where Azure answers without it, that means this value.
    AtOr(&'static str, Literal),
    /// A boolean that ARM spells `Enabled` / `Disabled` at this JSON pointer; without it, Azure means
    /// `Enabled`.
    Enabled(&'static str),
    /// A boolean that ARM spells the other way round (`disableLocalAuth`) at this JSON pointer; without
    /// it, Azure means `true` here.
    Not(&'static str),
    /// An object whose fields say themselves where they live.
    Inside,
    /// Several fields that share one property, or a spelling of its own: `write` puts the value into
    /// a body (called in the order of the table), `read` takes it out of an observed one.
    By {
        /// Puts the (resolved) value of this field into the body.
        write: fn(value: &Value, body: &mut Value),
        /// Takes the value out of an observed body, in the definition's spelling.
        read: fn(body: &Value) -> Option<Value>,
    },
    /// Nowhere: it steers beamline, or becomes part of the id.
    Nowhere,
}

impl std::fmt::Debug for Arm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(pointer) => write!(f, "At({pointer})"),
            Self::AtOr(pointer, literal) => write!(f, "AtOr({pointer}, {literal:?})"),
            Self::Enabled(pointer) => write!(f, "Enabled({pointer})"),
            Self::Not(pointer) => write!(f, "Not({pointer})"),
            Self::Inside => f.write_str("Inside"),
            Self::By { .. } => f.write_str("By"),
            Self::Nowhere => f.write_str("Nowhere"),
        }
    }
}

/// What a change of a field costs, unless the type's `effect` says otherwise for some values.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// It is changed on the living resource.
    InPlace,
    /// The resource must be deleted and made again; the text says why, for people.
    Replace(&'static str),
    /// It is set at creation only and a later difference is a note, never an action.
    CreationOnly(&'static str),
}
