//! Forgetting: what keeps the store bounded over years.
//!
//! Guarantees: nothing is forgotten that is still to be done or that an open pull request shows, except a
//! status that no forge has accepted although it was offered again and again until its time was over. Of every environment the newest run
//! stays. Space that becomes free is used again.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::column::micros;
use super::{Store, StoreError};

/// How many rows one transaction deletes at most, so that writers do not wait for it.
const ROWS_AT_ONCE: u64 = 500;

/// Each deletes at most [`ROWS_AT_ONCE`] rows (`$2`) that are older than `$1`.
const STATEMENTS: [&str; 12] = [
    "DELETE FROM inbox WHERE inbox_id IN (SELECT inbox_id FROM inbox
     WHERE received_at < $1 AND handled_at IS NOT NULL LIMIT $2)",
    "DELETE FROM outbox WHERE outbox_id IN (SELECT outbox_id FROM outbox
     WHERE queued_at < $1 AND delivered_at < $1 LIMIT $2)",
    "DELETE FROM outbox WHERE outbox_id IN (SELECT outbox_id FROM outbox
     WHERE queued_at < $1 AND delivered_at IS NULL AND attempts > 0 LIMIT $2)",
    "DELETE FROM messages WHERE message_id IN (SELECT message_id FROM messages
     WHERE queued_at < $1 AND (delivered_at < $1 OR attempts > 0) LIMIT $2)",
    "DELETE FROM commands WHERE (pull_request, comment_id) IN (SELECT pull_request, comment_id FROM commands
     WHERE read_at < $1 AND handled_at < $1 AND NOT EXISTS (SELECT 1 FROM pull_requests p
     WHERE p.pull_request = commands.pull_request AND p.closed_at IS NULL) LIMIT $2)",
    "DELETE FROM pull_requests WHERE pull_request IN (SELECT pull_request FROM pull_requests
     WHERE closed_at < $1 LIMIT $2)",
    // What the comment of an open pull request is made of stays.
    "DELETE FROM work WHERE work_id IN (SELECT work_id FROM work WHERE ended_at < $1
     AND commit_id NOT IN (SELECT head FROM pull_requests WHERE closed_at IS NULL) LIMIT $2)",
    "DELETE FROM shown WHERE shown_id IN (SELECT shown_id FROM shown WHERE shown_at < $1
     AND NOT EXISTS (SELECT 1 FROM pull_requests p
     WHERE p.pull_request = shown.pull_request AND p.closed_at IS NULL) LIMIT $2)",
    "DELETE FROM consents WHERE (pull_request, comment_id, target) IN
     (SELECT pull_request, comment_id, target FROM consents WHERE written_at < $1
     AND NOT EXISTS (SELECT 1 FROM pull_requests p
     WHERE p.pull_request = consents.pull_request AND p.closed_at IS NULL) LIMIT $2)",
    // What a branch points to now has arrived, however long ago.
    "DELETE FROM arrivals WHERE (branch, commit_id) IN (SELECT branch, commit_id FROM arrivals
     WHERE seen_at < $1 AND (branch, commit_id) NOT IN (SELECT branch, commit_id FROM heads) LIMIT $2)",
    "DELETE FROM reports WHERE run_id IN (SELECT run_id FROM reports WHERE ended_at < $1 LIMIT $2)",
    "DELETE FROM runs WHERE run_id IN (SELECT r.run_id FROM runs r
     WHERE r.began_at < $1 AND r.ended_at < $1 AND EXISTS
     (SELECT 1 FROM runs n WHERE n.environment = r.environment AND n.began_at > r.began_at) LIMIT $2)",
];

impl Store {
    /// Forgets deliveries that were handled, statuses that were delivered (or refused all along), work
    /// and runs that ended, and reports, all of them when they are older than `keep`. Returns how many
    /// rows went.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; what was forgotten before stays forgotten.
    pub async fn prune(&self, now: Timestamp, keep: Duration) -> Result<u64, StoreError> {
        let before = now.checked_sub(keep).unwrap_or(Timestamp::MIN);
        let mut total = 0;
        for statement in STATEMENTS {
            loop {
                let deleted = self.write(move |db| Box::pin(delete(db, statement, before))).await?;
                total += deleted;
                if deleted < ROWS_AT_ONCE {
                    break;
                }
            }
        }
        Ok(total)
    }
}

/// Carries out one of [`STATEMENTS`]; how many rows went.
async fn delete(
    db: &mut AnyConnection,
    statement: &'static str,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let deleted = sqlx::query(statement)
        .bind(micros(before))
        .bind(i64::try_from(ROWS_AT_ONCE).expect("a small number"))
        .execute(db)
        .await?;
    Ok(deleted.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::super::Line;
    use super::super::environment_lease;
    use super::super::fixture::{
        branch, commit, delivery, later, name, new_work, now, run_record, silent, status,
    };
    use super::super::{Ending, EnvironmentChange};
    use super::*;
    use crate::forge::{Context, State};
    use crate::reconcile::apply::{Event, Journal as _, RunEnd, RunKind};

    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    const MUCH_LATER_SECS: i64 = 1_000_000;

    #[tokio::test]
    async fn what_is_over_is_forgotten_and_what_is_open_stays() {
        let store = Store::in_memory().await.unwrap();
        for id in ["1", "2"] {
            store.store_deliveries(&[delivery(id)]).await.unwrap();
        }
        let first = store.pending_deliveries().await.unwrap()[0].number;
        store.deliveries_handled(first, now()).await.unwrap();

        let works = ["dev", "production"].map(|it| new_work(it, RunKind::Apply)).to_vec();
        let works =
            store.enqueue_sweep(&Line::Branch(branch("main")), &commit('a'), now(), works).await.unwrap();
        let ending = Ending {
            end: RunEnd::Complete,
            summary: String::new(),
            now: now(),
            statuses: Vec::new(),
            environment: EnvironmentChange::None,
            section: None,
        };
        store.end_work(works[0].id, ending, &silent).await.unwrap();

        let statuses = ['a', 'b', 'c'].map(|it| status(commit(it), Context::apply(), State::Success, "done"));
        store.enqueue(&statuses, now()).await.unwrap();
        let due = store.due(now(), 3).await.unwrap();
        store.delivered(due[0].id, now()).await.unwrap();
        store.delivery_failed(due[1].id, "repository is gone", later(1)).await.unwrap();

        assert_eq!(store.prune(later(3600), WEEK).await.unwrap(), 0);
        assert_eq!(store.prune(later(MUCH_LATER_SECS), WEEK).await.unwrap(), 4);
        assert_eq!(store.pending_deliveries().await.unwrap().len(), 1);
        assert_eq!(store.open_work().await.unwrap().len(), 1);
        assert_eq!(store.work_of_commit(&commit('a'), RunKind::Apply).await.unwrap().len(), 1);
        let left = store.due(later(MUCH_LATER_SECS), 9).await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].status, statuses[2]);
    }

    #[tokio::test]
    async fn of_each_environment_the_newest_run_and_every_open_one_stays() {
        let store = Store::in_memory().await.unwrap();
        let key = environment_lease(&name("production"));
        let lease = store.acquire_lease(&key, "one", now(), Duration::from_secs(60)).await.unwrap().unwrap();
        for id in 1..=4 {
            let record = run_record(id, "production");
            store.begin(&record, lease).await.unwrap();
            store.append(record.id, lease, now(), &Event::Done { step: 0 }).await.unwrap();
            if id != 2 {
                store.finish(record.id, lease, later(10), RunEnd::Complete).await.unwrap();
            }
        }
        assert_eq!(store.prune(later(MUCH_LATER_SECS), WEEK).await.unwrap(), 2);
        let left: Vec<_> =
            store.recent_runs(None, 9).await.unwrap().into_iter().map(|it| it.record.id).collect();
        assert_eq!(left, [run_record(4, "production").id, run_record(2, "production").id]);
        assert!(store.replay(run_record(1, "production").id).await.unwrap().is_empty());
        assert_eq!(store.replay(run_record(2, "production").id).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_year_of_deliveries_goes_in_small_bites() {
        let store = Store::in_memory().await.unwrap();
        for id in 0..1203 {
            store.store_deliveries(&[delivery(&id.to_string())]).await.unwrap();
        }
        while let Some(last) = store.pending_deliveries().await.unwrap().last() {
            store.deliveries_handled(last.number, now()).await.unwrap();
        }
        assert_eq!(store.prune(later(MUCH_LATER_SECS), WEEK).await.unwrap(), 1203);
    }
}
