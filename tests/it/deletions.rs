//! What is taken out of a definition goes, also when nothing is remembered; what is precious goes only
//! with consent.

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{Action, Blocker};
use beamline::resources::{self, Protection};
use serde_json::json;

use crate::support::{AzureWorld, Definition, SPARES, failures, group, id};

#[tokio::test(start_paused = true)]
async fn each_type_that_is_taken_out_is_deleted_although_nothing_is_remembered() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    for (kind, local) in SPARES {
        world.forget();
        world.withdraw_consent();
        let after = Definition::with_spares().without(local);
        let plan = world.plan(&after.text()).await;
        let deleted: Vec<_> = plan
            .steps
            .iter()
            .filter(|step| step.action == Action::Delete)
            .map(|step| step.address.local())
            .collect();
        assert_eq!(deleted, [local]);
        let is_protected = resources::of(kind).spec().protection == Protection::Protected;
        let needs_consent = plan.blockers.iter().any(|one| matches!(one, Blocker::NeedsConsent { .. }));
        assert_eq!(
            (needs_consent, plan.blockers.len()),
            (is_protected, usize::from(is_protected)),
            "{local}"
        );
        world.consent(&format!("production/{local}"));
        world.apply(&after.text()).await;
        world.apply(&Definition::with_spares().text()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn everything_at_once_is_deleted_in_reverse() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    world.consent("*");
    // What the workspace refers to must stay; so it is named.
    let rest = Definition::small()
        .with("key_vaults/main/purge_protection_enabled", true)
        .with("container_registries/main", json!({ "name": "acrmlproduction001", "sku": "Standard" }))
        .with("workspace/container_registry", "main");
    world.apply(&rest.text()).await;
    assert_eq!(world.azure.get(&id("Microsoft.Network/virtualNetworks/vnet-ml-production")), None);
}

#[tokio::test(start_paused = true)]
async fn a_subnet_goes_after_the_cluster_in_it_although_its_network_stays() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.consent("*");
    let without_it = Definition::production()
        .without("virtual_networks/main/subnets/compute")
        .with("virtual_networks/main/dns_servers", json!(["10.1.2.4"]));
    world.apply(&without_it.clone().without("compute_clusters/gpu-cluster-vnet").text()).await;
    world.apply(&Definition::production().text()).await;
    // The cluster stays, in another subnet: it is made again there.
    world
        .apply(&without_it.with("compute_clusters/gpu-cluster-vnet/subnet", "main/private_endpoints").text())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_environment_destroys_nothing_without_consent() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.forget();
    let plan = world.planned(&AzureWorld::removed()).await.plan;
    let protected = plan
        .steps
        .iter()
        .filter(|step| resources::of(step.address.kind()).spec().protection == Protection::Protected);
    assert_eq!(plan.blockers.len(), protected.count(), "{:?}", plan.blockers);
    world.consent("production/*");
    let report = world.reconcile(&AzureWorld::removed()).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    assert_eq!(world.azure.ids(), []);
    world.stays_quiet(&AzureWorld::removed()).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_that_holds_something_foreign_is_not_deleted() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    let foreign = id("Microsoft.Storage/storageAccounts/somebodyelse001");
    world.azure.put(
        &foreign,
        json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } }),
    );
    world.consent("*");
    let plan = world.planned(&AzureWorld::removed()).await.plan;
    let [Blocker::GroupNotEmpty { foreign: named, .. }] = &plan.blockers[..] else {
        panic!("{:?}", plan.blockers)
    };
    assert_eq!(*named, std::slice::from_ref(&foreign));
    world.azure.remove(&foreign);
    let report = world.reconcile(&AzureWorld::removed()).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
}

#[tokio::test(start_paused = true)]
async fn what_azure_puts_into_a_group_by_itself_goes_with_the_group() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    for below in [
        "Microsoft.AlertsManagement/smartDetectorAlertRules/Failure Anomalies - ai-ml-production",
        "Microsoft.Insights/actionGroups/Application Insights Smart Detection",
    ] {
        world.azure.put(&id(below), json!({ "location": "global" }));
    }
    world.consent("*");
    let report = world.reconcile(&AzureWorld::removed()).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    assert_eq!(world.azure.get(&group()), None);
}

#[tokio::test(start_paused = true)]
async fn what_comes_into_the_group_after_the_plan_stops_its_deletion() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    world.consent("*");
    let removed = AzureWorld::removed();
    let planned = world.planned(&removed).await;
    let foreign = id("Microsoft.Storage/storageAccounts/somebodyelse001");
    world.azure.put(
        &foreign,
        json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } }),
    );
    let report = world.carry_out(&removed, &planned, &Default::default()).await;
    assert_eq!(report.end, RunEnd::Interrupted, "{}", failures(&report));
    assert!(world.azure.get(&foreign).is_some() && world.azure.get(&group()).is_some());
}

#[tokio::test(start_paused = true)]
async fn consent_is_for_what_its_glob_matches_and_nothing_else() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    let after =
        Definition::with_spares().without("key_vaults/spare").without("container_registries/spare").text();
    world.consent("production/key_vaults/*");
    world.consent("staging/container_registries/*");
    let blockers = world.blockers(&after).await;
    assert_eq!(blockers.len(), 1, "{blockers:?}");
    assert!(blockers[0].contains("production/container_registries/spare"), "{blockers:?}");
    world.consent("production/container_registries/acrmlspare001");
    world.apply(&after).await;
}

/// No API lists deleted workspaces: only who remembers that there was one can say why Azure will refuse the name.
#[tokio::test(start_paused = true)]
async fn a_workspace_that_somebody_deleted_may_still_hold_its_name_and_the_plan_says_so() {
    let mut world = AzureWorld::new();
    let environment = Definition::production().environment();
    let hints = |planned: &beamline::reconcile::Planned| {
        let notes = planned.plan.notes.iter().filter(|note| note.code == "perhaps-soft-deleted");
        notes.map(|note| note.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(hints(&world.planned(&environment).await), [""; 0], "it was never there");
    world.apply(&Definition::production().text()).await;
    assert!(world.azure.remove(&id("Microsoft.MachineLearningServices/workspaces/mlw-production")));
    world.remember_applied(&environment);
    let planned = world.planned(&environment).await;
    assert!(planned.plan.blockers.is_empty());
    let hints = hints(&planned);
    assert!(hints.len() == 1 && hints[0].contains("Recently deleted"), "{hints:?}");
}
