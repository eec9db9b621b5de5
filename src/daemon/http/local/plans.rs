//! `POST /api/v1/plans`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use tokio::sync::Semaphore;

use super::{Body, Local, Refusal};
use crate::daemon::api::{PlanAnswer, PlanRequest};
use crate::daemon::working::by_hand::plan_by_hand;
use crate::daemon::working::error::WorkError;

/// Plans that are made at the same time; others wait.
const PLANS: usize = 2;

/// The longest that a plan may take, the wait for its turn included. Those who ask wait a little longer.
const PATIENCE: Duration = Duration::from_secs(80);

/// Turns to plan.
#[derive(Clone)]
pub(super) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PLANS)))
    }
}

/// Plans an environment as an apply would.
pub(super) async fn plan(
    State(local): State<Local>,
    Body(request): Body<PlanRequest>,
) -> Result<Json<PlanAnswer>, Refusal> {
    let made = async {
        // Never closed.
        let _turn = local.turns.0.acquire().await;
        Box::pin(plan_by_hand(&local.shared, request, local.stop.child_token())).await
    };
    match tokio::time::timeout(PATIENCE, made).await.ok() {
        Some(Ok(answer)) => Ok(Json(answer)),
        Some(Err(error)) => Err(error.into()),
        None => Err(Refusal::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!("the plan was not made within {} s", PATIENCE.as_secs()),
            "try again; /readyz says whether Azure answers",
        )),
    }
}

impl From<WorkError> for Refusal {
    fn from(error: WorkError) -> Self {
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        match error {
            WorkError::Git(_) => Refusal::new(
                StatusCode::NOT_FOUND,
                text,
                "the service knows commits that it has fetched: push it, or wait for the next look",
            ),
            WorkError::Store(_) | WorkError::Cut(_) => {
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text, "try again; /readyz says what is wrong")
            }
            WorkError::Reconcile(_) => {
                Refusal::new(StatusCode::BAD_GATEWAY, text, "try again, or correct what Azure refuses")
            }
        }
    }
}
