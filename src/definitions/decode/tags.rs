//! Tags: names to texts, as Azure accepts them.
//!
//! Limits: Azure Resource Manager, "Use tags to organize your Azure resources", section Limitations.

use std::collections::BTreeMap;

use serde_json::json;

use super::scalar;
use crate::definitions::code::Code;
use crate::definitions::document::Entry;
use crate::definitions::notation::line;
use crate::definitions::problem::{Problem, Problems, quoted};
use crate::definitions::source::Span;
use crate::resources::mark::{ADDRESS_KEY, MARK_KEY, SEAL_KEY, SUBNET_KEY_PREFIX};

/// Azure allows 50 tags on a resource; two are the mark's.
const MAX_TAGS: usize = 48;

/// Longest name of a tag, in characters. Azure allows 512, but 128 on a storage account, and every
/// resource inherits the environment's tags.
const MAX_NAME_CHARS: usize = 128;

/// Longest value of a tag, in characters.
const MAX_VALUE_CHARS: usize = 256;

/// Reads the tags of the environment or of a resource.
pub(super) fn decode(entry: &Entry, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let entries = match scalar::map("tags", entry) {
        Ok(entries) => entries,
        Err(problem) => {
            let such = line("tags", &json!({ "team": "data-science" }));
            problems.push(problem.remedy(format!("Write the name and the value of each, such as {such}.")));
            return tags;
        }
    };
    if entries.len() > MAX_TAGS {
        problems.push(
            Problem::error(Code::OutOfRange, entry.span(), format!("there are {} tags", entries.len()))
                .rule(format!(
                    "Azure allows 50 tags on a resource, and beamline needs two: {MAX_TAGS} are left."
                ))
                .remedy("Remove some."),
        );
    }
    for tag in entries {
        match one(tag) {
            Ok(value) => insert(&mut tags, tag, value, problems),
            Err(problem) => problems.push(problem),
        }
    }
    tags
}

/// The dotted path of a tag.
pub(super) fn path(name: &str) -> String {
    format!("tags.{name}")
}

/// Where each tag is written.
pub(super) fn places(entry: &Entry) -> impl Iterator<Item = (String, Span)> {
    let tags = scalar::map("tags", entry).unwrap_or_default();
    tags.iter().map(|tag| (path(&tag.key.name), tag.span()))
}

/// The tags of a resource: the environment's, and its own over them. Azure does not tell tag names
/// apart by casing.
pub(super) fn inherit(
    environment: &BTreeMap<String, String>,
    own: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let is_own = |name: &str| own.keys().any(|key| key.eq_ignore_ascii_case(name));
    let mut tags: BTreeMap<String, String> = environment
        .iter()
        .filter(|(name, _)| !is_own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    tags.extend(own);
    tags
}

fn insert(tags: &mut BTreeMap<String, String>, tag: &Entry, value: &str, problems: &mut Problems<'_>) {
    let name = &tag.key.name;
    if let Some(other) = tags.keys().find(|key| key.eq_ignore_ascii_case(name)) {
        let message =
            format!("the tags {} and {} are one and the same to Azure", quoted(other), quoted(name));
        problems.push(
            Problem::error(Code::DuplicateKey, tag.key.span, message)
                .rule("Azure does not tell tag names apart by casing.")
                .remedy("Remove one of them."),
        );
    } else {
        tags.insert(name.clone(), value.to_owned());
    }
}

fn one(tag: &Entry) -> Result<&str, Problem> {
    let name = tag.key.name.as_str();
    let refused = |rule: &str| {
        Problem::error(
            Code::InvalidName,
            tag.key.span,
            format!("{} cannot be the name of a tag", quoted(name)),
        )
        .rule(rule)
        .remedy("Give the tag another name.")
    };
    if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(refused(&format!("A tag's name has 1 to {MAX_NAME_CHARS} characters.")));
    }
    if name.contains(|c: char| r"<>%&\?/".contains(c) || c.is_control()) {
        return Err(refused(r"A tag's name has none of `<`, `>`, `%`, `&`, `\`, `?` and `/`."));
    }
    let folded = name.to_ascii_lowercase();
    if ["microsoft", "azure", "windows"].iter().any(|prefix| folded.starts_with(prefix)) {
        return Err(refused(
            "Names that begin with `microsoft`, `azure` or `windows` are reserved by Azure.",
        ));
    }
    if [MARK_KEY, ADDRESS_KEY, SEAL_KEY].contains(&folded.as_str()) || folded.starts_with(SUBNET_KEY_PREFIX) {
        return Err(refused("beamline's own mark stands in this tag."));
    }
    let value = scalar::text(name, &tag.node, tag.span())?;
    scalar::bounded(name, value, tag.span(), MAX_VALUE_CHARS)?;
    Ok(value)
}
