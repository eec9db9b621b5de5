//! The files of one commit, found by path.
//!
//! Why: a change of many files asks for many paths of one commit, and looking each of them up from the
//! root reads the folders on the way again and again. A snapshot reads each folder once, so that the cost
//! of many look-ups follows their number. Guarantees: nothing is read that is not asked for; it holds at
//! most the folders on the ways that were asked for, and lives as long as one piece of work.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::changes::Node;
use super::error::GitError;
use super::id::{BlobId, CommitId};
use super::listing::{EntryKind, check_depth, lossy};
use super::reader::Reader;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A regular file, whether it may be executed or not.
    File(BlobId),
    /// A symbolic link or a submodule, there or where a folder on the way should be; or a file where such a
    /// folder should be.
    Obstacle {
        /// Its path, relative to the repository.
        path: String,
        /// What it is.
        kind: EntryKind,
    },
    /// A folder, which holds what lies below its path.
    Folder,
}

/// A folder's entries by name. Bytes that are not UTF-8 are replaced, as in every path of this module.
type Level = HashMap<String, Node>;

/// The files of one commit. Blocking.
pub struct Snapshot<'r> {
    reader: &'r Reader,
    root: git2::Oid,
    levels: RefCell<HashMap<String, Option<Rc<Level>>>>,
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Reader {
    /// The files of `commit`.
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`]; [`GitError::Damaged`] when the commit cannot be read.
    pub fn snapshot(&self, commit: &CommitId) -> Result<Snapshot<'_>, GitError> {
        let root = self.with(|opened| Ok(opened.commit(commit)?.tree_id()))?;
        Ok(Snapshot { reader: self, root, levels: RefCell::default() })
    }
}

impl Snapshot<'_> {
    /// The reader that it reads with.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        self.reader
    }

    /// What stands at `path`, relative to the root of the repository; `None` when there is nothing.
    ///
    /// # Errors
    /// [`GitError::Limit`] more than 32 folders deep; [`GitError::Damaged`] when a folder on the way
    /// cannot be read.
    pub fn at(&self, path: &str) -> Result<Option<Found>, GitError> {
        if path.is_empty() {
            return Ok(Some(Found::Folder));
        }
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        let mut folder = "";
        for reached in ends.map(|end| &path[..end]) {
            let name = reached[folder.len()..].trim_start_matches('/');
            let Some(level) = self.level(folder)? else { return Ok(None) };
            match level.get(name) {
                None => return Ok(None),
                Some(Node::Folder(_)) => folder = reached,
                Some(Node::Entry { id, kind: EntryKind::File, .. }) if reached == path => {
                    return Ok(Some(Found::File(BlobId::from_oid(*id))));
                }
                Some(Node::Entry { kind, .. }) => {
                    return Ok(Some(Found::Obstacle { path: reached.to_owned(), kind: *kind }));
                }
            }
        }
        Ok(Some(Found::Folder))
    }

    /// The entries of a folder, read at the first question; `None` when it is not there. The folder around
    /// it has been asked for before.
    fn level(&self, folder: &str) -> Result<Option<Rc<Level>>, GitError> {
        if let Some(level) = self.levels.borrow().get(folder) {
            return Ok(level.clone());
        }
        check_depth(folder)?;
        let id = match folder.rsplit_once('/').unwrap_or(("", folder)) {
            ("", "") => Some(self.root),
            (around, name) => match self.level(around)?.as_deref().and_then(|level| level.get(name)) {
                Some(Node::Folder(id)) => Some(*id),
                Some(Node::Entry { .. }) | None => None,
            },
        };
        let level = id.map(|id| self.reader.with(|opened| opened.level(Some(id)))).transpose()?;
        let level = level.map(|level| {
            Rc::new(level.into_iter().map(|(name, node)| (lossy(&name), node)).collect::<Level>())
        });
        self.levels.borrow_mut().insert(folder.to_owned(), level.clone());
        Ok(level)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn a_path_leads_to_a_file_a_folder_or_what_stands_in_the_way() {
        let world = Fixture::new();
        world.write("env/prod/a.yaml", "1");
        world.commit("env/b.yaml", "2", "files");
        let blob = world.blob("elsewhere");
        world.git(&["update-index", "--add", "--cacheinfo", &format!("120000,{blob},env/link")]);
        let pinned = format!("160000,{},env/sub", "1".repeat(40));
        world.git(&["update-index", "--add", "--cacheinfo", &pinned]);
        world.git(&["commit", "-q", "-m", "obstacles"]);
        let commit = world.git(&["rev-parse", "HEAD"]).parse().unwrap();
        let reader = world.reader();
        let snapshot = reader.snapshot(&commit).unwrap();
        let obstacle = |path: &str, kind| Some(Found::Obstacle { path: path.to_owned(), kind });
        for (path, found) in [
            ("env/link", obstacle("env/link", EntryKind::Symlink)),
            ("env/link/x/y.yaml", obstacle("env/link", EntryKind::Symlink)),
            ("env/sub/x.yaml", obstacle("env/sub", EntryKind::Submodule)),
            ("env/prod", Some(Found::Folder)),
            ("", Some(Found::Folder)),
            ("env/b.yaml/x", obstacle("env/b.yaml", EntryKind::File)),
            ("env/absent/x.yaml", None),
            ("/", None),
            ("../x", None),
        ] {
            assert_eq!(snapshot.at(path).unwrap(), found, "{path}");
        }
        for path in ["env/prod/a.yaml", "env/b.yaml"] {
            let blob = reader.blob_at(&commit, path).unwrap().unwrap();
            assert_eq!(snapshot.at(path).unwrap(), Some(Found::File(blob)), "{path}");
        }
    }

    #[test]
    fn each_folder_is_read_once() {
        let world = Fixture::new();
        let commit = world.import((0..500).map(|index| (format!("env/e{index}.yaml"), String::new())));
        let reader = world.reader();
        let snapshot = reader.snapshot(&commit).unwrap();
        for index in 0..500 {
            assert!(matches!(snapshot.at(&format!("env/e{index}.yaml")).unwrap(), Some(Found::File(_))));
            assert_eq!(snapshot.at(&format!("env/absent/e{index}.yaml")).unwrap(), None);
        }
        assert_eq!(snapshot.levels.borrow().len(), 2, "the root and `env`");
    }
}
