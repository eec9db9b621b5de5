//! Fetching and pushing over real connections: https with a private authority and basic authentication,
//! ssh with a stand-in for the client that runs the remote's command here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;

use super::fixture::Fixture;
use super::{
    CommitId, Credentials, GitError, Mirror, NO_PULLS, PasswordSource, Patience, Remote, register_transports,
};
use crate::wire;

/// One runtime, authority and server for all tests: transports are registered once per process.
struct Network {
    runtime: tokio::runtime::Runtime,
    port: u16,
}

fn network() -> &'static Network {
    static NETWORK: OnceLock<Network> = OnceLock::new();
    NETWORK.get_or_init(|| {
        wire::install_tls_provider();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (authority, server) = certificates("localhost");
        let port = serve(&runtime, server);
        let options = wire::Options { ca_bundle: authority.into_bytes(), ..wire::Options::default() };
        register_transports(
            wire::Client::new(&options).unwrap(),
            runtime.handle().clone(),
            Patience::default(),
        );
        Network { runtime, port }
    })
}

/// An authority's certificate as PEM, and a server configuration with a certificate of it.
fn certificates(name: &str) -> (String, rustls::ServerConfig) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "an authority");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    (authority.pem(), config.with_single_cert(vec![leaf.der().clone()], key).unwrap())
}

fn serve(runtime: &tokio::runtime::Runtime, config: rustls::ServerConfig) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new()
        .route("/{repository}/info/refs", get(advertise))
        .route("/{repository}/{service}", post(run_service));
    let config = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
    let _context = runtime.enter();
    let server = axum_server::from_tcp_rustls(listener, config).unwrap();
    runtime.spawn(server.serve(app.with_state(()).into_make_service()));
    port
}

/// A repository's name in a URL is its path, encoded.
fn repository_of(name: &str) -> PathBuf {
    let path = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(name).unwrap_or_default();
    PathBuf::from(String::from_utf8(path).unwrap())
}

fn refusal(headers: &HeaderMap, repository: &Path) -> Option<Response> {
    let expected = base64::engine::general_purpose::STANDARD.encode("x-access-token:secret");
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(&format!("Basic {expected}")) {
        return Some((StatusCode::UNAUTHORIZED, "who?").into_response());
    }
    (!repository.is_dir()).then(|| (StatusCode::NOT_FOUND, "what?").into_response())
}

fn git_service(name: &str) -> Option<&'static str> {
    match name {
        "git-upload-pack" => Some("upload-pack"),
        "git-receive-pack" => Some("receive-pack"),
        _ => None,
    }
}

async fn advertise(
    State(()): State<()>,
    headers: HeaderMap,
    UrlPath(repository): UrlPath<String>,
    Query(query): Query<std::collections::HashMap<String, String>>,
) -> Response {
    match repository.as_str() {
        "moved.git" => {
            return (
                StatusCode::MOVED_PERMANENTLY,
                [(header::LOCATION, "https://u:p@new/b.git/info/refs?x")],
            )
                .into_response();
        }
        "guarded.git" => {
            let to = [(header::LOCATION, "https://u:p@sso.example/login?to=git")];
            return (StatusCode::FOUND, to).into_response();
        }
        "page.git" => return "<html>".into_response(),
        _ => {}
    }
    let repository = repository_of(&repository);
    if let Some(refusal) = refusal(&headers, &repository) {
        return refusal;
    }
    let service = &query["service"];
    let mut body = format!("{:04x}# service={service}\n0000", 15 + service.len()).into_bytes();
    body.extend(run_git(
        &[git_service(service).unwrap(), "--stateless-rpc", "--advertise-refs"],
        &repository,
        &[],
    ));
    ([(header::CONTENT_TYPE, format!("application/x-{service}-advertisement"))], body).into_response()
}

async fn run_service(
    State(()): State<()>,
    headers: HeaderMap,
    UrlPath((repository, service)): UrlPath<(String, String)>,
    body: Bytes,
) -> Response {
    let repository = repository_of(&repository);
    if let Some(refusal) = refusal(&headers, &repository) {
        return refusal;
    }
    let program = git_service(&service).unwrap();
    let answer =
        tokio::task::spawn_blocking(move || run_git(&[program, "--stateless-rpc"], &repository, &body))
            .await
            .unwrap();
    ([(header::CONTENT_TYPE, format!("application/x-{service}-result"))], answer).into_response()
}

fn run_git(arguments: &[&str], repository: &Path, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("git");
    command.args(arguments).arg(repository).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", repository);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || std::io::Write::write_all(&mut stdin, input));
        child.wait_with_output().unwrap().stdout
    })
}

fn https(origin: &Path, password: &str) -> Remote {
    let name = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(origin.display().to_string());
    https_at(&name, network().port, password)
}

fn https_at(name: &str, port: u16, password: &str) -> Remote {
    let credentials = Credentials::Basic { username: "x-access-token".into(), password: password.into() };
    Remote { url: format!("https://localhost:{port}/{name}"), credentials, pull_refs: None }
}

fn status(commit: CommitId, context: &str) -> (CommitId, String, String) {
    (commit, context.to_owned(), format!("{context}: success: done"))
}

fn now() -> jiff::Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// Opens a mirror of `remote` and fetches.
fn fetch_error(world: &Fixture, remote: Remote) -> GitError {
    network();
    Mirror::open(&tempfile::tempdir_in(world.root()).unwrap().path().join("m"), remote)
        .unwrap()
        .fetch(&NO_PULLS)
        .unwrap_err()
}

#[test]
fn an_https_remote_is_fetched_and_takes_notes() {
    let world = Fixture::new();
    let first = world.push("env/a.yaml", "1");
    let mirror = Mirror::open(&world.root().join("m"), https(&world.origin, "secret")).unwrap();
    assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [first]);
    let second = world.push("env/a.yaml", "2");
    assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [second]);
    let reader = mirror.reader().unwrap();
    assert_eq!(reader.changes(&first, &second, &super::RepoPath::root()).unwrap().len(), 1);
    mirror.append_notes(&[status(first, "beamline/apply")], now()).unwrap();
    mirror.append_notes(&[status(second, "beamline/apply"), status(first, "beamline/plan")], now()).unwrap();
    let origin = world.origin.display().to_string();
    let shown = world.git(&["-C", &origin, "log", "--notes=beamline", "--format=%N", "main"]);
    let lines: Vec<_> = shown.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(
        lines,
        ["beamline/apply: success: done", "beamline/plan: success: done", "beamline/apply: success: done"]
    );
    assert_eq!(mirror.watch_paths(), None);
    let stored = std::fs::read_to_string(world.root().join("m/config")).unwrap();
    assert!(!stored.contains("secret"), "{stored}");
}

#[test]
fn a_password_that_changes_is_asked_for_at_each_exchange() {
    let world = Fixture::new();
    let first = world.push("a.yaml", "1");
    let remote = https(&world.origin, "replaced");
    let present = Arc::new(std::sync::Mutex::new(Err("the App is suspended: resume it".to_owned())));
    let asked = present.clone();
    let password = PasswordSource::new(move || {
        let answer: Result<&str, String> = asked.lock().unwrap().clone();
        async move { answer.map(Into::into) }
    });
    let credentials = Credentials::Dynamic { username: "x-access-token".into(), password };
    let mirror = Mirror::open(&world.root().join("m"), Remote { credentials, ..remote }).unwrap();
    let error = mirror.fetch(&NO_PULLS).unwrap_err();
    assert!(error.to_string().ends_with("now: the App is suspended: resume it"), "{error}");
    *present.lock().unwrap() = Ok("expired");
    let error = mirror.fetch(&NO_PULLS).unwrap_err();
    assert!(matches!(error, GitError::Authentication { .. }), "{error}");
    *present.lock().unwrap() = Ok("secret");
    assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [first]);
    mirror.append_notes(&[status(first, "beamline/apply")], now()).unwrap();
}

#[test]
fn two_writers_over_https_lose_nothing() {
    let world = Fixture::new();
    let commit = world.push("a.yaml", "1");
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let mirror =
                Mirror::open(&world.root().join(format!("m{writer}")), https(&world.origin, "secret"))
                    .unwrap();
            scope.spawn(move || {
                for index in 0..4 {
                    let context = format!("beamline/apply: env-{writer}-{index}");
                    mirror.append_notes(&[status(commit, &context)], now()).unwrap();
                }
            });
        }
    });
    let origin = world.origin.display().to_string();
    let shown = world.git(&["-C", &origin, "notes", "--ref=beamline", "show", &commit.to_string()]);
    assert_eq!(shown.lines().count(), 8, "{shown}");
}

#[test]
fn a_remote_that_forbids_notes_is_believed_at_once() {
    let world = Fixture::new();
    let commit = world.push("a.yaml", "1");
    let hook = world.origin.join("hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mirror = Mirror::open(&world.root().join("m"), https(&world.origin, "secret")).unwrap();
    let error = mirror.append_notes(&[status(commit, "beamline/apply")], now()).unwrap_err();
    assert!(
        matches!(&error, GitError::Rejected { reason, .. } if reason.contains("hook declined")),
        "{error}"
    );
}

#[test]
fn every_refusal_says_what_to_do() {
    let world = Fixture::new();
    world.push("a.yaml", "1");
    let port = network().port;
    let wrong = fetch_error(&world, https(&world.origin, "wrong"));
    assert!(matches!(wrong, GitError::Authentication { .. }), "{wrong}");
    let absent = fetch_error(&world, https(&world.root().join("absent.git"), "secret"));
    assert!(matches!(absent, GitError::RepositoryNotFound { .. }), "{absent}");
    let moved = fetch_error(&world, https_at("moved.git", port, "secret"));
    assert!(matches!(&moved, GitError::Moved { location, .. } if location == "https://new/b.git"), "{moved}");
    let guarded = fetch_error(&world, https_at("guarded.git", port, "secret"));
    assert!(
        guarded.to_string().contains("to a page to sign in, https://sso.example/login (302)"),
        "{guarded}"
    );
    let page = fetch_error(&world, https_at("page.git", port, "secret"));
    assert!(matches!(page, GitError::NotGit { .. }), "{page}");
    let closed = fetch_error(&world, https_at("a.git", 1, "secret"));
    assert!(matches!(closed, GitError::Unreachable { .. }), "{closed}");
    let remote =
        Remote { url: "https://host.invalid/a.git".into(), credentials: Credentials::None, pull_refs: None };
    let nowhere = fetch_error(&world, remote);
    assert!(matches!(nowhere, GitError::HostNotFound { .. }), "{nowhere}");
    for error in [wrong, absent, moved, guarded, page, closed, nowhere] {
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let world = Fixture::new();
    let (_, config) = certificates("localhost");
    let port = serve(&network().runtime, config);
    let error = fetch_error(&world, https_at("a.git", port, "secret"));
    assert!(matches!(error, GitError::Certificate { .. }), "{error}");
}

/// A client that notes its arguments and runs the last of them here, as a server's shell would.
fn stand_in(world: &Fixture, script: &str) -> PathBuf {
    let program = world.root().join("ssh-stand-in");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn ssh(world: &Fixture, script: &str) -> Remote {
    let program = Some(stand_in(world, script));
    let credentials = Credentials::Ssh { identity_file: Some("/keys/id".into()), known_hosts: None, program };
    Remote {
        url: format!("ssh://git@example.org:2222{}", world.origin.display()),
        credentials,
        pull_refs: None,
    }
}

#[test]
fn an_ssh_remote_is_fetched_and_takes_notes() {
    network();
    let world = Fixture::new();
    let first = world.push("a.yaml", "1");
    let script = format!(
        "echo \"$*\" >> '{}/calls'; for last; do :; done; exec sh -c \"$last\"",
        world.root().display()
    );
    let mirror = Mirror::open(&world.root().join("m"), ssh(&world, &script)).unwrap();
    assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [first]);
    let second = world.push("a.yaml", "2");
    assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [second]);
    mirror.append_notes(&[status(second, "beamline/apply")], now()).unwrap();
    let origin = world.origin.display().to_string();
    let shown = world.git(&["-C", &origin, "notes", "--ref=beamline", "show", &second.to_string()]);
    assert_eq!(shown, "beamline/apply: success: done");
    let calls = std::fs::read_to_string(world.root().join("calls")).unwrap();
    let programs: Vec<_> =
        calls.lines().filter_map(|call| call.split(" -- git@example.org ").nth(1)).collect();
    let (fetch, push) = (format!("git-upload-pack '{origin}'"), format!("git-receive-pack '{origin}'"));
    assert_eq!(programs, [&fetch, &fetch, &fetch, &push]);
    assert!(calls.contains("BatchMode=yes") && calls.contains("-i /keys/id -p 2222"), "{calls}");
}

#[test]
fn what_ssh_complains_about_is_reported() {
    let world = Fixture::new();
    for (script, expected) in [
        ("echo 'git@example.org: Permission denied (publickey).' >&2; exit 255", "refused our credentials"),
        ("echo 'Host key verification failed.' >&2; exit 255", "host key"),
        ("echo 'fatal: x' >&2; exit 128", "ssh ended with code 128: fatal: x"),
        ("exit 0", "broke off"),
    ] {
        let error = fetch_error(&world, ssh(&world, script));
        assert!(error.to_string().contains(expected), "{script}: {error}");
    }
    let mut remote = ssh(&world, "");
    remote.credentials =
        Credentials::Ssh { identity_file: None, known_hosts: None, program: Some("/no/such/ssh".into()) };
    let error = fetch_error(&world, remote);
    assert!(matches!(error, GitError::SshProgram { .. }), "{error}");
}
