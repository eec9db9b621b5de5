//! Workspaces, computes and datastores.

use serde_json::{Value, json};

use super::bench::{Bench, cluster_body, group, id, path, workspace, workspace_body};
use crate::Latency;

const REAL: Latency = Latency::Realistic { factor: 1.0 };

fn compute(name: &str) -> String {
    format!("{}/computes/{name}", workspace())
}

async fn ready(latency: Latency) -> Bench {
    let bench = Bench::with_group(latency).await;
    bench.with_dependencies().await;
    let made = bench.put(&workspace(), workspace_body()).await;
    assert_eq!(made.status, 202, "{}", made.body);
    bench.wait(80).await;
    bench
}

#[tokio::test(start_paused = true)]
async fn a_workspace_answers_its_dependencies_in_another_casing() {
    let bench = ready(Latency::None).await;
    let body = bench.get(&workspace()).await.body;
    assert_eq!(body["properties"]["provisioningState"], "Succeeded");
    assert!(body["properties"]["keyVault"].as_str().unwrap().contains("/Microsoft.Keyvault/"));
    assert!(body["properties"]["applicationInsights"].as_str().unwrap().contains("/Microsoft.insights/"));
    assert!(body["identity"]["principalId"].is_string());
    let stores = bench.get(&format!("{}/datastores", workspace())).await;
    assert_eq!(stores.body["value"].as_array().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_refuses_what_azure_refuses() {
    let bench = Bench::with_group(Latency::None).await;
    let mut bare = workspace_body();
    bare["properties"] = json!({});
    assert_eq!(bench.put(&workspace(), bare).await.code(), "ValidationError");
    assert_eq!(bench.put(&workspace(), workspace_body()).await.code(), "BadRequest");
    bench.with_dependencies().await;
    let lake = path("Microsoft.Storage/storageAccounts/lake");
    let body = json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" },
        "properties": { "isHnsEnabled": true } });
    bench.put(&lake, body).await;
    let mut on_lake = workspace_body();
    on_lake["properties"]["storageAccount"] = json!(lake);
    let refused = bench.put(&workspace(), on_lake.clone()).await;
    assert_eq!(refused.body["error"]["message"], "Cannot use storage with HNS enabled.");
    bench.put(&workspace(), workspace_body()).await;
    let moved = bench.put(&workspace(), on_lake).await;
    assert_eq!(moved.body["error"]["message"], "Storage Account update is not supported yet");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_workspace_keeps_its_name_unless_it_was_purged() {
    let bench = ready(Latency::None).await;
    let before = bench.get(&workspace()).await.body["identity"]["principalId"].clone();
    let gone = bench.delete(&workspace()).await;
    assert_eq!(gone.status, 202);
    let again = bench.put(&workspace(), workspace_body()).await;
    assert!(again.body["error"]["message"].as_str().unwrap().starts_with("Soft-deleted workspace exists."));
    bench.wait(15 * 24 * 3600).await;
    assert_eq!(bench.put(&workspace(), workspace_body()).await.status, 202);
    bench.delete(&format!("{}?forceToPurge=true", workspace())).await;
    assert_eq!(bench.put(&workspace(), workspace_body()).await.status, 202);
    assert_ne!(bench.get(&workspace()).await.body["identity"]["principalId"], before);
}

#[tokio::test(start_paused = true)]
async fn taking_the_registry_away_is_accepted_and_ignored() {
    let bench = ready(Latency::None).await;
    let mut body = workspace_body();
    body["properties"]["containerRegistry"] = Value::Null;
    assert_eq!(bench.put(&workspace(), body).await.status, 202);
    assert!(bench.get(&workspace()).await.body["properties"]["containerRegistry"].is_string());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_is_created_scaled_and_deleted() {
    let bench = ready(REAL).await;
    let made = bench.put(&compute("cpu-cluster"), cluster_body()).await;
    assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Creating")));
    assert_eq!(bench.put(&compute("cpu-cluster"), cluster_body()).await.status, 409);
    bench.wait(40).await;
    let status = bench.get(made.header("azure-asyncoperation")).await.body;
    assert_eq!(status["status"], "Succeeded");
    let body = bench.get(&compute("cpu-cluster")).await.body;
    let inner = &body["properties"]["properties"];
    assert_eq!(inner["vmSize"], "STANDARD_D4S_V3");
    assert_eq!(inner["scaleSettings"]["nodeIdleTimeBeforeScaleDown"], "PT2M");
    assert_eq!(inner["remoteLoginPortPublicAccess"], "Enabled");
    let patch = json!({ "properties": { "properties": { "scaleSettings": { "maxNodeCount": 9 } } } });
    assert_eq!(bench.send("PATCH", &compute("cpu-cluster"), Some(patch)).await.status, 200);
    bench.wait(40).await;
    let mut larger = cluster_body();
    larger["properties"]["properties"]["vmSize"] = json!("Standard_D8s_v3");
    assert_eq!(bench.put(&compute("cpu-cluster"), larger).await.status, 200);
    bench.wait(40).await;
    let listed = bench.get(&format!("{}/computes", workspace())).await;
    assert_eq!(listed.body["value"][0]["properties"]["properties"]["vmSize"], "STANDARD_D4S_V3");
    assert_eq!(bench.delete(&compute("cpu-cluster")).await.status, 400);
    let gone = bench.delete(&format!("{}?underlyingResourceAction=Delete", compute("cpu-cluster"))).await;
    assert_eq!(gone.status, 202);
    assert!(!gone.header("azure-asyncoperation").is_empty() && !gone.header("location").is_empty());
    bench.wait(120).await;
    assert_eq!(bench.get(&compute("cpu-cluster")).await.code(), "ResourceNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_refuses_what_azure_refuses() {
    let bench = ready(Latency::None).await;
    for name in ["cpu-cluster-1", "1cpu", "ab", "x_y_z"] {
        assert_eq!(bench.put(&compute(name), cluster_body()).await.status, 400, "{name}");
    }
    let mut odd = cluster_body();
    odd["properties"]["properties"]["vmSize"] = json!("Standard_Nothing");
    assert_eq!(bench.put(&compute("cpu-cluster"), odd).await.status, 400);
    let mut both = cluster_body();
    both["identity"]["type"] = json!("SystemAssigned,UserAssigned");
    assert_eq!(bench.put(&compute("cpu-cluster"), both).await.status, 400);
    let nowhere = compute("cpu-cluster").replace("/mlw/", "/other/");
    assert_eq!(bench.put(&nowhere, cluster_body()).await.code(), "ParentResourceNotFound");
}

#[tokio::test(start_paused = true)]
async fn an_instance_starts_stops_and_changes_its_idle_time_by_action_only() {
    let bench = ready(REAL).await;
    let target = compute("ci-dev");
    let body = json!({ "location": "eastus", "properties": { "computeType": "ComputeInstance", "properties": {
        "vmSize": "Standard_DS3_v2", "idleTimeBeforeShutdown": "PT1H",
    } } });
    assert_eq!(bench.put(&target, body.clone()).await.status, 201);
    bench.wait(300).await;
    let inner = |body: Value| body["properties"]["properties"].clone();
    assert_eq!(inner(bench.get(&target).await.body)["state"], "Running");
    let mut later = body.clone();
    later["properties"]["properties"]["idleTimeBeforeShutdown"] = json!("PT2H");
    bench.put(&target, later).await;
    bench.wait(60).await;
    assert_eq!(inner(bench.get(&target).await.body)["idleTimeBeforeShutdown"], "PT1H");
    let set = Some(json!({ "idleTimeBeforeShutdown": "PT2H" }));
    assert_eq!(bench.send("POST", &format!("{target}/updateIdleShutdownSetting"), set).await.status, 200);
    assert_eq!(inner(bench.get(&target).await.body)["idleTimeBeforeShutdown"], "PT2H");
    let stop = bench.send("POST", &format!("{target}/stop"), None).await;
    assert_eq!(stop.status, 202);
    assert_eq!(inner(bench.get(&target).await.body)["state"], "Stopping");
    bench.wait(120).await;
    assert_eq!(inner(bench.get(&target).await.body)["state"], "Stopped");
}

#[tokio::test(start_paused = true)]
async fn a_datastore_never_shows_its_secrets() {
    let bench = ready(Latency::None).await;
    let target = format!("{}/datastores/lake", workspace());
    let body = json!({ "properties": {
        "datastoreType": "AzureDataLakeGen2", "accountName": "nowhere", "filesystem": "data",
        "credentials": { "credentialsType": "AccountKey", "secrets": { "secretsType": "AccountKey", "key": "k" } },
    } });
    assert_eq!(bench.put(&target, body.clone()).await.status, 201);
    assert_eq!(bench.put(&target, body).await.status, 200);
    let stored = bench.get(&target).await.body;
    assert_eq!(stored["properties"]["credentials"], json!({ "credentialsType": "AccountKey" }));
    assert_eq!(bench.put(&target, json!({ "properties": {} })).await.status, 400);
    assert_eq!(bench.delete(&target).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn deleting_the_group_deletes_computes_with_the_workspace() {
    let bench = ready(Latency::None).await;
    bench.put(&compute("cpu-cluster"), cluster_body()).await;
    bench.delete(&group()).await;
    assert_eq!(bench.world.get(&id(&compute("cpu-cluster"))), None);
}
