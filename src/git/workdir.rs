//! The repository around a folder, for the command line.
//!
//! Guarantees: the same reading code as the daemon's; uncommitted changes are not seen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::GitError;
use super::id::{BranchName, CommitId};
use super::reader::{Reader, unopened, wrap};

/// A clone in which a person works.
#[derive(Clone, Debug)]
pub struct Local {
    git_dir: PathBuf,
}

/// Finds the repository that encloses `path` (a folder or a file). Blocking: call from `spawn_blocking`.
///
/// # Errors
/// [`GitError::NotARepository`] when there is none up to the root of the file system,
/// [`GitError::NotOwned`] when Git's `safe.directory` check refuses it.
pub fn open_local(path: &Path) -> Result<Local, GitError> {
    let start = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    let start = if start.as_os_str().is_empty() { Path::new(".") } else { start };
    let repository = git2::Repository::discover(start).map_err(|source| unopened(path, source))?;
    Ok(Local { git_dir: repository.path().to_owned() })
}

impl Local {
    /// A reader on this repository.
    ///
    /// # Errors
    /// As [`open_local`].
    pub fn reader(&self) -> Result<Reader, GitError> {
        Ok(Reader::new(self.open()?, &self.git_dir))
    }

    /// The commit that is checked out.
    ///
    /// # Errors
    /// [`GitError::UnknownRevision`] when there is no commit yet.
    pub fn head(&self) -> Result<CommitId, GitError> {
        self.resolve("HEAD")
    }

    /// The commit that `revision` (`main`, `HEAD~1`, `v1`, an id or its beginning) names.
    ///
    /// # Errors
    /// [`GitError::UnknownRevision`] when it names none.
    pub fn resolve(&self, revision: &str) -> Result<CommitId, GitError> {
        let unknown =
            || GitError::UnknownRevision { revision: revision.to_owned(), dir: self.git_dir.clone() };
        if revision.contains('\0') {
            return Err(unknown());
        }
        let repository = self.open()?;
        let object = repository.revparse_single(revision).map_err(|_| unknown())?;
        let commit = object.peel_to_commit().map_err(|_| unknown())?;
        Ok(CommitId::from_oid(commit.id()))
    }

    /// The folder that is checked out; `None` for a bare repository.
    ///
    /// # Errors
    /// As [`open_local`].
    pub fn work_dir(&self) -> Result<Option<PathBuf>, GitError> {
        Ok(self.open()?.workdir().map(Path::to_owned))
    }

    /// The URL of the remote `origin`, with any user information still in it; `None` when there is none.
    ///
    /// # Errors
    /// [`GitError::Repository`] when the configuration cannot be read.
    pub fn origin(&self) -> Result<Option<String>, GitError> {
        match self.open()?.find_remote("origin") {
            Ok(remote) => Ok(remote.url().ok().map(str::to_owned)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(wrap(&self.git_dir, error)),
        }
    }

    /// The names of the branches that this clone has, itself or from `origin`.
    ///
    /// # Errors
    /// [`GitError::Repository`] when they cannot be listed.
    pub fn branches(&self) -> Result<BTreeSet<BranchName>, GitError> {
        let (repository, mut names) = (self.open()?, BTreeSet::new());
        for prefix in ["refs/heads/", "refs/remotes/origin/"] {
            let found = repository.references_glob(&format!("{prefix}*"));
            for reference in found.map_err(|error| wrap(&self.git_dir, error))?.flatten() {
                let name = reference.name().ok().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
                names.extend(name.filter(|name: &BranchName| name.as_str() != "HEAD"));
            }
        }
        Ok(names)
    }

    fn open(&self) -> Result<git2::Repository, GitError> {
        git2::Repository::open(&self.git_dir).map_err(|source| unopened(&self.git_dir, source))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn the_enclosing_repository_is_found_from_a_file_below_it() {
        let world = Fixture::new();
        let first = world.commit("env/a.yaml", "1", "first");
        let second = world.commit("env/a.yaml", "2", "second");
        world.write("env/a.yaml", "uncommitted");
        for start in ["", "env", "env/a.yaml"] {
            let local = open_local(&world.work.join(start)).unwrap();
            assert_eq!(local.head().unwrap(), second);
            assert_eq!(local.resolve("HEAD~1").unwrap(), first);
            assert_eq!(local.resolve(&first.short()).unwrap(), first);
        }
        let local = open_local(&world.work).unwrap();
        let reader = local.reader().unwrap();
        let blob = reader.blob_at(&local.head().unwrap(), "env/a.yaml").unwrap().unwrap();
        assert_eq!(reader.read(&blob, 100).unwrap(), b"2");
        assert_eq!(
            local.work_dir().unwrap().unwrap().canonicalize().unwrap(),
            world.work.canonicalize().unwrap()
        );
        assert_eq!(local.origin().unwrap(), Some(world.origin.display().to_string()));
        world.git(&["push", "-q", "origin", "main:elsewhere"]);
        world.git(&["fetch", "-q", "origin"]);
        let branches: Vec<String> = local.branches().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(branches, ["elsewhere", "main"]);
    }

    #[test]
    fn outside_of_a_repository_the_error_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = open_local(folder.path()).unwrap_err();
        assert!(error.to_string().contains("run this inside a clone"), "{error}");
        let world = Fixture::new();
        let local = open_local(&world.work).unwrap();
        assert!(matches!(local.head(), Err(GitError::UnknownRevision { .. })));
        assert!(matches!(local.resolve("no\0pe"), Err(GitError::UnknownRevision { .. })));
    }
}
