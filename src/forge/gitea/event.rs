//! The webhooks of Gitea and Forgejo: signed with HMAC-SHA256 in hexadecimal, without a prefix. Pure.
//!
//! Forgejo sends every header also under its own name; a later version may drop the old ones, so either
//! is taken ("Webhooks" in both documentations).

use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;

use super::client::NAME;
use crate::forge::payload::Payload;
use crate::forge::pull_request::PullRequestNumber;
use crate::forge::signature::signed;
use crate::forge::webhook::{DecodeError, Expected, Incoming, PushEvent, Refusal, Repository, Source};

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

/// See [`crate::forge::expect`].
pub(in crate::forge) fn expect(secrets: &[SecretString], headers: &HeaderMap) -> Result<Expected, Refusal> {
    let header = |names: [&str; 2]| {
        let values = names.into_iter().filter_map(|name| headers.get(name)?.to_str().ok());
        values.into_iter().find(|value| !value.is_empty())
    };
    // Without a secret the signature is sent empty.
    let signature = header(["x-gitea-signature", "x-forgejo-signature"]);
    let proof = signed(secrets, signature.map(|digits| format!("sha256={digits}")).as_deref())?;
    let event = header(["x-gitea-event", "x-forgejo-event"]);
    let event = event.ok_or(Refusal::Header { name: "X-Gitea-Event", forge: NAME })?;
    let delivery = header(["x-gitea-delivery", "x-forgejo-delivery"]).and_then(|id| id.parse().ok());
    let event = event.chars().take(MAX_EVENT_CHARS).collect();
    Ok(Expected::new(Source::Gitea, proof, Some(event), delivery))
}

/// Reviews are events of their own (`pull_request_approved` and others) with the pull request's number.
pub(in crate::forge) fn decode(event: &str, body: Payload<'_>) -> Result<Incoming, DecodeError> {
    match event {
        "push" => {
            let push: Push = body.json(event)?;
            PushEvent::read(event, &push.repository.full_name, &push.reference, &push.after)
                .map(Incoming::Push)
        }
        "delete" => {
            let gone: Delete = body.json(event)?;
            decode_delete(event, &gone).map(Incoming::Push)
        }
        "issue_comment" => {
            let comment: IssueComment = body.json(event)?;
            if comment.is_pull || comment.issue.pull_request.is_some() {
                proposal(event, &comment.repository, comment.issue.number)
            } else {
                Ok(Incoming::Ignored)
            }
        }
        name if name.starts_with("pull_request") => {
            let change: PullRequestEvent = body.json(event)?;
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

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
