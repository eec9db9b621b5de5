//! The front of ARM and Entra.

use serde_json::json;

use super::bench::{Bench, account, group, path};
use crate::{DEFAULT_TENANT, Latency, RequestClass};

#[tokio::test(start_paused = true)]
async fn a_request_without_a_token_gets_a_challenge() {
    let bench = Bench::new(Latency::None);
    let answer = bench.raw("GET", "/subscriptions?api-version=2022-12-01", &[], Vec::new()).await;
    assert_eq!((answer.status, answer.code()), (401, "AuthenticationFailed"));
    assert!(answer.header("www-authenticate").starts_with("Bearer authorization_uri="));
}

#[tokio::test(start_paused = true)]
async fn a_token_from_entra_opens_arm_until_it_expires() {
    let bench = Bench::new(Latency::None);
    let form = "grant_type=client_credentials&client_id=app&client_secret=s&scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
    let token = bench.raw("POST", &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &[], form.into()).await;
    assert_eq!(token.status, 200);
    let bearer = format!("Bearer {}", token.body["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let ask = || bench.raw("GET", "/subscriptions?api-version=2022-12-01", &headers, Vec::new());
    assert_eq!(ask().await.status, 200);
    bench.wait(3600).await;
    assert_eq!(ask().await.code(), "ExpiredAuthenticationToken");
    let classes: Vec<_> = bench.world.take_requests().iter().map(|record| record.class).collect();
    assert_eq!(classes, [RequestClass::Token, RequestClass::Arm, RequestClass::Arm]);
}

#[tokio::test(start_paused = true)]
async fn a_token_for_another_audience_is_refused_and_an_empty_secret_gets_none() {
    let bench = Bench::new(Latency::None);
    let url = format!("/{DEFAULT_TENANT}/oauth2/v2.0/token");
    let form = "grant_type=client_credentials&client_id=app&client_secret=s&scope=https%3A%2F%2Fvault.azure.net%2F.default";
    let token = bench.raw("POST", &url, &[], form.into()).await;
    let bearer = format!("Bearer {}", token.body["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let answer = bench.raw("GET", "/subscriptions?api-version=2022-12-01", &headers, Vec::new()).await;
    assert_eq!(answer.code(), "InvalidAuthenticationTokenAudience");
    let form = "grant_type=client_credentials&client_id=app&client_secret=&scope=x";
    assert_eq!(bench.raw("POST", &url, &[], form.into()).await.body["error"], "invalid_client");
}

#[tokio::test(start_paused = true)]
async fn the_metadata_documents_need_no_token() {
    let bench = Bench::new(Latency::None);
    bench.world.set_base_url("https://localhost:1/");
    let cloud = bench.raw("GET", "/metadata/endpoints?api-version=2022-09-01", &[], Vec::new()).await;
    assert_eq!(cloud.body["resourceManager"], "https://localhost:1");
    assert_eq!(cloud.body["authentication"]["identityProvider"], "AAD");
    let url = format!("/{DEFAULT_TENANT}/v2.0/.well-known/openid-configuration");
    let openid = bench.raw("GET", &url, &[], Vec::new()).await;
    assert!(openid.body["token_endpoint"].as_str().unwrap().starts_with("https://localhost:1/"));
    let imds = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com";
    let token = bench.raw("GET", imds, &[("metadata", "true")], Vec::new()).await;
    assert!(token.body["expires_on"].is_string());
    assert_eq!(bench.raw("GET", imds, &[], Vec::new()).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn versions_are_checked() {
    let bench = Bench::new(Latency::None);
    let target = path("Microsoft.Storage/storageAccounts/stone");
    let headers = [("authorization", "Bearer opaque")];
    assert_eq!(bench.raw("GET", &target, &headers, Vec::new()).await.code(), "MissingApiVersionParameter");
    for (version, code) in [
        ("latest", "InvalidApiVersionParameter"),
        ("1999-01-01", "InvalidApiVersionParameter"),
        ("2014-05-01", "NoRegisteredProviderFound"),
        ("2031-01-01-preview", "ResourceGroupNotFound"),
    ] {
        let answer = bench.get(&format!("{target}?api-version={version}")).await;
        assert_eq!(answer.code(), code, "{version}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_carries_arms_headers() {
    let bench = Bench::new(Latency::None);
    let answer = bench
        .raw(
            "GET",
            &format!("{}?api-version=2025-04-01", group()),
            &[
                ("authorization", "Bearer opaque"),
                ("x-ms-client-request-id", "mine"),
                ("x-ms-return-client-request-id", "true"),
                ("x-ms-correlation-request-id", "together"),
            ],
            Vec::new(),
        )
        .await;
    assert_eq!(answer.header("x-ms-client-request-id"), "mine");
    assert_eq!(answer.header("x-ms-correlation-request-id"), "together");
    assert!(!answer.header("x-ms-request-id").is_empty());
    assert!(answer.header("x-ms-ratelimit-remaining-subscription-reads").parse::<u32>().is_ok());
}

#[tokio::test(start_paused = true)]
async fn malformed_and_oversized_bodies_are_refused() {
    let bench = Bench::with_group(Latency::None).await;
    let target = format!("{}?api-version=2025-08-01", path("Microsoft.Storage/storageAccounts/stone"));
    let headers = [("authorization", "Bearer opaque")];
    for body in ["", "{", "[]", "7", "{\"tags\":{\"a\":1}}", "{\"properties\":[]}"] {
        let answer = bench.raw("PUT", &target, &headers, body.into()).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequestContent"), "{body}");
    }
    let answer = bench.raw("PUT", &target, &headers, vec![b' '; 5 * 1024 * 1024]).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test(start_paused = true)]
async fn nonsense_never_panics_and_is_answered_with_an_error() {
    let bench = Bench::with_group(Latency::None).await;
    let subscription = group().replace("/resourceGroups/rg", "");
    let tails = [
        "/",
        "//",
        "/providers",
        "/providers/x",
        "/a/b/c",
        "/%00",
        "/%zz/providers/%2f/%2e%2e",
        "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/é%20x",
        "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets",
        "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/k/providers/Microsoft.Authorization/roleAssignments/g",
        "/providers/Microsoft.KeyVault/locations/x/deletedVaults/y/purge",
        "/resources",
        "/locations",
        "/providers/Microsoft.Authorization/roleAssignments",
    ];
    let bodies = [
        json!({}),
        json!({ "location": "eastus", "properties": { "properties": 1, "subnets": [1, { "name": 2 }],
        "addressSpace": { "addressPrefixes": ["::/0", "1.1.1.1/99", 3] } }, "sku": {}, "identity": { "type": 3 } }),
    ];
    for tail in tails {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "TRACE"] {
            for body in &bodies {
                let target =
                    format!("{subscription}{tail}?$filter=%27&$skiptoken=%ff&$top=-1&api-version=2026-01-01");
                let answer = bench.send(method, &target, Some(body.clone())).await;
                assert_ne!(answer.status, 500, "{method} {target}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lists_page_with_a_next_link() {
    let bench = Bench::with_group(Latency::None).await;
    for number in 0..150 {
        let target = path(&format!("Microsoft.Storage/storageAccounts/st{number:03}"));
        bench.world.put(&super::bench::id(&target), account());
    }
    let first = bench.get(&path("Microsoft.Storage/storageAccounts")).await;
    assert_eq!(first.body["value"].as_array().unwrap().len(), 100);
    let second = bench.get(first.body["nextLink"].as_str().unwrap()).await;
    assert_eq!(second.body["value"].as_array().unwrap().len(), 50);
    assert!(second.body.get("nextLink").is_none());
}
