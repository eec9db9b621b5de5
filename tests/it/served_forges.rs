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

const ADDRESS: &str = "dev/storage_accounts/lake";

fn with_lake() -> String {
    let lake = "  lake: { name: \"lake${environment}001\", account_tier: Standard, account_replication_type: LRS }\n";
    small(1).replace("key_vaults:", &format!("{lake}key_vaults:"))
}

/// A proposal to remove the lake, planned; its head, and what its plan says of consent.
async fn a_removal(kind: &str) -> (Stage, String, String) {
    let mut stage = Stage::start(kind, &[]).await;
    let first = stage.commit(FILE, &with_lake(), "the beginning");
    stage.push("main");
    stage.start_daemon();
    let applied = stage.ended(&first, "beamline/apply").await;
    assert_eq!(applied.shown, "success", "{applied:?}");
    let head = stage.commit(FILE, &small(1), "no lake");
    stage.push("no-lake");
    stage.done("ada", "open", &[("BRANCH", "no-lake"), ("TITLE", "no lake")]).await;
    let planned = stage.ended(&head, "beamline/plan").await;
    assert_eq!(planned.shown, "failure", "{planned:?}");
    (stage, head, planned.description)
}

#[tokio::test]
async fn the_line_that_a_plan_asks_for_consents_in_the_merge_commit() {
    let (stage, head, said) = a_removal("github").await;
    let line = &said[said.find("Beamline-Consent: ").unwrap_or_else(|| panic!("{said}"))..];
    assert_eq!(line, format!("Beamline-Consent: destroy {ADDRESS}"));
    stage.git(&["checkout", "-q", "--detach", &format!("{head}~1")]);
    stage.git(&["merge", "-q", "--no-ff", "-m", &format!("no lake\n\n{line}"), &head]);
    let merged = stage.git(&["rev-parse", "HEAD"]);
    stage.push("main");
    let applied = stage.ended(&merged, "beamline/apply").await;
    assert_eq!(applied.shown, "success", "{applied:?}");
    let done = format!("dev: Applied: 1 deleted; consent: {ADDRESS} (");
    assert!(
        applied.description.starts_with(&done) && applied.description.contains(" by ada)"),
        "{applied:?}"
    );
    stage.finish().await;
}

#[tokio::test]
async fn the_comment_that_a_plan_asks_for_consents_though_a_squash_drops_all_messages() {
    let (stage, head, _) = a_removal("gitea").await;
    let command = format!("/beamline consent destroy {ADDRESS} @");
    let line = stage
        .until("the plan shows the line to copy", async || {
            let said = stage.comments_by("beamline-bot").await;
            let mut lines = said.iter().flat_map(|text| text.lines()).map(str::trim);
            lines.find(|line| line.starts_with(&command)).map(str::to_owned)
        })
        .await;
    stage.done("ada", "comment", &[("NUMBER", "1"), ("TEXT", &line)]).await;
    let consent = format!("consent: {ADDRESS} (a comment by ada on #1)");
    stage
        .until("the consent is in force", async || {
            let seen = stage.status(&head, "beamline/plan").await?;
            (seen.shown == "success" && seen.description.contains(&consent)).then_some(())
        })
        .await;
    stage.done("ada", "squash", &[("NUMBER", "1"), ("HEAD", &head)]).await;
    let applied = stage.ended(&stage.head_of("main"), "beamline/apply").await;
    assert_eq!(applied.shown, "success", "{applied:?}");
    assert_eq!(applied.description, format!("dev: Applied: 1 deleted; {consent}"));
    stage.finish().await;
}
