//! Reading webhooks ("Event payloads"): signed with HMAC-SHA256 in `X-Hub-Signature`.

use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;

use crate::forge::payload::Payload;
use crate::forge::signature::signed;
use crate::forge::webhook::{DeliveryId, Expected, PushEvent, Refusal, Source, event_word};
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

/// See [`crate::forge::expect`].
pub(in crate::forge) fn expect(secrets: &[SecretString], headers: &HeaderMap) -> Result<Expected, Refusal> {
    let header = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    let missing = |name| Refusal::Header { name, forge: "Bitbucket" };
    let proof = signed(secrets, header("x-hub-signature"))?;
    let event = header("x-event-key").map(event_word).filter(|event| !event.is_empty());
    let event = event.ok_or_else(|| missing("X-Event-Key"))?;
    let delivery = header("x-request-uuid").and_then(|id| id.parse::<DeliveryId>().ok());
    let delivery = delivery.ok_or_else(|| missing("X-Request-UUID"))?;
    Ok(Expected::new(Source::Bitbucket, proof, Some(event), Some(delivery)))
}

/// Reads the body of the event that `X-Event-Key` names. Events that do not concern us are
/// [`Incoming::Ignored`], whatever their body.
pub(in crate::forge) fn decode(event: &str, body: Payload<'_>) -> Result<Incoming, DecodeError> {
    match event {
        "repo:push" => decode_push(event, body.json(event)?).map(Incoming::Push),
        "pullrequest:created"
        | "pullrequest:updated"
        | "pullrequest:fulfilled"
        | "pullrequest:rejected"
        | "pullrequest:comment_created"
        | "pullrequest:comment_updated"
        | "pullrequest:comment_deleted" => decode_pull_request(event, &body.json(event)?),
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

fn impossible(event: &str, field: &'static str) -> DecodeError {
    DecodeError::Field { event: event.to_owned(), field }
}

#[cfg(test)]
mod tests;
