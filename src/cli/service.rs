//! The daemon that has the state folder of the settings, asked over its socket.
//!
//! Guarantee: whoever is not answered goes on without it, as where no daemon runs: that is refused by the lock of the
//! folder where it must be.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::CliError;
use super::output::remark;
use crate::config::Config;
use crate::daemon::api::{ApplyAnswer, ApplyRequest, ApplyState, PlanAnswer, PlanRequest, Problem, SOCKET};
use crate::definitions::Environment;
use crate::git::CommitId;
use crate::reconcile::plan::Plan;
use crate::wire::{self, WireError};

/// How long a daemon may take to say that it is there.
const GREETING: Duration = Duration::from_secs(5);

/// The largest line of events, which has a plan.
const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// A daemon that answers.
pub(super) struct Service {
    wire: wire::Client,
    path: PathBuf,
}

/// What it says of an environment.
pub(super) enum Answer {
    /// A plan.
    Planned(Box<Plan>),
    /// Errors, which were printed.
    Invalid(Vec<Value>),
    /// There is nothing to plan, which was said.
    Nothing,
}

impl Service {
    /// The daemon of the settings' state folder; `None` where none answers.
    pub(super) async fn of(config: &Config) -> Option<Self> {
        let path = config.personal_state_dir().join(SOCKET);
        if !path.exists() {
            return None;
        }
        let service = Self { wire: wire::Client::over_socket(&path).ok()?, path };
        let greeting = service.wire.send(request("GET", "/api/v1/openapi.yaml", Bytes::new())?);
        match tokio::time::timeout(GREETING, greeting).await {
            Ok(Ok(answer)) if answer.status().is_success() => Some(service),
            _ => None,
        }
    }

    /// What an apply of the environment would do; `None` where the daemon does not know the commit, or there is none.
    pub(super) async fn plan(
        &self,
        commit: Option<CommitId>,
        environment: &Environment,
    ) -> Result<Option<Answer>, CliError> {
        let Some(commit) = commit else { return Ok(None) };
        let name = &environment.name;
        let question = PlanRequest { commit, environment: name.clone(), path: environment.path.clone() };
        let answered = self.post::<_, PlanAnswer>("/api/v1/plans", &question).await?;
        Ok(Some(match answered {
            Ok(PlanAnswer::Planned { plan, remark: unknown }) => {
                if let Some(unknown) = unknown {
                    remark(&format!("note: {name}: {unknown}"));
                }
                Answer::Planned(plan)
            }
            Ok(PlanAnswer::Invalid { diagnostics, text }) => {
                remark(&format!("{text}\n"));
                Answer::Invalid(diagnostics)
            }
            Ok(PlanAnswer::Nothing { reason }) => {
                remark(&format!("{name}: {reason}"));
                Answer::Nothing
            }
            Err((http::StatusCode::NOT_FOUND, _)) => {
                remark(&format!(
                    "note: the service has not fetched {} yet: {name} is planned here, with its journal",
                    commit.short()
                ));
                return Ok(None);
            }
            Err((_, problem)) => return Err(refused(problem)),
        }))
    }

    /// Asks for an apply.
    pub(super) async fn apply(&self, wanted: &ApplyRequest) -> Result<ApplyAnswer, CliError> {
        let answered = self.post("/api/v1/applies", wanted).await?;
        answered.map_err(|(_, problem)| refused(problem))
    }

    /// Where an apply stands; `None` while the service does not answer.
    pub(super) async fn state(&self, id: i64) -> Result<Option<ApplyState>, CliError> {
        let Some(request) = request("GET", &format!("/api/v1/applies/{id}"), Bytes::new()) else {
            return Ok(None);
        };
        match self.wire.send(request).await {
            Ok(answer) => match read(&answer) {
                Ok(state) => Ok(Some(state)),
                Err((http::StatusCode::NOT_FOUND, problem)) => Err(refused(problem)),
                Err(_) => Ok(None),
            },
            Err(_) => Ok(None),
        }
    }

    /// What happens with an apply, from now on.
    pub(super) async fn events(&self, id: i64) -> Option<Events> {
        let request = request("GET", &format!("/api/v1/applies/{id}/events"), Bytes::new())?;
        let stream = self.wire.open(request).await.ok()?;
        stream.status().is_success().then(|| Events { stream, left: Vec::new() })
    }

    async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> Result<Result<A, (http::StatusCode, Problem)>, CliError> {
        let body = serde_json::to_vec(question).unwrap_or_default();
        let Some(request) = request("POST", path, Bytes::from(body)) else {
            return Err(CliError::Other(format!("{path} cannot be asked")));
        };
        let answer = self.wire.send(request).await.map_err(|source| self.silent(source))?;
        Ok(read(&answer))
    }

    fn silent(&self, source: WireError) -> CliError {
        CliError::Silent { path: self.path.clone(), source }
    }
}

/// A request to whoever listens on the socket; the host is not looked at.
fn request(method: &str, path: &str, body: Bytes) -> Option<wire::Request> {
    let request = http::Request::builder().method(method).uri(format!("http://localhost{path}"));
    request.header(http::header::CONTENT_TYPE, "application/json").body(body).ok()
}

fn read<A: DeserializeOwned>(answer: &wire::Response) -> Result<A, (http::StatusCode, Problem)> {
    let status = answer.status();
    let unread = || {
        let error = format!("the service answered {status} with something that this version does not read");
        let hint = "use the version of beamline that the service has".to_owned();
        (status, Problem { error, hint })
    };
    if status.is_success() {
        return serde_json::from_slice(answer.body()).map_err(|_| unread());
    }
    Err(serde_json::from_slice(answer.body()).map_or_else(|_| unread(), |problem| (status, problem)))
}

fn refused(problem: Problem) -> CliError {
    CliError::Refused { message: problem.error, hint: problem.hint }
}

/// Lines of events as they arrive.
pub(super) struct Events {
    stream: wire::Stream,
    left: Vec<u8>,
}

impl Events {
    /// The next one; `None` when there are no more, for whatever reason.
    pub(super) async fn next<A: DeserializeOwned>(&mut self) -> Option<A> {
        loop {
            if let Some(end) = self.left.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.left.drain(..=end).collect();
                return serde_json::from_slice(&line).ok();
            }
            let chunk = self.stream.chunk().await.ok()??;
            if self.left.len() + chunk.len() > MAX_LINE_BYTES {
                return None;
            }
            self.left.extend_from_slice(&chunk);
        }
    }
}
