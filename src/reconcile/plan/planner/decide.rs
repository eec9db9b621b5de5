//! What must happen to each declared resource, and what follows from that for others.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Decision, Planner};
use crate::reconcile::observe::{Found, SoftDeleted};
use crate::reconcile::plan::action::{Action, Blocker, CREATION_ONLY, Note, Reason};
use crate::reconcile::plan::order;
use crate::resources::{self, Address, Adoption, Change, Difference, Effect, Reference, Resource, Target};

impl Planner<'_> {
    pub(super) fn decide_declared(&mut self) {
        for resource in self.input.environment.resources.values() {
            let found = self.input.observed.present.get(&resource.address);
            let decision = if self.is_only_read(resource) {
                if found.is_none() {
                    self.block_missing(resource);
                }
                Some(Decision::Keep)
            } else {
                match found {
                    None => Some(self.decide_absent(resource)),
                    Some(found) => self.decide_present(resource, found),
                }
            };
            self.decisions.insert(resource.address.clone(), decision.unwrap_or(Decision::Keep));
        }
    }

    /// `existing: true`, or written inside a resource that is.
    fn is_only_read(&self, resource: &Resource) -> bool {
        let outer = resource.address.outer().and_then(|outer| self.input.environment.resources.get(&outer));
        !resource.is_managed() || outer.is_some_and(|outer| !outer.is_managed())
    }

    fn block_missing(&mut self, resource: &Resource) {
        let address = resource.address.clone();
        if let Target::Known(id) = resources::of(address.kind()).target(resource, &self.context()) {
            self.blockers.push(Blocker::ExistingMissing { address, id });
        }
    }

    fn decide_absent(&mut self, resource: &Resource) -> Decision {
        if let Some(former) = self.input.observed.former.get(&resource.address) {
            let to = match resources::of(former.kind).target(resource, &self.context()) {
                Target::Known(id) => Some(id),
                Target::RoleAssignment { .. } => None,
            };
            let reasons = vec![Reason::Renamed { from: former.id.clone(), to }];
            if let Some(deleted) = self.input.observed.soft_deleted.get(&resource.address) {
                self.block_held_name(resource, deleted, Recovery::Useless);
            }
            return Decision::Replace { reasons, differences: Vec::new() };
        }
        let missing = Decision::Make { action: Action::Create, reasons: vec![Reason::Missing] };
        if let Some(id) = self.input.observed.moved.get(&resource.address)
            && let Target::Known(declared) =
                resources::of(resource.address.kind()).target(resource, &self.context())
        {
            let (address, id) = (resource.address.clone(), id.clone());
            self.blockers.push(Blocker::MovedByHand { address, id, declared });
            return missing;
        }
        self.suspect_a_held_name(resource);
        if let Some(why) = self.input.observed.unasked.get(&resource.address) {
            let message = format!(
                "{}: whether something deleted still holds the name {} could not be asked; if so, Azure refuses it: {why}",
                resource.address, resource.name
            );
            let (code, address) = ("not-verified".to_owned(), Some(resource.address.clone()));
            self.notes.push(Note { code, address, message });
        }
        let Some(deleted) = self.input.observed.soft_deleted.get(&resource.address) else { return missing };
        let ours = deleted.mark.as_ref().is_some_and(|mark| self.input.site.owns(mark));
        let wanted = ours || resource.adoption == Adoption::Requested;
        if deleted.same_place && wanted {
            self.block_kept_fields(resource, deleted);
            let reason = Reason::SoftDeleted { scheduled_purge: deleted.scheduled_purge.clone() };
            return Decision::Make { action: Action::Recover, reasons: vec![reason] };
        }
        let recovery = if deleted.same_place { Recovery::ByAdoption } else { Recovery::Useless };
        self.block_held_name(resource, deleted, recovery);
        missing
    }

    /// What is recovered comes back as it was: what cannot be changed then has to be declared so.
    fn block_kept_fields(&mut self, resource: &Resource, deleted: &SoftDeleted) {
        for (field, kept) in &deleted.keeps {
            let is_unlike = resource.field(field).is_some_and(|declared| declared != kept);
            if is_unlike && resource.written.contains(*field) {
                self.blockers.push(Blocker::Impossible {
                    address: resource.address.clone(),
                    field: Some((*field).to_owned()),
                    why: format!(
                        "the deleted one holds the name {} and comes back with {kept}, which cannot be changed: write {kept}, or \
                         choose another `name`",
                        resource.name
                    ),
                });
            }
        }
    }

    /// Of some types nobody can ask which deleted ones there are. One that was there after the last complete apply and
    /// is not any more was deleted by somebody, and may still hold its name.
    fn suspect_a_held_name(&mut self, resource: &Resource) {
        let kind = resources::of(resource.address.kind());
        let Target::Known(id) = kind.target(resource, &self.context()) else { return };
        if kind.spec().behaviour.unseen_when_deleted && self.input.remembered.was_applied(&id) {
            self.notes.push(Note {
                code: "perhaps-soft-deleted".to_owned(),
                address: Some(resource.address.clone()),
                message: format!(
                    "{} was there when the last apply ended that this journal knows, and is gone. If somebody deleted \
                     it less than 14 days ago, Azure still keeps its name, and refuses another {} of it: recover it (portal, \"Recently deleted\") or \
                     delete it there for good, or choose another `name`",
                    resource.address,
                    kind.spec().noun,
                ),
            });
        }
    }

    fn block_held_name(&mut self, resource: &Resource, deleted: &SoftDeleted, recovery: Recovery) {
        // What is protected from being purged cannot be, and what lay elsewhere comes back there only.
        let remedy = match (deleted.stays, recovery) {
            (false, Recovery::ByAdoption) => {
                "Purge it, choose another name, or write `adopt: true` to recover it"
            }
            (false, Recovery::Useless) => "Purge it, or choose another name",
            (true, Recovery::ByAdoption) => {
                "It is protected from being purged: choose another name, or write `adopt: true` to recover it"
            }
            (true, Recovery::Useless) => "It is protected from being purged: choose another name",
        };
        let until = deleted.scheduled_purge.as_deref().unwrap_or("its retention has passed");
        self.blockers.push(Blocker::NameStaysTaken {
            address: resource.address.clone(),
            why: format!(
                "a soft-deleted {} holds the name {} until {until}. {remedy}",
                resources::of(resource.address.kind()).spec().arm_type,
                resource.name,
            ),
        });
    }

    fn decide_present(&mut self, resource: &Resource, found: &Found) -> Option<Decision> {
        let spec = resources::of(resource.address.kind()).spec();
        let adopting = match &found.mark {
            Some(mark) if self.input.site.owns(mark) => false,
            Some(_) if self.input.observed.taken.contains_key(&resource.address) => false,
            None if resource.adoption == Adoption::Requested => true,
            // An element is adopted with what it is an element of.
            None if spec.is_inner() && self.adopts_outer_of(resource) => true,
            // A role assignment is its scope, role and principal: one that the service or somebody else
            // has made grants what is declared, and stays theirs (`facts.md` 6 and 8). That the service
            // makes some is known, and not worth a note in every plan.
            None if self.input.observed.is_made_by_service(resource.address.kind(), &found.body) => {
                return None;
            }
            Some(_) | None if spec.is_known_by_content() => {
                self.notes.push(Note {
                    code: "granted-already".to_owned(),
                    address: Some(resource.address.clone()),
                    message: format!(
                        "{} is granted already by {}, which is not ours",
                        resource.address, found.id
                    ),
                });
                return None;
            }
            Some(_) | None => {
                self.refuse_foreign(resource, found);
                return None;
            }
        };
        let kind = resources::of(resource.address.kind());
        let all = kind.differences(resource, &found.body, &self.context());
        let differences = self.sort_effects(resource, all)?;
        // What Azure still works on is not yet as declared, whatever it looks like.
        if let Some(state) = busy_state(&found.body) {
            let address = resource.address.clone();
            self.blockers.push(Blocker::InProgress { address, state: state.to_owned() });
            return None;
        }
        let mut decision = decide_by_differences(found, differences, adopting);
        if let Some(taken) = self.input.observed.taken.get(&resource.address)
            && let Decision::Change { reasons, .. } | Decision::Replace { reasons, .. } = &mut decision
        {
            reasons.push(Reason::HandedOver { from: taken.from.clone() });
        }
        Some(decision)
    }

    /// Refuses what is there and not ours. What bears the mark of an unknown environment is told in one sentence: one
    /// line in the file settles all of it.
    fn refuse_foreign(&mut self, resource: &Resource, found: &Found) {
        let (address, id) = (resource.address.clone(), found.id.clone());
        let is_of_another_owner = |owner: &&String| **owner != self.input.site.mark.owner;
        let owner = found.mark.as_ref().map(|mark| &mark.owner).filter(is_of_another_owner);
        let unknown = found.mark.as_ref().map(|mark| &mark.environment).filter(|_| owner.is_none());
        let Some(from) = unknown.filter(|from| self.input.observed.unknown.contains(from)) else {
            let marked = found.mark.as_ref().map(ToString::to_string);
            self.blockers.push(Blocker::NotOurs { address, id, marked, owner: owner.cloned() });
            return;
        };
        for blocker in &mut self.blockers {
            if let Blocker::PerhapsRenamed { from: said, more, .. } = blocker
                && said == from
            {
                *more += 1;
                return;
            }
        }
        self.blockers.push(Blocker::PerhapsRenamed { address, id, from: from.clone(), more: 0 });
    }

    fn adopts_outer_of(&self, resource: &Resource) -> bool {
        let outer = resource.address.outer().and_then(|outer| self.input.environment.resources.get(&outer));
        outer.is_some_and(|outer| outer.adoption == Adoption::Requested)
    }

    /// Takes notes out of the differences; `None` when one of them is impossible.
    fn sort_effects(&mut self, resource: &Resource, all: Vec<Difference>) -> Option<Vec<Difference>> {
        let mut kept = Vec::new();
        let mut possible = true;
        for difference in all {
            match &difference.effect {
                Effect::InPlace | Effect::Replace(_) => kept.push(difference),
                Effect::Note(why) => self.notes.push(Note {
                    code: CREATION_ONLY.to_owned(),
                    address: Some(resource.address.clone()),
                    message: format!("{}: {}: {why}", resource.address, difference.field),
                }),
                Effect::Impossible(why) => {
                    possible = false;
                    self.blockers.push(Blocker::Impossible {
                        address: resource.address.clone(),
                        field: Some(difference.field.clone()),
                        why: why.clone(),
                    });
                }
            }
        }
        possible.then_some(kept)
    }

    /// What lies in a replaced resource, is bound to its identity, or cannot outlive it, is replaced
    /// with it.
    pub(super) fn follow_replacements(&mut self) {
        loop {
            let replaced = self.replaced();
            let following: Vec<(Address, Address)> = self
                .input
                .environment
                .resources
                .values()
                .filter(|resource| !replaced.contains(&resource.address) && !self.is_only_read(resource))
                .filter(|resource| self.input.observed.present.contains_key(&resource.address))
                .filter_map(|resource| {
                    // What follows is taken down with its leader.
                    let leader =
                        self.bound_to(resource).into_iter().find(|address| replaced.contains(address))?;
                    Some((resource.address.clone(), leader))
                })
                .collect();
            if following.is_empty() {
                return;
            }
            for (address, leader) in following {
                let differences = match self.decisions.remove(&address) {
                    Some(Decision::Change { differences, .. }) => differences,
                    Some(Decision::Keep | Decision::Make { .. } | Decision::Replace { .. }) | None => {
                        Vec::new()
                    }
                };
                let reasons = vec![Reason::Follows { address: leader }];
                self.decisions.insert(address, Decision::Replace { reasons, differences });
            }
        }
    }

    pub(super) fn replaced(&self) -> BTreeSet<Address> {
        let replaced =
            self.decisions.iter().filter(|(_, decision)| matches!(decision, Decision::Replace { .. }));
        replaced.map(|(address, _)| address.clone()).collect()
    }

    /// Resources whose replacement takes `resource` along.
    pub(super) fn bound_to(&self, resource: &Resource) -> Vec<Address> {
        let spec = resources::of(resource.address.kind()).spec();
        let parent = order::parent_of(resource, &self.input.environment.resources);
        let bound = resource.references.iter().filter_map(|(path, reference)| {
            let Reference::Local(address) = reference else { return None };
            let field = spec.fields.iter().find(|field| field.name == path)?;
            // What is known by its content is another one with other content.
            let binds = matches!(field.change, Change::Replace(_)) || spec.is_known_by_content();
            binds.then(|| address.clone())
        });
        parent.into_iter().chain(bound).collect()
    }

    /// An element is written through what it is an element of: a change of one is an update of the other.
    pub(super) fn carry_inner_changes(&mut self) {
        let changed = self
            .decisions
            .iter()
            .filter(|(address, decision)| {
                resources::of(address.kind()).spec().is_inner() && !matches!(decision, Decision::Keep)
            })
            .map(|(address, _)| address.clone());
        let outer = |address: Address| Some((address.outer()?, address));
        let observed = self.input.observed;
        let going = observed.going().chain(&observed.released);
        let going = going.filter(|going| resources::of(going.kind).spec().is_inner());
        let going = going.filter_map(|element| {
            let mut present = self.input.observed.present.iter();
            let (outer, _) = present.find(|(_, found)| element.id.parent().as_ref() == Some(&found.id))?;
            Some((outer.clone(), element.address.clone()))
        });
        let inner: BTreeSet<(Address, Address)> = changed.filter_map(outer).chain(going).collect();
        for (outer, address) in inner {
            let reason = Reason::Inner { address };
            match self.decisions.get_mut(&outer) {
                Some(Decision::Change { reasons, .. }) => reasons.push(reason),
                Some(decision @ Decision::Keep) => {
                    let reasons = vec![reason];
                    *decision = Decision::Change { action: Action::Update, reasons, differences: Vec::new() };
                }
                Some(Decision::Make { .. } | Decision::Replace { .. }) | None => {}
            }
        }
    }
}

/// Whether a deleted resource can come back as the declared one.
#[derive(Clone, Copy)]
enum Recovery {
    /// With `adopt: true`.
    ByAdoption,
    /// It would be another one.
    Useless,
}

fn decide_by_differences(found: &Found, differences: Vec<Difference>, adopting: bool) -> Decision {
    let replacing = differences.iter().find_map(|difference| match &difference.effect {
        Effect::Replace(why) => Some(Reason::Immutable { field: difference.field.clone(), why: why.clone() }),
        Effect::InPlace | Effect::Note(_) | Effect::Impossible(_) => None,
    });
    if let Some(reason) = replacing {
        return Decision::Replace { reasons: vec![reason], differences };
    }
    let fields = differences.iter().map(|difference| difference.field.clone()).collect();
    // Where no mark can be written (compute instances), `adopt: true` in the file is the record.
    if adopting && !differences.is_empty() {
        return Decision::Change {
            action: Action::Adopt,
            reasons: vec![Reason::AdoptionRequested],
            differences,
        };
    }
    match (failed_state(&found.body), differences.is_empty()) {
        (Some(state), _) => {
            let reasons = vec![Reason::ProvisioningFailed { state: state.to_owned() }];
            Decision::Change { action: Action::Update, reasons, differences }
        }
        (None, true) => Decision::Keep,
        (None, false) => Decision::Change {
            action: Action::Update,
            reasons: vec![Reason::Differs { fields }],
            differences,
        },
    }
}

/// Azure's record of the last write, where that is a failure.
fn failed_state(body: &Value) -> Option<&str> {
    provisioning_state(body).filter(|state| {
        ["Failed", "Canceled", "Cancelled"].iter().any(|failed| state.eq_ignore_ascii_case(failed))
    })
}

/// The provisioning state, where Azure is still working on the resource.
fn busy_state(body: &Value) -> Option<&str> {
    let ended = |state: &&str| state.eq_ignore_ascii_case("Succeeded") || failed_state(body).is_some();
    provisioning_state(body).filter(|state| !ended(state))
}

fn provisioning_state(body: &Value) -> Option<&str> {
    body.pointer("/properties/provisioningState")?.as_str().filter(|state| !state.is_empty())
}
