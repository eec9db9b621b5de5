//! Azure DevOps, seen through its API.

use serde_json::{Value, json};

use super::bench::{Bench, sha};
use crate::forge::{ChangedFile, FileChange, ForgeKind, Permission, PullRequest};

const REPO: &str = "/octo/platform%20team/_apis/git/repositories/infra";
const VERSION: &str = "api-version=7.1";

fn status(state: &str) -> Value {
    json!({
        "state": state, "description": state, "targetUrl": "https://b.example.com/runs/1",
        "context": { "name": "plan", "genre": "beamline" },
    })
}

#[tokio::test(start_paused = true)]
async fn statuses_stand_on_commits_pull_requests_and_iterations() {
    let bench = Bench::with_pull_request(ForgeKind::AzureDevOps);
    let of_commit = format!("{REPO}/commits/{}/statuses?{VERSION}", sha('b'));
    assert_eq!(bench.send("POST", &of_commit, status("pending")).await.status, 200);
    assert_eq!(bench.send("POST", &of_commit, status("succeeded")).await.status, 200);
    let listed = bench.get(&format!("{of_commit}&latestOnly=true")).await.body;
    assert_eq!((&listed["count"], &listed["value"][0]["state"]), (&json!(1), &json!("succeeded")));
    bench.world.push(1, &sha('c'));
    let iterations = bench.get(&format!("{REPO}/pullRequests/1/iterations?{VERSION}")).await.body;
    assert_eq!(iterations["value"][1]["sourceRefCommit"]["commitId"], sha('c'));
    let mut on_second = status("succeeded");
    on_second["iterationId"] = json!(2);
    let of_pull = format!("{REPO}/pullRequests/1/statuses?{VERSION}");
    assert_eq!(bench.send("POST", &of_pull, on_second.clone()).await.body["iterationId"], 2);
    on_second["iterationId"] = json!(3);
    assert_eq!(bench.send("POST", &of_pull, on_second).await.status, 400);
    let place = format!("{REPO}/pullRequests/1/iterations/1/statuses?{VERSION}");
    assert_eq!(bench.send("POST", &place, status("failed")).await.body["iterationId"], 1);
    assert_eq!(bench.get(&of_pull).await.body["count"], 2);
    bench.world.close(1);
    assert_eq!(bench.send("POST", &of_pull, status("succeeded")).await.status, 400);
    assert!(bench.checked() >= 5, "{}", bench.checked());
}

#[tokio::test(start_paused = true)]
async fn what_a_status_may_not_be_is_refused() {
    let bench = Bench::new(ForgeKind::AzureDevOps);
    let place = format!("{REPO}/commits/{}/statuses", sha('a'));
    let unversioned = bench.send("POST", &place, status("pending")).await;
    assert_eq!(
        (unversioned.status, &unversioned.body["typeKey"]),
        (400, &json!("VssVersionNotSpecifiedException"))
    );
    let place = format!("{place}?{VERSION}");
    assert_eq!(bench.send("POST", &place, status("success")).await.status, 400);
    assert_eq!(bench.send("POST", &place, json!({ "state": "succeeded" })).await.status, 400);
    let unknown = format!("{REPO}/commits/{}/statuses?{VERSION}", sha('9'));
    assert_eq!(bench.send("POST", &unknown, status("pending")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn comments_stand_in_threads() {
    let bench = Bench::with_pull_request(ForgeKind::AzureDevOps);
    bench.world.comment(1, "alice", "/beamline plan");
    let threads = format!("{REPO}/pullRequests/1/threads");
    let said = json!({ "comments": [{ "parentCommentId": 0, "content": "the plan", "commentType": 1 }], "status": 1 });
    let thread = bench.send("POST", &format!("{threads}?{VERSION}"), said).await;
    assert_eq!((thread.status, &thread.body["comments"][0]["id"]), (200, &json!(1)));
    let place = format!("{threads}/{}/comments/1?{VERSION}", thread.body["id"]);
    assert_eq!(bench.send("PATCH", &place, json!({ "content": "another" })).await.body["content"], "another");
    let reply = format!("{threads}/{}/comments?{VERSION}", thread.body["id"]);
    assert_eq!(bench.send("POST", &reply, json!({ "content": "a reply" })).await.body["id"], 2);
    let all = bench.get(&format!("{threads}?{VERSION}")).await.body;
    assert_eq!(all["count"], 3);
    assert_eq!(all["value"][0]["comments"][0]["commentType"], "system");
    assert_eq!(all["value"][1]["comments"][0]["content"], "/beamline plan");
    assert_eq!(bench.send("DELETE", &place, Value::Null).await.status, 200);
    let deleted = bench.get(&place).await.body;
    assert_eq!((&deleted["isDeleted"], &deleted["content"]), (&json!(true), &Value::Null));
    let others = format!("{threads}/{}/comments/1?{VERSION}", all["value"][1]["id"]);
    assert_eq!(bench.send("PATCH", &others, json!({ "content": "mine" })).await.status, 403);
    assert_eq!(bench.get(&format!("{threads}/77?{VERSION}")).await.status, 404);
    assert!(bench.checked() >= 5, "{}", bench.checked());
}

#[tokio::test(start_paused = true)]
async fn pull_requests_are_listed_with_skip_and_top() {
    let bench = Bench::with_pull_request(ForgeKind::AzureDevOps);
    bench.world.open(PullRequest::new("alice", "other", &sha('c')).from_fork("octo/x/fork").as_draft());
    let list = format!("{REPO}/pullrequests?searchCriteria.status=active&{VERSION}");
    let first = bench.get(&format!("{list}&$top=1")).await.body;
    let newest = &first["value"][0];
    assert_eq!(
        (&newest["isDraft"], &newest["forkSource"]["repository"]["name"]),
        (&json!(true), &json!("fork"))
    );
    assert_eq!(bench.get(&format!("{list}&$top=1&$skip=1")).await.body["value"][0]["pullRequestId"], 1);
    let removed = ChangedFile { path: "old.yaml".to_owned(), change: FileChange::Removed };
    bench.world.set_files(1, vec![ChangedFile::modified("new.yaml"), removed]);
    let changes = format!("{REPO}/pullRequests/1/iterations/1/changes?{VERSION}&$top=1");
    let page = bench.get(&changes).await.body;
    assert_eq!(
        (&page["changeEntries"][0]["item"]["path"], &page["nextSkip"]),
        (&json!("/new.yaml"), &json!(1))
    );
    let page = bench.get(&format!("{changes}&$skip=1")).await.body;
    assert_eq!(
        (&page["changeEntries"][0]["originalPath"], &page["nextSkip"]),
        (&json!("/old.yaml"), &json!(0))
    );
    bench.world.merge(1, &sha('d'));
    let merged = bench.get(&format!("{REPO}/pullrequests/1?{VERSION}")).await.body;
    assert_eq!(
        (&merged["status"], &merged["lastMergeCommit"]["commitId"]),
        (&json!("completed"), &json!(sha('d')))
    );
    let missing = bench.get(&format!("{REPO}/pullrequests/9?{VERSION}")).await;
    assert_eq!((missing.status, &missing.body["typeKey"]), (404, &json!("GitPullRequestNotFoundException")));
    assert!(bench.checked() >= 3, "{}", bench.checked());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_may_do_follows_from_their_group() {
    const NAMESPACE: &str = "2e9eb7ed-3c0a-47d4-87c1-0ffdd275fd87";
    let bench = Bench::new(ForgeKind::AzureDevOps);
    bench.world.add_account("carol", Permission::Admin);
    let repository = bench.get(&format!("{REPO}?{VERSION}")).await.body;
    let token = format!("repoV2/{}", repository["project"]["id"].as_str().unwrap());
    for (login, bits) in [("bot", 16_390), ("carol", 24_583)] {
        let id = bench.world.account_id(login);
        let ask = format!("/octo/_apis/identities?identityIds={id}&queryMembership=Expanded&{VERSION}");
        let groups = bench.get(&ask).await.body["value"][0]["memberOf"].clone();
        let lists =
            bench.get(&format!("/octo/_apis/accesscontrollists/{NAMESPACE}?token={token}&{VERSION}")).await;
        let entries = &lists.body["value"][0]["acesDictionary"];
        assert_eq!(entries[groups[0].as_str().unwrap()]["allow"], bits);
    }
    let own = format!("{token}/{}", repository["id"].as_str().unwrap());
    let lists = bench.get(&format!("/octo/_apis/accesscontrollists/{NAMESPACE}?token={own}&{VERSION}")).await;
    assert_eq!((&lists.body["count"], &lists.body["value"][0]["acesDictionary"]), (&json!(1), &json!({})));
    let nobody = format!("/octo/_apis/identities?identityIds={}&{VERSION}", uuid::Uuid::nil());
    assert_eq!(bench.get(&nobody).await.body["value"], json!([null]));
}
