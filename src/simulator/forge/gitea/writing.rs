//! What people ask of the REST API of Gitea and Forgejo: to open, change and merge pull requests.

use serde_json::json;

use super::super::http::{Answer, Call};
use super::super::merging::{MergeStyle, Unmergeable};
use super::super::pull_requests::Stage;
use super::super::state::State;
use super::super::writing::{Amendment, Proposed, Unproposable};
use super::pulls::found;
use super::{auto_merge, bodies, message, not_found, writable};

/// A draft is one by its title (`WORK_IN_PROGRESS_PREFIXES`). The title without the mark.
fn titled(title: &str) -> (Stage, &str) {
    for mark in ["WIP:", "[WIP]"] {
        let begins = title.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
        if begins {
            return (Stage::Draft, title[mark.len()..].trim_start());
        }
    }
    (Stage::Ready, title)
}

/// `POST …/pulls`: `head` is a branch, or `owner:branch` of a fork.
pub(super) fn open(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    writable(state)?;
    let missing = |name: &str| message(state, 422, &format!("[{name}]: Required"));
    let (stage, title) = titled(call.filled("/title").ok_or_else(|| missing("Title"))?);
    let base = call.filled("/base").ok_or_else(|| missing("Base"))?.to_owned();
    let head = call.filled("/head").ok_or_else(|| missing("Head"))?;
    let (owner, branch) = head.split_once(':').unwrap_or(("", head));
    let ours = state.options.repository.split('/').next().unwrap_or_default();
    let fork = match owner {
        "" => None,
        owner if owner.eq_ignore_ascii_case(ours) => None,
        owner => Some(state.fork_of(owner).ok_or_else(|| not_found(state))?),
    };
    let asked = Proposed {
        author: call.login().to_owned(),
        title: title.to_owned(),
        branch: branch.to_owned(),
        target: base,
        fork,
        stage,
    };
    let number = state.propose(asked).map_err(|why| match why {
        Unproposable::NoSource | Unproposable::NoTarget => not_found(state),
        Unproposable::NothingNew => message(state, 422, "there are no changes between the head and the base"),
        Unproposable::Exists(number) => message(
            state,
            409,
            &format!("pull request already exists for these targets [id: {number}, issue_id: {number}]"),
        ),
    })?;
    whole(state, number)
}

fn whole(state: &State, number: u64) -> Result<Answer, Answer> {
    let proposal = state.proposal(Some(number)).ok_or_else(|| not_found(state))?;
    Ok(Answer::json(201, bodies::pull_request(state, proposal)))
}

/// `PATCH …/pulls/{index}`, which is answered with 201.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    writable(state)?;
    let proposal = found(state, call)?;
    let (number, was_draft, is_open) = (proposal.number, proposal.is_draft(), proposal.standing.is_open());
    let is_merged = proposal.standing.merge_commit().is_some();
    if !state.may_amend(call, number) {
        return Err(message(state, 403, "user should have a permission to write to a repo"));
    }
    if let Some(title) = call.filled("/title") {
        let (stage, title) = titled(title);
        state.amend(number, Amendment::Title(title.to_owned()), call.login());
        if (stage == Stage::Draft) != was_draft {
            state.amend(number, Amendment::Stage(stage), call.login());
        }
    }
    if let Some(base) = call.filled("/base") {
        if !state.branches.contains_key(base) {
            return Err(not_found(state));
        }
        state.amend(number, Amendment::Retarget(base.to_owned()), call.login());
    }
    match call.text("/state") {
        Some(_) if is_merged => {
            return Err(message(
                state,
                412,
                "cannot change state of this pull request, it was already merged",
            ));
        }
        Some("closed") if is_open => state.amend(number, Amendment::Close, call.login()),
        Some("open") if !is_open => state.amend(number, Amendment::Reopen, call.login()),
        Some(_) | None => {}
    }
    whole(state, number)
}

/// `POST …/pulls/{index}/merge`
pub(super) fn merge(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    writable(state)?;
    let number = found(state, call)?.number;
    let style = match call.text("/Do").or(call.text("/do")).unwrap_or_default() {
        "merge" => MergeStyle::Merge,
        "squash" => MergeStyle::Squash,
        "rebase" | "rebase-merge" => MergeStyle::Rebase,
        "fast-forward-only" => MergeStyle::FastForward,
        _ => return Err(message(state, 422, "[Do]: Required")),
    };
    let said = call.filled("/MergeTitleField").map(|title| {
        let rest = call.text("/MergeMessageField").unwrap_or_default();
        format!("{title}\n\n{rest}").trim_end().to_owned()
    });
    if call.says_yes("/merge_when_checks_succeed") && auto_merge::schedule(state, call, number, style) {
        return Ok(Answer::empty(201));
    }
    match state.merge_proposal(number, style, call.filled("/head_commit_id"), said, call.login()) {
        Ok(_) => Ok(Answer::empty(200)),
        Err(Unmergeable::HeadMoved) => Err(message(state, 409, "head out of date")),
        Err(Unmergeable::Draft) => Err(message(state, 405, "Work in progress PRs cannot be merged")),
        Err(Unmergeable::NotOpen) => Err(not_found(state)),
        Err(Unmergeable::Conflict | Unmergeable::NoObjects) => {
            let body = json!({ "message": "PR has merge conflicts", "url": state.base_url });
            Err(Answer::json(405, body))
        }
        Err(Unmergeable::Git(why)) => Err(message(state, 500, why.message())),
    }
}
