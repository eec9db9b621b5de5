//! Apply, then plan again: no changes. The rule for every resource type, and how many requests the
//! reference environment takes.

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::plan::{Action, Style, render};

use crate::support::{AzureWorld, PRODUCTION, failures, group};

#[tokio::test(start_paused = true)]
async fn the_reference_environment_is_made_and_stays_quiet() {
    let world = AzureWorld::new();
    let report = world.apply(PRODUCTION).await;
    assert!(report.steps.len() >= 21, "{} steps", report.steps.len());
}

#[tokio::test(start_paused = true)]
async fn the_first_plan_creates_everything_in_order() {
    let world = AzureWorld::new();
    let plan = world.plan(PRODUCTION).await;
    assert!(plan.steps.iter().all(|step| step.action == Action::Create), "{}", render(&plan, Style::Plain));
    let place = |name: &str| {
        let local = |step: &&beamline::reconcile::plan::Step| step.address.local() == name;
        plan.steps.iter().find(local).unwrap_or_else(|| panic!("{name} is not planned")).ordinal
    };
    assert_eq!(place("resource_group"), 0);
    assert!(place("workspace") > place("container_registries/main"));
    assert!(place("compute_clusters/cpu-cluster") > place("workspace"));
    assert!(place("compute_clusters/gpu-cluster-vnet") > place("virtual_networks/main/subnets/compute"));
    assert!(place("role_assignments/workspace-vault") > place("workspace"));
    assert!(place("datastores/data_lake") > place("storage_accounts/data_lake/containers/data"));
}

/// The aim is at most 53, 13 and 43 (Terraform's azurerm 5.2: 123, 30 and 64). Fewer is better; a change of
/// these numbers is a change of `docs/benchmarks.md`.
#[tokio::test(start_paused = true)]
async fn the_reference_environment_takes_this_many_requests() {
    let mut world = AzureWorld::new();
    let environment = AzureWorld::environment("production", PRODUCTION);
    world.azure.take_requests();
    let applied = world.reconcile(&environment).await;
    let to_apply = world.take_count();
    world.remember_applied(&environment);
    world.stays_quiet(&environment).await;
    let to_plan = world.take_count();
    world.consent("*");
    let destroyed = world.reconcile(&AzureWorld::removed()).await;
    let to_destroy = world.take_count();
    for report in [applied, destroyed] {
        assert_eq!(report.end, RunEnd::Complete, "{}", failures(&report));
    }
    assert_eq!(world.azure.get(&group()), None);
    assert_eq!((to_apply, to_plan, to_destroy), (53, 13, 41));
}
