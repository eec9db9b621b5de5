//! Rules for address prefixes, which a network and its subnets share.

use serde_json::Value;

use super::finding::Finding;
use super::normalise::Prefix;
use super::resource::Resource;

/// The prefixes of a field that can be read.
pub(crate) fn of(resource: &Resource, field: &str) -> Vec<Prefix> {
    texts(resource, field).filter_map(Prefix::parse).collect()
}

/// Prefixes that are none, that have bits beyond their length, or that overlap one another.
pub(crate) fn check(resource: &Resource, field: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: Vec<Prefix> = Vec::new();
    for text in texts(resource, field) {
        match Prefix::parse(text).filter(|prefix| prefix.first() == prefix.address) {
            None => findings.push(invalid(field, text)),
            Some(prefix) => {
                if let Some(other) = seen.iter().find(|other| other.overlaps(prefix)) {
                    findings.push(Finding::error(
                        "overlapping-prefixes",
                        field,
                        &format!("{text} overlaps {other}"),
                        "the ranges of a network or subnet have no address in common",
                        "drop one of them, or make them smaller",
                    ));
                }
                seen.push(prefix);
            }
        }
    }
    findings
}

fn invalid(field: &str, text: &str) -> Finding {
    let remedy = match Prefix::parse(text) {
        Some(prefix) => format!("write `{}/{}`", prefix.first(), prefix.bits),
        None => "write an address, a slash and a number of bits, such as `10.1.0.0/16`".to_owned(),
    };
    Finding::error(
        "invalid-prefix",
        field,
        &format!("`{text}` is not an address range"),
        "an address range is the first address of a network, a slash and the length of its prefix",
        &remedy,
    )
}

fn texts<'a>(resource: &'a Resource, field: &str) -> impl Iterator<Item = &'a str> {
    resource.field(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}
