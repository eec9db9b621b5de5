//! `POST /webhooks/github`: verified, stored, answered; then somebody looks again.
//!
//! The signature is checked over the raw body before anything is read out of it. A delivery is durable
//! before it is acknowledged, and what is done about it is only a look: forging one could at most cost
//! a fetch.

use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};

use super::server::Web;
use crate::daemon::event::{Because, Event};
use crate::forge::{DeliveryId, Incoming, github, verify};
use crate::store::{Delivery, Stored};

/// Answers a delivery of GitHub.
pub(super) async fn github(
    State(web): State<Web>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if web.secrets.is_empty() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no webhook secret is configured\n");
    }
    if let Err(error) = verify(&web.secrets, &body, header("x-hub-signature-256")) {
        tracing::warn!(%error, "refused a webhook");
        return (StatusCode::UNAUTHORIZED, "the signature does not match\n");
    }
    let (Some(event), Some(Ok(id))) =
        (header("x-github-event"), header("x-github-delivery").map(str::parse::<DeliveryId>))
    else {
        return (StatusCode::BAD_REQUEST, "X-GitHub-Event and X-GitHub-Delivery are needed\n");
    };
    match github::decode(event, &body) {
        Ok(Incoming::Ping) => (StatusCode::OK, "pong\n"),
        Ok(Incoming::Ignored) => (StatusCode::ACCEPTED, "ignored\n"),
        Ok(Incoming::Push(_)) => store(&web, event, id, &body).await,
        Err(error) => {
            tracing::warn!(%error, "a signed webhook cannot be understood");
            (StatusCode::BAD_REQUEST, "the payload cannot be understood\n")
        }
    }
}

async fn store(web: &Web, event: &str, id: DeliveryId, body: &[u8]) -> (StatusCode, &'static str) {
    let body_digest = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let delivery = Delivery {
        forge: "github".to_owned(),
        delivery_id: id,
        event: event.to_owned(),
        body_digest,
        received_at: web.shared.clock.now(),
    };
    match web.shared.store.store_delivery(&delivery).await {
        Ok(Stored::New) => {
            // A full channel means that a look is due already.
            let _ = web.events.try_send(Event::Look(Because::Webhook));
            (StatusCode::ACCEPTED, "stored\n")
        }
        Ok(Stored::Duplicate) => (StatusCode::ACCEPTED, "seen before\n"),
        Err(error) => {
            tracing::error!(%error, "a webhook could not be stored");
            (StatusCode::SERVICE_UNAVAILABLE, "not stored; deliver it again\n")
        }
    }
}
