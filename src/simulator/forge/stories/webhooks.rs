//! Webhooks: what they say, how they are signed, and how they travel.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::bench::{Bench, sha};
use crate::forge::{Delivery, Disorder, ForgeKind, PullRequest};

/// The forge's word for what a delivery is about.
fn event(kind: ForgeKind, delivery: &Delivery) -> String {
    let header = |name: &str| delivery.header(name).unwrap_or_default().to_owned();
    let said = delivery.json();
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind {
        ForgeKind::GitHub => format!("{} {}", header("x-github-event"), text("/action")),
        ForgeKind::GitLab => format!("{} {}", header("x-gitlab-event"), text("/object_attributes/action")),
        ForgeKind::Gitea => format!("{} {}", header("x-gitea-event"), text("/action")),
        ForgeKind::Forgejo => format!("{} {}", header("x-forgejo-event"), text("/action")),
        ForgeKind::AzureDevOps => text("/eventType"),
        ForgeKind::Bitbucket => header("x-event-key"),
    }
}

fn is_signed(kind: ForgeKind, delivery: &Delivery) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"webhook:secret").unwrap();
    mac.update(&delivery.body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = match kind {
        ForgeKind::GitHub => ("X-Hub-Signature-256", format!("sha256={hex}")),
        ForgeKind::GitLab => ("X-Gitlab-Token", "webhook:secret".to_owned()),
        ForgeKind::Gitea => ("X-Gitea-Signature", hex),
        ForgeKind::Forgejo => ("X-Forgejo-Signature", hex),
        ForgeKind::AzureDevOps => ("Authorization", format!("Basic {}", STANDARD.encode("webhook:secret"))),
        ForgeKind::Bitbucket => ("X-Hub-Signature", format!("sha256={hex}")),
    };
    delivery.header_map().get(expected.0).is_some_and(|value| value.to_str().unwrap() == expected.1)
}

/// The life of a pull request: opened as a draft, ready, pushed to, retargeted, commented on, closed,
/// opened again, merged.
fn live(bench: &Bench) {
    let world = &bench.world;
    world.open(PullRequest::new("alice", "feature", &sha('b')).as_draft());
    world.mark_ready(1);
    world.push(1, &sha('c'));
    world.retarget(1, "release");
    let comment = world.comment(1, "alice", "/beamline plan");
    world.edit_comment(comment, "/beamline help");
    world.close(1);
    world.reopen(1);
    world.merge(1, &sha('d'));
}

fn expected(kind: ForgeKind) -> Vec<&'static str> {
    match kind {
        ForgeKind::GitHub => vec![
            "pull_request opened",
            "pull_request ready_for_review",
            "push ",
            "pull_request synchronize",
            "pull_request edited",
            "issue_comment created",
            "issue_comment edited",
            "pull_request closed",
            "pull_request reopened",
            "push ",
            "pull_request closed",
        ],
        ForgeKind::GitLab => vec![
            "Merge Request Hook open",
            "Merge Request Hook update",
            "Push Hook ",
            "Merge Request Hook update",
            "Merge Request Hook update",
            "Note Hook create",
            "Note Hook update",
            "Merge Request Hook close",
            "Merge Request Hook reopen",
            "Push Hook ",
            "Merge Request Hook merge",
        ],
        ForgeKind::Gitea | ForgeKind::Forgejo => vec![
            "pull_request opened",
            "pull_request synchronized",
            "pull_request edited",
            "push ",
            "pull_request synchronized",
            "pull_request edited",
            "issue_comment created",
            "issue_comment edited",
            "pull_request closed",
            "pull_request reopened",
            "create ",
            "push ",
            "pull_request closed",
        ],
        ForgeKind::AzureDevOps => vec![
            "git.pullrequest.created",
            "git.pullrequest.updated",
            "git.push",
            "git.pullrequest.updated",
            "git.pullrequest.updated",
            "ms.vss-code.git-pullrequest-comment-event",
            "ms.vss-code.git-pullrequest-comment-event",
            "git.pullrequest.updated",
            "git.pullrequest.updated",
            "git.push",
            "git.pullrequest.updated",
        ],
        ForgeKind::Bitbucket => vec![
            "pullrequest:created",
            "pullrequest:updated",
            "repo:push",
            "pullrequest:updated",
            "pullrequest:updated",
            "pullrequest:comment_created",
            "pullrequest:comment_updated",
            "pullrequest:rejected",
            "pullrequest:created",
            "repo:push",
            "pullrequest:fulfilled",
        ],
    }
}

#[tokio::test(start_paused = true)]
async fn every_change_is_announced_in_order_and_signed() {
    for kind in ForgeKind::ALL {
        let bench = Bench::new(kind);
        live(&bench);
        let deliveries = bench.world.deliveries();
        let events: Vec<String> = deliveries.iter().map(|delivery| event(kind, delivery)).collect();
        assert_eq!(events, expected(kind), "{kind:?}");
        assert!(deliveries.iter().all(|delivery| is_signed(kind, delivery)), "{kind:?}");
        assert!(deliveries.iter().all(|delivery| delivery.path == kind.webhook_path()));
        assert!(bench.world.deliveries().is_empty());
        bench.world.set_webhook_secret("another");
        bench.world.pushed("main", &sha('e'));
        assert!(!is_signed(kind, &bench.world.deliveries()[0]));
    }
}

/// The pointers of a body down to some depth, with the kind of value that is there.
fn shape(body: &Value, at: &str, depth: usize, into: &mut BTreeSet<(String, &'static str)>) {
    let word = match body {
        Value::Null => return,
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(fields) => {
            if depth > 0 {
                for (name, field) in fields {
                    shape(field, &format!("{at}/{name}"), depth - 1, into);
                }
            }
            "object"
        }
    };
    into.insert((at.to_owned(), word));
}

/// What the recorded payload of the same event has and ours has as well must be the same kind of value,
/// and what receivers go by must be there.
fn compare(kind: ForgeKind, delivery: &Delivery, file: &str, needed: &[&str]) {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut files = folders.map(|folder| folder.join("shared/forge/webhooks").join(file));
    let Some(found) = files.find(|file| file.is_file()) else {
        eprintln!("skipped: the folder of the forges' recorded payloads is absent");
        return;
    };
    let recorded: Value = serde_json::from_slice(&std::fs::read(found).unwrap()).unwrap();
    let (mut theirs, mut ours) = (BTreeSet::new(), BTreeSet::new());
    shape(&recorded, "", 5, &mut theirs);
    shape(&delivery.json(), "", 5, &mut ours);
    for (pointer, word) in &ours {
        let known: Vec<_> = theirs.iter().filter(|(other, _)| other == pointer).collect();
        assert!(
            known.is_empty() || known.iter().any(|(_, other)| other == word),
            "{kind:?} {pointer}: {word} {known:?}"
        );
    }
    for pointer in needed {
        assert!(recorded.pointer(pointer).is_some(), "{file} lacks {pointer}");
        assert!(delivery.json().pointer(pointer).is_some(), "{kind:?}: {pointer} is missing");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_shaped_as_the_recorded_ones() {
    for kind in ForgeKind::ALL {
        let bench = Bench::new(kind);
        live(&bench);
        let deliveries = bench.world.deliveries();
        // Gitea and Forgejo tell of what is opened twice.
        let twice = usize::from(matches!(kind, ForgeKind::Gitea | ForgeKind::Forgejo));
        let (opened, pushed, comment) = (&deliveries[0], &deliveries[2 + twice], &deliveries[5 + twice]);
        match kind {
            ForgeKind::GitHub => {
                let pull = [
                    "/action",
                    "/number",
                    "/pull_request/head/sha",
                    "/repository/full_name",
                    "/sender/login",
                ];
                compare(kind, opened, "github/pull_request_opened.json", &pull);
                let push =
                    ["/ref", "/before", "/after", "/repository/full_name", "/deleted", "/head_commit/id"];
                compare(kind, pushed, "github/push_branch-created.json", &push);
                let said =
                    ["/action", "/issue/number", "/comment/id", "/comment/body", "/comment/user/login"];
                compare(kind, comment, "github/issue_comment_created.json", &said);
            }
            ForgeKind::GitLab => {
                let pull = ["/object_kind", "/object_attributes/iid", "/object_attributes/last_commit/id"];
                compare(kind, opened, "gitlab/pull_request_create.json", &pull);
                let push = ["/ref", "/after", "/checkout_sha", "/project/path_with_namespace", "/project_id"];
                compare(kind, pushed, "gitlab/push.json", &push);
                let said =
                    ["/object_attributes/note", "/object_attributes/noteable_type", "/merge_request/iid"];
                compare(kind, comment, "gitlab/merge_request_comment_create.json", &said);
            }
            ForgeKind::Gitea | ForgeKind::Forgejo => {
                let pull = ["/action", "/number", "/pull_request/head/sha", "/repository/full_name"];
                compare(kind, opened, "gitea/pull_request_opened.json", &pull);
                compare(kind, pushed, "gitea/push.json", &["/ref", "/before", "/after", "/pusher/login"]);
                let said =
                    ["/action", "/issue/number", "/comment/id", "/comment/body", "/comment/user/login"];
                compare(kind, comment, "gitea/pull_request_comment_created.json", &said);
            }
            ForgeKind::AzureDevOps => {
                let pull =
                    ["/id", "/eventType", "/resource/pullRequestId", "/resource/repository/project/name"];
                compare(kind, opened, "azuredevops/pr_created.json", &pull);
                let push = ["/resource/refUpdates/0/name", "/resource/refUpdates/0/newObjectId"];
                compare(kind, pushed, "azuredevops/push.json", &push);
                let said = ["/resource/comment/content", "/resource/pullRequest/pullRequestId"];
                compare(kind, comment, "azuredevops/issue_comment.json", &said);
            }
            ForgeKind::Bitbucket => {
                let pull = ["/pullrequest/id", "/pullrequest/source/commit/hash", "/repository/full_name"];
                compare(kind, opened, "bitbucket/pr_created.json", &pull);
                let push = ["/push/changes/0/new/name", "/push/changes/0/new/target/hash", "/actor/uuid"];
                compare(kind, pushed, "bitbucket/push.json", &push);
                compare(
                    kind,
                    comment,
                    "bitbucket/pr_comment_created.json",
                    &["/comment/content/raw", "/comment/id"],
                );
            }
        }
    }
}

async fn arrivals(seed: u64, disorder: Disorder) -> (Vec<String>, u64) {
    let bench =
        Bench::with_options(ForgeKind::GitHub, |options| options.with_seed(seed).with_disorder(disorder));
    let mut arrived = Vec::new();
    for round in 0..40 {
        bench.world.pushed("main", &format!("{round:040x}"));
        bench.world.pushed("release", &format!("{:040x}", 1000 + round));
        arrived.extend(bench.world.deliveries());
        bench.wait(10).await;
    }
    while let Some(due) = bench.world.next_due() {
        let wait = due.duration_since(bench.clock.now());
        bench.clock.sleep(wait.try_into().unwrap_or_default()).await;
        arrived.extend(bench.world.deliveries());
    }
    let seen = arrived.iter().map(|it| {
        format!("{} {}", it.header("x-github-delivery").unwrap(), it.json()["after"].as_str().unwrap())
    });
    (seen.collect(), bench.world.announced())
}

#[tokio::test(start_paused = true)]
async fn disorder_loses_repeats_and_mixes_by_the_seed() {
    let (rough, announced) = arrivals(5, Disorder::rough()).await;
    assert_eq!(rough, arrivals(5, Disorder::rough()).await.0);
    assert_ne!(rough, arrivals(6, Disorder::rough()).await.0);
    let different: BTreeSet<&String> = rough.iter().collect();
    assert!(different.len() < usize::try_from(announced).unwrap(), "some are lost");
    assert!(rough.len() > different.len(), "some come twice, with the same id");
    let (calm, announced) = arrivals(5, Disorder::none()).await;
    assert_eq!(u64::try_from(calm.len()).unwrap(), announced - 1, "the first was taken by the bench");
    let late = Disorder { delay: 1.0, max_delay: Duration::from_secs(60), ..Disorder::none() };
    let (late, _) = arrivals(5, late).await;
    assert_eq!(late.iter().collect::<BTreeSet<_>>().len(), late.len());
    assert_ne!(late, calm);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_a_request() {
    let bench = Bench::new(ForgeKind::GitHub);
    bench.world.ping();
    let request = bench.world.deliveries().remove(0).request("http://127.0.0.1:8080/");
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/webhooks/github"));
    assert_eq!(request.headers()["x-github-event"], "ping");
    bench.world.open(PullRequest::new("alice", "feature", &sha('b')));
    let queue = bench.world.queue_merge(1, &sha('c')).unwrap();
    let events: Vec<String> =
        bench.world.deliveries().iter().map(|it| event(ForgeKind::GitHub, it)).collect();
    assert_eq!(events, ["pull_request opened", "push ", "merge_group checks_requested"]);
    assert!(queue.starts_with("gh-readonly-queue/main/pr-1-"));
    bench.world.deleted_branch(&queue);
    assert_eq!(bench.world.deliveries()[0].json()["deleted"], true);
}
