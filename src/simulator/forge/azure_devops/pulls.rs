//! Azure DevOps' pull requests and their iterations.

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::pull_requests::{ChangedFile, FileChange, Proposal};
use super::super::state::State;
use super::{bodies, error, list as wrapped};

pub(super) fn found<'a>(state: &'a State, call: &Call) -> Result<&'a Proposal, Answer> {
    state.proposal(call.number("pullRequestId")).ok_or_else(|| {
        let text = "TF401180: The requested pull request was not found.";
        error(404, "GitPullRequestNotFoundException", text)
    })
}

/// `GET …/pullrequests`: active ones, newest first, at most `$top` (101 unless asked otherwise, at most
/// 1,000) after `$skip`.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let wanted = call.query("searchCriteria.status").unwrap_or_else(|| "active".to_owned());
    let target = call.query("searchCriteria.targetRefName");
    let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let found = state
        .proposals
        .values()
        .rev()
        .filter(|proposal| wanted == "all" || bodies::state_word(proposal) == wanted)
        .filter(|proposal| {
            target.as_ref().is_none_or(|target| *target == format!("refs/heads/{}", proposal.what.target))
        })
        .skip(number("$skip").unwrap_or(0))
        .take(number("$top").unwrap_or(101).min(1000));
    Ok(wrapped(found.map(|proposal| bodies::pull_request(state, proposal)).collect()))
}

/// `GET …/pullrequests/{pullRequestId}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::pull_request(state, found(state, call)?)))
}

/// `GET …/pullRequests/{pullRequestId}/iterations`
pub(super) fn iterations(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let all = (0..proposal.iterations.len()).filter_map(|at| bodies::iteration(state, proposal, at));
    Ok(wrapped(all.collect()))
}

/// Which one the path names, from 0.
fn place(proposal: &Proposal, call: &Call) -> Result<usize, Answer> {
    let number = call.param("iterationId").parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    number.filter(|at| *at < proposal.iterations.len()).ok_or_else(|| {
        let text = "The specified iteration does not exist.";
        error(404, "GitPullRequestIterationNotFoundException", text)
    })
}

/// `GET …/pullRequests/{pullRequestId}/iterations/{iterationId}`
pub(super) fn iteration(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let body = bodies::iteration(state, proposal, place(proposal, call)?).unwrap_or_default();
    Ok(Answer::json(200, body))
}

/// `GET …/pullRequests/{pullRequestId}/iterations/{iterationId}/changes`: `$top` (100 unless asked
/// otherwise, at most 2,000) after `$skip`; `nextSkip` and `nextTop` are 0 on the last page.
pub(super) fn changes(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    place(proposal, call)?;
    let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let (skip, top) = (number("$skip").unwrap_or(0), number("$top").unwrap_or(100).min(2000));
    let files = &proposal.what.files;
    let entries: Vec<Value> =
        files.iter().enumerate().skip(skip).take(top).map(|(at, file)| change(at, file)).collect();
    let next = skip + entries.len();
    let mut body = json!({ "changeEntries": entries });
    if next < files.len() {
        body["nextSkip"] = json!(next);
        body["nextTop"] = json!(top);
    } else {
        body["nextSkip"] = json!(0);
        body["nextTop"] = json!(0);
    }
    Ok(Answer::json(200, body))
}

fn change(at: usize, file: &ChangedFile) -> Value {
    let path = format!("/{}", file.path);
    let mut body = json!({
        "changeTrackingId": at + 1, "changeId": at + 1,
        "item": { "objectId": "1".repeat(40), "path": path },
        "changeType": match file.change {
            FileChange::Added => "add",
            FileChange::Modified => "edit",
            FileChange::Removed => "delete",
            FileChange::RenamedFrom(_) => "edit, rename",
        },
    });
    match &file.change {
        FileChange::RenamedFrom(old) => {
            body["originalPath"] = json!(format!("/{old}"));
            body["sourceServerItem"] = json!(format!("/{old}"));
        }
        // What is gone has its path elsewhere.
        FileChange::Removed => {
            body["originalPath"] = json!(path);
            body["item"]["path"] = Value::Null;
        }
        FileChange::Added | FileChange::Modified => {}
    }
    body
}
