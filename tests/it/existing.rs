//! `existing: true`: read, never written; by name in the environment's group, or by ARM id anywhere.

use beamline::reconcile::plan::{Blocker, Style, render};
use beamline::resources::id::ResourceId;
use beamline_simulator::DEFAULT_SUBSCRIPTION;
use serde_json::json;

use crate::support::{AzureWorld, Definition, group, id};

fn hub(below: &str) -> ResourceId {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg-hub{below}").parse().unwrap()
}

fn place_hub(world: &AzureWorld) {
    world.azure.put(&hub(""), json!({ "location": "eastus" }));
    world.azure.put(
        &hub("/providers/Microsoft.Network/virtualNetworks/vnet-hub"),
        json!({ "location": "eastus", "properties": {
            "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
            "subnets": [{ "name": "snet-ml", "properties": { "addressPrefixes": ["10.0.1.0/24"] } }],
        } }),
    );
    world.azure.put(
        &hub("/providers/Microsoft.ContainerRegistry/registries/acrhub001"),
        json!({ "location": "eastus", "sku": { "name": "Premium" } }),
    );
}

fn with_hub() -> Definition {
    Definition::small()
        .with("virtual_networks/hub", json!({
            "existing": true, "id": hub("/providers/Microsoft.Network/virtualNetworks/vnet-hub").to_string(),
            "subnets": { "ml": { "name": "snet-ml", "existing": true } },
        }))
        .with("container_registries/shared", json!({
            "existing": true, "id": hub("/providers/Microsoft.ContainerRegistry/registries/acrhub001").to_string(),
        }))
        .with("workspace/container_registry", "shared")
        .with("compute_clusters/cpu", json!({
            "vm_size": "Standard_D4s_v3", "subnet": "hub/ml", "scale_settings": { "max_node_count": 1 },
            "identity": { "type": "SystemAssigned" },
        }))
        .with("role_assignments/pull", json!({
            "principal": "compute_clusters/cpu", "role": "AcrPull", "scope": "container_registries/shared",
        }))
}

#[tokio::test(start_paused = true)]
async fn a_hub_network_and_a_shared_registry_are_used_and_never_written() {
    let mut world = AzureWorld::new();
    place_hub(&world);
    world.apply(&with_hub().text()).await;
    let in_hub = |write: &String| write.contains("rg-hub") && !write.contains("roleAssignments");
    assert!(!world.take_writes().iter().any(in_hub));
    let below_hub = world.azure.ids().into_iter().filter(|id| id.is_within(&hub(""))).count();
    assert_eq!(below_hub, 6, "group, network, subnet, registry, our role on it, and the service's");
    // Gone from the definition, the role on the foreign registry goes, and the rest of the hub stays.
    world.forget();
    let after = with_hub().without("role_assignments/pull");
    world.apply(&after.text()).await;
    assert_eq!(world.azure.ids().into_iter().filter(|id| id.is_within(&hub(""))).count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_somebody_else_made_is_lived_in_and_left_alone() {
    let mut world = AzureWorld::new();
    world.azure.put(&group(), json!({ "location": "westus", "tags": { "owner": "platform" } }));
    let before = world.azure.get(&group());
    let definition = Definition::small().with("resource_group/existing", true);
    world.apply(&definition.text()).await;
    assert_eq!(world.azure.get(&group()), before);
    world.consent("*");
    let plan = world.planned(&AzureWorld::removed()).await.plan;
    assert!(!plan.steps.iter().any(|step| step.address.local() == "resource_group"));
    let report = world.reconcile(&AzureWorld::removed()).await;
    assert_eq!(crate::support::failures(&report), "");
    // What Azure itself put beside our resources stays in a group that is not ours.
    let left: Vec<String> = world.azure.ids().iter().map(|id| id.arm_type().to_ascii_lowercase()).collect();
    assert_eq!(
        left,
        [
            "microsoft.resources/resourcegroups",
            "microsoft.alertsmanagement/smartdetectoralertrules",
            "microsoft.authorization/roleassignments",
            "microsoft.insights/actiongroups",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_existing_vault_of_the_group_is_found_by_its_name() {
    let world = AzureWorld::new();
    world.azure.put(&group(), json!({ "location": "eastus" }));
    let vault = id("Microsoft.KeyVault/vaults/kv-theirs");
    let body = json!({ "location": "eastus", "properties": {
        "tenantId": beamline_simulator::DEFAULT_TENANT, "sku": { "family": "A", "name": "standard" },
    } });
    world.azure.put(&vault, body);
    let before = world.azure.get(&vault);
    let definition = Definition::small()
        .with("resource_group/existing", true)
        .with("key_vaults/main", json!({ "name": "kv-theirs", "existing": true }));
    world.apply(&definition.text()).await;
    assert_eq!(world.azure.get(&vault), before);
}

#[tokio::test(start_paused = true)]
async fn what_should_exist_and_does_not_stops_the_plan() {
    let world = AzureWorld::new();
    let definition = Definition::small()
        .with("key_vaults/main", json!({ "name": "kv-theirs", "existing": true }))
        .with("virtual_networks/hub", json!({
            "existing": true, "id": hub("/providers/Microsoft.Network/virtualNetworks/vnet-hub").to_string(),
        }));
    let plan = world.plan(&definition.text()).await;
    let missing = plan.blockers.iter().filter(|one| matches!(one, Blocker::ExistingMissing { .. })).count();
    assert_eq!((missing, plan.blockers.len()), (2, 2), "{}", render(&plan, Style::Plain));
    assert_eq!(world.take_writes(), [""; 0]);
}
