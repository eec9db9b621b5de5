//! What stands in reviews: their own text, and comments on lines. Commands are not taken from there, but
//! whoever writes one there is answered.
//!
//! Bounds: one page of reviews, and the comments of the last [`MAX_REVIEWS`] that have any.

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::client::{Gitea, PAGE};
use crate::forge::comment::{Author, Comment, beginning};
use crate::forge::outlet::ForgeError;
use crate::forge::pull_request::PullRequestNumber;

/// Most reviews whose comments on lines are read.
const MAX_REVIEWS: usize = 5;

#[derive(Deserialize)]
struct Review {
    id: u64,
    user: Option<User>,
    submitted_at: Option<Timestamp>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    comments_count: u64,
}

#[derive(Deserialize)]
struct OnLines {
    id: u64,
    user: Option<User>,
    created_at: Timestamp,
    #[serde(default)]
    body: String,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    #[serde(default)]
    login: String,
}

impl Gitea {
    /// Comments that are no comments on the pull request itself; ids have two parts.
    pub(in crate::forge) async fn reviews(
        &self,
        number: PullRequestNumber,
    ) -> Result<Vec<Comment>, ForgeError> {
        let what = format!("the reviews of pull request {number}");
        let reviews: Vec<Review> = match self
            .get(&format!("/pulls/{number}/reviews?limit={PAGE}"), &what)
            .await
        {
            Ok(answer) => answer.json(&what)?,
            // Whatever hides them, commands are read elsewhere.
            Err(failure) if matches!(failure.status, Some(StatusCode::NOT_FOUND | StatusCode::FORBIDDEN)) => {
                return Ok(Vec::new());
            }
            Err(failure) => return Err(failure.into()),
        };
        let mut read = Vec::new();
        for review in reviews.iter().rev().filter(|review| review.comments_count > 0).take(MAX_REVIEWS) {
            let path = format!("/pulls/{number}/reviews/{}/comments", review.id);
            let on_lines: Vec<OnLines> = self.get(&path, &what).await?.json(&what)?;
            let comments = on_lines.into_iter();
            read.extend(
                comments.filter_map(|it| comment(review.id, it.id, it.created_at, it.user?, &it.body)),
            );
        }
        let own =
            reviews.into_iter().filter_map(|it| comment(it.id, 0, it.submitted_at?, it.user?, &it.body));
        read.extend(own);
        Ok(read)
    }
}

fn comment(review: u64, id: u64, created_at: Timestamp, user: User, body: &str) -> Option<Comment> {
    let id = format!("{review}/{id}").parse().ok()?;
    let author = Author::new(&user.id.to_string(), &user.login);
    Some(Comment { id, author, created_at, body: beginning(body) })
}
