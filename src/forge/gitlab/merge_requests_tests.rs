//! Merge requests as GitLab answers them.

use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::forge::Fate;
use crate::forge::exchange_fixture::{Answer as Said, Contract, FakeForge};
use crate::forge::gitlab::Options;
use crate::forge::{Class, Forge};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const PROJECT: &str = "/api/v4/projects/group%2Fml";
const LIST: &str = "state=opened&order_by=created_at&sort=asc&per_page=100";

fn forge(fake: &FakeForge) -> Forge {
    let options = Options {
        api: "https://gitlab.example/api/v4".to_owned(),
        repository: "group/ml".parse().unwrap(),
        branch: "main".parse().unwrap(),
        token: "t".into(),
    };
    Forge::GitLab(GitLab::new(fake.client(), Clock::system(), options).unwrap())
}

fn merge_request(iid: u64) -> Value {
    json!({
        "id": 900 + iid, "iid": iid, "state": "opened", "sha": COMMIT, "source_branch": "feature",
        "target_branch": "main", "source_project_id": 1, "target_project_id": 1, "draft": false,
        "updated_at": "2026-01-01T00:00:00.000Z", "user_notes_count": 2,
    })
}

fn number(number: u64) -> PullRequestNumber {
    PullRequestNumber::new(number).unwrap()
}

fn open(answer: PullRequests) -> (Vec<PullRequest>, bool, Option<Validator>) {
    match answer {
        PullRequests::Open { pull_requests, truncated, validator } => (pull_requests, truncated, validator),
        PullRequests::Unchanged => panic!("something is open"),
    }
}

#[tokio::test]
async fn an_open_merge_request_says_what_is_proposed() {
    let fake = FakeForge::answering([Said::new(200, json!([merge_request(7)]))]);
    let (found, truncated, validator) = open(forge(&fake).open_pull_requests(None).await.unwrap());
    let expected = PullRequest {
        number: number(7),
        head: COMMIT.parse().unwrap(),
        head_branch: Some("feature".parse().unwrap()),
        origin: Origin::SameRepository,
        base: "main".parse().unwrap(),
        stage: Stage::Ready,
        activity: "2026-01-01T00:00:00.000Z 2".to_owned(),
    };
    assert_eq!((found, truncated, validator), (vec![expected], false, None));
    assert_eq!(fake.lines(), [format!("GET {PROJECT}/merge_requests?{LIST}&page=1")]);
}

#[tokio::test]
async fn forks_and_drafts_are_told_apart() {
    let with = |field: &str, value: Value| {
        let mut it = merge_request(7);
        it[field] = value;
        it
    };
    for (answer, origin, stage) in [
        (with("source_project_id", json!(2)), Origin::Fork, Stage::Ready),
        (with("source_project_id", Value::Null), Origin::Fork, Stage::Ready),
        (with("draft", json!(true)), Origin::SameRepository, Stage::Draft),
    ] {
        let fake = FakeForge::answering([Said::new(200, json!([answer]))]);
        let (found, ..) = open(forge(&fake).open_pull_requests(None).await.unwrap());
        assert_eq!((found[0].origin, found[0].stage), (origin, stage));
    }
}

#[tokio::test]
async fn what_cannot_be_a_pull_request_hides_no_other() {
    let mut unprepared = merge_request(3);
    unprepared["sha"] = Value::Null;
    let mut odd = merge_request(4);
    odd["target_branch"] = json!("a..b");
    let all = json!([unprepared, odd, merge_request(0), merge_request(8)]);
    let fake = FakeForge::answering([Said::new(200, all)]);
    let (found, ..) = open(forge(&fake).open_pull_requests(None).await.unwrap());
    assert_eq!(found.iter().map(|it| it.number.get()).collect::<Vec<_>>(), [8]);
}

#[tokio::test]
async fn an_unchanged_list_is_asked_for_with_its_tag() {
    let tagged = Said::new(200, json!([merge_request(7)])).with("etag", r#"W/"abc""#);
    let fake = FakeForge::answering([tagged, Said::new(304, Value::Null)]);
    let (_, _, validator) = open(forge(&fake).open_pull_requests(None).await.unwrap());
    assert_eq!(validator, Some(Validator(r#"W/"abc""#.to_owned())));
    let again = forge(&fake).open_pull_requests(validator.as_ref()).await.unwrap();
    assert_eq!(again, PullRequests::Unchanged);
    assert_eq!(fake.asked()[1].headers["if-none-match"], r#"W/"abc""#);
}

#[tokio::test]
async fn several_pages_are_read_and_have_no_tag() {
    let first = Said::new(200, json!([merge_request(9), merge_request(7)])).with("etag", "\"a\"").and_more();
    let second = Said::new(200, json!([merge_request(9), merge_request(8)]));
    let fake = FakeForge::answering([first, second]);
    let (found, truncated, validator) = open(forge(&fake).open_pull_requests(None).await.unwrap());
    assert_eq!(found.iter().map(|it| it.number.get()).collect::<Vec<_>>(), [7, 8, 9]);
    assert_eq!((truncated, validator), (false, None));
}

#[tokio::test]
async fn the_list_ends_somewhere() {
    let page = |page: u64| Said::new(200, json!([merge_request(page)])).and_more();
    let fake = FakeForge::answering((1..=20).map(page));
    let (found, truncated, _) = open(forge(&fake).open_pull_requests(None).await.unwrap());
    assert_eq!((found.len(), truncated), (10, true));
}

#[tokio::test]
async fn a_merged_one_names_the_commit_that_its_target_was_brought_to() {
    let (merge, squash, head) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
    for (merge_commit, squash_commit, expected) in [
        (json!(merge), Value::Null, &merge),
        (json!(merge), json!(squash), &merge),
        (Value::Null, json!(squash), &squash),
        (Value::Null, Value::Null, &head),
    ] {
        let answer = json!({
            "iid": 7, "state": "merged", "sha": head, "target_branch": "main",
            "merge_commit_sha": merge_commit, "squash_commit_sha": squash_commit,
        });
        let fake = FakeForge::answering([Said::new(200, answer)]);
        let Ending::Merged(merged) = forge(&fake).ending(number(7)).await.unwrap() else { panic!() };
        assert_eq!(merged, Merged::read(Some(expected), Some(&head), Some("main"), None));
    }
}

#[tokio::test]
async fn the_fate_is_the_state() {
    for (state, fate) in
        [("opened", Fate::Open), ("locked", Fate::Open), ("merged", Fate::Merged), ("closed", Fate::Closed)]
    {
        let fake = FakeForge::answering([Said::new(200, json!({ "iid": 7, "state": state }))]);
        assert_eq!(forge(&fake).fate(number(7)).await, Ok(fate), "{state}");
    }
}

#[tokio::test]
async fn a_deleted_merge_request_is_closed_and_a_deleted_project_is_an_error() {
    let gone = || Said::new(404, json!({ "message": "404 Not found" }));
    let fake = FakeForge::answering([gone(), Said::new(200, json!({ "id": 1 }))]);
    assert_eq!(forge(&fake).fate(number(7)).await, Ok(Fate::Closed));
    assert_eq!(fake.lines()[1], format!("GET {PROJECT}"));
    let fake = FakeForge::answering([gone(), gone()]);
    assert_eq!(forge(&fake).ending(number(7)).await.unwrap_err().class, Class::Refused);
}

#[tokio::test]
async fn a_renamed_file_has_two_paths() {
    let diffs = json!([
        { "old_path": "a.yaml", "new_path": "b.yaml", "renamed_file": true },
        { "old_path": "c.yaml", "new_path": "c.yaml" },
    ]);
    for (count, truncated) in
        [(json!("2"), false), (json!("2+"), true), (json!("3"), true), (Value::Null, true)]
    {
        let counted = json!({ "iid": 7, "changes_count": count });
        let fake = FakeForge::answering([Said::new(200, diffs.clone()), Said::new(200, counted)]);
        let files = forge(&fake).changed_files(number(7)).await.unwrap();
        assert_eq!(files.paths, ["a.yaml", "b.yaml", "c.yaml"]);
        assert_eq!(files.truncated, truncated);
    }
}

#[tokio::test]
async fn every_request_is_as_gitlab_publishes_it() {
    let Some(contract) = Contract::load("gitlab") else { return };
    let missing = || Said::new(404, json!({}));
    let fake =
        FakeForge::answering([Said::new(200, json!([])), Said::new(200, json!([])), missing(), missing()]);
    let forge = forge(&fake);
    forge.open_pull_requests(None).await.unwrap();
    assert!(forge.changed_files(number(7)).await.is_err());
    assert_eq!(forge.fate(number(7)).await, Ok(Fate::Closed));
    assert_eq!(fake.asked().len(), 5);
    fake.asked().iter().for_each(|asked| contract.check(asked));
}

#[tokio::test]
async fn what_is_not_an_answer_of_gitlab_is_an_error() {
    let fake = FakeForge::answering([Said::new(200, json!({ "login": "please" }))]);
    assert!(forge(&fake).open_pull_requests(None).await.is_err());
}
