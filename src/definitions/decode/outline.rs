//! Finds the resources of a definition before any of them is read, so that references can be checked
//! against all of them.

use super::example::{self, Examples};
use super::header;
use super::scalar;
use crate::definitions::code::Code;
use crate::definitions::document::{Entry, get};
use crate::definitions::environment::SpanTable;
use crate::definitions::layout::Syntax;
use crate::definitions::problem::{Problem, Problems, quoted};
use crate::definitions::references::Declared;
use crate::definitions::source::{FileId, Span};
use crate::resources::address::{MAX_NAME_BYTES, is_name};
use crate::resources::{Address, EnvironmentName, Kind};

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
    let mut outline = Outline { environment, spans, problems, drafts: Vec::new() };
    let mut absent = Vec::new();
    for kind in Kind::ALL {
        match (kind.is_single(), kind.written_inside()) {
            (true, _) => match header::entry_of(document, kind.key()) {
                Some(entry) => outline.add(Address::single(environment, kind), entry),
                None => absent.push(kind),
            },
            (false, None) => {
                if let Some(entry) = get(document, kind.key()) {
                    outline.add_map(kind, None, entry);
                }
            }
            (false, Some(_)) => {}
        }
    }
    // The example names what is declared.
    let addresses = outline.drafts.iter().map(|draft| draft.address.clone()).collect();
    let declared = Declared { environment: environment.clone(), addresses };
    for kind in absent {
        let syntax = outline.problems.syntax(file);
        outline.problems.push(missing(kind, file, syntax, &Examples { declared: &declared, outer: None }));
    }
    outline.drafts
}

fn missing(kind: Kind, file: FileId, syntax: Syntax, examples: &Examples<'_>) -> Problem {
    let noun = kind.key().replace('_', " ");
    Problem::error(Code::MissingField, Span::start_of(file), format!("`{kind}` is missing"))
        .rule(format!("An environment has exactly one {noun}."))
        .remedy(header::remedy_for_missing(kind.key(), &examples.resource(kind), syntax))
}

struct Outline<'o, 'a, 'p> {
    environment: &'o EnvironmentName,
    spans: &'o mut SpanTable,
    problems: &'o mut Problems<'p>,
    drafts: Vec<Draft<'a>>,
}

impl<'a> Outline<'_, 'a, '_> {
    fn add_map(&mut self, kind: Kind, outer: Option<&Address>, entry: &'a Entry) {
        let entries = match scalar::map(kind.key(), entry) {
            Ok(entries) => entries,
            Err(problem) => return self.problems.push(problem),
        };
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
            Err(problem) => return self.problems.push(problem),
        };
        self.drafts.push(Draft { address: address.clone(), entry, fields });
        for kind in nested_kinds(address.kind()) {
            if let Some(inner) = get(fields, kind.key()) {
                self.add_map(kind, Some(&address), inner);
            }
        }
    }
}

/// The kinds that are written inside a resource of this kind.
pub(crate) fn nested_kinds(kind: Kind) -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(move |inner| inner.written_inside() == Some(kind))
}
