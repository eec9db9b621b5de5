//! A journal event as a row: everything but the poll URL is JSON; the URL, which is signed, has a column
//! of its own so that it can be forgotten.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::reconcile::apply::{Event, PollStyle, Prior};
use crate::reconcile::plan::Verb;

/// The stored form. Public to nobody, but on disk: fields are added, never renamed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Recorded {
    Intent {
        step: u32,
        request: u32,
        verb: Verb,
        path: String,
        api_version: String,
        body_digest: Option<String>,
        client_request_id: Uuid,
        prior: Prior,
    },
    Accepted {
        step: u32,
        request: u32,
        style: PollStyle,
        next_look: Timestamp,
    },
    Answered {
        step: u32,
        request: u32,
    },
    Refused {
        step: u32,
        request: u32,
        message: String,
    },
    ReadBack {
        step: u32,
        digest: Option<String>,
    },
    Done {
        step: u32,
    },
    Failed {
        step: u32,
        message: String,
    },
    Unknown {
        step: u32,
        message: String,
    },
    Skipped {
        step: u32,
        because: u32,
    },
}

impl Recorded {
    /// The stored form of `event`, and its poll URL.
    pub(super) fn of(event: &Event) -> (Self, Option<&SecretString>) {
        let url = if let Event::Accepted { poll_url, .. } = event { Some(poll_url) } else { None };
        let recorded = match event.clone() {
            Event::Intent {
                step,
                request,
                verb,
                path,
                api_version,
                body_digest,
                client_request_id,
                prior,
            } => {
                Self::Intent { step, request, verb, path, api_version, body_digest, client_request_id, prior }
            }
            Event::Accepted { step, request, poll_url: _, style, next_look } => {
                Self::Accepted { step, request, style, next_look }
            }
            Event::Answered { step, request } => Self::Answered { step, request },
            Event::Refused { step, request, message } => Self::Refused { step, request, message },
            Event::ReadBack { step, digest } => Self::ReadBack { step, digest },
            Event::Done { step } => Self::Done { step },
            Event::Failed { step, message } => Self::Failed { step, message },
            Event::Unknown { step, message } => Self::Unknown { step, message },
            Event::Skipped { step, because } => Self::Skipped { step, because },
        };
        (recorded, url)
    }

    /// The event again. A forgotten poll URL, of a step or run that has ended, is empty.
    pub(super) fn into_event(self, url: Option<String>) -> Event {
        match self {
            Self::Intent {
                step,
                request,
                verb,
                path,
                api_version,
                body_digest,
                client_request_id,
                prior,
            } => Event::Intent {
                step,
                request,
                verb,
                path,
                api_version,
                body_digest,
                client_request_id,
                prior,
            },
            Self::Accepted { step, request, style, next_look } => {
                let poll_url = SecretString::from(url.unwrap_or_default());
                Event::Accepted { step, request, poll_url, style, next_look }
            }
            Self::Answered { step, request } => Event::Answered { step, request },
            Self::Refused { step, request, message } => Event::Refused { step, request, message },
            Self::ReadBack { step, digest } => Event::ReadBack { step, digest },
            Self::Done { step } => Event::Done { step },
            Self::Failed { step, message } => Event::Failed { step, message },
            Self::Unknown { step, message } => Event::Unknown { step, message },
            Self::Skipped { step, because } => Event::Skipped { step, because },
        }
    }

    /// The word in the `kind` column, for people who look into the file.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Intent { .. } => "intent",
            Self::Accepted { .. } => "accepted",
            Self::Answered { .. } => "answered",
            Self::Refused { .. } => "refused",
            Self::ReadBack { .. } => "read_back",
            Self::Done { .. } => "done",
            Self::Failed { .. } => "failed",
            Self::Unknown { .. } => "unknown",
            Self::Skipped { .. } => "skipped",
        }
    }
}
