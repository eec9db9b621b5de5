//! GitHub's webhooks ("Webhook events and payloads", "Validating webhook deliveries").

use serde_json::{Value, json};

use super::super::change::{Change, Deed, PullDeed};
use super::super::signature::hmac_hex;
use super::super::state::{State, seconds};
use super::super::webhooks::Event;
use super::bodies;

const NOTHING: &str = "0000000000000000000000000000000000000000";

pub(super) fn sign(state: &State, id: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let signature = hmac_hex(&state.options.webhook_secret, body);
    vec![
        ("x-github-delivery", id.to_owned()),
        ("x-github-hook-id", "1".to_owned()),
        ("x-hub-signature-256", format!("sha256={signature}")),
        ("user-agent", "GitHub-Hookshot/simulated".to_owned()),
    ]
}

pub(super) fn events(state: &State, change: &Change) -> Vec<Event> {
    let said = match change {
        Change::Ping => Some(("ping", ping(), "ghost".to_owned())),
        Change::Push { branch, before, after, by } => {
            Some(("push", push(state, branch, before.as_deref(), after.as_deref()), by.clone()))
        }
        Change::PullRequest { number, deed, by } => {
            pull_request(state, *number, deed).map(|body| ("pull_request", body, by.clone()))
        }
        Change::Comment { id, deed } => {
            comment(state, *id, *deed).map(|(body, by)| ("issue_comment", body, by))
        }
        Change::Review { id } => review(state, *id).map(|(body, by)| ("pull_request_review", body, by)),
        Change::Status { id } => status(state, *id).map(|(body, by)| ("status", body, by)),
        Change::CheckRun { id, deed } => {
            check_run(state, *id, *deed).map(|(body, by)| ("check_run", body, by))
        }
        Change::MergeGroup { branch, head, base } => {
            let group = json!({
                "head_sha": head, "head_ref": format!("refs/heads/{branch}"), "base_sha": base,
                "base_ref": format!("refs/heads/{}", state.options.default_branch),
            });
            let body = json!({ "action": "checks_requested", "merge_group": group });
            Some(("merge_group", body, "github-merge-queue[bot]".to_owned()))
        }
    };
    let Some((name, mut body, by)) = said else { return Vec::new() };
    body["repository"] = bodies::repository(state, &state.options.repository);
    if name == "push" {
        // In pushes these moments are numbers.
        for moment in ["created_at", "pushed_at"] {
            body["repository"][moment] = json!(state.now().as_second());
        }
    }
    body["sender"] = bodies::user(state, &by);
    if let Some(app) = &state.app {
        body["installation"] = json!({ "id": app.installation });
    }
    vec![Event::new(&[("x-github-event", name)], body)]
}

fn ping() -> Value {
    let hook = json!({ "type": "Repository", "id": 1, "name": "web", "active": true, "events": ["*"] });
    json!({ "zen": "Design for failure.", "hook_id": 1, "hook": hook })
}

fn push(state: &State, branch: &str, before: Option<&str>, after: Option<&str>) -> Value {
    let commit = after.map(|sha| {
        json!({
            "id": sha, "tree_id": sha, "message": state.message_of(sha), "timestamp": seconds(state.now()),
            "added": [], "removed": [], "modified": [], "distinct": true,
        })
    });
    json!({
        "ref": format!("refs/heads/{branch}"), "before": before.unwrap_or(NOTHING),
        "after": after.unwrap_or(NOTHING), "created": before.is_none(), "deleted": after.is_none(),
        "forced": false, "base_ref": null, "head_commit": commit, "commits": commit.iter().collect::<Vec<_>>(),
        "compare": format!("{}/compare", state.base_url), "pusher": { "name": "octocat", "email": null },
    })
}

fn pull_request(state: &State, number: u64, deed: &PullDeed) -> Option<Value> {
    let proposal = state.proposals.get(&number)?;
    let action = match deed {
        PullDeed::Opened => "opened",
        PullDeed::Pushed { .. } => "synchronize",
        PullDeed::Reopened => "reopened",
        PullDeed::Retargeted { .. } => "edited",
        PullDeed::Closed | PullDeed::Merged => "closed",
        PullDeed::MarkedReady => "ready_for_review",
        PullDeed::MarkedDraft => "converted_to_draft",
    };
    let whole = bodies::whole_pull_request(state, proposal);
    let mut body = json!({ "action": action, "number": number, "pull_request": whole });
    match deed {
        PullDeed::Pushed { before } => {
            body["before"] = json!(before);
            body["after"] = json!(proposal.what.head);
        }
        PullDeed::Retargeted { from } => {
            body["changes"] = json!({ "base": { "ref": { "from": from }, "sha": { "from": NOTHING } } });
        }
        PullDeed::Opened
        | PullDeed::Reopened
        | PullDeed::Closed
        | PullDeed::Merged
        | PullDeed::MarkedReady
        | PullDeed::MarkedDraft => {}
    }
    Some(body)
}

fn comment(state: &State, id: u64, deed: Deed) -> Option<(Value, String)> {
    let comment = state.comments.iter().find(|comment| comment.id == id)?;
    let proposal = state.proposals.get(&comment.number)?;
    let action = match deed {
        Deed::Removed => "deleted",
        Deed::Changed => "edited",
        Deed::Made | Deed::Finished | Deed::Rerequested => "created",
    };
    let url = format!("{}/issues/{}", bodies::api(state, &state.options.repository), proposal.number);
    let pull = format!("{}/pulls/{}", bodies::api(state, &state.options.repository), proposal.number);
    let issue = json!({
        "url": url, "id": proposal.id, "number": proposal.number, "title": proposal.what.title,
        "user": bodies::user(state, &proposal.what.author), "labels": [], "assignees": [], "locked": false,
        "state": if proposal.standing.is_open() { "open" } else { "closed" },
        "draft": proposal.is_draft(), "pull_request": { "url": pull },
    });
    let body = json!({ "action": action, "issue": issue, "comment": bodies::comment(state, comment) });
    Some((body, comment.author.clone()))
}

fn review(state: &State, id: u64) -> Option<(Value, String)> {
    let review = state.reviews.iter().find(|review| review.id == id)?;
    let pull = bodies::whole_pull_request(state, state.proposals.get(&review.number)?);
    let body = json!({
        "action": "submitted", "review": super::reviews::body_of(state, review), "pull_request": pull,
    });
    Some((body, review.author.clone()))
}

fn status(state: &State, id: u64) -> Option<(Value, String)> {
    let status = state.statuses.iter().rev().find(|status| status.id == id)?;
    let body = json!({
        "id": status.id, "sha": status.commit, "name": state.options.repository, "state": status.state,
        "context": status.context, "description": status.description, "target_url": status.target,
        "branches": [], "created_at": seconds(status.created), "updated_at": seconds(status.updated),
        "commit": { "sha": status.commit },
    });
    Some((body, status.creator.clone()))
}

fn check_run(state: &State, id: u64, deed: Deed) -> Option<(Value, String)> {
    let run = state.check_runs.iter().find(|run| run.id == id)?;
    let (action, by) = match deed {
        Deed::Made => ("created", None),
        Deed::Finished => ("completed", None),
        Deed::Rerequested => ("rerequested", Some("octocat".to_owned())),
        // GitHub sends nothing for a change without a conclusion.
        Deed::Changed | Deed::Removed => return None,
    };
    let login = state.app.as_ref().map(super::super::app::App::login).unwrap_or_default();
    let body = json!({ "action": action, "check_run": bodies::check_run(state, run) });
    Some((body, by.unwrap_or(login)))
}
