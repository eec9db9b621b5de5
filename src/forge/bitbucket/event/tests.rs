//! Webhooks that are believed and understood, and others.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::Sha256;

use super::*;
use crate::forge::SignatureError;
use crate::forge::fixture::recorded_webhooks;
use crate::forge::webhook::Received;

const COMMIT: &str = "709d658dc5b6d6afcd46049c2f332ee3f515a67d";

fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    let digits = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256={digits}")
}

fn headers(event: &str, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-event-key", event.parse().unwrap());
    headers.insert("x-hook-uuid", "5a0b8e1c-0000-4000-8000-000000000000".parse().unwrap());
    headers.insert("x-request-uuid", "9f1d6b1a-0000-4000-8000-000000000000".parse().unwrap());
    headers.insert("x-hub-signature", signature("s3cret", body).parse().unwrap());
    headers
}

fn received(event: &str, body: &[u8]) -> Result<Received, Refusal> {
    receive(&[SecretString::from("new"), SecretString::from("s3cret")], &headers(event, body), body)
}

fn push(changes: Value) -> Vec<u8> {
    json!({ "push": { "changes": changes }, "repository": { "full_name": "Octo/estate" } })
        .to_string()
        .into_bytes()
}

#[test]
fn a_push_names_repository_branch_and_commit() {
    let decoded = |changes: Value| match received("repo:push", &push(changes)).unwrap().incoming {
        Incoming::Push(push) => push,
        other @ (Incoming::Ping
        | Incoming::PullRequest { .. }
        | Incoming::Rerun { .. }
        | Incoming::Ignored) => {
            panic!("{other:?}")
        }
    };
    let reference = |kind: &str| json!({ "type": kind, "name": "a/b", "target": { "hash": COMMIT } });
    let event = decoded(json!([
        { "old": null, "new": reference("tag") }, { "old": null, "new": reference("branch") },
    ]));
    assert_eq!(event.repository, "octo/estate".parse().unwrap());
    assert_eq!(event.branch.unwrap().as_str(), "a/b");
    assert_eq!(event.after.unwrap().to_string(), COMMIT);
    let gone = decoded(json!([{ "old": reference("branch"), "new": null }]));
    assert_eq!((gone.branch.unwrap().as_str(), gone.after), ("a/b", None));
    assert_eq!(decoded(json!([{ "old": null, "new": reference("tag") }])).branch, None);
    assert_eq!(decoded(json!([])).branch, None);
}

#[test]
fn other_events_are_acknowledged_and_ignored() {
    for event in ["pullrequest:approved", "repo:fork", "issue:created"] {
        assert_eq!(received(event, b"not even json").unwrap().incoming, Incoming::Ignored, "{event}");
    }
}

#[test]
fn a_webhook_without_its_headers_is_refused() {
    let body = push(json!([]));
    for name in ["x-event-key", "x-request-uuid"] {
        let mut headers = headers("repo:push", &body);
        headers.remove(name);
        let refusal = receive(&[SecretString::from("s3cret")], &headers, &body).unwrap_err();
        assert!(matches!(refusal, Refusal::Header { name: it, .. } if it.eq_ignore_ascii_case(name)));
    }
}

#[test]
fn what_is_never_sent_is_an_error_and_no_panic() {
    let deep = "[".repeat(100_000);
    for body in [&b""[..], b"{}", b"\xff\xfe", b"[]", deep.as_bytes()] {
        for event in ["repo:push", "pullrequest:created"] {
            assert!(matches!(received(event, body), Err(Refusal::Body(DecodeError::Json { .. }))));
        }
    }
    let branch = |name: &str, hash: &str| {
        push(json!([{ "new": { "type": "branch", "name": name, "target": { "hash": hash } } }]))
    };
    let zero = json!({ "pullrequest": { "id": 0 }, "repository": { "full_name": "o/r" } }).to_string();
    for (event, body) in [
        ("repo:push", branch("..", COMMIT)),
        ("repo:push", branch("main", "abc")),
        ("pullrequest:created", zero.into_bytes()),
    ] {
        assert!(matches!(received(event, &body), Err(Refusal::Body(DecodeError::Field { .. }))));
    }
}

#[test]
fn recorded_webhooks_are_understood() {
    let Some(recorded) = recorded_webhooks("bitbucket") else { return };
    assert_eq!(recorded.len(), 15);
    for (file, event, body) in recorded {
        let received = received(&event, &body).unwrap_or_else(|error| panic!("{file}: {error}"));
        match received.incoming {
            Incoming::Push(push) => {
                assert_eq!(event, "repo:push", "{file}");
                assert_eq!(push.branch.is_none(), file.contains("tag"), "{file}");
                assert_eq!(push.after.is_none(), file.contains("tag") || file.contains("delete"), "{file}");
            }
            Incoming::PullRequest { repository, number } => {
                let expected = if file == "pr_declined.json" { 2 } else { 1 };
                assert!(event.starts_with("pullrequest:"), "{file}");
                assert_eq!(number.get(), expected, "{file}");
                assert!(repository.as_str().contains('/'), "{file}");
            }
            other @ (Incoming::Ping | Incoming::Rerun { .. } | Incoming::Ignored) => {
                panic!("{file}: {other:?}")
            }
        }
        let forged = receive(&[SecretString::from("guess")], &headers(&event, &body), &body);
        assert!(matches!(forged, Err(Refusal::Signature(SignatureError::Mismatch))), "{file}");
    }
}

proptest::proptest! {
    #[test]
    fn forged_and_cut_webhooks_are_refused(
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        digits in "sha256=[0-9a-f]{64}",
    ) {
        let mut forged = headers("repo:push", &body);
        forged.insert("x-hub-signature", digits.parse().unwrap());
        let known = [SecretString::from("s3cret")];
        proptest::prop_assert!(matches!(receive(&known, &forged, &body), Err(Refusal::Signature(_))));
        proptest::prop_assert!(received("repo:push", &body).is_err());
    }
}

/// A webhook of this forge as a whole.
fn receive(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Result<Received, Refusal> {
    crate::forge::receive(Source::Bitbucket, secrets, headers, body)
}
