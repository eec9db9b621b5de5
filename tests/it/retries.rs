//! What passes is waited for as long as Azure says; what may have been done is looked at before it is
//! done again.

use std::collections::BTreeMap;
use std::time::Duration;

use beamline::definitions::Environment;
use beamline::reconcile::Planned;
use beamline::reconcile::apply::RunEnd;
use beamline::resources::id::ResourceId;
use beamline_simulator::{Fault, FaultEffect, Moment};
use serde_json::json;

use crate::support::{AzureWorld, Definition, end_of, failures, id};

fn status(code: u16, retry_after_secs: Option<u64>, error_code: &str) -> FaultEffect {
    let message = format!("{error_code}.");
    FaultEffect::Status { code, retry_after_secs, error_code: error_code.to_owned(), message }
}

fn fault(method: &str, path: &str, times: u32, effect: FaultEffect) -> Fault {
    Fault { method: Some(method.to_owned()), path_contains: path.to_owned(), times, effect }
}

/// How often each path was written to by each method.
fn writes(world: &AzureWorld) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for write in world.take_writes() {
        *counts.entry(write).or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_and_retry_after_is_honoured() {
    for (code, retry_after, error_code) in [
        (429, Some(17), "TooManyRequests"),
        (500, None, "InternalServerError"),
        (503, Some(30), "ServiceUnavailable"),
        (409, None, "AnotherOperationInProgress"),
    ] {
        let world = AzureWorld::new();
        let effect = status(code, retry_after, error_code);
        world.azure.faults().add(fault("PUT", "vaults/kv-ml-production", 3, effect.clone()));
        if code != 409 {
            world.azure.faults().add(fault("GET", "providers/Microsoft.KeyVault/vaults", 2, effect));
        }
        let report = world.apply(&Definition::small().text()).await;
        let vault = report.steps.iter().find(|step| step.address.local() == "key_vaults/main").unwrap();
        let took = Duration::try_from(vault.ended.unwrap().duration_since(vault.began.unwrap())).unwrap();
        let least = Duration::from_secs(3 * retry_after.unwrap_or(0));
        assert!(took >= least && took < least + Duration::from_secs(120), "{error_code}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_has_not_arrived_everywhere_is_waited_for() {
    let world = AzureWorld::new();
    let effect = status(400, None, "PrincipalNotFound");
    world.azure.faults().add(fault("PUT", "roleAssignments", 6, effect));
    world.apply(&Definition::production().text()).await;
}

/// Nothing of the run has made it: it is hardly new, and nobody is kept waiting for ten minutes.
#[tokio::test(start_paused = true)]
async fn a_principal_that_the_directory_does_not_find_is_told_soon() {
    let world = AzureWorld::new();
    let role = json!({
        "principal": "11111111-2222-4333-8444-555555555555", "role": "Reader", "scope": "workspace",
    });
    let definition = Definition::small().with("role_assignments", json!({ "anna": role }));
    world.azure.faults().add(fault("PUT", "roleAssignments", 1000, status(400, None, "PrincipalNotFound")));
    let report = world.reconcile(&definition.environment()).await;
    let grant = report.steps.iter().find(|step| step.address.local() == "role_assignments/anna").unwrap();
    let took = Duration::try_from(grant.ended.unwrap().duration_since(grant.began.unwrap())).unwrap();
    assert!(took < Duration::from_secs(5 * 60), "{took:?}");
    let told = failures(&report);
    assert!(told.contains("the directory does not find this principal"), "{told}");
    assert!(told.contains("write `principal_type`") && told.contains("PrincipalNotFound"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_write_of_a_network_is_sent_again_for_the_sake_of_its_subnets() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let delegations = json!(["Microsoft.MachineLearningServices/workspaces"]);
    let changed = Definition::production()
        .with("virtual_networks/main/subnets/private_endpoints/delegations", delegations);
    let lost = FaultEffect::Reset { moment: Moment::Before };
    world.azure.faults().add(fault("PUT", "vnet-ml-production", 2, lost));
    world.apply(&changed.text()).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_nothing_twice() {
    let mut world = AzureWorld::new();
    let definition = Definition::with_spares();
    let lose_all = |world: &AzureWorld, method: &str, paths: &[&str]| {
        for path in paths {
            world.azure.faults().add(fault(method, path, 1, FaultEffect::LoseAnswer));
        }
    };
    lose_all(
        &world,
        "PUT",
        &[
            "resourceGroups/rg-ml-production",
            "stmlproduction001",
            "dlmlproduction001",
            "containers/data",
            "vaults/kv-ml-production",
            "log-ml-production",
            "ai-ml-production",
            "acrmlproduction001",
            "vnet-ml-production",
            "workspaces/mlw-production",
            "datastores/data_lake",
            "computes/cpu-cluster",
            "computes/ci-dev-user01",
            "roleAssignments",
        ],
    );
    world.apply(&definition.text()).await;
    for (write, times) in writes(&world) {
        assert_eq!(times, 1, "{write}");
    }
    lose_all(&world, "PATCH", &["stmlproduction001", "computes/cpu-cluster"]);
    lose_all(&world, "PUT", &["vnet-ml-production", "vaults/kv-ml-production"]);
    lose_all(&world, "POST", &["updateIdleShutdownSetting"]);
    let changed = definition
        .clone()
        .with("storage_accounts/default/min_tls_version", "TLS1_1")
        .with("compute_clusters/cpu-cluster/scale_settings/max_node_count", 3)
        .with("virtual_networks/main/dns_servers", json!(["10.1.0.4"]))
        .with("key_vaults/main/enabled_for_deployment", true)
        .with("compute_instances/ci-dev-user01/idle_time_before_shutdown", "PT2H");
    world.apply(&changed.text()).await;
    let changes = writes(&world);
    assert_eq!(changes.len(), 5);
    assert!(changes.values().all(|times| *times == 1), "{changes:?}");
    world.consent("*");
    lose_all(&world, "DELETE", &["spare", "spare", "spare", "spare", "spare", "spare", "spare", "spare"]);
    let without = crate::support::SPARES.iter().fold(changed, |one, (_, local)| one.without(local));
    world.apply(&without.text()).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_purge_is_sent_again_and_the_vault_made_again() {
    let mut world = AzureWorld::new();
    let base = Definition::with_spares().with("key_vaults/spare/on_delete", "purge");
    world.apply(&base.text()).await;
    world.consent("production/key_vaults/spare");
    world.azure.faults().add(fault("POST", "deletedVaults/kv-ml-spare/purge", 1, FaultEffect::LoseAnswer));
    world.apply(&base.with("key_vaults/spare/location", "westus").text()).await;
}

/// A world in which the service grants a declared role after it was planned, and by which assignment.
async fn granted_meanwhile() -> (AzureWorld, Environment, Planned, ResourceId) {
    let world = AzureWorld::new();
    let after = Definition::production();
    let before = after.clone().without("role_assignments/workspace-storage");
    world.apply(&before.text()).await;
    let account = id("Microsoft.Storage/storageAccounts/stmlproduction001");
    for role in world.azure.ids().iter().filter(|id| id.parent().as_ref() == Some(&account)) {
        assert!(!role.arm_type().ends_with("roleAssignments") || world.azure.remove(role));
    }
    let environment = after.environment();
    let planned = world.planned(&environment).await;
    let workspace =
        world.azure.get(&id("Microsoft.MachineLearningServices/workspaces/mlw-production")).unwrap();
    let theirs = id(
        "Microsoft.Storage/storageAccounts/stmlproduction001/providers/Microsoft.Authorization/roleAssignments/00000000-0000-0000-0000-0000000000aa",
    );
    world.azure.put(&theirs, json!({ "properties": {
        "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "principalId": workspace["identity"]["principalId"], "principalType": "ServicePrincipal",
    } }));
    (world, environment, planned, theirs)
}

#[tokio::test(start_paused = true)]
async fn a_role_that_the_service_grants_between_plan_and_write_is_granted() {
    let (world, environment, planned, theirs) = granted_meanwhile().await;
    let body = world.azure.get(&theirs);
    let report = world.carry_out(&environment, &planned, &Default::default()).await;
    assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    world.stays_quiet(&environment).await;
    assert_eq!(world.azure.get(&theirs), body, "it stays theirs");
    let _ = end_of(&report, "role_assignments/workspace-storage");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_the_service_grants_meanwhile_is_found_again_after_a_crash() {
    for writes in 0.. {
        let (mut world, environment, planned, theirs) = granted_meanwhile().await;
        let body = world.azure.get(&theirs);
        world.die_after(writes, &environment, &planned).await;
        if world.journal.unfinished().is_empty() {
            assert!(writes >= 4, "only {writes} writes to the journal");
            return;
        }
        let report = world.resume(&environment).await;
        assert_eq!(report.end, RunEnd::Complete, "after {writes} writes: {}", failures(&report));
        world.stays_quiet(&environment).await;
        assert_eq!(world.azure.get(&theirs), body, "it stays theirs");
    }
}
