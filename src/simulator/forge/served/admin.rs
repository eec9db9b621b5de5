//! The administrator's door of a served forge, below `/_simulator` and without a token: what was seen, what
//! became of webhooks, and things that happen to forges (an outage, revoked tokens, an archived repository).
//! Whoever is not on this machine is refused.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Request, State as Extract};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::history::{Seen, Shown, Sight};
use super::super::state::{Existence, Outage};
use super::super::world::ForgeWorld;
use super::sending::Sent;

#[derive(Clone)]
struct Door {
    world: ForgeWorld,
    sent: Arc<Sent>,
}

pub(super) fn router(world: ForgeWorld, sent: Arc<Sent>) -> axum::Router {
    axum::Router::new()
        .route("/_simulator", get(overview))
        .route("/_simulator/history", get(history))
        .route("/_simulator/deliveries", get(deliveries))
        .route("/_simulator/outage", put(outage).delete(come_back))
        .route("/_simulator/limits", put(limits))
        .route("/_simulator/repository", put(repository))
        .route("/_simulator/tokens", axum::routing::delete(revoke))
        .route("/_simulator/tokens/{login}", post(renew))
        .layer(from_fn(this_machine_only))
        .with_state(Door { world, sent })
}

async fn this_machine_only(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    match peer {
        Some(ip) if !ip.is_loopback() => StatusCode::FORBIDDEN.into_response(),
        Some(_) | None => next.run(request).await,
    }
}

async fn overview(Extract(door): Extract<Door>) -> Json<Value> {
    let (history, requests) = (door.world.history(), door.world.requests());
    let state = door.world.state();
    Json(json!({
        "now": state.now(), "repository": state.options.repository, "branches": state.branches,
        "pull_requests": state.proposals.len(), "webhooks": state.announced, "requests": requests,
        "sights": history.sights().len(),
    }))
}

/// Everything that a person would have seen, oldest first.
async fn history(Extract(door): Extract<Door>) -> Json<Value> {
    let history = door.world.history();
    Json(history.sights().iter().map(sight).collect())
}

fn sight(sight: &Sight) -> Value {
    let mut body = match &sight.seen {
        Seen::Status { commit, context, state, shown, description, target, pull_request } => json!({
            "kind": "status", "commit": commit, "context": context, "state": state, "shown": word(*shown),
            "description": description, "target": target, "pull_request": pull_request,
        }),
        Seen::Comment { pull_request, id, author, body } => json!({
            "kind": "comment", "pull_request": pull_request, "id": id, "author": author, "body": body,
        }),
        Seen::CommentDeleted { pull_request, id } => {
            json!({ "kind": "comment-deleted", "pull_request": pull_request, "id": id })
        }
        Seen::CheckRun { commit, name, shown, title, summary, annotations } => json!({
            "kind": "check-run", "commit": commit, "name": name, "shown": word(*shown), "title": title,
            "summary": summary, "annotations": annotations.len(),
        }),
        Seen::Reaction { comment, author, content } => {
            json!({ "kind": "reaction", "comment": comment, "author": author, "content": content })
        }
    };
    body["at"] = json!(sight.at);
    body
}

fn word(shown: Shown) -> &'static str {
    match shown {
        Shown::Unfinished => "unfinished",
        Shown::Success => "success",
        Shown::Failure => "failure",
        Shown::Neutral => "neutral",
    }
}

async fn deliveries(Extract(door): Extract<Door>) -> Json<Vec<Value>> {
    Json(door.sent.all())
}

#[derive(Deserialize)]
struct WantedOutage {
    /// 500 to 599; absent: connections break.
    status: Option<u16>,
}

async fn outage(Extract(door): Extract<Door>, Json(wanted): Json<WantedOutage>) -> StatusCode {
    match wanted.status {
        Some(status) if !(500..600).contains(&status) => return StatusCode::UNPROCESSABLE_ENTITY,
        Some(status) => door.world.fail_with(Outage::Status(status)),
        None => door.world.fail_with(Outage::NoConnection),
    }
    StatusCode::NO_CONTENT
}

async fn come_back(Extract(door): Extract<Door>) -> StatusCode {
    door.world.come_back();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct WantedLimits {
    writes_per_hour: Option<u64>,
    requests_per_hour: Option<u64>,
}

async fn limits(Extract(door): Extract<Door>, Json(wanted): Json<WantedLimits>) -> StatusCode {
    door.world.limit_writes(wanted.writes_per_hour);
    door.world.limit_requests(wanted.requests_per_hour);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct WantedRepository {
    existence: Existence,
}

async fn repository(Extract(door): Extract<Door>, Json(wanted): Json<WantedRepository>) -> StatusCode {
    door.world.state().existence = wanted.existence;
    StatusCode::NO_CONTENT
}

/// Every token stops working.
async fn revoke(Extract(door): Extract<Door>) -> StatusCode {
    door.world.revoke_tokens();
    StatusCode::NO_CONTENT
}

/// Another token for an account; what it had stops working.
async fn renew(Extract(door): Extract<Door>, Path(login): Path<String>) -> Response {
    match door.world.renew_token(&login) {
        Some(token) => Json(json!({ "login": login, "token": token })).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
