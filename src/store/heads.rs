//! The heads of the watched branches, and what a new one does to the queue.
//!
//! Guarantees: a head becomes seen in the same transaction that queues its work and its first statuses,
//! so that a push is neither lost nor worked on twice by a crash between; what waited for an older
//! commit of the branch and is looked at again is superseded, with its statuses; what is running is not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::arrivals::{forget_arrivals, put_arrival};
use super::column::{Columns, micros, word};
use super::line::Line;
use super::pull_requests::{PullRequestRecord, put_pull_request};
use super::work::{Aggregate, NewWork, Work, WorkState, work_of};
use super::{Store, StoreError, outbox, queue};
use crate::forge::Status;
use crate::git::{BranchName, CommitId};
use crate::reconcile::apply::{RunEnd, RunKind};
use crate::resources::EnvironmentName;

/// In the place of a compared commit: no head of the branch was ever looked into.
const NONE: &str = "";

/// A new head of a watched branch, and everything that follows from it.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// What has a new head.
    pub arrival: Arrival,
    /// The new head, on which the statuses stand.
    pub commit: CommitId,
    /// The commit whose files are read: the head, or the merge result of a pull request.
    pub reads: CommitId,
    /// When it was seen.
    pub now: Timestamp,
    /// What is to be looked at.
    pub work: Vec<NewWork>,
    /// What the forge is to be told of the new head.
    pub statuses: Vec<Status>,
}

/// What has a new head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The head of a branch of the repository itself.
    Head(BranchName),
    /// A branch whose head cannot be looked into for a reason that does not pass. What it changes stays
    /// to be found at the next head: that one is compared with the last that could be looked into.
    Refused(BranchName),
    /// A pull request, as it is to be remembered. It may be the same head on a base that has moved.
    PullRequest(Box<PullRequestRecord>),
}

impl Arrival {
    fn line(&self) -> Line {
        match self {
            Self::Head(branch) | Self::Refused(branch) => Line::Branch(branch.clone()),
            Self::PullRequest(record) => Line::PullRequest(record.number),
        }
    }
}

/// What became of a new head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The work that was queued; for a head that was seen already, the work that it has.
    pub work: Vec<Work>,
    /// The work of older commits that it superseded.
    pub superseded: Vec<Work>,
}

impl Store {
    /// The head of every watched branch that was accepted last.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn seen_heads(&self) -> Result<BTreeMap<BranchName, CommitId>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query("SELECT branch, commit_id FROM heads").fetch_all(&mut *db).await?;
                rows.iter()
                    .map(|row| {
                        let columns = Columns::of("head", row);
                        Ok((columns.parsed("branch")?, columns.parsed("commit_id")?))
                    })
                    .collect()
            })
        })
        .await
    }

    /// The branches whose head is accepted and could not be looked into.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn refused_heads(&self) -> Result<BTreeSet<BranchName>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query("SELECT branch FROM heads WHERE compared_commit IS NOT NULL")
                    .fetch_all(&mut *db)
                    .await?;
                rows.iter().map(|row| Columns::of("head", row).parsed("branch")).collect()
            })
        })
        .await
    }

    /// The head of a branch that was looked into last: the one accepted last, unless that was refused.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn compared_head(&self, branch: &BranchName) -> Result<Option<CommitId>, StoreError> {
        let branch = branch.to_string();
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT commit_id, compared_commit FROM heads WHERE branch = $1")
                    .bind(branch)
                    .fetch_optional(&mut *db)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                let columns = Columns::of("head", &row);
                match columns.optional_text("compared_commit")?.as_deref() {
                    None => columns.parsed("commit_id").map(Some),
                    Some(NONE) => Ok(None),
                    Some(_) => columns.parsed("compared_commit").map(Some),
                }
            })
        })
        .await
    }

    /// Accepts a new head: records it as seen, queues its work and statuses, supersedes what waited for
    /// the same environments at older commits of the branch, and queues what `aggregate` makes of each
    /// of those commits. For a head that was seen already nothing changes, unless it was refused and now is not.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn accept_head(
        &self,
        acceptance: Acceptance,
        aggregate: Aggregate<'static>,
    ) -> Result<Accepted, StoreError> {
        let Acceptance { arrival, commit, reads, now, work, statuses } = acceptance;
        let line = arrival.line();
        self.write(move |db| {
            Box::pin(async move {
                match &arrival {
                    Arrival::Head(branch) if is_looked_into(db, branch, &commit).await? => {
                        let work = present_work(db, branch, &commit).await?;
                        return Ok(Accepted { work, superseded: Vec::new() });
                    }
                    Arrival::Refused(branch) if head_of(db, branch).await? == Some(commit) => {
                        let work = present_work(db, branch, &commit).await?;
                        return Ok(Accepted { work, superseded: Vec::new() });
                    }
                    Arrival::Head(branch) => {
                        set_head(db, branch, &commit, now).await?;
                        put_arrival(db, branch, &commit, now).await?;
                    }
                    Arrival::Refused(branch) => {
                        set_refused_head(db, branch, &commit, now).await?;
                        put_arrival(db, branch, &commit, now).await?;
                    }
                    Arrival::PullRequest(record) => put_pull_request(db, record).await?,
                }
                let replaced: BTreeSet<(EnvironmentName, String)> =
                    work.iter().map(|item| (item.environment.clone(), word(item.kind))).collect();
                let waiting = queued_work(db, &line).await?.into_iter().filter(|item| {
                    // A plan of a head that is no longer one is of use to nobody; an apply may be all there is.
                    let is_replaced = replaced.contains(&(item.environment.clone(), word(item.kind)));
                    item.commit != commit && (is_replaced || item.kind == RunKind::Plan)
                });
                let summary = format!("Superseded by {}", commit.short());
                let superseded = supersede(db, waiting.collect(), &summary, now, aggregate).await?;
                let mut queued = Vec::with_capacity(work.len());
                for item in &work {
                    queued.push(queue::insert(db, &line, (&commit, &reads), now, item).await?);
                }
                outbox::put_all(db, &statuses, now).await?;
                Ok(Accepted { work: queued, superseded })
            })
        })
        .await
    }

    /// Forgets a branch that was deleted, and supersedes the plans that wait for it; queues what
    /// `aggregate` makes of their commits. An apply that waits stays: deleting a branch undoes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn forget_branch(
        &self,
        branch: &BranchName,
        now: Timestamp,
        aggregate: Aggregate<'static>,
    ) -> Result<Vec<Work>, StoreError> {
        let branch = branch.clone();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("DELETE FROM heads WHERE branch = $1")
                    .bind(branch.to_string())
                    .execute(&mut *db)
                    .await?;
                forget_arrivals(db, &branch).await?;
                let plans = queued_work(db, &Line::Branch(branch.clone()))
                    .await?
                    .into_iter()
                    .filter(|item| item.kind == RunKind::Plan);
                let superseded =
                    supersede(db, plans.collect(), "Its branch was deleted", now, aggregate).await?;
                Ok(superseded)
            })
        })
        .await
    }
}

async fn head_of(db: &mut AnyConnection, branch: &BranchName) -> Result<Option<CommitId>, StoreError> {
    let row = sqlx::query("SELECT commit_id FROM heads WHERE branch = $1")
        .bind(branch.to_string())
        .fetch_optional(db)
        .await?;
    row.map(|row| Columns::of("head", &row).parsed("commit_id")).transpose()
}

/// Whether the branch's head is this one, and was not refused.
async fn is_looked_into(
    db: &mut AnyConnection,
    branch: &BranchName,
    commit: &CommitId,
) -> Result<bool, StoreError> {
    let found = "SELECT 1 FROM heads WHERE branch = $1 AND commit_id = $2 AND compared_commit IS NULL";
    let row = sqlx::query(found).bind(branch.to_string()).bind(commit.to_string()).fetch_optional(db).await?;
    Ok(row.is_some())
}

async fn set_head(
    db: &mut AnyConnection,
    branch: &BranchName,
    commit: &CommitId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO heads (branch, commit_id, seen_at) VALUES ($1, $2, $3)
         ON CONFLICT (branch) DO UPDATE SET commit_id = excluded.commit_id, seen_at = excluded.seen_at,
         compared_commit = NULL",
    )
    .bind(branch.to_string())
    .bind(commit.to_string())
    .bind(micros(now))
    .execute(db)
    .await?;
    Ok(())
}

/// As [`set_head`], and what was compared last stays so.
async fn set_refused_head(
    db: &mut AnyConnection,
    branch: &BranchName,
    commit: &CommitId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO heads (branch, commit_id, seen_at, compared_commit) VALUES ($1, $2, $3, $4)
         ON CONFLICT (branch) DO UPDATE SET
         compared_commit = COALESCE(heads.compared_commit, heads.commit_id),
         commit_id = excluded.commit_id, seen_at = excluded.seen_at",
    )
    .bind(branch.to_string())
    .bind(commit.to_string())
    .bind(micros(now))
    .bind(NONE)
    .execute(db)
    .await?;
    Ok(())
}

async fn queued_work(db: &mut AnyConnection, line: &Line) -> Result<Vec<Work>, StoreError> {
    let open = queue::open_work_of(db, line).await?;
    Ok(open.into_iter().filter(|item| item.state == WorkState::Queued).collect())
}

async fn present_work(
    db: &mut AnyConnection,
    branch: &BranchName,
    commit: &CommitId,
) -> Result<Vec<Work>, StoreError> {
    let rows = sqlx::query("SELECT * FROM work WHERE branch = $1 AND commit_id = $2 ORDER BY work_id")
        .bind(branch.to_string())
        .bind(commit.to_string())
        .fetch_all(db)
        .await?;
    rows.iter().map(work_of).collect()
}

/// Ends work that waits as superseded, saying `summary`, and queues what `aggregate` makes of its commits.
pub(super) async fn supersede(
    db: &mut AnyConnection,
    waiting: Vec<Work>,
    summary: &str,
    now: Timestamp,
    aggregate: Aggregate<'_>,
) -> Result<Vec<Work>, StoreError> {
    let mut superseded = Vec::with_capacity(waiting.len());
    let mut commits: BTreeMap<(CommitId, String), RunKind> = BTreeMap::new();
    for item in waiting {
        superseded.extend(queue::close(db, item.id, RunEnd::Superseded, summary, now).await?);
        commits.insert((item.commit, word(item.kind)), item.kind);
    }
    for ((commit, _), kind) in commits {
        queue::tell_of(db, &commit, kind, now, aggregate).await?;
    }
    Ok(superseded)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{aggregate, branch, commit, folder, later, new_work, now, silent, status};
    use super::*;
    use crate::forge::{Context, State};

    fn head(on: &str, digit: char, work: Vec<NewWork>) -> Acceptance {
        let context = if on == "main" { Context::apply() } else { Context::plan() };
        Acceptance {
            arrival: Arrival::Head(branch(on)),
            commit: commit(digit),
            reads: commit(digit),
            now: now(),
            work,
            statuses: vec![status(commit(digit), context, State::Pending, "queued")],
        }
    }

    fn applies(environments: &[&str]) -> Vec<NewWork> {
        environments.iter().map(|environment| new_work(environment, RunKind::Apply)).collect()
    }

    fn names(work: &[Work]) -> Vec<String> {
        work.iter().map(|item| format!("{} {}", item.commit.short(), item.environment)).collect()
    }

    #[tokio::test]
    async fn a_new_head_is_seen_queued_and_announced_at_once() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        store.accept_head(head("main", 'a', applies(&["dev", "production"])), &silent).await.unwrap();
        drop(store);
        let store = Store::open(&path).await.unwrap();
        assert_eq!(store.seen_heads().await.unwrap(), BTreeMap::from([(branch("main"), commit('a'))]));
        assert_eq!(names(&store.open_work().await.unwrap()), ["aaaaaaa dev", "aaaaaaa production"]);
        assert_eq!(store.pending_count().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn after_refused_heads_the_next_is_compared_with_the_last_that_was_looked_into() {
        let store = Store::in_memory().await.unwrap();
        let refused = |digit| Acceptance {
            arrival: Arrival::Refused(branch("main")),
            ..head("main", digit, Vec::new())
        };
        let compared = async || store.compared_head(&branch("main")).await.unwrap();
        assert_eq!(compared().await, None);
        store.accept_head(refused('a'), &silent).await.unwrap();
        assert_eq!(compared().await, None, "nothing was ever looked into");
        store.accept_head(head("main", 'b', Vec::new()), &silent).await.unwrap();
        assert_eq!(compared().await, Some(commit('b')));
        for digit in ['c', 'd'] {
            store.accept_head(refused(digit), &silent).await.unwrap();
            assert_eq!(store.seen_heads().await.unwrap()[&branch("main")], commit(digit));
            assert_eq!(compared().await, Some(commit('b')));
        }
        store.accept_head(head("main", 'e', Vec::new()), &silent).await.unwrap();
        assert_eq!(compared().await, Some(commit('e')));
    }

    #[tokio::test]
    async fn a_refused_head_that_can_be_looked_into_after_all_is_accepted_once() {
        let store = Store::in_memory().await.unwrap();
        store.accept_head(head("main", 'a', Vec::new()), &silent).await.unwrap();
        let refused =
            Acceptance { arrival: Arrival::Refused(branch("main")), ..head("main", 'b', Vec::new()) };
        store.accept_head(refused, &silent).await.unwrap();
        assert_eq!(store.refused_heads().await.unwrap(), BTreeSet::from([branch("main")]));
        let first = store.accept_head(head("main", 'b', applies(&["dev"])), &silent).await.unwrap();
        assert_eq!(names(&first.work), ["bbbbbbb dev"]);
        assert!(store.refused_heads().await.unwrap().is_empty());
        assert_eq!(store.accept_head(head("main", 'b', applies(&["dev"])), &silent).await.unwrap(), first);
        assert_eq!(store.open_work().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_head_is_accepted_once() {
        let store = Store::in_memory().await.unwrap();
        let first = store.accept_head(head("main", 'a', applies(&["dev"])), &silent).await.unwrap();
        let elsewhere = store.clone();
        let again = tokio::spawn(async move {
            elsewhere.accept_head(head("main", 'a', applies(&["dev", "other"])), &silent).await
        });
        let again = again.await.unwrap().unwrap();
        assert_eq!(again, first);
        assert_eq!(store.open_work().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_newer_commit_supersedes_what_waits_and_not_what_runs() {
        let store = Store::in_memory().await.unwrap();
        let first =
            store.accept_head(head("main", 'a', applies(&["dev", "production", "staging"])), &aggregate);
        let dev = first.await.unwrap().work.remove(0);
        store.begin_work(dev.id, now()).await.unwrap().unwrap();
        let accepted =
            store.accept_head(head("main", 'b', applies(&["dev", "production"])), &aggregate).await.unwrap();
        assert_eq!(names(&accepted.superseded), ["aaaaaaa production"]);
        let ended = WorkState::Ended { end: RunEnd::Superseded, summary: "Superseded by bbbbbbb".to_owned() };
        assert_eq!(accepted.superseded[0].state, ended);
        assert_eq!(
            names(&store.open_work().await.unwrap()),
            ["aaaaaaa dev", "aaaaaaa staging", "bbbbbbb dev", "bbbbbbb production"]
        );
        let told: Vec<String> = store
            .due(now(), 9)
            .await
            .unwrap()
            .iter()
            .map(|it| format!("{} {}", it.status.commit.short(), it.status.description))
            .collect();
        assert_eq!(told, ["aaaaaaa 1 of 3 ended", "bbbbbbb queued"]);
        assert!(store.begin_work(accepted.superseded[0].id, now()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_new_head_supersedes_all_plans_of_its_branch_and_only_the_applies_that_it_repeats() {
        let store = Store::in_memory().await.unwrap();
        let plans = ["dev", "production"].map(|name| new_work(name, RunKind::Plan)).to_vec();
        store.accept_head(head("one", 'a', plans), &silent).await.unwrap();
        let accepted = store.accept_head(head("one", 'b', Vec::new()), &silent).await.unwrap();
        assert_eq!(names(&accepted.superseded), ["aaaaaaa dev", "aaaaaaa production"]);
        store.accept_head(head("main", 'c', applies(&["dev", "production"])), &silent).await.unwrap();
        let accepted = store.accept_head(head("main", 'd', applies(&["production"])), &silent).await.unwrap();
        assert_eq!(names(&accepted.superseded), ["ccccccc production"]);
        assert_eq!(names(&store.open_work().await.unwrap()), ["ccccccc dev", "ddddddd production"]);
    }

    #[tokio::test]
    async fn branches_and_kinds_do_not_supersede_each_other() {
        let store = Store::in_memory().await.unwrap();
        let plan = || vec![new_work("dev", RunKind::Plan)];
        store.accept_head(head("one", 'a', plan()), &silent).await.unwrap();
        store.accept_head(head("two", 'b', plan()), &silent).await.unwrap();
        let drift = vec![new_work("dev", RunKind::Drift)];
        store.enqueue_sweep(&Line::Branch(branch("main")), &commit('c'), now(), drift).await.unwrap();
        let accepted = store.accept_head(head("main", 'd', applies(&["dev"])), &silent).await.unwrap();
        assert!(accepted.superseded.is_empty());
        assert_eq!(store.open_work().await.unwrap().len(), 4);
    }

    #[tokio::test]
    async fn a_forced_push_back_queues_the_old_commit_again() {
        let store = Store::in_memory().await.unwrap();
        for digit in ['a', 'b', 'a'] {
            store.accept_head(head("main", digit, applies(&["dev"])), &silent).await.unwrap();
        }
        assert_eq!(names(&store.open_work().await.unwrap()), ["aaaaaaa dev"]);
        let work = store.work_of_commit(&commit('a'), RunKind::Apply).await.unwrap();
        assert_eq!(work.len(), 1);
        assert_eq!(work[0].state, WorkState::Queued);
    }

    #[tokio::test]
    async fn a_deleted_branch_takes_its_waiting_plans_along_but_no_apply() {
        let store = Store::in_memory().await.unwrap();
        let both = vec![new_work("dev", RunKind::Plan), new_work("dev", RunKind::Apply)];
        store.accept_head(head("one", 'a', both), &silent).await.unwrap();
        let elsewhere = store.clone();
        let forgetting =
            tokio::spawn(async move { elsewhere.forget_branch(&branch("one"), later(1), &silent).await });
        let superseded = forgetting.await.unwrap().unwrap();
        assert_eq!(names(&superseded), ["aaaaaaa dev"]);
        assert!(store.seen_heads().await.unwrap().is_empty());
        assert_eq!(store.open_work().await.unwrap()[0].kind, RunKind::Apply);
    }
}
