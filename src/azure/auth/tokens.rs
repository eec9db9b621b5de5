//! The token cache: one per credential and cloud, on the passed-in clock.
//!
//! Guarantees: one request for a token however many wait for it, made by an errand, so that nobody who is
//! dropped or not polled keeps others from a token; a token is renewed five minutes
//! before it expires (or after half of a shorter life); while the old token is valid, a failed
//! renewal hurts nobody. Lifetimes go by monotonic time: a clock that is set neither ends a token nor
//! prolongs it. What a machine that slept holds is older than it seems; Azure refuses it, and
//! [`Tokens::forget`] has another one fetched.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use azure_identity::Executor;
use secrecy::{ExposeSecret as _, SecretString};

use super::entra::{Entra, Fresh};
use super::{Credential, TokenError};
use crate::azure::Cloud;
use crate::clock::{Clock, Instant};
use crate::errand::errand;
use crate::wire::{self, Renewable};

/// How long before its end a token is renewed.
const EARLY: Duration = Duration::from_secs(300);

/// How long a failed renewal is not tried again while the old token is valid.
const PAUSE: Duration = Duration::from_secs(20);

/// Where tokens for Azure Resource Manager come from. Share it through an `Arc`.
pub struct Tokens(Source);

enum Source {
    Fixed(SecretString),
    Entra(Arc<Renewed>),
    /// Of a cloud that has yet to say where its Entra is.
    Described(Arc<Described>),
}

/// The tokens of a cloud that describes itself, when it is asked for the first one.
struct Described {
    credential: Credential,
    cloud: Cloud,
    wire: wire::Client,
    clock: Clock,
    known: OnceLock<Arc<Renewed>>,
    /// Held by the errand that asks for the description.
    asking: tokio::sync::Mutex<()>,
}

/// The token of a credential, renewed when it is time.
struct Renewed {
    entra: Entra,
    cached: Mutex<Option<Cached>>,
    /// Held by the errand that asks for a token.
    asking: tokio::sync::Mutex<()>,
}

struct Cached {
    token: SecretString,
    expires: Instant,
    renew: Instant,
}

impl Tokens {
    /// Tokens of `credential` for `cloud`. `imds_endpoint` replaces the address of the Instance Metadata
    /// Service (scheme, host and port) for managed identities.
    ///
    /// # Errors
    /// [`TokenError::Setup`] when the credential's settings cannot be used: a tenant that is none, a
    /// token file that cannot be read, a certificate without key. Nothing is sent.
    pub fn new(
        credential: Credential,
        cloud: &Cloud,
        wire: &wire::Client,
        clock: Clock,
        imds_endpoint: Option<String>,
    ) -> Result<Self, TokenError> {
        Self::with_executor(credential, cloud, wire, clock, imds_endpoint, None)
    }

    /// Tokens of `credential` for a cloud that has not been asked yet what it is ([`Cloud::undescribed`]). It is
    /// asked with the first token, and again until it has answered.
    ///
    /// # Errors
    /// As [`Tokens::new`].
    pub fn described_later(
        credential: Credential,
        cloud: &Cloud,
        wire: &wire::Client,
        clock: Clock,
    ) -> Result<Self, TokenError> {
        // Shows unusable settings at the start.
        Entra::new(credential.clone(), cloud, wire, clock.clone(), None, None)?;
        let (cloud, wire) = (cloud.clone(), wire.clone());
        let asking = tokio::sync::Mutex::new(());
        let described = Described { credential, cloud, wire, clock, known: OnceLock::new(), asking };
        Ok(Self(Source::Described(Arc::new(described))))
    }

    /// Whether it is known whom to ask for a token.
    pub(crate) fn is_described(&self) -> bool {
        matches!(self.0, Source::Fixed(_)) || self.0.renewed().is_some()
    }

    /// A token that never changes, for tests.
    #[must_use]
    pub fn fixed(token: impl Into<String>) -> Self {
        Self(Source::Fixed(SecretString::from(token.into())))
    }

    fn with_executor(
        credential: Credential,
        cloud: &Cloud,
        wire: &wire::Client,
        clock: Clock,
        imds_endpoint: Option<String>,
        executor: Option<Arc<dyn Executor>>,
    ) -> Result<Self, TokenError> {
        let entra = Entra::new(credential, cloud, wire, clock, imds_endpoint.as_deref(), executor)?;
        Ok(Self(Source::Entra(Arc::new(Renewed::of(entra)))))
    }

    /// A valid token.
    ///
    /// # Errors
    /// [`TokenError`]; its class says whether trying again can help. Failures are not cached.
    pub async fn token(&self) -> Result<SecretString, TokenError> {
        let renewed = match (&self.0, self.0.renewed()) {
            (Source::Fixed(token), _) => return Ok(token.clone()),
            (Source::Entra(renewed), _) | (Source::Described(_), Some(renewed)) => Arc::clone(renewed),
            (Source::Described(described), None) => {
                let described = Arc::clone(described);
                errand(async move { described.describe().await }).await?
            }
        };
        if let Some(token) = renewed.fresh() {
            return Ok(token);
        }
        errand(async move { renewed.renew().await }).await
    }

    /// Whether another secret stands where ours was read than the one in use.
    pub(crate) fn has_new_credential(&self) -> bool {
        let renewable = self.0.renewed().and_then(|renewed| renewed.entra.credential.renewable());
        renewable.is_some_and(Renewable::is_replaced)
    }

    /// Forgets `refused`, which Azure did not accept. Answers whether another token can be had: then it
    /// is worth asking once more.
    pub(crate) fn forget(&self, refused: &SecretString) -> Freshness {
        let Some(renewed) = self.0.renewed() else { return Freshness::Same };
        let mut cached = renewed.cached();
        if cached.as_ref().is_some_and(|known| known.token.expose_secret() == refused.expose_secret()) {
            *cached = None;
        }
        Freshness::Renewable
    }
}

/// Whether asking for a token again can give another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Same,
    Renewable,
}

impl Source {
    fn renewed(&self) -> Option<&Arc<Renewed>> {
        match self {
            Self::Fixed(_) => None,
            Self::Entra(renewed) => Some(renewed),
            Self::Described(described) => described.known.get(),
        }
    }
}

impl Described {
    /// Asks the cloud what it is, unless another errand has meanwhile.
    async fn describe(&self) -> Result<Arc<Renewed>, TokenError> {
        let _asking = self.asking.lock().await;
        if let Some(known) = self.known.get() {
            return Ok(Arc::clone(known));
        }
        let described = Cloud::discover(&self.wire, &self.cloud.resource_manager).await;
        let cloud = described.map_err(|error| TokenError::undescribed(&self.cloud.name, &error))?;
        let renewed = Renewed::new(self.credential.clone(), &cloud, &self.wire, self.clock.clone())?;
        Ok(Arc::clone(self.known.get_or_init(|| Arc::new(renewed))))
    }
}

impl Renewed {
    fn new(
        credential: Credential,
        cloud: &Cloud,
        wire: &wire::Client,
        clock: Clock,
    ) -> Result<Self, TokenError> {
        Ok(Self::of(Entra::new(credential, cloud, wire, clock, None, None)?))
    }

    fn of(entra: Entra) -> Self {
        Self { entra, cached: Mutex::new(None), asking: tokio::sync::Mutex::new(()) }
    }

    /// The token, where it is not time to renew it.
    fn fresh(&self) -> Option<SecretString> {
        let now = self.entra.clock.monotonic();
        self.cached().as_ref().filter(|known| now < known.renew).map(|known| known.token.clone())
    }

    /// Asks for a token, unless another errand has meanwhile.
    async fn renew(&self) -> Result<SecretString, TokenError> {
        let _asking = self.asking.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let fetched = self.entra.fetch().await;
        let (clock, mut cached) = (&self.entra.clock, self.cached());
        match fetched {
            Ok(fresh) => Ok(cached.insert(Cached::new(fresh)).token.clone()),
            Err(error) => match cached.as_mut().filter(|known| clock.monotonic() < known.expires) {
                Some(known) => {
                    tracing::warn!(%error, "a token could not be renewed, the old one is still valid");
                    known.renew = clock.after(PAUSE).min(known.expires);
                    Ok(known.token.clone())
                }
                None => Err(error),
            },
        }
    }

    fn cached(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cached {
    fn new(fresh: Fresh) -> Self {
        let Fresh { token, asked, lifetime } = fresh;
        let early = EARLY.min(lifetime / 2);
        Self { token, expires: asked + lifetime, renew: asked + (lifetime - early) }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match &self.0 {
            Source::Fixed(_) => "fixed",
            Source::Entra(renewed) => renewed.entra.credential.name(),
            Source::Described(described) => described.credential.name(),
        };
        f.debug_struct("Tokens").field("source", &source).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::ffi::OsStr;
    use std::process::Output;
    use std::sync::Mutex as SyncMutex;

    use axum::extract::{Path, Query, State};
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{IntoResponse, Response};
    use axum::routing::{get, post};
    use axum::{Form, Json, Router};
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use futures::FutureExt as _;
    use serde_json::{Value, json};

    use super::*;

    const TENANT: &str = "8f1d9c1e-54d2-4a71-b0a6-0f6a2f0c7d11";

    /// An issuer that numbers its tokens, keeps the requests, and can be told to fail.
    #[derive(Clone, Default)]
    struct Issuer {
        requests: Arc<SyncMutex<Vec<HashMap<String, String>>>>,
        failing: Arc<SyncMutex<bool>>,
    }

    impl Issuer {
        fn wire(&self) -> wire::Client {
            let router = Router::new()
                .route("/{tenant}/oauth2/v2.0/token", post(entra))
                .route("/metadata/identity/oauth2/token", get(instance_metadata))
                .with_state(self.clone());
            wire::Client::in_process(router)
        }

        fn asked(&self) -> usize {
            self.requests.lock().unwrap().len()
        }

        fn last(&self) -> HashMap<String, String> {
            self.requests.lock().unwrap().last().unwrap().clone()
        }
    }

    async fn entra(
        State(issuer): State<Issuer>,
        Path(tenant): Path<String>,
        Form(mut form): Form<HashMap<String, String>>,
    ) -> Response {
        if *issuer.failing.lock().unwrap() {
            let body = json!({"error": "invalid_client", "error_codes": [7000215],
                "error_description": "AADSTS7000215: Invalid client secret provided."});
            return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
        }
        form.insert("tenant".into(), tenant);
        let mut requests = issuer.requests.lock().unwrap();
        requests.push(form);
        let token = format!("token-{}", requests.len());
        Json(json!({"token_type": "Bearer", "expires_in": 3600, "access_token": token})).into_response()
    }

    async fn instance_metadata(
        State(issuer): State<Issuer>,
        headers: HeaderMap,
        Query(query): Query<HashMap<String, String>>,
    ) -> Json<Value> {
        assert_eq!(headers["metadata"], "true");
        issuer.requests.lock().unwrap().push(query.clone());
        Json(json!({"access_token": "machine", "expires_in": "86400", "expires_on": "1700000000",
            "resource": query["resource"], "token_type": "Bearer"}))
    }

    fn secret() -> Credential {
        Credential::ClientSecret { tenant: TENANT.into(), client_id: "app".into(), secret: "s3cret".into() }
    }

    fn clock() -> Clock {
        Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap(), 1)
    }

    fn tokens(credential: Credential, issuer: &Issuer) -> Tokens {
        let imds = Some("http://imds.example".to_owned());
        Tokens::new(credential, &Cloud::azure_public(), &issuer.wire(), clock(), imds).unwrap()
    }

    async fn text(tokens: &Tokens) -> String {
        tokens.token().await.unwrap().expose_secret().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_until_five_minutes_before_its_end_on_our_clock() {
        let issuer = Issuer::default();
        let tokens = tokens(secret(), &issuer);
        assert_eq!(text(&tokens).await, "token-1");
        tokio::time::sleep(Duration::from_secs(3600 - 301)).await;
        assert_eq!(text(&tokens).await, "token-1");
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(text(&tokens).await, "token-2");
        let form = issuer.last();
        assert_eq!(form["scope"], "https://management.azure.com/.default");
        assert_eq!((form["client_secret"].as_str(), form["tenant"].as_str()), ("s3cret", TENANT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_neither_ends_a_token_nor_prolongs_it() {
        for hours in [2, -2] {
            let (issuer, clock) = (Issuer::default(), clock());
            let tokens =
                Tokens::new(secret(), &Cloud::azure_public(), &issuer.wire(), clock.clone(), None).unwrap();
            assert_eq!(text(&tokens).await, "token-1");
            clock.jump(jiff::SignedDuration::from_hours(hours));
            assert_eq!(text(&tokens).await, "token-1", "{hours} h");
            tokio::time::sleep(Duration::from_secs(3600 - 299)).await;
            assert_eq!(text(&tokens).await, "token-2", "{hours} h");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_wait_cause_one_request() {
        let issuer = Issuer::default();
        let tokens = tokens(secret(), &issuer);
        futures::future::join_all((0..50).map(|_| text(&tokens))).await;
        assert_eq!(issuer.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_first_keeps_nobody_from_a_token_by_not_being_polled() {
        let issuer = Issuer::default();
        let tokens = tokens(secret(), &issuer);
        let mut held: Vec<_> = (0..3).map(|_| Box::pin(tokens.token())).collect();
        for asked in &mut held {
            assert!(asked.as_mut().now_or_never().is_none());
        }
        let told = tokio::time::timeout(Duration::from_secs(60), text(&tokens)).await;
        assert_eq!(told.expect("it hangs"), "token-1");
        drop(held.pop());
        for asked in held {
            assert_eq!(asked.await.unwrap().expose_secret(), "token-1");
        }
        assert_eq!(issuer.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_replaced_and_a_newer_one_kept() {
        let issuer = Issuer::default();
        let tokens = tokens(secret(), &issuer);
        let first = tokens.token().await.unwrap();
        assert_eq!(tokens.forget(&first), Freshness::Renewable);
        assert_eq!(text(&tokens).await, "token-2");
        tokens.forget(&first);
        assert_eq!(text(&tokens).await, "token-2");
        let fixed = Tokens::fixed("t");
        assert_eq!(fixed.forget(&fixed.token().await.unwrap()), Freshness::Same);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_renewal_hurts_only_when_the_old_token_has_expired() {
        let issuer = Issuer::default();
        let tokens = tokens(secret(), &issuer);
        text(&tokens).await;
        *issuer.failing.lock().unwrap() = true;
        tokio::time::sleep(Duration::from_secs(3400)).await;
        assert_eq!(text(&tokens).await, "token-1");
        tokio::time::sleep(Duration::from_secs(200)).await;
        let error = tokens.token().await.unwrap_err();
        assert!(
            matches!(&error, TokenError::Refused { status: 401, message, .. } if message.contains("AADSTS7000215"))
        );
        assert!(!error.to_string().contains("s3cret"));
        *issuer.failing.lock().unwrap() = false;
        assert_eq!(text(&tokens).await, "token-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_managed_identity_asks_the_configured_endpoint() {
        let issuer = Issuer::default();
        let tokens = tokens(Credential::ManagedIdentity { client_id: Some("uami".into()) }, &issuer);
        assert_eq!(text(&tokens).await, "machine");
        let query = issuer.last();
        assert_eq!(query["resource"], "https://management.azure.com");
        assert_eq!(query["client_id"], "uami");
        tokio::time::sleep(Duration::from_secs(80_000)).await;
        text(&tokens).await;
        assert_eq!(issuer.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_workload_identity_reads_its_file_for_every_token() {
        let issuer = Issuer::default();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "federated-1").unwrap();
        let tokens = tokens(
            Credential::WorkloadIdentity {
                tenant: TENANT.into(),
                client_id: "app".into(),
                token_file: file.path().to_owned(),
            },
            &issuer,
        );
        let first = tokens.token().await.unwrap();
        assert_eq!(issuer.last()["client_assertion"], "federated-1");
        std::fs::write(file.path(), "federated-2").unwrap();
        tokens.forget(&first);
        text(&tokens).await;
        assert_eq!(issuer.last()["client_assertion"], "federated-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_signs_an_assertion_that_its_public_key_verifies() {
        let issuer = Issuer::default();
        let pem = include_str!("test_certificate.pem");
        let tokens = tokens(
            Credential::ClientCertificate { tenant: TENANT.into(), client_id: "app".into(), pem: pem.into() },
            &issuer,
        );
        text(&tokens).await;
        let assertion = issuer.last()["client_assertion"].clone();
        let parts: Vec<&str> = assertion.split('.').collect();
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let header: Value = serde_json::from_slice(&decode(parts[0])).unwrap();
        let claims: Value = serde_json::from_slice(&decode(parts[1])).unwrap();
        assert_eq!(header["alg"], "PS256");
        assert_eq!(header["x5t#S256"], include_str!("test_certificate.thumbprint").trim());
        assert_eq!(claims["aud"], format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 600);
        assert_eq!(claims["nbf"], 1_767_225_600);
        let key = ring::signature::UnparsedPublicKey::new(
            &ring::signature::RSA_PSS_2048_8192_SHA256,
            public_key(pem),
        );
        key.verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &decode(parts[2])).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_hours_off_keeps_no_certificate_from_its_token() {
        for hours in [2, -2] {
            let (theirs, ours) = (clock(), clock());
            let strict = Router::new().fallback(move |form: Form<HashMap<String, String>>| {
                let now = theirs.now();
                async move {
                    let claims = form.0["client_assertion"].split('.').nth(1).unwrap().to_owned();
                    let claims: Value =
                        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
                    let is_in_time = claims["nbf"].as_i64().unwrap() <= now.as_second() + 300
                        && claims["exp"].as_i64().unwrap() > now.as_second() - 300;
                    let date = jiff::fmt::rfc2822::to_string(&now.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
                    let (status, body) = if is_in_time {
                        (
                            StatusCode::OK,
                            json!({"token_type": "Bearer", "expires_in": 3600, "access_token": "t"}),
                        )
                    } else {
                        let said = "AADSTS700024: Client assertion is not within its valid time range.";
                        let body = json!({"error": "invalid_client", "error_description": said});
                        (StatusCode::UNAUTHORIZED, body)
                    };
                    (status, [("date", date)], Json(body)).into_response()
                }
            });
            let pem = include_str!("test_certificate.pem");
            let credential = Credential::ClientCertificate {
                tenant: TENANT.into(),
                client_id: "app".into(),
                pem: pem.into(),
            };
            let wire = wire::Client::in_process(strict);
            let tokens = Tokens::new(credential, &Cloud::azure_public(), &wire, ours.clone(), None).unwrap();
            ours.jump(jiff::SignedDuration::from_hours(hours));
            assert_eq!(text(&tokens).await, "t", "{hours} h");
            tokio::time::sleep(Duration::from_secs(3400)).await;
            ours.jump(jiff::SignedDuration::from_hours(-hours));
            tokio::time::sleep(Duration::from_secs(200)).await;
            assert_eq!(text(&tokens).await, "t", "{hours} h: the clock was corrected");
        }
    }

    fn public_key(pem: &str) -> Vec<u8> {
        use ring::signature::KeyPair as _;
        use rustls::pki_types::pem::PemObject as _;
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        let pair = ring::signature::RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
        pair.public_key().as_ref().to_vec()
    }

    #[test]
    fn unusable_settings_are_found_without_sending_anything() {
        let wire = Issuer::default().wire();
        let refused = |credential| {
            let tokens = Tokens::new(credential, &Cloud::azure_public(), &wire, Clock::system(), None);
            matches!(tokens, Err(TokenError::Setup { .. }))
        };
        let certificate = |pem: &str| Credential::ClientCertificate {
            tenant: TENANT.into(),
            client_id: "app".into(),
            pem: pem.into(),
        };
        assert!(refused(certificate("nothing")));
        let (key, certificate_only) =
            include_str!("test_certificate.pem").split_once("-----BEGIN CERT").unwrap();
        assert!(refused(certificate(key)));
        assert!(refused(certificate(&format!("-----BEGIN CERT{certificate_only}"))));
        assert!(refused(Credential::AzureCli { tenant: Some("not a tenant".into()) }));
        assert!(refused(Credential::WorkloadIdentity {
            tenant: TENANT.into(),
            client_id: "app".into(),
            token_file: "/nonexistent/token".into(),
        }));
    }

    #[derive(Debug, Default)]
    struct FakeCli(SyncMutex<Vec<String>>);

    #[async_trait::async_trait]
    impl Executor for FakeCli {
        async fn run(&self, _: &OsStr, arguments: &[&OsStr]) -> std::io::Result<Output> {
            use std::os::unix::process::ExitStatusExt as _;
            self.0.lock().unwrap().push(arguments[1].to_string_lossy().into_owned());
            let stdout = json!({"accessToken": "cli", "expires_on": 1_767_229_200, "tokenType": "Bearer"});
            let status = std::process::ExitStatus::from_raw(0);
            Ok(Output { status, stdout: stdout.to_string().into_bytes(), stderr: Vec::new() })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_azure_cli_is_run_once_per_token() {
        let cli = Arc::new(FakeCli::default());
        let wire = Issuer::default().wire();
        let credential = Credential::AzureCli { tenant: None };
        let tokens = Tokens::with_executor(
            credential,
            &Cloud::azure_public(),
            &wire,
            clock(),
            None,
            Some(Arc::<FakeCli>::clone(&cli)),
        )
        .unwrap();
        assert_eq!((text(&tokens).await, text(&tokens).await), ("cli".to_owned(), "cli".to_owned()));
        assert_eq!(cli.0.lock().unwrap().len(), 1);
        tokio::time::sleep(Duration::from_secs(3590)).await;
        text(&tokens).await;
        assert_eq!(cli.0.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn nothing_secret_is_printed() {
        let shown = format!("{:?} {:?}", Tokens::fixed("fixed-token"), secret());
        assert!(!shown.contains("fixed-token") && !shown.contains("s3cret"), "{shown}");
    }
}
