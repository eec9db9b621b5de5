//! Service hooks: believed by basic authentication, then read.
//!
//! Azure DevOps signs nothing. A "Web Hooks" subscription sends a user and a password that were given
//! to it, with every delivery ("Create a service hook with Web Hooks"); one of our secrets is either the
//! two of them, `user:password`, or the password alone. Guarantees: compared in constant time, all
//! secrets whichever fits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use crate::forge::payload::{Payload, PayloadDigest};
use crate::forge::signature::{Proof, SignatureError};
use crate::forge::webhook::{DeliveryId, Expected, PushEvent, Received, Refusal, Source, event_word};
use crate::forge::{DecodeError, Incoming, PullRequestNumber, Repository};
use crate::git::CommitId;

/// The new object of a ref that was deleted.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The longest `Authorization` header that is looked at.
const MAX_AUTHORIZATION_BYTES: usize = 4096;

/// What every delivery has, whatever it is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    id: Option<String>,
    notification_id: Option<u64>,
    event_type: String,
}

#[derive(Deserialize)]
struct About<T> {
    resource: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Push {
    #[serde(default)]
    ref_updates: Vec<RefUpdate>,
    repository: RepositoryRef,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefUpdate {
    name: String,
    new_object_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest {
    pull_request_id: u64,
    repository: RepositoryRef,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commented {
    /// Absent in the resource version 1.0 of the event.
    pull_request: Option<PullRequest>,
}

#[derive(Deserialize)]
struct RepositoryRef {
    name: String,
    project: Project,
}

#[derive(Deserialize)]
struct Project {
    name: String,
}

/// See [`crate::forge::expect`].
pub(in crate::forge) fn expect(secrets: &[SecretString], headers: &HeaderMap) -> Result<Expected, Refusal> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    verify(secrets, authorization)?;
    Ok(Expected::new(Source::AzureDevOps, Proof::Shown, None, None))
}

/// Event and delivery stand in the body.
pub(in crate::forge) fn read_event(
    payload: Payload<'_>,
    digest: &PayloadDigest,
) -> Result<Received, DecodeError> {
    let envelope: Envelope = payload.json("service hook")?;
    let event = event_word(&envelope.event_type);
    let incoming = decode(&event, payload)?;
    Ok(Received { delivery: delivery_of(&envelope, digest), event, incoming })
}

/// An event is sent once for each subscription; its repetitions have the same notification.
fn delivery_of(envelope: &Envelope, digest: &PayloadDigest) -> DeliveryId {
    let named = envelope.id.as_ref().and_then(|id| match envelope.notification_id {
        Some(notification) => format!("{id}/{notification}").parse().ok(),
        None => id.parse().ok(),
    });
    named.unwrap_or_else(|| DeliveryId::of(&envelope.event_type, digest))
}

fn verify(secrets: &[SecretString], authorization: Option<&str>) -> Result<(), SignatureError> {
    let usable = || secrets.iter().filter(|secret| !secret.expose_secret().is_empty());
    if usable().next().is_none() {
        return Err(SignatureError::NoSecret);
    }
    let given = authorization.filter(|value| value.len() <= MAX_AUTHORIZATION_BYTES);
    let (scheme, encoded) = given.and_then(|value| value.split_once(' ')).ok_or(SignatureError::Missing)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(SignatureError::Missing);
    }
    let pair = BASE64.decode(encoded.trim()).map_err(|_| SignatureError::Mismatch)?;
    let colon = pair.iter().position(|byte| *byte == b':').ok_or(SignatureError::Mismatch)?;
    let fits = |secret: &&SecretString| {
        let secret = secret.expose_secret().as_bytes();
        is_same(secret, &pair) | is_same(secret, &pair[colon + 1..])
    };
    if usable().filter(fits).count() > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

/// Whether two texts are the same, by their digests, so that the time taken tells nothing of either.
fn is_same(secret: &[u8], given: &[u8]) -> bool {
    let digest = |text: &[u8]| {
        Hmac::<Sha256>::new_from_slice(b"beamline service hook")
            .expect("HMAC takes a key of any length")
            .chain_update(text)
    };
    digest(given).verify_slice(&digest(secret).finalize().into_bytes()).is_ok()
}

/// Reads the body of an event ("Service hooks events"). Events that do not concern us are
/// [`Incoming::Ignored`], whatever their resource.
fn decode(event: &str, body: Payload<'_>) -> Result<Incoming, DecodeError> {
    match event {
        "git.push" => {
            let push: About<Push> = body.json(event)?;
            decode_push(event, push.resource).map(Incoming::Push)
        }
        "git.pullrequest.created" | "git.pullrequest.updated" | "git.pullrequest.merged" => {
            let pull_request: About<PullRequest> = body.json(event)?;
            decode_pull_request(event, &pull_request.resource)
        }
        "ms.vss-code.git-pullrequest-comment-event" => {
            let commented: About<Commented> = body.json(event)?;
            let pull_request = commented.resource.pull_request;
            let pull_request = pull_request
                .ok_or_else(|| impossible(event, "resource.pullRequest (choose its version 2.0)"))?;
            decode_pull_request(event, &pull_request)
        }
        _ => Ok(Incoming::Ignored),
    }
}

/// Of several refs that one push moved the first branch: the webhook only wakes.
fn decode_push(event: &str, push: Push) -> Result<PushEvent, DecodeError> {
    let repository = named(event, &push.repository)?;
    let branches = push
        .ref_updates
        .iter()
        .filter_map(|update| Some((update.name.strip_prefix("refs/heads/")?, update.new_object_id.as_str())));
    let Some((name, digits)) = branches.into_iter().next() else {
        return Ok(PushEvent { repository, branch: None, after: None });
    };
    let branch = name.parse().map_err(|_| impossible(event, "resource.refUpdates.name"))?;
    let after: Option<CommitId> = match digits {
        NO_COMMIT => None,
        digits => Some(digits.parse().map_err(|_| impossible(event, "resource.refUpdates.newObjectId"))?),
    };
    Ok(PushEvent { repository, branch: Some(branch), after })
}

fn decode_pull_request(event: &str, pull_request: &PullRequest) -> Result<Incoming, DecodeError> {
    let number = PullRequestNumber::new(pull_request.pull_request_id);
    let number = number.ok_or_else(|| impossible(event, "resource.pullRequestId"))?;
    Ok(Incoming::PullRequest { repository: named(event, &pull_request.repository)?, number })
}

fn named(event: &str, repository: &RepositoryRef) -> Result<Repository, DecodeError> {
    let name = format!("{}/{}", repository.project.name, repository.name);
    name.parse().map_err(|_| impossible(event, "resource.repository.name"))
}

fn impossible(event: &str, field: &'static str) -> DecodeError {
    DecodeError::Field { event: event.to_owned(), field }
}

#[cfg(test)]
mod tests;
