//! Open pull requests, as they were last planned, and what their comments say.
//!
//! The truth about a pull request is at its forge; this remembers what was made of it, so that a plan is
//! made once, its comment is edited and not repeated, and what disappears while nobody looks is noticed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::column::{Columns, json, micros, word};
use super::heads::supersede;
use super::line::Line;
use super::messages::put_messages;
use super::work::{Aggregate, NewWork, Work, WorkState};
use super::{Message, Store, StoreError, queue};
use crate::forge::{Origin, PullRequestNumber, Status};
use crate::git::{BranchName, CommitId};
use crate::reconcile::apply::RunKind;
use crate::reconcile::review::Section;
use crate::resources::EnvironmentName;

/// A pull request, as it was last planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestRecord {
    /// The number that the forge gave it, from 1.
    pub number: PullRequestNumber,
    /// The proposed commit, on which its statuses stand.
    pub head: CommitId,
    /// The branch that it is proposed for.
    pub base_branch: BranchName,
    /// The head of that branch that it was last compared with.
    pub base_commit: CommitId,
    /// Where the commit comes from.
    pub origin: Origin,
    /// Why it is not planned, where it is not.
    pub refusal: Option<String>,
    /// The head that a maintainer has asked a plan of.
    pub approved_head: Option<CommitId>,
    /// Up to which change of it its comments were read.
    pub activity: String,
    /// What its comment says, newest first.
    pub said: Vec<SaidPlan>,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was last planned anew.
    pub changed_at: Timestamp,
}

/// A plan that stands in a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidPlan {
    /// The commit that is proposed, as the forge last said.
    pub head: CommitId,
    /// The head of the base branch that it was merged into.
    pub base: CommitId,
    /// The text that is said, in Markdown.
    pub text: String,
}

impl Store {
    /// The open pull requests that were accepted, by number.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn open_pull_requests(
        &self,
    ) -> Result<BTreeMap<PullRequestNumber, PullRequestRecord>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows =
                    sqlx::query("SELECT * FROM pull_requests WHERE closed_at IS NULL ORDER BY pull_request")
                        .fetch_all(&mut *db)
                        .await?;
                rows.iter().map(|row| record_of(row).map(|record| (record.number, record))).collect()
            })
        })
        .await
    }

    /// The pull requests that were closed or merged since `since`, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn pull_requests_closed_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<PullRequestNumber>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
            "SELECT pull_request FROM pull_requests WHERE closed_at >= $1 ORDER BY closed_at DESC LIMIT $2",
        )
        .bind(micros(since))
        .bind(i64::from(limit))
        .fetch_all(&mut *db)
        .await?;
                rows.iter().map(|row| number_of(&Columns::of("pull request", row))).collect()
            })
        })
        .await
    }

    /// An open pull request.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn pull_request(
        &self,
        number: PullRequestNumber,
    ) -> Result<Option<PullRequestRecord>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row =
                    sqlx::query("SELECT * FROM pull_requests WHERE pull_request = $1 AND closed_at IS NULL")
                        .bind(key_of(number))
                        .fetch_optional(&mut *db)
                        .await?;
                row.as_ref().map(record_of).transpose()
            })
        })
        .await
    }

    /// When a pull request was first seen to be open no more; `None` where it is open or not known.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn pull_request_closed_at(
        &self,
        number: PullRequestNumber,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let closed =
                    "SELECT closed_at FROM pull_requests WHERE pull_request = $1 AND closed_at IS NOT NULL";
                let row = sqlx::query(closed).bind(key_of(number)).fetch_optional(&mut *db).await?;
                row.map(|row| Columns::of("pull request", &row).time("closed_at")).transpose()
            })
        })
        .await
    }

    /// Notes up to which change of a pull request its comments were read.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn note_activity(&self, number: PullRequestNumber, activity: &str) -> Result<(), StoreError> {
        let activity = activity.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE pull_requests SET activity = $1 WHERE pull_request = $2")
                    .bind(activity)
                    .bind(key_of(number))
                    .execute(&mut *db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes that the base of a pull request moved without changing anything about its plan.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn note_base(&self, number: PullRequestNumber, base: &CommitId) -> Result<(), StoreError> {
        let base = *base;
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE pull_requests SET base_commit = $1 WHERE pull_request = $2")
                    .bind(base.to_string())
                    .bind(key_of(number))
                    .execute(&mut *db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes what the comment of a pull request says from now on, and queues `messages` that say it.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn say_plan(
        &self,
        number: PullRequestNumber,
        said: &[SaidPlan],
        messages: &[Message],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (said, messages) = (json(&said), messages.to_vec());
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE pull_requests SET said = $1 WHERE pull_request = $2")
                    .bind(said)
                    .bind(key_of(number))
                    .execute(&mut *db)
                    .await?;
                put_messages(db, &messages, now).await?;
                Ok(())
            })
        })
        .await
    }

    /// Forgets a pull request that is no longer open, and supersedes the plans that wait for it, saying
    /// `why`; queues what `aggregate` makes of its commit.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn close_pull_request(
        &self,
        number: PullRequestNumber,
        why: &str,
        now: Timestamp,
        aggregate: Aggregate<'static>,
    ) -> Result<Vec<Work>, StoreError> {
        let why = why.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE pull_requests SET closed_at = $1 WHERE pull_request = $2")
                    .bind(micros(now))
                    .bind(key_of(number))
                    .execute(&mut *db)
                    .await?;
                let open = queue::open_work_of(db, &Line::PullRequest(number)).await?;
                let waiting = open.into_iter().filter(|item| item.state == WorkState::Queued).collect();
                let superseded = supersede(db, waiting, &why, now, aggregate).await?;
                Ok(superseded)
            })
        })
        .await
    }

    /// Queues plans of a pull request once more, with their statuses. Left out are environments that wait
    /// already.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn plan_again(
        &self,
        plans: &[Work],
        now: Timestamp,
        statuses: impl Fn(&[Work]) -> Vec<Status> + Send + Sync + 'static,
    ) -> Result<Vec<Work>, StoreError> {
        let plans = plans.to_vec();
        self.write(move |db| {
            Box::pin(async move {
                let mut queued = Vec::new();
                for plan in &plans {
                    let waits = queue::open_work_of(db, &plan.line).await?.into_iter().any(|open| {
                        open.state == WorkState::Queued
                            && open.commit == plan.commit
                            && open.environment == plan.environment
                    });
                    if !waits {
                        let item = NewWork {
                            kind: plan.kind,
                            environment: plan.environment.clone(),
                            path: plan.path.clone(),
                            removed: plan.removed,
                            input_digest: plan.input_digest.clone(),
                            remark: plan.remark.clone(),
                        };
                        let commits = (&plan.commit, &plan.reads);
                        queued.push(queue::insert(db, &plan.line, commits, now, &item).await?);
                    }
                }
                if let Some(first) = queued.first() {
                    let (commit, kind) = (first.commit, first.kind);
                    queue::tell_of(db, &commit, kind, now, &statuses).await?;
                }
                Ok(queued)
            })
        })
        .await
    }

    /// Drops what waits of a pull request, or of one environment of it, saying `why`.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then nothing has changed.
    pub async fn cancel(
        &self,
        number: PullRequestNumber,
        environment: Option<&EnvironmentName>,
        why: &str,
        now: Timestamp,
        aggregate: Aggregate<'static>,
    ) -> Result<Vec<Work>, StoreError> {
        let (environment, why) = (environment.cloned(), why.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let open = queue::open_work_of(db, &Line::PullRequest(number)).await?;
                let is_meant = |item: &Work| {
                    item.state == WorkState::Queued
                        && environment.as_ref().is_none_or(|name| item.environment == *name)
                };
                let waiting = open.into_iter().filter(is_meant).collect();
                let cancelled = supersede(db, waiting, &why, now, aggregate).await?;
                Ok(cancelled)
            })
        })
        .await
    }

    /// The plans of a pull request's head, in the order in which its environments were first queued, with
    /// what is to be said of those that have ended.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn plans_of(
        &self,
        number: PullRequestNumber,
        head: &CommitId,
    ) -> Result<Vec<(Work, Option<Section>)>, StoreError> {
        let work = self.work_of_line(&Line::PullRequest(number), head, RunKind::Plan).await?;
        self.with_sections(work).await
    }

    /// The work of a commit, of whatever line, with what its plans came to, as in [`Self::plans_of`]; an apply has
    /// that when it was blocked last.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn sections_of_commit(
        &self,
        commit: &CommitId,
        kind: RunKind,
    ) -> Result<Vec<(Work, Option<Section>)>, StoreError> {
        let work = self.work_of_commit(commit, kind).await?;
        self.with_sections(work).await
    }

    async fn with_sections(&self, work: Vec<Work>) -> Result<Vec<(Work, Option<Section>)>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let mut plans = Vec::with_capacity(work.len());
                for item in work {
                    let row = sqlx::query("SELECT section FROM sections WHERE work_id = $1")
                        .bind(item.id.0)
                        .fetch_optional(&mut *db)
                        .await?;
                    let section = row.map(|row| Columns::of("section", &row).json("section")).transpose()?;
                    plans.push((item, section));
                }
                Ok(plans)
            })
        })
        .await
    }

    /// Which open pull requests touch which environments, at their present heads.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn proposed_environments(
        &self,
    ) -> Result<BTreeMap<EnvironmentName, BTreeSet<PullRequestNumber>>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT DISTINCT p.pull_request, w.environment FROM pull_requests p
             JOIN work w ON w.commit_id = p.head AND w.kind = $1
             AND w.branch = 'pull:' || CAST(p.pull_request AS TEXT)
             WHERE p.closed_at IS NULL ORDER BY w.environment, p.pull_request",
                )
                .bind(word(RunKind::Plan))
                .fetch_all(&mut *db)
                .await?;
                let mut proposed: BTreeMap<EnvironmentName, BTreeSet<PullRequestNumber>> = BTreeMap::new();
                for row in &rows {
                    let columns = Columns::of("pull request", row);
                    let environment = columns.parsed("environment")?;
                    proposed.entry(environment).or_default().insert(number_of(&columns)?);
                }
                Ok(proposed)
            })
        })
        .await
    }
}

/// Replaces the memory of a pull request inside the caller's transaction, and forgets the plans of its
/// head: they were made against another base, or of its branch by itself. What another pull request plans of the same
/// commit is that one's.
pub(super) async fn put_pull_request(
    db: &mut AnyConnection,
    record: &PullRequestRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO pull_requests (pull_request, head, base_branch, base_commit, origin, approved_head,
         activity, said, first_seen_at, changed_at, refusal, closed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, NULL)
         ON CONFLICT (pull_request) DO UPDATE SET head = excluded.head, base_branch = excluded.base_branch,
         base_commit = excluded.base_commit, origin = excluded.origin,
         approved_head = excluded.approved_head, activity = excluded.activity, said = excluded.said,
         changed_at = excluded.changed_at, refusal = excluded.refusal, closed_at = NULL",
    )
    .bind(key_of(record.number))
    .bind(record.head.to_string())
    .bind(record.base_branch.to_string())
    .bind(record.base_commit.to_string())
    .bind(word(record.origin))
    .bind(record.approved_head.as_ref().map(ToString::to_string))
    .bind(record.activity.as_str())
    .bind(json(&record.said))
    .bind(micros(record.first_seen_at))
    .bind(micros(record.changed_at))
    .bind(record.refusal.as_deref())
    .execute(&mut *db)
    .await?;
    // Also what is under way: its plan is of another base, and what comes of it must not stand beside the new ones.
    // Whoever works on it finds at the end that there is nothing to end.
    sqlx::query(
        "DELETE FROM work WHERE commit_id = $1 AND kind = $2 AND (branch = $3 OR branch NOT LIKE 'pull:%')",
    )
    .bind(record.head.to_string())
    .bind(word(RunKind::Plan))
    .bind(Line::PullRequest(record.number).to_string())
    .execute(db)
    .await?;
    Ok(())
}

/// Notes inside the caller's transaction what is to be said of a plan.
pub(super) async fn put_section(
    db: &mut AnyConnection,
    work: &Work,
    section: &Section,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO sections (work_id, section) VALUES ($1, $2)
         ON CONFLICT (work_id) DO UPDATE SET section = excluded.section",
    )
    .bind(work.id.0)
    .bind(json(section))
    .execute(db)
    .await?;
    Ok(())
}

fn key_of(number: PullRequestNumber) -> i64 {
    i64::try_from(number.get()).unwrap_or(i64::MAX)
}

fn number_of(columns: &Columns<'_>) -> Result<PullRequestNumber, StoreError> {
    let number = columns.number("pull_request")?;
    let known = u64::try_from(number).ok().and_then(PullRequestNumber::new);
    known.ok_or_else(|| columns.unreadable("pull_request", format!("{number} is no pull request")))
}

fn record_of(row: &AnyRow) -> Result<PullRequestRecord, StoreError> {
    let columns = Columns::of("pull request", row);
    Ok(PullRequestRecord {
        number: number_of(&columns)?,
        head: columns.parsed("head")?,
        base_branch: columns.parsed("base_branch")?,
        base_commit: columns.parsed("base_commit")?,
        origin: columns.word("origin")?,
        refusal: columns.optional_text("refusal")?,
        approved_head: columns.optional_parsed("approved_head")?,
        activity: columns.text("activity")?,
        said: columns.json("said")?,
        first_seen_at: columns.time("first_seen_at")?,
        changed_at: columns.time("changed_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{branch, commit, name, new_work, now, silent};
    use super::super::{Acceptance, Arrival};
    use super::*;

    fn number(number: u64) -> PullRequestNumber {
        PullRequestNumber::new(number).unwrap()
    }

    fn proposes(of: u64, base: &str, environments: &[&str]) -> Acceptance {
        let record = PullRequestRecord {
            number: number(of),
            head: commit('a'),
            base_branch: branch(base),
            base_commit: commit('b'),
            origin: Origin::SameRepository,
            refusal: None,
            approved_head: None,
            activity: String::new(),
            said: Vec::new(),
            first_seen_at: now(),
            changed_at: now(),
        };
        let work = environments.iter().map(|environment| new_work(environment, RunKind::Plan)).collect();
        let arrival = Arrival::PullRequest(Box::new(record));
        Acceptance {
            arrival,
            commit: commit('a'),
            reads: commit('c'),
            now: now(),
            work,
            statuses: Vec::new(),
        }
    }

    #[tokio::test]
    async fn of_two_pull_requests_with_one_head_each_keeps_its_plans() {
        let store = Store::in_memory().await.unwrap();
        let of_branch =
            Acceptance { arrival: Arrival::Head(branch("topic")), ..proposes(9, "main", &["of-the-branch"]) };
        store.accept_head(of_branch, &silent).await.unwrap();
        store.accept_head(proposes(1, "release", &["dev", "production"]), &silent).await.unwrap();
        store.accept_head(proposes(2, "main", &["dev"]), &silent).await.unwrap();
        let plans = async |of| {
            let plans = store.plans_of(number(of), &commit('a')).await.unwrap();
            plans.into_iter().map(|(work, _)| work.environment.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            (plans(1).await, plans(2).await),
            (vec!["dev".into(), "production".into()], vec!["dev".into()])
        );
        assert_eq!(
            store.sections_of_commit(&commit('a'), RunKind::Plan).await.unwrap().len(),
            2,
            "the branch's own is replaced"
        );
        let proposed = store.proposed_environments().await.unwrap();
        assert_eq!(proposed[&name("dev")], [1, 2].map(number).into());
        assert_eq!(proposed[&name("production")], [number(1)].into());
        // The base of the second one moves.
        store.accept_head(proposes(2, "main", &["production"]), &silent).await.unwrap();
        assert_eq!((plans(1).await.len(), plans(2).await), (2, vec!["production".into()]));
        store.close_pull_request(number(2), "Closed", now(), &silent).await.unwrap();
        let is_open = async |of| {
            store.is_line_open(&Line::PullRequest(number(of)), &commit('a'), RunKind::Plan).await.unwrap()
        };
        assert_eq!((is_open(1).await, is_open(2).await), (true, false));
    }
}
