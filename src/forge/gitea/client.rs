//! One repository on Gitea or Forgejo: how it is reached.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::Method;
use serde_json::Value;

use crate::clock::Clock;
use crate::forge::api::{Answer, Api, Authorization, Call, Failure, Form, OptionsError, Quota, segment};
use crate::forge::webhook::Repository;
use crate::wire::{self, Renewable};

/// The name of both in messages.
pub(super) const NAME: &str = "Gitea";

/// Entries of a page that are asked for; a server may be set to give fewer (`MAX_RESPONSE_ITEMS`, 50).
pub(super) const PAGE: usize = 50;

/// How to reach one repository.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the REST API: `https://codeberg.org/api/v1`. Plain http is accepted for this machine
    /// only.
    pub api: String,
    /// The repository, `owner/name`.
    pub repository: Repository,
    /// An access token with the scopes `write:repository` and `write:issue`. Its account needs to be an
    /// administrator of the repository, because only those are told what others may do there.
    pub token: Renewable,
}

/// One repository on Gitea or Forgejo. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gitea {
    api: Api,
    /// `/repos/owner/name`
    repository: String,
    authorization: Arc<Authorization>,
    /// Whether it was said that the repository is empty.
    pub(super) is_said_empty: Arc<AtomicBool>,
}

impl Gitea {
    /// The repository that `options` name, over `client`; `clock` tells how far away the end of a rate
    /// limit is.
    ///
    /// # Errors
    /// [`OptionsError`] when the options cannot work.
    pub fn new(client: wire::Client, clock: Clock, options: Options) -> Result<Self, OptionsError> {
        let Options { api, repository, token } = options;
        let parts: Vec<&str> = repository.parts().collect();
        let [owner, name] = parts.as_slice() else {
            let repository = repository.to_string();
            return Err(OptionsError::Repository { repository, forge: NAME, example: "owner/name" });
        };
        Ok(Self {
            api: Api::new(client, clock, &api, NAME, "https://codeberg.org/api/v1")?,
            repository: format!("/repos/{}/{}", segment(owner), segment(name)),
            authorization: Arc::new(Authorization::new(token, Form::After("token "), NAME)?),
            is_said_empty: Arc::default(),
        })
    }

    pub(in crate::forge) fn quota(&self) -> Option<Quota> {
        self.api.quota()
    }

    pub(in crate::forge) fn has_new_credential(&self) -> bool {
        self.authorization.secret().is_replaced()
    }

    /// Asks for what stands at `path` below the repository.
    pub(super) async fn get(&self, path: &str, what: &str) -> Result<Answer, Failure> {
        self.call(Method::GET, path, None, what).await
    }

    /// Sends `body` to `path` below the repository.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        what: &str,
    ) -> Result<Answer, Failure> {
        self.call(method, path, Some(body), what).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Answer, Failure> {
        let path = format!("{}{path}", self.repository);
        let call = Call { method, path, headers: Vec::new(), body };
        self.api.send_as(&self.authorization, call, what, &|_| None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::exchange_fixture::FakeForge;

    fn make(api: &str, repository: &str, token: &str) -> Result<Gitea, OptionsError> {
        let options =
            Options { api: api.to_owned(), repository: repository.parse().unwrap(), token: token.into() };
        Gitea::new(FakeForge::default().client(), Clock::system(), options)
    }

    #[test]
    fn options_that_cannot_work_are_refused_before_anything_is_sent() {
        let api = "https://codeberg.org/api/v1";
        assert!(make(api, "octo/ml", "t").is_ok());
        assert!(matches!(make("codeberg.org", "octo/ml", "t"), Err(OptionsError::Api { .. })));
        assert!(matches!(make("http://git.example", "octo/ml", "t"), Err(OptionsError::Unencrypted { .. })));
        assert!(matches!(make(api, "octo/group/ml", "t"), Err(OptionsError::Repository { .. })));
        assert_eq!(make(api, "octo/ml", " ").unwrap_err(), OptionsError::Token { forge: "Gitea" });
    }

    #[test]
    fn the_token_is_never_printed() {
        let gitea = make("https://codeberg.org/api/v1", "octo/ml", "secret-token").unwrap();
        assert!(!format!("{gitea:?}").contains("secret-token"));
    }
}
