//! What goes wrong while a plan is carried out: requests fail, are refused or lost, operations end badly, Azure
//! ignores a property, and the process dies, in a write to its journal or between any two things.

use std::time::Duration;

use beamline::reconcile::apply::LastWrite;
use beamline::resources::{Arm as Place, Kind};
use beamline_simulator::{Fault, FaultEffect, Moment};

use super::draw::Draw;
use crate::support::leaves;

/// What Azure asks to wait for when it cannot serve a request, in seconds.
pub(super) const RETRY_AFTER_SECS: u64 = 20;

/// So many failures in a row an apply outlasts at every request.
const MOST_PASSING: u32 = 9;

/// What goes wrong in one run.
pub(super) enum Trouble {
    /// Nothing.
    None,
    /// Azure, several times.
    Faults(Vec<Fault>),
    /// The process dies in a write to the journal, after that many others.
    DiesWriting(usize, LastWrite),
    /// The process dies after a while.
    DiesAfter(Duration),
}

impl Trouble {
    pub(super) fn drawn(draw: &mut Draw) -> Self {
        match draw.below(10) {
            0..=5 => Self::None,
            6 | 7 => Self::Faults((0..=draw.below(4)).map(|_| fault(draw)).collect()),
            8 => {
                let last = if draw.chance(50) { LastWrite::Lost } else { LastWrite::Durable };
                Self::DiesWriting(draw.below(60).try_into().unwrap(), last)
            }
            _ => {
                let most = *draw.among(&[200, 5_000, 60_000, 900_000]).unwrap();
                Self::DiesAfter(Duration::from_millis(u64::from(draw.below(most))))
            }
        }
    }

    /// Whether every answer arrives, also one that asks to wait: the process lives, and no answer is lost.
    pub(super) fn answers_arrive(&self) -> bool {
        let Self::Faults(faults) = self else { return false };
        let is_lost =
            |fault: &Fault| matches!(fault.effect, FaultEffect::LoseAnswer | FaultEffect::Reset { .. });
        !faults.iter().any(is_lost)
    }

    /// Whether what is made may be made again: an operation ended badly.
    pub(super) fn may_repeat(&self) -> bool {
        let Self::Faults(faults) = self else { return false };
        let ends_badly = |fault: &Fault| {
            matches!(fault.effect, FaultEffect::FailOperation { .. } | FaultEffect::CancelOperation)
        };
        faults.iter().any(ends_badly)
    }

    /// Whether everything that goes wrong passes while an apply waits, so that this ends well: answers are lost or late,
    /// connections break, and Azure cannot serve a few requests.
    pub(super) fn passes(&self) -> bool {
        let Self::Faults(faults) = self else { return false };
        let passes = |fault: &Fault| match &fault.effect {
            FaultEffect::LoseAnswer
            | FaultEffect::Reset { .. }
            | FaultEffect::Slow { .. }
            | FaultEffect::HidePoll { .. } => true,
            FaultEffect::Status { code, .. } => matches!(code, 429 | 503),
            FaultEffect::Truncate { .. }
            | FaultEffect::FailOperation { .. }
            | FaultEffect::CancelOperation
            | FaultEffect::NeverFinish
            | FaultEffect::IgnoreProperty { .. }
            | FaultEffect::IgnoreDeletion
            | FaultEffect::ExhaustQuota
            | FaultEffect::ClockSkew { .. } => false,
        };
        faults.iter().all(passes) && faults.iter().map(|fault| fault.times).sum::<u32>() <= MOST_PASSING
    }
}

/// For people: what is drawn.
impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("nothing goes wrong"),
            Self::Faults(faults) => write!(f, "Azure fails: {faults:?}"),
            Self::DiesWriting(writes, last) => {
                write!(f, "the process dies after {writes} writes, the last is {last:?}")
            }
            Self::DiesAfter(time) => write!(f, "the process dies after {time:?}"),
        }
    }
}

fn fault(draw: &mut Draw) -> Fault {
    let places =
        ["/vaults/", "/storageAccounts/", "/workspaces/", "/computes/", "/virtualNetworks/", "/rg-ml", ""];
    let status = |code: u16, error_code: &str, retry_after_secs: Option<u64>| FaultEffect::Status {
        code,
        retry_after_secs,
        error_code: error_code.to_owned(),
        message: "drawn".to_owned(),
    };
    let effect = match draw.below(13) {
        0 => FaultEffect::CancelOperation,
        1 => {
            FaultEffect::FailOperation { code: "InternalServerError".to_owned(), message: "drawn".to_owned() }
        }
        2 => FaultEffect::LoseAnswer,
        3 => FaultEffect::Reset { moment: Moment::After },
        4 => FaultEffect::Reset { moment: Moment::Before },
        5 => status(429, "TooManyRequests", Some(RETRY_AFTER_SECS)),
        6 => status(503, "ServiceUnavailable", Some(RETRY_AFTER_SECS)),
        7 => status(409, "AnotherOperationInProgress", None),
        8 => status(403, "AuthorizationFailed", None),
        9 => FaultEffect::Slow { ms: u64::from(draw.below(20_000)) },
        10 => FaultEffect::HidePoll { secs: u64::from(draw.below(30)) },
        _ => ignored(draw),
    };
    let method = *draw.among(&[Some("PUT"), Some("PUT"), Some("DELETE"), Some("GET"), None]).unwrap();
    let path_contains = (*draw.among(&places).unwrap()).to_owned();
    let times = 1 + draw.below(5);
    // A deletion has no property that could be ignored: it is ignored itself.
    let is_of_no_use = method == Some("DELETE") && matches!(effect, FaultEffect::IgnoreProperty { .. });
    let (effect, times) = if is_of_no_use { (FaultEffect::IgnoreDeletion, 1) } else { (effect, times) };
    Fault { method: method.map(str::to_owned), path_contains, times, effect }
}

/// A property of some kind is accepted, and stays as it was.
fn ignored(draw: &mut Draw) -> FaultEffect {
    let kind = *draw.among(&Kind::ALL).unwrap();
    let pointers: Vec<&str> = leaves(kind)
        .iter()
        .filter_map(|leaf| match leaf.field.arm {
            Place::At(pointer) | Place::AtOr(pointer, _) => Some(pointer),
            Place::Enabled(_) | Place::Not(_) | Place::Inside | Place::By { .. } | Place::Nowhere => None,
        })
        .collect();
    let pointer = draw.among(&pointers).copied().unwrap_or("/tags/team").to_owned();
    FaultEffect::IgnoreProperty { pointer }
}
