//! A whole pull request through the binary: `beamline simulate --forge` and `beamline daemon` as processes,
//! real Git, real HTTP, real webhooks; from the proposal to the status of the merged commit.

use crate::support::{Stage, small};

const FILE: &str = "environments/dev.yaml";

async fn a_whole_pull_request(kind: &str) {
    let mut stage = Stage::start(kind, &[]).await;
    let first = stage.commit(FILE, &small(1), "the beginning");
    stage.push("main");
    stage.start_daemon();
    let applied = stage.ended(&first, "beamline/apply").await;
    assert_eq!(applied.shown, "success", "{applied:?}");

    let head = stage.commit(FILE, &small(3), "three nodes");
    stage.push("change");
    stage.done("ada", "open", &[("BRANCH", "change"), ("TITLE", "three nodes")]).await;
    let planned = stage.ended(&head, "beamline/plan").await;
    assert_eq!(planned.shown, "success", "{planned:?}");
    let plan = stage
        .until("the plan is shown as a comment", async || {
            stage.comments_by("beamline-bot").await.into_iter().find(|text| text.contains("max_node_count"))
        })
        .await;
    assert!(plan.contains("dev"), "{plan}");

    stage.done("ada", "merge", &[("NUMBER", "1"), ("HEAD", &head)]).await;
    let merged = stage.head_of("main");
    assert_ne!(merged, head);
    let applied = stage.ended(&merged, "beamline/apply").await;
    assert_eq!(applied.shown, "success", "{applied:?}");
    assert!(applied.description.contains("1 changed"), "{applied:?}");
    stage.finish().await;
}

#[tokio::test]
async fn a_whole_pull_request_on_github() {
    a_whole_pull_request("github").await;
}

#[tokio::test]
async fn a_whole_pull_request_on_gitlab() {
    a_whole_pull_request("gitlab").await;
}

#[tokio::test]
async fn a_whole_pull_request_on_gitea() {
    a_whole_pull_request("gitea").await;
}

#[tokio::test]
#[ignore = "the rest of the forges, by hand: cargo test --test it served_forges -- --ignored"]
async fn a_whole_pull_request_on_the_other_forges() {
    for kind in ["forgejo", "azure-devops", "bitbucket"] {
        a_whole_pull_request(kind).await;
    }
}

#[tokio::test]
async fn a_daemon_that_is_killed_after_the_merge_finishes_it_at_its_next_start() {
    let mut stage = Stage::start("github", &[]).await;
    stage.commit(FILE, &small(1), "the beginning");
    stage.push("main");
    let head = stage.commit(FILE, &small(2), "two nodes");
    stage.push("change");
    stage.start_daemon();
    stage.done("ada", "open", &[("BRANCH", "change"), ("TITLE", "two nodes")]).await;
    stage.ended(&head, "beamline/plan").await;
    let ready = stage.until("it is ready", async || stage.readyz().await.filter(|(code, _)| *code == 200));
    ready.await;
    stage.done("ada", "squash", &[("NUMBER", "1"), ("HEAD", &head)]).await;
    stage.kill_daemon();
    stage.start_daemon();
    let applied = stage.ended(&stage.head_of("main"), "beamline/apply").await;
    assert_eq!(applied.shown, "success", "{applied:?}");
    let log = stage.daemon_log();
    assert!(!log.contains("token_") && !log.contains("simulator:secret"), "a secret is in the log:\n{log}");
    stage.finish().await;
}

#[tokio::test]
async fn a_pull_request_of_a_fork_waits_for_somebody_who_may_push() {
    let mut stage = Stage::start("gitea", &[]).await;
    stage.commit(FILE, &small(1), "the beginning");
    stage.push("main");
    stage.start_daemon();
    let head = stage.commit(FILE, &small(2), "two nodes");
    stage.push_to_fork("idea");
    stage.done("carl", "open-from-fork", &[("BRANCH", "idea"), ("TITLE", "two nodes")]).await;
    stage
        .until("it is said what is waited for", async || {
            let comments = stage.comments_by("beamline-bot").await;
            comments.into_iter().find(|text| text.contains("/beamline plan"))
        })
        .await;
    // By name: within one second of what was said, its time does not tell what its author had seen.
    stage.done("ada", "comment", &[("NUMBER", "1"), ("TEXT", &format!("/beamline plan @{head}"))]).await;
    let planned = stage
        .until("it is planned", async || {
            stage.status(&head, "beamline/plan").await.filter(|seen| seen.shown == "success")
        })
        .await;
    assert!(planned.description.contains("1 to change"), "{planned:?}");
    stage.done("ada", "squash", &[("NUMBER", "1"), ("HEAD", &head)]).await;
    let applied = stage.ended(&stage.head_of("main"), "beamline/apply").await;
    assert_eq!(applied.shown, "success", "{applied:?}");
    stage.finish().await;
}
