//! What a plan says beside its steps: rights that it takes, what it hands over, what it leaves alone, what became of
//! each consent.

use serde_json::Value;

use super::{Decision, MAX_NAMED, Planner, predecessor, was};
use crate::definitions::Location;
use crate::reconcile::observe::Foreign;
use crate::reconcile::plan::action::{Note, Reason};
use crate::reconcile::plan::consent::{Doom, Doomed, Going, told};
use crate::reconcile::plan::dangling::dangling;
use crate::resources::id::ResourceId;
use crate::resources::{self, Address};

impl Planner<'_> {
    /// Says who loses which right: a grant that goes and is not made again with the same content.
    pub(super) fn note_rights_taken(&mut self) {
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
    pub(super) fn note_given(&mut self) {
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

    /// Says what is given up, where it is, and who goes on paying for it.
    pub(super) fn note_released(&mut self) {
        for released in &self.input.observed.released {
            let kind = resources::of(released.kind);
            let what = kind.told(&released.body).map(|told| format!(" ({told})"));
            let payer = released.id.subscription_id().filter(|_| !kind.spec().is_known_by_content());
            let paid = payer.map(|id| format!("; what it costs goes on being paid by the subscription {id}"));
            let message = format!(
                "{} is released, and stays: {}{}. beamline does not change or delete it any more{}. To take it back, declare \
                 it with `adopt: true`",
                released.address,
                released.id,
                what.unwrap_or_default(),
                paid.unwrap_or_default()
            );
            let address = Some(released.address.clone());
            self.notes.push(Note { code: "released".to_owned(), address, message });
        }
    }

    pub(super) fn report_foreign(&mut self) {
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
    pub(super) fn report_dangling(&mut self) {
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
    pub(super) fn account_for_consents(&mut self) {
        let observed = self.input.observed;
        let replaced = self.replaced();
        let orphans = observed.going().map(|orphan| Going {
            address: orphan.address.clone(),
            was: was(self.input, &self.decisions, orphan),
            id: orphan.id.clone(),
        });
        let doom = |going: Going| match replaced.contains(&going.address) {
            true => Doomed { going, doom: Doom::Replaced },
            false => Doomed { going, doom: Doom::Deleted },
        };
        let present = replaced.iter().filter_map(|address| {
            let found = observed.present.get(address)?;
            Some(Going { address: address.clone(), was: None, id: found.id.clone() })
        });
        let released = observed.released.iter().map(|one| Doomed {
            going: Going { address: one.address.clone(), was: None, id: one.id.clone() },
            doom: Doom::Released,
        });
        let doomed: Vec<Doomed> = orphans.chain(present).map(doom).chain(released).collect();
        let declared = self.input.environment.resources.keys();
        let others: Vec<Address> = declared.filter(|address| !replaced.contains(*address)).cloned().collect();
        let environment = &self.input.site.mark.environment;
        self.consents = self.input.consents.standings(environment, &doomed, &others);
        let told = told(&self.consents);
        let each = told.lines.iter().filter_map(|one| Some((one.code()?, one.sentence())));
        let rest = told.rest().map(|rest| ("consent-more", rest));
        let notes =
            each.chain(rest).map(|(code, message)| Note { code: code.to_owned(), address: None, message });
        self.notes.extend(notes);
    }

    /// Advice that what was read makes pointless: its code and its place.
    pub(super) fn dispelled(&self) -> Vec<(String, Location)> {
        let environment = self.input.environment;
        let there = |id: &ResourceId| self.input.observed.foreign.iter().any(|foreign| foreign.id == *id);
        let all = environment.resources.values().filter_map(|resource| {
            let one = resources::of(resource.address.kind()).dispelled(resource, &self.context())?;
            let place = environment.locate(&resource.address, one.field);
            there(&one.by).then(|| (one.code.to_owned(), place))
        });
        all.collect()
    }
}
