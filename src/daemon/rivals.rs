//! What the environments of one commit claim from one another: names and groups that two files have.
//!
//! Worked out when the first worker of a commit asks, from the commit itself, so that a restart forgets
//! nothing; kept for the last few commits only.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell};

use super::service::Shared;
use super::worker::WorkError;
use crate::attempt::source::load_at;
use crate::definitions::{Claim, Diagnostic, claims, collisions};
use crate::errand::errand;
use crate::git::{CommitId, GitError};
use crate::reconcile::apply::RunKind;
use crate::store::{StoreError, Work};

/// Commits whose answer is kept.
const KEPT: usize = 8;

/// The environments of a commit, side by side.
#[derive(Debug)]
pub(super) struct Rivals {
    environments: BTreeSet<String>,
    /// Those and all that are remembered, once somebody has asked.
    known: OnceCell<Arc<BTreeSet<String>>>,
    problems: BTreeMap<String, Vec<Diagnostic>>,
}

impl Rivals {
    /// How many there are.
    pub(super) fn number(&self) -> usize {
        self.environments.len()
    }

    /// What the file at `path` has that another one has too.
    pub(super) fn problems_of(&self, path: &str) -> &[Diagnostic] {
        self.problems.get(path).map_or(&[], Vec::as_slice)
    }
}

/// The answers for the last few commits.
#[derive(Debug, Default)]
pub(super) struct KnownRivals(Mutex<VecDeque<Known>>);

type Known = ((CommitId, RunKind), Arc<Rivals>);

/// The environments that `work`'s commit is about. One errand works it out, the others wait for it.
pub(super) async fn rivals_of(shared: &Arc<Shared>, work: &Work) -> Result<Arc<Rivals>, WorkError> {
    let (shared, key) = (Arc::clone(shared), (work.commit, work.kind));
    errand(async move { shared.rivals.of(Arc::clone(&shared), key).await }).await
}

/// All environments that whoever has written a commit may speak of: those that it is about, and what was
/// remembered when this was first asked. Each of them asks; the answer is read once.
pub(super) async fn known_beside(
    shared: &Arc<Shared>,
    rivals: &Arc<Rivals>,
) -> Result<Arc<BTreeSet<String>>, StoreError> {
    let (shared, rivals) = (Arc::clone(shared), Arc::clone(rivals));
    errand(async move {
        let read = async || {
            let remembered = shared.store.environment_names().await?.into_iter();
            Ok::<_, StoreError>(Arc::new(remembered.chain(rivals.environments.iter().cloned()).collect()))
        };
        rivals.known.get_or_try_init(read).await.cloned()
    })
    .await
}

impl KnownRivals {
    async fn of(&self, shared: Arc<Shared>, key: (CommitId, RunKind)) -> Result<Arc<Rivals>, WorkError> {
        let mut known = self.0.lock().await;
        if let Some((_, rivals)) = known.iter().find(|(other, _)| *other == key) {
            return Ok(rivals.clone());
        }
        let (commit, kind) = key;
        let all = shared.store.work_of_commit(&commit, kind).await?;
        let environments = all.iter().map(|work| work.environment.to_string()).collect();
        let paths: BTreeSet<String> = all.into_iter().map(|work| work.path).collect();
        let claims = tokio::task::spawn_blocking(move || claims_at(&shared, &commit, &paths)).await??;
        let mut problems: BTreeMap<String, Vec<Diagnostic>> = BTreeMap::new();
        for found in collisions(&claims) {
            problems.entry(found.path).or_default().push(found.diagnostic);
        }
        let rivals = Arc::new(Rivals { environments, known: OnceCell::new(), problems });
        known.push_front((key, rivals.clone()));
        known.truncate(KEPT);
        Ok(rivals)
    }
}

/// The claims of the environments at `paths` in `commit`. Blocking.
pub(super) fn claims_at(
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
