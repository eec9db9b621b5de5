//! Looking runs up, and keeping their reports.

use jiff::Timestamp;
use sqlx::any::AnyRow;

use super::column::{Columns, json, micros};
use super::work::Work;
use super::{Store, StoreError};
use crate::reconcile::apply::{RunEnd, RunId, RunRecord, report_of};
use crate::reconcile::plan::Revision;
use crate::reconcile::report::Report;
use crate::resources::EnvironmentName;

/// Among how many of an environment's newest runs those of a piece of work are looked for. Work is tried
/// ten times, and a try takes two runs at most.
const MAX_RUNS_OF_WORK: u32 = 50;

/// A run of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// What was known when it began.
    pub record: RunRecord,
    /// When and how it ended; `None` while it is under way, or was killed and not resumed yet.
    pub ended: Option<(Timestamp, RunEnd)>,
}

impl Store {
    /// Runs that began and did not finish, oldest first: after a start, those that were killed.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn unfinished_runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
            "SELECT record, ended_at, run_end FROM runs WHERE ended_at IS NULL ORDER BY began_at, run_id",
        )
        .fetch_all(&mut *db)
        .await?;
                rows.iter().map(|row| Ok(stored_run(row)?.record)).collect()
            })
        })
        .await
    }

    /// The oldest run of `environment` that began and did not finish.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn unfinished_run_of(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<RunRecord>, StoreError> {
        let environment = environment.clone();
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "SELECT record, ended_at, run_end FROM runs WHERE environment = $1 AND ended_at IS NULL
             ORDER BY began_at, run_id LIMIT 1",
                )
                .bind(environment.to_string())
                .fetch_optional(&mut *db)
                .await?;
                row.map(|row| Ok(stored_run(&row)?.record)).transpose()
            })
        })
        .await
    }

    /// A run of the journal by its id.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn run(&self, run: RunId) -> Result<Option<StoredRun>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT record, ended_at, run_end FROM runs WHERE run_id = $1")
                    .bind(run.to_string())
                    .fetch_optional(&mut *db)
                    .await?;
                row.as_ref().map(stored_run).transpose()
            })
        })
        .await
    }

    /// The newest runs first, of one environment or of all, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn recent_runs(
        &self,
        environment: Option<&EnvironmentName>,
        limit: u32,
    ) -> Result<Vec<StoredRun>, StoreError> {
        let environment = environment.cloned();
        self.read(move |db| { Box::pin(async move {
        let query = match environment {
            Some(environment) => sqlx::query(
                "SELECT record, ended_at, run_end FROM runs WHERE environment = $1
                 ORDER BY began_at DESC, run_id DESC LIMIT $2",
            )
            .bind(environment.to_string()),
            None => sqlx::query(
                "SELECT record, ended_at, run_end FROM runs ORDER BY began_at DESC, run_id DESC LIMIT $1",
            ),
        };
        let rows = query.bind(i64::from(limit)).fetch_all(&mut *db).await?;
        rows.iter().map(stored_run).collect()
        }) }).await
    }

    /// The reports of `runs`, which come newest first, the oldest first, made from the journal.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn reports_of(&self, runs: &[StoredRun]) -> Result<Vec<Report>, StoreError> {
        let mut reports = Vec::new();
        for run in runs.iter().rev() {
            let history = self.events_of(run.record.id).await?;
            match report_of(&run.record, &history, run.ended) {
                Ok(report) => reports.push(report),
                Err(error) => {
                    tracing::warn!(run = %run.record.id, %error, "the journal of a run does not fit its plan");
                }
            }
        }
        Ok(reports)
    }

    /// The runs that `work` took, newest first. Runs that began by hand or under an older version count when
    /// they are of its commit and ended while it was open.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn runs_of(&self, work: &Work) -> Result<Vec<StoredRun>, StoreError> {
        let runs = self.recent_runs(Some(&work.environment), MAX_RUNS_OF_WORK).await?;
        let commit = Revision(work.commit.to_string());
        let is_its = |run: &StoredRun| match run.record.asked_by {
            Some(asked_by) => asked_by == work.id.0,
            None => {
                run.record.commit.as_ref() == Some(&commit)
                    && run.ended.is_none_or(|(at, _)| at >= work.queued_at)
            }
        };
        Ok(runs.into_iter().filter(is_its).collect())
    }

    /// Keeps the report of a run, in place of an earlier one of the same run. Plans have reports too.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn save_report(&self, report: &Report) -> Result<(), StoreError> {
        let report = report.clone();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO reports (run_id, environment, ended_at, report) VALUES ($1, $2, $3, $4)
             ON CONFLICT (run_id) DO UPDATE SET ended_at = excluded.ended_at, report = excluded.report",
                )
                .bind(report.run.to_string())
                .bind(report.environment.to_string())
                .bind(micros(report.ended))
                .bind(json(&report))
                .execute(&mut *db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// The report of a run.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn report(&self, run: RunId) -> Result<Option<Report>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT report FROM reports WHERE run_id = $1")
                    .bind(run.to_string())
                    .fetch_optional(&mut *db)
                    .await?;
                row.map(|row| Columns::of("report", &row).json("report")).transpose()
            })
        })
        .await
    }
}

fn stored_run(row: &AnyRow) -> Result<StoredRun, StoreError> {
    let columns = Columns::of("run", row);
    let ended = columns.optional_time("ended_at")?.zip(columns.optional_word("run_end")?);
    Ok(StoredRun { record: columns.json("record")?, ended })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::environment_lease;
    use super::super::fixture::{later, name, now, run_record};
    use super::*;
    use crate::reconcile::apply::Journal as _;
    use crate::reconcile::plan::{Action, Part};
    use crate::reconcile::report::{StepEnd, StepReport};
    use crate::resources::{Address, Kind};

    async fn begin(store: &Store, id: u128, environment: &str) -> RunRecord {
        let key = environment_lease(&name(environment));
        let lease = store.acquire_lease(&key, "one", now(), Duration::from_secs(60)).await;
        let record = run_record(id, environment);
        store.begin(&record, lease.unwrap().unwrap()).await.unwrap();
        record
    }

    #[tokio::test]
    async fn runs_are_found_by_environment_and_newest_first() {
        let store = Store::in_memory().await.unwrap();
        let first = begin(&store, 1, "production").await;
        let second = begin(&store, 2, "dev").await;
        let third = begin(&store, 3, "production").await;
        let recent = async |environment: Option<&str>, limit| -> Vec<RunRecord> {
            let environment = environment.map(name);
            let runs = store.recent_runs(environment.as_ref(), limit).await.unwrap();
            runs.into_iter().map(|run| run.record).collect()
        };
        assert_eq!(recent(None, 2).await, vec![third.clone(), second]);
        assert_eq!(recent(Some("production"), 9).await, vec![third, first.clone()]);
        assert_eq!(store.unfinished_run_of(&name("production")).await.unwrap(), Some(first));
        assert_eq!(store.unfinished_run_of(&name("other")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_report_is_kept_also_of_a_run_that_was_only_planned() {
        let store = Store::in_memory().await.unwrap();
        let record = run_record(1, "production");
        let step = |ordinal, end| StepReport {
            ordinal,
            address: Address::named(&name("production"), Kind::ComputeCluster, "cpu"),
            action: Action::Create,
            part: Part::Whole,
            end,
            began: Some(now()),
            ended: None,
        };
        let mut report = Report {
            run: record.id,
            environment: record.environment,
            end: RunEnd::Planned,
            steps: vec![
                step(0, StepEnd::NotReached),
                step(1, StepEnd::Failed { message: "quota".to_owned() }),
            ],
            began: now(),
            ended: later(1),
        };
        store.save_report(&report).await.unwrap();
        report.end = RunEnd::Complete;
        store.save_report(&report).await.unwrap();
        assert_eq!(store.report(report.run).await.unwrap(), Some(report));
        assert_eq!(store.report(run_record(2, "dev").id).await.unwrap(), None);
    }
}
