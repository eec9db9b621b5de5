//! The journal of runs: what the executor writes around each effect.
//!
//! Guarantees: an event is on the disk when its method returns; in the same transaction the run's
//! environment is checked to be leased under the writer's fence, so that a process that was taken for
//! dead cannot write on; the poll URL of a step is forgotten when the step is done or has failed, all of
//! a run's when it ends.

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use sqlx::AnyConnection;

use super::column::{Columns, json, micros, word};
use super::leases::is_held;
use super::{Store, StoreError};
use crate::reconcile::apply::{Event, Fence, Journal, JournalError, RunEnd, RunId, RunRecord};
use crate::resources::EnvironmentName;

#[async_trait]
impl Journal for Store {
    async fn begin(&self, run: &RunRecord, fence: Fence) -> Result<(), JournalError> {
        let run = run.clone();
        let written = self.write(move |db| {
            Box::pin(async move {
                if !is_held(db, &run.environment, fence).await? {
                    return Ok(Entry::Late(run.environment));
                }
                insert_run(db, &run).await?;
                Ok(Entry::Made)
            })
        });
        made(written.await)
    }

    async fn append(
        &self,
        run: RunId,
        fence: Fence,
        at: Timestamp,
        event: &Event,
    ) -> Result<(), JournalError> {
        let event = event.clone();
        let written = self.write(move |db| {
            Box::pin(async move {
                let environment = environment_under_way(db, run).await?;
                if !is_held(db, &environment, fence).await? {
                    return Ok(Entry::Late(environment));
                }
                insert_event(db, run, fence, at, &event).await?;
                forget_poll_urls(db, run, &event).await?;
                Ok(Entry::Made)
            })
        });
        made(written.await)
    }

    async fn replay(&self, run: RunId) -> Result<Vec<(Timestamp, Event)>, JournalError> {
        self.events_of(run).await.map_err(|error| error.in_journal("read"))
    }

    async fn finish(&self, run: RunId, fence: Fence, at: Timestamp, end: RunEnd) -> Result<(), JournalError> {
        let written = self.write(move |db| {
            Box::pin(async move {
                let environment = environment_under_way(db, run).await?;
                if !is_held(db, &environment, fence).await? {
                    return Ok(Entry::Late(environment));
                }
                end_run(db, run, at, end).await?;
                Ok(Entry::Made)
            })
        });
        made(written.await)
    }
}

/// What became of what was to be written under a lease.
enum Entry {
    Made,
    /// Somebody else has the lease of the environment; nothing was written.
    Late(EnvironmentName),
}

fn made(entry: Result<Entry, StoreError>) -> Result<(), JournalError> {
    match entry {
        Ok(Entry::Made) => Ok(()),
        Ok(Entry::Late(environment)) => Err(JournalError::LeaseLost { environment }),
        Err(error) => Err(error.in_journal("written")),
    }
}

impl Store {
    pub(super) async fn events_of(&self, run: RunId) -> Result<Vec<(Timestamp, Event)>, StoreError> {
        self.read(move |db| {
            Box::pin(async move {
                let rows =
                    sqlx::query("SELECT at, payload, poll_url FROM events WHERE run_id = $1 ORDER BY seq")
                        .bind(run.to_string())
                        .fetch_all(db)
                        .await?;
                rows.iter()
                    .map(|row| {
                        let columns = Columns::of("event", row);
                        let mut event: Event = columns.json("payload")?;
                        // Of a step or run that has ended it is forgotten.
                        if let Event::Accepted { poll_url, .. } = &mut event {
                            *poll_url = columns.optional_text("poll_url")?.unwrap_or_default().into();
                        }
                        Ok((columns.time("at")?, event))
                    })
                    .collect()
            })
        })
        .await
    }
}

async fn environment_under_way(db: &mut AnyConnection, run: RunId) -> Result<EnvironmentName, StoreError> {
    let row = sqlx::query("SELECT environment FROM runs WHERE run_id = $1 AND ended_at IS NULL")
        .bind(run.to_string())
        .fetch_optional(db)
        .await?
        .ok_or_else(|| StoreError::NotUnderWay { run: run.to_string() })?;
    Columns::of("run", &row).parsed("environment")
}

/// Beginning a run twice is beginning it once: a commit may succeed without its answer arriving.
async fn insert_run(db: &mut AnyConnection, run: &RunRecord) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO runs (run_id, environment, began_at, record) VALUES ($1, $2, $3, $4)
         ON CONFLICT (run_id) DO NOTHING",
    )
    .bind(run.id.to_string())
    .bind(run.environment.to_string())
    .bind(micros(run.began))
    .bind(json(run))
    .execute(db)
    .await?;
    Ok(())
}

async fn insert_event(
    db: &mut AnyConnection,
    run: RunId,
    fence: Fence,
    at: Timestamp,
    event: &Event,
) -> Result<(), StoreError> {
    let poll_url = if let Event::Accepted { poll_url, .. } = event { Some(poll_url) } else { None };
    sqlx::query(
        "INSERT INTO events (run_id, seq, at, step, kind, payload, poll_url, fence)
         SELECT $1, COALESCE(MAX(seq), 0) + 1, $2, $3, $4, $5, $6, $7 FROM events WHERE run_id = $1",
    )
    .bind(run.to_string())
    .bind(micros(at))
    .bind(i64::from(event.step()))
    .bind(event.kind())
    .bind(json(event))
    .bind(poll_url.map(|url| url.expose_secret().to_owned()))
    .bind(fence.0)
    .execute(db)
    .await?;
    Ok(())
}

async fn forget_poll_urls(db: &mut AnyConnection, run: RunId, event: &Event) -> Result<(), StoreError> {
    match event {
        Event::Done { step } | Event::Failed { step, .. } => {
            sqlx::query("UPDATE events SET poll_url = NULL WHERE run_id = $1 AND step = $2")
                .bind(run.to_string())
                .bind(i64::from(*step))
                .execute(db)
                .await?;
            Ok(())
        }
        // An unknown step may be asked about again while its run lasts.
        Event::Unknown { .. }
        | Event::Skipped { .. }
        | Event::Intent { .. }
        | Event::Accepted { .. }
        | Event::Answered { .. }
        | Event::Refused { .. }
        | Event::ReadBack { .. } => Ok(()),
    }
}

async fn end_run(db: &mut AnyConnection, run: RunId, at: Timestamp, end: RunEnd) -> Result<(), StoreError> {
    sqlx::query("UPDATE runs SET ended_at = $1, run_end = $2 WHERE run_id = $3")
        .bind(micros(at))
        .bind(word(end))
        .bind(run.to_string())
        .execute(&mut *db)
        .await?;
    sqlx::query("UPDATE events SET poll_url = NULL WHERE run_id = $1")
        .bind(run.to_string())
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::SecretString;
    use uuid::Uuid;

    use super::super::environment_lease;
    use super::super::fixture::{folder, later, now, run_record};
    use super::*;
    use crate::reconcile::apply::{PollStyle, Prior};
    use crate::reconcile::plan::Verb;

    const SIGNED: &str = "https://management.azure.com/operations/1?t=signed";

    async fn lease(store: &Store, holder: &str, at: Timestamp) -> Fence {
        let key = environment_lease(&"production".parse().unwrap());
        store.acquire_lease(&key, holder, at, Duration::from_secs(60)).await.unwrap().unwrap()
    }

    fn accepted(step: u32) -> Event {
        Event::Accepted {
            step,
            request: 0,
            poll_url: SecretString::from(SIGNED),
            style: PollStyle::AzureAsyncOperation,
            next_look: later(15),
        }
    }

    fn every_event() -> Vec<Event> {
        let intent = |body_digest, prior| Event::Intent {
            step: 0,
            request: 1,
            verb: Verb::Put,
            path: "/subscriptions/x".to_owned(),
            api_version: "2024-04-01".to_owned(),
            body_digest,
            client_request_id: Uuid::from_u128(7),
            prior,
        };
        vec![
            intent(Some("abc".to_owned()), Prior::Absent),
            intent(None, Prior::Digest("def".to_owned())),
            accepted(0),
            Event::Answered { step: 0, request: 0 },
            Event::Refused { step: 1, request: 2, message: "Conflict".to_owned() },
            Event::ReadBack { step: 1, digest: Some("abc".to_owned()) },
            Event::ReadBack { step: 2, digest: None },
            Event::Unknown { step: 3, message: "no answer".to_owned() },
            Event::Skipped { step: 4, because: 3 },
        ]
    }

    fn poll_urls(events: &[(Timestamp, Event)]) -> Vec<&str> {
        events
            .iter()
            .filter_map(|(_, event)| {
                if let Event::Accepted { poll_url, .. } = event {
                    Some(poll_url.expose_secret())
                } else {
                    None
                }
            })
            .collect()
    }

    #[tokio::test]
    async fn a_killed_run_is_replayed_exactly_by_the_next_process() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let record = run_record(1, "production");
        let killed = Store::open(&path).await.unwrap();
        let fence = lease(&killed, "one", now()).await;
        killed.begin(&record, fence).await.unwrap();
        for (second, event) in (0..).zip(every_event()) {
            killed.append(record.id, fence, later(second), &event).await.unwrap();
        }

        let next = Store::open(&path).await.unwrap();
        assert_eq!(next.unfinished_runs().await.unwrap(), vec![record.clone()]);
        let replayed = next.replay(record.id).await.unwrap();
        let expected: Vec<_> = (0..).map(later).zip(every_event()).collect();
        assert_eq!(format!("{replayed:?}"), format!("{expected:?}"));
        assert_eq!(poll_urls(&replayed), [SIGNED]);
    }

    #[tokio::test]
    async fn who_lost_the_lease_cannot_write_and_who_took_it_can() {
        let store = Store::in_memory().await.unwrap();
        let record = run_record(1, "production");
        let old = lease(&store, "one", now()).await;
        store.begin(&record, old).await.unwrap();
        let new = lease(&store, "two", later(60)).await;

        let lost = |outcome| matches!(outcome, Err(JournalError::LeaseLost { .. }));
        let done = Event::Done { step: 0 };
        assert!(lost(store.append(record.id, old, later(61), &done).await));
        assert!(lost(store.begin(&run_record(2, "production"), old).await));
        assert!(lost(store.finish(record.id, old, later(61), RunEnd::Complete).await));
        assert!(store.replay(record.id).await.unwrap().is_empty());

        store.append(record.id, new, later(61), &done).await.unwrap();
        store.finish(record.id, new, later(62), RunEnd::Complete).await.unwrap();
        assert!(store.unfinished_runs().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_released_lease_is_no_right_to_write() {
        let store = Store::in_memory().await.unwrap();
        let record = run_record(1, "production");
        let fence = lease(&store, "one", now()).await;
        store.begin(&record, fence).await.unwrap();
        store.release_lease("environment/production", fence).await.unwrap();
        let outcome = store.append(record.id, fence, now(), &Event::Done { step: 0 }).await;
        assert!(matches!(outcome, Err(JournalError::LeaseLost { .. })));
    }

    #[tokio::test]
    async fn signed_urls_are_forgotten_with_their_step_and_with_the_run() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let store = Store::open(&path).await.unwrap();
        let record = run_record(1, "production");
        let fence = lease(&store, "one", now()).await;
        store.begin(&record, fence).await.unwrap();
        for event in [accepted(0), accepted(1), accepted(2), Event::Done { step: 0 }] {
            store.append(record.id, fence, now(), &event).await.unwrap();
        }
        assert_eq!(poll_urls(&store.replay(record.id).await.unwrap()), ["", SIGNED, SIGNED]);
        let failed = Event::Failed { step: 1, message: "quota".to_owned() };
        store.append(record.id, fence, now(), &failed).await.unwrap();
        assert_eq!(poll_urls(&store.replay(record.id).await.unwrap()), ["", "", SIGNED]);
        store.finish(record.id, fence, now(), RunEnd::Failed).await.unwrap();
        assert_eq!(poll_urls(&store.replay(record.id).await.unwrap()), ["", "", ""]);
    }

    #[tokio::test]
    async fn beginning_twice_is_beginning_once_and_after_the_end_nothing_is_written() {
        let store = Store::in_memory().await.unwrap();
        let record = run_record(1, "production");
        let fence = lease(&store, "one", now()).await;
        store.begin(&record, fence).await.unwrap();
        store.begin(&record, fence).await.unwrap();
        store.finish(record.id, fence, later(5), RunEnd::Complete).await.unwrap();
        let late = store.append(record.id, fence, later(6), &Event::Done { step: 0 }).await;
        assert!(matches!(late, Err(JournalError::Store { verb: "written", .. })));
        let stored = store.run(record.id).await.unwrap().unwrap();
        assert_eq!(stored.ended, Some((later(5), RunEnd::Complete)));
    }
}
