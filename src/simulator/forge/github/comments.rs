//! GitHub's comments on pull requests, which are comments on issues, and reactions to them.

use serde_json::{Value, json};

use super::super::accounts::Permission;
use super::super::comments::{Comment, Reaction};
use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::state::{State, seconds};
use super::bodies;
use super::refusals::{invalid, message, not_found};

/// The service refuses more ("Body is too long").
const MAX_BODY: usize = 65_536;

const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

fn written(call: &Call) -> Result<&str, Answer> {
    let body = call.text("/body").unwrap_or_default();
    if body.trim().is_empty() {
        return Err(invalid("IssueComment", "body", "body can't be blank"));
    }
    if body.chars().count() > MAX_BODY {
        return Err(invalid("IssueComment", "body", "body is too long (maximum is 65536 characters)"));
    }
    Ok(body)
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}/comments`, oldest first.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = state.proposal(call.number("issue_number")).ok_or_else(not_found)?;
    let cut = Page::of(call, "per_page", 30, 100).cut(state.comments_of(proposal.number));
    let body: Vec<Value> = cut.items.iter().map(|comment| bodies::comment(state, comment)).collect();
    let answer = Answer::json(200, json!(body));
    Ok(match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    })
}

/// `POST /repos/{owner}/{repo}/issues/{issue_number}/comments`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = state.proposal(call.number("issue_number")).ok_or_else(not_found)?.number;
    let body = written(call)?;
    let comment = state.write_comment(number, call.login(), body, None);
    Ok(Answer::json(201, bodies::comment(state, &comment)))
}

fn found(state: &State, call: &Call) -> Result<Comment, Answer> {
    let comment = call.number("comment_id").and_then(|id| state.comment(id));
    comment.cloned().ok_or_else(not_found)
}

/// Its author, and who may push.
fn own(state: &State, call: &Call) -> Result<Comment, Answer> {
    let comment = found(state, call)?;
    if comment.author == call.login() || call.permission() >= Permission::Write {
        return Ok(comment);
    }
    Err(message(403, "Must have admin rights to Repository."))
}

/// `GET /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::comment(state, &found(state, call)?)))
}

/// `PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    let comment = state.edit_comment(comment.id, written(call)?).ok_or_else(not_found)?;
    Ok(Answer::json(200, bodies::comment(state, &comment)))
}

/// `DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    state.delete_comment(comment.id);
    Ok(Answer::empty(204))
}

/// `POST /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions`: 200 when it stood there already.
pub(super) fn react(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = found(state, call)?;
    let content = call.text("/content").unwrap_or_default();
    if !REACTIONS.contains(&content) {
        return Err(invalid("Reaction", "content", "content is not included in the list"));
    }
    let (status, reaction) = match state.react(comment.id, call.login(), content) {
        Ok(reaction) => (201, reaction),
        Err(known) => (200, known),
    };
    Ok(Answer::json(status, reaction_body(state, &reaction)))
}

/// `GET /repos/{owner}/{repo}/issues/comments/{comment_id}/reactions`
pub(super) fn reactions(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = found(state, call)?;
    let on_it = state.reactions.iter().filter(|reaction| reaction.comment == comment.id);
    let body: Vec<Value> = on_it.map(|reaction| reaction_body(state, reaction)).collect();
    Ok(Answer::json(200, json!(body)))
}

fn reaction_body(state: &State, reaction: &Reaction) -> Value {
    json!({
        "id": reaction.id, "node_id": format!("R_{}", reaction.id), "content": reaction.content,
        "user": bodies::user(state, &reaction.author), "created_at": seconds(reaction.created),
    })
}
