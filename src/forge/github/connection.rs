//! One repository on GitHub: what every request has in common, and the credential that it carries.
//!
//! Guarantees: a credential is never printed; a token of an App that GitHub no longer accepts is renewed
//! once per request; what GitHub refuses names the permission that is missing, where GitHub says it.

use std::fmt;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;

use super::app::App;
use crate::clock::Clock;
use crate::forge::api::{
    Answer, Api, Authorization, Call, Failure, Form, OptionsError, Quota, Refused, segment,
};
use crate::forge::{Description, ForgeError, Repository};
use crate::wire::{self, Renewable};

/// The forge's name in messages.
pub(super) const NAME: &str = "GitHub";

/// The version of the REST API that this folder was written against.
const API_VERSION: &str = "2022-11-28";

/// The media type that GitHub recommends.
const MEDIA_TYPE: &str = "application/vnd.github+json";

/// How to reach one repository.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the REST API: `https://api.github.com`, or `https://<host>/api/v3` of an Enterprise
    /// Server. Plain http is accepted for this machine only.
    pub api: String,
    /// The repository on its forge.
    pub repository: Repository,
    /// As whom the forge is asked: a token, or an App.
    pub access: Access,
}

/// As whom the forge is asked: a token, or an App.
#[derive(Clone, Debug)]
pub enum Access {
    /// Whoever has this token: a fine-grained or classic personal access token.
    Token(Renewable),
    /// A GitHub App that is installed on the repository. Only an App may publish check runs.
    App {
        /// Its App ID or client ID; GitHub recommends the client ID.
        app_id: String,
        /// Its installation on the repository; looked up when it is not given.
        installation_id: Option<u64>,
        /// Its private key: RSA, PEM, PKCS#1 (as GitHub hands it out) or PKCS#8.
        private_key: Renewable,
    },
}

/// One repository on GitHub. Cheap to clone; clones share the token of an App.
#[derive(Clone)]
pub struct GitHub {
    api: Api,
    repository: Repository,
    /// `/repos/<owner>/<name>`
    base: String,
    credential: Credential,
}

#[derive(Clone)]
enum Credential {
    Token(Arc<Authorization>),
    App(Arc<App>),
}

/// A request about the repository.
pub(super) struct Request<'a> {
    method: Method,
    /// Below the repository, beginning with `/`.
    path: String,
    body: Option<Value>,
    etag: Option<&'a str>,
    /// What it is about, in messages.
    what: String,
    /// The next step when GitHub cannot process it (422).
    if_unprocessable: Option<String>,
}

impl<'a> Request<'a> {
    pub(super) fn get(path: String, what: &str) -> Self {
        let what = what.to_owned();
        Self { method: Method::GET, path, body: None, etag: None, what, if_unprocessable: None }
    }

    pub(super) fn write(method: Method, path: String, body: Value, what: &str) -> Self {
        Self { method, body: Some(body), ..Self::get(path, what) }
    }

    /// Asks only for what is no longer as it was when GitHub answered with `etag`.
    pub(super) fn unless(self, etag: Option<&'a str>) -> Self {
        Self { etag, ..self }
    }

    pub(super) fn if_unprocessable(self, next: String) -> Self {
        Self { if_unprocessable: Some(next), ..self }
    }
}

impl GitHub {
    /// The repository of `options` over `client`; `clock` tells how far away the end of a rate limit or
    /// of a token is.
    ///
    /// # Errors
    /// [`OptionsError`] when the options cannot work. Nothing is sent.
    pub fn new(client: wire::Client, clock: Clock, options: Options) -> Result<Self, OptionsError> {
        let Options { api, repository, access } = options;
        let api = Api::new(client, clock, &api, NAME, "https://api.github.com")?;
        let unfit = || OptionsError::Repository {
            repository: repository.to_string(),
            forge: NAME,
            example: "octo-org/infrastructure",
        };
        let (owner, name) = repository.as_str().split_once('/').ok_or_else(unfit)?;
        if name.contains('/') {
            return Err(unfit());
        }
        let base = format!("/repos/{}/{}", segment(owner), segment(name));
        let credential = match access {
            Access::Token(token) => {
                Credential::Token(Arc::new(Authorization::new(token, Form::After("Bearer "), NAME)?))
            }
            Access::App { app_id, installation_id, private_key } => Credential::App(Arc::new(App::new(
                app_id,
                installation_id,
                private_key,
                &repository,
                base.clone(),
            )?)),
        };
        Ok(Self { api, repository, base, credential })
    }

    /// What stands for the password when the repository is fetched over https; the user is
    /// `x-access-token` ("Authenticating as a GitHub App installation"). An App's lives for an hour and is
    /// renewed five minutes before its end: ask before every fetch.
    ///
    /// # Errors
    /// [`ForgeError`] when GitHub grants the App no token.
    pub async fn git_password(&self) -> Result<SecretString, ForgeError> {
        match &self.credential {
            Credential::Token(token) => Ok(token.secret().current()),
            Credential::App(app) => Ok(app.token(&self.api).await?),
        }
    }

    pub(in crate::forge) fn quota(&self) -> Option<Quota> {
        self.api.quota()
    }

    pub(in crate::forge) fn has_new_credential(&self) -> bool {
        match &self.credential {
            Credential::Token(token) => token.secret().is_replaced(),
            Credential::App(app) => app.has_new_key(),
        }
    }

    /// Whether it is a GitHub App that asks.
    #[must_use]
    pub fn is_app(&self) -> bool {
        self.app().is_some()
    }

    pub(super) fn app(&self) -> Option<&Arc<App>> {
        match &self.credential {
            Credential::Token(_) => None,
            Credential::App(app) => Some(app),
        }
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Sends `request`; once more with a fresh token when GitHub no longer accepts that of the App.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let app = match &self.credential {
            Credential::Token(token) => {
                let advice = |refused: &Refused<'_>| self.advice(refused, request);
                return self.api.send_as(token, self.call(request), &request.what, &advice).await;
            }
            Credential::App(app) => app,
        };
        let authorization = app.header(&self.api).await?;
        let outcome = self.attempt(request, &authorization).await;
        match &outcome {
            Err(failure) if failure.status == Some(StatusCode::UNAUTHORIZED) => {
                app.forget(&authorization);
                self.attempt(request, &app.header(&self.api).await?).await
            }
            Ok(_) | Err(_) => outcome,
        }
    }

    async fn attempt(&self, request: &Request<'_>, authorization: &HeaderValue) -> Result<Answer, Failure> {
        let mut call = self.call(request);
        call.headers.push((header::AUTHORIZATION, authorization.clone()));
        let advice = |refused: &Refused<'_>| self.advice(refused, request);
        self.api.send_advised(call, &request.what, &advice).await
    }

    /// The request, still without a credential.
    fn call<'a>(&self, request: &'a Request<'_>) -> Call<'a> {
        let mut headers = headers();
        if let Some(etag) = request.etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.push((header::IF_NONE_MATCH, etag));
        }
        let path = format!("{}{}", self.base, request.path);
        Call { method: request.method.clone(), path, headers, body: request.body.as_ref() }
    }

    fn advice(&self, refused: &Refused<'_>, request: &Request<'_>) -> Option<String> {
        self.next_step(refused, request.if_unprocessable.as_deref())
    }

    fn next_step(&self, refused: &Refused<'_>, if_unprocessable: Option<&str>) -> Option<String> {
        let repository = &self.repository;
        let holder = if self.is_app() { "App" } else { "token" };
        match refused.status {
            StatusCode::UNAUTHORIZED => Some(format!("Give a valid token that may write to {repository}")),
            StatusCode::FORBIDDEN => Some(match missing_permission(refused) {
                Some(named) => format!("Give the {holder} the permission {named} on {repository}"),
                None => format!("Give the {holder} the permission for it on {repository}"),
            }),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Some(format!("Check that {repository} exists and that the {holder} may see it"))
            }
            StatusCode::UNPROCESSABLE_ENTITY if refused.words.contains("maximum number of statuses") => {
                Some("GitHub keeps 1,000 statuses of a context on one commit: push another commit".to_owned())
            }
            StatusCode::UNPROCESSABLE_ENTITY => if_unprocessable.map(str::to_owned),
            _ => None,
        }
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub")
            .field("api", &self.api.root())
            .field("repository", &self.repository)
            .field("is_app", &self.is_app())
            .finish_non_exhaustive()
    }
}

/// What every request carries, beside a credential.
pub(super) fn headers() -> Vec<(HeaderName, HeaderValue)> {
    vec![
        (header::ACCEPT, HeaderValue::from_static(MEDIA_TYPE)),
        (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static(API_VERSION)),
    ]
}

/// `statuses=write`, as GitHub says it beside a 403 ("Permissions required for GitHub Apps").
fn missing_permission(refused: &Refused<'_>) -> Option<Description> {
    let text = refused.headers.get("x-accepted-github-permissions")?.to_str().ok()?;
    Some(Description::new(text)).filter(|named| !named.as_str().is_empty())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use http::StatusCode;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::forge::github::fixture::{FakeGitHub, Reply};
    use crate::forge::{Author, Class};

    fn make(api: &str, access: Access) -> Result<GitHub, OptionsError> {
        let client = wire::Client::in_process(Router::new());
        let options = Options { api: api.to_owned(), repository: "octo/ml".parse().unwrap(), access };
        GitHub::new(client, Clock::system(), options)
    }

    #[test]
    fn options_that_cannot_work_are_refused_before_anything_is_sent() {
        assert!(make("https://api.github.com", Access::Token("t".into())).is_ok());
        assert!(make("https://github.example/api/v3/", Access::Token("t".into())).is_ok());
        for api in ["", "github.com", "ftp://x"] {
            let error = make(api, Access::Token("t".into())).unwrap_err();
            assert!(matches!(error, OptionsError::Api { .. }), "{error}");
        }
        let error = make("http://github.example", Access::Token("t".into())).unwrap_err();
        assert!(matches!(error, OptionsError::Unencrypted { .. }), "{error}");
        for token in ["", " ", "a\nb"] {
            let error = make("https://api.github.com", Access::Token(token.into())).unwrap_err();
            assert_eq!(error, OptionsError::Token { forge: "GitHub" });
        }
    }

    #[test]
    fn the_token_is_never_printed() {
        let github = make("https://api.github.com", Access::Token("ghp_secret".into())).unwrap();
        let access = Access::Token("ghp_secret".into());
        assert!(!format!("{github:?} {access:?}").contains("ghp_secret"));
    }

    #[tokio::test]
    async fn a_missing_permission_is_named_as_github_names_it() {
        let reply = Reply::new(StatusCode::FORBIDDEN, r#"{"message":"Resource not accessible"}"#);
        let fake = FakeGitHub::scripted([reply.with("x-accepted-github-permissions", "metadata=read")]);
        let error = fake.github().permission(&Author::new("1", "octocat")).await.unwrap_err();
        assert_eq!(error.class, Class::Refused);
        assert!(error.message.contains("Resource not accessible"), "{error}");
        assert!(error.message.ends_with("the permission metadata=read on octo/ml"), "{error}");
    }

    #[tokio::test]
    async fn a_token_serves_as_the_password_of_git() {
        let password = FakeGitHub::default().github().git_password().await.unwrap();
        assert_eq!(password.expose_secret(), "ghp_secret");
    }
}
