//! The neutral tree → YAML and TOML text.
//!
//! What is written reads back as the same tree; what cannot be written so is refused. `serde_yaml` and
//! `toml` do the writing.

use ::toml::Value as TomlValue;
use serde_json::Value as JsonValue;
use serde_yaml::{Mapping, Value as YamlValue};

use super::document::{Entry, Node, NodeValue};

/// Why a document cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A text that would read back as something else.
    #[error("{0:?} cannot be written so that it reads back the same; write it in another way")]
    Text(String),
    /// A number that the format has no place for.
    #[error("{0} is not a number that the format can hold; write it as a text")]
    Number(String),
    /// The YAML writer refused the document.
    #[error("the document cannot be written as YAML; check it with `beamline validate`")]
    Yaml(#[source] serde_yaml::Error),
    /// The TOML writer refused the document.
    #[error("the document cannot be written as TOML; check it with `beamline validate`")]
    Toml(#[source] ::toml::ser::Error),
}

/// The document as YAML, in its own order.
///
/// # Errors
/// [`ExportError`] for the few texts that do not survive: a key `<<`, which is a merge, and the line
/// separators U+2028 and U+2029.
pub fn to_yaml(document: &[Entry]) -> Result<String, ExportError> {
    serde_yaml::to_string(&YamlValue::Mapping(yaml_map(document)?)).map_err(ExportError::Yaml)
}

/// The document as TOML, sorted by key. TOML has no `null`; it stands for an empty map and is written
/// as one.
///
/// # Errors
/// [`ExportError`] for numbers beyond 64 bits.
pub fn to_toml(document: &[Entry]) -> Result<String, ExportError> {
    ::toml::to_string(&toml_table(document)?).map_err(ExportError::Toml)
}

/// The document as JSON, for validation against the schema.
#[must_use]
pub fn to_json(document: &[Entry]) -> JsonValue {
    let member = |entry: &Entry| (entry.key.name.clone(), json(&entry.node));
    JsonValue::Object(document.iter().map(member).collect())
}

fn json(node: &Node) -> JsonValue {
    match &node.value {
        NodeValue::Null => JsonValue::Null,
        NodeValue::Bool(value) => JsonValue::from(*value),
        NodeValue::Integer(value) => JsonValue::from(*value),
        NodeValue::Number(text) => JsonValue::from(text.parse::<f64>().unwrap_or(f64::NAN)),
        NodeValue::Text(text) => JsonValue::from(text.as_str()),
        NodeValue::List(items) => items.iter().map(json).collect(),
        NodeValue::Map(entries) => to_json(entries),
    }
}

fn yaml(node: &Node) -> Result<YamlValue, ExportError> {
    Ok(match &node.value {
        NodeValue::Null => YamlValue::Null,
        NodeValue::Bool(value) => YamlValue::from(*value),
        NodeValue::Integer(value) => YamlValue::from(*value),
        NodeValue::Number(text) => YamlValue::from(float(text)?),
        NodeValue::Text(text) => YamlValue::from(yaml_text(text)?),
        NodeValue::List(items) => YamlValue::Sequence(items.iter().map(yaml).collect::<Result<_, _>>()?),
        NodeValue::Map(entries) => YamlValue::Mapping(yaml_map(entries)?),
    })
}

fn yaml_map(entries: &[Entry]) -> Result<Mapping, ExportError> {
    entries
        .iter()
        .map(|entry| match entry.key.name.as_str() {
            "<<" => Err(ExportError::Text("<<".to_owned())),
            name => Ok((YamlValue::from(yaml_text(name)?), yaml(&entry.node)?)),
        })
        .collect()
}

fn yaml_text(text: &str) -> Result<&str, ExportError> {
    if text.contains(['\u{2028}', '\u{2029}']) { Err(ExportError::Text(text.to_owned())) } else { Ok(text) }
}

fn toml(node: &Node) -> Result<TomlValue, ExportError> {
    Ok(match &node.value {
        NodeValue::Null => TomlValue::Table(::toml::Table::new()),
        NodeValue::Bool(value) => TomlValue::from(*value),
        NodeValue::Integer(value) => TomlValue::from(*value),
        NodeValue::Number(text) => TomlValue::from(float(text)?),
        NodeValue::Text(text) => TomlValue::from(text.as_str()),
        NodeValue::List(items) => TomlValue::Array(items.iter().map(toml).collect::<Result<_, _>>()?),
        NodeValue::Map(entries) => TomlValue::Table(toml_table(entries)?),
    })
}

fn toml_table(entries: &[Entry]) -> Result<::toml::Table, ExportError> {
    entries.iter().map(|entry| Ok((entry.key.name.clone(), toml(&entry.node)?))).collect()
}

fn float(text: &str) -> Result<f64, ExportError> {
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-_".contains(&byte));
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && !is_whole);
    value.ok_or_else(|| ExportError::Number(text.to_owned()))
}
