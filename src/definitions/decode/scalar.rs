//! Single values: the type first, then the form.

use jiff::{Span as Duration, SpanRelativeTo, Unit};
use serde_json::Value;

use crate::definitions::code::Code;
use crate::definitions::document::{Entry, Node, NodeValue};
use crate::definitions::notation::line;
use crate::definitions::problem::{Problem, one_of, quoted};
use crate::definitions::source::Span;
use crate::resources::suggest::nearest;

/// A boolean.
pub(super) fn boolean(name: &str, node: &Node, span: Span) -> Result<bool, Problem> {
    let word = match &node.value {
        NodeValue::Bool(value) => return Ok(*value),
        NodeValue::Text(text) => text.to_lowercase(),
        NodeValue::Null
        | NodeValue::Integer(_)
        | NodeValue::Number(_)
        | NodeValue::List(_)
        | NodeValue::Map(_) => String::new(),
    };
    let write = |value: bool| format!("Write {}, without quotes.", line(name, &Value::from(value)));
    let remedy = match word.as_str() {
        "true" | "yes" | "on" | "y" => write(true),
        "false" | "no" | "off" | "n" => write(false),
        _ => "Write `true` or `false`, without quotes.".to_owned(),
    };
    Err(wrong_type(name, node, span, "a boolean").remedy(remedy))
}

/// A whole number within bounds.
pub(super) fn integer(name: &str, node: &Node, span: Span, min: i64, max: i64) -> Result<i64, Problem> {
    let out_of_range = |text: &str| {
        Problem::error(Code::OutOfRange, span, format!("`{name}` is {}, out of its range", quoted(text)))
            .rule(format!("It is a whole number from {min} to {max}."))
            .remedy(format!("Write a number from {min} to {max}."))
    };
    match &node.value {
        NodeValue::Integer(value) if (min..=max).contains(value) => Ok(*value),
        NodeValue::Integer(value) => Err(out_of_range(&value.to_string())),
        NodeValue::Number(text) if text.bytes().all(|b| b.is_ascii_digit() || b"+-_".contains(&b)) => {
            Err(out_of_range(text))
        }
        NodeValue::Number(text) => {
            let message = format!("`{name}` is {}, which is not a whole number", quoted(text));
            Err(Problem::error(Code::WrongType, span, message)
                .rule(format!("It is a whole number from {min} to {max}.")))
        }
        NodeValue::Text(text) if text.parse::<i64>().is_ok() => {
            Err(wrong_type(name, node, span, "a number").remedy("Remove the quotes."))
        }
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Text(_)
        | NodeValue::List(_)
        | NodeValue::Map(_) => Err(wrong_type(name, node, span, "a number")
            .remedy(format!("Write a whole number from {min} to {max}."))),
    }
}

/// A text.
pub(super) fn text<'a>(name: &str, node: &'a Node, span: Span) -> Result<&'a str, Problem> {
    match &node.value {
        NodeValue::Text(text) => Ok(text),
        NodeValue::Number(number) => {
            let message = format!("`{name}` is a number ({}), not a text", quoted(number));
            Err(Problem::error(Code::WrongType, span, message)
                .rule("A number may be written back differently than it was read.")
                .remedy(format!("Quote it: \"{number}\".")))
        }
        NodeValue::Bool(_) | NodeValue::Integer(_) => {
            let written = match &node.value {
                NodeValue::Bool(value) => value.to_string(),
                NodeValue::Integer(value) => value.to_string(),
                NodeValue::Null
                | NodeValue::Number(_)
                | NodeValue::Text(_)
                | NodeValue::List(_)
                | NodeValue::Map(_) => String::new(),
            };
            let quoted = line(name, &Value::from(written));
            Err(wrong_type(name, node, span, "a text").remedy(format!("Quote it: {quoted}.")))
        }
        NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => {
            Err(wrong_type(name, node, span, "a text").remedy("Write a text."))
        }
    }
}

/// A list.
pub(super) fn list<'a>(name: &str, entry: &'a Entry) -> Result<&'a [Node], Problem> {
    match &entry.node.value {
        NodeValue::List(items) => Ok(items),
        NodeValue::Text(text) => {
            let listed = line(name, &Value::from(vec![text.as_str()]));
            let problem = wrong_type(name, &entry.node, entry.span(), "a list");
            Err(problem.remedy(format!("Write a list: {listed}.")))
        }
        NodeValue::Map(entries) => {
            let keys: Vec<&str> = entries.iter().map(|entry| entry.key.name.as_str()).collect();
            let problem = wrong_type(name, &entry.node, entry.span(), "a list");
            Err(problem.remedy(format!("Write a list: {}.", line(name, &Value::from(keys)))))
        }
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Integer(_) | NodeValue::Number(_) => {
            Err(wrong_type(name, &entry.node, entry.span(), "a list").remedy("Write a list: `[a, b]`."))
        }
    }
}

/// A map; nothing after the colon is an empty one.
pub(super) fn map<'a>(name: &str, entry: &'a Entry) -> Result<&'a [Entry], Problem> {
    match &entry.node.value {
        NodeValue::Map(entries) => Ok(entries),
        NodeValue::Null => Ok(&[]),
        NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Number(_)
        | NodeValue::Text(_)
        | NodeValue::List(_) => Err(wrong_type(name, &entry.node, entry.span(), "a map")
            .remedy("Write the fields below it, one a line and indented, or between `{` and `}`.")),
    }
}

/// A word of a fixed list, in exactly this casing.
pub(super) fn choice(name: &str, text: &str, span: Span, words: &[&str]) -> Result<(), Problem> {
    if words.contains(&text) {
        return Ok(());
    }
    let problem =
        Problem::error(Code::UnknownValue, span, format!("{} is not a value of `{name}`", quoted(text)))
            .rule(format!("It is one of {}.", one_of(words)));
    Err(match nearest(text, words.iter().copied()) {
        Some(meant) => problem.remedy(format!("Did you mean `{meant}`?")),
        None => problem.remedy("Write one of these, in this casing."),
    })
}

/// A text of at most so many characters.
pub(super) fn bounded(name: &str, text: &str, span: Span, max_chars: usize) -> Result<(), Problem> {
    let chars = text.chars().count();
    if chars <= max_chars {
        return Ok(());
    }
    Err(Problem::error(Code::OutOfRange, span, format!("`{name}` has {chars} characters"))
        .rule(format!("It has at most {max_chars} characters."))
        .remedy("Shorten it."))
}

/// A GUID in its usual form.
pub(super) fn guid(name: &str, text: &str, span: Span) -> Result<(), Problem> {
    if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() {
        return Ok(());
    }
    Err(invalid(name, text, span).rule("It is a GUID: `4f8c2a86-6d0e-4c1b-9a53-2f7f1f3f6a10`."))
}

/// Longest word: full ARM ids are words too.
const MAX_WORD_BYTES: usize = 2048;

/// One word without spaces.
pub(super) fn word(name: &str, text: &str, span: Span, example: &str) -> Result<(), Problem> {
    if !text.is_empty()
        && text.len() <= MAX_WORD_BYTES
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Ok(());
    }
    Err(invalid(name, text, span).rule(format!("It is a word like `{example}`.")))
}

/// An ISO-8601 duration within bounds.
pub(super) fn duration(
    name: &str,
    text: &str,
    span: Span,
    min_secs: i64,
    max_secs: i64,
) -> Result<(), Problem> {
    let (shortest, longest) = (iso(min_secs), iso(max_secs));
    let rule = format!("It is an ISO-8601 duration from {shortest} to {longest}, such as PT15M or PT1H.");
    let parsed = if text.starts_with('P') { text.parse::<Duration>().ok() } else { None };
    // Months and years have no length of their own, and Azure takes none here.
    let seconds =
        parsed.and_then(|parsed| parsed.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok());
    match seconds {
        None => Err(invalid(name, text, span)
            .rule(rule)
            .remedy("Write hours and minutes: `PT1H30M` is an hour and a half.")),
        Some(seconds) if seconds < min_secs as f64 || seconds > max_secs as f64 => Err(Problem::error(
            Code::OutOfRange,
            span,
            format!("`{name}` is {}, out of its range", quoted(text)),
        )
        .rule(rule)
        .remedy(format!("Write a duration from {shortest} to {longest}."))),
        Some(_) => Ok(()),
    }
}

/// Seconds as an ISO-8601 duration.
pub(super) fn iso(seconds: i64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let parts = [(rest / 3600, 'H'), (rest % 3600 / 60, 'M'), (rest % 60, 'S')];
    let time: String = parts.iter().filter(|(n, _)| *n != 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    match (days, time.as_str()) {
        (0, "") => "PT0S".to_owned(),
        (0, time) => format!("PT{time}"),
        (days, "") => format!("P{days}D"),
        (days, time) => format!("P{days}DT{time}"),
    }
}

/// The problem of a value of another type.
pub(super) fn wrong_type(name: &str, node: &Node, span: Span, expected: &str) -> Problem {
    let message = match &node.value {
        NodeValue::Null => format!("`{name}` has no value"),
        NodeValue::Bool(value) => format!("`{name}` is a boolean (`{value}`), not {expected}"),
        NodeValue::Integer(value) => format!("`{name}` is a number (`{value}`), not {expected}"),
        NodeValue::Text(value) => format!("`{name}` is a text ({}), not {expected}", quoted(value)),
        NodeValue::Number(_) | NodeValue::List(_) | NodeValue::Map(_) => {
            format!("`{name}` is {}, not {expected}", node.noun())
        }
    };
    Problem::error(Code::WrongType, span, message).rule(format!("It is {expected}."))
}

/// The problem of a text in another form.
pub(super) fn invalid(name: &str, text: &str, span: Span) -> Problem {
    Problem::error(Code::InvalidValue, span, format!("{} is not a value of `{name}`", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definitions::source::FileId;

    #[test]
    fn durations_are_measured_not_compared_as_text() {
        let at = Span::start_of(FileId(0));
        let within = |text: &str| duration("d", text, at, 300, 86_400);
        for text in ["PT5M", "PT300S", "PT24H", "P1D", "PT0H5M"] {
            assert!(within(text).is_ok(), "{text}");
        }
        for text in ["PT4M59S", "P1DT1S", "P1M", "5m", "15 minutes", "PT", "", "-PT1H", "PT1H PT1H"] {
            assert!(within(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_full_arm_id_is_a_word_and_a_sentence_is_not() {
        let at = Span::start_of(FileId(0));
        let id = format!("/subscriptions/{0}/resourceGroups/{0}/providers/Microsoft.X/y/{0}", "x".repeat(60));
        assert!(word("w", &id, at, "Standard_D4s_v3").is_ok());
        for text in ["", "two words", "line\n", &"x".repeat(MAX_WORD_BYTES + 1)] {
            assert!(word("w", text, at, "Standard_D4s_v3").is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_have_a_short_text() {
        for (seconds, text) in
            [(0, "PT0S"), (900, "PT15M"), (5400, "PT1H30M"), (86_400, "P1D"), (90_000, "P1DT1H")]
        {
            assert_eq!(iso(seconds), text);
        }
    }
}
