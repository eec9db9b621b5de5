//! What is said at the end is about everything that was done, whatever was killed when.

use std::time::Duration;

use beamline_simulator::{Fault, FaultEffect, Latency};

use beamline::reconcile::plan::{Plan, Style, render};
use serde_json::json;

use crate::support::Kept;
use crate::support::{AzureWorld, DaemonWorld, Definition, Setup, consent_to_remove, group_of, id, small};

const REALISTIC: Latency = Latency::Realistic { factor: 1.0 };

fn slow_world() -> DaemonWorld {
    let world = DaemonWorld::with(Setup { latency: REALISTIC, ..Setup::new() });
    world.repository.write("environments/dev.yaml", &small(1));
    world
}

async fn until_the_vault_is_being_made(world: &DaemonWorld) {
    let vault = format!("{}/providers/Microsoft.KeyVault/vaults/kv-dev", group_of("dev"));
    world.until("the vault is being made", async || world.exists(&vault)).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_killed_and_resumed_ends_with_what_all_of_it_did() {
    let mut world = slow_world();
    world.start().await;
    let commit = world.repository.push("first");
    until_the_vault_is_being_made(&world).await;
    world.kill().await;
    world.start().await;
    world.clock.sleep(Duration::from_secs(70)).await;
    world.kill().await;
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: success: dev: Applied: 7 created"), "{note}");
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_stopped_in_order_ends_with_what_all_of_it_did() {
    let mut world = slow_world();
    world.start().await;
    let commit = world.repository.push("first");
    until_the_vault_is_being_made(&world).await;
    world.stop().await;
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_older_commit_says_what_its_run_did_and_the_newer_one_what_its_own_did() {
    let mut world = slow_world();
    world.start().await;
    let first = world.repository.push("first");
    until_the_vault_is_being_made(&world).await;
    world.kill().await;
    world.repository.write("environments/dev.yaml", &small(2));
    let second = world.repository.push("second");
    world.start().await;
    world.settled("main", &second).await;
    let note = world.repository.note(&second);
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 changed"), "{note}");
    let note = world.repository.note(&first);
    assert!(note.contains("beamline/apply: dev: success: Applied: 7 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_killed_and_resumed_names_the_consent_it_had() {
    let lake =
        "  lake: { name: \"stlake${environment}\", account_tier: Standard, account_replication_type: LRS }\n";
    let mut world = DaemonWorld::with(Setup { latency: REALISTIC, ..Setup::new() });
    let with_lake = small(1).replace("key_vaults:", &format!("{lake}key_vaults:"));
    world.repository.write("environments/dev.yaml", &with_lake);
    world.start().await;
    world.push("the beginning").await;
    world.azure.faults().add(Fault {
        method: Some("DELETE".to_owned()),
        path_contains: "stlakedev".to_owned(),
        times: 1,
        effect: FaultEffect::Slow { ms: 20_000 },
    });
    world.repository.write("environments/dev.yaml", &small(1));
    let commit =
        world.repository.push("the lake goes\n\nBeamline-Consent: destroy dev/storage_accounts/lake");
    let account = format!("{}/providers/Microsoft.Storage/storageAccounts/stlakedev", group_of("dev"));
    world.until("it goes", async || !world.exists(&account)).await;
    world.kill().await;
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    let truth = "success: Applied: 1 deleted; consent: dev/storage_accounts/lake (";
    assert!(note.contains(truth) && !note.contains("consent line"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_was_killed_and_resumed_ends_as_one_that_was_not() {
    let removal = async |is_killed: bool| {
        let mut world = DaemonWorld::with(Setup { latency: REALISTIC, ..Setup::new() });
        world.repository.write("environments/dev.yaml", &small(1));
        world.repository.write("environments/other.yaml", &small(2));
        world.start().await;
        world.push("the beginning").await;
        world.repository.remove("environments/dev.yaml");
        let commit = world.repository.push(&format!("dev goes\n\n{}", consent_to_remove("dev")));
        let workspace =
            format!("{}/providers/Microsoft.MachineLearningServices/workspaces/mlw-dev", group_of("dev"));
        world.until("it goes", async || !world.exists(&workspace)).await;
        if is_killed {
            world.kill().await;
            world.start().await;
        }
        world.settled("main", &commit).await;
        let note = world.repository.note(&commit);
        world.finish().await;
        note.replace(&commit.short().to_string(), "HEAD")
    };
    let (whole, killed) = (removal(false).await, removal(true).await);
    assert!(whole.contains("beamline/apply: dev: success: Applied: 7 deleted; consent: dev/"), "{whole}");
    assert_eq!(killed, whole);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_says_what_it_did_and_why_it_does_not_go_on() {
    let kept = Kept::default();
    let _keeping = kept.keep();
    let mut world = slow_world();
    world.start().await;
    let commit = world.repository.push("first");
    until_the_vault_is_being_made(&world).await;
    world.kill().await;
    world.subscription_alias("else");
    world.start().await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    assert!(note.contains("beamline/apply: dev: failure: After 1 created: "), "{note}");
    kept.says("run_ended", &["end=\"dropped\"", "done=1", "subscription"]);
    world.stop_quietly().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_resumed_says_why_and_what_was_done_before() {
    let mut world = slow_world();
    world.start().await;
    let commit = world.repository.push("first");
    until_the_vault_is_being_made(&world).await;
    world.kill().await;
    let id = world.azure.faults();
    id.add(Fault {
        method: Some("PUT".to_owned()),
        path_contains: "/workspaces/mlw".to_owned(),
        times: 1000,
        effect: FaultEffect::Status {
            code: 409,
            retry_after_secs: None,
            error_code: "ScopeLocked".to_owned(),
            message: "It is locked.".to_owned(),
        },
    });
    world.start().await;
    let going_on = "beamline/apply: dev: pending: Going on with an interrupted run: ";
    world.until("it goes on", async || world.repository.note(&commit).contains(going_on)).await;
    world.settled("main", &commit).await;
    let note = world.repository.note(&commit);
    let truth = "dev: failure: 1 of 2 steps failed (1 skipped): workspace: ScopeLocked: It is locked.; done: 5 created";
    assert!(note.contains(truth), "{note}");
    world.azure.faults().clear();
    world.repository.write("environments/dev.yaml", &small(2));
    let note = world.push("once more").await;
    assert!(note.contains("dev: success: Applied: 2 created"), "{note}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_fails_halfway_says_that_the_old_one_is_gone() {
    let world = DaemonWorld::running(&[("environments/dev.yaml", &small(1))]).await;
    // A size that is not offered is refused before anything is taken down; what Azure says afterwards is not.
    world.azure.faults().add(Fault {
        method: Some("PUT".to_owned()),
        path_contains: "/computes/cpu".to_owned(),
        times: 1000,
        effect: FaultEffect::Status {
            code: 400,
            retry_after_secs: None,
            error_code: "BadRequest".to_owned(),
            message: "Not today.".to_owned(),
        },
    });
    let text = small(1).replace("Standard_D4s_v3", "Standard_D8s_v3");
    world.repository.write("environments/dev.yaml", &text);
    let note = world.push("a larger size").await;
    let truth =
        "beamline/apply: dev: failure: 1 of 2 steps failed, the old one is gone: compute_clusters/cpu: ";
    assert!(note.contains(truth), "{note}");
    world.azure.faults().clear();
    world.repository.write("environments/dev.yaml", &small(1));
    let note = world.push("as it was").await;
    assert!(note.contains("beamline/apply: dev: success: Applied: 1 created"), "{note}");
    world.finish().await;
}

fn last_line(plan: &Plan) -> String {
    render(plan, Style::Plain).lines().last().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_azure_does_not_change_is_not_called_as_declared() {
    let world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    let all = world.plan(&Definition::production().text()).await.kept.len();
    let after =
        Definition::production().with("compute_instances/ci-dev-user01/tags", json!({ "of": "somebody" }));
    let plan = world.plan(&after.text()).await;
    assert_eq!((plan.steps.len(), plan.kept.len(), plan.as_declared()), (0, all, all - 1));
    let truth = format!("production: no changes ({} resources as declared, 1 not, ", all - 1);
    assert!(last_line(&plan).starts_with(&truth), "{}", last_line(&plan));
}

#[tokio::test(start_paused = true)]
async fn what_still_names_something_deleted_is_said() {
    let mut world = AzureWorld::new();
    let before = Definition::production().without("role_assignments/workspace-registry");
    world.apply(&before.text()).await;
    world.consent("production/container_registries/main");
    let after = before.without("container_registries").without("workspace/container_registry");
    let said = |plan: &Plan| plan.dangling().map(|note| note.message.clone()).collect::<Vec<_>>();
    let plan = world.plan(&after.text()).await;
    assert_eq!(said(&plan), ["workspace names registries/acrmlproduction001, which is being deleted"]);
    // The plan refuses that; by hand it can be done all the same.
    assert!(!plan.blockers.is_empty());
    assert!(world.azure.remove(&id("Microsoft.ContainerRegistry/registries/acrmlproduction001")));
    let plan = world.plan(&after.text()).await;
    assert_eq!(said(&plan), ["workspace names registries/acrmlproduction001, which does not exist"]);
    assert!(!last_line(&plan).ends_with("resources as declared)"), "{}", last_line(&plan));
}
