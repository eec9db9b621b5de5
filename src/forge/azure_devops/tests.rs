//! Requests as Microsoft publishes them, and answers as its reference shows them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::forge::fixture::{Answer, Contract, FakeForge, ok};
use crate::forge::{
    Author, Class, Comment, CommentId, Context, Description, Fate, Forge, ForgeError, OptionsError, Origin,
    Permission, PullRequestNumber, PullRequests, Stage, State, Status,
};
use crate::wire;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba98";
const BASE: &str = "/contoso/ML%20Platform/_apis/git/repositories/azure%20estate";

fn forge(fake: &FakeForge) -> Forge {
    made(fake.client(), "https://dev.azure.com/contoso/", "ML Platform/azure estate", "pat-secret").unwrap()
}

fn made(client: wire::Client, api: &str, repository: &str, token: &str) -> Result<Forge, OptionsError> {
    let clock = Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 1);
    let repository = repository.parse().unwrap();
    let options = Options { api: api.to_owned(), repository, token: token.into() };
    AzureDevOps::new(client, clock, options).map(Forge::AzureDevOps)
}

fn number(number: u64) -> PullRequestNumber {
    PullRequestNumber::new(number).unwrap()
}

fn status(state: State, pull_request: Option<u64>) -> Status {
    Status {
        commit: COMMIT.parse().unwrap(),
        context: Context::plan_of(&"production".parse().unwrap()),
        state,
        description: Description::new("3 to create"),
        target_url: Some("https://beamline.example/runs/1".to_owned()),
        pull_request: pull_request.map(number),
    }
}

fn iterations(heads: &[&str]) -> Answer {
    let iteration =
        |(at, head): (usize, &&str)| json!({ "id": at + 1, "sourceRefCommit": { "commitId": head } });
    ok(json!({ "value": heads.iter().enumerate().map(iteration).collect::<Vec<_>>(), "count": heads.len() }))
}

fn check_contract(fake: &FakeForge, published: usize) {
    let Some(contract) = Contract::of("azuredevops") else { return };
    let checked = fake.asked().iter().filter(|asked| contract.has(asked)).count();
    assert_eq!(checked, published, "{:?}", fake.lines());
}

#[tokio::test]
async fn a_status_of_a_plan_stands_on_the_commit_and_on_the_newest_iteration_of_it() {
    let fake = FakeForge::answering([
        ok(json!({ "id": 1 })),
        iterations(&[OTHER, COMMIT, COMMIT, OTHER]),
        ok(json!({ "id": 1 })),
    ]);
    assert_eq!(forge(&fake).post(&[status(State::Success, Some(7))]).await, vec![Ok(())]);
    let asked = fake.asked();
    let lines = [
        format!("POST {BASE}/commits/{COMMIT}/statuses?api-version=7.1"),
        format!("GET {BASE}/pullRequests/7/iterations?api-version=7.1"),
        format!("POST {BASE}/pullRequests/7/statuses?api-version=7.1"),
    ];
    assert_eq!(fake.lines(), lines);
    assert_eq!(asked[0].host, "dev.azure.com");
    assert_eq!(asked[0].headers["authorization"], "Basic OnBhdC1zZWNyZXQ=");
    let mut expected = json!({
        "state": "succeeded", "description": "3 to create",
        "context": { "genre": "beamline", "name": "plan: production" },
        "targetUrl": "https://beamline.example/runs/1",
    });
    assert_eq!(asked[0].body, expected);
    expected["iterationId"] = 3.into();
    assert_eq!(asked[2].body, expected);
    check_contract(&fake, 2);
}

#[tokio::test]
async fn every_state_is_as_microsoft_publishes_it() {
    let states = [State::Pending, State::Success, State::Failure, State::Error];
    let statuses: Vec<_> = states.iter().map(|state| status(*state, None)).collect();
    let fake = FakeForge::answering(vec![ok(json!({ "id": 1 })); 4]);
    assert_eq!(forge(&fake).post(&statuses).await, vec![Ok(()); 4]);
    let words: Vec<Value> = fake.asked().iter().map(|asked| asked.body["state"].clone()).collect();
    assert_eq!(words, ["pending", "succeeded", "failed", "error"]);
    check_contract(&fake, 4);
}

#[tokio::test]
async fn iterations_are_looked_up_once_and_a_replaced_commit_holds_nothing_up() {
    let fake = FakeForge::answering([ok(json!({ "id": 1 })), iterations(&[OTHER]), ok(json!({ "id": 2 }))]);
    let both = [status(State::Pending, Some(7)), status(State::Success, Some(7))];
    assert_eq!(forge(&fake).post(&both).await, vec![Ok(()), Ok(())]);
    assert_eq!(fake.asked().len(), 3);
    let not_found = json!({ "message": "TF401180: The requested pull request was not found." });
    let fake = FakeForge::answering([ok(json!({ "id": 1 })), (404, vec![], not_found.to_string())]);
    assert_eq!(forge(&fake).post(&both[..1]).await, vec![Ok(())]);
}

#[tokio::test]
async fn only_web_addresses_are_targets() {
    let fake = FakeForge::answering([ok(json!({}))]);
    let local = Status { target_url: Some("file:///run".to_owned()), ..status(State::Success, None) };
    forge(&fake).post(&[local]).await;
    assert_eq!(fake.asked()[0].body.get("targetUrl"), None);
}

#[tokio::test]
async fn the_sign_in_page_of_a_proxy_is_no_wrong_token() {
    let to = vec![("location", "https://sso.example/login?for=dev.azure.com".to_owned())];
    let fake = FakeForge::answering([(302, to, "<html>".to_owned())]);
    let error = forge(&fake).post(&[status(State::Pending, None)]).await.remove(0).unwrap_err();
    assert_eq!(error.class, Class::Retry { after: None });
    assert!(error.message.contains("a page to sign in, https://sso.example/login (302)"), "{error}");
}

#[tokio::test]
async fn a_sign_in_page_is_a_wrong_token_and_nothing_more_is_sent() {
    let page = "<html>Sign in</html>".to_owned();
    for answer in [
        (203, vec![], page.clone()),
        (302, vec![("location", "https://spsprodweu1.vssps.visualstudio.com/_signin".to_owned())], page),
        (401, vec![], String::new()),
    ] {
        let fake = FakeForge::answering([answer]);
        let outcomes = forge(&fake).post(&vec![status(State::Pending, None); 3]).await;
        assert_eq!((outcomes.len(), fake.asked().len()), (3, 1));
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.class, Class::Refused);
            assert!(error.message.contains("Give a valid token"), "{error}");
            assert!(!error.message.contains("pat-secret"), "{error}");
        }
    }
}

#[tokio::test]
async fn failures_say_whether_trying_again_can_help() {
    let words = |text: &str| json!({ "message": text, "typeKey": "Exception" }).to_string();
    let cases: [(Answer, Class, &str); 4] = [
        (
            (429, vec![("retry-after", "30".to_owned())], words("TF400733: The request has been canceled")),
            Class::Retry { after: Some(Duration::from_secs(30)) },
            "limits the rate",
        ),
        ((503, vec![], String::new()), Class::Retry { after: None }, "tried again"),
        ((404, vec![], words("TF401019: The Git repository does not exist")), Class::Refused, "TF401019"),
        ((400, vec![], words("The state is not valid")), Class::Refused, "not valid"),
    ];
    for (answer, class, word) in cases {
        let fake = FakeForge::answering([answer]);
        let error = forge(&fake).post(&[status(State::Success, None)]).await.remove(0).unwrap_err();
        assert_eq!(error.class, class, "{error}");
        assert!(error.message.contains(word), "{error}");
    }
}

fn listed(number: u64) -> Value {
    json!({
        "pullRequestId": number, "status": "active", "isDraft": false,
        "sourceRefName": "refs/heads/topic/new", "targetRefName": "refs/heads/main",
        "lastMergeSourceCommit": { "commitId": COMMIT }, "repository": { "name": "azure estate" },
    })
}

#[tokio::test]
async fn open_pull_requests_are_read_page_by_page() {
    let first: Vec<Value> = (1..=100).rev().map(listed).collect();
    let mut fork = listed(101);
    fork["forkSource"] = json!({ "name": "refs/heads/topic", "repository": { "name": "copy" } });
    let mut draft = listed(102);
    draft["isDraft"] = true.into();
    let mut headless = listed(103);
    headless["lastMergeSourceCommit"] = Value::Null;
    let second = vec![fork, draft, headless, listed(100)];
    let fake = FakeForge::answering([ok(json!({ "value": first })), ok(json!({ "value": second }))]);
    let PullRequests::Open { pull_requests, truncated, validator } =
        forge(&fake).open_pull_requests(None).await.unwrap()
    else {
        panic!("the API has no conditional requests")
    };
    assert_eq!((pull_requests.len(), truncated, validator), (102, false, None));
    assert!(pull_requests.is_sorted_by_key(|it| it.number));
    let (ordinary, fork, draft) = (&pull_requests[0], &pull_requests[100], &pull_requests[101]);
    assert_eq!(ordinary.head.to_string(), COMMIT);
    assert_eq!(ordinary.head_branch.as_ref().unwrap().as_str(), "topic/new");
    assert_eq!((ordinary.base.as_str(), ordinary.activity.as_str()), ("main", ""));
    assert_eq!((ordinary.origin, ordinary.stage), (Origin::SameRepository, Stage::Ready));
    assert_eq!((fork.origin, draft.stage), (Origin::Fork, Stage::Draft));
    let query = "searchCriteria.status=active&$top=100&$skip";
    assert_eq!(fake.lines()[1], format!("GET {BASE}/pullrequests?{query}=100&api-version=7.1"));
    check_contract(&fake, 2);
}

#[tokio::test]
async fn more_than_a_thousand_pull_requests_are_truncated() {
    let page =
        |at: u64| ok(json!({ "value": (at * 100 + 1..=at * 100 + 100).map(listed).collect::<Vec<_>>() }));
    let fake = FakeForge::answering((0..20).map(page));
    let read = forge(&fake).open_pull_requests(None).await.unwrap();
    let PullRequests::Open { pull_requests, truncated, .. } = read else { panic!("no conditional requests") };
    assert_eq!((pull_requests.len(), truncated, fake.asked().len()), (1000, true, 11));
}

#[tokio::test]
async fn a_pull_request_is_open_merged_or_closed() {
    let answers =
        ["active", "completed", "abandoned"].map(|word| ok(json!({ "pullRequestId": 7, "status": word })));
    let fake = FakeForge::answering(answers);
    let forge = forge(&fake);
    for expected in [Fate::Open, Fate::Merged, Fate::Closed] {
        assert_eq!(forge.ending(number(7)).await.map(|ending| ending.fate()), Ok(expected));
    }
    check_contract(&fake, 3);
}

#[tokio::test]
async fn changed_files_are_those_of_the_newest_iteration() {
    let fake = FakeForge::answering([
        iterations(&[OTHER, COMMIT]),
        ok(json!({
            "changeEntries": [
                { "changeType": "edit", "item": { "path": "/environments/a.yaml" } },
                { "changeType": "rename", "item": { "path": "/b.yaml" }, "originalPath": "/old.yaml" },
            ],
            "nextSkip": 2, "nextTop": 2000,
        })),
        ok(json!({
            "changeEntries": [{ "changeType": "delete", "item": { "path": "/gone.yaml" } }],
            "nextSkip": 0, "nextTop": 0,
        })),
    ]);
    let changed = forge(&fake).changed_files(number(7)).await.unwrap();
    assert_eq!(changed.paths, ["b.yaml", "environments/a.yaml", "gone.yaml", "old.yaml"]);
    assert!(!changed.truncated);
    let path = format!("GET {BASE}/pullRequests/7/iterations/2/changes");
    assert_eq!(fake.lines()[1], format!("{path}?$top=2000&$skip=0&api-version=7.1"));
    assert_eq!(fake.lines()[2], format!("{path}?$top=2000&$skip=2&api-version=7.1"));
}

#[tokio::test]
async fn comments_are_those_that_people_wrote_and_that_stand() {
    let comment = |id: u64, kind: &str, at: &str| {
        json!({
            "id": id, "parentCommentId": 0, "content": "/beamline plan", "commentType": kind,
            "publishedDate": at, "author": { "id": "54d125f7-69f7-4191-904f-c5b96b6261c8", "displayName": "reviewer" },
        })
    };
    let mut deleted = comment(3, "text", "2026-01-01T00:00:00Z");
    deleted["isDeleted"] = true.into();
    let fake = FakeForge::answering([ok(json!({ "value": [
        { "id": 12, "comments": [comment(2, "text", "2026-01-02T00:00:00.123Z"), deleted] },
        { "id": 11, "status": "active", "comments": [comment(1, "text", "2026-01-01T00:00:00Z")] },
        { "id": 10, "comments": [comment(1, "system", "2026-01-01T00:00:00Z")] },
        { "id": 9, "isDeleted": true, "comments": [comment(1, "text", "2026-01-01T00:00:00Z")] },
    ] }))]);
    let comments = forge(&fake).comments(number(7)).await.unwrap().read;
    let ids: Vec<&str> = comments.iter().map(|comment| comment.id.as_str()).collect();
    assert_eq!(ids, ["11/1", "12/2"]);
    let expected = Comment {
        id: "12/2".parse().unwrap(),
        author: Author::new("54d125f7-69f7-4191-904f-c5b96b6261c8", "reviewer"),
        created_at: "2026-01-02T00:00:00.123Z".parse().unwrap(),
        body: "/beamline plan".to_owned(),
    };
    assert_eq!(comments[1], expected);
    check_contract(&fake, 1);
}

#[tokio::test]
async fn a_comment_is_a_closed_thread_that_is_edited_in_place() {
    let thread = |id: u64| ok(json!({ "id": id, "status": "closed", "comments": [{ "id": 1 }] }));
    let fake = FakeForge::answering([
        thread(12),
        ok(json!({ "id": 1, "content": "second" })),
        ok(json!({ "id": 1, "isDeleted": true })),
        thread(13),
        (404, vec![], json!({ "message": "The comment does not exist" }).to_string()),
        thread(14),
    ]);
    let forge = forge(&fake);
    let first = forge.write_comment(number(7), None, "first").await.unwrap().id;
    assert_eq!(first.as_str(), "12/1");
    assert_eq!(forge.write_comment(number(7), Some(&first), "second").await.unwrap().id, first);
    assert_eq!(forge.write_comment(number(7), Some(&first), "third").await.unwrap().id.as_str(), "13/1");
    assert_eq!(forge.write_comment(number(7), Some(&first), "fourth").await.unwrap().id.as_str(), "14/1");
    let asked = fake.asked();
    let begun = json!({
        "comments": [{ "parentCommentId": 0, "content": "first", "commentType": "text" }], "status": "closed",
    });
    assert_eq!(asked[0].body, begun);
    assert_eq!(fake.lines()[1], format!("PATCH {BASE}/pullRequests/7/threads/12/comments/1?api-version=7.1"));
    assert_eq!(asked[1].body, json!({ "content": "second" }));
    check_contract(&fake, 6);
}

const USER: &str = "54d125f7-69f7-4191-904f-c5b96b6261c8";
const PROJECT: &str = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c";
const REPOSITORY: &str = "4bc14d40-c903-45e2-872e-0462c7748079";

fn identity(id: &str, descriptor: &str, member_of: &[&str]) -> Answer {
    ok(json!({ "count": 1, "value": [
        { "id": id, "descriptor": descriptor, "isActive": true, "memberOf": member_of },
    ] }))
}

fn access(token: &str, entries: Value) -> Answer {
    ok(json!({ "count": 1, "value": [
        { "inheritPermissions": true, "token": token, "acesDictionary": entries },
    ] }))
}

fn author() -> Author {
    Author::new(USER, "reviewer")
}

#[tokio::test]
async fn the_permission_is_that_of_the_account_and_all_its_groups() {
    let group = "22222222-2222-2222-2222-222222222222";
    let contributors = "Microsoft.TeamFoundation.Identity;S-1-9-1";
    let team = "Microsoft.TeamFoundation.Identity;S-1-9-2";
    let fake = FakeForge::answering([
        identity(USER, "Microsoft.IdentityModel.Claims.ClaimsIdentity;t\\r@contoso.example", &[team]),
        identity(group, team, &[contributors]),
        identity(group, contributors, &[team]),
        ok(
            json!({ "id": REPOSITORY, "name": "azure estate", "project": { "id": PROJECT, "name": "ML Platform" } }),
        ),
        ok(json!({ "count": 0, "value": [] })),
        access(
            &format!("repoV2/{PROJECT}/"),
            json!({ contributors: { "descriptor": contributors, "allow": 16_502, "deny": 0 } }),
        ),
        access("repoV2/another", json!({ team: { "descriptor": team, "allow": 0, "deny": 4 } })),
    ]);
    assert_eq!(forge(&fake).permission(&author()).await, Ok(Permission::Write));
    let asked = fake.asked();
    assert_eq!(asked[0].host, "vssps.dev.azure.com");
    let query = format!("identityIds={USER}&queryMembership=Direct&api-version=7.1");
    assert_eq!(asked[0].path, format!("/contoso/_apis/identities?{query}"));
    assert!(asked[1].path.contains("descriptors=Microsoft.TeamFoundation.Identity%3BS-1-9-2&"));
    assert_eq!(asked[3].path, format!("{BASE}?api-version=7.1"));
    let lists = "/contoso/_apis/accesscontrollists/2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
    let token = format!("token=repoV2%2F{PROJECT}%2F{REPOSITORY}&recurse=false&api-version=7.1");
    assert_eq!(asked[6].path, format!("{lists}?{token}"));
    assert_eq!(asked[6].host, "dev.azure.com");
}

#[tokio::test]
async fn who_is_not_known_may_nothing() {
    let fake = FakeForge::answering([
        ok(json!({ "value": [null] })),
        ok(json!({ "value": [{ "id": USER, "descriptor": "d", "isActive": false }] })),
        identity("22222222-2222-2222-2222-222222222222", "another", &[]),
    ]);
    let forge = forge(&fake);
    for _ in 0..3 {
        assert_eq!(forge.permission(&author()).await, Ok(Permission::None));
    }
    assert_eq!(forge.permission(&Author::new("no-uuid", "x")).await, Ok(Permission::None));
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test]
async fn a_token_that_may_not_read_permissions_is_told_what_it_lacks() {
    let fake = FakeForge::answering([(401, vec![], String::new())]);
    let error = forge(&fake).permission(&author()).await.unwrap_err();
    assert_eq!(error.class, Class::Refused);
    assert!(error.message.contains("Identity (Read) and Security (Manage)"), "{error}");
}

#[tokio::test]
async fn a_server_is_asked_for_identities_where_it_answers_everything() {
    for (root, host, path) in [
        ("https://devops.example/tfs/Main", "devops.example", "/tfs/Main/_apis/identities"),
        ("https://contoso.visualstudio.com", "contoso.vssps.visualstudio.com", "/_apis/identities"),
    ] {
        let fake = FakeForge::answering([ok(json!({ "value": [] }))]);
        made(fake.client(), root, "p/r", "t").unwrap().permission(&author()).await.unwrap();
        assert_eq!(fake.asked()[0].host, host);
        assert!(fake.asked()[0].path.starts_with(path), "{:?}", fake.lines());
    }
}

#[tokio::test]
async fn answers_that_are_none_are_tried_again() {
    let unreadable = || (200, vec![], "<html>".to_owned());
    let fake = FakeForge::answering([unreadable(), unreadable(), unreadable()]);
    let forge = forge(&fake);
    let errors: Vec<ForgeError> = vec![
        forge.open_pull_requests(None).await.unwrap_err(),
        forge.comments(number(7)).await.unwrap_err(),
        forge.write_comment(number(7), None::<&CommentId>, "x").await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.class == Class::Retry { after: None }), "{errors:?}");
}

#[test]
fn options_that_cannot_work_are_refused_before_anything_is_sent() {
    let make = |api: &str, repository: &str, token: &str| {
        made(FakeForge::default().client(), api, repository, token)
    };
    assert!(make("http://127.0.0.1:8080/contoso", "p/r", "t").is_ok());
    for api in ["https://dev.azure.com", "https://dev.azure.com/", "dev.azure.com/contoso", "https://t@h/c"] {
        let error = make(api, "p/r", "t").unwrap_err();
        assert!(matches!(error, OptionsError::Api { .. }), "{api}: {error}");
    }
    assert!(matches!(make("http://h/c", "p/r", "t").unwrap_err(), OptionsError::Unencrypted { .. }));
    for token in ["", " ", "a\nb"] {
        assert!(matches!(make("https://h/c", "p/r", token).unwrap_err(), OptionsError::Token { .. }));
    }
}

#[test]
fn the_token_is_never_printed() {
    let printed = format!("{:?}", forge(&FakeForge::default()));
    assert!(!printed.contains("pat-secret") && !printed.contains("OnBhdC1zZWNyZXQ"), "{printed}");
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
