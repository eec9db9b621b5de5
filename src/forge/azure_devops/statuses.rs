//! Statuses of commits, and of the iterations of pull requests.
//!
//! A branch policy can require only the status of a pull request ("Configure a branch policy for an
//! external service"), and it must stand on an iteration, or it would count for commits that are pushed
//! later ("Pull Request Statuses - Create"). So a status that is about a pull request is written twice:
//! on the commit, and on the newest iteration whose head is that commit. A commit that is the head of
//! no iteration has been replaced before it became one: there is nothing that it could hold up.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{AzureDevOps, FORGE, List};
use crate::forge::api::{Failure, Reach, is_web, no_commit};
use crate::forge::{ForgeError, PullRequestNumber, State, Status};

/// Under which all statuses of beamline stand; the context is shown as `beamline/plan`.
const GENRE: &str = "beamline";

/// A state of a pull request's source branch. Iterations are numbered from 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Iteration {
    pub(super) id: u64,
    source_ref_commit: Option<CommitRef>,
}

/// How the API names a commit.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommitRef {
    pub(super) commit_id: Option<String>,
}

/// The iterations that were looked up while posting.
type Known = BTreeMap<PullRequestNumber, Vec<Iteration>>;

/// Of a `GitStatus`, the documented answer.
const WRITTEN: &[&str] = &["id", "state", "context"];

impl AzureDevOps {
    pub(in crate::forge) async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        let mut outcomes = Vec::with_capacity(statuses.len());
        let mut known = Known::new();
        for status in statuses {
            match self.post_one(status, &mut known).await {
                Ok(()) => outcomes.push(Ok(())),
                Err(Failure { reach: Reach::ThisRequest, error, .. }) => outcomes.push(Err(error)),
                Err(Failure { reach: Reach::Everything, error, .. }) => {
                    outcomes.resize(statuses.len(), Err(error));
                    break;
                }
            }
        }
        outcomes
    }

    async fn post_one(&self, status: &Status, known: &mut Known) -> Result<(), Failure> {
        let what = format!("the status of {:.7}", status.commit);
        let path = format!("/commits/{}/statuses", status.commit);
        match self.write(Method::POST, &path, &body(status, None), &what).await {
            Ok(answer) => answer.confirms(WRITTEN, &what)?,
            Err(failure) => return Err(self.without_commit(status, failure).await),
        }
        let Some(number) = status.pull_request else { return Ok(()) };
        let iterations = match known.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.iterations_to_post_to(number).await?),
        };
        let commit = status.commit.to_string();
        let of_commit = iterations.iter().filter(|iteration| iteration.is_of(&commit));
        let Some(iteration) = of_commit.map(|iteration| iteration.id).max() else { return Ok(()) };
        let path = format!("/pullRequests/{number}/statuses");
        let what = format!("the status of pull request {number}");
        self.write(Method::POST, &path, &body(status, Some(iteration)), &what).await?.confirms(WRITTEN, &what)
    }

    /// A repository that answers for itself does not have the commit that is answered with 404.
    async fn without_commit(&self, status: &Status, failure: Failure) -> Failure {
        let is_absent =
            failure.status == Some(StatusCode::NOT_FOUND) && self.get("", "", "the repository").await.is_ok();
        if is_absent { no_commit(FORGE, &status.commit) } else { failure }
    }

    async fn iterations_to_post_to(&self, number: PullRequestNumber) -> Result<Vec<Iteration>, Failure> {
        match self.iterations(number).await {
            Err(failure) if is_no_pull_request(&failure) => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    /// "Pull Request Iterations - List".
    pub(super) async fn iterations(&self, number: PullRequestNumber) -> Result<Vec<Iteration>, Failure> {
        let what = format!("the iterations of pull request {number}");
        let answer = self.get(&format!("/pullRequests/{number}/iterations"), "", &what).await?;
        Ok(answer.json::<List<Iteration>>(&what)?.value)
    }
}

impl Iteration {
    fn is_of(&self, commit: &str) -> bool {
        let head = self.source_ref_commit.as_ref().and_then(|commit| commit.commit_id.as_deref());
        head.is_some_and(|head| head.eq_ignore_ascii_case(commit))
    }
}

/// Whether the failure says that the pull request itself is not there. TF401180 is the service's code
/// for it; a 404 without it is about the repository or the token.
pub(super) fn is_no_pull_request(failure: &Failure) -> bool {
    failure.status == Some(StatusCode::NOT_FOUND) && failure.error.message.contains("TF401180")
}

fn body(status: &Status, iteration: Option<u64>) -> Value {
    let context = status.context.to_string();
    let name = context.strip_prefix("beamline/").unwrap_or(&context);
    let mut body = json!({
        "state": word(status.state),
        "description": status.description.as_str(),
        "context": { "genre": GENRE, "name": name },
    });
    if let Some(url) = status.target_url.as_deref().filter(|url| is_web(url)) {
        body["targetUrl"] = url.into();
    }
    if let Some(iteration) = iteration {
        body["iterationId"] = iteration.into();
    }
    body
}

fn word(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Success => "succeeded",
        State::Failure => "failed",
        State::Error => "error",
    }
}
