//! `/healthz`: the process answers. `/readyz`: the repository was looked at since the start.

use axum::extract::State;
use http::StatusCode;

use super::server::Web;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Whether the repository was looked at.
pub(super) async fn ready(State(web): State<Web>) -> (StatusCode, String) {
    if !web.shared.is_ready() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the repository has not been read yet\n".to_owned());
    }
    match web.shared.shortage() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(shortage) => (StatusCode::OK, format!("degraded: {shortage}\n")),
    }
}
