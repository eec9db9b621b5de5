//! GitLab's face. Facts: its OpenAPI description (version 4), the documentation pages "Commits API",
//! "Merge requests API", "Notes API", "Emoji reactions API", "Members API", and GitLab's source for
//! what the state machine of commit statuses refuses.

mod bodies;
mod events;
mod merge_requests;
mod notes;
mod statuses;
mod writing;

use http::Method;
use serde_json::json;

use super::accounts::Permission::{self, Read, Write};
use super::face::{Bodies, Face, Needs, Refused, Route, Scheme, Validators, route};
use super::http::{Answer, Call};
use super::limits::Budget;
use super::state::{Existence, State};

/// The number of the world's project.
const PROJECT: u64 = 42;

pub(super) static FACE: Face = Face {
    prefix: "",
    routes: ROUTES,
    schemes: &[Scheme::PrivateToken, Scheme::Bearer],
    names_repository,
    refuse,
    budget,
    bodies: Bodies::JsonOrForm,
    validators: Validators::Counted,
    events: events::events,
    sign: events::sign,
};

const MERGE_REQUEST: &str = "/api/v4/projects/{id}/merge_requests/{merge_request_iid}";

static ROUTES: &[Route] = &[
    Route { method: Method::GET, template: "/api/v4/version", needs: Needs::Account, handler: version },
    Route { method: Method::GET, template: "/api/v4/metadata", needs: Needs::Account, handler: version },
    Route { method: Method::GET, template: "/api/v4/user", needs: Needs::Account, handler: user },
    route(Method::GET, "/api/v4/projects/{id}", Read, project),
    route(Method::GET, "/api/v4/projects/{id}/members/all/{user_id}", Read, member),
    route(Method::GET, "/api/v4/projects/{id}/members/{user_id}", Read, member),
    route(Method::GET, "/api/v4/projects/{id}/repository/commits/{sha}", Read, statuses::commit),
    route(Method::GET, "/api/v4/projects/{id}/repository/commits/{sha}/statuses", Read, statuses::list),
    route(Method::POST, "/api/v4/projects/{id}/statuses/{sha}", Write, statuses::create),
    route(
        Method::GET,
        "/api/v4/projects/{id}/repository/commits/{sha}/merge_requests",
        Read,
        merge_requests::of_commit,
    ),
    route(Method::GET, "/api/v4/projects/{id}/merge_requests", Read, merge_requests::list),
    // Asked of the project that the branch is in, which may be a fork.
    Route {
        method: Method::POST,
        template: "/api/v4/projects/{id}/merge_requests",
        needs: Needs::Account,
        handler: writing::open,
    },
    route(Method::GET, MERGE_REQUEST, Read, merge_requests::get),
    route(Method::PUT, MERGE_REQUEST, Read, writing::update),
    route(
        Method::PUT,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/merge",
        Write,
        writing::merge,
    ),
    route(
        Method::GET,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/changes",
        Read,
        merge_requests::changes,
    ),
    route(
        Method::GET,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/diffs",
        Read,
        merge_requests::diffs,
    ),
    route(Method::GET, "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes", Read, notes::list),
    route(
        Method::POST,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes",
        Read,
        notes::create,
    ),
    route(
        Method::GET,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}",
        Read,
        notes::get,
    ),
    route(
        Method::PUT,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}",
        Read,
        notes::update,
    ),
    route(
        Method::DELETE,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}",
        Read,
        notes::delete,
    ),
    route(
        Method::POST,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}/award_emoji",
        Read,
        notes::award,
    ),
    route(
        Method::GET,
        "/api/v4/projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}/award_emoji",
        Read,
        notes::awards,
    ),
];

fn names_repository(state: &State, call: &Call) -> bool {
    let id = call.param("id");
    id.eq_ignore_ascii_case(&state.options.repository) || id == PROJECT.to_string()
}

fn message(status: u16, text: &str) -> Answer {
    Answer::json(status, json!({ "message": text }))
}

fn not_found(what: &str) -> Answer {
    message(404, &format!("404 {what} Not Found"))
}

fn refuse(_: &State, _: &Call, refused: Refused) -> Answer {
    match refused {
        Refused::NoCredential | Refused::WrongCredential => message(401, "401 Unauthorized"),
        Refused::RevokedToken => Answer::json(
            401,
            json!({
                "error": "invalid_token",
                "error_description": "Token was revoked. You have to re-authorize from the user.",
            }),
        ),
        Refused::NoRepository => not_found("Project"),
        Refused::NoEndpoint => Answer::json(404, json!({ "error": "404 Not Found" })),
        Refused::Forbidden | Refused::Archived => message(403, "403 Forbidden"),
        Refused::Malformed => Answer::json(400, json!({ "error": "The request body is not valid JSON" })),
        Refused::Limited { exceeded, now } => {
            let wait = exceeded.until.duration_since(now).as_secs().max(1);
            Answer::text(429, "text/plain", "Retry later\n")
                .with("retry-after", wait)
                .with("ratelimit-remaining", 0)
                .with("ratelimit-reset", exceeded.until.as_second())
        }
    }
}

fn budget(budget: Budget) -> Vec<(&'static str, String)> {
    vec![
        ("ratelimit-limit", budget.limit.to_string()),
        ("ratelimit-remaining", budget.remaining.to_string()),
        ("ratelimit-reset", budget.reset.as_second().to_string()),
    ]
}

fn version(_: &mut State, _: &Call) -> Result<Answer, Answer> {
    let kas = json!({ "enabled": false });
    let body = json!({ "version": "18.0.0", "revision": "simulated", "enterprise": false, "kas": kas });
    Ok(Answer::json(200, body))
}

fn user(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::user(state, call.login())))
}

fn project(state: &mut State, _: &Call) -> Result<Answer, Answer> {
    let full = state.options.repository.clone();
    let name = full.rsplit('/').next().unwrap_or_default();
    let page = format!("{}/{full}", state.base_url);
    let body = json!({
        "id": PROJECT, "name": name, "path": name, "path_with_namespace": full, "web_url": page,
        "http_url_to_repo": format!("{page}.git"), "default_branch": state.options.default_branch,
        "archived": state.existence == Existence::Archived, "visibility": "private",
    });
    Ok(Answer::json(200, body))
}

/// "Get a member of a group or project, including inherited and invited members": 404 for anybody else.
fn member(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let id = call.number("user_id");
    let account = state.accounts.all().iter().find(|account| Some(account.id) == id);
    let level = account.and_then(|account| match account.permission {
        Permission::None => None,
        Permission::Read => Some((account, 20)),
        Permission::Write => Some((account, 30)),
        Permission::Admin => Some((account, 40)),
    });
    let (account, level) = level.ok_or_else(|| message(404, "404 Not found"))?;
    let mut body = bodies::user(state, &account.login);
    body["access_level"] = json!(level);
    body["expires_at"] = json!(null);
    Ok(Answer::json(200, body))
}
