//! The list of routes, and the server that answers them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use secrecy::SecretString;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::{health, webhooks};
use crate::daemon::event::Event;
use crate::daemon::service::{DaemonError, Shared};
use crate::forge::MAX_BODY_BYTES;

/// The longest a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What handlers know.
#[derive(Clone)]
pub(super) struct Web {
    pub(super) shared: Arc<Shared>,
    pub(super) secrets: Arc<[SecretString]>,
    pub(super) events: Sender<Event>,
}

/// Listens on `address` and serves until `stop`.
///
/// # Errors
/// [`DaemonError::Listen`].
pub(in crate::daemon) async fn serve(
    shared: Arc<Shared>,
    address: SocketAddr,
    secrets: Vec<SecretString>,
    events: Sender<Event>,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, DaemonError> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| DaemonError::Listen { address, source })?;
    let web = Web { shared, secrets: secrets.into(), events };
    let router = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/webhooks/github", post(webhooks::github))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(http::StatusCode::REQUEST_TIMEOUT, TIMEOUT))
        .layer(RequestBodyLimitLayer::new(MAX_BODY_BYTES))
        .with_state(web);
    tracing::info!(%address, "serving webhooks and health");
    Ok(tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, "the HTTP server ended");
        }
    }))
}
