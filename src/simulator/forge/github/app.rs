//! Who asks: installation tokens, the caller, permissions, what is left of the limit.

use serde_json::{Value, json};

use super::super::accounts::Permission;
use super::super::http::{Answer, Call};
use super::super::state::{Existence, State, seconds};
use super::bodies;
use super::refusals::{message, not_found};

/// `POST /app/installations/{installation_id}/access_tokens`
pub(super) fn access_token(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let now = state.now();
    let token = format!("ghs_{}", state.random_hex(18));
    let checked = signed_in(state, call)?;
    if call.number("installation_id") != Some(checked) {
        return Err(not_found());
    }
    let app = state.app.as_mut().ok_or_else(not_found)?;
    let ends = app.hand_out(&token, now);
    let permissions =
        json!({ "checks": "write", "metadata": "read", "pull_requests": "write", "statuses": "write" });
    let body = json!({
        "token": token, "expires_at": seconds(ends), "permissions": permissions,
        "repository_selection": "selected",
    });
    Ok(Answer::json(201, body))
}

/// `GET /repos/{owner}/{repo}/installation`
pub(super) fn installation(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let id = signed_in(state, call)?;
    if state.existence == Existence::Deleted || !super::names_repository(state, call) {
        return Err(not_found());
    }
    let app_id = state.app.as_ref().map(|app| app.id);
    Ok(Answer::json(200, json!({ "id": id, "app_id": app_id, "repository_selection": "selected" })))
}

/// The installation of the App whose JWT the request carries.
fn signed_in(state: &State, call: &Call) -> Result<u64, Answer> {
    const UNREADABLE: &str = "A JSON web token could not be decoded";
    let sent = call.header("authorization").and_then(|value| value.split_once(' '));
    let (_, jwt) = sent
        .filter(|(word, _)| word.eq_ignore_ascii_case("bearer"))
        .ok_or_else(|| message(401, UNREADABLE))?;
    let app = state.app.as_ref().ok_or_else(|| message(401, "Integration not found"))?;
    app.check(jwt, state.now()).map_err(|why| message(401, why))?;
    Ok(app.installation)
}

/// `GET /rate_limit`, which does not count itself.
pub(super) fn rate_limit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    state.limits.give_back(call.login());
    let budget = state.limits.budget(call.login(), state.now());
    let core = json!({
        "limit": budget.limit, "remaining": budget.remaining, "reset": budget.reset.as_second(),
        "used": budget.limit - budget.remaining,
    });
    Ok(Answer::json(200, json!({ "resources": { "core": core, "search": core }, "rate": core })))
}

/// `GET /user`
pub(super) fn user(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    if call.is_app() {
        return Err(message(403, "Resource not accessible by integration"));
    }
    let mut body = bodies::user(state, call.login());
    for name in ["bio", "blog", "company", "email", "hireable", "location", "name"] {
        body[name] = Value::Null;
    }
    for name in ["followers", "following", "public_gists", "public_repos"] {
        body[name] = json!(0);
    }
    for name in ["created_at", "updated_at"] {
        body[name] = json!("2026-01-01T00:00:00Z");
    }
    Ok(Answer::json(200, body))
}

/// `GET /repos/{owner}/{repo}/collaborators/{username}/permission`: `none` for somebody without access,
/// 404 for somebody who does not exist ("Get repository permissions for a user").
pub(super) fn permission(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let account = state.accounts.by_login(call.param("username")).ok_or_else(not_found)?;
    let word = match account.permission {
        Permission::None => "none",
        Permission::Read => "read",
        Permission::Write => "write",
        Permission::Admin => "admin",
    };
    let user = bodies::user(state, &account.login);
    Ok(Answer::json(200, json!({ "permission": word, "role_name": word, "user": user })))
}
