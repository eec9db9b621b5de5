//! The outbox: statuses, kept until the forge has accepted them.
//!
//! Guarantees, for each commit and context: at most one status waits, the newest, so that the forge is
//! told in order; a last word is followed by "pending" only when there is newer work on what the context
//! is about (another attempt), never by a pending that was merely late; what the forge was told already
//! is not told again. Delivery is at least once.

use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::column::{Columns, micros, word};
use super::{Store, StoreError};
use crate::forge::{Check, Context, Description, LONGEST_DUE, PullRequestNumber, State, Status};
use crate::git::CommitId;
use crate::reconcile::apply::RunKind;
use crate::resources::EnvironmentName;
use crate::text::both_ends;

/// The longest error text that is kept, in characters.
const MAX_ERROR_CHARS: usize = 500;

/// The id of a waiting status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutgoingId(pub i64);

/// A status that waits for the forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The id, which is never used again.
    pub id: OutgoingId,
    /// The status as it is to stand.
    pub status: Status,
    /// How often its delivery has failed.
    pub attempts: u32,
    /// Why, the last time.
    pub last_error: Option<String>,
}

/// Which statuses may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Finals, required checks and all the rest.
    All,
    /// Last words only: what may be written to the forge within an hour is nearly used up.
    Finals,
    /// The last words on whole commits only, which branch protection waits for.
    Commits,
}

impl Store {
    /// Queues statuses, in their order. One that says nothing new is left out, and so is a pending that
    /// comes after the last word.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails; then none is queued.
    pub async fn enqueue(&self, statuses: &[Status], now: Timestamp) -> Result<(), StoreError> {
        let statuses = statuses.to_vec();
        self.write(move |db| Box::pin(async move { put_all(db, &statuses, now).await })).await
    }

    /// Statuses whose time has come: last words first (when not all may leave, those on whole commits
    /// before the others), then those that were tried least, then the oldest, at most `limit`; no two of
    /// one commit and context. One that is due later than anybody lets wait ([`LONGEST_DUE`]) was put off
    /// by a clock that has been set back since: its time has come too, unless it was given up.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
        self.due_of(now, limit, Share::All).await
    }

    /// As [`Self::due`], of the statuses that `share` names.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn due_of(
        &self,
        now: Timestamp,
        limit: u32,
        share: Share,
    ) -> Result<Vec<Outgoing>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT * FROM outbox WHERE delivered_at IS NULL
                     AND (next_try_at <= $1 OR (next_try_at > $5 AND next_try_at <> $9))
                     AND (state <> $3 OR $4 = 1) AND ($6 = 0 OR context IN ($7, $8))
                     ORDER BY CASE WHEN state = $3 THEN 2 WHEN $4 = 0 AND context IN ($7, $8) THEN 0 ELSE 1 END,
                     attempts, outbox_id LIMIT $2",
                )
                .bind(micros(now))
                .bind(i64::from(limit))
                .bind(word(State::Pending))
                .bind(i64::from(share == Share::All))
                .bind(micros(latest_due(now)))
                .bind(i64::from(share == Share::Commits))
                .bind(Context::apply().to_string())
                .bind(Context::plan().to_string())
                .bind(micros(Timestamp::MAX))
                .fetch_all(&mut *db)
                .await?;
                rows.iter().map(outgoing_of).collect()
            })
        })
        .await
    }

    /// When the next status is due; `None` when none waits.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "SELECT next_try_at FROM outbox WHERE delivered_at IS NULL ORDER BY next_try_at LIMIT 1",
                )
                .fetch_optional(&mut *db)
                .await?;
                row.map(|row| Columns::of("status", &row).time("next_try_at")).transpose()
            })
        })
        .await
    }

    /// Lets every status of a commit that was not accepted be tried again now.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn try_commit_again(&self, commit: &CommitId) -> Result<(), StoreError> {
        let commit = commit.to_string();
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE outbox SET next_try_at = 0 WHERE delivered_at IS NULL AND commit_id = $1",
                )
                .bind(commit)
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Lets everything that the forge has refused or not heard be tried again now, messages included: there
    /// is a new credential. A commit that the forge does not have is left to its own time.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn try_all_again(&self) -> Result<(), StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                for table in [
                    "UPDATE outbox SET next_try_at = 0
                     WHERE delivered_at IS NULL AND attempts > 0 AND next_try_at <> $1",
                    "UPDATE messages SET next_try_at = 0
                     WHERE delivered_at IS NULL AND attempts > 0 AND next_try_at <> $1",
                ] {
                    // What was given up waits for its commit.
                    sqlx::query(table).bind(micros(Timestamp::MAX)).execute(&mut *db).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The statuses of a commit that the forge has not accepted although they were tried.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn unaccepted(&self, commit: &CommitId) -> Result<Vec<Outgoing>, StoreError> {
        let commit = commit.to_string();
        self.read(move |db| {
            Box::pin(async move {
                let rows = sqlx::query(
                    "SELECT * FROM outbox WHERE commit_id = $1 AND delivered_at IS NULL AND attempts > 0
                     ORDER BY outbox_id LIMIT 100",
                )
                .bind(commit)
                .fetch_all(db)
                .await?;
                rows.iter().map(outgoing_of).collect()
            })
        })
        .await
    }

    /// Notes that the forge has accepted a status. Nothing happens when a newer one has taken its place.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn delivered(&self, id: OutgoingId, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE outbox SET delivered_at = $1, last_error = NULL WHERE outbox_id = $2")
                    .bind(micros(now))
                    .bind(id.0)
                    .execute(&mut *db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// Notes that the forge has not accepted a status, why, and when to try again: a date of the clock by
    /// which [`Store::due`] is asked, at most [`LONGEST_DUE`] away.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn delivery_failed(
        &self,
        id: OutgoingId,
        error: &str,
        retry_at: Timestamp,
    ) -> Result<(), StoreError> {
        let error = both_ends(error, MAX_ERROR_CHARS);
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query(
                    "UPDATE outbox SET attempts = attempts + 1, last_error = $1, next_try_at = $2
             WHERE outbox_id = $3 AND delivered_at IS NULL",
                )
                .bind(error)
                .bind(micros(retry_at))
                .bind(id.0)
                .execute(&mut *db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Whether a last word of this kind on a commit was queued or delivered, on the whole or on one environment.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn has_spoken(&self, commit: &CommitId, check: Check) -> Result<bool, StoreError> {
        let commit = commit.to_string();
        self.read(move |db| {
            Box::pin(async move {
                let contexts = "SELECT DISTINCT context FROM outbox WHERE commit_id = $1 AND state <> $2";
                let rows =
                    sqlx::query(contexts).bind(commit).bind(word(State::Pending)).fetch_all(db).await?;
                for row in &rows {
                    let context: Context = Columns::of("status", row).parsed("context")?;
                    if context.check() == check {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
        })
        .await
    }

    /// Whether the newest status of a context, waiting or delivered, is a last word.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn ends_with_last_word(
        &self,
        commit: &CommitId,
        context: &Context,
    ) -> Result<bool, StoreError> {
        let (commit, context) = (commit.to_string(), context.to_string());
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query(
                    "SELECT state FROM outbox WHERE commit_id = $1 AND context = $2
                     ORDER BY outbox_id DESC LIMIT 1",
                )
                .bind(commit)
                .bind(context)
                .fetch_optional(db)
                .await?;
                let state: Option<State> =
                    row.map(|row| Columns::of("status", &row).word("state")).transpose()?;
                Ok(state.is_some_and(|state| state.is_final()))
            })
        })
        .await
    }

    /// What the newest status of a context says, waiting or delivered.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn newest_status(
        &self,
        commit: &CommitId,
        context: &Context,
    ) -> Result<Option<(State, Description)>, StoreError> {
        let (commit, context) = (*commit, context.clone());
        self.read(move |db| {
            Box::pin(async move {
                let newest = newest_of(db, &commit, &context).await?;
                Ok(newest.map(|newest| (newest.state, newest.description)))
            })
        })
        .await
    }

    /// Whether any status of a commit was queued or delivered under a context.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn has_status(&self, commit: &CommitId, context: &Context) -> Result<bool, StoreError> {
        let (commit, context) = (commit.to_string(), context.to_string());
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT 1 FROM outbox WHERE commit_id = $1 AND context = $2 LIMIT 1")
                    .bind(commit)
                    .bind(context)
                    .fetch_optional(db)
                    .await?;
                Ok(row.is_some())
            })
        })
        .await
    }

    /// The environments that the statuses of a commit speak of, whether they wait or were delivered.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn environments_told(
        &self,
        commit: &CommitId,
        check: Check,
    ) -> Result<Vec<EnvironmentName>, StoreError> {
        let commit = commit.to_string();
        self.read(move |db| {
            Box::pin(async move {
                let contexts = "SELECT DISTINCT context FROM outbox WHERE commit_id = $1 ORDER BY context";
                let mut told = Vec::new();
                for row in &sqlx::query(contexts).bind(commit).fetch_all(db).await? {
                    let context: Context = Columns::of("status", row).parsed("context")?;
                    let is_asked_for = context.check() == check;
                    told.extend(context.environment().filter(|_| is_asked_for).cloned());
                }
                Ok(told)
            })
        })
        .await
    }

    /// How many statuses wait.
    ///
    /// # Errors
    /// [`StoreError`] when the store fails.
    pub async fn pending_count(&self) -> Result<u64, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let row = sqlx::query("SELECT COUNT(*) AS waiting FROM outbox WHERE delivered_at IS NULL")
                    .fetch_one(&mut *db)
                    .await?;
                let waiting: i64 = row.try_get("waiting")?;
                Ok(u64::try_from(waiting).unwrap_or(0))
            })
        })
        .await
    }
}

/// The latest moment to which what fails at `now` is put off.
pub(super) fn latest_due(now: Timestamp) -> Timestamp {
    now.checked_add(LONGEST_DUE).unwrap_or(Timestamp::MAX)
}

/// Queues statuses inside the caller's transaction. What is new is due at once, by whatever clock.
pub(super) async fn put_all(
    db: &mut AnyConnection,
    statuses: &[Status],
    now: Timestamp,
) -> Result<(), StoreError> {
    for status in statuses {
        let generation = generation_of(db, status).await?;
        let newest = newest_of(db, &status.commit, &status.context).await?;
        match admit(newest.as_ref(), status, generation) {
            Admission::Take => replace(db, status, generation, now).await?,
            Admission::Renew(id) => renew(db, id, generation).await?,
            Admission::Leave => {}
        }
    }
    Ok(())
}

/// The newest status of a commit and context, waiting or delivered.
struct Newest {
    id: OutgoingId,
    state: State,
    description: Description,
    target_url: Option<String>,
    generation: i64,
}

/// What becomes of a status that is to be queued.
enum Admission {
    /// It takes the place of one that waits.
    Take,
    /// It says what was said already, now of newer work.
    Renew(OutgoingId),
    /// It comes too late.
    Leave,
}

fn admit(newest: Option<&Newest>, status: &Status, generation: i64) -> Admission {
    let Some(newest) = newest else { return Admission::Take };
    let Status { commit: _, context: _, state, description, target_url, pull_request: _ } = status;
    let same =
        newest.state == *state && newest.description == *description && newest.target_url == *target_url;
    let late = newest.state.is_final() && !state.is_final() && generation <= newest.generation;
    match (same, late) {
        (true, _) => Admission::Renew(newest.id),
        (false, true) => Admission::Leave,
        (false, false) => Admission::Take,
    }
}

/// The newest work item that a context is about: what makes a later pending a new attempt.
async fn generation_of(db: &mut AnyConnection, status: &Status) -> Result<i64, StoreError> {
    let kind = match status.context.check() {
        Check::Apply => RunKind::Apply,
        Check::Plan => RunKind::Plan,
    };
    let query = match status.context.environment() {
        Some(environment) => sqlx::query(
            "SELECT COALESCE(MAX(work_id), 0) AS generation FROM work
             WHERE commit_id = $1 AND kind = $2 AND environment = $3",
        )
        .bind(status.commit.to_string())
        .bind(word(kind))
        .bind(environment.to_string()),
        None => sqlx::query(
            "SELECT COALESCE(MAX(work_id), 0) AS generation FROM work WHERE commit_id = $1 AND kind = $2",
        )
        .bind(status.commit.to_string())
        .bind(word(kind)),
    };
    let row = query.fetch_one(db).await?;
    Columns::of("work item", &row).number("generation")
}

async fn newest_of(
    db: &mut AnyConnection,
    commit: &CommitId,
    context: &Context,
) -> Result<Option<Newest>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM outbox WHERE commit_id = $1 AND context = $2 ORDER BY outbox_id DESC LIMIT 1",
    )
    .bind(commit.to_string())
    .bind(context.to_string())
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        let columns = Columns::of("status", &row);
        Ok(Newest {
            id: OutgoingId(columns.number("outbox_id")?),
            state: columns.word("state")?,
            description: Description::new(&columns.text("description")?),
            target_url: columns.optional_text("target_url")?,
            generation: columns.number("generation")?,
        })
    })
    .transpose()
}

async fn renew(db: &mut AnyConnection, id: OutgoingId, generation: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE outbox SET generation = $1 WHERE outbox_id = $2")
        .bind(generation)
        .bind(id.0)
        .execute(db)
        .await?;
    Ok(())
}

/// A new row, never an update: a delivery that is under way must not be taken for that of the new one.
async fn replace(
    db: &mut AnyConnection,
    status: &Status,
    generation: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM outbox WHERE commit_id = $1 AND context = $2 AND delivered_at IS NULL")
        .bind(status.commit.to_string())
        .bind(status.context.to_string())
        .execute(&mut *db)
        .await?;
    sqlx::query(
        "INSERT INTO outbox (commit_id, context, state, description, target_url, generation, queued_at,
         attempts, next_try_at, pull_request) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $8)",
    )
    .bind(status.commit.to_string())
    .bind(status.context.to_string())
    .bind(word(status.state))
    .bind(status.description.as_str())
    .bind(status.target_url.clone())
    .bind(generation)
    .bind(micros(now))
    .bind(status.pull_request.and_then(|number| i64::try_from(number.get()).ok()))
    .execute(db)
    .await?;
    Ok(())
}

fn outgoing_of(row: &AnyRow) -> Result<Outgoing, StoreError> {
    let columns = Columns::of("status", row);
    Ok(Outgoing {
        id: OutgoingId(columns.number("outbox_id")?),
        status: Status {
            commit: columns.parsed("commit_id")?,
            context: columns.parsed("context")?,
            state: columns.word("state")?,
            description: Description::new(&columns.text("description")?),
            target_url: columns.optional_text("target_url")?,
            pull_request: optional_number(&columns)?,
        },
        attempts: u32::try_from(columns.number("attempts")?).unwrap_or(u32::MAX),
        last_error: columns.optional_text("last_error")?,
    })
}

fn optional_number(columns: &Columns<'_>) -> Result<Option<PullRequestNumber>, StoreError> {
    let number = columns.optional_number("pull_request")?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).and_then(PullRequestNumber::new))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::Line;
    use super::super::fixture::{branch, commit, later, name, new_work, now, status};
    use super::*;

    fn apply(state: State, text: &str) -> Status {
        status(commit('a'), Context::apply(), state, text)
    }

    async fn waiting(store: &Store) -> Vec<String> {
        let due = store.due(later(1_000_000), 100).await.unwrap();
        due.into_iter().map(|outgoing| outgoing.status.description.to_string()).collect()
    }

    async fn deliver_all(store: &Store) {
        for outgoing in store.due(later(1_000_000), 100).await.unwrap() {
            store.delivered(outgoing.id, now()).await.unwrap();
        }
    }

    async fn new_attempt(store: &Store) {
        let work = vec![new_work("production", RunKind::Apply)];
        assert_eq!(
            store
                .enqueue_sweep(&Line::Branch(branch("main")), &commit('a'), now(), work)
                .await
                .unwrap()
                .len(),
            1
        );
    }

    #[tokio::test]
    async fn last_words_leave_first_and_only_the_newest_of_a_context() {
        let store = Store::in_memory().await.unwrap();
        let dev = status(commit('a'), Context::apply_of(&name("dev")), State::Pending, "dev waits");
        let other = status(commit('b'), Context::apply(), State::Pending, "other commit");
        let first = apply(State::Pending, "first");
        store.enqueue(&[first, dev, other, apply(State::Success, "second")], now()).await.unwrap();
        assert_eq!(waiting(&store).await, ["second", "dev waits", "other commit"]);
        assert_eq!(store.pending_count().await.unwrap(), 3);
        assert_eq!(store.due(now(), 2).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_late_pending_never_follows_the_last_word() {
        let store = Store::in_memory().await.unwrap();
        store.enqueue(&[apply(State::Success, "done")], now()).await.unwrap();
        store.enqueue(&[apply(State::Pending, "late")], now()).await.unwrap();
        assert_eq!(waiting(&store).await, ["done"]);
        deliver_all(&store).await;
        store.enqueue(&[apply(State::Pending, "later still")], now()).await.unwrap();
        assert_eq!(waiting(&store).await, [""; 0]);
    }

    #[tokio::test]
    async fn another_attempt_may_be_pending_again() {
        let store = Store::in_memory().await.unwrap();
        let staging =
            status(commit('a'), Context::apply_of(&name("staging")), State::Failure, "staging failed");
        store.enqueue(&[staging.clone(), apply(State::Failure, "failed")], now()).await.unwrap();
        deliver_all(&store).await;
        new_attempt(&store).await;
        let late = Status { state: State::Pending, ..staging };
        store.enqueue(&[late, apply(State::Pending, "again")], now()).await.unwrap();
        assert_eq!(waiting(&store).await, ["again"]);
    }

    #[tokio::test]
    async fn what_was_said_is_not_said_again_but_counts_as_the_last_word() {
        let store = Store::in_memory().await.unwrap();
        store.enqueue(&[apply(State::Failure, "quota")], now()).await.unwrap();
        deliver_all(&store).await;
        new_attempt(&store).await;
        store.enqueue(&[apply(State::Failure, "quota")], now()).await.unwrap();
        store.enqueue(&[apply(State::Pending, "late")], now()).await.unwrap();
        assert_eq!(store.pending_count().await.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_environments_that_statuses_speak_of_are_those_of_the_commit_and_the_check() {
        let store = Store::in_memory().await.unwrap();
        let of = |id, context| status(commit(id), context, State::Success, "done");
        let plan_of = |id, environment| of(id, Context::plan_of(&name(environment)));
        let staging = Context::apply_of(&name("staging"));
        let told =
            [plan_of('a', "test"), plan_of('a', "dev"), plan_of('b', "other"), of('a', Context::plan())];
        store.enqueue(&told, now()).await.unwrap();
        deliver_all(&store).await;
        store.enqueue(&[plan_of('a', "waits"), of('a', staging)], now()).await.unwrap();
        let told = store.environments_told(&commit('a'), Check::Plan).await.unwrap();
        assert_eq!(told, ["dev", "test", "waits"].map(name));
    }

    #[tokio::test]
    async fn a_refused_status_waits_for_its_time() {
        let store = Store::in_memory().await.unwrap();
        store.enqueue(&[apply(State::Success, "done")], now()).await.unwrap();
        let id = store.due(now(), 1).await.unwrap()[0].id;
        store.delivery_failed(id, "GitHub has a problem (502)", later(30)).await.unwrap();
        assert!(store.due(later(29), 1).await.unwrap().is_empty());
        assert_eq!(store.next_due().await.unwrap(), Some(later(30)));
        let again = store.due(later(30), 1).await.unwrap().remove(0);
        assert_eq!((again.attempts, again.last_error.as_deref()), (1, Some("GitHub has a problem (502)")));
        store.delivered(id, later(30)).await.unwrap();
        assert_eq!(store.next_due().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_status_that_arrives_while_another_is_on_its_way_is_delivered_too() {
        let store = Store::in_memory().await.unwrap();
        store.enqueue(&[apply(State::Pending, "first")], now()).await.unwrap();
        let on_its_way = store.due(now(), 1).await.unwrap()[0].id;
        store.enqueue(&[apply(State::Success, "second")], now()).await.unwrap();
        store.delivered(on_its_way, now()).await.unwrap();
        assert_eq!(waiting(&store).await, ["second"]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Enqueue { commit: char, own: bool, state: State },
        NewAttempt { commit: char },
        Deliver,
        Fail,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let commit = || prop_oneof![Just('a'), Just('b')];
        let state =
            prop_oneof![3 => Just(State::Pending), 1 => Just(State::Success), 1 => Just(State::Failure)];
        let step = prop_oneof![
            6 => (commit(), any::<bool>(), state)
                .prop_map(|(commit, own, state)| Step::Enqueue { commit, own, state }),
            1 => commit().prop_map(|commit| Step::NewAttempt { commit }),
            3 => Just(Step::Deliver),
            1 => Just(Step::Fail),
        ];
        proptest::collection::vec(step, 1..40)
    }

    /// What a user of the forge would have seen, and what should have been seen at last.
    #[derive(Default)]
    struct World {
        seen: BTreeMap<(CommitId, Context), Vec<(u32, State)>>,
        last_word: BTreeMap<(CommitId, Context), u32>,
        /// Of each commit, the moment of its newest attempt.
        attempts: BTreeMap<CommitId, u32>,
        moment: u32,
    }

    impl World {
        async fn take(&mut self, store: &Store, step: Step) {
            self.moment += 1;
            match step {
                Step::Enqueue { commit: digit, own, state } => {
                    let context = if own { Context::apply_of(&name("production")) } else { Context::apply() };
                    let status = status(commit(digit), context, state, &self.moment.to_string());
                    if state.is_final() {
                        self.last_word.insert((status.commit, status.context.clone()), self.moment);
                    }
                    store.enqueue(&[status], now()).await.unwrap();
                }
                Step::NewAttempt { commit: digit } => {
                    // Other branches, so that no attempt is left out because one waits.
                    let elsewhere = branch(&format!("b{}", self.moment));
                    let work = vec![new_work("production", RunKind::Apply)];
                    store
                        .enqueue_sweep(&Line::Branch(elsewhere.clone()), &commit(digit), now(), work)
                        .await
                        .unwrap();
                    self.attempts.insert(commit(digit), self.moment);
                }
                Step::Deliver => self.deliver(store, 1).await,
                Step::Fail => {
                    for outgoing in store.due(later(9), 1).await.unwrap() {
                        store.delivery_failed(outgoing.id, "502", later(9)).await.unwrap();
                    }
                }
            }
        }

        async fn deliver(&mut self, store: &Store, limit: u32) {
            for Outgoing { id, status, .. } in store.due(later(9), limit).await.unwrap() {
                let number = status.description.as_str().parse().unwrap();
                let key = (status.commit, status.context);
                self.seen.entry(key).or_default().push((number, status.state));
                store.delivered(id, now()).await.unwrap();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn the_forge_is_told_in_order_and_hears_every_last_word(steps in steps()) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let store = Store::in_memory().await.unwrap();
                let mut world = World::default();
                for step in steps {
                    world.take(&store, step).await;
                }
                world.deliver(&store, 1000).await;
                prop_assert_eq!(store.pending_count().await.unwrap(), 0);
                for (key, history) in &world.seen {
                    prop_assert!(history.is_sorted_by(|one, next| one.0 < next.0), "{key:?}: {history:?}");
                    for pair in history.windows(2) {
                        let again = world.attempts.get(&key.0).is_some_and(|moment| *moment > pair[0].0);
                        prop_assert!(!pair[0].1.is_final() || pair[1].1.is_final() || again, "{history:?}");
                    }
                }
                for (key, moment) in &world.last_word {
                    let last = world.seen[key].last().map_or(0, |(number, _)| *number);
                    let again = world.attempts.get(&key.0).is_some_and(|attempt| attempt > moment);
                    prop_assert!(last == *moment || (last > *moment && again), "{key:?}: {last}");
                }
                Ok(())
            })?;
        }
    }
}
