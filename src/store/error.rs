//! What can go wrong with the store, and what to do about it.

use std::path::{Path, PathBuf};

use crate::reconcile::apply::JournalError;

/// Why the store could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be made or opened.
    #[error("the journal {} cannot be opened: check that the folder exists and belongs to this user", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The path cannot be written as text.
    #[error("the path of the journal, {}, is not UTF-8: choose another", path.display())]
    Path {
        /// The file.
        path: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "the journal {} is damaged: restore it, or move it away and start again. Without it only history is \
         lost: the next run plans from Azure and Git",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        finding: String,
    },
    /// A newer version of beamline has changed the file's tables.
    #[error(
        "the journal {} was written by a newer beamline (schema {found}; this one knows {known}): start that \
         version, or move the file away",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Another process kept the write right for too long.
    #[error(
        "another process is writing to the journal and does not stop: is a second daemon using the same file?"
    )]
    Busy(#[source] sqlx::Error),
    /// The disk is full.
    #[error("the journal cannot be written because the disk is full: make room")]
    Full(#[source] sqlx::Error),
    /// Any other failure of the database.
    #[error("the journal's database failed: check the disk and the permissions of the state directory")]
    Database(#[source] sqlx::Error),
    /// A value that this version does not understand.
    #[error("the journal has a {table} whose {column} cannot be read: was it written by another version?")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// What is wrong with the value.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A run that never began, or has ended, was written to.
    #[error("run {run} is not under way: it never began or has ended")]
    NotUnderWay {
        /// The run.
        run: String,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            Some(SQLITE_BUSY | SQLITE_LOCKED) => Self::Busy(error),
            Some(SQLITE_FULL) => Self::Full(error),
            Some(_) | None => Self::Database(error),
        }
    }
}

impl StoreError {
    /// The same, or that the file at `path` is damaged if that is what the database says.
    pub(super) fn or_damage(self, path: &Path) -> Self {
        if let Self::Database(source) = &self
            && matches!(primary_code(source), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
        {
            return Self::Damaged { path: path.to_owned(), finding: source.to_string() };
        }
        self
    }

    /// As the journal's trait reports it; `verb` is `written` or `read`.
    pub(super) fn in_journal(self, verb: &'static str) -> JournalError {
        JournalError::Store { verb, source: Box::new(self) }
    }
}

// Primary result codes of SQLite ("Result and Error Codes").
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;

/// The low byte of an extended result code is the primary one.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<u32>().ok().map(|code| code & 0xff)
}
