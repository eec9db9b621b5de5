//! What goes wrong, scripted: each fault waits for requests that match it and spends itself on them.
//!
//! A fault is spent only by a request on which it has an effect: a failing operation waits for a write
//! that starts one, an ignored property for a write at all, a wrong clock for a token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// Most faults that wait at a time; further ones are dropped oldest first.
const MAX_WAITING: usize = 10_000;

/// A scripted fault. In a file: `{method, path_contains, times, effect: {kind, …}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The HTTP method it waits for, in any casing; `None` for every method.
    #[serde(default)]
    pub method: Option<String>,
    /// A part of the path it waits for, compared without regard to casing. Empty: every path.
    #[serde(default)]
    pub path_contains: String,
    /// How many requests it spends itself on.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to them.
    pub effect: FaultEffect,
}

fn once() -> u32 {
    1
}

/// Before or after the request has its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The request never has its effect.
    Before,
    /// The request was executed.
    After,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultEffect {
    /// The request is refused before it has any effect. A token request gets Entra's shape of an error
    /// with `temporarily_unavailable`: that is a token endpoint that is down.
    Status {
        /// The HTTP status, 400 to 599.
        code: u16,
        /// The `Retry-After` header, in seconds.
        #[serde(default)]
        retry_after_secs: Option<u64>,
        /// `error.code` of the body.
        error_code: String,
        /// `error.message` of the body.
        message: String,
    },
    /// The request is executed, and its answer never arrives: over TLS the connection (or the HTTP/2
    /// stream) breaks; in process the answer is a 502 with the header `x-simulator-lost: 1`.
    LoseAnswer,
    /// The connection breaks, as for [`FaultEffect::LoseAnswer`], before or after the request is executed.
    Reset {
        /// At which moment of the request it breaks.
        moment: Moment,
    },
    /// The request is executed, and only the beginning of the answer's body arrives.
    Truncate {
        /// How many bytes arrive.
        keep_bytes: usize,
    },
    /// The request is executed, and the answer is held back.
    Slow {
        /// For how long, in milliseconds.
        ms: u64,
    },
    /// The long-running operation that the write starts ends `Failed`.
    FailOperation {
        /// `error.code` of the operation.
        code: String,
        /// `error.message` of the operation.
        message: String,
    },
    /// The long-running operation that the write starts ends `Canceled`.
    CancelOperation,
    /// The long-running operation that the write starts never ends.
    NeverFinish,
    /// The poll URLs of the operation that the write starts answer 404 for a while.
    HidePoll {
        /// For how long after the start, in seconds.
        secs: u64,
    },
    /// The write is accepted, and the property at this JSON pointer (below the resource, such as
    /// `/properties/minimumTlsVersion`) keeps its old value, or none.
    IgnoreProperty {
        /// The JSON pointer (RFC 6901) of what is changed.
        pointer: String,
    },
    /// The deletion is accepted, its operation, where it has one, succeeds, and what was to go stays.
    IgnoreDeletion,
    /// The write of a compute is refused as if the quota of its VM family was used up.
    ExhaustQuota,
    /// The token that is given out was stamped by a clock that is wrong.
    ClockSkew {
        /// By how much, in seconds; a negative number makes tokens old.
        secs: i64,
    },
}

/// The handle on a world's faults. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    waiting: Arc<Mutex<Vec<Fault>>>,
}

impl Faults {
    /// Lets `fault` wait for its requests.
    pub fn add(&self, fault: Fault) {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING {
            waiting.remove(0);
        }
        waiting.push(fault);
    }

    /// The faults that still wait, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Fault> {
        self.waiting().clone()
    }

    /// Forgets all faults that still wait.
    pub fn clear(&self) {
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spends the first fault that matches the request and whose effect `wanted` accepts.
    pub(super) fn take(
        &self,
        method: &str,
        path: &str,
        wanted: impl Fn(&FaultEffect) -> bool,
    ) -> Option<FaultEffect> {
        let mut waiting = self.waiting();
        if waiting.is_empty() {
            return None;
        }
        let path = path.to_ascii_lowercase();
        let at = waiting.iter().position(|fault| {
            fault.times > 0
                && fault.method.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(method))
                && path.contains(&fault.path_contains.to_ascii_lowercase())
                && wanted(&fault.effect)
        })?;
        let effect = waiting[at].effect.clone();
        waiting[at].times -= 1;
        if waiting[at].times == 0 {
            waiting.remove(at);
        }
        Some(effect)
    }
}
