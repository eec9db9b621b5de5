//! GitHub's face. Facts: its OpenAPI description (REST API 2022-11-28) and the documentation pages
//! "Rate limits for the REST API", "Using pagination in the REST API", "Webhook events and payloads".

mod app;
mod bodies;
mod checks;
mod comments;
mod events;
mod pulls;
mod refusals;
mod reviews;
mod statuses;
mod writing;

use http::Method;

use super::accounts::Permission::{Read, Write};
use super::face::{Bodies, Face, Needs, Route, Scheme, Validators, route};
use super::http::Call;
use super::state::State;

pub(super) static FACE: Face = Face {
    prefix: "/api/v3",
    routes: ROUTES,
    schemes: &[Scheme::Bearer, Scheme::Token, Scheme::Basic],
    names_repository,
    refuse: refusals::refuse,
    budget: refusals::budget,
    bodies: Bodies::Json,
    validators: Validators::Free,
    events: events::events,
    sign: events::sign,
};

const REPO: &str = "/repos/{owner}/{repo}";

static ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        template: "/app/installations/{installation_id}/access_tokens",
        needs: Needs::App,
        handler: app::access_token,
    },
    Route {
        method: Method::GET,
        template: "/repos/{owner}/{repo}/installation",
        needs: Needs::App,
        handler: app::installation,
    },
    Route { method: Method::GET, template: "/rate_limit", needs: Needs::Account, handler: app::rate_limit },
    Route { method: Method::GET, template: "/user", needs: Needs::Account, handler: app::user },
    route(Method::GET, REPO, Read, pulls::repository),
    route(Method::GET, "/repos/{owner}/{repo}/collaborators/{username}/permission", Read, app::permission),
    route(Method::GET, "/repos/{owner}/{repo}/branches/{branch}", Read, pulls::branch),
    route(Method::GET, "/repos/{owner}/{repo}/commits/{ref}", Read, pulls::commit),
    route(Method::GET, "/repos/{owner}/{repo}/commits/{ref}/status", Read, statuses::combined),
    route(Method::GET, "/repos/{owner}/{repo}/commits/{ref}/statuses", Read, statuses::list),
    route(Method::GET, "/repos/{owner}/{repo}/commits/{ref}/check-runs", Read, checks::list),
    route(Method::POST, "/repos/{owner}/{repo}/statuses/{sha}", Write, statuses::create),
    route(Method::GET, "/repos/{owner}/{repo}/pulls", Read, pulls::list),
    route(Method::POST, "/repos/{owner}/{repo}/pulls", Read, writing::open),
    route(Method::GET, "/repos/{owner}/{repo}/pulls/{pull_number}", Read, pulls::get),
    route(Method::PATCH, "/repos/{owner}/{repo}/pulls/{pull_number}", Read, writing::update),
    route(Method::PUT, "/repos/{owner}/{repo}/pulls/{pull_number}/merge", Write, writing::merge),
    route(Method::GET, "/repos/{owner}/{repo}/pulls/{pull_number}/files", Read, pulls::files),
    route(Method::GET, "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", Read, reviews::list),
    route(Method::POST, "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", Read, reviews::create),
    route(Method::GET, "/repos/{owner}/{repo}/pulls/{pull_number}/comments", Read, reviews::on_lines),
    route(Method::GET, "/repos/{owner}/{repo}/issues/{issue_number}/comments", Read, comments::list),
    route(Method::POST, "/repos/{owner}/{repo}/issues/{issue_number}/comments", Read, comments::create),
    route(Method::GET, "/repos/{owner}/{repo}/issues/comments/{comment_id}", Read, comments::get),
    route(Method::PATCH, "/repos/{owner}/{repo}/issues/comments/{comment_id}", Read, comments::update),
    route(Method::DELETE, "/repos/{owner}/{repo}/issues/comments/{comment_id}", Read, comments::delete),
    route(
        Method::POST,
        "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
        Read,
        comments::react,
    ),
    route(
        Method::GET,
        "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions",
        Read,
        comments::reactions,
    ),
    route(Method::POST, "/repos/{owner}/{repo}/check-runs", Write, checks::create),
    route(Method::GET, "/repos/{owner}/{repo}/check-runs/{check_run_id}", Read, checks::get),
    route(Method::PATCH, "/repos/{owner}/{repo}/check-runs/{check_run_id}", Write, checks::update),
    route(
        Method::GET,
        "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations",
        Read,
        checks::annotations,
    ),
];

fn names_repository(state: &State, call: &Call) -> bool {
    let named = format!("{}/{}", call.param("owner"), call.param("repo"));
    named.eq_ignore_ascii_case(&state.options.repository)
}
