//! Commit statuses on Gitea and Forgejo. Every one is kept; the newest of a context is what is shown, so
//! a repeated one changes nothing that is seen.

use http::{Method, StatusCode};
use serde_json::json;

use super::client::{Gitea, NAME};
use crate::forge::api::{Failure, Reach, is_web, no_commit};
use crate::forge::outcomes::Outcomes;
use crate::forge::outlet::ForgeError;
use crate::forge::status::Status;

impl Gitea {
    pub(in crate::forge) async fn post(&self, statuses: &[Status]) -> Vec<Result<(), ForgeError>> {
        let mut outcomes = Outcomes::of(statuses.len());
        for status in statuses {
            if outcomes.note(self.post_one(status).await).is_break() {
                break;
            }
        }
        outcomes.finish()
    }

    async fn post_one(&self, status: &Status) -> Result<(), Failure> {
        let mut body = json!({
            "state": status.state.as_str(),
            "context": status.context.to_string(),
            "description": status.description.as_str(),
        });
        if let Some(url) = status.target_url.as_deref().filter(|url| is_web(url)) {
            body["target_url"] = json!(url);
        }
        let what = format!("the status {} of {}", status.context, status.commit.short());
        match self.send(Method::POST, &format!("/statuses/{}", status.commit), &body, &what).await {
            Ok(answer) => answer.confirms(&["id", "status", "context"], &what),
            Err(failure) => match failure.status {
                Some(StatusCode::INTERNAL_SERVER_ERROR | StatusCode::NOT_FOUND) => {
                    Err(self.without_commit(status, failure).await)
                }
                Some(_) | None => Err(failure),
            },
        }
    }

    /// A status of a commit that is not there is answered with 500, as if the server had a problem
    /// (`CreateCommitStatus`), or with 404, as if the repository were not there. Whether it is says
    /// `git/commits`; the combined status answers 200 for any forty digits.
    async fn without_commit(&self, status: &Status, failure: Failure) -> Failure {
        let what = format!("the commit {}", status.commit.short());
        match self.get(&format!("/git/commits/{}", status.commit), &what).await {
            Ok(_) => Failure { reach: Reach::ThisRequest, ..failure },
            Err(found) if found.status == Some(StatusCode::NOT_FOUND) => {
                match self.get("", "the repository").await {
                    Ok(_) => no_commit(NAME, &status.commit),
                    Err(_) => failure,
                }
            }
            Err(_) => failure,
        }
    }
}

#[cfg(test)]
#[path = "statuses_tests.rs"]
mod tests;
