//! A GitHub App: from its private key to a token for one repository.
//!
//! Form (GitHub's documentation, "Generating a JSON Web Token (JWT) for a GitHub App" and "Generating an
//! installation access token"): a JWT signed with RS256, dated 60 s back because clocks differ, valid
//! for at most 10 minutes, is exchanged for a token of the App's installation, which lives for an hour.
//!
//! Guarantees: however many wait, one request for a token is under way, made by an errand, so that nobody who
//! is dropped or not polled keeps others from a token; a token is renewed five minutes
//! before it expires (or after half of a shorter life); while the old one is valid, a failed renewal
//! hurts nobody; a token is good for this one repository only; neither key nor token is ever printed.
//! A token's life is GitHub's end of it less GitHub's date of the answer, and goes by monotonic time. Where this
//! machine's clock is far from GitHub's, that is said, and the JWT is dated by GitHub's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{NAME, headers};
use crate::clock::Instant;
use crate::errand::errand;
use crate::forge::api::{Answer, Api, Call, Failure, OptionsError, Reach, Refused, date_of, secret_header};
use crate::forge::{Class, ForgeError, Repository};
use crate::text::both_ends;
use crate::wire::{Renewable, Skew, date};

/// How far back a JWT is dated.
const BACKDATED_SECS: i64 = 60;

/// How long a JWT is valid from now; with the backdating the ten minutes that GitHub allows.
const VALID_SECS: i64 = 540;

/// How long before its end a token is renewed.
const EARLY: Duration = Duration::from_secs(300);

/// The longest life of a token that is believed; GitHub gives an hour.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a failed renewal is not tried again while the old token is valid.
const PAUSE: Duration = Duration::from_secs(20);

/// The longest id of an App that is accepted; client ids have 20 characters.
const MAX_ID_CHARS: usize = 100;

/// An App, and the token that it has now.
pub(super) struct App {
    id: String,
    private_key: Renewable,
    installation_id: Option<u64>,
    repository: Repository,
    /// `/repos/<owner>/<name>`
    base: String,
    state: Mutex<State>,
    /// Held by the errand that asks for a token.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The installation that was looked up.
    installation_id: Option<u64>,
    /// How far our clock was from GitHub's when a JWT was refused last.
    skew: Skew,
    cached: Option<Cached>,
}

#[derive(Clone)]
struct Cached {
    token: SecretString,
    header: HeaderValue,
    expires: Instant,
    renew: Instant,
}

#[derive(Deserialize)]
struct Granted {
    token: SecretString,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
}

impl App {
    pub(super) fn new(
        id: String,
        installation_id: Option<u64>,
        private_key: Renewable,
        repository: &Repository,
        base: String,
    ) -> Result<Self, OptionsError> {
        let is_id = (1..=MAX_ID_CHARS).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if !is_id {
            return Err(OptionsError::AppId { app_id: both_ends(&id, MAX_ID_CHARS) });
        }
        key_of(&private_key.current()).map_err(|problem| OptionsError::PrivateKey { problem })?;
        let (repository, state, asking) =
            (repository.clone(), Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { id, private_key, installation_id, repository, base, state, asking })
    }

    /// Its App ID or client ID.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A token that is valid now.
    pub(super) async fn token(self: &Arc<Self>, api: &Api) -> Result<SecretString, Failure> {
        Ok(self.current(api).await?.token)
    }

    /// The header that carries it.
    pub(super) async fn header(self: &Arc<Self>, api: &Api) -> Result<HeaderValue, Failure> {
        Ok(self.current(api).await?.header)
    }

    /// Whether another key stands where ours was read.
    pub(super) fn has_new_key(&self) -> bool {
        self.private_key.is_replaced()
    }

    /// Forgets the token of `header`, which GitHub did not accept.
    pub(super) fn forget(&self, header: &HeaderValue) {
        let mut state = self.state();
        if state.cached.as_ref().is_some_and(|cached| cached.header == header) {
            state.cached = None;
        }
    }

    async fn current(self: &Arc<Self>, api: &Api) -> Result<Cached, Failure> {
        if let Some(cached) = self.fresh(api) {
            return Ok(cached);
        }
        let (app, api) = (Arc::clone(self), api.clone());
        errand(async move { app.renew(&api).await }).await
    }

    /// The token, where it is not time to renew it.
    fn fresh(&self, api: &Api) -> Option<Cached> {
        let now = api.clock().monotonic();
        self.state().cached.as_ref().filter(|cached| now < cached.renew).cloned()
    }

    /// Asks for a token, unless another errand has meanwhile.
    async fn renew(&self, api: &Api) -> Result<Cached, Failure> {
        let _asking = self.asking.lock().await;
        if let Some(cached) = self.fresh(api) {
            return Ok(cached);
        }
        let fetched = self.fetch(api).await;
        let mut state = self.state();
        match fetched {
            Ok(fresh) => Ok(state.cached.insert(fresh).clone()),
            Err(failure) => match state.cached.as_mut().filter(|old| api.clock().monotonic() < old.expires) {
                Some(old) => {
                    tracing::warn!(error = %failure.error, "the App's token could not be renewed, the old one is still valid");
                    old.renew = api.clock().after(PAUSE).min(old.expires);
                    Ok(old.clone())
                }
                None => Err(failure),
            },
        }
    }

    /// Once more by GitHub's clock when ours is wrong, and with another key when this one is refused and has been
    /// replaced.
    async fn fetch(&self, api: &Api) -> Result<Cached, Failure> {
        let (key, skew) = (self.private_key.current(), self.state().skew);
        let mut outcome = self.fetch_with(api, &key).await;
        let found = self.state().skew;
        if found != skew
            && matches!(&outcome, Err(failure) if failure.status == Some(StatusCode::UNAUTHORIZED))
        {
            if !found.is_none() {
                tracing::warn!("{found}; until then the App's login is dated by GitHub's clock");
            }
            outcome = self.fetch_with(api, &key).await;
        }
        match outcome {
            Err(failure) if failure.status == Some(StatusCode::UNAUTHORIZED) => {
                if self.private_key.renew(&key) {
                    return self.fetch_with(api, &self.private_key.current()).await;
                }
                let mut failure = failure;
                if let Some(advice) = self.private_key.advice() {
                    failure.error.message.push_str(&format!(". {advice}"));
                }
                Err(failure)
            }
            outcome => outcome,
        }
    }

    async fn fetch_with(&self, api: &Api, key: &SecretString) -> Result<Cached, Failure> {
        let asked = api.clock().monotonic();
        let jwt = self.assertion(self.state().skew.theirs(api.clock().now()), key)?;
        let known = self.installation_id.or(self.state().installation_id);
        let id = match known {
            Some(id) => id,
            None => {
                let found = self.look_up(api, &jwt).await?;
                self.state().installation_id = Some(found);
                found
            }
        };
        let what = "a token for the App's installation";
        let name = self.repository.as_str().rsplit('/').next();
        let body = json!({ "repositories": [name] });
        let path = format!("/app/installations/{id}/access_tokens");
        let headers = signed_in(jwt);
        let call = Call { method: Method::POST, path, headers, body: Some(&body) };
        let outcome = self.ask(api, call, what).await;
        if matches!(&outcome, Err(failure) if failure.status == Some(StatusCode::NOT_FOUND)) {
            // Installed anew, it has another id.
            self.state().installation_id = None;
        }
        let answer = outcome?;
        let date = date_of(&answer.headers, api.clock());
        Cached::new(answer.json(what)?, date, asked)
    }

    async fn look_up(&self, api: &Api, jwt: &HeaderValue) -> Result<u64, Failure> {
        let what = "the App's installation";
        let path = format!("{}/installation", self.base);
        let call = Call { method: Method::GET, path, headers: signed_in(jwt.clone()), body: None };
        let installation: Installation = self.ask(api, call, what).await?.json(what)?;
        Ok(installation.id)
    }

    async fn ask(&self, api: &Api, call: Call<'_>, what: &str) -> Result<Answer, Failure> {
        let repository = &self.repository;
        let advice = |refused: &Refused<'_>| match refused.status {
            StatusCode::UNAUTHORIZED => {
                let skew = Skew::of(refused.headers, api.clock().now());
                self.state().skew = skew;
                Some(match (date(refused.headers), skew.is_none()) {
                    (None, _) => {
                        "Check the App's id, that the private key is its own, and this machine's clock"
                            .to_owned()
                    }
                    (Some(_), true) => "Check the App's id, and that the private key is its own".to_owned(),
                    (Some(_), false) => {
                        format!("Check the App's id, and that the private key is its own; {skew}")
                    }
                })
            }
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN | StatusCode::UNPROCESSABLE_ENTITY => {
                Some(format!("Install the App on {repository}, or correct its installation id"))
            }
            _ => None,
        };
        // Without a token nothing else can be asked either.
        let everything = |failure| Failure { reach: Reach::Everything, ..failure };
        api.send_advised(call, what, &advice).await.map_err(everything)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The header with a JWT that says who the App is.
    fn assertion(&self, now: Timestamp, key: &SecretString) -> Result<HeaderValue, Failure> {
        let failed = || Failure {
            status: None,
            reach: Reach::Everything,
            error: ForgeError {
                class: Class::Refused,
                message: "the private key of the GitHub App cannot sign: give another one".to_owned(),
            },
        };
        let key = key_of(key).map_err(|_| failed())?;
        let now = now.as_second();
        let claims = json!({ "iat": now - BACKDATED_SECS, "exp": now + VALID_SECS, "iss": self.id });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "RS256", "typ": "JWT" })), part(&claims));
        let mut signature = vec![0; key.public().modulus_len()];
        // This signature has no random part; ring asks for the generator to blind its arithmetic.
        let random = SystemRandom::new();
        key.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).map_err(|_| failed())?;
        let jwt = SecretString::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
        secret_header("Bearer ", &jwt, NAME).map_err(|_| failed())
    }
}

fn signed_in(jwt: HeaderValue) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = headers();
    headers.push((header::AUTHORIZATION, jwt));
    headers
}

impl Cached {
    /// A token that was granted on `date`, at a moment after `asked`.
    fn new(granted: Granted, date: Timestamp, asked: Instant) -> Result<Self, Failure> {
        let Granted { token, expires_at } = granted;
        let header = secret_header("Bearer ", &token, NAME).map_err(|error| Failure {
            status: None,
            reach: Reach::Everything,
            error: ForgeError { class: Class::Retry { after: None }, message: error.to_string() },
        })?;
        let lifetime = Duration::try_from(expires_at.duration_since(date)).unwrap_or_default();
        let lifetime = lifetime.min(LONGEST_LIFE);
        let (expires, renew) = (asked + lifetime, asked + (lifetime - EARLY.min(lifetime / 2)));
        Ok(Self { token, header, expires, renew })
    }
}

/// Reads PEM text: one unencrypted RSA key, PKCS#1 or PKCS#8.
fn key_of(pem: &SecretString) -> Result<RsaKeyPair, String> {
    let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes())
        .map_err(|_| "it has no unencrypted private key (BEGIN RSA PRIVATE KEY)".to_owned())?;
    let pair = match &key {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(_) | _ => return Err("it is an elliptic-curve key".to_owned()),
    };
    pair.map_err(|reason| reason.to_string())
}

#[cfg(test)]
mod tests;
