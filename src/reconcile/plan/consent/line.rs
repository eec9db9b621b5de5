//! One consent line: `Beamline-Consent: destroy <address>`, where it stands and what it covers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::malformed;

/// The trailer's key, compared without regard to casing, as Git compares trailer keys.
pub(super) const KEY: &str = "Beamline-Consent";

/// The longest target that is read, in characters. An address is far shorter.
const MAX_TARGET_CHARS: usize = 300;

/// What is kept of a line that cannot be read, in characters: enough to see that its address is too long.
pub(super) const ROOM: usize = MAX_TARGET_CHARS + 40;

/// What a line consents to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentVerb {
    /// It may be deleted or replaced.
    #[default]
    Destroy,
    /// It stays in Azure, and is ours no longer.
    Release,
}

impl ConsentVerb {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Destroy, Self::Release];

    /// The word that stands in a line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Destroy => "destroy",
            Self::Release => "release",
        }
    }

    /// Whether it is the one that lines of older versions have, which do not say.
    #[must_use]
    pub fn is_destroy(&self) -> bool {
        *self == Self::Destroy
    }
}

impl FromStr for ConsentVerb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|verb| verb.word() == text);
        found.ok_or_else(|| format!("`{text}` is neither `destroy` nor `release`"))
    }
}

impl fmt::Display for ConsentVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The line that people copy into the message of a commit.
#[must_use]
pub fn trailer(verb: ConsentVerb, target: impl fmt::Display) -> String {
    format!("{KEY}: {verb} {target}")
}

/// A consent line as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentLine {
    /// What it consents to. Of a line that cannot be read, what it was probably meant to.
    #[serde(default, skip_serializing_if = "ConsentVerb::is_destroy")]
    pub verb: ConsentVerb,
    /// What it is about: an address, or a glob, whose `*` stands for any run of characters. Of a line that
    /// cannot be read the whole line, which allows nothing.
    pub target: String,
    /// Where it stands.
    pub source: ConsentSource,
    /// The name of who wrote it, as Git or the forge has it.
    pub author: String,
}

/// Where a consent line stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "in")]
pub enum ConsentSource {
    /// In the message of a commit.
    Commit {
        /// Its whole id.
        commit: String,
    },
    /// In a comment on a pull request.
    Comment {
        /// The pull request's number.
        pull_request: u64,
        /// The forge's id of the comment.
        comment: String,
    },
}

impl ConsentLine {
    /// Where it stands and who wrote it: `b4c0045 by Ada`, `a comment by ada on #7`.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.source {
            ConsentSource::Commit { commit } => {
                let short: String = commit.chars().take(7).collect();
                format!("{short} by {}", self.author)
            }
            ConsentSource::Comment { pull_request, .. } => {
                format!("a comment by {} on #{pull_request}", self.author)
            }
        }
    }

    /// The environment that it speaks of; `None` for what is no address.
    #[must_use]
    pub fn environment(&self) -> Option<&str> {
        let target = if self.is_malformed() { malformed::address_in(&self.target)? } else { &self.target };
        target.split_once('/').map(|(environment, _)| environment)
    }

    /// Whether it was meant to consent and cannot be read.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        !is_target(&self.target)
    }

    pub(super) fn is_glob(&self) -> bool {
        self.target.contains('*')
    }
}

/// What the consent lines of a commit message say, in their order, and those lines whole that were meant to consent and
/// cannot be read.
pub(super) fn targets_in(message: &str) -> impl Iterator<Item = (ConsentVerb, String)> {
    let read = |line: &str| {
        let well = target_in(line).map(|(verb, target)| (verb, target.to_owned()));
        well.or_else(|| malformed::meant(line))
    };
    message.lines().filter_map(read)
}

pub(super) fn target_in(line: &str) -> Option<(ConsentVerb, &str)> {
    let (key, rest) = line.trim().split_once(':')?;
    // Git takes a space before the colon of a trailer.
    let is_key = key.trim_end().eq_ignore_ascii_case(KEY);
    let rest = rest.trim();
    let after = |verb: ConsentVerb| Some((verb, rest.strip_prefix(verb.word())?.strip_prefix(' ')?.trim()));
    let (verb, target) = ConsentVerb::ALL.into_iter().find_map(after).filter(|_| is_key)?;
    is_target(target).then_some((verb, target))
}

/// Whether a text can be what a consent line names.
#[must_use]
pub fn is_target(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= MAX_TARGET_CHARS
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// Whether `text` matches `glob`, in time proportional to their product.
pub(super) fn matches(glob: &str, text: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_wherever_it_stands_in_a_message() {
        let message = "Remove the lake\n\nIt moved.\n\nbeamline-consent: destroy a/b/c\nSigned-off-by: x\n\
                       Beamline-Consent:  release  d/e \n";
        let lines = [(ConsentVerb::Destroy, "a/b/c"), (ConsentVerb::Release, "d/e")];
        assert_eq!(targets_in(message).collect::<Vec<_>>(), lines.map(|(verb, one)| (verb, one.to_owned())));
    }

    #[test]
    fn what_is_no_consent_line_is_none() {
        for line in [
            "destroy production/*",
            "Beamline-Consent: production/*",
            "Beamline-Consent: destroy",
            "Beamline-Consent: destroy a/b extra",
            "Beamline-Consent: release",
            "Beamline-Consent: released a/b",
            "see Beamline-Consent: destroy *",
        ] {
            assert_eq!(target_in(line), None, "{line}");
        }
        let long = format!("Beamline-Consent: destroy {}", "x".repeat(MAX_TARGET_CHARS + 1));
        assert_eq!(target_in(&long), None);
    }

    #[test]
    fn a_line_of_an_older_version_consents_to_destroy() {
        let text = r#"{"target":"a/b/c","source":{"in":"commit","commit":"b4c0045"},"author":"Ada"}"#;
        let line: ConsentLine = serde_json::from_str(text).unwrap();
        assert_eq!(line.verb, ConsentVerb::Destroy);
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (glob, text, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b/c", true),
            ("*c", "a/b/c", true),
            ("a*b*c", "a/b/c", true),
            ("a*b*c", "a/c", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }
}
