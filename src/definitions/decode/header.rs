//! The keys of the environment itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::example::did_you_mean;
use super::{scalar, tags};
use crate::definitions::code::Code;
use crate::definitions::document::{Entry, NodeValue, get};
use crate::definitions::environment::{DEFAULT_IGNORED_TAGS, SpanTable};
use crate::definitions::layout::Syntax;
use crate::definitions::notation::line;
use crate::definitions::problem::{Problem, Problems, quoted};
use crate::definitions::source::{FileId, Span};
use crate::resources::address::is_name;
use crate::resources::suggest::nearest;
use crate::resources::{EnvironmentName, Kind};

/// The format that this program reads.
pub(crate) const FORMAT_VERSION: i64 = 1;

/// Most patterns in `ignore_tags`.
const MAX_IGNORED: usize = 50;

/// The key of the name, of the environment as of each resource.
pub(crate) const NAME: &str = "name";

/// The keys of the environment itself with their documentation; the kinds of resources stand beside
/// them.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("beamline", "The version of the format: 1."),
    (
        NAME,
        "The name of the environment. Default: the file's name without its extension. To rename an environment, add `renamed_from`.",
    ),
    (
        "subscription",
        "An alias; the daemon's configuration maps it to a subscription, its tenant, cloud and identities.",
    ),
    ("location", "The Azure region of every resource that does not say another, such as `eastus`."),
    ("tags", "Tags that every resource inherits; each may add its own."),
    (
        "ignore_tags",
        "Patterns of tags that are never touched, whoever wrote them; `*` stands for any characters. Default: `hidden-*` and `ms-resource-usage`.",
    ),
    (
        "renamed_from",
        "What the environment was called before: resources that bear its mark under that name are taken over.",
    ),
    ("acknowledge", "Codes of advice that this environment knows about; they are no longer shown."),
];

/// What the environment says of itself.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) subscription: String,
    pub(crate) location: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) ignore_tags: Vec<String>,
    pub(crate) renamed_from: Option<EnvironmentName>,
    pub(crate) acknowledged: BTreeMap<String, Span>,
}

/// Whether the document is of the version that this program reads.
pub(crate) fn version_is_ours(document: &[Entry], file: FileId, problems: &mut Problems<'_>) -> bool {
    let rule = format!("`beamline` is the version of the format; this program reads {FORMAT_VERSION}.");
    let problem = match entry_of(document, "beamline") {
        None => Problem::error(Code::MissingField, Span::start_of(file), "`beamline` is missing")
            .remedy(remedy_for_missing("beamline", &example("beamline"), &[], problems.syntax(file))),
        // Another key that was meant as it is told with the other keys.
        Some(entry) => match entry.node.value {
            NodeValue::Integer(FORMAT_VERSION) => return true,
            NodeValue::Integer(other) => Problem::error(
                Code::UnsupportedVersion,
                entry.span(),
                format!("version {other} is not known"),
            )
            .remedy("Use a newer beamline, or write the definition for this one."),
            NodeValue::Null
            | NodeValue::Bool(_)
            | NodeValue::Number(_)
            | NodeValue::Text(_)
            | NodeValue::List(_)
            | NodeValue::Map(_) => scalar::wrong_type("beamline", &entry.node, entry.span(), "a number")
                .remedy(format!("Write `{FORMAT_VERSION}`, without quotes.")),
        },
    };
    problems.push(problem.rule(rule));
    false
}

/// The name of the environment: what it says, or else the file's stem.
pub(crate) fn name(
    document: &[Entry],
    stem: &str,
    file: FileId,
    problems: &mut Problems<'_>,
) -> Option<EnvironmentName> {
    let (text, span, remedy) = match get(document, NAME) {
        None => (stem, Span::start_of(file), "Rename the file, or add `name:` with a name that is one."),
        Some(entry) => match scalar::text(NAME, &entry.node, entry.span()) {
            Ok(text) => (text, entry.span(), "Write another `name`."),
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        },
    };
    environment_name(text, span, remedy, problems)
}

fn environment_name(
    text: &str,
    span: Span,
    remedy: &str,
    problems: &mut Problems<'_>,
) -> Option<EnvironmentName> {
    let parsed = text.parse::<EnvironmentName>();
    if let Err(rule) = &parsed {
        problems.push(
            Problem::error(
                Code::InvalidName,
                span,
                format!("{} cannot be the name of an environment", quoted(text)),
            )
            .rule(format!("{rule}."))
            .remedy(remedy),
        );
    }
    parsed.ok()
}

impl Header {
    pub(crate) fn decode(
        document: &[Entry],
        file: FileId,
        spans: &mut SpanTable,
        problems: &mut Problems<'_>,
    ) -> Self {
        for entry in document {
            spans.record_key(&entry.key.name, entry.span());
        }
        report_unknown_keys(document, problems);
        for (path, span) in get(document, "tags").into_iter().flat_map(tags::places) {
            spans.record_key(&path, span);
        }
        let tags = get(document, "tags").map(|entry| tags::decode(entry, problems)).unwrap_or_default();
        Self {
            subscription: required(document, "subscription", file, problems, subscription),
            location: required(document, "location", file, problems, location),
            tags,
            ignore_tags: ignore_tags(document, problems),
            renamed_from: get(document, "renamed_from").and_then(|entry| renamed_from(entry, problems)),
            acknowledged: get(document, "acknowledge")
                .map(|entry| acknowledged(entry, problems))
                .unwrap_or_default(),
        }
    }
}

/// A text that must be written; empty when it is not, which is then a problem already.
fn required(
    document: &[Entry],
    key: &str,
    file: FileId,
    problems: &mut Problems<'_>,
    read: fn(&Entry) -> Result<String, Problem>,
) -> String {
    let value = match entry_of(document, key) {
        Some(entry) => read(entry),
        None => Err(Problem::error(Code::MissingField, Span::start_of(file), format!("`{key}` is missing"))
            .rule("Every environment says it, or inherits it from a defaults file.")
            .remedy(remedy_for_missing(key, &example(key), &[], problems.syntax(file)))),
    };
    value.unwrap_or_else(|problem| {
        problems.push(problem);
        String::new()
    })
}

/// What a key of the environment could say.
fn example(key: &str) -> Value {
    match key {
        "beamline" => Value::from(FORMAT_VERSION),
        "location" => Value::from("eastus"),
        _ => Value::from("ml"),
    }
}

/// A line to add, and those that declare what it names. In TOML a line belongs to the table above it, so one of the
/// environment has its place.
pub(super) fn remedy_for_missing(key: &str, value: &Value, needed: &[String], syntax: Syntax) -> String {
    let place = match syntax {
        Syntax::Yaml => "",
        Syntax::Toml => " above the first `[table]`",
    };
    let needed = match needed {
        [] => String::new(),
        lines => format!(", and what it names, {}", lines.join(", ")),
    };
    format!("Add {}{needed}{place}, here or in a defaults file.", line(key, value))
}

/// The entry of a key that must be there, under its name or one that is no key and was meant as it; the
/// latter is told as an unknown key, and read so that nothing else is said to be missing for it.
pub(crate) fn entry_of<'a>(document: &'a [Entry], key: &str) -> Option<&'a Entry> {
    get(document, key).or_else(|| {
        let known = known_keys();
        document.iter().find(|entry| meant(&entry.key.name, &known) == Some(key))
    })
}

/// The key that an unknown one was meant as.
fn meant(written: &str, known: &BTreeSet<&'static str>) -> Option<&'static str> {
    match written {
        _ if known.contains(written) => None,
        "region" => Some("location"),
        _ => nearest(written, known.iter().copied()),
    }
}

fn subscription(entry: &Entry) -> Result<String, Problem> {
    let text = scalar::text("subscription", &entry.node, entry.span())?;
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err(scalar::invalid("subscription", text, entry.span())
        .rule("It is an alias of letters, digits, `-`, `_` or `.`; the configuration says which subscription it is."))
}

/// A region, in any of Azure's spellings, as ARM's short form.
pub(super) fn location(entry: &Entry) -> Result<String, Problem> {
    let text = scalar::text("location", &entry.node, entry.span())
        .map_err(|problem| problem.remedy(format!("Write {}.", line("location", &example("location")))))?;
    let short: String = text.chars().filter(|c| *c != ' ').map(|c| c.to_ascii_lowercase()).collect();
    if !short.is_empty() && short.len() <= 40 && short.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(short);
    }
    let problem =
        scalar::invalid("location", text, entry.span()).rule("It is the name of an Azure region: `eastus`.");
    let letters: String = short.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_near =
        !letters.is_empty() && short.chars().all(|c| c.is_ascii_alphanumeric() || "-_.()".contains(c));
    Err(match is_near && letters.len() <= 40 {
        true => problem.remedy(format!("Write {}.", line("location", &Value::from(letters)))),
        false => problem.remedy("`az account list-locations --query [].name` lists them."),
    })
}

fn ignore_tags(document: &[Entry], problems: &mut Problems<'_>) -> Vec<String> {
    let Some(entry) = get(document, "ignore_tags") else {
        return DEFAULT_IGNORED_TAGS.map(str::to_owned).to_vec();
    };
    let patterns: Vec<String> =
        texts("ignore_tags", entry, problems).into_iter().map(|(text, _)| text).collect();
    if patterns.len() > MAX_IGNORED {
        problems.push(
            Problem::error(Code::OutOfRange, entry.span(), format!("there are {} patterns", patterns.len()))
                .rule(format!("`ignore_tags` has at most {MAX_IGNORED} patterns.")),
        );
    }
    patterns
}

fn renamed_from(entry: &Entry, problems: &mut Problems<'_>) -> Option<EnvironmentName> {
    match scalar::text("renamed_from", &entry.node, entry.span()) {
        Ok(text) => {
            environment_name(text, entry.span(), "Write the name that the environment had.", problems)
        }
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

/// The codes of an `acknowledge` list and where each stands.
pub(super) fn acknowledged(entry: &Entry, problems: &mut Problems<'_>) -> BTreeMap<String, Span> {
    texts("acknowledge", entry, problems).into_iter().collect()
}

fn texts(name: &str, entry: &Entry, problems: &mut Problems<'_>) -> Vec<(String, Span)> {
    let items = scalar::list(name, entry).unwrap_or_else(|problem| {
        problems.push(problem);
        &[]
    });
    let mut found = Vec::new();
    for item in items {
        match scalar::text(name, item, item.span) {
            Ok(text) => found.push((text.to_owned(), item.span)),
            Err(problem) => problems.push(problem),
        }
    }
    found
}

/// The keys that may stand at the top.
fn known_keys() -> BTreeSet<&'static str> {
    let kinds = Kind::ALL.iter().filter(|kind| kind.written_inside().is_none()).map(|kind| kind.key());
    KEYS.iter().map(|(key, _)| *key).chain(kinds).collect()
}

fn report_unknown_keys(document: &[Entry], problems: &mut Problems<'_>) {
    let known = known_keys();
    for Entry { key, node } in document.iter().filter(|entry| !known.contains(entry.key.name.as_str())) {
        let problem = Problem::error(
            Code::UnknownField,
            key.span,
            format!("{} is not a key of a definition", quoted(&key.name)),
        )
        .rule("Every key is read; one that is not known would do nothing without a word.");
        let inside = Kind::from_key(&key.name).and_then(Kind::written_inside);
        problems.push(match (inside, meant(&key.name, &known)) {
            (Some(outer), _) => problem.remedy(format!("Write `{}` inside one of the `{outer}`.", key.name)),
            (None, Some(meant)) if is_required(meant) && get(document, meant).is_none() => {
                problem.remedy(did_you_mean(meant, node, None))
            }
            (None, Some(meant)) => problem.remedy(format!("Did you mean `{meant}`?")),
            (None, None) => problem.remedy("Remove it; `beamline schema` prints all keys."),
        });
    }
}

/// Whether no environment is without it.
fn is_required(key: &str) -> bool {
    ["beamline", "subscription", "location"].contains(&key)
        || Kind::from_key(key).is_some_and(Kind::is_single)
}
