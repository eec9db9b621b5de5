//! Comments on pull requests: read, written and acknowledged; and what their authors may do.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::client::Gitea;
use crate::forge::api::segment;
use crate::forge::comment::{
    Author, Comment, CommentId, Comments, MAX_COMMENTS, Permission, Posted, beginning,
};
use crate::forge::outlet::{Acknowledged, ForgeError};
use crate::forge::pull_request::PullRequestNumber;

/// When there are more than [`MAX_COMMENTS`], so many of the oldest are kept: ours is among the first.
const KEPT_OLDEST: usize = 100;

#[derive(Deserialize)]
struct Said {
    id: u64,
    user: Option<User>,
    created_at: Timestamp,
    #[serde(default)]
    body: String,
    /// The name of who wrote it elsewhere. Then `user` is whoever imported it, who did not say it.
    #[serde(default)]
    original_author: String,
}

#[derive(Deserialize)]
struct User {
    /// Negative for accounts that are gone.
    id: i64,
    #[serde(default)]
    login: String,
}

#[derive(Deserialize)]
struct Allowed {
    permission: String,
    user: Option<User>,
}

#[derive(Deserialize)]
struct Written {
    id: u64,
    updated_at: Option<Timestamp>,
    user: Option<User>,
}

impl Written {
    fn posted(self) -> Posted {
        let by = self.user.map(|user| Author::new(&user.id.to_string(), &user.login));
        Posted { id: self.id.into(), at: self.updated_at, by }
    }
}

impl Gitea {
    /// All comes in one answer.
    pub(in crate::forge) async fn comments(&self, number: PullRequestNumber) -> Result<Comments, ForgeError> {
        let what = format!("the comments of pull request {number}");
        let all: Vec<Said> = self.get(&format!("/issues/{number}/comments"), &what).await?.json(&what)?;
        let mut comments: Vec<Comment> = all.into_iter().filter_map(Said::comment).collect();
        comments.sort_by_key(|comment| comment.created_at);
        let is_whole = comments.len() <= MAX_COMMENTS;
        if !is_whole {
            comments.drain(KEPT_OLDEST..comments.len() - (MAX_COMMENTS - KEPT_OLDEST));
        }
        Ok(Comments { read: comments, is_whole })
    }

    /// Changing a comment that is none any more is answered with 204 or 404.
    pub(in crate::forge) async fn write_comment(
        &self,
        number: PullRequestNumber,
        existing: Option<&CommentId>,
        body: &str,
    ) -> Result<Posted, ForgeError> {
        let what = format!("the comment on pull request {number}");
        let body = json!({ "body": body });
        if let Some(id) = existing {
            let path = format!("/issues/comments/{}", segment(id.as_str()));
            match self.send(Method::PATCH, &path, &body, &what).await {
                Ok(answer) if answer.status == StatusCode::NO_CONTENT => {}
                Ok(answer) => {
                    return Ok(Posted { id: id.clone(), ..answer.json::<Written>(&what)?.posted() });
                }
                Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let path = format!("/issues/{number}/comments");
        let written: Written = self.send(Method::POST, &path, &body, &what).await?.json(&what)?;
        Ok(written.posted())
    }

    /// A second reaction of the same kind is answered with 200. A server may be set to allow other
    /// reactions only (`[ui] REACTIONS`), and says so.
    pub(in crate::forge) async fn acknowledge(
        &self,
        comment: &CommentId,
    ) -> Result<Acknowledged, ForgeError> {
        let path = format!("/issues/comments/{}/reactions", segment(comment.as_str()));
        let what = format!("the reaction to comment {comment}");
        match self.send(Method::POST, &path, &json!({ "content": "eyes" }), &what).await {
            Ok(answer) => {
                answer.confirms(&["content", "user"], &what)?;
                Ok(Acknowledged::ByReaction)
            }
            Err(failure) if failure.error.message.contains("not an allowed reaction") => {
                Ok(Acknowledged::ByNothing)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Permissions are asked for by name. Names can change hands; so the account that is answered for
    /// must be the one that is meant.
    pub(in crate::forge) async fn permission(&self, author: &Author) -> Result<Permission, ForgeError> {
        let what = format!("the permission of {}", author.name);
        let path = format!("/collaborators/{}/permission", segment(&author.name));
        if author.name.is_empty() || author.name.starts_with('.') {
            return Ok(Permission::None);
        }
        let allowed: Allowed = match self.get(&path, &what).await {
            Ok(answer) => answer.json(&what)?,
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => return Ok(Permission::None),
            Err(failure) => return Err(failure.into()),
        };
        let is_meant = allowed.user.as_ref().is_none_or(|user| user.id.to_string() == author.id);
        Ok(if is_meant { permission_of(&allowed.permission) } else { Permission::None })
    }
}

fn permission_of(word: &str) -> Permission {
    match word {
        "owner" | "admin" => Permission::Admin,
        "write" => Permission::Write,
        "read" => Permission::Read,
        _ => Permission::None,
    }
}

impl Said {
    fn comment(self) -> Option<Comment> {
        let user = self.user.filter(|_| self.original_author.is_empty())?;
        Some(Comment {
            id: self.id.into(),
            author: Author::new(&user.id.to_string(), &user.login),
            created_at: self.created_at,
            body: beginning(&self.body),
        })
    }
}

#[cfg(test)]
#[path = "comments_tests.rs"]
mod tests;
