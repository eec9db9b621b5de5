//! Rules that names of several types share.

use serde_json::{Value, json};

/// Whether `name` has between `least` and `most` characters, all of them allowed.
pub(super) fn fits(name: &str, least: usize, most: usize, allowed: impl Fn(char) -> bool) -> bool {
    (least..=most).contains(&name.len()) && name.chars().all(allowed)
}

pub(super) fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

pub(super) fn alphanumeric_or_hyphen(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

pub(super) fn lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Letters, digits, `-` and `_`, beginning with a letter or digit.
pub(super) fn word(name: &str, least: usize, most: usize) -> bool {
    fits(name, least, most, |c| alphanumeric_or_hyphen(c) || c == '_') && name.starts_with(alphanumeric)
}

/// The answer of a `checkNameAvailability`.
pub(super) fn available() -> Value {
    json!({ "nameAvailable": true })
}

/// The answer of a `checkNameAvailability` whose name cannot be had.
pub(super) fn unavailable(reason: &str, message: &str) -> Value {
    json!({ "nameAvailable": false, "reason": reason, "message": message })
}
