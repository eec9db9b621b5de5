//! Lines that were meant to consent and do not: a misspelt key or verb, no address, more than an address. They
//! allow nothing, and whoever wrote one is told the line to write.

use super::line::{self, KEY, ROOM, trailer};
use super::{ConsentLine, Consents, Going, Standing, names};
use crate::resources::suggest::nearest;
use crate::resources::{Address, EnvironmentName};

/// What stands for the address where nobody can know it.
pub(super) const ANY_ADDRESS: &str = "ENVIRONMENT/TYPE/NAME";

/// The line as it is kept, when it was probably meant to consent and cannot be read. Bounded, and with a space in
/// it: no target of a consent line has one.
pub(super) fn meant(line: &str) -> Option<String> {
    let line = line.trim();
    let (key, rest) = line.split_once(':')?;
    let key = key.trim_end();
    let is_key = key.eq_ignore_ascii_case(KEY) || nearest(key, [KEY]).is_some();
    if !is_key || line::target_in(line).is_some() {
        return None;
    }
    let text = format!("{}: {}", key.trim(), rest.trim());
    Some(text.chars().filter(|c| !c.is_control()).take(ROOM).collect())
}

/// What the line names, as far as that can be seen: the first word that looks like an address.
pub(super) fn address_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(':')?;
    let words = rest.split_whitespace().map(|word| word.trim_matches(|c| "`'\"<>.,;".contains(c)));
    words.into_iter().find(|word| word.contains('/') && line::is_target(word))
}

/// What is wrong with the line, as a clause.
pub(super) fn wrong(text: &str) -> String {
    let (key, rest) = text.split_once(':').unwrap_or((text, ""));
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words.as_slice() {
        _ if !key.eq_ignore_ascii_case(KEY) => format!("its key is not `{KEY}`"),
        [] | ["destroy"] => "it names no address".to_owned(),
        ["destroy", one] if !line::is_target(one) => "its address is too long".to_owned(),
        ["destroy", _, ..] => "something follows its address".to_owned(),
        [first, ..] if first.contains('/') => "the word `destroy` is missing before the address".to_owned(),
        [first, ..] => format!("`{first}` is not `destroy`"),
    }
}

/// The line that was probably meant, before anything is known of what a plan destroys.
#[must_use]
pub fn probably(line: &ConsentLine) -> String {
    trailer(address_in(&line.target).unwrap_or(ANY_ADDRESS))
}

impl Consents {
    /// What becomes of a line that cannot be read, in a plan that destroys `destroyed`: with the lines to write,
    /// which are right in this plan.
    pub(super) fn malformed(
        &self,
        line: &ConsentLine,
        environment: &EnvironmentName,
        destroyed: &[Going],
        others: &[Address],
    ) -> Standing {
        let why = wrong(&line.target);
        let Some(target) = address_in(&line.target) else {
            let all = destroyed.iter().map(|going| trailer(&going.address));
            return Standing::Malformed { why, write: all.take(super::standing::MAX_NAMED).collect() };
        };
        let fixed = ConsentLine { target: target.to_owned(), ..line.clone() };
        let named = destroyed.iter().filter(|going| names(&fixed, going));
        let write: Vec<String> =
            named.map(|going| trailer(&going.address)).take(super::standing::MAX_NAMED).collect();
        if !write.is_empty() {
            return Standing::Malformed { why, write };
        }
        // Written correctly it would still match nothing.
        let (also, meant) = self.matches_nothing(&fixed, environment, destroyed, others);
        let write = meant.into_iter().map(trailer).collect();
        Standing::Malformed { why: format!("{why}, and {also}"), write }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_to_consent_is_found_with_what_is_wrong() {
        for (line, expected) in [
            ("Beamline-Consent: production/workspace", "the word `destroy` is missing before the address"),
            ("Beamline-Consent: detsroy production/workspace", "`detsroy` is not `destroy`"),
            ("Beamline-Consent: destroy production/workspace please", "something follows its address"),
            ("Beamline-Consent: destroy", "it names no address"),
            ("Beamline-Consent:", "it names no address"),
            ("Beamline Consent: destroy production/workspace", "its key is not `Beamline-Consent`"),
            ("beamline-concent: destroy production/workspace", "its key is not `Beamline-Consent`"),
        ] {
            let text = meant(line).expect(line);
            assert_eq!(wrong(&text), expected, "{line}");
            assert!(!line::is_target(&text), "it is told from a target: {text}");
        }
        for line in [
            "Beamline-Consent: destroy a/b",
            "Beamline-Consent : destroy a/b",
            "Signed-off-by: a/b",
            "destroy a/b",
            "consent: destroy a/b",
        ] {
            assert_eq!(meant(line), None, "{line}");
        }
        let long = meant(&format!("Beamline-Consent: destroy a/{}", "x".repeat(1000))).unwrap();
        assert_eq!((long.chars().count(), wrong(&long).as_str()), (ROOM, "its address is too long"));
    }

    #[test]
    fn the_address_is_found_among_other_words() {
        for (text, expected) in [
            ("Beamline-Consent: detsroy `production/workspace`.", Some("production/workspace")),
            ("Beamline-Consent: production/workspace please", Some("production/workspace")),
            ("Beamline-Consent: destroy the workspace", None),
        ] {
            assert_eq!(address_in(text), expected, "{text}");
        }
    }
}
