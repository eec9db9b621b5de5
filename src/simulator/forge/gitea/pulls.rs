//! Gitea's repository and pull requests.

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::pull_requests::{ChangedFile, FileChange, Proposal};
use super::super::state::State;
use super::{bodies, not_found, page};

/// `GET …/repos/{owner}/{repo}`
pub(super) fn repository(state: &mut State, _: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::repository(state, &state.options.repository)))
}

pub(super) fn found<'a>(state: &'a State, call: &Call) -> Result<&'a Proposal, Answer> {
    state.proposal(call.number("index")).ok_or_else(|| not_found(state))
}

/// `GET …/pulls`: open ones, newest first, unless asked otherwise.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    // An empty repository has no pull requests to ask for (`mustNotBeEmpty`).
    if state.branches.is_empty() {
        return Err(not_found(state));
    }
    let wanted = call.query("state").unwrap_or_else(|| "open".to_owned());
    let base = call.query("base_branch");
    let mut found: Vec<&Proposal> = state
        .proposals
        .values()
        .filter(|proposal| match wanted.as_str() {
            "all" => true,
            "closed" => !proposal.standing.is_open(),
            _ => proposal.standing.is_open(),
        })
        .filter(|proposal| base.as_ref().is_none_or(|base| *base == proposal.what.target))
        .collect();
    match call.query("sort").as_deref() {
        Some("oldest") => {}
        Some("leastupdate") => found.sort_by_key(|proposal| proposal.updated),
        Some("recentupdate") => found.sort_by_key(|proposal| std::cmp::Reverse(proposal.updated)),
        _ => found.reverse(),
    }
    let cut = Page::of(call, "limit", 30, 50).cut(found);
    let body: Vec<Value> = cut.items.iter().map(|it| bodies::pull_request(state, it)).collect();
    Ok(page(state, call, &cut, json!(body)))
}

/// `GET …/pulls/{index}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::pull_request(state, found(state, call)?)))
}

/// `GET …/pulls/{index}/files`
pub(super) fn files(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let cut = Page::of(call, "limit", 30, 50).cut(proposal.what.files.clone());
    let body: Vec<Value> = cut.items.iter().map(file_body).collect();
    let answer = page(state, call, &cut, json!(body));
    Ok(answer.with("x-hasmore", cut.next().is_some()))
}

fn file_body(file: &ChangedFile) -> Value {
    let mut body = json!({
        "filename": file.path, "additions": 1, "deletions": 0, "changes": 1,
        "status": match file.change {
            FileChange::Added => "added",
            FileChange::Modified => "changed",
            FileChange::Removed => "deleted",
            FileChange::RenamedFrom(_) => "renamed",
        },
    });
    if let FileChange::RenamedFrom(old) = &file.change {
        body["previous_filename"] = json!(old);
    }
    body
}
