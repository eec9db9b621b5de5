//! GitHub's commit statuses ("REST API endpoints for commit statuses").

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::history::Shown;
use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::state::State;
use super::super::statuses::{NewStatus, Place, is_web};
use super::bodies;
use super::refusals::{invalid, message};

/// "There is a limit of 1000 statuses per sha and context within a repository."
const MAX_PER_CONTEXT: usize = 1000;

/// What the service takes of a description, in characters.
const MAX_DESCRIPTION: usize = 140;

/// `POST /repos/{owner}/{repo}/statuses/{sha}`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let word = call.text("/state").unwrap_or_default();
    let shown = match word {
        "pending" => Shown::Unfinished,
        "success" => Shown::Success,
        "failure" | "error" => Shown::Failure,
        _ => return Err(invalid("Status", "state", "state is not included in the list")),
    };
    let description = call.text("/description");
    if description.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        return Err(invalid("Status", "description", "description is too long (maximum is 140 characters)"));
    }
    let target = call.text("/target_url");
    if target.is_some_and(|url| !url.is_empty() && !is_web(url)) {
        return Err(invalid("Status", "target_url", "target_url must use http(s) scheme"));
    }
    let (commit, context) = (call.param("sha"), call.text("/context").unwrap_or("default"));
    if !state.commits.contains(commit) {
        return Err(message(422, &format!("No commit found for SHA: {commit}")));
    }
    let of_context = state.statuses_of(commit).into_iter().filter(|known| known.context == context);
    if of_context.count() >= MAX_PER_CONTEXT {
        let text = "This SHA and context has reached the maximum number of statuses.";
        return Err(invalid("Status", "base", text));
    }
    let new = NewStatus {
        commit: commit.to_owned(),
        context: context.to_owned(),
        key: None,
        state: word.to_owned(),
        shown,
        description: description.map(str::to_owned),
        target: target.map(str::to_owned),
        proposal: None,
        creator: call.login().to_owned(),
    };
    let status = state.accept(new, Place::New);
    state.announce(&Change::Status { id: status.id });
    Ok(Answer::json(201, bodies::status(state, &status)))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/statuses`
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    let cut = Page::of(call, "per_page", 30, 100).cut(state.statuses_of(&commit));
    let body: Vec<Value> = cut.items.iter().map(|status| bodies::status(state, status)).collect();
    let answer = Answer::json(200, json!(body));
    Ok(match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    })
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/status`
pub(super) fn combined(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    let latest = state.latest_statuses(&commit);
    let is = |words: &[&str]| latest.iter().any(|status| words.contains(&status.state.as_str()));
    let word = match (is(&["failure", "error"]), latest.is_empty() || is(&["pending"])) {
        (true, _) => "failure",
        (false, true) => "pending",
        (false, false) => "success",
    };
    let total = latest.len();
    let cut = Page::of(call, "per_page", 30, 100).cut(latest);
    let statuses: Vec<Value> = cut.items.iter().map(|status| bodies::status(state, status)).collect();
    let url = format!("{}/commits/{commit}", bodies::api(state, &state.options.repository));
    let body = json!({
        "state": word, "sha": commit, "total_count": total, "statuses": statuses,
        "repository": bodies::repository(state, &state.options.repository),
        "commit_url": url, "url": format!("{url}/status"),
    });
    Ok(Answer::json(200, body))
}

pub(super) fn commit(state: &State, call: &Call) -> Result<String, Answer> {
    let reference = call.param("ref");
    state.commit(reference).ok_or_else(|| message(422, &format!("No commit found for SHA: {reference}")))
}
