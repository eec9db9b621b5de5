//! What Bitbucket's things look like as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::comments::{Comment, Presence};
use super::super::pull_requests::{ChangedFile, FileChange, Proposal, Standing};
use super::super::state::State;
use super::super::statuses::Status;

/// Bitbucket's moments have microseconds and a numeric offset.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// In pull requests commits are abbreviated to twelve digits.
fn short(sha: &str) -> String {
    sha.chars().take(12).collect()
}

pub(super) fn account_id(id: u64) -> String {
    format!("557058:{id}")
}

pub(super) fn user(state: &State, login: &str) -> Value {
    json!({
        "type": "user", "uuid": format!("{{{}}}", state.named_uuid(login)), "display_name": login,
        "nickname": login, "account_id": account_id(state.account_id(login)),
        "created_on": "2026-01-01T00:00:00.000000+00:00",
        "links": { "avatar": { "href": format!("{}/avatars/{login}", state.base_url) } },
    })
}

pub(super) fn root(state: &State) -> String {
    format!("{}/2.0/repositories/{}", state.base_url, state.options.repository)
}

pub(super) fn repository(state: &State, name: &str) -> Value {
    let (workspace, short) = name.split_once('/').unwrap_or((name, name));
    json!({
        "type": "repository", "uuid": format!("{{{}}}", state.named_uuid(name)), "full_name": name, "name": short,
        "slug": short, "scm": "git", "is_private": true, "owner": user(state, workspace),
        "workspace": { "type": "workspace", "slug": workspace, "name": workspace },
        "mainbranch": { "type": "branch", "name": state.options.default_branch },
        "links": {
            "self": { "href": format!("{}/2.0/repositories/{name}", state.base_url) },
            "html": { "href": format!("{}/{name}", state.base_url) },
        },
    })
}

fn end(state: &State, name: &str, branch: &str, sha: &str) -> Value {
    let commit = json!({ "type": "commit", "hash": short(sha) });
    json!({ "branch": { "name": branch }, "commit": commit, "repository": repository(state, name) })
}

pub(super) fn state_word(proposal: &Proposal) -> &'static str {
    match proposal.standing {
        Standing::Open => "OPEN",
        Standing::Closed { .. } => "DECLINED",
        Standing::Merged { .. } => "MERGED",
    }
}

pub(super) fn pull_request(state: &State, proposal: &Proposal) -> Value {
    let ours = &state.options.repository;
    let url = format!("{}/pullrequests/{}", root(state), proposal.number);
    let link = |part: &str| json!({ "href": format!("{url}{part}") });
    let html = json!({ "href": format!("{}/{ours}/pull-requests/{}", state.base_url, proposal.number) });
    let mut body = json!({
        "type": "pullrequest", "id": proposal.number, "title": proposal.what.title, "state": state_word(proposal),
        "draft": proposal.is_draft(), "description": "", "summary": { "raw": "", "markup": "markdown", "html": "" },
        "author": user(state, &proposal.what.author), "reason": "", "reviewers": [], "participants": [],
        "source": end(state, proposal.what.fork.as_ref().unwrap_or(ours), &proposal.what.branch, &proposal.what.head),
        "destination": end(state, ours, &proposal.what.target, &state.base_of(proposal)),
        "close_source_branch": false, "comment_count": state.comments_of(proposal.number).len(), "task_count": 0,
        "created_on": moment(proposal.created), "updated_on": moment(proposal.updated),
        "links": {
            "self": link(""), "html": html, "comments": link("/comments"), "commits": link("/commits"),
            "diffstat": link("/diffstat"), "diff": link("/diff"), "merge": link("/merge"),
            "decline": link("/decline"), "approve": link("/approve"), "activity": link("/activity"),
        },
    });
    if let Some(commit) = proposal.standing.merge_commit() {
        body["merge_commit"] = json!({ "type": "commit", "hash": short(commit) });
        body["closed_by"] = user(state, &proposal.what.author);
    }
    body
}

pub(super) fn comment(state: &State, comment: &Comment) -> Value {
    let url = format!("{}/pullrequests/{}/comments/{}", root(state), comment.number, comment.id);
    let deleted = comment.presence == Presence::Deleted;
    let raw = if deleted { "" } else { &comment.body };
    json!({
        "type": "pullrequest_comment", "id": comment.id, "deleted": deleted, "pending": false,
        "content": { "type": "rendered", "raw": raw, "markup": "markdown", "html": format!("<p>{raw}</p>") },
        "user": user(state, &comment.author), "created_on": moment(comment.created),
        "updated_on": moment(comment.updated), "pullrequest": { "type": "pullrequest", "id": comment.number },
        "links": { "self": { "href": url } },
    })
}

pub(super) fn status(state: &State, status: &Status) -> Value {
    let commit = format!("{}/commit/{}", root(state), status.commit);
    json!({
        "type": "build", "key": status.key, "name": status.context, "state": status.state,
        "url": status.target.clone().unwrap_or_default(),
        "description": status.description.clone().unwrap_or_default(), "created_on": moment(status.created),
        "updated_on": moment(status.updated),
        "links": {
            "self": { "href": format!("{commit}/statuses/build/{}", status.key) },
            "commit": { "href": commit },
        },
    })
}

pub(super) fn diffstat(file: &ChangedFile) -> Value {
    let side = |path: Option<&str>| path.map(|path| json!({ "type": "commit_file", "path": path }));
    json!({
        "type": "diffstat", "lines_added": 1, "lines_removed": 1, "old": side(file.old_path()),
        "new": side(file.new_path()),
        "status": match file.change {
            FileChange::Added => "added",
            FileChange::Modified => "modified",
            FileChange::Removed => "removed",
            FileChange::RenamedFrom(_) => "renamed",
        },
    })
}
