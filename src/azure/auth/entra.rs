//! One token from `azure_identity`, with the lifetime the issuer gave it.
//!
//! A credential object is made for every token: `azure_identity` keeps tokens by the system's clock,
//! and could not be asked for a fresh one after a 401. Objects are cheap, tokens last an hour.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{self, ClientOptions, RetryOptions, Url};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredential,
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions, Executor,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::certificate::{Assertion, Certificate};
use super::error::worded;
use super::transport::Transport;
use super::{Credential, TokenError};
use crate::azure::Cloud;
use crate::clock::{Clock, Instant};
use crate::wire::{self, Skew};

/// The longest a token may take. The Instance Metadata Service is retried for 72 s inside.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// The longest life of a token that is believed; a managed identity's lives a day.
const LONGEST_LIFE: Duration = Duration::from_secs(48 * 60 * 60);

pub(super) struct Fresh {
    pub(super) token: SecretString,
    /// When it was asked for: its life began later.
    pub(super) asked: Instant,
    pub(super) lifetime: Duration,
}

/// What is needed to get tokens.
pub(super) struct Entra {
    pub(super) credential: Credential,
    authority: String,
    scope: String,
    wire: wire::Client,
    instance_metadata: Option<Url>,
    pub(super) clock: Clock,
    /// Runs `az`; `None` for the real one.
    executor: Option<Arc<dyn Executor>>,
    /// How far our clock was from Entra's at its last answer.
    skew: Mutex<Skew>,
}

impl Entra {
    pub(super) fn new(
        credential: Credential,
        cloud: &Cloud,
        wire: &wire::Client,
        clock: Clock,
        instance_metadata: Option<&str>,
        executor: Option<Arc<dyn Executor>>,
    ) -> Result<Self, TokenError> {
        let name = credential.name();
        let setup = |message: String| TokenError::Setup { credential: name, message };
        let instance_metadata = instance_metadata
            .map(|text| Url::parse(text).map_err(|_| setup(format!("`{text}` is not a URL"))))
            .transpose()?;
        let entra = Self {
            credential,
            authority: cloud.authority.clone(),
            scope: cloud.scope(),
            wire: wire.clone(),
            instance_metadata,
            clock,
            executor,
            skew: Mutex::default(),
        };
        // Building one now shows unusable settings at the start, not at the first request.
        entra.connect(&entra.transport())?;
        Ok(entra)
    }

    /// Asks for a token; once more when the secret is refused and another one stands where it was read.
    pub(super) async fn fetch(&self) -> Result<Fresh, TokenError> {
        let Some(secret) = self.credential.renewable() else { return self.fetch_once().await };
        let shown = secret.current();
        match self.fetch_in_time().await {
            Err(TokenError::Refused { .. }) if secret.renew(&shown) => self.fetch_once().await,
            Err(TokenError::Refused { credential, status, message }) => {
                let message = match secret.advice() {
                    Some(advice) => format!("{message}. {advice}"),
                    None => message,
                };
                Err(TokenError::Refused { credential, status, message })
            }
            outcome => outcome,
        }
    }

    /// What is signed is dated: once more by Entra's clock, when it was refused and ours is wrong.
    async fn fetch_in_time(&self) -> Result<Fresh, TokenError> {
        let skew = *self.skew();
        let outcome = self.fetch_once().await;
        let found = *self.skew();
        let is_dated = matches!(self.credential, Credential::ClientCertificate { .. });
        match outcome {
            Err(TokenError::Refused { .. }) if is_dated && found != skew => {
                if !found.is_none() {
                    tracing::warn!("{found}; until then the login is dated by Entra's clock");
                }
                self.fetch_once().await
            }
            outcome => outcome,
        }
    }

    async fn fetch_once(&self) -> Result<Fresh, TokenError> {
        let transport = self.transport();
        let source = self.connect(&transport)?;
        let scopes = [self.scope.as_str()];
        let (asked, date) = (self.clock.monotonic(), self.clock.now());
        let answer = tokio::time::timeout(TIME_LIMIT, source.get_token(&scopes, None)).await;
        let credential = self.credential.name();
        let seen = transport.seen();
        if seen.status.is_some() {
            *self.skew() = seen.skew;
        }
        let token = answer
            .map_err(|_| TokenError::Unreachable { credential, message: "no answer in time".to_owned() })?
            .map_err(|error| self.failure(&transport, &error))?;
        // `az` knows only a date, of this machine's clock.
        let until = Timestamp::from_second(token.expires_on.unix_timestamp()).unwrap_or(date);
        let lifetime = seen.lifetime.or_else(|| until.duration_since(date).try_into().ok());
        let lifetime = lifetime.unwrap_or_default().min(LONGEST_LIFE);
        Ok(Fresh { token: SecretString::from(token.token.secret().to_owned()), asked, lifetime })
    }

    fn transport(&self) -> Arc<Transport> {
        let (wire, clock) = (self.wire.clone(), self.clock.clone());
        Arc::new(Transport::new(wire, clock, self.instance_metadata.clone()))
    }

    fn skew(&self) -> MutexGuard<'_, Skew> {
        self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, transport: &Arc<Transport>) -> Result<Arc<dyn TokenCredential>, TokenError> {
        self.build(self.client_options(transport)).map_err(|error| TokenError::Setup {
            credential: self.credential.name(),
            message: worded(&error.to_string()),
        })
    }

    fn client_options(&self, transport: &Arc<Transport>) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host.clone_from(&self.authority);
        let client: Arc<dyn http::HttpClient> = Arc::<Transport>::clone(transport);
        ClientOptions {
            transport: Some(http::Transport::new(client)),
            cloud: Some(Arc::new(cloud.into())),
            // Whoever needs the token retries, by our classes and on our clock.
            retry: RetryOptions::none(),
            ..ClientOptions::default()
        }
    }

    fn build(&self, client_options: ClientOptions) -> azure_core::Result<Arc<dyn TokenCredential>> {
        Ok(match &self.credential {
            Credential::ManagedIdentity { client_id } => {
                let user_assigned_id = client_id.clone().map(UserAssignedId::ClientId);
                ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id,
                    client_options,
                }))?
            }
            Credential::WorkloadIdentity { tenant, client_id, token_file } => {
                WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options },
                    client_id: Some(client_id.clone()),
                    tenant_id: Some(tenant.clone()),
                    token_file_path: Some(token_file.clone()),
                }))?
            }
            Credential::ClientSecret { tenant, client_id, secret } => ClientSecretCredential::new(
                tenant,
                client_id.clone(),
                Secret::new(secret.current().expose_secret().to_owned()),
                Some(ClientSecretCredentialOptions { client_options }),
            )?,
            Credential::ClientCertificate { tenant, client_id, pem } => {
                let certificate = Certificate::from_pem(&pem.current());
                let unusable = |message| azure_core::Error::with_message(ErrorKind::Credential, message);
                self.certified(certificate.map_err(unusable)?, tenant, client_id, client_options)?
            }
            Credential::AzureCli { tenant } => AzureCliCredential::new(Some(AzureCliCredentialOptions {
                tenant_id: tenant.clone(),
                executor: self.executor.clone(),
                ..AzureCliCredentialOptions::default()
            }))?,
        })
    }

    fn certified(
        &self,
        certificate: Certificate,
        tenant: &str,
        client_id: &str,
        client_options: ClientOptions,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let assertion = Assertion {
            certificate,
            client_id: client_id.to_owned(),
            audience: format!("{}/{tenant}/oauth2/v2.0/token", self.authority),
            clock: self.clock.clone(),
            skew: *self.skew(),
        };
        let options = ClientAssertionCredentialOptions { client_options };
        let credential = ClientAssertionCredential::new(
            tenant.to_owned(),
            client_id.to_owned(),
            assertion,
            Some(options),
        )?;
        Ok(credential)
    }

    fn failure(&self, transport: &Transport, error: &azure_core::Error) -> TokenError {
        let credential = self.credential.name();
        let message = worded(&error.to_string());
        tracing::debug!(credential, %error, "no token");
        let seen = transport.seen();
        match (seen.failure, seen.status) {
            (Some(message), _) => TokenError::Unreachable { credential, message },
            (None, Some(status)) if !(200..300).contains(&status) => {
                TokenError::Refused { credential, status, message }
            }
            (None, _) => TokenError::NoToken { credential, message },
        }
    }
}
