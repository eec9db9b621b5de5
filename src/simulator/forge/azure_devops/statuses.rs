//! Azure DevOps' statuses: of commits, of pull requests, and of their iterations.

use serde_json::Value;

use super::super::history::Shown;
use super::super::http::{Answer, Call};
use super::super::state::State;
use super::super::statuses::{NewStatus, Place, Status};
use super::{bodies, error, list, pulls, versioned};

/// `POST …/commits/{commitId}/statuses`
pub(super) fn post_to_commit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    post(state, call, commit, None)
}

/// `POST …/pullRequests/{pullRequestId}/statuses`: on the iteration that the body names, or on the whole.
pub(super) fn post_to_pull_request(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let iteration = call.body.pointer("/iterationId").and_then(Value::as_u64);
    post_to(state, call, iteration)
}

/// `POST …/pullRequests/{pullRequestId}/iterations/{iterationId}/statuses`
pub(super) fn post_to_iteration(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    post_to(state, call, Some(call.number("iterationId").unwrap_or(0)))
}

fn post_to(state: &mut State, call: &Call, iteration: Option<u64>) -> Result<Answer, Answer> {
    let proposal = pulls::found(state, call)?;
    if !proposal.standing.is_open() {
        let text = "TF401181: The pull request cannot be edited due to its state.";
        return Err(error(400, "GitPullRequestNotEditableException", text));
    }
    let head = match iteration {
        None => proposal.what.head.clone(),
        Some(number) => {
            let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
            let known = at.and_then(|at| proposal.iterations.get(at)).map(|(head, _)| head.clone());
            let text = "The specified iteration does not exist.";
            known.ok_or_else(|| error(400, "InvalidArgumentValueException", text))?
        }
    };
    let place = (proposal.number, iteration);
    post(state, call, head, Some(place))
}

fn post(
    state: &mut State,
    call: &Call,
    commit: String,
    proposal: Option<(u64, Option<u64>)>,
) -> Result<Answer, Answer> {
    versioned(call)?;
    let invalid = |text: &str| error(400, "InvalidArgumentValueException", text);
    let word = call.text("/state").unwrap_or("notSet").to_owned();
    let shown = match word.as_str() {
        "pending" | "notSet" => Shown::Unfinished,
        "succeeded" => Shown::Success,
        "failed" | "error" => Shown::Failure,
        "notApplicable" => Shown::Neutral,
        _ => return Err(invalid("The value of state is not within the allowed values.")),
    };
    let name = call.text("/context/name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid("Value cannot be null. Parameter name: status.Context.Name"))?;
    let context = match call.text("/context/genre").filter(|genre| !genre.is_empty()) {
        Some(genre) => format!("{genre}/{name}"),
        None => name.to_owned(),
    };
    let new = NewStatus {
        commit,
        context,
        key: None,
        state: word,
        shown,
        description: call.text("/description").map(str::to_owned),
        target: call.text("/targetUrl").map(str::to_owned),
        proposal,
        creator: call.login().to_owned(),
    };
    let status = state.accept(new, Place::New);
    Ok(Answer::json(200, bodies::status(state, &status)))
}

fn commit(state: &State, call: &Call) -> Result<String, Answer> {
    let commit = call.param("commitId");
    state.commits.get(commit).cloned().ok_or_else(|| {
        let text = format!("TF401175: The version descriptor <Commit: {commit} > could not be resolved.");
        error(404, "GitUnresolvableToCommitException", &text)
    })
}

/// `GET …/commits/{commitId}/statuses`, newest first; `latestOnly`: one of each context.
pub(super) fn of_commit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    let latest = call.query("latestOnly").is_some_and(|latest| latest.eq_ignore_ascii_case("true"));
    let found = if latest { state.latest_statuses(&commit) } else { state.statuses_of(&commit) };
    let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
    let found = found.into_iter().skip(number("skip").unwrap_or(0)).take(number("top").unwrap_or(1000));
    Ok(list(found.map(|status| bodies::status(state, status)).collect()))
}

/// `GET …/pullRequests/{pullRequestId}/statuses`
pub(super) fn of_pull_request(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let number = pulls::found(state, call)?.number;
    let of_it = |status: &&Status| status.proposal.is_some_and(|(on, _)| on == number);
    Ok(list(state.statuses.iter().filter(of_it).map(|status| bodies::status(state, status)).collect()))
}

/// `GET …/pullRequests/{pullRequestId}/iterations/{iterationId}/statuses`
pub(super) fn of_iteration(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let wanted = Some((pulls::found(state, call)?.number, call.number("iterationId")));
    let of_it = state.statuses.iter().filter(|status| status.proposal == wanted);
    Ok(list(of_it.map(|status| bodies::status(state, status)).collect()))
}
