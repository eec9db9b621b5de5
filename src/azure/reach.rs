//! Whether an Azure and its Entra answer us: what the last exchanges came to.
//!
//! Why: one failed request is the caller's affair, who tries it again; that nothing at all is answered is
//! everybody's, and nobody sees it from one request.
//!
//! Guarantees: any answer ends an outage that is not an error of the server's own; a request that was under way
//! for long does not date an outage to before the last answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use super::{ArmError, ErrorClass, TokenError};
use crate::clock::Instant;
use crate::wire;

/// Nothing was answered for so long that people are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Since when: the beginning of the first request that came to nothing.
    pub since: Instant,
    /// When the last one ended.
    pub asked: Instant,
    /// What came of that.
    pub why: String,
    /// Whether it passes only when somebody acts: Entra refuses our credential, or nothing was ever answered.
    pub is_refusal: bool,
}

#[derive(Debug, Default)]
pub(super) struct Reach(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answered: Option<Instant>,
    outage: Option<Outage>,
}

impl Reach {
    pub(super) fn outage(&self) -> Option<Outage> {
        self.state().outage.clone()
    }

    /// A request that began at `began` has ended now.
    pub(super) fn note(&self, began: Instant, now: Instant, outcome: &Result<wire::Response, ArmError>) {
        let (why, is_refusal) = match outcome {
            Ok(answer)
                if answer.status().is_server_error() || answer.status() == StatusCode::UNAUTHORIZED =>
            {
                (format!("Azure answers HTTP {}", answer.status().as_u16()), false)
            }
            Err(error @ ArmError::Token(cause)) => {
                // One that has never said what it is was probably never there.
                let is_refusal =
                    cause.class() == ErrorClass::Fatal || matches!(cause, TokenError::Undescribed { .. });
                (error.message_for_people(), is_refusal)
            }
            Err(error @ ArmError::Wire(_)) => (error.message_for_people(), false),
            Ok(_) => {
                *self.state() = State { answered: Some(now), outage: None };
                return;
            }
            // Nothing was sent.
            Err(_) => return,
        };
        let mut state = self.state();
        let began = state.answered.map_or(began, |answered| answered.max(began));
        let since = state.outage.as_ref().map_or(began, |outage| outage.since);
        state.outage = Some(Outage { since, asked: now, why, is_refusal });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(status: u16) -> Result<wire::Response, ArmError> {
        Ok(http::Response::builder().status(status).body(bytes::Bytes::new()).unwrap())
    }

    #[test]
    fn an_outage_begins_with_the_first_request_that_comes_to_nothing_and_ends_with_any_answer() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let reach = Reach::default();
        reach.note(at(0), at(1), &answer(200));
        assert_eq!(reach.outage(), None);
        reach.note(at(0), at(90), &answer(503));
        reach.note(at(91), at(92), &answer(502));
        let (since, asked, why) = (at(1), at(92), "Azure answers HTTP 502".to_owned());
        assert_eq!(reach.outage(), Some(Outage { since, asked, why, is_refusal: false }));
        for status in [200, 404, 409, 429] {
            reach.note(at(100), at(101), &answer(503));
            reach.note(at(100), at(102), &answer(status));
            assert_eq!(reach.outage(), None, "{status}");
        }
    }

    #[test]
    fn a_credential_that_is_refused_needs_somebody() {
        let reach = Reach::default();
        let now = Instant::now();
        for (status, is_refusal) in [(401, true), (503, false)] {
            let message = "AADSTS7000215: Invalid client secret provided.".to_owned();
            let refused = TokenError::Refused { credential: "client-secret", status, message };
            reach.note(now, now, &Err(refused.into()));
            let outage = reach.outage().unwrap();
            assert!(outage.is_refusal == is_refusal && outage.why.starts_with("AADSTS7000215"), "{outage:?}");
        }
    }
}
