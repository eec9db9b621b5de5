//! Why there is no token.

use std::error::Error;

use crate::azure::{CloudError, ErrorClass};
use crate::text::both_ends;

/// The longest text of others that is shown, in characters.
const MAX_MESSAGE_CHARS: usize = 600;

/// Why there is no token. The texts begin with the cause: the end of a status is cut off.
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
    /// The issuer refused the credential itself.
    #[error("{message} (no token for `{credential}`, HTTP {status})")]
    Refused {
        /// The credential's name in the configuration.
        credential: &'static str,
        /// The HTTP status of the refusal.
        status: u16,
        /// What the issuer said, without its request's secrets.
        message: String,
    },
    /// The issuer did not answer.
    #[error("{message} (no token for `{credential}`: check the authority's address, the proxy and the CA)")]
    Unreachable {
        /// The credential's name in the configuration.
        credential: &'static str,
        /// What the transport said.
        message: String,
    },
    /// The issuer (or the Azure CLI) answered without a token.
    #[error("{message} (no token for `{credential}`)")]
    NoToken {
        /// The credential's name in the configuration.
        credential: &'static str,
        /// What it said instead.
        message: String,
    },
    /// The cloud does not say where its Entra is, so that nobody can be asked.
    #[error(
        "{message} (the cloud `{cloud}` does not say where its Entra is; it is asked again. See \
         clouds.{cloud}.resource_manager and clouds.{cloud}.ca_file)"
    )]
    Undescribed {
        /// The cloud's name in the configuration.
        cloud: String,
        /// What came instead of a token, cut to what fits a line.
        message: String,
    },
}

impl TokenError {
    pub(super) fn undescribed(cloud: &str, error: &CloudError) -> Self {
        let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
        let message = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self::Undescribed { cloud: cloud.to_owned(), message: worded(&message) }
    }

    /// What this means for the next step. Nothing was sent to Azure Resource Manager.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Refused { status: 429, .. } => ErrorClass::Throttled,
            Self::Refused { status: 408 | 500.., .. }
            | Self::Unreachable { .. }
            | Self::Undescribed { .. } => ErrorClass::Transient,
            Self::Refused { .. } | Self::Setup { .. } | Self::NoToken { .. } => ErrorClass::Fatal,
        }
    }
}

/// Somebody else's text in one bounded line, without anything that looks like a token.
pub(super) fn worded(text: &str) -> String {
    let first = text.split("To troubleshoot").next().unwrap_or_default();
    // The library says in front of Entra's own words that they are a failure; where they were said is for support.
    let entra = first.find("AADSTS").map_or(first, |at| &first[at..]);
    let entra = entra.split(" Trace ID: ").next().unwrap_or_default();
    let words = entra.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let safe = words.map(|word| if word.contains("eyJ") { "[token]" } else { word });
    both_ends(&safe.collect::<Vec<_>>().join(" "), MAX_MESSAGE_CHARS)
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
        assert_eq!(worded(&"x".repeat(5000)).chars().count(), MAX_MESSAGE_CHARS);
    }

    #[test]
    fn the_words_of_entra_come_first() {
        let said = "ClientSecretCredential authentication failed. AADSTS7000215: Invalid client secret provided. \
                    Trace ID: 1 Correlation ID: 2 Timestamp: 2026-01-01 00:00:00Z";
        let message = worded(said);
        let error = TokenError::Refused { credential: "client-secret", status: 401, message };
        assert_eq!(
            error.to_string(),
            "AADSTS7000215: Invalid client secret provided. (no token for `client-secret`, HTTP 401)"
        );
    }
}
