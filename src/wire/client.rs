//! The client side of the seam: limits, error classes, and the two transports.

use std::sync::Once;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tower::ServiceExt as _;

/// A request with its whole body in memory.
pub type Request = http::Request<Bytes>;

/// A response with its whole body in memory.
pub type Response = http::Response<Bytes>;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take from its first byte to the last one of its answer. ARM answers within
/// a minute or starts an asynchronous operation (`facts.md` 14).
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// How long a streamed answer (a Git pack) may stay silent.
const STREAM_SILENCE: Duration = Duration::from_secs(60);

/// Idle connections are dropped before Azure's front doors drop them (they do after four minutes).
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The largest answer that is kept in memory. The largest page that ARM sends is below 8 MiB.
const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// What a client trusts and how it gets out.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// PEM text of certificate authorities. Empty: those of the operating system.
    pub ca_bundle: Vec<u8>,
    /// Trust the operating system's authorities beside `ca_bundle`.
    pub system_roots: bool,
    /// Whether a proxy may stand in between.
    pub proxy: Proxy,
}

/// Whether requests go through the proxy that the system's settings name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    #[default]
    System,
    /// Never: the other side is on this machine.
    Never,
}

/// Whether a failed request can have reached the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It certainly did not: sending it again is safe.
    No,
    /// It may have been executed although no answer arrived: read before sending it again.
    Maybe,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No connection could be opened: name, address, TLS or proxy.
    #[error("could not connect to {host}")]
    Connect {
        /// Host and port that were tried.
        host: String,
        /// What the transport said.
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke, or the time limit passed, after the request was under way.
    #[error("the connection to {host} broke before an answer arrived")]
    Broken {
        /// Host and port that were tried.
        host: String,
        /// What the transport said.
        #[source]
        source: reqwest::Error,
    },
    /// A stream stayed silent for too long.
    #[error("{host} sent nothing for {} s", STREAM_SILENCE.as_secs())]
    Silent {
        /// Host and port, as the URL has them.
        host: String,
    },
    /// The answer is larger than what is accepted.
    #[error("the answer of {host} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Host and port, as the URL has them.
        host: String,
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// The request itself could not be formed.
    #[error("the request to {host} is not valid HTTP")]
    Invalid {
        /// Host and port, as the URL has them.
        host: String,
        /// What the transport said.
        #[source]
        source: reqwest::Error,
    },
    /// The client could not be set up.
    #[error("the HTTP client could not be set up: check the CA bundle and the proxy settings")]
    Setup(#[source] reqwest::Error),
}

impl WireError {
    /// Whether the request can have reached the other side.
    #[must_use]
    pub fn sent(&self) -> Sent {
        match self {
            Self::Connect { .. } | Self::Invalid { .. } | Self::Setup(_) => Sent::No,
            Self::Broken { .. } | Self::Silent { .. } | Self::TooLarge { .. } => Sent::Maybe,
        }
    }
}

/// An HTTP client. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
}

#[derive(Clone, Debug)]
enum Transport {
    Network(reqwest::Client),
    InProcess(axum::Router),
}

impl Client {
    /// A client on real connections.
    ///
    /// # Errors
    /// [`WireError::Setup`] when the CA bundle is not PEM or no authority can be found at all.
    pub fn new(options: &Options) -> Result<Self, WireError> {
        install_tls_provider();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .https_only(false)
            .user_agent(concat!("beamline/", env!("CARGO_PKG_VERSION")));
        if options.proxy == Proxy::Never {
            builder = builder.no_proxy();
        }
        if !options.ca_bundle.is_empty() {
            let bundle =
                reqwest::Certificate::from_pem_bundle(&options.ca_bundle).map_err(WireError::Setup)?;
            builder = if options.system_roots {
                builder.tls_certs_merge(bundle)
            } else {
                builder.tls_certs_only(bundle)
            };
        }
        let client = builder.build().map_err(WireError::Setup)?;
        Ok(Self { transport: Transport::Network(client) })
    }

    /// A client of whoever listens on the socket at `path`, whatever host a request names.
    ///
    /// # Errors
    /// [`WireError::Setup`].
    pub fn over_socket(path: &std::path::Path) -> Result<Self, WireError> {
        install_tls_provider();
        let builder = reqwest::Client::builder().unix_socket(path).no_proxy();
        let client = builder.connect_timeout(CONNECT_TIMEOUT).build().map_err(WireError::Setup)?;
        Ok(Self { transport: Transport::Network(client) })
    }

    /// A client whose requests are answered by `router` in this process: no socket, no real time.
    #[must_use]
    pub fn in_process(router: axum::Router) -> Self {
        Self { transport: Transport::InProcess(router) }
    }

    /// The client for code that insists on `reqwest`. `None` in process.
    #[must_use]
    pub fn network(&self) -> Option<&reqwest::Client> {
        match &self.transport {
            Transport::Network(client) => Some(client),
            Transport::InProcess(_) => None,
        }
    }

    /// Sends `request` and reads the whole answer.
    ///
    /// # Errors
    /// [`WireError`]; any HTTP status is an answer, not an error.
    pub async fn send(&self, request: Request) -> Result<Response, WireError> {
        let host = host_of(&request);
        match &self.transport {
            Transport::Network(client) => {
                let outgoing = reqwest::Request::try_from(request).map_err(|source| WireError::Invalid {
                    host: host.clone(),
                    source: source.without_url(),
                })?;
                let mut outgoing = outgoing;
                *outgoing.timeout_mut() = Some(REQUEST_TIMEOUT);
                let answer =
                    client.execute(outgoing).await.map_err(|source| classify(host.clone(), source))?;
                let mut stream = Stream { host, head: head_of(&answer), answer };
                let body = stream.collect(MAX_BODY_BYTES).await?;
                Ok(stream.head.map(|()| body))
            }
            Transport::InProcess(router) => Ok(answer_in_process(router.clone(), request).await),
        }
    }

    /// Sends `request` and returns the answer as a stream, for bodies of any size (Git packs). There is
    /// no limit on the whole, but silence ends it.
    ///
    /// # Errors
    /// [`WireError`]; in-process clients answer [`WireError::TooLarge`] never and stream at once.
    pub async fn open(&self, request: Request) -> Result<Stream, WireError> {
        let host = host_of(&request);
        let Transport::Network(client) = &self.transport else {
            return Err(WireError::Silent { host });
        };
        let outgoing = reqwest::Request::try_from(request)
            .map_err(|source| WireError::Invalid { host: host.clone(), source: source.without_url() })?;
        let answer = tokio::time::timeout(STREAM_SILENCE, client.execute(outgoing))
            .await
            .map_err(|_| WireError::Silent { host: host.clone() })?
            .map_err(|source| classify(host.clone(), source))?;
        Ok(Stream { host, head: head_of(&answer), answer })
    }
}

/// An answer whose body arrives in pieces.
#[derive(Debug)]
pub struct Stream {
    host: String,
    head: http::Response<()>,
    answer: reqwest::Response,
}

impl Stream {
    /// The status code of the answer that counts, after redirects.
    #[must_use]
    pub fn status(&self) -> http::StatusCode {
        self.head.status()
    }

    /// The header fields of the answer; trailers are not read.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// [`WireError::Silent`] when nothing arrives for a minute, [`WireError::Broken`] otherwise.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, WireError> {
        match tokio::time::timeout(STREAM_SILENCE, self.answer.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(source)) => {
                Err(WireError::Broken { host: self.host.clone(), source: source.without_url() })
            }
            Err(_) => Err(WireError::Silent { host: self.host.clone() }),
        }
    }

    async fn collect(&mut self, limit_bytes: usize) -> Result<Bytes, WireError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit_bytes {
                return Err(WireError::TooLarge { host: self.host.clone(), limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// Installs ring as this process's TLS provider, once. rustls and reqwest panic without one.
pub fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that a provider is there already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

async fn answer_in_process(router: axum::Router, request: Request) -> Response {
    let answer = match router.oneshot(request.map(axum::body::Body::from)).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let (head, body) = answer.into_parts();
    match axum::body::to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => Response::from_parts(head, body),
        Err(_) => {
            let mut broken = Response::new(Bytes::new());
            *broken.status_mut() = http::StatusCode::BAD_GATEWAY;
            broken
        }
    }
}

fn classify(host: String, source: reqwest::Error) -> WireError {
    // A URL may be signed, and errors are printed.
    let source = source.without_url();
    if source.is_connect() {
        WireError::Connect { host, source }
    } else if source.is_builder() {
        WireError::Invalid { host, source }
    } else {
        WireError::Broken { host, source }
    }
}

fn head_of(answer: &reqwest::Response) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = answer.status();
    *head.headers_mut() = answer.headers().clone();
    head
}

fn host_of<T>(request: &http::Request<T>) -> String {
    request.uri().authority().map_or_else(|| "the given address".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_was_certainly_not_sent() {
        let client = Client::new(&Options::default()).unwrap();
        let request = http::Request::get("http://127.0.0.1:1/x").body(Bytes::new()).unwrap();
        let error = client.send(request).await.unwrap_err();
        assert_eq!(error.sent(), Sent::No);
        assert_eq!(error.to_string(), "could not connect to 127.0.0.1:1");
    }

    #[tokio::test]
    async fn an_in_process_client_is_answered_by_the_router() {
        let router = axum::Router::new().route("/x", axum::routing::get(|| async { "hello" }));
        let request = http::Request::get("https://arm.local/x").body(Bytes::new()).unwrap();
        let answer = Client::in_process(router).send(request).await.unwrap();
        assert_eq!(answer.body().as_ref(), b"hello");
    }

    #[test]
    fn a_bundle_that_is_not_pem_is_a_setup_error() {
        let options = Options {
            ca_bundle: b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----".to_vec(),
            system_roots: false,
            proxy: Proxy::System,
        };
        assert!(matches!(Client::new(&options), Err(WireError::Setup(_))));
    }
}
