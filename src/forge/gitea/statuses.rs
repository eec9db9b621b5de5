//! Commit statuses on Gitea and Forgejo. Every one is kept; the newest of a context is what is shown, so
//! a repeated one changes nothing that is seen.

use http::{Method, StatusCode};
use serde_json::json;

use super::client::Gitea;
use crate::forge::api::{Failure, Reach, is_web};
use crate::forge::outcomes::Outcomes;
use crate::forge::outlet::{Class, ForgeError};
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
            Ok(_) => Ok(()),
            Err(failure) if failure.status == Some(StatusCode::INTERNAL_SERVER_ERROR) => {
                Err(self.without_commit(status, failure).await)
            }
            Err(failure) => Err(failure),
        }
    }

    /// A status of a commit that is not there is answered with 500, as if the server had a problem
    /// (`CreateCommitStatus`), and would be tried for ever. Whether it is there says another question.
    async fn without_commit(&self, status: &Status, failure: Failure) -> Failure {
        let what = format!("the commit {}", status.commit.short());
        match self.get(&format!("/commits/{}/status", status.commit), &what).await {
            Ok(_) => Failure { reach: Reach::ThisRequest, ..failure },
            Err(found) if found.status == Some(StatusCode::NOT_FOUND) => {
                let error = ForgeError {
                    class: Class::Refused,
                    message: format!(
                        "{what} is not in the repository, or the token may not see it: \
                         check that the daemon watches the same repository"
                    ),
                };
                Failure { status: found.status, reach: Reach::ThisRequest, error }
            }
            Err(_) => failure,
        }
    }
}

#[cfg(test)]
#[path = "statuses_tests.rs"]
mod tests;
