//! PURE: what to do next about a step, from its state and what a read of its resource says.
//!
//! The executor asks after every event, a restart asks after the replay: a step that was interrupted
//! is continued by the same decisions as one that was not. What is guaranteed: a request that may have
//! been executed is never sent again before a read has shown that it was not (or not fully); a stored
//! operation is looked at before anything is sent.

use super::journal::Prior;
use super::progress::{Pending, Phase, State};

/// What a step wants of its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It is there, as asked for.
    Present,
    /// It is gone.
    Absent,
}

/// What a read of the resource says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// There is none.
    Absent,
    /// Azure is deleting it.
    Deleting,
    /// Azure is working on it.
    Working,
    /// It is as the step wants it.
    Matching,
    /// It is there, at rest, and otherwise than the step wants it.
    Other,
    /// It is there, and the last write of it ended badly.
    Broken,
}

/// What to do next.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// Send this request, for the first time.
    Continue {
        /// Which of the step's requests.
        request: u32,
    },
    /// Send this request again: it was refused, or a read showed that it had no full effect.
    SendAgain {
        /// Which request.
        request: u32,
    },
    /// Look at the operation that Azure named.
    Poll {
        /// Which request it belongs to.
        request: u32,
        /// The operation.
        operation: Pending,
    },
    /// Azure works on the resource and no operation is known: look at the resource until it rests.
    Watch,
    /// Read the resource and decide again.
    ReadFirst,
    /// The request had its effect although nobody said so.
    Settled {
        /// Which request.
        request: u32,
    },
    /// All requests were answered: verify.
    ReadBack,
    /// Nothing is left to do.
    Finished,
}

/// Decides. `requests` is how many requests the step has; `seen` is a read made just now, `None` when
/// there was none since the state was entered (or, while polling, as long as the operation answers).
pub(crate) fn decide(state: &State, wish: Wish, requests: u32, seen: Option<Seen>) -> Decision {
    match state {
        State::Done | State::Failed { .. } | State::Skipped { .. } | State::Unknown { .. } => {
            Decision::Finished
        }
        State::Waiting if requests == 0 => Decision::ReadBack,
        State::Waiting => Decision::Continue { request: 0 },
        State::Running(Phase::Refused { request }) => Decision::SendAgain { request: *request },
        State::Running(Phase::Answered { request }) => match request.checked_add(1) {
            Some(next) if next < requests => Decision::Continue { request: next },
            Some(_) | None => Decision::ReadBack,
        },
        // Read again: the body is not in the journal, and later steps may ask for its properties.
        State::Running(Phase::SeenBack) => Decision::ReadBack,
        State::Running(Phase::Sent { request, prior }) => match seen {
            None => Decision::ReadFirst,
            Some(seen) => after_reading(wish, *request, requests, prior, seen),
        },
        State::Running(Phase::Polling { request, operation, prior }) => match seen {
            None => Decision::Poll { request: *request, operation: operation.clone() },
            Some(seen) => after_reading(wish, *request, requests, prior, seen),
        },
    }
}

fn after_reading(wish: Wish, request: u32, requests: u32, prior: &Prior, seen: Seen) -> Decision {
    // Of several requests that make a resource the first brought it into being; the others complete it.
    let made = *prior == Prior::Absent && request.saturating_add(1) < requests;
    match (wish, seen) {
        (Wish::Present, Seen::Other) if made => Decision::Settled { request },
        // What follows the deletion (a purge) leaves no trace on the resource, and may be sent twice.
        (Wish::Absent, Seen::Absent) if request > 0 => Decision::SendAgain { request },
        (Wish::Present, Seen::Matching)
        // The reading back of a deletion waits until the resource is gone.
        | (Wish::Absent, Seen::Absent | Seen::Deleting | Seen::Matching) => Decision::Settled { request },
        (Wish::Present, Seen::Working | Seen::Deleting) | (Wish::Absent, Seen::Working) => Decision::Watch,
        (Wish::Present, Seen::Absent | Seen::Other | Seen::Broken)
        | (Wish::Absent, Seen::Other | Seen::Broken) => Decision::SendAgain { request },
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::PollStyle;
    use super::*;
    use jiff::Timestamp;

    fn sent() -> State {
        State::Running(Phase::Sent { request: 0, prior: Prior::Absent })
    }

    fn polling() -> State {
        let operation = Pending {
            url: "https://arm.local/1".into(),
            style: PollStyle::Location,
            next_look: Timestamp::UNIX_EPOCH,
        };
        State::Running(Phase::Polling { request: 0, prior: Prior::Absent, operation })
    }

    fn word(decision: &Decision) -> String {
        match decision {
            Decision::Continue { request } => format!("continue {request}"),
            Decision::SendAgain { request } => format!("send again {request}"),
            Decision::Poll { request, .. } => format!("poll {request}"),
            Decision::Watch => "watch".into(),
            Decision::ReadFirst => "read first".into(),
            Decision::Settled { request } => format!("settled {request}"),
            Decision::ReadBack => "read back".into(),
            Decision::Finished => "finished".into(),
        }
    }

    #[test]
    fn without_a_read_the_state_alone_decides() {
        let failed = State::Failed { message: String::new() };
        let unknown = State::Unknown { message: String::new() };
        let table = [
            (State::Waiting, 2, "continue 0"),
            (State::Waiting, 0, "read back"),
            (sent(), 1, "read first"),
            (polling(), 1, "poll 0"),
            (State::Running(Phase::Refused { request: 1 }), 2, "send again 1"),
            (State::Running(Phase::Answered { request: 0 }), 2, "continue 1"),
            (State::Running(Phase::Answered { request: 1 }), 2, "read back"),
            (State::Running(Phase::Answered { request: u32::MAX }), 2, "read back"),
            (State::Running(Phase::SeenBack), 1, "read back"),
            (State::Done, 1, "finished"),
            (failed, 1, "finished"),
            (State::Skipped { because: 0 }, 1, "finished"),
            (unknown, 1, "finished"),
        ];
        for wish in [Wish::Present, Wish::Absent] {
            for (state, requests, expected) in &table {
                assert_eq!(word(&decide(state, wish, *requests, None)), *expected, "{}", state.label());
            }
        }
    }

    #[test]
    fn an_unanswered_request_is_decided_by_what_is_there() {
        let table = [
            (Wish::Present, Seen::Absent, "send again 0"),
            (Wish::Present, Seen::Other, "send again 0"),
            (Wish::Present, Seen::Broken, "send again 0"),
            (Wish::Absent, Seen::Broken, "send again 0"),
            (Wish::Present, Seen::Working, "watch"),
            (Wish::Present, Seen::Deleting, "watch"),
            (Wish::Present, Seen::Matching, "settled 0"),
            (Wish::Absent, Seen::Absent, "settled 0"),
            (Wish::Absent, Seen::Deleting, "settled 0"),
            (Wish::Absent, Seen::Matching, "settled 0"),
            (Wish::Absent, Seen::Working, "watch"),
            (Wish::Absent, Seen::Other, "send again 0"),
        ];
        for (wish, seen, expected) in table {
            for state in [sent(), polling()] {
                let decision = decide(&state, wish, 1, Some(seen));
                assert_eq!(word(&decision), expected, "{wish:?} {seen:?} while {}", state.label());
            }
        }
    }

    #[test]
    fn the_first_of_several_requests_that_make_a_resource_is_not_repeated_once_it_is_there() {
        let word = |prior: Prior, request, seen| {
            let state = State::Running(Phase::Sent { request, prior });
            word(&decide(&state, Wish::Present, 2, Some(seen)))
        };
        assert_eq!(word(Prior::Absent, 0, Seen::Other), "settled 0");
        assert_eq!(word(Prior::Absent, 0, Seen::Broken), "send again 0");
        assert_eq!(word(Prior::Absent, 1, Seen::Other), "send again 1");
        assert_eq!(word(Prior::Digest("d".into()), 0, Seen::Other), "send again 0");
    }
}
