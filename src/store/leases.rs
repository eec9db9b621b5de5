//! Leases: the expiring right to change one environment, or one shared network.
//!
//! Guarantees: at most one holder at a time; every new holding has a larger fencing number than all
//! before it under the same key, also after a release; a holding that has expired stays good until
//! somebody else takes it, and is worthless from that moment on. Whoever has the lock of the journal's
//! folder need not wait for it: all holders before are dead.
//!
//! The end of a holding is a date, because processes share nothing but the wall clock. That may be set: back, it
//! would keep everybody waiting for as long; so whoever waits also looks whether the holding was renewed at all,
//! and takes one that has stood still for its whole length by monotonic time. Forward, it may end a living
//! holding too early; then the fence does what it is for, and the former holder writes nothing more.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::Row as _;
use uuid::Uuid;

use super::column::{Columns, micros};
use super::{FolderLock, Store, StoreError};
use crate::clock::{Clock, Instant};
use crate::reconcile::apply::Fence;
use crate::resources::EnvironmentName;

/// What stands between what people are told of a holder and what tells it from every other one.
const APART: &str = " #";

/// What the leases of this process are held as: its number and its machine, for people, and an `id` that no other
/// process has.
#[must_use]
pub fn this_process(id: Uuid) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let place = match host.trim() {
        "" => String::new(),
        host => format!(" on {host}"),
    };
    format!("process {}{place}{APART}{id}", std::process::id())
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    holder: String,
    /// Since when; unknown of a version that did not note it.
    since: Option<Timestamp>,
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holder.split_once(APART) {
            Some((process, _)) => f.write_str(process)?,
            None => f.write_str("another process")?,
        }
        match self.since {
            Some(since) => write!(f, " since {}", since.strftime("%H:%M UTC")),
            None => Ok(()),
        }
    }
}

/// What a holding looks like: its fence, and its end as it is stored.
type Look = (Fence, i64);

/// What came of an attempt to take a lease.
enum Attempted {
    Taken(Fence),
    Held(Look),
}

/// Since when the holdings that this process waits for have looked as they do. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Sightings {
    clock: Clock,
    seen: Arc<Mutex<BTreeMap<String, (Look, Instant)>>>,
}

impl Sightings {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, seen: Arc::default() }
    }

    /// How the holding of `key` looks, when it has looked so for `ttl`.
    fn still(&self, key: &str, ttl: Duration) -> Option<Look> {
        let (look, since) = self.seen().get(key).copied()?;
        (self.clock.monotonic().duration_since(since) >= ttl).then_some(look)
    }

    fn note(&self, key: &str, look: Look) {
        let now = self.clock.monotonic();
        let mut seen = self.seen();
        match seen.get(key) {
            Some((same, _)) if *same == look => {}
            Some(_) | None => drop(seen.insert(key.to_owned(), (look, now))),
        }
    }

    fn forget(&self, key: &str) {
        self.seen().remove(key);
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, (Look, Instant)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of the lease under which runs of an environment are written to the journal.
#[must_use]
pub fn environment_lease(environment: &EnvironmentName) -> String {
    format!("environment/{environment}")
}

impl Store {
    /// Takes the lease of `key` for `ttl`, when it is free, expired, or `holder`'s own. `holder` names a
    /// process, not a machine. `None` while somebody else has it.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn acquire_lease(
        &self,
        key: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Fence>, StoreError> {
        let (still, asked, holder) = (self.sightings.still(key, ttl), key.to_owned(), holder.to_owned());
        let attempted = self.write(move |db| {
            Box::pin(async move {
                // As it was when it was seen first, if it has stood still since then for its whole length.
                let (still_fence, still_end) = still.unwrap_or((Fence(-1), -1));
                let taken = sqlx::query(
                    "INSERT INTO leases (lease_key, holder, fence, expires_at, since) VALUES ($1, $2, 1, $3, $4)
             ON CONFLICT (lease_key) DO UPDATE
             SET holder = excluded.holder, fence = leases.fence + 1, expires_at = excluded.expires_at,
                 since = excluded.since
             WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.expires_at <= $4
                OR (leases.fence = $5 AND leases.expires_at = $6)
             RETURNING fence",
                )
                .bind(&asked)
                .bind(holder)
                .bind(end_of(now, ttl))
                .bind(micros(now))
                .bind(still_fence.0)
                .bind(still_end)
                .fetch_optional(&mut *db)
                .await?;
                if let Some(row) = taken {
                    return Ok(Attempted::Taken(Fence(row.try_get("fence")?)));
                }
                let held = "SELECT fence, expires_at FROM leases WHERE lease_key = $1";
                let row = sqlx::query(held).bind(asked).fetch_one(db).await?;
                Ok(Attempted::Held((Fence(row.try_get("fence")?), row.try_get("expires_at")?)))
            })
        });
        Ok(match attempted.await? {
            Attempted::Taken(fence) => {
                self.sightings.forget(key);
                Some(fence)
            }
            Attempted::Held(holding) => {
                self.sightings.note(key, holding);
                None
            }
        })
    }

    /// Who has the lease of `key`, for people; `None` when nobody has.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn holding(&self, key: &str) -> Result<Option<Holding>, StoreError> {
        let key = key.to_owned();
        self.read(move |db| {
            Box::pin(async move {
                let query = "SELECT holder, since FROM leases WHERE lease_key = $1 AND holder IS NOT NULL";
                let Some(row) = sqlx::query(query).bind(key).fetch_optional(db).await? else {
                    return Ok(None);
                };
                let columns = Columns::of("leases", &row);
                let (holder, since) = (columns.text("holder")?, columns.optional_time("since")?);
                Ok(Some(Holding { holder, since }))
            })
        })
        .await
    }

    /// Prolongs a lease. `false` when it is not `holder`'s any more.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn renew_lease(
        &self,
        key: &str,
        holder: &str,
        fence: Fence,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let (key, holder) = (key.to_owned(), holder.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let renewed = sqlx::query(
                    "UPDATE leases SET expires_at = $1 WHERE lease_key = $2 AND holder = $3 AND fence = $4",
                )
                .bind(end_of(now, ttl))
                .bind(key)
                .bind(holder)
                .bind(fence.0)
                .execute(&mut *db)
                .await?;
                Ok(renewed.rows_affected() == 1)
            })
        })
        .await
    }

    /// Gives a lease back. Nothing happens when somebody else has it already.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn release_lease(&self, key: &str, fence: Fence) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE leases SET holder = NULL, expires_at = 0 WHERE lease_key = $1 AND fence = $2",
                )
                .bind(key)
                .bind(fence.0)
                .execute(&mut *db)
                .await?;
                Ok(())
            })
        })
        .await
    }
}

impl Store {
    /// Ends every lease that an earlier process left behind, so that nobody waits for the dead; answers how
    /// many there were. From now on nothing is written but under `lock`. Must come before this process takes its first. Nothing happens where `lock`, which is
    /// that of this store's folder, does not prove that they are dead.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn void_leases(&self, lock: &FolderLock) -> Result<u64, StoreError> {
        self.write_under(lock.guard());
        if lock.doubt().is_some() {
            return Ok(0);
        }
        self.write(move |db| {
            Box::pin(async move {
                // The fence stays: the next holder gets a larger one than the dead had.
                let void = "UPDATE leases SET holder = NULL, expires_at = 0 WHERE holder IS NOT NULL";
                Ok(sqlx::query(void).execute(db).await?.rows_affected())
            })
        })
        .await
    }
}

/// Whether `fence` is that of the present holding of an environment's lease.
pub(super) async fn is_held(
    db: &mut AnyConnection,
    environment: &EnvironmentName,
    fence: Fence,
) -> Result<bool, StoreError> {
    let held = sqlx::query("SELECT 1 FROM leases WHERE lease_key = $1 AND fence = $2 AND holder IS NOT NULL")
        .bind(environment_lease(environment))
        .bind(fence.0)
        .fetch_optional(db)
        .await?;
    Ok(held.is_some())
}

fn end_of(now: Timestamp, ttl: Duration) -> i64 {
    micros(now.checked_add(ttl).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{folder, later, now, run_record};
    use super::*;
    use crate::reconcile::apply::{Event, Journal as _, JournalError};

    const TTL: Duration = Duration::from_secs(60);
    const KEY: &str = "environment/production";

    #[tokio::test]
    async fn a_lease_has_one_holder_until_it_expires() {
        let store = Store::in_memory().await.unwrap();
        let first = store.acquire_lease(KEY, "one", now(), TTL).await.unwrap().unwrap();
        assert_eq!(store.acquire_lease(KEY, "two", later(59), TTL).await.unwrap(), None);
        assert!(store.acquire_lease("environment/dev", "two", now(), TTL).await.unwrap().is_some());
        let second = store.acquire_lease(KEY, "two", later(60), TTL).await.unwrap().unwrap();
        assert!(second > first);
        assert!(!store.renew_lease(KEY, "one", first, later(61), TTL).await.unwrap());
        assert_eq!(store.acquire_lease(KEY, "one", later(61), TTL).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_renewed_lease_lasts_on_even_when_renewed_late() {
        let store = Store::in_memory().await.unwrap();
        let fence = store.acquire_lease(KEY, "one", now(), TTL).await.unwrap().unwrap();
        assert!(store.renew_lease(KEY, "one", fence, later(90), TTL).await.unwrap());
        assert_eq!(store.acquire_lease(KEY, "two", later(149), TTL).await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_keeps_nobody_waiting_for_the_dead() {
        let store = Store::in_memory().await.unwrap();
        let dead = store.acquire_lease(KEY, "dead", later(7200), TTL).await.unwrap().unwrap();
        for second in 0..60 {
            let taken = store.acquire_lease(KEY, "heir", later(second), TTL).await.unwrap();
            assert_eq!(taken, None, "after {second} s");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let fence = store.acquire_lease(KEY, "heir", later(60), TTL).await.unwrap().unwrap();
        assert!(fence > dead);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_takes_nothing_from_the_living() {
        let store = Store::in_memory().await.unwrap();
        let fence = store.acquire_lease(KEY, "one", later(7200), TTL).await.unwrap().unwrap();
        for second in 0..300 {
            assert_eq!(store.acquire_lease(KEY, "two", later(second), TTL).await.unwrap(), None);
            if second % 20 == 0 {
                assert!(store.renew_lease(KEY, "one", fence, later(second), TTL).await.unwrap());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test]
    async fn who_loses_a_lease_to_a_clock_that_is_set_forward_writes_nothing_more() {
        let store = Store::in_memory().await.unwrap();
        let record = run_record(1, "production");
        let one = store.acquire_lease(KEY, "one", now(), TTL).await.unwrap().unwrap();
        store.begin(&record, one).await.unwrap();
        let two = store.acquire_lease(KEY, "two", later(7200), TTL).await.unwrap().unwrap();
        assert!(two > one);
        let late = store.append(record.id, one, now(), &Event::Done { step: 0 }).await;
        assert!(matches!(late, Err(JournalError::LeaseLost { .. })), "{late:?}");
    }

    #[tokio::test]
    async fn fences_grow_across_releases_and_restarts() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let mut last = Fence(0);
        for holder in ["one", "one", "two"] {
            let store = Store::open(&path).await.unwrap();
            let fence = store.acquire_lease(KEY, holder, now(), TTL).await.unwrap().unwrap();
            assert!(fence > last);
            last = fence;
            if holder == "one" {
                store.release_lease(KEY, fence).await.unwrap();
                store.release_lease(KEY, Fence(fence.0 - 1)).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn the_dead_keep_nobody_waiting() {
        let folder = folder();
        let store = Store::open(&folder.path().join("journal.db")).await.unwrap();
        let dead = store.acquire_lease(KEY, "dead", now(), TTL).await.unwrap().unwrap();
        assert_eq!(store.acquire_lease(KEY, "heir", now(), TTL).await.unwrap(), None);
        let lock = FolderLock::take(folder.path(), "beamline daemon", now()).unwrap();
        assert_eq!(store.void_leases(&lock).await.unwrap(), 1);
        let fence = store.acquire_lease(KEY, "heir", now(), TTL).await.unwrap().unwrap();
        assert!(fence > dead);
        assert!(!store.renew_lease(KEY, "dead", dead, now(), TTL).await.unwrap());
    }

    #[tokio::test]
    async fn whoever_waits_is_told_who_has_it_and_since_when() {
        let store = Store::in_memory().await.unwrap();
        let said = async || store.holding(KEY).await.unwrap().map(|holding| holding.to_string());
        assert_eq!(said().await, None);
        let holder = this_process(Uuid::nil());
        let fence = store.acquire_lease(KEY, &holder, now(), TTL).await.unwrap().unwrap();
        assert!(store.renew_lease(KEY, &holder, fence, later(50), TTL).await.unwrap());
        let text = said().await.unwrap();
        assert!(text.starts_with(&format!("process {}", std::process::id())), "{text}");
        let since = format!(" since {}", now().strftime("%H:%M UTC"));
        assert!(text.ends_with(&since) && !text.contains(&Uuid::nil().to_string()), "{text}");
        store.release_lease(KEY, fence).await.unwrap();
        assert_eq!(said().await, None);
        store.acquire_lease(KEY, "3f2c", now(), TTL).await.unwrap().unwrap();
        assert_eq!(said().await.unwrap(), format!("another process{since}"));
    }

    #[tokio::test]
    async fn a_stale_release_does_not_free_somebody_elses_lease() {
        let store = Store::in_memory().await.unwrap();
        let old = store.acquire_lease(KEY, "one", now(), TTL).await.unwrap().unwrap();
        store.acquire_lease(KEY, "two", later(60), TTL).await.unwrap().unwrap();
        store.release_lease(KEY, old).await.unwrap();
        assert_eq!(store.acquire_lease(KEY, "three", later(61), TTL).await.unwrap(), None);
    }
}
