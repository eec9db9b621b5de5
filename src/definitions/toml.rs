//! TOML text → the neutral tree, through `toml`'s spanned table. The only place that knows TOML.
//!
//! The parser recovers after an error, so that several syntax errors are reported at once. Dates are
//! texts, as they are in YAML.

use toml::de::{DeTable, DeValue, Error};

use super::document::{self, Entry, Key, Node, NodeValue};
use super::layout::Syntax;
use super::problem::{Problem, Problems};
use super::source::{FileId, SourceFile, Span};

pub(super) fn parse(id: FileId, file: &SourceFile, problems: &mut Problems<'_>) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(file.text());
    for error in &errors {
        problems.push(problem(id, file, error));
    }
    if !errors.is_empty() {
        return None;
    }
    Some(Node { value: map(id, file, table.into_inner()), span: Span::start_of(id) })
}

fn problem(id: FileId, file: &SourceFile, error: &Error) -> Problem {
    let range = error.span().unwrap_or(0..0);
    let span = Span::new(id, range.clone());
    match error.message() {
        "duplicate key" => document::duplicate(file.slice(range).trim_matches(['"', '\'']), span),
        message if message.contains("recurs") => document::too_large(span),
        message => {
            let problem = document::syntax(span, message.lines().next().unwrap_or_default(), Syntax::Toml);
            let line =
                file.text().get(..range.start).map_or(0, |before| before.rfind('\n').map_or(0, |at| at + 1));
            let line = file.text()[line..].lines().next().unwrap_or_default();
            match line.split_once(": ").or_else(|| Some((line.strip_suffix(':')?, ""))) {
                Some((key, _))
                    if !line.contains('=')
                        && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c)) =>
                {
                    problem.remedy("Write `key = value`, or call the file `.yaml`: this line is YAML.")
                }
                Some(_) | None => problem,
            }
        }
    }
}

fn map(id: FileId, file: &SourceFile, table: DeTable<'_>) -> NodeValue {
    let mut entries: Vec<(usize, Entry)> = table
        .into_iter()
        .map(|(key, value)| {
            let range = key.span();
            let entry = Entry {
                key: Key { name: key.into_inner().into_owned(), span: Span::new(id, range.clone()) },
                node: node(id, file, value),
            };
            (range.start, entry)
        })
        .collect();
    // The table is sorted by key; people know the order of the file.
    entries.sort_by_key(|(start, _)| *start);
    NodeValue::Map(entries.into_iter().map(|(_, entry)| entry).collect())
}

fn node(id: FileId, file: &SourceFile, value: toml::Spanned<DeValue<'_>>) -> Node {
    let range = value.span();
    let span = Span::new(id, range.clone());
    let value = match value.into_inner() {
        DeValue::String(text) => NodeValue::Text(text.into_owned()),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(value) => NodeValue::Integer(value),
            Err(_) => document::number(file, range, integer.as_str()),
        },
        DeValue::Float(float) => document::number(file, range, float.as_str()),
        DeValue::Boolean(value) => NodeValue::Bool(value),
        DeValue::Datetime(value) => NodeValue::Text(value.to_string()),
        DeValue::Array(items) => {
            NodeValue::List(items.into_iter().map(|item| node(id, file, item)).collect())
        }
        DeValue::Table(table) => map(id, file, table),
    };
    Node { value, span }
}
