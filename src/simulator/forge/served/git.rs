//! Git over HTTPS: `git http-backend`, which is what real servers run, behind our own listener.
//!
//! Guarantees: at most [`MAX_PROCESSES`] programs run at a time, each for [`MAX_TIME`] at most; pushes go
//! one after another, and everything they changed is taken into the forge (branches, pull requests,
//! webhooks) before the pusher is answered. A caller is known by a token as the password, as on the forge.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Extract};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use http::{HeaderMap, Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::super::accounts::{Known, Permission};
use super::super::face::decoded;
use super::super::options::ForgeKind;
use super::super::state::{Existence, Outage, State};
use super::super::world::ForgeWorld;
use super::cgi::{Asked, ELSEWHERE, Head, MAX_HEAD_BYTES, environment, head};
use crate::http::LOST;

/// Programs at a time.
const MAX_PROCESSES: usize = 16;

/// How long one may take.
const MAX_TIME: Duration = Duration::from_secs(300);

/// The largest pack that is taken.
const MAX_PUSH_BYTES: usize = 512 * 1024 * 1024;

/// The largest answer to a push: its report.
const MAX_REPORT_BYTES: u64 = 4 * 1024 * 1024;

#[derive(Clone)]
struct Served {
    world: ForgeWorld,
    home: PathBuf,
    processes: Arc<Semaphore>,
    pushing: Arc<Mutex<()>>,
}

/// Answers what is Git's, and leaves the rest to `router`.
pub(super) fn before(router: axum::Router, world: ForgeWorld, home: PathBuf) -> axum::Router {
    let (processes, pushing) = (Arc::new(Semaphore::new(MAX_PROCESSES)), Arc::default());
    router.layer(from_fn_with_state(Served { world, home, processes, pushing }, answer))
}

/// `https://HOST/octo/infra.git`; Azure DevOps: `https://HOST/octo/platform%20team/_git/infra`.
pub(super) fn clone_url(base: &str, kind: ForgeKind, repository: &str) -> String {
    let escaped = repository.replace(' ', "%20");
    match kind {
        ForgeKind::AzureDevOps => {
            let (place, name) = escaped.rsplit_once('/').unwrap_or(("", &escaped));
            format!("{base}/{place}/_git/{name}")
        }
        ForgeKind::GitHub
        | ForgeKind::GitLab
        | ForgeKind::Gitea
        | ForgeKind::Forgejo
        | ForgeKind::Bitbucket => format!("{base}/{escaped}.git"),
    }
}

/// What a path asks of Git: the repository as it is named there, and the service.
fn asked_for(kind: ForgeKind, path: &str) -> Option<(String, &'static str)> {
    let services = ["info/refs", "git-upload-pack", "git-receive-pack"];
    let (service, repository) = services.into_iter().find_map(|service| {
        let rest = path.strip_suffix(service)?.strip_suffix('/')?;
        Some((service, rest))
    })?;
    let repository = decoded(repository.trim_start_matches('/'));
    let name = match kind {
        ForgeKind::AzureDevOps => {
            let (place, name) = repository.split_once("/_git/")?;
            format!("{place}/{name}")
        }
        ForgeKind::GitHub
        | ForgeKind::GitLab
        | ForgeKind::Gitea
        | ForgeKind::Forgejo
        | ForgeKind::Bitbucket => repository.strip_suffix(".git").unwrap_or(&repository).to_owned(),
    };
    Some((name, service))
}

/// Whether a request would change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Fetch,
    Push,
}

async fn answer(Extract(served): Extract<Served>, request: Request, next: Next) -> Response {
    let kind = served.world.kind();
    match asked_for(kind, request.uri().path()) {
        Some((repository, service)) => served.serve(request, &repository, service).await,
        None => next.run(request).await,
    }
}

impl Served {
    async fn serve(&self, request: Request, repository: &str, service: &'static str) -> Response {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let direction = match service {
            "git-receive-pack" => Direction::Push,
            _ if query.contains("service=git-receive-pack") => Direction::Push,
            _ => Direction::Fetch,
        };
        let admitted = admit(&self.world.state(), request.headers(), repository, direction);
        let (login, fork) = match admitted {
            Ok(admitted) => admitted,
            Err(refused) => return refused,
        };
        let Ok(permit) = Arc::clone(&self.processes).acquire_owned().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many programs run");
        };
        let path = self.world.state().objects.as_ref().and_then(|objects| objects.path(fork.as_deref()));
        let Some(path) = path else { return plain(StatusCode::NOT_FOUND, "Not Found") };
        let (parts, body) = request.into_parts();
        let asked = Asked {
            repository: &path,
            service,
            method: &parts.method,
            query: &query,
            headers: &parts.headers,
            login: &login,
        };
        let child = match start(&asked, &self.home) {
            Ok(child) => child,
            Err(error) => {
                let text = format!("`git http-backend` does not start (is git installed?): {error}");
                return plain(StatusCode::INTERNAL_SERVER_ERROR, &text);
            }
        };
        let is_push = service == "git-receive-pack" && parts.method == Method::POST;
        let answered = match is_push {
            true => self.push(child, body, fork.as_deref(), &login).await,
            false => fetch(child, body, permit).await,
        };
        answered.unwrap_or_else(|error| plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()))
    }

    /// One push after another, so that what has changed is this one's.
    async fn push(
        &self,
        mut child: Child,
        body: Body,
        fork: Option<&str>,
        login: &str,
    ) -> std::io::Result<Response> {
        let _turn = self.pushing.lock().await;
        let feeding = feed(child.stdin.take(), body);
        let reading = async {
            let (mut report, stdout) = (Vec::new(), child.stdout.take());
            if let Some(stdout) = stdout {
                stdout.take(MAX_REPORT_BYTES).read_to_end(&mut report).await?;
            }
            child.wait().await?;
            Ok::<_, std::io::Error>(report)
        };
        let both = async { tokio::join!(feeding, reading) };
        let (fed, report) = tokio::time::timeout(MAX_TIME, both).await.map_err(std::io::Error::other)?;
        let report = report?;
        let (world, fork, login) = (self.world.clone(), fork.map(str::to_owned), login.to_owned());
        let taken = tokio::task::spawn_blocking(move || {
            world.state().take_in(fork.as_deref(), &login);
        });
        taken.await.map_err(std::io::Error::other)?;
        let Some(Head { status, headers, bytes }) = head(&report) else {
            fed?;
            return Err(std::io::Error::other("`git http-backend` gave no answer"));
        };
        Ok(respond(status, headers, Body::from(Bytes::from(report).slice(bytes..))))
    }
}

/// Who asks, and of which fork, or how the forge refuses them.
fn admit(
    state: &State,
    headers: &HeaderMap,
    repository: &str,
    direction: Direction,
) -> Result<(String, Option<String>), Response> {
    match state.outage {
        Some(Outage::Status(code)) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return Err(plain(status, "We will be back soon"));
        }
        Some(Outage::NoConnection) => {
            let mut lost = plain(StatusCode::BAD_GATEWAY, "");
            lost.headers_mut().insert(LOST, http::HeaderValue::from_static("1"));
            return Err(lost);
        }
        None => {}
    }
    let account = match password(headers).map(|token| (state.app_login(&token), token)) {
        None => return Err(unauthorised()),
        Some((Some(login), _)) => (login, Permission::Write),
        Some((None, token)) => match state.accounts.by_token(&token) {
            Known::Account(account) => (account.login.clone(), account.permission),
            Known::Revoked | Known::Unknown => return Err(unauthorised()),
        },
    };
    let (login, permission) = account;
    let not_found = || plain(StatusCode::NOT_FOUND, "Repository not found.");
    let is_ours = repository.eq_ignore_ascii_case(&state.options.repository);
    let fork = state.fork_named(repository);
    if (!is_ours && fork.is_none()) || state.existence == Existence::Deleted || permission < Permission::Read
    {
        return Err(not_found());
    }
    // A fork is its owner's, whatever they may do upstream.
    let owns = fork.as_deref().is_some_and(|name| {
        name.split('/').next() == Some(&*login) || name.rsplit('.').next() == Some(&*login)
    });
    let may_push = permission >= Permission::Write || owns;
    let is_archived = state.existence == Existence::Archived;
    match direction {
        Direction::Push if is_archived => Err(plain(StatusCode::FORBIDDEN, "This repository is archived.")),
        Direction::Push if !may_push => {
            let text = format!("Permission to {} denied to {login}.", state.options.repository);
            Err(plain(StatusCode::FORBIDDEN, &text))
        }
        Direction::Push | Direction::Fetch => Ok((login, fork)),
    }
}

/// The token: the password, or (Azure DevOps) a bearer token.
fn password(headers: &HeaderMap) -> Option<String> {
    let sent = headers.get("authorization")?.to_str().ok()?;
    let (scheme, value) = sent.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(value.trim()).ok())??;
    Some(String::from_utf8(pair).ok()?.split_once(':')?.1.to_owned())
}

fn unauthorised() -> Response {
    let mut response = plain(StatusCode::UNAUTHORIZED, "Invalid username or token.");
    let realm = http::HeaderValue::from_static("Basic realm=\"simulated forge\"");
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, realm);
    response
}

fn plain(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

fn start(asked: &Asked<'_>, home: &std::path::Path) -> std::io::Result<Child> {
    let mut command = Command::new("git");
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    command
        .arg("http-backend")
        .envs(environment(asked, home))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

/// Gives the program the body, bounded.
async fn feed(stdin: Option<ChildStdin>, body: Body) -> std::io::Result<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    let (mut stream, mut total) = (body.into_data_stream(), 0);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(std::io::Error::other)?;
        total += chunk.len();
        if total > MAX_PUSH_BYTES {
            return Err(std::io::Error::other("the pack is larger than 512 MiB"));
        }
        stdin.write_all(&chunk).await?;
    }
    stdin.shutdown().await
}

/// Passes on what the program writes while it writes it.
async fn fetch(mut child: Child, body: Body, permit: OwnedSemaphorePermit) -> std::io::Result<Response> {
    tokio::spawn(feed(child.stdin.take(), body));
    let Some(mut stdout) = child.stdout.take() else {
        return Err(std::io::Error::other("`git http-backend` has no output"));
    };
    let mut read = Vec::new();
    let head = loop {
        if let Some(head) = head(&read) {
            break head;
        }
        let more = tokio::time::timeout(MAX_TIME, stdout.read_buf(&mut read)).await;
        if more.map_err(std::io::Error::other)?? == 0 || read.len() > MAX_HEAD_BYTES {
            return Err(std::io::Error::other("`git http-backend` gave no answer"));
        }
    };
    let first = Bytes::from(read).slice(head.bytes..);
    // The program lives as long as its answer is read: dropping the stream ends it.
    let rest = futures::stream::try_unfold((stdout, child, permit), |(mut stdout, child, permit)| async {
        let mut chunk = Vec::with_capacity(64 * 1024);
        let more = tokio::time::timeout(MAX_TIME, stdout.read_buf(&mut chunk)).await;
        let read = more.map_err(std::io::Error::other)??;
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), (stdout, child, permit))))
    });
    let whole = futures::stream::once(async { Ok(first) }).chain(rest);
    Ok(respond(head.status, head.headers, Body::from_stream(whole)))
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart_as_each_forge_writes_them() {
        let asked = |kind, path| asked_for(kind, path).map(|(name, service)| format!("{name} {service}"));
        let of = |text: &str| Some(text.to_owned());
        assert_eq!(asked(ForgeKind::GitHub, "/octo/infra.git/info/refs"), of("octo/infra info/refs"));
        assert_eq!(asked(ForgeKind::GitHub, "/octo/infra/info/refs"), of("octo/infra info/refs"));
        assert_eq!(
            asked(ForgeKind::AzureDevOps, "/octo/platform%20team/_git/infra/git-receive-pack"),
            of("octo/platform team/infra git-receive-pack")
        );
        assert_eq!(asked(ForgeKind::GitHub, "/repos/octo/infra/pulls"), None);
        assert_eq!(asked(ForgeKind::AzureDevOps, "/octo/infra.git/info/refs"), None);
    }
}
