//! Locks, tags, private endpoints, DNS zones, budgets, registries and the parts of resources.

use serde_json::{Value, json};

use super::bench::{Answer, Bench, VERSION, account, group, path, vault, workspace, workspace_body};
use crate::{DEFAULT_SUBSCRIPTION, Latency};

const REAL: Latency = Latency::Realistic { factor: 1.0 };
const STONE: &str = "Microsoft.Storage/storageAccounts/stone";
const ZONE: &str = "Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net";

fn subscription(tail: &str) -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/{tail}")
}

fn lock(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/locks/{name}")
}

fn level(level: &str) -> Value {
    json!({ "properties": { "level": level, "notes": "why" } })
}

#[tokio::test(start_paused = true)]
async fn a_lock_on_one_resource_keeps_the_whole_group() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    let own = lock(&path(STONE), "keep");
    assert_eq!(bench.put(&own, level("Maybe")).await.code(), "InvalidLockLevel");
    assert_eq!(bench.put(&own, level("CanNotDelete")).await.status, 201);
    assert_eq!(bench.put(&own, level("CanNotDelete")).await.status, 200);
    for target in [path(STONE), group()] {
        let refused = bench.delete(&target).await;
        assert_eq!((refused.status, refused.code()), (409, "ScopeLocked"), "{target}");
    }
    assert_eq!(bench.put(&path(STONE), account()).await.status, 200);
    let listed = bench.get(&lock(&group(), "").replace("/locks/", "/locks")).await.body;
    assert_eq!(listed["value"][0]["name"], "keep");
    assert_eq!(bench.delete(&own).await.status, 200);
    assert_eq!(bench.delete(&path(STONE)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_read_only_lock_is_inherited_and_stops_writes_and_key_lists() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    assert_eq!(bench.put(&lock(&group(), "frozen"), level("ReadOnly")).await.status, 201);
    assert_eq!(bench.put(&path(STONE), account()).await.code(), "ScopeLocked");
    assert_eq!(bench.send("POST", &format!("{}/listKeys", path(STONE)), None).await.code(), "ScopeLocked");
    let tags = format!("{}/providers/Microsoft.Resources/tags/default", path(STONE));
    assert_eq!(bench.put(&tags, json!({ "properties": { "tags": {} } })).await.code(), "ScopeLocked");
    assert_eq!(bench.get(&path(STONE)).await.status, 200);
    assert_eq!(bench.delete(&lock(&group(), "frozen")).await.status, 200);
    assert_eq!(bench.put(&path(STONE), account()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn tags_are_replaced_merged_and_removed_at_every_scope() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    for scope in [subscription("").trim_end_matches('/').to_owned(), group(), path(STONE)] {
        let tags = format!("{scope}/providers/Microsoft.Resources/tags/default");
        let patch = async |operation: &str, tags_sent: Value| {
            let body = json!({ "operation": operation, "properties": { "tags": tags_sent } });
            bench.send("PATCH", &tags, Some(body)).await
        };
        assert_eq!(
            bench.put(&tags, json!({ "properties": { "tags": { "a": "1", "b": "2" } } })).await.status,
            200
        );
        let merged = patch("Merge", json!({ "A": "3" })).await;
        assert_eq!(merged.body["properties"]["tags"], json!({ "A": "3", "b": "2" }), "{scope}");
        patch("Delete", json!({ "B": "" })).await;
        assert_eq!(bench.get(&tags).await.body["properties"]["tags"], json!({ "A": "3" }));
        assert_eq!(bench.get(&scope).await.body["tags"], json!({ "A": "3" }), "{scope}");
        assert_eq!(patch("Swap", json!({})).await.code(), "InvalidTagOperation");
        for (name, value) in [("n".repeat(513), "v".to_owned()), ("n".to_owned(), "v".repeat(257))] {
            assert_eq!(patch("Merge", json!({ name: value })).await.code(), "InvalidTag");
        }
        let many: serde_json::Map<String, Value> = (0..50).map(|at| (format!("t{at}"), json!("v"))).collect();
        assert_eq!(
            patch("Merge", json!(many)).await.code(),
            "InvalidTag",
            "fifty beside the one that is there"
        );
        assert_eq!(bench.delete(&tags).await.status, 200);
    }
}

/// A network with one subnet, ready.
async fn with_network(bench: &Bench) -> String {
    let network = path("Microsoft.Network/virtualNetworks/vnet");
    let subnets = json!([{ "name": "pe", "properties": { "addressPrefix": "10.1.1.0/24" } }]);
    let properties = json!({ "addressSpace": { "addressPrefixes": ["10.1.0.0/16"] }, "subnets": subnets });
    bench.put(&network, json!({ "location": "eastus", "properties": properties })).await;
    bench.wait(30).await;
    network
}

fn endpoint_body(target: &str, group_id: &str, subnet: &str) -> Value {
    let connection =
        json!({ "name": "c", "properties": { "privateLinkServiceId": target, "groupIds": [group_id] } });
    json!({ "location": "eastus", "properties": {
        "subnet": { "id": subnet }, "privateLinkServiceConnections": [connection],
    } })
}

#[tokio::test(start_paused = true)]
async fn a_private_endpoint_connects_a_resource_to_a_subnet() {
    let bench = Bench::with_group(REAL).await;
    bench.put(&path(STONE), account()).await;
    let network = with_network(&bench).await;
    let subnet = format!("{network}/subnets/pe");
    let target = path("Microsoft.Network/privateEndpoints/pe-blob");
    assert_eq!(
        bench.put(&target, endpoint_body(&path(STONE), "vault", &subnet)).await.code(),
        "InvalidGroupId"
    );
    let nowhere =
        bench.put(&target, endpoint_body(&path(STONE), "blob", &format!("{network}/subnets/x"))).await;
    assert_eq!(nowhere.code(), "InvalidResourceReference");
    let made = bench.put(&target, endpoint_body(&path(STONE), "blob", &subnet)).await;
    assert_eq!((made.status, made.header("azure-asyncoperation").is_empty()), (201, false));
    assert_eq!(made.body["properties"]["provisioningState"], "Creating");
    bench.wait(60).await;
    let own = bench.get(&target).await.body;
    let state = &own["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"];
    assert_eq!(state["status"], "Approved");
    assert_eq!(own["properties"]["customDnsConfigs"][0]["fqdn"], "stone.blob.core.windows.net");
    let seen = bench.get(&path(STONE)).await.body;
    assert_eq!(
        seen["properties"]["privateEndpointConnections"][0]["properties"]["privateEndpoint"]["id"],
        target
    );
    bench.send("PATCH", &path(STONE), Some(json!({ "tags": { "a": "b" } }))).await;
    assert_eq!(bench.delete(&subnet).await.code(), "InUseSubnetCannotBeDeleted");
    let moved = bench.put(&target, endpoint_body(&path(STONE), "file", &subnet)).await;
    assert_eq!(moved.code(), "CannotChangePrivateLinkConnectionOnPrivateEndpoint");
    zone_group(&bench, &target).await;
    assert_eq!(bench.delete(&target).await.status, 202);
    bench.wait(60).await;
    assert_eq!(bench.get(&path(STONE)).await.body["properties"]["privateEndpointConnections"], json!([]));
    assert_eq!(bench.delete(&subnet).await.status, 202);
}

async fn zone_group(bench: &Bench, endpoint: &str) {
    let group = format!("{endpoint}/privateDnsZoneGroups/default");
    let config = json!({ "name": "blob", "properties": { "privateDnsZoneId": path(ZONE) } });
    let body = json!({ "properties": { "privateDnsZoneConfigs": [config] } });
    assert_eq!(bench.put(&group, body.clone()).await.code(), "InvalidResourceReference");
    bench.put(&path(ZONE), json!({ "location": "global" })).await;
    let made = bench.put(&group, body.clone()).await;
    assert_eq!(made.status, 201);
    let records = &made.body["properties"]["privateDnsZoneConfigs"][0]["properties"]["recordSets"];
    assert_eq!(records[0]["fqdn"], "stone.privatelink.blob.core.windows.net");
    let second = bench.put(&group.replace("default", "other"), body).await;
    assert_eq!(second.code(), "PrivateEndpointCannotHaveMultipleDnsZoneGroups");
    bench.wait(30).await;
}

#[tokio::test(start_paused = true)]
async fn zones_are_global_guarded_by_etags_and_kept_by_their_links() {
    let bench = Bench::with_group(Latency::None).await;
    let network = with_network(&bench).await;
    let guarded = async |header: (&str, &str)| -> Answer {
        let body = json!({ "location": "Global" }).to_string().into_bytes();
        let headers = [("authorization", "Bearer opaque"), header];
        bench.raw("PUT", &format!("{}?{VERSION}", path(ZONE)), &headers, body).await
    };
    assert_eq!(bench.put(&path(ZONE), json!({ "location": "eastus" })).await.status, 400);
    let made = guarded(("if-none-match", "*")).await;
    assert_eq!((made.status, made.header("location").is_empty()), (202, false));
    assert_eq!(bench.get(made.header("azure-asyncoperation")).await.body["status"], "Succeeded");
    let zone = bench.get(&path(ZONE)).await.body;
    assert_eq!(zone["location"], "global");
    assert_eq!(
        (guarded(("if-none-match", "*")).await.status, guarded(("if-match", "other")).await.status),
        (412, 412)
    );
    assert_eq!(guarded(("if-match", zone["etag"].as_str().unwrap())).await.status, 202);
    let link = format!("{}/virtualNetworkLinks/one", path(ZONE));
    let body = json!({ "location": "global", "properties": { "virtualNetwork": { "id": network }, "registrationEnabled": true } });
    assert_eq!(bench.put(&link, body.clone()).await.status, 202);
    assert_eq!(bench.get(&link).await.body["properties"]["virtualNetworkLinkState"], "Completed");
    assert_eq!(bench.put(&link.replace("/one", "/two"), body).await.code(), "Conflict");
    assert_eq!(
        bench.get(&path(ZONE)).await.body["properties"]["numberOfVirtualNetworkLinksWithRegistration"],
        1
    );
    assert_eq!(bench.delete(&path(ZONE)).await.code(), "CannotDeleteResource");
    bench.delete(&link).await;
    assert_eq!(bench.delete(&path(ZONE)).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_updated_only_with_its_etag() {
    let bench = Bench::with_group(Latency::None).await;
    let target = format!("{}/providers/Microsoft.Consumption/budgets/monthly", group());
    let mut body = json!({ "properties": {
        "category": "Cost", "amount": 100.65, "timeGrain": "Monthly", "timePeriod": { "startDate": "2026-11-01T00:00:00Z" },
        "notifications": { "half": { "enabled": true, "operator": "GreaterThan", "threshold": 50, "contactEmails": ["a@b.c"] } },
    } });
    let made = bench.put(&target, body.clone()).await;
    assert_eq!((made.status, &made.body["properties"]["amount"]), (201, &json!(100.65)));
    assert!(made.body["properties"]["timePeriod"]["endDate"].as_str().unwrap().starts_with("2036-11-01"));
    assert_eq!(bench.put(&target, body.clone()).await.status, 400);
    body["eTag"] = json!("\"other\"");
    assert_eq!(bench.put(&target, body.clone()).await.status, 412);
    body["eTag"] = made.body["eTag"].clone();
    assert_eq!(bench.put(&target, body.clone()).await.status, 200);
    for (pointer, value) in [
        ("/amount", json!(0)),
        ("/timeGrain", json!("Daily")),
        ("/timePeriod/startDate", json!("2026-11-02T00:00:00Z")),
    ] {
        let mut wrong = body.clone();
        *wrong["properties"].pointer_mut(pointer).unwrap() = value;
        assert_eq!(bench.put(&target.replace("monthly", "wrong"), wrong).await.status, 400, "{pointer}");
    }
    assert_eq!(bench.delete(&target).await.status, 200);
    assert_eq!(bench.delete(&target).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn registries_and_outbound_rules_come_and_go() {
    let bench = Bench::with_group(REAL).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    bench.wait(120).await;
    let registry = path("Microsoft.MachineLearningServices/registries/reg");
    let body = json!({ "location": "eastus", "properties": { "regionDetails": [{ "location": "eastus" }] } });
    assert_eq!(bench.put(&registry, json!({ "location": "eastus" })).await.status, 400);
    let made = bench.put(&registry, body).await;
    assert_eq!((made.status, made.body["identity"]["principalId"].is_string()), (201, true));
    bench.wait(200).await;
    assert_eq!(bench.get(&registry).await.status, 200);
    assert_eq!(bench.delete(&registry).await.status, 202);
    let rule = format!("{}/outboundRules/pypi", workspace());
    let body = json!({ "properties": { "type": "FQDN", "destination": "pypi.org" } });
    let made = bench.put(&rule, body).await;
    assert_eq!(made.status, 202);
    bench.wait(30).await;
    assert_eq!(bench.get(made.header("location")).await.body["properties"]["category"], "UserDefined");
    let wrong =
        json!({ "properties": { "type": "ServiceTag", "destination": { "serviceTag": "AzureMonitor" } } });
    assert_eq!(bench.put(&rule.replace("pypi", "tag"), wrong).await.status, 400);
    assert_eq!(
        bench.get(&format!("{}/outboundRules", workspace())).await.body["value"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn nonsense_is_answered_with_an_error_everywhere() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let tails = [
        "Microsoft.Authorization/locks/l",
        "Microsoft.Authorization/roleDefinitions/33333333-3333-4333-8333-333333333333",
        "Microsoft.Authorization/permissions",
        "Microsoft.Resources/tags/default",
        "Microsoft.Network/privateEndpoints/p",
        "Microsoft.Network/privateEndpoints/p/privateDnsZoneGroups/g",
        "Microsoft.Network/privateDnsZones/a.b",
        "Microsoft.Network/privateDnsZones/a.b/virtualNetworkLinks/l",
        "Microsoft.Consumption/budgets/b",
        "Microsoft.MachineLearningServices/registries/reg",
        "Microsoft.MachineLearningServices/workspaces/mlw/outboundRules/r",
        "Microsoft.MachineLearningServices/locations/eastus/updateQuotas",
        "Microsoft.MachineLearningServices/workspaces/mlw/computes/cpu",
        "Microsoft.Storage/storageAccounts/stone/blobServices/default",
        "Microsoft.Insights/components/ai/currentbillingfeatures",
        "Microsoft.ResourceGraph/resources",
    ];
    let odd = json!(["é", 7, null, {}, "/subscriptions/x", { "properties": 3 }]);
    let bodies = [
        json!({}),
        json!({ "location": "global", "properties": 7 }),
        json!({ "value": odd, "query": "Resources | where é =~ 'é' | limit 99999999999999999999", "operation": 7,
            "location": "global", "DataVolumeCap": [], "properties": {
            "tags": odd, "permissions": odd, "assignableScopes": odd, "subnet": odd, "privateLinkServiceConnections": odd,
            "privateDnsZoneConfigs": odd, "virtualNetwork": odd, "amount": "x", "timePeriod": { "startDate": "é2345678é" },
            "notifications": odd, "regionDetails": odd, "destination": odd, "type": "FQDN", "properties": odd, "level": odd,
            "a/b~c": odd, "computeType": "AmlCompute", "roleName": "é",
        } }),
    ];
    let elsewhere = [
        "/_simulator/faults",
        "/_simulator/state",
        "/_simulator/resources/%ff",
        "/_simulator/applications",
        "/kv/%ff/x",
    ];
    let targets = tails.iter().map(|tail| path(tail)).chain(elsewhere.map(str::to_owned));
    for target in targets {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD"] {
            for body in &bodies {
                let answer = bench.send(method, &target, Some(body.clone())).await;
                assert_ne!(answer.status, 500, "{method} {target}");
                assert!(
                    answer.status < 400 || method == "HEAD" || answer.body["error"].is_object(),
                    "{method} {target}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn parts_of_resources_are_read_and_changed() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    let blob = format!("{}/blobServices/default", path(STONE));
    assert_eq!(bench.get(&blob).await.body["properties"]["deleteRetentionPolicy"]["enabled"], false);
    let wanted = json!({ "properties": { "deleteRetentionPolicy": { "enabled": true, "days": 7 } } });
    assert_eq!(bench.put(&blob, wanted).await.status, 200);
    let seen = bench.get(&blob).await.body;
    assert_eq!(
        (&seen["properties"]["deleteRetentionPolicy"]["days"], seen["properties"]["cors"].is_object()),
        (&json!(7), true)
    );
    let billing = format!("{}/currentbillingfeatures", path("Microsoft.Insights/components/ai"));
    assert_eq!(bench.get(&billing).await.body["CurrentBillingFeatures"], json!(["Basic"]));
    bench.put(&billing, json!({ "DataVolumeCap": { "Cap": 5.0 } })).await;
    assert_eq!(bench.get(&billing).await.body["DataVolumeCap"]["Cap"], 5.0);
    assert_eq!(bench.get(&billing).await.body["DataVolumeCap"]["ResetTime"], 16);
    bench.delete(&path(STONE)).await;
    assert_eq!(bench.get(&blob).await.status, 404);
    let deleted = subscription("providers/Microsoft.Storage/locations/eastus/deletedAccounts/stone");
    assert_eq!(bench.get(&deleted).await.body["properties"]["storageAccountResourceId"], path(STONE));
    assert_eq!(bench.get(&deleted.replace("eastus", "westus")).await.status, 404);
    assert_eq!(bench.put(&path("Microsoft.KeyVault/vaults/kv-two"), vault()).await.status, 201);
    let connections = format!("{}/privateEndpointConnections", path("Microsoft.KeyVault/vaults/kv-two"));
    assert_eq!(bench.get(&connections).await.body["value"], json!([]));
}
