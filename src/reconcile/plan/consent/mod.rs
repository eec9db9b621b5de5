//! Consent to destroy or to give up: who wrote which line where, what it allows, and what has become of it in a plan.
//!
//! Which messages and comments count is decided where Git and the forge are known (rules.md 10 and 11);
//! here their lines are read, matched against what a plan destroys or releases, and accounted for. The daemon and the
//! command line use the same.
//!
//! Guarantees: a line allows what it names and nothing else; a glob allows nothing unless the settings
//! say that globs count; no line is passed over in silence: each is in force, void, or said to match
//! nothing. Of thousands the first thousand are read, the newest; of the rest the number is said.

mod line;
mod malformed;
mod standing;
mod told;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use line::{ConsentLine, ConsentSource, ConsentVerb, is_target, trailer};
pub use malformed::probably;
pub use standing::{ConsentStanding, Standing};
pub use told::{Told, told};

use crate::resources::Address;
use crate::resources::id::ResourceId;

/// How long a line counts after it first reached the main branch: 14 days.
pub const VALID_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Most lines of messages that are read; more than this in one range of commits is no decision of a person.
const MAX_LINES: usize = 1000;

/// The longest name of an author that is kept.
const MAX_AUTHOR_CHARS: usize = 60;

/// Whether a line with a `*` allows anything. The settings of the machine say so, never the repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Globs {
    /// It does not: a line names one resource.
    #[default]
    DoNotCount,
    /// It allows whatever matches.
    Count,
}

/// How far a line reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It allows what it names.
    Named,
    /// It allows what it names as long as that is the resource which its author was shown.
    Only(ResourceId),
    /// It allows nothing any more; why, as a clause.
    Void(String),
    /// It was written with a commit that the plan brings, and speaks of an environment that may not be
    /// touched at all: it is listed also where another environment's plan would leave it out.
    Brought,
}

impl Reach {
    /// How far a line reaches at `now` whose commit first reached the main branch at `arrived`.
    #[must_use]
    pub fn since(arrived: Timestamp, now: Timestamp) -> Self {
        match now.duration_since(arrived) > VALID_FOR {
            true => Self::Void("it reached the main branch more than 14 days ago".to_owned()),
            false => Self::Named,
        }
    }
}

/// What a plan destroys, as a consent line may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Going {
    /// Its address in this plan.
    pub address: Address,
    /// The address that its mark says, where that is another resource's by now: a rename that was half done. Whoever
    /// consented to the rename named this one.
    pub was: Option<Address>,
    /// Which resource it is in Azure.
    pub id: ResourceId,
}

/// What becomes of something that is not to stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doom {
    /// It is deleted.
    Deleted,
    /// It is deleted and made again.
    Replaced,
    /// It stays, and is ours no longer.
    Released,
}

/// What a plan destroys or releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// The resource.
    pub going: Going,
    /// What becomes of it.
    pub doom: Doom,
}

impl Doomed {
    /// Whether a line with this verb can be about it.
    fn may_be(&self, verb: ConsentVerb) -> bool {
        match verb {
            ConsentVerb::Destroy => self.doom != Doom::Released,
            ConsentVerb::Release => self.doom != Doom::Replaced,
        }
    }
}

/// What may be destroyed, with everything that was written about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consents {
    globs: Globs,
    environments: Arc<BTreeSet<String>>,
    lines: Vec<(ConsentLine, Reach)>,
    /// What tells all of them apart, also those that are not read: the same line twice in a message is one.
    known: HashSet<(ConsentVerb, String, ConsentSource)>,
    /// The first one that is not read.
    first_unread: Option<ConsentLine>,
}

impl Consents {
    /// No lines yet.
    #[must_use]
    pub fn new(globs: Globs) -> Self {
        Self { globs, ..Self::default() }
    }

    /// The environments that there are. A line of one that is not among them matches nothing anywhere;
    /// without any names no line is told so.
    #[must_use]
    pub fn among(self, environments: Arc<BTreeSet<String>>) -> Self {
        Self { environments, ..self }
    }

    /// Whether nobody has written anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What was written.
    pub fn lines(&self) -> impl Iterator<Item = &ConsentLine> {
        self.lines.iter().map(|(line, _)| line)
    }

    /// How many lines were not read, because there were too many.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.known.len() - self.lines.len()
    }

    /// Whether a message has a consent line at all.
    #[must_use]
    pub fn speaks(message: &str) -> bool {
        line::targets_in(message).next().is_some()
    }

    /// Reads the lines of a commit's message. `reach` says how far they reach.
    pub fn read_message(&mut self, commit: &str, author: &str, message: &str, reach: &Reach) {
        for (verb, target) in line::targets_in(message) {
            let source = ConsentSource::Commit { commit: commit.to_owned() };
            let line = ConsentLine { verb, target, source, author: printable(author) };
            if self.lines.len() < MAX_LINES {
                self.add(line, reach.clone());
            } else if self.known.insert(key_of(&line)) {
                self.first_unread.get_or_insert(line);
            }
        }
    }

    /// Adds a line that was written elsewhere.
    pub fn add(&mut self, line: ConsentLine, reach: Reach) {
        if self.known.insert(key_of(&line)) {
            self.lines.push((line, reach));
        }
    }

    /// Whether deleting or replacing it is consented to.
    #[must_use]
    pub fn allow(&self, going: &Going) -> bool {
        self.permits(ConsentVerb::Destroy, going)
    }

    /// Whether it is to be given up instead of being deleted.
    #[must_use]
    pub fn release(&self, going: &Going) -> bool {
        self.permits(ConsentVerb::Release, going)
    }

    fn permits(&self, verb: ConsentVerb, going: &Going) -> bool {
        self.lines.iter().any(|(line, reach)| line.verb == verb && self.allows(line, reach, going))
    }

    fn allows(&self, line: &ConsentLine, reach: &Reach, going: &Going) -> bool {
        let counts = !line.is_malformed() && (!line.is_glob() || self.globs == Globs::Count);
        let reaches = match reach {
            Reach::Named | Reach::Brought => true,
            Reach::Only(shown) => *shown == going.id,
            Reach::Void(_) => false,
        };
        counts && reaches && names(line, going)
    }
}

fn key_of(line: &ConsentLine) -> (ConsentVerb, String, ConsentSource) {
    (line.verb, line.target.clone(), line.source.clone())
}

/// A name from outside, as it can stand in a sentence.
#[must_use]
pub fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_AUTHOR_CHARS).collect()
}

/// Whether a line names the resource, by its short name or by its name in Azure.
fn names(line: &ConsentLine, going: &Going) -> bool {
    let was = going.was.as_ref().map(ToString::to_string);
    was.is_some_and(|was| line::matches(&line.target, &was)) || names_now(line, &going.address, &going.id)
}

fn names_now(line: &ConsentLine, address: &Address, id: &ResourceId) -> bool {
    let by_short_name = address.to_string();
    let by_azure_name = match by_short_name.rsplit_once('/') {
        Some((front, _)) if !address.kind().is_single() => format!("{front}/{}", id.name()),
        Some(_) | None => by_short_name.clone(),
    };
    line::matches(&line.target, &by_short_name) || line::matches(&line.target, &by_azure_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ResourceId {
        let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg";
        format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}").parse().unwrap()
    }

    fn consents(globs: Globs, message: &str, reach: &Reach) -> Consents {
        let mut consents = Consents::new(globs);
        consents.read_message(&"b".repeat(40), "Ada", message, reach);
        consents
    }

    fn going(address: &str, name: &str) -> Going {
        Going { address: address.parse().unwrap(), was: None, id: id(name) }
    }

    fn allows(globs: Globs, target: &str, address: &str) -> bool {
        let message = format!("x\n\nBeamline-Consent: destroy {target}");
        consents(globs, &message, &Reach::Named).allow(&going(address, "azurename"))
    }

    #[test]
    fn consent_names_an_address_or_the_name_in_azure() {
        for target in ["production/storage_accounts/data_lake", "production/storage_accounts/azurename"] {
            assert!(allows(Globs::DoNotCount, target, "production/storage_accounts/data_lake"), "{target}");
        }
        for target in ["staging/storage_accounts/data_lake", "production/storage_accounts", "production"] {
            assert!(!allows(Globs::Count, target, "production/storage_accounts/data_lake"), "{target}");
        }
    }

    #[test]
    fn consent_to_one_thing_is_none_to_another() {
        let said = |verb: &str| {
            let message = format!("x\n\nBeamline-Consent: {verb} dev/storage_accounts/lake");
            let consents = consents(Globs::DoNotCount, &message, &Reach::Named);
            let lake = going("dev/storage_accounts/lake", "stlake");
            (consents.allow(&lake), consents.release(&lake))
        };
        assert_eq!((said("destroy"), said("release")), ((true, false), (false, true)));
    }

    #[test]
    fn a_glob_counts_only_where_the_settings_say_so() {
        for glob in ["production/storage_accounts/*", "production/*", "*data_lake", "*"] {
            assert!(allows(Globs::Count, glob, "production/storage_accounts/data_lake"), "{glob}");
            assert!(!allows(Globs::DoNotCount, glob, "production/storage_accounts/data_lake"), "{glob}");
        }
    }

    #[test]
    fn a_single_resource_has_no_second_name() {
        assert!(allows(Globs::DoNotCount, "production/workspace", "production/workspace"));
        assert!(!allows(Globs::DoNotCount, "production/azurename", "production/workspace"));
    }

    #[test]
    fn a_line_that_is_bound_to_a_resource_allows_no_other_of_that_name() {
        let address = "dev/storage_accounts/lake";
        let message = "x\n\nBeamline-Consent: destroy dev/storage_accounts/lake";
        let bound = consents(Globs::DoNotCount, message, &Reach::Only(id("Lake")));
        assert!(bound.allow(&going(address, "lake")), "ids are compared as Azure compares them");
        assert!(!bound.allow(&going(address, "other")));
        let void = consents(Globs::DoNotCount, message, &Reach::Void("it is old".to_owned()));
        assert!(!void.allow(&going(address, "lake")));
    }

    #[test]
    fn consent_to_a_rename_names_what_is_left_of_it() {
        let message = "x\n\nBeamline-Consent: destroy dev/storage_accounts/lake";
        let was = Some("dev/storage_accounts/lake".parse().unwrap());
        let left = Going { was, ..going("dev/storage_accounts/stlake001", "stlake001") };
        assert!(consents(Globs::DoNotCount, message, &Reach::Named).allow(&left));
        assert!(consents(Globs::DoNotCount, message, &Reach::Only(id("stlake001"))).allow(&left));
        assert!(!consents(Globs::DoNotCount, message, &Reach::Only(id("stlake002"))).allow(&left));
    }
}
