//! What people ask for in comments is acknowledged, done once when they may ask for it, and answered.

use std::collections::BTreeSet;
use std::time::Duration;

use beamline::forge::{Incoming, PullRequestNumber, Source, receive};
use beamline::store::{About, Command, Delivery, Store, Wish, environment_lease};
use beamline_simulator::forge::{ForgeKind, Permission, Seen};
use beamline_simulator::{Fault, FaultEffect};

use crate::support::proposals::{BOT, Choices, Proposals};
use crate::support::{DaemonWorld, Kept, small};

const DEV: &str = "environments/dev.yaml";
const LAB: &str = "environments/lab.yaml";

/// A proposal that has been planned.
async fn proposed(kind: ForgeKind) -> (Proposals, u64, beamline::git::CommitId) {
    let story = Proposals::running(kind, &[(DEV, &small(2))]).await;
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    (story, number, head)
}

/// How often the daemon has shown that it has read a comment.
fn acknowledgements(story: &Proposals, number: u64, comment: u64) -> usize {
    let history = story.forge.history();
    let is_reaction = |seen: &&Seen| matches!(seen, Seen::Reaction { comment: on, .. } if *on == comment);
    let reactions = history.sights().iter().map(|sight| &sight.seen).filter(is_reaction).count();
    reactions + story.said(number).iter().filter(|body| body.trim() == "Read.").count()
}

/// The answers of the daemon: what it has said beside the plan.
fn answers(story: &Proposals, number: u64) -> Vec<String> {
    let said = story.said(number).into_iter().map(|body| body.trim().to_owned());
    said.filter(|body| !body.contains("### beamline") && body != "Read.").collect()
}

/// How often a head was queued.
fn plans(story: &Proposals, head: &beamline::git::CommitId) -> usize {
    // Azure DevOps has each twice: on the commit and on the pull request.
    let statuses: BTreeSet<String> = story.statuses(head, "beamline/plan").into_iter().collect();
    statuses.iter().filter(|status| status.starts_with("pending: 1 environment queued")).count()
}

/// Brings the forge's webhooks into the inbox, as the door of the daemon does.
pub(crate) async fn deliver(story: &Proposals) {
    let kind = story.forge.kind();
    let source = Source::from_path(kind.webhook_path().rsplit('/').next().unwrap()).unwrap();
    let mut inbox = Vec::new();
    for webhook in story.forge.deliveries() {
        let secrets = ["webhook:secret".into()];
        let received = receive(source, &secrets, &webhook.header_map(), &webhook.body).unwrap();
        let about = match received.incoming {
            Incoming::PullRequest { number, .. } => Some(About::PullRequest(number)),
            Incoming::Rerun { commit, .. } => Some(About::Rerun(commit)),
            Incoming::Push(_) | Incoming::Ping | Incoming::Ignored => None,
        };
        inbox.push(Delivery {
            forge: "forge".to_owned(),
            delivery_id: received.delivery,
            event: received.event,
            body_digest: String::new(),
            about,
            received_at: story.daemon.clock.now(),
        });
    }
    story.daemon.store().store_deliveries(&inbox).await.unwrap();
}

fn refusing(method: &str, path: &str, times: u32) -> Fault {
    let effect = FaultEffect::Status {
        code: 400,
        retry_after_secs: None,
        error_code: "InvalidRequest".to_owned(),
        message: "Not today".to_owned(),
    };
    Fault { method: Some(method.to_owned()), path_contains: path.to_owned(), times, effect }
}

#[tokio::test(start_paused = true)]
async fn on_every_forge_a_comment_plans_again() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = proposed(kind).await;
        let comment = story.forge.comment(number, "ada", "/beamline plan\n\nplease");
        story.at_rest().await;
        assert_eq!(acknowledgements(&story, number, comment), 1, "{kind:?}");
        assert_eq!(plans(&story, &head), 2, "{kind:?}");
        let comment = story.forge.comment(number, "ada", "/beamline plan -e dev");
        story.at_rest().await;
        assert_eq!(plans(&story, &head), 3, "{kind:?}");
        assert!(acknowledgements(&story, number, comment) >= 1, "{kind:?}");
        assert_eq!(answers(&story, number), [""; 0], "{kind:?}: what is done needs no answer");
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_every_forge_help_and_slips_are_answered() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = proposed(kind).await;
        for (asked, answer) in [
            ("/beamline help", "Comment with one of these on the first line:"),
            ("/beamline", "Comment with one of these on the first line:"),
            ("/beamline apply", "Not done: `apply` is no command: what is merged is applied."),
            ("/beamline destroy", "Not done: there is no such command."),
            ("/beamline plan production", "Not done: after the command only `-e ENVIRONMENT` may stand."),
            ("/beamline plan -e test", "Nothing to do: this pull request does not touch `test`."),
            ("/beamline retry", "Nothing to do: no plan of this pull request has failed."),
            ("/beamline cancel", "Nothing to do: no plan of this pull request waits."),
        ] {
            let before = answers(&story, number).len();
            story.forge.comment(number, "ada", asked);
            story.at_rest().await;
            let said = answers(&story, number);
            assert_eq!(said.len(), before + 1, "{kind:?}: {asked}: {said:#?}");
            assert!(said[before].starts_with(answer), "{kind:?}: {asked}: {}", said[before]);
        }
        let before = answers(&story, number).len();
        story.forge.comment(number, "ada", "I would not /beamline cancel that");
        story.at_rest().await;
        assert_eq!(answers(&story, number).len(), before);
        assert_eq!(plans(&story, &head), 1, "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_every_forge_who_may_not_push_is_refused_with_a_reason() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = proposed(kind).await;
        for asked in ["/beamline plan", "/beamline retry -e dev", "/beamline cancel"] {
            let before = answers(&story, number).len();
            story.forge.comment(number, "eve", asked);
            story.at_rest().await;
            let refused = "Refused: it takes the right to push to this repository.";
            assert_eq!(answers(&story, number)[before..], [refused], "{kind:?}: {asked}");
        }
        assert_eq!(plans(&story, &head), 1, "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_comment_is_one_line_of_the_log_and_a_flood_of_them_is_not() {
    let log = Kept::default();
    let _kept = log.keep();
    let (story, number, first) = proposed(ForgeKind::GitHub).await;
    let head = story.amend(number, "nodes", DEV, &small(4));
    story.planned(number, &head).await;
    let refused = |count: usize, author: &str, why: &str| {
        let lines = log.lines("comment_refused", &[&format!("author=\"{author}\""), why]);
        assert_eq!(lines.len(), count, "{lines:#?}");
        assert!(lines.iter().all(|line| line.contains(&format!("pull_request={number} "))), "{lines:#?}");
    };
    for (author, asked, why) in [
        ("eve", "/beamline plan".to_owned(), "it takes the right to push"),
        ("ada", "/beamline apply".to_owned(), "`apply` is no command"),
        ("ada", format!("/beamline plan @{}", first.short()), "Not done: "),
        ("ada", "/beamline consent destroy dev/key_vaults/main".to_owned(), "asks no consent for"),
    ] {
        story.forge.comment(number, author, &asked);
        story.at_rest().await;
        refused(if why == "Not done: " { 2 } else { 1 }, author, why);
    }
    for _ in 0..30 {
        story.forge.comment(number, "eve", "/beamline cancel");
    }
    story.at_rest().await;
    refused(10, "eve", "it takes the right to push");
    story.forge.comment(number, "ada", "/beamline destroy");
    story.at_rest().await;
    log.says("comment_refused", &["there is no such command", "unsaid=21"]);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn permission_is_that_of_the_moment_of_acting() {
    let (story, number, head) = proposed(ForgeKind::GitHub).await;
    story.forge.comment(number, "ada", "/beamline plan");
    story.forge.add_account("ada", Permission::Read);
    story.at_rest().await;
    assert_eq!(answers(&story, number), ["Refused: it takes the right to push to this repository."]);
    assert_eq!(plans(&story, &head), 1);
    story.forge.comment(number, "eve", "/beamline plan");
    story.forge.add_account("eve", Permission::Write);
    story.at_rest().await;
    assert_eq!(plans(&story, &head), 2);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_waits_is_cancelled_and_tried_again_when_asked() {
    let (story, number, first) = proposed(ForgeKind::GitHub).await;
    // Another process works on the environment.
    let (store, now) = (story.daemon.store().clone(), story.daemon.clock.now());
    let key = environment_lease(&"dev".parse().unwrap());
    let fence = store.acquire_lease(&key, "another", now, Duration::from_secs(3600)).await.unwrap().unwrap();
    let head = story.amend(number, "nodes", DEV, &small(4));
    let pending = async || story.status(&head, "beamline/plan").starts_with("pending");
    story.daemon.until("the plan waits", pending).await;
    story.forge.comment(number, "ada", "/beamline cancel");
    story.at_rest().await;
    assert_eq!(story.status(&head, "beamline/plan"), "failure: dev: Cancelled by ada");
    assert_eq!(answers(&story, number), ["Dropped 1 plan that waited."]);
    let comment = story.plan_comment(number);
    assert!(comment.contains(&head.short()) && comment.contains("Cancelled by ada"), "{comment}");
    store.release_lease(&key, fence).await.unwrap();
    story.forge.comment(number, "ada", "/beamline retry");
    story.at_rest().await;
    assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change");
    let comment = story.plan_comment(number);
    assert!(comment.contains("max_node_count: 2 → 4") && comment.contains(&first.short()), "{comment}");
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn on_every_forge_a_plan_that_failed_is_tried_again_when_asked() {
    for kind in ForgeKind::ALL {
        let story = Proposals::running(kind, &[(DEV, &small(2))]).await;
        story.daemon.azure.faults().add(refusing("GET", "resourceGroups/rg-dev", 20));
        let (number, head) = story.propose("nodes", DEV, &small(3));
        story.planned(number, &head).await;
        let failed = story.status(&head, "beamline/plan");
        assert!(failed.starts_with("failure: dev: Not planned: "), "{kind:?}: {failed}");
        assert!(story.plan_comment(number).contains("could not be planned"), "{kind:?}");
        story.daemon.azure.faults().clear();
        story.forge.comment(number, "ada", "/beamline retry");
        story.at_rest().await;
        assert_eq!(story.status(&head, "beamline/plan"), "success: dev: Would be: 1 to change", "{kind:?}");
        let comment = story.plan_comment(number);
        assert!(comment.contains("| dev | 0 | 1 | 0 | 0 | ready to merge |"), "{kind:?}: {comment}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_every_forge_a_failed_apply_is_tried_again_from_the_merged_pull_request() {
    for kind in ForgeKind::ALL {
        let story = Proposals::running(kind, &[(DEV, &small(2))]).await;
        let (number, merged) = merged_in_vain(&story).await;
        story.forge.comment(number, "eve", "/beamline retry");
        story.at_rest().await;
        story.forge.comment(number, "ada", "/beamline retry -e dev");
        story.at_rest().await;
        let refused = "Refused: it takes the right to push to this repository.";
        assert_eq!(answers(&story, number), [refused, "Applying again: `dev`."], "{kind:?}");
        assert_eq!(story.status(&merged, "beamline/apply"), "success: dev: Applied: 1 changed", "{kind:?}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_webhook_makes_an_old_pull_request_heard() {
    for kind in ForgeKind::ALL {
        // Nobody polls often enough to hear of it otherwise.
        let poll = Duration::from_secs(6 * 60 * 60);
        let story = Proposals::with(Choices { poll, ..Choices::of(kind) }, &[(DEV, &small(2))]).await;
        let (number, merged) = merged_in_vain(&story).await;
        story.daemon.clock.sleep(Duration::from_secs(3 * 24 * 60 * 60)).await;
        drop(story.forge.deliveries());
        story.forge.comment(number, "ada", "/beamline retry");
        story.bring_webhooks().await;
        story.at_rest().await;
        assert_eq!(answers(&story, number), ["Applying again: `dev`."], "{kind:?}");
        assert_eq!(story.status(&merged, "beamline/apply"), "success: dev: Applied: 1 changed", "{kind:?}");
        story.forge.comment(number, "ada", "/beamline retry");
        story.bring_webhooks().await;
        story.at_rest().await;
        let answer = &answers(&story, number)[1];
        assert!(answer.starts_with("Nothing to do: no apply has failed"), "{kind:?}: {answer}");
        story.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_every_forge_a_blocked_apply_is_planned_again_from_the_merged_pull_request() {
    for kind in ForgeKind::ALL {
        let story = Proposals::running(kind, &[(DEV, &small(2))]).await;
        let theirs = DaemonWorld::id_of("rg-lab");
        story.daemon.azure.put(&theirs, serde_json::json!({ "location": "westeurope" }));
        let (number, head) = story.propose("lab", LAB, &small(1));
        story.planned(number, &head).await;
        let merged = story.merge(number, "lab").await;
        let blocked = story.status(&merged, "beamline/apply");
        assert!(blocked.contains("does not carry our mark"), "{kind:?}: {blocked}");
        story.daemon.azure.remove(&theirs);
        story.forge.comment(number, "ada", "/beamline retry");
        story.at_rest().await;
        assert_eq!(answers(&story, number), ["Applying again: `lab`."], "{kind:?}");
        let applied = story.status(&merged, "beamline/apply");
        assert!(applied.starts_with("success: lab: Applied: "), "{kind:?}: {applied}");
        story.finish().await;
    }
}

/// A pull request that is merged and whose apply has failed.
async fn merged_in_vain(story: &Proposals) -> (u64, beamline::git::CommitId) {
    let (number, head) = story.propose("nodes", DEV, &small(3));
    story.planned(number, &head).await;
    story.daemon.azure.faults().add(refusing("PATCH", "/computes/", 1));
    story.daemon.azure.faults().add(refusing("PUT", "/computes/", 1));
    let merged = story.merge(number, "nodes").await;
    let failed = story.status(&merged, "beamline/apply");
    assert!(failed.starts_with("failure: dev: 1 of"), "{failed}");
    story.daemon.azure.faults().clear();
    (number, merged)
}

#[tokio::test(start_paused = true)]
async fn a_pull_request_that_was_given_up_retries_nothing() {
    let (story, number, _) = proposed(ForgeKind::GitHub).await;
    story.forge.close(number);
    story.at_rest().await;
    drop(story.forge.deliveries());
    for asked in ["/beamline retry", "/beamline plan"] {
        story.forge.comment(number, "ada", asked);
        deliver(&story).await;
        story.at_rest().await;
    }
    let closed = "Not done: this pull request was closed without being merged.";
    assert_eq!(answers(&story, number), [closed, closed]);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_read_before_a_crash_is_done_after_it_and_once() {
    let (mut story, number, head) = proposed(ForgeKind::GitHub).await;
    let comment = story.forge.comment(number, "ada", "/beamline plan");
    story.daemon.kill().await;
    let store = Store::open(&story.daemon.repository.folder().join("journal.db")).await.unwrap();
    let author = beamline::forge::Author::new(&story.forge.account_id("ada"), "ada");
    let command = Command {
        pull_request: PullRequestNumber::new(number).unwrap(),
        comment: comment.into(),
        author,
        written_at: Some(story.daemon.clock.now()),
        body_digest: String::new(),
        wish: Wish::Plan { environment: None, at: None },
        further: Vec::new(),
    };
    store.note_commands(&[command], story.daemon.clock.now()).await.unwrap();
    drop(store);
    story.daemon.start().await;
    story.at_rest().await;
    assert_eq!((plans(&story, &head), acknowledgements(&story, number, comment)), (2, 1));
    story.daemon.kill().await;
    story.daemon.start().await;
    story.at_rest().await;
    assert_eq!((plans(&story, &head), acknowledgements(&story, number, comment)), (2, 1));
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_counts_once_however_it_is_edited() {
    let (story, number, head) = proposed(ForgeKind::GitHub).await;
    let comment = story.forge.comment(number, "ada", "/beamline plan");
    story.at_rest().await;
    story.forge.edit_comment(comment, "/beamline plan -e dev");
    story.at_rest().await;
    assert_eq!(plans(&story, &head), 2);
    let talk = story.forge.comment(number, "ada", "let us see it again");
    story.at_rest().await;
    assert_eq!(plans(&story, &head), 2);
    // Somebody forgot the slash, and mends it.
    story.forge.edit_comment(talk, "/beamline plan");
    story.at_rest().await;
    assert_eq!(plans(&story, &head), 3);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_long_before_the_daemon_knew_the_pull_request_is_not_done() {
    let (mut story, number, head) = proposed(ForgeKind::GitHub).await;
    story.daemon.stop().await;
    let old = story.forge.comment(number, "ada", "/beamline plan");
    story.daemon.clock.sleep(Duration::from_secs(2 * 60 * 60)).await;
    let fresh = story.forge.comment(number, "ada", "/beamline help");
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(story.daemon.repository.folder().join(file));
    }
    story.daemon.start().await;
    story.planned(number, &head).await;
    story.at_rest().await;
    assert_eq!(acknowledgements(&story, number, old), 0);
    assert_eq!(acknowledgements(&story, number, fresh), 1);
    assert_eq!(answers(&story, number).len(), 1);
    assert!(story.plan_comment(number).contains("max_node_count: 2 → 3"), "the comment is found again");
    story.daemon.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_in_the_second_in_which_others_were_read_is_not_missed() {
    let (story, number, head) = proposed(ForgeKind::GitHub).await;
    let comment = story.forge.comment(number, "ada", "just talk");
    let read = async || {
        let open = story.daemon.store().open_pull_requests().await.unwrap();
        open.values().all(|one| one.activity.contains("read"))
    };
    story.daemon.until("the talk is read", read).await;
    // Forges tell when something changed to the second: this one changes nothing about that.
    story.forge.edit_comment(comment, "/beamline plan");
    story.at_rest().await;
    assert_eq!(plans(&story, &head), 2);
    story.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_daemon_itself_writes_is_no_command() {
    for kind in ForgeKind::ALL {
        let (story, number, head) = proposed(kind).await;
        story.forge.comment(number, "ada", "/beamline help");
        story.at_rest().await;
        let quoted = format!("> {}", answers(&story, number)[0].replace('\n', "\n> "));
        story.forge.comment(number, "ada", &quoted);
        let before = story.forge.comments(number).len();
        story.at_rest().await;
        story.at_rest().await;
        assert_eq!(story.forge.comments(number).len(), before, "{kind:?}");
        assert_eq!(plans(&story, &head), 1, "{kind:?}");
        let ours = story.forge.comments(number).into_iter().filter(|(_, author, _)| author == BOT);
        assert!(ours.into_iter().all(|(_, _, body)| body.contains("beamline ops ")), "{kind:?}");
        story.finish().await;
    }
}
