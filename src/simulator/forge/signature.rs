//! How webhooks are signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The HMAC with SHA-256 of `body`, in lower-case hexadecimal.
pub(super) fn hmac_hex(secret: &SecretString, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("an HMAC takes keys of any length");
    mac.update(body);
    to_hex(&mac.finalize().into_bytes())
}

/// A basic authorization of `user:password`.
pub(super) fn basic(secret: &SecretString) -> String {
    format!("Basic {}", STANDARD.encode(secret.expose_secret()))
}

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_documented_one() {
        // GitHub's documentation, "Validating webhook deliveries".
        let secret = SecretString::from("It's a Secret to Everybody");
        let expected = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(hmac_hex(&secret, b"Hello, World!"), expected);
    }

    #[test]
    fn basic_authorization_is_base64() {
        assert_eq!(basic(&"Aladdin:open sesame".into()), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
