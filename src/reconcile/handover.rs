//! What moves from one environment to another of the same commit.
//!
//! A resource bears the mark of one environment. When its declaration moves (an environment is renamed, merged, split
//! in two, moved to another file), whoever declares it now takes it over with its next write, and whoever declared it
//! before leaves it alone, whichever of the two runs first, and also when the other one fails or has errors
//! (design.md, promise 8).
//!
//! Guarantees: nothing that another environment of the same commit declares counts as an orphan. Nothing is taken over
//! but from an environment that this repository has or had, and that does not declare it any more; two installations
//! that share an owner take nothing from one another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use self::later::{Identities, Later};
use super::observe::{Given, Observed, Orphan, Taken};
use super::reconciliation::ReconcileError;
use crate::azure::Arm;
use crate::definitions::Environment;
use crate::resources::id::ResourceId;
use crate::resources::{self, EnvironmentName, Kind, Mark, Site};

mod later;

/// How much of the definitions with errors of one commit is kept, in bytes. One that does not fit counts as one that
/// speaks of everything: nothing that a hostile repository says may fill the memory, or get something deleted.
const MAX_BROKEN_BYTES: usize = 16 * 1024 * 1024;

/// The other environments of a commit; asked only where something of them may be in sight.
#[async_trait]
pub trait Neighbours: Send + Sync {
    /// What all environments of the commit declare.
    async fn declared(&self) -> Result<Arc<Declared>, NeighboursError>;
}

/// The other definitions of the commit could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the other environments of the commit could not be read")]
pub struct NeighboursError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// What the environments of one commit declare.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    ids: BTreeMap<ResourceId, BTreeSet<EnvironmentName>>,
    /// What has no id before Azure has answered.
    later: Vec<Later>,
    defined: BTreeSet<EnvironmentName>,
    remembered: BTreeSet<EnvironmentName>,
    broken: Vec<Broken>,
    broken_bytes: usize,
    /// The first definition with errors whose text was not kept.
    unkept: Option<String>,
}

/// A definition with errors: nobody knows what it declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its path.
    pub path: String,
    /// Everything it says, in lower case.
    pub text: String,
}

impl Declared {
    /// Adds what `environment` declares, at `site`: what it makes and what it only reads.
    pub fn add(&mut self, environment: &Environment, site: &Site) {
        for id in environment.ids(site) {
            self.ids.entry(id).or_default().insert(environment.name.clone());
        }
        self.later.extend(later::of(environment, site));
        self.defined.insert(environment.name.clone());
    }

    /// Adds a definition with errors.
    pub fn add_broken(&mut self, path: &str, text: &str) {
        self.broken_bytes = self.broken_bytes.saturating_add(text.len());
        if self.broken_bytes > MAX_BROKEN_BYTES {
            self.unkept.get_or_insert_with(|| path.to_owned());
            return;
        }
        self.broken.push(Broken { path: path.to_owned(), text: text.to_ascii_lowercase() });
    }

    /// Environments that this repository had.
    pub fn remember(&mut self, names: impl IntoIterator<Item = EnvironmentName>) {
        self.remembered.extend(names);
    }

    /// The environments that declare what stands at `id`.
    fn who<'a>(
        &'a self,
        id: &'a ResourceId,
        body: &'a Value,
        identities: &'a Identities,
    ) -> impl Iterator<Item = &'a EnvironmentName> {
        let later = self.later.iter().filter(|later| later.is(id, body, identities));
        self.ids.get(id).into_iter().flatten().chain(later.map(|later| &later.by))
    }

    /// The definition with errors that speaks of a resource of this name, and of the group that it is in. Nobody writes
    /// the name of what is known by its content: it is spoken of by what it stands on.
    fn perhaps_in(&self, kind: Kind, id: &ResourceId) -> Option<&str> {
        let is_named = !resources::of(kind).spec().is_known_by_content();
        let spoken_of = if is_named { Some(id.clone()) } else { id.parent() };
        let group = id.resource_group_id();
        let names = spoken_of.iter().chain(&group).map(|id| id.name().to_ascii_lowercase());
        let names: Vec<String> = names.collect();
        let speaks = |broken: &&Broken| names.iter().all(|name| has_word(&broken.text, name));
        self.broken.iter().find(speaks).map(|broken| broken.path.as_str()).or(self.unkept.as_deref())
    }
}

/// Whether `text` has `word`, and not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            !goes_on(text[..at].chars().next_back()) && !goes_on(text[at + word.len()..].chars().next())
        })
}

/// The mark of another environment of the same owner.
fn of_another<'a>(mark: Option<&'a Mark>, site: &Site) -> Option<&'a EnvironmentName> {
    mark.filter(|mark| mark.owner == site.mark.owner && !site.owns(mark)).map(|mark| &mark.environment)
}

/// Settles what of `observed` goes to another environment, and what comes from one.
pub(super) async fn settle(
    observed: &mut Observed,
    site: &Site,
    neighbours: Option<&dyn Neighbours>,
    arm: &Arm,
) -> Result<(), ReconcileError> {
    let Some(neighbours) = neighbours else { return Ok(()) };
    let is_concerned = observed.going().next().is_some()
        || observed.present.values().any(|found| of_another(found.mark.as_ref(), site).is_some());
    if is_concerned {
        let declared = neighbours.declared().await?;
        let identities = Identities::of(&declared.later, observed, arm).await?;
        hand_over(observed, site, &declared, &identities);
    }
    Ok(())
}

fn hand_over(observed: &mut Observed, site: &Site, declared: &Declared, identities: &Identities) {
    let own = &site.mark.environment;
    let elsewhere = |orphan: &Orphan| {
        declared.who(&orphan.id, &orphan.body, identities).find(|name| *name != own).cloned()
    };
    let former = std::mem::take(&mut observed.former);
    let orphans = std::mem::take(&mut observed.orphans);
    for (address, orphan) in former {
        if elsewhere(&orphan).is_none() {
            observed.former.insert(address, orphan);
        }
    }
    for orphan in orphans {
        if let Some(to) = elsewhere(&orphan) {
            observed.given.push(Given { address: orphan.address, id: orphan.id, to });
            continue;
        }
        if let Some(path) = declared.perhaps_in(orphan.kind, &orphan.id) {
            observed.perhaps_given.insert(orphan.id.clone(), path.to_owned());
        }
        observed.orphans.push(orphan);
    }
    for (address, found) in &observed.present {
        let Some(from) = of_another(found.mark.as_ref(), site) else { continue };
        let is_known = declared.defined.contains(from) || declared.remembered.contains(from);
        let still = declared.who(&found.id, &found.body, identities).any(|name| name == from);
        if is_known && !still {
            let is_gone = !declared.defined.contains(from);
            observed.taken.insert(address.clone(), Taken { from: from.clone(), is_gone });
        }
        if !is_known {
            observed.unknown.insert(from.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(group: &str) -> ResourceId {
        let id = format!(
            "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/{group}/providers/\
             Microsoft.Storage/storageAccounts/stone"
        );
        id.parse().unwrap()
    }

    #[test]
    fn a_broken_definition_speaks_of_what_it_names_with_its_group() {
        let mut declared = Declared::default();
        declared.add_broken("environments/a.yaml", "resource_group: { name: RG-A }\nx: { name: stone }");
        assert_eq!(declared.perhaps_in(Kind::StorageAccount, &cluster("rg-a")), Some("environments/a.yaml"));
        assert_eq!(declared.perhaps_in(Kind::StorageAccount, &cluster("rg-b")), None);
        assert_eq!(
            declared.perhaps_in(Kind::StorageAccount, &cluster("rg")),
            None,
            "a part of a word is none"
        );
    }

    #[test]
    fn broken_definitions_take_a_bounded_memory_and_what_is_not_kept_speaks_of_everything() {
        let mut declared = Declared::default();
        let large = "x".repeat(MAX_BROKEN_BYTES / 4);
        for at in 0..20 {
            declared.add_broken(&format!("environments/{at}.yaml"), &large);
        }
        let kept: usize = declared.broken.iter().map(|broken| broken.text.len()).sum();
        assert!(kept <= MAX_BROKEN_BYTES, "{kept}");
        assert_eq!(declared.perhaps_in(Kind::StorageAccount, &cluster("rg-a")), Some("environments/4.yaml"));
    }
}
