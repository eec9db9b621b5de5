//! Which resource providers a subscription has registered.

use serde_json::json;

use super::bench::{Answer, Bench, account, group, path};
use crate::{DEFAULT_SUBSCRIPTION, Latency, LatencyProfile, Providers, Scenario, World};

const STONE: &str = "Microsoft.Storage/storageAccounts/stone";

fn provider(namespace: &str) -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/{namespace}")
}

fn registration(answer: &Answer) -> &str {
    answer.body["registrationState"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_subscription_has_to_register_what_it_uses() {
    let profile = LatencyProfile::parse("{ base: none, replication: { registrations: 60s } }").unwrap();
    let bench =
        Bench::with_options(|options| options.with_profile(profile).with_providers(Providers::NotRegistered));
    assert_eq!(bench.put(&group(), json!({ "location": "eastus" })).await.status, 201);
    let refused = bench.put(&path(STONE), account()).await;
    assert_eq!((refused.status, refused.code()), (409, "MissingSubscriptionRegistration"));
    let detail = &refused.body["error"]["details"][0];
    assert_eq!(detail["target"], "Microsoft.Storage");
    assert!(detail["message"].as_str().unwrap().contains("'Unregistered' state"));
    assert_eq!(bench.get(&path(STONE)).await.code(), "ResourceNotFound");
    let storage = provider("Microsoft.Storage");
    assert_eq!(registration(&bench.get(&storage).await), "NotRegistered");
    let begun = bench.send("POST", &provider("microsoft.storage/register"), None).await;
    assert_eq!((begun.status, registration(&begun)), (200, "Registering"));
    assert_eq!(bench.put(&path(STONE), account()).await.status, 409);
    bench.wait(60).await;
    assert_eq!(registration(&bench.get(&storage).await), "Registered");
    assert_eq!(bench.put(&path(STONE), account()).await.status, 202);
    assert_eq!(registration(&bench.get(&provider("Microsoft.Authorization")).await), "Registered");
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_unregistered_when_nothing_of_it_is_left() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path(STONE), account()).await;
    let unregister = provider("Microsoft.Storage/unregister");
    let refused = bench.send("POST", &unregister, None).await;
    assert_eq!(refused.status, 409);
    assert!(refused.body["error"]["message"].as_str().unwrap().contains("delete existing resources"));
    bench.delete(&path(STONE)).await;
    let begun = bench.send("POST", &unregister, None).await;
    assert_eq!((begun.status, registration(&begun)), (200, "Unregistering"));
    assert_eq!(registration(&bench.get(&provider("Microsoft.Storage")).await), "Unregistered");
    assert_eq!(bench.put(&path(STONE), account()).await.code(), "MissingSubscriptionRegistration");
}

#[tokio::test(start_paused = true)]
async fn a_scenario_takes_registrations_away_and_a_saved_world_keeps_that() {
    let bench = Bench::with_group(Latency::None).await;
    let scenario = Scenario::parse("unregistered_providers: [microsoft.storage]").unwrap();
    bench.world.play(scenario).unwrap();
    let other = Bench::new(Latency::None);
    other.world.load(&bench.world.save()).unwrap();
    assert_eq!(other.put(&path(STONE), account()).await.code(), "MissingSubscriptionRegistration");
    let play =
        |world: &World, text: &str| world.play(Scenario::parse(text).unwrap()).unwrap_err().to_string();
    let unknown = play(&bench.world, "unregistered_providers: [Contoso.Tea]");
    assert!(unknown.contains("`Contoso.Tea`") && unknown.contains("Microsoft.Storage"), "{unknown}");
}
