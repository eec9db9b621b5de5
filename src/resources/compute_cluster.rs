//! Compute clusters: `Microsoft.MachineLearningServices/workspaces/computes` of type `AmlCompute`.
//!
//! Guarantees: only the scale settings travel by PATCH, because Azure's PATCH knows nothing else;
//! identity and tags go through a merged PUT; everything else is a replacement. What Azure decides
//! after creation (the ssh port of `NotSpecified`, a managed network's subnet) is never a difference.
//! Sources: facts.md 7 and 22 (Compute API 2025-12-01; azurerm's compute cluster resource).

use serde_json::{Value, json};

use super::address::Kind;
use super::behaviour::Behaviour;
use super::body;
use super::compute;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::difference::{Difference, Effect, difference_of};
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::identity;
use super::machines::Machines;
use super::normalise;
use super::pointer;
use super::resource::{Resource, Resources};
use super::vm_size;

/// Compute clusters.
#[derive(Debug)]
pub struct ComputeCluster;

const COMPUTE_TYPE: &str = "AmlCompute";
const SCALE_SETTINGS: &str = "/properties/properties/scaleSettings";
const COMPUTE_LOCATION: &str = "/properties/computeLocation";
const SSH_PORT: &str = "/properties/properties/remoteLoginPortPublicAccess";
const SUBNET: &str = "/properties/properties/subnet/id";

const FIXED: Change = Change::Replace("Azure cannot change it on a living cluster");

static SPEC: Spec = Spec {
    kind: Kind::ComputeCluster,
    key: "compute_clusters",
    noun: "compute cluster",
    arm_type: compute::ARM_TYPE,
    api_version: ApiVersion("2025-12-01"),
    doc: "A cluster of machines that grows and shrinks with the jobs it is given.",
    parent: Some(Kind::Workspace),
    segment: compute::SEGMENT,
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Free,
    listing: Listing::InParent,
    located: Located::Yes,
    read_only: &[
        "/identity/principalId",
        "/identity/tenantId",
        "/identity/userAssignedIdentities/*/principalId",
        "/identity/userAssignedIdentities/*/clientId",
        "/properties/createdOn",
        "/properties/modifiedOn",
        "/properties/provisioningErrors",
        "/properties/isAttachedCompute",
        "/properties/properties/allocationState",
        "/properties/properties/allocationStateTransitionTime",
        "/properties/properties/errors",
        "/properties/properties/currentNodeCount",
        "/properties/properties/targetNodeCount",
        "/properties/properties/nodeStateCounts",
    ],
    timeout_secs: compute::TIMEOUT_SECS,
    behaviour: Behaviour { confusable: true, ..Behaviour::USUAL },
};

static FIELDS: [Field; 9] = [
    Field {
        name: "vm_size",
        doc: "The size of each node.",
        shape: Shape::Word { example: "Standard_D4s_v3" },
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/properties/vmSize"),
        change: FIXED,
    },
    Field {
        name: "vm_priority",
        doc: "`Dedicated`, or `LowPriority`: cheaper machines that Azure may take back at any time.",
        shape: Shape::Choice(&["Dedicated", "LowPriority"]),
        absent: WhenAbsent::Default(Literal::Text("Dedicated")),
        arm: Arm::At("/properties/properties/vmPriority"),
        change: FIXED,
    },
    Field {
        name: "scale_settings",
        doc: "How many nodes there may be, and when idle ones go.",
        shape: Shape::Object(&SCALE_FIELDS),
        absent: WhenAbsent::Refused,
        arm: Arm::Inside,
        change: Change::InPlace,
    },
    Field {
        name: "subnet",
        doc: "The subnet of the nodes; without it they are in no network of yours.",
        shape: Shape::Reference(&[Kind::Subnet]),
        absent: WhenAbsent::Nothing,
        arm: Arm::At(SUBNET),
        change: FIXED,
    },
    Field {
        name: "node_public_ip_enabled",
        doc: "Whether nodes have public addresses; `false` needs a subnet or a managed network.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::AtOr("/properties/properties/enableNodePublicIp", Literal::Bool(true)),
        change: FIXED,
    },
    Field {
        name: "ssh_public_access_enabled",
        doc: "Whether the ssh port of the nodes is open. Left out, it is open outside of networks and \
              closed inside.",
        shape: Shape::Bool,
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::By { write: write_ssh_port, read: read_ssh_port },
        change: FIXED,
    },
    Field {
        name: "local_auth_enabled",
        doc: "Whether anything but Entra identities may sign in.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Not("/properties/disableLocalAuth"),
        change: FIXED,
    },
    Field {
        name: "identity",
        doc: "The identity that jobs on the cluster act with: one of its own, or some that you made.",
        shape: Shape::Object(&IDENTITY_FIELDS),
        absent: WhenAbsent::Nothing,
        arm: Arm::Inside,
        change: Change::InPlace,
    },
    Field {
        name: "description",
        doc: "For people.",
        shape: Shape::Text { max_chars: 1024, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::At("/properties/description"),
        change: FIXED,
    },
];

static SCALE_FIELDS: [Field; 3] = [
    Field {
        name: "min_node_count",
        doc: "Nodes that stay, and are paid for, when there is nothing to do.",
        shape: Shape::Integer { min: 0, max: MAX_NODES },
        absent: WhenAbsent::Default(Literal::Integer(0)),
        arm: Arm::At("/properties/properties/scaleSettings/minNodeCount"),
        change: Change::InPlace,
    },
    Field {
        name: "max_node_count",
        doc: "The most nodes at one time.",
        shape: Shape::Integer { min: 0, max: MAX_NODES },
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/properties/scaleSettings/maxNodeCount"),
        change: Change::InPlace,
    },
    Field {
        name: "scale_down_nodes_after_idle_duration",
        doc: "How long a node may be idle before it goes.",
        shape: Shape::Duration { min_secs: 1, max_secs: 7 * 24 * 60 * 60 },
        absent: WhenAbsent::Default(Literal::Text("PT2M")),
        arm: Arm::At("/properties/properties/scaleSettings/nodeIdleTimeBeforeScaleDown"),
        change: Change::InPlace,
    },
];

/// The largest cluster that Azure offers on request; 100 without one (Manage and increase quotas,
/// learn.microsoft.com).
const MAX_NODES: i64 = 65_000;

static IDENTITY_FIELDS: [Field; 2] = [
    identity::type_field(&[identity::SYSTEM, identity::USER], Change::InPlace),
    identity::ids_field(Change::InPlace),
];

impl ResourceType for ComputeCluster {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let mut findings = compute::check(resource, all);
        findings.extend(check_scale(resource));
        findings.extend(vm_size::advice("vm_size", resource.text("vm_size")));
        findings
    }

    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        let mut body = body::of(self.spec(), resource, context);
        pointer::put(&mut body, "/location", Value::from(compute::workspace_location(resource, context)));
        pointer::put(&mut body, COMPUTE_LOCATION, Value::from(resource.location.as_str()));
        pointer::put(&mut body, "/properties/computeType", Value::from(COMPUTE_TYPE));
        body
    }

    fn differences(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> Vec<Difference> {
        let managed = resource.field("subnet").is_none() && compute::has_managed_network(resource, context);
        let mut differences = difference_of(self, resource, observed, context);
        differences.retain(|difference| match difference.field.as_str() {
            "location" => false,
            "subnet" => !managed,
            _ => true,
        });
        differences.extend(location_difference(resource, observed));
        differences
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        let mut changed = update.differences.iter().filter(|one| one.effect == Effect::InPlace);
        if !changed.clone().all(|one| one.field.starts_with("scale_settings.")) {
            let mut merge = body::merge(self, update, context);
            let loses_identity = update.resource.field("identity").is_none();
            if loses_identity && changed.any(|one| one.field.starts_with("identity.")) {
                // An identity that is merely left out of a PUT stays.
                merge.own("/identity".to_owned(), update.observed, Some(json!({ "type": "None" })));
            }
            return vec![Write::Merged(merge)];
        }
        let body = self.body(update.resource, context);
        let settings = pointer::get(&body, SCALE_SETTINGS).cloned().unwrap_or_default();
        vec![Write::Patch(json!({ "properties": { "properties": { "scaleSettings": settings } } }))]
    }

    fn delete_query(
        &self,
        _resource: Option<&Resource>,
        _observed: &Value,
    ) -> Vec<(&'static str, &'static str)> {
        vec![compute::DELETE_QUERY]
    }

    fn is_mine(&self, observed: &Value) -> bool {
        compute::is_type(observed, COMPUTE_TYPE)
    }

    fn machines(&self, body: &Value) -> Option<Machines> {
        Machines::of_body(body, COMPUTE_TYPE)
    }

    fn in_use(&self, observed: &Value) -> Option<String> {
        let nodes = pointer::get(observed, "/properties/properties/currentNodeCount")?.as_u64()?;
        match nodes {
            0 => None,
            1 => Some("1 node of it is allocated".to_owned()),
            more => Some(format!("{more} nodes of it are allocated")),
        }
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id"), ("principal_id", "/identity/principalId")]
    }
}

fn check_scale(resource: &Resource) -> Vec<Finding> {
    let count = |path: &str| resource.field(path).and_then(Value::as_i64);
    let (Some(min), Some(max)) =
        (count("scale_settings.min_node_count"), count("scale_settings.max_node_count"))
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if min > max {
        findings.push(Finding::error(
            "scale-settings",
            "scale_settings.min_node_count",
            &format!("`min_node_count` is {min}, above `max_node_count`, which is {max}"),
            "a cluster's smallest size cannot exceed its largest",
            "lower `min_node_count` or raise `max_node_count`",
        ));
    }
    if min > 0 {
        findings.push(Finding::warning(
            "min-node-count-above-zero",
            "scale_settings.min_node_count",
            &format!("{min} node(s) run and are paid for even when there are no jobs"),
            "a cluster with `min_node_count: 0` costs nothing while it is idle",
            "set `min_node_count: 0`, or `acknowledge: [min-node-count-above-zero]`",
        ));
    }
    findings
}

/// The cluster's own region; an answer that does not tell it means the workspace's.
fn location_difference(resource: &Resource, observed: &Value) -> Option<Difference> {
    let found = pointer::get(observed, COMPUTE_LOCATION).filter(|found| !normalise::is_nothing(found));
    let found = found.or_else(|| pointer::get(observed, "/location"))?.as_str()?;
    (normalise::location(found) != normalise::location(&resource.location)).then(|| Difference {
        field: "location".to_owned(),
        before: Value::from(found),
        after: Value::from(resource.location.as_str()),
        effect: Effect::Replace("a cluster cannot move to another region".to_owned()),
    })
}

fn write_ssh_port(value: &Value, body: &mut Value) {
    let word = if value.as_bool().unwrap_or(false) { "Enabled" } else { "Disabled" };
    pointer::put(body, SSH_PORT, Value::from(word));
}

/// `NotSpecified` means open outside of a network and closed inside, and becomes one of the two when
/// the cluster is made (Compute API, `remoteLoginPortPublicAccess`).
fn read_ssh_port(body: &Value) -> Option<Value> {
    let word = pointer::get(body, SSH_PORT)?.as_str()?.to_ascii_lowercase();
    let in_network = pointer::get(body, SUBNET).is_some_and(|id| !normalise::is_nothing(id));
    match word.as_str() {
        "enabled" => Some(Value::from(true)),
        "disabled" => Some(Value::from(false)),
        "notspecified" => Some(Value::from(!in_network)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::World;
    use super::super::sample::{IDENTITY, PRINCIPAL, echoed, id, put_in_subnet, reference, tags};
    use super::*;

    const LOCAL: &str = "compute_clusters/cpu-cluster";

    fn observed_of(world: &World, local: &str) -> Value {
        let name = local.rsplit('/').next().unwrap();
        let body = world.body(local);
        let shout =
            |pointer: &str| pointer::get(&body, pointer).unwrap().as_str().unwrap().to_ascii_uppercase();
        let extra = json!({
            "location": "East US",
            "identity": { "principalId": PRINCIPAL, "tenantId": "11111111-1111-1111-1111-111111111111" },
            "properties": {
                "computeLocation": "East US",
                "createdOn": "2026-11-01T00:00:00.0000000+00:00",
                "modifiedOn": "2026-11-01T00:00:00.0000000+00:00",
                "provisioningErrors": null,
                "isAttachedCompute": false,
                "description": null,
                "disableLocalAuth": false,
                "properties": {
                    "vmSize": shout("/properties/properties/vmSize"),
                    "vmPriority": shout("/properties/properties/vmPriority"),
                    "osType": "Linux",
                    "remoteLoginPortPublicAccess": "Enabled",
                    "allocationState": "Resizing",
                    "currentNodeCount": 1,
                    "targetNodeCount": 2,
                    "nodeStateCounts": { "idleNodeCount": 1 },
                    "errors": null,
                    "propertyBag": {}
                }
            }
        });
        let path = format!("Microsoft.MachineLearningServices/workspaces/mlw-production/computes/{name}");
        let mut observed = echoed(&body, &id(&path), &extra);
        if body["properties"]["properties"]["scaleSettings"]["nodeIdleTimeBeforeScaleDown"] == "PT15M" {
            pointer::put(
                &mut observed,
                &format!("{SCALE_SETTINGS}/nodeIdleTimeBeforeScaleDown"),
                json!("PT900S"),
            );
        }
        observed
    }

    fn observed(world: &World) -> Value {
        observed_of(world, LOCAL)
    }

    #[test]
    fn the_reference_cluster_has_this_body() {
        let mut tags = tags("compute_clusters/gpu-cluster-vnet", "52ea4214344c0202");
        tags["priority"] = json!("low");
        let mut world = reference();
        world.get("compute_clusters/gpu-cluster-vnet").tags.insert("priority".into(), "low".into());
        assert_eq!(
            world.body("compute_clusters/gpu-cluster-vnet"),
            json!({
                "location": "eastus",
                "identity": { "type": "SystemAssigned" },
                "tags": tags,
                "properties": {
                    "computeType": "AmlCompute",
                    "computeLocation": "eastus",
                    "disableLocalAuth": false,
                    "properties": {
                        "vmSize": "Standard_NC6s_v3",
                        "vmPriority": "Dedicated",
                        "scaleSettings": {
                            "minNodeCount": 0,
                            "maxNodeCount": 4,
                            "nodeIdleTimeBeforeScaleDown": "PT30M"
                        },
                        "subnet": { "id": id("Microsoft.Network/virtualNetworks/vnet-ml-production/subnets/snet-ml-compute") },
                        "enableNodePublicIp": true
                    }
                }
            })
        );
    }

    #[test]
    fn the_envelope_is_in_the_workspaces_region_and_the_machines_in_their_own() {
        let mut world = reference();
        world.get(LOCAL).location = "westus2".to_owned();
        let body = world.body(LOCAL);
        assert_eq!(
            (&body["location"], &body["properties"]["computeLocation"]),
            (&json!("eastus"), &json!("westus2"))
        );
        let mut observed = observed(&world);
        assert_eq!(world.difference(LOCAL, &observed).0, "location");
        pointer::put(&mut observed, COMPUTE_LOCATION, json!("West US 2"));
        assert_eq!(world.differences(LOCAL, &observed), []);
    }

    #[test]
    fn azures_echo_is_no_difference() {
        let world = reference();
        for name in ["cpu-cluster", "gpu-cluster", "low-priority-cluster", "gpu-cluster-vnet"] {
            let local = format!("compute_clusters/{name}");
            assert_eq!(world.differences(&local, &observed_of(&world, &local)), [], "{name}");
        }
        let mut observed = observed(&world);
        for absent in
            [COMPUTE_LOCATION, "/properties/disableLocalAuth", "/properties/properties/enableNodePublicIp"]
        {
            pointer::remove(&mut observed, absent);
        }
        assert_eq!(world.differences(LOCAL, &observed), []);
    }

    #[test]
    fn an_ssh_port_that_azure_decided_on_is_compared_as_decided() {
        let mut world = reference();
        let mut observed = observed(&world);
        world.write(LOCAL, "ssh_public_access_enabled", json!(true));
        assert_eq!(world.body(LOCAL)["properties"]["properties"]["remoteLoginPortPublicAccess"], "Enabled");
        pointer::put(&mut observed, SSH_PORT, json!("NotSpecified"));
        assert_eq!(world.differences(LOCAL, &observed), []);
        pointer::put(&mut observed, SSH_PORT, json!("Disabled"));
        assert_eq!(world.difference(LOCAL, &observed).0, "ssh_public_access_enabled");
    }

    #[test]
    fn a_managed_networks_subnet_is_no_difference() {
        let mut world = reference();
        let mut observed = observed(&world);
        pointer::put(&mut observed, SUBNET, json!("/subscriptions/x/somebody/elses"));
        assert!(
            matches!(world.difference(LOCAL, &observed), (field, Effect::Replace(_)) if field == "subnet")
        );
        let workspace =
            json!({ "properties": { "managedNetwork": { "isolationMode": "AllowInternetOutbound" } } });
        world.observed.insert("production/workspace".parse().unwrap(), workspace);
        assert_eq!(world.differences(LOCAL, &observed), []);
    }

    #[test]
    fn scale_settings_travel_by_patch() {
        let mut world = reference();
        let observed = observed(&world);
        let settings = json!({ "min_node_count": 0, "max_node_count": 12, "scale_down_nodes_after_idle_duration": "PT15M" });
        world.write(LOCAL, "scale_settings", settings);
        let scale = json!({ "minNodeCount": 0, "maxNodeCount": 12, "nodeIdleTimeBeforeScaleDown": "PT15M" });
        assert_eq!(
            world.patch(LOCAL, &observed),
            json!({ "properties": { "properties": { "scaleSettings": scale } } })
        );
    }

    #[test]
    fn tags_and_identity_go_by_put_without_what_is_read_only() {
        let mut world = reference();
        let observed = observed(&world);
        world.get(LOCAL).tags.insert("team".into(), "ml".into());
        world.write(LOCAL, "identity", json!({ "type": "UserAssigned", "identity_ids": [IDENTITY] }));
        let body = world.put(LOCAL, &observed);
        assert_eq!(body["tags"]["team"], "ml");
        assert_eq!(
            body["identity"],
            json!({ "type": "UserAssigned", "userAssignedIdentities": { IDENTITY: {} } })
        );
        assert_eq!(body["properties"].get("createdOn"), None);
        assert_eq!(body["properties"]["properties"].get("currentNodeCount"), None);
        assert_eq!(body["properties"]["properties"]["osType"], "Linux");
    }

    #[test]
    fn an_identity_is_taken_away_by_saying_none() {
        let mut world = reference();
        let observed = observed(&world);
        world.get(LOCAL).fields.remove("identity");
        assert_eq!(world.put(LOCAL, &observed)["identity"], json!({ "type": "None" }));
        let mut none = observed.clone();
        pointer::put(&mut none, "/identity", json!({ "type": "None" }));
        assert_eq!(world.differences(LOCAL, &none), []);
    }

    #[test]
    fn everything_else_makes_a_new_cluster() {
        for (pointer, value, field) in [
            ("/properties/properties/vmSize", json!("Standard_D8s_v3"), "vm_size"),
            ("/properties/properties/vmPriority", json!("LowPriority"), "vm_priority"),
            ("/properties/properties/enableNodePublicIp", json!(false), "node_public_ip_enabled"),
            ("/properties/disableLocalAuth", json!(true), "local_auth_enabled"),
            ("/properties/description", json!("old"), "description"),
            (COMPUTE_LOCATION, json!("westus"), "location"),
        ] {
            let mut world = reference();
            let mut observed = observed(&world);
            world.get(LOCAL).written.insert(field.to_owned());
            pointer::put(&mut observed, pointer, value);
            let (found, effect) = world.difference(LOCAL, &observed);
            assert_eq!(found, field);
            assert!(matches!(effect, Effect::Replace(_)), "{field}: {effect:?}");
        }
    }

    #[test]
    fn deleting_a_cluster_deletes_its_machines() {
        assert_eq!(ComputeCluster.delete_query(None, &Value::Null), [("underlyingResourceAction", "Delete")]);
        assert!(ComputeCluster.is_mine(&json!({ "properties": { "computeType": "AmlCompute" } })));
        assert!(!ComputeCluster.is_mine(&json!({ "properties": { "computeType": "ComputeInstance" } })));
    }

    #[test]
    fn what_azure_refuses_is_an_error_and_what_costs_is_advice() {
        let mut world = reference();
        assert_eq!(world.codes(LOCAL), [""; 0]);
        assert_eq!(world.codes("compute_clusters/gpu-cluster"), ["retired-vm-size"]);
        world.write(LOCAL, "scale_settings", json!({ "min_node_count": 3, "max_node_count": 2 }));
        assert_eq!(world.codes(LOCAL), ["scale-settings", "min-node-count-above-zero"]);
        let mut world = reference();
        world.write(LOCAL, "node_public_ip_enabled", json!(false));
        assert_eq!(world.codes(LOCAL), ["public-ip-without-subnet"]);
        put_in_subnet(&mut world, LOCAL);
        assert_eq!(world.codes(LOCAL), [""; 0]);
        world.get(LOCAL).name = "CI-dev-user01".to_owned();
        assert_eq!(world.codes(LOCAL), [""; 0]);
        assert_eq!(world.codes("compute_instances/ci-dev-user01"), ["compute-name-taken"]);
        world.get(LOCAL).name = "cpu-cluster-1".to_owned();
        assert_eq!(world.codes(LOCAL), ["invalid-name"]);
    }
}
