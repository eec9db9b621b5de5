//! One environment in its Azure, brought again and again to where its definition says.

use std::time::Duration;

use beamline::reconcile::Planned;
use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{Blocker, Consents, Globs, Plan, Reach, Style, check, render, trailer};
use beamline::resources::id::ResourceId;
use beamline_simulator::Latency;

use super::draw::Draw;
use super::edits::Sound;
use super::hands;
use super::judge::{Judge, promised, unlike};
use crate::plan_properties::disorder;
use crate::support::{AzureWorld, failures, place_identities};

/// What Azure says of a workspace whose group somebody has deleted.
const SOFT_DELETED_WORKSPACE: &str = "Soft-deleted workspace exists";

/// Longer than Azure keeps one.
const FIFTEEN_DAYS: Duration = Duration::from_hours(15 * 24);

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
}

impl Estate {
    pub(super) fn new(seed: u64) -> Self {
        let world = AzureWorld::seeded(seed, Latency::None);
        place_identities(&world);
        let mut judge = Judge::default();
        for id in world.azure.ids() {
            judge.disown(&id);
        }
        Self { world, judge, group: None }
    }

    /// The groups that a plan may write to.
    fn groups(&self, sound: &Sound) -> Vec<ResourceId> {
        let names = self.group.iter().chain([&sound.environment.resource_group]);
        names.map(|name| AzureWorld::group_called(name)).collect()
    }

    /// Somebody does something by hand; what, for people.
    pub(super) async fn touch(&mut self, draw: &mut Draw) -> Option<String> {
        let groups: Vec<ResourceId> = self.group.iter().map(|name| AzureWorld::group_called(name)).collect();
        let deed = hands::act(&self.world, &groups, draw).await;
        self.judge.overlook(&self.world);
        if let Some(foreign) = deed.as_ref().and_then(|deed| deed.foreign.as_ref()) {
            self.judge.disown(foreign);
        }
        deed.map(|deed| deed.told)
    }

    /// Plans, asks for consent to exactly what the plan wants it for, and applies.
    pub(super) async fn reach(&mut self, sound: &Sound) -> Reached {
        let former: Vec<&str> = self.group.iter().map(String::as_str).collect();
        self.world.remember_groups(&former);
        let (planned, blockers) = self.plan(sound).await;
        let blocked = if blockers.is_empty() { None } else { Some(blockers) };
        let done = self.judge.look(&self.world).await;
        assert!(done.is_empty(), "planning wrote {done:?}");
        if let Some(blockers) = blocked {
            return Reached::Blocked(blockers);
        }
        self.apply(sound, &planned).await;
        self.world.withdraw_consent();
        self.judge.withdraw();
        self.group = Some(sound.environment.resource_group.clone());
        self.world.remember_groups(&[]);
        let again = self.world.planned(&sound.environment).await.plan;
        assert!(again.is_empty(), "plan again: no changes\n{}", render(&again, Style::Plain));
        Reached::Yes
    }

    async fn plan(&mut self, sound: &Sound) -> (Planned, Vec<String>) {
        let mut planned = self.world.planned(&sound.environment).await;
        let mut consents = Consents::new(Globs::DoNotCount);
        for blocker in &planned.plan.blockers {
            if let Blocker::NeedsConsent { address, id, .. } = blocker {
                self.judge.allow(id.as_ref().expect("what is destroyed is there"));
                self.world.consent(&address.to_string());
                consents.read_message(&"a".repeat(40), "Ada", &trailer(address), &Reach::Named);
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

    fn is_sound(&self, plan: &Plan, sound: &Sound, consents: &Consents) {
        let defects = check(plan, &self.groups(sound), consents);
        assert!(defects.is_empty(), "{defects:?}\n{}", render(plan, Style::Plain));
        let disorder = disorder(plan, &sound.environment.resources);
        assert!(disorder.is_empty(), "{disorder:?}\n{}", render(plan, Style::Plain));
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
