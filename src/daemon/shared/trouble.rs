//! Which trouble is news to an operator: a cause that is new, and one that is still there after an hour.
//!
//! What does not work is tried again and again; a log that says so every time hides everything else.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Instant;

/// How long a cause is known before it is said again.
const REPEATED: Duration = Duration::from_secs(60 * 60);

/// Most causes that are remembered; beyond that the one that was said longest ago is forgotten.
const MAX_CAUSES: usize = 200;

/// What was said lately, and when.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Troubles(Mutex<BTreeMap<String, Instant>>);

impl Troubles {
    /// Whether `text` is to be said at `now`. The same cause may name another commit or pull request.
    pub(in crate::daemon) fn is_news(&self, text: &str, now: Instant) -> bool {
        let cause = cause_of(text);
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&cause).is_some_and(|at| now.saturating_duration_since(*at) < REPEATED) {
            return false;
        }
        if said.len() >= MAX_CAUSES
            && let Some(oldest) = said.iter().min_by_key(|(_, at)| **at).map(|(cause, _)| cause.clone())
        {
            said.remove(&oldest);
        }
        said.insert(cause, now);
        true
    }
}

/// Whether two texts have the same cause, which may be about another commit or pull request.
pub(in crate::daemon) fn is_same_cause(one: &str, other: &str) -> bool {
    cause_of(one) == cause_of(other)
}

/// The words without ids and counts; a status code in brackets is part of the cause.
fn cause_of(text: &str) -> String {
    let is_id = |word: &&str| !word.starts_with('(') && word.contains(|letter: char| letter.is_ascii_digit());
    text.split_whitespace().filter(|word| !is_id(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_and_then_hourly() {
        let began = Instant::now();
        let at = |minute: u64| began + Duration::from_secs(minute * 60);
        let troubles = Troubles::default();
        let refused = |commit: &str, code: u16| format!("the forge refused the status of {commit} ({code})");
        assert!(troubles.is_news(&refused("0123456", 401), at(0)));
        assert!(!troubles.is_news(&refused("0123456", 401), at(5)));
        assert!(!troubles.is_news(&refused("9abcdef", 401), at(10)));
        assert!(troubles.is_news(&refused("0123456", 404), at(10)));
        assert!(!troubles.is_news(&refused("0123456", 401), at(59)));
        assert!(troubles.is_news(&refused("9abcdef", 401), at(60)));
        assert!(!troubles.is_news(&refused("9abcdef", 401), at(119)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (troubles, began) = (Troubles::default(), Instant::now());
        for count in 1..=1000_u16 {
            let cause = "x".repeat(usize::from(count));
            assert!(troubles.is_news(&cause, began + Duration::from_secs(count.into())));
        }
        assert_eq!(troubles.0.lock().unwrap().len(), MAX_CAUSES);
    }
}
