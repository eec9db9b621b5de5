//! Long-running operations: what was started, when it ends, how it is polled.
//!
//! Guarantee: an operation ends at its moment whether or not anybody polls it; `State::settle` carries
//! out what is due before every request. Styles per type follow the ARM RPC (async-api-reference) and
//! `facts.md` 14.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use beamline_base::id::ResourceId;

/// How many operations are remembered after they ended.
const MAX_REMEMBERED: usize = 50_000;

/// The face of a poll URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// `Azure-AsyncOperation`: always 200 with a status document.
    Status,
    /// `Location`: 202 while it runs, then the final answer.
    Result,
}

/// The path segments before an operation's id, and the face each shows.
pub(super) const POLL_SEGMENTS: [(&str, Face); 12] = [
    ("operationStatuses", Face::Status),
    ("operations", Face::Status),
    ("computeOperationsStatus", Face::Status),
    ("operationResults", Face::Result),
    ("asyncoperations", Face::Result),
    ("workspaceOperationsStatus", Face::Result),
    ("computeOperationsResults", Face::Result),
    ("registryOperationResults", Face::Result),
    ("registryOperationStatuses", Face::Status),
    ("vaultOperationResults", Face::Result),
    ("privateDnsOperationStatuses", Face::Status),
    ("privateDnsOperationResults", Face::Result),
];

/// What an operation does when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Effect {
    /// The resource becomes provisioned.
    Provision,
    /// The resource and what is below it go away.
    Remove(Afterlife),
    /// A compute instance arrives in this power state.
    Power(Power),
    /// A workspace has its managed network.
    ManagedNetwork(Spark),
}

/// Whether a managed network takes Spark jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Spark {
    Ready,
    Absent,
}

impl Spark {
    /// The answer of the operation, and `managedNetwork.status` of the workspace.
    pub(super) fn status(self) -> Value {
        json!({ "status": "Active", "sparkReady": self == Self::Ready })
    }
}

/// The power states in which a compute instance arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Power {
    Running,
    Stopped,
}

impl Power {
    /// As `state` shows it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Stopped => "Stopped",
        }
    }
}

/// Whether a deleted resource keeps its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Afterlife {
    /// As the type does by itself.
    SoftDelete,
    /// The caller asked for it to be gone for good.
    Purge,
}

/// How an operation ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Succeeds,
    Fails { code: String, message: String },
    Canceled,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) id: Uuid,
    pub(super) target: ResourceId,
    pub(super) effect: Effect,
    pub(super) started: Timestamp,
    /// When the operation ends; `None` where it never does.
    pub(super) ends: Option<Timestamp>,
    pub(super) outcome: Outcome,
    pub(super) phase: Phase,
    pub(super) retry_after_secs: u64,
    /// Until then its poll URLs are not found.
    pub(super) hidden_until: Option<Timestamp>,
}

/// Whether an operation still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Running,
    Ended,
}

impl Operation {
    /// The document behind `Azure-AsyncOperation`.
    pub(super) fn document(&self, path: &str) -> Value {
        let mut document = json!({
            "id": path, "name": self.id.to_string(), "status": self.status(),
            "startTime": self.started.to_string(),
            "percentComplete": if self.phase == Phase::Ended { 100.0 } else { 0.0 },
        });
        if let (Phase::Ended, Some(ends)) = (self.phase, self.ends) {
            document["endTime"] = json!(ends.to_string());
            match &self.outcome {
                Outcome::Succeeds => {}
                Outcome::Fails { code, message } => {
                    document["error"] = json!({ "code": code, "message": message });
                }
                Outcome::Canceled => {
                    document["error"] =
                        json!({ "code": "OperationCanceled", "message": "The operation was canceled." });
                }
            }
        }
        document
    }

    fn status(&self) -> &'static str {
        match (self.phase, &self.outcome) {
            (Phase::Running, _) => "InProgress",
            (Phase::Ended, Outcome::Succeeds) => "Succeeded",
            (Phase::Ended, Outcome::Fails { .. }) => "Failed",
            (Phase::Ended, Outcome::Canceled) => "Canceled",
        }
    }
}

/// All operations of a world.
#[derive(Debug, Default)]
pub(super) struct Operations {
    by_id: BTreeMap<Uuid, Operation>,
    due: BTreeSet<(Timestamp, u64, Uuid)>,
    order: VecDeque<Uuid>,
    started: u64,
}

impl Operations {
    pub(super) fn add(&mut self, operation: Operation) {
        self.started += 1;
        if let Some(ends) = operation.ends {
            self.due.insert((ends, self.started, operation.id));
        }
        self.order.push_back(operation.id);
        self.by_id.insert(operation.id, operation);
        self.forget_oldest();
    }

    /// A number that differs for every operation.
    pub(super) fn next_number(&self) -> u64 {
        self.started
    }

    /// All that are remembered, oldest first; and how many were ever started.
    pub(super) fn remembered(&self) -> (Vec<&Operation>, u64) {
        let known = self.order.iter().filter_map(|id| self.by_id.get(id));
        (known.collect(), self.started)
    }

    /// Operations as [`Operations::remembered`] gave them away.
    pub(super) fn restored(operations: Vec<Operation>, started: u64) -> Self {
        let mut restored = Self::default();
        for operation in operations {
            let ended = operation.phase == Phase::Ended;
            let due = operation.ends.map(|ends| (ends, restored.started + 1, operation.id));
            restored.add(operation);
            if let (Some(due), true) = (due, ended) {
                restored.due.remove(&due);
            }
        }
        restored.started = started;
        restored
    }

    pub(super) fn get(&self, id: &Uuid) -> Option<&Operation> {
        self.by_id.get(id)
    }

    /// The next operation that is due at `now`, marked as ended.
    pub(super) fn pop_due(&mut self, now: Timestamp) -> Option<Operation> {
        let first = *self.due.first().filter(|(ends, _, _)| *ends <= now)?;
        self.due.remove(&first);
        let operation = self.by_id.get_mut(&first.2)?;
        operation.phase = Phase::Ended;
        Some(operation.clone())
    }

    fn forget_oldest(&mut self) {
        while self.order.len() > MAX_REMEMBERED {
            let Some(oldest) = self.order.pop_front() else { return };
            if self.by_id.get(&oldest).is_some_and(|operation| operation.phase == Phase::Ended) {
                self.by_id.remove(&oldest);
            }
        }
    }
}
