//! Words for what happens to resources, and for how long it took.

use std::time::Duration;

use jiff::Timestamp;

use crate::reconcile::plan::{Action, Part, Step};

/// How many names a line lists.
const MAX_NAMES: usize = 3;

/// What is being done.
pub(super) fn doing(step: &Step) -> &'static str {
    match (step.action, step.part) {
        (Action::Create, _) | (Action::Replace, Part::Creation | Part::Whole) => "creating",
        (Action::Update, _) => "changing",
        (Action::Delete, _) | (Action::Replace, Part::Removal) => "deleting",
        (Action::Adopt, _) => "adopting",
        (Action::Recover, _) => "recovering",
        (Action::Release, _) => "releasing",
        (Action::Keep, _) => "keeping",
    }
}

/// What was done.
pub(super) fn done(step: &Step) -> &'static str {
    match (step.action, step.part) {
        (Action::Create, _) | (Action::Replace, Part::Creation | Part::Whole) => "created",
        (Action::Update, _) => "changed",
        (Action::Delete, _) | (Action::Replace, Part::Removal) => "deleted",
        (Action::Adopt, _) => "adopted",
        (Action::Recover, _) => "recovered",
        (Action::Release, _) => "released",
        (Action::Keep, _) => "kept",
    }
}

/// The sign that a plan uses for it.
pub(super) fn sign(step: &Step) -> &'static str {
    match (step.action, step.part) {
        (Action::Create, _) | (Action::Replace, Part::Creation | Part::Whole) => "+",
        (Action::Update, _) => "~",
        (Action::Delete, _) | (Action::Replace, Part::Removal) => "-",
        (Action::Adopt | Action::Recover, _) => "<=",
        (Action::Release, _) => "=>",
        (Action::Keep, _) => " ",
    }
}

/// `36 ms`, `3.2 s`, `2 min 05 s`.
pub(in crate::cli) fn span(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds == 0 {
        return format!("{} ms", took.as_millis());
    }
    if seconds < 60 {
        return format!("{:.1} s", took.as_secs_f64());
    }
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

/// The time between two moments; nothing when they are out of order.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// `a, b, c and 2 more`.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(MAX_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        assert_eq!(span(Duration::from_millis(36)), "36 ms");
        assert_eq!(span(Duration::from_millis(3240)), "3.2 s");
        assert_eq!(span(Duration::from_secs(125)), "2 min 05 s");
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(listed(&names), "a, b, c and 2 more");
        assert_eq!(listed(&names[..2]), "a, b");
    }
}
