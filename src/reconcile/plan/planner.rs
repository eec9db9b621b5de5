//! Desired + observed + consents → [`Plan`].
//!
//! In three passes: what must happen to each declared resource ([`Decision`]); which replacements
//! follow from replacements; and the steps with their requests. Order is added by `order`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::action::{Action, Blocker, CREATION_ONLY, Note, Reason};
use super::consent::{ConsentStanding, Consents};
use super::dangling::dangling;
use super::left_over;
use super::order;
use super::requests;
use super::step::{FORMAT, Part, Plan, Revision, Step};
use crate::definitions::{Environment, InputDigest, Location};
use crate::reconcile::Remembered;
use crate::reconcile::observe::{Foreign, Found, Observed, Orphan, SoftDeleted};
use crate::resources::id::ResourceId;
use crate::resources::{
    self, Address, Adoption, Change, Context, Difference, Effect, Kind, NameScope, Protection, Reference,
    Resource, Site, Target,
};

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
    planner.guard_replacements();
    planner.guard_names();
    planner.note_given();
    planner.note_rights_taken();
    planner.guard_orphans();
    planner.guard_references();
    planner.report_foreign();
    planner.report_dangling();
    planner.account_for_consents();
    planner.into_plan()
}

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

    fn decide_declared(&mut self) {
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
            let reason = Reason::SoftDeleted { scheduled_purge: deleted.scheduled_purge.clone() };
            return Decision::Make { action: Action::Recover, reasons: vec![reason] };
        }
        let recovery = if deleted.same_place { Recovery::ByAdoption } else { Recovery::Useless };
        self.block_held_name(resource, deleted, recovery);
        missing
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
                    "{} was there when the last apply ended, and is gone. Azure keeps the name of a deleted {} for \
                     about 14 days, and refuses this apply meanwhile: recover it (portal, \"Recently deleted\") or \
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
                self.blockers.push(Blocker::NotOurs {
                    address: resource.address.clone(),
                    id: found.id.clone(),
                    marked: found.mark.as_ref().map(ToString::to_string),
                });
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
    fn follow_replacements(&mut self) {
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

    fn replaced(&self) -> BTreeSet<Address> {
        let replaced =
            self.decisions.iter().filter(|(_, decision)| matches!(decision, Decision::Replace { .. }));
        replaced.map(|(address, _)| address.clone()).collect()
    }

    /// Resources whose replacement takes `resource` along.
    fn bound_to(&self, resource: &Resource) -> Vec<Address> {
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
    fn carry_inner_changes(&mut self) {
        let changed = self
            .decisions
            .iter()
            .filter(|(address, decision)| {
                resources::of(address.kind()).spec().is_inner() && !matches!(decision, Decision::Keep)
            })
            .map(|(address, _)| address.clone());
        let outer = |address: Address| Some((address.outer()?, address));
        let going = self.input.observed.going().filter(|going| resources::of(going.kind).spec().is_inner());
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

    fn guard_replacements(&mut self) {
        for address in self.replaced() {
            let Some(going) = predecessor(self.input, &address) else { continue };
            if let Some(former) = self.input.observed.former.get(&address) {
                self.require_empty_group(former);
            }
            let because = match self.decisions.get(&address) {
                Some(Decision::Replace { reasons, .. }) => reasons.first().map_or_else(String::new, sentence),
                Some(Decision::Keep | Decision::Make { .. } | Decision::Change { .. }) | None => {
                    String::new()
                }
            };
            self.require_consent(&address, (going.id, going.body), Action::Replace, because);
        }
    }

    /// Refuses to count on a name that stays taken when what has it is deleted: its own former self, another
    /// resource that is called otherwise now, or one that goes.
    fn guard_names(&mut self) {
        let replaced = self.replaced();
        let declared = &self.input.environment.resources;
        let replacements =
            replaced.iter().filter_map(|address| Some((address, predecessor(self.input, address)?)));
        let orphans = self.input.observed.orphans.iter();
        let orphans =
            orphans.map(|orphan| (&orphan.address, Predecessor { id: &orphan.id, body: &orphan.body }));
        let going: Vec<(&Address, Predecessor<'_>)> = replacements.chain(orphans).collect();
        let mut blockers = Vec::new();
        for resource in declared.values() {
            let address = &resource.address;
            match self.decisions.get(address) {
                Some(Decision::Make { .. } | Decision::Replace { .. }) => {}
                Some(Decision::Keep | Decision::Change { .. }) | None => continue,
            }
            let kind = resources::of(address.kind());
            let target = kind.target(resource, &self.context());
            let holders = going.iter().filter(|(holder, going)| {
                holder.kind() == address.kind() && shares_name(address.kind(), going.id, &target)
            });
            for (holder, going) in holders {
                // How an orphan is deleted no definition says.
                let freed = match declared.get(*holder) {
                    Some(holder) => kind.replaceable(holder, going.body),
                    None if kind.spec().behaviour.soft_deleted => Err(format!(
                        "{} has this name, and the name stays taken when that is deleted; choose another `name`",
                        going.id
                    )),
                    None => Ok(()),
                };
                blockers
                    .extend(freed.err().map(|why| Blocker::NameStaysTaken { address: address.clone(), why }));
            }
        }
        self.blockers.extend(blockers);
    }

    /// Says who loses which right: a grant that goes and is not made again with the same content.
    fn note_rights_taken(&mut self) {
        let orphans = self.input.observed.orphans.iter();
        let orphans = orphans.map(|orphan| (orphan.address.clone(), &orphan.body));
        let replaced = self.replaced();
        let former = replaced
            .iter()
            .filter_map(|address| Some((address.clone(), predecessor(self.input, address)?.body)));
        let told = |(address, body): (Address, &Value)| {
            let kind = resources::of(address.kind());
            let told = kind.told(body).filter(|_| kind.spec().behaviour.propagates)?;
            let follows = matches!(self.decisions.get(&address), Some(Decision::Replace { reasons, .. })
                if reasons.iter().all(|reason| matches!(reason, Reason::Follows { .. })));
            let message = format!("{address}: takes away {told}");
            (!follows).then(|| Note { code: "right-taken".to_owned(), address: Some(address), message })
        };
        let notes: Vec<Note> = former.chain(orphans).filter_map(told).collect();
        self.notes.extend(notes);
    }

    /// Says what stays because another environment declares it.
    fn note_given(&mut self) {
        for given in &self.input.observed.given {
            self.notes.push(Note {
                code: "handed-over".to_owned(),
                address: Some(given.address.clone()),
                message: format!(
                    "{} is declared by {} now, and stays: {}",
                    given.address, given.to, given.id
                ),
            });
        }
    }

    fn guard_orphans(&mut self) {
        for orphan in &self.input.observed.orphans {
            if let Some(path) = self.input.observed.perhaps_given.get(&orphan.id) {
                let (address, id) = (orphan.address.clone(), orphan.id.clone());
                self.blockers.push(Blocker::PerhapsDeclared { address, id, path: path.clone() });
            }
            let because = sentence(&Reason::Undeclared);
            self.require_consent(&orphan.address, (&orphan.id, &orphan.body), Action::Delete, because);
            self.require_empty_group(orphan);
        }
    }

    /// Refuses to delete what something that stays refers to.
    fn guard_references(&mut self) {
        let mut blockers = Vec::new();
        for (address, found) in &self.input.observed.present {
            let Some(resource) = self.input.environment.resources.get(address) else { continue };
            let desired = match self.decisions.get(address) {
                Some(Decision::Change { .. }) => {
                    resources::of(address.kind()).body(resource, &self.context())
                }
                Some(Decision::Keep) | None => found.body.clone(),
                Some(Decision::Make { .. } | Decision::Replace { .. }) => continue,
            };
            let outside = |going: &&Orphan| !going.id.is_within(&found.id) && !found.id.is_within(&going.id);
            for going in self.input.observed.going().filter(outside) {
                let left = left_over::references(&found.body, &desired, &going.id).into_iter().next();
                blockers.extend(left.map(|at| Blocker::StillReferenced {
                    address: going.address.clone(),
                    id: going.id.clone(),
                    by: address.clone(),
                    at,
                }));
            }
        }
        self.blockers.extend(blockers);
    }

    /// Refuses to take down what is protected by its kind, or is in use, without consent.
    fn require_consent(
        &mut self,
        address: &Address,
        (id, body): (&ResourceId, &Value),
        action: Action,
        because: String,
    ) {
        let kind = resources::of(address.kind());
        let in_use = kind.in_use(body);
        let protected = kind.spec().protection == Protection::Protected || in_use.is_some();
        let because = in_use.map_or_else(|| because.clone(), |use_| format!("{because}; {use_}"));
        if protected && !self.input.consents.allow(address, id) {
            let (address, id) = (address.clone(), Some(id.clone()));
            self.blockers.push(Blocker::NeedsConsent { address, action, because, id });
        }
    }

    fn require_empty_group(&mut self, group: &Orphan) {
        let Some(by_products) = resources::of(group.kind).spec().behaviour.empty_but_for else { return };
        let going: Vec<&ResourceId> = self.input.observed.going().map(|orphan| &orphan.id).collect();
        let foreign: Vec<ResourceId> = self
            .input
            .observed
            .group_contents
            .iter()
            .filter(|id| id.is_within(&group.id))
            .filter(|id| !going.iter().any(|gone| gone != &&group.id && id.is_within(gone)))
            .filter(|id| !by_products.contains(&id.arm_type().to_ascii_lowercase().as_str()))
            .take(MAX_NAMED)
            .cloned()
            .collect();
        if !foreign.is_empty() {
            self.blockers.push(Blocker::GroupNotEmpty { address: group.address.clone(), foreign });
        }
    }

    fn report_foreign(&mut self) {
        let foreign = &self.input.observed.foreign;
        let (copies, unmarked): (Vec<&Foreign>, Vec<&Foreign>) = foreign.iter().partition(|one| one.is_copy);
        let mut note = |code: &str, of: &[&Foreign], told: &dyn Fn(&str) -> String| {
            if of.is_empty() {
                return;
            }
            let mut named: Vec<&str> = of.iter().take(MAX_NAMED).map(|one| one.told.as_str()).collect();
            let more = format!("{} more", of.len().saturating_sub(MAX_NAMED));
            if of.len() > MAX_NAMED {
                named.push(&more);
            }
            self.notes.push(Note { code: code.to_owned(), address: None, message: told(&named.join(", ")) });
        };
        note("not-ours", &unmarked, &|named| format!("in the group without our mark, left alone: {named}"));
        note("copied-mark", &copies, &|named| {
            format!(
                "with our mark, but not written for it (tags were copied, or an earlier version wrote it and the \
                 journal does not know it), left alone: {named}. Delete it by hand if nobody needs it, or declare it \
                 with `adopt: true`"
            )
        });
    }

    /// What keeps pointing at what is gone, or goes with this plan, is said; refusing it is another matter.
    fn report_dangling(&mut self) {
        let body = |address| {
            let resource = self.input.environment.resources.get(address)?;
            Some(resources::of(resource.address.kind()).body(resource, &self.context()))
        };
        let stays: Vec<(&Address, Option<Value>)> = self
            .decisions
            .iter()
            .filter_map(|(address, decision)| match decision {
                Decision::Keep => Some((address, None)),
                Decision::Change { .. } => Some((address, body(address))),
                Decision::Make { .. } | Decision::Replace { .. } => None,
            })
            .collect();
        self.notes.extend(dangling(self.input.observed, &self.input.site.group_id(), &stays));
    }

    /// Says of every consent line what has become of it.
    fn account_for_consents(&mut self) {
        let observed = self.input.observed;
        let orphans = observed.going().map(|orphan| (orphan.address.clone(), orphan.id.clone()));
        let replaced = self.replaced();
        let present = replaced.iter().filter_map(|address| {
            let found = observed.present.get(address)?;
            Some((address.clone(), found.id.clone()))
        });
        let destroyed: Vec<(Address, ResourceId)> = orphans.chain(present).collect();
        let declared = self.input.environment.resources.keys();
        let others: Vec<Address> = declared.filter(|address| !replaced.contains(*address)).cloned().collect();
        let environment = &self.input.site.mark.environment;
        self.consents = self.input.consents.standings(environment, &destroyed, &others);
        self.notes.extend(self.consents.iter().filter_map(|one| {
            Some(Note { code: one.code()?.to_owned(), address: None, message: one.sentence() })
        }));
    }

    /// Advice that what was read makes pointless: its code and its place.
    fn dispelled(&self) -> Vec<(String, Location)> {
        let environment = self.input.environment;
        let there = |id: &ResourceId| self.input.observed.foreign.iter().any(|foreign| foreign.id == *id);
        let all = environment.resources.values().filter_map(|resource| {
            let one = resources::of(resource.address.kind()).dispelled(resource, &self.context())?;
            let place = environment.locate(&resource.address, one.field);
            there(&one.by).then(|| (one.code.to_owned(), place))
        });
        all.collect()
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
        Plan {
            format: FORMAT,
            environment: self.input.site.mark.environment.clone(),
            commit: self.input.commit.cloned(),
            input_digest: self.input.input_digest.cloned(),
            observed_digest: self.input.observed.digest(),
            kept: kept.map(|(address, _)| address.clone()).collect(),
            notes: advice.chain(self.notes).collect(),
            blockers: self.blockers,
            consents: self.consents,
            steps,
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

/// A reason as a sentence for people.
pub(super) fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::Missing => "it does not exist yet".to_owned(),
        Reason::Differs { fields } => format!("{} differ", fields.join(", ")),
        Reason::Immutable { field, why } => format!("{field} cannot change: {why}"),
        Reason::Undeclared => "the definition does not declare it any more".to_owned(),
        Reason::Follows { address } => format!("{address} is replaced"),
        Reason::Renamed { from, to } => renamed(from, to.as_ref()),
        Reason::Inner { address } => format!("{address} is written through it"),
        Reason::AdoptionRequested => "adopt: true".to_owned(),
        Reason::SoftDeleted { .. } => "a soft-deleted one holds its name and is recovered".to_owned(),
        Reason::ProvisioningFailed { state } => format!("its last write ended {state}"),
        Reason::HandedOver { from } => format!("{from} hands it over"),
    }
}

/// What became another: the name; else the nearest thing around it that did.
fn renamed(from: &ResourceId, to: Option<&ResourceId>) -> String {
    let Some(to) = to else { return format!("in place of {}", from.name()) };
    if from.arm_type().eq_ignore_ascii_case("Microsoft.Authorization/roleAssignments") {
        return "its scope, role or principal is another".to_owned();
    }
    if from.name() != to.name() {
        return format!("renamed: {} → {}", from.name(), to.name());
    }
    let outer = |id: &ResourceId| std::iter::successors(id.parent(), ResourceId::parent).collect::<Vec<_>>();
    let (was, is) = (outer(from), outer(to));
    let moved = was.iter().zip(&is).find(|(was, is)| !was.name().eq_ignore_ascii_case(is.name()));
    match moved {
        Some((was, is)) => format!("moved: {} → {}", was.name(), is.name()),
        None => format!("moved: {from} → {to}"),
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

/// What a resource is made with, for people.
pub(super) fn creation_differences(resource: &Resource) -> Vec<Difference> {
    let mut differences = Vec::new();
    if resource.name != resource.address.name() || resource.address.kind().is_single() {
        differences.push(made_with("name".to_owned(), Value::from(resource.name.clone())));
    }
    flatten("", &Value::Object(resource.fields.clone()), &mut differences);
    differences
}

fn flatten(prefix: &str, value: &Value, into: &mut Vec<Difference>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&path, value, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            into.push(made_with(prefix.to_owned(), value.clone()));
        }
    }
}

fn made_with(field: String, after: Value) -> Difference {
    Difference { field, before: Value::Null, after, effect: Effect::InPlace }
}

/// Kept here so that the builder and the checker agree on it.
pub(in crate::reconcile) fn is_deletion(step: &Step) -> bool {
    match (step.action, step.part) {
        (Action::Delete, _) | (Action::Replace, Part::Removal) => true,
        (Action::Replace, Part::Creation | Part::Whole)
        | (Action::Create | Action::Update | Action::Adopt | Action::Recover | Action::Keep, _) => false,
    }
}
