//! PURE: which resources that stay name something that is not there, or goes with this plan.
//!
//! Azure lets a registry be deleted that a workspace names, and answers for the workspace as before. Only what
//! a group's lists would show is judged: an id of another group, or of something that lies in a resource, is
//! never called missing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::action::{DANGLING, Note};
use super::left_over;
use crate::reconcile::observe::Observed;
use crate::resources::id::ResourceId;
use crate::resources::{self, Address, Kind, Listing};

/// Most references of one environment that are said.
const MAX_SAID: usize = 20;

/// One note for each reference of a resource in `stays` to what is missing in `group`. Beside each stands the body that
/// this plan writes over it, where it writes one: what that repoints is not said.
pub(super) fn dangling(
    observed: &Observed,
    group: &ResourceId,
    stays: &[(&Address, Option<Value>)],
) -> Vec<Note> {
    let going: BTreeSet<String> = observed.orphans.iter().map(|orphan| orphan.id.folded()).collect();
    let there: BTreeSet<String> = observed
        .present
        .values()
        .map(|found| &found.id)
        .chain(observed.foreign.iter().map(|foreign| &foreign.id))
        // What becomes another stands until the plan has taken every reference to it away.
        .chain(observed.former.values().map(|former| &former.id))
        .map(ResourceId::folded)
        .collect();
    let listed = listed_types();
    let mut notes = Vec::new();
    for (address, desired) in stays {
        let Some(found) = observed.present.get(*address) else { continue };
        let mut named = BTreeSet::new();
        ids_in(&found.body, &mut named);
        // What lies in it is no other resource.
        let desired = desired.as_ref().unwrap_or(&found.body);
        let stays = |id: &ResourceId| !left_over::references(&found.body, desired, id).is_empty();
        for id in named.into_iter().filter(|id| !id.is_within(&found.id) && stays(id)) {
            let folded = id.folded();
            let what = if going.contains(&folded) {
                "which is being deleted"
            } else if is_listed(&id, group, &listed) && !there.contains(&folded) {
                "which does not exist"
            } else {
                continue;
            };
            notes.push(Note {
                code: DANGLING.to_owned(),
                address: Some((*address).clone()),
                message: format!("{} names {}, {what}", address.local(), short(&id)),
            });
        }
    }
    notes.truncate(MAX_SAID);
    notes
}

/// The types that a list of the group shows, in lower case.
fn listed_types() -> BTreeSet<String> {
    let specs = Kind::ALL.into_iter().map(|kind| resources::of(kind).spec());
    specs.filter(|spec| spec.listing == Listing::InGroup).map(|spec| spec.arm_type.to_lowercase()).collect()
}

fn is_listed(id: &ResourceId, group: &ResourceId, listed: &BTreeSet<String>) -> bool {
    let is_in_group = id.resource_group_id().is_some_and(|of| of.folded() == group.folded());
    is_in_group && listed.contains(&id.arm_type().to_lowercase())
}

/// The type's last word and the name: `registries/acrmlproduction001`.
fn short(id: &ResourceId) -> String {
    let arm_type = id.arm_type();
    format!("{}/{}", arm_type.rsplit('/').next().unwrap_or_default(), id.name())
}

/// The ids of ARM that stand anywhere in a body as whole texts.
fn ids_in(value: &Value, ids: &mut BTreeSet<ResourceId>) {
    match value {
        Value::String(text) if text.to_ascii_lowercase().starts_with("/subscriptions/") => {
            ids.extend(text.parse::<ResourceId>().ok());
        }
        Value::Array(items) => items.iter().for_each(|item| ids_in(item, ids)),
        Value::Object(fields) => fields.values().for_each(|field| ids_in(field, ids)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
