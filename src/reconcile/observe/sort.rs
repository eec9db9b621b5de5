//! PURE: lists of bodies sorted into what is declared, what is an orphan of ours, and the rest.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::claimed::claimed_in;
use crate::definitions::Environment;
use crate::resources::id::ResourceId;
use crate::resources::{self, Address, Context, EnvironmentName, Kind, Listing, Mark, Seal, Site, Target};

/// Bodies by the kind whose list they came from. Kinds that share an ARM type share the list of the
/// first of them.
#[derive(Clone, Debug, Default)]
pub struct Lists(BTreeMap<&'static str, Vec<Value>>);

impl Lists {
    /// Adds what a list answered.
    pub fn add(&mut self, kind: Kind, bodies: Vec<Value>) {
        self.0.entry(resources::of(kind).spec().arm_type).or_default().extend(bodies);
    }

    /// Adds all of another observation's lists.
    pub fn extend(&mut self, other: Self) {
        for (arm_type, bodies) in other.0 {
            self.0.entry(arm_type).or_default().extend(bodies);
        }
    }

    /// Everything listed under the ARM type of `kind`.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &[Value] {
        self.0.get(resources::of(kind).spec().arm_type).map_or(&[], Vec::as_slice)
    }

    /// Whether nothing was listed at all: the group is absent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A resource that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its id as Azure writes it.
    pub id: ResourceId,
    /// Its body.
    pub body: Value,
    /// The mark it carries.
    pub mark: Option<Mark>,
    /// Whether that mark was written for it.
    pub seal: Seal,
}

/// A resource that carries our mark and is not declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Orphan {
    /// The address it had, as its carrier says; else one made of its name in Azure.
    pub address: Address,
    /// The address that its carrier says, where something else has that.
    pub was: Option<Address>,
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: ResourceId,
    /// Its body.
    pub body: Value,
    /// Whether its mark was written for it.
    pub seal: Seal,
}

/// A resource in one of the environment's lists that is neither ours nor declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its id.
    pub id: ResourceId,
    /// Its kind.
    pub kind: Kind,
    /// Its body.
    pub body: Value,
    /// What it is, for people: its name, or who has which role on what.
    pub told: String,
    /// The mark of somebody else that it carries, or one of ours that was copied.
    pub mark: Option<Mark>,
    /// Whether that mark was written for another resource, or nobody knows for which, so that it orders nothing.
    pub is_copy: bool,
}

/// A soft-deleted resource that holds a declared name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoftDeleted {
    /// When Azure removes it for good.
    pub scheduled_purge: Option<String>,
    /// The mark it carried.
    pub mark: Option<Mark>,
    /// The tags that it carried and comes back with, where a living one has them.
    pub tagged: Value,
    /// Whether it was deleted from exactly the declared place (only then it can be recovered there).
    pub same_place: bool,
    /// Whether nobody can end that earlier: it is protected from being purged.
    pub stays: bool,
    /// Fields with which it comes back when it is recovered, and which cannot be changed then.
    pub keeps: Vec<(&'static str, Value)>,
}

/// Ours so far, and declared by another environment of the commit now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The address that it had here.
    pub address: Address,
    /// Its id.
    pub id: ResourceId,
    /// Who declares it.
    pub to: EnvironmentName,
}

/// Declared here, and with the mark of another environment, which does not declare it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// That environment.
    pub from: EnvironmentName,
    /// Whether it has no file any more.
    pub is_gone: bool,
}

/// Everything that a plan needs to know of Azure.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Declared resources that are there.
    pub present: BTreeMap<Address, Found>,
    /// Ours, not declared. None of them has the address of a declared resource, except where the kind has no
    /// short names.
    pub orphans: Vec<Orphan>,
    /// Ours, under an id that is not declared, and remembered by their mark as a declared resource that is
    /// not there: it was called otherwise, stood elsewhere, or (a role assignment) said something else.
    pub former: BTreeMap<Address, Orphan>,
    /// Declared names that soft-deleted resources hold.
    pub soft_deleted: BTreeMap<Address, SoftDeleted>,
    /// Declared resources of which nobody could say whether something deleted holds their name, with Azure's reason.
    pub unasked: BTreeMap<Address, String>,
    /// Neither ours nor declared, in the environment's lists. Without what the service itself has made.
    pub foreign: Vec<Foreign>,
    /// What another environment of the commit declares now.
    pub given: Vec<Given>,
    /// Ours, not declared, and to stay where it is without our mark, because somebody consented to that.
    pub released: Vec<Orphan>,
    /// Of the orphans, those that a definition with errors speaks of: its path.
    pub perhaps_given: BTreeMap<ResourceId, String>,
    /// What comes from another environment.
    pub taken: BTreeMap<Address, Taken>,
    /// Environments of our owner whose marks declared resources bear, and that neither the commit nor the journal knows.
    pub unknown: BTreeSet<EnvironmentName>,
    /// Other groups in which something of ours was looked for.
    pub former_groups: BTreeSet<ResourceId>,
    /// Declared and not there, because somebody has moved it by hand: where it stands now.
    pub moved: BTreeMap<Address, ResourceId>,
    /// What the groups hold that would be deleted.
    pub group_contents: Vec<ResourceId>,
}

impl Observed {
    /// Everything of ours that stands under an id which is not declared.
    pub fn going(&self) -> impl Iterator<Item = &Orphan> {
        self.former.values().chain(&self.orphans)
    }

    /// Groups of ours that are not declared.
    pub fn going_groups(&self) -> impl Iterator<Item = &Orphan> {
        self.going().filter(|orphan| resources::of(orphan.kind).spec().listing == Listing::Group)
    }

    /// Whether anything with this id was seen.
    #[must_use]
    pub fn sees(&self, id: &ResourceId) -> bool {
        let present = self.present.values().map(|found| &found.id);
        let going = self.going().map(|orphan| &orphan.id);
        let others = self.foreign.iter().map(|one| &one.id).chain(self.given.iter().map(|one| &one.id));
        let others = others.chain(self.released.iter().map(|one| &one.id));
        present.chain(going).chain(others).any(|seen| seen == id)
    }

    /// Whether `body` is a by-product: one that the service makes by itself for something of ours.
    #[must_use]
    pub fn is_made_by_service(&self, kind: Kind, body: &Value) -> bool {
        let present = self.present.iter().map(|(address, found)| (address.kind(), &found.body));
        let mut ours =
            present.chain(self.going().chain(&self.released).map(|orphan| (orphan.kind, &orphan.body)));
        ours.any(|(beside, other)| resources::of(kind).is_made_by_service(body, beside, other))
    }

    /// Digest (hex SHA-256) of every body that was seen.
    #[must_use]
    pub fn digest(&self) -> String {
        let present = self.present.values().map(|found| &found.body);
        let orphans = self.going().chain(&self.released).map(|orphan| &orphan.body);
        crate::reconcile::digest_of(&Value::Array(present.chain(orphans).cloned().collect()))
    }

    /// Every body that was seen, by address: what was there before the first step.
    #[must_use]
    pub fn everything(&self) -> BTreeMap<Address, Value> {
        let orphans = self.orphans.iter().chain(&self.released);
        let orphans = orphans.map(|orphan| (orphan.address.clone(), orphan.body.clone()));
        orphans.chain(self.bodies()).collect()
    }

    /// The bodies of the declared resources.
    #[must_use]
    pub fn bodies(&self) -> BTreeMap<Address, Value> {
        self.present.iter().map(|(address, found)| (address.clone(), found.body.clone())).collect()
    }
}

/// Sorts lists into declared, orphaned and foreign.
#[must_use]
pub fn sort_out(environment: &Environment, site: &Site, lists: &Lists) -> Observed {
    let mut observed = Observed::default();
    let mut rest: BTreeMap<ResourceId, (Kind, &Value)> = BTreeMap::new();
    for kind in Kind::ALL {
        let of_kind = lists.of(kind).iter().filter(|body| resources::of(kind).is_mine(body));
        rest.extend(of_kind.filter_map(|body| Some((id_in(body)?, (kind, body)))));
    }
    let claimed = claimed_in(environment, site, lists);
    // Reading order: a role assignment is recognised by the principals of resources found before it.
    for address in environment.resources.keys() {
        let Some(mut found) = find(environment, site, address, &observed, &rest) else { continue };
        rest.remove(&found.id);
        if let Some((_, marked)) = claimed.get(&found.id).filter(|(claim, _)| claim.kind == address.kind())
            && !found.mark.as_ref().is_some_and(|mark| site.owns(mark) || mark.owner != site.mark.owner)
        {
            (found.mark, found.seal) = (Some(marked.mark.clone()), marked.seal);
        }
        observed.present.insert(address.clone(), found);
    }
    let mut foreign = Vec::new();
    for (id, (kind, body)) in rest {
        let own = resources::of(kind).mark_on(body);
        let is_own = own.as_ref().is_some_and(|marked| site.owns(&marked.mark));
        let claim = claimed.get(&id).filter(|(claim, marked)| {
            claim.kind == kind
                && site.owns(&marked.mark)
                && !is_own
                && own.as_ref().is_none_or(|own| own.mark.owner == site.mark.owner)
        });
        if let Some((claim, marked)) = claim {
            let address = Address::parse_local(&site.mark.environment, &claim.local)
                .unwrap_or_else(|_| address_from_name(kind, &id, site));
            observed.orphans.push(Orphan {
                address,
                was: None,
                kind,
                id,
                body: body.clone(),
                seal: marked.seal,
            });
            continue;
        }
        match own {
            Some(marked) if site.owns(&marked.mark) => {
                let address = address_on(kind, body, &id, site);
                observed.orphans.push(Orphan {
                    address,
                    was: None,
                    kind,
                    id,
                    body: body.clone(),
                    seal: marked.seal,
                });
            }
            Some(_) | None
                if resources::of(kind).spec().listing == Listing::Group || is_inherited(&id, site) => {}
            Some(_) | None => foreign.push((id, kind, body)),
        }
    }
    // Only now is everything known that the service makes something for.
    foreign.retain(|(_, kind, body)| !observed.is_made_by_service(*kind, body));
    observed.foreign = foreign
        .into_iter()
        .map(|(id, kind, body)| {
            let told = resources::of(kind).told(body).unwrap_or_else(|| id.name().to_owned());
            Foreign { id, kind, body: body.clone(), told, mark: mark_on(kind, body), is_copy: false }
        })
        .collect();
    orphaned_elements(site, environment, lists, &mut observed);
    tell_former_from_orphans(environment, site, &mut observed);
    observed
}

/// Gives every orphan its place: the former self of a declared resource that is not there, or an orphan
/// with an address that is no declared resource's. A mark remembers an address; what it stands on is known
/// by its id alone.
pub(in crate::reconcile) fn tell_former_from_orphans(
    environment: &Environment,
    site: &Site,
    observed: &mut Observed,
) {
    let mut taken: BTreeSet<Address> = environment.resources.keys().cloned().collect();
    for mut orphan in std::mem::take(&mut observed.orphans) {
        let declared = environment.resources.get(&orphan.address).filter(|resource| resource.is_managed());
        let is_missing = declared.is_some() && !observed.present.contains_key(&orphan.address);
        if is_missing && !observed.former.contains_key(&orphan.address) {
            observed.former.insert(orphan.address.clone(), orphan);
            continue;
        }
        if taken.contains(&orphan.address) && !orphan.kind.is_single() {
            let free = free_address(&orphan, site, &taken);
            orphan.was = Some(std::mem::replace(&mut orphan.address, free));
        }
        taken.insert(orphan.address.clone());
        observed.orphans.push(orphan);
    }
}

/// An address that nothing else has: made of the name in Azure, with a number where that is taken too.
fn free_address(orphan: &Orphan, site: &Site, taken: &BTreeSet<Address>) -> Address {
    let by_name = match orphan.address.outer() {
        Some(outer) => outer.inside(orphan.kind, orphan.id.name()),
        None => address_from_name(orphan.kind, &orphan.id, site),
    };
    let numbered = (2..).map(|number| match by_name.outer() {
        Some(outer) => outer.inside(orphan.kind, &format!("{}-{number}", by_name.name())),
        None => Address::named(by_name.environment(), orphan.kind, &format!("{}-{number}", by_name.name())),
    });
    // There are more numbers than addresses.
    std::iter::once(by_name.clone()).chain(numbered).find(|one| !taken.contains(one)).unwrap_or(by_name)
}

fn find(
    environment: &Environment,
    site: &Site,
    address: &Address,
    observed: &Observed,
    rest: &BTreeMap<ResourceId, (Kind, &Value)>,
) -> Option<Found> {
    let resource = environment.resources.get(address)?;
    let kind = address.kind();
    let bodies = observed.bodies();
    let context = Context { site, resources: &environment.resources, observed: &bodies };
    if let Listing::InParentBody(pointer) = resources::of(kind).spec().listing {
        return find_in_parent(&context, resource, pointer, observed);
    }
    let of_kind = resources::of(kind);
    let (id, (_, body)) = if of_kind.spec().is_known_by_content() {
        rest.iter().find(|(_, (found, body))| *found == kind && of_kind.is_same(resource, body, &context))?
    } else {
        let Target::Known(wanted) = of_kind.target(resource, &context) else { return None };
        rest.get_key_value(&wanted).filter(|(_, (found, _))| *found == kind)?
    };
    let marked = resources::of(kind).mark_on(body);
    let seal = marked.as_ref().map_or(Seal::Missing, |marked| marked.seal);
    Some(Found { id: id.clone(), body: (*body).clone(), mark: marked.map(|marked| marked.mark), seal })
}

fn find_in_parent(
    context: &Context<'_>,
    resource: &resources::Resource,
    pointer: &str,
    observed: &Observed,
) -> Option<Found> {
    let outer = observed.present.get(&resource.address.outer()?)?;
    let element = element(&outer.body, pointer, &resource.name)?;
    let outer_kind = resources::of(resource.address.outer()?.kind());
    let marked = outer_kind
        .inner_marks(&outer.body)
        .iter()
        .any(|(azure_name, _)| azure_name.eq_ignore_ascii_case(&resource.name));
    let Target::Known(id) = resources::of(resource.address.kind()).target(resource, context) else {
        return None;
    };
    // What an outer resource says of its elements is as true as its own mark.
    let mark = outer.mark.clone().filter(|_| marked);
    Some(Found { id, body: element.clone(), mark, seal: outer.seal })
}

fn element<'a>(body: &'a Value, pointer: &str, name: &str) -> Option<&'a Value> {
    body.pointer(pointer)?.as_array()?.iter().find(|element| {
        element.get("name").and_then(Value::as_str).is_some_and(|found| found.eq_ignore_ascii_case(name))
    })
}

/// Elements that a resource of ours carries a mark for and that no definition declares.
fn orphaned_elements(site: &Site, environment: &Environment, lists: &Lists, observed: &mut Observed) {
    for inner in Kind::ALL {
        let spec = resources::of(inner).spec();
        let (Listing::InParentBody(pointer), Some(outer)) = (spec.listing, spec.parent) else { continue };
        for body in lists.of(outer) {
            let marked = resources::of(outer).mark_on(body).filter(|marked| site.owns(&marked.mark));
            let Some((outer_id, marked)) = id_in(body).zip(marked) else { continue };
            let declared = observed.present.iter().find(|(_, found)| found.id == outer_id);
            let around = declared
                .map(|(address, _)| address.clone())
                .unwrap_or_else(|| address_on(outer, body, &outer_id, site));
            for (azure_name, short_name) in resources::of(outer).inner_marks(body) {
                let Some(element) = element(body, pointer, &azure_name) else { continue };
                let still_declared = environment.resources.values().any(|resource| {
                    resource.address.kind() == inner
                        && resource.address.outer().as_ref() == Some(&around)
                        && resource.name.eq_ignore_ascii_case(&azure_name)
                });
                if still_declared {
                    continue;
                }
                let short = if resources::address::is_name(&short_name) { &short_name } else { &azure_name };
                observed.orphans.push(Orphan {
                    address: around.inside(inner, short),
                    was: None,
                    kind: inner,
                    id: outer_id.child(spec.segment, &azure_name),
                    body: element.clone(),
                    seal: if declared.is_some() && marked.seal == Seal::Missing {
                        Seal::Right
                    } else {
                        marked.seal
                    },
                });
            }
        }
    }
}

/// The mark that a body carries.
#[must_use]
pub(super) fn mark_on(kind: Kind, body: &Value) -> Option<Mark> {
    resources::of(kind).mark_on(body).map(|marked| marked.mark)
}

/// The address that a body says it has; else one made of its name in Azure.
fn address_on(kind: Kind, body: &Value, id: &ResourceId, site: &Site) -> Address {
    resources::of(kind)
        .mark_on(body)
        .and_then(|marked| Address::parse_local(&site.mark.environment, &marked.address?).ok())
        .filter(|address| address.kind() == kind)
        .unwrap_or_else(|| address_from_name(kind, id, site))
}

pub(in crate::reconcile) fn address_from_name(kind: Kind, id: &ResourceId, site: &Site) -> Address {
    let environment = &site.mark.environment;
    match (kind.is_single(), kind.written_inside()) {
        (true, _) => Address::single(environment, kind),
        (false, None) => Address::named(environment, kind, id.name()),
        (false, Some(outer)) => {
            let mut ids = std::iter::successors(id.parent(), ResourceId::parent);
            let outer_type = resources::of(outer).spec().arm_type;
            let outer_name = ids
                .find(|id| id.arm_type().eq_ignore_ascii_case(outer_type))
                .map_or_else(|| "unknown".to_owned(), |id| id.name().to_owned());
            Address::named(environment, outer, &outer_name).inside(kind, id.name())
        }
    }
}

/// Whether a listed role assignment lies above the group (lists at a scope show those too).
fn is_inherited(id: &ResourceId, site: &Site) -> bool {
    !id.is_within(&site.group_id())
}

fn id_in(body: &Value) -> Option<ResourceId> {
    body.get("id")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::{SourceFile, load};
    use crate::resources::id::{SubscriptionId, TenantId};

    const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg";

    fn environment() -> Environment {
        let text = include_str!("../../../environments/dev.toml");
        let renamed = format!("name = \"dev\"\nrenamed_from = \"former\"\n{text}");
        let file = SourceFile::from_bytes("environments/dev.toml", renamed.as_bytes());
        let mut environment = load(&[file]).environment.unwrap();
        environment.resource_group = "rg".to_owned();
        environment
    }

    fn site(environment: &Environment) -> Site {
        let tenant = TenantId("00000000-0000-0000-0000-000000000002".parse().unwrap());
        environment.site(
            "ops",
            SubscriptionId("00000000-0000-0000-0000-000000000001".parse().unwrap()),
            tenant,
        )
    }

    fn vault(name: &str, tags: Value) -> Value {
        json!({ "id": format!("{GROUP}/providers/Microsoft.KeyVault/vaults/{name}"), "name": name, "tags": tags })
    }

    fn sorted(bodies: Vec<Value>) -> Observed {
        let environment = environment();
        let mut lists = Lists::default();
        lists.add(Kind::KeyVault, bodies);
        sort_out(&environment, &site(&environment), &lists)
    }

    #[test]
    fn a_declared_resource_is_found_in_whatever_casing_azure_answers() {
        let body = vault("KV-ML-dev", json!({ "beamline": "ops/dev" }));
        let observed = sorted(vec![body]);
        let (address, found) = observed.present.iter().next().unwrap();
        assert_eq!(address.local(), "key_vaults/main");
        assert_eq!(found.mark.as_ref().map(ToString::to_string).as_deref(), Some("ops/dev"));
        assert!(observed.orphans.is_empty() && observed.foreign.is_empty());
    }

    #[test]
    fn what_bears_our_mark_or_our_former_one_is_an_orphan_and_the_rest_is_foreign() {
        let observed = sorted(vec![
            vault("kv-a", json!({ "beamline": "ops/dev", "beamline-address": "key_vaults/old" })),
            vault("kv-b", json!({ "beamline": "ops/former" })),
            vault("kv-c", json!({ "beamline": "ops/other" })),
            vault("kv-d", json!({ "beamline": "somebody/dev" })),
            vault("kv-e", json!({})),
        ]);
        let orphans: Vec<_> = observed.orphans.iter().map(|orphan| orphan.address.to_string()).collect();
        assert_eq!(orphans, ["dev/key_vaults/old", "dev/key_vaults/kv-b"]);
        let foreign: Vec<_> = observed.foreign.iter().map(|one| one.told.as_str()).collect();
        assert_eq!(foreign, ["kv-c", "kv-d", "kv-e"]);
    }

    #[test]
    fn an_address_of_another_kind_is_not_believed() {
        let tags = json!({ "beamline": "ops/dev", "beamline-address": "storage_accounts/x" });
        assert_eq!(sorted(vec![vault("kv-a", tags)]).orphans[0].address.to_string(), "dev/key_vaults/kv-a");
    }

    #[test]
    fn a_body_without_an_id_is_passed_over() {
        let observed = sorted(vec![json!({ "name": "kv-ml-dev" }), json!(7), json!({ "id": "nonsense" })]);
        assert!(observed.present.is_empty() && observed.orphans.is_empty() && observed.foreign.is_empty());
    }

    #[test]
    fn a_digest_changes_with_what_was_seen() {
        let one = sorted(vec![vault("kv-ml-dev", json!({ "beamline": "ops/dev" }))]);
        let other = sorted(vec![vault("kv-ml-dev", json!({ "beamline": "ops/dev", "a": "1" }))]);
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.digest(), one.clone().digest());
    }
}
