//! The environments of one commit, side by side, and what two of them have that only one can: names and groups.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::definitions::Diagnostic;

/// The commits whose answer is kept.
pub(in crate::daemon) const KEPT: usize = 8;

/// The environments of a commit, side by side.
#[derive(Debug)]
pub(in crate::daemon) struct Rivals {
    environments: BTreeSet<String>,
    /// Those and all that are remembered, once somebody has asked.
    known: OnceCell<Arc<BTreeSet<String>>>,
    problems: BTreeMap<String, Vec<Diagnostic>>,
}

impl Rivals {
    /// `problems` by the path of the file that has them.
    pub(in crate::daemon) fn new(
        environments: BTreeSet<String>,
        problems: BTreeMap<String, Vec<Diagnostic>>,
    ) -> Self {
        Self { environments, known: OnceCell::new(), problems }
    }

    /// Those and all that are remembered, which `remembered` reads when it is first asked for. Waited for in an
    /// errand: others wait for the same answer.
    pub(in crate::daemon) async fn known_beside<E>(
        &self,
        remembered: impl Future<Output = Result<Vec<String>, E>>,
    ) -> Result<Arc<BTreeSet<String>>, E> {
        let read = async || {
            let remembered = remembered.await?.into_iter();
            Ok(Arc::new(remembered.chain(self.environments.iter().cloned()).collect()))
        };
        self.known.get_or_try_init(read).await.cloned()
    }

    /// How many there are.
    pub(in crate::daemon) fn number(&self) -> usize {
        self.environments.len()
    }

    /// What the file at `path` has that another one has too.
    pub(in crate::daemon) fn problems_of(&self, path: &str) -> &[Diagnostic] {
        self.problems.get(path).map_or(&[], Vec::as_slice)
    }
}
