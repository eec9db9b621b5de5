//! What is wrong with a value of the settings, as people need it: the key, the place, what was probably meant. The
//! parser says of some values only what they are not.

use toml::de::{DeTable, DeValue};

use crate::resources::suggest::nearest;

/// The dotted key whose value stands at `offset`, the innermost one.
pub(super) fn key_at(table: &DeTable<'_>, offset: usize, path: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let path = format!("{path}{}", key.get_ref());
        let inner = match value.get_ref() {
            DeValue::Table(inner) => key_at(inner, offset, &format!("{path}.")),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => None,
        };
        inner.or_else(|| value.span().contains(&offset).then_some(path))
    })
}

/// Where the value of a dotted key stands.
pub(super) fn place_of_key(table: &DeTable<'_>, path: &str) -> Option<usize> {
    table.iter().find_map(|(key, value)| {
        let rest = path.strip_prefix(key.get_ref().as_ref())?;
        match (rest.strip_prefix('.'), value.get_ref()) {
            (None, _) => rest.is_empty().then(|| value.span().start),
            (Some(rest), DeValue::Table(inner)) => place_of_key(inner, rest),
            (Some(_), _) => None,
        }
    })
}

/// The key that an error names: it ends with "in `forge.kind`".
pub(super) fn key_in(error: &str) -> Option<String> {
    let line = error.lines().find_map(|line| line.trim().strip_prefix("in `"))?;
    Some(line.trim_end_matches('`').to_owned())
}

/// What the parser says, with what was probably meant.
pub(super) fn plainly(message: &str) -> String {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match words.as_slice() {
        [own, known @ ..] if message.starts_with("unknown variant") => {
            match nearest(own, known.iter().copied()) {
                Some(meant) => format!("`{own}` is not known. Did you mean `{meant}`?"),
                None => format!("`{own}` is not known; known are {}", known.join(", ")),
            }
        }
        [own, known @ ..] if message.starts_with("unknown field") => {
            match nearest(own, known.iter().copied()) {
                Some(meant) => format!("unknown key `{own}`. Did you mean `{meant}`?"),
                None => format!("unknown key `{own}`, known are {}", known.join(", ")),
            }
        }
        _ if message.starts_with("UUID parsing failed") => {
            format!("it is an id such as 00000000-0000-0000-0000-000000000000 ({message})")
        }
        _ => message.to_owned(),
    }
}
