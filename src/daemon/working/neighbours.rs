//! What the environments of a commit declare, for the plan of one of them that sees something of another's.
//!
//! Worked out when the first plan asks, from the commit itself; kept for the last few commits. Bounds:
//! [`MAX_FILES`] definitions, beyond which no such plan is made, and [`KEPT`] commits.

use std::sync::Arc;

use async_trait::async_trait;

use crate::attempt::source::{environment_files, load_at};
use crate::daemon::shared::Shared;
use crate::git::{CommitId, GitError};
use crate::reconcile::{Declared, Neighbours, NeighboursError};

/// Most definitions that are read for one commit.
const MAX_FILES: usize = 20_000;

/// Commits whose answer is kept.
pub(in crate::daemon) const KEPT: usize = 2;

/// The environments of a commit of the watched repository.
pub(in crate::daemon) struct OfCommit {
    pub(in crate::daemon) shared: Arc<Shared>,
    pub(in crate::daemon) commit: CommitId,
}

#[async_trait]
impl Neighbours for OfCommit {
    async fn declared(&self) -> Result<Arc<Declared>, NeighboursError> {
        self.shared.declared.of(self.commit, declared(Arc::clone(&self.shared), self.commit)).await
    }
}

async fn declared(shared: Arc<Shared>, commit: CommitId) -> Result<Declared, NeighboursError> {
    let reading = Arc::clone(&shared);
    let read = tokio::task::spawn_blocking(move || declared_at(&reading, &commit)).await;
    let mut declared = read.map_err(failed)?.map_err(failed)?;
    let remembered = shared.store.environment_names().await.map_err(failed)?;
    declared.remember(remembered.iter().filter_map(|name| name.parse().ok()));
    Ok(declared)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> NeighboursError {
    NeighboursError(Box::new(error))
}

/// Blocking.
fn declared_at(shared: &Shared, commit: &CommitId) -> Result<Declared, GitError> {
    let reader = shared.mirror.reader()?;
    let snapshot = reader.snapshot(commit)?;
    let mut declared = Declared::default();
    let paths = environment_files(&reader, commit, &shared.root, &shared.root)?;
    if paths.len() > MAX_FILES {
        let what = format!("the number of definitions that another may have moved to ({})", paths.len());
        return Err(GitError::Limit { what, limit: format!("{MAX_FILES} definitions") });
    }
    for path in paths {
        let Some(definition) = load_at(&snapshot, &shared.root, &path)? else { continue };
        match &definition.loaded.environment {
            // One whose subscription is not configured declares nothing that could be in sight.
            Some(environment) => {
                if let Some(site) = shared.estate.site(environment) {
                    declared.add(environment, &site);
                }
            }
            None => declared.add_broken(&path, &definition.text),
        }
    }
    Ok(declared)
}
