//! Fills in `${environment}`, the one variable there is, in every text of a document.
//!
//! `$${` stands for `${` itself. Keys are left alone: they are names that other parts refer to.

use super::code::Code;
use super::document::{Entry, Node, NodeValue};
use super::problem::{Problem, Problems, quoted};

/// The one variable.
pub(super) const VARIABLE: &str = "environment";

/// Replaces the variable by `name` in all texts below `entries`.
pub(super) fn substitute(entries: &mut [Entry], name: &str, problems: &mut Problems<'_>) {
    for entry in entries {
        in_node(&mut entry.node, name, problems);
    }
}

fn in_node(node: &mut Node, name: &str, problems: &mut Problems<'_>) {
    match &mut node.value {
        NodeValue::Text(text) if text.contains("${") => match replaced(text, name) {
            Ok(done) => *text = done,
            Err(unknown) => problems.push(
                Problem::error(
                    Code::UnknownVariable,
                    node.span,
                    format!("{} is not known", quoted(&unknown)),
                )
                .rule("`${environment}` is the only variable; it is the name of the environment.")
                .remedy("Write the value itself, or `$${` for the two characters `${`."),
            ),
        },
        NodeValue::List(items) => items.iter_mut().for_each(|item| in_node(item, name, problems)),
        NodeValue::Map(entries) => substitute(entries, name, problems),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Integer(_)
        | NodeValue::Number(_)
        | NodeValue::Text(_) => {}
    }
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
}
