//! Reading GitHub's webhook bodies: a pure function from bytes to what they say.

use serde::Deserialize;

use crate::forge::{Incoming, PushEvent};
use crate::git::CommitId;

/// What `after` is when a ref was deleted.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// Why a body says nothing.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not the JSON that the event is documented to have.
    #[error(
        "the body of the {event} event cannot be read: set the webhook's content type to application/json"
    )]
    Json {
        /// The event, as its header says.
        event: &'static str,
        /// Where it stops making sense.
        #[source]
        source: serde_json::Error,
    },
    /// A field has a value that it cannot have.
    #[error("the {event} event has an impossible {field}")]
    Field {
        /// The event.
        event: &'static str,
        /// The field.
        field: &'static str,
    },
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    after: String,
    repository: PushRepository,
}

#[derive(Deserialize)]
struct PushRepository {
    full_name: String,
}

/// Reads the body of the event that `X-GitHub-Event` names. Events that do not concern us are
/// [`Incoming::Ignored`], whatever their body.
///
/// # Errors
/// [`DecodeError`] when the body of an event that concerns us is not what GitHub documents.
pub fn decode(event: &str, body: &[u8]) -> Result<Incoming, DecodeError> {
    match event {
        "ping" => Ok(Incoming::Ping),
        "push" => decode_push(body).map(Incoming::Push),
        _ => Ok(Incoming::Ignored),
    }
}

fn decode_push(body: &[u8]) -> Result<PushEvent, DecodeError> {
    let impossible = |field| DecodeError::Field { event: "push", field };
    let push: Push =
        serde_json::from_slice(body).map_err(|source| DecodeError::Json { event: "push", source })?;
    let after: Option<CommitId> = match push.after.as_str() {
        NO_COMMIT => None,
        digits => Some(digits.parse().map_err(|_| impossible("after"))?),
    };
    let branch = match push.reference.strip_prefix("refs/heads/") {
        None => None,
        Some(name) => Some(name.parse().map_err(|_| impossible("ref"))?),
    };
    let repository = push.repository.full_name.parse().map_err(|_| impossible("repository.full_name"))?;
    Ok(PushEvent { repository, branch, after })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    const AFTER: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";

    fn push(reference: &str, after: &str) -> Vec<u8> {
        serde_json::json!({
            "ref": reference, "before": NO_COMMIT, "after": after,
            "repository": { "id": 1, "full_name": "Codertocat/Hello-World" }, "commits": [],
        })
        .to_string()
        .into_bytes()
    }

    fn decoded(reference: &str, after: &str) -> PushEvent {
        match decode("push", &push(reference, after)).unwrap() {
            Incoming::Push(push) => push,
            Incoming::Ping | Incoming::Ignored => panic!("a push"),
        }
    }

    #[test]
    fn a_push_names_repository_branch_and_commit() {
        let event = decoded("refs/heads/feature/x", AFTER);
        assert_eq!(event.repository.as_str(), "Codertocat/Hello-World");
        assert_eq!(event.branch.unwrap().as_str(), "feature/x");
        assert_eq!(event.after.unwrap().to_string(), AFTER);
    }

    #[test]
    fn a_tag_has_no_branch_and_a_deleted_branch_no_commit() {
        assert_eq!(decoded("refs/tags/v1", AFTER).branch, None);
        assert_eq!(decoded("refs/heads/gone", NO_COMMIT).after, None);
    }

    #[test]
    fn other_events_are_acknowledged_and_ignored() {
        assert_eq!(decode("ping", b"{}").unwrap(), Incoming::Ping);
        assert_eq!(decode("check_run", b"not even json").unwrap(), Incoming::Ignored);
    }

    #[test]
    fn what_github_never_sends_is_an_error_and_no_panic() {
        let deep = "[".repeat(100_000);
        for body in [&b""[..], b"{}", b"payload=%7B%7D", b"\xff\xfe", b"[]", deep.as_bytes()] {
            assert!(matches!(decode("push", body), Err(DecodeError::Json { .. })));
        }
        for (reference, after) in [("refs/heads/..", AFTER), ("refs/heads/main", "abc")] {
            assert!(matches!(decode("push", &push(reference, after)), Err(DecodeError::Field { .. })));
        }
    }

    #[derive(Deserialize)]
    struct Recorded {
        forge: String,
        file: String,
        event: String,
    }

    /// The recorded payloads are not part of the repository: `shared/forge` beside it, or further up.
    fn recordings() -> Option<PathBuf> {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        folders.map(|folder| folder.join("shared/forge/webhooks")).find(|folder| folder.is_dir())
    }

    #[test]
    fn recorded_payloads_are_understood() {
        let Some(folder) = recordings() else {
            eprintln!("skipped: the folder of recorded webhook payloads is absent");
            return;
        };
        let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
        let recorded: Vec<Recorded> = serde_json::from_slice(&manifest).unwrap();
        let mut pushes = 0;
        for entry in recorded.iter().filter(|entry| entry.forge == "github") {
            let body = std::fs::read(folder.join(&entry.file)).unwrap();
            let incoming =
                decode(&entry.event, &body).unwrap_or_else(|error| panic!("{}: {error}", entry.file));
            match (entry.event.as_str(), incoming) {
                ("push", Incoming::Push(push)) => {
                    pushes += 1;
                    assert_eq!(push.after.is_none(), entry.file.contains("deleted"), "{}", entry.file);
                    assert_eq!(push.branch.is_none(), entry.file.contains("tag"), "{}", entry.file);
                }
                ("ping", Incoming::Ping) => {}
                (event, incoming) => assert_eq!(incoming, Incoming::Ignored, "{event}"),
            }
        }
        assert!(pushes > 0, "no push among the recorded payloads");
    }
}
