//! Comments on pull requests, those on lines included.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::connection::Bitbucket;
use super::markup;
use crate::forge::comment::MAX_COMMENTS;
use crate::forge::comment::{beginning, oldest_and_newest};
use crate::forge::{Author, Comment, CommentId, Comments, ForgeError, Posted, PullRequestNumber};

/// Comments in one answer; Bitbucket gives no more.
const PAGE: usize = 100;

/// What is read of a comment ("Partial responses").
const FIELDS: &str = "next,values.id,values.deleted,values.pending,values.created_on,values.content.raw,\
    values.user.uuid,values.user.display_name";

#[derive(Deserialize)]
struct Listed {
    id: u64,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    pending: bool,
    created_on: Option<String>,
    content: Option<Content>,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Content {
    raw: Option<String>,
}

#[derive(Deserialize)]
struct User {
    uuid: Option<String>,
    display_name: Option<String>,
}

#[derive(Deserialize)]
struct Written {
    id: u64,
    #[serde(default)]
    deleted: bool,
    created_on: Option<String>,
    updated_on: Option<String>,
    user: Option<User>,
}

impl Written {
    fn posted(self) -> Posted {
        let author = self.user.and_then(|user| Some((user.uuid?, user.display_name.unwrap_or_default())));
        let at = self.updated_on.or(self.created_on).and_then(|at| at.parse().ok());
        Posted { id: self.id.into(), at, by: author.map(|(id, name)| Author::new(&id, &name)) }
    }
}

impl Bitbucket {
    /// "List comments on a pull request": the newest, and when these are not all, the oldest too.
    pub(in crate::forge) async fn comments(&self, number: PullRequestNumber) -> Result<Comments, ForgeError> {
        let what = format!("the comments of pull request {number}");
        let path = |order: &str| {
            let query = format!("pagelen={PAGE}&sort={order}&fields={FIELDS}");
            self.path(&format!("/pullrequests/{number}/comments?{query}"))
        };
        let newest = self.list::<Listed>(path("-created_on"), MAX_COMMENTS, &what).await?;
        let mut all = newest.values;
        if newest.truncated {
            all.extend(self.list::<Listed>(path("created_on"), PAGE, &what).await?.values);
        }
        let comments = oldest_and_newest(all.into_iter().filter_map(understood).collect());
        Ok(Comments { is_whole: comments.is_whole && !newest.truncated, ..comments })
    }

    /// "Create" and "Update a comment on a pull request".
    pub(in crate::forge) async fn write_comment(
        &self,
        number: PullRequestNumber,
        existing: Option<&CommentId>,
        body: &str,
    ) -> Result<Posted, ForgeError> {
        let what = format!("the comment on pull request {number}");
        let path = self.path(&format!("/pullrequests/{number}/comments"));
        let body = json!({ "type": "pullrequest_comment", "content": { "raw": markup::written(body) } });
        if let Some(id) = existing.filter(|id| !id.as_str().contains('/')) {
            match self.write(Method::PUT, format!("{path}/{id}"), &body, &what).await {
                Ok(answer) => {
                    let written: Written = answer.json(&what)?;
                    if !written.deleted {
                        return Ok(Posted { id: id.clone(), ..written.posted() });
                    }
                }
                Err(failure) if is_gone(failure.status) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let written: Written = self.write(Method::POST, path, &body, &what).await?.json(&what)?;
        Ok(written.posted())
    }
}

fn is_gone(status: Option<StatusCode>) -> bool {
    matches!(status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
}

fn understood(listed: Listed) -> Option<Comment> {
    let Listed { id, deleted, pending, created_on, content, user } = listed;
    if deleted || pending {
        return None;
    }
    let user = user?;
    let raw = content.and_then(|content| content.raw).unwrap_or_default();
    Some(Comment {
        id: CommentId::from(id),
        author: Author::new(&user.uuid?, user.display_name.as_deref().unwrap_or_default()),
        created_at: created_on.and_then(|date| date.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH),
        body: beginning(&markup::read(&raw)),
    })
}
