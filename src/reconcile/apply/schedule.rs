//! PURE: which steps of a plan may run now, which are skipped, and when the run is over.
//!
//! Invariants, whatever happens: a step starts only when everything it waits for is done; two steps
//! with one lock never run together; never more than the given number run at once; a failure skips
//! what depends on it and nothing else (a step can say that it only waits for another one's end); a step that another carries out never starts by itself.

use std::collections::BTreeSet;

use super::journal::{Event, RunEnd};
use super::progress::{IllegalTransition, State, advance};
use crate::reconcile::plan::{Plan, Step};
use crate::resources::Address;

/// The whole plan under way.
#[derive(Debug)]
pub(crate) struct Schedule<'p> {
    plan: &'p Plan,
    states: Vec<State>,
    /// Steps that a task works on now, whether or not they have left a trace in the journal.
    taken: BTreeSet<u32>,
}

impl<'p> Schedule<'p> {
    /// A run in which nothing has happened.
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self { plan, states: vec![State::Waiting; plan.steps.len()], taken: BTreeSet::new() }
    }

    /// Where a step stands.
    pub(crate) fn state(&self, step: u32) -> &State {
        self.states.get(index(step)).unwrap_or(&State::Waiting)
    }

    /// The state that `event` would lead to.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the event does not fit the plan or the state of its step.
    pub(crate) fn check(&self, event: &Event) -> Result<State, IllegalTransition> {
        match self.states.get(index(event.step())) {
            Some(state) => advance(state, event),
            None => advance(&State::Done, event)
                .map_err(|error| IllegalTransition { from: "no step of the plan".to_owned(), ..error }),
        }
    }

    /// Enters the state that `event` leads to.
    ///
    /// # Errors
    /// As [`Schedule::check`].
    pub(crate) fn enter(&mut self, event: &Event) -> Result<(), IllegalTransition> {
        let next = self.check(event)?;
        if let Some(state) = self.states.get_mut(index(event.step())) {
            *state = next;
        }
        Ok(())
    }

    /// Takes the steps that may run now, so that at most `parallelism` run at once. Steps that had
    /// begun before a restart come first: Azure may be working on them.
    pub(crate) fn take(&mut self, parallelism: usize) -> Vec<u32> {
        let begun = |state: &State| matches!(state, State::Running(_));
        let order: Vec<u32> = (self.ordinals().filter(|step| begun(self.state(*step))))
            .chain(self.ordinals().filter(|step| !begun(self.state(*step))))
            .collect();
        let mut started = Vec::new();
        for step in order {
            if self.taken.len() >= parallelism.max(1) {
                break;
            }
            if self.is_ready(step) {
                self.taken.insert(step);
                started.push(step);
            }
        }
        started
    }

    /// Gives a step back: no task works on it any more.
    pub(crate) fn release(&mut self, step: u32) {
        self.taken.remove(&step);
    }

    /// Waiting steps that can never run, each with the step that failed. Entering the `Skipped` events
    /// may yield more; ask until there are none.
    pub(crate) fn skips(&self) -> Vec<(u32, u32)> {
        let waiting = |step: &u32| matches!(self.state(*step), State::Waiting) && !self.taken.contains(step);
        self.ordinals()
            .filter(waiting)
            .filter_map(|step| {
                let mut hindered =
                    self.waits_for(step).into_iter().filter(|on| !self.goes_on_after(step, *on));
                Some((step, hindered.find_map(|on| self.root(on))?))
            })
            .collect()
    }

    /// Steps that `carrier` carries out, directly or through another carried one.
    pub(crate) fn carried(&self, carrier: u32) -> Vec<&'p Step> {
        self.plan.steps.iter().filter(|step| self.carrier(step.ordinal) == Some(carrier)).collect()
    }

    /// The resource of a step.
    pub(crate) fn address(&self, step: u32) -> Option<&'p Address> {
        self.plan.step(step).map(|step| &step.address)
    }

    /// How the run ended, when no task works any more.
    pub(crate) fn end(&self) -> RunEnd {
        if self.states.iter().all(|state| matches!(state, State::Done)) {
            RunEnd::Complete
        } else if self.states.iter().all(State::is_final) {
            RunEnd::Failed
        } else {
            RunEnd::Interrupted
        }
    }

    fn ordinals(&self) -> impl Iterator<Item = u32> + use<'p> {
        self.plan.steps.iter().map(|step| step.ordinal)
    }

    fn is_ready(&self, step: u32) -> bool {
        let fits = match self.state(step) {
            State::Waiting => self.carrier(step).is_none(),
            State::Running(_) => self.carrier(step).is_none(),
            State::Done | State::Failed { .. } | State::Skipped { .. } | State::Unknown { .. } => false,
        };
        fits && !self.taken.contains(&step)
            && self.lock_is_free(step)
            && self
                .waits_for(step)
                .into_iter()
                .all(|on| matches!(self.state(on), State::Done) || self.goes_on_after(step, on))
    }

    /// Whether `on` has failed, and `step` runs all the same.
    fn goes_on_after(&self, step: u32, on: u32) -> bool {
        let is_listed = self.plan.step(step).is_some_and(|step| step.also_after_failure.contains(&on));
        is_listed && matches!(self.state(on), State::Failed { .. })
    }

    fn lock_is_free(&self, step: u32) -> bool {
        let lock = |step: u32| self.plan.step(step).and_then(|step| step.lock.as_deref());
        let Some(wanted) = lock(step) else { return true };
        let held = |other: u32| self.taken.contains(&other) || matches!(self.state(other), State::Running(_));
        // What a step carries was read back with it: that is its own lock.
        let others = self.ordinals().filter(|other| *other != step && self.carrier(*other) != Some(step));
        !others.into_iter().any(|other| lock(other) == Some(wanted) && held(other))
    }

    /// What must be done before a step: what it names, what the steps it carries name (its requests
    /// are theirs), and for a carried one its carrier.
    fn waits_for(&self, step: u32) -> BTreeSet<u32> {
        let carrier = self.carrier(step);
        let family: Vec<&Step> = match carrier {
            Some(_) => self.plan.step(step).into_iter().collect(),
            None => self.plan.step(step).into_iter().chain(self.carried(step)).collect(),
        };
        let root = carrier.unwrap_or(step);
        let is_family = |on: u32| on == root || self.carrier(on) == Some(root);
        let mut on: BTreeSet<u32> = family.iter().flat_map(|step| step.after.iter().copied()).collect();
        on.retain(|on| !is_family(*on));
        on.extend(carrier);
        on
    }

    /// The step whose requests carry `step` out, when that is another one.
    fn carrier(&self, step: u32) -> Option<u32> {
        let next = |step: u32| self.plan.step(step).and_then(|step| step.carried_by);
        let mut carrier = next(step)?;
        // A chain is as long as the plan at most, even if it bites its own tail.
        for _ in 0..self.plan.steps.len() {
            match next(carrier) {
                Some(further) => carrier = further,
                None => break,
            }
        }
        Some(carrier)
    }

    /// The step that is to blame, when `step` will never be done.
    fn root(&self, step: u32) -> Option<u32> {
        match self.state(step) {
            State::Skipped { because } => Some(*because),
            State::Failed { .. } | State::Unknown { .. } => Some(step),
            State::Waiting | State::Running(_) | State::Done => None,
        }
    }
}

fn index(step: u32) -> usize {
    usize::try_from(step).unwrap_or(usize::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::progress::tests::{accepted, every_event, intent};
    use super::*;
    use crate::reconcile::plan::{Action, FORMAT, Part, ReadBack, RequestTemplate, Verb};
    use crate::resources::{Address, Kind, Target};

    /// A step that says only what a schedule looks at.
    pub(crate) fn step(ordinal: u32, after: &[u32], lock: Option<&str>, carried_by: Option<u32>) -> Step {
        let address = Address::named(&"p".parse().unwrap(), Kind::ComputeCluster, &format!("c{ordinal}"));
        let id = format!("/subscriptions/s/resourceGroups/g/c{ordinal}").parse().unwrap();
        let request = RequestTemplate {
            verb: Verb::Put,
            instead: None,
            suffix: String::new(),
            query: vec![],
            body: None,
            merge: None,
        };
        Step {
            ordinal,
            address,
            target: Target::Known(id),
            api_version: "2025-06-01".into(),
            action: Action::Create,
            part: Part::Whole,
            reasons: vec![],
            differences: vec![],
            after: after.to_vec(),
            precondition: None,
            lock: lock.map(str::to_owned),
            requests: if carried_by.is_some() { vec![] } else { vec![request] },
            also_after_failure: Vec::new(),
            carried_by,
            was: None,
            adopted: false,
            read_back: ReadBack::Matches,
            timeout_secs: 600,
        }
    }

    pub(crate) fn plan_of(steps: Vec<Step>) -> Plan {
        Plan {
            format: FORMAT,
            environment: "p".parse().unwrap(),
            commit: None,
            notation: crate::definitions::Syntax::Yaml,
            input_digest: None,
            observed_digest: String::new(),
            steps,
            kept: vec![],
            notes: vec![],
            blockers: vec![],
            consents: vec![],
        }
    }

    fn finish(schedule: &mut Schedule<'_>, step: u32) {
        for event in [intent(step, 0), Event::Answered { step, request: 0 }, Event::Done { step }] {
            schedule.enter(&event).unwrap();
        }
        schedule.release(step);
    }

    fn fail(schedule: &mut Schedule<'_>, step: u32) {
        schedule.enter(&Event::Failed { step, message: "no".into() }).unwrap();
        schedule.release(step);
        skip_all(schedule);
    }

    fn skip_all(schedule: &mut Schedule<'_>) {
        loop {
            let skips = schedule.skips();
            if skips.is_empty() {
                return;
            }
            for (step, because) in skips {
                schedule.enter(&Event::Skipped { step, because }).unwrap();
            }
        }
    }

    #[test]
    fn independent_steps_run_together_and_dependent_ones_wait() {
        let plan =
            plan_of(vec![step(0, &[], None, None), step(1, &[], None, None), step(2, &[0, 1], None, None)]);
        let mut schedule = Schedule::new(&plan);
        assert_eq!(schedule.take(8), [0, 1]);
        assert_eq!(schedule.take(8), [0; 0]);
        finish(&mut schedule, 0);
        assert_eq!(schedule.take(8), [0; 0]);
        finish(&mut schedule, 1);
        assert_eq!(schedule.take(8), [2]);
        finish(&mut schedule, 2);
        assert_eq!(schedule.end(), RunEnd::Complete);
    }

    #[test]
    fn two_steps_with_one_lock_run_one_after_the_other() {
        let plan = plan_of(vec![step(0, &[], Some("vnet"), None), step(1, &[], Some("vnet"), None)]);
        let mut schedule = Schedule::new(&plan);
        assert_eq!(schedule.take(8), [0]);
        finish(&mut schedule, 0);
        assert_eq!(schedule.take(8), [1]);
    }

    #[test]
    fn a_failure_skips_what_depends_on_it_and_nothing_else() {
        let steps = vec![
            step(0, &[], None, None),
            step(1, &[0], None, None),
            step(2, &[1], None, None),
            step(3, &[], None, None),
        ];
        let plan = plan_of(steps);
        let mut schedule = Schedule::new(&plan);
        assert_eq!(schedule.take(8), [0, 3]);
        fail(&mut schedule, 0);
        for dependent in [1, 2] {
            assert!(matches!(schedule.state(dependent), State::Skipped { because: 0 }));
        }
        finish(&mut schedule, 3);
        assert_eq!(schedule.end(), RunEnd::Failed);
    }

    #[test]
    fn a_carried_step_that_was_read_back_before_a_crash_leaves_its_carrier_the_lock() {
        let plan = plan_of(vec![step(0, &[], Some("net"), None), step(1, &[0], Some("net"), Some(0))]);
        let mut schedule = Schedule::new(&plan);
        schedule.enter(&Event::ReadBack { step: 0, digest: None }).unwrap();
        schedule.enter(&Event::ReadBack { step: 1, digest: None }).unwrap();
        assert_eq!(schedule.take(8), [0]);
    }

    #[test]
    fn a_carried_step_never_starts_and_its_carrier_waits_for_what_it_waits_for() {
        let steps = vec![
            step(0, &[], None, None),
            step(1, &[], None, None),
            step(2, &[0, 1], None, Some(1)),
            step(3, &[2], None, None),
        ];
        let plan = plan_of(steps);
        let mut schedule = Schedule::new(&plan);
        assert_eq!(schedule.take(8), [0]);
        finish(&mut schedule, 0);
        assert_eq!(schedule.take(8), [1]);
        finish(&mut schedule, 1);
        assert_eq!(schedule.take(8), [0; 0], "the carried step is not done yet");
        schedule.enter(&Event::Done { step: 2 }).unwrap();
        assert_eq!(schedule.take(8), [3]);
    }

    #[test]
    fn after_a_restart_begun_steps_come_first() {
        let plan = plan_of(vec![step(0, &[], None, None), step(1, &[], None, None)]);
        let mut schedule = Schedule::new(&plan);
        schedule.enter(&intent(1, 0)).unwrap();
        assert_eq!(schedule.take(1), [1]);
    }

    #[test]
    fn what_was_not_reached_makes_an_interrupted_run() {
        let plan = plan_of(vec![step(0, &[], None, None), step(1, &[0], None, None)]);
        let mut schedule = Schedule::new(&plan);
        assert_eq!(schedule.take(1), [0]);
        finish(&mut schedule, 0);
        assert_eq!(schedule.end(), RunEnd::Interrupted);
    }

    #[test]
    fn an_event_of_another_plan_is_refused() {
        let plan = plan_of(vec![step(0, &[], None, None)]);
        let error = Schedule::new(&plan).enter(&intent(7, 0)).unwrap_err();
        assert_eq!(error.to_string(), "step 7 cannot go from `no step of the plan` by `intent`");
    }

    fn plans() -> impl Strategy<Value = Plan> {
        let one = (proptest::collection::vec(any::<prop::sample::Index>(), 0..4), 0_u8..4, 0_u8..5);
        proptest::collection::vec(one, 1..14).prop_map(|rows| {
            let mut steps: Vec<Step> = Vec::new();
            for (ordinal, (after, lock, carried)) in (0_u32..).zip(rows) {
                let mut after: Vec<u32> = if ordinal == 0 {
                    vec![]
                } else {
                    after.iter().map(|index| u32::try_from(index.index(ordinal as usize)).unwrap()).collect()
                };
                let lock = (lock < 2).then(|| format!("lock{lock}"));
                // Carried by the nearest own step before it, and with nothing else to wait for: whatever
                // a carried step waits for its carrier must be able to wait for too.
                let carrier =
                    steps.iter().rev().find(|step| step.carried_by.is_none()).map(|step| step.ordinal);
                let carried_by = carrier.filter(|_| carried == 0);
                if carried_by.is_some() {
                    after.clear();
                }
                let lock = lock.filter(|_| carried_by.is_none());
                steps.push(step(ordinal, &after, lock.as_deref(), carried_by));
            }
            plan_of(steps)
        })
    }

    /// Runs a plan to its end; `choices` says which running step ends next and how.
    fn run(plan: &Plan, parallelism: usize, choices: &[(u8, bool)]) -> (Vec<Event>, RunEnd) {
        let mut schedule = Schedule::new(plan);
        let (mut running, mut events) = (BTreeSet::new(), Vec::new());
        for choice in 0.. {
            for taken in schedule.take(parallelism) {
                let step = plan.step(taken).unwrap();
                assert!(step.carried_by.is_none());
                for on in &step.after {
                    assert!(matches!(schedule.state(*on), State::Done), "{taken} started before {on}");
                }
                let locks = running.iter().filter_map(|other| plan.step(*other).unwrap().lock.as_ref());
                assert!(step.lock.iter().all(|lock| locks.clone().all(|held| held != lock)));
                running.insert(taken);
                events.push(intent(taken, 0));
                schedule.enter(&intent(taken, 0)).unwrap();
            }
            assert!(running.len() <= parallelism);
            let Some((pick, works)) = choices.get(choice % choices.len().max(1)).copied() else { break };
            let Some(step) = running.iter().nth(usize::from(pick) % running.len().max(1)).copied() else {
                break;
            };
            running.remove(&step);
            let mut ending = vec![accepted(step, 0), Event::Answered { step, request: 0 }];
            if works {
                ending.extend(schedule.carried(step).iter().map(|step| Event::Done { step: step.ordinal }));
                ending.push(Event::Done { step });
            } else {
                ending = vec![Event::Failed { step, message: "no".into() }];
            }
            for event in ending {
                schedule.enter(&event).unwrap();
                events.push(event);
            }
            schedule.release(step);
            while let Some((step, because)) = schedule.skips().first().copied() {
                let event = Event::Skipped { step, because };
                schedule.enter(&event).unwrap();
                events.push(event);
            }
        }
        assert!(running.is_empty() && schedule.take(1).is_empty());
        (events, schedule.end())
    }

    proptest! {
        #[test]
        fn every_plan_ends_in_order_and_within_its_bounds(
            plan in plans(),
            parallelism in 1_usize..5,
            choices in proptest::collection::vec((any::<u8>(), proptest::bool::weighted(0.8)), 1..20),
        ) {
            let (_, end) = run(&plan, parallelism, &choices);
            prop_assert!(matches!(end, RunEnd::Complete | RunEnd::Failed), "{end:?}");
        }

        #[test]
        fn every_replayed_prefix_can_be_continued(
            plan in plans(),
            choices in proptest::collection::vec((any::<u8>(), proptest::bool::weighted(0.8)), 1..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let (events, _) = run(&plan, 3, &choices);
            let mut schedule = Schedule::new(&plan);
            for event in &events[..cut.index(events.len() + 1)] {
                schedule.enter(event).unwrap();
            }
            let begun: Vec<u32> = (0..).take(plan.steps.len())
                .filter(|step| matches!(schedule.state(*step), State::Running(_)))
                .collect();
            let taken = schedule.take(usize::MAX);
            prop_assert!(begun.iter().all(|step| taken.contains(step)), "{begun:?} {taken:?}");
        }

        #[test]
        fn no_sequence_of_events_leaves_an_end_or_panics(picks in proptest::collection::vec(0_usize..13, 0..12)) {
            let plan = plan_of(vec![step(0, &[], None, None)]);
            let mut schedule = Schedule::new(&plan);
            let events = every_event(0);
            for pick in picks {
                let was_final = schedule.state(0).is_final();
                let moved = schedule.enter(&events[pick % events.len()]).is_ok();
                prop_assert!(!(was_final && moved));
            }
        }
    }
}
