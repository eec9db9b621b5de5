//! Azure DevOps' service hooks ("Service hooks events").

use serde_json::{Value, json};

use super::super::change::{Change, Deed, PullDeed};
use super::super::signature::basic;
use super::super::state::State;
use super::super::webhooks::Event;
use super::{bodies, project_id};

const NOTHING: &str = "0000000000000000000000000000000000000000";

pub(super) fn sign(state: &State, _: &str, _: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("authorization", basic(&state.options.webhook_secret)),
        ("user-agent", "VSServices/simulated".to_owned()),
    ]
}

pub(super) fn events(state: &State, change: &Change) -> Vec<Event> {
    let said = match change {
        Change::Push { branch, before, after, by } => {
            let update = json!({
                "name": format!("refs/heads/{branch}"), "oldObjectId": before.as_deref().unwrap_or(NOTHING),
                "newObjectId": after.as_deref().unwrap_or(NOTHING),
            });
            let resource = json!({
                "refUpdates": [update], "repository": bodies::repository(state), "pushId": state.announced,
                "pushedBy": bodies::identity(state, by), "date": bodies::moment(state.now()),
                "commits": after.iter().map(|sha| json!({ "commitId": sha, "comment": state.message_of(sha) })).collect::<Vec<_>>(),
            });
            Some(("git.push", format!("{by} pushed updates to {branch}"), resource))
        }
        Change::PullRequest { number, deed, by } => pull_request(state, *number, deed, by),
        Change::Comment { id, deed } => comment(state, *id, *deed),
        Change::Ping
        | Change::Review { .. }
        | Change::Status { .. }
        | Change::CheckRun { .. }
        | Change::MergeGroup { .. } => None,
    };
    let Some((event_type, text, resource)) = said else { return Vec::new() };
    // The id is that of the event, not of the delivery: a repeated delivery has the same one.
    let id = state.named_uuid(&format!("event {}", state.announced));
    let said = json!({ "text": text, "html": text, "markdown": text });
    let body = json!({
        "subscriptionId": state.named_uuid("webhook"), "notificationId": state.announced + 1, "id": id,
        "eventType": event_type, "publisherId": "tfs", "message": said, "detailedMessage": said,
        "resource": resource, "resourceVersion": "1.0", "createdDate": bodies::moment(state.now()),
        "resourceContainers": {
            "collection": { "id": state.named_uuid("the collection") },
            "account": { "id": state.named_uuid("the account") }, "project": { "id": project_id(state) },
        },
    });
    vec![Event::new(&[], body)]
}

type Said = (&'static str, String, Value);

fn pull_request(state: &State, number: u64, deed: &PullDeed, by: &str) -> Option<Said> {
    let proposal = state.proposals.get(&number)?;
    let (event_type, what) = match deed {
        PullDeed::Opened => ("git.pullrequest.created", "created a new pull request"),
        PullDeed::Pushed { .. } => {
            ("git.pullrequest.updated", "updated the source branch of the pull request")
        }
        PullDeed::Reopened => ("git.pullrequest.updated", "reactivated the pull request"),
        PullDeed::Retargeted { .. } => {
            ("git.pullrequest.updated", "changed the target branch of the pull request")
        }
        PullDeed::Closed => ("git.pullrequest.updated", "abandoned the pull request"),
        PullDeed::Merged => ("git.pullrequest.updated", "completed the pull request"),
        PullDeed::MarkedReady => ("git.pullrequest.updated", "published the pull request"),
        PullDeed::MarkedDraft => ("git.pullrequest.updated", "marked the pull request as a draft"),
    };
    Some((event_type, format!("{by} {what}"), bodies::pull_request(state, proposal)))
}

fn comment(state: &State, id: u64, deed: Deed) -> Option<Said> {
    let comment = state.comments.iter().find(|comment| comment.id == id)?;
    let proposal = state.proposals.get(&comment.number)?;
    let what = match deed {
        Deed::Removed => "deleted",
        Deed::Changed => "edited",
        Deed::Made | Deed::Finished | Deed::Rerequested => "commented on",
    };
    let resource = json!({ "comment": bodies::comment(state, comment), "pullRequest": bodies::pull_request(state, proposal) });
    let text = format!("{} has {what} a pull request comment", comment.author);
    Some(("ms.vss-code.git-pullrequest-comment-event", text, resource))
}
