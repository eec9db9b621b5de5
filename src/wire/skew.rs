//! This machine's clock beside that of whoever answers.
//!
//! Why: a login that is signed and dated is refused when the clocks are far apart, with words about anything but
//! the clock. Every answer has its date, so the cause can be told, and the login dated by their clock.

use std::fmt;

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

/// What clocks may differ by; answers take their time too.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// How far this machine's clock is ahead of theirs; zero where it is not far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew(SignedDuration);

impl Skew {
    /// What an answer with these headers shows that arrived at `now`.
    #[must_use]
    pub fn of(headers: &HeaderMap, now: Timestamp) -> Self {
        let ahead = date(headers).map_or(SignedDuration::ZERO, |date| now.duration_since(date));
        if ahead.abs() > TOLERANCE { Self(ahead) } else { Self::default() }
    }

    /// Whether the clocks agree.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.0.is_zero()
    }

    /// What their clock shows when ours shows `now`.
    #[must_use]
    pub fn theirs(self, now: Timestamp) -> Timestamp {
        now.checked_sub(self.0).unwrap_or(now)
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.0.is_negative() { "behind" } else { "ahead of" };
        let minutes = self.0.abs().as_mins();
        write!(f, "this machine's clock is {minutes} min {word} theirs: set it (`timedatectl set-ntp true`)")
    }
}

/// When an answer was given, by the clock of whoever gave it.
#[must_use]
pub fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_far_away_is_told_from_a_slow_answer() {
        let mut headers = HeaderMap::new();
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        assert!(Skew::of(&headers, now).is_none(), "an answer without a date shows nothing");
        headers.insert(http::header::DATE, "Thu, 01 Jan 2026 11:59:30 GMT".parse().unwrap());
        assert!(Skew::of(&headers, now).is_none());
        for (date, words, theirs) in [
            ("Thu, 01 Jan 2026 10:00:00 GMT", "is 120 min ahead of theirs", "2026-01-01T10:00:00Z"),
            ("Thu, 01 Jan 2026 14:00:00 GMT", "is 120 min behind theirs", "2026-01-01T14:00:00Z"),
        ] {
            headers.insert(http::header::DATE, date.parse().unwrap());
            let skew = Skew::of(&headers, now);
            assert!(skew.to_string().contains(words), "{skew}");
            assert_eq!(skew.theirs(now).to_string(), theirs);
        }
    }
}
