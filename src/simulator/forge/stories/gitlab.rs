//! GitLab, seen through its API.

use serde_json::{Value, json};

use super::bench::{Bench, sha};
use crate::forge::{ForgeKind, Permission, PullRequest, Shown};

const PROJECT: &str = "/api/v4/projects/octo%2Fcloud%2Finfra";

async fn post(bench: &Bench, state: &str) -> (u16, Value) {
    let body = json!({ "state": state, "name": "beamline/plan", "description": state });
    let answer = bench.send("POST", &format!("{PROJECT}/statuses/{}", sha('a')), body).await;
    (answer.status, answer.body)
}

#[tokio::test(start_paused = true)]
async fn a_status_is_changed_until_it_is_final_and_then_begins_anew() {
    let bench = Bench::new(ForgeKind::GitLab);
    let (_, pending) = post(&bench, "pending").await;
    let (status, refused) = post(&bench, "pending").await;
    let text = "Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via \
                \"enqueue\")";
    assert_eq!((status, &refused["message"]), (400, &json!(text)));
    let (_, running) = post(&bench, "running").await;
    assert_eq!(pending["id"], running["id"]);
    assert_eq!(post(&bench, "running").await.0, 400);
    assert_eq!(post(&bench, "pending").await.0, 400);
    let (status, done) = post(&bench, "success").await;
    assert_eq!((status, &done["id"]), (201, &pending["id"]));
    let (status, again) = post(&bench, "pending").await;
    assert_eq!(status, 201);
    assert_ne!(again["id"], done["id"]);
    assert_eq!(post(&bench, "failed").await.0, 201);
    let listed = bench.get(&format!("{PROJECT}/repository/commits/{}/statuses", sha('a'))).await;
    assert_eq!((listed.body[0]["status"].as_str(), listed.header("x-total")), (Some("failed"), "1"));
    let all = bench.get(&format!("{PROJECT}/repository/commits/{}/statuses?all=true", sha('a'))).await;
    assert_eq!(all.header("x-total"), "2");
    let history = bench.world.history();
    let seen = history.statuses(&sha('a'), "beamline/plan");
    let shown: Vec<Shown> = seen.into_iter().map(|(shown, _)| shown).collect();
    use Shown::{Failure, Success, Unfinished};
    assert_eq!(shown, [Unfinished, Unfinished, Success, Unfinished, Failure]);
    assert!(bench.checked() >= 7, "{}", bench.checked());
}

#[tokio::test(start_paused = true)]
async fn what_a_status_may_not_be_is_refused() {
    let bench = Bench::new(ForgeKind::GitLab);
    let place = format!("{PROJECT}/statuses/{}", sha('a'));
    for bad in [
        json!({}),
        json!({ "state": "error" }),
        json!({ "state": "success", "name": "n".repeat(256) }),
        json!({ "state": "success", "description": "d".repeat(256) }),
        json!({ "state": "success", "target_url": "file:///etc" }),
    ] {
        assert_eq!(bench.send("POST", &place, bad).await.status, 400);
    }
    let elsewhere = format!("{PROJECT}/statuses/{}", sha('9'));
    let unknown = bench.send("POST", &elsewhere, json!({ "state": "success" })).await;
    assert_eq!(unknown.body["message"], "404 Commit Not Found");
    let reader = bench.world.add_account("reader", Permission::Read);
    let refused = bench.send_as(&reader, "POST", &place, json!({ "state": "success" })).await;
    assert_eq!((refused.status, &refused.body["message"]), (403, &json!("403 Forbidden")));
}

#[tokio::test(start_paused = true)]
async fn merge_requests_are_listed_and_compared() {
    let bench = Bench::with_pull_request(ForgeKind::GitLab);
    bench.world.open(PullRequest::new("alice", "other", &sha('c')).from_fork("alice/infra").as_draft());
    let list = bench.get(&format!("{PROJECT}/merge_requests?state=opened&per_page=1")).await;
    assert_eq!((&list.body[0]["iid"], &list.body[0]["title"]), (&json!(2), &json!("Draft: Merge other")));
    assert_ne!(list.body[0]["source_project_id"], list.body[0]["target_project_id"]);
    assert_eq!((list.header("x-next-page"), list.header("x-total-pages")), ("2", "2"));
    assert!(list.header("link").contains("rel=\"next\""));
    let etag = list.header("etag").to_owned();
    let headers = [("private-token", bench.token.as_str()), ("if-none-match", etag.as_str())];
    let same = format!("{PROJECT}/merge_requests?state=opened&per_page=1");
    assert_eq!(bench.raw("GET", &same, &headers, Vec::new()).await.status, 304);
    let whole = bench.get("/api/v4/projects/42/merge_requests/1").await;
    assert_eq!(whole.body["diff_refs"]["base_sha"], sha('a'));
    let diffs = bench.get(&format!("{PROJECT}/merge_requests/1/diffs?per_page=2")).await;
    assert_eq!(
        (&diffs.body[0]["new_path"], diffs.header("x-total")),
        (&json!("environments/prod.yaml"), "3")
    );
    assert_eq!(
        bench.get(&format!("{PROJECT}/merge_requests/1/changes")).await.body["changes"][2]["old_path"],
        "read me.md"
    );
    bench.world.merge(1, &sha('d'));
    let merged = bench.get(&format!("{PROJECT}/merge_requests/1")).await;
    assert_eq!(
        (&merged.body["state"], &merged.body["merge_commit_sha"]),
        (&json!("merged"), &json!(sha('d')))
    );
    assert_eq!(bench.get(&format!("{PROJECT}/merge_requests/9")).await.status, 404);
    assert!(bench.checked() >= 5, "{}", bench.checked());
}

#[tokio::test(start_paused = true)]
async fn notes_are_written_edited_and_awarded_once() {
    let bench = Bench::with_pull_request(ForgeKind::GitLab);
    let asked = bench.world.comment(1, "alice", "/beamline plan");
    let notes = format!("{PROJECT}/merge_requests/1/notes");
    let note = bench.send("POST", &notes, json!({ "body": "the plan" })).await;
    assert_eq!(note.status, 201);
    let place = format!("{notes}/{}", note.body["id"]);
    assert_eq!(bench.send("PUT", &place, json!({ "body": "another" })).await.body["body"], "another");
    assert_eq!(bench.send("PUT", &format!("{notes}/{asked}"), json!({ "body": "mine" })).await.status, 403);
    assert_eq!(bench.send("POST", &notes, json!({ "body": "" })).await.status, 400);
    let award = format!("{notes}/{asked}/award_emoji?name=eyes");
    assert_eq!(bench.send("POST", &award, Value::Null).await.status, 201);
    let taken = bench.send("POST", &award, Value::Null).await;
    assert!(taken.body["message"].as_str().unwrap().contains("already been taken"));
    assert_eq!(bench.get(&format!("{notes}/{asked}/award_emoji")).await.body[0]["name"], "eyes");
    let listed = bench.get(&format!("{notes}?sort=asc")).await.body;
    assert_eq!((&listed[0]["body"], &listed[1]["body"]), (&json!("/beamline plan"), &json!("another")));
    assert_eq!(bench.send("DELETE", &place, Value::Null).await.status, 204);
    assert_eq!(bench.get(&place).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn members_have_levels_and_others_are_not_found() {
    let bench = Bench::new(ForgeKind::GitLab);
    bench.world.add_account("carol", Permission::Admin);
    let ask = |login: &str| format!("{PROJECT}/members/all/{}", bench.world.account_id(login));
    assert_eq!(bench.get(&ask("bot")).await.body["access_level"], 30);
    assert_eq!(bench.get(&ask("carol")).await.body["access_level"], 40);
    bench.world.add_account("carol", Permission::None);
    assert_eq!(bench.get(&ask("carol")).await.status, 404);
    for path in ["/api/v4/version", "/api/v4/metadata", "/api/v4/user", PROJECT] {
        assert_eq!(bench.get(path).await.status, 200);
    }
}
