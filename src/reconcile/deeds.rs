//! PURE: what runs have done, resource by resource. Status, page, log and command line word these facts.
//!
//! One piece of work may take several runs: a run that was interrupted and resumed is one, and after a
//! plan that Azure moved away from there is another. What is said at the end is about all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Action, Part};
use super::report::{Report, StepEnd, StepReport};
use crate::resources::Address;

/// What has become of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Created,
    Changed,
    Replaced,
    Deleted,
    Released,
    /// The old one is deleted, and the new one is not made.
    Gone,
}

/// How a step stands that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Open {
    Failed(String),
    /// Whether it had its effect is not known, so far.
    Unknown(String),
    Skipped(Address),
    Unreached,
    /// Azure was at work on it when the run ended.
    Underway,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The resource.
    pub address: Address,
    /// Azure's own innermost message, or ours.
    pub message: String,
}

/// One thing that is done to one resource. A resource may be deleted and, beside that, another one of its
/// address be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Thing {
    address: Address,
    is_deletion: bool,
    nth: usize,
}

/// What runs have done, and what they have not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    fates: BTreeMap<Thing, Fate>,
    open: Vec<(Thing, Step, Open)>,
    last_steps: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    action: Action,
    part: Part,
}

impl Deeds {
    /// What the runs of these reports have done, oldest first. A later run was planned from what Azure
    /// showed then: of an earlier one only what it has done counts, not what it has failed at.
    #[must_use]
    pub fn of(reports: &[Report]) -> Self {
        let mut deeds = Self::default();
        for report in reports {
            deeds.add(report);
        }
        deeds
    }

    /// The same, after a plan that found nothing left to do: what was not known to be done, is.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.close(&[]);
        self
    }

    fn add(&mut self, report: &Report) {
        let things = things(&report.steps);
        self.close(&things);
        self.last_steps = report.steps.len();
        // New ones that stand already when the old one goes.
        let mut made = BTreeSet::new();
        for (thing, step) in things.into_iter().zip(&report.steps) {
            let open = match &step.end {
                StepEnd::Done => {
                    let is_made = made.contains(&thing);
                    if step.part == Part::Creation {
                        made.insert(thing.clone());
                    }
                    self.done(thing, Step { action: step.action, part: step.part }, is_made);
                    continue;
                }
                StepEnd::Failed { message } => Open::Failed(message.clone()),
                StepEnd::Unknown { message } => Open::Unknown(message.clone()),
                StepEnd::Skipped { because } => Open::Skipped(because.clone()),
                StepEnd::Moved { .. } | StepEnd::NotReached => Open::Unreached,
                StepEnd::Underway => Open::Underway,
            };
            self.open.push((thing, Step { action: step.action, part: step.part }, open));
        }
    }

    /// What was open is planned once more, or, where it is not, is as declared.
    fn close(&mut self, planned: &[Thing]) {
        for (thing, step, open) in std::mem::take(&mut self.open) {
            match open {
                Open::Unknown(_) | Open::Underway if !planned.contains(&thing) => {
                    let is_made = self.fates.get(&thing) == Some(&Fate::Replaced);
                    self.done(thing, step, is_made);
                }
                Open::Unknown(_) | Open::Underway | Open::Failed(_) | Open::Skipped(_) | Open::Unreached => {}
            }
        }
    }

    /// `is_made`: of a replacement whose old one goes now, the new one stands.
    fn done(&mut self, thing: Thing, step: Step, is_made: bool) {
        let before = self.fates.get(&thing).copied();
        let fate = match (step.action, step.part) {
            (Action::Create | Action::Recover, _) => match before {
                Some(Fate::Gone | Fate::Replaced | Fate::Deleted) => Fate::Replaced,
                Some(Fate::Created | Fate::Changed | Fate::Released) | None => Fate::Created,
            },
            (Action::Update | Action::Adopt, _) => match before {
                Some(made @ (Fate::Created | Fate::Replaced)) => made,
                Some(Fate::Changed | Fate::Deleted | Fate::Released | Fate::Gone) | None => Fate::Changed,
            },
            (Action::Replace, Part::Removal) if is_made => Fate::Replaced,
            (Action::Replace, Part::Removal) => Fate::Gone,
            (Action::Replace, Part::Creation | Part::Whole) => Fate::Replaced,
            (Action::Delete, _) => Fate::Deleted,
            (Action::Release, _) => Fate::Released,
            (Action::Keep, _) => return,
        };
        self.fates.insert(thing, fate);
    }

    /// Whether nothing was done, nothing failed and nothing is under way.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.fates.is_empty() && self.failed().is_empty() && self.underway().is_empty()
    }

    /// How many steps the last run had.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.last_steps
    }

    /// What failed in the last run, and what is not known to have had an effect. What a stop left to Azure has not
    /// failed: it is [`Deeds::underway`].
    #[must_use]
    pub fn failed(&self) -> Vec<Failure> {
        let failed = self.open.iter().filter_map(|(thing, _, open)| {
            let message = match open {
                Open::Failed(message) | Open::Unknown(message) => message.clone(),
                Open::Underway | Open::Skipped(_) | Open::Unreached => return None,
            };
            Some(Failure { address: thing.address.clone(), message })
        });
        failed.collect()
    }

    /// What Azure was at work on when the last run ended: the next one finds out what became of it.
    #[must_use]
    pub fn underway(&self) -> Vec<&Address> {
        let underway = self.open.iter().filter(|(_, _, open)| *open == Open::Underway);
        underway.map(|(thing, _, _)| &thing.address).collect()
    }

    /// What was not tried in the last run, and the resource whose failure blocked it.
    #[must_use]
    pub fn blocked(&self) -> Vec<(&Address, &Address)> {
        let blocked = self.open.iter().filter_map(|(thing, _, open)| match open {
            Open::Skipped(because) => Some((&thing.address, because)),
            Open::Failed(_) | Open::Unknown(_) | Open::Unreached | Open::Underway => None,
        });
        blocked.collect()
    }

    /// What was deleted to be replaced and is not there again.
    #[must_use]
    pub fn gone(&self) -> Vec<&Address> {
        self.with(Fate::Gone).collect()
    }

    /// `22 created, 1 deleted`; empty when nothing was done. What is [`Deeds::gone`] is not among it.
    #[must_use]
    pub fn counts(&self) -> String {
        let counts = [
            (Fate::Created, "created"),
            (Fate::Changed, "changed"),
            (Fate::Replaced, "replaced"),
            (Fate::Deleted, "deleted"),
            (Fate::Released, "released"),
        ];
        let named = counts.iter().map(|(fate, word)| (self.with(*fate).count(), word));
        let named = named.filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        named.collect::<Vec<_>>().join(", ")
    }

    fn with(&self, wanted: Fate) -> impl Iterator<Item = &Address> {
        self.fates.iter().filter(move |(_, fate)| **fate == wanted).map(|(thing, _)| &thing.address)
    }
}

fn things(steps: &[StepReport]) -> Vec<Thing> {
    let mut seen: BTreeMap<(&Address, bool), usize> = BTreeMap::new();
    let thing = |step: &StepReport, nth| Thing {
        address: step.address.clone(),
        is_deletion: step.action == Action::Delete,
        nth,
    };
    let mut things = Vec::with_capacity(steps.len());
    for step in steps {
        match step.part {
            // The two halves of a replacement are about one resource.
            Part::Removal | Part::Creation => things.push(thing(step, 0)),
            Part::Whole => {
                let nth = seen.entry((&step.address, step.action == Action::Delete)).or_insert(0);
                things.push(thing(step, *nth));
                *nth += 1;
            }
        }
    }
    things
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::reconcile::apply::{RunEnd, RunId};
    use crate::resources::Kind;

    fn cluster(name: &str) -> Address {
        Address::named(&"dev".parse().unwrap(), Kind::ComputeCluster, name)
    }

    fn report(steps: Vec<(&str, Action, Part, StepEnd)>) -> Report {
        let step = |(ordinal, (name, action, part, end))| StepReport {
            ordinal,
            address: cluster(name),
            action,
            part,
            end,
            began: None,
            ended: None,
        };
        Report {
            run: RunId(Uuid::nil()),
            environment: "dev".parse().unwrap(),
            end: RunEnd::Failed,
            steps: (0..).zip(steps).map(step).collect(),
            began: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
        }
    }

    fn failed(message: &str) -> StepEnd {
        StepEnd::Failed { message: message.to_owned() }
    }

    #[test]
    fn what_several_runs_have_done_adds_up() {
        use Action::{Create, Update};
        let first = report(vec![
            ("a", Create, Part::Whole, StepEnd::Done),
            ("b", Create, Part::Whole, failed("busy")),
            ("c", Create, Part::Whole, StepEnd::NotReached),
        ]);
        let second = report(vec![
            ("a", Update, Part::Whole, StepEnd::Done),
            ("b", Create, Part::Whole, StepEnd::Done),
            ("c", Create, Part::Whole, StepEnd::Done),
        ]);
        let deeds = Deeds::of(&[first, second]);
        assert_eq!(deeds.counts(), "3 created");
        assert!(deeds.failed().is_empty());
    }

    #[test]
    fn a_replacement_that_stopped_halfway_leaves_nothing() {
        use Action::Replace;
        let removed = ("a", Replace, Part::Removal, StepEnd::Done);
        let half = report(vec![removed.clone(), ("a", Replace, Part::Creation, failed("no such size"))]);
        let deeds = Deeds::of(std::slice::from_ref(&half));
        assert_eq!(deeds.gone(), [&cluster("a")]);
        assert_eq!(deeds.counts(), "");
        let made = report(vec![("a", Action::Create, Part::Whole, StepEnd::Done)]);
        let deeds = Deeds::of(&[half, made]);
        assert_eq!((deeds.gone().len(), deeds.counts().as_str()), (0, "1 replaced"));
        let whole = report(vec![removed, ("a", Replace, Part::Creation, StepEnd::Done)]);
        assert_eq!(Deeds::of(&[whole]).counts(), "1 replaced");
    }

    #[test]
    fn a_replacement_whose_new_one_is_made_first_is_one() {
        use Action::Replace;
        let made = ("a", Replace, Part::Creation, StepEnd::Done);
        let removed = ("a", Replace, Part::Removal, StepEnd::Done);
        let whole = report(vec![made.clone(), removed.clone()]);
        let deeds = Deeds::of(std::slice::from_ref(&whole));
        assert_eq!((deeds.gone().len(), deeds.counts().as_str()), (0, "1 replaced"));
        // The next one of the same work takes the old one down first, and fails.
        let half = report(vec![removed.clone(), ("a", Replace, Part::Creation, failed("no such size"))]);
        assert_eq!(Deeds::of(&[whole, half]).gone(), [&cluster("a")]);
        // A grant that was taken back, and the new one was refused.
        let refused = report(vec![("a", Replace, Part::Creation, failed("no such role")), removed]);
        assert_eq!(Deeds::of(&[refused]).gone(), [&cluster("a")]);
    }

    #[test]
    fn what_was_not_known_is_known_when_nothing_is_left_to_do() {
        let lost = report(vec![
            ("a", Action::Create, Part::Whole, StepEnd::Underway),
            ("b", Action::Create, Part::Whole, failed("refused")),
            ("c", Action::Create, Part::Whole, StepEnd::Skipped { because: cluster("b") }),
        ]);
        let deeds = Deeds::of(&[lost]);
        assert_eq!((deeds.failed().len(), deeds.blocked().len(), deeds.counts().as_str()), (1, 1, ""));
        assert_eq!(deeds.underway(), [&cluster("a")]);
        assert_eq!(deeds.settled().counts(), "1 created");
    }

    #[test]
    fn what_a_stop_left_to_azure_has_not_failed_and_is_not_nothing() {
        let stopped = report(vec![("a", Action::Create, Part::Whole, StepEnd::Underway)]);
        let deeds = Deeds::of(&[stopped]);
        assert_eq!(deeds.failed(), []);
        assert!(!deeds.is_nothing());
        // The removal is done, the new one is on its way: of one address the one half failed, not the other.
        let halves = report(vec![
            ("a", Action::Replace, Part::Creation, failed("refused")),
            ("a", Action::Replace, Part::Removal, StepEnd::Underway),
        ]);
        let deeds = Deeds::of(&[halves]);
        assert_eq!((deeds.failed().len(), deeds.underway().len()), (1, 1));
    }

    #[test]
    fn two_resources_of_one_address_are_counted_as_two() {
        let both = report(vec![
            ("a", Action::Delete, Part::Whole, StepEnd::Done),
            ("a", Action::Delete, Part::Whole, StepEnd::Done),
            ("a", Action::Create, Part::Whole, StepEnd::Done),
        ]);
        assert_eq!(Deeds::of(&[both]).counts(), "1 created, 2 deleted");
    }
}
