//! The connections that only read.
//!
//! Guarantees: reading never waits for a write, only while the writer makes a new connection; a connection is only ever held by a task of its own, which
//! reads to its end whatever becomes of who asked, so that nobody can keep others from reading by not
//! being polled.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::StoreError;
use super::awake::Awake;
use super::file::{Connection, JournalFile, Role};

/// How many connections read at once. Reading takes microseconds; more would only cost memory.
const READERS: usize = 2;

pub(super) struct Readers {
    file: Arc<JournalFile>,
    turns: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Readers").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Readers {
    pub(super) fn new(file: Arc<JournalFile>) -> Self {
        Self { file, turns: Semaphore::new(READERS), idle: Mutex::default() }
    }

    /// Looks at one consistent view of everything.
    pub(super) async fn look<T>(
        &self,
        look: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let _turn = self.turns.acquire().await.map_err(|_| StoreError::Closed)?;
        let _awake = Awake::new();
        let outcome = match self.take().await {
            Ok(mut connection) => match within(&mut connection.db, look).await {
                Err(error) if error.is_of_the_disk() => {
                    connection.discard().await;
                    Err(error)
                }
                outcome => {
                    self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                    outcome
                }
            },
            Err(error) => Err(error),
        };
        outcome.map_err(|error| error.at(&self.file.path))
    }

    /// Waits for what is being read, and closes.
    pub(super) async fn close(&self) {
        let turns = self.let_go().await;
        self.turns.close();
        drop(turns);
    }

    /// Waits for what is being read, and lets go of every connection: nobody reads before what is returned is dropped.
    /// `None`: it is closed.
    pub(super) async fn let_go(&self) -> Option<SemaphorePermit<'_>> {
        let turns = self.turns.acquire_many(READERS.try_into().unwrap_or(u32::MAX)).await;
        loop {
            let next = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(connection) = next else { return turns.ok() };
            connection.discard().await;
        }
    }

    async fn take(&self) -> Result<Connection, StoreError> {
        loop {
            let next = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                Some(connection) if self.file.holds(&connection) => return Ok(connection),
                Some(connection) => connection.discard().await,
                None => return self.file.connect(Role::Reader).await,
            }
        }
    }
}

async fn within<T>(
    db: &mut AnyConnection,
    look: impl for<'t> FnOnce(&'t mut AnyConnection) -> BoxFuture<'t, Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut transaction = db.begin().await?;
    let seen = look(&mut transaction).await;
    let ended = transaction.rollback().await;
    let seen = seen?;
    ended?;
    Ok(seen)
}
