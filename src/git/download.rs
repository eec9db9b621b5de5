//! Objects and reference values from a remote into the mirror.
//!
//! A local remote is read directly: libgit2's own local transport would also pack every tag's tree on
//! each fetch. Guarantees: no reference of the mirror is changed here; only commits that the wanted
//! references reach are brought over; sizes are bounded (times too, by the transports). Which reference is in
//! the way when not all can be had is found in `apart.rs`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use git2::{AutotagOption, Direction, FetchOptions, RemoteCallbacks};

use super::address::{Address, Place};
use super::apart::{Doubts, Means, Tried, bring_apart};
use super::error::GitError;
use super::failure::{self, MAX_FETCH_BYTES};
use super::fetch::{BRANCHES, PULLS};
use super::notes::NOTES_REF;
use super::reader::{open_at, wrap};
use super::transport::is_registered;

/// How much of what a server says beside its pack is kept: the end, in bytes.
const MAX_SAID_BYTES: usize = 16 * 1024;

/// How many references a remote may show us. Beyond it each look would cost seconds.
const MAX_REFERENCES: usize = 20_000;

/// Which references are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted<'a> {
    /// `refs/heads/*`, and of the pull requests these references, with their numbers.
    Heads { pulls: &'a BTreeMap<String, u64> },
    /// `refs/notes/beamline` alone.
    Notes,
}

/// A reference at the remote: its full name and its value.
pub(super) type Tip = (String, git2::Oid);

impl Wanted<'_> {
    fn includes(self, name: &str) -> bool {
        match self {
            Self::Heads { pulls } => name.starts_with("refs/heads/") || pulls.contains_key(name),
            Self::Notes => name == NOTES_REF,
        }
    }

    /// What is asked of the remote, which has `tips`. Pull requests are asked for one by one, because a
    /// pattern would bring those that were closed years ago; so only those that are new to `mirror`.
    fn refspecs(self, tips: &[Tip], mirror: &git2::Repository) -> Result<Vec<String>, git2::Error> {
        let Self::Heads { pulls } = self else { return Ok(vec![format!("+{NOTES_REF}:{NOTES_REF}")]) };
        let odb = mirror.odb()?;
        let new = tips.iter().filter(|(_, id)| !odb.exists(*id));
        let new = new.filter_map(|(name, _)| Some(format!("+{name}:{PULLS}{}", pulls.get(name)?)));
        Ok(std::iter::once(format!("+refs/heads/*:{BRANCHES}*")).chain(new).collect())
    }
}

/// What a download has brought.
#[derive(Debug, Default)]
pub(super) struct Downloaded {
    /// The wanted references and their values at the remote. What they reach is here.
    pub(super) tips: Vec<Tip>,
    /// Those whose objects the remote does not have, or not as they should be, and what it said.
    pub(super) lost: Vec<(Tip, GitError)>,
    /// Those that did not come this time, and why: another time they may.
    pub(super) late: Vec<(Tip, String)>,
}

/// Brings over what the wanted references reach, and says what they are at the remote. A reference that
/// cannot be had does not keep the others from coming; `first` is tried before them.
pub(super) fn download(
    mirror: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
    first: Option<&str>,
    doubts: &mut Doubts,
) -> Result<Downloaded, GitError> {
    match &address.place {
        Place::Local(path) => {
            let source = open_remote(address, path)?;
            download_local(mirror, &source, address, wanted, first, doubts)
        }
        Place::Http(_) | Place::Ssh(_) => download_network(mirror, address, wanted, first, doubts),
    }
}

/// Runs one exchange over a network transport and explains its failure.
pub(super) fn exchange<T>(
    address: &Address,
    work: impl FnOnce() -> Result<T, git2::Error>,
) -> Result<T, GitError> {
    if !is_registered() {
        return Err(GitError::NoTransport { remote: address.shown.clone() });
    }
    drop(failure::take());
    work().map_err(|error| failure::explain(&address.shown, &error, failure::take()))
}

/// Opens the repository of a local remote.
pub(super) fn open_remote(address: &Address, path: &Path) -> Result<git2::Repository, GitError> {
    open_at(path).map_err(|error| {
        if matches!(error, GitError::NotARepository { .. }) {
            GitError::RepositoryNotFound { remote: address.shown.clone() }
        } else {
            error
        }
    })
}

fn download_network(
    mirror: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
    first: Option<&str>,
    doubts: &mut Doubts,
) -> Result<Downloaded, GitError> {
    let mut listed = None;
    let all = exchange(address, || fetch(mirror, address, wanted, doubts, &mut listed));
    let Some(Listed { tips, asked }) = listed else { return all.map(|()| Downloaded::default()) };
    check_count(&tips, address)?;
    let error = all.err();
    let (new, whole) = new_to(mirror, &tips)?;
    if new.is_empty() {
        return error.map_or_else(|| Ok(Downloaded { tips, ..Downloaded::default() }), Err);
    }
    let tried = Tried { came: if error.is_none() { asked } else { 0 }, error };
    let means = Means {
        bring: &mut |only: &[Tip]| exchange(address, || fetch_only(mirror, address, only)),
        probe: &mut || whole.first().is_some_and(|tip| comes_through(address, tip)),
    };
    bring_apart(new, tried, first, doubts, means).map(|missing| missing.without(tips))
}

/// The references that have something which the mirror does not have, and those that do not.
fn new_to(mirror: &git2::Repository, tips: &[Tip]) -> Result<(Vec<Tip>, Vec<Tip>), GitError> {
    let odb = mirror.odb().map_err(|error| wrap(mirror.path(), error))?;
    Ok(tips.iter().cloned().partition(|(_, id)| !odb.exists(*id)))
}

/// What a remote said that it has.
struct Listed {
    tips: Vec<Tip>,
    /// How many of them were then asked for at once, because they are new and not in doubt.
    asked: usize,
}

/// One connection: says in `listed` what the remote has, and brings over all that is wanted and not in doubt.
fn fetch(
    mirror: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
    doubts: &Doubts,
    listed: &mut Option<Listed>,
) -> Result<(), git2::Error> {
    let mut remote = mirror.remote_anonymous(&address.url())?;
    let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
    let heads = connection.list()?.iter();
    let tips: Vec<Tip> = heads
        .filter_map(|head| Some((name_of(head)?, head.oid())))
        .filter(|(name, _)| wanted.includes(name))
        .collect();
    let odb = mirror.odb()?;
    let sure = || tips.iter().filter(|tip| !doubts.has(tip) && !odb.exists(tip.1));
    let refspecs = match tips.iter().any(|tip| doubts.has(tip)) {
        true => alone(sure()),
        false => wanted.refspecs(&tips, mirror)?,
    };
    let asked = sure().count();
    let is_too_many = tips.len() > MAX_REFERENCES;
    *listed = Some(Listed { tips, asked });
    if asked == 0 || is_too_many {
        return Ok(());
    }
    download_pack(connection.remote(), &refspecs)
}

/// One connection that brings over these.
fn fetch_only(mirror: &git2::Repository, address: &Address, only: &[Tip]) -> Result<(), git2::Error> {
    let mut remote = mirror.remote_anonymous(&address.url())?;
    let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
    download_pack(connection.remote(), &alone(only.iter()))
}

/// Whether the remote gives us the files of `tip`, which we have, once more: into a repository that is thrown away.
fn comes_through(address: &Address, (name, _): &Tip) -> bool {
    let Ok(folder) = tempfile::tempdir() else { return false };
    let attempt = || -> Result<(), git2::Error> {
        let scratch = git2::Repository::init_bare(folder.path())?;
        let mut remote = scratch.remote_anonymous(&address.url())?;
        let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
        let mut options = FetchOptions::new();
        options.depth(1).download_tags(AutotagOption::None);
        connection.remote().download(&[format!("+{name}:refs/probe")], Some(&mut options))
    };
    exchange(address, attempt).is_ok()
}

/// Asks for these references by name. Nothing is written where the right side says.
fn alone<'a>(tips: impl Iterator<Item = &'a Tip>) -> Vec<String> {
    tips.map(|(name, _)| format!("+{name}:refs/beamline/{name}")).collect()
}

fn download_pack(remote: &mut git2::Remote<'_>, refspecs: &[String]) -> Result<(), git2::Error> {
    let said = RefCell::new(Vec::new());
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|progress| (progress.received_bytes() as u64) < MAX_FETCH_BYTES);
    callbacks.sideband_progress(|bytes| {
        let mut said = said.borrow_mut();
        said.extend_from_slice(bytes);
        let superfluous = said.len().saturating_sub(MAX_SAID_BYTES);
        said.drain(..superfluous);
        true
    });
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks).download_tags(AutotagOption::None);
    let downloaded = remote.download(refspecs, Some(&mut options));
    drop(options);
    if downloaded.is_err() {
        failure::heard(&said.borrow());
    }
    downloaded
}

/// `None` for a name that is not UTF-8, for which `git2` has only a panic.
fn name_of(head: &git2::RemoteHead<'_>) -> Option<String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| head.name().to_owned())).ok()
}

fn download_local(
    mirror: &git2::Repository,
    source: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
    first: Option<&str>,
    doubts: &mut Doubts,
) -> Result<Downloaded, GitError> {
    let tips = references(source, wanted).map_err(|error| at_source(source, address, error))?;
    check_count(&tips, address)?;
    let (new, _) = new_to(mirror, &tips)?;
    let sure: Vec<Tip> = new.iter().filter(|tip| !doubts.has(tip)).cloned().collect();
    let error = if sure.is_empty() { None } else { copy(mirror, source, address, &sure).err() };
    let tried = Tried { came: if error.is_none() { sure.len() } else { 0 }, error };
    let means = Means { bring: &mut |tips| copy(mirror, source, address, tips), probe: &mut || false };
    let (new, _) = new_to(mirror, &new)?;
    bring_apart(new, tried, first, doubts, means).map(|missing| missing.without(tips))
}

/// What libgit2 says about a local remote: its damage is not ours.
fn at_source(source: &git2::Repository, address: &Address, error: git2::Error) -> GitError {
    let error = wrap(source.path(), error);
    if let GitError::Damaged { source, .. } = &error {
        let (remote, detail) = (address.shown.clone(), failure::printable(source.message()));
        return GitError::RemoteDamaged { remote, detail };
    }
    error
}

/// Copies what `tips` reach and the mirror does not have from a local remote.
fn copy(
    mirror: &git2::Repository,
    source: &git2::Repository,
    address: &Address,
    tips: &[Tip],
) -> Result<(), GitError> {
    let at_source = |error| at_source(source, address, error);
    let at_mirror = |error| wrap(mirror.path(), error);
    let odb = mirror.odb().map_err(at_mirror)?;
    let mut pack = source.packbuilder().map_err(at_source)?;
    let mut walk = source.revwalk().map_err(at_source)?;
    for (_, id) in tips {
        walk.push(*id).map_err(at_source)?;
    }
    for known in mirror.references().map_err(at_mirror)?.filter_map(|r| r.ok()?.target()) {
        // After a forced push the source may have dropped what we still know.
        if source.find_commit(known).is_ok() {
            walk.hide(known).map_err(at_source)?;
        }
    }
    pack.insert_walk(&mut walk).map_err(at_source)?;
    let mut writer = odb.packwriter().map_err(at_mirror)?;
    let mut written_bytes: u64 = 0;
    let mut refused = None;
    let outcome = pack.foreach(|bytes| {
        written_bytes += bytes.len() as u64;
        refused = writer.write_all(bytes).err();
        written_bytes < MAX_FETCH_BYTES && refused.is_none()
    });
    if written_bytes >= MAX_FETCH_BYTES {
        let limit = format!("{MAX_FETCH_BYTES} bytes");
        return Err(GitError::Limit { what: format!("the fetch from {}", address.shown), limit });
    }
    if let Some(source) = refused {
        return Err(GitError::Create { dir: mirror.path().to_owned(), source });
    }
    outcome.map_err(at_source)?;
    writer.commit().map_err(at_mirror)?;
    Ok(())
}

fn references(source: &git2::Repository, wanted: Wanted<'_>) -> Result<Vec<Tip>, git2::Error> {
    let mut tips = Vec::new();
    let mut add = |reference: git2::Reference<'_>| {
        // A branch that is an alias of another one has that one's value; one of nothing has none.
        let target = reference.resolve().ok().and_then(|reference| reference.target());
        match (reference.name(), target) {
            (Ok(name), Some(id)) => tips.push((name.to_owned(), id)),
            (Err(_), _) => ignored(reference.name_bytes()),
            (Ok(_), None) => {}
        }
    };
    let (glob, single): (_, Vec<&str>) = match wanted {
        Wanted::Heads { pulls } => ("refs/heads/*", pulls.keys().map(String::as_str).collect()),
        Wanted::Notes => (NOTES_REF, Vec::new()),
    };
    for reference in source.references_glob(glob)? {
        add(reference?);
    }
    for name in single {
        match source.find_reference(name) {
            Ok(reference) => add(reference),
            Err(error) if error.code() == git2::ErrorCode::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tips)
}

/// Most names that are said; whoever may push must not be able to bury everything else.
const MAX_SAID: usize = 200;

/// Says that a reference is left alone, once while this process lives: every look meets it again.
pub(super) fn ignored(name: &[u8]) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let reference = failure::printable(&String::from_utf8_lossy(name));
    let reference = reference.trim_start_matches("refs/remotes/origin/");
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.len() < MAX_SAID && said.insert(reference.to_owned()) {
        tracing::warn!(reference, "a branch's name is unusable: ignored");
    }
}

fn check_count(tips: &[Tip], address: &Address) -> Result<(), GitError> {
    if tips.len() > MAX_REFERENCES {
        let what = format!("the number of branches and pull requests of {}", address.shown);
        return Err(GitError::Limit { what, limit: format!("{MAX_REFERENCES} references") });
    }
    Ok(())
}
