//! A deleted vault keeps its name: ours is brought back, somebody else's is in the way.

use beamline::azure::{Call, Method};
use beamline::reconcile::plan::{Action, Blocker, Style, render};
use serde_json::Value;

use crate::support::{AzureWorld, Definition, id};

async fn delete_vault(world: &AzureWorld) {
    let call = Call {
        method: Method::Delete,
        id_or_path: id("Microsoft.KeyVault/vaults/kv-ml-production").to_string(),
        api_version: "2026-02-01".to_owned(),
        query: Vec::new(),
        body: None,
        client_request_id: world.arm.clock().uuid(),
    };
    world.arm.send(&call).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_vault_of_ours_is_brought_back_and_brought_up_to_date() {
    let mut world = AzureWorld::new();
    world.apply(&Definition::production().text()).await;
    delete_vault(&world).await;
    world.forget();
    let after = Definition::production().with("key_vaults/main/enabled_for_deployment", true);
    let plan = world.plan(&after.text()).await;
    let vault = plan.steps.iter().find(|step| step.address.local() == "key_vaults/main").unwrap();
    assert_eq!(vault.action, Action::Recover);
    world.apply(&after.text()).await;
    let body = world.azure.get(&id("Microsoft.KeyVault/vaults/kv-ml-production")).unwrap();
    assert_eq!(body["properties"]["enabledForDeployment"], true);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_vault_of_somebody_else_is_in_the_way_until_its_adoption_is_asked_for() {
    let world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    world.azure.edit(&id("Microsoft.KeyVault/vaults/kv-ml-production"), |body| {
        body["tags"] = Value::Object(serde_json::Map::new());
    });
    delete_vault(&world).await;
    world.take_writes();
    let plan = world.plan(&Definition::small().text()).await;
    let [Blocker::NameStaysTaken { why, .. }] = &plan.blockers[..] else {
        panic!("{}", render(&plan, Style::Plain))
    };
    assert!(why.contains("kv-ml-production") && why.contains("adopt: true"), "{why}");
    assert_eq!(world.take_writes(), [""; 0]);
    world.apply(&Definition::small().with("key_vaults/main/adopt", true).text()).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_vault_from_elsewhere_cannot_be_brought_back_here() {
    let world = AzureWorld::new();
    world.apply(&Definition::small().text()).await;
    delete_vault(&world).await;
    let moved = Definition::small().with("resource_group/name", "rg-ml-elsewhere");
    let plan = world.plan(&moved.text()).await;
    let is_taken = |one: &Blocker| matches!(one, Blocker::NameStaysTaken { .. });
    assert!(plan.blockers.iter().any(is_taken), "{}", render(&plan, Style::Plain));
}
