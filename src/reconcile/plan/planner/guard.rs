//! What must not happen: what is protected goes only with consent, nothing that stays points at what goes, and no
//! name is given up that cannot be had again.

use serde_json::Value;

use super::{Decision, MAX_NAMED, Planner, Predecessor, predecessor, shares_name, was};
use crate::reconcile::observe::Orphan;
use crate::reconcile::plan::action::{Action, Blocker, Reason};
use crate::reconcile::plan::consent::{ConsentVerb, Going, trailer};
use crate::reconcile::plan::left_over;
use crate::reconcile::plan::wording::sentence;
use crate::resources::id::ResourceId;
use crate::resources::{self, Address, Protection};

impl Planner<'_> {
    pub(super) fn guard_replacements(&mut self) {
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
            let going_id = Going { address: address.clone(), was: None, id: going.id.clone() };
            self.require_consent(going_id, going.body, Action::Replace, because);
        }
    }

    /// Refuses to count on a name that stays taken when what has it is deleted: its own former self, another
    /// resource that is called otherwise now, or one that goes.
    pub(super) fn guard_names(&mut self) {
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
            let kept = self
                .input
                .observed
                .released
                .iter()
                .find(|one| one.kind == address.kind() && shares_name(address.kind(), &one.id, &target));
            blockers.extend(kept.map(|one| Blocker::NameStaysTaken {
                address: address.clone(),
                why: format!(
                    "{} has this name, and keeps it when it is released; choose another `name`",
                    one.id
                ),
            }));
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

    pub(super) fn guard_orphans(&mut self) {
        for orphan in &self.input.observed.orphans {
            if let Some(path) = self.input.observed.perhaps_given.get(&orphan.id) {
                let (address, id) = (orphan.address.clone(), orphan.id.clone());
                self.blockers.push(Blocker::PerhapsDeclared { address, id, path: path.clone() });
            }
            let because = sentence(&Reason::Undeclared);
            let was = was(self.input, &self.decisions, orphan);
            let going = Going { address: orphan.address.clone(), was, id: orphan.id.clone() };
            self.require_consent(going, &orphan.body, Action::Delete, because);
            self.require_empty_group(orphan);
        }
    }

    /// Refuses to release what would not stay as it is: its mark cannot be taken off, or what it lies in or refers to is
    /// deleted.
    pub(super) fn guard_released(&mut self) {
        let replaced = self.replaced();
        let replaced = replaced
            .iter()
            .filter_map(|address| Some((address.clone(), predecessor(self.input, address)?.id.clone())));
        let orphans = self.input.observed.orphans.iter();
        let going: Vec<(Address, ResourceId)> =
            replaced.chain(orphans.map(|orphan| (orphan.address.clone(), orphan.id.clone()))).collect();
        let mut blockers = Vec::new();
        let mut refuse = |address: &Address, why: String| {
            blockers.push(Blocker::Impossible { address: address.clone(), field: None, why });
        };
        for released in &self.input.observed.released {
            if let Err(why) = resources::of(released.kind).release(&released.body) {
                refuse(&released.address, format!("it cannot be released: {why}"));
            }
            for (address, id) in &going {
                let instead = format!(
                    "Release {address} too ({}), or consent to the end of both",
                    trailer(ConsentVerb::Release, address)
                );
                if released.id.is_within(id) {
                    refuse(
                        address,
                        format!(
                            "it is not deleted: {}, which is released, lies in it and would go with it. {instead}",
                            released.address
                        ),
                    );
                } else if !id.is_within(&released.id)
                    && let Some(at) = left_over::references(&released.body, &released.body, id).first()
                {
                    let field = at.rsplit('/').find(|part| *part != "id").unwrap_or(at);
                    refuse(
                        address,
                        format!(
                            "it is not deleted: {}, which is released, refers to it in {field}, and would be left \
                             pointing at nothing. {instead}",
                            released.address
                        ),
                    );
                }
            }
        }
        self.blockers.extend(blockers);
    }

    /// Refuses to delete what something that stays refers to.
    pub(super) fn guard_references(&mut self) {
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

    /// Refuses to take down what is protected by its kind, was adopted, or is in use, without consent.
    fn require_consent(&mut self, going: Going, body: &Value, action: Action, because: String) {
        let kind = resources::of(going.address.kind());
        let in_use = kind.in_use(body);
        let adopted = kind.is_adopted(body).then(|| "it was adopted, and not made by us".to_owned());
        let by_itself = kind.spec().protection == Protection::Protected;
        let protected = by_itself || in_use.is_some() || adopted.is_some();
        let because = [Some(because), adopted, in_use].into_iter().flatten().collect::<Vec<_>>().join("; ");
        if protected && !self.input.consents.allow(&going) {
            let (address, id) = (going.address, Some(going.id));
            let releasable = action == Action::Delete && kind.release(body).is_ok();
            self.blockers.push(Blocker::NeedsConsent { address, action, because, id, releasable });
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
            // What is released says so itself.
            .filter(|id| !self.input.observed.released.iter().any(|one| id.is_within(&one.id)))
            .filter(|id| !by_products.contains(&id.arm_type().to_ascii_lowercase().as_str()))
            .take(MAX_NAMED)
            .cloned()
            .collect();
        if !foreign.is_empty() {
            self.blockers.push(Blocker::GroupNotEmpty { address: group.address.clone(), foreign });
        }
    }
}
