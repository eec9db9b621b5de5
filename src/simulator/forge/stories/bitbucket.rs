//! Bitbucket Cloud, seen through its API.

use serde_json::{Value, json};

use super::bench::{Bench, sha};
use crate::forge::{ForgeKind, Permission, PullRequest, Shown};

const REPO: &str = "/2.0/repositories/octo/infra";

fn build(state: &str) -> Value {
    json!({
        "type": "build", "key": "beamline-plan", "name": "beamline/plan", "state": state,
        "url": "https://b.example.com/runs/1", "description": state,
    })
}

#[tokio::test(start_paused = true)]
async fn a_key_has_one_status_on_a_commit() {
    let bench = Bench::new(ForgeKind::Bitbucket);
    let place = format!("{REPO}/commit/{}/statuses/build", sha('a'));
    let first = bench.send("POST", &place, build("INPROGRESS")).await;
    assert_eq!(first.status, 201);
    assert_eq!(bench.send("POST", &place, build("FAILED")).await.status, 201);
    let put = bench.send("PUT", &format!("{place}/beamline-plan"), build("SUCCESSFUL")).await;
    assert_eq!((put.status, &put.body["created_on"]), (200, &first.body["created_on"]));
    assert_eq!(bench.send("PUT", &format!("{place}/another"), build("SUCCESSFUL")).await.status, 404);
    assert_eq!(bench.get(&format!("{place}/beamline-plan")).await.body["state"], "SUCCESSFUL");
    let listed = bench.get(&format!("{REPO}/commit/{}/statuses", sha('a'))).await.body;
    assert_eq!((&listed["size"], &listed["values"][0]["name"]), (&json!(1), &json!("beamline/plan")));
    let history = bench.world.history();
    let seen = history.statuses(&sha('a'), "beamline/plan");
    let shown: Vec<Shown> = seen.into_iter().map(|(shown, _)| shown).collect();
    assert_eq!(shown, [Shown::Unfinished, Shown::Failure, Shown::Success]);
    assert_eq!(bench.checked(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_a_status_may_not_be_is_refused() {
    let bench = Bench::new(ForgeKind::Bitbucket);
    let place = format!("{REPO}/commit/{}/statuses/build", sha('a'));
    for (name, value) in [("key", json!("k".repeat(41))), ("state", json!("DONE")), ("url", Value::Null)] {
        let mut body = build("SUCCESSFUL");
        body[name] = value;
        let refused = bench.send("POST", &place, body).await;
        assert_eq!(refused.status, 400);
        assert!(refused.body["error"]["fields"].get(name).is_some(), "{}", refused.body);
    }
    let unknown = format!("{REPO}/commit/{}/statuses/build", sha('9'));
    assert_eq!(bench.send("POST", &unknown, build("SUCCESSFUL")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn pull_requests_have_short_commits_and_a_next_page() {
    let bench = Bench::with_pull_request(ForgeKind::Bitbucket);
    bench.world.open(PullRequest::new("alice", "other", &sha('c')).from_fork("alice/infra"));
    let first = bench.get(&format!("{REPO}/pullrequests?state=OPEN&pagelen=1")).await.body;
    assert_eq!(
        (&first["size"], &first["values"][0]["source"]["commit"]["hash"]),
        (&json!(2), &json!("cccccccccccc"))
    );
    let second = bench.get(first["next"].as_str().unwrap()).await.body;
    assert_eq!((&second["values"][0]["id"], second.get("next")), (&json!(1), None));
    let redirect = bench.get(&format!("{REPO}/pullrequests/1/diffstat?pagelen=2")).await;
    assert_eq!(redirect.status, 302);
    let diffstat = bench.get(redirect.header("location")).await.body;
    assert_eq!(
        (&diffstat["size"], &diffstat["values"][0]["new"]["path"]),
        (&json!(3), &json!("environments/prod.yaml"))
    );
    assert!(diffstat["next"].as_str().unwrap().contains("from_pullrequest_id=1"));
    bench.world.close(2);
    bench.world.merge(1, &sha('d'));
    assert_eq!(bench.get(&format!("{REPO}/pullrequests/2")).await.body["state"], "DECLINED");
    let merged = bench.get(&format!("{REPO}/pullrequests?state=MERGED&state=DECLINED")).await.body;
    assert_eq!(merged["values"][1]["merge_commit"]["hash"], "dddddddddddd");
    assert!(bench.checked() >= 4);
}

#[tokio::test(start_paused = true)]
async fn comments_are_changed_by_their_author_only() {
    let bench = Bench::with_pull_request(ForgeKind::Bitbucket);
    let asked = bench.world.comment(1, "alice", "/beamline plan");
    let list = format!("{REPO}/pullrequests/1/comments");
    let said = |text: &str| json!({ "type": "pullrequest_comment", "content": { "raw": text } });
    let ours = bench.send("POST", &list, said("the plan")).await;
    assert_eq!(ours.status, 201);
    let place = format!("{list}/{}", ours.body["id"]);
    assert_eq!(bench.send("PUT", &place, said("another")).await.body["content"]["raw"], "another");
    assert_eq!(bench.send("PUT", &format!("{list}/{asked}"), said("mine")).await.status, 403);
    assert_eq!(bench.send("POST", &list, said(&"x".repeat(32_769))).await.status, 400);
    assert_eq!(bench.send("DELETE", &place, Value::Null).await.status, 204);
    let all = bench.get(&list).await.body;
    assert_eq!((&all["size"], &all["values"][1]["deleted"]), (&json!(2), &json!(true)));
    assert!(bench.checked() >= 3);
}

#[tokio::test(start_paused = true)]
async fn permissions_are_asked_by_administrators() {
    let bench = Bench::new(ForgeKind::Bitbucket);
    bench.world.add_account("alice", Permission::Read);
    let id = bench.world.account_id("alice");
    let escaped = id.replace('{', "%7B").replace('}', "%7D");
    let ask = format!("{REPO}/permissions-config/users/{escaped}");
    assert_eq!(bench.get(&ask).await.status, 403);
    bench.world.add_account("bot", Permission::Admin);
    assert_eq!(bench.get(&ask).await.body["permission"], "read");
    let query = format!("/2.0/workspaces/octo/permissions/repositories/infra?q=user.uuid%3D%22{escaped}%22");
    let found = bench.get(&query).await.body;
    assert_eq!((&found["size"], &found["values"][0]["user"]["uuid"]), (&json!(1), &json!(id)));
    for path in ["/2.0/user", REPO] {
        assert_eq!(bench.get(path).await.status, 200);
    }
}
