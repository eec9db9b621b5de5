//! What has moved between a plan that somebody has read and the one that would be carried out now.
//!
//! Guarantee: when nothing is said, both do the same, step by step and request by request, for the same reasons,
//! with the same consents. What only tells people something (notes, what stays as it is) does not count.

use std::collections::BTreeMap;

use super::action::Action;
use super::step::{Plan, Step};

/// What differs between `reviewed` and `now`, one sentence for each thing; empty when nothing does. What `is_done` of
/// the reviewed plan, by a run that was finished since, has not moved.
#[must_use]
pub fn moved(reviewed: &Plan, now: &Plan, is_done: impl Fn(&Step) -> bool) -> Vec<String> {
    let mut all = Vec::new();
    if reviewed.commit != now.commit || reviewed.input_digest != now.input_digest {
        all.push("its definition is another one".to_owned());
    }
    let (before, after) = (by_key(reviewed), by_key(now));
    for (key, step) in &before {
        match after.get(key) {
            None if is_done(step) => {}
            None => all.push(format!("{} is not {} any more", step.address.local(), done(step.action))),
            Some(other) => all.extend(difference((reviewed, step), (now, other), &is_done)),
        }
    }
    for (_, step) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        all.push(format!("{} is {}, which was not planned", step.address.local(), done(step.action)));
    }
    let blockers = now.blockers.iter().filter(|blocker| !reviewed.blockers.contains(blocker));
    all.extend(blockers.map(|blocker| format!("something is in the way: {}", now.problem(blocker))));
    let gone = reviewed.blockers.iter().filter(|blocker| !now.blockers.contains(blocker));
    all.extend(gone.map(|blocker| format!("something is not in the way any more: {}", now.problem(blocker))));
    let in_force = |plan: &Plan| -> Vec<String> {
        plan.consents.iter().filter(|one| one.is_in_force()).map(|one| one.sentence()).collect()
    };
    let (had, has) = (in_force(reviewed), in_force(now));
    // What it allowed may be done.
    if !reviewed.steps.iter().any(|step| {
        is_done(step) && matches!(step.action, Action::Delete | Action::Replace | Action::Release)
    }) {
        all.extend(
            had.iter().filter(|one| !has.contains(one)).map(|one| format!("no longer in force: {one}")),
        );
    }
    all.extend(has.iter().filter(|one| !had.contains(one)).map(|one| format!("new: {one}")));
    all
}

/// The steps, each by what it is wherever it stands: its resource in Azure, what is done, which half.
fn by_key(plan: &Plan) -> BTreeMap<String, &Step> {
    plan.steps.iter().map(|step| (key(step), step)).collect()
}

fn key(step: &Step) -> String {
    let target = serde_json::to_string(&step.target).unwrap_or_default().to_lowercase();
    format!("{} {target} {:?} {:?}", step.address, step.action, step.part)
}

fn done(action: Action) -> &'static str {
    match action {
        Action::Create => "to be created",
        Action::Update => "to be changed",
        Action::Replace => "to be replaced",
        Action::Delete => "to be deleted",
        Action::Adopt => "to be adopted",
        Action::Recover => "to be recovered",
        Action::Release => "to be released",
        Action::Keep => "to stay",
    }
}

/// What differs in one step. Places in the plan do not count, only what comes before what.
fn difference(
    (reviewed, step): (&Plan, &Step),
    (now, other): (&Plan, &Step),
    is_done: &impl Fn(&Step) -> bool,
) -> Option<String> {
    let local = step.address.local();
    let fields: Vec<&str> = step
        .differences
        .iter()
        .filter(|one| !other.differences.contains(one))
        .chain(other.differences.iter().filter(|one| !step.differences.contains(one)))
        .map(|one| one.field.as_str())
        .collect();
    if let Some(field) = fields.first() {
        return Some(format!("{local} differs in another way than planned: {field}"));
    }
    if step.reasons != other.reasons {
        return Some(format!("{local} is {} for another reason", done(step.action)));
    }
    let waits = |plan: &Plan, step: &Step| -> Vec<String> {
        let mut waits: Vec<String> = step
            .after
            .iter()
            .filter_map(|ordinal| plan.step(*ordinal))
            .filter(|one| !is_done(one))
            .map(key)
            .collect();
        waits.sort();
        waits
    };
    if waits(reviewed, step) != waits(now, other) {
        return Some(format!("{local} comes in another order"));
    }
    (step.requests != other.requests || step.precondition != other.precondition)
        .then(|| format!("{local} is sent otherwise than planned"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::plan::{Blocker, Revision};

    /// The first plan of a small environment, as a story keeps it.
    fn plan() -> Plan {
        let kept = include_str!("../../../tests/it/snapshots/it__plan_text__small_json.snap");
        let (_, document) = kept.rsplit_once("---\n").unwrap();
        let plan: Plan = serde_json::from_str(document).unwrap();
        Plan { commit: Some(Revision("a".repeat(40))), ..plan }
    }

    #[test]
    fn the_same_plan_has_not_moved_whatever_else_was_observed() {
        let now =
            Plan { observed_digest: "another".to_owned(), kept: Vec::new(), notes: Vec::new(), ..plan() };
        assert_eq!(moved(&plan(), &now, |_| false), [""; 0]);
    }

    #[test]
    fn what_a_finished_run_has_done_has_not_moved() {
        let mut now = plan();
        let last = now.steps.pop().unwrap();
        assert_eq!(moved(&plan(), &now, |step| step.address == last.address), [""; 0]);
        assert_eq!(moved(&plan(), &now, |step| step.address == now.steps[0].address).len(), 1);
    }

    #[test]
    fn everything_that_would_be_done_otherwise_is_said() {
        let said = |change: fn(&mut Plan)| {
            let mut now = plan();
            change(&mut now);
            moved(&plan(), &now, |_| false).join("; ")
        };
        assert_eq!(said(|now| now.commit = None), "its definition is another one");
        let fewer = said(|now| drop(now.steps.pop()));
        assert!(fewer.ends_with("to be created any more"), "{fewer}");
        assert!(said(|now| now.steps[1].after.clear()).contains("in another order"));
        assert!(said(|now| now.steps[1].requests.clear()).contains("is sent otherwise than planned"));
        assert!(said(|now| now.steps[1].reasons.clear()).contains("for another reason"));
        let blocked = said(|now| {
            let (address, state) = (now.steps[0].address.clone(), "Updating".to_owned());
            now.blockers.push(Blocker::InProgress { address, state });
        });
        assert!(blocked.starts_with("something is in the way: "), "{blocked}");
    }
}
