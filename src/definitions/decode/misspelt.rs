//! Which missing field a key was meant as that is near to none: `size` beside a missing `vm_size` is one mistake, and is
//! told as one. Only where a single missing field fits, and no other key fits it.

use crate::definitions::document::{Entry, NodeValue};
use crate::resources::{Field, Shape};

/// The missing field that `entry` was meant as, if no other is as near, and no other of the `unknown` keys is as near to
/// it. A value that only one of them knows says more than words.
pub(super) fn only(entry: &Entry, unknown: &[&Entry], missing: &[&Field]) -> Option<&'static str> {
    let by = |fits: fn(&Entry, &Field) -> bool| {
        let mut fitting = missing.iter().filter(|field| fits(entry, field));
        let (field, None) = (fitting.next()?, fitting.next()) else { return None };
        let is_rival = |other: &&Entry| other.key.span != entry.key.span && fits(other, field);
        (!unknown.iter().any(is_rival)).then_some(field.name)
    };
    by(knows_value).or_else(|| by(shares_word))
}

fn knows_value(entry: &Entry, field: &Field) -> bool {
    match (field.shape, &entry.node.value) {
        (Shape::Choice(words), NodeValue::Text(text)) => words.contains(&text.as_str()),
        _ => false,
    }
}

fn shares_word(entry: &Entry, field: &Field) -> bool {
    let known = words(field.name);
    words(&entry.key.name).iter().any(|word| known.contains(word))
}

/// The words of a key, in the singular; one of one or two letters says nothing.
fn words(key: &str) -> Vec<String> {
    let split = key.split(|c: char| !c.is_ascii_alphanumeric());
    let words = split.map(|word| word.to_ascii_lowercase().trim_end_matches('s').to_owned());
    words.filter(|word| word.len() > 2).collect()
}
