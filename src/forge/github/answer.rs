//! What GitHub's answer to a new status means. Pure.
//!
//! Classes follow GitHub's documentation of its rate limits: a limit is a 403 or 429 with `retry-after`,
//! or with `x-ratelimit-remaining: 0` and the moment of `x-ratelimit-reset`, or (secondary) with a
//! message that says so, after which one waits at least a minute.

use std::error::Error as _;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use crate::forge::{Class, Description, ForgeError, Repository, Status};
use crate::wire::{Response, WireError};

/// The wait that GitHub asks for after a secondary limit that names none.
const SECONDARY_LIMIT_WAIT: Duration = Duration::from_secs(60);

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Another status may fare better.
    ThisStatus,
    /// Every other one would fail the same way now.
    Everything,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

/// Judges the answer to `status`.
pub(super) fn judge(
    response: &Response,
    repository: &Repository,
    status: &Status,
    now: Timestamp,
) -> Result<(), (ForgeError, Reach)> {
    let code = response.status();
    if code.is_success() {
        return Ok(());
    }
    let words = words_of(response.body());
    if let Some(after) = rate_limit(response, &words, now) {
        let message = format!(
            "GitHub limits the rate of requests; it is tried again in {} s. {words}",
            after.as_secs()
        );
        return Err((error(Class::Retry { after: Some(after) }, message), Reach::Everything));
    }
    Err(match code {
        StatusCode::UNAUTHORIZED => {
            let next = format!("Give a valid token that may write commit statuses of {repository}");
            (refused(code, "the token", &words, &next), Reach::Everything)
        }
        StatusCode::FORBIDDEN => {
            let next = format!("Give the token the permission to write commit statuses of {repository}");
            (refused(code, "the status", &words, &next), Reach::Everything)
        }
        StatusCode::NOT_FOUND => {
            let next = format!("Check that {repository} exists and that the token may see it");
            (refused(code, "the status", &words, &next), Reach::ThisStatus)
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            let next = format!("Check that {} is in {repository}", status.commit.short());
            (refused(code, "the status", &words, &next), Reach::ThisStatus)
        }
        code if code.is_redirection() => {
            let next = format!("{repository} has moved: configure its present name");
            (refused(code, "the status", &words, &next), Reach::Everything)
        }
        code if code.is_server_error() || code == StatusCode::REQUEST_TIMEOUT => {
            let message = format!("GitHub has a problem ({}); it is tried again. {words}", code.as_u16());
            (error(Class::Retry { after: None }, message), Reach::Everything)
        }
        code => (refused(code, "the status", &words, "Check the address of the API"), Reach::ThisStatus),
    })
}

/// A request that got no answer.
pub(super) fn unreachable(problem: &WireError) -> ForgeError {
    let cause = problem.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    let message = format!("GitHub cannot be reached; it is tried again. {problem}{cause}");
    error(Class::Retry { after: None }, message)
}

fn refused(code: StatusCode, what: &str, words: &str, next: &str) -> ForgeError {
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    error(Class::Refused, format!("GitHub refused {what} ({}){said}. {next}", code.as_u16()))
}

fn error(class: Class, message: String) -> ForgeError {
    ForgeError { class, message: message.trim_end().to_owned() }
}

/// GitHub's own words, on one line and bounded.
fn words_of(body: &[u8]) -> String {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let details =
        problem.errors.iter().filter_map(|detail| detail.as_str().or_else(|| detail["message"].as_str()));
    let text: Vec<&str> = std::iter::once(problem.message.as_str()).chain(details).collect();
    Description::new(&text.join(" ")).to_string().trim_end_matches('.').to_owned()
}

fn rate_limit(response: &Response, words: &str, now: Timestamp) -> Option<Duration> {
    let code = response.status();
    if code != StatusCode::FORBIDDEN && code != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let number = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    if let Some(seconds) = number("retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let reset = number("x-ratelimit-reset").and_then(|second| i64::try_from(second).ok());
        let wait =
            reset.and_then(|second| Timestamp::from_second(second).ok()).map(|end| end.duration_since(now));
        return Some(wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or(SECONDARY_LIMIT_WAIT));
    }
    let said = words.to_ascii_lowercase();
    let secondary = said.contains("secondary rate limit") || said.contains("abuse detection");
    (secondary || code == StatusCode::TOO_MANY_REQUESTS).then_some(SECONDARY_LIMIT_WAIT)
}
