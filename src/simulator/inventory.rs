//! The resources of a world, found by id, by type inside a scope, and by global name.
//!
//! Guarantee: every look-up costs what it finds, not what the world holds. A list of one group, a page
//! of a long list and the search for a global name touch no other resource. The indexes hold numbers of
//! slots, so that walking one compares no keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::packed::{Ledger, Packed};
use super::providers::{self, Tracking};
use beamline_base::id::ResourceId;

/// A resource as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) id: ResourceId,
    pub(super) body: Packed,
    /// The operation that holds the resource; writes are refused meanwhile.
    pub(super) operation: Option<Uuid>,
    pub(super) created: Timestamp,
    pub(super) changed: Timestamp,
    /// Whether generic listings show its type.
    pub(super) tracking: Tracking,
}

impl Stored {
    /// A resource that was made now, and that no operation holds.
    pub(super) fn new(id: ResourceId, body: impl Into<Packed>, now: Timestamp) -> Self {
        let tracking =
            providers::kind(&id.arm_type()).map_or(Tracking::Untracked, |kind| kind.style().tracking);
        Self { id, body: body.into(), operation: None, created: now, changed: now, tracking }
    }
}

impl Clone for Stored {
    fn clone(&self) -> Self {
        Self { id: self.id.clone(), body: self.body.duplicate(), ..*self }
    }
}

/// Slots under the folded ids of their resources, which all indexes share.
type Index = BTreeMap<Arc<str>, usize>;

/// The resources of one type.
#[derive(Debug, Default)]
struct OfType {
    keys: Index,
    names: BTreeSet<Named>,
}

/// A key under the folded name that ends it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    name: Box<str>,
    key: Arc<str>,
}

/// Every resource, under its folded id.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    slots: Vec<Option<Stored>>,
    free: Vec<usize>,
    resources: Index,
    by_type: BTreeMap<String, OfType>,
    parsed: Arc<Ledger>,
    /// How many resources were looked at by walking.
    #[cfg(test)]
    visits: std::sync::atomic::AtomicUsize,
}

#[cfg(test)]
impl Inventory {
    /// How many resources were looked at by walking since the last time.
    pub(super) fn take_visits(&self) -> usize {
        self.visits.swap(0, std::sync::atomic::Ordering::Relaxed)
    }

    fn visited(&self, _: &Stored) {
        self.visits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(not(test))]
impl Inventory {
    #[expect(clippy::unused_self, reason = "tests count the visits")]
    fn visited(&self, _: &Stored) {}
}

impl Inventory {
    pub(super) fn get(&self, id: &ResourceId) -> Option<&Stored> {
        self.slot(*self.resources.get(id.folded().as_str())?)
    }

    pub(super) fn get_mut(&mut self, id: &ResourceId) -> Option<&mut Stored> {
        self.slots.get_mut(*self.resources.get(id.folded().as_str())?)?.as_mut()
    }

    fn slot(&self, at: usize) -> Option<&Stored> {
        self.slots.get(at)?.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.resources.len()
    }

    /// All resources, in the order of their ids.
    pub(super) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.resources.values().filter_map(|at| self.slot(*at)).inspect(|stored| self.visited(stored))
    }

    /// The resources whose folded id begins with `prefix` and follows `after`, in order.
    pub(super) fn prefixed<'a>(
        &'a self,
        prefix: String,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Stored> + use<'a> {
        self.walk(&self.resources, prefix, after)
    }

    /// The resources of a type inside a scope (`None`: anywhere) that follow `after`, in order.
    pub(super) fn of_type_within<'a>(
        &'a self,
        arm_type: &str,
        scope: Option<&ResourceId>,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Stored> + use<'a> {
        let prefix = scope.map_or_else(String::new, |id| format!("{}/", id.folded()));
        let of_type = self.by_type.get(&arm_type.to_ascii_lowercase());
        let inside = of_type.map(|of_type| self.walk(&of_type.keys, prefix, after));
        inside.into_iter().flatten()
    }

    fn walk<'a>(
        &'a self,
        index: &'a Index,
        prefix: String,
        after: Option<&str>,
    ) -> impl Iterator<Item = &'a Stored> + use<'a> {
        let range = index.range::<str, _>((from(&prefix, after), Bound::Unbounded));
        let inside = range.take_while(move |(key, _)| key.starts_with(&prefix));
        inside.filter_map(|(_, at)| self.slot(*at)).inspect(|stored| self.visited(stored))
    }

    /// The resources of a type with this name, in whatever group.
    pub(super) fn named<'a>(
        &'a self,
        arm_type: &str,
        name: &str,
    ) -> impl Iterator<Item = &'a Stored> + use<'a> {
        let name: Box<str> = name.to_ascii_lowercase().into();
        let first = Named { name: name.clone(), key: "".into() };
        let names = self.by_type.get(&arm_type.to_ascii_lowercase()).map(|of_type| &of_type.names);
        let range = names.map(|names| names.range(first..));
        let same = range.into_iter().flatten().take_while(move |entry| entry.name == name);
        let found = same.filter_map(|entry| self.slot(*self.resources.get(&entry.key)?));
        found.inspect(|stored| self.visited(stored))
    }

    /// Adds a resource, or replaces the one with its id.
    pub(super) fn insert(&mut self, mut stored: Stored) {
        let key: Arc<str> = stored.id.folded().into();
        stored.body.keep(&key, &self.parsed);
        if let Some(at) = self.resources.get(&key) {
            self.slots[*at] = Some(stored);
            return;
        }
        let at = self.free.pop().unwrap_or(self.slots.len());
        let of_type = self.by_type.entry(stored.id.arm_type().to_ascii_lowercase()).or_default();
        of_type.keys.insert(Arc::clone(&key), at);
        of_type.names.insert(Named { name: name_of(&key), key: Arc::clone(&key) });
        self.resources.insert(key, at);
        if at == self.slots.len() {
            self.slots.push(Some(stored));
        } else {
            self.slots[at] = Some(stored);
        }
    }

    /// Packs the bodies that were parsed, when they are many.
    pub(super) fn pack(&mut self) {
        for key in self.parsed.crowded().into_iter().flatten() {
            let slot = self.resources.get(&key).and_then(|at| self.slots.get_mut(*at));
            if let Some(stored) = slot.and_then(Option::as_mut) {
                stored.body.pack();
            }
        }
    }

    pub(super) fn remove(&mut self, id: &ResourceId) -> Option<Stored> {
        let (key, at) = self.resources.remove_entry(id.folded().as_str())?;
        let stored = self.slots.get_mut(at)?.take()?;
        self.free.push(at);
        if let Some(of_type) = self.by_type.get_mut(&stored.id.arm_type().to_ascii_lowercase()) {
            of_type.keys.remove(&key);
            of_type.names.remove(&Named { name: name_of(&key), key });
        }
        Some(stored)
    }
}

fn name_of(key: &str) -> Box<str> {
    key.rsplit('/').next().unwrap_or_default().into()
}

/// Where a range begins: at the prefix, or behind the key that was answered last.
fn from<'a>(prefix: &'a str, after: Option<&'a str>) -> Bound<&'a str> {
    match after.filter(|key| *key >= prefix) {
        Some(key) => Bound::Excluded(key),
        None => Bound::Included(prefix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups";

    fn account(group: &str, name: &str) -> Stored {
        let id = format!("{GROUPS}/{group}/providers/Microsoft.Storage/storageAccounts/{name}");
        Stored::new(id.parse().unwrap(), serde_json::Value::Null, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_list_inside_a_group_knows_its_neighbours_apart() {
        let mut inventory = Inventory::default();
        for (group, name) in [("rg", "b"), ("rg", "a"), ("rg-two", "c"), ("RG", "D")] {
            inventory.insert(account(group, name));
        }
        let group: ResourceId = format!("{GROUPS}/rg").parse().unwrap();
        let names = |inventory: &Inventory, after: Option<&str>| {
            let found = inventory.of_type_within("microsoft.storage/StorageAccounts", Some(&group), after);
            found.map(|stored| stored.id.name().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&inventory, None), ["a", "b", "D"]);
        assert_eq!(names(&inventory, Some(&account("rg", "a").id.folded())), ["b", "D"]);
        assert_eq!(inventory.named("Microsoft.Storage/storageAccounts", "d").count(), 1);
        inventory.remove(&account("rg", "d").id);
        assert_eq!(inventory.named("Microsoft.Storage/storageAccounts", "d").count(), 0);
        assert_eq!(inventory.len(), 3);
        inventory.insert(account("rg", "e"));
        assert_eq!(
            (names(&inventory, None), inventory.slots.len()),
            (vec!["a".into(), "b".into(), "e".into()], 4)
        );
    }
}
