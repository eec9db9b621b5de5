//! What GitHub's webhooks say, by the form of its documentation and by recorded ones.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::forge::SignatureError;
use crate::forge::github::fixture::shared;
use crate::forge::webhook::Received;

const AFTER: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
const SECRET: &str = "it is a secret";

fn push(reference: &str, after: &str) -> Vec<u8> {
    let repository = json!({ "id": 1, "full_name": "Codertocat/Hello-World" });
    json!({ "ref": reference, "before": NO_COMMIT, "after": after, "repository": repository, "commits": [] })
        .to_string()
        .into_bytes()
}

fn decoded(event: &str, body: Value) -> Incoming {
    let mut body = body;
    body["repository"] = json!({ "full_name": "octo/ml" });
    decode(event, body.to_string().as_bytes()).unwrap()
}

fn pushed(reference: &str, after: &str) -> PushEvent {
    let incoming = decode("push", &push(reference, after)).unwrap();
    let Incoming::Push(push) = incoming else { panic!("{incoming:?}") };
    push
}

fn pull_request(number: u64) -> Incoming {
    let number = PullRequestNumber::new(number).unwrap();
    Incoming::PullRequest { repository: "octo/ml".parse().unwrap(), number }
}

#[test]
fn a_push_names_repository_branch_and_commit() {
    let event = pushed("refs/heads/feature/x", AFTER);
    assert_eq!(event.repository.as_str(), "Codertocat/Hello-World");
    assert_eq!(event.branch.unwrap().as_str(), "feature/x");
    assert_eq!(event.after.unwrap().to_string(), AFTER);
}

#[test]
fn a_tag_has_no_branch_and_a_deleted_branch_no_commit() {
    assert_eq!(pushed("refs/tags/v1", AFTER).branch, None);
    assert_eq!(pushed("refs/heads/gone", NO_COMMIT).after, None);
}

#[test]
fn a_pull_request_in_any_action_and_a_comment_on_one_wake() {
    for action in ["opened", "synchronize", "reopened", "edited", "closed", "converted_to_draft", "unknown"] {
        assert_eq!(decoded("pull_request", json!({ "action": action, "number": 7 })), pull_request(7));
    }
    let comment = |action: &str, issue: Value| {
        decoded("issue_comment", json!({ "action": action, "issue": issue, "comment": { "id": 1 } }))
    };
    let on_pull_request = json!({ "number": 7, "pull_request": { "url": "https://x" } });
    for action in ["created", "edited"] {
        assert_eq!(comment(action, on_pull_request.clone()), pull_request(7));
    }
    assert_eq!(comment("deleted", on_pull_request), Incoming::Ignored);
    assert_eq!(comment("created", json!({ "number": 7 })), Incoming::Ignored);
}

#[test]
fn a_review_and_a_comment_in_one_wake() {
    for event in ["pull_request_review", "pull_request_review_comment"] {
        for action in ["submitted", "edited", "dismissed", "created", "deleted"] {
            let body = json!({ "action": action, "pull_request": { "number": 7 } });
            assert_eq!(decoded(event, body), pull_request(7), "{event} {action}");
        }
    }
}

#[test]
fn the_button_of_a_check_asks_once_more() {
    let rerun = Incoming::Rerun { repository: "octo/ml".parse().unwrap(), commit: AFTER.parse().unwrap() };
    for kind in ["check_run", "check_suite"] {
        for (action, incoming) in [("rerequested", &rerun), ("completed", &Incoming::Ignored)] {
            let mut body = json!({ "action": action });
            body[kind] = json!({ "id": 5, "head_sha": AFTER });
            assert_eq!(decoded(kind, body), *incoming, "{kind} {action}");
        }
    }
}

#[test]
fn a_group_of_the_merge_queue_is_a_branch_that_was_pushed() {
    let head_ref = "refs/heads/gh-readonly-queue/main/pr-7-6113728";
    let group =
        json!({ "head_sha": AFTER, "head_ref": head_ref, "base_sha": AFTER, "base_ref": "refs/heads/main" });
    let asked = decoded("merge_group", json!({ "action": "checks_requested", "merge_group": group }));
    let Incoming::Push(push) = asked else { panic!("{asked:?}") };
    assert_eq!(push.branch.unwrap().as_str(), "gh-readonly-queue/main/pr-7-6113728");
    assert_eq!(push.after.unwrap().to_string(), AFTER);
    let ended = decoded("merge_group", json!({ "action": "destroyed", "merge_group": group }));
    assert_eq!(ended, Incoming::Ignored);
}

#[test]
fn other_events_are_acknowledged_and_ignored() {
    assert_eq!(decode("ping", b"{}").unwrap(), Incoming::Ping);
    for event in ["workflow_run", "installation", "no such event"] {
        assert_eq!(decode(event, b"not even json").unwrap(), Incoming::Ignored);
    }
}

#[test]
fn what_github_never_sends_is_an_error_and_no_panic() {
    let deep = "[".repeat(100_000);
    for event in ["push", "pull_request", "issue_comment", "check_run", "check_suite", "merge_group"] {
        for body in [&b""[..], b"{}", b"payload=%7B%7D", b"\xff\xfe", b"[]", deep.as_bytes()] {
            assert!(matches!(decode(event, body), Err(DecodeError::Json { .. })), "{event}");
        }
    }
    for (reference, after) in [("refs/heads/..", AFTER), ("refs/heads/main", "abc")] {
        assert!(matches!(decode("push", &push(reference, after)), Err(DecodeError::Field { .. })));
    }
    let zero = json!({ "number": 0, "repository": { "full_name": "octo/ml" } }).to_string();
    assert!(matches!(decode("pull_request", zero.as_bytes()), Err(DecodeError::Field { .. })));
}

fn headers(event: &str, signed: &[u8], secret: &str) -> HeaderMap {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-hub-signature-256", format!("sha256={digits}").as_str()),
        ("x-github-event", event),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    headers
}

#[test]
fn what_is_signed_is_believed_and_nothing_else() {
    let (secrets, body) = ([SecretString::from(SECRET)], push("refs/heads/main", AFTER));
    let received = receive(&secrets, &headers("push", &body, SECRET), &body).unwrap();
    assert_eq!(received.delivery.to_string(), "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!(received.event, "push");
    for (signed, secret) in [(&b"other"[..], SECRET), (&body, "wrong")] {
        let refused = receive(&secrets, &headers("push", signed, secret), &body);
        assert!(matches!(refused, Err(Refusal::Signature(SignatureError::Mismatch))));
    }
    for name in ["x-github-event", "x-github-delivery"] {
        let mut without = headers("push", &body, SECRET);
        without.remove(name);
        assert!(matches!(receive(&secrets, &without, &body), Err(Refusal::Header { .. })), "{name}");
    }
    let long = "x".repeat(65);
    let refused = receive(&secrets, &headers(&long, &body, SECRET), &body);
    assert!(matches!(refused, Err(Refusal::Header { name: "X-GitHub-Event", .. })));
}

#[derive(Deserialize)]
struct Recorded {
    forge: String,
    file: String,
    event: String,
}

/// What the recorded payload of an event says, in a word.
fn word(incoming: &Incoming) -> &'static str {
    match incoming {
        Incoming::Ping => "ping",
        Incoming::Push(PushEvent { after: None, .. }) => "a ref is gone",
        Incoming::Push(PushEvent { branch: None, .. }) => "a tag",
        Incoming::Push(_) => "a branch",
        Incoming::PullRequest { .. } => "a pull request",
        Incoming::Rerun { .. } => "once more",
        Incoming::Ignored => "nothing",
    }
}

#[test]
fn recorded_payloads_are_understood() {
    let Some(folder) = shared("webhooks") else { return };
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    let recorded: Vec<Recorded> = serde_json::from_slice(&manifest).unwrap();
    let secrets = [SecretString::from(SECRET)];
    let mut said: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for entry in recorded.into_iter().filter(|entry| entry.forge == "github") {
        let body = std::fs::read(folder.join(&entry.file)).unwrap();
        let received = receive(&secrets, &headers(&entry.event, &body, SECRET), &body);
        let received = received.unwrap_or_else(|error| panic!("{}: {error}", entry.file));
        let json: Value = serde_json::from_slice(&body).unwrap();
        if let Incoming::PullRequest { repository, number } = &received.incoming {
            assert_eq!(json["number"], number.get(), "{}", entry.file);
            assert_eq!(json["repository"]["full_name"], repository.as_str(), "{}", entry.file);
        }
        let forged = receive(&secrets, &headers(&entry.event, &body, "wrong"), &body);
        assert!(matches!(forged, Err(Refusal::Signature(SignatureError::Mismatch))), "{}", entry.file);
        *said.entry((entry.event, word(&received.incoming))).or_default() += 1;
    }
    let table: Vec<_> = said.iter().map(|((event, word), count)| (event.as_str(), *word, *count)).collect();
    // The recorded comments are all on issues that are no pull requests.
    let expected = [
        ("check_run", "nothing", 7),
        ("check_run", "once more", 2),
        ("check_suite", "nothing", 7),
        ("check_suite", "once more", 2),
        ("create", "nothing", 5),
        ("delete", "nothing", 4),
        ("installation", "nothing", 7),
        ("installation_repositories", "nothing", 3),
        ("issue_comment", "nothing", 9),
        ("ping", "ping", 5),
        ("pull_request", "a pull request", 30),
        ("push", "a branch", 3),
        ("push", "a ref is gone", 4),
        ("push", "a tag", 1),
        ("repository", "nothing", 13),
    ];
    assert_eq!(table, expected);
}

/// A webhook of this forge as a whole.
fn receive(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Result<Received, Refusal> {
    crate::forge::receive(Source::GitHub, secrets, headers, body)
}
