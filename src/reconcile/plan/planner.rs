//! Desired + observed + consents → [`Plan`].
//!
//! In three passes: what must happen to each declared resource ([`Decision`]); which replacements
//! follow from replacements (`decide`); and the steps with their requests. Order is added by `order`, what forbids the
//! plan by `guard`, what it says beside its steps by `tell`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::action::{Action, Blocker, Note, Reason};
use super::consent::{ConsentStanding, Consents};
use super::order;
use super::requests;
use super::step::{FORMAT, Part, Plan, Revision, Step};
use crate::definitions::{Environment, InputDigest, Syntax};
use crate::reconcile::Remembered;
use crate::reconcile::observe::{Observed, Orphan};
use crate::resources::id::ResourceId;
use crate::resources::{self, Address, Context, Difference, Kind, NameScope, Site, Target};

/// How many foreign resources a note or a blocker names.
const MAX_NAMED: usize = 5;

/// Everything a plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The definition. For a removed environment one without resources.
    pub environment: &'a Environment,
    /// Where it lives.
    pub site: &'a Site,
    /// What Azure says.
    pub observed: &'a Observed,
    /// What may be destroyed.
    pub consents: &'a Consents,
    /// The commit.
    pub commit: Option<&'a Revision>,
    /// Digest of the definition and its defaults.
    pub input_digest: Option<&'a InputDigest>,
    /// What earlier definitions of it declared.
    pub remembered: &'a Remembered,
}

/// What must happen to a declared resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decision {
    Keep,
    Make { action: Action, reasons: Vec<Reason> },
    Change { action: Action, reasons: Vec<Reason>, differences: Vec<Difference> },
    Replace { reasons: Vec<Reason>, differences: Vec<Difference> },
}

/// Makes the plan.
#[must_use]
pub fn plan(input: &Input<'_>) -> Plan {
    let mut planner = Planner::new(input);
    planner.decide_declared();
    planner.follow_replacements();
    planner.carry_inner_changes();
    planner.carry_claims();
    planner.guard_replacements();
    planner.guard_names();
    planner.note_given();
    planner.note_released();
    planner.note_rights_taken();
    planner.guard_orphans();
    planner.guard_released();
    planner.guard_references();
    planner.report_foreign();
    planner.report_dangling();
    planner.account_for_consents();
    planner.into_plan()
}

mod claim;
mod decide;
mod guard;
mod tell;

struct Planner<'a> {
    input: &'a Input<'a>,
    bodies: BTreeMap<Address, Value>,
    decisions: BTreeMap<Address, Decision>,
    notes: Vec<Note>,
    blockers: Vec<Blocker>,
    consents: Vec<ConsentStanding>,
}

impl<'a> Planner<'a> {
    fn new(input: &'a Input<'a>) -> Self {
        let bodies = input.observed.bodies();
        Self {
            input,
            bodies,
            decisions: BTreeMap::new(),
            notes: Vec::new(),
            blockers: Vec::new(),
            consents: Vec::new(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            site: self.input.site,
            resources: &self.input.environment.resources,
            observed: &self.bodies,
        }
    }

    fn into_plan(self) -> Plan {
        let replaced = self.replaced();
        let mut later = self.bodies.clone();
        later.retain(|address, _| !replaced.contains(address));
        let builder = requests::Builder {
            input: self.input,
            decisions: &self.decisions,
            context: Context {
                site: self.input.site,
                resources: &self.input.environment.resources,
                observed: &later,
            },
            now: self.context(),
        };
        let steps = order::arrange(builder.steps(), self.input);
        let pointless = self.dispelled();
        let advice = self.input.environment.advice.iter();
        let advice =
            advice.filter(|advice| !pointless.contains(&(advice.code.to_string(), advice.location.clone())));
        let advice = advice.map(|advice| Note {
            code: advice.code.to_string(),
            address: None,
            message: advice.to_string(),
        });
        let kept = self.decisions.iter().filter(|(_, decision)| **decision == Decision::Keep);
        let notation = Syntax::of(&self.input.environment.path);
        let notes =
            self.notes.into_iter().map(|note| Note { message: notation.advice(&note.message), ..note });
        Plan {
            format: FORMAT,
            environment: self.input.site.mark.environment.clone(),
            commit: self.input.commit.cloned(),
            notation,
            input_digest: self.input.input_digest.cloned(),
            observed_digest: self.input.observed.digest(),
            kept: kept.map(|(address, _)| address.clone()).collect(),
            notes: advice.chain(notes).collect(),
            blockers: self.blockers,
            consents: self.consents,
            steps,
        }
    }
}

/// What stands where a replaced resource is to go, or stood where it was.
#[derive(Clone, Copy)]
pub(super) struct Predecessor<'a> {
    pub(super) id: &'a ResourceId,
    pub(super) body: &'a Value,
}

/// The resource that a replacement at `address` takes down.
pub(super) fn predecessor<'a>(input: &Input<'a>, address: &Address) -> Option<Predecessor<'a>> {
    let present = input.observed.present.get(address).map(|found| (&found.id, &found.body));
    let former = || input.observed.former.get(address).map(|orphan| (&orphan.id, &orphan.body));
    present.or_else(former).map(|(id, body)| Predecessor { id, body })
}

/// The address that whoever consented to the end of `orphan` may have called it by: the one that its mark says, as
/// long as nothing else goes under that name.
pub(super) fn was(
    input: &Input<'_>,
    decisions: &BTreeMap<Address, Decision>,
    orphan: &Orphan,
) -> Option<Address> {
    let replaced = |address: &Address| matches!(decisions.get(address), Some(Decision::Replace { .. }));
    let goes = |address: &Address| input.observed.orphans.iter().any(|other| other.address == *address);
    orphan.was.clone().filter(|was| !replaced(was) && !goes(was))
}

/// Whether `target` can only be made once `id` is gone: they are one id, or Azure allows their name once.
pub(super) fn shares_name(kind: Kind, id: &ResourceId, target: &Target) -> bool {
    let Target::Known(target) = target else { return false };
    let same_name = id.name().eq_ignore_ascii_case(target.name());
    match resources::of(kind).spec().name_scope {
        NameScope::Id => id == target,
        NameScope::Azure => same_name,
        NameScope::Region => same_name && id.subscription_id() == target.subscription_id(),
    }
}

/// Kept here so that the builder and the checker agree on it.
pub(in crate::reconcile) fn is_deletion(step: &Step) -> bool {
    match (step.action, step.part) {
        (Action::Delete, _) | (Action::Replace, Part::Removal) => true,
        (Action::Replace, Part::Creation | Part::Whole)
        | (
            Action::Create
            | Action::Update
            | Action::Adopt
            | Action::Recover
            | Action::Release
            | Action::Keep,
            _,
        ) => false,
    }
}
