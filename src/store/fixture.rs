//! Values for the tests of the store. Only compiled for tests.

use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Applied, Attempt, Claim, Delivery, EnvironmentRecord, NewWork, Work};
use crate::definitions::InputDigest;
use crate::forge::{Context, Description, State, Status};
use crate::git::{BranchName, CommitId};
use crate::reconcile::apply::{RunEnd, RunId, RunKind, RunRecord};
use crate::reconcile::plan::{FORMAT, Plan, Revision};
use crate::resources::EnvironmentName;

pub(super) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(super) fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// The moment that many seconds after [`now`].
pub(super) fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() + seconds).unwrap()
}

pub(super) fn name(text: &str) -> EnvironmentName {
    text.parse().unwrap()
}

pub(super) fn branch(text: &str) -> BranchName {
    text.parse().unwrap()
}

/// The commit of which every digit is `digit`.
pub(super) fn commit(digit: char) -> CommitId {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(super) fn digest(digit: char) -> InputDigest {
    digit.to_string().repeat(64).parse().unwrap()
}

pub(super) fn delivery(id: &str) -> Delivery {
    Delivery {
        forge: "github".to_owned(),
        delivery_id: id.parse().unwrap(),
        event: "push".to_owned(),
        body_digest: "abc".to_owned(),
        about: None,
        received_at: now(),
    }
}

pub(super) fn environment_record(environment: &str) -> EnvironmentRecord {
    let claim = |kind: &str, key: String| Claim { kind: kind.to_owned(), key };
    EnvironmentRecord {
        environment: name(environment),
        path: format!("environments/{environment}.yaml"),
        subscription: "ml".to_owned(),
        resource_group: format!("rg-ml-{environment}"),
        last_complete: Some(Applied { commit: commit('a'), input_digest: digest('a') }),
        last_attempt: Some(Attempt {
            commit: commit('b'),
            input_digest: Some(digest('b')),
            end: RunEnd::Complete,
            remedy: None,
        }),
        claims: vec![
            claim("global_name", format!("st{environment}")),
            claim("resource", format!("/rg/{environment}")),
        ],
        updated_at: now(),
    }
}

pub(super) fn new_work(environment: &str, kind: RunKind) -> NewWork {
    NewWork {
        kind,
        environment: name(environment),
        path: format!("environments/{environment}.yaml"),
        removed: false,
        input_digest: Some(digest('d')),
        remark: None,
    }
}

pub(super) fn run_record(id: u128, environment: &str) -> RunRecord {
    let plan = Plan {
        notation: crate::definitions::Syntax::Yaml,
        format: FORMAT,
        environment: name(environment),
        commit: Some(Revision(commit('a').to_string())),
        input_digest: Some(digest('a')),
        observed_digest: "observed".to_owned(),
        steps: Vec::new(),
        kept: Vec::new(),
        notes: Vec::new(),
        blockers: Vec::new(),
        consents: Vec::new(),
    };
    RunRecord {
        id: RunId(Uuid::from_u128(id)),
        owner: "estate".to_owned(),
        environment: name(environment),
        path: format!("environments/{environment}.yaml"),
        commit: plan.commit.clone(),
        kind: RunKind::Apply,
        input_digest: plan.input_digest.clone(),
        plan_digest: "digest".to_owned(),
        plan,
        began: later(i64::try_from(id).unwrap()),
        asked_by: None,
    }
}

pub(super) fn status(commit: CommitId, context: Context, state: State, text: &str) -> Status {
    Status {
        commit,
        context,
        state,
        description: Description::new(text),
        target_url: None,
        pull_request: None,
    }
}

/// The statuses of nobody.
pub(super) fn silent(_: &[Work]) -> Vec<Status> {
    Vec::new()
}

/// An aggregate as a daemon would make it: pending while anything is open.
pub(super) fn aggregate(work: &[Work]) -> Vec<Status> {
    let Some(first) = work.first() else { return Vec::new() };
    let ended = work.iter().filter(|item| item.state.is_ended()).count();
    let state = if ended == work.len() { State::Success } else { State::Pending };
    vec![status(first.commit, Context::apply(), state, &format!("{ended} of {} ended", work.len()))]
}
