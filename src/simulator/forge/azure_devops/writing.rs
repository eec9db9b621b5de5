//! What people ask of Azure DevOps' REST API ("Pull Requests - Create", "Pull Requests - Update").

use super::super::accounts::Permission;
use super::super::http::{Answer, Call};
use super::super::merging::{MergeStyle, Unmergeable};
use super::super::pull_requests::Stage;
use super::super::state::State;
use super::super::writing::{Amendment, Proposed, Unproposable};
use super::pulls::found;
use super::{bodies, error, versioned};

fn invalid(text: &str) -> Answer {
    error(400, "InvalidArgumentValueException", text)
}

/// The branch of a full reference.
fn branch<'a>(call: &'a Call, name: &str) -> Result<&'a str, Answer> {
    let text = call.filled(&format!("/{name}")).unwrap_or_default();
    text.strip_prefix("refs/heads/")
        .ok_or_else(|| invalid(&format!("TF401027: {name} must begin with refs/heads/: \"{text}\"")))
}

/// `POST …/pullrequests`
pub(super) fn open(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    versioned(call)?;
    let source = branch(call, "sourceRefName")?;
    let target = branch(call, "targetRefName")?;
    let fork = match call.text("/forkSource/repository/id") {
        None => None,
        Some(id) => {
            let forks = state.objects.as_ref().map_or(&[][..], |objects| objects.forks());
            let known = forks.iter().find(|name| state.named_uuid(name).to_string() == id);
            Some(known.cloned().ok_or_else(|| invalid("the fork is not known"))?)
        }
    };
    let title = call.filled("/title").ok_or_else(|| invalid("A title is required"))?;
    let asked = Proposed {
        author: call.login().to_owned(),
        title: title.to_owned(),
        branch: source.to_owned(),
        target: target.to_owned(),
        fork,
        stage: if call.says_yes("/isDraft") { Stage::Draft } else { Stage::Ready },
    };
    let number = state.propose(asked).map_err(|why| match why {
        Unproposable::NoSource => invalid(&format!("TF401398: refs/heads/{source} does not exist")),
        Unproposable::NoTarget => invalid(&format!("TF401398: refs/heads/{target} does not exist")),
        Unproposable::NothingNew => invalid("There are no changes between the two branches"),
        Unproposable::Exists(_) => error(
            409,
            "GitPullRequestExistsException",
            "TF401179: An active pull request for the source and target branch already exists.",
        ),
    })?;
    whole(state, number, 201)
}

fn whole(state: &State, number: u64, status: u16) -> Result<Answer, Answer> {
    let gone = || {
        error(404, "GitPullRequestNotFoundException", "TF401180: The requested pull request was not found.")
    };
    let proposal = state.proposal(Some(number)).ok_or_else(gone)?;
    Ok(Answer::json(status, bodies::pull_request(state, proposal)))
}

/// `PATCH …/pullrequests/{pullRequestId}`: `status` completes (with `lastMergeSourceCommit`), abandons or
/// reactivates.
pub(super) fn update(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    versioned(call)?;
    let proposal = found(state, call)?;
    let (number, is_open, was_draft) = (proposal.number, proposal.standing.is_open(), proposal.is_draft());
    if !state.may_amend(call, number) {
        return Err(needs_contribute());
    }
    if let Some(title) = call.filled("/title") {
        state.amend(number, Amendment::Title(title.to_owned()), call.login());
    }
    let is_draft = call.body.get("isDraft").and_then(serde_json::Value::as_bool);
    if let Some(draft) = is_draft.filter(|draft| *draft != was_draft) {
        let stage = if draft { Stage::Draft } else { Stage::Ready };
        state.amend(number, Amendment::Stage(stage), call.login());
    }
    if call.filled("/targetRefName").is_some() {
        let target = branch(call, "targetRefName")?.to_owned();
        if !state.branches.contains_key(&target) {
            return Err(invalid(&format!("TF401398: refs/heads/{target} does not exist")));
        }
        state.amend(number, Amendment::Retarget(target), call.login());
    }
    match call.text("/status") {
        Some("completed") => complete(state, call, number)?,
        Some("abandoned") if is_open => state.amend(number, Amendment::Close, call.login()),
        Some("active") if !is_open => state.amend(number, Amendment::Reopen, call.login()),
        Some("abandoned" | "active") | None => {}
        Some(word) => return Err(invalid(&format!("the status \"{word}\" cannot be set"))),
    }
    whole(state, number, 200)
}

fn needs_contribute() -> Answer {
    let text = "TF401027: You need the Git 'PullRequestContribute' permission to perform this action.";
    error(403, "GitNeedsPermissionException", text)
}

fn complete(state: &mut State, call: &Call, number: u64) -> Result<(), Answer> {
    if call.permission() < Permission::Write {
        return Err(needs_contribute());
    }
    let style = match call.text("/completionOptions/mergeStrategy").unwrap_or("noFastForward") {
        "noFastForward" => MergeStyle::Merge,
        "squash" => MergeStyle::Squash,
        "rebase" | "rebaseMerge" => MergeStyle::Rebase,
        word => return Err(invalid(&format!("the merge strategy \"{word}\" is not known"))),
    };
    let head = call.filled("/lastMergeSourceCommit/commitId");
    let head = head.ok_or_else(|| invalid("Completing needs lastMergeSourceCommit.commitId"))?;
    let said = call.filled("/completionOptions/mergeCommitMessage").map(str::to_owned);
    let done = state.merge_proposal(number, style, Some(head), said, call.login());
    done.map(drop).map_err(|why| {
        let status = match why {
            Unmergeable::HeadMoved | Unmergeable::Conflict => 409,
            Unmergeable::NotOpen | Unmergeable::Draft | Unmergeable::NoObjects => 400,
            Unmergeable::Git(_) => 500,
        };
        error(status, "GitPullRequestUpdateRejectedException", &format!("TF401192: not completed: {why}."))
    })
}
