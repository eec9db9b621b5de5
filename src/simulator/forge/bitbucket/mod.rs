//! Bitbucket Cloud's face. Facts: its Swagger description (2.0) and the documentation pages "Event
//! payloads", "Manage webhooks" (secrets), "API request limits".

mod bodies;
mod comments;
mod events;
mod pulls;
mod statuses;
mod writing;

use http::Method;
use serde_json::json;

use super::accounts::Permission::{self, Admin, Read, Write};
use super::face::{Bodies, Face, Needs, Refused, Route, Scheme, Validators, route};
use super::http::{Answer, Call};
use super::limits::Budget;
use super::paging::{Page, page_url};
use super::state::State;

pub(super) static FACE: Face = Face {
    prefix: "",
    routes: ROUTES,
    schemes: &[Scheme::Bearer, Scheme::Basic],
    names_repository,
    refuse,
    budget,
    bodies: Bodies::JsonOrForm,
    validators: Validators::None,
    events: events::events,
    sign: events::sign,
};

static ROUTES: &[Route] = &[
    Route { method: Method::GET, template: "/2.0/user", needs: Needs::Account, handler: user },
    route(Method::GET, "/2.0/repositories/{workspace}/{repo_slug}", Read, repository),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/permissions-config/users/{selected_user_id}",
        Admin,
        configured,
    ),
    route(
        Method::GET,
        "/2.0/workspaces/{workspace}/permissions/repositories/{repo_slug}",
        Admin,
        permissions,
    ),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/commit/{commit}/statuses",
        Read,
        statuses::list,
    ),
    route(
        Method::POST,
        "/2.0/repositories/{workspace}/{repo_slug}/commit/{commit}/statuses/build",
        Write,
        statuses::create,
    ),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/commit/{commit}/statuses/build/{key}",
        Read,
        statuses::get,
    ),
    route(
        Method::PUT,
        "/2.0/repositories/{workspace}/{repo_slug}/commit/{commit}/statuses/build/{key}",
        Write,
        statuses::update,
    ),
    route(Method::GET, "/2.0/repositories/{workspace}/{repo_slug}/pullrequests", Read, pulls::list),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}",
        Read,
        pulls::get,
    ),
    route(Method::POST, "/2.0/repositories/{workspace}/{repo_slug}/pullrequests", Read, writing::open),
    route(
        Method::PUT,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}",
        Read,
        writing::update,
    ),
    route(
        Method::POST,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/merge",
        Write,
        writing::merge,
    ),
    route(
        Method::POST,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/decline",
        Read,
        writing::decline,
    ),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/commits",
        Read,
        pulls::commits,
    ),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/diffstat",
        Read,
        pulls::to_diffstat,
    ),
    route(Method::GET, "/2.0/repositories/{workspace}/{repo_slug}/diffstat/{spec}", Read, pulls::diffstat),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments",
        Read,
        comments::list,
    ),
    route(
        Method::POST,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments",
        Read,
        comments::create,
    ),
    route(
        Method::GET,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments/{comment_id}",
        Read,
        comments::get,
    ),
    route(
        Method::PUT,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments/{comment_id}",
        Read,
        comments::update,
    ),
    route(
        Method::DELETE,
        "/2.0/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/comments/{comment_id}",
        Read,
        comments::delete,
    ),
];

fn names_repository(state: &State, call: &Call) -> bool {
    let named = format!("{}/{}", call.param("workspace"), call.param("repo_slug"));
    named.eq_ignore_ascii_case(&state.options.repository)
}

fn message(status: u16, text: &str) -> Answer {
    Answer::json(status, json!({ "type": "error", "error": { "message": text } }))
}

/// 400 with the field that is wrong.
fn invalid(field: &str, text: &str) -> Answer {
    let error = json!({ "message": "Bad request", "fields": { field: [text] } });
    Answer::json(400, json!({ "type": "error", "error": error }))
}

fn refuse(state: &State, _: &Call, refused: Refused) -> Answer {
    match refused {
        Refused::NoCredential | Refused::WrongCredential | Refused::RevokedToken => {
            message(401, "Token is invalid, expired, or not supported for this endpoint.")
        }
        Refused::NoRepository => message(
            404,
            &format!(
                "You may not have access to this repository or it no longer exists in this workspace. \
                 If you think this repository exists and you have access, make sure you are authenticated. ({})",
                state.options.repository.split('/').next().unwrap_or_default()
            ),
        ),
        Refused::NoEndpoint => message(404, "Resource not found"),
        Refused::Forbidden | Refused::Archived => {
            message(403, "Your credentials lack one or more required privilege scopes.")
        }
        Refused::Malformed => message(400, "Bad request"),
        Refused::Limited { exceeded, now } => {
            let wait = exceeded.until.duration_since(now).as_secs().max(1);
            message(429, "Rate limit for this resource has been exceeded").with("retry-after", wait)
        }
    }
}

fn budget(_: Budget) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// A page of a list, with the URL of the next one in it.
fn page<T>(
    state: &State,
    call: &Call,
    (default, max): (usize, usize),
    items: Vec<T>,
    body: impl Fn(&T) -> serde_json::Value,
) -> Answer {
    let cut = Page::of(call, "pagelen", default, max).cut(items);
    let values: Vec<serde_json::Value> = cut.items.iter().map(body).collect();
    let mut page =
        json!({ "page": cut.page.number, "pagelen": cut.page.size, "size": cut.total, "values": values });
    if let Some(next) = cut.next() {
        page["next"] = json!(page_url(state, call, next));
    }
    if let Some(previous) = cut.previous() {
        page["previous"] = json!(page_url(state, call, previous));
    }
    Answer::json(200, page)
}

fn user(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::user(state, call.login())))
}

fn repository(state: &mut State, _: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::repository(state, &state.options.repository)))
}

fn word(permission: Permission) -> &'static str {
    match permission {
        Permission::None => "none",
        Permission::Read => "read",
        Permission::Write => "write",
        Permission::Admin => "admin",
    }
}

/// "Get an explicit user permission for a repository": by account id or UUID.
fn configured(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked = call.param("selected_user_id").trim_matches(['{', '}']);
    let account = state.accounts.all().iter().find(|account| {
        state.named_uuid(&account.login).to_string() == asked || bodies::account_id(account.id) == asked
    });
    let account = account.ok_or_else(|| message(404, "User not found"))?;
    let body = json!({
        "type": "repository_user_permission", "permission": word(account.permission),
        "user": bodies::user(state, &account.login),
    });
    Ok(Answer::json(200, body))
}

/// "List a repository permissions for a workspace": everybody's, or with `q=user.uuid="{…}"`.
fn permissions(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked = call.query("q").map(|query| query.replace(['"', ' '], ""));
    let mut found: Vec<_> =
        state.accounts.all().iter().filter(|account| account.permission > Permission::None).collect();
    if let Some(query) = asked {
        found.retain(|account| {
            let uuid = state.named_uuid(&account.login);
            query.contains(&format!("user.uuid={{{uuid}}}"))
                || query.contains(&format!("user.account_id={}", bodies::account_id(account.id)))
        });
    }
    Ok(page(state, call, (50, 100), found, |account| {
        json!({
            "type": "repository_permission", "permission": word(account.permission),
            "user": bodies::user(state, &account.login),
            "repository": bodies::repository(state, &state.options.repository),
        })
    }))
}
