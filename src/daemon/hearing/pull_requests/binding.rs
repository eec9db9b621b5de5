//! PURE: which commit somebody meant who wrote a command.
//!
//! A command holds for what its author had seen: the head that beamline had last shown on the pull request
//! before the comment was created, both by the forge's clock, or the commit that it names. A push that came
//! between is never approved by it. Where a forge's clock has whole seconds and both fall into one, the
//! author cannot have read what was shown.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::git::{CommitId, CommitPrefix};
use crate::store::Showing;

/// Which commit a command holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    /// For this one.
    To(CommitId),
    /// Nothing had been shown when it was written.
    NothingShown,
    /// It names a commit that was never the head of this pull request, as far as is known.
    Unknown,
    /// It names the beginning of more than one commit.
    Ambiguous,
}

/// Which commit a command holds for that was written at `written`, on a pull request whose head is
/// `current` now, where `showings` were shown, oldest first. `named` is the commit that it names.
pub(super) fn bind(
    showings: &[Showing],
    current: &CommitId,
    named: Option<&CommitPrefix>,
    written: Option<Timestamp>,
) -> Binding {
    if let Some(prefix) = named {
        let shown = showings.iter().map(|showing| showing.shown.head);
        let meant: BTreeSet<CommitId> =
            shown.chain([*current]).filter(|commit| prefix.is_of(commit)).collect();
        return match (meant.first(), meant.len()) {
            (Some(commit), 1) => Binding::To(*commit),
            (Some(_), _) => Binding::Ambiguous,
            (None, _) => Binding::Unknown,
        };
    }
    let before = |showing: &&Showing| written.is_some_and(|written| showing.at < written);
    let last = showings.iter().rev().find(before);
    last.map_or(Binding::NothingShown, |showing| Binding::To(showing.shown.head))
}

/// Why a command that is bound to something else than `current` is not acted on, and the line to write
/// instead; `None` where it holds for `current`.
pub(super) fn refusal(binding: Binding, current: &CommitId, line: &str) -> Option<String> {
    let now = current.short();
    let why = match binding {
        Binding::To(commit) if commit == *current => return None,
        Binding::To(commit) => {
            format!("this holds for {}, and the pull request is at {now} now", commit.short())
        }
        Binding::NothingShown => format!("beamline had not shown {now} here when you wrote"),
        Binding::Unknown => format!("that commit is not the head of this pull request, which is at {now}"),
        Binding::Ambiguous => format!("that is the beginning of more than one commit; the head is {current}"),
    };
    let at = match binding {
        Binding::Ambiguous => current.to_string(),
        Binding::To(_) | Binding::NothingShown | Binding::Unknown => now,
    };
    Some(format!(
        "Not done: {why}. Look at what is there now; if you mean it, write:\n\n```text\n{line} @{at}\n```"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Shown;

    fn commit(beginning: &str) -> CommitId {
        format!("{beginning}{}", "0".repeat(40 - beginning.len())).parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// `a1…` was shown at 10, `b2…` at 20, and `a1…` once more at 30.
    fn bound(current: &str, named: Option<&str>, written: Option<i64>) -> Binding {
        let showing = |beginning: &str, second| Showing {
            shown: Shown { head: commit(beginning), asked: Vec::new() },
            at: at(second),
            account: None,
        };
        let showings = [showing("a1a1a1a", 10), showing("b2b2b2b", 20), showing("a1a1a1a", 30)];
        let named = named.map(|prefix| prefix.parse().unwrap());
        bind(&showings, &commit(current), named.as_ref(), written.map(at))
    }

    #[test]
    fn a_command_holds_for_what_was_shown_last_before_it() {
        for (written, expected) in [
            (Some(9), Binding::NothingShown),
            (Some(10), Binding::NothingShown),
            (Some(11), Binding::To(commit("a1a1a1a"))),
            (Some(20), Binding::To(commit("a1a1a1a"))),
            (Some(25), Binding::To(commit("b2b2b2b"))),
            (Some(31), Binding::To(commit("a1a1a1a"))),
            (None, Binding::NothingShown),
        ] {
            assert_eq!(bound("c3c3c3c", None, written), expected, "{written:?}");
        }
    }

    #[test]
    fn a_commit_that_is_named_is_meant_whenever_it_was_shown() {
        assert_eq!(bound("c3c3c3c", Some("C3C3C3C"), Some(1)), Binding::To(commit("c3c3c3c")));
        assert_eq!(bound("c3c3c3c", Some("b2b2b2b"), Some(1)), Binding::To(commit("b2b2b2b")));
        assert_eq!(bound("c3c3c3c", Some("d4d4d4d"), Some(40)), Binding::Unknown);
        // Somebody can make a commit whose id begins like that of one that was shown.
        assert_eq!(bound("b2b2b2bf", Some("b2b2b2b"), Some(40)), Binding::Ambiguous);
        assert_eq!(bound("b2b2b2bf", Some("b2b2b2bf"), Some(40)), Binding::To(commit("b2b2b2bf")));
    }

    #[test]
    fn the_answer_is_the_line_to_write() {
        let (old, new) = (commit("b4c0045"), commit("3a62b4e"));
        assert_eq!(refusal(Binding::To(new), &new, "/beamline plan"), None);
        let answer = refusal(Binding::To(old), &new, "/beamline plan -e dev").unwrap();
        assert!(
            answer.contains("holds for b4c0045") && answer.contains("\n/beamline plan -e dev @3a62b4e\n"),
            "{answer}"
        );
        let whole = refusal(Binding::Ambiguous, &new, "/beamline plan").unwrap();
        assert!(whole.contains(&format!("@{new}\n")), "{whole}");
    }
}
