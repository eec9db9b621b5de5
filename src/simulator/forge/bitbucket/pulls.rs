//! Bitbucket's pull requests.

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::pull_requests::Proposal;
use super::super::state::State;
use super::{bodies, message, page};

pub(super) fn found<'a>(state: &'a State, call: &Call) -> Result<&'a Proposal, Answer> {
    let proposal = state.proposal(call.number("pull_request_id"));
    proposal.ok_or_else(|| message(404, "Pull request not found"))
}

/// `GET …/pullrequests`: open ones unless `state` says otherwise, newest first; at most 50 on a page.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let asked = call.uri.query().unwrap_or_default().split('&');
    let wanted: Vec<&str> = asked.filter_map(|pair| pair.strip_prefix("state=")).collect();
    let is_wanted = |proposal: &&Proposal| {
        let word = bodies::state_word(proposal);
        if wanted.is_empty() { word == "OPEN" } else { wanted.contains(&word) }
    };
    let found: Vec<&Proposal> = state.proposals.values().rev().filter(is_wanted).collect();
    Ok(page(state, call, (10, 50), found, |proposal| bodies::pull_request(state, proposal)))
}

/// `GET …/pullrequests/{pull_request_id}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::pull_request(state, found(state, call)?)))
}

/// `GET …/pullrequests/{pull_request_id}/commits` ("List commits on a pull request"): the newest first,
/// with whole ids. The model knows of one commit only, the head.
pub(super) fn commits(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let head = found(state, call)?.what.head.clone();
    Ok(page(state, call, (10, 100), vec![head], |hash| json!({ "type": "commit", "hash": hash })))
}

/// `GET …/pullrequests/{pull_request_id}/diffstat`: "Redirects to the repository diffstat with the revspec
/// that corresponds to the pull request."
pub(super) fn to_diffstat(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let (head, base) = (&proposal.what.head, state.base_of(proposal));
    let spec = format!("{}:{head}%0D{base}", state.options.repository);
    let asked = call.uri.query().map(|query| format!("&{query}")).unwrap_or_default();
    let place = format!(
        "{}/diffstat/{}?from_pullrequest_id={}{asked}",
        bodies::root(state),
        spec.replace('/', "%2F"),
        proposal.number
    );
    Ok(Answer::empty(302).with("location", place))
}

/// `GET …/diffstat/{spec}`
pub(super) fn diffstat(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = call.query("from_pullrequest_id").and_then(|number| number.parse().ok());
    let proposal = state.proposal(number).ok_or_else(|| message(404, "Commit not found"))?;
    let files: Vec<Value> = proposal.what.files.iter().map(bodies::diffstat).collect();
    Ok(page(state, call, (500, 5000), files, Value::clone))
}
