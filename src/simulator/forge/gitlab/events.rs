//! GitLab's webhooks ("Webhook events").

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::super::change::{Change, Deed, PullDeed};
use super::super::pull_requests::Proposal;
use super::super::state::State;
use super::super::webhooks::Event;
use super::{PROJECT, bodies};

const NOTHING: &str = "0000000000000000000000000000000000000000";

pub(super) fn sign(state: &State, id: &str, _: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("x-gitlab-token", state.options.webhook_secret.expose_secret().to_owned()),
        ("x-gitlab-event-uuid", id.to_owned()),
        ("x-gitlab-webhook-uuid", state.named_uuid("webhook").to_string()),
        ("x-gitlab-instance", state.base_url.clone()),
        ("idempotency-key", id.to_owned()),
        ("user-agent", "GitLab/simulated".to_owned()),
    ]
}

pub(super) fn events(state: &State, change: &Change) -> Vec<Event> {
    let said = match change {
        Change::Push { branch, before, after, by } => {
            Some(("Push Hook", push(state, branch, before.as_deref(), after.as_deref(), by)))
        }
        Change::PullRequest { number, deed, by } => {
            merge_request(state, *number, deed, by).map(|body| ("Merge Request Hook", body))
        }
        Change::Comment { id, deed } => note(state, *id, *deed).map(|body| ("Note Hook", body)),
        Change::Ping
        | Change::Review { .. }
        | Change::Status { .. }
        | Change::CheckRun { .. }
        | Change::MergeGroup { .. } => None,
    };
    said.map(|(name, body)| Event::new(&[("x-gitlab-event", name)], body)).into_iter().collect()
}

fn project(state: &State, id: u64, full: &str) -> Value {
    let name = full.rsplit('/').next().unwrap_or_default();
    let page = format!("{}/{full}", state.base_url);
    json!({
        "id": id, "name": name, "description": "", "web_url": page, "avatar_url": null,
        "git_http_url": format!("{page}.git"), "git_ssh_url": format!("git@gitlab.example.com:{full}.git"),
        "namespace": full.rsplit_once('/').map(|(group, _)| group), "visibility_level": 0,
        "path_with_namespace": full, "default_branch": state.options.default_branch, "homepage": page,
        "url": format!("git@gitlab.example.com:{full}.git"),
    })
}

fn ours(state: &State) -> Value {
    project(state, PROJECT, &state.options.repository)
}

fn repository(state: &State) -> Value {
    let page = format!("{}/{}", state.base_url, state.options.repository);
    json!({ "name": state.options.repository, "url": page, "description": "", "homepage": page })
}

fn user(state: &State, login: &str) -> Value {
    json!({ "id": state.account_id(login), "name": login, "username": login, "avatar_url": null, "email": "[REDACTED]" })
}

/// As GitLab's webhooks write moments.
fn moment(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn push(state: &State, branch: &str, before: Option<&str>, after: Option<&str>, by: &str) -> Value {
    let commits: Vec<Value> = after
        .iter()
        .map(|sha| json!({ "id": sha, "message": state.message_of(sha), "added": [], "modified": [], "removed": [] }))
        .collect();
    json!({
        "object_kind": "push", "event_name": "push", "before": before.unwrap_or(NOTHING),
        "after": after.unwrap_or(NOTHING), "ref": format!("refs/heads/{branch}"), "checkout_sha": after,
        "message": null, "user_id": state.account_id(by), "user_name": by, "user_username": by,
        "project_id": PROJECT, "project": ours(state), "total_commits_count": commits.len(),
        "commits": commits, "repository": repository(state),
    })
}

fn attributes(state: &State, proposal: &Proposal) -> Value {
    let source = proposal.what.fork.as_ref().unwrap_or(&state.options.repository);
    json!({
        "id": proposal.id, "iid": proposal.number, "title": bodies::title(proposal), "description": "",
        "author_id": state.account_id(&proposal.what.author), "source_branch": proposal.what.branch,
        "target_branch": proposal.what.target, "source_project_id": bodies::source_project(proposal),
        "target_project_id": PROJECT, "state": bodies::state_word(proposal), "draft": proposal.is_draft(),
        "work_in_progress": proposal.is_draft(), "created_at": moment(proposal.created),
        "updated_at": moment(proposal.updated), "merge_status": "can_be_merged",
        "merge_commit_sha": proposal.standing.merge_commit(), "target": ours(state),
        "source": project(state, bodies::source_project(proposal), source),
        "last_commit": { "id": proposal.what.head, "message": state.message_of(&proposal.what.head) },
        "url": format!("{}/{}/-/merge_requests/{}", state.base_url, state.options.repository, proposal.number),
    })
}

fn merge_request(state: &State, number: u64, deed: &PullDeed, by: &str) -> Option<Value> {
    let proposal = state.proposals.get(&number)?;
    let mut attributes = attributes(state, proposal);
    let (action, changes) = match deed {
        PullDeed::Opened => ("open", json!({})),
        PullDeed::Pushed { before } => {
            attributes["oldrev"] = json!(before);
            ("update", json!({}))
        }
        PullDeed::Reopened => ("reopen", json!({})),
        PullDeed::Retargeted { from } => {
            let change = json!({ "previous": from, "current": proposal.what.target });
            ("update", json!({ "target_branch": change }))
        }
        PullDeed::Closed => ("close", json!({})),
        PullDeed::Merged => ("merge", json!({})),
        PullDeed::MarkedReady | PullDeed::MarkedDraft => {
            let change = json!({ "previous": !proposal.is_draft(), "current": proposal.is_draft() });
            ("update", json!({ "draft": change }))
        }
    };
    attributes["action"] = json!(action);
    Some(json!({
        "object_kind": "merge_request", "event_type": "merge_request", "user": user(state, by),
        "project": ours(state), "repository": repository(state), "object_attributes": attributes,
        "labels": [], "changes": changes,
    }))
}

fn note(state: &State, id: u64, deed: Deed) -> Option<Value> {
    let action = match deed {
        Deed::Made => "create",
        Deed::Changed => "update",
        // GitLab sends nothing when a note is deleted.
        Deed::Removed | Deed::Finished | Deed::Rerequested => return None,
    };
    let comment = state.comments.iter().find(|comment| comment.id == id)?;
    let proposal = state.proposals.get(&comment.number)?;
    let page = format!("{}/{}/-/merge_requests/{}", state.base_url, state.options.repository, comment.number);
    let attributes = json!({
        "id": id, "note": comment.body, "noteable_type": "MergeRequest", "noteable_id": proposal.id,
        "author_id": state.account_id(&comment.author), "created_at": moment(comment.created),
        "updated_at": moment(comment.updated), "project_id": PROJECT, "system": false, "action": action,
        "url": format!("{page}#note_{id}"),
    });
    Some(json!({
        "object_kind": "note", "event_type": "note", "user": user(state, &comment.author),
        "project_id": PROJECT, "project": ours(state), "repository": repository(state),
        "object_attributes": attributes, "merge_request": self::attributes(state, proposal),
    }))
}
