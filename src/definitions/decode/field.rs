//! The fields of a type's table: values by shape, what it means to leave one out, and what to say of a
//! key that is not in the table. This is the only reading of [`Shape`]; no type has one of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::example::{Examples, did_you_mean, shown};
use super::outline::Draft;
use super::resource::{Scope, keys_around, why_not};
use super::{NAME, meaning, misspelt, prefix, scalar};
use crate::definitions::code::Code;
use crate::definitions::document::Entry;
use crate::definitions::notation::line;
use crate::definitions::problem::{Problem, quoted};
use crate::definitions::references::Suggestions;
use crate::definitions::renamed;
use crate::definitions::source::Span;
use crate::resources::suggest::nearest;
use crate::resources::{Address, Field, Kind, Reference, Shape, WhenAbsent, of};

/// Most prefixes in one list; Azure's own limit for a network is far below.
const MAX_PREFIXES: usize = 200;

/// Longest element of a list, in characters. The longest are ARM ids.
const MAX_ELEMENT_CHARS: usize = 2048;

/// Whether a field that is left out is missed or filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// As its row says.
    Matters,
    /// Nothing is written of an existing resource.
    IsNatural,
}

/// Reads the fields of one resource.
pub(super) struct Fields<'f, 's, 'p> {
    address: &'f Address,
    absence: Absence,
    scope: &'f mut Scope<'s, 'p>,
    pub(super) references: BTreeMap<String, Reference>,
    pub(super) written: BTreeSet<String>,
}

type Read<T> = Result<T, Problem>;

impl<'f, 's, 'p> Fields<'f, 's, 'p> {
    pub(super) fn new(draft: &'f Draft<'_>, absence: Absence, scope: &'f mut Scope<'s, 'p>) -> Self {
        Self {
            address: &draft.address,
            absence,
            scope,
            references: BTreeMap::new(),
            written: BTreeSet::new(),
        }
    }

    /// The values of `entries` along a table. `path` is empty, or the dotted path of the object with a
    /// dot at its end; `owner` is what is blamed for a missing field.
    pub(super) fn read(
        &mut self,
        table: &'static [Field],
        entries: &[&Entry],
        path: &str,
        owner: Span,
    ) -> Map<String, Value> {
        let kind = self.address.kind();
        let is_there = |name: &str| entries.iter().any(|entry| entry.key.name == name);
        let is_missing = |name: &str| self.is_required(table, name, path) && !is_there(name);
        let missing: Vec<&Field> = table.iter().filter(|field| is_missing(field.name)).collect();
        let is_unknown = |entry: &&Entry| !table.iter().any(|field| field.name == entry.key.name);
        let unknown: Vec<&Entry> = entries.iter().copied().filter(is_unknown).collect();
        let meant_as = |entry: &Entry| match meant(&entry.key.name, table, kind, path) {
            Some(near) => Some(near).filter(|near| is_missing(near)),
            None if has_reason(&entry.key.name, kind, path) => None,
            None => misspelt::only(entry, &unknown, &missing),
        };
        let unknown: Vec<(&Entry, Option<&str>)> =
            unknown.iter().map(|entry| (*entry, meant_as(entry))).collect();
        for (entry, meant) in &unknown {
            self.unknown(table, entry, path, *meant);
        }
        let mut values = Map::new();
        for field in table {
            // What a misspelt field says is read all the same: it is one mistake, not a missing field too.
            let stands_for = |(_, meant): &&(&Entry, Option<&str>)| *meant == Some(field.name);
            let misspelt = || unknown.iter().find(stands_for).map(|(entry, _)| entry);
            let found = entries.iter().find(|entry| entry.key.name == field.name).or_else(misspelt);
            let path = format!("{path}{}", field.name);
            let value = match found {
                Some(entry) => self.written(field, entry, &path),
                None => self.absent(field, &path, owner, entries),
            };
            if let Some(value) = value {
                values.insert(field.name.to_owned(), value);
            }
        }
        values
    }

    fn is_required(&self, table: &[Field], name: &str, path: &str) -> bool {
        let is_name = path.is_empty() && name == NAME && self.address.kind().is_single();
        let field = table.iter().find(|field| field.name == name);
        let is_refused = field.is_some_and(|field| matches!(field.absent, WhenAbsent::Refused));
        self.absence == Absence::Matters && (is_name || is_refused)
    }

    fn written(&mut self, field: &'static Field, entry: &Entry, path: &str) -> Option<Value> {
        self.scope.spans.record_field(self.address, path, entry.span());
        let is_leaf = !matches!(field.shape, Shape::Object(_));
        if is_leaf {
            self.written.insert(path.to_owned());
        }
        let read = self.value(field, entry, path);
        read.map_err(|problem| {
            let problem = self.with_line(field, entry, problem);
            self.scope.problems.push(problem);
        })
        .ok()
    }

    /// The problem of a value with the line to write in its place: what it was meant as, else an example of what could
    /// stand there.
    fn with_line(&self, field: &'static Field, entry: &Entry, problem: Problem) -> Problem {
        let is_of_another_type = problem.code() == Code::WrongType;
        if !is_of_another_type && ![Code::InvalidValue, Code::UnknownValue].contains(&problem.code()) {
            return problem;
        }
        let examples = self.examples(&[]);
        if let Some(value) = meaning::meant(field, &entry.node, &examples) {
            return match shown(field.name, &value) {
                Some(line) => problem.add_remedy(&format!("Write {line}.")),
                None => problem,
            };
        }
        // What nobody wrote is an example, and is called one.
        match shown(field.name, &examples.field(field)).filter(|_| is_of_another_type) {
            Some(line) => problem.example(&line),
            None => problem,
        }
    }

    fn absent(&mut self, field: &'static Field, path: &str, owner: Span, beside: &[&Entry]) -> Option<Value> {
        match (field.absent, self.absence) {
            (WhenAbsent::Nothing | WhenAbsent::ServiceDefault, _) | (_, Absence::IsNatural) => None,
            (WhenAbsent::Default(literal), Absence::Matters) => {
                let value = literal.to_value();
                if let (Some(kinds), Some(text)) = (referable(field.shape), value.as_str()) {
                    self.refer(text, kinds, path, owner)
                        .unwrap_or_else(|problem| self.scope.problems.push(problem));
                }
                Some(value)
            }
            (WhenAbsent::Refused, Absence::Matters) => {
                let message = format!("`{path}` is missing in {}", self.address.local());
                let examples = self.examples(beside);
                let declared = match examples.declaration(field.shape, None).as_slice() {
                    [] => String::new(),
                    lines => format!(", and declare what it names at the top: {}", lines.join(", ")),
                };
                let fitting = of(self.address.kind())
                    .fitting(field.name, &|name| beside.iter().any(|entry| entry.key.name == name));
                let value = fitting.map_or_else(|| examples.field(field), Value::from);
                let remedy = format!("Add {}{declared}.", line(field.name, &value));
                self.scope
                    .problems
                    .push(Problem::error(Code::MissingField, owner, message).rule(field.doc).remedy(remedy));
                None
            }
        }
    }

    fn value(&mut self, field: &'static Field, entry: &Entry, path: &str) -> Read<Value> {
        let (name, node, span) = (field.name, &entry.node, entry.span());
        let checked = |check: &dyn Fn(&str) -> Read<()>| {
            let text = scalar::text(name, node, span)?;
            check(text)?;
            Ok(Value::from(text))
        };
        match field.shape {
            Shape::Bool => scalar::boolean(name, node, span).map(Value::from),
            Shape::Integer { min, max } => scalar::integer(name, node, span, min, max).map(Value::from),
            Shape::Text { max_chars, .. } => checked(&|text| scalar::bounded(name, text, span, max_chars)),
            Shape::Guid => checked(&|text| scalar::guid(name, text, span)),
            Shape::Choice(words) => checked(&|text| scalar::choice(name, text, span, words)),
            Shape::Word { example } => checked(&|text| scalar::word(name, text, span, example)),
            Shape::Duration { min_secs, max_secs } => {
                checked(&|text| scalar::duration(name, text, span, min_secs, max_secs))
            }
            Shape::Set { max } => self.texts(name, entry, max, path, &|_, _| Ok(())),
            Shape::Prefixes => self.texts(name, entry, MAX_PREFIXES, path, &prefix::check),
            Shape::Reference(kinds) => {
                let text = scalar::text(name, node, span)?;
                self.refer(text, kinds, path, span)?;
                Ok(Value::from(text))
            }
            Shape::Principal(kinds) => {
                let text = scalar::text(name, node, span)?;
                if text.contains('@') {
                    return Err(person(text, span));
                }
                if scalar::guid(name, text, span).is_err() {
                    self.refer(text, kinds, path, span)?;
                }
                Ok(Value::from(text))
            }
            Shape::Object(fields) => self.object(fields, entry, name, path).map(Value::Object),
            Shape::Objects { fields, max } => self.objects(fields, max, entry, name, path),
        }
    }

    fn refer(&mut self, text: &str, kinds: &'static [Kind], path: &str, span: Span) -> Read<()> {
        let suggestions =
            if self.scope.problems.is_full() { Suggestions::Pointless } else { Suggestions::Wanted };
        let reference = self.scope.declared.resolve(text, kinds, span, suggestions).map_err(|problem| {
            let name = (!text.starts_with('/')).then_some(text);
            match self.examples(&[]).declaration(Shape::Reference(kinds), name).as_slice() {
                [] => problem,
                lines => problem.remedy(format!("Declare it at the top: {}.", lines.join(", "))),
            }
        })?;
        self.references.insert(path.to_owned(), reference);
        Ok(())
    }

    fn object(
        &mut self,
        fields: &'static [Field],
        entry: &Entry,
        name: &str,
        path: &str,
    ) -> Read<Map<String, Value>> {
        let entries: Vec<&Entry> = scalar::map(name, entry)?.iter().collect();
        Ok(self.read(fields, &entries, &format!("{path}."), entry.key.span))
    }

    fn objects(
        &mut self,
        fields: &'static [Field],
        max: usize,
        entry: &Entry,
        name: &str,
        path: &str,
    ) -> Read<Value> {
        let items = scalar::list(name, entry)?;
        at_most(name, items.len(), max, entry.span())?;
        let mut values = Vec::new();
        for (position, item) in items.iter().enumerate() {
            let place = item_place(entry, item);
            let path = format!("{path}.{position}");
            match scalar::map(name, &place) {
                Ok(inner) => {
                    let inner: Vec<&Entry> = inner.iter().collect();
                    values.push(Value::Object(self.read(fields, &inner, &format!("{path}."), item.span)));
                }
                Err(problem) => self.scope.problems.push(problem),
            }
        }
        // The elements are compared as one value: the list is the leaf.
        let inner = format!("{path}.");
        self.written.retain(|written| !written.starts_with(&inner));
        Ok(Value::Array(values))
    }

    /// A list of texts, each of which `check` accepts.
    fn texts(
        &mut self,
        name: &str,
        entry: &Entry,
        max: usize,
        path: &str,
        check: &dyn Fn(&str, Span) -> Read<()>,
    ) -> Read<Value> {
        let items = scalar::list(name, entry)?;
        at_most(name, items.len(), max, entry.span())?;
        let mut texts: Vec<Value> = Vec::new();
        let mut seen = BTreeSet::new();
        for (position, item) in items.iter().enumerate() {
            self.scope.spans.record_field(self.address, &format!("{path}.{position}"), item.span);
            let checked = scalar::text(name, item, item.span).and_then(|text| {
                scalar::bounded(name, text, item.span, MAX_ELEMENT_CHARS)?;
                check(text, item.span)?;
                if seen.insert(text) { Ok(text) } else { Err(repeated(name, text, item.span)) }
            });
            match checked {
                Ok(text) => texts.push(Value::from(text)),
                Err(problem) => self.scope.problems.push(problem),
            }
        }
        Ok(Value::Array(texts))
    }

    fn examples<'e>(&'e self, beside: &'e [&'e Entry]) -> Examples<'e> {
        let outer = self.address.outer();
        let around = outer.as_ref().unwrap_or(self.address);
        let taken = self.scope.declared.inner_ranges.get(around).map_or(&[][..], Vec::as_slice);
        let outer = outer.and_then(|outer| self.scope.done.get(&outer));
        Examples { declared: self.scope.declared, outer, beside, taken }
    }

    /// `missing` is the field that must be there, is not, and was meant.
    fn unknown(&mut self, table: &'static [Field], entry: &Entry, path: &str, missing: Option<&str>) {
        let name = entry.key.name.as_str();
        let is_top = path.is_empty();
        let kind = self.address.kind();
        let place = if is_top { self.address.local() } else { format!("`{}`", path.trim_end_matches('.')) };
        let problem = Problem::error(
            Code::UnknownField,
            entry.key.span,
            format!("{} is not a field of {place}", quoted(name)),
        )
        .rule("Every field is read; one that is not known would do nothing without a word.");
        let known = || table.iter().map(|field| field.name).chain(around(kind, path));
        let renamed = renamed::field(name, |ours| table.iter().any(|field| field.name == ours));
        let reason = if is_top { why_not(kind, name).or_else(|| renamed::elsewhere(name)) } else { None };
        let remedy = match (renamed, reason, missing) {
            (Some(ours), ..) => format!("It is called `{ours}` here."),
            (None, Some(reason), _) => format!("Remove it: {reason}."),
            (None, None, Some(missing)) => {
                let field = table.iter().find(|field| field.name == missing);
                let examples = self.examples(&[]);
                did_you_mean(
                    missing,
                    &entry.node,
                    field.and_then(|field| meaning::meant(field, &entry.node, &examples)),
                )
            }
            (None, None, None) => match nearest(name, known()) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => format!("Remove it. The fields are {}.", listed(known())),
            },
        };
        self.scope.problems.push(problem.remedy(remedy));
    }
}

/// The field of `table`, or key around it, that an unknown key was meant as.
pub(super) fn meant(key: &str, table: &'static [Field], kind: Kind, path: &str) -> Option<&'static str> {
    let mut known = table.iter().map(|field| field.name).chain(around(kind, path));
    if known.any(|known| known == key) || path.is_empty() && why_not(kind, key).is_some() {
        return None;
    }
    let known = table.iter().map(|field| field.name).chain(around(kind, path));
    renamed::field(key, |ours| table.iter().any(|field| field.name == ours)).or_else(|| nearest(key, known))
}

/// Whether a key that is none has a reason for that, which says more than a key near to it.
fn has_reason(key: &str, kind: Kind, path: &str) -> bool {
    path.is_empty() && (why_not(kind, key).is_some() || renamed::elsewhere(key).is_some())
}

/// The keys that stand beside the fields at the top of a resource.
fn around(kind: Kind, path: &str) -> impl Iterator<Item = &'static str> {
    keys_around(kind).filter(move |_| path.is_empty())
}

/// The kinds that a field may name.
fn referable(shape: Shape) -> Option<&'static [Kind]> {
    match shape {
        Shape::Reference(kinds) | Shape::Principal(kinds) => Some(kinds),
        Shape::Bool
        | Shape::Integer { .. }
        | Shape::Text { .. }
        | Shape::Guid
        | Shape::Choice(_)
        | Shape::Word { .. }
        | Shape::Duration { .. }
        | Shape::Set { .. }
        | Shape::Prefixes
        | Shape::Object(_)
        | Shape::Objects { .. } => None,
    }
}

/// An element of a list as an entry, so that it is read like any other.
fn item_place(list: &Entry, item: &crate::definitions::document::Node) -> Entry {
    let key = crate::definitions::document::Key { name: list.key.name.clone(), span: item.span };
    Entry { key, node: item.clone() }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn at_most(name: &str, count: usize, max: usize, span: Span) -> Read<()> {
    if count <= max {
        return Ok(());
    }
    Err(Problem::error(Code::OutOfRange, span, format!("`{name}` has {count} elements"))
        .rule(format!("It has at most {max}."))
        .remedy("Remove some."))
}

fn repeated(name: &str, text: &str, span: Span) -> Problem {
    Problem::error(Code::DuplicateKey, span, format!("{} stands twice in `{name}`", quoted(text)))
        .rule("The elements are a set.")
        .remedy("Remove one of them.")
}

/// Azure knows people by the object id of their account, and so do role assignments.
fn person(text: &str, span: Span) -> Problem {
    Problem::error(Code::UnknownReference, span, format!("{} is an address, not a principal", quoted(text)))
        .rule("A person, group or service principal is named by its object id.")
        .remedy("Write the object id: `az ad user show --id ADDRESS --query id` tells it.")
}
