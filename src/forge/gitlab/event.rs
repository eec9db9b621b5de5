//! GitLab's webhooks: the secret in `X-Gitlab-Token`, the event in `X-Gitlab-Event`. Pure.
//!
//! The id of a delivery is `Idempotency-Key`, which stays the same when GitLab sends it again (since
//! 17.4). Before, `X-Gitlab-Webhook-UUID` is all there is, which is new at every attempt.
//! `X-Gitlab-Event-UUID` is none: all webhooks that one request caused share it (GitLab's "Webhooks",
//! "Delivery headers"; `WebHookService`).

use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;

use super::client::NAME;
use crate::forge::payload::Payload;
use crate::forge::pull_request::PullRequestNumber;
use crate::forge::signature::{Proof, verify_token};
use crate::forge::webhook::{DecodeError, Expected, Incoming, PushEvent, Refusal, Repository, Source};

/// The longest name of an event.
const MAX_EVENT_CHARS: usize = 64;

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    project: Project,
}

#[derive(Deserialize)]
struct MergeRequestEvent {
    project: Project,
    object_attributes: Numbered,
}

#[derive(Deserialize)]
struct NoteEvent {
    project: Project,
    object_attributes: NoteAttributes,
    merge_request: Option<Numbered>,
}

#[derive(Deserialize)]
struct NoteAttributes {
    noteable_type: String,
}

#[derive(Deserialize)]
struct Numbered {
    iid: u64,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: String,
}

/// See [`crate::forge::expect`].
pub(in crate::forge) fn expect(secrets: &[SecretString], headers: &HeaderMap) -> Result<Expected, Refusal> {
    verify_token(secrets, headers.get("x-gitlab-token").map(|token| token.as_bytes()))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let event = header("x-gitlab-event").filter(|event| !event.is_empty());
    let event = event.ok_or(Refusal::Header { name: "X-Gitlab-Event", forge: NAME })?;
    let ids = ["idempotency-key", "x-gitlab-webhook-uuid"];
    let delivery = ids.iter().find_map(|name| header(name)?.parse().ok());
    let event = event.chars().take(MAX_EVENT_CHARS).collect();
    Ok(Expected::new(Source::GitLab, Proof::Shown, Some(event), delivery))
}

pub(in crate::forge) fn decode(event: &str, body: Payload<'_>) -> Result<Incoming, DecodeError> {
    match event {
        "Push Hook" | "Tag Push Hook" => {
            let push: Push = body.json(event)?;
            let repository = &push.project.path_with_namespace;
            PushEvent::read(event, repository, &push.reference, &push.after).map(Incoming::Push)
        }
        "Merge Request Hook" => {
            let change: MergeRequestEvent = body.json(event)?;
            proposal(event, &change.project, change.object_attributes.iid)
        }
        "Note Hook" => {
            let note: NoteEvent = body.json(event)?;
            match note.merge_request {
                Some(on) if note.object_attributes.noteable_type == "MergeRequest" => {
                    proposal(event, &note.project, on.iid)
                }
                Some(_) | None => Ok(Incoming::Ignored),
            }
        }
        _ => Ok(Incoming::Ignored),
    }
}

fn proposal(event: &str, project: &Project, iid: u64) -> Result<Incoming, DecodeError> {
    let impossible = |field| DecodeError::Field { event: event.to_owned(), field };
    let repository: Result<Repository, _> = project.path_with_namespace.parse();
    Ok(Incoming::PullRequest {
        repository: repository.map_err(|_| impossible("project.path_with_namespace"))?,
        number: PullRequestNumber::new(iid).ok_or_else(|| impossible("iid"))?,
    })
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
