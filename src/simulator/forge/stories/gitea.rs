//! Gitea and Forgejo, seen through their API.

use serde_json::{Value, json};

use super::bench::{Bench, sha};
use crate::forge::{ForgeKind, Permission, PullRequest};

const REPO: &str = "/api/v1/repos/octo/infra";

#[tokio::test(start_paused = true)]
async fn statuses_are_as_both_publish_them() {
    for kind in [ForgeKind::Gitea, ForgeKind::Forgejo] {
        let bench = Bench::new(kind);
        let place = format!("{REPO}/statuses/{}", sha('a'));
        for state in ["pending", "success"] {
            let body =
                json!({ "state": state, "context": "beamline/plan", "target_url": "https://b.example.com" });
            assert_eq!(bench.send("POST", &place, body).await.status, 201);
        }
        let unknown = format!("{REPO}/statuses/{}", sha('9'));
        assert_eq!(bench.send("POST", &unknown, json!({ "state": "success" })).await.status, 500);
        let (known, other) = (sha('a'), sha('9'));
        assert_eq!(bench.get(&format!("{REPO}/git/commits/{known}")).await.status, 200);
        assert_eq!(bench.get(&format!("{REPO}/git/commits/{other}")).await.status, 404);
        let nothing = bench.get(&format!("{REPO}/commits/{other}/status")).await;
        assert_eq!((nothing.status, &nothing.body["state"]), (200, &json!("")));
        let listed = bench.get(&format!("{REPO}/commits/main/statuses?limit=1")).await;
        assert_eq!((&listed.body[0]["status"], listed.header("x-total-count")), (&json!("success"), "2"));
        assert!(listed.header("link").contains("rel=\"next\""));
        let combined = bench.get(&format!("{REPO}/commits/main/status")).await.body;
        assert_eq!((&combined["state"], &combined["total_count"]), (&json!("success"), &json!(1)));
        assert!(bench.checked() >= 4);
    }
}

#[tokio::test(start_paused = true)]
async fn pull_requests_are_listed_and_their_drafts_told_by_the_title() {
    let bench = Bench::with_pull_request(ForgeKind::Gitea);
    bench.world.open(PullRequest::new("alice", "other", &sha('c')).from_fork("alice/infra").as_draft());
    let list = bench.get(&format!("{REPO}/pulls?state=open")).await;
    assert_eq!((&list.body[0]["title"], list.body[0].get("draft")), (&json!("WIP: Merge other"), None));
    assert_eq!(list.body[0]["head"]["repo"]["full_name"], "alice/infra");
    bench.world.mark_ready(2);
    assert_eq!(bench.get(&format!("{REPO}/pulls/2")).await.body["title"], "Merge other");
    let files = bench.get(&format!("{REPO}/pulls/1/files?limit=2")).await;
    assert_eq!((&files.body[0]["status"], files.header("x-hasmore")), (&json!("changed"), "true"));
    bench.world.merge(1, &sha('d'));
    let merged = bench.get(&format!("{REPO}/pulls/1")).await.body;
    assert_eq!((&merged["merged"], &merged["merge_commit_sha"]), (&json!(true), &json!(sha('d'))));
    assert_eq!(bench.get(&format!("{REPO}/pulls?state=closed")).await.header("x-total-count"), "1");
    assert_eq!(bench.get(&format!("{REPO}/pulls/9")).await.status, 404);
    assert!(bench.checked() >= 5);
}

#[tokio::test(start_paused = true)]
async fn comments_are_written_edited_reacted_to_and_deleted() {
    let bench = Bench::with_pull_request(ForgeKind::Gitea);
    let asked = bench.world.comment(1, "alice", "/beamline plan");
    let list = format!("{REPO}/issues/1/comments");
    let ours = bench.send("POST", &list, json!({ "body": "the plan" })).await;
    assert_eq!(ours.status, 201);
    let place = format!("{REPO}/issues/comments/{}", ours.body["id"]);
    assert_eq!(bench.send("PATCH", &place, json!({ "body": "another" })).await.body["body"], "another");
    let react = format!("{REPO}/issues/comments/{asked}/reactions");
    for (expected, content) in [(201, "eyes"), (200, "eyes"), (403, "thumbs")] {
        assert_eq!(bench.send("POST", &react, json!({ "content": content })).await.status, expected);
    }
    let others = format!("{REPO}/issues/comments/{asked}");
    assert_eq!(bench.send("PATCH", &others, json!({ "body": "mine" })).await.status, 403);
    assert_eq!(bench.get(&list).await.body.as_array().unwrap().len(), 2);
    assert_eq!(bench.send("DELETE", &place, Value::Null).await.status, 204);
    assert_eq!(bench.get(&place).await.status, 404);
    assert!(bench.checked() >= 3);
}

#[tokio::test(start_paused = true)]
async fn only_administrators_ask_for_the_permission_of_others() {
    let bench = Bench::new(ForgeKind::Gitea);
    bench.world.add_account("alice", Permission::Read);
    let ask = |login: &str| format!("{REPO}/collaborators/{login}/permission");
    assert_eq!(bench.get(&ask("alice")).await.status, 403);
    assert_eq!(bench.get(&ask("bot")).await.body["permission"], "write");
    bench.world.add_account("bot", Permission::Admin);
    assert_eq!(bench.get(&ask("alice")).await.body["permission"], "read");
    assert_eq!(bench.get(&ask("nobody")).await.status, 404);
    for path in [REPO, "/api/v1/version", "/api/v1/user"] {
        assert_eq!(bench.get(path).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn any_word_is_a_state() {
    let bench = Bench::new(ForgeKind::Gitea);
    let place = format!("{REPO}/statuses/{}", sha('a'));
    assert_eq!(bench.send("POST", &place, json!({ "state": "running" })).await.status, 201);
    assert_eq!(bench.send("POST", &place, json!({ "context": "x" })).await.status, 422);
}

#[tokio::test(start_paused = true)]
async fn a_branch_is_made_pushed_and_deleted_in_events_of_their_own() {
    let bench = Bench::new(ForgeKind::Gitea);
    let heard = || {
        let sent = bench.world.deliveries().into_iter();
        sent.map(|it| it.header("x-gitea-event-type").unwrap().to_owned()).collect::<Vec<_>>()
    };
    bench.world.pushed("feature", &sha('b'));
    assert_eq!(heard(), ["create", "push"]);
    bench.world.pushed("feature", &sha('c'));
    assert_eq!(heard(), ["push"]);
    bench.world.deleted_branch("feature");
    assert_eq!(heard(), ["delete"]);
    bench.world.add_account("alice", Permission::Write);
    bench.world.open(PullRequest::new("alice", "other", &sha('d')));
    assert_eq!(heard(), ["pull_request", "pull_request_sync"]);
    bench.world.comment(1, "alice", "good");
    let comment = bench.world.deliveries().remove(0).json();
    assert_eq!((comment.get("pull_request"), &comment["is_pull"]), (None, &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn of_an_archived_repository_statuses_are_written_and_comments_are_not() {
    let bench = Bench::with_pull_request(ForgeKind::Gitea);
    bench.world.archive_repository();
    let place = format!("{REPO}/statuses/{}", sha('b'));
    assert_eq!(bench.send("POST", &place, json!({ "state": "success" })).await.status, 201);
    let comments = format!("{REPO}/issues/1/comments");
    assert_eq!(bench.send("POST", &comments, json!({ "body": "the plan" })).await.status, 423);
    assert_eq!(bench.get(REPO).await.body["archived"], true);
}

#[tokio::test(start_paused = true)]
async fn an_empty_repository_has_no_pull_requests_to_ask_for() {
    let bench = Bench::new(ForgeKind::Gitea);
    bench.world.deleted_branch("main");
    assert_eq!(bench.get(&format!("{REPO}/pulls")).await.status, 404);
    assert_eq!(bench.get(REPO).await.body["empty"], true);
}

#[tokio::test(start_paused = true)]
async fn reviews_have_a_text_and_comments_on_lines() {
    let bench = Bench::with_pull_request(ForgeKind::Gitea);
    let list = format!("{REPO}/pulls/1/reviews");
    let line = json!({ "path": "read me.md", "new_position": 3, "body": "why?" });
    let written = json!({ "event": "COMMENT", "body": "see below", "comments": [line] });
    let review = bench.send("POST", &list, written).await;
    assert_eq!((review.status, &review.body["comments_count"]), (200, &json!(1)));
    assert_eq!(bench.send("POST", &list, json!({ "event": "COMMENT" })).await.status, 422);
    assert_eq!(bench.send("POST", &list, json!({ "event": "APPROVED" })).await.body["state"], "APPROVED");
    let listed = bench.get(&format!("{list}?limit=1")).await;
    assert_eq!((&listed.body[0]["body"], listed.header("x-total-count")), (&json!("see below"), "2"));
    let on_lines = bench.get(&format!("{list}/{}/comments", review.body["id"])).await.body;
    assert_eq!((&on_lines[0]["body"], &on_lines[0]["position"]), (&json!("why?"), &json!(3)));
    assert_eq!(bench.get(&format!("{list}/9/comments")).await.status, 404);
    let told: Vec<String> =
        bench.world.deliveries().iter().map(|it| it.header("x-gitea-event").unwrap().to_owned()).collect();
    assert_eq!(told, ["pull_request_comment", "pull_request_approved"]);
}
