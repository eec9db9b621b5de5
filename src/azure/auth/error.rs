//! Why there is no token.

use crate::azure::ErrorClass;

/// The longest text of others that is shown, in characters.
const MAX_MESSAGE_CHARS: usize = 600;

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The credential's settings cannot be used.
    #[error("the credential `{credential}` cannot be used: {message}")]
    Setup {
        /// The credential's name in the configuration.
        credential: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The issuer refused.
    #[error("no token for `{credential}`, HTTP {status}: {message}")]
    Refused {
        /// The credential's name in the configuration.
        credential: &'static str,
        /// The HTTP status.
        status: u16,
        /// What the issuer said, without its request's secrets.
        message: String,
    },
    /// The issuer did not answer.
    #[error("no token for `{credential}`: {message}; check the authority's address, the proxy and the CA")]
    Unreachable {
        /// The credential's name in the configuration.
        credential: &'static str,
        /// What the transport said.
        message: String,
    },
    /// The issuer (or the Azure CLI) answered without a token.
    #[error("no token for `{credential}`: {message}")]
    NoToken {
        /// The credential's name in the configuration.
        credential: &'static str,
        /// What it said instead.
        message: String,
    },
}

impl TokenError {
    /// What this means for the next step. Nothing was sent to Azure Resource Manager.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Refused { status: 429, .. } => ErrorClass::Throttled,
            Self::Refused { status: 408 | 500.., .. } | Self::Unreachable { .. } => ErrorClass::Transient,
            Self::Refused { .. } | Self::Setup { .. } | Self::NoToken { .. } => ErrorClass::Fatal,
        }
    }
}

/// Somebody else's text in one bounded line, without anything that looks like a token.
pub(super) fn worded(text: &str) -> String {
    let first = text.split("To troubleshoot").next().unwrap_or_default();
    let words = first.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let safe = words.map(|word| if word.contains("eyJ") { "[token]" } else { word });
    safe.collect::<Vec<_>>().join(" ").chars().take(MAX_MESSAGE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_not_repeated() {
        assert_eq!(
            worded("bad \n assertion \"eyJhbGciOi.x.y\" here\nTo troubleshoot, visit"),
            "bad assertion [token] here"
        );
        assert_eq!(worded(&"x".repeat(5000)).len(), MAX_MESSAGE_CHARS);
    }
}
