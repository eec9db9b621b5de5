//! What somebody consented to give up instead of deleting it: it stays in Azure, and our marks go.
//!
//! It leaves the set of orphans before there is a plan, so that nothing of a plan can delete it. Only what no definition
//! declares is given up: what is replaced has a successor of its name to make room for, and what a definition with errors
//! speaks of may be declared there.

use super::observe::Observed;
use super::plan::{Consents, Going};

/// Takes what is to be released out of what is to go.
pub(super) fn let_go(observed: &mut Observed, consents: &Consents) {
    let perhaps_given = &observed.perhaps_given;
    let orphans = std::mem::take(&mut observed.orphans);
    (observed.released, observed.orphans) = orphans.into_iter().partition(|orphan| {
        let going = Going { address: orphan.address.clone(), was: None, id: orphan.id.clone() };
        consents.release(&going) && !perhaps_given.contains_key(&orphan.id)
    });
}
