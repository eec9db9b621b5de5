//! Gitea's commit statuses.

use serde_json::{Value, json};

use super::super::history::Shown;
use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::state::State;
use super::super::statuses::{NewStatus, Place, Status};
use super::{bodies, message, not_found, page};

/// `POST …/statuses/{sha}`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let word = call.text("/state").unwrap_or_default();
    let shown = match word {
        "pending" => Shown::Unfinished,
        "success" => Shown::Success,
        "failure" | "error" => Shown::Failure,
        "warning" | "skipped" => Shown::Neutral,
        _ => return Err(message(state, 400, &format!("invalid commit status state: {word}"))),
    };
    let commit = call.param("sha");
    if !state.commits.contains(commit) {
        return Err(not_found(state));
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
    let status = state.accept(new, Place::New);
    Ok(Answer::json(201, bodies::status(state, &status)))
}

fn commit(state: &State, call: &Call) -> Result<String, Answer> {
    let reference = if call.param("sha").is_empty() { call.param("ref") } else { call.param("sha") };
    state.commit(reference).ok_or_else(|| not_found(state))
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

/// `GET …/commits/{ref}/status`: the worst of the newest of each context.
pub(super) fn combined(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = commit(state, call)?;
    let latest = state.latest_statuses(&commit);
    let worst = ["error", "failure", "warning", "pending", "success", "skipped"];
    let word = worst.into_iter().find(|word| latest.iter().any(|status| status.state == *word));
    let total = latest.len();
    let cut = Page::of(call, "limit", 30, 50).cut(latest);
    let statuses: Vec<Value> = cut.items.iter().map(|status| bodies::status(state, status)).collect();
    let ours = format!("{}/api/v1/repos/{}", state.base_url, state.options.repository);
    let body = json!({
        "state": word.unwrap_or("pending"), "sha": commit, "total_count": total, "statuses": statuses,
        "repository": bodies::repository(state, &state.options.repository),
        "commit_url": format!("{ours}/commits/{commit}"), "url": format!("{ours}/commits/{commit}/status"),
    });
    Ok(page(state, call, &cut, body))
}
