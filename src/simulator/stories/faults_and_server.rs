//! Scripted faults, and the world behind TLS.

use serde_json::{Value, json};

use super::bench::{Bench, account, group, path};
use crate::{Fault, FaultEffect, Latency, Server};

fn fault(method: &str, part: &str, effect: FaultEffect) -> Fault {
    Fault { method: Some(method.to_owned()), path_contains: part.to_owned(), times: 1, effect }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_before_any_effect_and_is_spent() {
    let bench = Bench::with_group(Latency::None).await;
    let target = path("Microsoft.Storage/storageAccounts/stone");
    let effect = FaultEffect::Status {
        code: 429,
        retry_after_secs: Some(7),
        error_code: "TooManyRequests".to_owned(),
        message: "Slow down.".to_owned(),
    };
    bench.world.faults().add(fault("put", "STORAGEACCOUNTS", effect));
    let refused = bench.put(&target, account()).await;
    assert_eq!(
        (refused.status, refused.header("retry-after"), refused.code()),
        (429, "7", "TooManyRequests")
    );
    assert_eq!(bench.world.ids().len(), 1);
    assert_eq!(bench.put(&target, account()).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_was_executed() {
    let bench = Bench::with_group(Latency::None).await;
    bench.world.faults().add(fault("PUT", "stone", FaultEffect::LoseAnswer));
    let lost = bench.put(&path("Microsoft.Storage/storageAccounts/stone"), account()).await;
    assert_eq!((lost.status, lost.header("x-simulator-lost")), (502, "1"));
    assert_eq!(bench.world.ids().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_operation_fails_or_never_ends_as_scripted() {
    let bench = Bench::with_group(Latency::None).await;
    let effect = FaultEffect::FailOperation { code: "Busy".to_owned(), message: "No capacity.".to_owned() };
    bench.world.faults().add(fault("PUT", "acrone", effect));
    let registry = path("Microsoft.ContainerRegistry/registries/acrone");
    let body = json!({ "location": "eastus", "sku": { "name": "Basic" } });
    let made = bench.put(&registry, body.clone()).await;
    let status = bench.get(made.header("azure-asyncoperation")).await.body;
    assert_eq!((&status["status"], &status["error"]["code"]), (&json!("Failed"), &json!("Busy")));
    assert_eq!(bench.get(&registry).await.body["properties"]["provisioningState"], "Failed");
    bench.world.faults().add(fault("PUT", "acrtwo", FaultEffect::NeverFinish));
    let made = bench.put(&registry.replace("acrone", "acrtwo"), body).await;
    bench.wait(100_000).await;
    assert_eq!(bench.get(made.header("azure-asyncoperation")).await.body["status"], "InProgress");
}

#[tokio::test(start_paused = true)]
async fn a_property_is_accepted_and_ignored_as_scripted() {
    let bench = Bench::with_group(Latency::None).await;
    let target = path("Microsoft.Storage/storageAccounts/stone");
    bench.put(&target, account()).await;
    let pointer = "/properties/minimumTlsVersion".to_owned();
    bench.world.faults().add(fault("PUT", "stone", FaultEffect::IgnoreProperty { pointer }));
    let mut body = account();
    body["properties"] = json!({ "minimumTlsVersion": "TLS1_2" });
    assert_eq!(bench.put(&target, body).await.body["properties"]["minimumTlsVersion"], "TLS1_0");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_accepted_and_ignored_as_scripted() {
    let bench = Bench::with_group(Latency::None).await;
    for (name, body) in [
        ("Microsoft.Storage/storageAccounts/stone", account()),
        (
            "Microsoft.ContainerRegistry/registries/acrstays",
            json!({ "location": "eastus", "sku": { "name": "Basic" } }),
        ),
    ] {
        let target = path(name);
        bench.put(&target, body).await;
        bench.wait(100_000).await;
        bench.world.faults().add(fault("DELETE", &target, FaultEffect::IgnoreDeletion));
        assert!(bench.delete(&target).await.status < 300);
        bench.wait(100_000).await;
        let left = bench.get(&target).await;
        assert_eq!((left.status, &left.body["properties"]["provisioningState"]), (200, &json!("Succeeded")));
        assert!(bench.delete(&target).await.status < 300);
        bench.wait(100_000).await;
        assert_eq!(bench.get(&target).await.status, 404);
    }
}

#[tokio::test]
async fn the_server_speaks_tls_and_breaks_connections_on_demand() {
    let bench = Bench::with_group(Latency::None).await;
    let server = Server::start(bench.world.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let ca = reqwest::Certificate::from_pem(server.ca_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
    let url = format!("{}{}?api-version=2025-04-01", server.base_url(), group());
    let read = || client.get(&url).bearer_auth("opaque").send();
    let answer = read().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    assert_eq!(answer.json::<Value>().await.unwrap()["name"], "rg");
    bench.world.faults().add(fault("GET", "rg", FaultEffect::LoseAnswer));
    assert!(read().await.is_err());
    assert_eq!(read().await.unwrap().status().as_u16(), 200);
    server.stop().await;
}
