//! Objects and reference values from a remote into the mirror.
//!
//! A local remote is read directly: libgit2's own local transport would also pack every tag's tree on
//! each fetch. Guarantees: no reference of the mirror is changed here; only commits that the wanted
//! references reach are brought over; sizes are bounded (times too, by the transports).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use git2::{AutotagOption, Direction, FetchOptions, RemoteCallbacks};

use super::address::{Address, Place};
use super::error::GitError;
use super::failure::{self, MAX_FETCH_BYTES};
use super::fetch::{BRANCHES, PULLS};
use super::notes::NOTES_REF;
use super::reader::{open_at, wrap};
use super::transport::is_registered;

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
}

/// Brings over what the wanted references reach, and says what they are at the remote. A reference that
/// cannot be had does not keep the others from coming.
pub(super) fn download(
    mirror: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
) -> Result<Downloaded, GitError> {
    match &address.place {
        Place::Local(path) => download_local(mirror, &open_remote(address, path)?, address, wanted),
        Place::Http(_) | Place::Ssh(_) => download_network(mirror, address, wanted),
    }
}

/// Brings `tips` over with `bring`, all at once; where the remote's damage is in the way, by halves, so
/// that the sound ones come and the others are known. One bad reference costs some 2·log₂(n) tries.
fn bring_apart(
    tips: &[Tip],
    lost: &mut Vec<(Tip, GitError)>,
    bring: &mut dyn FnMut(&[Tip]) -> Result<(), GitError>,
) -> Result<(), GitError> {
    let error = match bring(tips) {
        Ok(()) => return Ok(()),
        Err(error @ (GitError::RemoteDamaged { .. } | GitError::Malformed { .. })) => error,
        Err(error) => return Err(error),
    };
    match tips {
        [] => Err(error),
        [only] => {
            lost.push((only.clone(), error));
            Ok(())
        }
        several => {
            let (one, other) = several.split_at(several.len() / 2);
            bring_apart(one, lost, bring)?;
            bring_apart(other, lost, bring)
        }
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
) -> Result<Downloaded, GitError> {
    let mut listed: Option<Vec<Tip>> = None;
    let first = exchange(address, || fetch(mirror, address, wanted, None, &mut listed));
    let tips = listed.unwrap_or_default();
    let mut lost = Vec::new();
    match first {
        Ok(found) => found?,
        Err(error @ GitError::RemoteDamaged { .. }) => {
            let odb = mirror.odb().map_err(|error| wrap(mirror.path(), error))?;
            let new: Vec<Tip> = tips.iter().filter(|(_, id)| !odb.exists(*id)).cloned().collect();
            if new.is_empty() {
                return Err(error);
            }
            bring_apart(&new, &mut lost, &mut |tips| {
                exchange(address, || fetch(mirror, address, wanted, Some(tips), &mut None))?
            })?;
        }
        Err(error) => return Err(error),
    }
    Ok(without(tips, lost))
}

fn without(tips: Vec<Tip>, lost: Vec<(Tip, GitError)>) -> Downloaded {
    let is_lost = |tip: &Tip| lost.iter().any(|(other, _)| other == tip);
    Downloaded { tips: tips.into_iter().filter(|tip| !is_lost(tip)).collect(), lost }
}

/// One connection: says in `listed` what the remote has, and brings over all that is wanted, or `only`
/// these. The outer result is libgit2's, the inner one ours.
fn fetch(
    mirror: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
    only: Option<&[Tip]>,
    listed: &mut Option<Vec<Tip>>,
) -> Result<Result<(), GitError>, git2::Error> {
    let mut remote = mirror.remote_anonymous(&address.url())?;
    let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
    let heads = connection.list()?.iter();
    let tips: Vec<Tip> = heads
        .filter_map(|head| Some((name_of(head)?, head.oid())))
        .filter(|(name, _)| wanted.includes(name))
        .collect();
    *listed = Some(tips.clone());
    if let Err(limit) = check_count(&tips, address) {
        return Ok(Err(limit));
    }
    if !tips.is_empty() {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|progress| (progress.received_bytes() as u64) < MAX_FETCH_BYTES);
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks).download_tags(AutotagOption::None);
        let refspecs = match only {
            Some(only) => only.iter().map(|(name, _)| format!("+{name}:refs/beamline/{name}")).collect(),
            None => wanted.refspecs(&tips, mirror)?,
        };
        connection.remote().download(&refspecs, Some(&mut options))?;
    }
    Ok(Ok(()))
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
) -> Result<Downloaded, GitError> {
    let tips = references(source, wanted).map_err(|error| at_source(source, address, error))?;
    check_count(&tips, address)?;
    let odb = mirror.odb().map_err(|error| wrap(mirror.path(), error))?;
    let missing: Vec<Tip> = tips.iter().filter(|(_, id)| !odb.exists(*id)).cloned().collect();
    let mut lost = Vec::new();
    if !missing.is_empty() {
        bring_apart(&missing, &mut lost, &mut |tips| copy(mirror, source, address, tips))?;
    }
    Ok(without(tips, lost))
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

/// Says that a reference is left alone.
pub(super) fn ignored(name: &[u8]) {
    let reference = failure::printable(&String::from_utf8_lossy(name));
    tracing::warn!(reference, "a branch's name is unusable: ignored");
}

fn check_count(tips: &[Tip], address: &Address) -> Result<(), GitError> {
    if tips.len() > MAX_REFERENCES {
        let what = format!("the number of branches and pull requests of {}", address.shown);
        return Err(GitError::Limit { what, limit: format!("{MAX_REFERENCES} references") });
    }
    Ok(())
}
