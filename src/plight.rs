//! What keeps a file or folder of the state folder from being written, and what ends that.
//!
//! Why: SQLite says "disk I/O error" of a full disk as of a broken one. So a little is written beside the
//! file, and the system says why that fails.
//!
//! Guarantees: each remedy, followed as it is written, ends what it is said of; the journal itself is never opened
//! here, because closing it would let go of the locks that SQLite holds in this process.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// As much as SQLite needs at once: its shared memory is 32 KiB.
const PROBE_BYTES: usize = 64 * 1024;

/// How the names end of the files that SQLite makes beside its own: the write-ahead log, and what processes share.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// What keeps a file from being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plight {
    /// There is no room, or none for this user.
    Full,
    /// The disk is mounted read-only.
    ReadOnly,
    /// It belongs to another user.
    Forbidden,
    /// What should be a folder is a file, or the other way round.
    WrongKind,
    /// What stands where SQLite keeps a file beside it is none; the end of that file's name.
    Beside(&'static str),
    /// The folder is not there.
    Missing,
    /// Something else: the disk fails.
    Broken,
}

/// What the system's errors mean; any other one is of a disk that fails.
const KINDS: [(ErrorKind, Plight); 9] = [
    (ErrorKind::StorageFull, Plight::Full),
    (ErrorKind::QuotaExceeded, Plight::Full),
    (ErrorKind::FileTooLarge, Plight::Full),
    (ErrorKind::ReadOnlyFilesystem, Plight::ReadOnly),
    (ErrorKind::PermissionDenied, Plight::Forbidden),
    (ErrorKind::NotADirectory, Plight::WrongKind),
    (ErrorKind::IsADirectory, Plight::WrongKind),
    (ErrorKind::AlreadyExists, Plight::WrongKind),
    (ErrorKind::NotFound, Plight::Missing),
];

impl Plight {
    /// What the system's error means.
    pub(crate) fn of(error: &io::Error) -> Self {
        let known = KINDS.iter().find(|(kind, _)| *kind == error.kind());
        known.map_or(Self::Broken, |(_, plight)| *plight)
    }

    /// What is the matter with the file at `path`, which could not be written.
    pub(crate) fn find(path: &Path) -> Self {
        let is_in_the_way =
            |end: &&&str| std::fs::metadata(beside(path, end)).is_ok_and(|found| !found.is_file());
        if let Some(end) = BESIDE.iter().find(is_in_the_way) {
            return Self::Beside(end);
        }
        match probe(path) {
            Ok(()) => Self::Broken,
            Err(error) => Self::of(&error),
        }
    }

    /// What is wrong with `path`, and what to do about it: a clause.
    pub(crate) fn remedy(self, path: &Path) -> String {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(path);
        let (path, folder) = (path.display(), folder.display());
        match self {
            Self::Full => format!(
                "the disk, or this user's share of it, is full: make room there (`df -h {folder}`, \
                 `df -i {folder}` and `quota` show it)"
            ),
            Self::ReadOnly => format!(
                "the disk is mounted read-only: mount it writable (`findmnt -T {folder}` names it, `dmesg` says \
                 why if the system did that)"
            ),
            Self::Forbidden => {
                let user = user().map_or_else(|| "USER".to_owned(), |user| user.to_string());
                format!(
                    "user {user} may not write there: give it the folder with `chown -R {user} {folder}`, or \
                     start beamline as the folder's owner"
                )
            }
            Self::WrongKind => {
                format!(
                    "something else stands at {path} or above it: move it away, or choose another state_dir"
                )
            }
            Self::Beside(end) => {
                format!("what stands at {path}{end} is no file, and SQLite needs one there: move it away")
            }
            Self::Missing => format!("{folder} is not there: mount it or make it"),
            Self::Broken => format!("check the disk with `df -h {folder}` and `dmesg`"),
        }
    }
}

/// Tries what SQLite does: to write to its files, and to make one beside them.
fn probe(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    for file in ["", BESIDE[0], BESIDE[1]].map(|suffix| beside(path, suffix)) {
        match rustix::fs::access(&file, Access::WRITE_OK) {
            Err(error) if error != rustix::io::Errno::NOENT => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    let probe = beside(path, &format!("-probe-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&probe)?;
    let written = file.write_all(&[0; PROBE_BYTES]).and_then(|()| file.sync_all());
    let removed = std::fs::remove_file(&probe);
    written.and(removed)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The number of the user that this process runs as.
fn user() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|found| found.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_has_its_remedy() {
        // Numbers of errno(3) on Linux.
        for (errno, plight, words) in [
            (28, Plight::Full, "`df -i /x`"),
            (122, Plight::Full, "`quota`"),
            (27, Plight::Full, "make room"),
            (30, Plight::ReadOnly, "`findmnt -T /x`"),
            (13, Plight::Forbidden, "`chown -R "),
            (1, Plight::Forbidden, "start beamline as the folder's owner"),
            (20, Plight::WrongKind, "stands at /x/journal.sqlite"),
            (21, Plight::WrongKind, "move it away"),
            (17, Plight::WrongKind, "choose another state_dir"),
            (2, Plight::Missing, "/x is not there"),
            (5, Plight::Broken, "`dmesg`"),
        ] {
            let found = Plight::of(&io::Error::from_raw_os_error(errno));
            assert_eq!(found, plight, "{errno}");
            let remedy = found.remedy(Path::new("/x/journal.sqlite"));
            assert!(remedy.contains(words), "{errno}: {remedy}");
        }
    }

    #[test]
    fn a_look_finds_the_cause_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal.sqlite");
        assert_eq!(Plight::find(&journal), Plight::Broken, "nothing is wrong with the folder");
        assert_eq!(Plight::find(&folder.path().join("away/journal.sqlite")), Plight::Missing);
        std::fs::create_dir(&journal).unwrap();
        assert_eq!(Plight::find(&journal), Plight::WrongKind);
        assert_eq!(Plight::find(&journal.join("below")), Plight::Broken);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
