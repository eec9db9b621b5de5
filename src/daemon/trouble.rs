//! Which trouble is news to an operator: a cause that is new, and one that is still there after an hour.
//!
//! What does not work is tried again and again; a log that says so every time hides everything else.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// How long a cause is known before it is said again.
const REPEATED: SignedDuration = SignedDuration::from_hours(1);

/// Most causes that are remembered; beyond that the one that was said longest ago is forgotten.
const MAX_CAUSES: usize = 200;

/// What was said lately, and when.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<BTreeMap<String, Timestamp>>);

impl Troubles {
    /// Whether `text` is to be said at `now`. The same cause may name another commit or pull request.
    pub(super) fn is_news(&self, text: &str, now: Timestamp) -> bool {
        let cause = cause_of(text);
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(&cause).is_some_and(|at| now.duration_since(*at) < REPEATED) {
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

/// The words without ids and counts; a status code in brackets is part of the cause.
fn cause_of(text: &str) -> String {
    let is_id = |word: &&str| !word.starts_with('(') && word.contains(|letter: char| letter.is_ascii_digit());
    text.split_whitespace().filter(|word| !is_id(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    #[test]
    fn a_cause_is_said_once_and_then_hourly() {
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
        let troubles = Troubles::default();
        for minute in 0..1000_i64 {
            let cause = "x".repeat(usize::try_from(minute).unwrap() + 1);
            assert!(troubles.is_news(&cause, at(minute)));
        }
        assert_eq!(troubles.0.lock().unwrap().len(), MAX_CAUSES);
    }
}
