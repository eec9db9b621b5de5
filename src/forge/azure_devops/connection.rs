//! Reaching one repository of Azure DevOps.
//!
//! Guarantees: every request names its API version and carries the token as a password without a user
//! ("Use personal access tokens"); a sign-in page in the place of an answer is a wrong token.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::forge::api::{
    Answer, Api, Authorization, Call, Failure, Form, OptionsError, Quota, Reach, Refused, segment,
};
use crate::forge::{Class, ForgeError, Repository};
use crate::wire::{self, Renewable};

/// The forge's name in messages.
pub(super) const FORGE: &str = "Azure DevOps";

/// The version of the REST API that this folder was written against.
const API_VERSION: &str = "7.1";

/// A root that works, for messages.
const EXAMPLE_ROOT: &str = "https://dev.azure.com/contoso";

/// How to reach one repository.
#[derive(Clone, Debug)]
pub struct Options {
    /// The organization, `https://dev.azure.com/contoso`, or the collection of a server,
    /// `https://host/tfs/DefaultCollection`. Plain http is accepted for this machine only.
    pub api: String,
    /// Project and repository: `project/repository`, spaces allowed.
    pub repository: Repository,
    /// A personal access token with the scopes Code (Read and Status, and Write for comments), and for
    /// the permissions of those who comment Identity (Read) and Security (Manage).
    pub token: Renewable,
}

/// One repository of Azure DevOps. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AzureDevOps {
    api: Api,
    /// Where identities are asked for: the service has a host of its own for them.
    identities: Arc<Api>,
    /// The path of the repository below the root.
    base: String,
    authorization: Arc<Authorization>,
}

/// Every list of the API.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) value: Vec<T>,
}

impl AzureDevOps {
    /// The repository of `options` over `client`; `clock` tells how far away the end of a rate limit is.
    ///
    /// # Errors
    /// [`OptionsError`] when the options cannot work.
    pub fn new(client: wire::Client, clock: Clock, options: Options) -> Result<Self, OptionsError> {
        let api = Api::new(client.clone(), clock.clone(), &options.api, FORGE, EXAMPLE_ROOT)?;
        let identities_root = identities_root(api.root()).ok_or_else(|| OptionsError::Api {
            api: options.api.clone(),
            forge: FORGE,
            example: EXAMPLE_ROOT,
        })?;
        let identities = Arc::new(Api::new(client, clock, &identities_root, FORGE, EXAMPLE_ROOT)?);
        let parts: Vec<&str> = options.repository.as_str().split('/').collect();
        let [project, name] = parts[..] else {
            return Err(OptionsError::Repository {
                repository: options.repository.to_string(),
                forge: FORGE,
                example: "project/repository",
            });
        };
        let base = format!("/{}/_apis/git/repositories/{}", segment(project), segment(name));
        let authorization = Authorization::new(options.token, Form::Basic(String::new()), FORGE)?;
        let authorization = Arc::new(authorization.refused_also_by(is_sign_in));
        Ok(Self { api, identities, base, authorization })
    }

    pub(in crate::forge) fn quota(&self) -> Option<Quota> {
        self.api.quota()
    }

    pub(in crate::forge) fn has_new_credential(&self) -> bool {
        self.authorization.secret().is_replaced()
    }

    /// Asks for what stands at `path` below the repository; `query` is without `?`, and may be empty.
    pub(super) async fn get(&self, path: &str, query: &str, what: &str) -> Result<Answer, Failure> {
        self.ask(&self.api, Method::GET, versioned(&format!("{}{path}", self.base), query), None, what).await
    }

    /// Writes `body` to `path` below the repository.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        what: &str,
    ) -> Result<Answer, Failure> {
        self.ask(&self.api, method, versioned(&format!("{}{path}", self.base), ""), Some(body), what).await
    }

    /// Asks for what stands at `path` below the organization.
    pub(super) async fn get_of_organization(
        &self,
        path: &str,
        query: &str,
        what: &str,
    ) -> Result<Answer, Failure> {
        self.ask(&self.api, Method::GET, versioned(path, query), None, what).await
    }

    /// Asks for identities, which have a host of their own.
    pub(super) async fn get_identities(&self, query: &str, what: &str) -> Result<Answer, Failure> {
        self.ask(&self.identities, Method::GET, versioned("/_apis/identities", query), None, what).await
    }

    async fn ask(
        &self,
        api: &Api,
        method: Method,
        path: String,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Answer, Failure> {
        let headers = vec![(header::ACCEPT, HeaderValue::from_static("application/json"))];
        let call = Call { method, path, headers, body };
        let signed_out = |status| {
            let failure = Failure { status: Some(StatusCode::UNAUTHORIZED), ..signed_out(status, what) };
            Err(Failure { status: Some(status), ..self.authorization.advised(failure) })
        };
        match api.send_as(&self.authorization, call, what, &next_step).await {
            Ok(answer) if is_sign_in(answer.status) => signed_out(answer.status),
            Err(Failure {
                status: Some(status), error: ForgeError { class: Class::Refused, .. }, ..
            }) if is_sign_in(status) => signed_out(status),
            outcome => outcome,
        }
    }
}

/// With the query and the version of the API.
fn versioned(path: &str, query: &str) -> String {
    let separator = if query.is_empty() { "" } else { "&" };
    format!("{path}?{query}{separator}api-version={API_VERSION}")
}

/// A token that does not fit is answered with the sign-in page: as a redirect to it that [`next_step`] knows, or
/// in the place of the answer with the status 203.
fn is_sign_in(status: StatusCode) -> bool {
    matches!(status, StatusCode::NON_AUTHORITATIVE_INFORMATION | StatusCode::FOUND | StatusCode::SEE_OTHER)
}

fn signed_out(status: StatusCode, what: &str) -> Failure {
    let message = format!(
        "{FORGE} asks to sign in instead of answering {what} ({}): the token is wrong, has expired, or is of \
         another organization. Give a valid token",
        status.as_u16()
    );
    let error = ForgeError { class: Class::Refused, message };
    Failure { status: Some(status), reach: Reach::Everything, error }
}

/// Where the identities of an organization are asked for ("Identities - Read Identities"); a server
/// answers it where it answers everything. `None` when the service's root names no organization.
fn identities_root(root: &str) -> Option<String> {
    let uri: Uri = root.parse().ok()?;
    let host = uri.host()?.to_ascii_lowercase();
    if host == "dev.azure.com" {
        let organization = uri.path().trim_matches('/');
        return (!organization.is_empty()).then(|| format!("https://vssps.dev.azure.com/{organization}"));
    }
    match host.strip_suffix(".visualstudio.com") {
        Some(organization) if !organization.contains('.') => {
            Some(format!("https://{organization}.vssps.visualstudio.com"))
        }
        Some(_) | None => Some(root.to_owned()),
    }
}

/// Whether an answer points to the sign-in page of Azure DevOps, not to one of a proxy before it.
fn is_to_own_sign_in(refused: &Refused<'_>) -> bool {
    let location = refused.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let path = location.and_then(|location| location.split(['?', '#']).next());
    refused.status.is_redirection()
        && path.is_some_and(|path| path.trim_end_matches('/').ends_with("/_signin"))
}

/// A disabled repository is answered for like one that is not there.
fn next_step(refused: &Refused<'_>) -> Option<String> {
    if is_to_own_sign_in(refused) {
        return Some("Give a valid token".to_owned());
    }
    refused.words.contains("TF401019").then(|| {
        "Check that the repository exists and is not disabled (its settings, \"Disable repository\"), and that \
         the token may see it"
            .to_owned()
    })
}
