//! Bitbucket's comments on pull requests.

use super::super::comments::{Comment, Presence};
use super::super::http::{Answer, Call};
use super::super::state::State;
use super::{bodies, invalid, message, page, pulls};

/// The service refuses more.
const MAX_BODY: usize = 32_768;

fn written(call: &Call) -> Result<&str, Answer> {
    let body = call.text("/content/raw").unwrap_or_default();
    if body.trim().is_empty() {
        return Err(invalid("content", "This field is required."));
    }
    if body.chars().count() > MAX_BODY {
        return Err(invalid("content", "Ensure this value has at most 32768 characters."));
    }
    Ok(body)
}

/// `GET …/comments`: oldest first, deleted ones as well.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = pulls::found(state, call)?.number;
    let mut found: Vec<&Comment> = state.comments.iter().filter(|comment| comment.number == number).collect();
    if call.query("sort").is_some_and(|sort| sort.starts_with('-')) {
        found.reverse();
    }
    Ok(page(state, call, (10, 100), found, |comment| bodies::comment(state, comment)))
}

/// `POST …/comments`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = pulls::found(state, call)?.number;
    let comment = state.write_comment(number, call.login(), written(call)?, None);
    Ok(Answer::json(201, bodies::comment(state, &comment)))
}

fn found(state: &State, call: &Call) -> Result<Comment, Answer> {
    let number = pulls::found(state, call)?.number;
    let id = call.number("comment_id");
    let comment = state.comments.iter().find(|known| Some(known.id) == id && known.number == number);
    comment.cloned().ok_or_else(|| message(404, "Comment not found"))
}

/// Only its author may change it.
fn own(state: &State, call: &Call) -> Result<Comment, Answer> {
    let comment = found(state, call)?;
    if comment.author != call.login() {
        return Err(message(403, "You do not have permission to change this comment"));
    }
    if comment.presence == Presence::Deleted {
        return Err(message(404, "Comment not found"));
    }
    Ok(comment)
}

/// `GET …/comments/{comment_id}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::comment(state, &found(state, call)?)))
}

/// `PUT …/comments/{comment_id}`
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    let comment = state.edit_comment(comment.id, written(call)?);
    let comment = comment.ok_or_else(|| message(404, "Comment not found"))?;
    Ok(Answer::json(200, bodies::comment(state, &comment)))
}

/// `DELETE …/comments/{comment_id}`
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    state.delete_comment(comment.id);
    Ok(Answer::empty(204))
}
