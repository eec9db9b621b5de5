//! GitLab's notes on merge requests, and emoji on notes.

use serde_json::{Value, json};

use super::super::accounts::Permission;
use super::super::comments::{Comment, Reaction};
use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::state::{State, seconds};
use super::merge_requests;
use super::{bodies, message};

/// "Application limits": a note may have 1,000,000 characters.
const MAX_BODY: usize = 1_000_000;

fn written(call: &Call) -> Result<&str, Answer> {
    let body = call.text("/body").unwrap_or_default();
    if body.is_empty() {
        return Err(Answer::json(400, json!({ "error": "body is empty" })));
    }
    if body.chars().count() > MAX_BODY {
        return Err(message(400, "400 Bad request - Note is too long (maximum is 1000000 characters)"));
    }
    Ok(body)
}

/// `GET …/notes`: newest first unless asked otherwise.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = merge_requests::found(state, call)?.number;
    let mut found = state.comments_of(number);
    if call.query("sort").as_deref() != Some("asc") {
        found.reverse();
    }
    let cut = Page::of(call, "per_page", 20, 100).cut(found);
    let body: Vec<Value> = cut.items.iter().map(|comment| bodies::note(state, comment)).collect();
    Ok(bodies::page(state, call, &cut, &body))
}

/// `POST …/notes`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = merge_requests::found(state, call)?.number;
    let comment = state.write_comment(number, call.login(), written(call)?, None);
    Ok(Answer::json(201, bodies::note(state, &comment)))
}

fn found(state: &State, call: &Call) -> Result<Comment, Answer> {
    let number = merge_requests::found(state, call)?.number;
    let comment = call.number("note_id").and_then(|id| state.comment(id));
    let comment = comment.filter(|comment| comment.number == number);
    comment.cloned().ok_or_else(|| message(404, "404 Note Not Found"))
}

/// Its author, and maintainers.
fn own(state: &State, call: &Call) -> Result<Comment, Answer> {
    let comment = found(state, call)?;
    let may = comment.author == call.login() || call.permission() >= Permission::Admin;
    if may { Ok(comment) } else { Err(message(403, "403 Forbidden")) }
}

/// `GET …/notes/{note_id}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::note(state, &found(state, call)?)))
}

/// `PUT …/notes/{note_id}`
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    let comment = state.edit_comment(comment.id, written(call)?);
    let comment = comment.ok_or_else(|| message(404, "404 Note Not Found"))?;
    Ok(Answer::json(200, bodies::note(state, &comment)))
}

/// `DELETE …/notes/{note_id}`
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    state.delete_comment(comment.id);
    Ok(Answer::empty(204))
}

/// `POST …/notes/{note_id}/award_emoji?name=eyes` (or in the body). A second time is refused with 404, as
/// GitLab's validation of awards is.
pub(super) fn award(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = found(state, call)?;
    let name = call.text("/name").map(str::to_owned).or_else(|| call.query("name"));
    let name = name.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Answer::json(400, json!({ "error": "name is missing" })))?;
    let taken = "404 Award Emoji Name has already been taken Not Found";
    let reaction = state.react(comment.id, call.login(), &name).map_err(|_| message(404, taken))?;
    Ok(Answer::json(201, award_body(state, &reaction)))
}

/// `GET …/notes/{note_id}/award_emoji`
pub(super) fn awards(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = found(state, call)?;
    let on_it: Vec<&Reaction> =
        state.reactions.iter().filter(|reaction| reaction.comment == comment.id).collect();
    let cut = Page::of(call, "per_page", 20, 100).cut(on_it);
    let body: Vec<Value> = cut.items.iter().map(|reaction| award_body(state, reaction)).collect();
    Ok(bodies::page(state, call, &cut, &body))
}

fn award_body(state: &State, reaction: &Reaction) -> Value {
    json!({
        "id": reaction.id, "name": reaction.content, "user": bodies::user(state, &reaction.author),
        "created_at": seconds(reaction.created), "updated_at": seconds(reaction.created),
        "awardable_id": reaction.comment, "awardable_type": "Note",
    })
}
