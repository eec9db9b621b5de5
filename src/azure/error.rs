//! Why a request to Azure gave no result, and what that means for the caller.

use std::time::Duration;

use jiff::Timestamp;

use super::error_class::{ErrorClass, classify};
use super::{AzureProblem, TokenError, payload, retry_after};
use crate::wire::{self, Sent, WireError};

/// Why a request to Azure gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// Azure answered with an error status.
    #[error("Azure refused with HTTP {status}: {}", .problem.innermost)]
    Refused {
        /// The HTTP status of the refusal.
        status: u16,
        /// What Azure said, innermost cause first.
        problem: AzureProblem,
        /// How long Azure asks to wait before another attempt (0 to 600 s).
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// There was no token, so nothing was sent.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Azure answered, but not with what its contract promises.
    #[error("Azure's answer cannot be understood: {what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// An answer told us to go to another host. The token stays here.
    #[error(
        "Azure's answer points to the foreign host {host}: it was not followed, check the cloud's address"
    )]
    ForeignLink {
        /// The host it points to.
        host: String,
    },
    /// A path does not lead below the cloud's endpoint: a programming error.
    #[error("`{path}` is not a path below the cloud's endpoint")]
    Address {
        /// The path that was given, without its query.
        path: String,
    },
    /// A POST that is not known to be read-only was asked for as a read: a programming error.
    #[error("`{path}` is not in the list of read-only POST requests")]
    NotAReadOnlyPost {
        /// The path that was given.
        path: String,
    },
    /// A list does not end within what is accepted.
    #[error("the list {path} has more than {limit} {unit}: narrow the scope")]
    TooMany {
        /// The path of the list, without its query.
        path: String,
        /// The limit that was passed.
        limit: usize,
        /// `pages` or `items`.
        unit: &'static str,
    },
}

impl ArmError {
    /// The error that an answer with an error status stands for.
    pub(super) fn refused(response: &wire::Response, now: Timestamp) -> Self {
        Self::Refused {
            status: response.status().as_u16(),
            problem: AzureProblem::of_response(response),
            retry_after: retry_after::read(response, now),
        }
    }

    /// What this means for the next step.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Refused { status, problem, retry_after } => classify(Some(*status), problem, *retry_after),
            Self::Wire(error) => match error {
                WireError::Connect { .. } | WireError::Broken { .. } | WireError::Silent { .. } => {
                    ErrorClass::Transient
                }
                WireError::TooLarge { .. } | WireError::Invalid { .. } | WireError::Setup(_) => {
                    ErrorClass::Fatal
                }
            },
            Self::Token(error) => error.class(),
            Self::Malformed { .. }
            | Self::ForeignLink { .. }
            | Self::Address { .. }
            | Self::NotAReadOnlyPost { .. }
            | Self::TooMany { .. } => ErrorClass::Fatal,
        }
    }

    /// Whether the request can have had an effect. A 4xx had none; a 5xx, a 408 or an answer that
    /// cannot be understood may stand for a write that was executed: read before sending it again.
    #[must_use]
    pub fn sent(&self) -> Sent {
        match self {
            Self::Refused { status: 408 | 500.., .. } => Sent::Maybe,
            Self::Refused { .. } => Sent::No,
            Self::Wire(error) => error.sent(),
            Self::Malformed { .. } | Self::ForeignLink { .. } => Sent::Maybe,
            Self::Token(_) | Self::Address { .. } | Self::NotAReadOnlyPost { .. } | Self::TooMany { .. } => {
                Sent::No
            }
        }
    }

    /// The cause in one line: Azure's innermost message with its code, never a secret.
    #[must_use]
    pub fn message_for_people(&self) -> String {
        match self {
            Self::Refused { status, problem, .. } => match (&problem.code, problem.innermost_code()) {
                (None, None) => format!("{} (HTTP {status})", problem.innermost),
                (Some(code), None) => format!("{code}: {}", problem.innermost),
                (Some(_) | None, Some(_)) => problem.innermost.clone(),
            },
            Self::Wire(error) => chain(error),
            Self::Token(error) => chain(error),
            Self::Malformed { .. }
            | Self::ForeignLink { .. }
            | Self::Address { .. }
            | Self::NotAReadOnlyPost { .. }
            | Self::TooMany { .. } => self.to_string(),
        }
    }

    /// How long Azure asks to wait before another attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }

    /// Azure's own code, outermost first, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let Self::Refused { problem, .. } = self else { return None };
        problem.code.as_deref().or_else(|| problem.innermost_code())
    }
}

/// The body of a successful answer.
pub(super) fn body_of(response: &wire::Response) -> Result<Option<serde_json::Value>, ArmError> {
    payload::json(response).map_err(|error| ArmError::Malformed {
        what: format!("the body is not JSON (line {}, column {})", error.line(), error.column()),
    })
}

/// An error and its direct cause, without URLs: `reqwest` prints them with their query.
fn chain(error: &dyn std::error::Error) -> String {
    let cause = std::iter::successors(error.source(), |error| error.source()).last();
    match cause.map(ToString::to_string).filter(|cause| !cause.contains("://")) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn refused(status: u16, body: &'static str) -> ArmError {
        let response = http::Response::builder().status(status).header("retry-after", "7");
        ArmError::refused(&response.body(Bytes::from(body)).unwrap(), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_refusal_had_no_effect_and_a_server_error_may_have_had_one() {
        assert_eq!(refused(409, "").sent(), Sent::No);
        assert_eq!(refused(429, "").sent(), Sent::No);
        assert_eq!(refused(408, "").sent(), Sent::Maybe);
        assert_eq!(refused(503, "").sent(), Sent::Maybe);
        assert_eq!(ArmError::Malformed { what: String::new() }.sent(), Sent::Maybe);
    }

    #[test]
    fn people_read_the_innermost_message_with_its_code() {
        let nested = r#"{"error":{"code":"A","message":"a","details":[{"code":"B","message":"b"}]}}"#;
        assert_eq!(refused(400, nested).message_for_people(), "B: b");
        assert_eq!(refused(400, nested).code(), Some("A"));
        let uncoded = r#"{"error":{"code":"A","message":"a","details":[{"message":"b"}]}}"#;
        assert_eq!(refused(400, uncoded).message_for_people(), "A: b");
        assert_eq!(refused(502, "").message_for_people(), "no explanation was given (HTTP 502)");
        assert_eq!(refused(502, "").retry_after(), Some(Duration::from_secs(7)));
    }
}
