//! The line of commits that a piece of work belongs to: a branch, or a pull request.
//!
//! Newer commits of a line supersede what waits for its older ones; lines do not disturb each other.

use std::fmt;
use std::str::FromStr;

use crate::forge::PullRequestNumber;
use crate::git::BranchName;

/// What stands before the number of a pull request in the text of a line. No branch has a colon in its
/// name (`git check-ref-format`).
const PULL: &str = "pull:";

/// A branch, or a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// The commits of a branch.
    Branch(BranchName),
    /// The commits of a pull request.
    PullRequest(PullRequestNumber),
}

impl Line {
    /// The pull request on which it stands.
    #[must_use]
    pub fn pull_request(&self) -> Option<PullRequestNumber> {
        match self {
            Self::PullRequest(number) => Some(*number),
            Self::Branch(_) => None,
        }
    }
}

/// The text is neither a branch nor a pull request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a branch nor a pull request")]
pub struct LineError(String);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(branch) => branch.fmt(f),
            Self::PullRequest(number) => write!(f, "{PULL}{number}"),
        }
    }
}

impl FromStr for Line {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, LineError> {
        let line = match text.strip_prefix(PULL) {
            Some(number) => number.parse().ok().map(Self::PullRequest),
            None => text.parse().ok().map(Self::Branch),
        };
        line.ok_or_else(|| LineError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_from_its_text() {
        for text in ["main", "feature/x", "pull", "pull:7"] {
            assert_eq!(text.parse::<Line>().unwrap().to_string(), text);
        }
        for bad in ["", "pull:", "pull:0", "pull:x", "a b"] {
            assert!(bad.parse::<Line>().is_err(), "{bad}");
        }
    }
}
