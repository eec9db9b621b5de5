//! PURE: the state machine of one step. No async, no clock, no I/O.
//!
//! [`advance`] is the only way from one state to the next. The executor calls it before it writes an
//! event, a restart calls it for every event that it reads back: both therefore see the same states,
//! and an event that does not fit is an error that names both ends. Whether a waiting step is *ready*
//! depends on other steps and is the business of [`super::schedule`]. A read before a write leaves no
//! trace here: a crash during it leaves the step where it was.

use jiff::Timestamp;
use secrecy::SecretString;

use super::journal::{Event, PollStyle, Prior};

/// Where a step stands.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// Nothing of it was ever about to be sent.
    Waiting,
    /// At least one request was about to be sent, and it has not ended.
    Running(Phase),
    /// It is done and was read back.
    Done,
    /// It failed for good in this run.
    Failed {
        /// Azure's own innermost message, or ours.
        message: String,
    },
    /// It was not tried because of another.
    Skipped {
        /// The step that failed.
        because: u32,
    },
    /// Whether it had an effect could not be found out.
    Unknown {
        /// Why not.
        message: String,
    },
}

/// Where a running step stands.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// The request may have been sent, and there is no answer: the one moment of doubt.
    Sent {
        /// Which of the step's requests.
        request: u32,
        /// What was there before.
        prior: Prior,
    },
    /// Azure has the request and works on it.
    Polling {
        /// Which request.
        request: u32,
        /// What was there before.
        prior: Prior,
        /// Where to look.
        operation: Pending,
    },
    /// Azure refused the request; it had no effect.
    Refused {
        /// Which request.
        request: u32,
    },
    /// The request has had its effect, as far as Azure says.
    Answered {
        /// Which request.
        request: u32,
    },
    /// The effect of all requests was seen.
    SeenBack,
}

/// An operation of Azure's as the journal remembers it.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Where to look. Signed, hence a secret.
    pub url: SecretString,
    /// What kind of place that is.
    pub style: PollStyle,
    /// Not before.
    pub next_look: Timestamp,
}

/// An event that cannot follow a state: the journal does not belong to the plan, or the executor is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {step} cannot go from `{from}` by `{by}`")]
pub struct IllegalTransition {
    /// The step's ordinal.
    pub step: u32,
    /// The state it was in.
    pub from: String,
    /// The event.
    pub by: &'static str,
}

impl State {
    /// Whether nothing more happens to the step in this run.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Waiting | Self::Running(_) => false,
            Self::Done | Self::Failed { .. } | Self::Skipped { .. } | Self::Unknown { .. } => true,
        }
    }

    /// A word for messages: `waiting`, `polling request 0`.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Waiting => "waiting".to_owned(),
            Self::Running(Phase::Sent { request, .. }) => format!("sent request {request}"),
            Self::Running(Phase::Polling { request, .. }) => format!("polling request {request}"),
            Self::Running(Phase::Refused { request }) => format!("refused request {request}"),
            Self::Running(Phase::Answered { request }) => format!("answered request {request}"),
            Self::Running(Phase::SeenBack) => "read back".to_owned(),
            Self::Done => "done".to_owned(),
            Self::Failed { .. } => "failed".to_owned(),
            Self::Skipped { .. } => "skipped".to_owned(),
            Self::Unknown { .. } => "unknown".to_owned(),
        }
    }
}

/// The state that follows `state` when `event` happens.
///
/// # Errors
/// [`IllegalTransition`] when it cannot happen there.
pub(crate) fn advance(state: &State, event: &Event) -> Result<State, IllegalTransition> {
    let next = match event {
        Event::Intent { request, prior, .. } => after_intent(state, *request, prior),
        Event::Accepted { request, poll_url, style, next_look, .. } => {
            let operation = Pending { url: poll_url.clone(), style: *style, next_look: *next_look };
            in_flight(state, *request).map(|prior| {
                State::Running(Phase::Polling { request: *request, prior: prior.clone(), operation })
            })
        }
        Event::Answered { request, .. } => {
            in_flight(state, *request).map(|_| State::Running(Phase::Answered { request: *request }))
        }
        Event::Refused { request, .. } => {
            in_flight(state, *request).map(|_| State::Running(Phase::Refused { request: *request }))
        }
        // From `Waiting`: a step that another one carries out has no requests of its own.
        Event::ReadBack { .. } => match state {
            State::Waiting | State::Running(Phase::Answered { .. } | Phase::SeenBack) => {
                Some(State::Running(Phase::SeenBack))
            }
            State::Running(Phase::Sent { .. } | Phase::Polling { .. } | Phase::Refused { .. })
            | State::Done
            | State::Failed { .. }
            | State::Skipped { .. }
            | State::Unknown { .. } => None,
        },
        // Without a read back: the step that covers it is read back in its place.
        Event::Done { .. } => match state {
            State::Waiting | State::Running(Phase::Answered { .. } | Phase::SeenBack) => Some(State::Done),
            State::Running(Phase::Sent { .. } | Phase::Polling { .. } | Phase::Refused { .. })
            | State::Done
            | State::Failed { .. }
            | State::Skipped { .. }
            | State::Unknown { .. } => None,
        },
        Event::Failed { message, .. } => {
            (!state.is_final()).then(|| State::Failed { message: message.clone() })
        }
        Event::Unknown { message, .. } => {
            (!state.is_final()).then(|| State::Unknown { message: message.clone() })
        }
        Event::Skipped { because, .. } => {
            matches!(state, State::Waiting).then_some(State::Skipped { because: *because })
        }
    };
    next.ok_or_else(|| IllegalTransition { step: event.step(), from: state.label(), by: event.kind() })
}

fn after_intent(state: &State, request: u32, prior: &Prior) -> Option<State> {
    let expected = match state {
        State::Waiting => 0,
        // The same request once more, after a refusal or after a read that showed no effect.
        State::Running(
            Phase::Sent { request, .. } | Phase::Polling { request, .. } | Phase::Refused { request },
        ) => *request,
        State::Running(Phase::Answered { request }) => request.checked_add(1)?,
        State::Running(Phase::SeenBack)
        | State::Done
        | State::Failed { .. }
        | State::Skipped { .. }
        | State::Unknown { .. } => return None,
    };
    (expected == request).then(|| State::Running(Phase::Sent { request, prior: prior.clone() }))
}

/// The prior state of `request` when it is under way.
fn in_flight(state: &State, request: u32) -> Option<&Prior> {
    match state {
        State::Running(
            Phase::Sent { request: sent, prior } | Phase::Polling { request: sent, prior, .. },
        ) if *sent == request => Some(prior),
        State::Waiting
        | State::Running(_)
        | State::Done
        | State::Failed { .. }
        | State::Skipped { .. }
        | State::Unknown { .. } => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::reconcile::plan::Verb;
    use uuid::Uuid;

    pub(crate) fn intent(step: u32, request: u32) -> Event {
        Event::Intent {
            step,
            request,
            verb: Verb::Put,
            path: "/subscriptions/s/resourceGroups/g".into(),
            api_version: "2025-01-01".into(),
            body_digest: None,
            client_request_id: Uuid::nil(),
            prior: Prior::Absent,
        }
    }

    pub(crate) fn accepted(step: u32, request: u32) -> Event {
        Event::Accepted {
            step,
            request,
            poll_url: "https://arm.local/operations/1?s=secret".into(),
            style: PollStyle::AzureAsyncOperation,
            next_look: Timestamp::UNIX_EPOCH,
        }
    }

    /// Every kind of event about a step's first and second request.
    pub(crate) fn every_event(step: u32) -> Vec<Event> {
        let message = String::new();
        let mut events = vec![
            Event::ReadBack { step, digest: None },
            Event::Done { step },
            Event::Failed { step, message: message.clone() },
            Event::Unknown { step, message: message.clone() },
            Event::Skipped { step, because: 9 },
        ];
        for request in 0..2 {
            events.push(intent(step, request));
            events.push(accepted(step, request));
            events.push(Event::Answered { step, request });
            events.push(Event::Refused { step, request, message: message.clone() });
        }
        events
    }

    fn walk(events: &[Event]) -> Result<State, IllegalTransition> {
        events.iter().try_fold(State::Waiting, |state, event| advance(&state, event))
    }

    #[test]
    fn the_usual_lives_of_a_step_are_legal() {
        let (answered, seen, done) = (
            Event::Answered { step: 0, request: 0 },
            Event::ReadBack { step: 0, digest: None },
            Event::Done { step: 0 },
        );
        let refused = Event::Refused { step: 0, request: 0, message: "busy".into() };
        let lives = [
            vec![intent(0, 0), answered.clone(), seen.clone(), done.clone()],
            vec![intent(0, 0), accepted(0, 0), accepted(0, 0), answered.clone(), seen.clone(), done.clone()],
            vec![intent(0, 0), refused, intent(0, 0), answered.clone(), done.clone()],
            vec![intent(0, 0), intent(0, 0), answered.clone(), intent(0, 1), accepted(0, 1)],
            vec![seen, done.clone()],
            vec![done],
        ];
        for life in lives {
            walk(&life).unwrap();
        }
    }

    #[test]
    fn nothing_follows_the_end() {
        let ends = [
            State::Done,
            State::Failed { message: String::new() },
            State::Skipped { because: 1 },
            State::Unknown { message: String::new() },
        ];
        for end in ends {
            for event in every_event(0) {
                assert!(advance(&end, &event).is_err(), "{} took {}", end.label(), event.kind());
            }
        }
    }

    #[test]
    fn an_illegal_transition_names_both_ends() {
        let error = walk(&[intent(0, 0), Event::Done { step: 0 }]).unwrap_err();
        assert_eq!(error.to_string(), "step 0 cannot go from `sent request 0` by `done`");
    }

    #[test]
    fn requests_come_in_order() {
        assert!(walk(&[intent(0, 1)]).is_err());
        assert!(walk(&[intent(0, 0), intent(0, 1)]).is_err());
        assert!(walk(&[intent(0, 0), Event::Answered { step: 0, request: 1 }]).is_err());
        let answered = Event::Answered { step: 0, request: 0 };
        assert!(walk(&[intent(0, 0), answered.clone(), intent(0, 0)]).is_err());
        assert!(walk(&[intent(0, 0), answered, intent(0, 1)]).is_ok());
    }

    #[test]
    fn a_step_that_has_begun_is_not_skipped() {
        assert!(walk(&[intent(0, 0), Event::Skipped { step: 0, because: 1 }]).is_err());
    }
}
