//! Reading webhooks ("Event payloads"): signed with HMAC-SHA256 in `X-Hub-Signature`.

use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::forge::webhook::{DeliveryId, PushEvent, Received, Refusal, event_word, verify};
use crate::forge::{DecodeError, Incoming, PullRequestNumber, Repository};
use crate::git::CommitId;

#[derive(Deserialize)]
struct Pushed {
    push: Push,
    repository: FullName,
}

#[derive(Deserialize)]
struct Push {
    #[serde(default)]
    changes: Vec<Change>,
}

/// What moved: `old` is absent when it was created, `new` when it was deleted.
#[derive(Deserialize)]
struct Change {
    old: Option<Reference>,
    new: Option<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    hash: String,
}

#[derive(Deserialize)]
struct AboutPullRequest {
    pullrequest: PullRequest,
    repository: FullName,
}

#[derive(Deserialize)]
struct PullRequest {
    id: u64,
}

#[derive(Deserialize)]
struct FullName {
    full_name: String,
}

/// See [`crate::forge::receive`].
pub(in crate::forge) fn receive(
    secrets: &[SecretString],
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Received, Refusal> {
    let header = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    let missing = |name| Refusal::Header { name, forge: "Bitbucket" };
    verify(secrets, body, header("x-hub-signature"))?;
    let event = header("x-event-key").map(event_word).filter(|event| !event.is_empty());
    let event = event.ok_or_else(|| missing("X-Event-Key"))?;
    let delivery = header("x-request-uuid").and_then(|id| id.parse::<DeliveryId>().ok());
    let delivery = delivery.ok_or_else(|| missing("X-Request-UUID"))?;
    let incoming = decode(&event, body)?;
    Ok(Received { delivery, event, incoming })
}

/// Reads the body of the event that `X-Event-Key` names. Events that do not concern us are
/// [`Incoming::Ignored`], whatever their body.
fn decode(event: &str, body: &[u8]) -> Result<Incoming, DecodeError> {
    match event {
        "repo:push" => decode_push(event, read(event, body)?).map(Incoming::Push),
        "pullrequest:created"
        | "pullrequest:updated"
        | "pullrequest:fulfilled"
        | "pullrequest:rejected"
        | "pullrequest:comment_created"
        | "pullrequest:comment_updated"
        | "pullrequest:comment_deleted" => decode_pull_request(event, &read(event, body)?),
        _ => Ok(Incoming::Ignored),
    }
}

/// Of several refs that one push moved the first branch: the webhook only wakes.
fn decode_push(event: &str, pushed: Pushed) -> Result<PushEvent, DecodeError> {
    let repository = named(event, &pushed.repository)?;
    let is_branch = |reference: &&Reference| reference.kind == "branch";
    let mut changes = pushed.push.changes.iter();
    let moved = changes.find_map(|change| {
        let known = change.new.as_ref().or(change.old.as_ref()).filter(is_branch)?;
        Some((known.name.as_str(), change.new.as_ref()))
    });
    let Some((name, new)) = moved else { return Ok(PushEvent { repository, branch: None, after: None }) };
    let branch = name.parse().map_err(|_| impossible(event, "push.changes.new.name"))?;
    let digits = new.and_then(|new| new.target.as_ref()).map(|target| target.hash.as_str());
    let after: Option<CommitId> =
        digits.map(str::parse).transpose().map_err(|_| impossible(event, "push.changes.new.target.hash"))?;
    Ok(PushEvent { repository, branch: Some(branch), after })
}

fn decode_pull_request(event: &str, about: &AboutPullRequest) -> Result<Incoming, DecodeError> {
    let number = PullRequestNumber::new(about.pullrequest.id);
    let number = number.ok_or_else(|| impossible(event, "pullrequest.id"))?;
    Ok(Incoming::PullRequest { repository: named(event, &about.repository)?, number })
}

fn named(event: &str, repository: &FullName) -> Result<Repository, DecodeError> {
    repository.full_name.parse().map_err(|_| impossible(event, "repository.full_name"))
}

fn read<T: DeserializeOwned>(event: &str, body: &[u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|source| DecodeError::Json { event: event.to_owned(), source })
}

fn impossible(event: &str, field: &'static str) -> DecodeError {
    DecodeError::Field { event: event.to_owned(), field }
}

#[cfg(test)]
mod tests;
