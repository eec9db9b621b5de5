//! Reading GitHub's webhooks: a pure function from headers and bytes to what they say.

use http::HeaderMap;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::connection::NAME;
use crate::forge::payload::Payload;
use crate::forge::signature::signed;
use crate::forge::webhook::{DecodeError, DeliveryId, Expected, Refusal, Source};
use crate::forge::{Incoming, PullRequestNumber, PushEvent, Repository};
use crate::git::{BranchName, CommitId};

/// What `after` is when a ref was deleted.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// The longest name of an event that is kept.
const MAX_EVENT_CHARS: usize = 64;

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    repository: Named,
}

#[derive(Deserialize)]
struct Named {
    full_name: String,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    number: u64,
    repository: Named,
}

#[derive(Deserialize)]
struct IssueComment {
    action: String,
    issue: Issue,
    repository: Named,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    /// There when the issue is a pull request.
    pull_request: Option<serde::de::IgnoredAny>,
}

/// A review, or a comment in one.
#[derive(Deserialize)]
struct Reviewed {
    pull_request: Numbered,
    repository: Named,
}

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

#[derive(Deserialize)]
struct Checked {
    action: String,
    check_run: Option<OfCommit>,
    check_suite: Option<OfCommit>,
    repository: Named,
}

#[derive(Deserialize)]
struct OfCommit {
    head_sha: String,
}

#[derive(Deserialize)]
struct MergeGroupEvent {
    action: String,
    merge_group: MergeGroup,
    repository: Named,
}

#[derive(Deserialize)]
struct MergeGroup {
    head_sha: String,
    head_ref: String,
}

/// See [`crate::forge::expect`].
pub(in crate::forge) fn expect(secrets: &[SecretString], headers: &HeaderMap) -> Result<Expected, Refusal> {
    let header = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok());
    let missing = |name| Refusal::Header { name, forge: NAME };
    let proof = signed(secrets, header("x-hub-signature-256"))?;
    let is_name = |event: &&str| {
        (1..=MAX_EVENT_CHARS).contains(&event.len()) && event.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let event = header("x-github-event").filter(is_name).ok_or_else(|| missing("X-GitHub-Event"))?;
    let delivery = header("x-github-delivery").and_then(|id| id.parse::<DeliveryId>().ok());
    let delivery = delivery.ok_or_else(|| missing("X-GitHub-Delivery"))?;
    Ok(Expected::new(Source::GitHub, proof, Some(event.to_owned()), Some(delivery)))
}

/// Reads the body of the event that `X-GitHub-Event` names. Events that do not concern us are
/// [`Incoming::Ignored`], whatever their body.
///
/// # Errors
/// [`DecodeError`] when the body of an event that concerns us is not what GitHub documents ("Webhook
/// events and payloads").
pub fn decode(event: &str, body: &[u8]) -> Result<Incoming, DecodeError> {
    decode_payload(event, Payload::Whole(body))
}

/// As [`decode`], of a body that need not be in memory.
pub(in crate::forge) fn decode_payload(event: &str, payload: Payload<'_>) -> Result<Incoming, DecodeError> {
    let body = Body { event, payload };
    match event {
        "ping" => Ok(Incoming::Ping),
        "push" => body.push(),
        "pull_request" => body.pull_request(),
        "issue_comment" => body.issue_comment(),
        "pull_request_review" | "pull_request_review_comment" => body.reviewed(),
        "check_run" | "check_suite" => body.checked(),
        "merge_group" => body.merge_group(),
        _ => Ok(Incoming::Ignored),
    }
}

/// A body, and the event that it is of.
struct Body<'a> {
    event: &'a str,
    payload: Payload<'a>,
}

impl Body<'_> {
    fn push(&self) -> Result<Incoming, DecodeError> {
        let push: Push = self.json()?;
        let after = match push.after.as_str() {
            NO_COMMIT => None,
            digits => Some(self.commit(digits, "after")?),
        };
        let branch = match push.reference.strip_prefix("refs/heads/") {
            None => None,
            Some(name) => Some(self.branch(name, "ref")?),
        };
        Ok(Incoming::Push(PushEvent { repository: self.repository(&push.repository)?, branch, after }))
    }

    /// Whatever its action: what is true is asked for.
    fn pull_request(&self) -> Result<Incoming, DecodeError> {
        let event: PullRequestEvent = self.json()?;
        self.about(event.number, "number", &event.repository)
    }

    /// A deleted comment commands nothing.
    fn issue_comment(&self) -> Result<Incoming, DecodeError> {
        let event: IssueComment = self.json()?;
        match (event.action.as_str(), event.issue.pull_request) {
            ("created" | "edited", Some(_)) => {
                self.about(event.issue.number, "issue.number", &event.repository)
            }
            (_, _) => Ok(Incoming::Ignored),
        }
    }

    /// Whatever became of a review or of a comment in one: commands stand there, and people approve.
    fn reviewed(&self) -> Result<Incoming, DecodeError> {
        let event: Reviewed = self.json()?;
        self.about(event.pull_request.number, "pull_request.number", &event.repository)
    }

    /// GitHub sends `rerequested` only to the App whose run or suite it is.
    fn checked(&self) -> Result<Incoming, DecodeError> {
        let event: Checked = self.json()?;
        if event.action != "rerequested" {
            return Ok(Incoming::Ignored);
        }
        let checked = event.check_run.or(event.check_suite).ok_or_else(|| self.impossible("check"))?;
        let commit = self.commit(&checked.head_sha, "head_sha")?;
        Ok(Incoming::Rerun { repository: self.repository(&event.repository)?, commit })
    }

    /// A group of a merge queue is a branch of its own, which GitHub made.
    fn merge_group(&self) -> Result<Incoming, DecodeError> {
        let event: MergeGroupEvent = self.json()?;
        if event.action != "checks_requested" {
            return Ok(Incoming::Ignored);
        }
        let reference = &event.merge_group.head_ref;
        let branch = self.branch(reference.strip_prefix("refs/heads/").unwrap_or(reference), "head_ref")?;
        let after = self.commit(&event.merge_group.head_sha, "head_sha")?;
        let repository = self.repository(&event.repository)?;
        Ok(Incoming::Push(PushEvent { repository, branch: Some(branch), after: Some(after) }))
    }

    fn about(&self, number: u64, field: &'static str, named: &Named) -> Result<Incoming, DecodeError> {
        let number = PullRequestNumber::new(number).ok_or_else(|| self.impossible(field))?;
        Ok(Incoming::PullRequest { repository: self.repository(named)?, number })
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.payload.json(self.event)
    }

    fn repository(&self, named: &Named) -> Result<Repository, DecodeError> {
        named.full_name.parse().map_err(|_| self.impossible("repository.full_name"))
    }

    fn branch(&self, name: &str, field: &'static str) -> Result<BranchName, DecodeError> {
        name.parse().map_err(|_| self.impossible(field))
    }

    fn commit(&self, digits: &str, field: &'static str) -> Result<CommitId, DecodeError> {
        digits.parse().map_err(|_| self.impossible(field))
    }

    fn impossible(&self, field: &'static str) -> DecodeError {
        DecodeError::Field { event: self.event.to_owned(), field }
    }
}

#[cfg(test)]
mod tests;
