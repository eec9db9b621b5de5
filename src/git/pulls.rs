//! Where a forge keeps the heads of pull requests.
//!
//! Guarantees: a pattern has exactly one place for a number, and one number has exactly one reference.

use std::fmt;
use std::str::FromStr;

use super::id::InvalidName;

/// A forge's references for the heads of pull requests, by number: `refs/pull/*/head` (GitHub, Gitea,
/// Forgejo), `refs/merge-requests/*/head` (GitLab).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRefs {
    before: String,
    after: String,
}

impl PullRefs {
    /// The full name of the reference of pull request `number`.
    #[must_use]
    pub fn of(&self, number: u64) -> String {
        format!("{}{number}{}", self.before, self.after)
    }
}

impl fmt::Display for PullRefs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*{}", self.before, self.after)
    }
}

impl FromStr for PullRefs {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = |rule| InvalidName::new("pattern of pull request references", text, rule);
        let (before, after) =
            text.split_once('*').ok_or_else(|| invalid("a * must stand for the number, once"))?;
        let pattern = Self { before: before.to_owned(), after: after.to_owned() };
        if after.contains('*') || !git2::Reference::is_valid_name(&pattern.of(1)) {
            return Err(invalid("with a number for its only * it must be the full name of a reference"));
        }
        if !before.starts_with("refs/") || before.starts_with("refs/heads/") || !before.ends_with('/') {
            return Err(invalid(
                "it begins with refs/, lies outside of refs/heads/, and has a / before its *",
            ));
        }
        if !after.is_empty() && !after.starts_with('/') {
            return Err(invalid("the * is a whole part of the name: refs/pull/*/head"));
        }
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_one_reference_for_each_number() {
        for (text, seventh) in [
            ("refs/pull/*/head", "refs/pull/7/head"),
            ("refs/merge-requests/*/head", "refs/merge-requests/7/head"),
            ("refs/changes/*", "refs/changes/7"),
        ] {
            let pattern: PullRefs = text.parse().unwrap();
            assert_eq!(pattern.of(7), seventh);
            assert_eq!(pattern.to_string(), text);
        }
        for bad in [
            "",
            "refs/pull/head",
            "refs/*/pull/*",
            "refs/heads/*",
            "pull/*/head",
            "refs/pull/x*/head",
            "refs/a b/*",
        ] {
            assert!(bad.parse::<PullRefs>().is_err(), "{bad}");
        }
    }
}
