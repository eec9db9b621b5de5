//! Opening the store, and the only two ways into it: writing and reading.
//!
//! Guarantees: one transaction writes at a time. In this process changes are made by one task, in the order in
//! which they were asked for (`writer.rs`); between processes they wait for SQLite's write lock, which is
//! taken when a transaction begins (`BEGIN IMMEDIATE`), so that none can fail half-way with "database is
//! locked" or overwrite what it did not see. A commit is on the disk (write-ahead log, full synchronisation)
//! before it is reported. Readers never wait for writers.
//!
//! Nothing that others wait for is ever held by a caller: a transaction belongs to the task that carries it
//! out. A caller that is dropped, cancelled or not polled keeps nobody waiting, and what it has asked for
//! happens whole or, when the process ends first, not at all.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::{AnyConnection, ConnectOptions as _};
use tokio::sync::{mpsc, oneshot, watch};

use super::awake::Awake;
use super::file::{Connection, JournalFile, Role, connect_options};
use super::leases::Sightings;
use super::lock::Guard;
use super::readers::Readers;
use super::writability::{Health, Writability};
use super::writer::{Answer, Job, Keep, Place, Writer, prepare};
use super::{StoreError, schema};
use crate::clock::Clock;

/// What survives a restart. Cheap to clone; clones share the connections. Lives as long as the tokio runtime
/// that it was opened in.
#[derive(Clone, Debug)]
pub struct Store {
    /// As many changes may wait as there are callers: each waits for its own, and one that is dropped leaves
    /// one behind.
    jobs: mpsc::UnboundedSender<Job>,
    /// `None`: the writer reads as well.
    readers: Option<Arc<Readers>>,
    file: Option<Arc<JournalFile>>,
    health: Health,
    /// The leases that this process waits for.
    pub(super) sightings: Sightings,
}

impl Store {
    /// Opens the store at `path`; makes it, and its folder (mode 0700), where they are missing. The file
    /// gets mode 0600, because the addresses of running operations in it are signed.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`] and [`StoreError::Path`] about the file, [`StoreError::Damaged`],
    /// [`StoreError::NewerSchema`]; none of them changes a file that was there.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let file = Arc::new(JournalFile::make(path)?);
        let _awake = Awake::new();
        let mut connection = file.connect(Role::Writer).await.map_err(|error| error.at(path))?;
        let prepared = prepare(&mut connection.db, path).await;
        // Brings everything into the file itself, and the next connection finds it so.
        connection.discard().await;
        prepared.map_err(|error| error.at(path))?;
        Ok(Self::start(Some(file), None))
    }

    /// Opens the store at `path` to look at it, beside whoever works with it; `None` where there is none. It is
    /// not made, not brought up to date and not written to: whatever writes fails with [`StoreError::Closed`].
    ///
    /// # Errors
    /// [`StoreError::OlderSchema`] and [`StoreError::NewerSchema`]; [`StoreError::Database`] when it cannot be
    /// read.
    pub async fn open_for_reading(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(file) = JournalFile::found(path)? else { return Ok(None) };
        let _awake = Awake::new();
        let mut connection = file.connect(Role::Reader).await.map_err(|error| error.at(path))?;
        let checked = schema::check(&mut connection.db, path).await;
        connection.discard().await;
        checked.map_err(|error| error.at(path))?;
        let file = Arc::new(file);
        // Nobody takes what is put into it.
        let (jobs, _) = mpsc::unbounded_channel();
        let (readers, clock) = (Some(Arc::new(Readers::new(file.clone()))), Clock::system());
        let (health, sightings) = (Health::new(clock.clone()), Sightings::new(clock));
        Ok(Some(Self { jobs, readers, file: Some(file), health, sightings }))
    }

    /// A store that lasts as long as its last clone.
    ///
    /// # Errors
    /// [`StoreError::Database`] when SQLite has no memory.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let _awake = Awake::new();
        let mut db = connect_options("sqlite::memory:")?.connect().await?;
        schema::migrate(&mut db, Path::new(":memory:")).await?;
        Ok(Self::start(None, Some(Connection::in_memory(db))))
    }

    fn start(file: Option<Arc<JournalFile>>, connection: Option<Connection>) -> Self {
        let clock = Clock::system();
        let health = Health::new(clock.clone());
        let readers = file.clone().map(|file| Arc::new(Readers::new(file)));
        let place = file.clone().zip(readers.clone());
        let place = place.map_or(Place::Memory, |(file, readers)| Place::File(file, readers));
        let (jobs, asked) = mpsc::unbounded_channel();
        tokio::spawn(Writer::new(place, connection, health.clone(), clock.clone()).run(asked));
        Self { jobs, readers, file, health, sightings: Sightings::new(clock) }
    }

    /// Whether the journal can be written, as of the last write.
    #[must_use]
    pub fn writability(&self) -> Writability {
        self.health.get()
    }

    pub(super) fn write_under(&self, guard: Option<Guard>) {
        if let Some(file) = &self.file {
            file.write_under(guard);
        }
    }

    /// Waits until the journal can be written; returns at once when it can.
    pub async fn until_writable(&self) {
        let mut watching = self.watch_writability();
        // Fails only when nobody is left to say so; then there is nothing to wait for.
        let _ = watching.wait_for(|state| *state == Writability::Writable).await;
    }

    /// Follows [`Store::writability`]: each change is seen once.
    #[must_use]
    pub fn watch_writability(&self) -> watch::Receiver<Writability> {
        self.health.watch()
    }

    /// A drill: from now on the file may have only so many pages of 4 KiB, as if its disk were full beyond
    /// them; `None` makes room again. A store in memory has no disk.
    pub fn limit_room(&self, pages: Option<NonZeroU32>) {
        if let Some(file) = &self.file {
            file.set_room(pages.map_or(0, NonZeroU32::get));
        }
    }

    /// Waits for what is under way and lets go of the file. Afterwards nothing can be written or read, by
    /// any clone. Without it nothing is lost either; the next start only has more to read.
    pub async fn close(&self) {
        let _awake = Awake::new();
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).is_ok() {
            // Fails when another clone has closed it meanwhile.
            let _ = closed.await;
        }
    }

    /// Makes `change` in one transaction that writes. An error undoes everything.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        self.ask(|answer| Job::change(Keep::Yes, change, answer)).await
    }

    /// Looks at one consistent view of everything.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (Some(readers), Some(file)) = (&self.readers, &self.file) else {
            return self.ask(|answer| Job::change(Keep::No, look, answer)).await;
        };
        if file.has_moved() {
            // The writer finds out what to go on with.
            self.ask(|answer| Job::probe(Some(answer))).await?;
        }
        let readers = Arc::clone(readers);
        match tokio::spawn(async move { readers.look(look).await }).await {
            Ok(outcome) => {
                if outcome.as_ref().is_err_and(StoreError::is_of_the_disk) {
                    // Fails where nobody writes.
                    let _ = self.jobs.send(Job::suspicion());
                }
                outcome
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => Err(StoreError::Closed),
            },
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Answer<T>>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).map_err(|_| StoreError::Closed)?;
        match answered.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => Err(StoreError::Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::super::fixture::{commit, delivery, environment_record, folder, name, now, status};
    use super::super::{Stored, environment_lease};
    use super::*;
    use crate::forge::{Context, State};

    async fn run(db: &mut AnyConnection, statement: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(statement).execute(db).await?;
        Ok(())
    }

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
        assert!(matches!(store.store_deliveries(&[delivery("2")]).await, Err(StoreError::Closed)));
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
    async fn a_store_is_looked_at_beside_whoever_works_with_it_and_never_made() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        assert!(Store::open_for_reading(&path).await.unwrap().is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let store = Store::open(&path).await.unwrap();
        let looking = Store::open_for_reading(&path).await.unwrap().unwrap();
        store.save_environment(&environment_record("production")).await.unwrap();
        let found = looking.environment(&name("production")).await.unwrap();
        assert_eq!(found, Some(environment_record("production")));
        let refused = looking.save_environment(&environment_record("dev")).await;
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
        looking.close().await;
        store.close().await;
        let looking = Store::open_for_reading(&path).await.unwrap().unwrap();
        assert!(looking.environment(&name("dev")).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_store_of_another_version_is_not_looked_at() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        store.write(|db| Box::pin(run(db, "DELETE FROM schema_versions WHERE version > 5"))).await.unwrap();
        let error = Store::open_for_reading(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::OlderSchema { .. }), "{error:?}");
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
        store
            .write(|db| Box::pin(run(db, "INSERT INTO schema_versions (version) VALUES (99)")))
            .await
            .unwrap();
        let error = Store::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 10, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn what_was_not_committed_never_happened() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        let undone = store.write(|db| {
            Box::pin(async move {
                run(db, "INSERT INTO heads (branch, commit_id, seen_at) VALUES ('main', 'x', 0)").await?;
                Err::<(), _>(StoreError::NotUnderWay { run: "x".to_owned() })
            })
        });
        assert!(matches!(undone.await, Err(StoreError::NotUnderWay { .. })));
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
