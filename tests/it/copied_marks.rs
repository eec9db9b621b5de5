//! Policies, clones and exports of templates copy tags. A mark orders something only on the resource that it was
//! written for.

use beamline::reconcile::plan::{Blocker, Style, render};
use serde_json::{Value, json};

use crate::support::{AzureWorld, DaemonWorld, Definition, group, id, small};

const VAULT: &str = "Microsoft.KeyVault/vaults/kv-ml-production";
const CLONE: &str = "Microsoft.OperationalInsights/workspaces/log-clone";

fn tags_of(world: &AzureWorld, below: &str) -> Value {
    world.azure.get(&id(below)).unwrap()["tags"].clone()
}

fn clone_with(world: &AzureWorld, tags: &Value) {
    world.azure.put(&id(CLONE), json!({ "location": "eastus", "tags": tags, "properties": {} }));
}

/// Takes from every resource what earlier versions did not write.
fn unseal(azure: &beamline_simulator::World) {
    for id in azure.ids() {
        azure.edit(&id, |body| {
            for within in ["/tags", "/properties/tags", "/properties/metadata"] {
                if let Some(tags) = body.pointer_mut(within).and_then(Value::as_object_mut) {
                    tags.retain(|name, _| !matches!(name.as_str(), "beamline-id" | "beamline_id"));
                }
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_bears_a_copied_mark_is_said_and_left_alone() {
    let world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    let made = tags_of(&world, "Microsoft.OperationalInsights/workspaces/log-ml-production");
    let of_the_group = world.azure.get(&group()).unwrap()["tags"].clone();
    let unsealed =
        json!({ "beamline": "ops/production", "beamline-address": "log_analytics_workspaces/old" });
    for tags in [made, of_the_group, unsealed] {
        assert_eq!(tags["beamline"], "ops/production");
        clone_with(&world, &tags);
        let plan = world.plan(&definition.text()).await;
        assert!(plan.steps.is_empty() && plan.blockers.is_empty(), "{}", render(&plan, Style::Plain));
        let told: Vec<_> = plan.notes.iter().filter(|note| note.code == "copied-mark").collect();
        assert!(told.len() == 1 && told[0].message.contains("log-clone"), "{:#?}", plan.notes);
        world.stays_quiet(&definition.environment()).await;
        assert!(world.azure.get(&id(CLONE)).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_name_with_a_copied_mark_is_taken_only_by_adoption() {
    let world = AzureWorld::new();
    let definition = Definition::small();
    world.apply(&definition.text()).await;
    let right = tags_of(&world, VAULT)["beamline-id"].clone();
    world.azure.edit(&id(VAULT), |body| body["tags"]["beamline-id"] = json!("0123456789abcdef"));
    let plan = world.plan(&definition.text()).await;
    assert!(matches!(&plan.blockers[..], [Blocker::NotOurs { .. }]), "{}", render(&plan, Style::Plain));
    let adopting = definition.clone().with("key_vaults/main/adopt", true);
    world.apply(&adopting.text()).await;
    assert_eq!(tags_of(&world, VAULT)["beamline-id"], right);
    world.stays_quiet(&definition.environment()).await;
}

#[tokio::test(start_paused = true)]
async fn seals_that_earlier_versions_did_not_write_come_with_the_next_write() {
    let mut world = AzureWorld::new();
    let definition = Definition::production();
    world.apply(&definition.text()).await;
    unseal(&world.azure);
    world.forget();
    world.stays_quiet(&definition.environment()).await;
    world.take_writes();
    world.apply(&definition.clone().with("key_vaults/main/tags", json!({ "a": "b" })).text()).await;
    assert_eq!(world.take_writes().len(), 1, "no write of their own");
    assert!(tags_of(&world, VAULT)["beamline-id"].is_string());
    assert!(
        tags_of(&world, "Microsoft.ContainerRegistry/registries/acrmlproduction001")["beamline-id"].is_null()
    );
}

#[tokio::test(start_paused = true)]
async fn what_earlier_versions_made_goes_where_the_last_definition_names_it() {
    const FILE: &str = "environments/dev.yaml";
    let with_cluster = small(2);
    let without = {
        let at = with_cluster.find("compute_clusters:").unwrap();
        with_cluster[..at].to_owned()
    };
    let cluster = |world: &DaemonWorld| {
        world.azure.ids().into_iter().find(|id| id.as_str().contains("/computes/")).map(|id| id.to_string())
    };
    let world = DaemonWorld::running(&[(FILE, &with_cluster)]).await;
    unseal(&world.azure);
    assert!(cluster(&world).is_some());
    world.repository.write(FILE, &without);
    let status = world.push("no cluster").await;
    assert_eq!(cluster(&world), None, "{status}");
    world.finish().await;
}
