//! Reaching one repository on Bitbucket.
//!
//! Guarantees: the address of a next page is followed only below the root, so that the credential goes
//! nowhere else; lists are bounded.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::{HeaderValue, Method, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::pull_requests::Heads;
use crate::clock::Clock;
use crate::forge::api::{Answer, Api, Authorization, Call, Failure, Form, OptionsError, Quota, Reach};
use crate::forge::{Class, ForgeError, Repository};
use crate::wire::{self, Renewable};

/// The forge's name in messages.
pub(super) const FORGE: &str = "Bitbucket";

/// A root that works, for messages.
const EXAMPLE_ROOT: &str = "https://api.bitbucket.org";

/// Most pages of one list, whatever their size.
const MAX_PAGES: usize = 100;

/// How to reach one repository.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the REST API: `https://api.bitbucket.org`. Plain http is accepted for this machine
    /// only.
    pub api: String,
    /// Workspace and slug: `workspace/repository`.
    pub repository: Repository,
    /// Who asks. It needs to read and write the repository and its pull requests, and to administer the
    /// repository when comments are to be obeyed, because only administrators see permissions.
    pub credential: Credential,
}

/// How Bitbucket is told who asks ("Authentication methods").
#[derive(Clone, Debug)]
pub enum Credential {
    /// An access token of a repository, project or workspace, or of OAuth.
    AccessToken(Renewable),
    /// A user name with an app password, or an e-mail address with an API token.
    Basic {
        /// The user name or the address.
        user: String,
        /// The app password or the API token.
        password: Renewable,
    },
}

/// One repository on Bitbucket. Cheap to clone; clones share what they know of the heads of pull
/// requests.
#[derive(Clone)]
pub struct Bitbucket {
    api: Api,
    /// Nothing in it needs encoding in a path.
    repository: Repository,
    authorization: Arc<Authorization>,
    pub(super) heads: Arc<Mutex<Heads>>,
}

/// One page of a list ("Pagination").
#[derive(Deserialize)]
struct Page<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
    next: Option<String>,
}

/// A list, as far as it was read.
pub(super) struct Read<T> {
    pub(super) values: Vec<T>,
    /// Whether there is more.
    pub(super) truncated: bool,
}

impl Bitbucket {
    /// The repository of `options` over `client`; `clock` tells how far away the end of a rate limit is.
    ///
    /// # Errors
    /// [`OptionsError`] when the options cannot work.
    pub fn new(client: wire::Client, clock: Clock, options: Options) -> Result<Self, OptionsError> {
        let root = options.api.trim_end_matches('/').trim_end_matches("/2.0");
        let api = Api::new(client, clock, root, FORGE, EXAMPLE_ROOT)?;
        let parts: Vec<&str> = options.repository.as_str().split('/').collect();
        let is_plain =
            |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if parts.len() != 2 || !parts.iter().all(is_plain) {
            return Err(OptionsError::Repository {
                repository: options.repository.to_string(),
                forge: FORGE,
                example: "workspace/repository",
            });
        }
        let (secret, form) = match options.credential {
            Credential::AccessToken(token) => (token, Form::After("Bearer ")),
            Credential::Basic { user, password } => (password, Form::Basic(user)),
        };
        let authorization = Arc::new(Authorization::new(secret, form, FORGE)?);
        let repository = options.repository;
        Ok(Self { api, repository, authorization, heads: Arc::default() })
    }

    pub(in crate::forge) fn quota(&self) -> Option<Quota> {
        self.api.quota()
    }

    pub(in crate::forge) fn has_new_credential(&self) -> bool {
        self.authorization.secret().is_replaced()
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// A path below the repository.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/2.0/repositories/{}{rest}", self.repository)
    }

    /// A path about the repository below its workspace.
    pub(super) fn path_of_permissions(&self) -> String {
        let (workspace, slug) = self.repository.as_str().split_once('/').unwrap_or_default();
        format!("/2.0/workspaces/{workspace}/permissions/repositories/{slug}")
    }

    pub(super) async fn get(&self, path: String, what: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, None, what).await
    }

    pub(super) async fn write(
        &self,
        method: Method,
        path: String,
        body: &Value,
        what: &str,
    ) -> Result<Answer, Failure> {
        self.send(method, path, Some(body), what).await
    }

    async fn send(
        &self,
        method: Method,
        path: String,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Answer, Failure> {
        self.api.send_as(&self.authorization, call(method, path, body), what, &|_| None).await
    }

    /// The path that a GET of `path` is sent on to, or `path` itself.
    pub(super) async fn sent_on(&self, path: String, what: &str) -> Result<String, Failure> {
        let mut asked = call(Method::GET, path.clone(), None);
        asked.headers.extend(self.authorization.current().ok());
        let onward = self.api.sent_on(asked, what).await?;
        Ok(onward.unwrap_or(path))
    }

    /// The list that begins at `path`, page after page until there are at least `most` or no more.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: String,
        most: usize,
        what: &str,
    ) -> Result<Read<T>, Failure> {
        let (mut path, mut values) = (path, Vec::new());
        for _ in 0..MAX_PAGES {
            let page: Page<T> = self.get(path, what).await?.json(what)?;
            values.extend(page.values);
            let Some(next) = page.next else {
                let truncated = values.len() > most;
                values.truncate(most);
                return Ok(Read { values, truncated });
            };
            if values.len() >= most {
                break;
            }
            path = self.api.below(&next).ok_or_else(|| elsewhere(what))?;
        }
        values.truncate(most);
        Ok(Read { values, truncated: true })
    }
}

fn call(method: Method, path: String, body: Option<&Value>) -> Call<'_> {
    let headers = vec![(header::ACCEPT, HeaderValue::from_static("application/json"))];
    Call { method, path, headers, body }
}

impl fmt::Debug for Bitbucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bitbucket")
            .field("api", &self.api)
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

fn elsewhere(what: &str) -> Failure {
    let message = format!(
        "{FORGE} continues {what} at another host, where the token is not sent. Configure the address that it \
         gives itself as the root of the API"
    );
    let error = ForgeError { class: Class::Refused, message };
    Failure { status: None, reach: Reach::ThisRequest, error }
}
