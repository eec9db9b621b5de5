//! The list of routes, and the server that answers them.
//!
//! Guarantees: connections are bounded in their number, a request in its headers, its body and its time,
//! also one that never ends; a webhook that is not accepted is counted, also when its sender hangs up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum_server::Handle;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use super::bodies::Bodies;
use super::connections::{Doorkeeper, MAX_CONNECTIONS};
use super::intake::Intake;
use super::secrets::Secrets;
use super::web::Web;
use super::{commits, health, webhooks};
use crate::daemon::shared::Shared;
use crate::daemon::shared::error::DaemonError;
use crate::daemon::shared::event::Event;
use crate::daemon::shared::tally::{Counted, Tally};
use crate::forge::{Renewable, Repository};

/// The longest a request may take, and the longest a new connection may take to send one.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest a connection is kept for the headers of its next request.
const IDLE: Duration = Duration::from_secs(60);

/// From how many bytes on the headers of a request are refused; what arrives in one go with the last of
/// them may be as much again.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// The largest body of a request for a page, which has none.
const MAX_PAGE_BODY_BYTES: usize = 64 * 1024;

/// What the daemon serves.
pub struct HttpOptions {
    /// Where.
    pub address: SocketAddr,
    /// The webhook secrets that are valid.
    pub secrets: Vec<Renewable>,
    /// Where large webhooks are kept while they arrive: a folder on a disk.
    pub spool: PathBuf,
    /// The repository on its forge; webhooks of others are acknowledged and left alone. `None`: all of
    /// them wake.
    pub repository: Option<Repository>,
}

/// How long requests that are being answered may take when the service stops.
pub(in crate::daemon) const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// Listens on `address` and serves until `stop`.
///
/// # Errors
/// [`DaemonError::Listen`].
pub(in crate::daemon) async fn serve(
    shared: Arc<Shared>,
    options: HttpOptions,
    events: Sender<Event>,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, DaemonError> {
    let HttpOptions { address, secrets, repository, spool } = options;
    let refused = |source| DaemonError::Listen { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let listener = listener.into_std().map_err(refused)?;
    let handle = Handle::new();
    let doorkeeper = Doorkeeper::new(MAX_CONNECTIONS, shared.clock.clone());
    let server = axum_server::from_tcp(listener).map_err(refused)?.acceptor(doorkeeper);
    let mut server = server.http1_only().first_request_timeout(TIMEOUT).handle(handle.clone());
    server.http_builder().http1().header_read_timeout(IDLE).max_buf_size(MAX_HEADER_BYTES);
    let intake = Intake::open(shared.store.clone(), shared.tally.clone());
    let secrets = Secrets::new(secrets, shared.clock.clone());
    let bodies = Bodies::new(spool);
    let web = Web { shared, secrets, bodies, events, repository, intake };
    let routes = routes(web).into_make_service();
    tracing::info!(%address, "serving webhooks and health");
    tokio::spawn(async move {
        stop.cancelled_owned().await;
        handle.graceful_shutdown(Some(LAST_ANSWERS));
    });
    Ok(tokio::spawn(async move {
        if let Err(error) = server.serve(routes).await {
            tracing::error!(%error, "the HTTP server ended");
        }
    }))
}

fn routes(web: Web) -> Router {
    let tally = web.shared.tally.clone();
    let webhooks = Router::new().route("/webhooks/{forge}", post(webhooks::webhook));
    let pages = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/commits/{id}", get(commits::commit))
        .route("/", get(commits::served));
    // A webhook bounds its own body, by its forge.
    let pages = bounded(pages).layer(RequestBodyLimitLayer::new(MAX_PAGE_BODY_BYTES));
    bounded(webhooks).layer(from_fn_with_state(tally, counted)).merge(pages).with_state(web)
}

fn bounded(router: Router<Web>) -> Router<Web> {
    router
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(http::StatusCode::REQUEST_TIMEOUT, TIMEOUT))
        // The framework's own limit would come first.
        .layer(DefaultBodyLimit::disable())
}

/// A webhook that is being answered; counts as refused unless it is accepted.
struct Unaccepted(Option<Tally>);

impl Drop for Unaccepted {
    fn drop(&mut self) {
        if let Some(tally) = self.0.take() {
            tally.count(Counted::Refused);
        }
    }
}

/// Counts a webhook that is not accepted, whoever refuses it.
async fn counted(State(tally): State<Tally>, request: Request, next: Next) -> Response {
    let mut webhook = Unaccepted(Some(tally));
    let response = next.run(request).await;
    if response.status().is_success() {
        webhook.0 = None;
    }
    response
}
