//! `POST /webhooks/<forge>`: verified, stored, answered; then somebody looks again.
//!
//! The signature is checked over the raw body before anything is read out of it. A delivery is durable
//! before it is acknowledged, and what is done about it is only a look: forging one could at most cost
//! a fetch. Events that concern nobody are acknowledged and forgotten.

use axum::body::Bytes;
use axum::extract::{Path, State};
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};

use super::server::Web;
use crate::daemon::event::{Because, Event};
use crate::daemon::tally::Counted;
use crate::forge::{Incoming, Received, Refusal, Repository, Source, receive};
use crate::store::{About, Delivery, Stored};

/// Bodies from this size on are read where they keep nobody waiting: the code of 25 MB takes a tenth of a
/// second.
const LARGE_BYTES: usize = 256 * 1024;

type Answer = (StatusCode, &'static str);

/// Answers a delivery.
pub(super) async fn webhook(
    State(web): State<Web>,
    Path(forge): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let Some(source) = Source::from_path(&forge) else {
        return (StatusCode::NOT_FOUND, "no such forge\n");
    };
    if web.secrets.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no webhook secret is configured\n");
    }
    match read(&web, source, headers, body).await {
        Ok((received, digest)) => take(&web, source, received, digest).await,
        Err(refusal) => {
            tracing::warn!(forge, %refusal, "refused a webhook");
            match refusal {
                Refusal::Signature(_) => (StatusCode::UNAUTHORIZED, "the signature does not match\n"),
                Refusal::Header { .. } => (StatusCode::BAD_REQUEST, "a header is missing\n"),
                Refusal::Repeated { .. } => (StatusCode::BAD_REQUEST, "a header is there twice\n"),
                Refusal::Body(_) => (StatusCode::BAD_REQUEST, "the payload cannot be understood\n"),
            }
        }
    }
}

/// What a webhook says when it may be believed, and the digest of its body.
async fn read(
    web: &Web,
    source: Source,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(Received, String), Refusal> {
    let (secrets, size) = (web.secrets.clone(), body.len());
    let read = move || {
        let received = receive(source, &secrets, &headers, &body)?;
        Ok((received, Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect()))
    };
    if size < LARGE_BYTES {
        return read();
    }
    tokio::task::spawn_blocking(read).await.expect("reading a webhook does not panic")
}

async fn take(web: &Web, source: Source, received: Received, body_digest: String) -> Answer {
    let tally = &web.shared.tally;
    let Received { delivery, event, incoming } = received;
    let about = match &incoming {
        Incoming::Ping => return unconcerned(web, (StatusCode::OK, "pong\n")),
        Incoming::Ignored => return unconcerned(web, (StatusCode::ACCEPTED, "ignored\n")),
        Incoming::Push(push) if !is_ours(web, &push.repository) => return unconcerned(web, ELSEWHERE),
        Incoming::PullRequest { repository, .. } | Incoming::Rerun { repository, .. }
            if !is_ours(web, repository) =>
        {
            return unconcerned(web, ELSEWHERE);
        }
        Incoming::Push(_) => None,
        Incoming::PullRequest { number, .. } => Some(About::PullRequest(*number)),
        Incoming::Rerun { commit, .. } => Some(About::Rerun(*commit)),
    };
    let delivery = Delivery {
        forge: source.as_str().to_owned(),
        delivery_id: delivery,
        event,
        body_digest,
        about,
        received_at: web.shared.clock.now(),
    };
    match web.intake.take(delivery).await {
        Ok(Stored::New) => {
            tally.count(Counted::Stored);
            // A full channel means that a look is due already.
            let _ = web.events.try_send(Event::Look(Because::Webhook));
            (StatusCode::ACCEPTED, "stored\n")
        }
        Ok(Stored::Duplicate) => {
            tally.count(Counted::Repeated);
            (StatusCode::ACCEPTED, "seen before\n")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "not stored; deliver it again\n"),
    }
}

fn unconcerned(web: &Web, answer: Answer) -> Answer {
    web.shared.tally.count(Counted::Unconcerned);
    answer
}

const ELSEWHERE: Answer = (StatusCode::ACCEPTED, "of another repository\n");

/// Whether a webhook is of the watched repository. One secret may serve many.
fn is_ours(web: &Web, repository: &Repository) -> bool {
    web.repository.as_ref().is_none_or(|ours| ours == repository)
}
