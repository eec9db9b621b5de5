//! The webhooks of Gitea and Forgejo, recorded and forged.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::forge::SignatureError;
use crate::forge::exchange_fixture::{Recorded, headers, recorded, told};
use crate::forge::webhook::Received;

const AFTER: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";

fn secrets() -> Vec<SecretString> {
    vec!["new".into(), "a secret".into()]
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn received(event: &str, body: &[u8]) -> Result<Received, Refusal> {
    let signed = signature("a secret", body);
    receive(&secrets(), &headers(&[("x-gitea-signature", &signed), ("x-gitea-event", event)]), body)
}

fn push(reference: &str, after: &str) -> Vec<u8> {
    let body = json!({ "ref": reference, "after": after, "repository": { "full_name": "octo/ml" } });
    body.to_string().into_bytes()
}

#[test]
fn recorded_payloads_are_understood() {
    let Some(recorded) = recorded("gitea") else { return };
    let mut all = Vec::new();
    for Recorded { file, event, body } in recorded {
        let incoming = received(&event, &body).unwrap_or_else(|error| panic!("{file}: {error}")).incoming;
        all.push(format!("{} {}", file.trim_start_matches("gitea/"), told(&incoming)));
    }
    insta::assert_snapshot!(all.join("\n"), @r"
    issue_comment_created.json ignored
    issue_comment_deleted.json ignored
    issue_comment_edited.json ignored
    pull_request_closed.json pull request jcitizen/my-repo 1
    pull_request_comment_created.json pull request gogits/hello-world 2
    pull_request_comment_deleted.json pull request gogits/hello-world 2
    pull_request_comment_edited.json pull request gogits/hello-world 2
    pull_request_edited.json pull request jcitizen/my-repo 1
    pull_request_merged.json pull request jcitizen/my-repo 1
    pull_request_opened.json pull request jcitizen/my-repo 1
    pull_request_reopened.json pull request jcitizen/my-repo 1
    pull_request_synchronized.json pull request jcitizen/my-repo 1
    push.json push gogits/hello-world master 4522cbc
    pg_push_event.json push example/example master 67b5658
    pg_pull_request_event.json pull request example/example 2
    ");
}

#[test]
fn only_what_was_signed_with_a_secret_is_believed() {
    let body = push("refs/heads/main", AFTER);
    let with = |signed: Option<&str>, body: &[u8]| {
        let signed = signed.map(|signed| ("x-gitea-signature", signed));
        let all: Vec<_> = signed.into_iter().chain([("x-gitea-event", "push")]).collect();
        receive(&secrets(), &headers(&all), body)
    };
    assert!(with(Some(&signature("new", &body)), &body).is_ok());
    assert!(with(Some(&signature("a secret", &body)), &body).is_ok());
    let good = signature("new", &body);
    let prefixed = format!("sha256={good}");
    for (signed, reason) in [
        (None, SignatureError::Missing),
        (Some(""), SignatureError::Missing),
        (Some(&good[..63]), SignatureError::Malformed),
        (Some(&prefixed), SignatureError::Malformed),
        (Some(&signature("old", &body)), SignatureError::Mismatch),
        (Some(&signature("new", b"{}")), SignatureError::Mismatch),
    ] {
        let Err(Refusal::Signature(error)) = with(signed, &body) else { panic!("{signed:?}") };
        assert_eq!(error, reason, "{signed:?}");
    }
    assert!(with(Some(&good), &body[1..]).is_err());
}

#[test]
fn forgejos_own_headers_are_enough() {
    let body = push("refs/heads/main", AFTER);
    let signed = signature("new", &body);
    let all = [
        ("x-gitea-signature", ""),
        ("x-forgejo-signature", signed.as_str()),
        ("x-forgejo-event", "push"),
        ("x-forgejo-delivery", "f6266f16-1bf3-46a5-9ea4-602e06ead473"),
    ];
    let received = receive(&secrets(), &headers(&all), &body).unwrap();
    assert_eq!(received.delivery.to_string(), "f6266f16-1bf3-46a5-9ea4-602e06ead473");
    assert_eq!(received.event, "push");
    assert_eq!(told(&received.incoming), "push octo/ml main 6113728");
}

#[test]
fn a_deleted_branch_is_told_in_an_event_of_its_own() {
    let gone = |ref_type: &str, name: &str| {
        let body = json!({ "ref": name, "ref_type": ref_type, "repository": { "full_name": "octo/ml" } });
        received("delete", body.to_string().as_bytes())
    };
    assert_eq!(told(&gone("branch", "feature/x").unwrap().incoming), "push octo/ml feature/x -");
    assert_eq!(told(&gone("tag", "v1").unwrap().incoming), "push octo/ml - -");
    assert!(matches!(gone("branch", "a..b"), Err(Refusal::Body(DecodeError::Field { .. }))));
}

#[test]
fn reviews_and_comments_concern_their_pull_request() {
    let body = json!({ "action": "reviewed", "number": 7, "repository": { "full_name": "octo/ml" } });
    for event in ["pull_request", "pull_request_approved", "pull_request_rejected", "pull_request_comment"] {
        let incoming = received(event, body.to_string().as_bytes()).unwrap().incoming;
        assert_eq!(told(&incoming), "pull request octo/ml 7", "{event}");
    }
    let comment = |issue: Value, is_pull: bool| {
        let body = json!({ "issue": issue, "is_pull": is_pull, "repository": { "full_name": "octo/ml" } });
        told(&received("issue_comment", body.to_string().as_bytes()).unwrap().incoming)
    };
    assert_eq!(comment(json!({ "number": 7 }), true), "pull request octo/ml 7");
    assert_eq!(comment(json!({ "number": 7, "pull_request": {} }), false), "pull request octo/ml 7");
    assert_eq!(comment(json!({ "number": 7, "pull_request": null }), false), "ignored");
}

#[test]
fn other_events_are_ignored_whatever_their_body() {
    for event in ["release", "issues", "create", &"x".repeat(1000)] {
        let received = received(event, b"not even json").unwrap();
        assert_eq!(received.incoming, Incoming::Ignored);
        assert!(received.event.len() <= MAX_EVENT_CHARS);
        assert_eq!(received.delivery.to_string().len(), 64);
    }
    let signed = signature("new", b"{}");
    let nameless = receive(&secrets(), &headers(&[("x-gitea-signature", &signed)]), b"{}");
    assert!(matches!(nameless, Err(Refusal::Header { name: "X-Gitea-Event", .. })));
}

#[test]
fn what_gitea_never_sends_is_an_error_and_no_panic() {
    let deep = "[".repeat(100_000);
    for event in ["push", "delete", "pull_request", "issue_comment"] {
        for body in [&b""[..], b"{}", b"payload=%7B%7D", b"\xff\xfe", b"[]", deep.as_bytes()] {
            let refused = received(event, body);
            assert!(matches!(refused, Err(Refusal::Body(DecodeError::Json { .. }))), "{event}");
        }
    }
    let of = |number: u64, name: &str| json!({ "number": number, "repository": { "full_name": name } });
    for body in [of(0, "octo/ml"), of(7, "octo/.."), of(7, "octo")] {
        let refused = received("pull_request", body.to_string().as_bytes());
        assert!(matches!(refused, Err(Refusal::Body(DecodeError::Field { .. }))), "{body}");
    }
    for (reference, after) in [("refs/heads/..", AFTER), ("refs/heads/main", "abc")] {
        let refused = received("push", &push(reference, after));
        assert!(matches!(refused, Err(Refusal::Body(DecodeError::Field { .. }))));
    }
}

/// A webhook of this forge as a whole.
fn receive(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Result<Received, Refusal> {
    crate::forge::receive(Source::Gitea, secrets, headers, body)
}
