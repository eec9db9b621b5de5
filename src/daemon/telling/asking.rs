//! PURE: what a status says of consent: the line that is missing, the lines that are in force, and those
//! that do nothing.

use std::collections::BTreeSet;

use crate::forge::MAX_DESCRIPTION_CHARS;
use crate::reconcile::plan::{ConsentStanding, ConsentVerb, Lacking, Plan, Standing, trailer};
use crate::resources::EnvironmentName;

/// Most lines that do nothing and are named by a status.
const MAX_NAMED: usize = 3;

/// What is missing. It ends with a line to copy; of several with the first one, never with a glob.
pub(in crate::daemon) fn needs_consent(lacking: &[Lacking<'_>]) -> String {
    match lacking {
        [one] => {
            let (verb, line) = (one.action.ending(), trailer(ConsentVerb::Destroy, one.address));
            let asks =
                |aside: &str| format!("Needs consent to {verb}{aside}. Add to a commit message: {line}");
            // The line goes before; the status of the whole commit has the environment's name in front.
            let room =
                MAX_DESCRIPTION_CHARS.saturating_sub(one.address.environment().as_str().chars().count() + 2);
            let with = asks(" (`release` keeps it)");
            if one.releasable && with.chars().count() <= room { with } else { asks("") }
        }
        [first, ..] => {
            format!(
                "Needs {} consent lines: see the plan. The first: {}",
                lacking.len(),
                trailer(ConsentVerb::Destroy, first.address)
            )
        }
        [] => "Needs consent".to_owned(),
    }
}

/// A status' text with the lines that are in force, those that were for earlier runs of the same work (`spent`),
/// and those that do nothing. What speaks of another environment does nothing, unless that is `touched` too: then
/// its own status says what becomes of it.
pub(in crate::daemon) fn with_consents(
    text: String,
    plan: &Plan,
    spent: &[ConsentStanding],
    touched: &BTreeSet<EnvironmentName>,
) -> String {
    let is_elsewhere = |one: &ConsentStanding| {
        let named = one.line.environment().unwrap_or_default();
        one.standing == Standing::Elsewhere && touched.iter().all(|name| name.as_str() != named)
    };
    let is_spent = |one: &ConsentStanding| spent.iter().any(|spent| spent.line == one.line);
    let mut idle: Vec<&ConsentStanding> = plan
        .consents
        .iter()
        .filter(|one| (one.code().is_some() || is_elsewhere(one)) && !is_spent(one))
        .collect();
    // One that stands for many is not what a status has room for.
    idle.sort_by_key(|one| matches!(one.standing, Standing::Unread { .. }));
    let in_force: Vec<&ConsentStanding> =
        spent.iter().chain(plan.consents.iter().filter(|one| one.is_in_force() && !is_spent(one))).collect();
    let Some(at) = text.find(&trailer(ConsentVerb::Destroy, "")) else {
        let text = by_leave(text, &in_force);
        return if idle.is_empty() { text } else { format!("{text}; {}", named(&idle, Told::Why)) };
    };
    // Who lacks a line is not sent astray by one that speaks of somebody else.
    idle.retain(|one| speaks_of(one, &plan.environment));
    if idle.is_empty() {
        return text;
    }
    // What is to be copied stands at the end, and must not be cut off; the status of the whole commit has
    // the environment's name in front.
    let room = MAX_DESCRIPTION_CHARS.saturating_sub(plan.environment.as_str().len() + 2);
    let line = &text[at..];
    let write = match plan.lacking().count() {
        0 | 1 => format!("write: {line}"),
        more => format!("{more} more are needed, the first: {line}"),
    };
    let forms: Vec<String> = [Told::Why, Told::That]
        .into_iter()
        .flat_map(|told| {
            let (named, placed) = (capitalised(&named(&idle, told)), capitalised(&placed(&idle, told)));
            [
                format!("{named}. {text}"),
                format!("{placed}. {text}"),
                format!("{named}; {write}"),
                format!("{placed}; {write}"),
            ]
        })
        .collect();
    let last = match idle.as_slice() {
        [_] => format!("{}; {write}", capitalised(&placed(&idle, Told::That))),
        _ => format!("{}; {write}", counted(&idle)),
    };
    forms.into_iter().find(|form| form.chars().count() <= room).unwrap_or(last)
}

/// Whether a line speaks of `environment`, or of none that there is: then this one may have been meant.
fn speaks_of(one: &ConsentStanding, environment: &EnvironmentName) -> bool {
    let is_named = match one.line.environment() {
        Some(named) => named == environment.as_str() || named.contains('*'),
        None => true,
    };
    match one.standing {
        // What speaks of another one that there is stands elsewhere.
        Standing::MatchesNothing { .. } | Standing::GlobDoesNotCount { .. } | Standing::Malformed { .. } => {
            true
        }
        Standing::InForce { .. } | Standing::Void { .. } | Standing::Elsewhere | Standing::Unread { .. } => {
            is_named
        }
    }
}

/// A status' text with the lines by whose leave that was done.
pub(in crate::daemon) fn by_leave(text: String, consents: &[&ConsentStanding]) -> String {
    let one = |one: &&ConsentStanding| match one.line.verb {
        ConsentVerb::Destroy => format!("{} ({})", one.line.target, one.line.origin()),
        ConsentVerb::Release => format!("release {} ({})", one.line.target, one.line.origin()),
    };
    match consents {
        [] => text,
        some => format!("{text}; consent: {}", some.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

/// How much is told of a line that does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// That it does nothing.
    That,
    /// Also why a void one is.
    Why,
}

fn named(idle: &[&ConsentStanding], told: Told) -> String {
    if idle.len() > MAX_NAMED || number(idle) > idle.len() {
        return placed(idle, told);
    }
    let one = |one: &&ConsentStanding| match one.line.is_malformed() {
        true => format!("`{}` ({}) {}", one.line.target, one.line.origin(), what_of(one, told)),
        false => format!("consent line {} ({}) {}", one.line.target, one.line.origin(), what_of(one, told)),
    };
    idle.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn placed(idle: &[&ConsentStanding], told: Told) -> String {
    match idle {
        [one] if number(idle) > 1 => {
            format!("{} consent lines are not read: that of {} …", number(idle), one.line.origin())
        }
        [one] if one.line.is_malformed() => format!("a line of {} {}", one.line.origin(), what_of(one, told)),
        [one] => format!("consent line of {} {}", one.line.origin(), what_of(one, told)),
        [one, ..] => {
            format!("{}: that of {} {}", counted(idle), one.line.origin(), what_of(one, told))
        }
        [] => String::new(),
    }
}

/// The number of several, and of those among them that were not read.
fn counted(idle: &[&ConsentStanding]) -> String {
    let number = number(idle);
    match number - read(idle) {
        0 => format!("{number} consent lines do nothing"),
        unread => format!("{number} consent lines do nothing ({unread} not read)"),
    }
}

/// How many lines these are.
fn number(idle: &[&ConsentStanding]) -> usize {
    let of_one = |one: &&ConsentStanding| match one.standing {
        Standing::Unread { lines } => lines,
        Standing::InForce { .. }
        | Standing::MatchesNothing { .. }
        | Standing::GlobDoesNotCount { .. }
        | Standing::Malformed { .. }
        | Standing::Void { .. }
        | Standing::Elsewhere => 1,
    };
    idle.iter().map(of_one).sum()
}

/// How many of them were read.
fn read(idle: &[&ConsentStanding]) -> usize {
    idle.iter().filter(|one| !matches!(one.standing, Standing::Unread { .. })).count()
}

fn what_of(one: &ConsentStanding, told: Told) -> String {
    let what = match &one.standing {
        Standing::Unread { .. } => "is not read",
        _ if one.line.is_malformed() => "is no consent line",
        Standing::Malformed { .. } => "is no consent line",
        Standing::Void { why } if told == Told::Why => {
            // What to write instead stands at the end, or in the plan.
            return format!("is void: {}", why.split(';').next().unwrap_or(why));
        }
        Standing::Void { .. } => "is void",
        Standing::GlobDoesNotCount { .. } => "is a glob, which does not count",
        Standing::MatchesNothing { .. } | Standing::Elsewhere => "matches nothing",
        Standing::InForce { .. } => "is in force",
    };
    what.to_owned()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::Description;
    use crate::reconcile::plan::Action;
    use crate::reconcile::plan::{ConsentLine, ConsentSource, FORMAT};
    use crate::resources::Address;

    fn plan(standings: &[(&str, Standing)]) -> Plan {
        let consents = standings.iter().map(|(target, standing)| ConsentStanding {
            line: ConsentLine {
                verb: ConsentVerb::Destroy,
                target: (*target).to_owned(),
                source: ConsentSource::Commit { commit: "b4c0045".repeat(6)[..40].to_owned() },
                author: "Ada".to_owned(),
            },
            standing: standing.clone(),
            brought: false,
        });
        Plan {
            format: FORMAT,
            environment: "production".parse().unwrap(),
            commit: None,
            notation: crate::definitions::Syntax::Yaml,
            input_digest: None,
            observed_digest: String::new(),
            steps: Vec::new(),
            kept: Vec::new(),
            notes: Vec::new(),
            blockers: Vec::new(),
            consents: consents.collect(),
        }
    }

    fn refused(address: &Address) -> Lacking<'_> {
        Lacking { address, action: Action::Delete, id: None, releasable: true }
    }

    #[test]
    fn a_status_offers_to_keep_what_can_be_kept_where_there_is_room() {
        let short: Address = "dev/key_vaults/main".parse().unwrap();
        assert_eq!(
            needs_consent(&[refused(&short)]),
            "Needs consent to delete (`release` keeps it). Add to a commit message: Beamline-Consent: destroy \
             dev/key_vaults/main"
        );
        let never = Lacking { releasable: false, ..refused(&short) };
        assert!(needs_consent(&[never]).starts_with("Needs consent to delete. Add "));
        let long: Address = format!("production/key_vaults/{}", "x".repeat(30)).parse().unwrap();
        assert!(needs_consent(&[refused(&long)]).starts_with("Needs consent to delete. Add "));
    }

    fn nothing() -> Standing {
        Standing::MatchesNothing { why: "nothing of that name is to be destroyed".to_owned(), meant: None }
    }

    #[test]
    fn a_status_names_the_lines_in_force_and_those_that_do_nothing() {
        let plan = plan(&[
            ("production/workspace", Standing::InForce { addresses: Vec::new() }),
            ("production/key_vaults/mian", nothing()),
        ]);
        assert_eq!(
            with_consents("Applied: 1 deleted".to_owned(), &plan, &[], &BTreeSet::new()),
            "Applied: 1 deleted; consent: production/workspace (b4c0045 by Ada); consent line \
             production/key_vaults/mian (b4c0045 by Ada) matches nothing"
        );
    }

    #[test]
    fn a_line_for_another_environment_does_nothing_unless_that_is_touched_too() {
        let plan = plan(&[("dev/storage_accounts/lake", Standing::Elsewhere)]);
        let said = |touched: &[&str]| {
            let touched = touched.iter().map(|name| name.parse().unwrap()).collect();
            with_consents("No changes".to_owned(), &plan, &[], &touched)
        };
        assert_eq!(
            said(&["production"]),
            "No changes; consent line dev/storage_accounts/lake (b4c0045 by Ada) matches nothing"
        );
        assert_eq!(said(&["production", "dev"]), "No changes");
    }

    #[test]
    fn a_line_that_an_earlier_run_of_the_work_used_is_in_force_and_not_idle() {
        let before = plan(&[("production/workspace", Standing::InForce { addresses: Vec::new() })]);
        let now = plan(&[("production/workspace", nothing())]);
        assert_eq!(
            with_consents("Applied: 1 deleted".to_owned(), &now, &before.consents, &BTreeSet::new()),
            "Applied: 1 deleted; consent: production/workspace (b4c0045 by Ada)"
        );
    }

    #[test]
    fn the_line_to_copy_stays_whole_beside_one_that_matches_nothing() {
        let address: Address = "production/key_vaults/main".parse().unwrap();
        let asking = needs_consent(&[refused(&address)]);
        let line = "Beamline-Consent: destroy production/key_vaults/main";
        for target in ["production/key_vaults/mian", &format!("production/{}", "x".repeat(100))] {
            let text = with_consents(asking.clone(), &plan(&[(target, nothing())]), &[], &BTreeSet::new());
            let text = Description::new(&text);
            assert!(text.as_str().contains("matches nothing") && text.as_str().ends_with(line), "{text}");
        }
    }

    #[test]
    fn who_lacks_a_line_is_told_of_one_for_an_environment_that_is_not_there_and_of_no_other() {
        let address: Address = "production/key_vaults/main".parse().unwrap();
        let asking = needs_consent(&[refused(&address)]);
        let why = "there is no environment `live`".to_owned();
        let said = |target: &str, standing: Standing| {
            with_consents(asking.clone(), &plan(&[(target, standing)]), &[], &BTreeSet::new())
        };
        for meant in [None, Some("live2/key_vaults/main".to_owned())] {
            let text = said("live/key_vaults/main", Standing::MatchesNothing { why: why.clone(), meant });
            assert_eq!(
                text,
                "Consent line live/key_vaults/main (b4c0045 by Ada) matches nothing; write: Beamline-Consent: \
                 destroy production/key_vaults/main"
            );
        }
        assert_eq!(said("staging/key_vaults/main", Standing::Elsewhere), asking);
        assert_eq!(said("staging/x", Standing::Void { why: "it is old".to_owned() }), asking);
    }

    #[test]
    fn of_many_lines_that_do_nothing_the_number_is_said() {
        let many: Vec<(&str, Standing)> =
            (0..1000).map(|_| ("production/key_vaults/mian", nothing())).collect();
        let unread = ("production/workspace", Standing::Unread { lines: 234 });
        let all: Vec<_> = [unread.clone()].into_iter().chain(many).collect();
        let said = |standings: &[(&str, Standing)]| {
            with_consents("No changes".to_owned(), &plan(standings), &[], &BTreeSet::new())
        };
        assert_eq!(
            said(&all),
            "No changes; 1234 consent lines do nothing (234 not read): that of b4c0045 by Ada matches nothing"
        );
        assert_eq!(said(&[unread]), "No changes; 234 consent lines are not read: that of b4c0045 by Ada …");
        assert_eq!(
            said(&all[1..5]),
            "No changes; 4 consent lines do nothing: that of b4c0045 by Ada matches nothing"
        );
    }

    #[test]
    fn several_are_asked_for_by_exact_lines() {
        let (one, other): (Address, Address) =
            ("production/key_vaults/main".parse().unwrap(), "production/workspace".parse().unwrap());
        assert_eq!(
            needs_consent(&[refused(&one), refused(&other)]),
            "Needs 2 consent lines: see the plan. The first: Beamline-Consent: destroy production/key_vaults/main"
        );
    }
}
