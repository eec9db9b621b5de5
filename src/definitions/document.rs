//! The neutral tree of a document: YAML and TOML both become this, and nothing after it knows which.
//!
//! Every key and value has a span that names its file, so that after inheritance an error still
//! points to where the wrong text stands. Depth and number of values are bounded here, for both
//! syntaxes alike.

use std::collections::HashMap;

use super::code::Code;
use super::layout::Syntax;
use super::problem::{Problem, Problems, quoted};
use super::source::{FileId, MAX_FILE_BYTES, SourceFile, Span, Unreadable};
use super::{other, toml, yaml};

/// The deepest nesting of maps and lists. The format itself needs seven levels; the YAML parser takes
/// some 45 KiB of stack for each when it is not optimised, and threads have 2 MiB.
pub(super) const MAX_DEPTH: usize = 16;

/// The most values in one file, repeated anchors included. 20,000 resources are some 100,000 values.
pub(super) const MAX_NODES: usize = 100_000;

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Its place. For a map that TOML spreads over several headers it is the first of them.
    pub span: Span,
}

/// What a document can say.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeValue {
    /// `null`, or nothing after the colon.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number of at most 64 bits.
    Integer(i64),
    /// Any other number, as it is written.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub node: Node,
}

/// A key and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its text.
    pub name: String,
    /// Its place.
    pub span: Span,
}

/// A whole document: the map at its root.
pub type Document = Vec<Entry>;

impl Entry {
    /// The place that an error about the value as a whole names: the value itself, or its key where the
    /// value is a map or a list that may span many lines.
    pub(super) fn span(&self) -> Span {
        match self.node.value {
            NodeValue::Map(_) | NodeValue::List(_) | NodeValue::Null => self.key.span,
            NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Number(_) | NodeValue::Text(_) => {
                self.node.span
            }
        }
    }
}

impl Node {
    /// What kind of value it is, for people.
    pub(super) fn noun(&self) -> &'static str {
        match self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "a boolean",
            NodeValue::Integer(_) | NodeValue::Number(_) => "a number",
            NodeValue::Text(_) => "a text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a map",
        }
    }

    fn depth_and_count(&self) -> (usize, usize) {
        match &self.value {
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Number(_)
            | NodeValue::Text(_) => (0, 1),
            NodeValue::List(items) => nested(items.iter()),
            NodeValue::Map(entries) => nested(entries.iter().map(|entry| &entry.node)),
        }
    }
}

fn nested<'a>(nodes: impl Iterator<Item = &'a Node>) -> (usize, usize) {
    let (depth, count) =
        nodes.map(Node::depth_and_count).fold((0, 0), |(depth, count), (d, c)| (depth.max(d), count + c));
    (depth + 1, count + 1)
}

/// The entry with a key.
pub(super) fn get<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key.name == name)
}

/// Reads a file; an empty file is an empty map. `None` when what it says cannot be relied on.
pub(super) fn parse(id: FileId, problems: &mut Problems<'_>) -> Option<Document> {
    let file = problems.sources().file(id);
    if let Some(unreadable) = file.unreadable() {
        problems.push(refused(id, unreadable));
        return None;
    }
    let before = problems.count();
    let mut mistakes = Problems::new(problems.sources());
    let node = match Syntax::of(file.path()) {
        Syntax::Yaml => yaml::parse(id, file, &mut mistakes),
        Syntax::Toml => toml::parse(id, file, &mut mistakes),
    };
    let is_map = |node: &Node| matches!(node.value, NodeValue::Map(_) | NodeValue::Null);
    if !node.as_ref().is_some_and(is_map)
        && let Some(written) = other::notation(file)
    {
        // Each of its lines is wrong in the notation that it is not in.
        problems.push(other::problem(id, written, problems.sources()));
        return None;
    }
    problems.take(mistakes);
    let node = node?;
    if !within_limits(&node, id, problems) {
        return None;
    }
    report_duplicates(&node, problems);
    let document = root(node, id, problems)?;
    (problems.count() == before).then_some(document)
}

fn root(node: Node, id: FileId, problems: &mut Problems<'_>) -> Option<Document> {
    match node.value {
        NodeValue::Map(entries) => Some(entries),
        NodeValue::Null => Some(Vec::new()),
        NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Number(_)
        | NodeValue::Text(_)
        | NodeValue::List(_) => {
            let message = format!("the file is {}, not a map of keys", node.noun());
            problems.push(
                Problem::error(Code::WrongType, Span::start_of(id), message)
                    .remedy("Begin it with `beamline: 1`; what is written in TOML belongs into a file called `.toml`.")
                    .rule("A definition is a map of keys: `beamline: 1`, and `subscription`, `location`, `resource_group`, `workspace` and others."),
            );
            None
        }
    }
}

fn refused(id: FileId, unreadable: Unreadable) -> Problem {
    let at = Span::start_of(id);
    match unreadable {
        Unreadable::TooLarge(bytes) => {
            Problem::error(Code::Unreadable, at, format!("the file has {bytes} bytes"))
                .rule(format!("A definition file has at most {MAX_FILE_BYTES} bytes."))
                .remedy("Split it into several environments, or move what they share to a defaults file.")
        }
        Unreadable::NotUtf8(offset) => {
            Problem::error(Code::Unreadable, at, format!("the file is not UTF-8 from byte {offset} on"))
                .rule("Definition files are UTF-8 text.")
                .remedy("Save the file as UTF-8.")
        }
        Unreadable::SymbolicLink => Problem::error(Code::Unreadable, at, "this is a symbolic link")
            .rule("Definitions are regular files in real folders: links are not followed.")
            .remedy("Put a copy here, or share what is alike in a `defaults` file of a common folder."),
        Unreadable::Submodule => Problem::error(Code::Unreadable, at, "this is a submodule")
            .rule("Definitions are in the repository itself: other repositories are not read.")
            .remedy("Commit the files here, or move the submodule out of the definitions folder."),
        Unreadable::NoFolder => Problem::error(Code::Unreadable, at, "this is a file, not a folder")
            .rule("Definitions are files in folders: where one of these is a file, nothing below it is read, and nothing of it counts as removed.")
            .remedy("Rename this file and bring the folder back; what is to go is removed from a folder that is there."),
        Unreadable::LfsPointer => Problem::error(Code::Unreadable, at, "this is a Git LFS pointer")
            .rule("Definitions are in the repository itself: what LFS keeps elsewhere is not read.")
            .remedy("Run `git lfs untrack` for the file, then commit it again."),
    }
}

/// The problem of a document that is too deep or too large; both parsers also use it for their own
/// limits.
pub(super) fn too_large(span: Span) -> Problem {
    Problem::error(Code::LimitExceeded, span, "the document is nested too deeply or has too many values")
        .rule(format!(
            "A file has at most {MAX_DEPTH} levels and {MAX_NODES} values, repeated anchors included."
        ))
        .remedy("Write it flatter, or split it into several files.")
}

fn within_limits(node: &Node, id: FileId, problems: &mut Problems<'_>) -> bool {
    let (depth, count) = node.depth_and_count();
    let fits = depth <= MAX_DEPTH && count <= MAX_NODES;
    if !fits {
        problems.push(too_large(Span::start_of(id)));
    }
    fits
}

fn report_duplicates(node: &Node, problems: &mut Problems<'_>) {
    match &node.value {
        NodeValue::Map(entries) => {
            let mut first: HashMap<&str, Span> = HashMap::with_capacity(entries.len());
            for Entry { key, node } in entries {
                if let Some(earlier) = first.insert(&key.name, key.span) {
                    problems.push(duplicate(&key.name, key.span).related(earlier, "first written here"));
                }
                report_duplicates(node, problems);
            }
        }
        NodeValue::List(items) => items.iter().for_each(|item| report_duplicates(item, problems)),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Number(_)
        | NodeValue::Text(_) => {}
    }
}

/// The problem of a key that is written twice.
pub(super) fn duplicate(key: &str, span: Span) -> Problem {
    Problem::error(Code::DuplicateKey, span, format!("{} is written twice", quoted(key)))
        .rule("A key stands once in a map; of two values one would be lost.")
        .remedy("Remove one of them.")
}

/// The problem of a text that is not YAML or TOML.
pub(super) fn syntax(span: Span, what: &str, syntax: Syntax) -> Problem {
    Problem::error(Code::Syntax, span, format!("this is not {syntax}: {what}"))
        .rule(format!("The file's name says that it is {syntax}."))
        .remedy("Correct the line, or the one before it.")
}

/// A number that is not a whole number of 64 bits, as its file spells it.
pub(super) fn number(file: &SourceFile, range: std::ops::Range<usize>, fallback: impl ToString) -> NodeValue {
    let text = file.slice(range);
    NodeValue::Number(if text.is_empty() { fallback.to_string() } else { text.to_owned() })
}
