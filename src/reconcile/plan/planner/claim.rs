//! What is claimed in the tags of something declared, and what is claimed no longer.

use serde_json::Value;

use super::{Decision, Planner};
use crate::reconcile::observe::Found;
use crate::reconcile::plan::action::{Action, Blocker, Reason};
use crate::resources::claims::{self, Claim, FIELD_PREFIX};
use crate::resources::{Adoption, Difference, Effect, Resource, Update};

impl Planner<'_> {
    /// A claim that is missing comes with a write of its own where something is taken over now. Where that was done by
    /// an earlier version, which wrote none, it comes with the next write.
    pub(super) fn carry_claims(&mut self) {
        let environment = self.input.environment;
        for claimant in environment.resources.values().filter(|one| claims::can_claim(one.address.kind())) {
            let Some(found) = self.input.observed.present.get(&claimant.address) else { continue };
            let changes = match self.decisions.get(&claimant.address) {
                Some(Decision::Keep) if claimant.is_managed() => self.claim_changes(claimant, found),
                Some(Decision::Change { .. }) => self.claim_changes(claimant, found),
                Some(Decision::Keep | Decision::Make { .. } | Decision::Replace { .. }) | None => continue,
            };
            self.refuse_too_many(claimant, found, &changes);
            if changes.is_empty() {
                continue;
            }
            match self.decisions.get_mut(&claimant.address) {
                Some(Decision::Change { differences, .. }) => differences.extend(changes),
                Some(decision @ Decision::Keep) => {
                    let fields = changes.iter().map(|change| change.field.clone()).collect();
                    *decision = Decision::Change {
                        action: Action::Update,
                        reasons: vec![Reason::Differs { fields }],
                        differences: changes,
                    };
                }
                Some(Decision::Make { .. } | Decision::Replace { .. }) | None => {}
            }
        }
    }

    fn claim_changes(&self, claimant: &Resource, found: &Found) -> Vec<Difference> {
        let context = self.context();
        let there = claims::on(&found.body).map(|(_, claims)| claims).unwrap_or_default();
        let wanted = claims::wanted(claimant, &context);
        let observed = self.input.observed;
        let is_taken_over = |claim: &&Claim| {
            let resource =
                self.input.environment.resources.values().find(|one| one.address.local() == claim.local);
            let found = resource.and_then(|resource| observed.present.get(&resource.address));
            let ours = found.is_some_and(|found| found.mark.is_some());
            let asked = resource.is_some_and(|resource| resource.adoption == Adoption::Requested);
            (ours || asked)
                && !self.input.remembered.manages(&claim.id)
                && !there.iter().any(|known| known.id == claim.id)
        };
        let is_over = |claim: &&Claim| {
            let declared = self
                .input
                .environment
                .resources
                .keys()
                .any(|address| context.id_of(address).as_ref() == Some(&claim.id));
            let going = observed.going().chain(&observed.released).any(|orphan| orphan.id == claim.id);
            !declared && (going || !observed.sees(&claim.id))
        };
        let change = |claim: &Claim, before: Value, after: Value| Difference {
            field: format!("{FIELD_PREFIX}{}", claim.local),
            before,
            after,
            effect: Effect::InPlace,
        };
        let name = |claim: &Claim| Value::from(claim.id.name());
        let new = wanted.iter().filter(is_taken_over).map(|claim| change(claim, Value::Null, name(claim)));
        let over = there.iter().filter(is_over).map(|claim| change(claim, name(claim), Value::Null));
        new.chain(over).collect()
    }

    fn refuse_too_many(&mut self, claimant: &Resource, found: &Found, changes: &[Difference]) {
        let update = Update { resource: claimant, observed: &found.body, differences: changes, inner: &[] };
        let why = claims::surplus(update, &self.context());
        self.blockers.extend(why.map(|why| Blocker::Impossible {
            address: claimant.address.clone(),
            field: Some("claims".to_owned()),
            why,
        }));
    }
}
