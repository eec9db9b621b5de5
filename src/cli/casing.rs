//! Folders of a working tree that are called as that of the definitions is, but for casing.
//!
//! Why names are read and not asked for: a file system that folds case answers for both, and the commit that is
//! pushed from it has one of them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path};

use crate::definitions::{Role, role};
use crate::git::is_alike;

/// How deep it is looked for a definition in such a folder.
const MAX_DEPTH: usize = 8;

/// Whether the folder `path` is in `dir`, with exactly this name.
pub(super) fn is_there(dir: &Path, path: &str) -> bool {
    let mut at = dir.to_owned();
    for part in Path::new(path).components() {
        if let Component::Normal(name) = part
            && is_relative(path)
            && !has(&at, name)
        {
            return false;
        }
        at.push(part);
    }
    at.is_dir()
}

/// The folders in `dir` that hold definitions and are called `path` in another casing.
pub(super) fn beside(dir: &Path, path: &str) -> Vec<String> {
    if !is_relative(path) {
        return Vec::new();
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    let mut found = vec![String::new()];
    for segment in &segments {
        let mut next = Vec::new();
        for before in &found {
            let alike = names(&dir.join(before)).into_iter().filter(|name| is_alike(name, segment));
            next.extend(alike.map(|name| if before.is_empty() { name } else { format!("{before}/{name}") }));
        }
        found = next;
    }
    found.retain(|other| *other != segments.join("/") && holds_definitions(&dir.join(other), 0));
    found
}

/// Whether a path stays below where it begins.
fn is_relative(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Whether a folder has a name, where it can be read.
fn has(folder: &Path, name: &OsStr) -> bool {
    fs::read_dir(folder).map_or(true, |entries| entries.flatten().any(|entry| entry.file_name() == name))
}

fn holds_definitions(folder: &Path, depth: usize) -> bool {
    depth < MAX_DEPTH
        && !folder.is_symlink()
        && names(folder).iter().filter(|name| !name.starts_with(['.', '_'])).any(|name| {
            role(name, "") != Role::Other && folder.join(name).is_file()
                || holds_definitions(&folder.join(name), depth + 1)
        })
}

/// The names in a folder, in order; none of what is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_under_its_own_name_only() {
        let dir = tempfile::tempdir().unwrap();
        for path in
            ["Infra/environments/a.yaml", "infra/ENVIRONMENTS/eu/b.toml", "infra/Environments/README.md"]
        {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x: 1").unwrap();
        }
        let folder = "infra/environments";
        assert!(!is_there(dir.path(), folder) && is_there(dir.path(), "infra/ENVIRONMENTS"));
        assert_eq!(beside(dir.path(), folder), ["Infra/environments", "infra/ENVIRONMENTS"]);
        fs::create_dir_all(dir.path().join(folder)).unwrap();
        assert!(is_there(dir.path(), folder) && is_there(dir.path(), ""));
        assert!(beside(dir.path(), "").is_empty());
    }
}
