//! The webhooks of Gitea and Forgejo ("Webhooks").

use serde_json::{Value, json};

use super::super::change::{Change, Deed, PullDeed};
use super::super::options::ForgeKind;
use super::super::reviews::Verdict;
use super::super::signature::hmac_hex;
use super::super::state::State;
use super::super::webhooks::Event;
use super::bodies;

const NOTHING: &str = "0000000000000000000000000000000000000000";

/// Both sign for those who know Gogs or GitHub as well.
pub(super) fn sign(state: &State, id: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let signature = hmac_hex(&state.options.webhook_secret, body);
    let mut headers = vec![
        ("x-gitea-delivery", id.to_owned()),
        ("x-gitea-signature", signature.clone()),
        ("x-gogs-delivery", id.to_owned()),
        ("x-gogs-signature", signature.clone()),
        ("x-hub-signature-256", format!("sha256={signature}")),
        ("x-github-delivery", id.to_owned()),
        ("user-agent", "Go-http-client/1.1".to_owned()),
    ];
    if state.options.kind == ForgeKind::Forgejo {
        headers.extend([("x-forgejo-delivery", id.to_owned()), ("x-forgejo-signature", signature)]);
    }
    headers
}

type Said = (&'static str, &'static str, Value, String);

pub(super) fn events(state: &State, change: &Change) -> Vec<Event> {
    let said: Vec<Said> = match change {
        Change::Push { branch, before, after, by } => {
            pushes(state, branch, before.as_deref(), after.as_deref(), by)
        }
        Change::PullRequest { number, deed, by } => pull_requests(state, *number, deed, by),
        Change::Comment { id, deed } => comment(state, *id, *deed)
            .map(|(body, by)| ("issue_comment", "pull_request_comment", body, by))
            .into_iter()
            .collect(),
        Change::Review { id } => review(state, *id).into_iter().collect(),
        Change::Ping | Change::Status { .. } | Change::CheckRun { .. } | Change::MergeGroup { .. } => {
            Vec::new()
        }
    };
    said.into_iter().map(|said| event(state, said)).collect()
}

fn event(state: &State, (name, event_type, mut body, by): Said) -> Event {
    body["repository"] = bodies::repository(state, &state.options.repository);
    body["sender"] = bodies::user(state, &by);
    let mut headers = vec![
        ("x-gitea-event", name),
        ("x-gitea-event-type", event_type),
        ("x-gogs-event", name),
        ("x-gogs-event-type", event_type),
        ("x-github-event", name),
        ("x-github-event-type", event_type),
    ];
    if state.options.kind == ForgeKind::Forgejo {
        headers.extend([("x-forgejo-event", name), ("x-forgejo-event-type", event_type)]);
    }
    Event::new(&headers, body)
}

/// A new branch is told twice, as made and as pushed; one that is gone is no push.
fn pushes(state: &State, branch: &str, before: Option<&str>, after: Option<&str>, by: &str) -> Vec<Said> {
    let by_name = by.to_owned();
    match (before, after) {
        (_, None) => {
            let body = json!({ "ref": branch, "ref_type": "branch", "pusher_type": "user" });
            vec![("delete", "delete", body, by_name)]
        }
        (None, Some(sha)) => {
            let made = json!({ "sha": sha, "ref": branch, "ref_type": "branch" });
            let pushed = push(state, branch, before, after, by);
            vec![("create", "create", made, by_name.clone()), ("push", "push", pushed, by_name)]
        }
        (Some(_), Some(_)) => vec![("push", "push", push(state, branch, before, after, by), by_name)],
    }
}

/// What is opened is told as synchronized as well.
fn pull_requests(state: &State, number: u64, deed: &PullDeed, by: &str) -> Vec<Said> {
    let mut said: Vec<Said> = pull_request(state, number, deed)
        .map(|(event_type, body)| ("pull_request", event_type, body, by.to_owned()))
        .into_iter()
        .collect();
    if *deed == PullDeed::Opened {
        let again = said.first().map(|(name, _, body, by)| {
            let mut body = body.clone();
            body["action"] = json!("synchronized");
            (*name, "pull_request_sync", body, by.clone())
        });
        said.extend(again);
    }
    said
}

fn push(state: &State, branch: &str, before: Option<&str>, after: Option<&str>, by: &str) -> Value {
    let commits: Vec<Value> = after
        .iter()
        .map(|sha| json!({ "id": sha, "message": state.message_of(sha), "added": [], "removed": [], "modified": [] }))
        .collect();
    json!({
        "ref": format!("refs/heads/{branch}"), "before": before.unwrap_or(NOTHING),
        "after": after.unwrap_or(NOTHING), "compare_url": format!("{}/compare", state.base_url),
        "total_commits": commits.len(), "head_commit": commits.first(), "commits": commits,
        "pusher": bodies::user(state, by),
    })
}

fn pull_request(state: &State, number: u64, deed: &PullDeed) -> Option<(&'static str, Value)> {
    let proposal = state.proposals.get(&number)?;
    let (event_type, action) = match deed {
        PullDeed::Opened => ("pull_request", "opened"),
        PullDeed::Pushed { .. } => ("pull_request_sync", "synchronized"),
        PullDeed::Reopened => ("pull_request", "reopened"),
        // A draft is one by its title.
        PullDeed::Retargeted { .. } | PullDeed::MarkedReady | PullDeed::MarkedDraft => {
            ("pull_request", "edited")
        }
        PullDeed::Closed | PullDeed::Merged => ("pull_request", "closed"),
    };
    let whole = bodies::pull_request(state, proposal);
    let mut body =
        json!({ "action": action, "number": number, "pull_request": whole, "commit_id": "", "review": null });
    let title = &proposal.what.title;
    match deed {
        PullDeed::Retargeted { from } => body["changes"] = json!({ "ref": { "from": from } }),
        PullDeed::MarkedReady => body["changes"] = json!({ "title": { "from": format!("WIP: {title}") } }),
        PullDeed::MarkedDraft => body["changes"] = json!({ "title": { "from": title } }),
        PullDeed::Opened
        | PullDeed::Pushed { .. }
        | PullDeed::Reopened
        | PullDeed::Closed
        | PullDeed::Merged => {}
    }
    Some((event_type, body))
}

/// Told as what became of the pull request, under a name for each verdict.
fn review(state: &State, id: u64) -> Option<Said> {
    let review = state.reviews.iter().find(|review| review.id == id)?;
    let proposal = state.proposals.get(&review.number)?;
    let (name, event_type) = match review.verdict {
        Verdict::Approved => ("pull_request_approved", "pull_request_review_approved"),
        Verdict::ChangesRequested => ("pull_request_rejected", "pull_request_review_rejected"),
        Verdict::Comment | Verdict::Pending => ("pull_request_comment", "pull_request_review_comment"),
    };
    let body = json!({
        "action": "reviewed", "number": review.number, "pull_request": bodies::pull_request(state, proposal),
        "commit_id": "", "review": { "type": event_type, "content": review.body },
    });
    Some((name, event_type, body, review.author.clone()))
}

fn comment(state: &State, id: u64, deed: Deed) -> Option<(Value, String)> {
    let comment = state.comments.iter().find(|comment| comment.id == id)?;
    let proposal = state.proposals.get(&comment.number)?;
    let action = match deed {
        Deed::Removed => "deleted",
        Deed::Changed => "edited",
        Deed::Made | Deed::Finished | Deed::Rerequested => "created",
    };
    let pull = bodies::pull_request(state, proposal);
    let issue = json!({
        "id": proposal.id, "number": proposal.number, "title": pull["title"], "state": pull["state"],
        "user": pull["user"], "html_url": pull["html_url"], "body": "", "labels": [],
        "pull_request": { "merged": pull["merged"], "merged_at": pull["merged_at"] },
    });
    let body = json!({
        "action": action, "issue": issue, "is_pull": true,
        "comment": bodies::comment(state, comment),
    });
    Some((body, comment.author.clone()))
}
