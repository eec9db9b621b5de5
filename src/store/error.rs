//! What can go wrong with the store, and what to do about it.

use std::path::{Path, PathBuf};

use super::lock::LockError;
use crate::plight::Plight;
use crate::reconcile::apply::JournalError;

/// Why the store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made, opened, read or written.
    #[error(
        "the journal {} cannot be written: {}. A daemon that runs goes on by itself",
        path.display(),
        plight.remedy(path)
    )]
    Unwritable {
        /// The journal's file.
        path: PathBuf,
        /// What is the matter.
        plight: Plight,
        /// What the system or the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The path cannot be written as text.
    #[error("the path of the journal, {}, is not UTF-8: choose another", path.display())]
    Path {
        /// The journal's file.
        path: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "the journal {} is damaged: restore it, or move it away and start again. Without it only history is \
         lost: the next run plans from Azure and Git",
        path.display()
    )]
    Damaged {
        /// The journal's file.
        path: PathBuf,
        /// The first thing that SQLite's own check found.
        finding: String,
    },
    /// A newer version of beamline has changed the file's tables.
    #[error(
        "the journal {} was written by a newer beamline (schema {found}; this one knows {known}): start that \
         version, or move the file away",
        path.display()
    )]
    NewerSchema {
        /// The journal's file.
        path: PathBuf,
        /// The schema version that it has; newer than ours.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The file has the tables of an older version, and is only looked at.
    #[error(
        "the journal {} was written by an older beamline: `beamline apply` or `beamline daemon` bring it up to date",
        path.display()
    )]
    OlderSchema {
        /// The journal's file.
        path: PathBuf,
    },
    /// Another process kept the write right for too long.
    #[error(
        "another process is writing to the journal {} and does not stop: end it (`fuser {}` names it). A daemon \
         that runs goes on by itself",
        path.display(),
        path.display()
    )]
    Busy {
        /// The journal's file.
        path: PathBuf,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// The file is no longer where it was.
    #[error(
        "the journal {} {what}: mount its folder, or put it back. Without it only history is lost: the next \
         run plans from Azure and Git",
        path.display()
    )]
    Gone {
        /// The journal's file.
        path: PathBuf,
        /// What happened to it, as a clause.
        what: &'static str,
        /// What the system said.
        #[source]
        source: Option<std::io::Error>,
    },
    /// SQLite keeps the file without a write-ahead log: whoever reads would keep the writer waiting.
    #[error(
        "the journal {} has no write-ahead log (SQLite stays at `{mode}`): its file system does not let processes share \
         memory. Choose a state_dir on a local disk",
        path.display()
    )]
    NoLog {
        /// The journal's file.
        path: PathBuf,
        /// What SQLite does instead, in its words.
        mode: String,
    },
    /// The folder's lock was removed, and another process has taken it.
    #[error(
        "the journal {} is not written to: the lock of its folder was removed, and {lock}. Stop one of the two",
        path.display()
    )]
    Occupied {
        /// The journal's file.
        path: PathBuf,
        /// Why the lock cannot be taken again.
        lock: LockError,
    },
    /// Any other failure of the database.
    #[error(
        "the journal's database failed with {}, which the disk does not explain. Nothing is lost: a change is written \
         whole or not at all, and the next run plans from Azure and Git. A daemon that runs tries again by itself; \
         else start beamline once more. If it stays, move the journal (journal.sqlite in the state folder) away, \
         which costs history only, and report the code",
        described(.0)
    )]
    Database(#[from] sqlx::Error),
    /// The journal was closed, because the process ends.
    #[error("the journal is closed: this process is stopping")]
    Closed,
    /// A value that this version does not understand.
    #[error(
        "the journal has a {table} whose {column} cannot be read: start the version that wrote it, or move the journal \
         (journal.sqlite in the state folder) away, which costs history only"
    )]
    Unreadable {
        /// The table in which the row stands.
        table: &'static str,
        /// The column that cannot be read.
        column: &'static str,
        /// What is wrong with the value.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A run that never began, or has ended, was written to.
    #[error("run {run} is not under way: it never began or has ended")]
    NotUnderWay {
        /// The id of the run that has ended or never began.
        run: String,
    },
}

impl StoreError {
    /// What the system says of the file at `path`.
    pub(super) fn of_file(path: &Path, source: std::io::Error) -> Self {
        Self::Unwritable { path: path.to_owned(), plight: Plight::of(&source), source: source.into() }
    }

    /// The same, said of the file at `path` where that is what failed.
    pub(super) fn at(self, path: &Path) -> Self {
        let Self::Database(source) = self else { return self };
        let path = path.to_owned();
        match primary_code(&source) {
            Some(SQLITE_BUSY | SQLITE_LOCKED) => Self::Busy { path, source },
            Some(SQLITE_FULL) => Self::Unwritable { path, plight: Plight::Full, source: source.into() },
            Some(SQLITE_READONLY | SQLITE_PERM | SQLITE_IOERR | SQLITE_CANTOPEN) => {
                Self::Unwritable { plight: Plight::find(&path), path, source: source.into() }
            }
            Some(SQLITE_CORRUPT | SQLITE_NOTADB) => Self::Damaged { path, finding: source.to_string() },
            Some(_) | None => Self::Database(source),
        }
    }

    /// Whether the file or its disk is at fault, which may pass; not what was asked of it.
    #[must_use]
    pub fn is_of_the_disk(&self) -> bool {
        match self {
            Self::Unwritable { .. }
            | Self::Damaged { .. }
            | Self::Busy { .. }
            | Self::Gone { .. }
            | Self::NoLog { .. }
            | Self::Occupied { .. }
            | Self::Database(_) => true,
            Self::Path { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Closed
            | Self::Unreadable { .. }
            | Self::NotUnderWay { .. } => false,
        }
    }

    /// As the journal's trait reports it; `verb` is `written` or `read`.
    pub(super) fn in_journal(self, verb: &'static str) -> JournalError {
        JournalError::Store { verb, source: Box::new(self) }
    }
}

// Primary result codes of SQLite ("Result and Error Codes").
const SQLITE_PERM: u32 = 3;
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_CANTOPEN: u32 = 14;
const SQLITE_NOTADB: u32 = 26;

/// The code that SQLite's documentation explains, or that there is none.
fn described(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|error| error.code());
    code.map_or_else(|| "no code".to_owned(), |code| format!("SQLite's code {code}"))
}

/// The low byte of an extended result code is the primary one.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}
