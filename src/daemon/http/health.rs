//! `/healthz`: the process answers. `/readyz`: the repository was looked at since the start.

use axum::extract::State;
use http::StatusCode;

use super::server::Web;

/// The process answers.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// Whether the repository was looked at.
pub(super) async fn ready(State(web): State<Web>) -> (StatusCode, &'static str) {
    if web.shared.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the repository has not been read yet\n")
    }
}
