//! Pull requests: which are open, what became of one, what one changes.
//!
//! Bitbucket lists the heads of pull requests abbreviated to 12 digits. The whole id is looked up among
//! the commits of the pull request ("List commits on a pull request"), which are in the repository that
//! it is proposed to, also for forks; it is remembered until the head moves.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::connection::Bitbucket;
use crate::forge::api::Failure;
use crate::forge::{
    ChangedFiles, Ending, ForgeError, MAX_PULL_REQUESTS, Merged, Origin, PullRequest, PullRequestNumber,
    PullRequests, Repository, Stage, Validator,
};
use crate::git::CommitId;

/// What is read of a pull request ("Partial responses"): a list with everything would be a hundred
/// times larger.
const FIELDS: &str = "next,values.id,values.draft,values.updated_on,values.comment_count,\
    values.source.commit.hash,values.source.branch.name,values.source.repository.full_name,\
    values.destination.branch.name";

/// Most changed files that are read.
const MAX_FILES: usize = 10_000;

/// Commits among which the head of a pull request is looked for; it is the first.
const COMMITS: usize = 30;

/// The whole ids of abbreviated heads.
pub(super) type Heads = BTreeMap<(PullRequestNumber, String), CommitId>;

#[derive(Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    draft: bool,
    updated_on: Option<String>,
    comment_count: Option<u64>,
    source: Option<Endpoint>,
    destination: Option<Endpoint>,
}

/// One end of a pull request. The repository is absent when it was deleted.
#[derive(Deserialize)]
struct Endpoint {
    commit: Option<Commit>,
    branch: Option<Branch>,
    repository: Option<FullName>,
}

#[derive(Deserialize)]
struct Commit {
    hash: String,
}

#[derive(Deserialize)]
struct Branch {
    name: Option<String>,
}

#[derive(Deserialize)]
struct FullName {
    full_name: Option<String>,
}

/// A pull request, whatever its state.
#[derive(Deserialize)]
pub(super) struct Looked {
    state: String,
    source: Option<Endpoint>,
    destination: Option<Endpoint>,
    merge_commit: Option<Commit>,
}

impl Looked {
    /// It is not documented when one was merged; both commits are abbreviated to 12 digits.
    fn merged(&self) -> Merged {
        let source = self.source.as_ref().and_then(|source| source.commit.as_ref());
        let branch = self.destination.as_ref().and_then(|it| it.branch.as_ref());
        Merged::read(
            self.merge_commit.as_ref().map(|commit| commit.hash.as_str()),
            source.map(|commit| commit.hash.as_str()),
            branch.and_then(|branch| branch.name.as_deref()),
            None,
        )
    }

    /// Whether its branch is in another repository, or in one that is gone.
    pub(super) fn is_from_elsewhere(&self, repository: &Repository) -> bool {
        let from = self.source.as_ref().and_then(|source| source.repository.as_ref()?.full_name.as_deref());
        from.is_none_or(|from| !from.eq_ignore_ascii_case(repository.as_str()))
    }
}

#[derive(Deserialize)]
struct Changed {
    old: Option<File>,
    new: Option<File>,
}

#[derive(Deserialize)]
struct File {
    path: Option<String>,
}

impl Bitbucket {
    /// "List pull requests". The API has no documented conditional requests.
    pub(in crate::forge) async fn open_pull_requests(
        &self,
        _: Option<&Validator>,
    ) -> Result<PullRequests, ForgeError> {
        let path = self.path(&format!("/pullrequests?state=OPEN&pagelen=50&fields={FIELDS}"));
        let read = self.list::<Listed>(path, MAX_PULL_REQUESTS, "the open pull requests").await?;
        let (mut open, mut current) = (BTreeMap::new(), Heads::new());
        for listed in read.values {
            let Some(number) = PullRequestNumber::new(listed.id) else { continue };
            let Some(hash) = listed.head() else { continue };
            let Some(head) = self.whole(number, &hash).await? else { continue };
            current.insert((number, hash), head);
            open.extend(self.understood(number, head, listed).map(|it| (number, it)));
        }
        *self.heads.lock().expect("nobody panics holding the heads") = current;
        let pull_requests = open.into_values().collect();
        Ok(PullRequests::Open { pull_requests, truncated: read.truncated, validator: None })
    }

    /// "Get a pull request". Pull requests cannot be deleted.
    pub(in crate::forge) async fn ending(&self, number: PullRequestNumber) -> Result<Ending, ForgeError> {
        let what = format!("pull request {number}");
        let looked: Looked =
            self.get(self.path(&format!("/pullrequests/{number}")), &what).await?.json(&what)?;
        Ok(match looked.state.as_str() {
            "MERGED" => Ending::Merged(looked.merged()),
            "DECLINED" | "SUPERSEDED" => Ending::Closed,
            _ => Ending::Open,
        })
    }

    /// "Get the diff stat for a pull request", which sends on to the one of the repository.
    pub(in crate::forge) async fn changed_files(
        &self,
        number: PullRequestNumber,
    ) -> Result<ChangedFiles, ForgeError> {
        let what = format!("the changed files of pull request {number}");
        let path = self.path(&format!("/pullrequests/{number}/diffstat"));
        let path = self.sent_on(path, &what).await?;
        let read = self.list::<Changed>(path, MAX_FILES, &what).await?;
        let files = read.values.into_iter().flat_map(|changed| [changed.old, changed.new]);
        let paths: BTreeSet<String> = files.flatten().filter_map(|file| file.path).collect();
        Ok(ChangedFiles { paths: paths.into_iter().collect(), truncated: read.truncated })
    }

    /// The whole id of a head; `None` when it is not among the commits of the pull request.
    async fn whole(&self, number: PullRequestNumber, hash: &str) -> Result<Option<CommitId>, Failure> {
        if let Ok(whole) = hash.parse() {
            return Ok(Some(whole));
        }
        let known = {
            let heads = self.heads.lock().expect("nobody panics holding the heads");
            heads.get(&(number, hash.to_owned())).copied()
        };
        if known.is_some() {
            return Ok(known);
        }
        let path =
            self.path(&format!("/pullrequests/{number}/commits?pagelen={COMMITS}&fields=next,values.hash"));
        let what = format!("the commits of pull request {number}");
        let commits = self.list::<Commit>(path, COMMITS, &what).await?.values;
        let whole = commits.iter().find(|commit| commit.hash.starts_with(hash));
        let whole = whole.and_then(|commit| commit.hash.parse().ok());
        if let Some(whole) = whole {
            let mut heads = self.heads.lock().expect("nobody panics holding the heads");
            heads.insert((number, hash.to_owned()), whole);
        }
        Ok(whole)
    }

    fn understood(&self, number: PullRequestNumber, head: CommitId, listed: Listed) -> Option<PullRequest> {
        let source = listed.source?;
        let name = |endpoint: &Endpoint| endpoint.branch.as_ref()?.name.as_deref()?.parse().ok();
        let from = source.repository.as_ref().and_then(|it| it.full_name.as_deref());
        let is_same = from.is_some_and(|from| from.eq_ignore_ascii_case(self.repository().as_str()));
        let (updated, comments) = (listed.updated_on.unwrap_or_default(), listed.comment_count.unwrap_or(0));
        Some(PullRequest {
            number,
            head,
            head_branch: name(&source),
            origin: if is_same { Origin::SameRepository } else { Origin::Fork },
            base: name(&listed.destination?)?,
            stage: if listed.draft { Stage::Draft } else { Stage::Ready },
            activity: if updated.is_empty() { updated } else { format!("{updated} {comments}") },
        })
    }
}

impl Listed {
    fn head(&self) -> Option<String> {
        let hash = self.source.as_ref()?.commit.as_ref()?.hash.as_str();
        let is_hash = (7..=40).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| hash.to_ascii_lowercase())
    }
}
