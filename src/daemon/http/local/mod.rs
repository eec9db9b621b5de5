//! The daemon's socket: what the command line, and other programs of this machine, ask it.
//!
//! Guarantees: only its owner and the group of the state folder may connect; whoever asks for an apply stands in the log
//! with his user id; bodies, answers and the number of plans at the same time are bounded. A socket that cannot be made
//! is said and keeps nothing from working.

mod applies;
mod plans;

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use tokio::net::UnixListener;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::daemon::api::Problem;
use crate::daemon::shared::Shared;
use crate::daemon::shared::event::Event;
use crate::store::StoreError;

/// The largest request: an apply brings the plan that was agreed to.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Who may connect: the owner and the group.
const MODE: u32 = 0o660;

/// The routes for other programs.
const OPENAPI: &str = include_str!("openapi.yaml");

/// What handlers know.
#[derive(Clone)]
struct Local {
    shared: Arc<Shared>,
    events: Sender<Event>,
    stop: CancellationToken,
    turns: plans::Turns,
}

/// Listens on `path` and serves until `stop`. Whoever has the state folder's lock calls this: a file in its place is
/// one that a killed process has left. `None` where no socket can be made, which is in the log.
pub(in crate::daemon) fn serve(
    shared: Arc<Shared>,
    path: &Path,
    events: Sender<Event>,
    stop: CancellationToken,
) -> Option<JoinHandle<()>> {
    let listener = match listen(path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(
                path = %path.display(), %error,
                "no socket: beamline plan and apply cannot ask this service"
            );
            return None;
        }
    };
    tracing::info!(path = %path.display(), "answering beamline plan and apply");
    let local = Local { shared, events, stop: stop.clone(), turns: plans::Turns::default() };
    let routes = router(local).into_make_service_with_connect_info::<Peer>();
    let path = path.to_owned();
    Some(tokio::spawn(async move {
        let serving = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = serving.await {
            tracing::error!(%error, "the socket is not served any more");
        }
        // What is left behind is removed by the next start.
        let _ = std::fs::remove_file(path);
    }))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok(listener)
}

/// All routes. `openapi.yaml` has the same, which a test holds.
fn routes() -> [(&'static str, &'static str, MethodRouter<Local>); 5] {
    [
        ("post", "/api/v1/plans", post(plans::plan)),
        ("post", "/api/v1/applies", post(applies::apply)),
        ("get", "/api/v1/applies/{id}", get(applies::state)),
        ("get", "/api/v1/applies/{id}/events", get(applies::events)),
        ("get", "/api/v1/openapi.yaml", get(openapi)),
    ]
}

fn router(local: Local) -> Router {
    let all =
        routes().into_iter().fold(Router::new(), |router, (_, path, handler)| router.route(path, handler));
    all.layer(CatchPanicLayer::new()).layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).with_state(local)
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/yaml")], OPENAPI).into_response()
}

/// The user at the other end, where the system says so.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// A refusal, as its status and a [`Problem`].
struct Refusal(StatusCode, Problem);

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(status, Problem { error: error.into(), hint: hint.into() })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let hint = "the service goes on when its journal can be used again; /readyz says why it cannot";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), hint)
    }
}

/// A body that is refused as everything else is.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), "GET /api/v1/openapi.yaml says what is read")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_description_has_exactly_the_routes() {
        let described: serde_json::Value = serde_yaml::from_str(OPENAPI).unwrap();
        let methods = described["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone()))
        });
        let described: BTreeSet<(String, String)> = methods.collect();
        let served = routes().map(|(method, path, _)| (method.to_owned(), path.to_owned()));
        assert_eq!(described, BTreeSet::from(served));
    }
}
