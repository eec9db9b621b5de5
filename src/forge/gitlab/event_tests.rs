//! GitLab's webhooks, recorded and forged.

use serde_json::{Value, json};

use super::*;
use crate::forge::SignatureError;
use crate::forge::exchange_fixture::{Recorded, headers, recorded, told};
use crate::forge::webhook::Received;

const AFTER: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";

fn secrets() -> Vec<SecretString> {
    vec!["new".into(), "a secret".into()]
}

fn received(event: &str, body: &[u8]) -> Result<Received, Refusal> {
    receive(&secrets(), &headers(&[("x-gitlab-token", "a secret"), ("x-gitlab-event", event)]), body)
}

fn push(reference: &str, after: &str) -> Vec<u8> {
    let body =
        json!({ "ref": reference, "after": after, "project": { "path_with_namespace": "group/sub/ml" } });
    body.to_string().into_bytes()
}

#[test]
fn recorded_payloads_are_understood() {
    let Some(recorded) = recorded("gitlab") else { return };
    let mut all = Vec::new();
    for Recorded { file, event, body } in recorded {
        let incoming = received(&event, &body).unwrap_or_else(|error| panic!("{file}: {error}")).incoming;
        all.push(format!("{} {}", file.trim_start_matches("gitlab/"), told(&incoming)));
    }
    insta::assert_snapshot!(all.join("\n"), @r"
    branch_create.json push gitlab-org/hello-world feature c4c7922
    branch_delete.json push gitlab-org/hello-world feature -
    branch_delete_subgroup.json push group1/group2/group3/grp2repo feature -
    issue_comment_create.json ignored
    merge_request_comment_create.json pull request gitlab-org/hello-world 1
    merge_request_comment_subgroup.json pull request group1/group2/group3/grp2repo 1
    merge_request_subgroup.json pull request group1/group2/group3/grp2repo 1
    pull_request_close.json pull request gitlab-org/hello-world 1
    pull_request_create.json pull request gitlab-org/hello-world 1
    pull_request_merge.json pull request gitlab-org/hello-world 1
    pull_request_reopen.json pull request gitlab-org/hello-world 1
    pull_request_review_ready.json pull request rathod.meetsatish/meet 3
    push.json push gitlab-org/hello-world master 2adc946
    push_merge.json push gitlab-org/hello-world master 78a76ee
    push_subgroup.json push group1/group2/group3/grp2repo master 2adc946
    review_comment_create.json pull request gitlab-org/hello-world 1
    tag_create.json push gitlab-org/hello-world - 2adc946
    tag_delete.json push gitlab-org/hello-world - -
    tag_delete_subgroup.json push group1/group2/group3/grp2repo - -
    pg_push_event.json push mike/diaspora master da15608
    pg_merge_request_event.json pull request gitlabhq/gitlab-test 1
    pg_tag_event.json push jsmith/example - 82b3d5a
    ");
}

#[test]
fn only_who_knows_a_secret_is_believed() {
    let body = push("refs/heads/main", AFTER);
    let with = |token: Option<&str>| {
        let event = ("x-gitlab-event", "Push Hook");
        let all: Vec<_> = token.map(|token| ("x-gitlab-token", token)).into_iter().chain([event]).collect();
        receive(&secrets(), &headers(&all), &body)
    };
    assert!(with(Some("new")).is_ok());
    assert!(with(Some("a secret")).is_ok());
    for (token, reason) in [
        (None, SignatureError::Missing),
        (Some(""), SignatureError::Missing),
        (Some("a secre"), SignatureError::Mismatch),
        (Some("a secret "), SignatureError::Mismatch),
        (Some("\u{fffd}"), SignatureError::Mismatch),
    ] {
        let Err(Refusal::Signature(error)) = with(token) else { panic!("{token:?}") };
        assert_eq!(error, reason, "{token:?}");
    }
    let nobody = receive(&[], &headers(&[("x-gitlab-token", "")]), &body);
    assert!(matches!(nobody, Err(Refusal::Signature(SignatureError::NoSecret))));
}

#[test]
fn a_delivery_is_known_by_what_stays_the_same_when_it_is_sent_again() {
    let body = push("refs/heads/main", AFTER);
    let id = |more: &[(&'static str, &str)]| {
        let mut all = vec![("x-gitlab-token", "new"), ("x-gitlab-event", "Push Hook")];
        all.extend(more);
        receive(&secrets(), &headers(&all), &body).unwrap().delivery.to_string()
    };
    let shared = ("x-gitlab-event-uuid", "shared");
    assert_eq!(id(&[("idempotency-key", "key"), ("x-gitlab-webhook-uuid", "uuid"), shared]), "key");
    assert_eq!(id(&[("x-gitlab-webhook-uuid", "uuid"), shared]), "uuid");
    assert_eq!(id(&[shared]), id(&[("idempotency-key", "not an id")]));
    assert_eq!(id(&[]).len(), 64);
}

#[test]
fn a_deleted_branch_has_no_commit_and_a_tag_no_branch() {
    let gone = received("Push Hook", &push("refs/heads/gone", &"0".repeat(40))).unwrap().incoming;
    assert_eq!(told(&gone), "push group/sub/ml gone -");
    let tag = received("Tag Push Hook", &push("refs/tags/v1", AFTER)).unwrap().incoming;
    assert_eq!(told(&tag), "push group/sub/ml - 6113728");
}

#[test]
fn other_events_are_ignored_whatever_their_body() {
    for event in ["Pipeline Hook", "Emoji Hook", "System Hook", &"x".repeat(1000)] {
        let received = received(event, b"not even json").unwrap();
        assert_eq!(received.incoming, Incoming::Ignored);
        assert!(received.event.len() <= MAX_EVENT_CHARS);
    }
    let nameless = receive(&secrets(), &headers(&[("x-gitlab-token", "new")]), b"{}");
    assert!(matches!(nameless, Err(Refusal::Header { name: "X-Gitlab-Event", .. })));
}

#[test]
fn what_gitlab_never_sends_is_an_error_and_no_panic() {
    let deep = "[".repeat(100_000);
    for event in ["Push Hook", "Merge Request Hook", "Note Hook"] {
        for body in [&b""[..], b"{}", b"\xff\xfe", b"[]", deep.as_bytes()] {
            let refused = received(event, body);
            assert!(matches!(refused, Err(Refusal::Body(DecodeError::Json { .. }))), "{event}");
        }
    }
    let of = |iid: u64, path: &str| -> Value {
        json!({ "project": { "path_with_namespace": path }, "object_attributes": { "iid": iid } })
    };
    for body in [of(0, "group/ml"), of(7, "group/../ml"), of(7, "group")] {
        let refused = received("Merge Request Hook", body.to_string().as_bytes());
        assert!(matches!(refused, Err(Refusal::Body(DecodeError::Field { .. }))), "{body}");
    }
    for (reference, after) in [("refs/heads/..", AFTER), ("refs/heads/main", "abc")] {
        let refused = received("Push Hook", &push(reference, after));
        assert!(matches!(refused, Err(Refusal::Body(DecodeError::Field { .. }))));
    }
}

/// A webhook of this forge as a whole.
fn receive(secrets: &[SecretString], headers: &HeaderMap, body: &[u8]) -> Result<Received, Refusal> {
    crate::forge::receive(Source::GitLab, secrets, headers, body)
}
