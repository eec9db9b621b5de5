//! The slips that make a file no YAML: the parser says where it gave up, which is often a line or a page after the
//! mistake, and in words about its own state.

use std::ops::Range;

use serde_json::Value;

use super::notation::line;

/// A slip: where it is, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) at: Range<usize>,
    pub(super) remedy: String,
}

/// What somebody did who got the parser's message `what` at the byte `at` of `text`.
pub(super) fn find(text: &str, at: usize, what: &str) -> Option<Slip> {
    if what.contains("tab") {
        return tab(text, at);
    }
    if what.contains("did not find expected ','") {
        return unclosed(text, at);
    }
    let near = [line_at(text, at), line_before(text, at)];
    near.into_iter().flatten().find_map(|range| colon(text, range))
}

fn line_at(text: &str, at: usize) -> Option<Range<usize>> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |at| at + 1);
    let length = text[start..].find('\n').unwrap_or(text.len() - start);
    Some(start..start + length)
}

fn line_before(text: &str, at: usize) -> Option<Range<usize>> {
    let start = line_at(text, at)?.start;
    line_at(text, start.checked_sub(1)?)
}

/// A tab that indents, at the place or in the line after it.
fn tab(text: &str, at: usize) -> Option<Slip> {
    let first = line_at(text, at)?;
    let second = line_at(text, first.end + 1);
    let tab = [Some(first), second].into_iter().flatten().find_map(|line| {
        let indent = text[line.clone()].bytes().take_while(u8::is_ascii_whitespace);
        indent.enumerate().find(|(_, byte)| *byte == b'\t').map(|(position, _)| line.start + position)
    })?;
    let remedy = "Write spaces in place of the tab: YAML is indented with spaces alone.".to_owned();
    Some(Slip { at: tab..tab + 1, remedy })
}

/// A bracket that nobody closes before `at`.
fn unclosed(text: &str, at: usize) -> Option<Slip> {
    let mut open = Vec::new();
    let mut quote = None;
    for (position, c) in text.get(..at)?.char_indices() {
        match (quote, c) {
            (Some(ends), _) if ends == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if text[..position].ends_with([' ', '[', '{', ',']) => quote = Some(c),
            (None, '{' | '[') => open.push((position, c)),
            (None, '}' | ']') => {
                open.pop();
            }
            (None, _) => {}
        }
    }
    let (position, opened) = open.pop()?;
    let closing = if opened == '{' { '}' } else { ']' };
    let remedy = format!("Close the `{opened}` with a `{closing}`, and put a `,` between what stands in it.");
    Some(Slip { at: position..position + 1, remedy })
}

/// A colon without a space after it, or one more of them than a line can have without quotes.
fn colon(text: &str, range: Range<usize>) -> Option<Slip> {
    let written = &text[range.clone()];
    let (key, value) = written.split_once(':')?;
    let (indent, key) = (key.len() - key.trim_start().len(), key.trim());
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let remedy = match value.strip_prefix(' ') {
        _ if !is_key || value.is_empty() => return None,
        None => format!("Write a space after the colon: {}.", line(key, &Value::from(value.trim()))),
        Some(value)
            if value.contains(": ") && !value.trim_start().starts_with(['{', '[', '"', '\'', '#']) =>
        {
            format!(
                "Quote a text that has a colon and a space in it: {}.",
                line(key, &Value::from(value.trim()))
            )
        }
        Some(_) => return None,
    };
    Some(Slip { at: range.start + indent..range.end, remedy })
}
