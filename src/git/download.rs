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

/// Brings over what the wanted references reach, and says what they are at the remote.
pub(super) fn download(
    mirror: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
) -> Result<Vec<Tip>, GitError> {
    match &address.place {
        Place::Local(path) => download_local(mirror, &open_remote(address, path)?, address, wanted),
        Place::Http(_) | Place::Ssh(_) => exchange(address, || download_network(mirror, address, wanted))?,
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

/// The outer result is libgit2's, the inner one ours.
fn download_network(
    mirror: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
) -> Result<Result<Vec<Tip>, GitError>, git2::Error> {
    let mut remote = mirror.remote_anonymous(&address.url())?;
    let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
    let tips: Vec<Tip> = connection
        .list()?
        .iter()
        .filter(|head| wanted.includes(head.name()))
        .map(|head| (head.name().to_owned(), head.oid()))
        .collect();
    if let Err(limit) = check_count(&tips, address) {
        return Ok(Err(limit));
    }
    if !tips.is_empty() {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|progress| (progress.received_bytes() as u64) < MAX_FETCH_BYTES);
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks).download_tags(AutotagOption::None);
        let refspecs = wanted.refspecs(&tips, mirror)?;
        connection.remote().download(&refspecs, Some(&mut options))?;
    }
    Ok(Ok(tips))
}

fn download_local(
    mirror: &git2::Repository,
    source: &git2::Repository,
    address: &Address,
    wanted: Wanted<'_>,
) -> Result<Vec<Tip>, GitError> {
    let at_source = |error| wrap(source.path(), error);
    let at_mirror = |error| wrap(mirror.path(), error);
    let tips = references(source, wanted).map_err(at_source)?;
    check_count(&tips, address)?;
    let odb = mirror.odb().map_err(at_mirror)?;
    let missing: Vec<_> = tips.iter().map(|(_, id)| *id).filter(|id| !odb.exists(*id)).collect();
    if missing.is_empty() {
        return Ok(tips);
    }
    let mut pack = source.packbuilder().map_err(at_source)?;
    let mut walk = source.revwalk().map_err(at_source)?;
    for id in missing {
        walk.push(id).map_err(at_source)?;
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
    let outcome = pack.foreach(|bytes| {
        written_bytes += bytes.len() as u64;
        written_bytes < MAX_FETCH_BYTES && writer.write_all(bytes).is_ok()
    });
    if written_bytes >= MAX_FETCH_BYTES {
        let limit = format!("{MAX_FETCH_BYTES} bytes");
        return Err(GitError::Limit { what: format!("the fetch from {}", address.shown), limit });
    }
    outcome.map_err(at_mirror)?;
    writer.commit().map_err(at_mirror)?;
    Ok(tips)
}

fn references(source: &git2::Repository, wanted: Wanted<'_>) -> Result<Vec<Tip>, git2::Error> {
    let mut tips = Vec::new();
    let mut add = |reference: git2::Reference<'_>| {
        // A branch that is an alias of another one has that one's value; one of nothing has none.
        let target = reference.resolve().ok().and_then(|reference| reference.target());
        if let (Ok(name), Some(id)) = (reference.name(), target) {
            tips.push((name.to_owned(), id));
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

fn check_count(tips: &[Tip], address: &Address) -> Result<(), GitError> {
    if tips.len() > MAX_REFERENCES {
        let what = format!("the number of branches and pull requests of {}", address.shown);
        return Err(GitError::Limit { what, limit: format!("{MAX_REFERENCES} references") });
    }
    Ok(())
}
