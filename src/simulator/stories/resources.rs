//! Groups, storage, vaults, analytics and registries.

use serde_json::{Value, json};

use super::bench::{Bench, account, dependencies, group, id, path, vault};
use crate::{DEFAULT_SUBSCRIPTION, Latency};

const REAL: Latency = Latency::Realistic { factor: 1.0 };

fn subscription(tail: &str) -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/{tail}")
}

#[tokio::test(start_paused = true)]
async fn a_group_is_made_found_and_deleted_with_its_content() {
    let bench = Bench::with_group(REAL).await;
    bench.put(&path("Microsoft.KeyVault/vaults/kv-one"), vault()).await;
    bench.wait(60).await;
    assert_eq!(bench.send("HEAD", &group().to_uppercase(), None).await.status, 204);
    let elsewhere = bench.put(&group(), json!({ "location": "westus" })).await;
    assert_eq!((elsewhere.status, elsewhere.code()), (409, "InvalidResourceGroupLocation"));
    let gone = bench.delete(&group()).await;
    assert_eq!((gone.status, gone.header("retry-after")), (202, "10"));
    let poll = gone.header("location").to_owned();
    assert_eq!(bench.get(&poll).await.status, 202);
    let late = bench.put(&path("Microsoft.Storage/storageAccounts/stone"), account()).await;
    assert_eq!(late.code(), "ResourceGroupBeingDeleted");
    bench.wait(150).await;
    assert_eq!(bench.get(&poll).await.status, 200);
    assert_eq!(bench.get(&group()).await.code(), "ResourceGroupNotFound");
    assert!(bench.world.ids().is_empty());
    let deleted = bench.get(&subscription("providers/Microsoft.KeyVault/deletedVaults")).await;
    assert_eq!(deleted.body["value"][0]["name"], "kv-one");
}

#[tokio::test(start_paused = true)]
async fn the_listings_show_tracked_resources_by_tag_and_type() {
    let bench = Bench::with_group(Latency::None).await;
    let mut body = account();
    body["tags"] = json!({ "owner": "team a and b" });
    bench.put(&path("Microsoft.Storage/storageAccounts/stone"), body).await;
    bench.put(&path("Microsoft.KeyVault/vaults/kv-one"), vault()).await;
    let container = path("Microsoft.Storage/storageAccounts/stone/blobServices/default/containers/data");
    assert_eq!(bench.put(&container, json!({})).await.status, 201);
    let count = |answer: &Value| answer["value"].as_array().unwrap().len();
    assert_eq!(count(&bench.get(&format!("{}/resources", group())).await.body), 2);
    let filter = "resources?$filter=tagName%20eq%20'OWNER'%20and%20tagValue%20eq%20'team%20a%20and%20b'";
    let tagged = bench.get(&subscription(filter)).await;
    assert_eq!(tagged.body["value"][0]["name"], "stone");
    let filter = "resources?$filter=resourceType%20eq%20'microsoft.keyvault/vaults'";
    assert_eq!(count(&bench.get(&subscription(filter)).await.body), 1);
    assert_eq!(
        bench.get(&subscription("resources?$filter=nonsense")).await.code(),
        "InvalidFilterInQueryString"
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_is_created_by_location_and_filled() {
    let bench = Bench::with_group(REAL).await;
    let target = path("microsoft.storage/STORAGEACCOUNTS/stone");
    let accepted = bench.put(&target, account()).await;
    assert_eq!((accepted.status, accepted.header("retry-after")), (202, "17"));
    assert_eq!(accepted.body, Value::Null);
    assert_eq!(bench.put(&target, account()).await.status, 409);
    let poll = accepted.header("location").to_owned();
    assert_eq!(bench.get(&poll).await.status, 202);
    bench.wait(30).await;
    let done = bench.get(&poll).await;
    assert_eq!(done.body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(done.body["id"], path("Microsoft.Storage/storageAccounts/stone"));
    assert_eq!(done.body["properties"]["minimumTlsVersion"], "TLS1_0");
    assert_eq!(done.body["sku"]["tier"], "Standard");
    assert_eq!(bench.put(&target, account()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_account_refuses_what_azure_refuses() {
    let bench = Bench::with_group(Latency::None).await;
    let target = path("Microsoft.Storage/storageAccounts/stone");
    let bad_name = bench.put(&path("Microsoft.Storage/storageAccounts/St-One"), account()).await;
    assert_eq!(bad_name.code(), "AccountNameInvalid");
    let mut premium = account();
    premium["sku"]["name"] = json!("Premium_LRS");
    premium["properties"] = json!({ "isHnsEnabled": true });
    assert_eq!(bench.put(&target, premium).await.code(), "InvalidRequestPropertyValue");
    bench.put(&target, account()).await;
    let mut hns = account();
    hns["properties"] = json!({ "isHnsEnabled": true });
    assert_eq!(bench.put(&target, hns).await.code(), "AccountPropertyCannotBeUpdated");
    bench.put(&subscription("resourceGroups/two"), json!({ "location": "eastus" })).await;
    let taken = target.replace("/rg/", "/two/");
    assert_eq!(bench.put(&taken, account()).await.code(), "StorageAccountAlreadyTaken");
    let check = subscription("providers/Microsoft.Storage/checkNameAvailability");
    let answer = bench.send("POST", &check, Some(json!({ "name": "stone" }))).await;
    assert_eq!(answer.body["reason"], "AlreadyExists");
    let nowhere = bench.put(&taken.replace("/two/", "/three/"), account()).await;
    assert_eq!((nowhere.status, nowhere.code()), (404, "ResourceGroupNotFound"));
    let mut moved = account();
    moved["location"] = json!("West US");
    assert_eq!(bench.put(&target, moved).await.code(), "InvalidResourceLocation");
}

#[tokio::test(start_paused = true)]
async fn a_vault_has_a_life_after_its_deletion() {
    let bench = Bench::with_group(REAL).await;
    let target = path("Microsoft.KeyVault/vaults/kv-one");
    let made = bench.put(&target, vault()).await;
    assert_eq!((made.status, made.header("location")), (201, ""));
    assert_eq!(made.body["properties"]["provisioningState"], "RegisteringDns");
    bench.wait(30).await;
    let ready = bench.get(&target).await;
    assert_eq!(ready.body["properties"]["provisioningState"], "Succeeded");
    assert_eq!(ready.body["properties"]["publicNetworkAccess"], "enabled");
    assert_eq!(bench.delete(&target).await.status, 200);
    assert_eq!(bench.delete(&target).await.status, 204);
    assert_eq!(bench.put(&target, vault()).await.code(), "ConflictError");
    let mut recover = vault();
    recover["properties"]["createMode"] = json!("recover");
    assert_eq!(bench.put(&target, recover.clone()).await.status, 201);
    bench.wait(30).await;
    bench.delete(&target).await;
    let deleted = subscription("providers/Microsoft.KeyVault/locations/eastus/deletedVaults/kv-one");
    assert_eq!(bench.get(&deleted).await.status, 200);
    assert_eq!(bench.send("POST", &format!("{deleted}/purge"), None).await.status, 200);
    assert_eq!(bench.get(&deleted).await.code(), "DeletedVaultNotFound");
    assert_eq!(bench.put(&target, recover).await.code(), "SoftDeletedVaultDoesNotExist");
    assert_eq!(bench.put(&target, vault()).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_purge_protected_vault_keeps_its_name_until_the_date() {
    let bench = Bench::with_group(Latency::None).await;
    let target = path("Microsoft.KeyVault/vaults/kv-one");
    let mut body = vault();
    body["properties"]["enablePurgeProtection"] = json!(true);
    body["properties"]["softDeleteRetentionInDays"] = json!(7);
    bench.put(&target, body.clone()).await;
    body["properties"]["enablePurgeProtection"] = json!(false);
    assert_eq!(bench.put(&target, body.clone()).await.status, 400);
    bench.delete(&target).await;
    let deleted = subscription("providers/Microsoft.KeyVault/locations/eastus/deletedVaults/kv-one");
    assert_eq!(bench.send("POST", &format!("{deleted}/purge"), None).await.status, 400);
    bench.wait(8 * 24 * 3600).await;
    assert_eq!(bench.put(&target, vault()).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn analytics_answers_in_lower_case_and_recovers_by_put() {
    let bench = Bench::with_group(Latency::None).await;
    let target = path("Microsoft.OperationalInsights/workspaces/logs");
    let made = bench.put(&target, json!({ "location": "eastus" })).await;
    assert_eq!(made.body["properties"]["provisioningState"], "Creating");
    let first = bench.get(&target).await.body;
    let own_id = first["id"].as_str().unwrap();
    assert!(own_id.contains("/resourcegroups/rg/providers/microsoft.operationalinsights/"), "{own_id}");
    bench.delete(&target).await;
    bench.put(&target, json!({ "location": "eastus" })).await;
    let again = bench.get(&target).await.body;
    assert_eq!(again["properties"]["customerId"], first["properties"]["customerId"]);
    bench.delete(&format!("{target}?force=true")).await;
    bench.put(&target, json!({ "location": "eastus" })).await;
    let fresh = bench.get(&target).await.body;
    assert_ne!(fresh["properties"]["customerId"], first["properties"]["customerId"]);
}

#[tokio::test(start_paused = true)]
async fn insights_answers_200_and_a_display_name() {
    let bench = Bench::with_group(Latency::None).await;
    let [_, _, (logs, logs_body), (target, body), _] = <[_; 5]>::try_from(dependencies()).unwrap();
    assert_eq!(bench.put(&target, body.clone()).await.status, 400);
    bench.put(&logs, logs_body).await;
    let made = bench.put(&target, body).await;
    assert_eq!((made.status, &made.body["location"]), (200, &json!("East US")));
    let patch = json!({ "tags": { "a": "b" }, "properties": { "RetentionInDays": 30 } });
    let patched = bench.send("PATCH", &target, Some(patch)).await;
    assert_eq!(patched.body["tags"]["a"], "b");
    assert_eq!(patched.body["properties"]["RetentionInDays"], 90);
    assert_eq!(patched.body["location"], "East US");
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_polled_by_its_status_document() {
    let bench = Bench::with_group(REAL).await;
    let (target, body) = dependencies().pop().unwrap();
    let made = bench.put(&target, body).await;
    assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Creating")));
    let poll = made.header("azure-asyncoperation").to_owned();
    assert_eq!(bench.get(&poll).await.body["status"], "InProgress");
    bench.wait(30).await;
    assert_eq!(bench.get(&poll).await.body["status"], "Succeeded");
    assert_eq!(bench.get(&target).await.body["properties"]["loginServer"], "acrone.azurecr.io");
    assert_eq!(bench.get(&format!("{target}/replications")).await.body, json!({ "value": [] }));
    let gone = bench.delete(&target).await;
    assert_eq!(gone.status, 202);
    bench.wait(30).await;
    assert_eq!(bench.get(gone.header("location")).await.status, 200);
    assert_eq!(bench.delete(&target).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn the_world_can_be_changed_by_hand() {
    let bench = Bench::with_group(Latency::None).await;
    let target = id(&path("Microsoft.Storage/storageAccounts/stone"));
    bench.world.put(&target, account());
    assert!(bench.world.edit(&target, |body| body["tags"]["by"] = json!("hand")));
    assert_eq!(bench.world.get(&target).unwrap()["tags"]["by"], "hand");
    assert!(bench.world.remove(&target));
    assert!(!bench.world.edit(&target, |_| ()));
}
