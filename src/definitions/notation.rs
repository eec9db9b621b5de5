//! Advice in the notation of the file that it is about.
//!
//! Rules and remedies are written once, in YAML, those of the catalog too, which knows no files: each line that one
//! shows in backquotes is shown in TOML where it is about a TOML file. Pasted as it stands, YAML is no TOML, and the
//! reverse.

use serde_json::Value;

use super::export::to_json;
use super::layout::Syntax;
use super::load::read_document;
use super::source::SourceFile;

/// A key with its value, as advice shows it.
pub(super) fn line(key: &str, value: &Value) -> String {
    format!("`{}: {}`", yaml_key(key), yaml(value))
}

/// The advice for a file of this syntax.
pub(super) fn advice(text: &str, syntax: Syntax) -> String {
    if syntax == Syntax::Yaml {
        return text.to_owned();
    }
    let parts = text.split('`').enumerate();
    let parts =
        parts.map(|(at, part)| if at % 2 == 1 { in_toml(part) } else { None }.unwrap_or(part.to_owned()));
    parts.collect::<Vec<_>>().join("`")
}

/// A line of YAML in TOML; what opens a map is its key there. `None` for what is no line of YAML.
fn in_toml(text: &str) -> Option<String> {
    let (key, rest) = text.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.\"".contains(c));
    if !is_key || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let document = read_document(&SourceFile::from_bytes("advice.yaml", text.as_bytes())).ok()?;
    let [entry] = document.as_slice() else { return None };
    let key = toml_key(&entry.key.name);
    let value = &to_json(&document)[&entry.key.name];
    Some(if value.is_null() { key } else { format!("{key} = {}", toml(value)) })
}

impl Syntax {
    /// Advice that is written in YAML, for a file of this notation.
    #[must_use]
    pub fn advice(self, text: &str) -> String {
        advice(text, self)
    }

    /// Whether it is YAML, in which advice is written.
    #[must_use]
    pub fn is_yaml(&self) -> bool {
        *self == Self::Yaml
    }
}

fn yaml(value: &Value) -> String {
    let pair = |(key, value): (&String, &Value)| format!("{}: {}", yaml_key(key), yaml(value));
    match value {
        Value::Array(items) => format!("[{}]", joined(items.iter().map(yaml))),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => format!("{{ {} }}", joined(fields.iter().map(pair))),
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn toml(value: &Value) -> String {
    let pair = |(key, value): (&String, &Value)| format!("{} = {}", toml_key(key), toml(value));
    match value {
        Value::Array(items) => format!("[{}]", joined(items.iter().map(toml))),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => format!("{{ {} }}", joined(fields.iter().map(pair))),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn yaml_key(key: &str) -> String {
    if is_plain(key) { key.to_owned() } else { Value::from(key).to_string() }
}

fn toml_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if is_bare { key.to_owned() } else { Value::from(key).to_string() }
}

/// Whether YAML takes the text for itself without quotes: a letter, and nothing that means anything.
fn is_plain(text: &str) -> bool {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./ ".contains(c))
        && !text.ends_with(' ')
        && !words.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_the_notation_of_the_file_and_other_words_as_they_are() {
        for (text, expected) in [
            ("Write `a_b: 1`.", "Write `a_b = 1`."),
            ("Write `a-b:`; that is it.", "Write `a-b`; that is it."),
            ("`x: { a.b: [{ c: d e }] }`", r#"`x = { "a.b" = [{ c = "d e" }] }`"#),
            ("`cron: \"0 18 * * 1-5\"` or `x`", r#"`cron = "0 18 * * 1-5"` or `x`"#),
            (
                "`https://x.example/y`, `10:00`, `a: {`, `a b: c`",
                "`https://x.example/y`, `10:00`, `a: {`, `a b: c`",
            ),
            ("one ` alone: x", "one ` alone: x"),
        ] {
            assert_eq!(advice(text, Syntax::Toml), expected);
            assert_eq!(advice(text, Syntax::Yaml), text);
        }
    }
}
