//! Pull requests as Gitea and Forgejo answer them.

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::forge::Fate;
use crate::forge::exchange_fixture::{Answer as Said, Contract, FakeForge};
use crate::forge::gitea::Options;
use crate::forge::{Class, Forge};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const PULLS: &str = "/api/v1/repos/octo/ml/pulls";

fn forge(fake: &FakeForge) -> Forge {
    let options = Options {
        api: "https://git.example/api/v1".to_owned(),
        repository: "octo/ml".parse().unwrap(),
        token: "t".into(),
    };
    Forge::Gitea(Gitea::new(fake.client(), Clock::system(), options).unwrap())
}

fn pull(number: u64) -> Value {
    json!({
        "id": 900 + number, "number": number, "state": "open", "draft": false, "merged": false,
        "updated_at": "2026-01-01T01:00:00+01:00", "comments": 2,
        "head": { "label": "feature", "ref": "feature", "sha": COMMIT, "repo_id": 1 },
        "base": { "label": "main", "ref": "main", "sha": COMMIT, "repo_id": 1 },
    })
}

fn seven() -> PullRequestNumber {
    PullRequestNumber::new(7).unwrap()
}

async fn open(fake: &FakeForge) -> (Vec<PullRequest>, bool) {
    match forge(fake).open_pull_requests(None).await.unwrap() {
        PullRequests::Open { pull_requests, truncated, validator } => {
            assert_eq!(validator, None);
            (pull_requests, truncated)
        }
        PullRequests::Unchanged => panic!("something is open"),
    }
}

#[tokio::test]
async fn an_open_pull_request_says_what_is_proposed() {
    let fake = FakeForge::answering([Said::new(200, json!([pull(7)]))]);
    let expected = PullRequest {
        number: seven(),
        head: COMMIT.parse().unwrap(),
        head_branch: Some("feature".parse().unwrap()),
        origin: Origin::SameRepository,
        base: "main".parse().unwrap(),
        stage: Stage::Ready,
        activity: "2026-01-01T01:00:00+01:00 2".to_owned(),
    };
    assert_eq!(open(&fake).await, (vec![expected], false));
    assert_eq!(fake.lines(), [format!("GET {PULLS}?state=open&sort=oldest&limit=50&page=1")]);
}

#[tokio::test]
async fn only_a_branch_of_the_repository_itself_is_trusted() {
    let with = |pointer: &str, value: Value| {
        let mut it = pull(7);
        it["flow"] = json!(0);
        *it.pointer_mut(pointer).unwrap() = value;
        it
    };
    for (answer, origin, has_branch) in [
        (with("/draft", json!(true)), Origin::SameRepository, true),
        (with("/head/repo_id", json!(2)), Origin::Fork, true),
        (with("/head/repo_id", json!(-1)), Origin::Fork, true),
        (with("/head/repo_id", Value::Null), Origin::Fork, true),
        (with("/head/ref", json!("refs/pull/7/head")), Origin::Fork, false),
        (with("/flow", json!(1)), Origin::Fork, true),
    ] {
        let fake = FakeForge::answering([Said::new(200, json!([answer]))]);
        let found = open(&fake).await.0.remove(0);
        assert_eq!((found.origin, found.head_branch.is_some()), (origin, has_branch), "{answer}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_pull_request_hides_no_other() {
    let mut lost = pull(3);
    lost["head"]["sha"] = json!("");
    let mut odd = pull(4);
    odd["base"]["ref"] = json!("a..b");
    let mut headless = pull(5);
    headless["head"] = Value::Null;
    let fake = FakeForge::answering([Said::new(200, json!([lost, odd, headless, pull(8)]))]);
    assert_eq!(open(&fake).await.0.iter().map(|it| it.number.get()).collect::<Vec<_>>(), [8]);
}

#[tokio::test]
async fn all_pages_are_read_however_small_they_are() {
    let page = |numbers: &[u64]| Said::new(200, numbers.iter().copied().map(pull).collect());
    let fake = FakeForge::answering([page(&[9]).and_more(), page(&[7]).and_more(), page(&[9, 8])]);
    let (found, truncated) = open(&fake).await;
    assert_eq!(found.iter().map(|it| it.number.get()).collect::<Vec<_>>(), [7, 8, 9]);
    assert!(!truncated);
    let empty = FakeForge::answering([page(&[7]).and_more(), page(&[]).and_more()]);
    assert_eq!(open(&empty).await.0.len(), 1);
    assert_eq!(empty.asked().len(), 2);
}

#[tokio::test]
async fn the_list_ends_somewhere() {
    let page = |at: u64| Said::new(200, (0..50).map(|it| pull(1 + 50 * at + it)).collect()).and_more();
    let fake = FakeForge::answering((0..40).map(page));
    let (found, truncated) = open(&fake).await;
    assert_eq!((found.len(), truncated), (MAX_PULL_REQUESTS, true));
}

#[tokio::test]
async fn the_fate_is_the_state_and_whether_it_was_merged() {
    for (state, merged, fate) in
        [("open", false, Fate::Open), ("closed", false, Fate::Closed), ("closed", true, Fate::Merged)]
    {
        let answer = json!({ "number": 7, "state": state, "merged": merged });
        let fake = FakeForge::answering([Said::new(200, answer)]);
        assert_eq!(forge(&fake).fate(seven()).await, Ok(fate), "{state}");
    }
}

#[tokio::test]
async fn a_deleted_pull_request_is_closed_and_a_deleted_repository_is_an_error() {
    let gone = || Said::new(404, json!({ "message": "The target couldn't be found." }));
    let fake = FakeForge::answering([gone(), Said::new(200, json!({ "id": 1 }))]);
    assert_eq!(forge(&fake).fate(seven()).await, Ok(Fate::Closed));
    assert_eq!(fake.lines()[1], "GET /api/v1/repos/octo/ml");
    let fake = FakeForge::answering([gone(), gone()]);
    assert_eq!(forge(&fake).ending(seven()).await.unwrap_err().class, Class::Refused);
}

#[tokio::test]
async fn a_renamed_file_has_two_paths() {
    let first = json!([{ "filename": "b.yaml", "previous_filename": "a.yaml", "status": "renamed" }]);
    let second = json!([{ "filename": "c.yaml", "previous_filename": "" }]);
    let fake = FakeForge::answering([Said::new(200, first).and_more(), Said::new(200, second)]);
    let files = forge(&fake).changed_files(seven()).await.unwrap();
    assert_eq!(
        files,
        ChangedFiles { paths: ["a.yaml", "b.yaml", "c.yaml"].map(String::from).into(), truncated: false }
    );
    let page = |at: usize| {
        let files = (0..50).map(|it| json!({ "filename": format!("{at}/{it}") }));
        Said::new(200, files.collect()).and_more()
    };
    let endless = FakeForge::answering((0..100).map(page));
    assert!(forge(&endless).changed_files(seven()).await.unwrap().truncated);
    assert!(endless.asked().len() <= MAX_PATHS / 50);
}

#[tokio::test]
async fn every_request_is_as_gitea_and_forgejo_publish_it() {
    for name in ["gitea", "forgejo"] {
        let Some(contract) = Contract::load(name) else { return };
        let fake = FakeForge::answering([
            Said::new(200, json!([])),
            Said::new(200, json!([])),
            Said::new(404, json!({})),
        ]);
        let forge = forge(&fake);
        forge.open_pull_requests(None).await.unwrap();
        forge.changed_files(seven()).await.unwrap();
        forge.ending(seven()).await.unwrap();
        assert_eq!(fake.asked().len(), 4);
        fake.asked().iter().for_each(|asked| contract.check(asked));
    }
}

#[tokio::test]
async fn an_empty_repository_is_not_a_missing_one() {
    let gone = || Said::new(404, json!({ "message": "The target couldn't be found." }));
    let empty = Said::new(200, json!({ "full_name": "octo/ml", "empty": true }));
    let open = forge(&FakeForge::answering([gone(), empty])).open_pull_requests(None).await.unwrap();
    assert_eq!(open, PullRequests::Open { pull_requests: Vec::new(), truncated: false, validator: None });
    let full = Said::new(200, json!({ "full_name": "octo/ml", "empty": false }));
    for answer in [full, gone()] {
        let refused = forge(&FakeForge::answering([gone(), answer])).open_pull_requests(None).await;
        assert_eq!(refused.unwrap_err().class, Class::Refused);
    }
}

#[tokio::test]
async fn without_a_field_for_it_a_draft_is_one_by_its_title() {
    for (title, draft, stage) in [
        ("WIP: more nodes", None, Stage::Draft),
        ("[wip] more nodes", None, Stage::Draft),
        ("more nodes, no WIP: any more", None, Stage::Ready),
        ("Wüé", None, Stage::Ready),
        ("WIP: more nodes", Some(false), Stage::Ready),
        ("more nodes", Some(true), Stage::Draft),
    ] {
        let mut seen = pull(7);
        seen["title"] = json!(title);
        match draft {
            Some(draft) => seen["draft"] = json!(draft),
            None => drop(seen.as_object_mut().unwrap().remove("draft")),
        }
        let found = open(&FakeForge::answering([Said::new(200, json!([seen]))])).await.0.remove(0);
        assert_eq!(found.stage, stage, "{title} {draft:?}");
    }
}
