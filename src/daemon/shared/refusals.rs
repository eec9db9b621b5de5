//! How many refused comments are logged: anybody may write them, as many as he likes, and a log full of them hides
//! everything else.
//!
//! Guarantees: within an hour at most [`MAX_OF_ONE`] of one account and [`MAX`] of all; how many were left out is said
//! with the next one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Instant;

/// The time over which lines are counted.
const WINDOW: Duration = Duration::from_secs(60 * 60);

/// Most lines about comments of one account within a window: whoever tries a line again and again is seen.
const MAX_OF_ONE: u32 = 10;

/// Most lines within a window.
const MAX: u32 = 60;

/// The lines of this window.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Refusals(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    began: Option<Instant>,
    all: u32,
    /// By account; bounded by the lines.
    of: BTreeMap<String, u32>,
    unsaid: u64,
}

impl Refusals {
    /// Whether a refused comment of `author` is logged at `now`; how many before it were not.
    pub(in crate::daemon) fn admit(&self, author: &str, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.is_none_or(|began| now.saturating_duration_since(began) >= WINDOW) {
            *window = Window { began: Some(now), unsaid: window.unsaid, ..Window::default() };
        }
        if window.all >= MAX || window.of.get(author).is_some_and(|lines| *lines >= MAX_OF_ONE) {
            window.unsaid += 1;
            return None;
        }
        window.all += 1;
        *window.of.entry(author.to_owned()).or_default() += 1;
        Some(std::mem::take(&mut window.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_hides_nobody_else_and_a_flood_of_many_ends() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        let said = |author: &str, now| (0..100).filter(|_| refusals.admit(author, now).is_some()).count();
        assert_eq!(said("mallory", began), 10);
        assert_eq!(refusals.admit("ada", began), Some(90));
        assert_eq!((0..100).map(|number| said(&format!("m{number}"), began)).sum::<usize>(), 49);
        assert_eq!(refusals.0.lock().unwrap().of.len(), 7, "accounts that are remembered");
        // Four of them said of the ninety before them that they were left out.
        assert_eq!(refusals.admit("ada", began + WINDOW), Some(100 * 100 - 49 - 4 * 90));
    }
}
