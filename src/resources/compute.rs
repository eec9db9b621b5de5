//! What clusters and instances share: both are `workspaces/computes`, with one name rule, one envelope
//! and one delete.
//!
//! `location` of a compute is always the workspace's, or its identity is made in the wrong region
//! (azurerm, `machine_learning_compute_cluster_resource.go`); where the machines stand is
//! `computeLocation`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::address::{Address, Kind};
use super::contract::Context;
use super::finding::Finding;
use super::identity;
use super::name_rule;
use super::normalise;
use super::pointer;
use super::resource::{Resource, Resources};
use super::tags;

/// The ARM type.
pub(crate) const ARM_TYPE: &str = "Microsoft.MachineLearningServices/workspaces/computes";

/// The path between the workspace's id and the compute's name.
pub(crate) const SEGMENT: &str = "computes";

/// azurerm's timeout for creating and deleting a compute.
pub(crate) const TIMEOUT_SECS: u64 = 30 * 60;

/// The machines go with the resource; `Detach` would leave them running and paid for. The parameter
/// is required (Compute - Delete, 2025-12-01).
pub(crate) const DELETE_QUERY: (&str, &str) = ("underlyingResourceAction", "Delete");

/// Whether an observed compute is of this type.
pub(crate) fn is_type(observed: &Value, compute_type: &str) -> bool {
    let found = pointer::get(observed, "/properties/computeType").and_then(Value::as_str);
    found.is_some_and(|found| found.eq_ignore_ascii_case(compute_type))
}

/// `^[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{2,23}$` of the 2025-12-01 schema, by hand because of
/// its look-ahead: 3 to 24 characters, a letter first, and not ending in a dash and digits.
fn is_name(name: &str) -> bool {
    let shaped = (3..=24).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let tail = name.rsplit_once('-').map(|(_, tail)| tail);
    let ends_in_number =
        tail.is_some_and(|tail| !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_digit()));
    shaped && !ends_in_number
}

/// What a compute's name, identity, tags and network must be like.
pub(crate) fn check(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let mut findings = check_name(resource, all);
    findings.extend(check_public_ip(resource, all));
    findings.extend(identity::check(resource));
    findings.extend(tags::check(resource, tags::MARKS, None));
    findings
}

/// The name's shape, and that no other compute of the environment has it, reported on the later of two.
fn check_name(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let mut findings = Vec::new();
    let rule = "a compute has 3 to 24 letters, digits and dashes, a letter first, and does not end in a dash and digits: \
                `cpu-cluster1`, not `cpu-cluster-1`";
    findings.extend(name_rule::check(resource, is_name, rule));
    let twin = all.values().find(|other| {
        other.address < resource.address
            && matches!(other.address.kind(), Kind::ComputeCluster | Kind::ComputeInstance)
            && other.name.eq_ignore_ascii_case(&resource.name)
    });
    findings.extend(twin.map(|twin| {
        Finding::error(
            "compute-name-taken",
            "name",
            &format!("`{}` is also the name of {}", resource.name, twin.address.local()),
            "clusters and instances of a workspace share one set of names",
            "give one of the two another `name`",
        )
    }));
    findings
}

/// Nodes without public addresses need a network to be reached through.
fn check_public_ip(resource: &Resource, all: &Resources) -> Option<Finding> {
    let without = resource.field("node_public_ip_enabled") == Some(&Value::Bool(false));
    let managed = workspace(resource, all).is_some_and(declares_managed_network);
    let reachable = resource.field("subnet").is_some() || managed;
    (without && !reachable).then(|| {
        Finding::error(
            "public-ip-without-subnet",
            "node_public_ip_enabled",
            "`node_public_ip_enabled` is false, and there is no network",
            "nodes without public addresses need a subnet, or a workspace with a managed network",
            "set `subnet`, or leave `node_public_ip_enabled` out",
        )
    })
}

/// The region of the workspace: what Azure says, else what is declared.
pub(crate) fn workspace_location(resource: &Resource, context: &Context<'_>) -> String {
    let address = workspace_address(resource);
    let observed = context.observed.get(&address).and_then(|body| pointer::get(body, "/location"));
    match observed.and_then(Value::as_str) {
        Some(location) => normalise::location(location),
        None => match context.resources.get(&address) {
            Some(workspace) => workspace.location.clone(),
            None => resource.location.clone(),
        },
    }
}

/// Whether the service puts the computes of this workspace into a network of its own; their bodies
/// then show a subnet that nobody wrote.
pub(crate) fn has_managed_network(resource: &Resource, context: &Context<'_>) -> bool {
    let declared = workspace(resource, context.resources).is_some_and(declares_managed_network);
    declared || observed_managed_network(resource, context.observed)
}

fn observed_managed_network(resource: &Resource, observed: &BTreeMap<Address, Value>) -> bool {
    let body = observed.get(&workspace_address(resource));
    let mode = body.and_then(|body| pointer::get(body, "/properties/managedNetwork/isolationMode"));
    mode.and_then(Value::as_str).is_some_and(|mode| !mode.eq_ignore_ascii_case("Disabled"))
}

fn declares_managed_network(workspace: &Resource) -> bool {
    workspace.text("managed_network.isolation_mode").is_some_and(|mode| mode != "Disabled")
}

fn workspace<'a>(resource: &Resource, all: &'a Resources) -> Option<&'a Resource> {
    all.get(&workspace_address(resource))
}

fn workspace_address(resource: &Resource) -> Address {
    Address::single(resource.address.environment(), Kind::Workspace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_schema() {
        for name in [
            "cpu",
            "cpu-cluster",
            "gpu-cluster-vnet",
            "ci-dev-user01",
            "a-1b",
            "abc-",
            "c12",
            "x--y",
            "a-1-b",
        ] {
            assert!(is_name(name), "{name} was refused");
        }
        for name in [
            "",
            "ab",
            "1cpu",
            "-cpu",
            "cpu_cluster",
            "cpu-cluster-1",
            "a-12",
            "x--1",
            "kühl",
            &"a".repeat(25),
        ] {
            assert!(!is_name(name), "{name} was accepted");
        }
    }

    #[test]
    fn the_type_of_a_compute_has_no_casing() {
        let body = serde_json::json!({ "properties": { "computeType": "amlcompute" } });
        assert!(is_type(&body, "AmlCompute") && !is_type(&body, "ComputeInstance"));
    }
}
