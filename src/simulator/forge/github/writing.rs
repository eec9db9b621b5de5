//! What people ask of GitHub's REST API ("Create a pull request", "Update a pull request", "Merge a pull
//! request"). A draft is called finished by GraphQL only, which is not here.

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::merging::{MergeStyle, Unmergeable};
use super::super::pull_requests::Stage;
use super::super::state::State;
use super::super::writing::{Amendment, Proposed, Unproposable};
use super::bodies;
use super::refusals::{invalid, message, not_found};

/// `POST /repos/{owner}/{repo}/pulls`: `head` is a branch, or `owner:branch` of a fork.
pub(super) fn open(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let missing = |name: &str| invalid("PullRequest", name, &format!("{name} is missing"));
    let title = call.filled("/title").ok_or_else(|| missing("title"))?;
    let base = call.filled("/base").ok_or_else(|| missing("base"))?;
    let head = call.filled("/head").ok_or_else(|| missing("head"))?;
    let (owner, branch) = head.split_once(':').unwrap_or(("", head));
    let ours = state.options.repository.split('/').next().unwrap_or_default();
    let fork = match owner {
        "" => None,
        owner if owner.eq_ignore_ascii_case(ours) => None,
        owner => Some(state.fork_of(owner).ok_or_else(|| invalid("PullRequest", "head", "head is invalid"))?),
    };
    let asked = Proposed {
        author: call.login().to_owned(),
        title: title.to_owned(),
        branch: branch.to_owned(),
        target: base.to_owned(),
        fork,
        stage: if call.says_yes("/draft") { Stage::Draft } else { Stage::Ready },
    };
    let number = state.propose(asked).map_err(|why| match why {
        Unproposable::NoSource => invalid("PullRequest", "head", "head is invalid"),
        Unproposable::NoTarget => invalid("PullRequest", "base", "base is invalid"),
        Unproposable::NothingNew => {
            invalid("PullRequest", "head", &format!("No commits between {base} and {branch}"))
        }
        Unproposable::Exists(_) => {
            invalid("PullRequest", "head", &format!("A pull request already exists for {head}."))
        }
    })?;
    whole(state, number, 201)
}

fn whole(state: &State, number: u64, status: u16) -> Result<Answer, Answer> {
    let proposal = state.proposal(Some(number)).ok_or_else(not_found)?;
    Ok(Answer::json(status, bodies::whole_pull_request(state, proposal)))
}

/// `PATCH /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = state.proposal(call.number("pull_number")).ok_or_else(not_found)?;
    let (number, is_open, ended) =
        (proposal.number, proposal.standing.is_open(), proposal.standing.merge_commit().is_some());
    if !state.may_amend(call, number) {
        return Err(message(403, "Must have admin rights to Repository."));
    }
    if let Some(title) = call.filled("/title") {
        state.amend(number, Amendment::Title(title.to_owned()), call.login());
    }
    if let Some(base) = call.filled("/base") {
        if !state.branches.contains_key(base) {
            return Err(invalid("PullRequest", "base", "base is invalid"));
        }
        state.amend(number, Amendment::Retarget(base.to_owned()), call.login());
    }
    match call.text("/state") {
        Some("closed") if is_open => state.amend(number, Amendment::Close, call.login()),
        Some("open") if ended => {
            return Err(invalid(
                "PullRequest",
                "state",
                "state cannot be changed. The pull request is merged.",
            ));
        }
        Some("open") if !is_open => state.amend(number, Amendment::Reopen, call.login()),
        Some("open" | "closed") | None => {}
        Some(_) => return Err(invalid("PullRequest", "state", "state is not included in the list")),
    }
    whole(state, number, 200)
}

/// `PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge`
pub(super) fn merge(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = state.proposal(call.number("pull_number")).ok_or_else(not_found)?.number;
    let style = match call.text("/merge_method").unwrap_or("merge") {
        "merge" => MergeStyle::Merge,
        "squash" => MergeStyle::Squash,
        "rebase" => MergeStyle::Rebase,
        _ => return Err(invalid("PullRequest", "merge_method", "merge_method is not included in the list")),
    };
    let said = call.filled("/commit_title").map(|title| {
        let rest = call.text("/commit_message").unwrap_or_default();
        format!("{title}\n\n{rest}").trim_end().to_owned()
    });
    match state.merge_proposal(number, style, call.filled("/sha"), said, call.login()) {
        Ok(sha) => Ok(Answer::json(200, merged(&sha))),
        Err(Unmergeable::HeadMoved) => {
            Err(message(409, "Head branch was modified. Review and try the merge again."))
        }
        Err(Unmergeable::Draft) => Err(message(405, "Pull Request is still a draft")),
        Err(Unmergeable::NotOpen | Unmergeable::Conflict | Unmergeable::NoObjects) => {
            Err(message(405, "Pull Request is not mergeable"))
        }
        Err(Unmergeable::Git(why)) => Err(message(500, why.message())),
    }
}

fn merged(sha: &str) -> Value {
    json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" })
}
