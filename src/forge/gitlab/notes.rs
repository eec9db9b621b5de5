//! Notes on merge requests: read, written and acknowledged; and what their authors may do.

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::client::{GitLab, PAGE};
use crate::forge::api::{Failure, segment};
use crate::forge::comment::{
    Author, Comment, CommentId, Comments, MAX_COMMENTS, Permission, Posted, beginning,
};
use crate::forge::outlet::{Acknowledged, ForgeError};
use crate::forge::pull_request::PullRequestNumber;

/// From this access level on, an account may push ("Members API": Developer).
const DEVELOPER: u64 = 30;

/// From this access level on, an account may manage (Maintainer, Owner).
const MAINTAINER: u64 = 40;

/// From this access level on, an account may see the project (Guest).
const GUEST: u64 = 10;

#[derive(Deserialize)]
struct Note {
    id: u64,
    author: Option<User>,
    created_at: Timestamp,
    #[serde(default)]
    body: String,
    /// GitLab itself wrote it.
    #[serde(default)]
    system: bool,
    /// It was written elsewhere, and its author here is whoever imported it.
    #[serde(default)]
    imported: bool,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    #[serde(default)]
    username: String,
}

#[derive(Deserialize)]
struct Member {
    access_level: u64,
    state: Option<String>,
}

/// A note that was accepted.
#[derive(Deserialize)]
struct Written {
    id: u64,
    updated_at: Option<Timestamp>,
    author: Option<User>,
}

impl Written {
    fn posted(self) -> Posted {
        let by = self.author.map(|user| Author::new(&user.id.to_string(), &user.username));
        Posted { id: self.id.into(), at: self.updated_at, by }
    }
}

#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

impl GitLab {
    /// The first page from the oldest on, where ours is, and if that is not all, from the newest back.
    pub(in crate::forge) async fn comments(&self, number: PullRequestNumber) -> Result<Comments, ForgeError> {
        let (mut notes, mut is_whole) = self.notes(number, Order::OldestFirst, 1).await?;
        let last = notes.last().map_or(0, |note| note.id);
        if !is_whole {
            for page in 1..MAX_COMMENTS / PAGE {
                let (newer, is_all) = self.notes(number, Order::NewestFirst, page).await?;
                let meets = newer.iter().any(|note| note.id <= last);
                notes.extend(newer);
                is_whole = meets || is_all;
                if is_whole {
                    break;
                }
            }
        }
        notes.sort_by_key(|note| note.id);
        notes.dedup_by_key(|note| note.id);
        Ok(Comments { read: notes.into_iter().filter_map(Note::comment).collect(), is_whole })
    }

    async fn notes(
        &self,
        number: PullRequestNumber,
        order: Order,
        page: usize,
    ) -> Result<(Vec<Note>, bool), Failure> {
        let what = format!("the notes of merge request {number}");
        let sort = match order {
            Order::OldestFirst => "asc",
            Order::NewestFirst => "desc",
        };
        let path = format!(
            "/merge_requests/{number}/notes?order_by=created_at&sort={sort}&per_page={PAGE}&page={page}"
        );
        let answer = self.get(&path, &what).await?;
        Ok((answer.json(&what)?, !answer.has_next_link()))
    }

    pub(in crate::forge) async fn write_comment(
        &self,
        number: PullRequestNumber,
        existing: Option<&CommentId>,
        body: &str,
    ) -> Result<Posted, ForgeError> {
        let what = format!("the note on merge request {number}");
        let notes = format!("/merge_requests/{number}/notes");
        let body = json!({ "body": without_quick_actions(body) });
        if let Some(id) = existing {
            let path = format!("{notes}/{}", segment(id.as_str()));
            match self.send(Method::PUT, &path, &body, &what).await {
                Ok(answer) => {
                    return Ok(Posted { id: id.clone(), ..answer.json::<Written>(&what)?.posted() });
                }
                Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        let written: Written = self.send(Method::POST, &notes, &body, &what).await?.json(&what)?;
        Ok(written.posted())
    }

    /// A second award of the same emoji is refused, as a 404 that says so.
    pub(in crate::forge) async fn acknowledge(
        &self,
        number: PullRequestNumber,
        comment: &CommentId,
    ) -> Result<Acknowledged, ForgeError> {
        let path = format!("/merge_requests/{number}/notes/{}/award_emoji", segment(comment.as_str()));
        let what = format!("the reaction to a note on merge request {number}");
        match self.send(Method::POST, &path, &json!({ "name": "eyes" }), &what).await {
            Ok(answer) => {
                answer.confirms(&["id", "name"], &what)?;
                Ok(Acknowledged::ByReaction)
            }
            Err(failure) if failure.error.message.contains("already been taken") => {
                Ok(Acknowledged::ByReaction)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Members of the project and of every group above it ("Members API", "all"). Whoever is none of
    /// them may do what the public may.
    pub(in crate::forge) async fn permission(&self, author: &Author) -> Result<Permission, ForgeError> {
        let what = format!("the membership of {}", author.name);
        let answer = match self.get(&format!("/members/all/{}", segment(&author.id)), &what).await {
            Ok(answer) => answer,
            Err(failure) if failure.status == Some(StatusCode::NOT_FOUND) => return Ok(Permission::None),
            Err(failure) => return Err(failure.into()),
        };
        Ok(permission_of(&answer.json::<Member>(&what)?))
    }
}

fn permission_of(member: &Member) -> Permission {
    if member.state.as_deref().is_some_and(|state| state != "active") {
        return Permission::None;
    }
    match member.access_level {
        MAINTAINER.. => Permission::Admin,
        DEVELOPER.. => Permission::Write,
        GUEST.. => Permission::Read,
        _ => Permission::None,
    }
}

impl Note {
    fn comment(self) -> Option<Comment> {
        let author = self.author.filter(|_| !self.system && !self.imported)?;
        Some(Comment {
            id: self.id.into(),
            author: Author::new(&author.id.to_string(), &author.username),
            created_at: self.created_at,
            body: beginning(&self.body),
        })
    }
}

/// GitLab executes a line of a note that begins with the slash of one of its quick actions (`/merge`),
/// with the permissions of whoever wrote the note; carriage returns do not count
/// (`Gitlab::QuickActions::Extractor`). A space in front makes it a text, and shows nowhere.
fn without_quick_actions(body: &str) -> String {
    let mut safe = String::with_capacity(body.len() + 16);
    let mut is_start = true;
    for character in body.chars() {
        if is_start && character == '/' {
            safe.push(' ');
        }
        is_start = matches!(character, '\n') || (is_start && character == '\r');
        safe.push(character);
    }
    safe
}

#[cfg(test)]
#[path = "notes_tests.rs"]
mod tests;
