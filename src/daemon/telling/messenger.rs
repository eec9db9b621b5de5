//! Brings one message to the forge: a comment that is edited in place, a reply, an acknowledgement, a
//! check run.
//!
//! Delivery is at least once: what may have arrived already is looked for by its marker first.

use super::delivery::{complain, due_after};
use super::pull_request::plan_marker;
use crate::daemon::shared::Shared;
use crate::daemon::shared::wellness::Part;
use crate::forge::{Acknowledged, Class, CommentId, ForgeError, Marker, PullRequestNumber};
use crate::store::{Message, OutgoingMessage, Showing, StoreError};

/// What stands under a command where the forge has no reactions.
const READ: &str = "Read.";

/// Delivers one message, and notes what came of it: whether it was accepted, or why it was not.
pub(in crate::daemon) async fn deliver_message(
    shared: &Shared,
    outgoing: &OutgoingMessage,
) -> Result<Result<(), Class>, StoreError> {
    match send(shared, outgoing).await {
        Ok(sent) => {
            shared.accepted(Part::Forge);
            // First: what was not noted is shown again, with a later time.
            if let Some((number, showing)) = &sent.showing {
                shared.store.note_shown(*number, showing).await?;
            }
            shared.tell(crate::daemon::Happening::Said(Box::new(outgoing.message.clone())));
            shared.store.message_delivered(outgoing, sent.remote.as_ref(), shared.clock.steady()).await?;
            Ok(Ok(()))
        }
        Err(error) => {
            let retry_at = due_after(outgoing.attempts + 1, &error.class, &shared.clock);
            if error.class != Class::NoCommit || outgoing.attempts == 0 {
                complain(shared, &error, &outgoing.message.key(), Some(retry_at));
            }
            shared.store.message_failed(outgoing, &error.to_string(), retry_at).await?;
            Ok(Err(error.class))
        }
    }
}

/// What the forge has accepted.
#[derive(Default)]
struct Sent {
    /// The comment that carries it.
    remote: Option<CommentId>,
    /// What stands on a pull request from now on.
    showing: Option<(PullRequestNumber, Showing)>,
}

impl Sent {
    fn at(remote: Option<CommentId>) -> Self {
        Self { remote, showing: None }
    }
}

async fn send(shared: &Shared, outgoing: &OutgoingMessage) -> Result<Sent, ForgeError> {
    let owner = &shared.estate.owner;
    match &outgoing.message {
        Message::Plan { pull_request, body, shown } => {
            let marker = plan_marker(owner);
            let existing = match &outgoing.remote {
                Some(remote) => Some(remote.clone()),
                None => find(shared, *pull_request, &marker).await?,
            };
            let body = format!("{}\n{body}", marker.as_str());
            let posted = shared.forge.write_comment(*pull_request, existing.as_ref(), &body).await?;
            let showing = posted.at.zip(shown.as_ref()).map(|(at, shown)| Showing {
                shown: shown.clone(),
                at,
                account: posted.by.map(|author| author.id),
            });
            Ok(Sent { remote: Some(posted.id), showing: showing.map(|showing| (*pull_request, showing)) })
        }
        Message::Acknowledgement { pull_request, comment } => {
            match shared.forge.acknowledge(*pull_request, comment).await? {
                Acknowledged::ByReaction => Ok(Sent::default()),
                Acknowledged::ByNothing => {
                    let marker = Marker::new(owner, &format!("seen {comment}"));
                    reply(shared, *pull_request, &marker, READ).await.map(Sent::at)
                }
            }
        }
        Message::Reply { pull_request, comment, body } => {
            let marker = Marker::new(owner, &format!("reply {comment}"));
            reply(shared, *pull_request, &marker, body).await.map(Sent::at)
        }
        Message::Check(check) => shared.forge.publish(check).await.map(|()| Sent::default()),
    }
}

async fn reply(
    shared: &Shared,
    number: PullRequestNumber,
    marker: &Marker,
    body: &str,
) -> Result<Option<CommentId>, ForgeError> {
    // It may stand there already: the forge's answer was lost, or this process died before it was noted.
    if let Some(there) = find(shared, number, marker).await? {
        return Ok(Some(there));
    }
    let body = format!("{}\n{body}", marker.as_str());
    shared.forge.write_comment(number, None, &body).await.map(|posted| Some(posted.id))
}

/// Our comment with this marker. Somebody else may have copied a marker: then ours is the oldest.
async fn find(
    shared: &Shared,
    number: PullRequestNumber,
    marker: &Marker,
) -> Result<Option<CommentId>, ForgeError> {
    let comments = shared.forge.comments(number).await?;
    Ok(comments.read.into_iter().find(|comment| marker.is_in(&comment.body)).map(|comment| comment.id))
}
