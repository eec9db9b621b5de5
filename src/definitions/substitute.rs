//! Fills in `${environment}`, the one variable there is, in every text of a document.
//!
//! `$${` stands for `${` itself. Keys are left alone: they are names that other parts refer to.

use serde_json::Value;

use super::code::Code;
use super::document::{Entry, Node, NodeValue};
use super::notation::line;
use super::problem::{Problem, Problems, quoted};
use crate::resources::suggest::nearest;

/// The one variable.
pub(super) const VARIABLE: &str = "environment";

/// What people call the environment who do not know what it is called here.
const SYNONYMS: [&str; 6] = [VARIABLE, "env", "environment_name", "beamline_environment", "name", "stage"];

/// Replaces the variable by `name` in all texts below `entries`.
pub(super) fn substitute(entries: &mut [Entry], name: &str, problems: &mut Problems<'_>) {
    for entry in entries {
        let key = entry.key.name.clone();
        in_node(&mut entry.node, Some(&key), name, problems);
    }
}

/// `key` is that of the node itself; what is in a list has none.
fn in_node(node: &mut Node, key: Option<&str>, name: &str, problems: &mut Problems<'_>) {
    match &mut node.value {
        NodeValue::Text(text) if text.contains("${") => match replaced(text, name) {
            Ok(done) => *text = done,
            Err(unknown) => problems.push(
                Problem::error(
                    Code::UnknownVariable,
                    node.span,
                    format!("{} is not known", quoted(&unknown)),
                )
                .rule(
                    "The placeholders are: `${environment}`, the name of the environment. There is no other.",
                )
                .remedy(remedy(&unknown, text, key)),
            ),
        },
        NodeValue::List(items) => items.iter_mut().for_each(|item| in_node(item, None, name, problems)),
        NodeValue::Map(entries) => substitute(entries, name, problems),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Number(_)
        | NodeValue::Text(_) => {}
    }
}

/// What to write in place of `text`, of which the placeholder `unknown` is none.
fn remedy(unknown: &str, text: &str, key: Option<&str>) -> String {
    let Some(right) = meant(unknown) else {
        return "Write the value itself, or `$${` for the two characters `${`.".to_owned();
    };
    let right = text.replacen(unknown, &right, 1);
    let shown = match key {
        Some(key) => line(key, &Value::from(right)),
        None => format!("`{}`", Value::from(right)),
    };
    format!("Did you mean `${{{VARIABLE}}}`? Write {shown}.")
}

/// The placeholder that was meant, with what follows it where nothing closes the wrong one.
fn meant(unknown: &str) -> Option<String> {
    let inner = unknown.strip_prefix("${")?;
    let is_word = |c: char| c.is_alphanumeric() || "_-. ".contains(c);
    let end = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
    let (word, rest) = inner.split_at(end);
    let right = format!("${{{VARIABLE}}}");
    if rest == "}" {
        return nearest(word.trim(), SYNONYMS).map(|_| right);
    }
    let unclosed = inner.strip_prefix(VARIABLE)?;
    Some(format!("{right}{unclosed}"))
}

/// The text with its variables filled in, or the variable that is not known.
fn replaced(text: &str, name: &str) -> Result<String, String> {
    let mut done = String::with_capacity(text.len() + name.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            done.push_str(before);
            done.push_str("${");
            rest = &found[2..];
            continue;
        }
        done.push_str(before);
        let Some(end) = found.find('}') else { return Err(found.to_owned()) };
        if &found[2..end] != VARIABLE {
            return Err(found[..=end].to_owned());
        }
        done.push_str(name);
        rest = &found[end + 1..];
    }
    done.push_str(rest);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_replaced_and_an_escaped_one_is_not() {
        for (text, expected) in [
            ("rg-${environment}", Ok("rg-dev")),
            ("${environment}${environment}", Ok("devdev")),
            ("$${environment}-${environment}", Ok("${environment}-dev")),
            ("costs $5 {x}", Ok("costs $5 {x}")),
            ("${env}", Err("${env}")),
            ("${environment", Err("${environment")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(replaced(text, "dev"), expected, "{text}");
        }
    }

    #[test]
    fn a_misspelt_placeholder_is_told_with_the_one_that_is_meant() {
        for (text, expected) in [
            ("rg-${enviroment}", Some("rg-${environment}")),
            ("${ENVIRONMENT}-x", Some("${environment}-x")),
            ("${ environment }", Some("${environment}")),
            ("${env}", Some("${environment}")),
            ("${environment_name}", Some("${environment}")),
            ("rg-${environment", Some("rg-${environment}")),
            ("rg-${environment-x", Some("rg-${environment}-x")),
            ("${location}", None),
            ("${}", None),
            ("${", None),
        ] {
            let unknown = replaced(text, "dev").unwrap_err();
            let remedy = remedy(&unknown, text, Some("name"));
            let shown = remedy.strip_prefix("Did you mean `${environment}`? Write `name: ");
            let shown = shown.map(|rest| rest.trim_end_matches("`.").trim_matches('"'));
            assert_eq!(shown, expected, "{text}: {remedy}");
            assert!(expected.is_none_or(|right| replaced(right, "dev").is_ok()), "{text}");
        }
    }
}
