//! The webhooks of Gitea and Forgejo: signed with HMAC-SHA256 in hexadecimal, without a prefix. Pure.
//!
//! Forgejo sends every header also under its own name; a later version may drop the old ones, so either
//! is taken ("Webhooks" in both documentations).

use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::NAME;
use crate::forge::pull_request::PullRequestNumber;
use crate::forge::webhook::{
    DecodeError, DeliveryId, Incoming, PushEvent, Received, Refusal, Repository, verify,
};

/// The longest name of an event.
const MAX_EVENT_CHARS: usize = 64;

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    repository: Named,
}

#[derive(Deserialize)]
struct Delete {
    /// The short name.
    #[serde(rename = "ref")]
    reference: String,
    ref_type: String,
    repository: Named,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    number: u64,
    repository: Named,
}

#[derive(Deserialize)]
struct IssueComment {
    issue: Issue,
    #[serde(default)]
    is_pull: bool,
    repository: Named,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    /// Present where the issue is a pull request; only whether it is there counts.
    pull_request: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

/// See [`crate::forge::receive`].
pub(in crate::forge) fn receive(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Received, Refusal> {
    let header = |names: [&str; 2]| {
        let values = names.into_iter().filter_map(|name| headers.get(name)?.to_str().ok());
        values.into_iter().find(|value| !value.is_empty())
    };
    // Without a secret the signature is sent empty.
    let signature = header(["x-gitea-signature", "x-forgejo-signature"]);
    verify(secrets, body, signature.map(|digits| format!("sha256={digits}")).as_deref())?;
    let event = header(["x-gitea-event", "x-forgejo-event"]);
    let event = event.ok_or(Refusal::Header { name: "X-Gitea-Event", forge: NAME })?;
    let event: String = event.chars().take(MAX_EVENT_CHARS).collect();
    let delivery = header(["x-gitea-delivery", "x-forgejo-delivery"]).and_then(|id| id.parse().ok());
    let delivery = delivery.unwrap_or_else(|| DeliveryId::of(&event, body));
    let incoming = decode(&event, body)?;
    Ok(Received { delivery, event, incoming })
}

/// Reviews are events of their own (`pull_request_approved` and others) with the pull request's number.
fn decode(event: &str, body: &[u8]) -> Result<Incoming, DecodeError> {
    match event {
        "push" => {
            let push: Push = read(event, body)?;
            PushEvent::read(event, &push.repository.full_name, &push.reference, &push.after)
                .map(Incoming::Push)
        }
        "delete" => {
            let gone: Delete = read(event, body)?;
            decode_delete(event, &gone).map(Incoming::Push)
        }
        "issue_comment" => {
            let comment: IssueComment = read(event, body)?;
            if comment.is_pull || comment.issue.pull_request.is_some() {
                proposal(event, &comment.repository, comment.issue.number)
            } else {
                Ok(Incoming::Ignored)
            }
        }
        name if name.starts_with("pull_request") => {
            let change: PullRequestEvent = read(event, body)?;
            proposal(event, &change.repository, change.number)
        }
        _ => Ok(Incoming::Ignored),
    }
}

/// A deleted ref is no push here, and its name comes without what kind of ref it is.
fn decode_delete(event: &str, gone: &Delete) -> Result<PushEvent, DecodeError> {
    let impossible = |field| DecodeError::Field { event: event.to_owned(), field };
    let branch = match gone.ref_type.as_str() {
        "branch" => Some(gone.reference.parse().map_err(|_| impossible("ref"))?),
        _ => None,
    };
    let repository = gone.repository.full_name.parse().map_err(|_| impossible("repository"))?;
    Ok(PushEvent { repository, branch, after: None })
}

fn proposal(event: &str, repository: &Named, number: u64) -> Result<Incoming, DecodeError> {
    let impossible = |field| DecodeError::Field { event: event.to_owned(), field };
    let repository: Result<Repository, _> = repository.full_name.parse();
    Ok(Incoming::PullRequest {
        repository: repository.map_err(|_| impossible("repository"))?,
        number: PullRequestNumber::new(number).ok_or_else(|| impossible("number"))?,
    })
}

fn read<T: DeserializeOwned>(event: &str, body: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|source| DecodeError::Json { event: event.to_owned(), source })
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
