//! Definitions out of a commit: read as blobs, never a checkout.

use crate::definitions::{
    InputDigest, Loaded, MAX_FILE_BYTES, Role, SourceFile, Unreadable, defaults_for, hides_definitions, load,
    role,
};
use crate::git::{
    BlobId, CommitId, Content, EntryKind, Found, GitError, Lasting, Namesake, Reader, RepoPath, Snapshot,
    renaming,
};

/// A definition as one commit has it.
#[derive(Debug)]
pub struct Definition {
    /// What came of it.
    pub loaded: Loaded,
    /// Digest of the file and of what it inherits.
    pub digest: InputDigest,
    /// What its own file says; empty where it cannot be read as text.
    pub text: String,
}

/// Reads the environment file at `path` with the defaults it inherits. `None` when the commit has no
/// such file. A link or submodule in the place of one of these files, or of a folder on the way to it, is
/// an error of the definition: what it hides is not gone. Blocking.
///
/// # Errors
/// [`GitError`] when the mirror cannot be read.
pub fn load_at(snapshot: &Snapshot<'_>, root: &RepoPath, path: &str) -> Result<Option<Definition>, GitError> {
    let Some(own) = read(snapshot, path)? else { return Ok(None) };
    let mut found: Vec<(String, Read)> = Vec::new();
    for candidate in defaults_for(path, root.as_str()) {
        if let Some(file) = read(snapshot, &candidate)? {
            found.push((candidate, file));
        }
    }
    found.push((path.to_owned(), own));
    let pairs: Vec<(&str, &str)> =
        found.iter().map(|(path, found)| (path.as_str(), found.identity.as_str())).collect();
    let digest = InputDigest::of(&pairs);
    let mut files: Vec<SourceFile> = found.into_iter().map(|(_, found)| found.file).collect();
    // One link can stand in the way of several files.
    files.dedup_by(|a, b| a.path() == b.path());
    let own = files.iter().rev().find(|file| file.path() == path);
    let text = own.map(SourceFile::text).unwrap_or_default().to_owned();
    Ok(Some(Definition { loaded: load(&files), digest, text }))
}

/// A file, and what makes it another one.
struct Read {
    file: SourceFile,
    identity: String,
}

fn read(snapshot: &Snapshot<'_>, path: &str) -> Result<Option<Read>, GitError> {
    let blob = match snapshot.at(path)? {
        Some(Found::File(blob)) => blob,
        Some(Found::Obstacle { path, kind }) => {
            let identity = format!("{kind:?}");
            return Ok(Some(Read { file: SourceFile::refused(path, in_the_way(kind)), identity }));
        }
        Some(Found::Folder) | None => return Ok(None),
    };
    let file = match snapshot.reader().content(&blob, MAX_FILE_BYTES)? {
        Content::Bytes(bytes) => SourceFile::from_bytes(path, &bytes),
        // `definitions` refuses it, by name.
        Content::TooLarge { size_bytes } => SourceFile::too_large(path, size_bytes),
    };
    Ok(Some(Read { file, identity: blob.to_string() }))
}

/// Why an entry of this kind is not read; `None` for a regular file.
#[must_use]
pub fn unreadable(kind: EntryKind) -> Option<Unreadable> {
    match kind {
        EntryKind::File => None,
        EntryKind::Symlink => Some(Unreadable::SymbolicLink),
        EntryKind::Submodule => Some(Unreadable::Submodule),
    }
}

/// Why nothing is read below an entry of this kind that stands where a folder should be.
#[must_use]
pub fn in_the_way(kind: EntryKind) -> Unreadable {
    unreadable(kind).unwrap_or(Unreadable::NoFolder)
}

/// The paths of all environment files in `folder` and below it, and of the links and submodules there
/// that hide some. Blocking.
///
/// # Errors
/// [`GitError`] when the mirror cannot be read.
pub fn environment_files(
    reader: &Reader,
    commit: &CommitId,
    folder: &RepoPath,
    root: &RepoPath,
) -> Result<Vec<String>, GitError> {
    if let Some((path, _)) = reader.obstacle(commit, folder.as_str())? {
        return Ok(vec![path]);
    }
    let entries = reader.tree(commit, folder)?.into_iter();
    let environments = entries.filter(|entry| is_environment(&entry.path, entry.kind, root));
    Ok(environments.map(|entry| entry.path).collect())
}

/// What is called as the folder of the definitions is but for casing, and holds or hides definitions that nobody
/// reads. Blocking.
///
/// # Errors
/// [`GitError::OtherCasing`] or [`GitError::NoFolder`] where the folder itself is not there: nobody removes, or never
/// gets, all environments that way. [`GitError`] when the mirror cannot be read.
pub fn miscased(reader: &Reader, commit: &CommitId, root: &RepoPath) -> Result<Vec<Miscased>, GitError> {
    let (own, others): (Vec<Namesake>, Vec<Namesake>) =
        reader.namesakes(commit, root)?.into_iter().partition(|one| one.path == root.as_str());
    let mut found = Vec::new();
    for one in others {
        if !holds_definitions(reader, commit, &one)? {
            continue;
        }
        let Namesake { path, kind, id } = one;
        let (root, is_there) = (root.to_string(), !own.is_empty());
        let remedy = match kind {
            Some(kind) if is_there => format!("it {kind}; {root} is the folder of the definitions"),
            Some(kind) => return Err(GitError::NoFolder { path, kind, root }),
            None if is_there => renaming(&path, &root, is_there),
            None => {
                let remedy = renaming(&path, &root, is_there);
                return Err(GitError::OtherCasing { path, root, remedy });
            }
        };
        found.push(Miscased { path, remedy, id });
    }
    Ok(found)
}

/// Something whose name is that of the definitions' folder but for casing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miscased {
    /// What is there.
    pub path: String,
    /// The command that brings what is in it to where it is read; of what is no folder, what it is.
    pub remedy: String,
    /// Its content.
    pub id: BlobId,
}

fn holds_definitions(reader: &Reader, commit: &CommitId, folder: &Namesake) -> Result<bool, GitError> {
    match (folder.kind, folder.path.parse::<RepoPath>()) {
        (Some(EntryKind::File), _) | (_, Err(_)) => Ok(false),
        (Some(EntryKind::Symlink | EntryKind::Submodule), Ok(_)) => Ok(true),
        (None, Ok(path)) => match reader.tree(commit, &path) {
            Ok(entries) => Ok(entries.iter().any(|entry| is_meant(&entry.path, entry.kind, &path))),
            // There is more in it than would be read.
            Err(error) if error.lasting() == Lasting::OfTheCommit => Ok(true),
            Err(error) => Err(error),
        },
    }
}

fn is_meant(path: &str, kind: EntryKind, root: &RepoPath) -> bool {
    role(path, root.as_str()) != Role::Other || is_environment(path, kind, root)
}

/// Whether an entry is an environment file, or hides some.
#[must_use]
pub fn is_environment(path: &str, kind: EntryKind, root: &RepoPath) -> bool {
    match role(path, root.as_str()) {
        Role::Environment { .. } => true,
        Role::Defaults { .. } => false,
        Role::Other => {
            unreadable(kind).is_some() && kind.is_relevant(path) && hides_definitions(path, root.as_str())
        }
    }
}
