//! A notes tree: which blob annotates which commit.
//!
//! Git spreads notes over folders of two hexadecimal digits when they become many, to any depth, and
//! reads every mixture (git-notes(1), notes.c). We replace a note where it is and put a new one one
//! level down, so that a status rewrites two small trees however many notes there are. Entries that are
//! not notes are kept.

use git2::{ObjectType, Oid, Repository, Tree};

/// A regular file and a folder, as Git's trees spell them.
const FILE_MODE: i32 = 0o100_644;
const FOLDER_MODE: i32 = 0o040_000;

/// How deep Git can spread notes: every byte of the id but the last.
const MAX_LEVELS: usize = 19;

/// The blob that annotates the commit whose id (or what is left of it at this level) is `name`.
pub(super) fn find(repository: &Repository, tree: &Tree<'_>, name: &str) -> Result<Option<Oid>, git2::Error> {
    if let Some(note) = tree.get_name(name).filter(|entry| entry.kind() == Some(ObjectType::Blob)) {
        return Ok(Some(note.id()));
    }
    match name.split_at_checked(2).filter(|(_, rest)| !rest.is_empty()) {
        Some((digits, rest)) => match folder(repository, tree, digits)? {
            Some(below) => find(repository, &below, rest),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

/// The tree with `blob` as the note of `name`.
pub(super) fn with_note(
    repository: &Repository,
    tree: Option<&Tree<'_>>,
    name: &str,
    blob: Oid,
) -> Result<Oid, git2::Error> {
    place(repository, tree, name, blob, 0)
}

fn place(
    repository: &Repository,
    tree: Option<&Tree<'_>>,
    name: &str,
    blob: Oid,
    level: usize,
) -> Result<Oid, git2::Error> {
    let mut builder = repository.treebuilder(tree)?;
    let (digits, rest) = name.split_at(2);
    let is_here =
        tree.and_then(|tree| tree.get_name(name)).is_some_and(|entry| entry.kind() == Some(ObjectType::Blob));
    let below = match tree {
        Some(tree) => folder(repository, tree, digits)?,
        None => None,
    };
    if !is_here && level < MAX_LEVELS && (below.is_some() || level == 0) {
        let below = place(repository, below.as_ref(), rest, blob, level + 1)?;
        builder.insert(digits, below, FOLDER_MODE)?;
    } else {
        builder.insert(name, blob, FILE_MODE)?;
    }
    builder.write()
}

fn folder<'a>(
    repository: &'a Repository,
    tree: &Tree<'_>,
    name: &str,
) -> Result<Option<Tree<'a>>, git2::Error> {
    match tree.get_name(name).filter(|entry| entry.kind() == Some(ObjectType::Tree)) {
        Some(entry) => repository.find_tree(entry.id()).map(Some),
        None => Ok(None),
    }
}
