//! Which pull requests are open, what became of one, which files it changes.
//!
//! Contract: `pulls/list`, `pulls/get`, `pulls/list-files`. The list is asked for with the `ETag`s of
//! its pages, newest change first: whatever happens to a pull request brings it to the first page, and an
//! answer that nothing changed costs nothing of the rate limit ("Best practices for using the REST API").

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde::Deserialize;

use super::connection::{GitHub, Request};
use crate::forge::api::{Answer, Failure};
use crate::forge::{
    ChangedFiles, Ending, ForgeError, MAX_PULL_REQUESTS, Merged, Origin, PullRequest, PullRequestNumber,
    PullRequests, Stage, Validator,
};

/// The largest page that GitHub gives.
pub(super) const PER_PAGE: usize = 100;

/// GitHub lists no more files of a pull request (`pulls/list-files`).
const MAX_FILES: usize = 3000;

/// The longest `updated_at` that is kept.
const MAX_ACTIVITY_CHARS: usize = 64;

const LISTING: &str = "the list of open pull requests";

/// GitHub's text of a pull request, in a list or alone.
#[derive(Deserialize)]
struct Listed {
    number: u64,
    head: End,
    base: End,
    #[serde(default)]
    draft: Option<bool>,
    #[serde(default)]
    updated_at: Option<String>,
}

/// One end of a pull request.
#[derive(Deserialize)]
struct End {
    sha: String,
    #[serde(rename = "ref")]
    branch: String,
    /// `null` when the fork was deleted.
    repo: Option<EndRepository>,
}

#[derive(Deserialize)]
struct EndRepository {
    id: u64,
}

#[derive(Deserialize)]
struct Standing {
    state: String,
    merged_at: Option<String>,
    /// Of an open one a trial merge.
    merge_commit_sha: Option<String>,
    head: Option<Tip>,
    base: Option<Tip>,
}

#[derive(Deserialize)]
struct Tip {
    sha: Option<String>,
    #[serde(rename = "ref")]
    branch: Option<String>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    previous_filename: Option<String>,
}

impl GitHub {
    pub(in crate::forge) async fn open_pull_requests(
        &self,
        validator: Option<&Validator>,
    ) -> Result<PullRequests, ForgeError> {
        let known: Vec<&str> = validator.iter().flat_map(|it| it.0.split(' ')).collect();
        let mut page = self.page(1, known.first().copied()).await?;
        if page.status == StatusCode::NOT_MODIFIED {
            if self.are_unchanged(known.get(1..).unwrap_or_default()).await? {
                return Ok(PullRequests::Unchanged);
            }
            page = self.page(1, None).await?;
        }
        let (mut open, mut etags) = (BTreeMap::new(), Vec::new());
        for number in 2.. {
            etags.push(page.header("etag").map(str::to_owned));
            let listed: Vec<Listed> = page.json(LISTING)?;
            open.extend(listed.iter().filter_map(pull_request).map(|it| (it.number, it)));
            if !page.has_next_link() || number > MAX_PULL_REQUESTS / PER_PAGE {
                break;
            }
            page = self.page(number, None).await?;
        }
        let truncated = page.has_next_link() || open.len() > MAX_PULL_REQUESTS;
        let pull_requests = open.into_values().take(MAX_PULL_REQUESTS).collect();
        Ok(PullRequests::Open { pull_requests, truncated, validator: validator_of(etags) })
    }

    /// Whether the pages from the second are as they were.
    async fn are_unchanged(&self, etags: &[&str]) -> Result<bool, Failure> {
        for (index, etag) in etags.iter().enumerate().take(MAX_PULL_REQUESTS / PER_PAGE) {
            if self.page(index + 2, Some(etag)).await?.status != StatusCode::NOT_MODIFIED {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn page(&self, number: usize, etag: Option<&str>) -> Result<Answer, Failure> {
        let path = format!("/pulls?state=open&sort=updated&direction=desc&per_page={PER_PAGE}&page={number}");
        self.send(&Request::get(path, LISTING).unless(etag)).await
    }

    pub(in crate::forge) async fn ending(&self, number: PullRequestNumber) -> Result<Ending, ForgeError> {
        let what = format!("pull request {number}");
        let answer = match self.send(&Request::get(format!("/pulls/{number}"), &what)).await {
            Ok(answer) => answer,
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => return Ok(Ending::Closed),
            Err(failure) => return Err(failure.error),
        };
        let standing: Standing = answer.json(&what)?;
        Ok(match (standing.state.as_str(), standing.merged_at.as_deref()) {
            ("open", _) => Ending::Open,
            (_, at @ Some(_)) => Ending::Merged(Merged::read(
                standing.merge_commit_sha.as_deref(),
                standing.head.as_ref().and_then(|head| head.sha.as_deref()),
                standing.base.as_ref().and_then(|base| base.branch.as_deref()),
                at,
            )),
            (_, None) => Ending::Closed,
        })
    }

    pub(in crate::forge) async fn changed_files(
        &self,
        number: PullRequestNumber,
    ) -> Result<ChangedFiles, ForgeError> {
        let what = format!("the files of pull request {number}");
        let (mut paths, mut files) = (BTreeSet::new(), 0);
        for page in 1..=MAX_FILES / PER_PAGE {
            let path = format!("/pulls/{number}/files?per_page={PER_PAGE}&page={page}");
            let answer = self.send(&Request::get(path, &what)).await?;
            let listed: Vec<File> = answer.json(&what)?;
            files += listed.len();
            paths.extend(listed.into_iter().flat_map(|file| [Some(file.filename), file.previous_filename]));
            if !answer.has_next_link() {
                break;
            }
        }
        let paths = paths.into_iter().flatten().collect();
        Ok(ChangedFiles { paths, truncated: files >= MAX_FILES })
    }
}

/// The `ETag`s of all pages (they have no spaces: RFC 9110, 8.8.3); none when one is missing.
fn validator_of(etags: Vec<Option<String>>) -> Option<Validator> {
    let etags = etags.into_iter().map(|etag| etag.filter(|etag| !etag.contains(' ')));
    Some(Validator(etags.collect::<Option<Vec<String>>>()?.join(" ")))
}

/// What GitHub lists, in our words; `None` for what has no number, commit or base that could be ours.
fn pull_request(listed: &Listed) -> Option<PullRequest> {
    let from = |end: &End| end.repo.as_ref().map(|repository| repository.id);
    let is_same = from(&listed.head).is_some() && from(&listed.head) == from(&listed.base);
    let updated_at = listed.updated_at.as_deref().unwrap_or_default();
    Some(PullRequest {
        number: PullRequestNumber::new(listed.number)?,
        head: listed.head.sha.parse().ok()?,
        head_branch: listed.head.branch.parse().ok(),
        origin: if is_same { Origin::SameRepository } else { Origin::Fork },
        base: listed.base.branch.parse().ok()?,
        stage: if listed.draft == Some(true) { Stage::Draft } else { Stage::Ready },
        activity: updated_at.chars().take(MAX_ACTIVITY_CHARS).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::forge::Fate;
    use crate::forge::github::fixture::{COMMIT, FakeGitHub, Recorded, Reply, example};

    fn listed(number: usize) -> Value {
        json!({
            "number": number, "draft": false, "updated_at": "2026-01-01T00:00:00Z",
            "head": { "sha": COMMIT, "ref": "topic", "repo": { "id": 7 } },
            "base": { "sha": COMMIT, "ref": "main", "repo": { "id": 7 } },
        })
    }

    /// A list of `count` pull requests, in pages with ETags, as GitHub serves it.
    fn serve(count: usize) -> impl Fn(&Recorded) -> Reply + Send + Sync + 'static {
        move |request| {
            let page: usize = request.parameter("page").parse().unwrap();
            let etag = format!("W/\"page-{page}-of-{count}\"");
            if request.headers.get("if-none-match").is_some_and(|known| known == etag.as_str()) {
                return Reply::new(StatusCode::NOT_MODIFIED, "");
            }
            let numbers = (page - 1) * PER_PAGE..count.min(page * PER_PAGE);
            let body: Vec<Value> = numbers.map(|number| listed(number + 1)).collect();
            let reply = Reply::json(&json!(body)).with("etag", &etag);
            if page * PER_PAGE < count {
                reply.with("link", &format!("<https://x/?page={}>; rel=\"next\"", page + 1))
            } else {
                reply
            }
        }
    }

    async fn open(fake: &FakeGitHub, validator: Option<&Validator>) -> PullRequests {
        fake.github().open_pull_requests(validator).await.unwrap()
    }

    fn validator_in(answer: &PullRequests) -> Validator {
        match answer {
            PullRequests::Open { validator, .. } => validator.clone().unwrap(),
            PullRequests::Unchanged => panic!("unchanged"),
        }
    }

    #[tokio::test]
    async fn what_has_not_changed_is_not_sent_again() {
        for (count, pages) in [(0, 1), (3, 1), (250, 3)] {
            let fake = FakeGitHub::answering(serve(count));
            let first = open(&fake, None).await;
            let PullRequests::Open { pull_requests, truncated, .. } = &first else { panic!() };
            assert_eq!((pull_requests.len(), *truncated), (count, false));
            assert!(pull_requests.is_sorted_by_key(|it| it.number));
            assert_eq!(open(&fake, Some(&validator_in(&first))).await, PullRequests::Unchanged);
            assert_eq!(fake.requests().len(), 2 * pages);
            fake.holds_to_the_contract();
        }
    }

    #[tokio::test]
    async fn a_change_on_any_page_brings_the_whole_list() {
        let before = validator_in(&open(&FakeGitHub::answering(serve(250)), None).await);
        let fake = FakeGitHub::answering(|request| match request.parameter("page").as_str() {
            "3" => serve(249)(request),
            _ => serve(250)(request),
        });
        let PullRequests::Open { pull_requests, .. } = open(&fake, Some(&before)).await else { panic!() };
        assert_eq!(pull_requests.len(), 249);
    }

    #[tokio::test]
    async fn a_thousand_are_read_and_no_more() {
        let fake = FakeGitHub::answering(serve(1100));
        let PullRequests::Open { pull_requests, truncated, .. } = open(&fake, None).await else { panic!() };
        assert_eq!((pull_requests.len(), truncated), (MAX_PULL_REQUESTS, true));
        assert_eq!(fake.requests().len(), 10);
    }

    #[test]
    fn a_pull_request_says_where_it_comes_from_and_whether_it_is_meant() {
        let read = |change: fn(&mut Value)| {
            let mut json = listed(4);
            change(&mut json);
            pull_request(&serde_json::from_value(json).unwrap())
        };
        let plain = read(|_| {}).unwrap();
        assert_eq!((plain.origin, plain.stage), (Origin::SameRepository, Stage::Ready));
        assert_eq!((plain.base.as_str(), plain.activity.as_str()), ("main", "2026-01-01T00:00:00Z"));
        let fork = read(|json| json["head"]["repo"]["id"] = 8.into()).unwrap();
        assert_eq!(fork.origin, Origin::Fork);
        let deleted = read(|json| json["head"]["repo"] = Value::Null).unwrap();
        assert_eq!(deleted.origin, Origin::Fork);
        let draft = read(|json| json["draft"] = true.into()).unwrap();
        assert_eq!(draft.stage, Stage::Draft);
        assert_eq!(read(|json| json["number"] = 0.into()), None);
        assert_eq!(read(|json| json["head"]["sha"] = "abc".into()), None);
        assert_eq!(read(|json| json["base"]["ref"] = "a..b".into()), None);
    }

    #[tokio::test]
    async fn githubs_own_examples_are_understood() {
        let Some(list) = example("pull-request-simple-items") else { return };
        let fake = FakeGitHub::scripted([Reply::json(&list)]);
        let PullRequests::Open { pull_requests, .. } = open(&fake, None).await else { panic!() };
        assert_eq!(pull_requests[0].number.get(), 1347);
        assert_eq!(pull_requests[0].head_branch.as_ref().unwrap().as_str(), "new-topic");
        let one = example("pull-request").unwrap();
        let fake = FakeGitHub::scripted([Reply::json(&one)]);
        let number = PullRequestNumber::new(1347).unwrap();
        assert_eq!(fake.github().ending(number).await, Ok(Ending::Open));
        let files = example("diff-entry-items").unwrap();
        let fake = FakeGitHub::scripted([Reply::json(&files)]);
        let files = fake.github().changed_files(number).await.unwrap();
        assert_eq!(files, ChangedFiles { paths: vec!["file1.txt".to_owned()], truncated: false });
    }

    #[tokio::test]
    async fn a_pull_request_ends_merged_closed_or_deleted() {
        let cases = [
            (Reply::json(&json!({"state": "open", "merged_at": null})), Fate::Open),
            (Reply::json(&json!({"state": "closed", "merged_at": "2026-01-01T00:00:00Z"})), Fate::Merged),
            (Reply::json(&json!({"state": "closed", "merged_at": null})), Fate::Closed),
            (Reply::new(StatusCode::NOT_FOUND, "{}"), Fate::Closed),
        ];
        for (reply, fate) in cases {
            let fake = FakeGitHub::scripted([reply]);
            let ending = fake.github().ending(PullRequestNumber::new(9).unwrap()).await;
            assert_eq!(ending.map(|ending| ending.fate()), Ok(fate));
            fake.holds_to_the_contract();
        }
    }

    #[tokio::test]
    async fn a_merged_one_names_its_commit_its_head_and_its_base() {
        let merged = json!({
            "state": "closed", "merged_at": "2026-01-01T00:00:00Z", "merge_commit_sha": "b".repeat(40),
            "head": { "sha": COMMIT, "ref": "topic" }, "base": { "sha": COMMIT, "ref": "main" },
        });
        let fake = FakeGitHub::scripted([Reply::json(&merged)]);
        let ending = fake.github().ending(PullRequestNumber::new(9).unwrap()).await.unwrap();
        let (commit, at) = ("b".repeat(40), "2026-01-01T00:00:00Z");
        assert_eq!(ending, Ending::Merged(Merged::read(Some(&commit), Some(COMMIT), Some("main"), Some(at))));
    }

    #[tokio::test]
    async fn changed_files_name_both_ends_of_a_renaming_and_say_when_there_are_more() {
        let number = PullRequestNumber::new(9).unwrap();
        let renamed = json!([{"filename": "b", "previous_filename": "a"}, {"filename": "c"}]);
        let fake = FakeGitHub::scripted([Reply::json(&renamed)]);
        let files = fake.github().changed_files(number).await.unwrap();
        assert_eq!(files.paths, ["a", "b", "c"]);
        let fake = FakeGitHub::answering(|request| {
            let page = request.parameter("page");
            let page: Vec<Value> =
                (0..PER_PAGE).map(|i| json!({"filename": format!("{page}/{i}")})).collect();
            Reply::json(&json!(page)).with("link", "<https://x/?page=2>; rel=\"next\"")
        });
        let files = fake.github().changed_files(number).await.unwrap();
        assert_eq!((files.paths.len(), files.truncated), (MAX_FILES, true));
        fake.holds_to_the_contract();
    }
}
