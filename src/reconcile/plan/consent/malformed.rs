//! Lines that were meant to consent and do not: a misspelt key or verb, no address, more than an address. They
//! allow nothing, and whoever wrote one is told the line to write.

use super::line::{self, KEY, ROOM, trailer};
use super::{ConsentLine, ConsentVerb, Consents, Doomed, Standing, names};
use crate::resources::suggest::nearest;
use crate::resources::{Address, EnvironmentName};

/// What stands for the address where nobody can know it.
pub(super) const ANY_ADDRESS: &str = "ENVIRONMENT/TYPE/NAME";

/// The line as it is kept, when it was probably meant to consent and cannot be read. Bounded, and with a space in
/// it: no target of a consent line has one. With it the verb that was probably meant.
pub(super) fn meant(line: &str) -> Option<(ConsentVerb, String)> {
    let line = line.trim();
    let (key, rest) = line.split_once(':')?;
    let key = key.trim_end();
    let is_key = key.eq_ignore_ascii_case(KEY) || nearest(key, [KEY]).is_some();
    if !is_key || line::target_in(line).is_some() {
        return None;
    }
    let text = format!("{}: {}", key.trim(), rest.trim());
    let verb = rest.split_whitespace().next().and_then(verb_like).unwrap_or_default();
    Some((verb, text.chars().filter(|c| !c.is_control()).take(ROOM).collect()))
}

/// The verb that a word is, or was probably meant to be.
fn verb_like(word: &str) -> Option<ConsentVerb> {
    let meant = nearest(word, ConsentVerb::ALL.map(ConsentVerb::word))?;
    ConsentVerb::ALL.into_iter().find(|verb| verb.word() == meant)
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
    let is_verb = |word: &str| ConsentVerb::ALL.iter().any(|verb| verb.word() == word);
    match words.as_slice() {
        _ if !key.eq_ignore_ascii_case(KEY) => format!("its key is not `{KEY}`"),
        [] => "it names no address".to_owned(),
        [verb] if is_verb(verb) => "it names no address".to_owned(),
        [verb, one] if is_verb(verb) && !line::is_target(one) => "its address is too long".to_owned(),
        [verb, ..] if is_verb(verb) => "something follows its address".to_owned(),
        [first, ..] if first.contains('/') => {
            "the word `destroy` or `release` is missing before the address".to_owned()
        }
        [first, ..] => match verb_like(first) {
            Some(verb) => format!("`{first}` is not `{verb}`"),
            None => format!("`{first}` is neither `destroy` nor `release`"),
        },
    }
}

/// The line that was probably meant, before anything is known of what a plan destroys.
#[must_use]
pub fn probably(line: &ConsentLine) -> String {
    trailer(line.verb, address_in(&line.target).unwrap_or(ANY_ADDRESS))
}

impl Consents {
    /// What becomes of a line that cannot be read, in a plan that does this to `doomed`: with the lines to write, which
    /// are right in this plan.
    pub(super) fn malformed(
        &self,
        line: &ConsentLine,
        environment: &EnvironmentName,
        doomed: &[Doomed],
        others: &[Address],
    ) -> Standing {
        let why = wrong(&line.target);
        let may_name = doomed.iter().filter(|one| one.may_be(line.verb));
        let lines = |named: &mut dyn Iterator<Item = &Doomed>| -> Vec<String> {
            let named = named.take(super::standing::MAX_NAMED);
            named.map(|one| trailer(line.verb, &one.going.address)).collect()
        };
        let Some(target) = address_in(&line.target) else {
            return Standing::Malformed { why, write: lines(&mut may_name.into_iter()) };
        };
        let fixed = ConsentLine { target: target.to_owned(), ..line.clone() };
        let write = lines(&mut may_name.filter(|one| names(&fixed, &one.going)));
        if !write.is_empty() {
            return Standing::Malformed { why, write };
        }
        // Written correctly it would still match nothing.
        let (also, meant) = self.matches_nothing(&fixed, environment, doomed, others);
        let write = meant.into_iter().map(|meant| trailer(line.verb, meant)).collect();
        Standing::Malformed { why: format!("{why}, and {also}"), write }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_to_consent_is_found_with_what_is_wrong() {
        for (line, expected) in [
            (
                "Beamline-Consent: production/workspace",
                "the word `destroy` or `release` is missing before the address",
            ),
            ("Beamline-Consent: detsroy production/workspace", "`detsroy` is not `destroy`"),
            ("Beamline-Consent: destroy production/workspace please", "something follows its address"),
            ("Beamline-Consent: relaese production/workspace", "`relaese` is not `release`"),
            ("Beamline-Consent: keep production/workspace", "`keep` is neither `destroy` nor `release`"),
            ("Beamline-Consent: release production/workspace please", "something follows its address"),
            ("Beamline-Consent: destroy", "it names no address"),
            ("Beamline-Consent: release", "it names no address"),
            ("Beamline-Consent:", "it names no address"),
            ("Beamline Consent: destroy production/workspace", "its key is not `Beamline-Consent`"),
            ("beamline-concent: destroy production/workspace", "its key is not `Beamline-Consent`"),
        ] {
            let (verb, text) = meant(line).expect(line);
            assert_eq!(wrong(&text), expected, "{line}");
            assert_eq!(verb.is_destroy(), !line.contains(" rel"), "{line}");
            assert!(!line::is_target(&text), "it is told from a target: {text}");
        }
        for line in [
            "Beamline-Consent: destroy a/b",
            "Beamline-Consent: release a/b",
            "Beamline-Consent : destroy a/b",
            "Signed-off-by: a/b",
            "destroy a/b",
            "consent: destroy a/b",
        ] {
            assert_eq!(meant(line), None, "{line}");
        }
        let (_, long) = meant(&format!("Beamline-Consent: destroy a/{}", "x".repeat(1000))).unwrap();
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
