//! What no single field can say: a table of independent checks over all resources of an environment.
//!
//! Each check only pushes what it finds, so that one finding never hides another. What a check needs
//! of other files is in `claims`.

use std::collections::{BTreeMap, BTreeSet};

use super::code::Code;
use super::environment::SpanTable;
use super::problem::{Problem, quoted};
use crate::resources::advice::ADVICE;
use crate::resources::{Address, Finding, Presence, Reference, Resource, Resources, Severity, of};

/// How many dependency cycles are reported; each may hide others.
const MAX_CYCLES: usize = 5;

/// What the checks look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) resources: &'a Resources,
    /// Resources that were read without an error; the rules of the catalog make sense for these only.
    pub(super) sound: &'a BTreeSet<Address>,
    pub(super) spans: &'a SpanTable,
}

/// Problems with the resource they are about.
pub(super) type Found = Vec<(Address, Problem)>;

/// A check with its name.
type Check = (&'static str, fn(Subject<'_>, &mut Found));

/// Every check.
const CHECKS: &[Check] = &[
    ("the rules of each resource type", rules_of_types),
    ("one name, one resource", names),
    ("one role, one assignment", twins),
    ("nothing needs itself", cycles),
];

/// Runs every check.
pub(super) fn run(subject: Subject<'_>) -> Found {
    let mut found = Vec::new();
    for (_, check) in CHECKS {
        check(subject, &mut found);
    }
    found
}

fn rules_of_types(subject: Subject<'_>, found: &mut Found) {
    for (address, resource) in subject.resources {
        if !resource.is_managed() || !subject.sound.contains(address) {
            continue;
        }
        let findings = of(address.kind()).check(resource, subject.resources);
        for finding in findings.into_iter().filter(|finding| !is_consequence(resource, finding, subject)) {
            debug_assert!(
                finding.severity == Severity::Error || ADVICE.iter().any(|(code, _)| *code == finding.code),
                "{} is advice without a row in resources/advice.rs",
                finding.code
            );
            let span = subject.spans.field(address, &finding.field);
            found.push((address.clone(), Problem::finding(finding, span)));
        }
    }
}

/// Whether a finding is about a reference to a resource that could not be read: what that one is like
/// is not known.
fn is_consequence(resource: &Resource, finding: &Finding, subject: Subject<'_>) -> bool {
    match resource.references.get(&finding.field) {
        Some(Reference::Local(address)) => !subject.sound.contains(address),
        Some(Reference::Arm(_)) | None => false,
    }
}

/// Two resources of one ARM type in one place cannot have one name. Where the catalog has said so
/// already in its own words, that is enough.
fn names(subject: Subject<'_>, found: &mut Found) {
    let mut taken: BTreeMap<(String, String), Vec<&Address>> = BTreeMap::new();
    for (address, resource) in subject.resources {
        let Some(place) = place(resource) else { continue };
        let arm_type = of(address.kind()).spec().arm_type;
        let key = (place, format!("{arm_type}/{}", resource.name).to_ascii_lowercase());
        taken.entry(key).or_default().push(address);
    }
    for same in taken.into_values() {
        let [first, others @ ..] = same.as_slice() else { continue };
        let said = |address: &&&Address| {
            let at = subject.spans.field(address, "name");
            found.iter().any(|(other, problem)| other == **address && problem.is_error() && problem.is_at(at))
        };
        let Some(last) = others.last().filter(|_| !same.iter().any(|address| said(&address))) else {
            continue;
        };
        let name = subject.resources.get(last).map_or("", |resource| resource.name.as_str());
        let (message, remedy) = match others {
            [other] => (
                format!("{} is the name of {} and of {}", quoted(name), first.local(), other.local()),
                "Give one of them another `name`.",
            ),
            _ => (
                format!("{} is the name of {} resources", quoted(name), same.len()),
                "Give all of them but one another `name`.",
            ),
        };
        let arm_type = of(last.kind()).spec().arm_type;
        let problem = Problem::error(Code::NameCollision, subject.spans.field(last, "name"), message)
            .rule(format!("Azure has one {arm_type} of a name, whatever its casing."))
            .remedy(remedy);
        let before = same.iter().take(same.len() - 1);
        let problem = before.fold(problem, |problem, other| {
            problem.related(subject.spans.field(other, "name"), format!("{} has it too", other.local()))
        });
        found.push(((*last).clone(), problem));
    }
}

/// The place within which a name is unique: the id or address of what contains the resource. `None`
/// where the name is not a name.
fn place(resource: &Resource) -> Option<String> {
    let address = &resource.address;
    if of(address.kind()).spec().is_known_by_content() {
        return None;
    }
    match &resource.presence {
        Presence::Existing(Some(id)) => id.parent().map(|parent| parent.folded()),
        Presence::Existing(None) | Presence::Managed => {
            let outer = address.outer().map(|outer| outer.local());
            Some(outer.unwrap_or_default())
        }
    }
}

/// Role assignments are told apart by what they say, not by a name.
fn twins(subject: Subject<'_>, found: &mut Found) {
    let mut said: BTreeMap<String, &Address> = BTreeMap::new();
    let roles =
        subject.resources.iter().filter(|(address, _)| of(address.kind()).spec().is_known_by_content());
    for (address, resource) in roles.filter(|(address, _)| subject.sound.contains(address)) {
        let content = serde_json::Value::Object(resource.fields.clone()).to_string();
        let content = format!("{content} {:?}", resource.references).to_ascii_lowercase();
        if let Some(first) = said.get(&content) {
            let message = format!("{} says the same as {}", address.local(), first.local());
            let problem = Problem::error(Code::NameCollision, subject.spans.resource(address), message)
                .related(subject.spans.resource(first), "the other one")
                .rule("A role assignment is its scope, role and principal; Azure has each only once.")
                .remedy("Remove one of them.");
            found.push((address.clone(), problem));
        } else {
            said.insert(content, address);
        }
    }
}

fn cycles(subject: Subject<'_>, found: &mut Found) {
    let mut needs: BTreeMap<&Address, BTreeSet<Address>> =
        subject.resources.iter().map(|(address, resource)| (address, needed_by(resource, subject))).collect();
    for _ in 0..MAX_CYCLES {
        let Some(cycle) = cycle(&needs) else { return };
        let [first, ..] = cycle.as_slice() else { return };
        let path: Vec<String> = cycle.iter().chain([first]).map(Address::local).collect();
        let message = format!("resources need one another: {}", path.join(" → "));
        let problem = cycle.iter().skip(1).fold(
            Problem::error(Code::ReferenceCycle, subject.spans.resource(first), message)
                .rule("A resource is made after everything that it names.")
                .remedy("Remove one of the references."),
            |problem, address| problem.related(subject.spans.resource(address), "needed here"),
        );
        found.push((first.clone(), problem));
        needs.retain(|address, _| !cycle.contains(address));
    }
}

/// What must be there before this resource.
fn needed_by(resource: &Resource, subject: Subject<'_>) -> BTreeSet<Address> {
    let kind = of(resource.address.kind());
    let loose = kind.loose_references();
    let references = resource.references.iter().filter(|(path, _)| !loose.contains(&path.as_str()));
    let mut needed: BTreeSet<Address> = references
        .filter_map(|(_, reference)| match reference {
            Reference::Local(address) => Some(address.clone()),
            Reference::Arm(_) => None,
        })
        .chain(resource.address.outer())
        .collect();
    if subject.sound.contains(&resource.address) {
        needed.extend(kind.depends_on(resource, subject.resources));
    }
    needed
}

/// Some cycle of the graph, in the order in which each needs the next. Whatever can be made is taken
/// away until nothing can; from what is left, every way leads into a cycle.
fn cycle(needs: &BTreeMap<&Address, BTreeSet<Address>>) -> Option<Vec<Address>> {
    let mut waiting: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut needed_by: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
    for (address, needed) in needs {
        let known: Vec<&Address> = needed.iter().filter(|one| needs.contains_key(one)).collect();
        waiting.insert(address, known.len());
        for one in known {
            needed_by.entry(one).or_default().push(address);
        }
    }
    let mut ready: Vec<&Address> = waiting.iter().filter(|(_, n)| **n == 0).map(|(a, _)| *a).collect();
    while let Some(address) = ready.pop() {
        waiting.remove(address);
        for dependent in needed_by.get(address).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    let mut at = *waiting.keys().next()?;
    let mut way: Vec<&Address> = Vec::new();
    loop {
        if let Some(start) = way.iter().position(|seen| *seen == at) {
            return Some(way[start..].iter().map(|address| (*address).clone()).collect());
        }
        way.push(at);
        at = needs.get(at)?.iter().find(|one| waiting.contains_key(one))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str) -> Address {
        format!("p/key_vaults/{name}").parse().unwrap()
    }

    fn graph(edges: &[(&str, &[&str])]) -> Vec<(Address, BTreeSet<Address>)> {
        edges
            .iter()
            .map(|(name, needs)| (address(name), needs.iter().map(|one| address(one)).collect()))
            .collect()
    }

    #[test]
    fn a_cycle_is_found_with_its_path() {
        let owned = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["d"]), ("d", &["b"]), ("e", &[])]);
        let needs = owned.iter().map(|(address, needs)| (address, needs.clone())).collect();
        assert_eq!(cycle(&needs).unwrap(), [address("b"), address("c"), address("d")]);
    }

    #[test]
    fn an_order_is_no_cycle() {
        let owned = graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["outside"])]);
        let needs = owned.iter().map(|(address, needs)| (address, needs.clone())).collect();
        assert_eq!(cycle(&needs), None);
    }

    #[test]
    fn a_resource_that_needs_itself_is_a_cycle() {
        let owned = graph(&[("a", &["a"])]);
        let needs = owned.iter().map(|(address, needs)| (address, needs.clone())).collect();
        assert_eq!(cycle(&needs).unwrap(), [address("a")]);
    }
}
