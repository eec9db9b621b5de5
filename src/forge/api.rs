//! Requests to a forge's REST API, over `wire`: one root, bounded answers, failures told apart.
//!
//! Every forge's file says which paths and headers; this one sends them, and turns whatever comes back
//! into an [`Answer`] or a [`Failure`] that says whether trying again can help and how far it reaches.
//!
//! Guarantees: no credential is ever printed; nothing is sent unencrypted except to this machine; an
//! answer is bounded by `wire`; the forge's own words are bounded and stand on one line.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::outlet::{Class, ForgeError};
use super::status::Description;
use crate::clock::Clock;
use crate::git::CommitId;
use crate::wire::{self, Redirect, RedirectKind, Renewable, WireError};

/// The wait after a limit that names none: GitHub asks for at least a minute after a secondary limit.
const UNNAMED_LIMIT_WAIT: Duration = Duration::from_secs(60);

/// The root of one forge's API. Cheap to clone; clones share what the forge said about its limit.
#[derive(Clone)]
pub(super) struct Api {
    client: wire::Client,
    clock: Clock,
    root: String,
    /// The forge's name in messages: `GitHub`.
    forge: &'static str,
    quota: Arc<Mutex<Option<Quota>>>,
}

/// What a forge says with its answers about the limit of requests: `X-RateLimit-*`, GitLab's `RateLimit-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests of one period.
    pub limit: u64,
    /// Those that are left of it.
    pub remaining: u64,
    /// When the next period begins.
    pub reset: Timestamp,
}

/// Why a root or a credential cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The root of the API is not a usable URL.
    #[error("`{api}` is not the root of {forge}'s REST API: write it like {example}")]
    Api {
        /// The value as it stands in the settings.
        api: String,
        /// The forge's name, as sentences have it.
        forge: &'static str,
        /// An address that works, to be copied.
        example: &'static str,
    },
    /// The credential would travel in the open.
    #[error("`{api}` would send the token unencrypted: write https")]
    Unencrypted {
        /// The value as it stands in the settings.
        api: String,
    },
    /// The token is empty or cannot stand in a header.
    #[error("the token of {forge} is empty or has characters that a token cannot have")]
    Token {
        /// The forge's name, as sentences have it.
        forge: &'static str,
    },
    /// The repository is not written as this forge names repositories.
    #[error("`{repository}` is not a repository of {forge}: write it like {example}")]
    Repository {
        /// The value as it stands in the settings.
        repository: String,
        /// The forge's name, as sentences have it.
        forge: &'static str,
        /// A repository that fits, to be copied.
        example: &'static str,
    },
    /// The id of an App is none.
    #[error("`{app_id}` is not the id of a GitHub App: write the App ID or the client ID of its page")]
    AppId {
        /// The value as it stands in the settings.
        app_id: String,
    },
    /// The private key of an App cannot be used.
    #[error("the private key of the GitHub App is not an RSA key in PEM form: {problem}")]
    PrivateKey {
        /// What is wrong with it.
        problem: String,
    },
}

/// A request below the root.
#[derive(Clone)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Begins with `/`; segments that come from outside are encoded by [`segment`].
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<&'a Value>,
}

/// A 2xx or a 304.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
    forge: &'static str,
}

/// A request that did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The answer's status; `None` when there was none.
    pub(super) status: Option<StatusCode>,
    /// How far it reaches.
    pub(super) reach: Reach,
    pub(super) error: ForgeError,
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Another request may fare better.
    ThisRequest,
    /// Every other one would fail the same way now.
    Everything,
}

/// An answer that refuses, for those who know a better next step than the general one.
pub(super) struct Refused<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// The forge's own words, on one line.
    pub(super) words: &'a str,
}

/// The next step after a refusal, as a sentence without its full stop; `None`: the general one.
pub(super) type Advice<'a> = &'a (dyn Fn(&Refused<'_>) -> Option<String> + Sync);

impl From<Failure> for ForgeError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Api {
    /// The API at `root`, an https URL (plain http is accepted for this machine only).
    pub(super) fn new(
        client: wire::Client,
        clock: Clock,
        root: &str,
        forge: &'static str,
        example: &'static str,
    ) -> Result<Self, OptionsError> {
        let quota = Arc::default();
        Ok(Self { client, clock, root: checked_root(root, forge, example)?, forge, quota })
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// What the forge said last about its limit, unless that is over.
    pub(super) fn quota(&self) -> Option<Quota> {
        let quota = *self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota.filter(|quota| quota.reset > self.clock.now())
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sends one request. `what` says in messages what it was about: `the status of a1b2c3d`; `advice` has
    /// the forge's own next steps.
    pub(super) async fn send_advised(
        &self,
        call: Call<'_>,
        what: &str,
        advice: Advice<'_>,
    ) -> Result<Answer, Failure> {
        let request = self.request(call).map_err(|()| self.unaddressable(what))?;
        let response = self.client.send(request).await.map_err(|error| self.unreachable(&error))?;
        let (parts, body) = response.into_parts();
        if let Some(quota) = quota_of(&parts.headers) {
            *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
        }
        if parts.status.is_success() || parts.status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status: parts.status, headers: parts.headers, body, forge: self.forge });
        }
        let words = words_of(&body);
        let refused = Refused { status: parts.status, headers: &parts.headers, words: &words };
        Err(self.judge(&refused, what, advice))
    }

    /// As [`Self::send_advised`], with the credential of `who`; once more when it is refused and another one
    /// stands where it was read.
    pub(super) async fn send_as(
        &self,
        who: &Authorization,
        call: Call<'_>,
        what: &str,
        advice: Advice<'_>,
    ) -> Result<Answer, Failure> {
        let shown = who.secret.current();
        let outcome = self.send_advised(who.on(call.clone(), &shown, what)?, what, advice).await;
        if !who.is_refused(&outcome) || !who.secret.renew(&shown) {
            return outcome.map_err(|failure| who.advised(failure));
        }
        let call = who.on(call, &who.secret.current(), what)?;
        self.send_advised(call, what, advice).await.map_err(|failure| who.advised(failure))
    }

    /// Where the forge sends a GET on to, when that is a path below the same root. `None` for whatever
    /// else it answers: [`Self::send_advised`] says what that is.
    pub(super) async fn sent_on(&self, call: Call<'_>, what: &str) -> Result<Option<String>, Failure> {
        let request = self.request(call).map_err(|()| self.unaddressable(what))?;
        let response = self.client.send(request).await.map_err(|error| self.unreachable(&error))?;
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        Ok(location.filter(|_| response.status().is_redirection()).and_then(|url| self.below(url)))
    }

    /// The path of an address that the forge gave, when it is below the root; credentials go nowhere
    /// else.
    pub(super) fn below(&self, url: &str) -> Option<String> {
        let path = match url.strip_prefix(&self.root) {
            Some(path) => path,
            None => url.strip_prefix(self.root.parse::<Uri>().ok()?.path().trim_end_matches('/'))?,
        };
        (path.starts_with('/') && !path.starts_with("//")).then(|| path.to_owned())
    }

    fn request(&self, call: Call<'_>) -> Result<wire::Request, ()> {
        let Call { method, path, headers, body } = call;
        let mut request = http::Request::builder().method(method).uri(format!("{}{path}", self.root));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = match body {
            None => Bytes::new(),
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(json.to_string())
            }
        };
        request.body(body).map_err(drop)
    }

    fn judge(&self, refusal: &Refused<'_>, what: &str, advice: Advice<'_>) -> Failure {
        let (forge, code, words) = (self.forge, refusal.status, refusal.words);
        let of = |reach, class, message: String| Failure {
            status: Some(code),
            reach,
            error: ForgeError { class, message: message.trim_end().to_owned() },
        };
        let said = if words.is_empty() { String::new() } else { format!(": {words}") };
        let refused = |reach, general: &str| {
            let next = advice(refusal).unwrap_or_else(|| general.to_owned());
            let message = format!("{forge} refused {what} ({}){said}. {next}", code.as_u16());
            of(reach, Class::Refused, message)
        };
        if let Some(after) = rate_limit(code, refusal.headers, words, date_of(refusal.headers, &self.clock)) {
            // When that is, is for whoever tries it to decide and to say.
            let message = format!("{forge} limits the rate of requests; it is tried again. {words}");
            return of(Reach::Everything, Class::Retry { after: Some(after) }, message);
        }
        if let Some(redirect) = self.redirect(refusal) {
            return match (redirect.kind(), advice(refusal)) {
                (RedirectKind::Moved, _) => refused(Reach::Everything, &moved(&redirect)),
                (_, Some(next)) => refused(Reach::Everything, &next),
                (kind, None) => {
                    let message = format!(
                        "{forge} did not answer {what}: {redirect} came instead. It is tried again; if that goes \
                         on, {}",
                        remedy(kind)
                    );
                    of(Reach::Everything, Class::Retry { after: None }, message)
                }
            };
        }
        match code {
            // Gitea takes statuses of an archived repository all the same.
            StatusCode::LOCKED => of(Reach::ThisRequest, Class::Refused, archived(forge, what, code, &said)),
            StatusCode::FORBIDDEN if words.to_ascii_lowercase().contains("archived") => {
                of(Reach::Everything, Class::Refused, archived(forge, what, code, &said))
            }
            StatusCode::UNAUTHORIZED => refused(Reach::Everything, "Give a valid token"),
            StatusCode::FORBIDDEN => refused(Reach::Everything, "Give the token the permission for it"),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                refused(Reach::ThisRequest, "Check that the repository exists and that the token may see it")
            }
            code if code.is_server_error() || code == StatusCode::REQUEST_TIMEOUT => {
                let message =
                    format!("{forge} has a problem ({}); it is tried again. {words}", code.as_u16());
                let after = retry_after(refusal.headers, self.clock.now());
                of(Reach::Everything, Class::Retry { after }, message)
            }
            _ => refused(Reach::ThisRequest, "Check the address of the API and the repository's name"),
        }
    }

    /// Where an answer that is none points.
    fn redirect(&self, refusal: &Refused<'_>) -> Option<Redirect> {
        let location = refusal.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let root: Option<Uri> = self.root.parse().ok();
        let host = root.as_ref().and_then(Uri::authority).map_or("", http::uri::Authority::as_str);
        Redirect::of(refusal.status, location, host)
    }

    fn unreachable(&self, problem: &WireError) -> Failure {
        let cause = problem.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let message = format!("{} cannot be reached; it is tried again. {problem}{cause}", self.forge);
        let error = ForgeError { class: Class::Retry { after: None }, message };
        Failure { status: None, reach: Reach::Everything, error }
    }

    fn unaddressable(&self, what: &str) -> Failure {
        let message = format!("{what} has no address at {}: check the names in it", self.forge);
        let error = ForgeError { class: Class::Refused, message };
        Failure { status: None, reach: Reach::ThisRequest, error }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("forge", &self.forge).field("root", &self.root).finish_non_exhaustive()
    }
}

impl Answer {
    /// The body as what the forge documents. `what` as in [`Api::send_advised`].
    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| self.undocumented(what, &error.to_string()))
    }

    /// That the forge says what it wrote: an object with one of `members`, the documented ones of what was
    /// sent. A page to sign in, or nothing at all, also comes with a 200 where something stands before the forge.
    pub(super) fn confirms(&self, members: &[&str], what: &str) -> Result<(), Failure> {
        let written: serde_json::Map<String, Value> = self.json(what)?;
        if members.iter().any(|member| written.get(*member).is_some_and(|value| !value.is_null())) {
            return Ok(());
        }
        Err(self.undocumented(what, &format!("none of {} is there", members.join(", "))))
    }

    fn undocumented(&self, what: &str, problem: &str) -> Failure {
        let message = format!(
            "{} answered {what} with something else than it documents ({problem}). Check the address of its API",
            self.forge
        );
        let error = ForgeError { class: Class::Retry { after: None }, message };
        Failure { status: Some(self.status), reach: Reach::ThisRequest, error }
    }

    /// The text of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a `Link` header (RFC 8288) names a next page.
    pub(super) fn has_next_link(&self) -> bool {
        self.link("next").is_some()
    }

    /// The number of the last page, where a `Link` header has it in its `page` parameter.
    pub(super) fn last_page(&self) -> Option<usize> {
        let target = self.link("last")?.trim().trim_matches(['<', '>']);
        target.split(['?', '&']).find_map(|pair| pair.strip_prefix("page=")?.parse().ok())
    }

    /// The target of the link with this relation; only its end, when it has a comma.
    fn link(&self, relation: &str) -> Option<&str> {
        let links = self.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
        links.flat_map(|value| value.split(',')).find_map(|link| {
            let (target, parameters) = link.split_once(';')?;
            let is_meant = parameters.split(';').any(|parameter| {
                matches!(parameter.trim().split_once('='), Some((name, value))
                    if name.eq_ignore_ascii_case("rel") && value.trim_matches('"') == relation)
            });
            is_meant.then_some(target)
        })
    }
}

/// That a repository is archived, as the operator is told; `said` are the forge's words.
pub(super) fn archived(forge: &str, what: &str, code: StatusCode, said: &str) -> String {
    format!(
        "{forge} refused {what} ({}){said}. The repository is archived, so nothing can be written to it: unarchive \
         it. What is to be said there waits until then",
        code.as_u16()
    )
}

/// That the forge does not have a commit.
pub(super) fn no_commit(forge: &'static str, commit: &CommitId) -> Failure {
    let message = format!(
        "{forge} does not have the commit {}: its status waits until it does. Check that repository.url and \
         forge.repository name the same repository, and that what is mirrored there is up to date",
        commit.short()
    );
    let error = ForgeError { class: Class::NoCommit, message };
    Failure { status: Some(StatusCode::NOT_FOUND), reach: Reach::ThisRequest, error }
}

/// What a forge is shown with every request: a secret that may be replaced, and how it becomes a header.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    secret: Renewable,
    form: Form,
    forge: &'static str,
    /// Answers that mean a refused credential, beside 401 and 403.
    also_refused: fn(StatusCode) -> bool,
}

/// How a secret becomes a header.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// After these words in `Authorization`.
    After(&'static str),
    /// As the password of this user (RFC 7617).
    Basic(String),
    /// Alone in this header.
    In(HeaderName),
}

impl Authorization {
    /// # Errors
    /// [`OptionsError::Token`] when the secret cannot stand in a header.
    pub(super) fn new(secret: Renewable, form: Form, forge: &'static str) -> Result<Self, OptionsError> {
        let made = Self { secret, form, forge, also_refused: |_| false };
        made.header(&made.secret.current()).map(|_| made)
    }

    pub(super) fn refused_also_by(self, also_refused: fn(StatusCode) -> bool) -> Self {
        Self { also_refused, ..self }
    }

    pub(super) fn secret(&self) -> &Renewable {
        &self.secret
    }

    /// The header with the secret in use.
    pub(super) fn current(&self) -> Result<(HeaderName, HeaderValue), OptionsError> {
        self.header(&self.secret.current())
    }

    fn header(&self, secret: &SecretString) -> Result<(HeaderName, HeaderValue), OptionsError> {
        Ok(match &self.form {
            Form::After(words) => (header::AUTHORIZATION, secret_header(words, secret, self.forge)?),
            Form::Basic(user) => (header::AUTHORIZATION, basic_header(user, secret, self.forge)?),
            Form::In(name) => (name.clone(), secret_header("", secret, self.forge)?),
        })
    }

    fn on<'a>(&self, mut call: Call<'a>, secret: &SecretString, what: &str) -> Result<Call<'a>, Failure> {
        let header = self.header(secret).map_err(|error| Failure {
            status: None,
            reach: Reach::Everything,
            error: ForgeError { class: Class::Refused, message: format!("{what} was not sent: {error}") },
        })?;
        call.headers.push(header);
        Ok(call)
    }

    fn is_refused(&self, outcome: &Result<Answer, Failure>) -> bool {
        match outcome {
            Ok(answer) => (self.also_refused)(answer.status),
            Err(Failure { status: Some(status), error, .. }) => {
                let is_named = matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
                (is_named && error.class == Class::Refused) || (self.also_refused)(*status)
            }
            Err(Failure { status: None, .. }) => false,
        }
    }

    /// With how a new credential is taken, where the present one is none.
    pub(super) fn advised(&self, mut failure: Failure) -> Failure {
        if let (Some(StatusCode::UNAUTHORIZED), Some(advice)) = (failure.status, self.secret.advice()) {
            failure.error.message.push_str(&format!(". {advice}"));
        }
        failure
    }
}

/// A header that carries a credential; `prefix` is `Bearer ` or the like.
pub(super) fn secret_header(
    prefix: &str,
    token: &SecretString,
    forge: &'static str,
) -> Result<HeaderValue, OptionsError> {
    let token = token.expose_secret().trim();
    let refused = || OptionsError::Token { forge };
    if token.is_empty() {
        return Err(refused());
    }
    let mut value = HeaderValue::from_str(&format!("{prefix}{token}")).map_err(|_| refused())?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header for basic authentication (RFC 7617).
pub(super) fn basic_header(
    user: &str,
    password: &SecretString,
    forge: &'static str,
) -> Result<HeaderValue, OptionsError> {
    let password = password.expose_secret().trim();
    if password.is_empty() || user.contains(':') || format!("{user}{password}").chars().any(char::is_control)
    {
        return Err(OptionsError::Token { forge });
    }
    let pair = SecretString::from(BASE64.encode(format!("{user}:{password}")));
    secret_header("Basic ", &pair, forge)
}

/// One segment of a path or one value of a query, percent-encoded but for RFC 3986's unreserved ones.
pub(super) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Forges refuse a target that is not a web address.
pub(super) fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn checked_root(api: &str, forge: &'static str, example: &'static str) -> Result<String, OptionsError> {
    let root = api.trim_end_matches('/');
    let invalid = || OptionsError::Api { api: api.to_owned(), forge, example };
    let uri: Uri = root.parse().map_err(|_| invalid())?;
    let host = uri.host().ok_or_else(invalid)?;
    if uri.query().is_some()
        || root.contains('#')
        || uri.authority().is_some_and(|it| it.as_str().contains('@'))
    {
        return Err(invalid());
    }
    match uri.scheme_str() {
        Some("https") => Ok(root.to_owned()),
        Some("http") if is_this_machine(host) => Ok(root.to_owned()),
        Some("http") => Err(OptionsError::Unencrypted { api: api.to_owned() }),
        Some(_) | None => Err(invalid()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The next step when the repository has another address.
fn moved(redirect: &Redirect) -> String {
    let target = redirect.target().map(|target| format!(" to {target}")).unwrap_or_default();
    format!("The repository has moved{target}: configure its present name")
}

/// The next step when a redirect that should pass does not.
fn remedy(kind: RedirectKind) -> &'static str {
    match kind {
        RedirectKind::SignIn => "let this machine through whatever asks to sign in before the forge",
        RedirectKind::OtherHost => "check the address of the API, and what stands before the forge",
        RedirectKind::Moved | RedirectKind::SameHost => {
            "check whether the repository has another name now, and the address of the API"
        }
    }
}

/// The forge's own words, on one line and bounded: whatever stands under the names that forges use.
fn words_of(body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let first =
        ["/message", "/error/message", "/error_description", "/error"].iter().find_map(
            |pointer| match problem.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    (*pointer == "/message").then(|| problem["message"].to_string())
                }
            },
        );
    let errors = problem["errors"].as_array().into_iter().flatten().take(5);
    let details = errors.filter_map(|detail| detail.as_str().or_else(|| detail["message"].as_str()));
    let all: Vec<&str> = first.as_deref().into_iter().chain(details).collect();
    Description::new(&all.join(" ")).to_string().trim_end_matches('.').to_owned()
}

/// The date by the clock of whoever answered, to compare other dates of the answer with; by ours, which
/// may be wrong, only where the answer has none.
pub(super) fn date_of(headers: &HeaderMap, clock: &Clock) -> Timestamp {
    wire::date(headers).unwrap_or_else(|| clock.now())
}

/// How long to wait, when the answer says that requests come too fast: a 429, or GitHub's 403 with
/// `retry-after`, with nothing remaining, or with words that say so. `ratelimit-*` are GitLab's names.
fn rate_limit(code: StatusCode, headers: &HeaderMap, words: &str, now: Timestamp) -> Option<Duration> {
    if code != StatusCode::FORBIDDEN && code != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let number = |name: &str| number(headers, name);
    if let Some(wait) = retry_after(headers, now) {
        return Some(wait);
    }
    let remaining = number("x-ratelimit-remaining").or_else(|| number("ratelimit-remaining"));
    if remaining == Some(0) {
        let reset = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset"));
        let end = reset.and_then(|second| Timestamp::from_second(i64::try_from(second).ok()?).ok());
        let wait = end.and_then(|end| Duration::try_from(end.duration_since(now)).ok());
        return Some(wait.unwrap_or(UNNAMED_LIMIT_WAIT));
    }
    let said = words.to_ascii_lowercase();
    let secondary = said.contains("secondary rate limit") || said.contains("abuse detection");
    (secondary || code == StatusCode::TOO_MANY_REQUESTS).then_some(UNNAMED_LIMIT_WAIT)
}

/// What `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    if let Some(seconds) = number(headers, "retry-after") {
        return Some(Duration::from_secs(seconds));
    }
    let date = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

fn quota_of(headers: &HeaderMap) -> Option<Quota> {
    let number = |name: &str| number(headers, &format!("x-{name}")).or_else(|| number(headers, name));
    let reset = i64::try_from(number("ratelimit-reset")?).ok()?;
    Some(Quota {
        limit: number("ratelimit-limit")?,
        remaining: number("ratelimit-remaining")?,
        reset: Timestamp::from_second(reset).ok()?,
    })
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
