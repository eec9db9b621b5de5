//! The file that the journal is: made private, found again, and recognised.
//!
//! Guarantees: a file that is there is never truncated and never opened here (closing it would let go of the
//! locks that SQLite holds in this process); a missing one is made again only on the file system where it
//! was, so that nothing is written below the mount point of a disk that has gone away.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::StoreError;
use super::lock::Guard;
use crate::clock::Clock;

/// Of every connection. The lock is waited for this long; what is deleted (poll URLs) is overwritten.
const SETTINGS: &str = "PRAGMA busy_timeout = 30000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 16777216; PRAGMA cache_size = -1024;";

/// Of the connection that writes: with a write-ahead log no reader keeps it waiting. The file remembers it; whoever only
/// reads takes the file as it is, which a copy that was put back may have without one.
const WRITER_SETTINGS: &str = "PRAGMA journal_mode = WAL;";

/// Of connections that only read.
const READER_SETTINGS: &str = "PRAGMA query_only = ON;";

/// SQLite's own largest number of pages.
const NO_LIMIT: u32 = 4_294_967_294;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// The number of a deleted file is given to a new one; where the file system knows, this tells them apart.
    born: Option<SystemTime>,
}

/// No file: what is found is another one.
const NONE: Identity = Identity { device: 0, inode: 0, born: None };

/// A journal in a file.
#[derive(Debug)]
pub(super) struct JournalFile {
    pub(super) path: PathBuf,
    options: AnyConnectOptions,
    /// The file system of its folder.
    device: u64,
    /// The file that is worked with.
    known: Mutex<Identity>,
    /// Most pages that the file may have; zero: as many as the disk has room for.
    room: AtomicU32,
    /// The folder's lock; `None` where nobody else can know of it, or the file system cannot lock.
    guard: Mutex<Option<Guard>>,
}

/// A connection, and the files that it writes to.
pub(super) struct Connection {
    pub(super) db: AnyConnection,
    file: Identity,
    /// The write-ahead log; known once something was written.
    log: Option<Identity>,
    /// The limit that it was told last.
    room: u32,
}

impl JournalFile {
    /// Makes the file, and its folder (mode 0700), where they are missing. The file gets mode 0600, because
    /// the addresses of running operations in it are signed.
    pub(super) fn make(path: &Path) -> Result<Self, StoreError> {
        let open = |source| StoreError::of_file(path, source);
        let options = connect_options(&url_of(path)?)?;
        if let Some(folder) = folder_of(path) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(open)?;
        }
        make_private(path).map_err(open)?;
        let known = identity_of(path).map_err(open)?.ok_or_else(|| open(ErrorKind::NotFound.into()))?;
        Ok(Self {
            path: path.to_owned(),
            options,
            device: known.device,
            known: Mutex::new(known),
            room: AtomicU32::new(0),
            guard: Mutex::default(),
        })
    }

    /// The file, to be read only; `None` where there is none. Nothing is made or changed.
    pub(super) fn found(path: &Path) -> Result<Option<Self>, StoreError> {
        let found = identity_of(path);
        let known = found.map_err(|source| StoreError::of_file(path, source))?;
        let Some(known) = known else { return Ok(None) };
        Ok(Some(Self {
            path: path.to_owned(),
            options: connect_options(&format!("{}?mode=ro", url_of(path)?))?,
            device: known.device,
            known: Mutex::new(known),
            room: AtomicU32::new(0),
            guard: Mutex::default(),
        }))
    }

    /// Whether the file that is worked with no longer stands at its path.
    pub(super) fn has_moved(&self) -> bool {
        !matches!(identity_of(&self.path), Ok(Some(found)) if found == self.known())
    }

    /// The file that is worked with.
    pub(super) fn known(&self) -> Identity {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with another file from now on.
    pub(super) fn adopt(&self, identity: Identity) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// From now on nothing is written but under `guard`.
    pub(super) fn write_under(&self, guard: Option<Guard>) {
        *self.guard() = guard;
    }

    /// Whether the folder's lock is still ours.
    pub(super) fn is_guarded(&self) -> bool {
        self.guard().as_ref().is_none_or(Guard::holds)
    }

    /// Takes the folder's lock once more, where it was removed.
    ///
    /// # Errors
    /// [`StoreError::Occupied`] when another process has it.
    pub(super) fn keep_guard(&self, clock: &Clock) -> Result<(), StoreError> {
        let kept = self.guard().as_mut().map_or(Ok(()), |guard| guard.keep(clock.now()));
        kept.map_err(|lock| StoreError::Occupied { path: self.path.clone(), lock })
    }

    fn guard(&self) -> MutexGuard<'_, Option<Guard>> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the file again if it is missing from where it was.
    ///
    /// # Errors
    /// [`StoreError::Gone`] while its folder is missing, or stands on another file system without it.
    pub(super) fn make_again(&self) -> Result<(), StoreError> {
        match identity_of(&self.path) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
            Err(source) => return Err(self.gone("cannot be looked at", Some(source))),
        }
        let folder = folder_of(&self.path).unwrap_or(Path::new("."));
        match std::fs::metadata(folder) {
            Ok(found) if found.dev() == self.device => {
                self.adopt(NONE);
                make_private(&self.path)
                    .map_err(|source| self.gone("is gone and cannot be made again", Some(source)))
            }
            Ok(_) => Err(self.gone("is gone, and its folder is on another disk than before", None)),
            Err(source) => Err(self.gone("is gone with its folder", Some(source))),
        }
    }

    pub(super) async fn connect(&self, role: Role) -> Result<Connection, StoreError> {
        let missing = || self.gone("is gone", None);
        let file = identity_of(&self.path).ok().flatten().ok_or_else(missing)?;
        let mut db = AnyConnection::connect_with(&self.options).await?;
        sqlx::raw_sql(SETTINGS).execute(&mut db).await?;
        match role {
            Role::Writer => write_ahead(&mut db, &self.path).await?,
            Role::Reader => {
                sqlx::raw_sql(READER_SETTINGS).execute(&mut db).await?;
            }
        }
        let connection = Connection { db, file, log: None, room: 0 };
        if self.holds(&connection) { Ok(connection) } else { Err(missing()) }
    }

    /// Whether what `connection` writes is found again at the path.
    pub(super) fn holds(&self, connection: &Connection) -> bool {
        let is_at =
            |path: &Path, file: Identity| matches!(identity_of(path), Ok(Some(found)) if found == file);
        is_at(&self.path, connection.file) && connection.log.is_none_or(|log| is_at(&self.log_path(), log))
    }

    /// Remembers which write-ahead log `connection` has just written to.
    pub(super) fn note_log(&self, connection: &mut Connection) {
        if connection.log.is_none() {
            connection.log = identity_of(&self.log_path()).ok().flatten();
        }
    }

    /// From now on the file may have at most so many pages of 4 KiB; zero: as many as the disk has room for.
    pub(super) fn set_room(&self, pages: u32) {
        self.room.store(pages, Ordering::Release);
    }

    /// Tells `connection` the present limit.
    pub(super) async fn limit(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let room = self.room.load(Ordering::Acquire);
        if room != connection.room {
            let pages = if room == 0 { NO_LIMIT } else { room };
            let limit = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
            sqlx::raw_sql(limit).execute(&mut connection.db).await?;
            connection.room = room;
        }
        Ok(())
    }

    pub(super) fn gone(&self, what: &'static str, source: Option<std::io::Error>) -> StoreError {
        StoreError::Gone { path: self.path.clone(), what, source }
    }

    fn log_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push("-wal");
        path.into()
    }
}

impl Connection {
    /// To a database that has no file.
    pub(super) fn in_memory(db: AnyConnection) -> Self {
        Self { db, file: NONE, log: None, room: 0 }
    }

    pub(super) fn file(&self) -> Identity {
        self.file
    }

    /// Closes it. What went wrong with it was said before.
    pub(super) async fn discard(self) {
        if let Err(error) = self.db.close().await {
            tracing::debug!(%error, "a connection to the journal did not close in order");
        }
    }
}

/// Switches the write-ahead log on. Where SQLite cannot, it says no word and goes on as before.
async fn write_ahead(db: &mut AnyConnection, path: &Path) -> Result<(), StoreError> {
    let mode: String = sqlx::query(WRITER_SETTINGS).fetch_one(&mut *db).await?.try_get(0)?;
    if mode == "wal" { Ok(()) } else { Err(StoreError::NoLog { path: path.to_owned(), mode }) }
}

fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// The file at `path`; `None` when there is none.
fn identity_of(path: &Path) -> std::io::Result<Option<Identity>> {
    match std::fs::metadata(path) {
        Ok(found) => {
            Ok(Some(Identity { device: found.dev(), inode: found.ino(), born: found.created().ok() }))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            std::fs::set_permissions(path, Permissions::from_mode(0o600))
        }
        Err(error) => Err(error),
    }
}

pub(super) fn connect_options(url: &str) -> Result<AnyConnectOptions, StoreError> {
    sqlx::any::install_default_drivers();
    Ok(url.parse::<AnyConnectOptions>()?.disable_statement_logging())
}

/// Escapes what would end the path in a URL.
fn url_of(path: &Path) -> Result<String, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Path { path: path.to_owned() })?;
    let absolute = std::path::absolute(text).map_err(|source| StoreError::of_file(path, source))?;
    let text = absolute.to_str().ok_or_else(|| StoreError::Path { path: path.to_owned() })?;
    let mut url = "sqlite://".to_owned();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::super::fixture::{environment_record, folder};
    use super::*;

    #[tokio::test]
    async fn a_journal_that_cannot_have_a_write_ahead_log_says_so() {
        let mut db = connect_options("sqlite::memory:").unwrap().connect().await.unwrap();
        let error = write_ahead(&mut db, Path::new("/state/journal.sqlite")).await.unwrap_err().to_string();
        assert!(error.contains("has no write-ahead log") && error.contains("`memory`"), "{error}");
    }

    async fn mode_of(path: &Path) -> String {
        let options = connect_options(&format!("sqlite://{}?mode=ro", path.display())).unwrap();
        let mut db = options.connect().await.unwrap();
        let mode = sqlx::query("PRAGMA journal_mode").fetch_one(&mut db).await.unwrap().try_get(0).unwrap();
        db.close().await.unwrap();
        mode
    }

    #[tokio::test]
    async fn a_look_that_lasts_does_not_keep_the_writer_waiting() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        assert_eq!(mode_of(&path).await, "wal");
        let options = connect_options(&format!("sqlite://{}?mode=ro", path.display())).unwrap();
        let mut other = options.connect().await.unwrap();
        let mut looking = other.begin().await.unwrap();
        sqlx::query("SELECT * FROM environments").fetch_all(&mut *looking).await.unwrap();
        store.save_environment(&environment_record("production")).await.unwrap();
        assert!(path.with_file_name("journal.db-wal").exists());
        drop(looking);
        other.close().await.unwrap();
        store.close().await;
        assert_eq!(mode_of(&path).await, "wal", "the file remembers it");
    }

    #[tokio::test]
    async fn a_copy_that_was_put_back_is_read_as_it_is_and_written_ahead_again() {
        let folder = folder();
        let (path, copy) = (folder.path().join("journal.db"), folder.path().join("copy.db"));
        let store = Store::open(&path).await.unwrap();
        store.save_environment(&environment_record("production")).await.unwrap();
        store.close().await;
        let mut db =
            connect_options(&format!("sqlite://{}", path.display())).unwrap().connect().await.unwrap();
        let copied = sqlx::query("VACUUM INTO $1").bind(copy.display().to_string()).execute(&mut db).await;
        copied.unwrap();
        db.close().await.unwrap();
        assert_eq!(mode_of(&copy).await, "delete");
        let seen = Store::open_for_reading(&copy).await.unwrap().unwrap();
        assert_eq!(seen.environments().await.unwrap().len(), 1);
        seen.close().await;
        Store::open(&copy).await.unwrap().close().await;
        assert_eq!(mode_of(&copy).await, "wal");
    }

    #[tokio::test]
    async fn a_journal_whose_log_cannot_be_made_names_what_is_in_the_way() {
        for end in ["-wal", "-shm"] {
            let folder = folder();
            let path = folder.path().join("journal.db");
            Store::open(&path).await.unwrap().close().await;
            let in_the_way = folder.path().join(format!("journal.db{end}"));
            std::fs::create_dir(&in_the_way).unwrap();
            let error = Store::open(&path).await.unwrap_err().to_string();
            let said = format!("what stands at {} is no file", in_the_way.display());
            assert!(error.contains(&said) && error.contains("move it away"), "{error}");
            std::fs::remove_dir(&in_the_way).unwrap();
            Store::open(&path).await.unwrap().close().await;
        }
    }
}
