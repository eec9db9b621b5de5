//! What cannot change on a living resource: it is made again, with what is bound to it and no more.

use beamline::reconcile::plan::{Action, Part, Plan, Reason, Style, render};
use serde_json::{Value, json};

use crate::support::{AzureWorld, Definition, id};

/// The local addresses that a plan replaces, in the order in which they are made again.
fn replaced(plan: &Plan) -> Vec<String> {
    let made = plan.steps.iter().filter(|step| (step.action, step.part) == (Action::Replace, Part::Creation));
    made.map(|step| step.address.local()).collect()
}

/// The principals that have a role on the default account.
fn granted(world: &AzureWorld) -> Vec<Value> {
    let is_role = |id: &&beamline::resources::id::ResourceId| id.arm_type().ends_with("roleAssignments");
    let ids = world.azure.ids();
    let bodies = ids.iter().filter(is_role).filter_map(|id| world.azure.get(id));
    bodies.map(|body| body["properties"]["principalId"].clone()).collect()
}

fn with_cluster_role() -> Definition {
    Definition::production().with(
        "role_assignments/cluster",
        json!({ "principal": "compute_clusters/cpu-cluster", "role": "Storage Blob Data Reader", "scope": "storage_accounts/default" }),
    )
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_another_size_brings_its_role_assignments_along() {
    let world = AzureWorld::new();
    world.apply(&with_cluster_role().text()).await;
    let cluster = id("Microsoft.MachineLearningServices/workspaces/mlw-production/computes/cpu-cluster");
    let before = world.azure.get(&cluster).unwrap()["identity"]["principalId"].clone();
    let after = with_cluster_role().with("compute_clusters/cpu-cluster/vm_size", "Standard_D8s_v3").text();
    let plan = world.plan(&after).await;
    assert_eq!(replaced(&plan), ["compute_clusters/cpu-cluster", "role_assignments/cluster"]);
    let role = plan.steps.iter().find(|step| step.address.name() == "cluster").unwrap();
    assert!(matches!(&role.reasons[..], [Reason::Follows { address }] if address.name() == "cpu-cluster"));
    world.apply(&after).await;
    let now = world.azure.get(&cluster).unwrap()["identity"]["principalId"].clone();
    assert_ne!(now, before);
    let granted = granted(&world);
    assert!(granted.contains(&now) && !granted.contains(&before), "{granted:?}");
    // Five are asked for; two of those, and two more, are the service's own for the workspace.
    assert_eq!(granted.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_is_made_again_brings_everything_in_it_along() {
    let mut world = AzureWorld::new();
    let definition = with_cluster_role().with("workspace/on_delete", "purge");
    world.apply(&definition.text()).await;
    let after = definition.with("workspace/high_business_impact", true).text();
    let blockers = world.blockers(&after).await;
    assert_eq!(blockers.len(), 2, "{blockers:?}");
    assert!(blockers.iter().all(|one| one.contains("Beamline-Consent: destroy production/")), "{blockers:?}");
    world.consent("production/workspace");
    world.consent("production/compute_instances/*");
    let plan = world.plan(&after).await;
    assert_eq!(
        replaced(&plan),
        [
            "workspace",
            "datastores/data_lake",
            "compute_clusters/cpu-cluster",
            "compute_clusters/gpu-cluster",
            "compute_clusters/gpu-cluster-vnet",
            "compute_clusters/low-priority-cluster",
            "compute_instances/ci-dev-user01",
            "role_assignments/cluster",
            "role_assignments/workspace-data-lake",
            "role_assignments/workspace-registry",
            "role_assignments/workspace-storage",
            "role_assignments/workspace-vault",
        ]
    );
    world.apply(&after).await;
    let workspace =
        world.azure.get(&id("Microsoft.MachineLearningServices/workspaces/mlw-production")).unwrap();
    assert!(granted(&world).contains(&workspace["identity"]["principalId"]));
    // Seven as before, and two that the service left behind for the identity that is gone.
    assert_eq!(granted(&world).len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_whose_name_would_stay_taken_is_not_made_again() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.consent("*");
    let after = Definition::production().with("workspace/high_business_impact", true);
    let blockers = world.blockers(&after.text()).await;
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert!(blockers[0].contains("on_delete: purge"), "{blockers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_storage_account_takes_its_containers_and_their_datastores_along() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let after = Definition::production()
        .with("storage_accounts/data_lake/is_hns_enabled", false)
        .with("datastores/data_lake/type", "AzureBlob")
        .text();
    assert_eq!(world.blockers(&after).await.len(), 2, "the account and the container");
    world.consent("production/storage_accounts/data_lake*");
    let expected = [
        "storage_accounts/data_lake",
        "storage_accounts/data_lake/containers/data",
        "datastores/data_lake",
        "role_assignments/workspace-data-lake",
    ];
    let plan = world.plan(&after).await;
    let mut found = replaced(&plan);
    found.sort_by_key(|local| expected.iter().position(|one| one == local));
    assert_eq!(found, expected);
    world.apply(&after).await;
}

#[tokio::test(start_paused = true)]
async fn each_type_that_can_be_made_again_is() {
    let spares = [
        ("datastores/spare/container", json!("elsewhere")),
        ("application_insights/spare/application_type", json!("other")),
        ("container_registries/spare/zone_redundancy_enabled", json!(true)),
        ("log_analytics_workspaces/spare/location", json!("westus")),
        ("virtual_networks/spare/location", json!("westus")),
        ("compute_instances/spare-ci/virtual_machine_size", json!("Standard_DS12_v2")),
        ("storage_accounts/spare/is_hns_enabled", json!(true)),
    ];
    let mut world = AzureWorld::new();
    let base = Definition::with_spares()
        .with("container_registries/spare/sku", "Premium")
        .with("container_registries/spare/zone_redundancy_enabled", false)
        .with("log_analytics_workspaces/spare/on_delete", "purge");
    world.apply(&base.text()).await;
    world.consent("*");
    let after = spares.iter().fold(base, |one, (path, value)| one.with(path, value.clone()));
    let plan = world.plan(&after.text()).await;
    assert_eq!(replaced(&plan).len(), spares.len(), "{:?}", replaced(&plan));
    world.apply(&after.text()).await;
}

#[tokio::test(start_paused = true)]
async fn a_network_that_is_made_again_takes_its_subnets_and_their_machines_along() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.consent("*");
    let after = Definition::production().with("virtual_networks/main/location", "westus").text();
    let plan = world.plan(&after).await;
    assert_eq!(
        replaced(&plan),
        [
            "virtual_networks/main",
            "virtual_networks/main/subnets/compute",
            "virtual_networks/main/subnets/private_endpoints",
            "compute_clusters/gpu-cluster-vnet",
        ]
    );
    world.apply(&after).await;
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_is_purged_on_deletion_is_made_again_under_its_name() {
    let mut world = AzureWorld::new();
    let base = Definition::with_spares().with("key_vaults/spare/on_delete", "purge");
    world.apply(&base.text()).await;
    world.consent("production/key_vaults/spare");
    world.apply(&base.with("key_vaults/spare/location", "westus").text()).await;
}

#[tokio::test(start_paused = true)]
async fn a_purge_protected_vault_is_never_planned_to_be_made_again() {
    let mut world = AzureWorld::new();
    let base = Definition::with_spares().with("key_vaults/spare/purge_protection_enabled", true);
    world.apply(&base.text()).await;
    world.consent("*");
    let blockers = world.blockers(&base.with("key_vaults/spare/location", "westus").text()).await;
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert!(blockers[0].contains("purge protection"), "{blockers:?}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_azure_converts_in_place_is_not_taken_down() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.consent("*");
    world.take_writes();
    let default = "storage_accounts/default/account_replication_type";
    let blockers = world.blockers(&Definition::production().with(default, "ZRS").text()).await;
    let [only] = blockers.as_slice() else { panic!("{blockers:#?}") };
    assert!(only.starts_with("production/storage_accounts/default: account_replication_type: "), "{only}");
    assert!(only.contains("az storage account migration start --account-name stmlproduction001"), "{only}");
    assert_eq!(world.take_writes(), [""; 0]);
    // The remedy: Azure has converted it, and then it is declared.
    let account = id("Microsoft.Storage/storageAccounts/stmlproduction001");
    world.azure.edit(&account, |body| body["sku"]["name"] = json!("Standard_ZRS"));
    let after = Definition::production().with(default, "ZRS");
    world.stays_quiet(&after.environment()).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_for_a_while_is_shown_as_that() {
    let mut world = AzureWorld::new();
    world.apply(&with_cluster_role().text()).await;
    let larger = with_cluster_role().with("compute_clusters/cpu-cluster/vm_size", "Standard_D8s_v3");
    let shown = render(&world.plan(&larger.text()).await, Style::Plain);
    let line = |of: &str| shown.lines().find(|line| line.contains(of)).unwrap().to_owned();
    assert!(line("compute_clusters/cpu-cluster").ends_with("; gone until the new one is made"), "{shown}");
    // Under another name the new one is made before the old one goes.
    world.consent("*");
    let renamed = with_cluster_role().with("compute_clusters/cpu-cluster/name", "cpu-other");
    let shown = render(&world.plan(&renamed.text()).await, Style::Plain);
    let line = shown.lines().find(|line| line.contains("compute_clusters/cpu-cluster")).unwrap();
    assert!(line.contains("renamed: ") && !line.contains("gone until"), "{shown}");
    world.apply(&renamed.text()).await;
}
