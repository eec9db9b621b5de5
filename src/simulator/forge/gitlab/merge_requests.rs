//! GitLab's merge requests.

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::pull_requests::Proposal;
use super::super::state::State;
use super::{bodies, not_found};

pub(super) fn found<'a>(state: &'a State, call: &Call) -> Result<&'a Proposal, Answer> {
    state.proposal(call.number("merge_request_iid")).ok_or_else(|| super::message(404, "404 Not found"))
}

/// `GET /projects/{id}/merge_requests`: all states, newest first, unless asked otherwise.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let wanted = call.query("state").unwrap_or_else(|| "all".to_owned());
    let target = call.query("target_branch");
    let mut found: Vec<&Proposal> = state
        .proposals
        .values()
        .filter(|proposal| wanted == "all" || bodies::state_word(proposal) == wanted)
        .filter(|proposal| target.as_ref().is_none_or(|target| *target == proposal.what.target))
        .collect();
    if call.query("order_by").as_deref() == Some("updated_at") {
        found.sort_by_key(|proposal| proposal.updated);
    }
    if call.query("sort").as_deref() != Some("asc") {
        found.reverse();
    }
    Ok(paged(state, call, found))
}

fn paged(state: &State, call: &Call, found: Vec<&Proposal>) -> Answer {
    let cut = Page::of(call, "per_page", 20, 100).cut(found);
    let body: Vec<Value> = cut.items.iter().map(|it| bodies::merge_request(state, it)).collect();
    bodies::page(state, call, &cut, &body)
}

/// `GET /projects/{id}/repository/commits/{sha}/merge_requests`
pub(super) fn of_commit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = state.commit(call.param("sha")).ok_or_else(|| not_found("Commit"))?;
    let with = |it: &&Proposal| it.iterations.iter().any(|(head, _)| *head == commit);
    let found = state.proposals.values().filter(with).collect();
    Ok(paged(state, call, found))
}

/// `GET /projects/{id}/merge_requests/{merge_request_iid}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::whole_merge_request(state, found(state, call)?)))
}

/// `GET /projects/{id}/merge_requests/{merge_request_iid}/changes`
pub(super) fn changes(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let mut body = bodies::whole_merge_request(state, proposal);
    body["changes"] = proposal.what.files.iter().map(bodies::diff).collect();
    body["overflow"] = json!(false);
    Ok(Answer::json(200, body))
}

/// `GET /projects/{id}/merge_requests/{merge_request_iid}/diffs`
pub(super) fn diffs(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let cut = Page::of(call, "per_page", 20, 100).cut(proposal.what.files.clone());
    let body: Vec<Value> = cut.items.iter().map(bodies::diff).collect();
    Ok(bodies::page(state, call, &cut, &body))
}
