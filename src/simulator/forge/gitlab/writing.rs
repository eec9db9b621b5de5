//! What people ask of GitLab's REST API ("Create MR", "Update MR", "Merge a merge request").

use serde_json::{Value, json};

use super::super::accounts::Permission;
use super::super::http::{Answer, Call};
use super::super::merging::{MergeStyle, Unmergeable};
use super::super::pull_requests::Stage;
use super::super::state::{Existence, State};
use super::super::writing::{Amendment, Proposed, Unproposable};
use super::merge_requests::found;
use super::{PROJECT, bodies, message, not_found};

fn refused(status: u16, text: &str) -> Answer {
    Answer::json(status, json!({ "message": [text] }))
}

/// A project as the path or the body names it: ours (`Ok(None)`), a fork, or none.
fn project(state: &State, named: &str) -> Result<Option<String>, Answer> {
    if named == PROJECT.to_string() || named.eq_ignore_ascii_case(&state.options.repository) {
        return Ok(None);
    }
    let forks = state.objects.as_ref().map_or(&[][..], |objects| objects.forks());
    let numbered = (named == (PROJECT + 1).to_string()).then(|| forks.first().cloned()).flatten();
    numbered.or_else(|| state.fork_named(named)).map(Some).ok_or_else(|| not_found("Project"))
}

/// GitLab marks drafts in the title.
fn titled(title: &str) -> (Stage, &str) {
    for mark in ["Draft:", "[Draft]", "(Draft)"] {
        let begins = title.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
        if begins {
            return (Stage::Draft, title[mark.len()..].trim_start());
        }
    }
    (Stage::Ready, title)
}

fn number(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `POST /projects/{id}/merge_requests`: of the project with the source branch.
pub(super) fn open(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    if state.existence == Existence::Deleted || call.permission() < Permission::Read {
        return Err(not_found("Project"));
    }
    let fork = project(state, call.param("id"))?;
    let target_project = number(call.body.pointer("/target_project_id"));
    let goes_to_fork = match target_project {
        Some(named) => project(state, &named)?.is_some(),
        None => fork.is_some(),
    };
    if goes_to_fork {
        return Err(refused(422, "Target project must be the upstream project: set target_project_id"));
    }
    let missing = |name: &str| Answer::json(400, json!({ "error": format!("{name} is missing") }));
    let (stage, title) = titled(call.filled("/title").ok_or_else(|| missing("title"))?);
    let branch = call.filled("/source_branch").ok_or_else(|| missing("source_branch"))?;
    let target = call.filled("/target_branch").ok_or_else(|| missing("target_branch"))?;
    let asked = Proposed {
        author: call.login().to_owned(),
        title: title.to_owned(),
        branch: branch.to_owned(),
        target: target.to_owned(),
        fork,
        stage,
    };
    let number = state.propose(asked).map_err(|why| match why {
        Unproposable::NoSource => refused(400, &format!("Source branch \"{branch}\" does not exist")),
        Unproposable::NoTarget => refused(400, &format!("Target branch \"{target}\" does not exist")),
        Unproposable::NothingNew => refused(400, "There are no new commits"),
        Unproposable::Exists(number) => refused(
            409,
            &format!("Another open merge request already exists for this source branch: !{number}"),
        ),
    })?;
    whole(state, number, 201)
}

fn whole(state: &State, number: u64, status: u16) -> Result<Answer, Answer> {
    let proposal = state.proposal(Some(number)).ok_or_else(|| message(404, "404 Not found"))?;
    Ok(Answer::json(status, bodies::whole_merge_request(state, proposal)))
}

/// `PUT /projects/{id}/merge_requests/{merge_request_iid}`
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = found(state, call)?;
    let (number, was_draft, is_open) = (proposal.number, proposal.is_draft(), proposal.standing.is_open());
    let is_merged = proposal.standing.merge_commit().is_some();
    if !state.may_amend(call, number) {
        return Err(message(403, "403 Forbidden"));
    }
    if let Some(title) = call.filled("/title") {
        let (stage, title) = titled(title);
        state.amend(number, Amendment::Title(title.to_owned()), call.login());
        if (stage == Stage::Draft) != was_draft {
            state.amend(number, Amendment::Stage(stage), call.login());
        }
    }
    if let Some(target) = call.filled("/target_branch") {
        if !state.branches.contains_key(target) {
            return Err(refused(400, &format!("Target branch \"{target}\" does not exist")));
        }
        state.amend(number, Amendment::Retarget(target.to_owned()), call.login());
    }
    match call.text("/state_event") {
        Some("close") if is_open => state.amend(number, Amendment::Close, call.login()),
        Some("reopen") if !is_open && !is_merged => state.amend(number, Amendment::Reopen, call.login()),
        Some("close" | "reopen") | None => {}
        Some(_) => {
            return Err(Answer::json(400, json!({ "error": "state_event does not have a valid value" })));
        }
    }
    whole(state, number, 200)
}

/// `PUT /projects/{id}/merge_requests/{merge_request_iid}/merge`: a merge commit, after a squash where one
/// is asked for (GitLab then has both; here the squashed commit is the one that the branch stands at).
pub(super) fn merge(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = found(state, call)?.number;
    let style = if call.says_yes("/squash") { MergeStyle::Squash } else { MergeStyle::Merge };
    let said = match style {
        MergeStyle::Squash => call.filled("/squash_commit_message"),
        MergeStyle::Merge | MergeStyle::Rebase | MergeStyle::FastForward => {
            call.filled("/merge_commit_message")
        }
    };
    let said = said.map(str::to_owned);
    match state.merge_proposal(number, style, call.filled("/sha"), said, call.login()) {
        Ok(_) => whole(state, number, 200),
        Err(Unmergeable::HeadMoved) => Err(message(409, "SHA does not match HEAD of source branch")),
        Err(Unmergeable::NotOpen | Unmergeable::Draft) => Err(message(405, "405 Method Not Allowed")),
        Err(Unmergeable::Conflict | Unmergeable::NoObjects) => Err(message(422, "Branch cannot be merged")),
        Err(Unmergeable::Git(why)) => Err(message(500, why.message())),
    }
}
