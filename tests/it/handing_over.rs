//! Declarations that move from one environment to another: the receiver takes the resource over as it is, and the
//! giver never deletes it, whichever runs first, and also when the receiver fails.

use beamline::reconcile::apply::LEASE_DURATION;
use beamline::store::environment_lease;
use beamline_simulator::{Application, DEFAULT_SUBSCRIPTION, Fault, FaultEffect};

use crate::support::{DaemonWorld, small};

/// A small environment whose names in Azure do not follow its own.
fn dev() -> String {
    small(1).replace("${environment}", "dev")
}

#[tokio::test(start_paused = true)]
async fn a_renamed_environment_keeps_everything_it_has() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &dev())]).await;
    let before = world.azure.ids();
    world.repository.remove("environments/dev.yaml");
    world.repository.write("environments/development.yaml", &dev());
    let note = world.push("another name").await;
    assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
    assert!(!note.contains("failure"), "{note}");
    assert_eq!(world.azure.ids(), before, "nothing was made or deleted");
    let deleted = world.take_writes().into_iter().filter(|write| write.method == "DELETE").count();
    assert_eq!(deleted, 0);
    let known: Vec<String> =
        world.store().environments().await.unwrap().iter().map(|one| one.environment.to_string()).collect();
    assert_eq!(known, ["development"], "the old name is forgotten");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn consent_to_destroy_the_old_name_destroys_nothing_that_the_new_one_has() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &dev())]).await;
    let before = world.azure.ids();
    world.repository.remove("environments/dev.yaml");
    world.repository.write("environments/development.yaml", &dev());
    let note = world.push("another name\n\nBeamline-Consent: destroy dev/resource_group").await;
    assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
    assert_eq!(world.azure.ids(), before);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_broken_receiver_may_declare_is_not_deleted() {
    let mut world = DaemonWorld::running(&[("environments/dev.yaml", &dev())]).await;
    let before = world.azure.ids();
    world.repository.remove("environments/dev.yaml");
    world.repository.write("environments/development.yaml", &format!("{}\nnonsense: 1\n", dev()));
    let note = world.push("broken\n\nBeamline-Consent: destroy dev/resource_group").await;
    assert!(note.contains("development: failure"), "{note}");
    assert!(note.contains("environments/development.yaml has errors and"), "{note}");
    assert_eq!(world.azure.ids(), before, "nothing was deleted: {note}");
    world.repository.write("environments/development.yaml", &dev());
    let note = world.push("mended").await;
    assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
    assert_eq!(world.azure.ids(), before);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_role_assignment_moves_to_another_environment() {
    let mut world = DaemonWorld::new();
    let application =
        Application { client_id: "an application".to_owned(), secret: None, grants: Vec::new() };
    let principal = world.azure.register(&application).unwrap();
    let grant = format!(
        "\nrole_assignments:\n  reader:\n    principal: {principal}\n    \
         principal_type: ServicePrincipal\n    role: Reader\n    \
         scope: /subscriptions/{DEFAULT_SUBSCRIPTION}\n"
    );
    let with = |text: String| format!("{text}{grant}");
    world.repository.write("environments/dev.yaml", &with(dev()));
    world.repository.write("environments/other.yaml", &small(1));
    world.start().await;
    let note = world.push("the beginning").await;
    assert!(!note.contains("failure"), "{note}");
    let before = world.azure.ids();
    world.repository.write("environments/dev.yaml", &dev());
    world.repository.write("environments/other.yaml", &with(small(1)));
    let note = world.push("the grant moves").await;
    assert!(!note.contains("failure"), "{note}");
    assert_eq!(world.azure.ids(), before, "the grant was never gone: {note}");
    let deleted = world.take_writes().into_iter().filter(|write| write.method == "DELETE").count();
    assert_eq!(deleted, 0);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_died_with_the_lease_of_the_giver_holds_nobody_up_for_long() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &dev())]).await;
    let key = environment_lease(&"dev".parse().unwrap());
    let taken =
        world.store().acquire_lease(&key, "a process that died", world.clock.now(), LEASE_DURATION).await;
    assert!(taken.unwrap().is_some());
    world.repository.remove("environments/dev.yaml");
    world.repository.write("environments/development.yaml", &dev());
    let note = world.push("another name").await;
    assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_definition_that_speaks_of_something_else_keeps_nothing() {
    let with_spare = dev().replace("compute_clusters:\n", "compute_clusters:\n  spare:\n    vm_size: Standard_D4s_v3\n    scale_settings: { max_node_count: 1, scale_down_nodes_after_idle_duration: PT15M }\n");
    let world = DaemonWorld::running(&[("environments/dev.yaml", &with_spare)]).await;
    let before = world.azure.ids().len();
    world.repository.write("environments/dev.yaml", &dev());
    let broken = small(1).replace("  cpu:", "  spare:");
    world.repository.write("environments/staging.yaml", &format!("{broken}\nnonsense: 1\n"));
    let note = world.push("one is gone, another file is broken").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 deleted"), "{note}");
    assert_eq!(world.azure.ids().len(), before - 1);
    world.stop_quietly().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_new_name_does_not_declare_goes_with_the_old_one() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &dev())]).await;
    world.repository.remove("environments/dev.yaml");
    let after = dev().replace("name: \"ai-dev\"", "name: \"ai-two\"");
    world.repository.write("environments/development.yaml", &after);
    let note = world.push("another name, and other insights").await;
    assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
    assert!(note.contains("beamline/apply: dev: success"), "{note}");
    assert!(!note.contains("does not exist"), "{note}");
    let insights = |name: &str| {
        world.azure.ids().iter().any(|id| id.arm_type().ends_with("components") && id.name() == name)
    };
    assert!(!insights("ai-dev") && insights("ai-two"), "{note}");
    world.finish().await;
}

/// Grants for the identities of the workspace and the cluster, on resources and on the group.
fn with_own_grants() -> String {
    format!(
        "{}role_assignments:
  data: {{ principal: workspace, role: Storage Blob Data Contributor, scope: storage_accounts/default }}
  all: {{ principal: compute_clusters/cpu, role: Reader, scope: resource_group }}
",
        dev()
    )
}

#[tokio::test(start_paused = true)]
async fn a_grant_for_an_identity_of_its_own_goes_with_a_renamed_environment() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &with_own_grants())]).await;
    let before = world.azure.ids();
    world.repository.remove("environments/dev.yaml");
    world.repository.write("environments/development.yaml", &with_own_grants());
    let note = world.push("another name").await;
    assert!(note.contains("beamline/apply: development: success: Applied"), "{note}");
    assert!(!note.contains("failure"), "{note}");
    assert_eq!(world.azure.ids(), before);
    let deleted = world.take_writes().into_iter().filter(|write| write.method == "DELETE").count();
    assert_eq!(deleted, 0, "no right was gone for a moment: {note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_for_an_identity_of_its_own_stays_when_the_receiver_fails_or_is_broken() {
    let mut world = DaemonWorld::running(&[("environments/dev.yaml", &with_own_grants())]).await;
    let before = world.azure.ids();
    world.repository.remove("environments/dev.yaml");
    world.repository.write("environments/development.yaml", &format!("{}\nnonsense: 1\n", with_own_grants()));
    let note = world.push("broken").await;
    assert!(note.contains("development: failure"), "{note}");
    assert_eq!(world.azure.ids(), before, "the receiver is broken: {note}");
    let effect = FaultEffect::Status {
        code: 403,
        error_code: "AuthorizationFailed".to_owned(),
        message: "may write no grants".to_owned(),
        retry_after_secs: None,
    };
    let (method, path_contains) = (Some("PUT".to_owned()), "/roleAssignments/".to_owned());
    world.azure.faults().add(Fault { method, path_contains, times: 99, effect });
    world.repository.write("environments/development.yaml", &with_own_grants());
    let note = world.push("mended").await;
    assert!(note.contains("development: failure"), "{note}");
    assert_eq!(world.azure.ids(), before, "the receiver fails: {note}");
    world.azure.faults().clear();
    world.stop().await;
}
