//! The names that Git gives to things, parsed once at the edge.
//!
//! Guarantees: a value of these types is well formed; it says nothing about whether the thing exists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text::both_ends;

/// The deepest folder that is looked into, counted from the root of the repository.
pub(super) const MAX_DEPTH: usize = 32;

/// The longest path or branch name, in bytes. Git itself stops at 4096 (`PATH_MAX`).
const MAX_NAME_BYTES: usize = 4096;

/// How many hexadecimal digits people are shown of a commit.
const SHORT_DIGITS: usize = 7;

/// A text that is not the name it is meant to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct InvalidName {
    /// What was expected: "commit id", "branch name" and so on.
    pub kind: &'static str,
    /// The text, cut to a length that can be shown.
    pub text: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// How much of what is no name is shown, in characters.
const MAX_SHOWN_CHARS: usize = 120;

impl InvalidName {
    pub(super) fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        Self { kind, text: both_ends(text, MAX_SHOWN_CHARS), rule }
    }
}

/// The id of a commit: 40 hexadecimal digits (SHA-1; libgit2 reads no SHA-256 repositories).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId([u8; 20]);

/// The id of a file's content: 40 hexadecimal digits. Equal ids mean equal bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobId([u8; 20]);

impl CommitId {
    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        short(&self.0)
    }
}

/// The beginning of a commit's id, as people and some forges write it: 7 to 40 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitPrefix(String);

impl CommitPrefix {
    /// Whether the commit's id begins so.
    #[must_use]
    pub fn is_of(&self, commit: &CommitId) -> bool {
        commit.to_string().starts_with(&self.0)
    }
}

impl fmt::Display for CommitPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CommitPrefix {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = (SHORT_DIGITS..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        let rule = "it must be 7 to 40 hexadecimal digits";
        fits.then(|| Self(text.to_ascii_lowercase()))
            .ok_or_else(|| InvalidName::new("the beginning of a commit's id", text, rule))
    }
}

impl TryFrom<String> for CommitPrefix {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<CommitPrefix> for String {
    fn from(prefix: CommitPrefix) -> Self {
        prefix.0
    }
}

impl BlobId {
    /// The first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        short(&self.0)
    }
}

fn short(bytes: &[u8; 20]) -> String {
    let mut text = hex(bytes);
    text.truncate(SHORT_DIGITS);
    text
}

fn hex(bytes: &[u8; 20]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_hex(kind: &'static str, text: &str) -> Result<[u8; 20], InvalidName> {
    let invalid = || InvalidName::new(kind, text, "it must be 40 hexadecimal digits");
    if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(invalid());
    }
    let mut bytes = [0; 20];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| invalid())?;
    }
    Ok(bytes)
}

/// What every id of 20 bytes has: text, serde, and the way to libgit2 and back.
macro_rules! object_id {
    ($name:ident, $kind:literal) => {
        impl $name {
            pub(super) fn from_oid(oid: git2::Oid) -> Self {
                let mut bytes = [0; 20];
                bytes.copy_from_slice(&oid.as_bytes()[..20]);
                Self(bytes)
            }

            pub(super) fn oid(&self) -> git2::Oid {
                git2::Oid::from_bytes(&self.0).expect("20 bytes are an object id")
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                parse_hex($kind, text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                hex(&id.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

object_id!(CommitId, "commit id");
object_id!(BlobId, "blob id");

/// The name of a branch without `refs/heads/`, such as `main` or `feature/x`. Valid by the rules of
/// `git check-ref-format --branch`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

impl BranchName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BranchName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let well_formed = text.len() <= MAX_NAME_BYTES
            && !text.starts_with('-')
            && text != "HEAD"
            && git2::Reference::is_valid_name(&format!("refs/heads/{text}"));
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidName::new("branch name", text, "git check-ref-format --branch refuses it"))
        }
    }
}

/// A folder inside a repository, relative to its root; the empty path is the root itself. It has no
/// leading or trailing slash, no empty, `.` or `..` segment, and at most 32 segments.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

impl RepoPath {
    /// The root of the repository.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The path as text; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` (a file or folder, relative to the repository) lies below this folder.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.0.is_empty() || path.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl FromStr for RepoPath {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = |rule| Err(InvalidName::new("folder in a repository", text, rule));
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Ok(Self::root());
        }
        if text.len() > MAX_NAME_BYTES || text.split('/').count() > MAX_DEPTH {
            return invalid("it is too long or too deep (at most 32 folders)");
        }
        if text.contains(['\0', '\\']) {
            return invalid("it is written with slashes and without a NUL");
        }
        if text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return invalid("it is relative to the root of the repository, without empty, . or .. parts");
        }
        Ok(Self(text.to_owned()))
    }
}

/// What every name that is text has: display and serde.
macro_rules! text_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

text_name!(BranchName);
text_name!(RepoPath);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_that_is_none_is_shown_with_its_end() {
        let error = format!("{}/a..b", "d/".repeat(100)).parse::<BranchName>().unwrap_err();
        assert!(error.text.ends_with("/a..b"), "{error}");
    }

    #[test]
    fn an_id_is_exactly_forty_hexadecimal_digits() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        let id: CommitId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.short(), "0123456");
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<CommitId>(&format!("\"{text}\"")).unwrap(), id);
        assert_eq!(CommitId::from_oid(id.oid()), id);
        for bad in ["", "01234", &text[1..], "g123456789abcdef0123456789abcdef01234567", "é"] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn branch_names_follow_git() {
        for good in ["main", "feature/x", "v1.2", "@x", "é"] {
            assert!(good.parse::<BranchName>().is_ok(), "{good}");
        }
        for bad in ["", "HEAD", "-x", "a..b", "a b", "a/", "/a", "a.lock", "a~1", "x@{1}"] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_folder_never_leaves_the_repository() {
        for (text, normal) in [("", ""), ("a", "a"), ("a/b/", "a/b"), ("..a/b..", "..a/b..")] {
            assert_eq!(text.parse::<RepoPath>().unwrap().as_str(), normal);
        }
        for bad in ["/a", "../a", "a/../b", "a//b", "./a", "a\\b", "a\0", "a/..", &"a/".repeat(40)] {
            assert!(bad.parse::<RepoPath>().is_err(), "{bad}");
        }
        assert!("env".parse::<RepoPath>().unwrap().contains("env/a.yaml"));
        assert!(!"env".parse::<RepoPath>().unwrap().contains("environments/a.yaml"));
    }
}
