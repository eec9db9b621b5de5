//! Reading a repository by commit, for the daemon and the command line alike.
//!
//! Guarantees: nothing is written; nothing comes from a working folder; every answer is bounded. What
//! can be asked lives with its answer: `history.rs`, `listing.rs`, `changes.rs`; this file holds the
//! repository and reads single files.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::error::GitError;
use super::failure::printable;
use super::id::{BlobId, CommitId, RepoPath};
use super::listing::lossy;

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

    /// The content of a blob, when it has at most `limit_bytes`.
    ///
    /// # Errors
    /// [`GitError::Damaged`] when there is no such blob, or not as it should be.
    pub fn content(&self, blob: &BlobId, limit_bytes: usize) -> Result<Content, GitError> {
        self.with(|opened| {
            #[cfg(test)]
            super::fixture::note_read(1);
            let odb = opened.repository.odb().map_err(opened.failed())?;
            let (size_bytes, _) = odb.read_header(blob.oid()).map_err(opened.failed())?;
            if size_bytes > limit_bytes {
                return Ok(Content::TooLarge { size_bytes: size_bytes as u64 });
            }
            let found = opened.repository.find_blob(blob.oid()).map_err(opened.failed())?;
            Ok(Content::Bytes(found.content().to_vec()))
        })
    }

    /// As [`Reader::content`], where more than `limit_bytes` is an error.
    ///
    /// # Errors
    /// [`GitError::Limit`] when it is larger, [`GitError::Damaged`] when there is no such blob.
    pub fn read(&self, blob: &BlobId, limit_bytes: usize) -> Result<Vec<u8>, GitError> {
        match self.content(blob, limit_bytes)? {
            Content::Bytes(bytes) => Ok(bytes),
            Content::TooLarge { size_bytes } => {
                let what = format!("blob {} ({size_bytes} bytes)", blob.short());
                Err(GitError::Limit { what, limit: format!("{limit_bytes} bytes") })
            }
        }
    }
}

/// What a blob holds, as far as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The whole content, as bytes.
    Bytes(Vec<u8>),
    /// More than is read.
    TooLarge {
        /// How much it really is.
        size_bytes: u64,
    },
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

    /// A folder. One that no Git program would write is damage: what would be read of it is a guess.
    pub(super) fn tree(&self, id: git2::Oid) -> Result<git2::Tree<'a>, GitError> {
        #[cfg(test)]
        super::fixture::note_read(1);
        let tree = self.repository.find_tree(id).map_err(self.failed())?;
        let is_bad = |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.contains(&b'/');
        let mut seen = std::collections::HashSet::with_capacity(tree.len());
        for entry in &tree {
            let name = entry.name_bytes().to_vec();
            if is_bad(&name) || seen.contains(&name) {
                let id = id.to_string();
                let what = format!("the folder object {} (entry {:?})", &id[..7], lossy(&name));
                return Err(GitError::Malformed { what, dir: self.dir.to_owned() });
            }
            seen.insert(name);
        }
        Ok(tree)
    }

    /// The folder `path` of a commit (`""` is its root); `None` when there is none of that name.
    pub(super) fn folder(&self, commit: &CommitId, path: &str) -> Result<Option<git2::Tree<'a>>, GitError> {
        let root = self.tree(self.commit(commit)?.tree_id())?;
        if path.is_empty() {
            return Ok(Some(root));
        }
        match self.entry(&root, path)? {
            Some(entry) if entry.kind() == Some(git2::ObjectType::Tree) => self.tree(entry.id()).map(Some),
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
        // Each folder on the way.
        #[cfg(test)]
        super::fixture::note_read(path.as_str().matches('/').count());
        match tree.get_path(Path::new(path.as_str())) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(wrap(self.dir, error)),
        }
    }
}

/// What libgit2 says about the repository in `dir`.
pub(super) fn wrap(dir: &Path, source: git2::Error) -> GitError {
    let dir = dir.to_owned();
    if source.code() == git2::ErrorCode::Locked {
        return GitError::Locked { dir, source };
    }
    match trouble(&source) {
        Trouble::Content => {
            GitError::Malformed { what: format!("an object of it ({})", printable(source.message())), dir }
        }
        Trouble::Object => GitError::Damaged { dir, source },
        Trouble::Other => GitError::Repository { dir, source },
    }
}

/// What an error of libgit2 speaks of.
enum Trouble {
    /// An object whose content is what its id says, and cannot be understood.
    Content,
    /// An object that is not there, or is not what its id says.
    Object,
    /// Anything else: the disk, a reference, a setting.
    Other,
}

/// libgit2 compares an object with its id before it parses it, so what does not parse was made so.
fn trouble(source: &git2::Error) -> Trouble {
    use git2::ErrorClass as Class;
    let class = source.class();
    if matches!(class, Class::Tree | Class::Object) && source.code() != git2::ErrorCode::NotFound {
        Trouble::Content
    } else if matches!(class, Class::Odb | Class::Object | Class::Tree | Class::Zlib | Class::Indexer) {
        Trouble::Object
    } else {
        Trouble::Other
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
        // The folder that Git compares with `safe.directory`, which is not always the one that was asked for.
        let named = source.message().split('\'').nth(1).map(|path| path.trim_end_matches('/'));
        GitError::NotOwned {
            path: named.filter(|path| !path.is_empty()).map_or_else(|| path.to_owned(), PathBuf::from),
        }
    } else if source.message().contains("unsupported") {
        GitError::Unsupported { path: path.to_owned(), detail: source.message().to_owned() }
    } else {
        wrap(path, source)
    }
}
