//! Definitions out of a commit: read as blobs, never a checkout.

use crate::definitions::{InputDigest, Loaded, MAX_FILE_BYTES, Role, SourceFile, defaults_for, load, role};
use crate::git::{CommitId, GitError, Reader, RepoPath};

/// A definition as one commit has it.
#[derive(Debug)]
pub struct Definition {
    /// What came of it.
    pub loaded: Loaded,
    /// Digest of the file and of what it inherits.
    pub digest: InputDigest,
}

/// Reads the environment file at `path` with the defaults it inherits. `None` when the commit has no
/// such file. Blocking.
///
/// # Errors
/// [`GitError`] when the mirror cannot be read.
pub fn load_at(
    reader: &Reader,
    commit: &CommitId,
    root: &RepoPath,
    path: &str,
) -> Result<Option<Definition>, GitError> {
    if reader.blob_at(commit, path)?.is_none() {
        return Ok(None);
    }
    let mut files = Vec::new();
    let mut blobs = Vec::new();
    let chain = defaults_for(path, root.as_str());
    for candidate in chain.iter().map(String::as_str).chain([path]) {
        let Some(blob) = reader.blob_at(commit, candidate)? else { continue };
        let file = match reader.read(&blob, MAX_FILE_BYTES) {
            Ok(bytes) => SourceFile::from_bytes(candidate, &bytes),
            // `definitions` refuses it, by name.
            Err(GitError::Limit { .. }) => SourceFile::too_large(candidate, MAX_FILE_BYTES as u64 + 1),
            Err(error) => return Err(error),
        };
        files.push(file);
        blobs.push((candidate, blob.to_string()));
    }
    let pairs: Vec<(&str, &str)> = blobs.iter().map(|(path, blob)| (*path, blob.as_str())).collect();
    Ok(Some(Definition { loaded: load(&files), digest: InputDigest::of(&pairs) }))
}

/// The paths of all environment files in `folder` and below it. Blocking.
///
/// # Errors
/// [`GitError`] when the mirror cannot be read.
pub fn environment_files(
    reader: &Reader,
    commit: &CommitId,
    folder: &RepoPath,
    root: &RepoPath,
) -> Result<Vec<String>, GitError> {
    let entries = reader.tree(commit, folder)?;
    let environments = entries
        .into_iter()
        .filter(|entry| matches!(role(&entry.path, root.as_str()), Role::Environment { .. }));
    Ok(environments.map(|entry| entry.path).collect())
}
