//! The durable queue: what is to be looked at, and how that ended.
//!
//! Guarantees: an item is queued, then running, then ended, and never goes back except by
//! [`Store::requeue`] after a crash; it ends once, together with the statuses that say so and the
//! environment's memory of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::{Columns, micros, word};
use super::environments::change_environment;
use super::heads::supersede;
use super::line::Line;
use super::pull_requests::put_section;
use super::work::{Aggregate, Ending, NewWork, Work, WorkId, WorkState, work_of};
use super::{Store, StoreError, outbox};
use crate::git::CommitId;
use crate::reconcile::apply::{RunEnd, RunId, RunKind};
use crate::resources::EnvironmentName;

impl Store {
    /// Work that is queued or running, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn open_work(&self) -> Result<Vec<Work>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query("SELECT * FROM work WHERE state <> 'ended' ORDER BY work_id")
                    .fetch_all(&mut *db)
                    .await?;
                rows.iter().map(work_of).collect()
            })
        })
        .await
    }

    /// A piece of work by its id; `None` when there is none, or it was forgotten.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn work(&self, id: WorkId) -> Result<Option<Work>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT * FROM work WHERE work_id = $1").bind(id.0);
                row.fetch_optional(&mut *db).await?.as_ref().map(work_of).transpose()
            })
        })
        .await
    }

    /// All work of `commit` of one kind: of each environment the newest item, superseded ones only where
    /// there is no other; in the order in which the environments were first queued.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn work_of_commit(&self, commit: &CommitId, kind: RunKind) -> Result<Vec<Work>, StoreError> {
        let commit = *commit;
        self.read(move |db| Box::pin(async move { of_commit(db, &commit, kind).await })).await
    }

    /// How many environments the work of `commit` of one kind is about, counted up to `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn environments_of_commit(
        &self,
        commit: &CommitId,
        kind: RunKind,
        limit: u32,
    ) -> Result<usize, StoreError> {
        let commit = commit.to_string();
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT DISTINCT environment FROM work WHERE commit_id = $1 AND kind = $2 LIMIT $3",
                )
                .bind(commit)
                .bind(word(kind))
                .bind(i64::from(limit))
                .fetch_all(&mut *db)
                .await?;
                Ok(rows.len())
            })
        })
        .await
    }

    /// What [`Self::work_of_commit`] has of one environment, at a cost that does not follow the size of the commit.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn work_of_environment(
        &self,
        commit: &CommitId,
        kind: RunKind,
        environment: &EnvironmentName,
    ) -> Result<Option<Work>, StoreError> {
        let (commit, environment) = (commit.to_string(), environment.to_string());
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT * FROM work WHERE commit_id = $1 AND kind = $2 AND environment = $3
                     ORDER BY work_id",
                )
                .bind(commit)
                .bind(word(kind))
                .bind(environment)
                .fetch_all(&mut *db)
                .await?;
                Ok(newest_of(&rows)?.pop())
            })
        })
        .await
    }

    /// Whether `work` is what [`Self::work_of_commit`] has of its environment.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn is_newest_of_commit(&self, work: &Work) -> Result<bool, StoreError> {
        let newest = self.work_of_environment(&work.commit, work.kind, &work.environment).await?;
        Ok(newest.is_some_and(|newest| newest.id == work.id))
    }

    /// As [`Self::work_of_commit`], of one line: several pull requests may propose the same commit, each into a branch
    /// of its own.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn work_of_line(
        &self,
        line: &Line,
        commit: &CommitId,
        kind: RunKind,
    ) -> Result<Vec<Work>, StoreError> {
        let (line, commit) = (line.to_string(), commit.to_string());
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT * FROM work WHERE commit_id = $1 AND kind = $2 AND branch = $3 ORDER BY work_id",
                )
                .bind(commit)
                .bind(word(kind))
                .bind(line)
                .fetch_all(&mut *db)
                .await?;
                newest_of(&rows)
            })
        })
        .await
    }

    /// Whether some of what [`Self::work_of_line`] has of a commit has not ended, found without the rest.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn is_line_open(
        &self,
        line: &Line,
        commit: &CommitId,
        kind: RunKind,
    ) -> Result<bool, StoreError> {
        let (line, commit) = (line.to_string(), commit.to_string());
        self.read(move |db| {
            Box::pin(async move {
                // What is planned again while it runs is there twice: of an environment the newest counts.
                let open = sqlx::query(
                    "SELECT 1 FROM work w WHERE commit_id = $1 AND kind = $2 AND branch = $4 AND ended_at IS NULL
                     AND NOT EXISTS (SELECT 1 FROM work n WHERE n.commit_id = w.commit_id AND n.kind = w.kind
                     AND n.branch = w.branch AND n.environment = w.environment AND n.work_id > w.work_id
                     AND (n.run_end IS NULL OR n.run_end <> $3)) LIMIT 1",
                )
                .bind(commit)
                .bind(word(kind))
                .bind(word(RunEnd::Superseded))
                .bind(line)
                .fetch_optional(&mut *db)
                .await?;
                Ok(open.is_some())
            })
        })
        .await
    }

    /// Takes a queued item to work on. `None` when it is not queued any more: superseded, or taken.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn begin_work(&self, id: WorkId, now: Timestamp) -> Result<Option<Work>, StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "UPDATE work SET state = 'running', began_at = $1 WHERE work_id = $2 AND state = 'queued'
             RETURNING *",
                )
                .bind(micros(now))
                .bind(id.0)
                .fetch_optional(&mut *db)
                .await?;
                row.as_ref().map(work_of).transpose()
            })
        })
        .await
    }

    /// Notes which run of the journal a running item has.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn note_run(&self, id: WorkId, run: RunId) -> Result<(), StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE work SET run_id = $1 WHERE work_id = $2 AND state = 'running'")
                    .bind(run.to_string())
                    .bind(id.0)
                    .execute(&mut *db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Puts a running item back to the queue, at its old place: its worker is gone. An item that is
    /// queued or has ended stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn requeue(&self, id: WorkId) -> Result<(), StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE work SET state = 'queued', began_at = NULL, run_id = NULL
             WHERE work_id = $1 AND state = 'running'",
                )
                .bind(id.0)
                .execute(&mut *db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Puts a running item back to the queue to be tried again, as [`Store::requeue`] does; or, when newer work of
    /// its kind on its environment has come from the same branch meanwhile, supersedes it, and queues what
    /// `aggregate` makes of its commit: tried again later, it would undo what the newer one has done.
    /// What was superseded is returned.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn put_back(
        &self,
        id: WorkId,
        now: Timestamp,
        aggregate: Aggregate<'static>,
    ) -> Result<Option<Work>, StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "UPDATE work SET state = 'queued', began_at = NULL, run_id = NULL
                     WHERE work_id = $1 AND state = 'running' RETURNING *",
                )
                .bind(id.0)
                .fetch_optional(&mut *db)
                .await?;
                let Some(item) = row.as_ref().map(work_of).transpose()? else { return Ok(None) };
                let Some(newer) = newer_commit(db, &item).await? else { return Ok(None) };
                let summary = format!("Superseded by {}", newer.short());
                Ok(supersede(db, vec![item], &summary, now, aggregate).await?.pop())
            })
        })
        .await
    }

    /// Ends an item, queues its statuses and what `aggregate` makes of its commit, and remembers the
    /// environment. `None`, and nothing happens, when there is no such item or it has ended already.
    ///
    /// While much of the commit's work is open, `aggregate` is asked once in five seconds at most, so that
    /// the cost of a commit follows the number of its environments; for the last ends it is asked each time.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn end_work(
        &self,
        id: WorkId,
        ending: Ending,
        aggregate: Aggregate<'static>,
    ) -> Result<Option<Work>, StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                let Some(work) = close(db, id, ending.end, &ending.summary, ending.now).await? else {
                    return Ok(None);
                };
                change_environment(db, ending.environment).await?;
                if let Some(section) = &ending.section {
                    put_section(db, &work, section).await?;
                }
                outbox::put_all(db, &ending.statuses, ending.now).await?;
                if is_worth_telling(db, &work, ending.now).await? {
                    tell_of(db, &work.commit, work.kind, ending.now, aggregate).await?;
                }
                Ok(Some(work))
            })
        })
        .await
    }

    /// Says how work ended that counted as superseded although its run had begun: what was interrupted is
    /// finished by whoever comes next. `None`, and nothing happens, when it is not superseded.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn amend_superseded(
        &self,
        id: WorkId,
        ending: Ending,
        aggregate: Aggregate<'static>,
    ) -> Result<Option<Work>, StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "UPDATE work SET run_end = $1, summary = $2
                     WHERE work_id = $3 AND state = 'ended' AND run_end = $4 RETURNING *",
                )
                .bind(word(ending.end))
                .bind(ending.summary)
                .bind(id.0)
                .bind(word(RunEnd::Superseded))
                .fetch_optional(&mut *db)
                .await?;
                let Some(work) = row.as_ref().map(work_of).transpose()? else { return Ok(None) };
                outbox::put_all(db, &ending.statuses, ending.now).await?;
                tell_of(db, &work.commit, work.kind, ending.now, aggregate).await?;
                Ok(Some(work))
            })
        })
        .await
    }

    /// Queues work that no push asked for: a drift check, another attempt. Left out are environments that
    /// wait already with the same kind on the same branch, or are worked on at the same commit.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn enqueue_sweep(
        &self,
        line: &Line,
        commit: &CommitId,
        now: Timestamp,
        work: Vec<NewWork>,
    ) -> Result<Vec<Work>, StoreError> {
        let (line, commit) = (line.clone(), *commit);
        self.write(move |db| {
            Box::pin(async move {
                let open = open_work_of(db, &line).await?;
                let waiting: BTreeSet<(&EnvironmentName, String)> = open
                    .iter()
                    .filter(|item| item.state == WorkState::Queued || item.commit == commit)
                    .map(|item| (&item.environment, word(item.kind)))
                    .collect();
                let mut queued = Vec::new();
                for item in
                    work.iter().filter(|item| !waiting.contains(&(&item.environment, word(item.kind))))
                {
                    queued.push(insert(db, &line, (&commit, &commit), now, item).await?);
                }
                Ok(queued)
            })
        })
        .await
    }
}

/// The commit of the newest work of the same kind, branch and environment as `item`, when that is another one.
async fn newer_commit(db: &mut AnyConnection, item: &Work) -> Result<Option<CommitId>, StoreError> {
    let row = sqlx::query(
        "SELECT commit_id FROM work WHERE branch = $1 AND kind = $2 AND environment = $3 AND work_id > $4
         ORDER BY work_id DESC LIMIT 1",
    )
    .bind(item.line.to_string())
    .bind(word(item.kind))
    .bind(item.environment.to_string())
    .bind(item.id.0)
    .fetch_optional(db)
    .await?;
    let newest = row.map(|row| Columns::of("work item", &row).parsed("commit_id")).transpose()?;
    Ok(newest.filter(|commit| *commit != item.commit))
}

/// The work of a branch that has not ended, oldest first.
pub(super) async fn open_work_of(db: &mut AnyConnection, line: &Line) -> Result<Vec<Work>, StoreError> {
    let rows = sqlx::query("SELECT * FROM work WHERE state <> 'ended' AND branch = $1 ORDER BY work_id")
        .bind(line.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(work_of).collect()
}

pub(super) async fn insert(
    db: &mut AnyConnection,
    line: &Line,
    (commit, reads): (&CommitId, &CommitId),
    now: Timestamp,
    item: &NewWork,
) -> Result<Work, StoreError> {
    let row = sqlx::query(
        "INSERT INTO work (commit_id, branch, kind, environment, path, removed, input_digest, state, queued_at,
         reads_commit, remark) VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, $9, $10) RETURNING *",
    )
    .bind(commit.to_string())
    .bind(line.to_string())
    .bind(word(item.kind))
    .bind(item.environment.to_string())
    .bind(item.path.as_str())
    .bind(i64::from(item.removed))
    .bind(item.input_digest.as_ref().map(ToString::to_string))
    .bind(micros(now))
    .bind((commit != reads).then(|| reads.to_string()))
    .bind(item.remark.clone())
    .fetch_one(db)
    .await?;
    work_of(&row)
}

/// Ends an open item; `None` when it is not open.
pub(super) async fn close(
    db: &mut AnyConnection,
    id: WorkId,
    end: RunEnd,
    summary: &str,
    now: Timestamp,
) -> Result<Option<Work>, StoreError> {
    let row = sqlx::query(
        "UPDATE work SET state = 'ended', run_end = $1, summary = $2, ended_at = $3
         WHERE work_id = $4 AND state <> 'ended' RETURNING *",
    )
    .bind(word(end))
    .bind(summary)
    .bind(micros(now))
    .bind(id.0)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(work_of).transpose()
}

/// Up to so many open items of a commit each end is told.
const FEW: i64 = 20;

/// While more are open, the first end in each of these slots is told, in microseconds.
const SLOT_MICROS: i64 = 5_000_000;

/// Whether what has come of `work`'s commit is worth saying after its end: the last word always is.
async fn is_worth_telling(db: &mut AnyConnection, work: &Work, now: Timestamp) -> Result<bool, StoreError> {
    let open = sqlx::query(
        "SELECT COUNT(*) AS open FROM
         (SELECT 1 FROM work WHERE commit_id = $1 AND kind = $2 AND ended_at IS NULL LIMIT $3) AS some",
    )
    .bind(work.commit.to_string())
    .bind(word(work.kind))
    .bind(FEW + 1)
    .fetch_one(&mut *db)
    .await?;
    if Columns::of("work item", &open).number("open")? <= FEW {
        return Ok(true);
    }
    let before = sqlx::query(
        "SELECT ended_at FROM work WHERE commit_id = $1 AND kind = $2 AND ended_at IS NOT NULL
         AND work_id <> $3 ORDER BY ended_at DESC LIMIT 1",
    )
    .bind(work.commit.to_string())
    .bind(word(work.kind))
    .bind(work.id.0)
    .fetch_optional(&mut *db)
    .await?;
    let Some(before) = before else { return Ok(true) };
    let before = Columns::of("work item", &before).number("ended_at")?;
    Ok(before.div_euclid(SLOT_MICROS) != micros(now).div_euclid(SLOT_MICROS))
}

/// Queues what `aggregate` makes of a commit's work.
pub(super) async fn tell_of(
    db: &mut AnyConnection,
    commit: &CommitId,
    kind: RunKind,
    now: Timestamp,
    aggregate: Aggregate<'_>,
) -> Result<(), StoreError> {
    let work = of_commit(db, commit, kind).await?;
    outbox::put_all(db, &aggregate(&work), now).await
}

async fn of_commit(
    db: &mut AnyConnection,
    commit: &CommitId,
    kind: RunKind,
) -> Result<Vec<Work>, StoreError> {
    let rows = sqlx::query("SELECT * FROM work WHERE commit_id = $1 AND kind = $2 ORDER BY work_id")
        .bind(commit.to_string())
        .bind(word(kind))
        .fetch_all(db)
        .await?;
    newest_of(&rows)
}

/// Of each environment the newest item, superseded ones only where there is no other.
fn newest_of(rows: &[AnyRow]) -> Result<Vec<Work>, StoreError> {
    let mut newest: Vec<Work> = Vec::new();
    let mut places: BTreeMap<EnvironmentName, usize> = BTreeMap::new();
    for row in rows {
        let work = work_of(row)?;
        match places.get(&work.environment).map(|place| &mut newest[*place]) {
            Some(earlier) if work.state.is_superseded() && !earlier.state.is_superseded() => {}
            Some(earlier) => *earlier = work,
            None => {
                places.insert(work.environment.clone(), newest.len());
                newest.push(work);
            }
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{
        aggregate, branch, commit, environment_record, later, name, new_work, now, silent, status,
    };
    use std::sync::atomic::{AtomicUsize, Ordering};

    use uuid::Uuid;

    use super::super::EnvironmentChange;
    use super::*;
    use crate::forge::{Context, State, Status};

    async fn queued(store: &Store, environments: &[&str]) -> Vec<Work> {
        let work = environments.iter().map(|environment| new_work(environment, RunKind::Apply)).collect();
        store.enqueue_sweep(&Line::Branch(branch("main")), &commit('a'), now(), work).await.unwrap()
    }

    /// Another item of the same commit: that of a pull request beside that of its branch.
    async fn work_beside(store: &Store, environment: &str, line: &str) -> Work {
        let work = vec![new_work(environment, RunKind::Apply)];
        store.enqueue_sweep(&Line::Branch(branch(line)), &commit('a'), now(), work).await.unwrap().remove(0)
    }

    fn ending(end: RunEnd) -> Ending {
        Ending {
            end,
            summary: "3 created".to_owned(),
            now: later(9),
            statuses: Vec::new(),
            environment: EnvironmentChange::None,
            section: None,
        }
    }

    async fn told(store: &Store) -> Vec<(String, State)> {
        let due = store.due(later(100), 100).await.unwrap();
        due.into_iter().map(|it| (it.status.description.to_string(), it.status.state)).collect()
    }

    #[tokio::test]
    async fn an_item_is_begun_once_and_ended_once() {
        let store = Store::in_memory().await.unwrap();
        let item = queued(&store, &["dev"]).await.remove(0);
        let run = RunId(Uuid::from_u128(1));
        assert_eq!(
            store.begin_work(item.id, now()).await.unwrap().unwrap().state,
            WorkState::Running { run: None }
        );
        assert_eq!(store.begin_work(item.id, now()).await.unwrap(), None);
        store.note_run(item.id, run).await.unwrap();
        assert_eq!(store.open_work().await.unwrap()[0].state, WorkState::Running { run: Some(run) });
        let ended = store.end_work(item.id, ending(RunEnd::Complete), &silent).await.unwrap().unwrap();
        assert_eq!(ended.ended_at, Some(later(9)));
        assert_eq!(store.end_work(item.id, ending(RunEnd::Failed), &silent).await.unwrap(), None);
        let kept = store.work_of_commit(&commit('a'), RunKind::Apply).await.unwrap();
        assert_eq!(kept, vec![ended]);
        assert!(store.open_work().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn of_a_commit_one_environment_is_found_without_the_others() {
        let store = Store::in_memory().await.unwrap();
        let items = queued(&store, &["dev", "other"]).await;
        let newest = async |environment: &str| {
            let found = store.work_of_environment(&commit('a'), RunKind::Apply, &name(environment)).await;
            found.unwrap().map(|work| work.id)
        };
        assert_eq!((newest("dev").await, newest("none").await), (Some(items[0].id), None));
        let main = Line::Branch(branch("main"));
        let is_open = async || store.is_line_open(&main, &commit('a'), RunKind::Apply).await.unwrap();
        store.begin_work(items[0].id, now()).await.unwrap().unwrap();
        let line = main.clone();
        let beside = store.write(move |db| {
            let line = line.clone();
            Box::pin(async move {
                let commit = commit('a');
                insert(db, &line, (&commit, &commit), now(), &new_work("dev", RunKind::Apply)).await
            })
        });
        let again = beside.await.unwrap();
        assert_eq!(newest("dev").await, Some(again.id));
        store.end_work(items[1].id, ending(RunEnd::Complete), &silent).await.unwrap();
        assert!(is_open().await);
        store.end_work(again.id, ending(RunEnd::Complete), &silent).await.unwrap();
        assert!(!is_open().await, "what is older than another item of its environment does not count");
        let newer = work_beside(&store, "dev", "two").await;
        assert!(!is_open().await, "nor what is of another line");
        assert_eq!(newest("dev").await, Some(newer.id));
        for listed in store.work_of_commit(&commit('a'), RunKind::Apply).await.unwrap() {
            assert_eq!(newest(listed.environment.as_str()).await, Some(listed.id));
        }
    }

    #[tokio::test]
    async fn what_is_put_back_is_superseded_by_newer_work_on_its_environment_and_by_no_other() {
        let store = Store::in_memory().await.unwrap();
        let items = queued(&store, &["dev", "other"]).await;
        for item in &items {
            store.begin_work(item.id, now()).await.unwrap().unwrap();
            assert_eq!(store.put_back(item.id, now(), &silent).await.unwrap(), None, "nothing is newer");
            store.begin_work(item.id, now()).await.unwrap().unwrap();
        }
        let line = Line::Branch(branch("main"));
        let newer = vec![new_work("dev", RunKind::Apply), new_work("other", RunKind::Plan)];
        store.enqueue_sweep(&line, &commit('b'), now(), newer).await.unwrap();
        let superseded = store.put_back(items[0].id, now(), &aggregate).await.unwrap().unwrap();
        assert!(superseded.state.is_superseded(), "{superseded:?}");
        assert!(!told(&store).await.is_empty(), "its commit is told");
        assert_eq!(store.put_back(items[1].id, now(), &aggregate).await.unwrap(), None);
        assert_eq!(store.begin_work(items[0].id, now()).await.unwrap(), None);
        store.begin_work(items[1].id, now()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_end_is_told_and_remembered_in_one() {
        let store = Store::in_memory().await.unwrap();
        let item = queued(&store, &["dev"]).await.remove(0);
        let own = status(commit('a'), Context::apply_of(&name("dev")), State::Success, "dev is applied");
        let mut complete = ending(RunEnd::Complete);
        complete.statuses = vec![own];
        complete.environment = EnvironmentChange::Save(Box::new(environment_record("dev")));
        store.end_work(item.id, complete, &aggregate).await.unwrap().unwrap();
        let expected = [("dev is applied", State::Success), ("1 of 1 ended", State::Success)];
        assert_eq!(told(&store).await, expected.map(|(text, state)| (text.to_owned(), state)));
        assert!(store.environment(&name("dev")).await.unwrap().is_some());

        let item = queued(&store, &["dev"]).await.remove(0);
        let mut removed = ending(RunEnd::Complete);
        removed.environment = EnvironmentChange::Remove(name("dev"));
        store.end_work(item.id, removed, &silent).await.unwrap().unwrap();
        assert_eq!(store.environment(&name("dev")).await.unwrap(), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_items_that_end_together_one_sees_them_all() {
        let store = Store::in_memory().await.unwrap();
        let items = queued(&store, &["a", "b", "c", "d", "e", "f", "g", "h"]).await;
        let ends: Vec<_> = items
            .into_iter()
            .map(|item| {
                let store = store.clone();
                tokio::spawn(async move {
                    store.end_work(item.id, ending(RunEnd::Complete), &aggregate).await.unwrap().unwrap();
                })
            })
            .collect();
        for end in ends {
            end.await.unwrap();
        }
        assert_eq!(told(&store).await, [("8 of 8 ended".to_owned(), State::Success)]);
    }

    /// How many items an aggregate was made of, all in all.
    static READ: AtomicUsize = AtomicUsize::new(0);

    fn counting(work: &[Work]) -> Vec<Status> {
        READ.fetch_add(work.len(), Ordering::Relaxed);
        aggregate(work)
    }

    #[tokio::test]
    async fn what_a_commit_costs_follows_the_number_of_its_environments() {
        const MANY: usize = 400;
        let store = Store::in_memory().await.unwrap();
        let names: Vec<String> = (0..MANY).map(|number| format!("e{number:03}")).collect();
        let items = queued(&store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        for (item, number) in items.iter().zip(0_i64..) {
            // Forty ends a second.
            let now = later(100).checked_add(jiff::SignedDuration::from_millis(25 * number)).unwrap();
            let end = Ending { now, ..ending(RunEnd::Complete) };
            store.end_work(item.id, end, &counting).await.unwrap().unwrap();
        }
        let expected = format!("{MANY} of {MANY} ended");
        assert_eq!(told(&store).await, [(expected, State::Success)], "the last word is the whole truth");
        let read = READ.load(Ordering::Relaxed);
        assert!(read <= 25 * MANY, "{read} items were read for {MANY} environments");
    }

    #[tokio::test]
    async fn the_environments_of_a_commit_are_counted_up_to_a_limit() {
        let store = Store::in_memory().await.unwrap();
        let items = queued(&store, &["a", "b", "c"]).await;
        let count =
            async |limit| store.environments_of_commit(&commit('a'), RunKind::Apply, limit).await.unwrap();
        assert_eq!((count(2).await, count(9).await), (2, 3));
        assert!(store.is_newest_of_commit(&items[0]).await.unwrap());
        store.end_work(items[0].id, ending(RunEnd::Failed), &silent).await.unwrap().unwrap();
        let again = queued(&store, &["a"]).await;
        assert!(!store.is_newest_of_commit(&items[0]).await.unwrap());
        assert!(store.is_newest_of_commit(&again[0]).await.unwrap());
        assert_eq!(count(9).await, 3);
        store.end_work(again[0].id, ending(RunEnd::Superseded), &silent).await.unwrap().unwrap();
        assert!(store.is_newest_of_commit(&items[0]).await.unwrap(), "what was superseded does not count");
    }

    #[tokio::test]
    async fn superseded_work_whose_run_was_finished_says_what_that_did() {
        let store = Store::in_memory().await.unwrap();
        let items = queued(&store, &["dev", "production"]).await;
        store.end_work(items[0].id, ending(RunEnd::Superseded), &silent).await.unwrap().unwrap();
        store.end_work(items[1].id, ending(RunEnd::Failed), &silent).await.unwrap().unwrap();
        let own = status(commit('a'), Context::apply_of(&name("dev")), State::Success, "dev is applied");
        let truth = Ending { statuses: vec![own], ..ending(RunEnd::Complete) };
        let corrected =
            store.amend_superseded(items[0].id, truth.clone(), &aggregate).await.unwrap().unwrap();
        let ended = WorkState::Ended { end: RunEnd::Complete, summary: "3 created".to_owned() };
        assert_eq!(corrected.state, ended);
        let expected = [("dev is applied", State::Success), ("2 of 2 ended", State::Success)];
        assert_eq!(told(&store).await, expected.map(|(text, state)| (text.to_owned(), state)));
        for id in [items[0].id, items[1].id] {
            assert_eq!(store.amend_superseded(id, truth.clone(), &aggregate).await.unwrap(), None, "{id}");
        }
    }

    #[tokio::test]
    async fn a_crashed_item_goes_back_to_its_place() {
        let store = Store::in_memory().await.unwrap();
        let items = queued(&store, &["dev", "production"]).await;
        store.begin_work(items[0].id, now()).await.unwrap().unwrap();
        store.requeue(items[0].id).await.unwrap();
        assert_eq!(store.open_work().await.unwrap(), items);
        store.end_work(items[1].id, ending(RunEnd::Failed), &silent).await.unwrap().unwrap();
        store.requeue(items[1].id).await.unwrap();
        assert_eq!(store.open_work().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_sweep_adds_nothing_to_what_waits() {
        let store = Store::in_memory().await.unwrap();
        let first = queued(&store, &["dev", "production"]).await;
        assert!(queued(&store, &["dev"]).await.is_empty());
        store.begin_work(first[0].id, now()).await.unwrap().unwrap();
        assert!(queued(&store, &["dev"]).await.is_empty());
        store.end_work(first[0].id, ending(RunEnd::Failed), &silent).await.unwrap().unwrap();
        assert_eq!(queued(&store, &["dev", "production"]).await.len(), 1);
        let newest = store.work_of_commit(&commit('a'), RunKind::Apply).await.unwrap();
        assert!(newest.iter().all(|item| item.state == WorkState::Queued), "{newest:?}");
    }

    #[tokio::test]
    async fn a_removed_environment_says_so() {
        let store = Store::in_memory().await.unwrap();
        let mut gone = new_work("dev", RunKind::Apply);
        gone.removed = true;
        gone.input_digest = None;
        store.enqueue_sweep(&Line::Branch(branch("main")), &commit('a'), now(), vec![gone]).await.unwrap();
        let item = store.open_work().await.unwrap().remove(0);
        assert!(item.removed);
        assert_eq!(item.input_digest, None);
    }
}
