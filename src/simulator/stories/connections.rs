//! Clients that are many, slow or silent, over real sockets.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::StreamExt as _;
use http::Request;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tower::ServiceExt as _;

use super::bench::{Bench, VERSION, group};
use crate::connections::Limits;
use crate::{Latency, Server};

/// How long a client waits for the server to let it go, before the story fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A limit that is reached at once, and leaves time for one request.
const SHORT: Duration = Duration::from_millis(200);

async fn server(bench: &Bench, limits: Limits) -> Server {
    Server::serve_within(bench.world.router(), "127.0.0.1:0".parse().unwrap(), limits).await.unwrap()
}

fn tcp(server: &Server) -> TcpStream {
    let (_, address) = server.base_url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let stream = TcpStream::connect(address.replace("localhost", "127.0.0.1")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client of HTTP/1.1 that writes what it is told, byte by byte if need be.
fn tls(server: &Server) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, tcp(server))
}

/// Waits until the server ends the connection.
fn is_let_go(mut stream: impl std::io::Read) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

fn get() -> String {
    format!("GET {}?{VERSION} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer opaque\r\n", group())
}

/// Asks for the group, and leaves the connection open.
fn ask(client: &mut StreamOwned<ClientConnection, TcpStream>) -> std::io::Result<String> {
    write!(client, "{}\r\n", get())?;
    let mut begin = [0; 15];
    client.read_exact(&mut begin)?;
    Ok(String::from_utf8_lossy(&begin).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_give_their_places_to_new_ones() {
    let bench = Bench::with_group(Latency::None).await;
    let server = server(&bench, Limits { connections: 4, ..Limits::default() }).await;
    let mut busy = tls(&server);
    assert_eq!(ask(&mut busy).unwrap(), "HTTP/1.1 200 OK");
    let silent: Vec<TcpStream> = (0..3).map(|_| tcp(&server)).collect();
    let mut kept = Vec::new();
    for _ in 0..4 {
        let mut client = tls(&server);
        assert_eq!(ask(&mut client).unwrap(), "HTTP/1.1 200 OK");
        kept.push(client);
    }
    assert!(is_let_go(busy) && silent.into_iter().all(is_let_go));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_slow_is_let_go_in_every_stage() {
    let bench = Bench::with_group(Latency::None).await;
    let limits = Limits { handshake: SHORT, ..Limits::default() };
    let unready = server(&bench, limits).await;
    assert!(is_let_go(tcp(&unready)), "no handshake");
    unready.stop().await;
    let limits = Limits { first_request: SHORT, next_request: SHORT, ..Limits::default() };
    let slow = server(&bench, limits).await;
    assert!(is_let_go(tls(&slow)), "no request");
    let mut half = tls(&slow);
    // On a busy machine it may have been let go before it could write or ask.
    let _ = write!(half, "{}X-Half: a", get());
    assert!(is_let_go(half), "half a header");
    let answered = || {
        let mut client = tls(&slow);
        ask(&mut client).is_ok_and(|begin| begin == "HTTP/1.1 200 OK").then_some(client)
    };
    let idle = (0..100).find_map(|_| answered()).expect("who asks at once is answered");
    assert!(is_let_go(idle), "no second request");
    slow.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_refused_and_changes_nothing() {
    let bench = Bench::with_group(Latency::None).await;
    let begin = futures::stream::iter([Ok::<_, std::io::Error>("{\"location\":")]);
    let body = Body::from_stream(begin.chain(futures::stream::pending()));
    let request = Request::put(format!("{}two?{VERSION}", group())).header("authorization", "Bearer opaque");
    let answer = bench.world.router().oneshot(request.body(body).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 408);
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    let headers = [("authorization", "Bearer opaque")];
    let answer = bench.raw("PUT", &format!("{}two?{VERSION}", group()), &headers, large).await;
    assert_eq!((answer.status, answer.code()), (413, "RequestContentTooLarge"));
    assert_eq!(bench.world.ids().len(), 1);
}
