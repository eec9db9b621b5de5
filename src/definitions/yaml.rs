//! YAML text → the neutral tree, through `serde-saphyr`. The only place that knows YAML.
//!
//! The options make the reading that of YAML 1.2: `no`, `on` and `y` are texts, `017` and `1_000` are
//! texts too (a reader that makes them booleans or numbers changes what people wrote), unknown tags
//! are refused. Anchors and merge keys are allowed within the budget. Keys that are written twice are
//! let through here and reported by `document`, all of them at once.

use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Location, Spanned};

use super::document::{self, Entry, Key, MAX_DEPTH, MAX_NODES, Node, NodeValue};
use super::layout::Syntax;
use super::problem::{Problem, Problems};
use super::slip::{self, Slip};
use super::source::{FileId, SourceFile, Span};

/// Depth at which the parser itself gives up. More than `document` allows, so that the common case gets
/// the common answer.
const PARSER_DEPTH: usize = MAX_DEPTH + 2;

/// Anchors and aliases in one file. Definitions have a handful.
const MAX_ANCHORS: usize = 1000;

pub(super) fn parse(id: FileId, file: &SourceFile, problems: &mut Problems<'_>) -> Option<Node> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: PARSER_DEPTH
        },
        budget: serde_saphyr::budget! {
            max_depth: PARSER_DEPTH,
            flow_nesting_limit: PARSER_DEPTH,
            max_nodes: MAX_NODES,
            max_aliases: MAX_ANCHORS,
            max_anchors: MAX_ANCHORS
        },
    };
    match serde_saphyr::from_str_with_options::<Option<Raw>>(file.text(), options) {
        Ok(Some(raw)) => Some(raw.placed(id, file)),
        Ok(None) => Some(Node { value: NodeValue::Null, span: Span::start_of(id) }),
        Err(error) => {
            problems.push(problem(id, file, &error));
            None
        }
    }
}

/// The error itself: some are wrapped to say through which alias they were reached.
fn innermost(error: &Error) -> &Error {
    let error = error.without_snippet();
    if let Error::AliasError { error, .. } = error { innermost(error) } else { error }
}

fn problem(id: FileId, file: &SourceFile, error: &Error) -> Problem {
    let error = innermost(error);
    let range = error.location().map_or(0..0, |location| range_in(&location, file));
    let span = Span::new(id, range.clone());
    let text = error.to_string();
    if is_limit(error) || text.contains("recursion limit") {
        return document::too_large(span);
    }
    if matches!(error, Error::MultipleDocuments { .. }) {
        return document::syntax(span, "a second document begins here", Syntax::Yaml)
            .remedy("Put each environment into a file of its own.");
    }
    // The message ends in the place, which the diagnostic says already.
    let what = text.lines().next().unwrap_or_default();
    let what = what.split(" at line ").next().unwrap_or_default().trim_end_matches([',', ':']);
    let problem = document::syntax(span, what, Syntax::Yaml);
    if line_of(file, &range).contains("${") {
        return problem.remedy("Quote a text with `${…}` that stands between `{` and `}`.");
    }
    match slip::find(file.text(), range.start, what) {
        Some(Slip { at, remedy }) => document::syntax(Span::new(id, at), what, Syntax::Yaml).remedy(remedy),
        None => problem,
    }
}

fn is_limit(error: &Error) -> bool {
    matches!(
        error,
        Error::Budget { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
    )
}

fn line_of<'a>(file: &'a SourceFile, range: &Range<usize>) -> &'a str {
    let (line, _) = file.position(range.start);
    file.text().lines().nth(line - 1).unwrap_or_default()
}

/// Errors of the scanner carry line and column but no byte offset.
fn range_in(location: &Location, file: &SourceFile) -> Range<usize> {
    range(location).unwrap_or_else(|| {
        let at = file.offset(whole(location.line()), whole(location.column()));
        at..at
    })
}

fn range(location: &Location) -> Option<Range<usize>> {
    let span = location.span();
    let start = whole(span.byte_offset()?);
    Some(start..start.saturating_add(whole(span.byte_len().unwrap_or(0))))
}

fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A value as the parser hands it over, before it knows its file.
struct Raw {
    value: RawValue,
    range: Range<usize>,
}

enum RawValue {
    Null,
    Bool(bool),
    Integer(i64),
    Number(String),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(String, Range<usize>, Raw)>),
}

impl Raw {
    fn placed(self, id: FileId, file: &SourceFile) -> Node {
        let span = Span::new(id, self.range.clone());
        let value = match self.value {
            RawValue::Null => NodeValue::Null,
            RawValue::Bool(value) => NodeValue::Bool(value),
            RawValue::Integer(value) => NodeValue::Integer(value),
            RawValue::Number(value) => document::number(file, self.range, value),
            RawValue::Text(value) => NodeValue::Text(value),
            RawValue::List(items) => {
                NodeValue::List(items.into_iter().map(|item| item.placed(id, file)).collect())
            }
            RawValue::Map(entries) => NodeValue::Map(
                entries
                    .into_iter()
                    .map(|(name, range, raw)| Entry {
                        key: Key { name, span: Span::new(id, range) },
                        node: raw.placed(id, file),
                    })
                    .collect(),
            ),
        };
        Node { value, span }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<RawValue>::deserialize(deserializer)?;
        // Where an anchor stands, not where it is used: that is where a wrong text can be corrected.
        Ok(Self { range: range(&spanned.defined).unwrap_or(0..0), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = RawValue;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawValue, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(i64::try_from(value).map_or_else(|_| RawValue::Number(value.to_string()), RawValue::Integer))
    }

    fn visit_i128<E>(self, value: i128) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value()?;
            map.push((key.value, range(&key.defined).unwrap_or(0..0), value));
        }
        Ok(RawValue::Map(map))
    }
}
