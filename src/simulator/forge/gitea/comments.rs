//! Gitea's comments on pull requests, which are comments on issues, and reactions to them.

use serde_json::{Value, json};

use super::super::accounts::Permission;
use super::super::comments::{Comment, Reaction};
use super::super::http::{Answer, Call};
use super::super::state::{State, seconds};
use super::{bodies, message, not_found, pulls, writable};

fn written<'a>(state: &State, call: &'a Call) -> Result<&'a str, Answer> {
    call.text("/body").filter(|body| !body.is_empty()).ok_or_else(|| message(state, 422, "[Body]: Required"))
}

/// `GET …/issues/{index}/comments`: all of them at once, oldest first; `since` and `before` by the time
/// of the last change.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = pulls::found(state, call)?.number;
    let moment = |name: &str| call.query(name).and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let (since, before) = (moment("since"), moment("before"));
    let mut found = state.comments_of(number);
    found.retain(|comment| {
        since.is_none_or(|since| comment.updated >= since) && before.is_none_or(|end| comment.updated < end)
    });
    let total = found.len();
    let body: Vec<Value> = found.iter().map(|comment| bodies::comment(state, comment)).collect();
    Ok(Answer::json(200, json!(body)).with("x-total-count", total))
}

/// `POST …/issues/{index}/comments`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    writable(state)?;
    let number = pulls::found(state, call)?.number;
    let body = written(state, call)?;
    let comment = state.write_comment(number, call.login(), body, None);
    Ok(Answer::json(201, bodies::comment(state, &comment)))
}

fn found(state: &State, call: &Call) -> Result<Comment, Answer> {
    let comment = call.number("id").and_then(|id| state.comment(id));
    comment.cloned().ok_or_else(|| not_found(state))
}

/// Its author, and administrators of the repository.
fn own(state: &State, call: &Call) -> Result<Comment, Answer> {
    let comment = found(state, call)?;
    let may = comment.author == call.login() || call.permission() >= Permission::Admin;
    if may { Ok(comment) } else { Err(message(state, 403, "not allowed")) }
}

/// `GET …/issues/comments/{id}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::comment(state, &found(state, call)?)))
}

/// `PATCH …/issues/comments/{id}`
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    writable(state)?;
    let comment = own(state, call)?;
    let body = written(state, call)?;
    let comment = state.edit_comment(comment.id, body).ok_or_else(|| not_found(state))?;
    Ok(Answer::json(200, bodies::comment(state, &comment)))
}

/// `DELETE …/issues/comments/{id}`
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    writable(state)?;
    let comment = own(state, call)?;
    state.delete_comment(comment.id);
    Ok(Answer::empty(204))
}

/// `POST …/issues/comments/{id}/reactions`: 200 when it stood there already.
pub(super) fn react(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    const ALLOWED: [&str; 8] = ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"];
    let comment = found(state, call)?;
    let content = call.text("/content").unwrap_or_default();
    if !ALLOWED.contains(&content) {
        return Err(message(state, 403, &format!("'{content}' is not an allowed reaction")));
    }
    let (status, reaction) = match state.react(comment.id, call.login(), content) {
        Ok(reaction) => (201, reaction),
        Err(known) => (200, known),
    };
    Ok(Answer::json(status, reaction_body(state, &reaction)))
}

/// `GET …/issues/comments/{id}/reactions`
pub(super) fn reactions(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = found(state, call)?;
    let on_it = state.reactions.iter().filter(|reaction| reaction.comment == comment.id);
    let body: Vec<Value> = on_it.map(|reaction| reaction_body(state, reaction)).collect();
    Ok(Answer::json(200, json!(body)))
}

fn reaction_body(state: &State, reaction: &Reaction) -> Value {
    let user = bodies::user(state, &reaction.author);
    json!({ "user": user, "content": reaction.content, "created_at": seconds(reaction.created) })
}
