//! Pull requests: which are open, what became of one, what one changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::connection::{AzureDevOps, List};
use super::statuses::{CommitRef, is_no_pull_request};
use crate::forge::{
    ChangedFiles, Ending, ForgeError, MAX_PULL_REQUESTS, Merged, Origin, PullRequest, PullRequestNumber,
    PullRequests, Stage, Validator,
};
use crate::git::BranchName;

/// Pull requests in one answer.
const PAGE: usize = 100;

/// Changes in one answer; the service gives at most 2,000.
const CHANGES_PAGE: usize = 2000;

/// Most changed paths that are read.
const MAX_PATHS: usize = 20_000;

/// A pull request as the API lists it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    pull_request_id: u64,
    source_ref_name: Option<String>,
    target_ref_name: Option<String>,
    #[serde(default)]
    is_draft: bool,
    fork_source: Option<IgnoredAny>,
    last_merge_source_commit: Option<CommitRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    status: String,
    target_ref_name: Option<String>,
    last_merge_commit: Option<CommitRef>,
    last_merge_source_commit: Option<CommitRef>,
    closed_date: Option<String>,
}

impl Looked {
    fn merged(&self) -> Merged {
        let id = |commit: &'_ Option<CommitRef>| commit.as_ref().and_then(|it| it.commit_id.clone());
        let base = self.target_ref_name.as_deref().and_then(|name| name.strip_prefix("refs/heads/"));
        let (commit, head) = (id(&self.last_merge_commit), id(&self.last_merge_source_commit));
        Merged::read(commit.as_deref(), head.as_deref(), base, self.closed_date.as_deref())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changes {
    #[serde(default)]
    change_entries: Vec<Change>,
    /// 0 when there is nothing more.
    #[serde(default)]
    next_skip: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    item: Option<Item>,
    original_path: Option<String>,
    source_server_item: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    path: Option<String>,
}

impl AzureDevOps {
    /// "Pull Requests - Get Pull Requests". The API has no conditional requests.
    pub(in crate::forge) async fn open_pull_requests(
        &self,
        _: Option<&Validator>,
    ) -> Result<PullRequests, ForgeError> {
        let what = "the open pull requests";
        let mut open = BTreeMap::new();
        for skip in (0..=MAX_PULL_REQUESTS).step_by(PAGE) {
            let query = format!("searchCriteria.status=active&$top={PAGE}&$skip={skip}");
            let page: List<Listed> = self.get("/pullrequests", &query, what).await?.json(what)?;
            let is_last = page.value.len() < PAGE;
            open.extend(page.value.into_iter().filter_map(understood).map(|it| (it.number, it)));
            if is_last {
                break;
            }
        }
        let truncated = open.len() > MAX_PULL_REQUESTS;
        let pull_requests = open.into_values().take(MAX_PULL_REQUESTS).collect();
        Ok(PullRequests::Open { pull_requests, truncated, validator: None })
    }

    pub(in crate::forge) async fn ending(&self, number: PullRequestNumber) -> Result<Ending, ForgeError> {
        let what = format!("pull request {number}");
        let answer = match self.get(&format!("/pullrequests/{number}"), "", &what).await {
            Ok(answer) => answer,
            Err(failure) if is_no_pull_request(&failure) => return Ok(Ending::Closed),
            Err(failure) => return Err(failure.into()),
        };
        let looked: Looked = answer.json(&what)?;
        Ok(match looked.status.as_str() {
            "completed" => Ending::Merged(looked.merged()),
            "abandoned" => Ending::Closed,
            _ => Ending::Open,
        })
    }

    /// "Pull Request Iteration Changes - Get", of the newest iteration, against the common ancestor with
    /// the target branch.
    pub(in crate::forge) async fn changed_files(
        &self,
        number: PullRequestNumber,
    ) -> Result<ChangedFiles, ForgeError> {
        let iterations = self.iterations(number).await?;
        let Some(newest) = iterations.iter().map(|iteration| iteration.id).max() else {
            return Ok(ChangedFiles { paths: Vec::new(), truncated: true });
        };
        let what = format!("the changed files of pull request {number}");
        let path = format!("/pullRequests/{number}/iterations/{newest}/changes");
        let (mut paths, mut skip) = (BTreeSet::new(), 0);
        let truncated = loop {
            let query = format!("$top={CHANGES_PAGE}&$skip={skip}");
            let page: Changes = self.get(&path, &query, &what).await?.json(&what)?;
            paths.extend(page.change_entries.into_iter().flat_map(paths_of));
            if page.next_skip <= skip {
                break false;
            }
            if paths.len() >= MAX_PATHS || page.next_skip >= MAX_PATHS {
                break true;
            }
            skip = page.next_skip;
        };
        Ok(ChangedFiles { paths: paths.into_iter().collect(), truncated })
    }
}

/// `None` for one that cannot be planned: without a head (its source branch was deleted), or between
/// names that Git does not take.
fn understood(listed: Listed) -> Option<PullRequest> {
    let branch = |name: Option<String>| name?.strip_prefix("refs/heads/")?.parse::<BranchName>().ok();
    Some(PullRequest {
        number: PullRequestNumber::new(listed.pull_request_id)?,
        head: listed.last_merge_source_commit?.commit_id?.parse().ok()?,
        head_branch: branch(listed.source_ref_name),
        origin: if listed.fork_source.is_some() { Origin::Fork } else { Origin::SameRepository },
        base: branch(listed.target_ref_name)?,
        stage: if listed.is_draft { Stage::Draft } else { Stage::Ready },
        activity: String::new(),
    })
}

fn paths_of(change: Change) -> impl Iterator<Item = String> {
    let present = change.item.and_then(|item| item.path);
    [present, change.original_path, change.source_server_item]
        .into_iter()
        .flatten()
        .map(|path| path.trim_start_matches('/').to_owned())
        .filter(|path| !path.is_empty())
}
