//! When a branch first had which head: from this it is known when a commit reached the main branch.
//!
//! Guarantees: a head arrives in the transaction that accepts it, once; one that comes back after a
//! force-push keeps its first time. Heads older than the retention are forgotten, the present one is not.

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::{Columns, micros};
use super::{Store, StoreError};
use crate::git::{BranchName, CommitId};

/// Most heads before a moment that are read.
const MAX_OLD: i64 = 20;

/// Heads that a branch has had, with when each was first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// The first one that is remembered: what it had already may have come at any time before.
    pub first: Option<(CommitId, Timestamp)>,
    /// The newest ones before the moment that was asked for, newest first, at most 20.
    pub old: Vec<(CommitId, Timestamp)>,
}

impl Store {
    /// The first head that `branch` has had, and the newest ones that were seen before `before`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn arrivals(&self, branch: &BranchName, before: Timestamp) -> Result<Arrivals, StoreError> {
        let branch = branch.to_string();
        self.read(move |db| {
            Box::pin(async move {
                let first = sqlx::query(
                    "SELECT * FROM arrivals WHERE branch = $1 ORDER BY seen_at, commit_id LIMIT 1",
                )
                .bind(branch.as_str())
                .fetch_optional(&mut *db)
                .await?;
                let old = sqlx::query(
                    "SELECT * FROM arrivals WHERE branch = $1 AND seen_at < $2
                     ORDER BY seen_at DESC, commit_id LIMIT $3",
                )
                .bind(branch.as_str())
                .bind(micros(before))
                .bind(MAX_OLD)
                .fetch_all(db)
                .await?;
                let first = first.as_ref().map(arrival_of).transpose()?;
                Ok(Arrivals { first, old: old.iter().map(arrival_of).collect::<Result<_, _>>()? })
            })
        })
        .await
    }
}

fn arrival_of(row: &AnyRow) -> Result<(CommitId, Timestamp), StoreError> {
    let columns = Columns::of("arrival", row);
    Ok((columns.parsed("commit_id")?, columns.time("seen_at")?))
}

/// Notes inside the caller's transaction that `branch` has this head.
pub(super) async fn put_arrival(
    db: &mut AnyConnection,
    branch: &BranchName,
    commit: &CommitId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO arrivals (branch, commit_id, seen_at) VALUES ($1, $2, $3)
         ON CONFLICT (branch, commit_id) DO NOTHING",
    )
    .bind(branch.to_string())
    .bind(commit.to_string())
    .bind(micros(now))
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets inside the caller's transaction what a deleted branch had.
pub(super) async fn forget_arrivals(db: &mut AnyConnection, branch: &BranchName) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM arrivals WHERE branch = $1").bind(branch.to_string()).execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{branch, commit, later, now, silent};
    use super::super::{Acceptance, Arrival};
    use super::*;

    #[tokio::test]
    async fn a_head_arrives_once_however_often_it_comes_back() {
        let store = Store::in_memory().await.unwrap();
        for (digit, at) in [('a', now()), ('b', later(1)), ('a', later(2))] {
            let head = Acceptance {
                arrival: Arrival::Head(branch("main")),
                commit: commit(digit),
                reads: commit(digit),
                now: at,
                work: Vec::new(),
                statuses: Vec::new(),
            };
            store.accept_head(head, &silent).await.unwrap();
        }
        let heads = async |before| store.arrivals(&branch("main"), before).await.unwrap();
        let all = heads(later(9)).await;
        assert_eq!(all.first, Some((commit('a'), now())));
        assert_eq!(all.old, [(commit('b'), later(1)), (commit('a'), now())]);
        assert_eq!(heads(later(1)).await.old, [(commit('a'), now())]);
        store.forget_branch(&branch("main"), later(3), &silent).await.unwrap();
        assert_eq!(heads(later(9)).await, Arrivals::default());
    }
}
