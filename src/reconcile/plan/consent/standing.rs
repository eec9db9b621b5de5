//! What has become of each consent line in a plan: nothing that somebody wrote is passed over in silence.

use serde::{Deserialize, Serialize};

use super::line::trailer;
use super::malformed::probably;
use super::{ConsentLine, ConsentVerb, Consents, Doom, Doomed, Globs, MAX_LINES, Reach, names};
use crate::resources::suggest::nearest;
use crate::resources::{Address, EnvironmentName};

/// Most addresses that one line is said to allow, or that are offered instead of it.
pub(super) const MAX_NAMED: usize = 20;

/// A consent line, and what has become of it in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentStanding {
    /// The line.
    pub line: ConsentLine,
    /// What has become of it.
    pub standing: Standing,
    /// Whether its commit comes with what is planned and is not merged yet: a squash merge may drop its message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brought: bool,
}

/// What has become of a consent line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
pub enum Standing {
    /// It is in force, and allows this.
    InForce {
        /// What the plan destroys by it.
        addresses: Vec<Address>,
    },
    /// It allows nothing that the plan destroys.
    MatchesNothing {
        /// Why, as a clause.
        why: String,
        /// The address that was probably meant.
        meant: Option<String>,
    },
    /// It has a `*`, and globs do not count here.
    GlobDoesNotCount {
        /// What it would match: the lines to write instead name these.
        instead: Vec<Address>,
    },
    /// It was meant to consent and cannot be read.
    Malformed {
        /// What is wrong with it, as a clause.
        why: String,
        /// The lines to write instead: none where nothing is to be destroyed that it could mean.
        write: Vec<String>,
    },
    /// It allows nothing any more.
    Void {
        /// Why, as a clause.
        why: String,
    },
    /// It speaks of another environment, whose own plan accounts for it.
    Elsewhere,
    /// It is the first one that was not read, because there are too many.
    Unread {
        /// How many were not read, with it.
        lines: usize,
    },
}

impl ConsentStanding {
    /// Whether it allows something that the plan destroys.
    #[must_use]
    pub fn is_in_force(&self) -> bool {
        matches!(self.standing, Standing::InForce { .. })
    }

    /// What has become of it, as a sentence without its full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (verb, target, origin) = (self.line.verb, &self.line.target, self.line.origin());
        match &self.standing {
            Standing::InForce { addresses }
                if addresses.len() == 1 && addresses[0].to_string() == *target =>
            {
                format!("consent to {verb} {target} ({origin}) is in force")
            }
            Standing::InForce { addresses } => {
                format!("consent to {verb} {target} ({origin}) is in force for {}", listed(addresses))
            }
            Standing::MatchesNothing { why, meant: None } => {
                format!("the consent line `{verb} {target}` ({origin}) matches nothing: {why}")
            }
            Standing::MatchesNothing { why, meant: Some(meant) } => format!(
                "the consent line `{verb} {target}` ({origin}) matches nothing: {why}. Did you mean `{meant}`?"
            ),
            Standing::GlobDoesNotCount { instead } if instead.is_empty() => format!(
                "the consent line `{verb} {target}` ({origin}) matches nothing, and globs do not count here"
            ),
            Standing::GlobDoesNotCount { instead } => {
                let lines: Vec<String> = instead.iter().map(|one| trailer(verb, one)).collect();
                format!(
                    "the consent line `{verb} {target}` ({origin}) does not count: globs do not count here; write: {}",
                    lines.join(", ")
                )
            }
            Standing::Malformed { why, write } if write.is_empty() => {
                format!("the line `{target}` ({origin}) is no consent line: {why}")
            }
            Standing::Malformed { why, write } => {
                let write = write.join(", ");
                format!("the line `{target}` ({origin}) is no consent line: {why}; write: {write}")
            }
            Standing::Unread { lines } => {
                let (lines, are) = match lines {
                    1 => ("1 consent line".to_owned(), "is not read and allows"),
                    more => (format!("{more} consent lines"), "are not read and allow"),
                };
                format!(
                    "{lines} after the first {MAX_LINES} (the next one is that of {origin} for `{target}`) {are} \
                     nothing: write those that are needed in the message of a newer commit"
                )
            }
            Standing::Elsewhere if self.line.is_malformed() => format!(
                "the line `{target}` ({origin}) is no consent line, and its environment is not touched; one is: {}",
                probably(&self.line)
            ),
            Standing::Void { why } if self.line.is_malformed() => {
                format!("the line `{target}` ({origin}) is no consent line, and void: {why}")
            }
            Standing::Void { why } => {
                format!("the consent line `{verb} {target}` ({origin}) is void: {why}")
            }
            Standing::Elsewhere => format!(
                "the consent line `{verb} {target}` ({origin}) matches nothing: its environment is not touched"
            ),
        }
    }

    /// The stable code of the note that says so; `None` for what needs no note.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self.standing {
            Standing::InForce { .. } | Standing::Elsewhere => None,
            Standing::Malformed { .. } => Some("consent-malformed"),
            Standing::MatchesNothing { .. } => Some("consent-matches-nothing"),
            Standing::GlobDoesNotCount { .. } => Some("consent-glob"),
            Standing::Void { .. } => Some("consent-void"),
            Standing::Unread { .. } => Some("consent-unread"),
        }
    }
}

fn listed(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Consents {
    /// What becomes of every line in a plan of `environment` that does this to `doomed` and keeps `others`.
    /// Lines that speak of another environment are left out, but for those that the plan brings. What was not
    /// read stands first.
    #[must_use]
    pub fn standings(
        &self,
        environment: &EnvironmentName,
        doomed: &[Doomed],
        others: &[Address],
    ) -> Vec<ConsentStanding> {
        let standing = |(line, reach): &(ConsentLine, Reach)| {
            let standing = self.standing(line, reach, environment, doomed, others)?;
            Some(ConsentStanding { line: line.clone(), standing, brought: *reach == Reach::Brought })
        };
        let unread = self.first_unread.iter().map(|line| ConsentStanding {
            line: line.clone(),
            standing: Standing::Unread { lines: self.unread() },
            brought: false,
        });
        unread.chain(self.lines.iter().filter_map(standing)).collect()
    }

    fn standing(
        &self,
        line: &ConsentLine,
        reach: &Reach,
        environment: &EnvironmentName,
        doomed: &[Doomed],
        others: &[Address],
    ) -> Option<Standing> {
        let speaks_of = line.environment().unwrap_or(&line.target);
        // Whoever wrote a line without an address sees it in every plan.
        let is_ours =
            speaks_of == environment.as_str() || line.environment().is_none() && line.is_malformed();
        let may_be_ours = is_ours || speaks_of.contains('*');
        if !may_be_ours && (self.environments.is_empty() || self.environments.contains(speaks_of)) {
            return matches!(reach, Reach::Brought).then_some(Standing::Elsewhere);
        }
        let named = doomed.iter().filter(|one| one.may_be(line.verb) && names(line, &one.going));
        let named: Vec<&Doomed> = named.take(MAX_NAMED).collect();
        if let Reach::Void(why) = reach {
            return Some(Standing::Void { why: why.clone() });
        }
        if line.is_malformed() {
            return Some(self.malformed(line, environment, doomed, others));
        }
        if line.is_glob() && self.globs == Globs::DoNotCount {
            let instead = named.into_iter().map(|one| one.going.address.clone()).collect();
            return Some(Standing::GlobDoesNotCount { instead });
        }
        let (allowed, stays): (Vec<&Doomed>, Vec<&Doomed>) = named
            .iter()
            .filter(|one| self.allows(line, reach, &one.going))
            .partition(|one| line.verb.is_destroy() || one.doom == Doom::Released);
        if !allowed.is_empty() {
            let addresses = allowed.into_iter().map(|one| one.going.address.clone()).collect();
            return Some(Standing::InForce { addresses });
        }
        if !named.is_empty() {
            let why = match stays.is_empty() {
                true => "what stands there now is not what its author was shown",
                false => "a definition with errors speaks of it, and may declare it",
            };
            return Some(Standing::Void { why: why.to_owned() });
        }
        let (why, meant) = self.matches_nothing(line, environment, doomed, others);
        Some(Standing::MatchesNothing { why, meant })
    }

    /// Why a line matches nothing, as a clause, and the address that was probably meant.
    pub(super) fn matches_nothing(
        &self,
        line: &ConsentLine,
        environment: &EnvironmentName,
        doomed: &[Doomed],
        others: &[Address],
    ) -> (String, Option<String>) {
        let Some(speaks_of) = line.environment() else {
            let why = "it is no address: write ENVIRONMENT/TYPE/NAME".to_owned();
            return (why, None);
        };
        if speaks_of != environment.as_str() && !speaks_of.contains('*') {
            let known = self.environments.iter().map(String::as_str);
            let near = nearest(speaks_of, known.chain([environment.as_str()]));
            let meant = near.map(|near| format!("{near}{}", &line.target[speaks_of.len()..]));
            let why = format!("there is no environment `{speaks_of}`");
            return (why, meant);
        }
        let is = |doom: Doom| doomed.iter().any(|one| one.doom == doom && names(line, &one.going));
        let is_declared = others.iter().any(|address| address.to_string() == line.target);
        let why = match line.verb {
            ConsentVerb::Destroy if is(Doom::Released) => Some("it is released, and stays"),
            ConsentVerb::Destroy if is_declared => Some("nothing is to be destroyed there"),
            ConsentVerb::Release if is(Doom::Replaced) => {
                Some("it is to be replaced, and only what no definition declares can be released")
            }
            ConsentVerb::Release if is_declared => {
                Some("it is declared: take it out of its definition as well")
            }
            ConsentVerb::Destroy | ConsentVerb::Release => None,
        };
        if let Some(why) = why {
            return (why.to_owned(), None);
        }
        let going = doomed.iter().filter(|one| one.may_be(line.verb));
        let going: Vec<String> = going.map(|one| one.going.address.to_string()).collect();
        let staying: Vec<String> = others.iter().map(ToString::to_string).collect();
        let meant = nearest(&line.target, going.iter().map(String::as_str))
            .or_else(|| nearest(&line.target, staying.iter().map(String::as_str)));
        let why = match (line.verb, going.is_empty()) {
            (ConsentVerb::Destroy, true) => "nothing is to be destroyed",
            (ConsentVerb::Destroy, false) => "nothing of that name is to be destroyed",
            (ConsentVerb::Release, true) => "nothing is to be deleted that could be released instead",
            (ConsentVerb::Release, false) => "nothing of that name is to be deleted",
        };
        (why.to_owned(), meant.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Going;
    use super::*;
    use crate::resources::id::ResourceId;

    fn id(name: &str) -> ResourceId {
        let group = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg";
        format!("{group}/providers/Microsoft.KeyVault/vaults/{name}").parse().unwrap()
    }

    fn vault(doom: Doom) -> Doomed {
        let address = "production/key_vaults/main".parse().unwrap();
        Doomed { going: Going { address, was: None, id: id("kv") }, doom }
    }

    /// What becomes of a line in a plan of `production` that destroys `key_vaults/main` and keeps the
    /// workspace.
    fn sentences(globs: Globs, target: &str, reach: Reach) -> Vec<String> {
        said(globs, &format!("destroy {target}"), reach, Doom::Deleted)
    }

    fn said(globs: Globs, line: &str, reach: Reach, doom: Doom) -> Vec<String> {
        let known = ["production", "staging"].map(str::to_owned).into();
        let mut consents = Consents::new(globs).among(std::sync::Arc::new(known));
        let message = format!("x\n\nBeamline-Consent: {line}");
        consents.read_message(&"b4c0045".repeat(6)[..40], "Ada", &message, &reach);
        let destroyed = [vault(doom)];
        let others = ["production/workspace".parse().unwrap()];
        let standings = consents.standings(&"production".parse().unwrap(), &destroyed, &others);
        standings.iter().map(ConsentStanding::sentence).collect()
    }

    #[test]
    fn every_line_is_accounted_for() {
        let line =
            |target: &str, what: &str| format!("the consent line `destroy {target}` (b4c0045 by Ada) {what}");
        let cases = [
            ("production/key_vaults/main", "consent to destroy production/key_vaults/main (b4c0045 by Ada) is in force".to_owned()),
            (
                "production/key_vaults/kv",
                "consent to destroy production/key_vaults/kv (b4c0045 by Ada) is in force for production/key_vaults/main".to_owned(),
            ),
            (
                "production/key_vaults/mian",
                line("production/key_vaults/mian", "matches nothing: nothing of that name is to be destroyed. Did you mean `production/key_vaults/main`?"),
            ),
            ("production/workspace", line("production/workspace", "matches nothing: nothing is to be destroyed there")),
            (
                "prodution/key_vaults/main",
                line("prodution/key_vaults/main", "matches nothing: there is no environment `prodution`. Did you mean `production/key_vaults/main`?"),
            ),
            ("nowhere/x/y", line("nowhere/x/y", "matches nothing: there is no environment `nowhere`")),
            ("vault", line("vault", "matches nothing: it is no address: write ENVIRONMENT/TYPE/NAME")),
            (
                "production/*",
                line("production/*", "does not count: globs do not count here; write: Beamline-Consent: destroy production/key_vaults/main"),
            ),
            ("*/datastores/*", line("*/datastores/*", "matches nothing, and globs do not count here")),
        ];
        for (target, expected) in cases {
            assert_eq!(sentences(Globs::DoNotCount, target, Reach::Named), [expected], "{target}");
        }
        let counting = sentences(Globs::Count, "production/*", Reach::Named);
        assert_eq!(
            counting,
            ["consent to destroy production/* (b4c0045 by Ada) is in force for production/key_vaults/main"]
        );
    }

    #[test]
    fn a_line_that_releases_is_accounted_for_as_well() {
        let said = |line: &str, doom| said(Globs::DoNotCount, line, Reach::Named, doom).join("; ");
        let vault = "release production/key_vaults/main";
        assert_eq!(
            said(vault, Doom::Released),
            "consent to release production/key_vaults/main (b4c0045 by Ada) is in force"
        );
        let line = |what: &str| format!("the consent line `{vault}` (b4c0045 by Ada) {what}");
        assert_eq!(
            said(vault, Doom::Replaced),
            line(
                "matches nothing: it is to be replaced, and only what no definition declares can be released"
            )
        );
        assert_eq!(
            said(vault, Doom::Deleted),
            line("is void: a definition with errors speaks of it, and may declare it")
        );
        let kept = said("release production/workspace", Doom::Deleted);
        assert!(
            kept.ends_with("matches nothing: it is declared: take it out of its definition as well"),
            "{kept}"
        );
        let glob = said("release production/*", Doom::Deleted);
        assert!(glob.ends_with("; write: Beamline-Consent: release production/key_vaults/main"), "{glob}");
        let typo = said("release production/key_vaults/mian", Doom::Deleted);
        assert!(typo.ends_with("Did you mean `production/key_vaults/main`?"), "{typo}");
        let both = said("destroy production/key_vaults/main", Doom::Released);
        assert!(both.ends_with("matches nothing: it is released, and stays"), "{both}");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_told_with_the_one_to_write() {
        let said = |line: &str| {
            let mut consents = Consents::new(Globs::Count);
            consents.read_message(&"b4c0045".repeat(6)[..40], "Ada", line, &Reach::Named);
            let destroyed = [vault(Doom::Deleted)];
            assert!(!consents.allow(&destroyed[0].going), "{line}");
            let standings = consents.standings(&"production".parse().unwrap(), &destroyed, &[]);
            standings.iter().map(ConsentStanding::sentence).collect::<Vec<_>>().join("\n")
        };
        let told =
            |line: &str, what: &str| format!("the line `{line}` (b4c0045 by Ada) is no consent line: {what}");
        let write = "write: Beamline-Consent: destroy production/key_vaults/main";
        for (line, what) in [
            (
                "Beamline-Consent: detsroy production/key_vaults/main",
                format!("`detsroy` is not `destroy`; {write}"),
            ),
            (
                "Beamline-Consent: destroy production/key_vaults/mian now",
                format!(
                    "something follows its address, and nothing of that name is to be destroyed; {write}"
                ),
            ),
            ("Beamline-Consent: destroy", format!("it names no address; {write}")),
            (
                "Beamline-Consent: production/*",
                format!("the word `destroy` or `release` is missing before the address; {write}"),
            ),
        ] {
            assert_eq!(said(line), told(line, &what));
        }
        assert_eq!(said("Beamline-Consent: staging/workspace"), "", "it is left to that one's plan");
    }

    #[test]
    fn a_line_of_another_environment_is_left_to_that_ones_plan() {
        assert_eq!(sentences(Globs::DoNotCount, "staging/workspace", Reach::Named), [""; 0]);
        assert_eq!(sentences(Globs::DoNotCount, "staging/workspace", Reach::Brought).len(), 1);
    }

    #[test]
    fn a_line_that_is_void_or_bound_to_something_else_says_so() {
        let void =
            sentences(Globs::DoNotCount, "production/key_vaults/main", Reach::Void("it is old".to_owned()));
        assert!(void[0].ends_with("is void: it is old"), "{void:?}");
        let other = sentences(Globs::DoNotCount, "production/key_vaults/main", Reach::Only(id("another")));
        assert!(
            other[0].ends_with("is void: what stands there now is not what its author was shown"),
            "{other:?}"
        );
    }
}
