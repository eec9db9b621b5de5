//! The bare mirror of a remote, and the exchanges with that remote.
//!
//! Guarantees: a folder is a mirror or it is refused; a mirror's branches are those of the remote at the
//! last fetch; the mirror can be deleted at any time and is then fetched again. One exchange at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use git2::{ConfigLevel, RepositoryInitOptions};

use super::address::{Address, Place};
use super::compact::{MAX_PACKS, compact};
use super::credentials::{Remote, remember};
use super::download::{Tip, Wanted, download};
use super::error::GitError;
use super::id::{BranchName, CommitId};
use super::notes::NOTES_REF;
use super::reader::{Reader, open_at, unopened, wrap};

/// Where the remote's branches are kept.
const BRANCHES: &str = "refs/remotes/origin/";

/// The setting by which a mirror of ours is recognised; its value is the layout's version.
const MARKER: (&str, &str) = ("beamline.mirror", "1");

/// A bare mirror on disk. Blocking: call from `spawn_blocking`.
#[derive(Debug)]
pub struct Mirror {
    pub(super) dir: PathBuf,
    pub(super) address: Address,
    exchange: Mutex<()>,
}

/// Every branch and the commit at its head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heads(pub BTreeMap<BranchName, CommitId>);

/// Whether a file watcher looks into subfolders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recursion {
    /// It does.
    Yes,
    /// It looks at the folder's own entries only.
    No,
}

impl Mirror {
    /// Opens the mirror in `dir`, making it when the folder is absent or empty, and tidies it up. No
    /// network is used. Open a folder once per process.
    ///
    /// # Errors
    /// [`GitError::Address`] when the remote cannot be used, [`GitError::NotAMirror`] when `dir` has
    /// something else in it, [`GitError::Create`] when it cannot be made.
    pub fn open(dir: &Path, remote: Remote) -> Result<Self, GitError> {
        let address = remote.address()?;
        remember(&address.url(), &remote.credentials);
        if is_empty(dir)? {
            create(dir)?;
        }
        let mirror = Self { dir: dir.to_owned(), address, exchange: Mutex::new(()) };
        mirror.verify()?;
        compact(&mirror.repository()?, MAX_PACKS)?;
        Ok(mirror)
    }

    /// A reader on the mirror; it also sees what later fetches bring.
    ///
    /// # Errors
    /// [`GitError::Repository`] when the mirror is damaged.
    pub fn reader(&self) -> Result<Reader, GitError> {
        Ok(Reader::new(self.repository()?, &self.dir))
    }

    /// Brings the mirror's branches up to the remote's (new, moved, forced and deleted ones) and returns
    /// them. Tags and notes are not fetched.
    ///
    /// # Errors
    /// What the remote or the way to it refused; the branches are then as before.
    pub fn fetch(&self) -> Result<Heads, GitError> {
        let _exchange = self.exchange();
        let repository = self.repository()?;
        let tips = download(&repository, &self.address, Wanted::Branches)?;
        self.set_branches(&repository, &tips).map_err(|error| wrap(&self.dir, error))?;
        self.heads()
    }

    /// The remote's branches as of the last fetch.
    ///
    /// # Errors
    /// [`GitError::Repository`] when the mirror is damaged.
    pub fn heads(&self) -> Result<Heads, GitError> {
        let repository = self.repository()?;
        let failed = |error| wrap(&self.dir, error);
        let mut heads = BTreeMap::new();
        for reference in repository.references_glob(&format!("{BRANCHES}*")).map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let name = reference.name().ok().and_then(|name| name.strip_prefix(BRANCHES));
            match (name.and_then(|name| name.parse().ok()), reference.target()) {
                (Some(name), Some(target)) => drop(heads.insert(name, CommitId::from_oid(target))),
                _ => {
                    tracing::warn!(reference = ?reference.name_bytes(), "a branch's name is unusable: ignored")
                }
            }
        }
        Ok(Heads(heads))
    }

    /// What a file watcher should watch to hear of a push at once: for a remote on this machine its
    /// repository (not recursively: `HEAD`, `packed-refs`) and its `refs` (recursively). `None` for a
    /// remote elsewhere, and for a path that has no repository (yet): poll those.
    #[must_use]
    pub fn watch_paths(&self) -> Option<Vec<(PathBuf, Recursion)>> {
        let Place::Local(path) = &self.address.place else { return None };
        let repository = open_at(path).ok()?;
        let folder = repository.commondir();
        Some(vec![(folder.to_owned(), Recursion::No), (folder.join("refs"), Recursion::Yes)])
    }

    /// The remote's address for messages: without user information.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.address.shown
    }

    pub(super) fn exchange(&self) -> MutexGuard<'_, ()> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn repository(&self) -> Result<git2::Repository, GitError> {
        git2::Repository::open_bare(&self.dir).map_err(|error| wrap(&self.dir, error))
    }

    /// Deletes before it creates: `a` may have become `a/b`.
    fn set_branches(&self, repository: &git2::Repository, tips: &[Tip]) -> Result<(), git2::Error> {
        let wanted: BTreeMap<String, git2::Oid> = tips
            .iter()
            .filter_map(|(name, id)| Some((format!("{BRANCHES}{}", name.strip_prefix("refs/heads/")?), *id)))
            .collect();
        let mut current = BTreeSet::new();
        for reference in repository.references_glob(&format!("{BRANCHES}*"))? {
            let mut reference = reference?;
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            match wanted.get(&name) {
                None => reference.delete()?,
                Some(id) if reference.target() == Some(*id) => drop(current.insert(name)),
                Some(_) => {}
            }
        }
        for (name, id) in wanted.iter().filter(|(name, _)| !current.contains(*name)) {
            repository.reference(name, *id, true, "fetch")?;
        }
        Ok(())
    }

    /// Refuses what is not ours and follows a changed remote.
    fn verify(&self) -> Result<(), GitError> {
        let refuse = |reason: &str| GitError::NotAMirror { dir: self.dir.clone(), reason: reason.to_owned() };
        let failed = |error| wrap(&self.dir, error);
        let opened = git2::Repository::open_bare(&self.dir).map_err(|error| unopened(&self.dir, error));
        let repository = opened.map_err(|error| {
            let foreign = matches!(error, GitError::NotOwned { .. });
            if foreign { error } else { refuse(&format!("it is not a bare repository: {error}")) }
        })?;
        let config = repository.config().map_err(failed)?;
        let mut local = config.open_level(ConfigLevel::Local).map_err(failed)?;
        if local.get_string(MARKER.0).ok().as_deref() != Some(MARKER.1) {
            return Err(refuse("its configuration does not have beamline.mirror = 1"));
        }
        let url = self.address.url();
        if local.get_string("remote.origin.url").ok().as_deref() != Some(&url) {
            local.set_str("remote.origin.url", &url).map_err(failed)?;
            if let Ok(mut notes) = repository.find_reference(NOTES_REF) {
                notes.delete().map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn is_empty(dir: &Path) -> Result<bool, GitError> {
    match dir.read_dir() {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(GitError::NotAMirror { dir: dir.to_owned(), reason: source.to_string() }),
    }
}

/// Makes the mirror beside its place and moves it there, so that an interruption leaves no half of one.
fn create(dir: &Path) -> Result<(), GitError> {
    let failed = |source| GitError::Create { dir: dir.to_owned(), source };
    let dir = std::path::absolute(dir).map_err(failed)?;
    let parent = dir.parent().unwrap_or(&dir);
    std::fs::create_dir_all(parent).map_err(failed)?;
    let staged = tempfile::Builder::new().prefix(".mirror-").tempdir_in(parent).map_err(failed)?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).description("beamline's mirror: safe to delete");
    let initialised = git2::Repository::init_opts(staged.path(), &options)
        .and_then(|repository| repository.config()?.open_level(ConfigLevel::Local))
        .and_then(|mut config| config.set_str(MARKER.0, MARKER.1));
    initialised.map_err(|error| wrap(&dir, error))?;
    match std::fs::rename(staged.path(), &dir) {
        Ok(()) => {
            // The folder is no longer where it was made; there is nothing left to clean up.
            let _ = staged.keep();
            Ok(())
        }
        // Another process was faster: `verify` looks at what it made.
        Err(_) if matches!(is_empty(&dir), Ok(false)) => Ok(()),
        Err(source) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::Credentials;
    use super::super::fixture::Fixture;
    use super::*;

    fn names(heads: &Heads) -> Vec<&str> {
        heads.0.keys().map(BranchName::as_str).collect()
    }

    #[test]
    fn a_fetch_follows_new_moved_forced_and_deleted_branches() {
        let world = Fixture::new();
        let mirror = world.mirror();
        assert_eq!(mirror.fetch().unwrap(), Heads::default());
        let first = world.push("a.yaml", "1");
        let second = world.push("a.yaml", "2");
        let main: BranchName = "main".parse().unwrap();
        assert_eq!(mirror.fetch().unwrap().0[&main], second);
        world.git(&["push", "-q", "origin", "main:topic"]);
        assert_eq!(names(&mirror.fetch().unwrap()), ["main", "topic"]);
        world.git(&["push", "-q", "origin", ":topic", "main:topic/deeper"]);
        assert_eq!(names(&mirror.fetch().unwrap()), ["main", "topic/deeper"]);
        world.git(&["push", "-q", "origin", ":topic/deeper"]);
        world.git(&["reset", "-q", "--hard", &first.to_string()]);
        let forced = world.commit("b.yaml", "3", "forced");
        world.git(&["push", "-q", "--force", "origin", "main"]);
        let heads = mirror.fetch().unwrap();
        assert_eq!(heads.0, BTreeMap::from([(main, forced)]));
        assert_eq!(mirror.heads().unwrap(), heads);
        let reader = mirror.reader().unwrap();
        assert!(!reader.is_ancestor(&second, &forced).unwrap());
        let packed = mirror.dir.join("objects/pack").read_dir().unwrap().count();
        mirror.fetch().unwrap();
        assert_eq!(
            mirror.dir.join("objects/pack").read_dir().unwrap().count(),
            packed,
            "nothing new, no pack"
        );
    }

    #[test]
    fn git_itself_finds_the_mirror_sound() {
        let world = Fixture::new();
        world.push("a/b.yaml", "1");
        let mirror = world.mirror();
        mirror.fetch().unwrap();
        world.push("a/b.yaml", "2");
        mirror.fetch().unwrap();
        let dir = mirror.dir.display().to_string();
        assert_eq!(world.git(&["-C", &dir, "fsck", "--full", "--strict"]), "");
    }

    #[test]
    fn a_reader_sees_what_a_later_fetch_brings() {
        let world = Fixture::new();
        world.push("a.yaml", "1");
        let mirror = world.mirror();
        mirror.fetch().unwrap();
        let reader = mirror.reader().unwrap();
        let second = world.push("a.yaml", "2");
        mirror.fetch().unwrap();
        assert_eq!(reader.commit(&second).unwrap().id, second);
    }

    #[test]
    fn a_folder_that_is_something_else_is_refused_and_untouched() {
        let world = Fixture::new();
        world.push("a.yaml", "1");
        for dir in [&world.work, &world.origin] {
            let before = dir.read_dir().unwrap().count();
            let error = Mirror::open(dir, world.remote()).unwrap_err();
            assert!(matches!(error, GitError::NotAMirror { .. }), "{error}");
            assert_eq!(dir.read_dir().unwrap().count(), before);
        }
        assert_eq!(world.mirror().fetch().unwrap(), world.mirror().heads().unwrap());
    }

    #[test]
    fn a_changed_remote_is_followed() {
        let (old, new) = (Fixture::new(), Fixture::new());
        old.push("a.yaml", "old");
        let dir = old.root().join("mirror");
        Mirror::open(&dir, old.remote()).unwrap().fetch().unwrap();
        let head = new.push("a.yaml", "new");
        let mirror = Mirror::open(&dir, new.remote()).unwrap();
        assert_eq!(mirror.fetch().unwrap().0.into_values().collect::<Vec<_>>(), [head]);
        let url = old.git(&["-C", &dir.display().to_string(), "config", "remote.origin.url"]);
        assert_eq!(url, new.origin.display().to_string());
    }

    #[test]
    fn a_path_without_a_repository_is_named() {
        let world = Fixture::new();
        let url = world.root().join("nowhere.git").display().to_string();
        let remote = Remote { url: url.clone(), credentials: Credentials::None };
        let mirror = Mirror::open(&world.root().join("m"), remote).unwrap();
        let error = mirror.fetch().unwrap_err();
        assert!(matches!(&error, GitError::RepositoryNotFound { remote } if *remote == url), "{error}");
        assert_eq!(mirror.watch_paths(), None);
    }

    #[test]
    fn a_format_that_cannot_be_read_is_named_with_its_remedy() {
        let world = Fixture::new();
        let path = world.root().join("reftable.git").display().to_string();
        world.git(&["init", "-q", "--bare", "--ref-format=reftable", &path]);
        let remote = Remote { url: path, credentials: Credentials::None };
        let error = Mirror::open(&world.root().join("m"), remote).unwrap().fetch().unwrap_err();
        assert!(error.to_string().contains("git refs migrate"), "{error}");
    }

    #[test]
    fn a_watcher_is_told_where_a_local_push_shows() {
        let world = Fixture::new();
        let paths = world.mirror().watch_paths().unwrap();
        let origin = world.origin.canonicalize().unwrap();
        let canonical: Vec<_> =
            paths.into_iter().map(|(path, recursion)| (path.canonicalize().unwrap(), recursion)).collect();
        assert_eq!(canonical, [(origin.clone(), Recursion::No), (origin.join("refs"), Recursion::Yes)]);
        let remote = Remote { url: world.work.display().to_string(), credentials: Credentials::None };
        let paths = Mirror::open(&world.root().join("m2"), remote).unwrap().watch_paths().unwrap();
        assert!(paths[0].0.ends_with(".git"), "{paths:?}");
    }
}
