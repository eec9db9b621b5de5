//! Azure DevOps' comments, which stand in threads.

use serde_json::{Value, json};

use super::super::comments::{Comment, Presence};
use super::super::http::{Answer, Call};
use super::super::state::State;
use super::{bodies, error, list as wrapped, pulls, versioned};

/// The service refuses more.
const MAX_BODY: usize = 150_000;

fn no_thread() -> Answer {
    error(404, "DiscussionThreadCannotBeFoundException", "TF200005: The discussion thread cannot be found.")
}

fn no_comment() -> Answer {
    error(404, "DiscussionCommentNotFoundException", "TF200006: The discussion comment cannot be found.")
}

fn written<'a>(call: &'a Call, pointer: &str) -> Result<&'a str, Answer> {
    versioned(call)?;
    let invalid = |text: &str| error(400, "InvalidArgumentValueException", text);
    let body = call.text(pointer).filter(|body| !body.trim().is_empty());
    let body = body.ok_or_else(|| invalid("A comment must have content."))?;
    if body.chars().count() > MAX_BODY {
        return Err(invalid("The comment content exceeds the maximum length of 150000 characters."));
    }
    Ok(body)
}

fn of_thread(state: &State, call: &Call) -> Result<Vec<Comment>, Answer> {
    let (number, thread) = (pulls::found(state, call)?.number, call.number("threadId"));
    let of_it = |known: &&Comment| known.number == number && Some(known.thread.0) == thread;
    let found: Vec<Comment> = state.comments.iter().filter(of_it).cloned().collect();
    if found.is_empty() { Err(no_thread()) } else { Ok(found) }
}

fn thread(state: &State, comments: &[Comment]) -> Value {
    let Some(first) = comments.first() else { return Value::Null };
    let last = comments.iter().map(|comment| comment.updated).max().unwrap_or(first.updated);
    let bodies: Vec<Value> = comments.iter().map(|comment| bodies::comment(state, comment)).collect();
    json!({
        "id": first.thread.0, "publishedDate": bodies::moment(first.created),
        "lastUpdatedDate": bodies::moment(last), "comments": bodies, "status": "active", "properties": {},
        "isDeleted": comments.iter().all(|comment| comment.presence == Presence::Deleted),
    })
}

/// `GET …/threads`, oldest first, with one that the service itself wrote.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = pulls::found(state, call)?;
    let mut ids: Vec<u64> = Vec::new();
    for comment in state.comments.iter().filter(|comment| comment.number == proposal.number) {
        if !ids.contains(&comment.thread.0) {
            ids.push(comment.thread.0);
        }
    }
    let system = json!({
        "id": proposal.id, "publishedDate": bodies::moment(proposal.created),
        "lastUpdatedDate": bodies::moment(proposal.created), "isDeleted": false, "properties": {},
        "comments": [{
            "id": 1, "parentCommentId": 0, "author": bodies::identity(state, &proposal.what.author),
            "content": format!("{} opened the pull request", proposal.what.author), "commentType": "system",
            "publishedDate": bodies::moment(proposal.created), "lastUpdatedDate": bodies::moment(proposal.created),
        }],
    });
    let threads = ids.into_iter().map(|id| {
        let comments: Vec<Comment> =
            state.comments.iter().filter(|comment| comment.thread.0 == id).cloned().collect();
        thread(state, &comments)
    });
    Ok(wrapped([system].into_iter().chain(threads).collect()))
}

/// `POST …/threads`: with one comment.
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = pulls::found(state, call)?.number;
    let comment = state.write_comment(number, call.login(), written(call, "/comments/0/content")?, None);
    Ok(Answer::json(200, thread(state, &[comment])))
}

/// `GET …/threads/{threadId}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, thread(state, &of_thread(state, call)?)))
}

/// `PATCH …/threads/{threadId}`: its status is accepted and not remembered.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    versioned(call)?;
    let mut body = thread(state, &of_thread(state, call)?);
    if let Some(status) = call.text("/status") {
        body["status"] = json!(status);
    }
    Ok(Answer::json(200, body))
}

/// `GET …/threads/{threadId}/comments`
pub(super) fn comments(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let found = of_thread(state, call)?;
    Ok(wrapped(found.iter().map(|comment| bodies::comment(state, comment)).collect()))
}

/// `POST …/threads/{threadId}/comments`
pub(super) fn reply(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let first = of_thread(state, call)?.remove(0);
    let (number, id) = (first.number, first.thread.0);
    let comment = state.write_comment(number, call.login(), written(call, "/content")?, Some(id));
    Ok(Answer::json(200, bodies::comment(state, &comment)))
}

fn found(state: &State, call: &Call) -> Result<Comment, Answer> {
    let place = call.number("commentId");
    let comment = of_thread(state, call)?.into_iter().find(|comment| Some(comment.thread.1) == place);
    comment.ok_or_else(no_comment)
}

/// Only its author may change it.
fn own(state: &State, call: &Call) -> Result<Comment, Answer> {
    versioned(call)?;
    let comment = found(state, call)?;
    if comment.author != call.login() {
        let text = "TF401247: You do not have permissions to edit this comment.";
        return Err(error(403, "GitNeedsPermissionException", text));
    }
    if comment.presence == Presence::Deleted { Err(no_comment()) } else { Ok(comment) }
}

/// `GET …/threads/{threadId}/comments/{commentId}`
pub(super) fn comment(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::comment(state, &found(state, call)?)))
}

/// `PATCH …/threads/{threadId}/comments/{commentId}`
pub(super) fn edit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    let comment = state.edit_comment(comment.id, written(call, "/content")?).ok_or_else(no_comment)?;
    Ok(Answer::json(200, bodies::comment(state, &comment)))
}

/// `DELETE …/threads/{threadId}/comments/{commentId}`
pub(super) fn delete(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let comment = own(state, call)?;
    state.delete_comment(comment.id);
    Ok(Answer::empty(200))
}
