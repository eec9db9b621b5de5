//! Definition files → environments: from the working tree, or from a commit.
//!
//! Guarantees: both ways give the same files to the same function, `definitions::load_all`; symbolic
//! links and submodules are refused in both; what is read is bounded.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::casing;
use super::error::CliError;
use crate::attempt::source::{in_the_way, miscased, unreadable};
use crate::definitions::{
    Estate, InputDigest, MAX_FILE_BYTES, Role, SourceFile, Unreadable, defaults_for, load_all, other_casing,
    overlooked, role,
};
use crate::git::{CommitId, EntryKind, GitError, Local, Reader, RepoPath, open_local, renaming};
use crate::reconcile::Declared;

/// How deep folders of definitions may lie in each other, as in `git`.
const MAX_DEPTH: usize = 32;

/// How many files and folders may lie below the definitions folder.
const MAX_ENTRIES: usize = 100_000;

/// What a folder of definitions says.
#[derive(Debug)]
pub(super) struct Sources {
    /// The environments, and everything that is wrong.
    pub(super) estate: Estate,
    /// The folder of the definitions, relative to the repository.
    pub(super) root: String,
    /// The folder that paths are relative to; `None` for a bare repository.
    pub(super) dir: Option<PathBuf>,
    /// The commit, and its repository; `None` for a working tree.
    pub(super) commit: Option<CommitId>,
    /// The repository around it, if there is one.
    pub(super) repository: Option<Local>,
    /// The files that were read.
    files: Vec<SourceFile>,
    /// Input digests by path, at a commit.
    pub(super) digests: BTreeMap<String, InputDigest>,
    /// What the environments declare, once somebody has asked.
    pub(super) declared: OnceLock<Arc<Declared>>,
}

impl Sources {
    /// Whether something is at `path`, relative to the repository: in a working tree anything, in a commit
    /// something that is read as a definition.
    pub(super) fn has(&self, path: &str) -> bool {
        match (&self.commit, &self.dir) {
            (None, Some(dir)) => dir.join(path).exists(),
            (None, None) | (Some(_), _) => {
                let within = |file: &SourceFile| {
                    path.is_empty() || file.path() == path || file.path().starts_with(&format!("{path}/"))
                };
                self.files.iter().any(within)
            }
        }
    }

    /// The paths and texts of the definitions with errors.
    pub(super) fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_broken = |file: &&SourceFile| self.estate.failed.iter().any(|path| path == file.path());
        self.files.iter().filter(is_broken).map(|file| (file.path(), file.text()))
    }
}

/// Where definitions are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// A folder of the repository, or in it.
    pub(super) dir: PathBuf,
    /// The folder of the definitions, relative to the repository.
    pub(super) root: String,
    /// A commit instead of the working tree.
    pub(super) revision: Option<String>,
}

impl Place {
    /// Reads everything.
    pub(super) async fn read(self) -> Result<Sources, CliError> {
        let read = tokio::task::spawn_blocking(move || match &self.revision {
            Some(revision) => at_commit(&self.dir, &self.root, revision),
            None => working_tree(&self.dir, &self.root),
        });
        read.await.map_err(|error| CliError::Other(format!("reading was cut short: {error}")))?
    }

    /// Reads everything out of the commit; without one out of HEAD, when no definition has uncommitted changes.
    pub(super) async fn committed(self) -> Result<Sources, CliError> {
        let is_named = self.revision.is_some();
        let head = Self { revision: self.revision.clone().or(Some("HEAD".to_owned())), ..self.clone() };
        let sources = head.read().await?;
        if is_named || sources.dir.is_none() {
            return Ok(sources);
        }
        let differing = sources.differing(&self.read().await?);
        if differing.is_empty() {
            return Ok(sources);
        }
        // Not the command line is wrong: with --detailed-exitcode, 2 means that something was changed.
        Err(CliError::Refused {
            message: format!("uncommitted changes in {}", differing.join(", ")),
            hint:
                "commit them, or say with --commit HEAD that the committed state is meant; `beamline plan` \
                   shows what the working tree would do"
                    .to_owned(),
        })
    }
}

impl Sources {
    /// The definition files that the two do not have alike. Line ends do not count: Git may convert them.
    pub(super) fn differing(&self, other: &Self) -> Vec<String> {
        let texts = |sources: &Self| -> BTreeMap<String, String> {
            let read = sources.files.iter().filter(|file| role(file.path(), &sources.root) != Role::Other);
            read.map(|file| (file.path().to_owned(), file.text().replace("\r\n", "\n"))).collect()
        };
        let (own, others) = (texts(self), texts(other));
        let all: std::collections::BTreeSet<&String> = own.keys().chain(others.keys()).collect();
        all.into_iter().filter(|path| own.get(*path) != others.get(*path)).cloned().collect()
    }
}

fn at_commit(dir: &Path, root: &str, revision: &str) -> Result<Sources, CliError> {
    let repository = open_local(dir)?;
    let commit = repository.resolve(revision)?;
    let reader = repository.reader()?;
    let folder: RepoPath = root.trim_matches('/').parse().map_err(|error| {
        CliError::usage(format!("{error}"), "give the folder of the definitions relative to the repository")
    })?;
    let mut files = Vec::new();
    let mut blobs = BTreeMap::new();
    let mut others = Vec::new();
    match reader.obstacle(&commit, folder.as_str())? {
        Some((path, kind)) => files.push(SourceFile::refused(path, in_the_way(kind))),
        None => others = miscased(&reader, &commit, &folder)?,
    }
    let is_overlooked = |path: &str| overlooked(path, root).is_some();
    for entry in reader.tree_with(&commit, &folder, &is_overlooked)? {
        match unreadable(entry.kind) {
            // Named, and not read.
            None if is_overlooked(&entry.path) => files.push(SourceFile::from_bytes(entry.path, &[])),
            None => {
                files.push(file_at(&reader, &entry.path, &entry.blob, entry.size_bytes)?);
                blobs.insert(entry.path, entry.blob.to_string());
            }
            Some(why) => files.push(SourceFile::refused(entry.path, why)),
        }
    }
    let digests = digests(&blobs, root);
    let dir = repository.work_dir()?;
    let mut estate = load_all(files.clone(), root);
    estate.diagnostics.extend(others.iter().map(|other| other_casing(&other.path, &other.remedy)));
    let (root, commit, repository) = (root.to_owned(), Some(commit), Some(repository));
    Ok(Sources { estate, root, dir, commit, repository, files, digests, declared: OnceLock::new() })
}

fn file_at(
    reader: &Reader,
    path: &str,
    blob: &crate::git::BlobId,
    size_bytes: u64,
) -> Result<SourceFile, GitError> {
    if size_bytes > MAX_FILE_BYTES as u64 {
        return Ok(SourceFile::too_large(path, size_bytes));
    }
    Ok(SourceFile::from_bytes(path, &reader.read(blob, MAX_FILE_BYTES)?))
}

fn digests(blobs: &BTreeMap<String, String>, root: &str) -> BTreeMap<String, InputDigest> {
    let environments = blobs.keys().filter(|path| matches!(role(path, root), Role::Environment { .. }));
    environments
        .map(|path| {
            let defaults = defaults_for(path, root);
            let chain = defaults.iter().chain([path]);
            let present: Vec<(&str, &str)> = chain
                .filter_map(|path| blobs.get_key_value(path))
                .map(|(path, blob)| (path.as_str(), blob.as_str()))
                .collect();
            (path.clone(), InputDigest::of(&present))
        })
        .collect()
}

fn working_tree(dir: &Path, root: &str) -> Result<Sources, CliError> {
    let repository = open_local(dir).ok();
    let dir = base_of(dir, root, repository.as_ref())?;
    let folder = dir.join(root);
    let mut files = Vec::new();
    let mut seen = 0;
    let path = root.trim_matches('/');
    if !path.is_empty() && folder.is_symlink() {
        files.push(SourceFile::refused(path, Unreadable::SymbolicLink));
    } else {
        walk(&folder, path, 0, &mut seen, &mut files)?;
    }
    let mut estate = load_all(files.clone(), root);
    for other in casing::beside(&dir, path) {
        estate.diagnostics.push(other_casing(&other, &renaming(&other, path, true)));
    }
    let (root, dir) = (root.to_owned(), Some(dir));
    Ok(Sources {
        estate,
        root,
        dir,
        commit: None,
        repository,
        files,
        digests: BTreeMap::new(),
        declared: OnceLock::new(),
    })
}

/// The folder that holds the definitions folder: the given one, else that of the repository around it.
fn base_of(dir: &Path, root: &str, repository: Option<&Local>) -> Result<PathBuf, CliError> {
    let around = repository.map(Local::work_dir).transpose()?.flatten();
    let places = || std::iter::once(dir).chain(around.as_deref());
    let path = root.trim_matches('/');
    if let Some(place) = places().find(|place| casing::is_there(place, root)) {
        return Ok(place.to_owned());
    }
    let other = places().flat_map(|place| casing::beside(place, path)).next();
    let (but, hint) = match other {
        Some(other) => (
            format!(", but `{other}`"),
            format!("its name is not that of the settings; rename it: {}", renaming(&other, path, false)),
        ),
        None => (
            String::new(),
            "name the repository with --dir, or the folder of the definitions in the settings (`definitions` in \
             [repository]); `beamline validate` takes --definitions too"
                .to_owned(),
        ),
    };
    Err(CliError::usage(format!("there is no folder `{root}` in {}{but}", dir.display()), hint))
}

/// In the order of names, so that the same tree is always read the same way.
fn walk(
    folder: &Path,
    path: &str,
    depth: usize,
    seen: &mut usize,
    files: &mut Vec<SourceFile>,
) -> Result<(), CliError> {
    if depth > MAX_DEPTH {
        return Err(CliError::Other(format!("{path} lies deeper than {MAX_DEPTH} folders")));
    }
    let failed = |source: io::Error| CliError::unreadable(folder, source);
    let mut entries =
        fs::read_dir(folder).map_err(failed)?.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        *seen += 1;
        if *seen > MAX_ENTRIES {
            return Err(CliError::Other(format!("{path} holds more than {MAX_ENTRIES} files")));
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let inner = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_symlink() {
            if EntryKind::Symlink.is_relevant(&inner) {
                files.push(SourceFile::refused(inner, Unreadable::SymbolicLink));
            }
        } else if kind.is_dir() && entry.path().join(".git").exists() {
            files.push(SourceFile::refused(inner, Unreadable::Submodule));
        } else if kind.is_dir() && !name.starts_with(['.', '_']) {
            walk(&entry.path(), &inner, depth + 1, seen, files)?;
        } else if kind.is_file() && role(&inner, "") != Role::Other {
            files.push(file_in_tree(&entry.path(), &inner)?);
        } else if kind.is_file() && overlooked(&inner, "").is_some() {
            // Named, and not read.
            files.push(SourceFile::from_bytes(inner, &[]));
        }
    }
    Ok(())
}

/// Reads one file, at most as much of it as a definition may have.
pub(super) fn file_in_tree(file: &Path, path: &str) -> Result<SourceFile, CliError> {
    let failed = |source: io::Error| CliError::unreadable(file, source);
    let opened = fs::File::open(file).map_err(failed)?;
    let size_bytes = opened.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    opened.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Ok(SourceFile::too_large(path, size_bytes.max(bytes.len() as u64)));
    }
    Ok(SourceFile::from_bytes(path, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_definitions_are_right_as_files() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sources = working_tree(here, "environments").unwrap();
        assert_eq!(sources.estate.failed, Vec::<String>::new(), "{:?}", sources.estate.diagnostics);
        let names: Vec<&str> = sources.estate.environments.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["dev", "production", "staging"]);
    }

    #[test]
    fn a_folder_without_definitions_is_named() {
        let empty = tempfile::tempdir().unwrap();
        let error = working_tree(empty.path(), "environments").unwrap_err();
        assert!(error.to_string().starts_with("there is no folder `environments` in "), "{error}");
    }
}
