//! `Retry-After` as Azure writes it: seconds or an HTTP date, within what the contract allows. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::payload;
use crate::wire;

/// The longest wait that is obeyed (ARM RPC async-api-reference: 10 to 600 seconds).
const MAX: Duration = Duration::from_secs(600);

/// The wait that `response` asks for, between 0 and 600 s; `None` when it asks for none or the header
/// is unreadable. An HTTP date is compared with the answer's own `Date`, because both are of one clock;
/// with `now`, ours, only where there is none.
pub(super) fn read(response: &wire::Response, now: Timestamp) -> Option<Duration> {
    let text = payload::header(response, "retry-after")?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MAX));
    }
    let until = date_of(text)?;
    let now = payload::header(response, "date").and_then(date_of).unwrap_or(now);
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO).min(MAX))
}

fn date_of(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_clamped() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let read = |text: &str| {
            let response = http::Response::builder().header("Retry-After", text).body(Bytes::new()).unwrap();
            read(&response, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("17"), Some(17));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("86400"), Some(600));
        assert_eq!(read("99999999999999999999999"), Some(600));
        assert_eq!(read("Mon, 23 Nov 2026 09:00:30 GMT"), Some(30));
        assert_eq!(read("Mon, 23 Nov 2026 08:00:00 GMT"), Some(0));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-5"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_date_is_compared_with_the_clock_that_wrote_it() {
        for ours in ["2026-11-23T07:00:00Z", "2026-11-23T09:00:00Z", "2026-11-23T11:00:00Z"] {
            let response = http::Response::builder()
                .header("Date", "Mon, 23 Nov 2026 09:00:00 GMT")
                .header("Retry-After", "Mon, 23 Nov 2026 09:00:30 GMT")
                .body(Bytes::new())
                .unwrap();
            assert_eq!(read(&response, ours.parse().unwrap()), Some(Duration::from_secs(30)), "{ours}");
        }
    }
}
