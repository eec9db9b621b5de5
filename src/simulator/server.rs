//! A world behind HTTPS on loopback, with a certificate authority of its own. Who may hold a connection,
//! and for how long, is in `connections.rs`.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::ServiceExt;
use axum::extract::Request;
use axum::response::Response;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tower::util::MapResult;

use super::connections::{Limits, Places};
use super::http::LOST;
use super::world::World;

/// How long open connections may go on after [`Server::stop`].
const GRACE: Duration = Duration::from_secs(1);

/// How many connections the system keeps until they are accepted: a client whose connection finds no room
/// there waits for a second before it tries again.
const BACKLOG: u32 = 1024;

/// Why the simulator's server did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The address is taken, or not ours.
    #[error("the simulator cannot listen on {address}: choose another address or port")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificates could not be made.
    #[error("the simulator could not make its certificates")]
    Certificates(#[from] rcgen::Error),
    /// The folder of a forge's repository could not be made.
    #[error("the simulator could not make a temporary folder")]
    Folder {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A forge's repository could not be made.
    #[error("the simulator could not make a Git repository")]
    Repository(#[from] git2::Error),
    /// There is no client for webhooks.
    #[error("the simulator could not set up its webhooks")]
    Webhooks(#[source] reqwest::Error),
    /// The certificates were not accepted by the TLS library.
    #[error("the simulator could not set up TLS")]
    Tls(#[from] rustls::Error),
}

/// A world that listens. Dropping it stops it at once; [`Server::stop`] lets answers finish.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    ca_pem: String,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Listens on `address` (port 0: any free one) over TLS, HTTP/2 and HTTP/1.1, with fresh
    /// certificates, and tells the world its base URL.
    ///
    /// # Errors
    /// When the address cannot be bound, or certificates cannot be made.
    pub async fn start(world: World, address: SocketAddr) -> Result<Self, SimulatorError> {
        let server = Self::serve(world.router(), address).await?;
        world.set_base_url(&server.base_url());
        Ok(server)
    }

    /// The same for any face: that of a [`super::forge::ForgeWorld`], which is told its base URL by the
    /// caller.
    ///
    /// # Errors
    /// When the address cannot be bound, or certificates cannot be made.
    pub async fn serve(router: axum::Router, address: SocketAddr) -> Result<Self, SimulatorError> {
        Self::serve_within(router, address, Limits::default()).await
    }

    /// A world with a certificate of an authority that others have theirs of, too.
    ///
    /// # Errors
    /// When the address cannot be bound, or certificates cannot be made.
    pub async fn start_with(
        authority: &Authority,
        world: World,
        address: SocketAddr,
    ) -> Result<Self, SimulatorError> {
        let server = Self::serve_with(authority, world.router(), address).await?;
        world.set_base_url(&server.base_url());
        Ok(server)
    }

    /// Any face with a certificate of such an authority.
    pub(super) async fn serve_with(
        authority: &Authority,
        router: axum::Router,
        address: SocketAddr,
    ) -> Result<Self, SimulatorError> {
        Self::listen(authority, router, address, Limits::default()).await
    }

    /// As [`Server::serve`], with other limits.
    pub(super) async fn serve_within(
        router: axum::Router,
        address: SocketAddr,
        limits: Limits,
    ) -> Result<Self, SimulatorError> {
        Self::listen(&Authority::new()?, router, address, limits).await
    }

    async fn listen(
        authority: &Authority,
        router: axum::Router,
        address: SocketAddr,
        limits: Limits,
    ) -> Result<Self, SimulatorError> {
        // Fails only when a provider is installed already, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let (ca_pem, config) = (authority.pem().to_owned(), authority.server_config()?);
        let refused = |source| SimulatorError::Listen { address, source };
        let listener = bound(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let handle = Handle::new();
        let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(config)))
            .handshake_timeout(limits.handshake)
            .acceptor(Places::new(limits.connections));
        let server = axum_server::from_tcp(listener).map_err(refused)?.handle(handle.clone());
        let mut server = server.acceptor(acceptor).first_request_timeout(limits.first_request);
        server.http_builder().http1().header_read_timeout(limits.next_request);
        server.http_builder().http2().keep_alive_interval(limits.ping).keep_alive_timeout(limits.ping);
        let service = MapResult::new(router, break_lost);
        let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
        let task = tokio::spawn(server.serve(service));
        Ok(Self { address, ca_pem, handle, task })
    }

    /// The address without a path: `https://localhost:PORT`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate authority to trust, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Stops listening; open connections get a second to finish.
    pub async fn stop(mut self) {
        self.handle.graceful_shutdown(Some(GRACE));
        // The task ends with the server; how it ended is of no use to anybody.
        (&mut self.task).await.ok();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// The answer of a request that was executed, and whose answer is to get lost.
#[derive(Debug, thiserror::Error)]
#[error("a scripted fault loses this answer")]
struct LostAnswer;

impl From<Infallible> for LostAnswer {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// An error of the service makes the HTTP library break the connection (HTTP/1.1) or reset the stream
/// (HTTP/2) without an answer.
fn break_lost(answer: Result<Response, Infallible>) -> Result<Response, LostAnswer> {
    match answer {
        Ok(response) if response.headers().contains_key(LOST) => Err(LostAnswer),
        Ok(response) => Ok(response),
        Err(never) => Err(never.into()),
    }
}

fn bound(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last connections still linger can be had again, as for the standard library's listener.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// A certificate authority of this process's own, for everything that it serves.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A fresh one, which nobody trusts yet.
    ///
    /// # Errors
    /// When keys cannot be made.
    pub fn new() -> Result<Self, SimulatorError> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "beamline simulator CA");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = parameters.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(parameters, key) })
    }

    /// Its certificate, to be trusted.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// TLS for a server on this machine.
    fn server_config(&self) -> Result<rustls::ServerConfig, SimulatorError> {
        let leaf_key = KeyPair::generate()?;
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut leaf = CertificateParams::new(names)?;
        // OpenSSL refuses a leaf whose subject equals its issuer's.
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        let leaf = leaf.signed_by(&leaf_key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // Clients resume their sessions, however many they are: nothing is kept for them here.
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(config)
    }
}
