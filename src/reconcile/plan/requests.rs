//! Decisions → steps with their requests, still without order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::action::{Action, Reason};
use super::planner::{BY_PRODUCTS, Decision, Input, Predecessor, creation_differences, predecessor};
use super::step::{Part, Precondition, ReadBack, RequestTemplate, Step, Verb};
use crate::reconcile::observe::{Found, Orphan};
use crate::resources::id::ResourceId;
use crate::resources::virtual_network::{self, SubnetChange};
use crate::resources::{
    self, Address, Context, Difference, Kind, Merge, Resource, Target, Update, Write, key_vault, subnet,
};

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
        declared.chain(orphans).collect()
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
        let body = kind.body(resource, &self.context);
        let requests = match action {
            _ if is_inner(resource) => Vec::new(),
            Action::Recover => vec![
                put(key_vault::recover_body(body.clone())),
                merged(Merge { set: owned_values(&body), ..Merge::default() }),
            ],
            Action::Create
            | Action::Replace
            | Action::Update
            | Action::Delete
            | Action::Adopt
            | Action::Keep => {
                vec![put(body)]
            }
        };
        let target = kind.target(resource, &self.context);
        let mut step = self.blank(&resource.address, target, action, reasons);
        step.differences = creation_differences(resource);
        step.requests = requests;
        step
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
        let update = Update { resource, observed: &found.body, differences };
        let failed = reasons.iter().any(|reason| matches!(reason, Reason::ProvisioningFailed { .. }));
        match resource.address.kind() {
            Kind::Subnet => Vec::new(),
            Kind::VirtualNetwork => {
                let changes = self.subnet_changes(resource, &found.id);
                vec![merged(virtual_network::merge_with_subnets(update, &changes, &self.context))]
            }
            // What failed to be made may lack most of its body: it is written whole, as at its creation.
            Kind::ResourceGroup
            | Kind::StorageAccount
            | Kind::Container
            | Kind::KeyVault
            | Kind::LogAnalyticsWorkspace
            | Kind::ApplicationInsights
            | Kind::ContainerRegistry
            | Kind::Workspace
            | Kind::Datastore
            | Kind::ComputeCluster
            | Kind::ComputeInstance
            | Kind::RoleAssignment
                if failed =>
            {
                vec![put(kind.body(resource, &self.context))]
            }
            Kind::ResourceGroup
            | Kind::StorageAccount
            | Kind::Container
            | Kind::KeyVault
            | Kind::LogAnalyticsWorkspace
            | Kind::ApplicationInsights
            | Kind::ContainerRegistry
            | Kind::Workspace
            | Kind::Datastore
            | Kind::ComputeCluster
            | Kind::ComputeInstance
            | Kind::RoleAssignment => {
                if differences.is_empty() {
                    return Vec::new();
                }
                kind.update(update, &self.context).into_iter().map(template).collect()
            }
        }
    }

    /// What happens to the subnets of a network that is there.
    fn subnet_changes(&self, network: &Resource, id: &ResourceId) -> Vec<SubnetChange> {
        let declared = self.input.environment.resources.values().filter_map(|resource| {
            let inside = resource.address.outer().as_ref() == Some(&network.address);
            let decision = self.decisions.get(&resource.address).filter(|_| inside)?;
            let present = self.input.observed.present.get(&resource.address).map(|found| &found.body);
            (*decision != Decision::Keep).then(|| subnet::change(resource, present, &self.context))
        });
        let going = self
            .input
            .observed
            .going()
            .filter(|going| going.kind == Kind::Subnet && going.id.is_within(id))
            .map(|going| SubnetChange { azure_name: going.id.name().to_owned(), element: None });
        // What goes first: its prefix may be that of one that comes.
        going.chain(declared).collect()
    }

    fn removal(&self, resource: &Resource, going: Predecessor<'_>, reasons: &[Reason]) -> Step {
        let kind = resources::of(resource.address.kind());
        let mut step =
            self.blank(&resource.address, Target::Known(going.id.clone()), Action::Replace, reasons);
        step.part = Part::Removal;
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
        step
    }

    fn blank(&self, address: &Address, target: Target, action: Action, reasons: &[Reason]) -> Step {
        let spec = resources::of(address.kind()).spec();
        Step {
            ordinal: 0,
            address: address.clone(),
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
            carried_by: None,
            read_back: ReadBack::Matches,
            timeout_secs: spec.timeout_secs,
        }
    }

    /// Writes in one virtual network are serialised (`facts.md` 9).
    fn lock_of(&self, address: &Address, target: &Target) -> Option<String> {
        let network = match address.kind() {
            Kind::VirtualNetwork => match target {
                Target::Known(id) => Some(id.clone()),
                Target::RoleAssignment { .. } => None,
            },
            Kind::Subnet => address.outer().and_then(|outer| self.now.id_of(&outer)),
            Kind::ResourceGroup
            | Kind::StorageAccount
            | Kind::Container
            | Kind::KeyVault
            | Kind::LogAnalyticsWorkspace
            | Kind::ApplicationInsights
            | Kind::ContainerRegistry
            | Kind::Workspace
            | Kind::Datastore
            | Kind::ComputeCluster
            | Kind::ComputeInstance
            | Kind::RoleAssignment => None,
        };
        network.map(|id| id.folded())
    }
}

/// What must still hold when the deletion of a resource of `kind` is sent.
fn precondition_of(kind: Kind) -> Option<Precondition> {
    let types = || BY_PRODUCTS.map(str::to_owned).to_vec();
    (kind == Kind::ResourceGroup).then(|| Precondition::GroupHoldsOnly { types: types() })
}

/// Whether the resource is written by the request of the one that contains it.
fn is_inner(resource: &Resource) -> bool {
    resource.address.kind() == Kind::Subnet
}

fn template(write: Write) -> RequestTemplate {
    match write {
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

/// The leaves of a desired body as assignments. Arrays that a living resource owns together with
/// others (access policies) are left as they are.
fn owned_values(body: &Value) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    collect("", body, &mut values);
    values.retain(|(pointer, _)| pointer != "/properties/accessPolicies");
    values
}

fn collect(pointer: &str, value: &Value, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(&format!("{pointer}/{key}"), value, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            into.push((pointer.to_owned(), value.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_recovered_vault_gets_back_what_is_ours_and_keeps_its_access_policies() {
        let body = json!({
            "location": "eastus", "tags": { "a/b": "1" },
            "properties": { "accessPolicies": [], "sku": { "name": "standard" } },
        });
        let values = owned_values(&body);
        assert_eq!(
            values,
            [
                ("/location".to_owned(), json!("eastus")),
                ("/properties/sku/name".to_owned(), json!("standard")),
                ("/tags/a~1b".to_owned(), json!("1")),
            ]
        );
    }

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
