//! Finds the resources of a definition before any of them is read, so that references can be checked
//! against all of them.

use serde_json::json;

use super::example::MADE_UP;
use super::example::{self, Examples};
use super::field;
use super::header;
use super::resource::keys_around;
use super::scalar;
use crate::definitions::code::Code;
use crate::definitions::document::{Entry, NodeValue, get};
use crate::definitions::environment::SpanTable;
use crate::definitions::export::to_json;
use crate::definitions::layout::Syntax;
use crate::definitions::notation::line;
use crate::definitions::problem::{Problem, Problems, quoted};
use crate::definitions::references::Declared;
use crate::definitions::source::{FileId, Span};
use crate::resources::address::{MAX_NAME_BYTES, is_name};
use crate::resources::{Address, EnvironmentName, Kind, of};

/// A resource that is written, but not read yet.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) address: Address,
    /// Its short name (or key) and what stands below it.
    pub(crate) entry: &'a Entry,
    /// Its fields, nested resources included.
    pub(crate) fields: &'a [Entry],
}

/// Every resource that is written, outer ones before those inside them.
pub(crate) fn outline<'a>(
    document: &'a [Entry],
    environment: &EnvironmentName,
    file: FileId,
    spans: &mut SpanTable,
    problems: &mut Problems<'_>,
) -> Vec<Draft<'a>> {
    let mut outline = Outline { environment, spans, problems, drafts: Vec::new(), misfits: Vec::new() };
    let mut absent = Vec::new();
    for kind in Kind::ALL {
        match (kind.is_single(), kind.written_inside()) {
            (true, _) => match header::entry_of(document, kind.key()) {
                Some(entry) => outline.add(Address::single(environment, kind), entry),
                None => absent.push(kind),
            },
            (false, None) => {
                if let Some(entry) = header::entry_of(document, kind.key()) {
                    outline.add_map(kind, None, entry);
                }
            }
            (false, Some(_)) => {}
        }
    }
    // The example names what is declared.
    let declared = declared(environment, &outline.drafts);
    let examples = Examples { declared: &declared, outer: None, beside: &[], taken: &[] };
    for Misfit { kind, holds, entry, problem } in std::mem::take(&mut outline.misfits) {
        let remedy = match holds {
            Holds::Resources => example::section(kind, entry, &examples),
            Holds::Fields => example::resource(kind, entry, &examples),
        };
        outline.problems.push(match remedy {
            Some(remedy) => problem.remedy(remedy),
            None => problem,
        });
    }
    for kind in absent {
        let syntax = outline.problems.syntax(file);
        outline.problems.push(missing(kind, file, syntax, &examples));
    }
    outline.drafts
}

fn missing(kind: Kind, file: FileId, syntax: Syntax, examples: &Examples<'_>) -> Problem {
    let noun = kind.key().replace('_', " ");
    Problem::error(Code::MissingField, Span::start_of(file), format!("`{kind}` is missing"))
        .rule(format!("An environment has exactly one {noun}."))
        .remedy(header::remedy_for_missing(
            kind.key(),
            &examples.resource(kind),
            &examples.declarations(kind),
            syntax,
        ))
}

/// The resources of a kind inside one of `outer`, also below a misspelt key, which is told with the fields: what names
/// them is not wrong too.
fn inner_map(outer: Kind, kind: Kind, fields: &[Entry]) -> Option<&Entry> {
    let table = of(outer).spec().fields;
    let is_meant = |entry: &&Entry| field::meant(&entry.key.name, table, outer, "") == Some(kind.key());
    get(fields, kind.key()).or_else(|| fields.iter().find(is_meant))
}

/// What is declared by these drafts.
pub(crate) fn declared(environment: &EnvironmentName, drafts: &[Draft<'_>]) -> Declared {
    let inner_ranges = |draft: &Draft<'_>| {
        let outer = draft.address.kind();
        let inner = nested_kinds(outer).filter_map(|kind| inner_map(outer, kind, draft.fields));
        let ranges = inner.flat_map(|entry| example::written_ranges(std::slice::from_ref(entry))).collect();
        (draft.address.clone(), ranges)
    };
    Declared {
        environment: environment.clone(),
        addresses: drafts.iter().map(|draft| draft.address.clone()).collect(),
        inner_ranges: drafts.iter().map(inner_ranges).collect(),
    }
}

/// What a value should have held that is no map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Resources,
    Fields,
}

/// A value that is no map where one is wanted: what it should be depends on what else is declared.
struct Misfit<'a> {
    kind: Kind,
    holds: Holds,
    entry: &'a Entry,
    problem: Problem,
}

struct Outline<'o, 'a, 'p> {
    environment: &'o EnvironmentName,
    spans: &'o mut SpanTable,
    problems: &'o mut Problems<'p>,
    drafts: Vec<Draft<'a>>,
    misfits: Vec<Misfit<'a>>,
}

impl<'a> Outline<'_, 'a, '_> {
    fn add_map(&mut self, kind: Kind, outer: Option<&Address>, entry: &'a Entry) {
        let entries = match scalar::map(kind.key(), entry) {
            Ok(entries) => entries,
            Err(problem) => {
                return self.misfits.push(Misfit { kind, holds: Holds::Resources, entry, problem });
            }
        };
        if are_fields(kind, entries) {
            self.problems.push(one_level_short(kind, entry));
            let address = match outer {
                Some(outer) => outer.inside(kind, MADE_UP),
                None => Address::named(self.environment, kind, MADE_UP),
            };
            return self.add(address, entry);
        }
        for resource in entries {
            let name = &resource.key.name;
            if !is_name(name) {
                self.problems.push(
                    Problem::error(Code::InvalidName, resource.key.span, format!("{} is not a short name", quoted(name)))
                        .rule(format!(
                            "A short name has 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_` or `.`, and begins with a letter or digit."
                        ))
                        .remedy(format!(
                            "Write `{}:`; the name in Azure may be another, as its `name`.",
                            example::short_name(name)
                        )),
                );
                continue;
            }
            let address = match outer {
                Some(outer) => outer.inside(kind, name),
                None => Address::named(self.environment, kind, name),
            };
            self.add(address, resource);
        }
    }

    fn add(&mut self, address: Address, entry: &'a Entry) {
        self.spans.record_resource(&address, entry.key.span);
        let fields = match scalar::map(address.name(), entry) {
            Ok(fields) => fields,
            Err(problem) => {
                let (kind, holds) = (address.kind(), Holds::Fields);
                return self.misfits.push(Misfit { kind, holds, entry, problem });
            }
        };
        if address.kind().is_single()
            && let Some(inner) = one_level_too_many(address.kind(), fields)
        {
            let syntax = self.problems.syntax(inner.key.span.file());
            self.problems.push(too_deep(address.kind(), inner, syntax));
            return self.add(address, inner);
        }
        self.drafts.push(Draft { address: address.clone(), entry, fields });
        for kind in nested_kinds(address.kind()) {
            if let Some(inner) = inner_map(address.kind(), kind, fields) {
                self.add_map(kind, Some(&address), inner);
            }
        }
    }
}

/// Whether the entries of a section are the fields of one resource, without a short name above them.
fn are_fields(kind: Kind, entries: &[Entry]) -> bool {
    let is_key = |key: &str| {
        of(kind).spec().fields.iter().any(|field| field.name == key)
            || keys_around(kind).any(|known| known == key)
    };
    let is_field = |entry: &Entry| is_key(&entry.key.name);
    let is_map = |entry: &Entry| matches!(entry.node.value, NodeValue::Map(_) | NodeValue::Null);
    entries.iter().any(|entry| is_field(entry) && !is_map(entry)) && entries.iter().all(is_field)
}

fn one_level_short(kind: Kind, entry: &Entry) -> Problem {
    let value = to_json(std::slice::from_ref(entry))[&entry.key.name].clone();
    let shown = line(kind.key(), &json!({ MADE_UP: value }));
    let message = format!("`{kind}` has fields, not short names");
    Problem::error(Code::WrongType, entry.key.span, message)
        .rule("Below it stand short names, each with the fields of one resource below it.")
        .remedy(format!("Write a short name above the fields: {shown}."))
}

/// The only resource below a kind of which there is one, as if it had a short name.
fn one_level_too_many(kind: Kind, fields: &[Entry]) -> Option<&Entry> {
    let [inner] = fields else { return None };
    let name = inner.key.name.as_str();
    let is_meant = field::meant(name, of(kind).spec().fields, kind, "").is_some();
    let is_known = of(kind).spec().fields.iter().any(|field| field.name == name)
        || keys_around(kind).any(|known| known == name);
    (!is_known && !is_meant && matches!(inner.node.value, NodeValue::Map(_))).then_some(inner)
}

fn too_deep(kind: Kind, inner: &Entry, syntax: Syntax) -> Problem {
    let name = &inner.key.name;
    let remedy = match syntax {
        Syntax::Yaml => format!("Remove `{name}:`, and write its fields below `{kind}:` itself."),
        Syntax::Toml => format!("Remove {}, and write its fields in `{kind}` itself.", quoted(name)),
    };
    let message = format!("{} is one level too many in `{kind}`", quoted(name));
    Problem::error(Code::UnknownField, inner.key.span, message)
        .rule("There is one of it, without a short name: its fields stand directly below it.")
        .remedy(remedy)
}

/// The kinds that are written inside a resource of this kind.
pub(crate) fn nested_kinds(kind: Kind) -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(move |inner| inner.written_inside() == Some(kind))
}
