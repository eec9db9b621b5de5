//! What differs between two commits.
//!
//! Guarantees: folders with equal ids are not opened, so the cost follows the size of the change and of
//! the folders it is in, not of the repository. A renamed file is one that went and one that came.

use std::collections::BTreeMap;

use super::error::GitError;
use super::id::{BlobId, CommitId, RepoPath};
use super::listing::{EntryKind, check_count, check_depth, joined, kind_of};
use super::reader::{Opened, Reader};

/// A file that differs between two commits, of whatever extension. Symbolic links and submodules count
/// as files: their content is their target, or the commit that they pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path relative to the root of the repository.
    pub path: String,
    /// The content before; `None` when the file is new.
    pub before: Option<BlobId>,
    /// The content after; `None` when the file is gone. Equal to `before` when only the kind changed
    /// (a file became a link, or executable).
    pub after: Option<BlobId>,
    /// What it is after; what it was, when it is gone.
    pub kind: EntryKind,
}

/// What a name stands for in one folder. The mode is part of a file's identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Folder(git2::Oid),
    Entry { id: git2::Oid, mode: i32, kind: EntryKind },
}

pub(super) type Level = BTreeMap<Vec<u8>, Node>;

impl Reader {
    /// The files below `root` that differ between two commits, in the order of their paths.
    ///
    /// # Errors
    /// [`GitError::Limit`] above 100,000 changes; [`GitError::UnknownCommit`] for either commit.
    pub fn changes(&self, from: &CommitId, to: &CommitId, root: &RepoPath) -> Result<Vec<Change>, GitError> {
        self.with(|opened| opened.changes(from, to, root.as_str()))
    }
}

impl Opened<'_> {
    /// As [`Reader::changes`], for a repository that is open already.
    pub(super) fn changes(
        &self,
        from: &CommitId,
        to: &CommitId,
        root: &str,
    ) -> Result<Vec<Change>, GitError> {
        let before = self.folder(from, root)?.map(|tree| tree.id());
        let after = self.folder(to, root)?.map(|tree| tree.id());
        let mut changes = Vec::new();
        self.compare(before, after, root, &mut changes)?;
        Ok(changes)
    }

    fn compare(
        &self,
        before: Option<git2::Oid>,
        after: Option<git2::Oid>,
        folder: &str,
        changes: &mut Vec<Change>,
    ) -> Result<(), GitError> {
        if before == after {
            return Ok(());
        }
        match check_depth(folder) {
            Ok(()) => {}
            // What went from there was never read: a commit that removes it must not fail for it.
            Err(_) if after.is_none() => return Ok(()),
            Err(too_deep) => return Err(too_deep),
        }
        let (old, new) = (self.level(before)?, self.level(after)?);
        let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (old, new) = (old.get(name), new.get(name));
            if old == new {
                continue;
            }
            let path = joined(folder, name);
            let (before, after) = (blob(old), blob(new));
            if let Some(kind) = new.and_then(kind).or_else(|| old.and_then(kind)) {
                check_count(changes.len(), folder)?;
                changes.push(Change { path: path.clone(), before, after, kind });
            }
            self.compare(subfolder(old), subfolder(new), &path, changes)?;
        }
        Ok(())
    }

    /// The entries of a folder, by the bytes of their names.
    pub(super) fn level(&self, tree: Option<git2::Oid>) -> Result<Level, GitError> {
        let Some(id) = tree else { return Ok(Level::new()) };
        let tree = self.tree(id)?;
        let node = |entry: &git2::TreeEntry<'_>| match kind_of(entry) {
            Some(kind) => Node::Entry { id: entry.id(), mode: entry.filemode(), kind },
            None => Node::Folder(entry.id()),
        };
        Ok(tree.iter().map(|entry| (entry.name_bytes().to_vec(), node(&entry))).collect())
    }
}

fn blob(node: Option<&Node>) -> Option<BlobId> {
    match node {
        Some(Node::Entry { id, .. }) => Some(BlobId::from_oid(*id)),
        Some(Node::Folder(_)) | None => None,
    }
}

fn kind(node: &Node) -> Option<EntryKind> {
    match node {
        Node::Entry { kind, .. } => Some(*kind),
        Node::Folder(_) => None,
    }
}

fn subfolder(node: Option<&Node>) -> Option<git2::Oid> {
    match node {
        Some(Node::Folder(id)) => Some(*id),
        Some(Node::Entry { .. }) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    fn summary(changes: &[Change]) -> Vec<String> {
        let sign = |change: &Change| match (change.before, change.after) {
            (None, _) => '+',
            (_, None) => '-',
            (Some(_), Some(_)) => '~',
        };
        changes.iter().map(|change| format!("{} {}", sign(change), change.path)).collect()
    }

    #[test]
    fn a_commit_that_removes_what_is_too_deep_is_read() {
        let world = Fixture::new();
        let first = world.commit("env/a.yaml", "a", "first");
        let deep = world.commit(&format!("env/{}b.yaml", "d/".repeat(40)), "b", "deep");
        world.git(&["rm", "-q", "-r", "env/d"]);
        let mended = world.commit("env/a.yaml", "A", "mended");
        let reader = world.reader();
        let root = "env".parse().unwrap();
        assert!(matches!(reader.changes(&first, &deep, &root), Err(GitError::Limit { .. })));
        assert_eq!(summary(&reader.changes(&deep, &mended, &root).unwrap()), ["~ env/a.yaml"]);
    }

    #[test]
    fn changes_are_what_git_says_and_stay_below_the_root() {
        let world = Fixture::new();
        world.write("env/keep/k.yaml", "k");
        world.write("env/a.yaml", "a");
        world.write("env/x", "file, then folder");
        world.write("env/run.sh", "mode");
        let first = world.commit("env/old.yaml", "same", "first");
        world.git(&["mv", "env/old.yaml", "env/new.yaml"]);
        world.git(&["rm", "-q", "env/x"]);
        world.git(&["update-index", "--chmod=+x", "env/run.sh"]);
        world.write("env/x/inside.yaml", "now");
        world.write("other/b.yaml", "b");
        let second = world.commit("env/a.yaml", "A", "second");
        let reader = world.reader();
        let below = |root: &str| reader.changes(&first, &second, &root.parse().unwrap()).unwrap();
        assert_eq!(
            summary(&below("env")),
            [
                "~ env/a.yaml",
                "+ env/new.yaml",
                "- env/old.yaml",
                "~ env/run.sh",
                "- env/x",
                "+ env/x/inside.yaml"
            ]
        );
        assert_eq!(summary(&below("other")), ["+ other/b.yaml"]);
        assert_eq!(summary(&below("absent")), Vec::<String>::new());
        let mut by_git: Vec<_> = world
            .git(&["diff", "--name-only", "--no-renames", &first.to_string(), &second.to_string()])
            .lines()
            .map(str::to_owned)
            .collect();
        by_git.sort();
        let mut ours: Vec<_> = below("").into_iter().map(|change| change.path).collect();
        ours.sort();
        assert_eq!(ours, by_git);
        assert_eq!(reader.changes(&second, &second, &RepoPath::root()).unwrap(), []);
    }
}
