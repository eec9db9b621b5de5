//! The reference environment, as far as the machine-learning types need it, for their tests.

use serde_json::{Value, json};

use super::fixture::{GROUP, World};
use super::normalise;

/// The identity of the reference workspace.
pub(crate) const PRINCIPAL: &str = "6467a21f-e4e5-5097-8578-94452994d6b7";

/// A user-assigned identity that somebody made elsewhere.
pub(crate) const IDENTITY: &str = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-hub/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai-ml";

/// The environment of the design, without what only other types look at.
pub(crate) fn reference() -> World {
    let mut world = World::new();
    world.declare("storage_accounts/default", "stmlproduction001", Value::Null);
    world.declare("storage_accounts/data_lake", "dlmlproduction001", Value::Null);
    world.write("storage_accounts/data_lake", "is_hns_enabled", json!(true));
    world.declare("storage_accounts/data_lake/containers/data", "data", Value::Null);
    world.declare("key_vaults/main", "kv-ml-production", Value::Null);
    world.declare("application_insights/main", "ai-ml-production", Value::Null);
    world.declare("container_registries/main", "acrmlproduction001", Value::Null);
    world.declare("virtual_networks/main", "vnet-ml-production", Value::Null);
    world.declare("virtual_networks/main/subnets/compute", "snet-ml-compute", Value::Null);
    world.declare(
        "workspace",
        "mlw-production",
        json!({
            "friendly_name": "ML Workspace - Production",
            "description": "Machine Learning workspace for production workloads",
            "storage_account": "default",
            "key_vault": "main",
            "application_insights": "main",
            "container_registry": "main",
            "identity": { "type": "SystemAssigned" },
            "public_network_access_enabled": true,
            "image_build_compute_name": "cpu-cluster"
        }),
    );
    world.declare(
        "datastores/data_lake",
        "data_lake",
        json!({ "type": "AzureDataLakeGen2", "storage_account": "data_lake", "container": "data" }),
    );
    declare_computes(&mut world);
    declare_roles(&mut world);
    world
}

fn declare_computes(world: &mut World) {
    let clusters = [
        ("cpu-cluster", "Standard_D4s_v3", "Dedicated", 10, "PT15M"),
        ("gpu-cluster", "Standard_NC6s_v3", "Dedicated", 4, "PT30M"),
        ("low-priority-cluster", "Standard_D8s_v3", "LowPriority", 20, "PT10M"),
        ("gpu-cluster-vnet", "Standard_NC6s_v3", "Dedicated", 4, "PT30M"),
    ];
    for (name, size, priority, max, idle) in clusters {
        world.declare(
            &format!("compute_clusters/{name}"),
            name,
            json!({
                "vm_size": size,
                "vm_priority": priority,
                "scale_settings": {
                    "min_node_count": 0,
                    "max_node_count": max,
                    "scale_down_nodes_after_idle_duration": idle
                },
                "identity": { "type": "SystemAssigned" }
            }),
        );
    }
    put_in_subnet(world, "compute_clusters/gpu-cluster-vnet");
    world.declare(
        "compute_instances/ci-dev-user01",
        "ci-dev-user01",
        json!({
            "virtual_machine_size": "Standard_DS3_v2",
            "assign_to_user": {
                "object_id": "4f8c2a86-6d0e-4c1b-9a53-2f7f1f3f6a10",
                "tenant_id": "8f1d9c1e-54d2-4a71-b0a6-0f6a2f0c7d11"
            },
            "idle_time_before_shutdown": "PT1H"
        }),
    );
}

/// Writes `subnet: main/compute`.
pub(crate) fn put_in_subnet(world: &mut World, local: &str) {
    let address = "production/virtual_networks/main/subnets/compute".parse().unwrap();
    world.write(local, "subnet", json!("main/compute"));
    let reference = super::resource::Reference::Local(address);
    world.get(local).references.insert("subnet".to_owned(), reference);
}

fn declare_roles(world: &mut World) {
    let roles = [
        ("workspace-vault", "Key Vault Administrator", "key_vaults/main"),
        ("workspace-storage", "Storage Blob Data Contributor", "storage_accounts/default"),
        ("workspace-data-lake", "Storage Blob Data Contributor", "storage_accounts/data_lake"),
        ("workspace-registry", "AcrPush", "container_registries/main"),
    ];
    for (name, role, scope) in roles {
        let fields = json!({ "principal": "workspace", "role": role, "scope": scope });
        world.declare(&format!("role_assignments/{name}"), name, fields);
    }
}

/// The id of something in the environment's group.
pub(crate) fn id(tail: &str) -> String {
    format!("{GROUP}/providers/{tail}")
}

/// The tags that beamline writes on the resource with this address, whose seal is this one.
pub(crate) fn tags(local: &str, seal: &str) -> Value {
    json!({
        "environment": "production",
        "team": "data-science",
        "beamline": "acme/production",
        "beamline-address": local,
        "beamline-id": seal
    })
}

/// What Azure might answer after a PUT of `body`: its own properties added, words in another casing.
pub(crate) fn echoed(body: &Value, id: &str, extra: &Value) -> Value {
    let mut answer = body.clone();
    let name = id.rsplit('/').next().unwrap_or_default();
    let envelope = json!({
        "id": id,
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces",
        "systemData": { "createdAt": "2026-11-01T00:00:00Z" },
        "properties": { "provisioningState": "Succeeded" }
    });
    for over in [&envelope, extra] {
        lay(&mut answer, over);
    }
    assert!(!normalise::is_nothing(&answer));
    answer
}

fn lay(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}
