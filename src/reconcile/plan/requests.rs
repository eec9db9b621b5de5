//! Decisions → steps with their requests, still without order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::action::{Action, Reason};
use super::planner::{Decision, Input, Predecessor, predecessor, was};
use super::step::{Part, Precondition, ReadBack, RequestTemplate, Step, Verb};
use super::wording::creation_differences;
use crate::reconcile::observe::{Found, Orphan, SoftDeleted};
use crate::resources::behaviour::Lock;
use crate::resources::contract::{InnerChange, InnerFate};
use crate::resources::id::ResourceId;
use crate::resources::{self, Address, Context, Difference, Kind, Merge, Resource, Target, Update, Write};

/// Makes steps. `now` sees every observed body; `context` lacks those of replaced resources, so that
/// what will only be known after their creation is a placeholder.
pub(super) struct Builder<'a> {
    pub input: &'a Input<'a>,
    pub decisions: &'a BTreeMap<Address, Decision>,
    pub context: Context<'a>,
    pub now: Context<'a>,
}

impl Builder<'_> {
    pub(super) fn steps(&self) -> Vec<Step> {
        let declared = self.decisions.iter().flat_map(|(address, decision)| self.steps_of(address, decision));
        // Orphans leave in the reverse of reading order.
        let orphans = self.input.observed.orphans.iter().rev().map(|orphan| self.deletion(orphan));
        let released = self.input.observed.released.iter().filter_map(|orphan| self.release(orphan));
        declared.chain(orphans).chain(released).collect()
    }

    fn steps_of(&self, address: &Address, decision: &Decision) -> Vec<Step> {
        let Some(resource) = self.input.environment.resources.get(address) else { return Vec::new() };
        let found = self.input.observed.present.get(address);
        if let Decision::Replace { reasons, differences } = decision {
            let Some(going) = predecessor(self.input, address) else { return Vec::new() };
            let mut creation = self.creation(resource, Action::Replace, reasons);
            creation.part = Part::Creation;
            if found.is_some() {
                creation.differences.clone_from(differences);
            }
            return vec![self.removal(resource, going, reasons), creation];
        }
        match (decision, found) {
            (Decision::Keep, _) => Vec::new(),
            (Decision::Make { action, reasons }, _) => vec![self.creation(resource, *action, reasons)],
            (Decision::Change { action, reasons, differences }, Some(found)) => {
                vec![self.change(resource, found, *action, reasons, differences)]
            }
            (Decision::Change { .. }, None) | (Decision::Replace { .. }, _) => Vec::new(),
        }
    }

    fn creation(&self, resource: &Resource, action: Action, reasons: &[Reason]) -> Step {
        let kind = resources::of(resource.address.kind());
        let mut body = kind.body(resource, &self.context);
        let remains = self.input.observed.soft_deleted.get(&resource.address);
        if action == Action::Recover
            && remains.is_none_or(|remains| self.comes_back_adopted(resource.address.kind(), remains))
        {
            kind.adopt(&mut body);
        }
        let tagged = remains.map_or(&Value::Null, |remains| &remains.tagged);
        let writes = match action {
            _ if kind.spec().is_inner() => Vec::new(),
            Action::Recover => kind.recovery(body, tagged, self.input.site),
            Action::Create
            | Action::Replace
            | Action::Update
            | Action::Delete
            | Action::Adopt
            | Action::Release
            | Action::Keep => vec![Write::Put(body)],
        };
        let target = kind.target(resource, &self.context);
        let mut step = self.blank(&resource.address, target, action, reasons);
        step.differences = creation_differences(resource);
        step.requests = writes.into_iter().map(template).collect();
        step
    }

    /// Whether what is left of a deleted resource was made by others: it was not ours, or was adopted.
    fn comes_back_adopted(&self, kind: Kind, remains: &SoftDeleted) -> bool {
        let is_ours = remains.mark.as_ref().is_some_and(|mark| self.input.site.owns(mark));
        !is_ours || resources::of(kind).is_adopted(&remains.tagged)
    }

    fn change(
        &self,
        resource: &Resource,
        found: &Found,
        action: Action,
        reasons: &[Reason],
        differences: &[Difference],
    ) -> Step {
        let mut step = self.blank(&resource.address, Target::Known(found.id.clone()), action, reasons);
        step.differences = differences.to_vec();
        step.requests = self.change_requests(resource, found, reasons, differences);
        step
    }

    fn change_requests(
        &self,
        resource: &Resource,
        found: &Found,
        reasons: &[Reason],
        differences: &[Difference],
    ) -> Vec<RequestTemplate> {
        let kind = resources::of(resource.address.kind());
        let inner = self.inner_changes(resource, &found.id);
        let update = Update { resource, observed: &found.body, differences, inner: &inner };
        let failed = reasons.iter().any(|reason| matches!(reason, Reason::ProvisioningFailed { .. }));
        let writes = match () {
            () if kind.spec().is_inner() => Vec::new(),
            () if failed => kind.rewrite(update, &self.context),
            () if differences.is_empty() && inner.is_empty() => Vec::new(),
            () => kind.update(update, &self.context),
        };
        writes.into_iter().map(template).collect()
    }

    /// What happens to elements of the body of `outer` that are resources of their own.
    fn inner_changes(&self, outer: &Resource, id: &ResourceId) -> Vec<InnerChange> {
        let declared = self.input.environment.resources.values().filter_map(|resource| {
            let inside = resource.address.outer().as_ref() == Some(&outer.address);
            let decision = self.decisions.get(&resource.address).filter(|_| inside)?;
            let present = self.input.observed.present.get(&resource.address).map(|found| &found.body);
            let kind = resources::of(resource.address.kind());
            kind.inner_change(resource, present, &self.context).filter(|_| *decision != Decision::Keep)
        });
        let inner = |going: &&Orphan| resources::of(going.kind).spec().is_inner() && going.id.is_within(id);
        let going = self.input.observed.going().filter(inner);
        let gone =
            |going: &Orphan| InnerChange { azure_name: going.id.name().to_owned(), fate: InnerFate::Removed };
        let going = going.map(gone);
        let released = self.input.observed.released.iter().filter(inner);
        let given_up =
            |one: &Orphan| InnerChange { azure_name: one.id.name().to_owned(), fate: InnerFate::Released };
        // What goes first: its prefix may be that of one that comes.
        going.chain(released.map(given_up)).chain(declared).collect()
    }

    fn removal(&self, resource: &Resource, going: Predecessor<'_>, reasons: &[Reason]) -> Step {
        let kind = resources::of(resource.address.kind());
        let mut step =
            self.blank(&resource.address, Target::Known(going.id.clone()), Action::Replace, reasons);
        step.part = Part::Removal;
        step.adopted = kind.is_adopted(going.body);
        step.read_back = ReadBack::Absent;
        let purge = kind.purge(resource, going.body).map(|(id, action)| post(id, action));
        step.requests =
            [delete(kind.delete_query(Some(resource), going.body))].into_iter().chain(purge).collect();
        step.precondition = precondition_of(resource.address.kind());
        step
    }

    fn deletion(&self, orphan: &Orphan) -> Step {
        let kind = resources::of(orphan.kind);
        let target = Target::Known(orphan.id.clone());
        let mut step = self.blank(&orphan.address, target, Action::Delete, &[Reason::Undeclared]);
        step.read_back = ReadBack::Absent;
        step.requests = vec![delete(kind.delete_query(None, &orphan.body))];
        step.precondition = precondition_of(orphan.kind);
        step.was = was(self.input, self.decisions, orphan);
        step.adopted = kind.is_adopted(&orphan.body);
        step
    }

    /// `None` where nothing on it says that it is ours: whoever claims it lets it go.
    fn release(&self, orphan: &Orphan) -> Option<Step> {
        let kind = resources::of(orphan.kind);
        // What cannot be released blocks the plan.
        let writes = kind.release(&orphan.body).unwrap_or_default();
        if writes.is_empty() && !kind.spec().is_inner() {
            return None;
        }
        let target = Target::Known(orphan.id.clone());
        let mut step = self.blank(&orphan.address, target, Action::Release, &[Reason::Released]);
        step.requests = writes.into_iter().map(template).collect();
        Some(step)
    }

    fn blank(&self, address: &Address, target: Target, action: Action, reasons: &[Reason]) -> Step {
        let spec = resources::of(address.kind()).spec();
        Step {
            ordinal: 0,
            address: address.clone(),
            was: None,
            adopted: false,
            lock: self.lock_of(address, &target),
            target,
            api_version: spec.api_version.to_string(),
            action,
            part: Part::Whole,
            reasons: reasons.to_vec(),
            differences: Vec::new(),
            after: Vec::new(),
            precondition: None,
            requests: Vec::new(),
            also_after_failure: Vec::new(),
            carried_by: None,
            read_back: ReadBack::Matches,
            timeout_secs: spec.timeout_secs,
        }
    }

    /// What serialises the writes of a resource: a folded id.
    fn lock_of(&self, address: &Address, target: &Target) -> Option<String> {
        let id = match resources::of(address.kind()).spec().behaviour.lock {
            Lock::None => None,
            Lock::Own => match target {
                Target::Known(id) => Some(id.clone()),
                Target::RoleAssignment { .. } => None,
            },
            Lock::Outer => address.outer().and_then(|outer| self.now.id_of(&outer)),
        };
        id.map(|id| id.folded())
    }
}

/// What must still hold when the deletion of a resource of `kind` is sent.
fn precondition_of(kind: Kind) -> Option<Precondition> {
    let by_products = resources::of(kind).spec().behaviour.empty_but_for?;
    Some(Precondition::GroupHoldsOnly { types: by_products.iter().map(|one| (*one).to_owned()).collect() })
}

fn template(write: Write) -> RequestTemplate {
    match write {
        Write::Put(body) => put(body),
        Write::Merged(merge) => merged(merge),
        Write::Patch(body) => RequestTemplate { verb: Verb::Patch, ..put(body) },
        Write::Action { action, body } => {
            RequestTemplate { verb: Verb::Post, suffix: format!("/{action}"), ..put(body) }
        }
    }
}

fn put(body: Value) -> RequestTemplate {
    RequestTemplate {
        verb: Verb::Put,
        instead: None,
        suffix: String::new(),
        query: Vec::new(),
        body: Some(body),
        merge: None,
    }
}

fn merged(merge: Merge) -> RequestTemplate {
    RequestTemplate {
        verb: Verb::Put,
        instead: None,
        suffix: String::new(),
        query: Vec::new(),
        body: None,
        merge: Some(merge),
    }
}

fn delete(query: Vec<(&'static str, &'static str)>) -> RequestTemplate {
    let query = query.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    RequestTemplate {
        verb: Verb::Delete,
        instead: None,
        suffix: String::new(),
        query,
        body: None,
        merge: None,
    }
}

fn post(id: ResourceId, action: &str) -> RequestTemplate {
    let suffix = format!("/{action}");
    RequestTemplate { verb: Verb::Post, instead: Some(id), suffix, ..delete(Vec::new()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_write_is_its_own_request() {
        let patch = template(Write::Patch(json!({ "tags": {} })));
        assert_eq!((patch.verb, patch.body), (Verb::Patch, Some(json!({ "tags": {} }))));
        let action = template(Write::Action { action: "start", body: json!({}) });
        assert_eq!((action.verb, action.suffix.as_str()), (Verb::Post, "/start"));
        let whole = template(Write::Merged(Merge::default()));
        assert_eq!((whole.verb, whole.body, whole.merge), (Verb::Put, None, Some(Merge::default())));
        let gone = delete(vec![("force", "true")]);
        assert_eq!((gone.verb, gone.query), (Verb::Delete, vec![("force".to_owned(), "true".to_owned())]));
    }
}
