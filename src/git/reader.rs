//! Reading a repository by commit, for the daemon and the command line alike.
//!
//! Guarantees: nothing is written; nothing comes from a working folder; every answer is bounded. What
//! can be asked lives with its answer: `history.rs`, `listing.rs`, `changes.rs`; this file holds the
//! repository and reads single files.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::GitError;
use super::id::{BlobId, CommitId, RepoPath};

/// A repository that is open for reading. Its object cache lives as long as it does, so make one for a
/// piece of work and drop it. Blocking: call from `spawn_blocking`.
pub struct Reader {
    repository: Mutex<git2::Repository>,
    dir: PathBuf,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) fn new(repository: git2::Repository, dir: &Path) -> Self {
        Self { repository: Mutex::new(repository), dir: dir.to_owned() }
    }

    /// Runs `work` on the repository, one caller at a time.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Opened<'_>) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        work(&Opened { repository: &repository, dir: &self.dir })
    }

    /// The content of a blob, at most `limit_bytes` of it.
    ///
    /// # Errors
    /// [`GitError::Limit`] when it is larger, [`GitError::Repository`] when there is no such blob.
    pub fn read(&self, blob: &BlobId, limit_bytes: usize) -> Result<Vec<u8>, GitError> {
        self.with(|opened| {
            let odb = opened.repository.odb().map_err(opened.failed())?;
            let (size, _) = odb.read_header(blob.oid()).map_err(opened.failed())?;
            if size > limit_bytes {
                let what = format!("blob {} ({size} bytes)", blob.short());
                return Err(GitError::Limit { what, limit: format!("{limit_bytes} bytes") });
            }
            let found = opened.repository.find_blob(blob.oid()).map_err(opened.failed())?;
            Ok(found.content().to_vec())
        })
    }
}

/// A repository in use, with its name for messages.
pub(super) struct Opened<'a> {
    pub(super) repository: &'a git2::Repository,
    pub(super) dir: &'a Path,
}

impl<'a> Opened<'a> {
    /// Wraps what libgit2 says about this repository.
    pub(super) fn failed(&self) -> impl Fn(git2::Error) -> GitError + use<'a> {
        let dir = self.dir;
        move |source| wrap(dir, source)
    }

    pub(super) fn commit(&self, id: &CommitId) -> Result<git2::Commit<'a>, GitError> {
        self.repository.find_commit(id.oid()).map_err(|source| {
            if source.code() == git2::ErrorCode::NotFound {
                GitError::UnknownCommit { id: *id, dir: self.dir.to_owned() }
            } else {
                wrap(self.dir, source)
            }
        })
    }

    /// The folder `path` of a commit (`""` is its root); `None` when there is none of that name.
    pub(super) fn folder(&self, commit: &CommitId, path: &str) -> Result<Option<git2::Tree<'a>>, GitError> {
        let root = self.commit(commit)?.tree().map_err(self.failed())?;
        if path.is_empty() {
            return Ok(Some(root));
        }
        match self.entry(&root, path)? {
            Some(entry) if entry.kind() == Some(git2::ObjectType::Tree) => {
                self.repository.find_tree(entry.id()).map(Some).map_err(self.failed())
            }
            _ => Ok(None),
        }
    }

    /// The entry at `path` below `tree`; `None` also for a path that no repository can have.
    pub(super) fn entry(
        &self,
        tree: &git2::Tree<'_>,
        path: &str,
    ) -> Result<Option<git2::TreeEntry<'static>>, GitError> {
        let Some(path) = path.parse::<RepoPath>().ok().filter(|path| *path != RepoPath::root()) else {
            return Ok(None);
        };
        match tree.get_path(Path::new(path.as_str())) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(wrap(self.dir, error)),
        }
    }
}

/// What libgit2 says about the repository in `dir`.
pub(super) fn wrap(dir: &Path, source: git2::Error) -> GitError {
    if source.code() == git2::ErrorCode::Locked {
        GitError::Locked { dir: dir.to_owned(), source }
    } else {
        GitError::Repository { dir: dir.to_owned(), source }
    }
}

/// Opens the repository at `path` (a bare one, or a working folder), without looking further up.
pub(super) fn open_at(path: &Path) -> Result<git2::Repository, GitError> {
    git2::Repository::open(path).map_err(|source| unopened(path, source))
}

/// Why the repository at `path` does not open.
pub(super) fn unopened(path: &Path, source: git2::Error) -> GitError {
    if source.code() == git2::ErrorCode::NotFound {
        GitError::NotARepository { path: path.to_owned() }
    } else if source.code() == git2::ErrorCode::Owner {
        GitError::NotOwned { path: path.to_owned() }
    } else if source.message().contains("unsupported") {
        GitError::Unsupported { path: path.to_owned(), detail: source.message().to_owned() }
    } else {
        wrap(path, source)
    }
}
