//! The face of Gitea and Forgejo. Facts: their Swagger descriptions (Gitea 1.27, Forgejo 16) and the
//! documentation pages "API Usage" and "Webhooks". Where a Gitea 1.22 was seen to do otherwise, that counts.

mod auto_merge;
mod bodies;
mod comments;
mod events;
mod pulls;
mod reviews;
mod statuses;
mod writing;

use http::Method;
use serde_json::json;

use super::accounts::Permission::{self, Read, Write};
use super::face::{Bodies, Face, Needs, Refused, Route, Scheme, Validators, route};
use super::http::{Answer, Call};
use super::limits::Budget;
use super::paging::Cut;
use super::state::{Existence, State};

pub(super) static FACE: Face = Face {
    prefix: "",
    routes: ROUTES,
    schemes: &[Scheme::Token, Scheme::Bearer, Scheme::Basic],
    names_repository,
    refuse,
    budget,
    bodies: Bodies::JsonOrForm,
    validators: Validators::None,
    events: events::events,
    sign: events::sign,
};

static ROUTES: &[Route] = &[
    Route { method: Method::GET, template: "/api/v1/version", needs: Needs::Nothing, handler: version },
    Route { method: Method::GET, template: "/api/v1/user", needs: Needs::Account, handler: user },
    route(Method::GET, "/api/v1/repos/{owner}/{repo}", Read, pulls::repository),
    route(
        Method::GET,
        "/api/v1/repos/{owner}/{repo}/collaborators/{collaborator}/permission",
        Read,
        permission,
    ),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/commits/{ref}/status", Read, statuses::combined),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/commits/{ref}/statuses", Read, statuses::list),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/statuses/{sha}", Read, statuses::list),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/git/commits/{sha}", Read, statuses::git_commit),
    route(Method::POST, "/api/v1/repos/{owner}/{repo}/statuses/{sha}", Write, statuses::create),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/pulls", Read, pulls::list),
    route(Method::POST, "/api/v1/repos/{owner}/{repo}/pulls", Read, writing::open),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/pulls/{index}", Read, pulls::get),
    route(Method::PATCH, "/api/v1/repos/{owner}/{repo}/pulls/{index}", Read, writing::update),
    route(Method::POST, "/api/v1/repos/{owner}/{repo}/pulls/{index}/merge", Write, writing::merge),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/pulls/{index}/files", Read, pulls::files),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/pulls/{index}/reviews", Read, reviews::list),
    route(Method::POST, "/api/v1/repos/{owner}/{repo}/pulls/{index}/reviews", Read, reviews::create),
    route(
        Method::GET,
        "/api/v1/repos/{owner}/{repo}/pulls/{index}/reviews/{id}/comments",
        Read,
        reviews::on_lines,
    ),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/issues/{index}/comments", Read, comments::list),
    route(Method::POST, "/api/v1/repos/{owner}/{repo}/issues/{index}/comments", Read, comments::create),
    route(Method::GET, "/api/v1/repos/{owner}/{repo}/issues/comments/{id}", Read, comments::get),
    route(Method::PATCH, "/api/v1/repos/{owner}/{repo}/issues/comments/{id}", Read, comments::update),
    route(Method::DELETE, "/api/v1/repos/{owner}/{repo}/issues/comments/{id}", Read, comments::delete),
    route(
        Method::GET,
        "/api/v1/repos/{owner}/{repo}/issues/comments/{id}/reactions",
        Read,
        comments::reactions,
    ),
    route(Method::POST, "/api/v1/repos/{owner}/{repo}/issues/comments/{id}/reactions", Read, comments::react),
];

fn names_repository(state: &State, call: &Call) -> bool {
    let named = format!("{}/{}", call.param("owner"), call.param("repo"));
    named.eq_ignore_ascii_case(&state.options.repository)
}

fn message(state: &State, status: u16, text: &str) -> Answer {
    let url = format!("{}/api/swagger", state.base_url);
    Answer::json(status, json!({ "message": text, "url": url }))
}

fn not_found(state: &State) -> Answer {
    let url = format!("{}/api/swagger", state.base_url);
    Answer::json(404, json!({ "errors": [], "message": "The target couldn't be found.", "url": url }))
}

/// Of an archived repository the pull requests and their comments cannot be written; statuses can.
fn writable(state: &State) -> Result<(), Answer> {
    match state.existence {
        Existence::There => Ok(()),
        Existence::Archived => Err(message(state, 423, &format!("{} is archived", state.options.repository))),
        Existence::Deleted => Err(not_found(state)),
    }
}

fn refuse(state: &State, _: &Call, refused: Refused) -> Answer {
    match refused {
        Refused::NoCredential => message(state, 401, "token is required"),
        Refused::WrongCredential | Refused::RevokedToken => {
            message(state, 401, "invalid username, password or token")
        }
        Refused::NoRepository => not_found(state),
        Refused::NoEndpoint => Answer::text(404, "text/plain", "404 page not found\n"),
        Refused::Forbidden | Refused::Archived => {
            message(state, 403, "user should have a permission to write to a repo")
        }
        Refused::Malformed => message(state, 422, "[]: invalid character in the request body"),
        // Gitea has no limits of its own: a proxy in front of it has.
        Refused::Limited { exceeded, now } => {
            let wait = exceeded.until.duration_since(now).as_secs().max(1);
            let page = "<html><body><h1>429 Too Many Requests</h1></body></html>";
            Answer::text(429, "text/html", page).with("retry-after", wait)
        }
    }
}

fn budget(_: Budget) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// A page of a list with Gitea's paging headers.
fn page<T>(state: &State, call: &Call, cut: &Cut<T>, body: serde_json::Value) -> Answer {
    let answer = Answer::json(200, body).with("x-total-count", cut.total);
    match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    }
}

fn version(_: &mut State, _: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, json!({ "version": "1.22.6" })))
}

fn user(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::user(state, call.login())))
}

/// `GET …/collaborators/{collaborator}/permission`: for administrators of the repository, and about
/// oneself.
fn permission(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked = call.param("collaborator");
    let is_own = asked.eq_ignore_ascii_case(call.login());
    if !is_own && call.permission() < Permission::Admin {
        let text = "Only admins can query all permissions, repo admins can query all repo permissions, \
                    collaborators can query only their own";
        return Err(message(state, 403, text));
    }
    let account = state.accounts.by_login(asked).ok_or_else(|| not_found(state))?;
    let word = match account.permission {
        Permission::None => "none",
        Permission::Read => "read",
        Permission::Write => "write",
        Permission::Admin => "admin",
    };
    let user = bodies::user(state, &account.login);
    Ok(Answer::json(200, json!({ "permission": word, "role_name": word, "user": user })))
}
