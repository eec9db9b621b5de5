//! Merge requests: which are open, what became of one, what it changes.

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::client::{GitLab, PAGE};
use crate::forge::api::Failure;
use crate::forge::outlet::ForgeError;
use crate::forge::pull_request::{
    ChangedFiles, Ending, MAX_PULL_REQUESTS, Merged, Origin, PullRequest, PullRequestNumber, PullRequests,
    Stage, Validator,
};

/// Most pages of changed files. GitLab lists at most 3,000 files of a merge request ("Diff limits").
const MAX_FILE_PAGES: usize = 30;

/// What is read of a merge request. Some fields are absent in lists, and the published description
/// calls several that are numbers or truth values texts.
#[derive(Deserialize)]
pub(super) struct MergeRequest {
    pub(super) iid: Option<u64>,
    state: Option<String>,
    /// Absent while GitLab still prepares a new merge request.
    sha: Option<String>,
    pub(super) source_branch: Option<String>,
    target_branch: Option<String>,
    /// `null` when the fork was deleted.
    #[serde(default)]
    source_project_id: Value,
    #[serde(default)]
    target_project_id: Value,
    #[serde(default)]
    draft: Value,
    updated_at: Option<String>,
    user_notes_count: Option<u64>,
    /// `1000+` when there are more than GitLab lists; absent while it still counts.
    changes_count: Option<String>,
    pub(super) head_pipeline: Option<Pipeline>,
    merged_at: Option<String>,
    /// Absent when it was merged without a merge commit.
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
}

/// What is read of the pipeline of a merge request.
#[derive(Deserialize)]
pub(super) struct Pipeline {
    pub(super) sha: Option<String>,
    #[serde(rename = "ref")]
    pub(super) reference: Option<String>,
}

#[derive(Deserialize)]
struct Diff {
    old_path: Option<String>,
    new_path: Option<String>,
}

impl GitLab {
    /// Conditional as long as all fit one page: GitLab answers with the `ETag` of that page's text.
    pub(in crate::forge) async fn open_pull_requests(
        &self,
        validator: Option<&Validator>,
    ) -> Result<PullRequests, ForgeError> {
        let what = "the open merge requests";
        let mut pull_requests: Vec<PullRequest> = Vec::new();
        let mut tag = None;
        for page in 1..=MAX_PULL_REQUESTS / PAGE {
            let path = format!(
                "/merge_requests?state=opened&order_by=created_at&sort=asc&per_page={PAGE}&page={page}"
            );
            let known = validator.filter(|_| page == 1).map(|validator| validator.0.as_str());
            let answer = self.get_unless(&path, known, what).await?;
            if answer.status == StatusCode::NOT_MODIFIED {
                return Ok(PullRequests::Unchanged);
            }
            let found: Vec<MergeRequest> = answer.json(what)?;
            pull_requests.extend(found.iter().filter_map(MergeRequest::pull_request));
            if page == 1 {
                tag = answer.header("etag").map(|tag| Validator(tag.to_owned()));
            }
            if !answer.has_next_link() {
                let validator = tag.filter(|_| page == 1);
                return Ok(PullRequests::Open {
                    pull_requests: in_order(pull_requests),
                    truncated: false,
                    validator,
                });
            }
        }
        Ok(PullRequests::Open { pull_requests: in_order(pull_requests), truncated: true, validator: None })
    }

    pub(in crate::forge) async fn ending(&self, number: PullRequestNumber) -> Result<Ending, ForgeError> {
        match self.merge_request(number).await {
            Ok(merge_request) => Ok(match merge_request.state.as_deref() {
                Some("merged") => Ending::Merged(merge_request.merged()),
                Some("closed") => Ending::Closed,
                // `opened`, and `locked` while it is being merged.
                Some(_) | None => Ending::Open,
            }),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => {
                self.get("", "the project").await?;
                Ok(Ending::Closed)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    pub(in crate::forge) async fn changed_files(
        &self,
        number: PullRequestNumber,
    ) -> Result<ChangedFiles, ForgeError> {
        let what = format!("the files of merge request {number}");
        let mut paths = Vec::new();
        let mut files = 0;
        let mut truncated = true;
        for page in 1..=MAX_FILE_PAGES {
            let path = format!("/merge_requests/{number}/diffs?per_page={PAGE}&page={page}");
            let answer = self.get(&path, &what).await?;
            let found: Vec<Diff> = answer.json(&what)?;
            files += found.len();
            paths.extend(found.into_iter().flat_map(|diff| [diff.old_path, diff.new_path]).flatten());
            if !answer.has_next_link() {
                truncated = false;
                break;
            }
        }
        let counted = self.merge_request(number).await?.changes_count;
        let is_all = counted.and_then(|count| count.parse().ok()).is_some_and(|count: usize| count <= files);
        paths.sort_unstable();
        paths.dedup();
        Ok(ChangedFiles { paths, truncated: truncated || !is_all })
    }

    pub(super) async fn merge_request(&self, number: PullRequestNumber) -> Result<MergeRequest, Failure> {
        let what = format!("merge request {number}");
        self.get(&format!("/merge_requests/{number}"), &what).await?.json(&what)
    }
}

impl MergeRequest {
    /// Whether the source is a branch of this project, to which only its members can push.
    pub(super) fn is_from_same_project(&self) -> bool {
        !self.source_project_id.is_null() && self.source_project_id == self.target_project_id
    }

    /// Without a merge commit the target was moved to what was squashed, or to the head itself ("Merge
    /// methods", fast-forward).
    fn merged(&self) -> Merged {
        let commit = self.merge_commit_sha.as_deref().or(self.squash_commit_sha.as_deref());
        let head = self.sha.as_deref();
        Merged::read(commit.or(head), head, self.target_branch.as_deref(), self.merged_at.as_deref())
    }

    /// `None` when it has no commit yet, or names that Git does not have.
    fn pull_request(&self) -> Option<PullRequest> {
        let from = |is_true| if is_true { Stage::Draft } else { Stage::Ready };
        Some(PullRequest {
            number: PullRequestNumber::new(self.iid?)?,
            head: self.sha.as_ref()?.parse().ok()?,
            head_branch: self.source_branch.as_ref().and_then(|name| name.parse().ok()),
            origin: if self.is_from_same_project() { Origin::SameRepository } else { Origin::Fork },
            base: self.target_branch.as_ref()?.parse().ok()?,
            stage: from(self.draft == true || self.draft == "true"),
            activity: self.activity(),
        })
    }

    /// A note touches the merge request, and is counted.
    fn activity(&self) -> String {
        let moment: String = self.updated_at.iter().flat_map(|moment| moment.chars()).take(64).collect();
        if moment.is_empty() {
            return moment;
        }
        format!("{moment} {}", self.user_notes_count.unwrap_or_default())
    }
}

/// Sorted by number, each once: entries move between pages while they are read.
fn in_order(mut pull_requests: Vec<PullRequest>) -> Vec<PullRequest> {
    pull_requests.sort_by_key(|pull_request| pull_request.number);
    pull_requests.dedup_by_key(|pull_request| pull_request.number);
    pull_requests
}

#[cfg(test)]
#[path = "merge_requests_tests.rs"]
mod tests;
