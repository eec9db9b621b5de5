//! Bitbucket's webhooks ("Event payloads").

use serde_json::{Value, json};

use super::super::change::{Change, Deed, PullDeed};
use super::super::signature::hmac_hex;
use super::super::state::State;
use super::super::webhooks::Event;
use super::bodies;

pub(super) fn sign(state: &State, id: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let signature = hmac_hex(&state.options.webhook_secret, body);
    vec![
        ("x-request-uuid", id.to_owned()),
        ("x-hook-uuid", state.named_uuid("webhook").to_string()),
        ("x-attempt-number", "1".to_owned()),
        ("x-hub-signature", format!("sha256={signature}")),
        ("user-agent", "Bitbucket-Webhooks/2.0".to_owned()),
    ]
}

pub(super) fn events(state: &State, change: &Change) -> Vec<Event> {
    let said = match change {
        Change::Push { branch, before, after, by } => {
            let body = push(state, branch, before.as_deref(), after.as_deref());
            Some(("repo:push", body, by.clone()))
        }
        Change::PullRequest { number, deed, by } => pull_request(state, *number, deed, by),
        Change::Comment { id, deed } => comment(state, *id, *deed),
        Change::Status { id } => status(state, *id),
        Change::Ping | Change::Review { .. } | Change::CheckRun { .. } | Change::MergeGroup { .. } => None,
    };
    let Some((key, mut body, by)) = said else { return Vec::new() };
    body["repository"] = bodies::repository(state, &state.options.repository);
    body["actor"] = bodies::user(state, &by);
    vec![Event::new(&[("x-event-key", key)], body)]
}

fn push(state: &State, branch: &str, before: Option<&str>, after: Option<&str>) -> Value {
    let side = |sha: Option<&str>| {
        sha.map(|sha| {
            json!({
                "type": "branch", "name": branch,
                "target": { "type": "commit", "hash": sha, "message": state.message_of(sha), "parents": [] },
            })
        })
    };
    let commits: Vec<Value> = after
        .iter()
        .map(|sha| json!({ "type": "commit", "hash": sha, "message": state.message_of(sha) }))
        .collect();
    let change = json!({
        "old": side(before), "new": side(after), "created": before.is_none(), "closed": after.is_none(),
        "forced": false, "truncated": false, "commits": commits,
        "links": { "html": { "href": format!("{}/{}/branch/{branch}", state.base_url, state.options.repository) } },
    });
    json!({ "push": { "changes": [change] } })
}

type Said = (&'static str, Value, String);

fn pull_request(state: &State, number: u64, deed: &PullDeed, by: &str) -> Option<Said> {
    let proposal = state.proposals.get(&number)?;
    let key = match deed {
        // A declined pull request cannot be reopened on Bitbucket: people open another one.
        PullDeed::Opened | PullDeed::Reopened => "pullrequest:created",
        PullDeed::Pushed { .. }
        | PullDeed::Retargeted { .. }
        | PullDeed::MarkedReady
        | PullDeed::MarkedDraft => "pullrequest:updated",
        PullDeed::Closed => "pullrequest:rejected",
        PullDeed::Merged => "pullrequest:fulfilled",
    };
    let body = json!({ "pullrequest": bodies::pull_request(state, proposal) });
    Some((key, body, by.to_owned()))
}

fn comment(state: &State, id: u64, deed: Deed) -> Option<Said> {
    let comment = state.comments.iter().find(|comment| comment.id == id)?;
    let proposal = state.proposals.get(&comment.number)?;
    let key = match deed {
        Deed::Removed => "pullrequest:comment_deleted",
        Deed::Changed => "pullrequest:comment_updated",
        Deed::Made | Deed::Finished | Deed::Rerequested => "pullrequest:comment_created",
    };
    let pull = bodies::pull_request(state, proposal);
    let body = json!({ "comment": bodies::comment(state, comment), "pullrequest": pull });
    Some((key, body, comment.author.clone()))
}

fn status(state: &State, id: u64) -> Option<Said> {
    let status = state.statuses.iter().rev().find(|status| status.id == id)?;
    let is_new = status.created == status.updated;
    let key = if is_new { "repo:commit_status_created" } else { "repo:commit_status_updated" };
    let body = json!({ "commit_status": bodies::status(state, status) });
    Some((key, body, status.creator.clone()))
}
