//! What Gitea's things look like as JSON.

use serde_json::{Value, json};

use super::super::comments::Comment;
use super::super::pull_requests::{Proposal, Standing};
use super::super::state::{Existence, State, seconds};
use super::super::statuses::Status;

pub(super) fn user(state: &State, login: &str) -> Value {
    json!({
        "id": state.account_id(login), "login": login, "login_name": "", "full_name": "",
        "email": format!("{login}@noreply.example.com"), "avatar_url": format!("{}/avatars/{login}", state.base_url),
        "html_url": format!("{}/{login}", state.base_url), "username": login, "active": true,
    })
}

pub(super) fn repository(state: &State, name: &str) -> Value {
    let (owner, short) = name.split_once('/').unwrap_or((name, name));
    let is_ours = name == state.options.repository;
    let html = format!("{}/{name}", state.base_url);
    json!({
        "id": if is_ours { 42 } else { 43 }, "owner": user(state, owner), "name": short, "full_name": name,
        "description": "", "empty": state.branches.is_empty(), "private": true, "fork": !is_ours, "parent": null,
        "html_url": html, "clone_url": format!("{html}.git"), "ssh_url": format!("git@gitea.example.com:{name}.git"),
        "url": format!("{}/api/v1/repos/{name}", state.base_url), "has_pull_requests": true,
        "default_branch": state.options.default_branch, "archived": state.existence == Existence::Archived,
        "object_format_name": "sha1", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    })
}

fn end(state: &State, name: &str, branch: &str, sha: &str) -> Value {
    let repository = repository(state, name);
    json!({ "label": branch, "ref": branch, "sha": sha, "repo_id": repository["id"], "repo": repository })
}

pub(super) fn pull_request(state: &State, proposal: &Proposal) -> Value {
    let ours = &state.options.repository;
    let merged = matches!(proposal.standing, Standing::Merged { .. });
    let html = format!("{}/{ours}/pulls/{}", state.base_url, proposal.number);
    let ended = proposal.standing.ended().map(seconds);
    let title = &proposal.what.title;
    let title = if proposal.is_draft() { format!("WIP: {title}") } else { title.clone() };
    json!({
        "id": proposal.id, "url": html, "number": proposal.number, "user": user(state, &proposal.what.author),
        "title": title, "body": "", "labels": [], "milestone": null, "assignee": null, "assignees": null,
        "requested_reviewers": null, "state": if proposal.standing.is_open() { "open" } else { "closed" },
        "is_locked": false, "comments": state.comments_of(proposal.number).len(),
        "html_url": html, "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "mergeable": proposal.standing.is_open(), "merged": merged,
        "merged_at": if merged { ended.clone() } else { None },
        "merge_commit_sha": proposal.standing.merge_commit(),
        "merged_by": if merged { user(state, &proposal.what.author) } else { Value::Null },
        "base": end(state, ours, &proposal.what.target, &state.base_of(proposal)),
        "head": end(state, proposal.what.fork.as_ref().unwrap_or(ours), &proposal.what.branch, &proposal.what.head),
        "merge_base": state.base_of(proposal), "due_date": null, "created_at": seconds(proposal.created),
        "updated_at": seconds(proposal.updated), "closed_at": ended,
    })
}

pub(super) fn comment(state: &State, comment: &Comment) -> Value {
    let pull = format!("{}/{}/pulls/{}", state.base_url, state.options.repository, comment.number);
    json!({
        "id": comment.id, "html_url": format!("{pull}#issuecomment-{}", comment.id), "pull_request_url": pull,
        "issue_url": "", "user": user(state, &comment.author), "original_author": "", "original_author_id": 0,
        "body": comment.body, "assets": [], "created_at": seconds(comment.created),
        "updated_at": seconds(comment.updated),
    })
}

pub(super) fn status(state: &State, status: &Status) -> Value {
    let ours = format!("{}/api/v1/repos/{}", state.base_url, state.options.repository);
    json!({
        "id": status.id, "status": status.state, "target_url": status.target.clone().unwrap_or_default(),
        "description": status.description.clone().unwrap_or_default(), "context": status.context,
        "url": format!("{ours}/statuses/{}", status.commit), "creator": user(state, &status.creator),
        "created_at": seconds(status.created), "updated_at": seconds(status.updated),
    })
}
