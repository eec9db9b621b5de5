//! Connections of private endpoints as their targets see them, record sets, and what lives below an
//! account, a vault, an identity and a workspace.

use serde_json::{Value, json};

use super::bench::{Bench, account, group, path, vault, workspace, workspace_body};
use crate::Latency;

const STONE: &str = "Microsoft.Storage/storageAccounts/stone";
const VAULT: &str = "Microsoft.KeyVault/vaults/kv-two";
const ENDPOINT: &str = "Microsoft.Network/privateEndpoints/pe";
const ZONE: &str = "Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net";

/// A network, and an endpoint in it for a part of a resource.
async fn connect(bench: &Bench, target: &str, part: &str) {
    let network = path("Microsoft.Network/virtualNetworks/net");
    let subnets = json!([{ "name": "pe", "properties": { "addressPrefix": "10.1.1.0/24" } }]);
    let properties = json!({ "addressSpace": { "addressPrefixes": ["10.1.0.0/16"] }, "subnets": subnets });
    bench.put(&network, json!({ "location": "eastus", "properties": properties })).await;
    let connection = json!({ "privateLinkServiceId": path(target), "groupIds": [part] });
    let body = json!({ "location": "eastus", "properties": {
        "subnet": { "id": format!("{network}/subnets/pe") },
        "manualPrivateLinkServiceConnections": [{ "name": "c", "properties": connection }],
    } });
    assert_eq!(bench.put(&path(ENDPOINT), body).await.status, 201);
}

async fn connections(bench: &Bench, target: &str) -> Vec<Value> {
    let listed = bench.get(&format!("{}/privateEndpointConnections", path(target))).await;
    listed.body["value"].as_array().unwrap().clone()
}

async fn status_at_the_endpoint(bench: &Bench) -> Value {
    let endpoint = bench.get(&path(ENDPOINT)).await.body;
    let connection = &endpoint["properties"]["manualPrivateLinkServiceConnections"][0];
    connection["properties"]["privateLinkServiceConnectionState"]["status"].clone()
}

fn decision(status: &str) -> Value {
    let state = json!({ "status": status, "description": "by the owner" });
    json!({ "properties": { "privateLinkServiceConnectionState": state } })
}

#[tokio::test(start_paused = true)]
async fn the_owner_of_a_target_approves_rejects_and_removes_a_connection() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    bench.put(&path(VAULT), vault()).await;
    connect(&bench, STONE, "blob").await;
    let [pending] = connections(&bench, STONE).await.try_into().unwrap();
    let own = pending["id"].as_str().unwrap().to_owned();
    let state = &pending["properties"]["privateLinkServiceConnectionState"];
    assert_eq!((&state["status"], &state["actionRequired"]), (&json!("Pending"), &json!("None")));
    assert_eq!(bench.put(&own, decision("Maybe")).await.status, 400);
    assert_eq!(bench.put(&own.replace("pe.", "other."), decision("Approved")).await.status, 404);
    for status in ["Approved", "Rejected", "Approved"] {
        assert_eq!(bench.put(&own, decision(status)).await.status, 200);
        assert_eq!(status_at_the_endpoint(&bench).await, status);
    }
    assert_eq!(connections(&bench, VAULT).await, Vec::<Value>::new());
    assert_eq!(bench.delete(&own).await.status, 200);
    assert_eq!(status_at_the_endpoint(&bench).await, "Disconnected");
    assert_eq!((bench.get(&own).await.status, bench.delete(&own).await.status), (404, 204));
}

#[tokio::test(start_paused = true)]
async fn what_can_be_connected_is_listed_with_its_zones() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(VAULT), vault()).await;
    let listed = bench.get(&format!("{}/privateLinkResources", path(VAULT))).await.body;
    let properties = &listed["value"][0]["properties"];
    assert_eq!(properties["requiredZoneNames"], json!(["privatelink.vaultcore.azure.net"]));
    assert_eq!(bench.get(&format!("{}/privateLinkResources", path(STONE))).await.status, 404);
    assert!(bench.get(&path(VAULT)).await.body["properties"]["privateEndpointConnections"].is_null());
    connect(&bench, VAULT, "vault").await;
    let shown = bench.get(&path(VAULT)).await.body["properties"]["privateEndpointConnections"][0].clone();
    assert_eq!((shown["etag"].as_str(), shown["name"].as_str()), (Some(""), None));
}

#[tokio::test(start_paused = true)]
async fn record_sets_live_in_their_zone_and_follow_the_zone_group() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    bench.put(&path(ZONE), json!({ "location": "global" })).await;
    bench.get(&path(ZONE)).await;
    let record = format!("{}/A/Build", path(ZONE));
    let body = json!({ "properties": { "ttl": 60, "aRecords": [{ "ipv4Address": "10.0.0.9" }] } });
    assert_eq!(bench.put(&record, json!({ "properties": { "ttl": 60 } })).await.status, 400);
    assert_eq!(bench.put(&record, json!({ "properties": { "aRecords": [] } })).await.status, 400);
    let made = bench.put(&record, body.clone()).await;
    assert_eq!((made.status, &made.body["name"]), (201, &json!("build")));
    assert_eq!(made.body["properties"]["fqdn"], "build.privatelink.blob.core.windows.net.");
    assert_eq!(bench.put(&record, body).await.status, 200);
    let soa = format!("{}/SOA/@", path(ZONE));
    assert_eq!((bench.get(&soa).await.status, bench.delete(&soa).await.status), (200, 400));
    connect(&bench, STONE, "blob").await;
    let group = format!("{}/privateDnsZoneGroups/default", path(ENDPOINT));
    let config = json!({ "name": "blob", "properties": { "privateDnsZoneId": path(ZONE) } });
    bench.put(&group, json!({ "properties": { "privateDnsZoneConfigs": [config] } })).await;
    let all = bench.get(&format!("{}/ALL", path(ZONE))).await.body;
    let names: Vec<&str> =
        all["value"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["build", "stone", "@"]);
    assert_eq!(bench.get(&path(ZONE)).await.body["properties"]["numberOfRecordSets"], 3);
    bench.delete(&path(ENDPOINT)).await;
    assert_eq!(bench.get(&format!("{}/A/stone", path(ZONE))).await.status, 404);
    assert_eq!((bench.delete(&record).await.status, bench.delete(&record).await.status), (200, 204));
    assert_eq!(bench.get(&format!("{}/A", path(ZONE))).await.body["value"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn shares_scopes_and_policies_belong_to_an_account() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    let below = |tail: &str| format!("{}/{tail}", path(STONE));
    let share = below("fileServices/default/shares/data");
    assert_eq!(bench.put(&share.replace("data", "No--Good"), json!({})).await.code(), "InvalidResourceName");
    assert_eq!(bench.put(&share, json!({ "properties": { "shareQuota": 0 } })).await.status, 400);
    assert_eq!(bench.put(&share, json!({})).await.status, 201);
    assert_eq!(bench.get(&share).await.body["properties"]["shareQuota"], 5120);
    assert_eq!(bench.delete(&share).await.status, 200);
    let scope = below("encryptionScopes/team");
    let foreign = json!({ "properties": { "source": "Microsoft.KeyVault" } });
    assert_eq!(bench.put(&scope, foreign).await.status, 400);
    assert_eq!(bench.put(&scope, json!({})).await.status, 201);
    assert_eq!(bench.delete(&scope).await.status, 405);
    let policy = below("managementPolicies/default");
    assert_eq!(bench.put(&policy, json!({ "properties": { "policy": { "rules": [] } } })).await.status, 400);
    let rules = json!({ "properties": { "policy": { "rules": [{ "name": "old", "type": "Lifecycle" }] } } });
    assert_eq!(bench.put(&policy.replace("default", "other"), rules.clone()).await.status, 400);
    assert_eq!(bench.put(&policy, rules).await.status, 200);
    assert_eq!(bench.get(&policy).await.body["name"], "DefaultManagementPolicy");
}

#[tokio::test(start_paused = true)]
async fn a_secret_goes_in_and_never_comes_out() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(VAULT), vault()).await;
    let secret = format!("{}/secrets/key", path(VAULT));
    let put = async |value: &str| bench.put(&secret, json!({ "properties": { "value": value } })).await;
    let first = put("hush").await;
    assert_eq!((first.status, first.body["properties"]["value"].is_null()), (201, true));
    let second = put("hush hush").await;
    let version = |body: &Value| body["properties"]["secretUriWithVersion"].as_str().unwrap().to_owned();
    assert_ne!(version(&first.body), version(&second.body));
    assert_eq!(version(&bench.get(&secret).await.body), version(&second.body));
    assert_eq!(bench.delete(&secret).await.status, 405);
    assert!(!serde_json::to_string(&bench.get("/_simulator/state").await.body).unwrap().contains("hush"));
}

#[tokio::test(start_paused = true)]
async fn a_federated_credential_is_unique_in_its_issuer_and_subject() {
    let bench = Bench::with_group(Latency::None).await;
    let identity = path("Microsoft.ManagedIdentity/userAssignedIdentities/uai");
    bench.put(&identity, json!({ "location": "eastus" })).await;
    let credential = |name: &str| format!("{identity}/federatedIdentityCredentials/{name}");
    let body = |subject: &str| {
        json!({ "properties": {
            "issuer": "https://issuer.example", "subject": subject, "audiences": ["api://AzureADTokenExchange"],
        } })
    };
    assert_eq!(bench.put(&credential("one"), json!({ "properties": {} })).await.status, 400);
    assert_eq!(bench.put(&credential("one"), body("repo:a")).await.status, 201);
    assert_eq!(bench.put(&credential("two"), body("repo:a")).await.status, 409);
    assert_eq!(bench.put(&credential("one"), body("repo:b")).await.status, 200);
    assert!(bench.get(&credential("one")).await.body["id"].as_str().unwrap().contains("/resourcegroups/"));
}

#[tokio::test(start_paused = true)]
async fn a_workspace_has_connections_and_provisions_its_network() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let provision = format!("{}/provisionManagedNetwork", workspace());
    let wish = json!({ "includeSpark": true });
    assert_eq!(bench.send("POST", &provision, Some(wish.clone())).await.status, 400);
    let mut isolated = workspace_body();
    isolated["properties"]["managedNetwork"] = json!({ "isolationMode": "AllowInternetOutbound" });
    bench.put(&workspace(), isolated).await;
    bench.get(&workspace()).await;
    let begun = bench.send("POST", &provision, Some(wish)).await;
    assert_eq!(begun.status, 202);
    let ended = bench.get(begun.header("location")).await;
    assert_eq!(ended.body, json!({ "status": "Active", "sparkReady": true }));
    assert_eq!(bench.get(&workspace()).await.body["properties"]["managedNetwork"]["status"], ended.body);
    let connection = format!("{}/connections/mail", workspace());
    let body = json!({ "properties": {
        "category": "ApiKey", "target": "https://mail.example", "authType": "ApiKey", "credentials": { "key": "k" },
    } });
    assert_eq!(bench.put(&connection, json!({ "properties": { "authType": "Guess" } })).await.status, 400);
    let made = bench.put(&connection, body).await;
    assert_eq!((made.status, made.body["properties"]["credentials"].is_null()), (200, true));
    let secrets = bench.send("POST", &format!("{connection}/listsecrets"), None).await.body;
    assert_eq!(secrets["properties"]["credentials"]["key"], "k");
}

#[tokio::test(start_paused = true)]
async fn an_address_is_free_unless_azure_or_an_endpoint_has_it() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    connect(&bench, STONE, "blob").await;
    let endpoint = bench.get(&path(ENDPOINT)).await.body;
    let taken = endpoint["properties"]["customDnsConfigs"][0]["ipAddresses"][0].as_str().unwrap().to_owned();
    let ask = async |address: &str| {
        let network = path("Microsoft.Network/virtualNetworks/net");
        bench.get(&format!("{network}/CheckIPAddressAvailability?ipAddress={address}")).await.body
    };
    assert_eq!(ask("10.1.1.1").await["isPlatformReserved"], true);
    let answer = ask(&taken).await;
    assert_eq!((&answer["available"], &answer["isPlatformReserved"]), (&json!(false), &json!(false)));
    let offered = answer["availableIPAddresses"].as_array().unwrap();
    assert_eq!(offered.len(), 5);
    assert_eq!(ask(offered[0].as_str().unwrap()).await["available"], true);
    assert_eq!(ask("x").await["error"]["code"], "InvalidIPAddress");
}

#[tokio::test(start_paused = true)]
async fn providers_say_their_operations_and_denials_are_none() {
    let bench = Bench::with_group(Latency::None).await;
    let listed = bench.get("/providers/Microsoft.KeyVault/operations").await.body;
    let names: Vec<&str> =
        listed["value"].as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(names.contains(&"Microsoft.KeyVault/vaults/write"));
    let catalog = "/providers/Microsoft.Authorization/providerOperations";
    assert_eq!(bench.get(&format!("{catalog}/microsoft.storage")).await.body["name"], "Microsoft.Storage");
    assert_eq!(bench.get(&format!("{catalog}/Nobody.Knows")).await.status, 404);
    let denials = format!("{}/providers/Microsoft.Authorization/denyAssignments", group());
    assert_eq!(bench.get(&denials).await.body["value"], json!([]));
    assert_eq!(bench.get(&format!("{denials}/one")).await.code(), "DenyAssignmentNotFound");
}
