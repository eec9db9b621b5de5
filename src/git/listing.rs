//! Which definition files a commit has.
//!
//! Guarantees: entries come in Git's order (by path within a folder); what cannot be read as a file is
//! reported as what it is, so that nobody wonders why it is ignored.

use super::error::GitError;
use super::id::{BlobId, CommitId, MAX_DEPTH, RepoPath};
use super::reader::{Opened, Reader};

use crate::text::both_ends;

/// How many entries one listing may have.
pub(super) const MAX_ENTRIES: usize = 100_000;

/// What an entry of a tree is, by its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, executable or not.
    File,
    /// A symbolic link. Its blob is the target's path; it is not followed.
    Symlink,
    /// Another repository. It is not entered.
    Submodule,
}

/// An entry of a commit's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The path relative to the root of the repository, with slashes. Bytes that are not UTF-8 are
    /// replaced (U+FFFD).
    pub path: String,
    /// The content; for a submodule the id of the commit that it pins, which cannot be read here.
    pub blob: BlobId,
    /// The size of the content in bytes; zero for a submodule.
    pub size_bytes: u64,
    /// What it is: a file, a folder, a link, a submodule.
    pub kind: EntryKind,
}

impl Reader {
    /// All definition files (`.yaml`, `.yml`, `.toml`) below `root`, with the symbolic links and
    /// submodules that could be meant to hold some. An absent `root` has none.
    ///
    /// # Errors
    /// [`GitError::Limit`] above 100,000 entries or 32 folders deep; [`GitError::UnknownCommit`].
    pub fn tree(&self, commit: &CommitId, root: &RepoPath) -> Result<Vec<TreeEntry>, GitError> {
        self.tree_with(commit, root, &|_| false)
    }

    /// As [`Reader::tree`], with the other files whose path is `also` wanted.
    ///
    /// # Errors
    /// As [`Reader::tree`].
    pub fn tree_with(
        &self,
        commit: &CommitId,
        root: &RepoPath,
        also: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<TreeEntry>, GitError> {
        self.with(|opened| {
            let mut found = Vec::new();
            if let Some(tree) = opened.folder(commit, root.as_str())? {
                opened.list(&tree, root.as_str(), (Descent::AllBelow, also), &mut found)?;
            }
            Ok(found)
        })
    }

    /// The definition files (and links and submodules, as [`Reader::tree`] reports them) directly in
    /// `folder`, `""` being the root of the repository. An absent folder has none.
    ///
    /// # Errors
    /// As [`Reader::tree`].
    pub fn entries_in(&self, commit: &CommitId, folder: &str) -> Result<Vec<TreeEntry>, GitError> {
        self.with(|opened| {
            let mut found = Vec::new();
            if let Some(tree) = opened.folder(commit, folder)? {
                opened.list(&tree, folder, (Descent::OneLevel, &|_| false), &mut found)?;
            }
            Ok(found)
        })
    }

    /// What is no folder at `path`, or where a folder on the way to it should be, with its path; `None` when there
    /// are nothing but folders up to there, or nothing at all.
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`]; [`GitError::Repository`] when the repository is damaged.
    pub fn obstacle(&self, commit: &CommitId, path: &str) -> Result<Option<(String, EntryKind)>, GitError> {
        self.with(|opened| {
            let Some(root) = opened.folder(commit, "")? else { return Ok(None) };
            let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
            for reached in ends.take(MAX_DEPTH).map(|end| &path[..end]) {
                match opened.entry(&root, reached)?.as_ref().map(kind_of) {
                    // A folder.
                    Some(None) => {}
                    Some(Some(kind)) => return Ok(Some((reached.to_owned(), kind))),
                    None => return Ok(None),
                }
            }
            Ok(None)
        })
    }

    /// The content of the regular file at `path`; `None` for anything else.
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`]; [`GitError::Repository`] when the repository is damaged.
    pub fn blob_at(&self, commit: &CommitId, path: &str) -> Result<Option<BlobId>, GitError> {
        if path.is_empty() {
            return Ok(None);
        }
        self.with(|opened| {
            let Some(root) = opened.folder(commit, "")? else { return Ok(None) };
            let entry = opened.entry(&root, path)?;
            Ok(entry
                .filter(|entry| kind_of(entry) == Some(EntryKind::File))
                .map(|e| BlobId::from_oid(e.id())))
        })
    }
}

#[derive(Clone, Copy)]
enum Descent {
    OneLevel,
    AllBelow,
}

impl Opened<'_> {
    fn list(
        &self,
        tree: &git2::Tree<'_>,
        folder: &str,
        (descent, also): (Descent, &dyn Fn(&str) -> bool),
        found: &mut Vec<TreeEntry>,
    ) -> Result<(), GitError> {
        check_depth(folder)?;
        for entry in tree {
            let path = joined(folder, entry.name_bytes());
            let is_folder = entry.kind() == Some(git2::ObjectType::Tree);
            match (kind_of(&entry), descent) {
                (Some(kind), _) if kind.is_relevant(&path) || also(&path) => {
                    check_count(found.len(), folder)?;
                    found.push(self.describe(&entry, kind, path)?);
                }
                (None, Descent::AllBelow) if is_folder => {
                    let below = self.tree(entry.id())?;
                    self.list(&below, &path, (descent, also), found)?;
                }
                (Some(_) | None, Descent::OneLevel | Descent::AllBelow) => {}
            }
        }
        Ok(())
    }

    fn describe(
        &self,
        entry: &git2::TreeEntry<'_>,
        kind: EntryKind,
        path: String,
    ) -> Result<TreeEntry, GitError> {
        let size_bytes = match kind {
            EntryKind::Submodule => 0,
            EntryKind::File | EntryKind::Symlink => {
                let odb = self.repository.odb().map_err(self.failed())?;
                odb.read_header(entry.id()).map_err(self.failed())?.0 as u64
            }
        };
        Ok(TreeEntry { path, blob: BlobId::from_oid(entry.id()), size_bytes, kind })
    }
}

/// `None` for a folder.
pub(super) fn kind_of(entry: &git2::TreeEntry<'_>) -> Option<EntryKind> {
    /// The file type in a mode, and that of a symbolic link (`stat(2)`).
    const TYPE: i32 = 0o170_000;
    const LINK: i32 = 0o120_000;
    match entry.kind() {
        Some(git2::ObjectType::Commit) => Some(EntryKind::Submodule),
        Some(git2::ObjectType::Blob) if entry.filemode() & TYPE == LINK => Some(EntryKind::Symlink),
        Some(git2::ObjectType::Blob) => Some(EntryKind::File),
        Some(git2::ObjectType::Tree | git2::ObjectType::Tag | git2::ObjectType::Any) | None => None,
    }
}

impl std::fmt::Display for EntryKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "is a file",
            Self::Symlink => "is a symbolic link",
            Self::Submodule => "is a submodule",
        })
    }
}

impl EntryKind {
    /// Whether such an entry at `path` is a definition by its name, or could stand for some: a submodule,
    /// or a link without an extension.
    #[must_use]
    pub fn is_relevant(self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        let is_known = |e: &str| ["yaml", "yml", "toml"].iter().any(|known| e.eq_ignore_ascii_case(known));
        match self {
            Self::File => extension.is_some_and(is_known),
            Self::Symlink => extension.is_none_or(is_known),
            Self::Submodule => true,
        }
    }
}

pub(super) fn joined(folder: &str, name: &[u8]) -> String {
    let name = lossy(name);
    if folder.is_empty() { name } else { format!("{folder}/{name}") }
}

/// A name as text; bytes that are not UTF-8 are replaced (U+FFFD).
pub(super) fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

pub(super) fn check_depth(folder: &str) -> Result<(), GitError> {
    if folder.split('/').count() > MAX_DEPTH {
        let what = format!("the depth of the folder {}", cut(folder));
        return Err(GitError::Limit { what, limit: format!("{MAX_DEPTH} folders") });
    }
    Ok(())
}

pub(super) fn check_count(count: usize, folder: &str) -> Result<(), GitError> {
    if count >= MAX_ENTRIES {
        let what = format!("the number of files below {}", cut(folder));
        return Err(GitError::Limit { what, limit: format!("{MAX_ENTRIES} files") });
    }
    Ok(())
}

/// A folder as a message names it. Whoever reads it in a status must still see what is wrong with it.
fn cut(folder: &str) -> String {
    const LONGEST: usize = 40;
    format!("{:?}", both_ends(folder, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::reader::Content;
    use super::*;

    #[test]
    fn links_and_submodules_are_reported_as_what_they_are() {
        let world = Fixture::new();
        world.write("environments/prod/a.yaml", "a: 1\n");
        world.write("environments/b.TOML", "b = 1\n");
        world.write("environments/readme.md", "no\n");
        world.write("elsewhere/c.yaml", "c: 1\n");
        std::os::unix::fs::symlink("b.TOML", world.work.join("environments/link.yaml")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", world.work.join("environments/more")).unwrap();
        let pinned = "1".repeat(40);
        world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{pinned},environments/sub")]);
        let commit = world.commit("environments/z.yml", "z: 1\n", "all kinds");
        let reader = world.reader();
        let listed: Vec<_> = reader
            .tree(&commit, &"environments".parse().unwrap())
            .unwrap()
            .into_iter()
            .map(|entry| (entry.path, entry.kind, entry.size_bytes))
            .collect();
        let expected = [
            ("environments/b.TOML", EntryKind::File, 6),
            ("environments/link.yaml", EntryKind::Symlink, 6),
            ("environments/more", EntryKind::Symlink, 12),
            ("environments/prod/a.yaml", EntryKind::File, 5),
            ("environments/sub", EntryKind::Submodule, 0),
            ("environments/z.yml", EntryKind::File, 5),
        ];
        assert_eq!(listed, expected.map(|(path, kind, size)| (path.to_owned(), kind, size)));
        let level = reader.entries_in(&commit, "environments/prod").unwrap();
        assert_eq!(
            level.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>(),
            ["environments/prod/a.yaml"]
        );
        assert_eq!(reader.entries_in(&commit, "absent").unwrap(), []);
        assert_eq!(reader.tree(&commit, &"environments/b.TOML".parse().unwrap()).unwrap(), []);
        assert_eq!(reader.tree(&commit, &RepoPath::root()).unwrap().len(), 7);
        assert!(reader.blob_at(&commit, "environments/b.TOML").unwrap().is_some());
        for (path, obstacle) in [
            ("environments/more/x/y.yaml", Some(("environments/more", EntryKind::Symlink))),
            ("environments/link.yaml", Some(("environments/link.yaml", EntryKind::Symlink))),
            ("environments/sub/x.yaml", Some(("environments/sub", EntryKind::Submodule))),
            ("environments/b.TOML", Some(("environments/b.TOML", EntryKind::File))),
            ("environments/b.TOML/x", Some(("environments/b.TOML", EntryKind::File))),
            ("environments/prod", None),
            ("environments/absent/x.yaml", None),
            ("", None),
        ] {
            let expected = obstacle.map(|(path, kind)| (path.to_owned(), kind));
            assert_eq!(reader.obstacle(&commit, path).unwrap(), expected, "{path}");
        }
        for nothing in ["environments/link.yaml", "environments", "x/y", "", "/", "../x"] {
            assert_eq!(reader.blob_at(&commit, nothing).unwrap(), None, "{nothing}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let world = Fixture::new();
        let commit = world.commit("a.yaml", "12345", "content");
        let reader = world.reader();
        let blob = |path| reader.blob_at(&commit, path).unwrap().unwrap();
        assert_eq!(reader.read(&blob("a.yaml"), 5).unwrap(), b"12345");
        assert_eq!(reader.content(&blob("a.yaml"), 4).unwrap(), Content::TooLarge { size_bytes: 5 });
        let error = reader.read(&blob("a.yaml"), 4).unwrap_err();
        assert!(error.to_string().contains("limit of 4 bytes"), "{error}");
    }

    #[test]
    fn a_tree_of_two_thousand_files_is_listed_whole() {
        let world = Fixture::new();
        let path = |index| format!("environments/team-{}/e{index}.yaml", index % 20);
        let first = world.import((0..2000).map(|index| (path(index), format!("n: {index}\n"))));
        let second = world.import(std::iter::once((path(3), "n: changed\n".to_owned())));
        let reader = world.reader();
        assert_eq!(reader.tree(&second, &"environments".parse().unwrap()).unwrap().len(), 2000);
        let changes = reader.changes(&first, &second, &RepoPath::root()).unwrap();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].path, "environments/team-3/e3.yaml");
    }

    #[test]
    fn a_bottomless_folder_is_a_limit_error() {
        let world = Fixture::new();
        let commit = world.commit(&format!("{}a.yaml", "d/".repeat(40)), "x", "deep");
        let error = world.reader().tree(&commit, &RepoPath::root()).unwrap_err();
        assert!(matches!(error, GitError::Limit { .. }), "{error}");
    }
}
