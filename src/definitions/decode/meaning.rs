//! What a refused value most likely means: the value to write in its place, which is then accepted. "Quote it." in
//! front of a bare `10` where a duration belongs only leads to the next error.

use jiff::{SignedDuration, Span as Duration};
use serde_json::{Map, Value};

use super::example::Examples;
use super::scalar;
use crate::definitions::document::{Entry, Node, NodeValue};
use crate::definitions::export::to_json;
use crate::definitions::references::Suggestions;
use crate::definitions::source::Span;
use crate::resources::suggest::nearest;
use crate::resources::{Field, Shape, WhenAbsent};

/// The value that `node` was meant as, where one is near and accepted.
pub(super) fn meant(field: &Field, node: &Node, examples: &Examples<'_>) -> Option<Value> {
    let value = read(field, node, examples)?;
    accepts(field, &value, node.span, examples).then_some(value)
}

fn read(field: &Field, node: &Node, examples: &Examples<'_>) -> Option<Value> {
    let name = field.name;
    let text = || word(node).map(Value::from);
    match field.shape {
        Shape::Bool => match word(node)?.to_lowercase().as_str() {
            "true" | "yes" | "on" | "y" | "t" | "1" | "enabled" | "enable" => Some(Value::Bool(true)),
            "false" | "no" | "off" | "n" | "f" | "0" | "disabled" | "disable" => Some(Value::Bool(false)),
            _ => None,
        },
        Shape::Integer { .. } => whole_number(&word(node)?, name).map(Value::from),
        Shape::Text { .. } | Shape::Guid | Shape::Word { .. } => text(),
        Shape::Choice(words) => nearest(&word(node)?, words.iter().copied()).map(Value::from),
        Shape::Duration { .. } => duration(&word(node)?).map(Value::from),
        Shape::Set { .. } | Shape::Prefixes => list(node),
        Shape::Reference(_) | Shape::Principal(_) => {
            if let NodeValue::Map(entries) = &node.value
                && let [entry] = entries.as_slice()
            {
                return word(&entry.node).map(Value::from);
            }
            text()
        }
        Shape::Object(fields) => object(fields, node, examples).map(Value::Object),
        Shape::Objects { .. } => {
            let NodeValue::Map(entries) = &node.value else { return None };
            Some(Value::from(vec![to_json(entries)]))
        }
    }
}

/// A value of one word as its file spells it, also the only one of a list.
fn word(node: &Node) -> Option<String> {
    match &node.value {
        NodeValue::Bool(value) => Some(value.to_string()),
        NodeValue::Integer(value) => Some(value.to_string()),
        NodeValue::Number(text) | NodeValue::Text(text) => Some(text.clone()),
        NodeValue::List(items) => match items.as_slice() {
            [item] if !matches!(item.value, NodeValue::List(_)) => word(item),
            _ => None,
        },
        NodeValue::Null | NodeValue::Map(_) => None,
    }
}

/// A word as a list of one; of a map its values, or its keys where the values only say yes.
fn list(node: &Node) -> Option<Value> {
    let NodeValue::Map(entries) = &node.value else { return word(node).map(|word| Value::from(vec![word])) };
    let is_marked = |entry: &Entry| matches!(entry.node.value, NodeValue::Null | NodeValue::Bool(true));
    if entries.iter().all(is_marked) {
        return Some(entries.iter().map(|entry| Value::from(entry.key.name.as_str())).collect());
    }
    entries.iter().map(|entry| word(&entry.node).map(Value::from)).collect()
}

/// A list of maps as one map; a word as the value of the field that knows it, else of the first that is required.
pub(super) fn object(fields: &[Field], node: &Node, examples: &Examples<'_>) -> Option<Map<String, Value>> {
    if let NodeValue::List(items) = &node.value
        && let [first, ..] = items.as_slice()
        && matches!(first.value, NodeValue::Map(_))
    {
        let mut all = Map::new();
        for item in items {
            let NodeValue::Map(entries) = &item.value else { return None };
            for (key, value) in to_json(entries).as_object()? {
                if all.insert(key.clone(), value.clone()).is_some() {
                    return None;
                }
            }
        }
        return Some(all);
    }
    let written = word(node)?;
    let known = fields.iter().find_map(|field| {
        let Shape::Choice(words) = field.shape else { return None };
        Some((field, nearest(&written, words.iter().copied())?))
    });
    let required = |field: &&Field| matches!(field.absent, WhenAbsent::Refused);
    let takes_word = |field: &&Field| matches!(field.shape, Shape::Text { .. } | Shape::Word { .. });
    let (field, value) = match known {
        Some((field, word)) => (field, word),
        None => (fields.iter().filter(required).find(takes_word)?, written.as_str()),
    };
    let mut object = examples.object(fields);
    object.insert(field.name.to_owned(), Value::from(value));
    Some(object)
}

/// Whether the field takes the value, as far as single values go.
fn accepts(field: &Field, value: &Value, at: Span, examples: &Examples<'_>) -> bool {
    let text = value.as_str().unwrap_or_default();
    match field.shape {
        Shape::Bool | Shape::Set { .. } | Shape::Prefixes | Shape::Object(_) | Shape::Objects { .. } => true,
        Shape::Integer { min, max } => value.as_i64().is_some_and(|value| (min..=max).contains(&value)),
        Shape::Text { max_chars, .. } => scalar::bounded(field.name, text, at, max_chars).is_ok(),
        Shape::Guid => scalar::guid(field.name, text, at).is_ok(),
        Shape::Choice(words) => words.contains(&text),
        Shape::Word { example } => scalar::word(field.name, text, at, example).is_ok(),
        Shape::Duration { min_secs, max_secs } => {
            scalar::duration(field.name, text, at, min_secs, max_secs).is_ok()
        }
        Shape::Reference(kinds) | Shape::Principal(kinds) => {
            examples.declared.resolve(text, kinds, at, Suggestions::Pointless).is_ok()
        }
    }
}

/// Numbers as words; the position is the number.
const SMALL: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// The tens above, from twenty.
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number as people write it in the field `name`: `2.0`, `1,000`, `two`, `twenty-four`, and `4 nodes` in a count of nodes.
fn whole_number(text: &str, name: &str) -> Option<i64> {
    let text = text.trim().to_lowercase();
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let unit = unit.trim_end_matches('s');
    if !unit.is_empty() && !name.contains(unit) {
        return None;
    }
    let whole = number.trim_end_matches('0').strip_suffix('.').unwrap_or(number);
    let is_grouped = |mark| whole.split(mark).skip(1).all(|group| group.len() == 3);
    let grouped = [',', '_'].into_iter().find(|mark| whole.contains(*mark) && is_grouped(*mark));
    let plain = grouped.map_or_else(|| whole.to_owned(), |mark| whole.replace(mark, ""));
    plain.parse().ok().or_else(|| spelt(number))
}

fn spelt(word: &str) -> Option<i64> {
    let place = |words: &[&str], word: &str| words.iter().position(|known| *known == word);
    let ten = |word| place(&TENS, word).map(|at| 20 + 10 * at);
    let (tens, rest) = word.split_once('-').unwrap_or((word, ""));
    let found = match place(&SMALL[1..10], rest) {
        Some(one) => ten(tens)? + one + 1,
        None if rest.is_empty() => place(&SMALL, word).or_else(|| ten(word))?,
        None => return None,
    };
    i64::try_from(found).ok()
}

/// A duration as people write it: `10` are minutes and `300` seconds, as `az ml` counts them, `15m`, `1h 30min`, `00:15:00`, `pt15m`.
fn duration(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let digits = |word: &str| match word {
        "a" | "an" => "1".to_owned(),
        word => spelt(word).map_or_else(|| word.to_owned(), |number| number.to_string()),
    };
    let text = text.split(' ').map(digits).collect::<Vec<_>>().join(" ");
    let span = if let Ok(number) = text.parse::<i32>() {
        match number {
            ..60 => SignedDuration::from_mins(number.into()),
            60.. => SignedDuration::from_secs(number.into()),
        }
    } else if let [hours, minutes, rest @ ..] = text.split(':').collect::<Vec<_>>().as_slice() {
        let seconds = rest.first().map_or(Some(0), |text| text.parse::<u32>().ok())?;
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        SignedDuration::from_hours(hours.into())
            + SignedDuration::from_mins(minutes.into())
            + SignedDuration::from_secs(seconds.into())
    } else {
        let span: Duration = text.parse().ok()?;
        let days = SignedDuration::from_hours(24 * i64::from(span.get_days()));
        span.days(0).to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()? + days
    };
    (span.is_positive()).then(|| scalar::iso(span.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_write_them_have_one_meaning() {
        for (text, expected) in [
            ("two", Some(2)),
            ("Twenty-Four", Some(24)),
            ("thirty", Some(30)),
            ("2.0", Some(2)),
            ("100", Some(100)),
            ("1,000", Some(1000)),
            ("1_000", Some(1000)),
            ("4 nodes", Some(4)),
            ("1,5", None),
            ("1.5", None),
            ("4 hours", None),
            ("twenty-ten", None),
            ("many", None),
        ] {
            assert_eq!(whole_number(text, "max_node_count"), expected, "{text}");
        }
    }

    #[test]
    fn durations_as_people_write_them_have_one_meaning() {
        for (text, expected) in [
            ("10", Some("PT10M")),
            ("300", Some("PT5M")),
            ("120", Some("PT2M")),
            ("15m", Some("PT15M")),
            ("15 minutes", Some("PT15M")),
            ("1h30m", Some("PT1H30M")),
            ("1h 30min", Some("PT1H30M")),
            ("90s", Some("PT1M30S")),
            ("00:15:00", Some("PT15M")),
            ("1:30", Some("PT1H30M")),
            ("pt15m", Some("PT15M")),
            ("1d", Some("P1D")),
            ("2 hours", Some("PT2H")),
            ("two hours", Some("PT2H")),
            ("an hour", Some("PT1H")),
            ("soon", None),
            ("0", None),
            ("-5", None),
        ] {
            assert_eq!(duration(text).as_deref(), expected, "{text}");
        }
    }
}
