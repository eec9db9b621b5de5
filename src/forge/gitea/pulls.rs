//! Pull requests: which are open, what became of one, what it changes.
//!
//! There are no conditional requests: answers carry no `ETag`.

use std::sync::atomic::Ordering;

use http::StatusCode;
use serde::Deserialize;

use super::client::{Gitea, PAGE};
use crate::forge::outlet::ForgeError;
use crate::forge::pull_request::{
    ChangedFiles, Ending, MAX_PULL_REQUESTS, Merged, Origin, PullRequest, PullRequestNumber, PullRequests,
    Stage, Validator,
};

/// Most paths of one pull request that are read.
const MAX_PATHS: usize = 3000;

/// What Forgejo's `flow` says of a pull request that was pushed as one ([`Branch::is_pushed_for_review`]).
const AGIT: u64 = 1;

/// How the title of an unfinished pull request begins, in any case (`WORK_IN_PROGRESS_PREFIXES`, unless an
/// administrator has changed them).
const WORK_IN_PROGRESS: [&str; 2] = ["WIP:", "[WIP]"];

fn begins_with(title: &str, mark: &str) -> bool {
    title.trim_start().get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark))
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    state: Option<String>,
    #[serde(default)]
    title: String,
    /// Older versions (Gitea 1.22) tell it by the title only.
    draft: Option<bool>,
    #[serde(default)]
    merged: bool,
    updated_at: Option<String>,
    comments: Option<u64>,
    head: Option<Branch>,
    base: Option<Branch>,
    flow: Option<u64>,
    merged_at: Option<String>,
    merge_commit_sha: Option<String>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(rename = "ref", default)]
    reference: String,
    #[serde(default)]
    sha: String,
    /// -1 when the repository was deleted.
    repo_id: Option<i64>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    empty: bool,
}

#[derive(Deserialize)]
struct File {
    filename: Option<String>,
    previous_filename: Option<String>,
}

impl Gitea {
    pub(in crate::forge) async fn open_pull_requests(
        &self,
        _: Option<&Validator>,
    ) -> Result<PullRequests, ForgeError> {
        let what = "the open pull requests";
        let mut pull_requests: Vec<PullRequest> = Vec::new();
        let mut truncated = true;
        for page in 1..=MAX_PULL_REQUESTS {
            let path = format!("/pulls?state=open&sort=oldest&limit={PAGE}&page={page}");
            let answer = match self.get(&path, what).await {
                Ok(answer) => answer,
                Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) && self.is_empty().await => {
                    return Ok(PullRequests::Open { pull_requests, truncated: false, validator: None });
                }
                Err(failure) => return Err(failure.into()),
            };
            let found: Vec<Pull> = answer.json(what)?;
            pull_requests.extend(found.iter().filter_map(Pull::pull_request));
            if found.is_empty() || !answer.has_next_link() {
                truncated = false;
                break;
            }
            if pull_requests.len() >= MAX_PULL_REQUESTS {
                break;
            }
        }
        // Entries move between pages while they are read.
        pull_requests.sort_by_key(|pull_request| pull_request.number);
        pull_requests.dedup_by_key(|pull_request| pull_request.number);
        truncated |= pull_requests.len() > MAX_PULL_REQUESTS;
        pull_requests.truncate(MAX_PULL_REQUESTS);
        Ok(PullRequests::Open { pull_requests, truncated, validator: None })
    }

    /// Whether nothing was ever pushed to the repository: then its pull requests are answered with 404, as if
    /// it were not there (`mustAllowPulls`). Said once.
    async fn is_empty(&self) -> bool {
        let Ok(answer) = self.get("", "the repository").await else { return false };
        let is_empty = answer.json::<Repository>("the repository").is_ok_and(|repository| repository.empty);
        if is_empty && !self.is_said_empty.swap(true, Ordering::AcqRel) {
            tracing::info!("the repository on the forge is empty: there are no pull requests yet");
        }
        is_empty
    }

    pub(in crate::forge) async fn ending(&self, number: PullRequestNumber) -> Result<Ending, ForgeError> {
        let what = format!("pull request {number}");
        match self.get(&format!("/pulls/{number}"), &what).await {
            Ok(answer) => Ok(answer.json::<Pull>(&what)?.ending()),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => {
                self.get("", "the repository").await?;
                Ok(Ending::Closed)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    pub(in crate::forge) async fn changed_files(
        &self,
        number: PullRequestNumber,
    ) -> Result<ChangedFiles, ForgeError> {
        let what = format!("the files of pull request {number}");
        let mut paths = Vec::new();
        let mut truncated = true;
        for page in 1..=MAX_PATHS {
            let path = format!("/pulls/{number}/files?limit={PAGE}&page={page}");
            let answer = self.get(&path, &what).await?;
            let found: Vec<File> = answer.json(&what)?;
            let is_last = found.is_empty() || !answer.has_next_link();
            paths.extend(found.into_iter().flat_map(|file| [file.filename, file.previous_filename]));
            if is_last {
                truncated = false;
                break;
            }
            if paths.len() >= MAX_PATHS {
                break;
            }
        }
        let mut paths: Vec<String> = paths.into_iter().flatten().filter(|path| !path.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        Ok(ChangedFiles { paths, truncated })
    }
}

impl Pull {
    fn ending(&self) -> Ending {
        match (self.merged, self.state.as_deref()) {
            (true, _) => Ending::Merged(Merged::read(
                self.merge_commit_sha.as_deref(),
                self.head.as_ref().map(|head| head.sha.as_str()),
                self.base.as_ref().map(|base| base.reference.as_str()),
                self.merged_at.as_deref(),
            )),
            (false, Some("closed")) => Ending::Closed,
            (false, Some(_) | None) => Ending::Open,
        }
    }

    /// `None` when its commit cannot be found any more, or with names that Git does not have.
    fn stage(&self) -> Stage {
        let marked = || WORK_IN_PROGRESS.iter().any(|mark| begins_with(&self.title, mark));
        if self.draft.unwrap_or_else(marked) { Stage::Draft } else { Stage::Ready }
    }

    fn pull_request(&self) -> Option<PullRequest> {
        let (head, base) = (self.head.as_ref()?, self.base.as_ref()?);
        let is_same = head.repo_id.is_some()
            && head.repo_id == base.repo_id
            && self.flow != Some(AGIT)
            && !head.is_pushed_for_review();
        Some(PullRequest {
            number: PullRequestNumber::new(self.number)?,
            head: head.sha.parse().ok()?,
            head_branch: head.reference.parse().ok().filter(|_| !head.is_pushed_for_review()),
            origin: if is_same { Origin::SameRepository } else { Origin::Fork },
            base: base.reference.parse().ok()?,
            stage: self.stage(),
            activity: self.activity(),
        })
    }

    fn activity(&self) -> String {
        let moment: String = self.updated_at.iter().flat_map(|moment| moment.chars()).take(64).collect();
        if moment.is_empty() {
            return moment;
        }
        format!("{moment} {}", self.comments.unwrap_or_default())
    }
}

impl Branch {
    /// Whoever may read a repository may push to `refs/for/<branch>` of it, which opens a pull request
    /// without a branch ("AGit flow"). It is told as one of the same repository, with a ref instead of a
    /// branch (`ToAPIPullRequest`); the same ref stands for a branch that was deleted.
    fn is_pushed_for_review(&self) -> bool {
        self.reference.starts_with("refs/")
    }
}

#[cfg(test)]
#[path = "pulls_tests.rs"]
mod tests;
