//! Commit statuses on GitLab, which are jobs of pipelines.
//!
//! GitLab puts a status into the newest pipeline of the commit and ref, and creates one of source
//! `external` where there is none. Within a pipeline a job of the same name that has not ended is moved
//! to the new state; one that has ended is replaced. Moving a job to the state that it has is refused
//! (`Ci::CreateCommitStatusService`; GitLab's "Commits API", "Set commit pipeline status"). From that
//! follows what is done here:
//!
//! - A first unfinished status is `pending`, the next one `running`, which changes what it says once.
//!   After that GitLab refuses to change it, and the refusal is taken as delivered: what stands there
//!   has not ended either.
//! - After a final one, jobs that still wait in older pipelines of the commit are ended the same way. (A
//!   pipeline of the project's own may have been created in between, and took the final one.)
//! - The ref is the branch whose pipelines people look at: the main branch for an apply. For a plan it
//!   is that of the merge request's own pipeline, so that the check blocks its merge; where it has none,
//!   its source branch. Without a ref GitLab takes any branch that contains the commit.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::client::{GitLab, NAME, PAGE};
use super::merge_requests::MergeRequest;
use crate::forge::api::{Answer, Failure, Reach, is_web, no_commit, segment};
use crate::forge::outcomes::Outcomes;
use crate::forge::outlet::{Class, ForgeError};
use crate::forge::pull_request::PullRequestNumber;
use crate::forge::status::{Check, State, Status};
use crate::git::CommitId;

/// The longest name, description, target and ref, in characters ("Commits API").
const MAX_TEXT_CHARS: usize = 255;

/// Most older pipelines in which a job of ours is ended.
const MAX_LEFT: usize = 20;

/// Where a status stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    reference: Option<String>,
    pipeline: Option<u64>,
}

/// The refs of the merge requests that were looked up for one batch of statuses.
type References = BTreeMap<PullRequestNumber, Option<String>>;

/// A status as GitLab tells it.
#[derive(Deserialize)]
struct Job {
    #[serde(default)]
    status: String,
    #[serde(rename = "ref")]
    reference: Option<String>,
    pipeline_id: Option<u64>,
}

/// The state of a job that GitLab refused to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// GitLab's `pending`: nothing has begun.
    Pending,
    /// GitLab's `running`: it is under way.
    Running,
    Other,
}

impl GitLab {
    pub(in crate::forge) async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        let mut outcomes = Outcomes::of(statuses.len());
        let mut references = References::new();
        for status in statuses {
            let outcome = self.post_one(status, &mut references).await;
            if outcomes.note(outcome).is_break() {
                break;
            }
        }
        outcomes.finish()
    }

    async fn post_one(&self, status: &Status, references: &mut References) -> Result<(), Failure> {
        let place = Place { reference: self.reference_of(status, references).await?, pipeline: None };
        if status.state.is_final() {
            self.conclude(status, &place).await
        } else {
            self.announce(status, &place).await
        }
    }

    async fn announce(&self, status: &Status, place: &Place) -> Result<(), Failure> {
        for state in ["pending", "running"] {
            let Err(failure) = self.set(status, state, place).await else { return Ok(()) };
            match refused_transition(&failure) {
                Some(Standing::Pending) => {}
                Some(Standing::Running) => return Ok(()),
                Some(Standing::Other) | None => return Err(failure),
            }
        }
        Ok(())
    }

    async fn conclude(&self, status: &Status, place: &Place) -> Result<(), Failure> {
        let state = word_for(status.state);
        let set = self.set(status, state, place).await;
        let standing = match &set {
            Err(failure) if refused_transition(failure).is_none() => return set.map(drop),
            Ok(_) | Err(_) => self.jobs_of(status).await?,
        };
        let pipeline = match set {
            Ok(answer) => answer.json::<Job>("the status").ok().and_then(|job| job.pipeline_id),
            Err(_) if standing.first().is_some_and(|newest| newest.status == state) => None,
            Err(failure) => return Err(failure),
        };
        for left in left_behind(&standing, pipeline) {
            match self.set(status, state, &left).await {
                Err(failure) if refused_transition(&failure).is_none() => return Err(failure),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn set(&self, status: &Status, state: &str, place: &Place) -> Result<Answer, Failure> {
        let mut body = json!({
            "state": state,
            "name": status.context.to_string(),
            "description": status.description.as_str(),
        });
        let fits = |text: &&str| text.chars().count() <= MAX_TEXT_CHARS;
        if let Some(url) = status.target_url.as_deref().filter(|url| is_web(url)).filter(fits) {
            body["target_url"] = json!(url);
        }
        if let Some(reference) = place.reference.as_deref().filter(fits) {
            body["ref"] = json!(reference);
        }
        if let Some(pipeline) = place.pipeline {
            body["pipeline_id"] = json!(pipeline);
        }
        let what = format!("the status {} of {}", status.context, status.commit.short());
        let path = format!("/statuses/{}", status.commit);
        let outcome = self.send(Method::POST, &path, &body, &what).await;
        let answer = outcome.map_err(|failure| explained(failure, &status.commit))?;
        answer.confirms(&["id", "sha", "status"], &what)?;
        Ok(answer)
    }

    /// What stands under the context of `status`, newest first.
    async fn jobs_of(&self, status: &Status) -> Result<Vec<Job>, Failure> {
        let what = format!("the statuses of {}", status.commit.short());
        let name = segment(&status.context.to_string());
        let path = format!(
            "/repository/commits/{}/statuses?name={name}&order_by=id&sort=desc&per_page={PAGE}",
            status.commit
        );
        self.get(&path, &what).await?.json(&what)
    }

    async fn reference_of(
        &self,
        status: &Status,
        references: &mut References,
    ) -> Result<Option<String>, Failure> {
        let number = match (status.context.check(), status.pull_request) {
            (Check::Apply, _) => return Ok(Some(self.branch.as_str().to_owned())),
            (Check::Plan, None) => return Ok(None),
            (Check::Plan, Some(number)) => number,
        };
        if let Some(known) = references.get(&number) {
            return Ok(known.clone());
        }
        let reference = match self.merge_request(number).await {
            Ok(merge_request) => merge_request.pipeline_ref(&status.commit),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => None,
            Err(failure) => return Err(failure),
        };
        references.insert(number, reference.clone());
        Ok(reference)
    }
}

impl MergeRequest {
    /// The ref in whose pipelines a status of `commit` is seen. A fork's branch is never taken: it may
    /// have the name of a branch of this project.
    fn pipeline_ref(&self, commit: &CommitId) -> Option<String> {
        if !self.is_from_same_project() {
            return Some(format!("refs/merge-requests/{}/head", self.iid?));
        }
        let commit = commit.to_string();
        let own = self.head_pipeline.as_ref().filter(|pipeline| pipeline.sha.as_ref() == Some(&commit));
        own.and_then(|pipeline| pipeline.reference.clone()).or_else(|| self.source_branch.clone())
    }
}

/// GitLab has no state for what is not the commit's fault; the description says it.
fn word_for(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Success => "success",
        State::Failure | State::Error => "failed",
    }
}

/// The places of jobs that have not ended, but for those in the pipeline that was just written to.
fn left_behind(standing: &[Job], written: Option<u64>) -> Vec<Place> {
    let waiting = standing.iter().filter(|job| matches!(job.status.as_str(), "pending" | "running"));
    let elsewhere = waiting.filter(|job| job.pipeline_id.is_some() && job.pipeline_id != written);
    let places = elsewhere.map(|job| Place { reference: job.reference.clone(), pipeline: job.pipeline_id });
    places.take(MAX_LEFT).collect()
}

/// Reads `Cannot transition status via :enqueue from :pending (…)`.
fn refused_transition(failure: &Failure) -> Option<Standing> {
    let message = &failure.error.message;
    if failure.status != Some(StatusCode::BAD_REQUEST) || !message.contains("Cannot transition status") {
        return None;
    }
    Some(if message.contains("from :pending") {
        Standing::Pending
    } else if message.contains("from :running") {
        Standing::Running
    } else {
        Standing::Other
    })
}

/// What two answers mean for statuses in particular: 409 is another update under way, and 403 may
/// concern one ref only, because a protected branch has permissions of its own.
fn explained(mut failure: Failure, commit: &CommitId) -> Failure {
    if failure.status == Some(StatusCode::NOT_FOUND) && failure.error.message.contains("Commit Not Found") {
        return no_commit(NAME, commit);
    }
    match (failure.status, failure.error.class) {
        (Some(StatusCode::CONFLICT), _) => {
            failure.error = ForgeError {
                class: Class::Retry { after: None },
                message: "GitLab is changing the statuses of this commit; it is tried again".to_owned(),
            };
        }
        (Some(StatusCode::FORBIDDEN), Class::Refused) => {
            failure.reach = Reach::ThisRequest;
            failure
                .error
                .message
                .push_str("; on a protected branch its account must also be allowed to merge or push");
        }
        (Some(_) | None, Class::Refused | Class::Retry { .. } | Class::NoCommit) => {}
    }
    failure
}

#[cfg(test)]
#[path = "statuses_tests.rs"]
mod tests;
