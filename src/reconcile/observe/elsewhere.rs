//! Resources of ours outside the environment's group, found by their marks with one list.
//!
//! The journal knows where an environment lived before. Without it, and for what somebody has moved by hand, the
//! marks are all there is. They are asked for only where something declared is missing, or where no complete apply is
//! remembered: then a move may have been left half done. Whoever has everything, and remembers, asks nothing.
//!
//! What stands where its mark was written for has been left behind by a change of the definition; what carries the mark
//! that was written for the declared place has been moved by hand (rules.md 8).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::gather::GROUP_CONTENTS;
use super::sort::Lists;
use crate::azure::{Arm, ArmError};
use crate::definitions::Environment;
use crate::reconcile::Remembered;
use crate::resources::contract::Carrier;
use crate::resources::id::ResourceId;
use crate::resources::mark::{MARK_KEY, SEAL_KEY, carried, seal_of};
use crate::resources::{self, Address, Context, Listing, Seal, Site};

/// What of an environment stands in other groups of its subscription.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Groups that hold what was made in them for this environment.
    pub groups: BTreeSet<ResourceId>,
    /// Declared, made where it is declared, and moved by hand: where it stands now.
    pub moved: BTreeMap<Address, ResourceId>,
}

/// The declared resources of which a list of the group would show one, and does not.
fn missing(environment: &Environment, site: &Site, lists: &Lists) -> BTreeMap<ResourceId, Address> {
    let nothing = BTreeMap::new();
    let context = Context { site, resources: &environment.resources, observed: &nothing };
    let managed = environment.resources.values().filter(|resource| resource.is_managed());
    let listed = managed.filter(|resource| {
        let spec = resources::of(resource.address.kind()).spec();
        spec.listing == Listing::InGroup && matches!(spec.carrier, Carrier::Tags | Carrier::Network)
    });
    let ids =
        listed.filter_map(|resource| Some((context.id_of(&resource.address)?, resource.address.clone())));
    let there = |address: &Address, id: &ResourceId| {
        let mut bodies = lists.of(address.kind()).iter();
        bodies.any(|body| id_in(body).is_some_and(|found| found == *id))
    };
    ids.filter(|(id, address)| !there(address, id)).collect()
}

/// Asks for what carries the environment's mark, where that may show something that `lists` does not. Who may not read
/// the subscription is told nothing, and plans from the group alone.
pub(super) async fn elsewhere(
    environment: &Environment,
    site: &Site,
    lists: &Lists,
    remembered: &Remembered,
    arm: &Arm,
) -> Result<Elsewhere, ArmError> {
    let mut found = Elsewhere::default();
    let missing = missing(environment, site, lists);
    if missing.is_empty() && remembered.has_applied() {
        return Ok(found);
    }
    let search = Search { site, missing: &missing, remembered };
    let path = format!("{}/resources", ResourceId::subscription(site.subscription));
    for mark in [&site.mark].into_iter().chain(&site.former_marks) {
        let value = mark.to_string().replace('\'', "''");
        let filter = format!("tagName eq '{MARK_KEY}' and tagValue eq '{value}'");
        let listed = match arm.list(&path, GROUP_CONTENTS, &[("$filter", &filter)]).await {
            Ok(listed) => listed.unwrap_or_default(),
            Err(ArmError::Refused { status: 403, .. }) => continue,
            Err(error) => return Err(error),
        };
        listed.iter().for_each(|body| search.note(body, &mut found));
    }
    // The list shows what is gone for a while.
    for (address, id) in std::mem::take(&mut found.moved) {
        if arm.get(&id, resources::of(address.kind()).spec().api_version).await?.is_some() {
            found.moved.insert(address, id);
        }
    }
    Ok(found)
}

struct Search<'a> {
    site: &'a Site,
    missing: &'a BTreeMap<ResourceId, Address>,
    remembered: &'a Remembered,
}

impl Search<'_> {
    fn note(&self, body: &Value, found: &mut Elsewhere) {
        let Some((id, marked)) = id_in(body).zip(carried(Carrier::Tags, body)) else { return };
        let Some(group) = id.resource_group_id().filter(|group| *group != self.site.group_id()) else {
            return;
        };
        if !self.site.owns(&marked.mark) {
            return;
        }
        let seal = body.pointer("/tags").and_then(|tags| tags.get(SEAL_KEY)).and_then(Value::as_str);
        let was_written_for = |declared: &ResourceId| match marked.seal {
            Seal::Right => false,
            Seal::Wrong => seal == Some(seal_of(&marked.mark.owner, declared).as_str()),
            Seal::Missing => self.remembered.names(declared),
        };
        let is_it = |declared: &ResourceId| {
            declared.name().eq_ignore_ascii_case(id.name())
                && declared.arm_type().eq_ignore_ascii_case(&id.arm_type())
                && was_written_for(declared)
        };
        if marked.seal == Seal::Right {
            found.groups.insert(group);
        } else if let Some((_, address)) = self.missing.iter().find(|(declared, _)| is_it(declared)) {
            found.moved.insert(address.clone(), id);
        }
    }
}

fn id_in(body: &Value) -> Option<ResourceId> {
    body.get("id")?.as_str()?.parse().ok()
}
