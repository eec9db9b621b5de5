//! A status: what a commit says about itself, in one line.
//!
//! Guarantees: a [`Description`] fits every forge (one line, at most 140 characters); a [`Context`] is
//! one of beamline's own and can be read back from its text. The texts of the contexts are a public
//! interface, because branch protection names them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::pull_request::PullRequestNumber;
use crate::git::CommitId;
use crate::resources::{EnvironmentName, brief};
use crate::text::both_ends;

/// The longest description, in characters. GitHub refuses more (REST API, commit statuses); the other
/// forges take 255 or more.
pub const MAX_DESCRIPTION_CHARS: usize = 140;

/// What a commit says about itself under one context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The commit that this is about.
    pub commit: CommitId,
    /// What the status is about. A newer status of the same context replaces an older one.
    pub context: Context,
    /// How it stands, in the words of the forge's lists.
    pub state: State,
    /// The line that people read.
    pub description: Description,
    /// Where there is more to see. Left out by forges that take only http and https when it is not.
    pub target_url: Option<String>,
    /// The pull request that it is about, for forges that keep statuses of pull requests apart.
    pub pull_request: Option<PullRequestNumber>,
}

/// How something stands, in the four words that all forges know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has not ended.
    Pending,
    /// It ended well: required checks let it pass.
    Success,
    /// It ended badly, and the commit or Azure is to blame.
    Failure,
    /// It could not be done, and something else is to blame.
    Error,
}

impl State {
    /// Whether it is the last word on what it is about.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending => false,
            Self::Success | Self::Failure | Self::Error => true,
        }
    }

    /// The word for it: `pending`, `success`, `failure`, `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

/// What beamline checks of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Check {
    /// A commit of the main branch is applied.
    Apply,
    /// A commit of another branch is planned.
    Plan,
}

impl Check {
    /// The word for it: `apply`, `plan`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Plan => "plan",
        }
    }
}

/// The name under which a status stands: `beamline/apply` for a whole commit,
/// `beamline/apply: production` for one environment of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Context {
    check: Check,
    environment: Option<EnvironmentName>,
}

/// The text is not one of beamline's contexts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a context of beamline: they look like beamline/apply and beamline/plan: production")]
pub struct ContextError(String);

impl Context {
    /// The aggregate of an apply.
    #[must_use]
    pub fn apply() -> Self {
        Self { check: Check::Apply, environment: None }
    }

    /// One environment of an apply.
    #[must_use]
    pub fn apply_of(environment: &EnvironmentName) -> Self {
        Self { check: Check::Apply, environment: Some(environment.clone()) }
    }

    /// The aggregate of a plan.
    #[must_use]
    pub fn plan() -> Self {
        Self { check: Check::Plan, environment: None }
    }

    /// One environment of a plan.
    #[must_use]
    pub fn plan_of(environment: &EnvironmentName) -> Self {
        Self { check: Check::Plan, environment: Some(environment.clone()) }
    }

    /// What is checked: a plan, or an apply.
    #[must_use]
    pub fn check(&self) -> Check {
        self.check
    }

    /// The one environment that it is about; `None` for an aggregate.
    #[must_use]
    pub fn environment(&self) -> Option<&EnvironmentName> {
        self.environment.as_ref()
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.environment {
            None => write!(f, "beamline/{}", self.check.as_str()),
            Some(environment) => write!(f, "beamline/{}: {environment}", self.check.as_str()),
        }
    }
}

impl FromStr for Context {
    type Err = ContextError;

    fn from_str(text: &str) -> Result<Self, ContextError> {
        let fail = || ContextError(both_ends(text, MAX_DESCRIPTION_CHARS));
        let (head, environment) = match text.split_once(": ") {
            None => (text, None),
            Some((head, name)) => (head, Some(name.parse().map_err(|_| fail())?)),
        };
        let check = match head {
            "beamline/apply" => Check::Apply,
            "beamline/plan" => Check::Plan,
            _ => return Err(fail()),
        };
        Ok(Self { check, environment })
    }
}

impl TryFrom<String> for Context {
    type Error = ContextError;

    fn try_from(text: String) -> Result<Self, ContextError> {
        text.parse()
    }
}

impl From<Context> for String {
    fn from(context: Context) -> Self {
        context.to_string()
    }
}

/// One line for people, at most 140 characters. In a longer text ARM ids are shortened from the left; what is
/// still too long is cut at a word, with `…`. Line breaks
/// and control characters become spaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Description(String);

impl Description {
    /// Makes any text a description.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let line = single_line(text);
        Self(brief::fitting(&line, MAX_DESCRIPTION_CHARS).into_owned())
    }

    /// The text, within the bounds of its type.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Description {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Description> for String {
    fn from(description: Description) -> Self {
        description.0
    }
}

/// Whether a character would let a text look like something else than it is: controls, line and
/// paragraph separators, and the marks that turn the direction of writing (Unicode TR 36).
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn single_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(4 * MAX_DESCRIPTION_CHARS));
    for word in text.split(|c: char| c.is_whitespace() || is_invisible(c)).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_the_published_names_and_read_back() {
        let production: EnvironmentName = "production".parse().unwrap();
        for (context, text) in [
            (Context::apply(), "beamline/apply"),
            (Context::apply_of(&production), "beamline/apply: production"),
            (Context::plan(), "beamline/plan"),
            (Context::plan_of(&production), "beamline/plan: production"),
        ] {
            assert_eq!(context.to_string(), text);
            assert_eq!(text.parse::<Context>().unwrap(), context);
        }
        for foreign in ["", "ci/build", "beamline/apply:production", "beamline/apply: a b", "beamline/drift"]
        {
            assert!(foreign.parse::<Context>().is_err(), "{foreign}");
        }
    }

    #[test]
    fn a_short_text_stays_as_it_is() {
        assert_eq!(Description::new("3 to create, 1 to change").as_str(), "3 to create, 1 to change");
        assert_eq!(Description::new(&"x".repeat(140)).as_str(), "x".repeat(140));
    }

    #[test]
    fn a_long_text_is_cut_at_a_word() {
        let description = Description::new(&"words and more ".repeat(20));
        assert!(description.as_str().chars().count() <= 140);
        assert!(description.as_str().ends_with(" more…"), "{description}");
        assert_eq!(Description::new(&"é".repeat(141)).as_str(), format!("{}…", "é".repeat(139)));
    }

    #[test]
    fn a_description_is_one_visible_line() {
        let description = Description::new("first\nsecond\r\n\tthird\u{0}\u{202e}fourth  ");
        assert_eq!(description.as_str(), "first second third fourth");
        assert_eq!(Description::new("\n\n").as_str(), "");
    }

    proptest::proptest! {
        #[test]
        fn any_text_becomes_a_description_that_stays_itself(text in proptest::prelude::any::<String>()) {
            let description = Description::new(&text);
            proptest::prop_assert!(description.as_str().chars().count() <= MAX_DESCRIPTION_CHARS);
            proptest::prop_assert!(!description.as_str().chars().any(is_invisible));
            proptest::prop_assert_eq!(Description::new(description.as_str()), description);
        }
    }
}
