//! The input digest: what says whether an environment is touched by a commit.
//!
//! It is computed from what Git already knows, the blob ids of a definition and of the defaults it
//! inherits, so that nothing is parsed to find out that nothing changed. Paths do not enter it: a
//! moved folder touches nothing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::layout::{Role, Syntax, role};

/// Changed when a definition would be read differently by a newer program, so that every environment is
/// looked at again.
const FORMAT: &str = "beamline-input-1";

/// SHA-256 over a definition and its inherited defaults, as 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InputDigest(String);

/// The text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an input digest has 64 lower-case hexadecimal digits")]
pub struct DigestError;

impl InputDigest {
    /// The digest of files given as (path, blob id): the defaults outermost first, the definition last.
    #[must_use]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(FORMAT);
        for (path, blob_id) in files {
            let part = match role(path, "") {
                Role::Defaults { .. } => "defaults",
                Role::Environment { .. } | Role::Other => "definition",
            };
            hasher.update(format!("\n{part} {} {blob_id}", Syntax::of(path)));
        }
        Self(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InputDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InputDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(DigestError)
        }
    }
}

impl TryFrom<String> for InputDigest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<InputDigest> for String {
    fn from(digest: InputDigest) -> Self {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_environment_has_the_same_digest() {
        let here = InputDigest::of(&[("a/defaults.yaml", "1"), ("a/x.yaml", "2")]);
        assert_eq!(here, InputDigest::of(&[("b/defaults.yml", "1"), ("b/y.yaml", "2")]));
        assert_eq!(here, here.as_str().parse().unwrap());
    }

    #[test]
    fn content_order_role_and_notation_all_count() {
        let digests = [
            InputDigest::of(&[("a/x.yaml", "2")]),
            InputDigest::of(&[("a/x.toml", "2")]),
            InputDigest::of(&[("a/x.yaml", "3")]),
            InputDigest::of(&[("defaults.yaml", "1"), ("a/x.yaml", "2")]),
            InputDigest::of(&[("defaults.yaml", "2"), ("a/x.yaml", "1")]),
            InputDigest::of(&[("defaults.yaml", "1"), ("a/defaults.yaml", "4"), ("a/x.yaml", "2")]),
            InputDigest::of(&[("defaults.yaml", "4"), ("a/defaults.yaml", "1"), ("a/x.yaml", "2")]),
        ];
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }
}
