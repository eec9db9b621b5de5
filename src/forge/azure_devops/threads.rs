//! Comments, which stand in threads.
//!
//! Our own comment is the first of a thread of its own with the status *closed*: an open thread would
//! hold up the merge where the branch policy "Check for comment resolution" is on. A comment is known by
//! thread and comment, `12/1`, because the number of a comment is unique only in its thread.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::connection::{AzureDevOps, List};
use crate::forge::comment::{beginning, oldest_and_newest};
use crate::forge::{Author, Class, Comment, CommentId, Comments, ForgeError, Posted, PullRequestNumber};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thread {
    id: u64,
    #[serde(default)]
    is_deleted: bool,
    comments: Option<Vec<ThreadComment>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThreadComment {
    id: u64,
    content: Option<String>,
    comment_type: Option<String>,
    #[serde(default)]
    is_deleted: bool,
    author: Option<IdentityRef>,
    published_date: Option<String>,
    last_content_updated_date: Option<String>,
}

impl ThreadComment {
    fn posted(self, id: CommentId) -> Posted {
        let author = self.author.and_then(|it| Some((it.id?, it.display_name.unwrap_or_default())));
        let at = self.last_content_updated_date.or(self.published_date);
        let by = author.map(|(id, name)| Author::new(&id, &name));
        Posted { id, at: at.and_then(|at| at.parse().ok()), by }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityRef {
    id: Option<String>,
    display_name: Option<String>,
}

impl AzureDevOps {
    /// "Pull Request Threads - List", which gives all threads at once. What the service itself wrote
    /// has the type `system`.
    pub(in crate::forge) async fn comments(&self, number: PullRequestNumber) -> Result<Comments, ForgeError> {
        let what = format!("the comments of pull request {number}");
        let answer = self.get(&format!("/pullRequests/{number}/threads"), "", &what).await?;
        let threads: List<Thread> = answer.json(&what)?;
        let standing = threads.value.into_iter().filter(|thread| !thread.is_deleted);
        let comments = standing.flat_map(|thread| {
            let of_thread = thread.comments.into_iter().flatten();
            of_thread.filter_map(move |comment| understood(thread.id, comment))
        });
        Ok(oldest_and_newest(comments.collect()))
    }

    pub(in crate::forge) async fn write_comment(
        &self,
        number: PullRequestNumber,
        existing: Option<&CommentId>,
        body: &str,
    ) -> Result<Posted, ForgeError> {
        let place = existing.and_then(|id| id.as_str().split_once('/').map(|place| (id, place)));
        if let Some((id, (thread, comment))) = place
            && let Some(written) = self.rewrite(number, thread, comment, body).await?
        {
            return Ok(written.posted(id.clone()));
        }
        self.begin_thread(number, body).await
    }

    /// "Pull Request Thread Comments - Update"; `None` when the comment is no longer there.
    async fn rewrite(
        &self,
        number: PullRequestNumber,
        thread: &str,
        comment: &str,
        body: &str,
    ) -> Result<Option<ThreadComment>, ForgeError> {
        let what = format!("the comment on pull request {number}");
        let path = format!("/pullRequests/{number}/threads/{thread}/comments/{comment}");
        match self.write(Method::PATCH, &path, &json!({ "content": body }), &what).await {
            Ok(answer) => Ok(Some(answer.json::<ThreadComment>(&what)?).filter(|it| !it.is_deleted)),
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// "Pull Request Threads - Create".
    async fn begin_thread(&self, number: PullRequestNumber, body: &str) -> Result<Posted, ForgeError> {
        let what = format!("the comment on pull request {number}");
        let thread = json!({
            "comments": [{ "parentCommentId": 0, "content": body, "commentType": "text" }],
            "status": "closed",
        });
        let path = format!("/pullRequests/{number}/threads");
        let thread: Thread = self.write(Method::POST, &path, &thread, &what).await?.json(&what)?;
        let first = thread.comments.into_iter().flatten().next();
        let id = format!("{}/{}", thread.id, first.as_ref().map_or(1, |comment| comment.id));
        let id: CommentId = id.parse().map_err(|_| ForgeError {
            class: Class::Retry { after: None },
            message: format!("Azure DevOps answered {what} with an impossible id"),
        })?;
        Ok(match first {
            Some(first) => first.posted(id),
            None => Posted { id, at: None, by: None },
        })
    }
}

fn understood(thread: u64, comment: ThreadComment) -> Option<Comment> {
    if comment.is_deleted || comment.comment_type.as_deref() == Some("system") {
        return None;
    }
    let author = comment.author?;
    Some(Comment {
        id: format!("{thread}/{}", comment.id).parse().ok()?,
        author: Author::new(&author.id?, author.display_name.as_deref().unwrap_or_default()),
        created_at: comment
            .published_date
            .and_then(|date| date.parse().ok())
            .unwrap_or(Timestamp::UNIX_EPOCH),
        body: beginning(comment.content.as_deref().unwrap_or_default()),
    })
}
