//! What earlier versions took over without a claim.
//!
//! They left nothing in Azure that says so: whatever the definition of the last complete apply manages is ours
//! although nobody claims it, until the next write of what contains it brings the claim.

use super::Remembered;
use super::observe::{Observed, Orphan, address_from_name, tell_former_from_orphans};
use crate::definitions::Environment;
use crate::resources::behaviour::Claimed;
use crate::resources::{self, Kind, Seal, Site};

/// Takes what is remembered as ours from what counts as somebody else's.
pub(super) fn recall(
    observed: &mut Observed,
    environment: &Environment,
    site: &Site,
    remembered: &Remembered,
) {
    let is_claimable = |kind: Kind| resources::of(kind).spec().behaviour.claimed != Claimed::Never;
    for (address, found) in &mut observed.present {
        if found.mark.is_none() && is_claimable(address.kind()) && remembered.manages(&found.id) {
            found.mark = Some(site.mark.clone());
        }
    }
    let foreign = std::mem::take(&mut observed.foreign);
    for one in foreign {
        if one.mark.is_some() || !is_claimable(one.kind) || !remembered.manages(&one.id) {
            observed.foreign.push(one);
            continue;
        }
        observed.orphans.push(Orphan {
            was: None,
            address: address_from_name(one.kind, &one.id, site),
            kind: one.kind,
            id: one.id,
            body: one.body,
            seal: Seal::Right,
        });
    }
    // Its name in Azure may be the short name of something that is declared.
    tell_former_from_orphans(environment, site, observed);
}
