//! Whether what comes in from a forge may be believed.
//!
//! Guarantees: a signature is checked over the raw body, in constant time, against every configured secret
//! (so that one can be rotated out); a body is checked as it arrives and need not be in memory.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::payload::PayloadDigest;

/// Bytes of an HMAC-SHA256.
const SIGNATURE_BYTES: usize = 32;

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
    let mut checker = Checker::new(&signed(secrets, signature_header)?, secrets);
    checker.update(body);
    checker.finish().map(drop)
}

/// The proof of a body that is signed, before any of it is there: the header can be a signature, and there
/// is a secret to check it with.
pub(super) fn signed(
    secrets: &[SecretString],
    signature_header: Option<&str>,
) -> Result<Proof, SignatureError> {
    usable(secrets).next().ok_or(SignatureError::NoSecret)?;
    parse_signature(signature_header.ok_or(SignatureError::Missing)?).map(Proof::Signed)
}

fn usable(secrets: &[SecretString]) -> impl Iterator<Item = &SecretString> {
    secrets.iter().filter(|secret| !secret.expose_secret().is_empty())
}

/// What makes a body believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A secret that stood in the headers and was right: nothing is left to check.
    Shown,
    /// The HMAC-SHA256 of the body under one of the secrets.
    Signed([u8; SIGNATURE_BYTES]),
}

/// Checks a body piece by piece, so that it need not be in memory. Every secret is tried, whichever fits,
/// so that the time taken tells nothing.
pub struct Checker {
    digest: Sha256,
    /// The signature, and one code under each secret; `None` where nothing is signed.
    signed: Option<([u8; SIGNATURE_BYTES], Vec<Hmac<Sha256>>)>,
}

impl Checker {
    pub(super) fn new(proof: &Proof, secrets: &[SecretString]) -> Self {
        let signed = match proof {
            Proof::Shown => None,
            Proof::Signed(signature) => Some((*signature, usable(secrets).map(keyed).collect())),
        };
        Self { digest: Sha256::new(), signed }
    }

    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        self.digest.update(piece);
        for code in self.signed.iter_mut().flat_map(|(_, codes)| codes) {
            code.update(piece);
        }
    }

    /// The digest of the whole body, when it is believed.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] when no secret gives the signature.
    pub fn finish(self) -> Result<PayloadDigest, SignatureError> {
        let digest = self.digest.finalize().into();
        let Some((signature, codes)) = self.signed else { return Ok(digest) };
        let matching = codes.into_iter().filter(|code| code.clone().verify_slice(&signature).is_ok()).count();
        if matching > 0 { Ok(digest) } else { Err(SignatureError::Mismatch) }
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").finish_non_exhaustive()
    }
}

/// Checks that `presented` is one of `secrets`: for forges that send the secret itself (GitLab's
/// `X-Gitlab-Token`). Takes the same time whichever fits and however much of it does: what is compared
/// are codes of both under a secret.
///
/// # Errors
/// [`SignatureError`] says why the sender is not believed.
pub(super) fn verify_token(secrets: &[SecretString], presented: Option<&[u8]>) -> Result<(), SignatureError> {
    usable(secrets).next().ok_or(SignatureError::NoSecret)?;
    let presented = presented.filter(|token| !token.is_empty()).ok_or(SignatureError::Missing)?;
    let matching = usable(secrets).filter(|secret| {
        let mut expected = keyed(secret);
        expected.update(secret.expose_secret().as_bytes());
        signs(secret, presented, &expected.finalize().into_bytes().into())
    });
    if matching.count() > 0 { Ok(()) } else { Err(SignatureError::Mismatch) }
}

fn signs(secret: &SecretString, body: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    let mut mac = keyed(secret);
    mac.update(body);
    mac.verify_slice(signature).is_ok()
}

fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length")
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
    fn a_body_in_pieces_is_the_same_body() {
        let known = secrets(&["new", SECRET]);
        for size in 1..=BODY.len() {
            let mut checker = Checker::new(&signed(&known, Some(SIGNATURE)).unwrap(), &known);
            BODY.chunks(size).for_each(|piece| checker.update(piece));
            assert_eq!(checker.finish(), Ok(Sha256::digest(BODY).into()));
        }
        let short = Checker::new(&signed(&known, Some(SIGNATURE)).unwrap(), &known);
        assert_eq!(short.finish(), Err(SignatureError::Mismatch));
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
    fn a_token_must_be_one_of_the_secrets_as_a_whole() {
        let known = secrets(&["new", SECRET, ""]);
        for good in ["new", SECRET] {
            assert_eq!(verify_token(&known, Some(good.as_bytes())), Ok(()));
        }
        for bad in ["ne", "newer", "NEW", "\u{e9}", "sha256="] {
            assert_eq!(verify_token(&known, Some(bad.as_bytes())), Err(SignatureError::Mismatch), "{bad}");
        }
        assert_eq!(verify_token(&known, Some(b"\xff\xfe")), Err(SignatureError::Mismatch));
        assert_eq!(verify_token(&known, Some(b"")), Err(SignatureError::Missing));
        assert_eq!(verify_token(&known, None), Err(SignatureError::Missing));
        assert_eq!(verify_token(&secrets(&[""]), Some(b"")), Err(SignatureError::NoSecret));
    }
}
