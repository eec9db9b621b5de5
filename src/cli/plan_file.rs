//! A plan in a file: what somebody has read, and what an apply is bound to.
//!
//! The file is the document that `beamline plan --json` prints. Nothing in it is carried out: the apply plans
//! again, at the same commit, and goes on only where that comes to the same.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::error::CliError;
use super::output::document;
use crate::git::CommitId;
use crate::reconcile::plan::{Plan, Step, moved};
use crate::reconcile::report::Report;

/// The largest file that is read.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Plans that somebody has read.
#[derive(Debug)]
pub(super) struct Reviewed {
    /// The commit that they are of.
    pub(super) commit: CommitId,
    plans: Vec<Plan>,
}

#[derive(Deserialize)]
struct Document {
    format: u32,
    plans: Vec<Plan>,
}

impl Reviewed {
    /// Reads the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let unreadable = |source| CliError::unreadable(path, source);
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        let refused = |what: String| {
            CliError::usage(
                format!("{} is no plan that can be applied: {what}", path.display()),
                "make one with: beamline plan --out FILE",
            )
        };
        let document: Document =
            serde_json::from_str(&text).map_err(|error| refused(format!("it is not read ({error})")))?;
        if document.format != super::output::FORMAT {
            return Err(refused(format!("its format is {}", document.format)));
        }
        let plans = document.plans;
        let mut commits = plans.iter().map(|plan| plan.commit.as_ref());
        let Some(first) = commits.next() else { return Err(refused("it has no plan".to_owned())) };
        let Some(revision) = first else {
            return Err(refused("it is of a working tree, and only commits are applied".to_owned()));
        };
        if !commits.all(|commit| commit == Some(revision)) {
            return Err(refused("its plans are of several commits".to_owned()));
        }
        let commit = revision.0.parse().map_err(|error| refused(format!("its commit is wrong ({error})")))?;
        Ok(Self { commit, plans })
    }

    /// The environments that it is about.
    pub(super) fn environments(&self) -> Vec<String> {
        self.plans.iter().map(|plan| plan.environment.to_string()).collect()
    }

    /// Whether `plan` is what was read; what `finished` runs have done of that since need not be in it.
    ///
    /// # Errors
    /// [`CliError::Moved`] with everything that is not.
    pub(super) fn agrees_to(&self, plan: &Plan, finished: &[Report]) -> Result<(), CliError> {
        let is_done = |step: &Step| finished.iter().any(|report| report.has_done(step));
        let found = self.plans.iter().find(|reviewed| reviewed.environment == plan.environment);
        let moved =
            found.map_or_else(|| vec!["it was not planned".to_owned()], |found| moved(found, plan, is_done));
        match moved.is_empty() {
            true => Ok(()),
            false => Err(CliError::Moved { environment: plan.environment.clone(), moved }),
        }
    }
}

/// Whether an argument names a file and no environment, whose names have neither dots nor slashes.
pub(super) fn is_file_name(argument: &str) -> bool {
    argument.contains(['.', '/'])
}

/// Writes a document of `plan --json` to `path`, whole or not at all.
pub(super) fn write(path: &Path, content: Value) -> Result<(), CliError> {
    let failed = |source| CliError::io("write the plan", source);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, document(content).as_bytes()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
