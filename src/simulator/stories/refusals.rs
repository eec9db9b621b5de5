//! Mistakes that Azure refuses, each with its status, code and target. Refusals that belong to one type
//! are told in that type's stories.

use serde_json::{Value, json};

use super::bench::{Answer, Bench, account, cluster_body, group, path, vault, workspace, workspace_body};
use crate::{Latency, VmSizes};

const STONE: &str = "Microsoft.Storage/storageAccounts/stone";

fn changed(mut body: Value, pointer: &str, value: Value) -> Value {
    let (above, name) = pointer.rsplit_once('/').unwrap();
    let holder = body.pointer_mut(above).unwrap();
    holder[name] = value;
    body
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.code())
}

#[tokio::test(start_paused = true)]
async fn names_have_rules() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let regional = json!({ "location": "eastus" });
    for (target, body, wanted) in [
        (path("Microsoft.Storage/storageAccounts/No-Hyphens"), account(), "AccountNameInvalid"),
        (path("Microsoft.KeyVault/vaults/1st"), vault(), "VaultNameNotValid"),
        (path("Microsoft.OperationalInsights/workspaces/x"), regional.clone(), "InvalidParameter"),
        (
            path("Microsoft.ContainerRegistry/registries/no-hyphens"),
            json!({ "location": "eastus", "sku": { "name": "Basic" } }),
            "InvalidResourceName",
        ),
        (path("Microsoft.MachineLearningServices/workspaces/m"), workspace_body(), "InvalidWorkspaceName"),
        (format!("{}/computes/cpu-1", workspace()), cluster_body(), "BadRequest"),
        (
            path("Microsoft.ManagedIdentity/userAssignedIdentities/-x"),
            regional.clone(),
            "InvalidResourceName",
        ),
        (path("Microsoft.Network/virtualNetworks/_x"), regional.clone(), "InvalidResourceName"),
        (group().replace("/rg", "/ends."), regional, "InvalidResourceGroup"),
    ] {
        assert_eq!(code(&bench.put(&target, body).await), (400, wanted), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn global_names_are_taken_in_every_group() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&group().replace("/rg", "/two"), json!({ "location": "eastus" })).await;
    let registry = json!({ "location": "eastus", "sku": { "name": "Basic" } });
    for (tail, body, wanted) in [
        (STONE, account(), "StorageAccountAlreadyTaken"),
        ("Microsoft.KeyVault/vaults/kv-one", vault(), "VaultAlreadyExists"),
        ("Microsoft.ContainerRegistry/registries/acrone", registry, "AlreadyInUse"),
    ] {
        let elsewhere = path(tail).replace("/rg/", "/two/");
        assert_eq!(code(&bench.put(&elsewhere, body).await), (409, wanted), "{tail}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_types_and_unknown_words_are_refused_on_put_and_patch() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let cluster = format!("{}/computes/cpu-cluster", workspace());
    bench.put(&path(STONE), account()).await;
    let hns = changed(account(), "/properties", json!({ "isHnsEnabled": "yes" }));
    let tls = changed(account(), "/properties", json!({ "publicNetworkAccess": "Sometimes" }));
    let scale = "/properties/properties/scaleSettings";
    for (method, target, body, wanted, place) in [
        ("PUT", path(STONE), hns.clone(), "InvalidRequestContent", "properties.isHnsEnabled"),
        ("PATCH", path(STONE), hns, "InvalidRequestContent", "properties.isHnsEnabled"),
        ("PUT", path(STONE), tls, "InvalidRequestPropertyValue", "properties.publicNetworkAccess"),
        (
            "PUT",
            path("Microsoft.KeyVault/vaults/kv-two"),
            changed(vault(), "/properties/softDeleteRetentionInDays", json!("long")),
            "InvalidRequestContent",
            "properties.softDeleteRetentionInDays",
        ),
        (
            "PUT",
            workspace(),
            changed(workspace_body(), "/properties/publicNetworkAccess", json!("maybe")),
            "BadRequest",
            "properties.publicNetworkAccess",
        ),
        (
            "PUT",
            cluster,
            changed(cluster_body(), scale, json!({ "maxNodeCount": "four" })),
            "InvalidRequestContent",
            "properties.properties.scaleSettings.maxNodeCount",
        ),
        (
            "PUT",
            path("Microsoft.Network/virtualNetworks/net"),
            json!({ "location": "eastus", "properties": { "addressSpace": { "addressPrefixes": "10.0.0.0/8" } } }),
            "InvalidRequestContent",
            "properties.addressSpace.addressPrefixes",
        ),
    ] {
        let refused = bench.send(method, &target, Some(body)).await;
        assert_eq!(code(&refused), (400, wanted), "{method} {target}: {}", refused.body);
        assert_eq!(refused.body["error"]["target"], place);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_required_is_named_when_it_is_missing() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let nothing = json!({ "location": "eastus" });
    for (target, body, wanted) in [
        (path("Microsoft.Storage/storageAccounts/other"), nothing.clone(), "sku.name"),
        (
            path("Microsoft.Storage/storageAccounts/other"),
            json!({ "sku": { "name": "Standard_LRS" }, "kind": "StorageV2" }),
            "location",
        ),
        (path("microsoft.insights/components/ai-two"), nothing.clone(), "kind"),
        (
            path("Microsoft.MachineLearningServices/workspaces/mlw-two"),
            json!({ "location": "eastus", "identity": { "type": "SystemAssigned" }, "properties": {} }),
            "storageAccount",
        ),
        (format!("{}/computes/cpu-two", workspace()), nothing, "properties.computeType"),
    ] {
        let refused = bench.put(&target, body).await;
        assert_eq!((refused.status, &refused.body["error"]["target"]), (400, &json!(wanted)), "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_has_its_name_alone_in_its_region() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    let other = workspace().replace("/mlw", "/mlw-two");
    for own in [workspace(), other.clone()] {
        assert!(bench.put(&own, workspace_body()).await.status < 300);
    }
    let body = json!({ "location": "eastus", "properties": {
        "computeType": "ComputeInstance", "properties": { "vmSize": "Standard_DS3_v2" },
    } });
    let instance = |workspace: &str| format!("{workspace}/computes/ci-dev");
    assert_eq!(bench.put(&instance(&workspace()), body.clone()).await.status, 201);
    let taken = bench.put(&instance(&other), body).await;
    assert!(taken.body["error"]["message"].as_str().unwrap().contains("unique across all existing computes"));
    assert_eq!(bench.put(&format!("{other}/computes/cpu"), cluster_body()).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn identities_of_the_wrong_kind_are_refused() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    let without = changed(workspace_body(), "/identity", json!({ "type": "None" }));
    assert_eq!(bench.put(&workspace(), without).await.code(), "BadRequest");
    let uai = path("Microsoft.ManagedIdentity/userAssignedIdentities/uai");
    bench.put(&uai, json!({ "location": "eastus" })).await;
    let both =
        json!({ "type": "SystemAssigned,UserAssigned", "userAssignedIdentities": { uai.as_str(): {} } });
    bench.put(&workspace(), changed(workspace_body(), "/identity", both.clone())).await;
    let reduced = bench.put(&workspace(), workspace_body()).await;
    assert_eq!(reduced.body["error"]["message"], "The identity of a workspace cannot be reduced.");
    let cluster = format!("{}/computes/cpu-cluster", workspace());
    let refused = bench.put(&cluster, changed(cluster_body(), "/identity", both)).await;
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("not both"));
}

#[tokio::test(start_paused = true)]
async fn retired_sizes_stay_listed_unless_only_current_ones_are_asked_for() {
    for (sizes, listed, status) in [(VmSizes::Listed, true, 201), (VmSizes::Current, false, 400)] {
        let bench = Bench::with_options(|options| options.with_vm_sizes(sizes));
        bench.put(&group(), json!({ "location": "eastus" })).await;
        bench.with_dependencies().await;
        bench.put(&workspace(), workspace_body()).await;
        let place = group().replace("/resourceGroups/rg", "");
        let list = format!("{place}/providers/Microsoft.MachineLearningServices/locations/eastus/vmSizes");
        let shown = bench.get(&list).await.body;
        let entry = shown["value"].as_array().unwrap().iter().find(|size| size["name"] == "Standard_NC6s_v3");
        assert_eq!(entry.is_some(), listed);
        let body = changed(cluster_body(), "/properties/properties/vmSize", json!("STANDARD_NC6S_V3"));
        let made = bench.put(&format!("{}/computes/gpu", workspace()), body).await;
        assert_eq!(made.status, status, "{}", made.body);
    }
    let facts = Bench::new(Latency::None).raw("GET", "/_simulator/vm-sizes", &[], Vec::new()).await.body;
    let retired = |name: &str| {
        let sizes = facts["sizes"].as_array().unwrap();
        sizes.iter().find(|size| size["name"] == name).unwrap()["retired"].clone()
    };
    assert_eq!(retired("Standard_NC6s_v3"), "2025-09-30");
    assert_eq!(retired("Standard_D4s_v3"), Value::Null);
}
