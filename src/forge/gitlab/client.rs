//! One project on GitLab: how it is reached.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::clock::Clock;
use crate::forge::api::{
    Answer, Api, Authorization, Call, Failure, Form, OptionsError, Quota, Reach, archived, segment,
};
use crate::forge::webhook::Repository;
use crate::forge::{Class, ForgeError};
use crate::git::BranchName;
use crate::wire::{self, Renewable};

/// The forge's name in messages.
pub(super) const NAME: &str = "GitLab";

/// Most entries of a page (GitLab's documentation, "Pagination").
pub(super) const PAGE: usize = 100;

/// How to reach one project.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the REST API: `https://gitlab.com/api/v4`. Plain http is accepted for this machine
    /// only.
    pub api: String,
    /// The full path of the project, with all its groups.
    pub repository: Repository,
    /// The branch whose commits are applied: their statuses stand in its pipelines.
    pub branch: BranchName,
    /// A personal, group or project access token with the scope `api`, of a Developer or more. Where
    /// `branch` is protected, its account must be allowed to merge or push there.
    pub token: Renewable,
}

/// One project on GitLab. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GitLab {
    api: Api,
    /// `/projects/` and the path of the project, which is one segment.
    project: String,
    pub(super) branch: BranchName,
    authorization: Arc<Authorization>,
}

impl GitLab {
    /// The project that `options` name, over `client`; `clock` tells how far away the end of a rate
    /// limit is.
    ///
    /// # Errors
    /// [`OptionsError`] when the options cannot work.
    pub fn new(client: wire::Client, clock: Clock, options: Options) -> Result<Self, OptionsError> {
        let Options { api, repository, branch, token } = options;
        Ok(Self {
            api: Api::new(client, clock, &api, NAME, "https://gitlab.com/api/v4")?,
            project: format!("/projects/{}", segment(repository.as_str())),
            branch,
            authorization: Arc::new(Authorization::new(
                token,
                Form::In(HeaderName::from_static("private-token")),
                NAME,
            )?),
        })
    }

    pub(in crate::forge) fn quota(&self) -> Option<Quota> {
        self.api.quota()
    }

    pub(in crate::forge) fn has_new_credential(&self) -> bool {
        self.authorization.secret().is_replaced()
    }

    /// Asks for what stands at `path` below the project.
    pub(super) async fn get(&self, path: &str, what: &str) -> Result<Answer, Failure> {
        self.get_unless(path, None, what).await
    }

    /// Like [`Self::get`], with the answer 304 when what stands there is still `known`.
    pub(super) async fn get_unless(
        &self,
        path: &str,
        known: Option<&str>,
        what: &str,
    ) -> Result<Answer, Failure> {
        let condition = known.and_then(|tag| HeaderValue::from_str(tag).ok());
        let headers = condition.map(|tag| (http::header::IF_NONE_MATCH, tag));
        self.call(Method::GET, path, headers, None, what).await
    }

    /// Sends `body` to `path` below the project.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        what: &str,
    ) -> Result<Answer, Failure> {
        self.call(method, path, None, Some(body), what).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        header: Option<(HeaderName, HeaderValue)>,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Answer, Failure> {
        let path = format!("{}{path}", self.project);
        let is_write = method != Method::GET;
        let call = Call { method, path, headers: header.into_iter().collect(), body };
        let outcome = self.api.send_as(&self.authorization, call, what, &|_| None).await;
        match outcome {
            Err(failure) if is_write && failure.status == Some(StatusCode::FORBIDDEN) => {
                Err(if self.is_archived().await { archived_failure(what) } else { failure })
            }
            Ok(_) | Err(_) => outcome,
        }
    }

    /// GitLab does not say why it refuses a write; whether it can be this, the project says.
    async fn is_archived(&self) -> bool {
        let call = Call { method: Method::GET, path: self.project.clone(), headers: Vec::new(), body: None };
        let what = "whether the project is archived";
        let answer = self.api.send_as(&self.authorization, call, what, &|_| None).await;
        let project = answer.and_then(|answer| answer.json::<Value>(what));
        project.is_ok_and(|project| project["archived"] == true)
    }
}

/// With the status that other forges have for it: 403 means a permission.
fn archived_failure(what: &str) -> Failure {
    let message = archived(NAME, what, StatusCode::FORBIDDEN, "");
    let error = ForgeError { class: Class::Refused, message };
    Failure { status: Some(StatusCode::LOCKED), reach: Reach::Everything, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::exchange_fixture::FakeForge;

    fn make(api: &str, token: &str) -> Result<GitLab, OptionsError> {
        let options = Options {
            api: api.to_owned(),
            repository: "group/sub/ml".parse().unwrap(),
            branch: "main".parse().unwrap(),
            token: token.into(),
        };
        GitLab::new(FakeForge::default().client(), Clock::system(), options)
    }

    #[test]
    fn options_that_cannot_work_are_refused_before_anything_is_sent() {
        assert!(make("https://gitlab.com/api/v4/", "t").is_ok());
        assert!(matches!(make("gitlab.com", "t"), Err(OptionsError::Api { .. })));
        assert!(matches!(make("http://gitlab.example/api/v4", "t"), Err(OptionsError::Unencrypted { .. })));
        assert_eq!(
            make("https://gitlab.com/api/v4", " ").unwrap_err(),
            OptionsError::Token { forge: "GitLab" }
        );
    }

    #[test]
    fn the_token_is_never_printed() {
        let gitlab = make("https://gitlab.com/api/v4", "glpat-secret").unwrap();
        assert!(!format!("{gitlab:?}").contains("glpat-secret"));
    }
}
