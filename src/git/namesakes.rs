//! What is called as a folder is, but for the casing of some letters.
//!
//! Why: on a file system that folds case both are one folder, and who works there does not see that Git has
//! another name than the settings.

use super::error::GitError;
use super::id::{BlobId, CommitId, RepoPath};
use super::listing::{EntryKind, kind_of, lossy};
use super::reader::Reader;

/// Most that are looked at: each letter can be written in two ways.
const MAX_NAMESAKES: usize = 20;

/// Something whose path is that of a folder, but for casing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namesake {
    /// Its path.
    pub path: String,
    /// What it is; `None` for a folder.
    pub kind: Option<EntryKind>,
    /// What is in it: another id, another content.
    pub id: BlobId,
}

impl Reader {
    /// Whatever is called `folder` in any casing, `folder` itself included where it is there. What is no folder is
    /// only told in the place of the folder itself, not on the way to it.
    ///
    /// # Errors
    /// [`GitError::UnknownCommit`]; [`GitError::Repository`] when the repository is damaged.
    pub fn namesakes(&self, commit: &CommitId, folder: &RepoPath) -> Result<Vec<Namesake>, GitError> {
        if *folder == RepoPath::root() {
            return Ok(Vec::new());
        }
        self.with(|opened| {
            let root = opened.folder(commit, "")?;
            let mut found: Vec<Namesake> = Vec::new();
            for (depth, segment) in folder.as_str().split('/').enumerate() {
                let mut folders = Vec::new();
                match depth {
                    0 => folders.extend(root.clone().map(|tree| (String::new(), tree))),
                    _ => {
                        for one in found.iter().filter(|one| one.kind.is_none()) {
                            folders.push((format!("{}/", one.path), opened.tree(one.id.oid())?));
                        }
                    }
                }
                found = Vec::new();
                for (before, tree) in &folders {
                    for entry in tree {
                        let name = lossy(entry.name_bytes());
                        if is_alike(&name, segment) && found.len() < MAX_NAMESAKES {
                            let (kind, id) = (kind_of(&entry), BlobId::from_oid(entry.id()));
                            found.push(Namesake { path: format!("{before}{name}"), kind, id });
                        }
                    }
                }
            }
            Ok(found)
        })
    }
}

/// Whether two names are one on a file system that folds case.
#[must_use]
pub fn is_alike(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// The command that brings what is in the folder `path` to `folder`, from the top of the repository. Where `folder`
/// is not there yet it goes by a third name: a file system that folds case takes the two for the same.
#[must_use]
pub fn renaming(path: &str, folder: &str, is_there: bool) -> String {
    let (from, to) = (quoted(path), quoted(folder));
    if is_there {
        return format!("git mv {from}/* {to}/");
    }
    let (parent, name) = folder.rsplit_once('/').map_or(("", folder), |(parent, name)| (parent, name));
    let between = quoted(&format!("{name}.new"));
    let made = match parent {
        "" => String::new(),
        parent => format!("mkdir -p {} && ", quoted(parent)),
    };
    format!("git mv {from} {between} && {made}git mv {between} {to}")
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Fixture;

    fn paths(world: &Fixture, commit: &CommitId, folder: &str) -> Vec<String> {
        let found = world.reader().namesakes(commit, &folder.parse().unwrap()).unwrap();
        found.into_iter().map(|one| one.path).collect()
    }

    #[test]
    fn every_casing_of_a_folder_is_found_at_each_level() {
        let world = Fixture::new();
        for path in ["Infra/environments/a.yaml", "infra/ENVIRONMENTS/b.yaml", "infra/environment/c.yaml"] {
            world.commit(path, "x: 1", "a change");
        }
        let commit = world.commit("infra/Environments", "a file", "a change");
        assert_eq!(
            paths(&world, &commit, "infra/environments"),
            ["Infra/environments", "infra/ENVIRONMENTS", "infra/Environments"]
        );
        assert_eq!(paths(&world, &commit, "infra"), ["Infra", "infra"]);
        assert!(paths(&world, &commit, "").is_empty());
    }

    #[test]
    fn the_command_renames_in_a_repository_whatever_is_there() {
        for (path, folder, other) in [
            ("Environments", "environments", None),
            ("Infra/Environments", "infra/environments", None),
            ("My Envs", "my envs", None),
            ("ENVIRONMENTS", "environments", Some("environments/b.yaml")),
        ] {
            let world = Fixture::new();
            world.commit(&format!("{path}/a.yaml"), "x: 1", "a change");
            if let Some(other) = other {
                world.commit(other, "x: 1", "a change");
            }
            let command = renaming(path, folder, other.is_some());
            world.shell(&command);
            let commit = world.commit("README", "text", "renamed");
            assert_eq!(paths(&world, &commit, folder), [folder], "{command}");
            let tree = world.reader().tree(&commit, &folder.parse().unwrap()).unwrap();
            assert_eq!(tree.len(), 1 + usize::from(other.is_some()), "{command}");
        }
    }
}
