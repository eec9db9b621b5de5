//! Requests as Atlassian publishes them, and answers as its reference shows them.

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::forge::comment::Comments;
use crate::forge::fixture::{Answer, Contract, FakeForge, ok};
use crate::forge::{
    Author, Class, Comment, Context, Description, Fate, Forge, OptionsError, Origin, Permission, PullRequest,
    PullRequestNumber, PullRequests, Stage, State, Status,
};
use crate::wire;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const BASE: &str = "/2.0/repositories/octo/estate";
const ROOT: &str = "https://api.bitbucket.org";
const USER: &str = "{a54f16da-24e9-4d7f-a3a7-b1ba2cd98aa3}";

fn token() -> Credential {
    Credential::AccessToken("ATCT-secret".into())
}

fn made(
    client: wire::Client,
    api: &str,
    repository: &str,
    credential: Credential,
) -> Result<Forge, OptionsError> {
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 1);
    let options = Options { api: api.to_owned(), repository: repository.parse().unwrap(), credential };
    Bitbucket::new(client, clock, options).map(Forge::Bitbucket)
}

fn forge(fake: &FakeForge) -> Forge {
    made(fake.client(), "https://api.bitbucket.org/2.0/", "octo/estate", token()).unwrap()
}

fn number(number: u64) -> PullRequestNumber {
    PullRequestNumber::new(number).unwrap()
}

fn status(state: State, url: Option<&str>) -> Status {
    Status {
        commit: COMMIT.parse().unwrap(),
        context: Context::plan(),
        state,
        description: Description::new("3 to create"),
        target_url: url.map(str::to_owned),
        pull_request: Some(number(7)),
    }
}

fn check_contract(fake: &FakeForge, published: usize) {
    let Some(mut contract) = Contract::of("bitbucket") else { return };
    contract.of_every_list = &["pagelen", "page", "fields", "q", "sort"];
    let checked = fake.asked().iter().filter(|asked| contract.has(asked)).count();
    assert_eq!(checked, published, "{:?}", fake.lines());
}

#[tokio::test]
async fn a_status_is_the_documented_request() {
    let fake = FakeForge::answering([(201, vec![], json!({ "key": "beamline/plan" }).to_string())]);
    assert_eq!(forge(&fake).post(&[status(State::Pending, Some("https://b/runs/1"))]).await, vec![Ok(())]);
    assert_eq!(fake.lines(), [format!("POST {BASE}/commit/{COMMIT}/statuses/build")]);
    assert_eq!(fake.asked()[0].headers["authorization"], "Bearer ATCT-secret");
    let expected = json!({
        "type": "build", "key": "beamline/plan", "name": "beamline/plan", "state": "INPROGRESS",
        "description": "3 to create", "url": "https://b/runs/1",
    });
    assert_eq!(fake.asked()[0].body, expected);
}

#[tokio::test]
async fn every_status_is_as_atlassian_publishes_it() {
    let states = [State::Pending, State::Success, State::Failure, State::Error];
    let statuses: Vec<_> = states.iter().map(|state| status(*state, Some("file:///run"))).collect();
    let fake = FakeForge::answering(vec![ok(json!({ "key": "beamline/plan" })); 4]);
    assert_eq!(forge(&fake).post(&statuses).await, vec![Ok(()); 4]);
    let words: Vec<Value> = fake.asked().iter().map(|asked| asked.body["state"].clone()).collect();
    assert_eq!(words, ["INPROGRESS", "SUCCESSFUL", "FAILED", "FAILED"]);
    let page = format!("https://bitbucket.org/octo/estate/commits/{COMMIT}");
    assert!(fake.asked().iter().all(|asked| asked.body["url"] == page.as_str()));
    check_contract(&fake, 4);
}

#[tokio::test]
async fn failures_say_whether_trying_again_can_help_and_how_far_they_reach() {
    let words = |text: &str| json!({ "type": "error", "error": { "message": text } }).to_string();
    let cases: [(Answer, bool, &str, usize); 5] = [
        ((401, vec![], words("Token is invalid")), false, "Give a valid token", 1),
        ((403, vec![], words("lack one or more required privilege scopes")), false, "privilege scopes", 1),
        ((404, vec![], words("Commit not found")), false, "does not have the commit", 4),
        ((429, vec![], words("Rate limit for this resource has been exceeded")), true, "limits the rate", 1),
        ((502, vec![], String::new()), true, "tried again", 1),
    ];
    for (answer, can_help, word, asked) in cases {
        let fake = FakeForge::answering([answer, ok(json!({})), ok(json!({}))]);
        let outcomes = forge(&fake).post(&vec![status(State::Pending, None); 2]).await;
        let error = outcomes[0].clone().unwrap_err();
        assert_eq!(matches!(error.class, Class::Retry { .. }), can_help, "{error}");
        assert!(error.message.contains(word) && !error.message.contains("ATCT-secret"), "{error}");
        assert_eq!((outcomes.len(), fake.asked().len()), (2, asked), "{error}");
    }
}

#[tokio::test]
async fn a_commit_of_a_fork_has_no_statuses_and_that_is_no_failure() {
    let words = json!({ "type": "error", "error": { "message": "Commit not found" } }).to_string();
    for (from, is_left_out) in [("eve/estate", true), ("octo/estate", false)] {
        let looked = json!({ "state": "OPEN", "source": { "repository": { "full_name": from } } });
        let fake = FakeForge::answering([(404, vec![], words.clone()), ok(looked)]);
        let outcomes = forge(&fake).post(&[status(State::Pending, None)]).await;
        assert_eq!(outcomes[0].is_ok(), is_left_out, "{from}: {outcomes:?}");
    }
}

fn listed(number: u64, from: Value) -> Value {
    json!({
        "id": number, "draft": number == 3, "updated_on": "2026-01-01T00:00:00+00:00", "comment_count": 4,
        "source": { "commit": { "hash": &COMMIT[..12] }, "branch": { "name": "topic" }, "repository": from },
        "destination": { "branch": { "name": "main" } },
    })
}

fn commits() -> Answer {
    ok(json!({ "values": [{ "hash": COMMIT }, { "hash": "f".repeat(40) }] }))
}

fn opened(read: PullRequests) -> (Vec<PullRequest>, bool) {
    match read {
        PullRequests::Open { pull_requests, truncated, validator } => {
            assert_eq!(validator, None);
            (pull_requests, truncated)
        }
        PullRequests::Unchanged => panic!("no conditional requests"),
    }
}

#[tokio::test]
async fn open_pull_requests_are_read_page_by_page_and_their_heads_looked_up_once() {
    let same = json!({ "full_name": "Octo/estate" });
    let next = format!("{ROOT}{BASE}/pullrequests?page=2");
    let pages = [
        ok(json!({ "values": [listed(2, same.clone()), listed(1, Value::Null)], "next": next })),
        ok(json!({ "values": [listed(3, json!({ "full_name": "fork/estate" }))] })),
    ];
    let looked_up = vec![commits(); 3];
    let fake = FakeForge::answering(pages.clone().into_iter().chain(looked_up).chain(pages));
    let forge = forge(&fake);
    let (open, truncated) = opened(forge.open_pull_requests(None).await.unwrap());
    assert_eq!((open.len(), truncated), (3, false));
    assert!(open.iter().all(|it| it.head.to_string() == COMMIT && it.base.as_str() == "main"));
    let origins: Vec<_> = open.iter().map(|it| (it.number.get(), it.origin)).collect();
    assert_eq!(origins, [(1, Origin::Fork), (2, Origin::SameRepository), (3, Origin::Fork)]);
    assert_eq!((open[1].stage, open[2].stage), (Stage::Ready, Stage::Draft));
    assert_eq!(open[1].activity, "2026-01-01T00:00:00+00:00 4");
    assert_eq!(fake.asked().len(), 5);
    let (again, _) = opened(forge.open_pull_requests(None).await.unwrap());
    assert_eq!((again, fake.asked().len()), (open, 7));
    assert!(
        fake.lines()[0].starts_with(&format!("GET {BASE}/pullrequests?state=OPEN&pagelen=50&fields=next,"))
    );
    assert_eq!(fake.lines()[1], format!("GET {BASE}/pullrequests?page=2"));
    check_contract(&fake, 4);
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_asked_for() {
    for next in
        ["https://api.bitbucket.org.evil.example/2.0/x", "https://evil.example/", "//evil.example/", "x"]
    {
        let fake = FakeForge::answering([ok(json!({ "values": [], "next": next }))]);
        let error = forge(&fake).open_pull_requests(None).await.unwrap_err();
        assert_eq!((error.class, fake.asked().len()), (Class::Refused, 1), "{next}");
    }
}

#[tokio::test]
async fn a_list_without_end_is_cut() {
    let page = ok(json!({ "values": [], "next": format!("{ROOT}{BASE}/pullrequests?page=2") }));
    let fake = FakeForge::answering(vec![page; 200]);
    assert_eq!(opened(forge(&fake).open_pull_requests(None).await.unwrap()), (vec![], true));
    assert_eq!(fake.asked().len(), 100);
}

#[tokio::test]
async fn a_head_that_is_not_to_be_found_cannot_be_planned() {
    let fake = FakeForge::answering([
        ok(json!({ "values": [listed(1, Value::Null)] })),
        ok(json!({ "values": [] })),
    ]);
    assert_eq!(opened(forge(&fake).open_pull_requests(None).await.unwrap()), (vec![], false));
}

#[tokio::test]
async fn a_pull_request_is_open_merged_or_closed() {
    let words = ["OPEN", "MERGED", "DECLINED", "SUPERSEDED"];
    let fake = FakeForge::answering(words.map(|word| ok(json!({ "id": 7, "state": word }))));
    let forge = forge(&fake);
    for expected in [Fate::Open, Fate::Merged, Fate::Closed, Fate::Closed] {
        assert_eq!(forge.ending(number(7)).await.map(|ending| ending.fate()), Ok(expected));
    }
    check_contract(&fake, 4);
}

#[tokio::test]
async fn changed_files_are_where_bitbucket_sends_on_to() {
    let onward = format!("{BASE}/diffstat/octo/estate:abc%0Ddef?topic=true");
    let stat = json!({ "values": [
        { "status": "added", "old": null, "new": { "path": "new.yaml" } },
        { "status": "renamed", "old": { "path": "a.yaml" }, "new": { "path": "b.yaml" } },
        { "status": "removed", "old": { "path": "gone.yaml" }, "new": null },
    ] });
    for location in [format!("{ROOT}{onward}"), onward.clone()] {
        let fake =
            FakeForge::answering([(302, vec![("location", location)], String::new()), ok(stat.clone())]);
        let changed = forge(&fake).changed_files(number(7)).await.unwrap();
        assert_eq!(changed.paths, ["a.yaml", "b.yaml", "gone.yaml", "new.yaml"]);
        assert!(!changed.truncated);
        assert_eq!(fake.lines()[1], format!("GET {onward}"));
    }
    let away = (302, vec![("location", "https://evil.example/".to_owned())], String::new());
    let fake = FakeForge::answering([away.clone(), away]);
    let error = forge(&fake).changed_files(number(7)).await.unwrap_err();
    assert_eq!(error.class, Class::Retry { after: None });
    assert!(error.message.contains("another host, https://evil.example/ (302)"), "{error}");
    assert!(fake.asked().iter().all(|asked| asked.host == "api.bitbucket.org"));
}

fn comment(id: u64, raw: &str) -> Value {
    json!({
        "id": id, "deleted": false, "created_on": "2026-01-01T00:00:00.123456+00:00",
        "content": { "raw": raw, "markup": "markdown" },
        "user": { "uuid": USER, "display_name": "reviewer", "nickname": "rr" },
    })
}

#[tokio::test]
async fn comments_are_those_that_stand() {
    let mut deleted = comment(2, "");
    deleted["deleted"] = true.into();
    let mut pending = comment(3, "not yet");
    pending["pending"] = true.into();
    let mut inline = comment(4, "/beamline plan");
    inline["inline"] = json!({ "path": "a.yaml", "to": 3 });
    let ours = comment(1, "[beamline ops plan]: #\n\n## Plan");
    let fake = FakeForge::answering([ok(json!({ "values": [inline, pending, deleted, ours] }))]);
    let comments = forge(&fake).comments(number(7)).await.unwrap().read;
    let expected = |id: u64, body: &str| Comment {
        id: id.into(),
        author: Author::new(USER, "reviewer"),
        created_at: "2026-01-01T00:00:00.123456Z".parse().unwrap(),
        body: body.to_owned(),
    };
    let all = [expected(1, "<!-- beamline ops plan -->\n\n## Plan"), expected(4, "/beamline plan")];
    assert_eq!(comments, all);
    check_contract(&fake, 1);
}

#[tokio::test]
async fn of_very_many_comments_the_oldest_are_read_too() {
    let page = |ids: std::ops::RangeInclusive<u64>| {
        let values: Vec<Value> = ids.map(|id| comment(id, "x")).collect();
        ok(json!({ "values": values, "next": format!("{ROOT}{BASE}/pullrequests/7/comments?page=2") }))
    };
    let newest = (0..10).map(|at| page(5000 - at * 100 - 99..=5000 - at * 100));
    let fake = FakeForge::answering(newest.chain([page(1..=100)]));
    let Comments { read: comments, is_whole } = forge(&fake).comments(number(7)).await.unwrap();
    assert!(!is_whole);
    assert_eq!((comments.len(), fake.asked().len()), (1000, 11));
    assert!(comments.iter().any(|comment| comment.id == 1.into()));
    assert!(comments.iter().any(|comment| comment.id == 5000.into()));
    assert!(fake.lines()[10].contains("sort=created_on&"));
}

#[tokio::test]
async fn a_comment_is_edited_in_place_and_written_anew_when_it_is_gone() {
    let fake = FakeForge::answering([
        (201, vec![], json!({ "id": 12 }).to_string()),
        ok(json!({ "id": 12 })),
        (404, vec![], json!({ "error": { "message": "not found" } }).to_string()),
        (201, vec![], json!({ "id": 13 }).to_string()),
    ]);
    let forge = forge(&fake);
    let first = forge.write_comment(number(7), None, "<!-- beamline ops plan -->\nfirst").await.unwrap().id;
    assert_eq!(forge.write_comment(number(7), Some(&first), "second").await.unwrap().id, first);
    assert_eq!(forge.write_comment(number(7), Some(&first), "third").await.unwrap().id, 13.into());
    let raw = |at: usize| fake.asked()[at].body["content"]["raw"].clone();
    assert_eq!((raw(0), raw(1)), ("[beamline ops plan]: #\n\nfirst".into(), "second".into()));
    assert_eq!(fake.lines()[1], format!("PUT {BASE}/pullrequests/7/comments/12"));
    check_contract(&fake, 4);
}

fn granted(permission: &str, uuid: &str) -> Value {
    json!({ "type": "repository_permission", "permission": permission, "user": { "uuid": uuid } })
}

#[tokio::test]
async fn the_permission_is_the_highest_that_the_account_has() {
    let author = Author::new(USER, "reviewer");
    let stranger = "{00000000-0000-0000-0000-000000000000}";
    for (values, expected) in [
        (json!([granted("write", USER)]), Permission::Write),
        (json!([granted("read", USER), granted("admin", &USER.to_uppercase())]), Permission::Admin),
        (json!([granted("admin", stranger), granted("read", USER)]), Permission::Read),
        (json!([granted("admin", stranger)]), Permission::None),
        (json!([]), Permission::None),
    ] {
        let fake = FakeForge::answering([ok(json!({ "values": values }))]);
        assert_eq!(forge(&fake).permission(&author).await, Ok(expected));
        let filter = "q=user.uuid%3D%22%7Ba54f16da-24e9-4d7f-a3a7-b1ba2cd98aa3%7D%22&pagelen=100";
        let path = "/2.0/workspaces/octo/permissions/repositories/estate";
        assert_eq!(fake.lines(), [format!("GET {path}?{filter}")]);
    }
    let fake = FakeForge::default();
    for id in ["", "557058:abc", "{x}\" OR permission=\"admin"] {
        assert_eq!(forge(&fake).permission(&Author::new(id, "x")).await, Ok(Permission::None));
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn a_token_of_the_repository_alone_sees_what_was_granted_to_the_account_itself() {
    let author = Author::new(USER, "reviewer");
    let withheld = || (403, vec![], json!({ "error": { "message": "no" } }).to_string());
    let fake = FakeForge::answering([withheld(), ok(granted("write", USER))]);
    assert_eq!(forge(&fake).permission(&author).await, Ok(Permission::Write));
    let id = "%7Ba54f16da-24e9-4d7f-a3a7-b1ba2cd98aa3%7D";
    assert_eq!(fake.lines()[1], format!("GET {BASE}/permissions-config/users/{id}"));
    let fake = FakeForge::answering([withheld(), withheld()]);
    let error = forge(&fake).permission(&author).await.unwrap_err();
    assert_eq!(error.class, Class::Refused);
    assert!(error.message.contains("administer the repository"), "{error}");
    let fake = FakeForge::answering([(503, vec![], String::new())]);
    assert_eq!(forge(&fake).permission(&author).await.unwrap_err().class, Class::Retry { after: None });
}

#[tokio::test]
async fn a_user_with_a_password_is_told_by_basic_authentication() {
    let fake = FakeForge::answering([ok(json!({}))]);
    let credential = Credential::Basic { user: "ops".to_owned(), password: "app-secret".into() };
    let forge = made(fake.client(), ROOT, "octo/estate", credential).unwrap();
    forge.post(&[status(State::Success, None)]).await;
    assert_eq!(fake.asked()[0].headers["authorization"], "Basic b3BzOmFwcC1zZWNyZXQ=");
    assert!(!format!("{forge:?}").contains("b3Bz"));
}

#[test]
fn options_that_cannot_work_are_refused_before_anything_is_sent() {
    let make = |api: &str, repository: &str, credential| {
        made(FakeForge::default().client(), api, repository, credential)
    };
    assert!(make("http://localhost:8080", "octo/estate", token()).is_ok());
    for api in ["", "api.bitbucket.org", "https://x/?a=b"] {
        assert!(matches!(make(api, "octo/estate", token()).unwrap_err(), OptionsError::Api { .. }));
    }
    assert!(matches!(
        make("http://h", "octo/estate", token()).unwrap_err(),
        OptionsError::Unencrypted { .. }
    ));
    let error = make(ROOT, "octo/with space", token()).unwrap_err();
    assert!(matches!(error, OptionsError::Repository { .. }), "{error}");
    let basic =
        |user: &str, password: &str| Credential::Basic { user: user.to_owned(), password: password.into() };
    for credential in
        [Credential::AccessToken("".into()), basic("u", ""), basic("u:v", "p"), basic("u\n", "p")]
    {
        assert!(matches!(make(ROOT, "octo/estate", credential).unwrap_err(), OptionsError::Token { .. }));
    }
    let credential = token();
    assert!(!format!("{credential:?}").contains("ATCT-secret"));
}

#[tokio::test]
async fn what_only_looks_like_success_is_tried_again() {
    for body in [Value::Null, json!([]), json!({}), json!("<html>Sign in</html>")] {
        let fake = FakeForge::answering([(200, vec![], body.to_string())]);
        let error = forge(&fake).post(&[status(State::Success, None)]).await.remove(0).unwrap_err();
        assert_eq!(error.class, Class::Retry { after: None });
        assert!(error.message.contains("with something else than it documents"), "{error}");
    }
}
