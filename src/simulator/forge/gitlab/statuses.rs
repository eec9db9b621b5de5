//! GitLab's commit statuses and their state machine.
//!
//! A status that is pending or running is changed; after a final one a new one begins (GitLab's
//! `Ci::CreateCommitStatusService`). `enqueue` is refused from pending and running, `run` from running.

use serde_json::{Value, json};

use super::super::history::Shown;
use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::state::State;
use super::super::statuses::{NewStatus, Place, Status, is_web};
use super::{bodies, message, not_found};

/// Of a name, a description and a target ("Commits API", and the validations of `CommitStatus`).
const MAX_TEXT: usize = 255;

/// `POST /projects/{id}/statuses/{sha}`
pub(super) fn create(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let word = call.text("/state").ok_or_else(|| error("state is missing"))?;
    let shown = match word {
        "pending" | "running" => Shown::Unfinished,
        "success" => Shown::Success,
        "failed" | "canceled" => Shown::Failure,
        "skipped" => Shown::Neutral,
        _ => return Err(error("state does not have a valid value")),
    };
    let commit = call.param("sha");
    if !state.commits.contains(commit) {
        return Err(not_found("Commit"));
    }
    let context = call.text("/name").or(call.text("/context")).unwrap_or("default");
    let (description, target) = (call.text("/description"), call.text("/target_url"));
    checked("name", Some(context))?;
    checked("description", description)?;
    checked("target_url", target)?;
    if target.is_some_and(|url| !url.is_empty() && !is_web(url)) {
        let text = "is blocked: Only allowed schemes are http, https";
        return Err(Answer::json(400, json!({ "message": { "target_url": [text] } })));
    }
    let open = state
        .statuses_of(commit)
        .into_iter()
        .find(|known| known.context == context && ["pending", "running"].contains(&known.state.as_str()));
    let place = match open {
        None => Place::New,
        Some(known) => {
            transition(&known.state, word)?;
            Place::Instead(known.id)
        }
    };
    let kept = open.map(|known| (known.description.clone(), known.target.clone())).unwrap_or_default();
    let new = NewStatus {
        commit: commit.to_owned(),
        context: context.to_owned(),
        key: None,
        state: word.to_owned(),
        shown,
        description: description.map(str::to_owned).or(kept.0),
        target: target.map(str::to_owned).or(kept.1),
        proposal: None,
        creator: call.login().to_owned(),
    };
    let status = state.accept(new, place);
    Ok(Answer::json(201, bodies::status(state, &status)))
}

fn error(text: &str) -> Answer {
    Answer::json(400, json!({ "error": text }))
}

fn checked(field: &str, text: Option<&str>) -> Result<(), Answer> {
    if text.is_some_and(|text| text.chars().count() > MAX_TEXT) {
        let text = "is too long (maximum is 255 characters)";
        return Err(Answer::json(400, json!({ "message": { field: [text] } })));
    }
    Ok(())
}

fn transition(from: &str, to: &str) -> Result<(), Answer> {
    let event = match (from, to) {
        ("pending" | "running", "pending") => "enqueue",
        ("running", "running") => "run",
        _ => return Ok(()),
    };
    Err(message(
        400,
        &format!(
            "Cannot transition status via :{event} from :{from} (Reason(s): Status cannot transition via \"{event}\")"
        ),
    ))
}

/// `GET /projects/{id}/repository/commits/{sha}/statuses`: the newest of each name, or `all` of them.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let commit = state.commit(call.param("sha")).ok_or_else(|| not_found("Commit"))?;
    let all = call.query("all").is_some_and(|all| all == "true");
    let mut found = if all { state.statuses_of(&commit) } else { state.latest_statuses(&commit) };
    if let Some(name) = call.query("name") {
        found.retain(|status| status.context == name);
    }
    if call.query("sort").as_deref() != Some("desc") {
        found.sort_by_key(|status: &&Status| status.id);
    }
    let cut = Page::of(call, "per_page", 20, 100).cut(found);
    let body: Vec<Value> = cut.items.iter().map(|status| bodies::status(state, status)).collect();
    Ok(bodies::page(state, call, &cut, &body))
}

/// `GET /projects/{id}/repository/commits/{sha}`
pub(super) fn commit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let sha = state.commit(call.param("sha")).ok_or_else(|| not_found("Commit"))?;
    let short: String = sha.chars().take(8).collect();
    let body = json!({
        "id": sha, "short_id": short, "title": "A commit", "message": "A commit", "parent_ids": [],
        "author_name": "octocat", "author_email": "octocat@example.com", "project_id": super::PROJECT,
        "web_url": format!("{}/{}/-/commit/{sha}", state.base_url, state.options.repository),
    });
    Ok(Answer::json(200, body))
}
