//! One process per state folder: a lock on a file of its own, held by whoever writes there.
//!
//! Guarantees: the kernel lets go of the lock when its process dies, however that happens, and no child
//! process inherits it (the file is closed on exec). So whoever has it knows that every earlier holder is
//! dead, and what they left behind (their leases) counts for nothing: [`FolderLock`] is the proof that
//! [`super::Store::void_leases`] asks for. Where a lock proves less, because the file system cannot lock
//! or may be another machine's, the lock says so ([`FolderLock::doubt`]), and leases expire by time.
//!
//! A lock is worth something only while its file has its name: after `rm -rf` of the folder another process locks
//! a file of its own. So whoever writes to the journal looks first ([`Guard`]), and takes the lock once more, or
//! writes nothing.
//!
//! What stands in the file is for people, and for the message to the second process; it is checked
//! against the kernel's own list, because a killed process leaves its words behind.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::file_system::{Locality, locality_of};
use crate::plight::Plight;

/// How often a lock is tried again that nobody can be named for: a child has it too between its fork and the begin of
/// its program, which is when it lets go.
const MORE_TRIES: u32 = 5;

/// The file's name in the state folder.
const FILE: &str = "beamline.lock";

/// The most that is read of the file, in bytes.
const MAX_WORDS: usize = 4096;

/// How often, and how long apart, the words of a process that has just taken the lock are waited for.
const READINGS: u32 = 5;
const BETWEEN_READINGS: Duration = Duration::from_millis(10);

/// Who has the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupant {
    /// The id of the process that holds it.
    pub pid: u32,
    /// What it was started as, without arguments, which may hold secrets.
    pub command: String,
    /// Since when, by the clock that the type names.
    pub since: Timestamp,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the state folder {} is in use by {}", folder.display(), described(occupant.as_ref(), *pid))]
    Taken {
        /// The folder as it was given on the command line or in the settings.
        folder: PathBuf,
        /// Who has it, where that is known for certain.
        occupant: Option<Occupant>,
        /// Its process, as the kernel says.
        pid: Option<u32>,
    },
    /// The folder is on a file system on which SQLite's journal would be damaged.
    #[error(
        "the state folder {} is on a network file system ({kind}), where several machines would damage the \
         journal: put state_dir on a local disk",
        folder.display()
    )]
    Network {
        /// The folder as it was given on the command line or in the settings.
        folder: PathBuf,
        /// The name of the file system.
        kind: String,
    },
    /// The folder or the lock in it cannot be made, opened or locked.
    #[error(
        "{} cannot be locked, so that no second beamline writes there: {}",
        path.display(),
        Plight::of(source).remedy(path)
    )]
    Open {
        /// The folder or the file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

fn described(occupant: Option<&Occupant>, pid: Option<u32>) -> String {
    match (occupant, pid) {
        (Some(Occupant { pid, command, since }), _) => {
            format!("`{command}` (process {pid}) since {since:.0}")
        }
        (None, Some(pid)) => format!("process {pid}"),
        (None, None) => "another process".to_owned(),
    }
}

/// The right to write in a state folder, for as long as it lives.
#[derive(Debug)]
pub struct FolderLock {
    folder: PathBuf,
    command: String,
    /// `None` where the file system cannot lock.
    file: Option<File>,
    doubt: Option<String>,
}

impl FolderLock {
    /// Takes the lock of `folder`, which is made (mode 0700) where it is missing; never waits. `command`
    /// is what a second process is told, as `beamline daemon`.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(folder: &Path, command: &str, now: Timestamp) -> Result<Self, LockError> {
        let open = |source| LockError::Open { path: folder.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(open)?;
        let doubt = match locality_of(folder).map_err(open)? {
            Locality::Local => None,
            Locality::Network(kind) => return Err(LockError::Network { folder: folder.to_owned(), kind }),
            Locality::Unknown(kind) => Some(format!(
                "{} is on a file system ({kind}) that may be another machine's",
                folder.display()
            )),
        };
        let path = folder.join(FILE);
        let failed = |source| LockError::Open { path: path.clone(), source };
        let mut patience = MORE_TRIES;
        loop {
            let file = opened(&path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) if !is_at(&file, &path) => continue,
                Ok(()) => {
                    let (folder, command) = (folder.to_owned(), command.to_owned());
                    let lock = Self { folder, command, file: Some(file), doubt };
                    let (pid, command) = (std::process::id(), lock.command.clone());
                    lock.sign(&Occupant { pid, command, since: now });
                    return Ok(lock);
                }
                Err(TryLockError::WouldBlock) => match taken(folder, &file) {
                    LockError::Taken { occupant: None, pid: None, .. } if patience > 0 => patience -= 1,
                    taken
                    @ (LockError::Taken { .. } | LockError::Network { .. } | LockError::Open { .. }) => {
                        return Err(taken);
                    }
                },
                Err(TryLockError::Error(error)) if cannot_lock(&error) => {
                    let doubt = format!("the file system of {} cannot lock ({error})", folder.display());
                    let (folder, command) = (folder.to_owned(), command.to_owned());
                    return Ok(Self { folder, command, file: None, doubt: Some(doubt) });
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// Why holding it does not prove that earlier holders are dead; `None` when it does.
    #[must_use]
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// What tells whether it is still worth something; `None` where the file system cannot lock.
    pub(super) fn guard(&self) -> Option<Guard> {
        let file = identity(self.file.as_ref()?.metadata().ok()?);
        Some(Guard { folder: self.folder.clone(), command: self.command.clone(), file, again: None })
    }

    /// Writes down who has the lock. Where that is impossible (a full disk, another user's file) the lock
    /// holds without it, and others are told the process by the kernel.
    fn sign(&self, occupant: &Occupant) {
        let Some(mut file) = self.file.as_ref() else { return };
        let written = serde_json::to_string(occupant).map_err(io::Error::from).and_then(|words| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{words}")
        });
        if let Err(error) = written {
            tracing::debug!(%error, "who has the state folder cannot be written down");
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Words that stay are not believed by anybody.
            let _ = file.set_len(0);
        }
    }
}

/// The file of the lock. A file of another user may be locked too, where it may be read.
fn opened(path: &Path) -> io::Result<File> {
    let writable =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path);
    match writable {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.exists() => File::open(path),
        other => other,
    }
}

/// Whether the file that was locked still has its name. Somebody may have removed it meanwhile.
fn is_at(file: &File, path: &Path) -> bool {
    matches!((file.metadata(), std::fs::metadata(path)),
        (Ok(ours), Ok(named)) if identity(ours.clone()) == identity(named.clone()))
}

fn identity(found: std::fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// A look at a lock that this process has, before something is written under it.
#[derive(Debug)]
pub(super) struct Guard {
    folder: PathBuf,
    command: String,
    /// Device and number of the file that is locked.
    file: (u64, u64),
    /// The lock, where it was taken once more.
    again: Option<FolderLock>,
}

impl Guard {
    /// Whether the file that is locked still has its name.
    pub(super) fn holds(&self) -> bool {
        std::fs::metadata(self.folder.join(FILE)).is_ok_and(|found| identity(found) == self.file)
    }

    /// Takes the lock once more, where its file has lost its name. A folder that is gone is not made.
    ///
    /// # Errors
    /// [`LockError`], as [`FolderLock::take`].
    pub(super) fn keep(&mut self, now: Timestamp) -> Result<(), LockError> {
        if self.holds() || !self.folder.exists() {
            return Ok(());
        }
        let lock = FolderLock::take(&self.folder, &self.command, now)?;
        if let Some(Self { file, .. }) = lock.guard() {
            tracing::warn!(folder = %self.folder.display(), "the lock of the state folder was removed: it is taken again");
            self.file = file;
        }
        self.again = Some(lock);
        Ok(())
    }
}

/// Whether the file system has no locks at all, as flock(2) reports it.
fn cannot_lock(error: &io::Error) -> bool {
    [Errno::NOTSUP, Errno::NOSYS, Errno::NOLCK, Errno::INVAL]
        .iter()
        .any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

fn taken(folder: &Path, file: &File) -> LockError {
    let path = folder.join(FILE);
    let mut pid = None;
    for reading in 1..=READINGS {
        let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
        let holders = file.metadata().map(|found| holders(&locks, found.ino())).unwrap_or_default();
        let words = std::fs::read(&path).unwrap_or_default();
        let occupant = serde_json::from_slice(&words[..words.len().min(MAX_WORDS)]).ok();
        // The kernel's list is not read in one piece: a holder can be missing from one reading.
        let is_settled = !holders.is_empty() || reading == READINGS;
        if let Some(occupant) = occupant.filter(|found| is_settled && is_believed(found, &holders)) {
            let pid = Some(occupant.pid);
            return LockError::Taken { folder: folder.to_owned(), occupant: Some(occupant), pid };
        }
        pid = holders.first().copied().filter(|_| holders.len() == 1);
        std::thread::sleep(BETWEEN_READINGS);
    }
    LockError::Taken { folder: folder.to_owned(), occupant: None, pid }
}

/// Words of a process that the kernel does not name are a dead one's. The kernel names nobody where the
/// holder is in another container.
fn is_believed(occupant: &Occupant, holders: &[u32]) -> bool {
    holders.is_empty() || holders.contains(&occupant.pid)
}

/// The processes that have locked a file with this inode, as proc_locks(5) has them.
fn holders(locks: &str, inode: u64) -> Vec<u32> {
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["FLOCK", _, "WRITE", pid, file, ..] = words.get(1..)? else { return None };
        let is_it = file.rsplit(':').next()?.parse::<u64>().ok()? == inode;
        pid.parse::<u32>().ok().filter(|pid| is_it && *pid != 0)
    };
    locks.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::fixture::{folder, now};
    use super::*;

    #[test]
    fn the_second_one_is_told_who_has_it_and_the_next_one_gets_it() {
        let folder = folder();
        let state = folder.path().join("state");
        let lock = FolderLock::take(&state, "beamline daemon", now()).unwrap();
        assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
        let error = FolderLock::take(&state, "beamline apply", now()).unwrap_err();
        let expected = format!("in use by `beamline daemon` (process {}) since ", std::process::id());
        assert!(error.to_string().contains(&expected), "{error}");
        drop(lock);
        drop(FolderLock::take(&state, "beamline apply", now()).unwrap());
        assert_eq!(std::fs::read(state.join(FILE)).unwrap(), b"", "nobody has it, and nobody is named");
    }

    #[test]
    fn no_child_keeps_it() {
        let folder = folder();
        let lock = FolderLock::take(folder.path(), "beamline daemon", now()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        drop(lock);
        let again = FolderLock::take(folder.path(), "beamline daemon", now());
        child.kill().unwrap();
        child.wait().unwrap();
        again.unwrap();
    }

    #[test]
    fn the_words_of_a_dead_process_are_not_believed() {
        let folder = folder();
        let lock = FolderLock::take(folder.path(), "beamline daemon", now()).unwrap();
        let dead = Occupant { pid: u32::MAX, command: "beamline apply".to_owned(), since: now() };
        std::fs::write(folder.path().join(FILE), serde_json::to_vec(&dead).unwrap()).unwrap();
        let error = FolderLock::take(folder.path(), "beamline apply", now()).unwrap_err();
        let LockError::Taken { occupant, pid, .. } = error else { panic!("{error}") };
        assert_eq!((occupant, pid), (None, Some(std::process::id())));
        // Neither is anything else that stands there.
        std::fs::write(folder.path().join(FILE), [0xff; 10_000]).unwrap();
        assert!(FolderLock::take(folder.path(), "x", now()).unwrap_err().to_string().contains("process "));
        drop(lock);
    }

    #[test]
    fn a_lock_file_that_was_removed_is_made_again() {
        let folder = folder();
        let gone = opened(&folder.path().join(FILE)).unwrap();
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(!is_at(&gone, &folder.path().join(FILE)));
        let _lock = FolderLock::take(folder.path(), "beamline daemon", now()).unwrap();
        assert!(FolderLock::take(folder.path(), "beamline daemon", now()).is_err());
    }

    #[test]
    fn what_is_no_folder_and_what_is_no_file_is_named() {
        let folder = folder();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = FolderLock::take(&file, "beamline daemon", now()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{} cannot be locked", file.display())), "{error}");
        std::fs::create_dir(folder.path().join(FILE)).unwrap();
        let error = FolderLock::take(folder.path(), "beamline daemon", now()).unwrap_err();
        assert!(matches!(error, LockError::Open { .. }), "{error}");
    }

    #[test]
    fn the_kernels_list_is_read() {
        let locks = "1: FLOCK  ADVISORY  WRITE 4711 fe:00:131075 0 EOF\n\
                     2: POSIX  ADVISORY  READ  12 fe:00:131075 128 128\n\
                     3: FLOCK  ADVISORY  WRITE 99 fe:00:5 0 EOF\n4: -> FLOCK  ADVISORY  WRITE 7 fe:00:131075 0 EOF\n";
        assert_eq!(holders(locks, 131_075), [4711]);
        assert_eq!(holders(locks, 6), [0; 0]);
    }

    #[test]
    fn a_file_system_without_locks_is_told_from_a_refusal() {
        assert!(cannot_lock(&io::Error::from_raw_os_error(Errno::NOTSUP.raw_os_error())));
        assert!(!cannot_lock(&io::Error::from_raw_os_error(Errno::IO.raw_os_error())));
    }
}
