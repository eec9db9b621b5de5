//! One environment in its Azure, brought again and again to where its definition says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{
    Blocker, ConsentVerb, Consents, Globs, Plan, Reach, Style, check, render, trailer,
};
use beamline::reconcile::report::Report;
use beamline::reconcile::{Planned, ReconcileError};
use beamline::resources::id::ResourceId;
use beamline_simulator::Latency;
use jiff::SignedDuration;

use super::draw::Draw;
use super::edits::Sound;
use super::hands;
use super::judge::{Judge, promised, unlike};
use super::order::refused;
use super::trouble::Trouble;
use super::truth::{dangling, lies};
use crate::plan_properties::disorder;
use crate::support::{AzureWorld, failures, place_identities};

/// What Azure says of a workspace whose group somebody has deleted.
const SOFT_DELETED_WORKSPACE: &str = "Soft-deleted workspace exists";

/// Longer than Azure keeps one.
const FIFTEEN_DAYS: Duration = Duration::from_hours(15 * 24);

/// How often what did not end well is tried again, when nothing goes wrong any more.
const ATTEMPTS: usize = 4;

/// How an attempt to reach a definition ended.
pub(super) enum Reached {
    /// Azure is as it says, and planning again finds nothing.
    Yes,
    /// The plan says why not, and nothing was done.
    Blocked(Vec<String>),
}

/// The environment.
pub(super) struct Estate {
    pub(super) world: AzureWorld,
    pub(super) judge: Judge,
    /// The group of the last complete apply.
    group: Option<String>,
    /// References that somebody has left pointing at nothing.
    dangling: BTreeSet<(String, String)>,
}

impl Estate {
    pub(super) fn new(seed: u64, latency: Latency) -> Self {
        let world = AzureWorld::seeded(seed, latency);
        place_identities(&world);
        let mut judge = Judge::default();
        for id in world.azure.ids() {
            judge.disown(&id);
        }
        Self { world, judge, group: None, dangling: BTreeSet::new() }
    }

    /// The groups that a plan may write to.
    fn groups(&self, sound: &Sound) -> Vec<ResourceId> {
        let names = self.group.iter().chain([&sound.environment.resource_group]);
        names.map(|name| AzureWorld::group_called(name)).collect()
    }

    /// Somebody does something by hand; what, for people.
    pub(super) async fn touch(&mut self, sound: &Sound, draw: &mut Draw) -> Option<String> {
        let groups: Vec<ResourceId> = self.group.iter().map(|name| AzureWorld::group_called(name)).collect();
        let deed = hands::act(&self.world, &groups, &sound.environment.resources, draw).await;
        // Azure has done what they asked for.
        self.world.arm.clock().sleep(Duration::from_hours(2)).await;
        self.judge.overlook(&self.world);
        self.dangling.extend(dangling(&self.world));
        if let Some(foreign) = deed.as_ref().and_then(|deed| deed.foreign.as_ref()) {
            self.judge.disown(foreign);
        }
        deed.map(|deed| deed.told)
    }

    /// Plans, asks for consent to exactly what the plan wants it for, and applies, while `trouble` happens.
    pub(super) async fn reach(&mut self, sound: &Sound, trouble: Trouble) -> Reached {
        let began = self.world.arm.clock().now();
        let former: Vec<&str> = self.group.iter().map(String::as_str).collect();
        self.world.remember_groups(&former);
        let (planned, blockers) = self.plan(sound).await;
        let blocked = if blockers.is_empty() { None } else { Some(blockers) };
        let done = self.judge.look(&self.world).await;
        assert!(done.is_empty(), "planning wrote {done:?}");
        if let Some(blockers) = blocked {
            return Reached::Blocked(blockers);
        }
        match trouble {
            Trouble::None => self.apply(sound, &planned).await,
            trouble @ (Trouble::Faults(_) | Trouble::DiesWriting(..) | Trouble::DiesAfter(_)) => {
                self.survive(sound, planned, trouble).await;
            }
        }
        let took = began.duration_until(self.world.arm.clock().now());
        assert!(took < SignedDuration::from_hours(24 * 16), "it hangs: {took:#}");
        self.world.withdraw_consent();
        self.judge.withdraw();
        self.group = Some(sound.environment.resource_group.clone());
        self.world.remember_groups(&[]);
        let again = self.world.planned(&sound.environment).await.plan;
        assert!(again.is_empty(), "plan again: no changes\n{}", render(&again, Style::Plain));
        let lies = lies(&self.world, sound);
        assert!(lies.is_empty(), "{lies:#?}");
        let dangling: Vec<_> = dangling(&self.world).difference(&self.dangling).cloned().collect();
        assert!(dangling.is_empty(), "left pointing at nothing: {dangling:#?}");
        Reached::Yes
    }

    async fn plan(&mut self, sound: &Sound) -> (Planned, Vec<String>) {
        let mut planned = self.world.planned(&sound.environment).await;
        let mut consents = Consents::new(Globs::DoNotCount);
        for blocker in &planned.plan.blockers {
            if let Blocker::NeedsConsent { address, id, .. } = blocker {
                self.judge.allow(id.as_ref().expect("what is destroyed is there"));
                self.world.consent(&address.to_string());
                consents.read_message(
                    &"a".repeat(40),
                    "Ada",
                    &trailer(ConsentVerb::Destroy, address),
                    &Reach::Named,
                );
            }
        }
        if !consents.is_empty() {
            planned = self.world.planned(&sound.environment).await;
        }
        let blockers: Vec<String> = planned.plan.blockers.iter().map(Blocker::message).collect();
        let unasked = |blocker: &Blocker| matches!(blocker, Blocker::NeedsConsent { .. });
        assert!(!planned.plan.blockers.iter().any(unasked), "consent was given to everything: {blockers:?}");
        if blockers.is_empty() {
            self.is_sound(&planned.plan, sound, &consents);
        } else {
            self.world.withdraw_consent();
            self.judge.withdraw();
        }
        (planned, blockers)
    }

    /// Carries out a plan in trouble, and then without: the same work is finished, under the same consents.
    async fn survive(&mut self, sound: &Sound, planned: Planned, trouble: Trouble) {
        self.judge.may_repeat |= trouble.may_repeat();
        self.judge.heeds_waits = trouble.answers_arrive();
        let passes = trouble.passes();
        let report = self.carry_out_in(sound, &planned, trouble).await;
        self.world.azure.faults().clear();
        self.judge.look(&self.world).await;
        self.judge.heeds_waits = false;
        if let (true, Some(Ok(report))) = (passes, &report) {
            let told = failures(report);
            assert!(
                report.end == RunEnd::Complete || told.contains(SOFT_DELETED_WORKSPACE),
                "what passes is not waited for: {:?}: {told}\n{}",
                report.end,
                render(&planned.plan, Style::Plain)
            );
        }
        if let Some(Ok(report)) = &report
            && report.end == RunEnd::Complete
        {
            // Nothing else may be called complete.
            let again = self.world.planned(&sound.environment).await.plan;
            assert!(again.is_empty(), "it was called complete\n{}", render(&again, Style::Plain));
        }
        let mut ends = Vec::new();
        for _ in 0..ATTEMPTS {
            let report = match self.world.journal.unfinished().pop() {
                Some(run) => self.world.try_resume(&sound.environment, &run).await.unwrap(),
                None => {
                    let planned = self.world.planned(&sound.environment).await;
                    let plan = &planned.plan;
                    if plan.is_empty() && plan.blockers.is_empty() {
                        return;
                    }
                    let told = || render(plan, Style::Plain);
                    let asks = |blocker: &Blocker| matches!(blocker, Blocker::NeedsConsent { .. });
                    assert!(!plan.blockers.iter().any(asks), "consent is asked for again: {}", told());
                    let busy = |blocker: &Blocker| matches!(blocker, Blocker::InProgress { .. });
                    assert!(plan.blockers.iter().all(busy), "blocked on the way: {}", told());
                    if !plan.blockers.is_empty() {
                        ends.push(told());
                        self.world.arm.clock().sleep(Duration::from_mins(20)).await;
                        continue;
                    }
                    self.world.try_carry_out(&sound.environment, &planned).await.unwrap()
                }
            };
            self.judge.look(&self.world).await;
            if failures(&report).contains(SOFT_DELETED_WORKSPACE) {
                self.world.arm.clock().sleep(FIFTEEN_DAYS).await;
            }
            ends.push(format!("{:?}: {}", report.end, failures(&report)));
        }
        assert!(self.world.journal.unfinished().is_empty(), "a run is left open");
        let last = self.world.planned(&sound.environment).await.plan;
        assert!(last.is_empty(), "it does not converge: {ends:?}\n{}", render(&last, Style::Plain));
    }

    /// What came of it; `None` or an error where the process died.
    async fn carry_out_in(
        &mut self,
        sound: &Sound,
        planned: &Planned,
        trouble: Trouble,
    ) -> Option<Result<Report, ReconcileError>> {
        match trouble {
            Trouble::None => {}
            Trouble::Faults(faults) => {
                faults.into_iter().for_each(|fault| self.world.azure.faults().add(fault))
            }
            Trouble::DiesWriting(writes, last) => self.world.journal.kill_after(writes, last),
            Trouble::DiesAfter(time) => {
                let clock = self.world.arm.clock().clone();
                let report = tokio::select! {
                    report = self.world.try_carry_out(&sound.environment, planned) => Some(report),
                    () = clock.sleep(time) => None,
                };
                self.world.journal = Arc::new(self.world.journal.disk());
                return report;
            }
        }
        let report = self.world.try_carry_out(&sound.environment, planned).await;
        self.world.journal = Arc::new(self.world.journal.disk());
        Some(report)
    }

    fn is_sound(&self, plan: &Plan, sound: &Sound, consents: &Consents) {
        let defects = check(plan, &self.groups(sound), consents);
        assert!(defects.is_empty(), "{defects:?}\n{}", render(plan, Style::Plain));
        let unasked = self.judge.unasked(plan);
        assert!(unasked.is_empty(), "without consent: {unasked:?}\n{}", render(plan, Style::Plain));
        let disorder = disorder(plan, &sound.environment.resources);
        assert!(disorder.is_empty(), "{disorder:?}\n{}", render(plan, Style::Plain));
        let refused = refused(plan, &self.world);
        assert!(refused.is_empty(), "{refused:?}\n{}", render(plan, Style::Plain));
    }

    async fn apply(&mut self, sound: &Sound, planned: &Planned) {
        if planned.plan.is_empty() {
            return;
        }
        let mut report = self.world.try_carry_out(&sound.environment, planned).await.unwrap();
        let mut done = self.judge.look(&self.world).await;
        if failures(&report).contains(SOFT_DELETED_WORKSPACE) {
            // Azure has no request that shows one: what is to be done is what its message says, or to wait.
            self.world.arm.clock().sleep(FIFTEEN_DAYS).await;
            let rest = self.world.planned(&sound.environment).await;
            report = self.world.try_carry_out(&sound.environment, &rest).await.unwrap();
            done.extend(self.judge.look(&self.world).await);
        }
        let told = || render(&planned.plan, Style::Plain);
        assert!(report.end == RunEnd::Complete, "{:?}: {}\n{}", report.end, failures(&report), told());
        let unlike = unlike(&promised(&planned.plan), &done);
        assert!(unlike.is_empty(), "{unlike:?}\n{}", told());
    }
}
