//! Opening the store, and the only two ways into it: writing and reading.
//!
//! Guarantees: one transaction writes at a time. In this process writers queue; between processes they
//! wait for SQLite's write lock, which is taken when a transaction begins (`BEGIN IMMEDIATE`), so that
//! none can fail half-way with "database is locked" or overwrite what it did not see. A commit is on the
//! disk (write-ahead log, full synchronisation) before it is reported. Readers never wait for writers.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, mpsc};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Row as _, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{StoreError, schema};

/// How many connections read at once. Reading takes microseconds; more would only cost memory.
const READERS: u32 = 2;

/// Of every connection. The lock is waited for this long; what is deleted (poll URLs) is overwritten.
const SETTINGS: &str = "PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 16777216;
    PRAGMA cache_size = -1024;";

/// Of connections that only read.
const READER_SETTINGS: &str = "PRAGMA query_only = ON;";

/// What survives a restart. Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    writer: AnyPool,
    readers: AnyPool,
    turn: Arc<Semaphore>,
}

impl Store {
    /// Opens the store at `path`; makes it, and its folder (mode 0700), where they are missing. The file
    /// gets mode 0600, because the addresses of running operations in it are signed.
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Path`] about the file, [`StoreError::Damaged`],
    /// [`StoreError::NewerSchema`]; none of them changes a file that was there.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let options = connect_options(&url_of(path)?)?;
        let _awake = Awake::new();
        // Not through a pool, which would take a file that is no database for one that is not up yet.
        prepare(&options, path).await.map_err(|error| error.or_damage(path))?;
        Ok(Self {
            writer: pool(1, Role::Writer).connect_lazy_with(options.clone()),
            readers: pool(READERS, Role::Reader).connect_lazy_with(options),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// A store that lasts as long as its last clone.
    ///
    /// # Errors
    /// [`StoreError::Database`] when SQLite has no memory.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let pool = pool(1, Role::Writer).connect_lazy_with(connect_options("sqlite::memory:")?);
        let store = Self { writer: pool.clone(), readers: pool, turn: Arc::new(Semaphore::new(1)) };
        let mut writing = store.begin_write().await?;
        schema::migrate(writing.db(), Path::new(":memory:")).await?;
        writing.commit().await?;
        Ok(store)
    }

    /// Waits for what is under way and lets go of the file. Afterwards nothing can be written or read, by
    /// any clone. Without it nothing is lost either; the next start only has more to read.
    pub async fn close(&self) {
        let _awake = Awake::new();
        self.writer.close().await;
        self.readers.close().await;
    }

    /// The right to write, until [`Writing::commit`]; dropped without it, nothing has happened.
    pub(super) async fn begin_write(&self) -> Result<Writing, StoreError> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.expect("the semaphore is never closed");
        let awake = Awake::new();
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Writing { transaction, _turn: turn, _awake: awake })
    }

    /// One consistent view of everything.
    pub(super) async fn begin_read(&self) -> Result<Reading, StoreError> {
        let awake = Awake::new();
        let transaction = self.readers.begin().await?;
        Ok(Reading { transaction, _awake: awake })
    }
}

/// A transaction that writes. Fields are dropped in order: the next writer comes after the roll-back.
pub(super) struct Writing {
    transaction: Transaction<'static, Any>,
    _turn: OwnedSemaphorePermit,
    _awake: Awake,
}

impl Writing {
    pub(super) fn db(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    /// Puts everything on the disk.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}

/// A transaction that reads.
pub(super) struct Reading {
    transaction: Transaction<'static, Any>,
    _awake: Awake,
}

impl Reading {
    pub(super) fn db(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }
}

/// Keeps simulated time still while SQLite works. SQLite has threads of its own, so a paused tokio timer
/// takes a wait for it for idleness and would jump to the next deadline; a blocking task is what tokio
/// takes for work ("tokio::time::pause", auto-advance). In production it costs a few microseconds.
struct Awake {
    _done_when_dropped: mpsc::Sender<()>,
}

impl Awake {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || {
            // Returns with an error as soon as the sender is gone, which is what is waited for.
            let _ = receiver.recv();
        });
        Self { _done_when_dropped: sender }
    }
}

/// Checks a file and brings its tables up to date.
async fn prepare(options: &AnyConnectOptions, path: &Path) -> Result<(), StoreError> {
    let mut connection = AnyConnection::connect_with(options).await?;
    sqlx::raw_sql(SETTINGS).execute(&mut connection).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let check = sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut *transaction).await?;
    let finding: String = check.try_get(0)?;
    if finding != "ok" {
        return Err(StoreError::Damaged { path: path.to_owned(), finding });
    }
    schema::migrate(&mut transaction, path).await?;
    transaction.commit().await?;
    Ok(connection.close().await?)
}

/// What a connection is for.
#[derive(Clone, Copy, Debug)]
enum Role {
    Writer,
    Reader,
}

fn pool(connections: u32, role: Role) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SETTINGS).execute(&mut *connection).await?;
                match role {
                    Role::Writer => Ok(()),
                    Role::Reader => sqlx::raw_sql(READER_SETTINGS).execute(connection).await.map(|_| ()),
                }
            })
        })
}

fn connect_options(url: &str) -> Result<AnyConnectOptions, StoreError> {
    sqlx::any::install_default_drivers();
    Ok(url.parse::<AnyConnectOptions>()?.disable_statement_logging())
}

/// Escapes what would end the path in a URL.
fn url_of(path: &Path) -> Result<String, StoreError> {
    let text = path.to_str().ok_or_else(|| StoreError::Path { path: path.to_owned() })?;
    let absolute =
        std::path::absolute(text).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
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

fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::{commit, delivery, environment_record, folder, name, now, status};
    use super::super::{Stored, environment_lease};
    use super::*;
    use crate::forge::{Context, State};

    #[tokio::test]
    async fn a_store_is_private_and_survives_its_process() {
        let folder = folder();
        let path = folder.path().join("state/journal.db");
        let store = Store::open(&path).await.unwrap();
        store.save_environment(&environment_record("production")).await.unwrap();
        drop(store);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        let store = Store::open(&path).await.unwrap();
        let found = store.environment(&name("production")).await.unwrap();
        assert_eq!(found, Some(environment_record("production")));
    }

    #[tokio::test]
    async fn a_closed_store_is_one_file_and_refuses_to_work() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        store.store_deliveries(&[delivery("1")]).await.unwrap();
        store.pending_deliveries().await.unwrap();
        store.close().await;
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(matches!(store.store_deliveries(&[delivery("2")]).await, Err(StoreError::Database(_))));
        let store = Store::open(&path).await.unwrap();
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn any_path_can_be_opened() {
        let folder = folder();
        for odd in ["a b", "what?x=1", "#1", "100%41", "é"] {
            let path = folder.path().join(odd);
            Store::open(&path).await.unwrap();
            assert!(path.metadata().unwrap().len() > 0, "{odd}");
        }
    }

    #[tokio::test]
    async fn a_damaged_file_is_refused_and_left_alone() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        std::fs::write(&path, "not a database, but long enough to look like one".repeat(100)).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("move it away"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[tokio::test]
    async fn a_file_with_a_torn_page_is_refused() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        drop(Store::open(&path).await.unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..8192].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Store::open(&path).await.unwrap_err(), StoreError::Damaged { .. }));
    }

    #[tokio::test]
    async fn a_newer_schema_is_refused() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        let mut writing = store.begin_write().await.unwrap();
        let newer = sqlx::query("INSERT INTO schema_versions (version) VALUES (99)");
        newer.execute(writing.db()).await.unwrap();
        writing.commit().await.unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 3, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn what_was_not_committed_never_happened() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        let mut writing = store.begin_write().await.unwrap();
        let insert = sqlx::query("INSERT INTO heads (branch, commit_id, seen_at) VALUES ('main', 'x', 0)");
        insert.execute(writing.db()).await.unwrap();
        drop(writing);
        assert!(store.seen_heads().await.unwrap().is_empty());
        store.acquire_lease("k", "h", now(), Duration::from_secs(1)).await.unwrap().unwrap();
        assert!(Store::open(&path).await.unwrap().seen_heads().await.unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn fifty_writers_in_two_processes_never_meet_a_lock() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let stores = [Store::open(&path).await.unwrap(), Store::open(&path).await.unwrap()];
        let key = environment_lease(&name("production"));
        let writers: Vec<_> = (0..50)
            .map(|writer| {
                let (store, key) = (stores[writer % 2].clone(), key.clone());
                tokio::spawn(async move {
                    for round in 0..4 {
                        let stored = store.store_deliveries(&[delivery(&format!("{writer}-{round}"))]).await;
                        assert_eq!(stored.unwrap(), [Stored::New]);
                        store
                            .acquire_lease(&key, "one", now(), Duration::from_secs(60))
                            .await
                            .unwrap()
                            .unwrap();
                        // Reads before it writes: what two plain transactions cannot do side by side.
                        let text = format!("{writer}-{round}");
                        let said = status(commit('a'), Context::apply(), State::Pending, &text);
                        store.enqueue(&[said], now()).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(stores[0].pending_deliveries().await.unwrap().len(), 200);
        let fence = stores[1].acquire_lease(&key, "one", now(), Duration::from_secs(60)).await.unwrap();
        assert_eq!(fence.unwrap().0, 201, "an acquisition was lost");
        assert_eq!(stores[1].pending_count().await.unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn simulated_time_stands_still_while_the_store_works() {
        let folder = folder();
        let started = tokio::time::Instant::now();
        let other = tokio::spawn(tokio::time::sleep(Duration::from_secs(1)));
        let store = Store::open(&folder.path().join("journal.db")).await.unwrap();
        for number in 0..20 {
            store.store_deliveries(&[delivery(&number.to_string())]).await.unwrap();
            store.pending_deliveries().await.unwrap();
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        other.await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }
}
