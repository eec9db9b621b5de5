//! A GitHub App: it signs in with a JWT of its own and is given tokens that end after an hour.
//!
//! GitHub's documentation, "Generating a JSON Web Token (JWT) for a GitHub App": RS256; `iat` in the
//! past, `exp` at most ten minutes in the future, `iss` the App's id or its client id.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::Value;

/// How far in the future `exp` may be.
const MAX_LIFE_SECS: i64 = 600;

/// How long installation tokens live.
const TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Why an App cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The key is not an RSA key in PEM.
    #[error("the key of the simulated App is not an RSA key in PEM (PKCS#1 or PKCS#8, 2,048 bits or more)")]
    Key,
}

pub(super) struct App {
    pub(super) id: u64,
    pub(super) installation: u64,
    pub(super) slug: String,
    public_key: Vec<u8>,
    tokens: Vec<(String, Timestamp)>,
}

impl App {
    /// An App whose public key is that of a private key in PEM.
    pub(super) fn new(id: u64, installation: u64, private_key: &str) -> Result<Self, AppError> {
        let der: String = private_key.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(der.trim()).map_err(|_| AppError::Key)?;
        let pair = RsaKeyPair::from_der(&der).or_else(|_| RsaKeyPair::from_pkcs8(&der));
        let pair = pair.map_err(|_| AppError::Key)?;
        let public_key = pair.public_key().as_ref().to_vec();
        Ok(Self { id, installation, slug: format!("app-{id}"), public_key, tokens: Vec::new() })
    }

    /// The login under which it writes.
    pub(super) fn login(&self) -> String {
        format!("{}[bot]", self.slug)
    }

    /// Checks a JWT as GitHub does; the message that it answers with 401 otherwise.
    pub(super) fn check(&self, jwt: &str, now: Timestamp) -> Result<(), &'static str> {
        const UNREADABLE: &str = "A JSON web token could not be decoded";
        const ISSUED: &str = "'Issued at' claim ('iat') must be an Integer representing the time that the \
             assertion was issued";
        const EXPIRED: &str = "'Expiration time' claim ('exp') must be a numeric value representing the \
             future time at which the assertion expires";
        const FAR: &str = "'Expiration time' claim ('exp') is too far in the future";
        let mut parts = jwt.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(UNREADABLE);
        };
        let (head, said) = (json_part(header).ok_or(UNREADABLE)?, json_part(claims).ok_or(UNREADABLE)?);
        if head["alg"] != "RS256" {
            return Err(UNREADABLE);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| UNREADABLE)?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public_key);
        key.verify(format!("{header}.{claims}").as_bytes(), &signature).map_err(|_| UNREADABLE)?;
        let now = now.as_second();
        let issued = said["iat"].as_i64().filter(|issued| *issued <= now).ok_or(ISSUED)?;
        let ends = said["exp"].as_i64().filter(|ends| *ends > now && *ends > issued).ok_or(EXPIRED)?;
        if ends > now + MAX_LIFE_SECS {
            return Err(FAR);
        }
        let issuer = said["iss"].as_str().map_or_else(|| said["iss"].to_string(), str::to_owned);
        let is_ours = issuer == self.id.to_string() || issuer == format!("Iv1.{}", self.id);
        if is_ours { Ok(()) } else { Err("Integration not found") }
    }

    /// Remembers a token; when it ends.
    pub(super) fn hand_out(&mut self, token: &str, now: Timestamp) -> Timestamp {
        let ends = now.saturating_add(TOKEN_LIFE).unwrap_or(now);
        self.tokens.push((token.to_owned(), ends));
        ends
    }

    /// Whether a token is one of its own and has not ended.
    pub(super) fn knows(&self, token: &str, now: Timestamp) -> bool {
        self.tokens.iter().any(|(known, ends)| known == token && now < *ends)
    }

    pub(super) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }
}

fn json_part(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
