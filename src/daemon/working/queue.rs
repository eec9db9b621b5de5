//! PURE: which work may start now. One piece per environment at a time, applies before plans, older
//! before newer, at most so many at once.

use std::collections::{BTreeMap, BTreeSet};

use crate::git::CommitId;
use crate::reconcile::apply::RunKind;
use crate::resources::EnvironmentName;
use crate::store::{Work, WorkId};

/// The work that is waiting or under way. What is durable is in the store; this is its index.
#[derive(Debug)]
pub struct Queue {
    limit: usize,
    waiting: BTreeMap<(Urgency, WorkId), Work>,
    resting: BTreeMap<WorkId, Work>,
    running: BTreeMap<WorkId, Running>,
}

/// A piece of work that is with a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The work.
    pub id: WorkId,
    /// What for.
    pub kind: RunKind,
    /// The environment.
    pub environment: EnvironmentName,
    /// The commit.
    pub commit: CommitId,
}

/// Why a piece of work does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// This runs on its environment.
    Environment(Running),
    /// As much runs as may run at once.
    Limit {
        /// Its place among those that wait, from 1.
        place: usize,
        /// What runs: as much as may.
        running: Vec<Running>,
    },
}

/// Why a piece of work does not start, down to the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// What is ahead of it.
    pub behind: Obstacle,
    /// What that waits for itself, in the words of its status.
    pub root: Option<String>,
}

impl Obstacle {
    /// What must end before the work can start: all of it is in the way, or any of it.
    #[must_use]
    pub fn ahead(&self) -> &[Running] {
        match self {
            Self::Environment(ahead) => std::slice::from_ref(ahead),
            Self::Limit { running, .. } => running,
        }
    }
}

/// Applies go first: they are what production waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    Apply,
    Plan,
    Drift,
}

fn urgency(work: &Work) -> Urgency {
    match work.kind {
        RunKind::Apply => Urgency::Apply,
        RunKind::Plan => Urgency::Plan,
        RunKind::Drift => Urgency::Drift,
    }
}

impl Queue {
    /// An empty queue that lets `limit` pieces of work run at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, waiting: BTreeMap::new(), resting: BTreeMap::new(), running: BTreeMap::new() }
    }

    /// Adds work; a second time changes nothing.
    pub fn add(&mut self, work: Work) {
        if !self.running.contains_key(&work.id) && !self.resting.contains_key(&work.id) {
            self.waiting.insert((urgency(&work), work.id), work);
        }
    }

    /// Forgets work that another commit has superseded. Work that is with a worker is left to it.
    pub fn drop_superseded(&mut self, id: WorkId) {
        for urgency in [Urgency::Apply, Urgency::Plan, Urgency::Drift] {
            self.waiting.remove(&(urgency, id));
        }
        self.resting.remove(&id);
    }

    /// The next piece of work that may start; it counts as running from now on.
    pub fn start_next(&mut self) -> Option<Work> {
        if self.running.len() >= self.limit {
            return None;
        }
        let busy: BTreeSet<&EnvironmentName> = self.running.values().map(|one| &one.environment).collect();
        let key = *self.waiting.iter().find(|(_, work)| !busy.contains(&work.environment))?.0;
        let work = self.waiting.remove(&key)?;
        let (id, kind, environment, commit) = (work.id, work.kind, work.environment.clone(), work.commit);
        self.running.insert(id, Running { id, kind, environment, commit });
        Some(work)
    }

    /// A piece of work left its worker.
    pub fn ended(&mut self, id: WorkId) {
        self.running.remove(&id);
    }

    /// A piece of work left its worker and waits to be tried again.
    pub fn rest(&mut self, work: Work) {
        self.running.remove(&work.id);
        self.resting.insert(work.id, work);
    }

    /// Its rest is over.
    pub fn wake(&mut self, id: WorkId) {
        if let Some(work) = self.resting.remove(&id) {
            self.add(work);
        }
    }

    /// Whether nothing waits, rests or runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.resting.is_empty() && self.running.is_empty()
    }

    /// What waits, and why.
    pub fn held_up(&self) -> impl Iterator<Item = (&Work, Obstacle)> {
        let busy: BTreeMap<&EnvironmentName, &Running> =
            self.running.values().map(|one| (&one.environment, one)).collect();
        self.waiting.values().zip(1..).map(move |(work, place)| match busy.get(&work.environment) {
            Some(ahead) => (work, Obstacle::Environment((*ahead).clone())),
            None => (work, Obstacle::Limit { place, running: self.running.values().cloned().collect() }),
        })
    }

    /// What waits.
    pub(in crate::daemon) fn in_queue(&self) -> impl Iterator<Item = &Work> {
        self.waiting.values()
    }

    /// How many pieces of work wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many pieces of work run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::daemon::fixture::work;

    fn apply(id: i64, environment: &str) -> Work {
        work(id, environment, RunKind::Apply)
    }

    fn ids(queue: &mut Queue) -> Vec<i64> {
        std::iter::from_fn(|| queue.start_next()).map(|work| work.id.0).collect()
    }

    #[test]
    fn applies_come_before_plans_and_older_before_newer() {
        let mut queue = Queue::new(9);
        queue.add(work(1, "a", RunKind::Plan));
        queue.add(apply(3, "b"));
        queue.add(apply(2, "c"));
        queue.add(work(0, "d", RunKind::Drift));
        assert_eq!(ids(&mut queue), [2, 3, 1, 0]);
    }

    #[test]
    fn what_waits_says_why() {
        let mut queue = Queue::new(1);
        for work in [apply(1, "a"), apply(2, "a"), apply(3, "b")] {
            queue.add(work);
        }
        assert!(queue.start_next().is_some());
        let ahead = Running {
            id: WorkId(1),
            kind: RunKind::Apply,
            environment: "a".parse().unwrap(),
            commit: apply(1, "a").commit,
        };
        let why: Vec<(i64, Obstacle)> = queue.held_up().map(|(work, why)| (work.id.0, why)).collect();
        let full = Obstacle::Limit { place: 2, running: vec![ahead.clone()] };
        assert_eq!(why, [(2, Obstacle::Environment(ahead)), (3, full)]);
    }

    #[test]
    fn an_environment_is_worked_on_once_at_a_time_whatever_for() {
        let mut queue = Queue::new(9);
        queue.add(apply(1, "a"));
        queue.add(work(2, "a", RunKind::Plan));
        queue.add(apply(3, "b"));
        assert_eq!(ids(&mut queue), [1, 3]);
        queue.ended(WorkId(1));
        assert_eq!(ids(&mut queue), [2]);
    }

    #[test]
    fn no_more_run_than_the_limit() {
        let mut queue = Queue::new(2);
        ["a", "b", "c"].iter().zip(1..).for_each(|(name, id)| queue.add(apply(id, name)));
        assert_eq!(ids(&mut queue), [1, 2]);
        queue.rest(apply(1, "a"));
        assert_eq!(ids(&mut queue), [3]);
        assert_eq!((queue.waiting(), queue.running()), (0, 2));
    }

    #[test]
    fn resting_work_lets_others_pass_and_comes_back_once() {
        let mut queue = Queue::new(9);
        queue.add(apply(1, "a"));
        queue.start_next();
        queue.rest(apply(1, "a"));
        queue.add(apply(1, "a"));
        assert!(queue.start_next().is_none() && !queue.is_idle());
        queue.wake(WorkId(1));
        queue.wake(WorkId(1));
        assert_eq!(ids(&mut queue), [1]);
        queue.ended(WorkId(1));
        assert!(queue.is_idle());
    }

    #[test]
    fn superseded_work_is_forgotten_wherever_it_waits() {
        let mut queue = Queue::new(1);
        queue.add(apply(1, "a"));
        queue.add(apply(2, "b"));
        queue.start_next();
        queue.rest(apply(1, "a"));
        queue.drop_superseded(WorkId(1));
        queue.drop_superseded(WorkId(2));
        queue.wake(WorkId(1));
        assert!(queue.is_idle());
    }

    /// Something that is done to a queue.
    #[derive(Clone, Debug)]
    enum Deed {
        Add(u8),
        Next,
        End(u8),
        Rest(u8),
        Wake(u8),
        Drop(u8),
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let id = 0_u8..12;
        prop_oneof![
            id.clone().prop_map(Deed::Add),
            Just(Deed::Next),
            id.clone().prop_map(Deed::End),
            id.clone().prop_map(Deed::Rest),
            id.clone().prop_map(Deed::Wake),
            id.prop_map(Deed::Drop),
        ]
    }

    proptest! {
        #[test]
        fn whatever_happens_no_environment_runs_twice(deeds in prop::collection::vec(deed(), 0..60)) {
            let mut queue = Queue::new(3);
            let piece = |id: u8| apply(i64::from(id), ["a", "b", "c", "d"][usize::from(id) % 4]);
            let mut running: BTreeMap<WorkId, Work> = BTreeMap::new();
            for deed in deeds {
                match deed {
                    Deed::Add(id) => queue.add(piece(id)),
                    Deed::Next => {
                        if let Some(work) = queue.start_next() {
                            prop_assert!(running.values().all(|other| other.environment != work.environment));
                            prop_assert!(running.insert(work.id, work).is_none());
                        }
                    }
                    Deed::End(id) => {
                        running.remove(&piece(id).id);
                        queue.ended(piece(id).id);
                    }
                    Deed::Rest(id) => {
                        if let Some(work) = running.remove(&piece(id).id) {
                            queue.rest(work);
                        }
                    }
                    Deed::Wake(id) => queue.wake(piece(id).id),
                    Deed::Drop(id) => queue.drop_superseded(piece(id).id),
                }
                prop_assert_eq!(queue.running(), running.len());
                prop_assert!(running.len() <= 3);
            }
        }
    }
}
