//! Leases: the expiring right to change one environment, or one shared network.
//!
//! Guarantees: at most one holder at a time; every new holding has a larger fencing number than all
//! before it under the same key, also after a release; a holding that has expired stays good until
//! somebody else takes it, and is worthless from that moment on. Whoever has the lock of the journal's
//! folder need not wait for it: all holders before are dead.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::Row as _;

use super::column::micros;
use super::{FolderLock, Store, StoreError};
use crate::reconcile::apply::Fence;
use crate::resources::EnvironmentName;

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
        let (key, holder) = (key.to_owned(), holder.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let taken = sqlx::query(
                    "INSERT INTO leases (lease_key, holder, fence, expires_at) VALUES ($1, $2, 1, $3)
             ON CONFLICT (lease_key) DO UPDATE
             SET holder = excluded.holder, fence = leases.fence + 1, expires_at = excluded.expires_at
             WHERE leases.holder IS NULL OR leases.holder = excluded.holder OR leases.expires_at <= $4
             RETURNING fence",
                )
                .bind(key)
                .bind(holder)
                .bind(end_of(now, ttl))
                .bind(micros(now))
                .fetch_optional(&mut *db)
                .await?;
                Ok(taken.map(|row| row.try_get("fence").map(Fence)).transpose()?)
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
    /// many there were. Must come before this process takes its first. Nothing happens where `lock`, which is
    /// that of this store's folder, does not prove that they are dead.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn void_leases(&self, lock: &FolderLock) -> Result<u64, StoreError> {
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
    use super::super::fixture::{folder, later, now};
    use super::*;

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
    async fn a_stale_release_does_not_free_somebody_elses_lease() {
        let store = Store::in_memory().await.unwrap();
        let old = store.acquire_lease(KEY, "one", now(), TTL).await.unwrap().unwrap();
        store.acquire_lease(KEY, "two", later(60), TTL).await.unwrap().unwrap();
        store.release_lease(KEY, old).await.unwrap();
        assert_eq!(store.acquire_lease(KEY, "three", later(61), TTL).await.unwrap(), None);
    }
}
