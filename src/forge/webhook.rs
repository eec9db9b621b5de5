//! What comes in from a forge, and whether it may be believed.
//!
//! Guarantees: a signature is checked over the raw body, in constant time, against every configured
//! secret (so that one can be rotated out); ids and names are bounded and parsed before anything else
//! sees them. A webhook wakes the daemon and proves nothing: what is true is read from Git.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::git::{BranchName, CommitId};

/// The largest body that is read. GitHub caps its payloads at 25 MB; the other forges send less.
pub const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;

/// Bytes of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

/// The longest delivery id. GitHub, Gitea and Bitbucket send UUIDs.
const MAX_DELIVERY_ID_BYTES: usize = 128;

/// Why a body is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No secret is configured, so nothing can be believed.
    #[error("no webhook secret is configured: set one here and at the forge")]
    NoSecret,
    /// The header is not there.
    #[error("the webhook is not signed: set a secret at the forge")]
    Missing,
    /// The header is not `sha256=` and 64 hexadecimal digits.
    #[error("the signature is not `sha256=` and 64 hexadecimal digits")]
    Malformed,
    /// No secret gives this signature.
    #[error("the signature does not match: the secret here and the one at the forge differ")]
    Mismatch,
}

/// Checks that `body` was signed with one of `secrets`. `signature_header` is the value of
/// `X-Hub-Signature-256` (GitHub) or `X-Hub-Signature` (Bitbucket): `sha256=` and the HMAC in
/// hexadecimal. Every secret is tried, whichever fits, so that the time taken tells nothing.
///
/// # Errors
/// [`SignatureError`] says why the body is not believed.
pub fn verify(
    secrets: &[SecretString],
    body: &[u8],
    signature_header: Option<&str>,
) -> Result<(), SignatureError> {
    let usable = || secrets.iter().filter(|secret| !secret.expose_secret().is_empty());
    if usable().next().is_none() {
        return Err(SignatureError::NoSecret);
    }
    let signature = parse_signature(signature_header.ok_or(SignatureError::Missing)?)?;
    let matching = usable().filter(|secret| signs(secret, body, &signature)).count();
    if matching > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

fn signs(secret: &SecretString, body: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn parse_signature(header: &str) -> Result<[u8; SIGNATURE_BYTES], SignatureError> {
    let digits = header.strip_prefix("sha256=").ok_or(SignatureError::Malformed)?.as_bytes();
    if digits.len() != 2 * SIGNATURE_BYTES {
        return Err(SignatureError::Malformed);
    }
    let mut signature = [0; SIGNATURE_BYTES];
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(signature)
}

fn nibble(digit: u8) -> Result<u8, SignatureError> {
    let value = char::from(digit).to_digit(16).ok_or(SignatureError::Malformed)?;
    u8::try_from(value).map_err(|_| SignatureError::Malformed)
}

/// The id that a forge gives to one delivery; a repeated delivery has the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(String);

/// The text is not a delivery id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a delivery id has 1 to {MAX_DELIVERY_ID_BYTES} visible ASCII characters")]
pub struct DeliveryIdError;

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;

    fn from_str(text: &str) -> Result<Self, DeliveryIdError> {
        let fits = (1..=MAX_DELIVERY_ID_BYTES).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DeliveryIdError)
        }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository as its forge names it: `owner/name`. Forges do not distinguish its casing.
#[derive(Clone, Debug)]
pub struct Repository(String);

/// The text is not the name of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a repository is written owner/name, with letters, digits, `-`, `_` and `.`")]
pub struct RepositoryError;

impl Repository {
    /// The text `owner/name`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Repository {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Repository {}

impl FromStr for Repository {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, RepositoryError> {
        let is_part = |part: &str| {
            (1..=100).contains(&part.len())
                && !matches!(part, "." | "..")
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match text.split_once('/') {
            Some((owner, name)) if is_part(owner) && is_part(name) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(RepositoryError),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a forge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The webhook was just set up, or somebody tries it.
    Ping,
    /// A ref moved.
    Push(PushEvent),
    /// Nothing that concerns us.
    Ignored,
}

/// A ref of a repository moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushEvent {
    /// The repository.
    pub repository: Repository,
    /// The branch; `None` for a tag or another ref.
    pub branch: Option<BranchName>,
    /// The commit that it points to now; `None` when it was deleted.
    pub after: Option<CommitId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of GitHub's documentation, "Validating webhook deliveries".
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secrets(texts: &[&str]) -> Vec<SecretString> {
        texts.iter().map(|text| SecretString::from(*text)).collect()
    }

    #[test]
    fn the_documented_signature_is_accepted() {
        assert_eq!(verify(&secrets(&[SECRET]), BODY, Some(SIGNATURE)), Ok(()));
        let upper = SIGNATURE.replace("757107ea", "757107EA");
        assert_eq!(verify(&secrets(&[SECRET]), BODY, Some(&upper)), Ok(()));
    }

    #[test]
    fn either_secret_of_a_rotation_is_accepted() {
        assert_eq!(verify(&secrets(&["new", SECRET]), BODY, Some(SIGNATURE)), Ok(()));
        assert_eq!(verify(&secrets(&[SECRET, "new"]), BODY, Some(SIGNATURE)), Ok(()));
    }

    #[test]
    fn anything_else_is_refused_for_its_reason() {
        let known = secrets(&[SECRET]);
        assert_eq!(verify(&known, b"Hello, World?", Some(SIGNATURE)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&secrets(&["other"]), BODY, Some(SIGNATURE)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&known, BODY, None), Err(SignatureError::Missing));
        assert_eq!(verify(&[], BODY, Some(SIGNATURE)), Err(SignatureError::NoSecret));
        assert_eq!(verify(&secrets(&[""]), BODY, Some(SIGNATURE)), Err(SignatureError::NoSecret));
        for bad in ["", "sha256=", "sha1=757107ea", &SIGNATURE[..70], &format!("{SIGNATURE}0"), "sha256=é"] {
            assert_eq!(verify(&known, BODY, Some(bad)), Err(SignatureError::Malformed), "{bad}");
        }
        let not_hex = format!("sha256={}", "g".repeat(64));
        assert_eq!(verify(&known, BODY, Some(&not_hex)), Err(SignatureError::Malformed));
    }

    #[test]
    fn ids_and_names_from_outside_are_bounded() {
        assert!("72d3162e-cc78-11e3-81ab-4c9367dc0958".parse::<DeliveryId>().is_ok());
        for bad in ["", "a b", "é", &"x".repeat(129)] {
            assert!(bad.parse::<DeliveryId>().is_err(), "{bad}");
        }
        let repository: Repository = "Octo/Hello-World".parse().unwrap();
        assert_eq!(repository, "octo/hello-world".parse().unwrap());
        for bad in ["", "octo", "octo/", "octo/../x", "octo/..", "octo/a b", "octo/a?b"] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }
}
