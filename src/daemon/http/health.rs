//! `/healthz`: the process answers. `/readyz`: whether the daemon does its work, and what is in its way.
//!
//! Neither reads the disk or asks anybody: both answer in microseconds, also while everything else is
//! stuck. The shapes are documented in `docs/operations.md`.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::web::Web;
use crate::daemon::shared::wellness::Wellness;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Whether the daemon does its work: as text, or as JSON for those who ask for it.
pub(super) async fn ready(State(web): State<Web>, headers: HeaderMap) -> Response {
    let wellness = web.shared.wellness();
    let code = match wellness {
        Wellness::Ready | Wellness::Degraded(_) => StatusCode::OK,
        Wellness::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") {
        let said = json!({ "format": 1, "state": wellness.word(), "reasons": wellness.reasons() });
        return (code, Json(said)).into_response();
    }
    let mut text = format!("{}\n", wellness.word());
    for reason in wellness.reasons() {
        // Writing to a string never fails.
        let _ = match reason.since {
            Some(since) => writeln!(text, "{} (since {since:.0})", reason.reason),
            None => writeln!(text, "{}", reason.reason),
        };
    }
    (code, text).into_response()
}
