//! Marks that were copied onto something else.
//!
//! Policies, clones and exports of templates copy tags. A mark orders something only on the resource that it was
//! written for: its seal says so, or (for what earlier versions marked, without seals) the definition that was applied
//! or tried last names the resource. Every other mark is said, and changes nothing.

use super::Remembered;
use super::observe::{Foreign, Observed, Orphan};
use crate::resources::{self, Mark, Seal, Site};

/// Takes our own marks that were copied from declared resources: whoever wants those has to adopt them. What bears a
/// mark without a seal is named by the definition, and is ours. What somebody else has marked stays theirs.
pub(super) fn unmark_declared(observed: &mut Observed, site: &Site, remembered: &Remembered) {
    for found in observed.present.values_mut() {
        let is_own = found.mark.as_ref().is_some_and(|mark| mark.owner == site.mark.owner);
        if is_own && found.seal == Seal::Wrong && !remembered.names(&found.id) {
            found.mark = None;
        }
    }
}

/// Takes what only bears a copied mark out of what is to go.
pub(super) fn spare_copies(observed: &mut Observed, remembered: &Remembered) {
    let is_ours = |orphan: &Orphan| orphan.seal == Seal::Right || remembered.names(&orphan.id);
    let former = std::mem::take(&mut observed.former);
    let (former, copies): (Vec<_>, Vec<_>) = former.into_iter().partition(|(_, orphan)| is_ours(orphan));
    observed.former = former.into_iter().collect();
    let orphans = std::mem::take(&mut observed.orphans);
    let (orphans, more): (Vec<_>, Vec<_>) = orphans.into_iter().partition(is_ours);
    observed.orphans = orphans;
    let copies = copies.into_iter().map(|(_, orphan)| orphan).chain(more);
    observed.foreign.extend(copies.map(|copy| Foreign {
        told: resources::of(copy.kind).told(&copy.body).unwrap_or_else(|| copy.id.name().to_owned()),
        mark: mark_of(&copy),
        id: copy.id,
        kind: copy.kind,
        body: copy.body,
        is_copy: true,
    }));
}

fn mark_of(copy: &Orphan) -> Option<Mark> {
    resources::of(copy.kind).mark_on(&copy.body).map(|marked| marked.mark)
}
