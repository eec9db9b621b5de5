//! Work for unit tests.

use jiff::Timestamp;

use crate::git::CommitId;
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::store::{Work, WorkId, WorkState};

/// A queued piece of work of the commit `aaaa…`.
pub(super) fn work(id: i64, environment: &str, kind: RunKind) -> Work {
    Work {
        id: WorkId(id),
        commit: commit(),
        reads: commit(),
        line: "main".parse().unwrap(),
        kind,
        environment: environment.parse().unwrap(),
        path: format!("environments/{environment}.yaml"),
        removed: false,
        input_digest: None,
        remark: None,
        state: WorkState::Queued,
        queued_at: Timestamp::UNIX_EPOCH,
        ended_at: None,
    }
}

/// The same, ended.
pub(super) fn ended(id: i64, environment: &str, end: RunEnd, summary: &str) -> Work {
    let state = WorkState::Ended { end, summary: summary.to_owned() };
    Work { state, ..work(id, environment, RunKind::Apply) }
}

/// The commit.
pub(super) fn commit() -> CommitId {
    "a".repeat(40).parse().unwrap()
}
