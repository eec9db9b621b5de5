//! PURE: what is claimed in the tags of other resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::sort::Lists;
use crate::definitions::Environment;
use crate::resources::claims::{self, Claim};
use crate::resources::id::ResourceId;
use crate::resources::mark::Marked;
use crate::resources::{Context, Kind, Seal, Site};

/// What is claimed in the tags of something of this owner, with the mark of whoever claims it.
pub(super) fn claimed_in(
    environment: &Environment,
    site: &Site,
    lists: &Lists,
) -> BTreeMap<ResourceId, (Claim, Marked)> {
    let nothing = BTreeMap::new();
    let context = Context { site, resources: &environment.resources, observed: &nothing };
    let declared: BTreeSet<ResourceId> =
        environment.resources.keys().filter_map(|address| context.id_of(address)).collect();
    let is_declared = |body: &Value| {
        let id = body.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        id.is_some_and(|id| declared.contains(&id))
    };
    let mut claimed = BTreeMap::new();
    for kind in Kind::ALL.into_iter().filter(|kind| claims::can_claim(*kind)) {
        for body in lists.of(kind) {
            let Some((mut marked, claims)) = claims::on(body) else { continue };
            if marked.mark.owner != site.mark.owner {
                continue;
            }
            // What the definition names is ours without a seal.
            if marked.seal == Seal::Missing && is_declared(body) {
                marked.seal = Seal::Right;
            }
            claimed.extend(claims.into_iter().map(|claim| (claim.id.clone(), (claim, marked.clone()))));
        }
    }
    claimed
}
