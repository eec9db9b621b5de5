//! Whose turn is before that of an environment: who may still write to what its definition declares now.
//!
//! Guarantee: what a definition declares is written by no run of another name once this one is planned, however the
//! declaration came to it: by a rename, by a move to another file, by taking an earlier rename back.

use std::collections::BTreeSet;

use super::Subject;
use crate::reconcile::apply::RunRecord;
use crate::resources::EnvironmentName;
use crate::resources::contract::Target;
use crate::resources::id::ResourceId;
use crate::store::{Store, StoreError};

/// The environments that have to be at rest before `subject` is planned, and until its run has ended: the one whose
/// name it had, and those whose open run changes something that it declares. What has no file takes nothing over.
///
/// # Errors
/// [`StoreError`] when the store fails.
pub async fn ahead_of(store: &Store, subject: &Subject) -> Result<BTreeSet<EnvironmentName>, StoreError> {
    let environment = &subject.environment;
    if subject.is_removed() {
        return Ok(BTreeSet::new());
    }
    let mut ahead: BTreeSet<EnvironmentName> = environment.renamed_from.iter().cloned().collect();
    let mut open = store.unfinished_runs().await?;
    open.retain(|run| run.environment != environment.name && !ahead.contains(&run.environment));
    if !open.is_empty() {
        let declared = subject.declared();
        let changes = |run: &RunRecord| changed(run).any(|id| declared.contains(id));
        ahead.extend(open.into_iter().filter(changes).map(|run| run.environment));
    }
    Ok(ahead)
}

/// What a run changes, as far as it was known before it began.
fn changed(run: &RunRecord) -> impl Iterator<Item = &ResourceId> {
    run.plan.steps.iter().filter_map(|step| match &step.target {
        Target::Known(id) => Some(id),
        Target::RoleAssignment { .. } => None,
    })
}
