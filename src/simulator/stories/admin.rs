//! The admin API, saved worlds, and the faults that only it or a scenario scripts.

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::bench::{Answer, Bench, account, cluster_body, group, path, workspace, workspace_body};
use crate::{Casing, DEFAULT_TENANT, Latency, Scenario, Server, VaultUris, VmSizes};

const STONE: &str = "Microsoft.Storage/storageAccounts/stone";

async fn admin(bench: &Bench, method: &str, place: &str, body: Value) -> Answer {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    bench.raw(method, &format!("/_simulator{place}"), &[], bytes).await
}

async fn script(bench: &Bench, method: &str, part: &str, effect: Value) {
    let fault = json!({ "method": method, "path_contains": part, "effect": effect });
    assert_eq!(admin(bench, "POST", "/faults", fault).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn faults_are_added_listed_and_cleared() {
    let bench = Bench::with_group(Latency::None).await;
    script(&bench, "PUT", "stone", json!({ "kind": "reset", "moment": "before" })).await;
    let listed = admin(&bench, "GET", "/faults", Value::Null).await.body;
    assert_eq!(listed["faults"][0]["effect"], json!({ "kind": "reset", "moment": "before" }));
    let lost = bench.put(&path(STONE), account()).await;
    assert_eq!((lost.status, bench.world.ids().len()), (502, 1));
    script(&bench, "PUT", "stone", json!({ "kind": "reset", "moment": "after" })).await;
    let lost = bench.put(&path(STONE), account()).await;
    assert_eq!((lost.status, bench.world.ids().len()), (502, 2));
    script(&bench, "GET", "stone", json!({ "kind": "lose_answer" })).await;
    assert_eq!(admin(&bench, "DELETE", "/faults", Value::Null).await.status, 204);
    assert_eq!(bench.get(&path(STONE)).await.status, 200);
    let nonsense =
        admin(&bench, "POST", "/faults", json!({ "faults": [{ "effect": { "kind": "explode" } }] })).await;
    assert_eq!(nonsense.status, 400);
}

#[tokio::test(start_paused = true)]
async fn operations_are_canceled_and_polls_are_hidden_as_scripted() {
    let bench = Bench::with_group(Latency::None).await;
    let registry = path("Microsoft.ContainerRegistry/registries/acrone");
    let body = json!({ "location": "eastus", "sku": { "name": "Basic" } });
    script(&bench, "PUT", "acrone", json!({ "kind": "cancel_operation" })).await;
    script(&bench, "PUT", "acrone", json!({ "kind": "hide_poll", "secs": 30 })).await;
    let made = bench.put(&registry, body).await;
    let poll = made.header("azure-asyncoperation").to_owned();
    assert_eq!(bench.get(&poll).await.status, 404);
    bench.wait(30).await;
    assert_eq!(bench.get(&poll).await.body["status"], "Canceled");
    assert_eq!(bench.get(&registry).await.body["properties"]["provisioningState"], "Canceled");
}

#[tokio::test(start_paused = true)]
async fn answers_come_late_and_are_cut_as_scripted() {
    let bench = Bench::with_group(Latency::None).await;
    script(&bench, "GET", "rg", json!({ "kind": "slow", "ms": 5000 })).await;
    let before = bench.clock.now();
    assert_eq!(bench.get(&group()).await.status, 200);
    assert!(bench.clock.now().duration_since(before).as_secs() >= 5);
    script(&bench, "GET", "rg", json!({ "kind": "truncate", "keep_bytes": 10 })).await;
    let uri = format!("{}?api-version=2025-04-01", group());
    let request = Request::builder().uri(uri).header("authorization", "Bearer opaque");
    let answer = bench.world.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(axum::body::to_bytes(answer.into_body(), usize::MAX).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_is_down_and_its_clock_is_wrong_as_scripted() {
    let bench = Bench::new(Latency::None);
    let form = "grant_type=client_credentials&client_id=app&client_secret=s&scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
    let token =
        async || bench.raw("POST", &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &[], form.into()).await;
    let down = json!({ "kind": "status", "code": 503, "error_code": "ServerError", "message": "down" });
    script(&bench, "POST", "/oauth2/", down).await;
    let refused = token().await;
    assert_eq!((refused.status, &refused.body["error"]), (503, &json!("temporarily_unavailable")));
    script(&bench, "POST", "/oauth2/", json!({ "kind": "clock_skew", "secs": -7200 })).await;
    let bearer = format!("Bearer {}", token().await.body["access_token"].as_str().unwrap());
    let answer = bench.send_as(&bearer, "GET", "/subscriptions", None).await;
    assert_eq!(answer.code(), "ExpiredAuthenticationToken");
}

#[tokio::test(start_paused = true)]
async fn quota_refuses_what_a_family_has_no_cores_for() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let quota = "quota: [{ location: East US, family: standardDSv3Family, cores: 20 }]";
    bench.world.play(Scenario::parse(quota).unwrap()).unwrap();
    let cluster = |name: &str| format!("{}/computes/{name}", workspace());
    assert_eq!(bench.put(&cluster("first"), cluster_body()).await.status, 201);
    let second = bench.put(&cluster("second"), cluster_body()).await;
    assert_eq!((second.status, second.code()), (400, "QuotaExceeded"));
    let mut cheap = cluster_body();
    cheap["properties"]["properties"]["vmPriority"] = json!("LowPriority");
    assert_eq!(bench.put(&cluster("cheap"), cheap).await.status, 201);
    let places = format!(
        "{}/providers/Microsoft.MachineLearningServices/locations/eastus",
        group().replace("/resourceGroups/rg", "")
    );
    let usages = bench.get(&format!("{places}/usages")).await.body;
    let row = usages["value"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["name"]["value"] == "Standard DSv3 Family Cluster Dedicated vCPUs")
        .unwrap();
    assert_eq!((&row["currentValue"], &row["limit"]), (&json!(16), &json!(20)));
    let raised =
        json!({ "value": [{ "id": row["id"].as_str().unwrap().replace("usages", "quotas"), "limit": 64 }] });
    let updated = bench.send("POST", &format!("{places}/updateQuotas"), Some(raised)).await;
    assert_eq!(updated.body["value"][0]["status"], "Success");
    assert_eq!(bench.put(&cluster("second"), cluster_body()).await.status, 201);
    script(&bench, "PUT", "third", json!({ "kind": "exhaust_quota" })).await;
    assert_eq!(bench.put(&cluster("third"), cluster_body()).await.code(), "QuotaExceeded");
}

#[tokio::test(start_paused = true)]
async fn resources_are_changed_by_hand_and_requests_are_counted() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    let place = format!("/resources{}", path(STONE));
    let changed =
        admin(&bench, "PATCH", &place, json!({ "properties": { "minimumTlsVersion": "TLS1_1" } })).await;
    assert_eq!(changed.body["properties"]["minimumTlsVersion"], "TLS1_1");
    assert_eq!(bench.get(&path(STONE)).await.body["properties"]["minimumTlsVersion"], "TLS1_1");
    assert_eq!(admin(&bench, "GET", "/requests", Value::Null).await.body["counts"]["PUT"], 2);
    let ids = admin(&bench, "GET", &format!("/resources?prefix={}/", group()), Value::Null).await.body;
    assert_eq!(ids["ids"], json!([path(STONE)]));
    assert_eq!(admin(&bench, "DELETE", &place, Value::Null).await.status, 204);
    assert_eq!(bench.get(&path(STONE)).await.status, 404);
    assert_eq!(admin(&bench, "DELETE", &place, Value::Null).await.status, 404);
    assert_eq!(admin(&bench, "GET", "", Value::Null).await.body["resources"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_from_elsewhere_is_refused() {
    let bench = Bench::new(Latency::None);
    for (peer, status) in
        [("127.0.0.1:1", 200), ("[::1]:1", 200), ("10.0.0.7:1", 403), ("[::ffff:10.0.0.7]:1", 403)]
    {
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        let mut request = Request::builder().uri("/_simulator").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        assert_eq!(bench.world.router().oneshot(request).await.unwrap().status(), status, "{peer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_saved_world_goes_on_elsewhere_with_the_same_ids() {
    let bench = Bench::with_group(Latency::Realistic { factor: 1.0 }).await;
    bench.put(&path("Microsoft.KeyVault/vaults/kv-one"), super::bench::vault()).await;
    bench.wait(60).await;
    bench.delete(&path("Microsoft.KeyVault/vaults/kv-one")).await;
    let made = bench.put(&path(STONE), account()).await;
    let saved = bench.world.save();
    let other =
        Bench::with_options(|options| options.with_seed(7).with_latency(Latency::Realistic { factor: 1.0 }));
    other.wait(60).await;
    assert!(other.world.load("{}").is_err());
    other.world.load(&saved).unwrap();
    assert_eq!(other.world.save(), saved);
    assert_eq!(other.get(made.header("location")).await.status, 202);
    assert_eq!(
        other.put(&path("Microsoft.KeyVault/vaults/kv-one"), super::bench::vault()).await.code(),
        "ConflictError"
    );
    other.wait(60).await;
    bench.wait(60).await;
    assert_eq!(other.get(made.header("location")).await.body, bench.get(made.header("location")).await.body);
    let snapshot = admin(&other, "GET", "/state", Value::Null).await.body;
    other.world.remove(&super::bench::id(&path(STONE)));
    assert_eq!(admin(&other, "PUT", "/state", snapshot).await.status, 204);
    assert_eq!(other.get(&path(STONE)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn tidy_answers_are_spelled_as_documented() {
    let bench = Bench::with_options(|options| {
        options.with_casing(Casing::Tidy).with_vault_uris(VaultUris::Path).with_vm_sizes(VmSizes::Current)
    });
    bench.put(&group(), json!({ "location": "eastus" })).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let insights = bench.get(&path("Microsoft.Insights/components/ai")).await.body;
    assert_eq!(
        (&insights["location"], &insights["type"]),
        (&json!("eastus"), &json!("Microsoft.Insights/components"))
    );
    let logs = path("Microsoft.OperationalInsights/workspaces/logs");
    assert_eq!(bench.get(&logs).await.body["id"], logs);
    let own = bench.get(&workspace()).await.body;
    assert_eq!(own["properties"]["keyVault"], path("Microsoft.KeyVault/vaults/kv-one"));
    let cluster = format!("{}/computes/cpu", workspace());
    bench.put(&cluster, cluster_body()).await;
    assert_eq!(bench.get(&cluster).await.body["properties"]["properties"]["vmSize"], "Standard_D4s_v3");
    let mut retired = cluster_body();
    retired["properties"]["properties"]["vmSize"] = json!("Standard_NC6s_v3");
    assert_eq!(bench.put(&format!("{cluster}x"), retired).await.status, 400);
    let vault = bench.get(&path("Microsoft.KeyVault/vaults/kv-one")).await.body;
    let uri = vault["properties"]["vaultUri"].as_str().unwrap();
    assert!(uri.ends_with("/kv/kv-one/"));
    let probe = bench.raw("GET", uri, &[], Vec::new()).await;
    assert!(probe.header("www-authenticate").contains("authorization="));
}

#[tokio::test]
async fn many_connections_over_tls_are_served_without_errors() {
    let bench = Bench::with_group(Latency::None).await;
    let server = Server::start(bench.world.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let ca = reqwest::Certificate::from_pem(server.ca_pem().as_bytes()).unwrap();
    let url = format!("{}{}?api-version=2025-04-01", server.base_url(), group());
    for _ in 0..8 {
        let requests = (0..8).map(|_| {
            let builder = reqwest::Client::builder().tls_certs_only([ca.clone()]).no_proxy();
            let client = builder.pool_max_idle_per_host(0).build().unwrap();
            client.get(&url).bearer_auth("opaque").send()
        });
        for answer in futures::future::join_all(requests).await {
            assert_eq!(answer.unwrap().status().as_u16(), 200);
        }
    }
    let client = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
    let overview = client.get(format!("{}/_simulator", server.base_url())).send().await.unwrap();
    assert_eq!(overview.json::<Value>().await.unwrap()["resources"], 1);
    server.stop().await;
}
