//! What people ask of Bitbucket Cloud's REST API: to create, update, merge and decline pull requests.

use super::super::http::{Answer, Call};
use super::super::merging::{MergeStyle, Unmergeable};
use super::super::pull_requests::Stage;
use super::super::state::State;
use super::super::writing::{Amendment, Proposed, Unproposable};
use super::pulls::found;
use super::{bodies, invalid, message};

/// `POST …/pullrequests`: into the main branch unless `destination` says otherwise; from a fork where
/// `source.repository` names one.
pub(super) fn open(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let title = call.filled("/title").ok_or_else(|| invalid("title", "This field is required."))?;
    let branch = call.filled("/source/branch/name");
    let branch = branch.ok_or_else(|| invalid("source", "This field is required."))?;
    let target = call.filled("/destination/branch/name").unwrap_or(&state.options.default_branch);
    let fork = match call.filled("/source/repository/full_name") {
        Some(name) if !name.eq_ignore_ascii_case(&state.options.repository) => {
            let fork = state.fork_named(name);
            Some(fork.ok_or_else(|| invalid("source", "repository not found"))?)
        }
        Some(_) | None => None,
    };
    let asked = Proposed {
        author: call.login().to_owned(),
        title: title.to_owned(),
        branch: branch.to_owned(),
        target: target.to_owned(),
        fork,
        stage: if call.says_yes("/draft") { Stage::Draft } else { Stage::Ready },
    };
    match state.propose(asked) {
        Ok(number) => whole(state, number, 201),
        Err(Unproposable::NoSource) => Err(invalid("source", "branch not found")),
        Err(Unproposable::NoTarget) => Err(invalid("destination", "branch not found")),
        Err(Unproposable::NothingNew) => Err(message(400, "There are no changes to be pulled")),
        // Bitbucket updates the open one.
        Err(Unproposable::Exists(number)) => whole(state, number, 201),
    }
}

fn whole(state: &State, number: u64, status: u16) -> Result<Answer, Answer> {
    let proposal = state.proposal(Some(number)).ok_or_else(|| message(404, "Pull request not found"))?;
    Ok(Answer::json(status, bodies::pull_request(state, proposal)))
}

/// `PUT …/pullrequests/{pull_request_id}`: title, destination, draft.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let (number, was_draft) = (proposal.number, proposal.is_draft());
    if !state.may_amend(call, number) {
        return Err(message(403, "Your credentials lack one or more required privilege scopes."));
    }
    if let Some(title) = call.filled("/title") {
        state.amend(number, Amendment::Title(title.to_owned()), call.login());
    }
    if let Some(target) = call.filled("/destination/branch/name") {
        if !state.branches.contains_key(target) {
            return Err(invalid("destination", "branch not found"));
        }
        state.amend(number, Amendment::Retarget(target.to_owned()), call.login());
    }
    let is_draft = call.body.get("draft").and_then(serde_json::Value::as_bool);
    if let Some(draft) = is_draft.filter(|draft| *draft != was_draft) {
        let stage = if draft { Stage::Draft } else { Stage::Ready };
        state.amend(number, Amendment::Stage(stage), call.login());
    }
    whole(state, number, 200)
}

/// `POST …/pullrequests/{pull_request_id}/decline`, for good.
pub(super) fn decline(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let (number, is_open) = (proposal.number, proposal.standing.is_open());
    if !state.may_amend(call, number) {
        return Err(message(403, "Your credentials lack one or more required privilege scopes."));
    }
    if !is_open {
        return Err(message(400, "This pull request is already closed."));
    }
    state.amend(number, Amendment::Close, call.login());
    whole(state, number, 200)
}

/// `POST …/pullrequests/{pull_request_id}/merge`
pub(super) fn merge(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = found(state, call)?.number;
    let style = match call.text("/merge_strategy").unwrap_or("merge_commit") {
        "merge_commit" => MergeStyle::Merge,
        "squash" => MergeStyle::Squash,
        "fast_forward" => MergeStyle::FastForward,
        "rebase_merge" | "rebase_fast_forward" => MergeStyle::Rebase,
        _ => return Err(invalid("merge_strategy", "not a valid choice")),
    };
    let said = call.filled("/message").map(str::to_owned);
    match state.merge_proposal(number, style, None, said, call.login()) {
        Ok(_) => whole(state, number, 200),
        Err(Unmergeable::Conflict) => {
            Err(message(400, "You can't merge until you resolve all merge conflicts."))
        }
        Err(Unmergeable::NotOpen) => Err(message(400, "This pull request is already closed.")),
        Err(Unmergeable::Git(why)) => Err(message(500, why.message())),
        Err(why @ (Unmergeable::Draft | Unmergeable::HeadMoved | Unmergeable::NoObjects)) => {
            Err(message(400, &why.to_string()))
        }
    }
}
