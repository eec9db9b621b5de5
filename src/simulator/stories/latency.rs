//! Times from a file.

use serde_json::{Value, json};

use super::bench::{Bench, account, group, path};
use crate::{Access, LatencyProfile, Scenario};

const STONE: &str = "Microsoft.Storage/storageAccounts/stone";
const ACR: &str = "Microsoft.ContainerRegistry/registries/acrone";

fn bench(profile: &str) -> Bench {
    let profile = LatencyProfile::parse(profile).unwrap();
    Bench::with_options(|options| options.with_profile(profile))
}

async fn state(bench: &Bench, target: &str) -> Value {
    bench.get(target).await.body["properties"]["provisioningState"].clone()
}

#[tokio::test(start_paused = true)]
async fn what_the_file_names_takes_its_time_and_the_rest_none() {
    let bench = bench(
        "{ base: none, types: { Microsoft.ContainerRegistry/registries: { create: 2h, delete: 30s, retry_after: 45s } } }",
    );
    bench.put(&group(), json!({ "location": "eastus" })).await;
    bench.put(&path(STONE), account()).await;
    assert_eq!(state(&bench, &path(STONE)).await, "Succeeded");
    let made = bench.put(&path(ACR), json!({ "location": "eastus", "sku": { "name": "Basic" } })).await;
    assert_eq!(made.header("retry-after"), "45");
    bench.wait(7199).await;
    assert_eq!(state(&bench, &path(ACR)).await, "Creating");
    bench.wait(1).await;
    assert_eq!(state(&bench, &path(ACR)).await, "Succeeded");
    assert_eq!(bench.delete(&path(ACR)).await.status, 202);
    bench.wait(29).await;
    assert_eq!(state(&bench, &path(ACR)).await, "Deleting");
    bench.wait(1).await;
    assert_eq!(bench.get(&path(ACR)).await.status, 404);
}

#[test]
fn the_files_that_the_documentation_shows_are_read() {
    let page = include_str!("../../../docs/simulator.md");
    let files: Vec<&str> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (profiles, scenarios): (Vec<&str>, Vec<&str>) =
        files.into_iter().partition(|text| text.starts_with("base:"));
    assert_eq!((profiles.len(), scenarios.len()), (1, 1));
    LatencyProfile::parse(profiles[0]).unwrap();
    assert_eq!(Scenario::parse(scenarios[0]).unwrap().groups.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_range_is_drawn_from_the_seed() {
    let took = async |seed: u64| {
        let profile =
            LatencyProfile::parse("types: { Microsoft.Storage/storageAccounts: { create: 100s..200s } }")
                .unwrap();
        let bench = Bench::with_options(|options| options.with_seed(seed).with_profile(profile));
        bench.put(&group(), json!({ "location": "eastus" })).await;
        bench.put(&path(STONE), account()).await;
        let mut seconds = 0;
        while state(&bench, &path(STONE)).await != "Succeeded" {
            bench.wait(1).await;
            seconds += 1;
        }
        seconds
    };
    let (one, again, two) = (took(1).await, took(1).await, took(2).await);
    assert_eq!(one, again);
    assert_ne!(one, two);
    assert!([one, two].iter().all(|seconds| (100..=201).contains(seconds)), "{one} {two}");
}

#[tokio::test(start_paused = true)]
async fn replication_takes_the_time_of_the_file() {
    let profile = LatencyProfile::parse("{ base: none, replication: { principals: 10m } }").unwrap();
    let bench = Bench::with_options(|options| options.with_access(Access::Open).with_profile(profile));
    bench.put(&group(), json!({ "location": "eastus" })).await;
    let identity = path("Microsoft.ManagedIdentity/userAssignedIdentities/uai");
    let made = bench.put(&identity, json!({ "location": "eastus" })).await;
    let assignment = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-111111111111",
        group()
    );
    let body = json!({ "properties": {
        "roleDefinitionId": "acdd72a7-3385-48ef-bd42-f606fba81ae7", "principalId": made.body["properties"]["principalId"],
    } });
    bench.wait(599).await;
    assert_eq!(bench.put(&assignment, body.clone()).await.code(), "PrincipalNotFound");
    bench.wait(1).await;
    assert_eq!(bench.put(&assignment, body).await.status, 201);
}
