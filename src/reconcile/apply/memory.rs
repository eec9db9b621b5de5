//! The journal in memory, with the semantics of a crash.
//!
//! For tests and the deterministic simulation: what [`Journal`] promises about durability, leases and
//! forgetting is kept here as in `store`, so that killing a run means taking [`MemoryJournal::disk`] as
//! it is and going on with that. Nothing is bounded by time; a journal lives as long as its test.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::journal::{Event, Fence, Journal, JournalError, RunEnd, RunId, RunRecord};
use crate::resources::EnvironmentName;

/// A journal in memory. Clones share it; [`MemoryJournal::disk`] does not.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    runs: BTreeMap<RunId, Run>,
    fences: BTreeMap<EnvironmentName, Fence>,
    /// How many more writes succeed, and what becomes of the one in which the process dies; `None` is
    /// without end.
    death: Option<(usize, LastWrite)>,
}

#[derive(Clone, Debug)]
struct Run {
    record: RunRecord,
    events: Vec<(Timestamp, Event)>,
    end: Option<RunEnd>,
}

/// What becomes of the write in which the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWrite {
    /// It is not durable.
    Lost,
    /// It is durable, and nobody was told.
    Durable,
}

/// What a run asks for that never began.
#[derive(Debug, thiserror::Error)]
#[error("the run {0} is not in the journal")]
struct NoSuchRun(RunId);

/// What a journal says that is to stop.
#[derive(Debug, thiserror::Error)]
#[error("the process was killed")]
struct Killed;

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of what is durable now: what the next start finds if the process dies at this moment.
    /// The copy accepts writes again.
    #[must_use]
    pub fn disk(&self) -> Self {
        let copy = Disk { death: None, ..self.lock().clone() };
        Self { disk: Arc::new(Mutex::new(copy)) }
    }

    /// Accepts `writes` more writes and fails every later one, as if the process died in the next.
    pub fn kill_after(&self, writes: usize, last: LastWrite) {
        self.lock().death = Some((writes, last));
    }

    /// Takes the lease of an environment over: events under a lower fence are refused from now on.
    pub fn take_over(&self, environment: &EnvironmentName, fence: Fence) {
        self.lock().raise(environment, fence);
    }

    /// The runs that have begun and not ended, oldest first.
    #[must_use]
    pub fn unfinished(&self) -> Vec<RunRecord> {
        let disk = self.lock();
        disk.runs.values().filter(|run| run.end.is_none()).map(|run| run.record.clone()).collect()
    }

    /// Every run that has begun, oldest first.
    #[must_use]
    pub fn runs(&self) -> Vec<RunRecord> {
        self.lock().runs.values().map(|run| run.record.clone()).collect()
    }

    /// How a run ended; `None` while it has not.
    #[must_use]
    pub fn end(&self, run: RunId) -> Option<RunEnd> {
        self.lock().runs.get(&run)?.end
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn raise(&mut self, environment: &EnvironmentName, fence: Fence) {
        let held = self.fences.entry(environment.clone()).or_insert(fence);
        *held = (*held).max(fence);
    }

    /// The run that a write under `fence` is for, when it may happen.
    fn admit(&mut self, run: RunId, fence: Fence) -> Result<&mut Run, JournalError> {
        let found = self.runs.get_mut(&run).ok_or_else(|| unwritable(NoSuchRun(run)))?;
        let environment = &found.record.environment;
        match self.fences.get(environment) {
            Some(held) if *held > fence => Err(JournalError::LeaseLost { environment: environment.clone() }),
            Some(_) | None => Ok(found),
        }
    }

    /// Makes a write durable, unless the process is dead.
    fn write<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match self.death {
            None => change(self),
            Some((0, last)) => {
                self.death = Some((0, LastWrite::Lost));
                if last == LastWrite::Durable {
                    change(self)?;
                }
                Err(unwritable(Killed))
            }
            Some((left, last)) => {
                self.death = Some((left - 1, last));
                change(self)
            }
        }
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn begin(&self, run: &RunRecord, fence: Fence) -> Result<(), JournalError> {
        self.lock().write(|disk| {
            disk.raise(&run.environment, fence);
            if disk.fences.get(&run.environment).is_some_and(|held| *held > fence) {
                return Err(JournalError::LeaseLost { environment: run.environment.clone() });
            }
            disk.runs.insert(run.id, Run { record: run.clone(), events: Vec::new(), end: None });
            Ok(())
        })
    }

    async fn append(
        &self,
        run: RunId,
        fence: Fence,
        at: Timestamp,
        event: &Event,
    ) -> Result<(), JournalError> {
        self.lock().write(|disk| {
            disk.admit(run, fence)?.events.push((at, event.clone()));
            Ok(())
        })
    }

    async fn replay(&self, run: RunId) -> Result<Vec<(Timestamp, Event)>, JournalError> {
        let disk = self.lock();
        let found = disk
            .runs
            .get(&run)
            .ok_or_else(|| JournalError::Store { verb: "read", source: Box::new(NoSuchRun(run)) })?;
        Ok(found.events.clone())
    }

    async fn finish(
        &self,
        run: RunId,
        fence: Fence,
        _at: Timestamp,
        end: RunEnd,
    ) -> Result<(), JournalError> {
        self.lock().write(|disk| {
            let found = disk.admit(run, fence)?;
            found.end = Some(end);
            for (_, event) in &mut found.events {
                if let Event::Accepted { poll_url, .. } = event {
                    *poll_url = String::new().into();
                }
            }
            Ok(())
        })
    }
}

fn unwritable(source: impl std::error::Error + Send + Sync + 'static) -> JournalError {
    JournalError::Store { verb: "written", source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::RunKind;
    use super::super::progress::tests::{accepted, intent};
    use super::super::schedule::tests::plan_of;
    use super::*;
    use crate::clock::Clock;

    fn record() -> RunRecord {
        let plan = plan_of(Vec::new());
        RunRecord {
            id: RunId(Clock::system().ordered_uuid()),
            owner: "estate".into(),
            environment: plan.environment.clone(),
            path: "environments/p.yaml".into(),
            commit: None,
            kind: RunKind::Apply,
            input_digest: None,
            plan_digest: String::new(),
            plan,
            began: Timestamp::UNIX_EPOCH,
            asked_by: None,
        }
    }

    #[tokio::test]
    async fn what_was_appended_before_the_kill_is_replayed() {
        let (journal, run) = (MemoryJournal::new(), record());
        journal.begin(&run, Fence(1)).await.unwrap();
        journal.kill_after(1, LastWrite::Lost);
        let now = Timestamp::UNIX_EPOCH;
        journal.append(run.id, Fence(1), now, &intent(0, 0)).await.unwrap();
        let killed = journal.append(run.id, Fence(1), now, &accepted(0, 0)).await;
        assert!(matches!(killed, Err(JournalError::Store { .. })));
        let disk = journal.disk();
        assert_eq!(disk.replay(run.id).await.unwrap().len(), 1);
        disk.append(run.id, Fence(1), now, &accepted(0, 0)).await.unwrap();
        assert_eq!(journal.replay(run.id).await.unwrap().len(), 1, "the copy is its own disk");
        assert_eq!(disk.unfinished(), [run]);
    }

    #[tokio::test]
    async fn a_write_can_be_durable_although_nobody_was_told() {
        let (journal, run) = (MemoryJournal::new(), record());
        journal.begin(&run, Fence(1)).await.unwrap();
        journal.kill_after(0, LastWrite::Durable);
        for _ in 0..2 {
            assert!(journal.append(run.id, Fence(1), Timestamp::UNIX_EPOCH, &intent(0, 0)).await.is_err());
        }
        assert_eq!(journal.disk().replay(run.id).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_stale_lease_writes_nothing() {
        let (journal, run) = (MemoryJournal::new(), record());
        journal.begin(&run, Fence(1)).await.unwrap();
        journal.take_over(&run.environment, Fence(2));
        let refused = journal.append(run.id, Fence(1), Timestamp::UNIX_EPOCH, &intent(0, 0)).await;
        assert!(matches!(refused, Err(JournalError::LeaseLost { .. })));
        assert!(journal.begin(&run, Fence(1)).await.is_err());
        assert!(journal.replay(run.id).await.unwrap().is_empty());
        journal.append(run.id, Fence(2), Timestamp::UNIX_EPOCH, &intent(0, 0)).await.unwrap();
    }

    #[tokio::test]
    async fn poll_urls_are_forgotten_when_the_run_ends() {
        let (journal, run) = (MemoryJournal::new(), record());
        let now = Timestamp::UNIX_EPOCH;
        journal.begin(&run, Fence(1)).await.unwrap();
        journal.append(run.id, Fence(1), now, &intent(0, 0)).await.unwrap();
        journal.append(run.id, Fence(1), now, &accepted(0, 0)).await.unwrap();
        journal.finish(run.id, Fence(1), now, RunEnd::Failed).await.unwrap();
        assert_eq!(journal.end(run.id), Some(RunEnd::Failed));
        let events = journal.replay(run.id).await.unwrap();
        let Some((_, Event::Accepted { poll_url, .. })) = events.last() else { panic!("{events:?}") };
        assert_eq!(poll_url.expose_secret(), "");
        assert!(journal.unfinished().is_empty());
    }
}
