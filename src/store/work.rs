//! What is to be looked at, as values: one environment at one commit, and where it stands.

use std::fmt;

use jiff::Timestamp;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::StoreError;
use super::column::Columns;
use super::environments::EnvironmentRecord;
use super::line::Line;
use crate::definitions::InputDigest;
use crate::forge::Status;
use crate::git::CommitId;
use crate::reconcile::apply::{RunEnd, RunId, RunKind};
use crate::reconcile::review::Section;
use crate::resources::EnvironmentName;

/// The id of a work item; a later item has a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkId(pub i64);

impl fmt::Display for WorkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One environment to look at, before it has a place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWork {
    /// What for: to plan, or to apply.
    pub kind: RunKind,
    /// The environment that this is about.
    pub environment: EnvironmentName,
    /// The file that defines it, or did.
    pub path: String,
    /// Its file is gone.
    pub removed: bool,
    /// Digest of the definition; `None` when there is none or it could not be read.
    pub input_digest: Option<InputDigest>,
    /// What its head brought beside it that nobody acts on, as sentences without the last full stop.
    pub remark: Option<String>,
}

/// One environment to look at, at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The id, which is never used again.
    pub id: WorkId,
    /// The commit that this is about.
    pub commit: CommitId,
    /// The commit whose files are read: the commit itself, or the merge result of a pull request.
    pub reads: CommitId,
    /// What the commit was seen on.
    pub line: Line,
    /// What for: to plan, or to apply.
    pub kind: RunKind,
    /// The environment that this is about.
    pub environment: EnvironmentName,
    /// The file that defines it, or did.
    pub path: String,
    /// Its file is gone.
    pub removed: bool,
    /// Digest of the definition; `None` when there is none or it could not be read.
    pub input_digest: Option<InputDigest>,
    /// What its head brought beside it that nobody acts on, as sentences without the last full stop.
    pub remark: Option<String>,
    /// Where it stands between queued and ended.
    pub state: WorkState,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When it ended, by this machine's clock; `None` until then.
    pub ended_at: Option<Timestamp>,
}

/// Where a work item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkState {
    /// It waits for its turn, or to be tried again.
    Queued,
    /// A worker has it, or had it when the process was killed.
    Running {
        /// Its run in the journal, once there is one.
        run: Option<RunId>,
    },
    /// It is over, and never begins again.
    Ended {
        /// How it ended, as the journal keeps it.
        end: RunEnd,
        /// A sentence for people.
        summary: String,
    },
}

impl WorkState {
    /// Whether it is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        match self {
            Self::Queued | Self::Running { .. } => false,
            Self::Ended { .. } => true,
        }
    }

    /// Whether newer work took its place.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        matches!(self, Self::Ended { end: RunEnd::Superseded, .. })
    }
}

/// What to tell the forge of a commit, from all its work of one kind (as [`super::Store::work_of_commit`] gives
/// it). Called inside the transaction that changed the work, so that of two items that end at the same
/// time the second sees the first, and no aggregate stays pending. Must be quick.
pub type Aggregate<'a> = &'a (dyn Fn(&[Work]) -> Vec<Status> + Send + Sync);

/// What becomes of the memory of an environment when its work ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentChange {
    /// It stays as it is: nothing was applied.
    None,
    /// It is replaced by this record.
    Save(Box<EnvironmentRecord>),
    /// It is replaced, and the memory of the name that the environment had before is forgotten.
    Rename {
        /// The name under which it was remembered before.
        from: EnvironmentName,
        /// What is remembered from now on.
        record: Box<EnvironmentRecord>,
    },
    /// It is forgotten: the environment was deleted.
    Remove(EnvironmentName),
}

/// How a work item ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How it ended, as the journal keeps it.
    pub end: RunEnd,
    /// A sentence for people.
    pub summary: String,
    /// When, by the clock of this machine.
    pub now: Timestamp,
    /// What the forge is to be told of the item itself.
    pub statuses: Vec<Status>,
    /// What is to be remembered of the environment.
    pub environment: EnvironmentChange,
    /// What is to be said of it where it was proposed.
    pub section: Option<Box<Section>>,
}

pub(super) fn work_of(row: &AnyRow) -> Result<Work, StoreError> {
    let columns = Columns::of("work item", row);
    Ok(Work {
        id: WorkId(columns.number("work_id")?),
        commit: columns.parsed("commit_id")?,
        reads: columns.optional_parsed("reads_commit")?.map_or_else(|| columns.parsed("commit_id"), Ok)?,
        line: columns.parsed("branch")?,
        kind: columns.word("kind")?,
        environment: columns.parsed("environment")?,
        path: columns.text("path")?,
        removed: columns.number("removed")? != 0,
        input_digest: columns.optional_parsed("input_digest")?,
        remark: columns.optional_text("remark")?,
        state: state_of(&columns)?,
        queued_at: columns.time("queued_at")?,
        ended_at: columns.optional_time("ended_at")?,
    })
}

fn state_of(columns: &Columns<'_>) -> Result<WorkState, StoreError> {
    match columns.text("state")?.as_str() {
        "queued" => Ok(WorkState::Queued),
        "running" => {
            let run: Option<Uuid> = columns.optional_parsed("run_id")?;
            Ok(WorkState::Running { run: run.map(RunId) })
        }
        "ended" => Ok(WorkState::Ended { end: columns.word("run_end")?, summary: columns.text("summary")? }),
        other => Err(columns.unreadable("state", format!("`{other}` is no state"))),
    }
}
