//! GitHub's repository, branches, commits and pull requests.

use serde_json::{Value, json};

use super::super::http::{Answer, Call};
use super::super::paging::Page;
use super::super::pull_requests::{ChangedFile, FileChange, Proposal};
use super::super::state::State;
use super::bodies;
use super::refusals::not_found;

/// `GET /repos/{owner}/{repo}`
pub(super) fn repository(state: &mut State, _: &Call) -> Result<Answer, Answer> {
    Ok(Answer::json(200, bodies::repository(state, &state.options.repository)))
}

fn commit_body(state: &State, sha: &str) -> Value {
    let url = format!("{}/commits/{sha}", bodies::api(state, &state.options.repository));
    let git = format!("{}/git/commits/{sha}", bodies::api(state, &state.options.repository));
    let person = json!({ "name": "octocat", "email": "octocat@example.com", "date": "2026-01-01T00:00:00Z" });
    json!({
        "sha": sha, "node_id": format!("C_{sha}"), "url": url,
        "html_url": format!("{}/{}/commit/{sha}", state.base_url, state.options.repository),
        "comments_url": format!("{url}/comments"), "author": null, "committer": null, "parents": [],
        "commit": {
            "author": person, "committer": person, "message": state.message_of(sha), "comment_count": 0, "url": git,
            "tree": { "sha": sha, "url": git },
        },
    })
}

/// `GET /repos/{owner}/{repo}/branches/{branch}`
pub(super) fn branch(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let name = call.param("branch");
    let sha = state.branches.get(name).ok_or_else(not_found)?;
    let url = format!("{}/branches/{name}", bodies::api(state, &state.options.repository));
    let body = json!({
        "name": name, "commit": commit_body(state, sha), "protected": false,
        "_links": { "self": url, "html": format!("{}/{}/tree/{name}", state.base_url, state.options.repository) },
        "protection": { "enabled": false }, "protection_url": format!("{url}/protection"),
    });
    Ok(Answer::json(200, body))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}`
pub(super) fn commit(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let sha = super::statuses::commit(state, call)?;
    Ok(Answer::json(200, commit_body(state, &sha)))
}

/// `GET /repos/{owner}/{repo}/pulls`, newest first unless asked otherwise.
pub(super) fn list(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let wanted = call.query("state").unwrap_or_else(|| "open".to_owned());
    let is_wanted = |proposal: &&Proposal| match wanted.as_str() {
        "all" => true,
        "closed" => !proposal.standing.is_open(),
        _ => proposal.standing.is_open(),
    };
    let base = call.query("base");
    let into = |proposal: &&Proposal| base.as_ref().is_none_or(|base| *base == proposal.what.target);
    let mut found: Vec<&Proposal> = state.proposals.values().filter(is_wanted).filter(into).collect();
    if call.query("sort").as_deref() == Some("updated") {
        found.sort_by_key(|proposal| proposal.updated);
    }
    let default = if call.query("sort").is_some_and(|sort| sort != "created") { "asc" } else { "desc" };
    if call.query("direction").unwrap_or_else(|| default.to_owned()) == "desc" {
        found.reverse();
    }
    let cut = Page::of(call, "per_page", 30, 100).cut(found);
    let body: Vec<Value> = cut.items.iter().map(|proposal| bodies::pull_request(state, proposal)).collect();
    let answer = Answer::json(200, json!(body));
    Ok(match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    })
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) fn get(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = state.proposal(call.number("pull_number")).ok_or_else(not_found)?;
    Ok(Answer::json(200, bodies::whole_pull_request(state, proposal)))
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}/files`: at most 3,000 ("List pull requests files").
pub(super) fn files(state: &mut State, call: &Call) -> Result<Answer, Answer> {
    let proposal = state.proposal(call.number("pull_number")).ok_or_else(not_found)?;
    let files: Vec<&ChangedFile> = proposal.what.files.iter().take(3000).collect();
    let cut = Page::of(call, "per_page", 30, 100).cut(files);
    let body: Vec<Value> = cut.items.iter().map(|file| file_body(state, &proposal.what.head, file)).collect();
    let answer = Answer::json(200, json!(body));
    Ok(match cut.link(state, call) {
        Some(link) => answer.with("link", link),
        None => answer,
    })
}

fn file_body(state: &State, head: &str, file: &ChangedFile) -> Value {
    let page = format!("{}/{}", state.base_url, state.options.repository);
    let path = file.path.replace(' ', "%20");
    let mut body = json!({
        "sha": head, "filename": file.path, "additions": 1, "deletions": 0, "changes": 1,
        "status": match file.change {
            FileChange::Added => "added",
            FileChange::Modified => "modified",
            FileChange::Removed => "removed",
            FileChange::RenamedFrom(_) => "renamed",
        },
        "blob_url": format!("{page}/blob/{head}/{path}"), "raw_url": format!("{page}/raw/{head}/{path}"),
        "contents_url": format!("{}/contents/{path}?ref={head}", bodies::api(state, &state.options.repository)),
    });
    if let FileChange::RenamedFrom(old) = &file.change {
        body["previous_filename"] = json!(old);
    }
    body
}
