//! Real Git objects behind a forge: bare repositories in a folder, one for the repository itself and one
//! for each fork.
//!
//! What is guaranteed: forks share the objects of the repository, as on the real forges, so that a pull
//! request's commits are there whichever side they were pushed to; a branch is moved by us only when it
//! still stands where it was read. What is written here is on the disk before it is announced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use git2::{Delta, DiffFindOptions, ErrorCode, Oid, Repository, RepositoryInitOptions, Sort};

use super::pull_requests::{ChangedFile, FileChange};

/// How many commits of one push are looked at: the newest.
const MAX_NEW_COMMITS: usize = 10_000;

/// How many changed files of a pull request are listed, as GitHub does.
const MAX_FILES: usize = 3_000;

/// References that only the forge itself moves; a push to them is refused.
const OWN_REFS: [&str; 3] = ["refs/pull", "refs/merge-requests", "refs/pull-requests"];

/// The repositories of a forge.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    root: PathBuf,
    /// The names of the forks, by which their folders are numbered.
    forks: Vec<String>,
}

impl Objects {
    /// Makes an empty repository below `root`, whose main branch is `branch`.
    pub(super) fn create(root: &Path, branch: &str) -> Result<Self, git2::Error> {
        let objects = Self { root: root.to_owned(), forks: Vec::new() };
        initialise(&objects.ours_path(), branch)?;
        Ok(objects)
    }

    /// Makes an empty fork that shares the repository's objects.
    pub(super) fn fork(&mut self, name: &str, branch: &str) -> Result<(), git2::Error> {
        self.forks.push(name.to_owned());
        let path = self.path(Some(name)).unwrap_or_else(|| self.ours_path());
        initialise(&path, branch)?;
        // Both must see what the other was sent: Git reads the list, and tolerates the circle.
        self.share(&path, &self.ours_path())?;
        self.share(&self.ours_path(), &path)
    }

    fn share(&self, reader: &Path, source: &Path) -> Result<(), git2::Error> {
        let list = reader.join("objects/info/alternates");
        let known = std::fs::read_to_string(&list).unwrap_or_default();
        let entry = format!("{}\n", source.join("objects").display());
        std::fs::write(&list, known + &entry)
            .map_err(|error| git2::Error::from_str(&format!("{}: {error}", list.display())))
    }

    fn ours_path(&self) -> PathBuf {
        self.root.join("repository.git")
    }

    /// The folder of the repository (`None`) or of a fork; `None` where there is no such fork.
    pub(super) fn path(&self, fork: Option<&str>) -> Option<PathBuf> {
        let Some(fork) = fork else { return Some(self.ours_path()) };
        let at = self.forks.iter().position(|known| known.eq_ignore_ascii_case(fork))?;
        Some(self.root.join(format!("fork-{at}.git")))
    }

    pub(super) fn forks(&self) -> &[String] {
        &self.forks
    }

    pub(super) fn ours(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(self.ours_path())
    }

    /// The branches of the repository or of a fork, with their commits.
    pub(super) fn heads(&self, fork: Option<&str>) -> Result<BTreeMap<String, String>, git2::Error> {
        let Some(path) = self.path(fork) else { return Ok(BTreeMap::new()) };
        let repository = Repository::open_bare(path)?;
        let mut heads = BTreeMap::new();
        for reference in repository.references_glob("refs/heads/*")? {
            let reference = reference?;
            if let (Ok(name), Some(target)) = (reference.shorthand(), reference.target()) {
                heads.insert(name.to_owned(), target.to_string());
            }
        }
        Ok(heads)
    }

    /// The commits that `head` has and none of `known` does, newest first.
    pub(super) fn new_commits(&self, head: &str, known: &[String]) -> Result<Vec<String>, git2::Error> {
        let repository = self.ours()?;
        let mut walk = repository.revwalk()?;
        walk.set_sorting(Sort::TOPOLOGICAL)?;
        walk.push(Oid::from_str(head)?)?;
        for old in known {
            // What a forced push left behind may have gone.
            walk.hide(Oid::from_str(old)?).ok();
        }
        walk.take(MAX_NEW_COMMITS).map(|id| Ok(id?.to_string())).collect()
    }

    /// Whether `ancestor` is `head` or was before it.
    pub(super) fn contains(&self, head: &str, ancestor: &str) -> bool {
        let within = || {
            let (head, ancestor) = (Oid::from_str(head)?, Oid::from_str(ancestor)?);
            Ok::<_, git2::Error>(head == ancestor || self.ours()?.graph_descendant_of(head, ancestor)?)
        };
        within().unwrap_or(false)
    }

    /// The message of a commit; `None` where there is no such commit.
    pub(super) fn message(&self, sha: &str) -> Option<String> {
        let repository = self.ours().ok()?;
        let commit = repository.find_commit(Oid::from_str(sha).ok()?).ok()?;
        Some(String::from_utf8_lossy(commit.message_bytes()).into_owned())
    }

    /// What `head` changes since it left `base`: at most [`MAX_FILES`] files.
    pub(super) fn changed(&self, base: &str, head: &str) -> Result<Vec<ChangedFile>, git2::Error> {
        let repository = self.ours()?;
        let (base, head) = (Oid::from_str(base)?, Oid::from_str(head)?);
        let since = match repository.merge_base(base, head) {
            Ok(since) => Some(repository.find_commit(since)?.tree()?),
            Err(error) if error.code() == ErrorCode::NotFound => None,
            Err(error) => return Err(error),
        };
        let head = repository.find_commit(head)?.tree()?;
        let mut diff = repository.diff_tree_to_tree(since.as_ref(), Some(&head), None)?;
        diff.find_similar(Some(DiffFindOptions::new().renames(true)))?;
        Ok(diff.deltas().take(MAX_FILES).filter_map(|delta| changed_file(&delta)).collect())
    }

    /// Lets a reference of the forge's own point to a commit.
    pub(super) fn point(&self, reference: &str, sha: &str) -> Result<(), git2::Error> {
        self.ours()?.reference(reference, Oid::from_str(sha)?, true, "the forge")?;
        Ok(())
    }
}

fn changed_file(delta: &git2::DiffDelta<'_>) -> Option<ChangedFile> {
    let text = |file: git2::DiffFile<'_>| Some(file.path()?.to_string_lossy().into_owned());
    let (old, new) = (text(delta.old_file()), text(delta.new_file()));
    let path = new.or_else(|| old.clone())?;
    let change = match delta.status() {
        Delta::Added | Delta::Copied | Delta::Untracked => FileChange::Added,
        Delta::Deleted => FileChange::Removed,
        Delta::Renamed => FileChange::RenamedFrom(old?),
        Delta::Modified
        | Delta::Typechange
        | Delta::Conflicted
        | Delta::Unmodified
        | Delta::Ignored
        | Delta::Unreadable => FileChange::Modified,
    };
    Some(ChangedFile { path, change })
}

fn initialise(path: &Path, branch: &str) -> Result<(), git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).mkpath(true).initial_head(branch).external_template(false);
    let repository = Repository::init_opts(path, &options)?;
    let mut config = repository.config()?;
    for (at, reference) in OWN_REFS.iter().enumerate() {
        config.set_multivar("receive.hideRefs", &format!("^{at}$"), reference)?;
    }
    // As the forges allow it: a commit by its id, and partial clones.
    config.set_bool("uploadpack.allowAnySHA1InWant", true)?;
    config.set_bool("uploadpack.allowFilter", true)?;
    // Nothing may outlive the forge, or be packed away while it is read.
    config.set_i32("gc.auto", 0)?;
    config.set_bool("receive.autogc", false)?;
    config.set_bool("receive.fsckObjects", true)
}
