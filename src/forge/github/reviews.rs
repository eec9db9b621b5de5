//! What stands in reviews: their own text, and comments on lines. Commands are not taken from there, but
//! whoever writes one there is answered.
//!
//! Contract: `pulls/list-reviews` (oldest first), `pulls/list-review-comments`. Bounds: one page of each,
//! the newest where GitHub sorts them.

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::connection::{GitHub, Request};
use crate::forge::api::Failure;
use crate::forge::comment::beginning;
use crate::forge::{Author, Comment, CommentId, ForgeError, PullRequestNumber};

#[derive(Deserialize)]
struct Review {
    id: u64,
    /// `None` while it is being written.
    submitted_at: Option<Timestamp>,
    body: Option<String>,
    user: Option<Account>,
}

#[derive(Deserialize)]
struct OnLines {
    id: u64,
    pull_request_review_id: Option<u64>,
    created_at: Timestamp,
    body: Option<String>,
    user: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    login: String,
}

impl GitHub {
    /// Comments that are no comments on the pull request itself; ids have two parts.
    pub(in crate::forge) async fn reviews(
        &self,
        number: PullRequestNumber,
    ) -> Result<Vec<Comment>, ForgeError> {
        let what = format!("the reviews of pull request {number}");
        let path = format!("/pulls/{number}/reviews?per_page=100");
        let reviews: Vec<Review> = match self.send(&Request::get(path, &what)).await {
            Ok(answer) => answer.json(&what)?,
            // Whatever hides them, commands are read elsewhere.
            Err(failure) if is_absent(&failure) => return Ok(Vec::new()),
            Err(failure) => return Err(failure.error),
        };
        let path = format!("/pulls/{number}/comments?per_page=100&sort=created&direction=desc");
        let on_lines: Vec<OnLines> = match self.send(&Request::get(path, &what)).await {
            Ok(answer) => answer.json(&what)?,
            Err(failure) if is_absent(&failure) => Vec::new(),
            Err(failure) => return Err(failure.error),
        };
        let reviews = reviews
            .into_iter()
            .filter_map(|review| comment(review.id, 0, review.submitted_at?, review.user?, review.body?));
        let on_lines = on_lines.into_iter().filter_map(|one| {
            comment(one.pull_request_review_id.unwrap_or(0), one.id, one.created_at, one.user?, one.body?)
        });
        Ok(reviews.chain(on_lines).collect())
    }
}

fn is_absent(failure: &Failure) -> bool {
    matches!(failure.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN))
}

fn comment(review: u64, id: u64, created_at: Timestamp, author: Account, body: String) -> Option<Comment> {
    let id: CommentId = format!("{review}/{id}").parse().ok()?;
    let author = Author::new(&author.id.to_string(), &author.login);
    Some(Comment { id, author, created_at, body: beginning(&body) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::forge::github::fixture::{FakeGitHub, NOW, Reply};

    #[tokio::test]
    async fn reviews_and_comments_on_lines_are_read_and_told_apart() {
        let user = json!({ "id": 1, "login": "ada" });
        let reviews = json!([
            { "id": 80, "submitted_at": NOW, "body": "/beamline plan", "user": user },
            { "id": 81, "body": "not submitted yet", "user": user },
        ]);
        let on_lines = json!([
            { "id": 9, "pull_request_review_id": 80, "created_at": NOW, "body": "why?", "user": user },
        ]);
        let fake = FakeGitHub::scripted([Reply::json(&reviews), Reply::json(&on_lines)]);
        let read = fake.github().reviews(PullRequestNumber::new(7).unwrap()).await.unwrap();
        let told: Vec<(&str, &str)> = read.iter().map(|it| (it.id.as_str(), it.body.as_str())).collect();
        assert_eq!(told, [("80/0", "/beamline plan"), ("80/9", "why?")]);
        let hidden = FakeGitHub::scripted([Reply::new(StatusCode::NOT_FOUND, "{}")]);
        assert_eq!(hidden.github().reviews(PullRequestNumber::new(7).unwrap()).await, Ok(Vec::new()));
    }
}
