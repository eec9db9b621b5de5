//! Inheritance: the nearer document is laid over the farther one.
//!
//! Maps are merged key by key, at every depth; lists and single values are replaced as a whole. A key
//! with nothing behind it (`data:`) means an empty map, and therefore keeps an inherited map. Every
//! value keeps the span of the file it came from.

use std::collections::HashMap;

use super::document::{Document, Entry, NodeValue};

/// Lays `near` over `far`. Where both write a key, its place is the nearer one.
pub(super) fn merge(far: Document, near: Document) -> Document {
    let mut merged = far;
    let index: HashMap<String, usize> =
        merged.iter().enumerate().map(|(at, entry)| (entry.key.name.clone(), at)).collect();
    for entry in near {
        match index.get(&entry.key.name) {
            Some(&at) => lay_over(&mut merged[at], entry),
            None => merged.push(entry),
        }
    }
    merged
}

fn lay_over(far: &mut Entry, near: Entry) {
    let Entry { key, node } = near;
    far.key = key;
    if let NodeValue::Map(inherited) = &mut far.node.value {
        match node.value {
            NodeValue::Map(entries) => {
                *inherited = merge(std::mem::take(inherited), entries);
                far.node.span = node.span;
                return;
            }
            NodeValue::Null => return,
            NodeValue::Bool(_)
            | NodeValue::Integer(_)
            | NodeValue::Number(_)
            | NodeValue::Text(_)
            | NodeValue::List(_) => {}
        }
    }
    far.node = node;
}
