//! The bare mirror of a remote on this machine's disk.
//!
//! Guarantees: a folder is a mirror or it is refused; the mirror can be deleted at any time and is then
//! fetched again; one exchange with the remote at a time. What is fetched is in `fetch.rs`, what a pull
//! request would become in `merge.rs`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use git2::{ConfigLevel, RepositoryInitOptions};

use super::address::{Address, Place};
use super::apart::Doubts;
use super::compact::{MAX_PACKS, compact};
use super::credentials::{Remote, remember};
use super::error::GitError;
use super::id::BranchName;
use super::notes::NOTES_REF;
use super::pulls::PullRefs;
use super::reader::{Reader, open_at, unopened, wrap};
use super::stale::remove_locks;

/// The setting by which a mirror of ours is recognised; its value is the layout's version.
const MARKER: (&str, &str) = ("beamline.mirror", "1");

/// A bare mirror on disk. Blocking: call from `spawn_blocking`.
#[derive(Debug)]
pub struct Mirror {
    pub(super) dir: PathBuf,
    pub(super) address: Address,
    pub(super) pull_refs: Option<PullRefs>,
    /// The reference whose fetch no other one may hold up.
    pub(super) first: Option<String>,
    exchange: Mutex<Doubts>,
    merging: Mutex<()>,
}

/// Whether a file watcher looks into subfolders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recursion {
    /// It does, and is looked for in all that was fetched.
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
        let (dir, pull_refs) = (dir.to_owned(), remote.pull_refs);
        let (exchange, merging) = (Mutex::default(), Mutex::default());
        let mirror = Self { dir, address, pull_refs, first: None, exchange, merging };
        mirror.verify()?;
        mirror.prepare_merges()?;
        compact(&mirror.repository()?, MAX_PACKS)?;
        Ok(mirror)
    }

    /// Has `branch` fetched whatever is the matter with the others.
    #[must_use]
    pub fn favouring(self, branch: &BranchName) -> Self {
        Self { first: Some(format!("refs/heads/{}", branch.as_str())), ..self }
    }

    /// A reader on the mirror and its merges; it also sees what later fetches and merges bring.
    ///
    /// # Errors
    /// [`GitError::Repository`] when the mirror is damaged.
    pub fn reader(&self) -> Result<Reader, GitError> {
        Ok(Reader::new(self.with_merges(self.repository()?)?, &self.dir))
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

    /// One exchange at a time; with what the earlier ones have taught about single references.
    pub(super) fn exchange(&self) -> MutexGuard<'_, Doubts> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn merging(&self) -> MutexGuard<'_, ()> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn repository(&self) -> Result<git2::Repository, GitError> {
        git2::Repository::open_bare(&self.dir).map_err(|error| wrap(&self.dir, error))
    }

    /// Makes the mirror anew where somebody has deleted or emptied its folder: the next fetch brings everything. The
    /// caller has the exchange.
    pub(super) fn remake_if_gone(&self) -> Result<(), GitError> {
        if is_empty(&self.dir)? {
            tracing::warn!(dir = %self.dir.display(), "the mirror is gone; it is made and fetched anew");
            create(&self.dir)?;
            self.verify()?;
            self.prepare_merges()?;
        }
        Ok(())
    }

    /// Whether the mirror has lost what one of its references names: a disk, or somebody, has harmed its objects.
    pub(super) fn is_damaged(&self) -> bool {
        let config = git2::Config::open(&self.dir.join("config"));
        let mark = config.and_then(|config| config.get_string(MARKER.0));
        if mark.ok().as_deref() != Some(MARKER.1) {
            // Something else stands there by now: it is not ours to throw away.
            return false;
        }
        let Ok(repository) = self.repository() else { return true };
        let Ok(references) = repository.references_glob("refs/remotes/*") else { return false };
        let mut targets = references.filter_map(|reference| reference.ok()?.target());
        targets.any(|id| repository.find_commit(id).and_then(|commit| commit.tree()).is_err())
    }

    /// Throws away what `error` came of: the next fetch brings everything. The caller has the exchange.
    pub(super) fn remake(&self, error: &GitError) -> Result<(), GitError> {
        tracing::warn!(dir = %self.dir.display(), %error, "the mirror is damaged; it is made and fetched anew");
        std::fs::remove_dir_all(&self.dir)
            .map_err(|source| GitError::Create { dir: self.dir.clone(), source })?;
        self.remake_if_gone()
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
        self.unlock()?;
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

impl Mirror {
    /// Removes what a killed process, or one whose disk was full, has left locked. The caller has the exchange, or is
    /// the only one who has the mirror.
    pub(super) fn unlock(&self) -> Result<(), GitError> {
        remove_locks(&self.dir).map_err(|source| GitError::Create { dir: self.dir.clone(), source })
    }
}

fn is_empty(dir: &Path) -> Result<bool, GitError> {
    match dir.read_dir() {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(source) => Err(GitError::Create { dir: dir.to_owned(), source }),
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
    use super::super::fetch::NO_PULLS;
    use super::super::fixture::Fixture;
    use super::*;

    #[test]
    fn git_itself_finds_the_mirror_sound() {
        let world = Fixture::new();
        world.push("a/b.yaml", "1");
        let mirror = world.mirror();
        mirror.fetch(&NO_PULLS).unwrap();
        world.push("a/b.yaml", "2");
        mirror.fetch(&NO_PULLS).unwrap();
        let dir = mirror.dir.display().to_string();
        assert_eq!(world.git(&["-C", &dir, "fsck", "--full", "--strict"]), "");
    }

    #[test]
    fn a_mirror_that_somebody_deletes_is_made_and_fetched_anew() {
        let world = Fixture::new();
        world.push("a.yaml", "1");
        let mirror = world.mirror();
        mirror.fetch(&NO_PULLS).unwrap();
        std::fs::remove_dir_all(&mirror.dir).unwrap();
        assert!(mirror.reader().is_err(), "nothing can be read meanwhile");
        let head = world.push("a.yaml", "2");
        mirror.fetch(&NO_PULLS).unwrap();
        assert_eq!(mirror.reader().unwrap().commit(&head).unwrap().id, head);
        let dir = mirror.dir.display().to_string();
        assert_eq!(world.git(&["-C", &dir, "fsck", "--full", "--strict"]), "");
    }

    #[test]
    fn a_mirror_that_has_lost_its_objects_is_made_and_fetched_anew() {
        let harms: [fn(&Path); 2] = [
            |objects| std::fs::remove_dir_all(objects).unwrap(),
            |objects| {
                for pack in objects.join("pack").read_dir().unwrap() {
                    let pack = pack.unwrap().path();
                    if pack.extension().is_none_or(|end| end != "pack") {
                        continue;
                    }
                    let mut permissions = pack.metadata().unwrap().permissions();
                    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
                    std::fs::set_permissions(&pack, permissions).unwrap();
                    std::fs::File::options().write(true).open(&pack).unwrap().set_len(100).unwrap();
                }
            },
        ];
        for harm in harms {
            let world = Fixture::new();
            world.push("a.yaml", "1");
            let mirror = world.mirror();
            mirror.fetch(&NO_PULLS).unwrap();
            harm(&mirror.dir.join("objects"));
            let head = world.push("a.yaml", "2");
            mirror.fetch(&NO_PULLS).unwrap();
            assert_eq!(mirror.reader().unwrap().commit(&head).unwrap().id, head);
            assert!(mirror.reader().unwrap().snapshot(&head).is_ok());
        }
    }

    #[test]
    fn a_reader_sees_what_a_later_fetch_brings() {
        let world = Fixture::new();
        world.push("a.yaml", "1");
        let mirror = world.mirror();
        mirror.fetch(&NO_PULLS).unwrap();
        let reader = mirror.reader().unwrap();
        let second = world.push("a.yaml", "2");
        mirror.fetch(&NO_PULLS).unwrap();
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
        assert_eq!(world.mirror().fetch(&NO_PULLS).unwrap(), world.mirror().heads().unwrap());
    }

    #[test]
    fn a_changed_remote_is_followed() {
        let (old, new) = (Fixture::new(), Fixture::new());
        old.push("a.yaml", "old");
        let dir = old.root().join("mirror");
        Mirror::open(&dir, old.remote()).unwrap().fetch(&NO_PULLS).unwrap();
        let head = new.push("a.yaml", "new");
        let mirror = Mirror::open(&dir, new.remote()).unwrap();
        assert_eq!(mirror.fetch(&NO_PULLS).unwrap().branches.into_values().collect::<Vec<_>>(), [head]);
        let url = old.git(&["-C", &dir.display().to_string(), "config", "remote.origin.url"]);
        assert_eq!(url, new.origin.display().to_string());
    }

    #[test]
    fn a_path_without_a_repository_is_named() {
        let world = Fixture::new();
        let url = world.root().join("nowhere.git").display().to_string();
        let remote = Remote { url: url.clone(), credentials: Credentials::None, pull_refs: None };
        let mirror = Mirror::open(&world.root().join("m"), remote).unwrap();
        let error = mirror.fetch(&NO_PULLS).unwrap_err();
        assert!(matches!(&error, GitError::RepositoryNotFound { remote } if *remote == url), "{error}");
        assert_eq!(mirror.watch_paths(), None);
    }

    #[test]
    fn a_format_that_cannot_be_read_is_named_with_its_remedy() {
        let world = Fixture::new();
        let path = world.root().join("reftable.git").display().to_string();
        world.git(&["init", "-q", "--bare", "--ref-format=reftable", &path]);
        let remote = Remote { url: path, credentials: Credentials::None, pull_refs: None };
        let error = Mirror::open(&world.root().join("m"), remote).unwrap().fetch(&NO_PULLS).unwrap_err();
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
        let remote =
            Remote { url: world.work.display().to_string(), credentials: Credentials::None, pull_refs: None };
        let paths = Mirror::open(&world.root().join("m2"), remote).unwrap().watch_paths().unwrap();
        assert!(paths[0].0.ends_with(".git"), "{paths:?}");
    }
}
