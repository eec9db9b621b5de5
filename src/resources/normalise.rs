//! Equality as Azure means it.
//!
//! Azure answers in another casing, order, unit and address form than it was asked in, and all of that
//! means nothing. Everything that decides whether two values are the same decides it here; a field
//! that "differs" although nobody changed it is a bug of this file or of the field's row.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use jiff::{Span, SpanRelativeTo, Unit};
use serde_json::Value;
use uuid::Uuid;

use super::field::Shape;

/// A region in ARM's short form: `East US` and `EastUS` are `eastus`.
#[must_use]
pub fn location(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether `value` is one of the ways in which Azure says "there is none".
#[must_use]
pub fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The length of an ISO-8601 duration in seconds; `None` when the text is not one, or is counted in
/// months or years, whose length is not fixed.
#[must_use]
pub fn duration_secs(text: &str) -> Option<i64> {
    let span: Span = text.parse().ok()?;
    if span.get_months() != 0 || span.get_years() != 0 {
        return None;
    }
    let secs = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    // Far inside the range in which every whole f64 is an i64: jiff bounds a span to 10^4 years.
    #[expect(clippy::cast_possible_truncation, reason = "bounded by jiff, and truncated on purpose")]
    Some(secs.trunc() as i64)
}

/// An IP network, `address/bits`; host bits are kept, because Azure refuses them instead of clearing
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    /// The address before the slash.
    pub address: IpAddr,
    /// The number after it.
    pub bits: u8,
}

impl Prefix {
    /// Reads a prefix; `None` when the text is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        (bits <= Self::width(address)).then_some(Self { address, bits })
    }

    /// The first address of the network.
    #[must_use]
    pub fn first(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - self.bits)).unwrap_or(0);
                IpAddr::from((u32::from(address) & mask).to_be_bytes())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - self.bits)).unwrap_or(0);
                IpAddr::from((u128::from(address) & mask).to_be_bytes())
            }
        }
    }

    /// Whether `other` lies inside `self` (or is it).
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.bits <= other.bits
            && Self::width(self.address) == Self::width(other.address)
            && Self { bits: self.bits, ..other }.first() == self.first()
    }

    /// Whether the two share an address. Two networks overlap only if one contains the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    fn width(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether two values of a field are the same to Azure. Objects and lists of objects are compared
/// field by field by [`super::difference`]; here they are the same when they are equal as JSON.
#[must_use]
pub fn same(shape: Shape, one: &Value, other: &Value) -> bool {
    if is_nothing(one) && is_nothing(other) {
        return true;
    }
    match shape {
        Shape::Bool | Shape::Text { .. } | Shape::Object(_) | Shape::Objects { .. } => one == other,
        Shape::Integer { .. } => one == other || (one.is_number() && one.as_f64() == other.as_f64()),
        Shape::Guid => same_by(one, other, |text| Uuid::parse_str(text).ok().map(|guid| guid.to_string())),
        Shape::Choice(_) | Shape::Word { .. } => same_by(one, other, folded),
        Shape::Reference(_) | Shape::Principal(_) => {
            same_by(one, other, |text| folded(text.strip_suffix('/').unwrap_or(text)))
        }
        Shape::Duration { .. } => {
            same_by(one, other, |text| duration_secs(text).map(|secs| secs.to_string()))
        }
        Shape::Set { .. } => set(one, folded).is_some_and(|set_one| Some(set_one) == set(other, folded)),
        Shape::Prefixes => {
            let prefix = |text: &str| match Prefix::parse(text) {
                Some(prefix) => Some(prefix.to_string()),
                None => folded(text),
            };
            set(one, prefix).is_some_and(|set_one| Some(set_one) == set(other, prefix))
        }
    }
}

/// Whether two JSON values are the same but for casing, the order of lists of texts, and the ways of
/// saying "none". Used where no field's row is at hand.
#[must_use]
pub fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        _ if is_nothing(one) && is_nothing(other) => true,
        (Value::String(one), Value::String(other)) => one.eq_ignore_ascii_case(other),
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(ones), Value::Array(others)) => match (set(one, folded), set(other, folded)) {
            (Some(one), Some(other)) => one == other,
            _ => ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| alike(one, other)),
        },
        (Value::Object(ones), Value::Object(others)) => {
            let within = |inner: &serde_json::Map<String, Value>, outer: &serde_json::Map<String, Value>| {
                inner.iter().all(|(key, value)| {
                    let found = outer.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
                    alike(value, found.map_or(&Value::Null, |(_, value)| value))
                })
            };
            within(ones, others) && within(others, ones)
        }
        _ => one == other,
    }
}

/// Whether `text` matches a pattern in which `*` stands for any run of characters; casing means
/// nothing, because tag names have none in Azure.
#[must_use]
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Never `None`: it has the shape of the other canonical forms, which can fail.
#[expect(clippy::unnecessary_wraps, reason = "passed where a canonical form may not exist")]
fn folded(text: &str) -> Option<String> {
    Some(text.to_ascii_lowercase())
}

fn same_by(one: &Value, other: &Value, canonical: impl Fn(&str) -> Option<String>) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => {
            one.eq_ignore_ascii_case(other) || canonical(one).is_some_and(|one| Some(one) == canonical(other))
        }
        _ => one == other,
    }
}

/// The canonical forms of a list of texts; `null` is the empty list, a single text a list of one.
fn set(value: &Value, canonical: impl Fn(&str) -> Option<String>) -> Option<BTreeSet<String>> {
    match value {
        Value::Null => Some(BTreeSet::new()),
        Value::String(text) => canonical(text).map(|text| BTreeSet::from([text])),
        Value::Array(items) => items.iter().map(|item| item.as_str().and_then(&canonical)).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DURATION: Shape = Shape::Duration { min_secs: 0, max_secs: i64::MAX };
    const SET: Shape = Shape::Set { max: 9 };

    #[test]
    fn what_azure_answers_differently_is_the_same() {
        for (shape, one, other) in [
            (Shape::Word { example: "" }, json!("Standard_D4s_v3"), json!("STANDARD_D4S_V3")),
            (Shape::Choice(&["None"]), json!("None"), json!("none")),
            (
                Shape::Guid,
                json!("4f8c2a866d0e4c1b9a532f7f1f3f6a10"),
                json!("4F8C2A86-6D0E-4C1B-9A53-2F7F1F3F6A10"),
            ),
            (DURATION, json!("PT60M"), json!("PT1H")),
            (DURATION, json!("PT900S"), json!("PT15M")),
            (DURATION, json!("P1D"), json!("PT24H")),
            (SET, json!(["a", "b"]), json!(["B", "A"])),
            (SET, json!([]), json!(null)),
            (Shape::Prefixes, json!(["10.1.0.0/16", "fd00::/64"]), json!(["FD00:0::/64", "10.1.0.0/16"])),
            (Shape::Prefixes, json!(["10.1.1.0/24"]), json!("10.1.1.0/24")),
            (Shape::Integer { min: 0, max: 9 }, json!(4), json!(4.0)),
            (Shape::Text { max_chars: 9, example: None }, json!(""), json!(null)),
            (Shape::Reference(&[]), json!("/subscriptions/A/x"), json!("/SUBSCRIPTIONS/a/x/")),
        ] {
            assert!(same(shape, &one, &other), "{one} is not {other}");
        }
    }

    #[test]
    fn what_differs_is_not_the_same() {
        for (shape, one, other) in [
            (Shape::Text { max_chars: 9, example: None }, json!("a"), json!("A")),
            (DURATION, json!("PT15M"), json!("PT16M")),
            (DURATION, json!("P1M"), json!("P30D")),
            (SET, json!(["a"]), json!(["a", "b"])),
            (SET, json!([1]), json!([1, 2])),
            (Shape::Bool, json!(false), json!(null)),
            (Shape::Guid, json!("x"), json!("y")),
            (Shape::Prefixes, json!(["10.1.0.0/16"]), json!(["10.1.0.0/17"])),
        ] {
            assert!(!same(shape, &one, &other), "{one} is {other}");
        }
    }

    #[test]
    fn a_location_has_one_form() {
        assert_eq!(location("South Central US"), "southcentralus");
    }

    #[test]
    fn prefixes_know_what_lies_inside() {
        let prefix = |text| Prefix::parse(text).unwrap();
        assert!(prefix("10.1.0.0/16").contains(prefix("10.1.255.0/24")));
        assert!(!prefix("10.1.0.0/16").contains(prefix("10.2.0.0/24")));
        assert!(prefix("10.1.1.0/25").overlaps(prefix("10.1.1.0/24")));
        assert!(!prefix("10.1.1.0/25").overlaps(prefix("10.1.1.128/25")));
        assert!(prefix("0.0.0.0/0").contains(prefix("10.0.0.0/8")));
        assert!(prefix("fd00::/8").contains(prefix("fd12::/64")));
        assert!(!prefix("::/0").contains(prefix("10.0.0.0/8")));
        for text in ["10.1.0.0", "10.1.0.0/33", "10.1.0/16", "x/1", "fd00::/129", "10.0.0.0/-1"] {
            assert_eq!(Prefix::parse(text), None, "{text} was accepted");
        }
    }

    #[test]
    fn patterns_of_tags_have_stars() {
        for (pattern, text) in
            [("a", "A"), ("*", ""), ("cost-*", "Cost-Center"), ("*x*y", "axby"), ("a*", "a")]
        {
            assert!(matches_pattern(pattern, text), "{pattern} misses {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*b", "a"), ("cost-*", "costs"), ("", "a"), ("ab*ba", "aba")] {
            assert!(!matches_pattern(pattern, text), "{pattern} takes {text}");
        }
    }

    #[test]
    fn bodies_are_alike_whatever_their_casing() {
        let one = json!({ "Id": "/A/b", "list": ["x", "y"], "none": null, "n": 1 });
        assert!(alike(&one, &json!({ "id": "/a/B", "list": ["Y", "X"], "n": 1.0, "other": [] })));
        assert!(!alike(&one, &json!({ "id": "/a/B", "list": ["Y"], "n": 1 })));
    }
}
