//! The plan as people and programs read it. Its JSON is a public interface: fields are added, never
//! renamed, and a change of these snapshots is a change of the documentation.

use beamline::reconcile::plan::{Style, render, summary_line};
use serde_json::json;

use crate::support::{AzureWorld, Definition, PRODUCTION, id};

#[tokio::test(start_paused = true)]
async fn the_first_plan_of_the_reference_environment() {
    let plan = AzureWorld::new().plan(PRODUCTION).await;
    insta::assert_snapshot!(render(&plan, Style::Plain));
}

/// Some of everything: made, changed, replaced, deleted, adopted, noted, blocked.
async fn mixed() -> (AzureWorld, Definition) {
    let world = AzureWorld::new();
    world.apply(&Definition::with_spares().text()).await;
    world.azure.edit(&id("Microsoft.ContainerRegistry/registries/acrmlspare001"), |body| {
        body["tags"] = json!({});
    });
    let theirs = id("Microsoft.Storage/storageAccounts/somebodyelse001");
    world.azure.put(
        &theirs,
        json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } }),
    );
    let after = Definition::with_spares()
        .with("container_registries/spare/adopt", true)
        .with("compute_clusters/low-priority-cluster/scale_settings/max_node_count", 5)
        .with("compute_clusters/low-priority-cluster/tags/priority", "lower")
        .with("compute_clusters/cpu-cluster/vm_size", "Standard_D8s_v3")
        .with("virtual_networks/main/subnets/more", json!({ "address_prefixes": ["10.1.30.0/24"] }))
        .with("compute_instances/ci-dev-user01/description", "Ada's")
        .without("datastores/spare")
        .without("key_vaults/spare");
    (world, after)
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_does_some_of_everything() {
    let (mut world, after) = mixed().await;
    insta::assert_snapshot!("mixed_blocked", render(&world.plan(&after.text()).await, Style::Plain));
    world.consent("production/key_vaults/*");
    let plan = world.plan(&after.text()).await;
    insta::assert_snapshot!("mixed_summary", summary_line(&plan));
    world.apply(&after.text()).await;
}

#[tokio::test(start_paused = true)]
async fn colours_change_nothing_but_colours() {
    let plan = AzureWorld::new().plan(PRODUCTION).await;
    let coloured = render(&plan, Style::Coloured);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut escaped = false;
    for c in coloured.chars() {
        match (escaped, c) {
            (false, '\u{1b}') => escaped = true,
            (true, 'm') => escaped = false,
            (true, _) => {}
            (false, c) => plain.push(c),
        }
    }
    assert_eq!(plain, render(&plan, Style::Plain));
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_a_versioned_document_that_survives_its_json() {
    let (world, after) = mixed().await;
    let first = AzureWorld::new().plan(&Definition::small().text()).await;
    insta::assert_snapshot!("small_json", serde_json::to_string_pretty(&first).unwrap());
    for plan in [first, world.plan(&after.text()).await] {
        let text = serde_json::to_string(&plan).unwrap();
        let again: beamline::reconcile::plan::Plan = serde_json::from_str(&text).unwrap();
        assert_eq!(again, plan);
        assert_eq!(again.digest(), plan.digest());
    }
}
