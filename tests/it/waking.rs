//! What wakes a daemon that polls once an hour, in real time.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use beamline::git::{Credentials, Remote};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::git_servers::Authority;
use crate::support::{DaemonWorld, Setup};

/// Dealt with at once: Azure's own pace is not what is looked at here.
const INVALID: &str = "beamline: 1\nsubscription: ml\n";

#[tokio::test]
async fn a_push_to_a_local_origin_is_noticed_at_once() {
    let mut world = DaemonWorld::with(Setup::real_time());
    world.repository.write("README", "nothing yet");
    world.repository.push("before the daemon");
    world.start().await;
    world.soon("the first look", async || !world.store().seen_heads().await.unwrap().is_empty()).await;
    world.repository.write("environments/dev.yaml", INVALID);
    let commit = world.repository.push("an environment");
    world.soon("the push is dealt with", async || world.is_settled("main", &commit).await).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: failure: environments/dev.yaml:"), "{note}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remote_over_https_is_polled_with_its_token_and_gets_its_notes_by_push() {
    let mut world = DaemonWorld::with(Setup::real_time());
    world.repository.git_of_origin(&["config", "http.receivepack", "true"]);
    let port = serve(world.repository.origin());
    let credentials = Credentials::Basic { username: "x-access-token".to_owned(), password: "secret".into() };
    world.poll_from(
        Remote { url: format!("https://localhost:{port}/origin.git"), credentials, pull_refs: None },
        std::time::Duration::from_millis(200),
    );
    world.repository.write("environments/dev.yaml", INVALID);
    let commit = world.repository.push("first");
    world.start().await;
    world.soon("the push is dealt with", async || world.is_settled("main", &commit).await).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: failure: environments/dev.yaml:"), "{note}");
    world.finish().await;
}

/// Git's smart protocol over HTTPS, for who knows the token.
fn serve(origin: PathBuf) -> u16 {
    let (certificate, key) = Authority::trusted().certify_localhost();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new()
        .route("/origin.git/info/refs", get(advertise))
        .route("/origin.git/git-upload-pack", post(upload))
        .route("/origin.git/git-receive-pack", post(receive))
        .with_state(origin);
    let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    tokio::spawn(server.serve(app.into_make_service()));
    port
}

fn is_known(headers: &HeaderMap) -> bool {
    let expected = base64::engine::general_purpose::STANDARD.encode("x-access-token:secret");
    headers.get(header::AUTHORIZATION).is_some_and(|given| *given == *format!("Basic {expected}"))
}

async fn advertise(
    State(origin): State<PathBuf>,
    headers: HeaderMap,
    Query(query): Query<std::collections::HashMap<String, String>>,
) -> Response {
    if !is_known(&headers) {
        return (StatusCode::UNAUTHORIZED, "who?").into_response();
    }
    let service = query["service"].clone();
    let mut body = format!("{:04x}# service={service}\n0000", 15 + service.len()).into_bytes();
    let program = service.trim_start_matches("git-").to_owned();
    body.extend(
        git(vec![program, "--stateless-rpc".to_owned(), "--advertise-refs".to_owned()], origin, Bytes::new())
            .await,
    );
    ([(header::CONTENT_TYPE, format!("application/x-{service}-advertisement"))], body).into_response()
}

async fn upload(State(origin): State<PathBuf>, headers: HeaderMap, body: Bytes) -> Response {
    answer("upload-pack", origin, &headers, body).await
}

async fn receive(State(origin): State<PathBuf>, headers: HeaderMap, body: Bytes) -> Response {
    answer("receive-pack", origin, &headers, body).await
}

async fn answer(program: &str, origin: PathBuf, headers: &HeaderMap, body: Bytes) -> Response {
    if !is_known(headers) {
        return (StatusCode::UNAUTHORIZED, "who?").into_response();
    }
    let answer = git(vec![program.to_owned(), "--stateless-rpc".to_owned()], origin, body).await;
    ([(header::CONTENT_TYPE, format!("application/x-git-{program}-result"))], answer).into_response()
}

async fn git(arguments: Vec<String>, origin: PathBuf, input: Bytes) -> Vec<u8> {
    let run = move || {
        let mut command = Command::new("git");
        command.args(arguments).arg(&origin).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", &origin);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || std::io::Write::write_all(&mut stdin, &input));
            child.wait_with_output().unwrap().stdout
        })
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}
