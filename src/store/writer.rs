//! The task that owns the only connection that writes.
//!
//! Guarantees: changes are made one after another, in the order in which they were asked for, and each that
//! was asked for is made to its end, whatever becomes of who asked: nobody but this task holds the write
//! transaction, and nothing in it waits for anybody but SQLite. A connection that failed is thrown away (SQLite
//! may have rolled back by itself, so nobody knows what it stands at) and made anew for the next change. What
//! was reported as written stands in the file at the journal's path: the file is compared before and after. Once
//! something in it could not be read, nothing is written before all of it was looked over. Where the folder has a
//! lock, nothing is written that it does not cover.

use std::any::Any;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::{AnyConnection, Connection as _, Row as _};
use tokio::sync::{mpsc, oneshot};

use super::awake::Awake;
use super::file::{Connection, JournalFile, Role};
use super::readers::Readers;
use super::writability::Health;
use super::{StoreError, schema};
use crate::clock::Clock;

/// How often a journal that cannot be written is tried while nobody writes.
const PROBE: Duration = Duration::from_secs(5);

/// After how long a write that does not end is said to hang. SQLite itself waits for another process's
/// lock for as long (`busy_timeout`).
const SLOW_SECS: u64 = 30;

/// How much room there has to be before a journal that could not be written counts as writable again: more than
/// an attempt writes down in one go.
const ROOM_BYTES: i64 = 256 * 1024;

/// A change, with the way back to who asked for it.
type Change = Box<dyn for<'w> FnOnce(&'w mut Writer) -> BoxFuture<'w, ()> + Send>;

/// What the writer is asked to do.
pub(super) enum Job {
    Change(Change),
    /// To let go of the file, and say so.
    Close(oneshot::Sender<()>),
}

/// What came of a change, or how it panicked.
pub(super) type Answer<T> = Result<Result<T, StoreError>, Box<dyn Any + Send>>;

/// Where the journal is.
pub(super) enum Place {
    File(Arc<JournalFile>, Arc<Readers>),
    /// In the memory of the connection: losing that would be losing everything.
    Memory,
}

/// Whether a transaction is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Yes,
    /// It only reads, and commits nothing.
    No,
}

/// What is known of what stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contents {
    /// Nothing speaks against it.
    Trusted,
    /// Something failed that a damaged file would explain.
    Suspect,
    /// It is not what this process has written: whatever stands there next is begun with anew.
    Lost,
}

/// The owner of the connection.
pub(super) struct Writer {
    place: Place,
    connection: Option<Connection>,
    contents: Contents,
    health: Health,
    clock: Clock,
}

impl Writer {
    pub(super) fn new(place: Place, connection: Option<Connection>, health: Health, clock: Clock) -> Self {
        Self { place, connection, contents: Contents::Trusted, health, clock }
    }

    /// Does what it is asked to until it is asked to close, or nobody is left to ask.
    pub(super) async fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        let mut closed = None;
        loop {
            let job = tokio::select! {
                biased;
                job = jobs.recv() => job,
                () = self.clock.sleep(PROBE), if self.health.is_ill() => Some(Job::probe(None)),
            };
            match job {
                Some(Job::Change(change)) => {
                    let _awake = Awake::new();
                    let (health, clock) = (self.health.clone(), self.clock.clone());
                    watched(&health, &clock, change(&mut self)).await;
                }
                Some(Job::Close(done)) => {
                    closed = Some(done);
                    break;
                }
                None => break,
            }
        }
        // Who asks from now on is told that it is closed.
        drop(jobs);
        if let Some(connection) = self.connection.take() {
            let _awake = Awake::new();
            connection.discard().await;
        }
        if let Some(closed) = closed {
            // Who asked may be gone.
            let _ = closed.send(());
        }
    }

    /// Makes `change` in a transaction.
    async fn transact<T>(
        &mut self,
        keep: Keep,
        change: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let outcome = self.try_transact(keep, change).await;
        let outcome = match &self.place {
            Place::File(file, _) => outcome.map_err(|error| error.at(&file.path)),
            Place::Memory => outcome,
        };
        match &outcome {
            Ok(_) if keep == Keep::Yes && self.health.is_ill() => self.look_for_room().await,
            Err(error) if error.is_of_the_disk() => {
                self.doubt(error);
                self.health.ill(error);
            }
            Ok(_) | Err(_) => {}
        }
        outcome
    }

    /// What `error` says about what stands in the file.
    fn doubt(&mut self, error: &StoreError) {
        self.contents = match (self.contents, error) {
            (Contents::Trusted, StoreError::Damaged { .. } | StoreError::Database(_)) => Contents::Suspect,
            (Contents::Suspect, StoreError::Damaged { .. }) => Contents::Lost,
            (contents, _) => contents,
        };
    }

    /// Says that the journal can be written again once there is room for more than the next few bytes: on a disk
    /// that is nearly full, a write that finds room in a page it has says nothing about the one after it.
    async fn look_for_room(&mut self) {
        let taken = self.try_transact(Keep::Yes, |db| Box::pin(take_room(db))).await;
        // What was taken and not given back is found again by the next look.
        let looked = match taken {
            Ok(()) => self.try_transact(Keep::Yes, |db| Box::pin(give_room_back(db))).await,
            Err(error) => Err(error),
        };
        match (looked, &self.place) {
            (Ok(()), _) => self.health.well(),
            (Err(error), Place::File(file, _)) => self.health.ill(&error.at(&file.path)),
            (Err(error), Place::Memory) => self.health.ill(&error),
        }
    }

    async fn try_transact<T>(
        &mut self,
        keep: Keep,
        change: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        // Taken out, so that a panic loses it.
        let mut connection = self.take_connection().await?;
        if let Place::File(file, _) = &self.place {
            file.limit(&mut connection).await?;
        }
        match within(&mut connection.db, keep, change).await {
            Ok(value) => {
                if let Place::File(file, _) = &self.place {
                    file.note_log(&mut connection);
                    if !file.holds(&connection) {
                        connection.discard().await;
                        return Err(
                            file.gone("was deleted or replaced while something was written to it", None)
                        );
                    }
                }
                self.connection = Some(connection);
                Ok(value)
            }
            Err(error) => {
                let is_whole = !error.is_of_the_disk();
                match &self.place {
                    Place::File(..) if !is_whole => connection.discard().await,
                    Place::File(..) | Place::Memory => self.connection = Some(connection),
                }
                Err(error)
            }
        }
    }

    /// The connection, made anew if the last one failed or its file is no longer at the journal's path.
    async fn take_connection(&mut self) -> Result<Connection, StoreError> {
        let (file, readers) = match (&self.place, self.connection.take()) {
            (Place::Memory, Some(connection)) => return Ok(connection),
            (Place::Memory, None) => return Err(StoreError::Closed),
            (Place::File(file, _), Some(connection))
                if file.holds(&connection) && file.is_guarded() && self.contents == Contents::Trusted =>
            {
                return Ok(connection);
            }
            (Place::File(file, readers), connection) => {
                if let Some(connection) = connection {
                    connection.discard().await;
                }
                (Arc::clone(file), Arc::clone(readers))
            }
        };
        // Connections of one process share SQLite's index of the write-ahead log. Only the last one that closes drops
        // it, and a new one would look up in it what stood in a log that is gone.
        let _nobody_reads = readers.let_go().await;
        file.keep_guard(&self.clock)?;
        file.make_again()?;
        let mut connection = file.connect(Role::Writer).await?;
        match self.look_over(&file, &mut connection).await {
            Ok(()) => Ok(connection),
            Err(error) => {
                connection.discard().await;
                Err(error)
            }
        }
    }

    /// Looks whether what `connection` opened is what was worked with; what is not is begun with anew.
    async fn look_over(&mut self, file: &JournalFile, connection: &mut Connection) -> Result<(), StoreError> {
        let is_known = connection.file() == file.known()
            && match self.contents {
                Contents::Trusted => true,
                Contents::Suspect => is_whole(&mut connection.db, &file.path).await?,
                Contents::Lost => false,
            };
        if !is_known {
            self.contents = Contents::Lost;
            prepare(&mut connection.db, &file.path).await?;
            skip_ids(&mut connection.db, &self.clock).await?;
            file.adopt(connection.file());
            tracing::error!(
                path = %file.path.display(),
                "the journal was deleted or replaced while in use: going on with what stands there now; what it \
                 no longer remembers is found out from Git and Azure"
            );
        }
        self.contents = Contents::Trusted;
        Ok(())
    }
}

impl Job {
    /// A change, and how its outcome gets back. Nobody may wait for that any more: what was asked for
    /// happens all the same.
    pub(super) fn change<T: Send + 'static>(
        keep: Keep,
        change: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>>
        + Send
        + 'static,
        answer: oneshot::Sender<Answer<T>>,
    ) -> Self {
        Self::Change(Box::new(move |writer| {
            Box::pin(async move {
                let outcome = AssertUnwindSafe(writer.transact(keep, change)).catch_unwind().await;
                let _ = answer.send(outcome);
            })
        }))
    }

    /// A write that changes nothing: the page with the version is written again.
    pub(super) fn probe(answer: Option<oneshot::Sender<Answer<()>>>) -> Self {
        let answer = answer.unwrap_or_else(|| oneshot::channel().0);
        Self::change(Keep::Yes, |db| Box::pin(rewrite_version(db)), answer)
    }

    /// Something could not be read: the file is looked over before the next change, which this is.
    pub(super) fn suspicion() -> Self {
        Self::Change(Box::new(|writer| {
            Box::pin(async move {
                if writer.contents == Contents::Trusted {
                    writer.contents = Contents::Suspect;
                }
                // Whether the journal is well says what came of it.
                let _ = writer.transact(Keep::Yes, |db| Box::pin(rewrite_version(db))).await;
            })
        }))
    }
}

/// Whether a file can be read, and has this program's tables.
async fn is_whole(db: &mut AnyConnection, path: &Path) -> Result<bool, StoreError> {
    Ok(quick_check(db).await? == "ok" && schema::check(db, path).await.is_ok())
}

/// The first thing that SQLite's own check finds, or `ok`.
async fn quick_check(db: &mut AnyConnection) -> Result<String, StoreError> {
    Ok(sqlx::query("PRAGMA quick_check(1)").fetch_one(db).await?.try_get(0)?)
}

/// Takes [`ROOM_BYTES`] of the disk. Pages that are given back within their transaction are never written.
async fn take_room(db: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS room (taken BLOB)").execute(&mut *db).await?;
    sqlx::query("INSERT INTO room (taken) VALUES (zeroblob($1))").bind(ROOM_BYTES).execute(db).await?;
    Ok(())
}

async fn give_room_back(db: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::raw_sql("DROP TABLE room").execute(db).await?;
    Ok(())
}

async fn rewrite_version(db: &mut AnyConnection) -> Result<(), StoreError> {
    sqlx::raw_sql("PRAGMA user_version = 1").execute(db).await?;
    Ok(())
}

/// Carries out `work` to its end, however long that takes, and says when it takes long.
async fn watched(health: &Health, clock: &Clock, work: impl Future<Output = ()>) {
    let mut work = pin!(work);
    let mut waited = 0;
    loop {
        tokio::select! {
            biased;
            () = &mut work => return,
            () = clock.sleep(Duration::from_secs(SLOW_SECS)) => {
                waited += SLOW_SECS;
                health.slow(waited);
            }
        }
    }
}

async fn within<T>(
    db: &mut AnyConnection,
    keep: Keep,
    change: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut transaction = match keep {
        Keep::Yes => db.begin_with("BEGIN IMMEDIATE").await?,
        Keep::No => db.begin().await?,
    };
    match (change(&mut transaction).await, keep) {
        (Ok(value), Keep::Yes) => {
            transaction.commit().await?;
            Ok(value)
        }
        (outcome, Keep::Yes | Keep::No) => {
            // When the change failed, that is what has to be said; a connection that cannot even be rolled back
            // is of no use.
            match (outcome, transaction.rollback().await) {
                (Ok(value), Ok(())) => Ok(value),
                (Err(error), _) if error.is_of_the_disk() => Err(error),
                (Err(error), Ok(())) => Err(error),
                (Ok(_) | Err(_), Err(error)) => Err(error.into()),
            }
        }
    }
}

/// Checks a file and brings its tables up to date; what an older version left is kept beside it.
pub(super) async fn prepare(db: &mut AnyConnection, path: &Path) -> Result<(), StoreError> {
    if let Some(version) = schema::older_version(db, path).await? {
        keep_copy(db, path, version).await?;
    }
    let mut transaction = db.begin_with("BEGIN IMMEDIATE").await?;
    let finding = quick_check(&mut transaction).await?;
    if finding != "ok" {
        return Err(StoreError::Damaged { path: path.to_owned(), finding });
    }
    schema::migrate(&mut transaction, path).await?;
    Ok(transaction.commit().await?)
}

/// Copies the file as it is to `journal.db.schema-2` beside it, so that whoever goes back to the older program has
/// what that one can read. A copy of an earlier attempt is replaced.
async fn keep_copy(db: &mut AnyConnection, path: &Path, version: i64) -> Result<(), StoreError> {
    let beside = |end: &str| PathBuf::from(format!("{}.schema-{version}{end}", path.display()));
    let (half, whole) = (beside(".half"), beside(""));
    let failed = |source| StoreError::of_file(&half, source);
    // SQLite fills an empty file, which nobody else may read.
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half).map_err(failed)?;
    sqlx::query("VACUUM INTO $1").bind(half.display().to_string()).execute(&mut *db).await?;
    std::fs::rename(&half, &whole).map_err(failed)
}

/// Numbers that the lost file gave out are still in the memory of this process, and in requests under way:
/// none of them may mean something else from now on. The new file counts on from the present millisecond,
/// which is more than any file ever counted to.
async fn skip_ids(db: &mut AnyConnection, clock: &Clock) -> Result<(), StoreError> {
    let floor = clock.now().as_millisecond();
    let mut transaction = db.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("UPDATE sqlite_sequence SET seq = MAX(seq, $1)")
        .bind(floor)
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "INSERT INTO sqlite_sequence (name, seq) SELECT name, $1 FROM sqlite_master
         WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'
         AND name NOT IN (SELECT name FROM sqlite_sequence)",
    )
    .bind(floor)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction.commit().await?)
}
