//! GitHub, seen through its API with a token.

use serde_json::{Value, json};

use super::bench::{Bench, sha};
use crate::forge::{ChangedFile, FileChange, ForgeKind, Permission, PullRequest, Shown};

const REPO: &str = "/repos/octo/infra";

fn status(state: &str, description: &str) -> Value {
    json!({
        "state": state, "context": "beamline/apply", "description": description,
        "target_url": "https://beamline.example.com/runs/1",
    })
}

#[tokio::test(start_paused = true)]
async fn statuses_are_accepted_listed_and_combined() {
    let bench = Bench::new(ForgeKind::GitHub);
    let post = format!("{REPO}/statuses/{}", sha('a'));
    let first = bench.send("POST", &post, status("pending", "queued")).await;
    assert_eq!((first.status, first.body["creator"]["login"].as_str()), (201, Some("bot")));
    assert_eq!(bench.send("POST", &post, status("success", "applied")).await.status, 201);
    let listed = bench.get(&format!("{REPO}/commits/main/statuses")).await;
    let states: Vec<&str> =
        listed.body.as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["success", "pending"]);
    let combined = bench.get(&format!("{REPO}/commits/{}/status", sha('a'))).await;
    assert_eq!((&combined.body["state"], &combined.body["total_count"]), (&json!("success"), &json!(1)));
    let history = bench.world.history();
    let seen = history.statuses(&sha('a'), "beamline/apply");
    assert_eq!(seen, [(Shown::Unfinished, "queued"), (Shown::Success, "applied")]);
    assert_eq!(bench.checked(), 4);
    assert_eq!(bench.world.requests()["POST /repos/{owner}/{repo}/statuses/{sha}"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_status_may_not_be_is_refused() {
    let bench = Bench::new(ForgeKind::GitHub);
    let post = format!("{REPO}/statuses/{}", sha('a'));
    for bad in [
        status("done", "no such state"),
        status("success", &"ü".repeat(141)),
        json!({ "state": "success", "target_url": "ftp://example.com" }),
        json!({}),
    ] {
        let refused = bench.send("POST", &post, bad).await;
        assert_eq!((refused.status, &refused.body["message"]), (422, &json!("Validation Failed")));
    }
    assert_eq!(bench.send("POST", &post, status("success", &"ü".repeat(140))).await.status, 201);
    let unknown = bench.send("POST", &format!("{REPO}/statuses/{}", sha('9')), status("success", "")).await;
    assert_eq!(unknown.body["message"], format!("No commit found for SHA: {}", sha('9')));
    let token = format!("token {}", bench.token);
    let broken = bench.raw("POST", &post, &[("authorization", &token)], b"{".to_vec()).await;
    assert_eq!(broken.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_context_takes_a_thousand_statuses() {
    let bench = Bench::new(ForgeKind::GitHub);
    let post = format!("{REPO}/statuses/{}", sha('a'));
    let (name, value) = ("authorization", format!("Bearer {}", bench.token));
    let body = json!({ "state": "pending", "context": "busy" }).to_string().into_bytes();
    for _ in 0..1000 {
        assert_eq!(bench.raw("POST", &post, &[(name, &value)], body.clone()).await.status, 201);
    }
    assert_eq!(bench.raw("POST", &post, &[(name, &value)], body).await.status, 422);
    assert_eq!(bench.send("POST", &post, status("success", "another context")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn pull_requests_are_listed_in_pages_with_links() {
    let bench = Bench::with_pull_request(ForgeKind::GitHub);
    for branch in ["two", "three"] {
        bench.world.open(PullRequest::new("alice", branch, &sha('c')).from_fork("alice/infra").as_draft());
    }
    let first = bench.get(&format!("{REPO}/pulls?state=open&per_page=2")).await;
    assert_eq!(first.body[0]["head"]["repo"]["full_name"], "alice/infra");
    assert_eq!((&first.body[0]["draft"], &first.body[0]["number"]), (&json!(true), &json!(3)));
    let link = first.header("link");
    assert!(link.contains("per_page=2&page=2>; rel=\"next\"") && link.contains("rel=\"last\""), "{link}");
    let next = link.split(['<', '>']).nth(1).unwrap();
    let second = bench.get(next).await;
    assert_eq!(second.body.as_array().unwrap().len(), 1);
    assert!(
        second.header("link").contains("rel=\"prev\"") && !second.header("link").contains("rel=\"next\"")
    );
    bench.world.retarget(1, "release");
    bench.world.close(2);
    let into = bench.get(&format!("{REPO}/pulls?base=release")).await;
    assert_eq!((into.body[0]["number"].as_u64(), into.body.as_array().unwrap().len()), (Some(1), 1));
    bench.world.merge(3, &sha('d'));
    let merged = bench.get(&format!("{REPO}/pulls/3")).await;
    assert_eq!((&merged.body["merged"], &merged.body["merge_commit_sha"]), (&json!(true), &json!(sha('d'))));
    let closed = bench.get(&format!("{REPO}/pulls?state=closed&sort=created&direction=asc")).await;
    assert_eq!(closed.body[0]["merged_at"], Value::Null);
    assert_eq!(bench.get(&format!("{REPO}/pulls/77")).await.status, 404);
    assert!(bench.checked() >= 5);
}

#[tokio::test(start_paused = true)]
async fn files_say_what_happened_to_them() {
    let bench = Bench::with_pull_request(ForgeKind::GitHub);
    let change = |path: &str, change| ChangedFile { path: path.to_owned(), change };
    bench.world.set_files(
        1,
        vec![
            change("a", FileChange::Added),
            change("b", FileChange::Removed),
            change("c", FileChange::RenamedFrom("d".to_owned())),
        ],
    );
    let files = bench.get(&format!("{REPO}/pulls/1/files?per_page=100")).await.body;
    assert_eq!((&files[0]["status"], &files[1]["status"]), (&json!("added"), &json!("removed")));
    assert_eq!(files[2]["previous_filename"], "d");
    assert_eq!(bench.checked(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_not_sent_again_and_does_not_count() {
    let bench = Bench::with_pull_request(ForgeKind::GitHub);
    bench.world.limit_requests(Some(3));
    let list = format!("{REPO}/pulls");
    let first = bench.get(&list).await;
    let (etag, value) = (first.header("etag").to_owned(), format!("Bearer {}", bench.token));
    for _ in 0..10 {
        let headers = [("authorization", value.as_str()), ("if-none-match", etag.as_str())];
        let again = bench.raw("GET", &list, &headers, Vec::new()).await;
        assert_eq!((again.status, again.header_remaining(), &again.body), (304, 2, &json!("")));
    }
    bench.world.push(1, &sha('c'));
    let headers = [("authorization", value.as_str()), ("if-none-match", etag.as_str())];
    assert_eq!(bench.raw("GET", &list, &headers, Vec::new()).await.status, 200);
    assert_eq!(bench.get("/rate_limit").await.body["rate"]["remaining"], 1);
    assert_eq!(bench.get(&list).await.status, 200);
    let spent = bench.get(&list).await;
    assert_eq!((spent.status, spent.header("x-ratelimit-remaining")), (403, "0"));
    assert!(spent.header("x-ratelimit-reset").parse::<i64>().unwrap() > bench.clock.now().as_second());
    bench.wait(3600).await;
    assert_eq!(bench.get(&list).await.status, 200);
}

impl super::bench::Answer {
    fn header_remaining(&self) -> u64 {
        self.header("x-ratelimit-remaining").parse().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn comments_are_written_edited_reacted_to_and_deleted() {
    let bench = Bench::with_pull_request(ForgeKind::GitHub);
    let asked = bench.world.comment(1, "alice", "/beamline plan");
    let list = format!("{REPO}/issues/1/comments");
    let ours = bench.send("POST", &list, json!({ "body": "the plan" })).await;
    assert_eq!(ours.status, 201);
    let place = format!("{REPO}/issues/comments/{}", ours.body["id"]);
    bench.wait(1).await;
    let edited = bench.send("PATCH", &place, json!({ "body": "another plan" })).await;
    assert_ne!(edited.body["created_at"], edited.body["updated_at"]);
    for (expected, content) in [(201, "eyes"), (200, "eyes"), (422, "thumbs")] {
        let react = format!("{REPO}/issues/comments/{asked}/reactions");
        assert_eq!(bench.send("POST", &react, json!({ "content": content })).await.status, expected);
    }
    let bodies: Vec<String> = bench.world.comments(1).into_iter().map(|(.., body)| body).collect();
    assert_eq!(bodies, ["/beamline plan", "another plan"]);
    assert_eq!(bench.send("POST", &list, json!({ "body": "x".repeat(65_537) })).await.status, 422);
    assert_eq!(bench.send("POST", &list, json!({ "body": " " })).await.status, 422);
    assert_eq!(bench.send("DELETE", &place, Value::Null).await.status, 204);
    assert_eq!(bench.send("PATCH", &place, json!({ "body": "gone" })).await.status, 404);
    assert_eq!(bench.get(&list).await.body.as_array().unwrap().len(), 1);
    assert!(bench.checked() >= 3);
}

#[tokio::test(start_paused = true)]
async fn permissions_are_those_of_now() {
    let bench = Bench::new(ForgeKind::GitHub);
    bench.world.add_account("mallory", Permission::None);
    let ask = |login: &str| format!("{REPO}/collaborators/{login}/permission");
    assert_eq!(bench.get(&ask("mallory")).await.body["permission"], "none");
    bench.world.add_account("mallory", Permission::Admin);
    assert_eq!(bench.get(&ask("Mallory")).await.body["permission"], "admin");
    assert_eq!(bench.get(&ask("nobody")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn the_repository_and_its_commits_are_as_published() {
    let bench = Bench::new(ForgeKind::GitHub);
    for path in
        [REPO, "/repos/octo/infra/branches/main", "/repos/octo/infra/commits/main", "/user", "/rate_limit"]
    {
        assert_eq!(bench.get(path).await.status, 200, "{path}");
    }
    assert_eq!(bench.checked(), 5);
    assert_eq!(bench.get("/api/v3/repos/octo/infra").await.status, 200);
    assert_eq!(bench.get("/repos/octo/infra/nothing").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn reviews_have_a_text_and_comments_on_lines() {
    let bench = Bench::with_pull_request(ForgeKind::GitHub);
    let list = format!("{REPO}/pulls/1/reviews");
    let line = json!({ "path": "read me.md", "line": 3, "body": "why?" });
    let written = json!({ "event": "COMMENT", "body": "see below", "comments": [line] });
    let review = bench.send("POST", &list, written).await;
    assert_eq!((review.status, &review.body["state"]), (200, &json!("COMMENTED")));
    assert_eq!(bench.send("POST", &list, json!({ "event": "COMMENT", "body": " " })).await.status, 422);
    assert_eq!(bench.send("POST", &list, json!({ "event": "APPLAUD" })).await.status, 422);
    let begun = bench.send("POST", &list, json!({ "body": "not yet" })).await.body;
    assert_eq!((&begun["state"], begun.get("submitted_at")), (&json!("PENDING"), None));
    bench.world.review(1, "alice", "done", None).unwrap();
    let listed = bench.get(&list).await.body;
    let states: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["COMMENTED", "PENDING", "COMMENTED"], "what is begun is seen by its author");
    let on_lines = bench.get(&format!("{REPO}/pulls/1/comments?sort=created&direction=desc")).await.body;
    assert_eq!(on_lines[0]["pull_request_review_id"], review.body["id"]);
    assert_eq!((&on_lines[0]["body"], on_lines.as_array().unwrap().len()), (&json!("why?"), 1));
    assert_eq!(bench.get(&format!("{REPO}/pulls/9/reviews")).await.status, 404);
    let told: Vec<String> =
        bench.world.deliveries().iter().map(|it| it.header("x-github-event").unwrap().to_owned()).collect();
    assert_eq!(told, ["pull_request_review", "pull_request_review"], "what is only begun is not told");
}
