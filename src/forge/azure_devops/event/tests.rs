//! Service hooks that are believed and understood, and others.

use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::forge::fixture::recorded_webhooks;

const COMMIT: &str = "33b55f7cb7e7e245323987634f960cf4a6e6bc74";

fn secrets(texts: &[&str]) -> Vec<SecretString> {
    texts.iter().map(|text| SecretString::from(*text)).collect()
}

fn basic(pair: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Basic {}", BASE64.encode(pair)).parse().unwrap());
    headers
}

fn received(body: &[u8]) -> Result<Received, Refusal> {
    receive(&secrets(&["hook:s3cret"]), &basic("hook:s3cret"), body)
}

fn push(updates: Value) -> Vec<u8> {
    let repository = json!({ "name": "azure estate", "project": { "name": "ML Platform" } });
    let resource = json!({ "refUpdates": updates, "repository": repository });
    json!({ "id": "e1", "notificationId": 7, "eventType": "git.push", "resource": resource })
        .to_string()
        .into_bytes()
}

#[test]
fn the_pair_or_the_password_is_believed_and_nothing_else() {
    for (known, given) in [
        (&["hook:s3cret"][..], "hook:s3cret"),
        (&["s3cret"], "anybody:s3cret"),
        (&["s3cret"], ":s3cret"),
        (&["old", "hook:s3cret"], "hook:s3cret"),
        (&["hook:s3cret", "new"], "x:new"),
        (&["with:colon"], "x:with:colon"),
        (&["gehëim"], "x:gehëim"),
    ] {
        let authorization = basic(given)[header::AUTHORIZATION].clone();
        assert_eq!(verify(&secrets(known), authorization.to_str().ok()), Ok(()), "{given}");
    }
    let mismatched = ["hook:S3cret", "other:s3cret", "hook:", ":", "hook:s3cret ", "hook:s3cret\0", "s3cret"];
    for given in mismatched {
        let authorization = basic(given)[header::AUTHORIZATION].clone();
        let outcome = verify(&secrets(&["hook:s3cret"]), authorization.to_str().ok());
        assert_eq!(outcome, Err(SignatureError::Mismatch), "{given}");
    }
}

#[test]
fn what_is_not_basic_authentication_is_refused() {
    let known = secrets(&["s3cret"]);
    assert_eq!(verify(&[], Some("Basic eDpz")), Err(SignatureError::NoSecret));
    assert_eq!(verify(&secrets(&[""]), Some("Basic Og==")), Err(SignatureError::NoSecret));
    let long = format!("Basic {}", "A".repeat(5000));
    for missing in [None, Some(""), Some("Basic"), Some("Bearer s3cret"), Some(long.as_str())] {
        assert_eq!(verify(&known, missing), Err(SignatureError::Missing), "{missing:?}");
    }
    for wrong in ["Basic ", "Basic !!", "Basic czNjcmV0"] {
        assert_eq!(verify(&known, Some(wrong)), Err(SignatureError::Mismatch), "{wrong}");
    }
}

#[test]
fn a_push_names_repository_branch_and_commit() {
    let update = |name: &str, id: &str| json!({ "name": name, "oldObjectId": NO_COMMIT, "newObjectId": id });
    let decoded = |updates: Value| match received(&push(updates)).unwrap().incoming {
        Incoming::Push(push) => push,
        other @ (Incoming::Ping
        | Incoming::PullRequest { .. }
        | Incoming::Rerun { .. }
        | Incoming::Ignored) => {
            panic!("{other:?}")
        }
    };
    let event = decoded(json!([update("refs/tags/v1", COMMIT), update("refs/heads/feature/x", COMMIT)]));
    assert_eq!(event.repository.as_str(), "ML Platform/azure estate");
    assert_eq!(event.branch.unwrap().as_str(), "feature/x");
    assert_eq!(event.after.unwrap().to_string(), COMMIT);
    assert_eq!(decoded(json!([update("refs/heads/gone", NO_COMMIT)])).after, None);
    assert_eq!(decoded(json!([update("refs/tags/v1", COMMIT)])).branch, None);
    assert_eq!(decoded(json!([])).branch, None);
}

#[test]
fn a_delivery_is_known_by_event_and_notification() {
    let delivery = |body: Value| received(body.to_string().as_bytes()).unwrap().delivery.to_string();
    assert_eq!(delivery(json!({ "id": "e", "notificationId": 7, "eventType": "x" })), "e/7");
    assert_eq!(delivery(json!({ "id": "e", "eventType": "x" })), "e");
    let without = json!({ "eventType": "x" });
    assert_eq!(delivery(without.clone()).len(), 64);
    assert_eq!(delivery(without.clone()), delivery(without));
    assert_ne!(delivery(json!({ "id": "a b", "eventType": "x" })), delivery(json!({ "eventType": "x" })));
}

#[test]
fn other_events_are_ignored_and_their_word_is_bounded() {
    let body = json!({ "id": "e", "eventType": format!("build\u{7} {}", "x".repeat(100)), "resource": 1 });
    let received = received(body.to_string().as_bytes()).unwrap();
    assert_eq!(received.incoming, Incoming::Ignored);
    assert_eq!(received.event.len(), 64);
}

#[test]
fn what_is_never_sent_is_an_error_and_no_panic() {
    let deep = "[".repeat(100_000);
    for body in [&b""[..], b"{}", b"\xff\xfe", b"[]", b"null", deep.as_bytes()] {
        assert!(matches!(received(body), Err(Refusal::Body(DecodeError::Json { .. }))));
    }
    let update = |name: &str, id: &str| push(json!([{ "name": name, "newObjectId": id }]));
    let about = |event: &str, resource: Value| {
        json!({ "id": "e", "eventType": event, "resource": resource }).to_string().into_bytes()
    };
    let repository = json!({ "name": "r", "project": { "name": "p" } });
    let bad_name = json!({ "name": "../r", "project": { "name": "p" } });
    for body in [
        update("refs/heads/..", COMMIT),
        update("refs/heads/main", "abc"),
        about("git.pullrequest.created", json!({ "pullRequestId": 0, "repository": repository })),
        about("git.pullrequest.created", json!({ "pullRequestId": 1, "repository": bad_name })),
        about("ms.vss-code.git-pullrequest-comment-event", json!({ "id": 2, "content": "version 1.0" })),
    ] {
        assert!(matches!(received(&body), Err(Refusal::Body(DecodeError::Field { .. }))), "{body:?}");
    }
}

#[test]
fn recorded_deliveries_are_understood() {
    let Some(recorded) = recorded_webhooks("azuredevops") else { return };
    assert_eq!(recorded.len(), 11);
    for (file, event, body) in recorded {
        let received = received(&body).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(received.event, event, "{file}");
        match received.incoming {
            Incoming::Push(push) => {
                let branch = if file == "push.json" { "master" } else { "main" };
                assert_eq!(event, "git.push", "{file}");
                assert_eq!(push.repository, "Fabrikam-Fiber-Git/Fabrikam-Fiber-Git".parse().unwrap());
                assert_eq!(push.branch.unwrap().as_str(), branch, "{file}");
                assert_eq!(push.after.unwrap().to_string(), COMMIT, "{file}");
            }
            Incoming::PullRequest { repository, number } => {
                assert!(event.contains("pullrequest"), "{file}");
                assert_eq!((repository.as_str(), number.get()), ("Fabrikam/Fabrikam", 1), "{file}");
            }
            other @ (Incoming::Ping | Incoming::Rerun { .. } | Incoming::Ignored) => {
                panic!("{file}: {other:?}")
            }
        }
        let forged = receive(&secrets(&["s3cret"]), &basic("hook:guess"), &body);
        assert!(matches!(forged, Err(Refusal::Signature(SignatureError::Mismatch))), "{file}");
        let cut = receive(&secrets(&["s3cret"]), &basic("hook:s3cret"), &body[..body.len() / 2]);
        assert!(matches!(cut, Err(Refusal::Body(_))), "{file}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_and_any_header_are_answered(
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        authorization in "[ -~]{0,60}",
    ) {
        proptest::prop_assert!(received(&body).is_err());
        proptest::prop_assert!(verify(&secrets(&["hook:s3cret"]), Some(&authorization)).is_err());
    }

    #[test]
    fn any_part_of_a_delivery_is_answered(at in 0..400_usize, byte in 0..=255_u8) {
        let mut body = push(json!([{ "name": "refs/heads/main", "newObjectId": COMMIT }]));
        let at = at % body.len();
        body[at] = byte;
        drop(received(&body));
        proptest::prop_assert!(received(&body[..at]).is_err());
    }
}

/// A webhook of this forge as a whole.
fn receive(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Result<Received, Refusal> {
    crate::forge::receive(Source::AzureDevOps, secrets, headers, body)
}
