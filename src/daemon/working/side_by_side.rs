//! What the environments of one commit claim from one another: names and groups that two files have.
//!
//! Worked out when the first worker of a commit asks, from the commit itself, so that a restart forgets
//! nothing; kept for the last few commits only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::WorkError;
use crate::attempt::source::load_at;
use crate::daemon::shared::Shared;
use crate::daemon::shared::rivals::Rivals;
use crate::definitions::{Claim, Diagnostic, claims, collisions};
use crate::errand::errand;
use crate::git::{CommitId, GitError};
use crate::reconcile::apply::RunKind;
use crate::store::{StoreError, Work};

/// The environments that `work`'s commit is about. Worked out once.
pub(in crate::daemon) async fn rivals_of(
    shared: &Arc<Shared>,
    work: &Work,
) -> Result<Arc<Rivals>, WorkError> {
    let key = (work.commit, work.kind);
    shared.rivals.of(key, side_by_side(Arc::clone(shared), key)).await
}

/// All environments that whoever has written a commit may speak of: those that it is about, and what was
/// remembered when this was first asked. Each of them asks; the answer is read once.
pub(in crate::daemon) async fn known_beside(
    shared: &Arc<Shared>,
    rivals: &Arc<Rivals>,
) -> Result<Arc<BTreeSet<String>>, StoreError> {
    let (shared, rivals) = (Arc::clone(shared), Arc::clone(rivals));
    errand(async move { rivals.known_beside(shared.store.names_ever()).await }).await
}

async fn side_by_side(shared: Arc<Shared>, (commit, kind): (CommitId, RunKind)) -> Result<Rivals, WorkError> {
    let all = shared.store.work_of_commit(&commit, kind).await?;
    let environments = all.iter().map(|work| work.environment.to_string()).collect();
    let paths: BTreeSet<String> = all.into_iter().map(|work| work.path).collect();
    let claims = tokio::task::spawn_blocking(move || claims_at(&shared, &commit, &paths)).await??;
    let mut problems: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
    for found in collisions(&claims) {
        problems.entry(found.path).or_default().push(found.diagnostic);
    }
    Ok(Rivals::new(environments, problems))
}

/// The claims of the environments at `paths` in `commit`. Blocking.
pub(in crate::daemon) fn claims_at(
    shared: &Shared,
    commit: &CommitId,
    paths: &BTreeSet<String>,
) -> Result<Vec<(String, Vec<Claim>)>, GitError> {
    let reader = shared.mirror.reader()?;
    let snapshot = reader.snapshot(commit)?;
    let mut all = Vec::new();
    for path in paths {
        let definition = load_at(&snapshot, &shared.root, path)?;
        let environment = definition.and_then(|definition| definition.loaded.environment);
        all.extend(environment.map(|environment| (path.clone(), claims(&environment))));
    }
    Ok(all)
}
