//! A client assertion signed with a certificate's key.
//!
//! Form (Microsoft identity platform, certificate credentials): a JWT with `alg` PS256 and the
//! certificate's SHA-256 thumbprint in `x5t#S256`; audience is the token endpoint, issuer and subject
//! the application, valid for ten minutes. Signed with ring: `azure_identity`'s own certificate
//! credential needs OpenSSL.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::clock::Clock;
use crate::wire::Skew;

/// How long an assertion is valid: Entra's documentation asks for 5 to 10 minutes at most.
const VALID_FOR: Duration = Duration::from_secs(600);

/// A certificate and its key, ready to sign.
#[derive(Clone)]
pub(super) struct Certificate {
    key: Arc<RsaKeyPair>,
    /// base64url of the SHA-256 of the certificate.
    thumbprint: String,
}

impl Certificate {
    /// Reads PEM text: one unencrypted RSA key (PKCS#8 or PKCS#1); of several certificates the first.
    pub(super) fn from_pem(pem: &SecretString) -> Result<Self, String> {
        let pem = pem.expose_secret().as_bytes();
        let certificate = CertificateDer::from_pem_slice(pem)
            .map_err(|_| "the PEM text has no certificate (BEGIN CERTIFICATE)".to_owned())?;
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| "the PEM text has no unencrypted private key (BEGIN PRIVATE KEY)".to_owned())?;
        let unusable = |reason| format!("the private key is not a usable RSA key ({reason})");
        let key = match &key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(_) | _ => {
                return Err("Entra accepts RSA keys only; this is an elliptic-curve key".to_owned());
            }
        };
        let key = key.map_err(unusable)?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &certificate));
        Ok(Self { key: Arc::new(key), thumbprint })
    }

    fn sign(&self, claims: &serde_json::Value) -> Result<String, ring::error::Unspecified> {
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        // The salt of a PSS signature is no part of a run's result: the system's randomness may serve.
        self.key.sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Makes an assertion each time a token is asked for.
pub(super) struct Assertion {
    pub(super) certificate: Certificate,
    pub(super) client_id: String,
    pub(super) audience: String,
    pub(super) clock: Clock,
    /// How far `clock` is from the one of whoever reads it.
    pub(super) skew: Skew,
}

#[async_trait]
impl ClientAssertion for Assertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let now = self.skew.theirs(self.clock.now()).as_second();
        let until = now.saturating_add_unsigned(VALID_FOR.as_secs());
        let claims = json!({
            "aud": self.audience, "iss": self.client_id, "sub": self.client_id,
            "jti": self.clock.uuid(), "iat": now, "nbf": now, "exp": until,
        });
        self.certificate.sign(&claims).map_err(|_| {
            azure_core::Error::with_message(ErrorKind::Credential, "the certificate's key could not sign")
        })
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}
