//! What goes wrong stops only what depends on it, is told in Azure's own words, and is finished by the
//! next run.

use beamline::reconcile::apply::RunEnd;
use beamline::reconcile::report::{Report, StepEnd};
use beamline_simulator::{Fault, FaultEffect};

use crate::support::{AzureWorld, Definition, end_of, failures};

fn fault(method: &str, path: &str, effect: FaultEffect) -> Fault {
    Fault { method: Some(method.to_owned()), path_contains: path.to_owned(), times: 1, effect }
}

fn is_done(report: &Report, local: &str) -> bool {
    *end_of(report, local) == StepEnd::Done
}

/// Sees that the next run finishes what the failed one left.
async fn finishes(world: &AzureWorld, definition: &Definition) {
    world.azure.faults().clear();
    world.apply(&definition.text()).await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_fails_stops_only_what_depends_on_it() {
    let world = AzureWorld::new();
    let effect = FaultEffect::FailOperation {
        code: "SkuNotAvailable".to_owned(),
        message: "The requested tier is not available here.".to_owned(),
    };
    world.azure.faults().add(fault("PUT", "registries/acrmlproduction001", effect));
    let report = world.reconcile(&Definition::production().environment()).await;
    assert_eq!(report.end, RunEnd::Failed);
    let StepEnd::Failed { message } = end_of(&report, "container_registries/main") else {
        panic!("{report:?}")
    };
    assert!(message.contains("The requested tier is not available here."), "{message}");
    for local in [
        "workspace",
        "compute_clusters/cpu-cluster",
        "datastores/data_lake",
        "role_assignments/workspace-vault",
    ] {
        let StepEnd::Skipped { because } = end_of(&report, local) else { panic!("{local}: {report:?}") };
        assert_eq!(because.local(), "container_registries/main", "{local}");
    }
    for local in ["virtual_networks/main", "key_vaults/main", "storage_accounts/data_lake/containers/data"] {
        assert!(is_done(&report, local), "{local}");
    }
    finishes(&world, &Definition::production()).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_a_failed_step_with_azures_innermost_message() {
    let world = AzureWorld::new();
    let effect = FaultEffect::Status {
        code: 409,
        retry_after_secs: None,
        error_code: "QuotaExceeded".to_owned(),
        message: "Four of four cores are in use.".to_owned(),
    };
    world.azure.faults().add(fault("PUT", "computes/low-priority-cluster", effect));
    let report = world.reconcile(&Definition::production().environment()).await;
    let StepEnd::Failed { message } = end_of(&report, "compute_clusters/low-priority-cluster") else {
        panic!("{report:?}")
    };
    assert!(message.contains("Four of four cores are in use."), "{message}");
    assert!(
        is_done(&report, "compute_clusters/cpu-cluster")
            && is_done(&report, "role_assignments/workspace-vault")
    );
    finishes(&world, &Definition::production()).await;
}

#[tokio::test(start_paused = true)]
async fn a_property_that_azure_accepted_and_ignored_is_a_failed_step_that_names_it() {
    let world = AzureWorld::new();
    let ignored = |pointer: &str| FaultEffect::IgnoreProperty { pointer: pointer.to_owned() };
    world.azure.faults().add(fault("PUT", "stmlproduction001", ignored("/properties/minimumTlsVersion")));
    let report = world.reconcile(&Definition::production().environment()).await;
    let StepEnd::Failed { message } = end_of(&report, "storage_accounts/default") else {
        panic!("{report:?}")
    };
    assert!(message.contains("min_tls_version (asked TLS1_2, has "), "{message}");
    assert!(matches!(end_of(&report, "workspace"), StepEnd::Skipped { .. }));
    finishes(&world, &Definition::production()).await;
    // The same for a change.
    let scaled =
        Definition::production().with("compute_clusters/cpu-cluster/scale_settings/max_node_count", 7);
    let at = "/properties/properties/scaleSettings/maxNodeCount";
    world.azure.faults().add(fault("PATCH", "computes/cpu-cluster", ignored(at)));
    let report = world.reconcile(&scaled.environment()).await;
    let message = failures(&report);
    assert!(message.contains("scale_settings.max_node_count (asked 7, has 10)"), "{message}");
    finishes(&world, &scaled).await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_keeps_what_contains_it() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    world.consent("*");
    let effect =
        FaultEffect::FailOperation { code: "BadRequest".to_owned(), message: "A job is running.".to_owned() };
    world.azure.faults().add(fault("DELETE", "computes/cpu-cluster", effect));
    let report = world.reconcile(&AzureWorld::removed()).await;
    assert_eq!(report.end, RunEnd::Failed);
    assert!(failures(&report).contains("A job is running."), "{}", failures(&report));
    for local in ["workspace", "storage_accounts/default", "resource_group"] {
        assert!(matches!(end_of(&report, local), StepEnd::Skipped { .. }), "{local}: {report:?}");
    }
    assert!(is_done(&report, "compute_clusters/gpu-cluster"));
    world.azure.faults().clear();
    let report = world.reconcile(&AzureWorld::removed()).await;
    assert_eq!(failures(&report), "");
    assert_eq!(world.azure.ids(), []);
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_never_ends_is_given_up_after_its_time() {
    let world = AzureWorld::new();
    world.azure.faults().add(fault("PUT", "computes/low-priority-cluster", FaultEffect::NeverFinish));
    let report = world.reconcile(&Definition::production().environment()).await;
    let StepEnd::Unknown { message } = end_of(&report, "compute_clusters/low-priority-cluster") else {
        panic!("{report:?}")
    };
    assert!(message.contains("30 min"), "{message}");
    assert!(is_done(&report, "compute_clusters/cpu-cluster"));
}
