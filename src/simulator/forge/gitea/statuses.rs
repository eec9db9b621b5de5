//! Gitea's commit statuses.

use serde_json::{Value, json};

use super::super::history::Shown;
use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::state::State;
use super::super::statuses::{NewStatus, Place, Status};
use super::{auto_merge, bodies, message, not_found, page};

/// `POST …/statuses/{sha}`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let word = call.text("/state").unwrap_or_default();
    let shown = match word {
        "pending" => Shown::Unfinished,
        "success" => Shown::Success,
        "failure" | "error" => Shown::Failure,
        "" => return Err(message(state, 422, "[State]: Required")),
        // Gitea stores whatever word it is sent.
        _ => Shown::Neutral,
    };
    let commit = call.param("sha");
    if !state.commits.contains(commit) {
        // As if the server had a problem (`CreateCommitStatus`).
        return Err(message(state, 500, ""));
    }
    let text = |name: &str| call.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let new = NewStatus {
        commit: commit.to_owned(),
        context: text("/context").unwrap_or_else(|| "default".to_owned()),
        key: None,
        state: word.to_owned(),
        shown,
        description: text("/description"),
        target: text("/target_url"),
        proposal: None,
        creator: call.login().to_owned(),
    };
    let (head, is_success) = (new.commit.clone(), new.state == "success");
    let status = state.accept(new, Place::New);
    let answer = Answer::json(201, bodies::status(state, &status));
    if is_success {
        auto_merge::success_arrived(state, &head);
    }
    Ok(answer)
}

/// A branch, or any forty digits: whether there is such a commit is not asked.
fn commit(state: &State, call: &Call) -> Result<String, Answer> {
    let reference = if call.param("sha").is_empty() { call.param("ref") } else { call.param("sha") };
    let is_id = reference.len() == 40 && reference.bytes().all(|digit| digit.is_ascii_hexdigit());
    let known = state.commit(reference).or_else(|| is_id.then(|| reference.to_owned()));
    known.ok_or_else(|| not_found(state))
}

/// The word for the statuses of a commit together: the worst of the newest of each context; empty where
/// there are none.
pub(super) fn together(state: &State, commit: &str) -> &'static str {
    let latest = state.latest_statuses(commit);
    let worst = ["error", "failure", "warning", "pending", "success", "skipped"];
    let word = worst.into_iter().find(|word| latest.iter().any(|status| status.state == *word));
    word.unwrap_or("")
}

/// `GET …/git/commits/{sha}`, which tells whether there is such a commit.
pub(super) fn git_commit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let sha = state.commit(call.param("sha")).ok_or_else(|| not_found(state))?;
    let url = format!("{}/api/v1/repos/{}/git/commits/{sha}", state.base_url, state.options.repository);
    let message = state.message_of(&sha);
    Ok(Answer::json(200, json!({ "sha": sha, "url": url, "commit": { "message": message, "url": url } })))
}

/// `GET …/statuses/{sha}` and `GET …/commits/{ref}/statuses`
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    let mut found = state.statuses_of(&commit);
    if let Some(wanted) = call.query("state") {
        found.retain(|status| status.state == wanted);
    }
    if matches!(call.query("sort").as_deref(), Some("oldest" | "leastindex")) {
        found.sort_by_key(|status: &&Status| status.id);
    }
    let cut = Page::of(call, "limit", 30, 50).cut(found);
    let body: Vec<Value> = cut.items.iter().map(|status| bodies::status(state, status)).collect();
    Ok(page(state, call, &cut, json!(body)))
}

/// `GET …/commits/{ref}/status`
pub(super) fn combined(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    let latest = state.latest_statuses(&commit);
    let total = latest.len();
    let cut = Page::of(call, "limit", 30, 50).cut(latest);
    let statuses: Vec<Value> = cut.items.iter().map(|status| bodies::status(state, status)).collect();
    let ours = format!("{}/api/v1/repos/{}", state.base_url, state.options.repository);
    let body = json!({
        "state": together(state, &commit), "sha": commit, "total_count": total, "statuses": statuses,
        "repository": bodies::repository(state, &state.options.repository),
        "commit_url": format!("{ours}/commits/{commit}"), "url": format!("{ours}/commits/{commit}/status"),
    });
    Ok(page(state, call, &cut, body))
}
