//! `/api/v1/applies`: another attempt at the newest commit, where it stands, and what happens meanwhile.

use axum::Json;
use axum::body::Body as ResponseBody;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Body, Local, Peer, Refusal};
use crate::daemon::api::{ApplyAnswer, ApplyEvent, ApplyRequest, ApplyState};
use crate::daemon::shared::event::Event;
use crate::daemon::shared::happening::Happening;
use crate::daemon::working::by_hand::{Asked, apply_by_hand};
use crate::reconcile::plan::Plan;
use crate::resources::EnvironmentName;
use crate::store::{Work, WorkId, WorkState};

/// Stores an apply and answers with its number.
pub(super) async fn apply(
    State(local): State<Local>,
    ConnectInfo(Peer(user)): ConnectInfo<Peer>,
    Body(request): Body<ApplyRequest>,
) -> Result<(StatusCode, Json<ApplyAnswer>), Refusal> {
    let (environment, commit) = (request.environment.clone(), request.commit);
    let answer = match apply_by_hand(&local.shared, request).await? {
        Asked::New(work) => {
            let id = work.id.0;
            tracing::info!(%environment, commit = %commit.short(), user, "an apply was asked for by hand");
            // A closed channel means that the service stops: the next start takes it up.
            let _ = local.events.send(Event::Asked(work)).await;
            ApplyAnswer { id, was_there: false }
        }
        Asked::WasThere(work) => ApplyAnswer { id: work.0, was_there: true },
        Asked::Unknown(why) => {
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                format!("there is nothing to apply of {environment} at {}: {why}", commit.short()),
                "beamline plan lists the environments of a commit",
            ));
        }
        Asked::NotNewest(newest) => {
            let branch = &local.shared.branch;
            let newest = newest.map_or_else(|| "not known yet".to_owned(), |newest| newest.short());
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                format!(
                    "the service applies the newest commit of {branch}, which is {newest}; {} is not",
                    commit.short()
                ),
                format!(
                    "plan again at the newest commit of {branch}; what it does not have yet is applied once it is merged"
                ),
            ));
        }
    };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// Where an apply stands.
pub(super) async fn state(
    State(local): State<Local>,
    Path(id): Path<i64>,
) -> Result<Json<ApplyState>, Refusal> {
    let work = found(&local, id).await?;
    Ok(Json(match &work.state {
        WorkState::Queued => ApplyState::Queued,
        WorkState::Running { .. } => ApplyState::Running,
        WorkState::Ended { end, summary } => {
            let store = &local.shared.store;
            let reports = store.reports_of(&store.runs_of(&work).await?).await?;
            ApplyState::Ended { end: *end, summary: summary.clone(), reports }
        }
    }))
}

async fn found(local: &Local, id: i64) -> Result<Work, Refusal> {
    let work = local.shared.store.work(WorkId(id)).await?;
    work.ok_or_else(|| {
        let hint = "it may be so old that it was forgotten; the status on its commit says how it ended";
        Refusal::new(StatusCode::NOT_FOUND, format!("there is no apply {id}"), hint)
    })
}

/// What happens with an apply until it ends.
pub(super) async fn events(State(local): State<Local>, Path(id): Path<i64>) -> Result<Response, Refusal> {
    // Before the state is read: an end in between is not missed.
    let happenings = local.shared.watchers.subscribe();
    let work = found(&local, id).await?;
    let watching = Watching { id: work.id, environment: work.environment.clone(), happenings };
    let over = matches!(work.state, WorkState::Ended { .. });
    let began = begun(&local, &work).await?.map(|plan| line(&ApplyEvent::Planned { plan }));
    let lines = stream::unfold((watching, local, over), |(mut watching, local, over)| async move {
        if over {
            return None;
        }
        let event = tokio::select! {
            event = watching.next() => event,
            () = local.stop.cancelled() => return None,
        };
        let is_end = matches!(event, ApplyEvent::Ended);
        Some((Ok::<_, std::convert::Infallible>(line(&event)), (watching, local, is_end)))
    });
    let ended = over.then(|| line(&ApplyEvent::Ended));
    let first = stream::iter(began.into_iter().chain(ended).map(Ok));
    let lines = stream::StreamExt::chain(first, lines);
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], ResponseBody::from_stream(lines)).into_response())
}

fn line(event: &ApplyEvent) -> Bytes {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

/// The plan of the run that `work` is in, for those who come late.
async fn begun(local: &Local, work: &Work) -> Result<Option<Box<Plan>>, Refusal> {
    let WorkState::Running { run: Some(run) } = work.state else { return Ok(None) };
    let run = local.shared.store.run(run).await?;
    Ok(run.map(|run| Box::new(run.record.plan)))
}

/// Picks what is about one apply out of everything that happens.
struct Watching {
    id: WorkId,
    environment: EnvironmentName,
    happenings: Receiver<Happening>,
}

impl Watching {
    /// The next thing that happens with it. A reader who lags is told of the end, at the latest by the next happening.
    async fn next(&mut self) -> ApplyEvent {
        loop {
            match self.happenings.recv().await {
                Ok(Happening::Planned { work, plan }) if work.id == self.id => {
                    return ApplyEvent::Planned { plan };
                }
                Ok(Happening::Progress { environment, progress }) if environment == self.environment => {
                    return ApplyEvent::Step { progress };
                }
                Ok(Happening::Ended { work }) if work.id == self.id => return ApplyEvent::Ended,
                // What was missed may have been the end: the state says so.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return ApplyEvent::Ended,
                Ok(_) => {}
            }
        }
    }
}
