//! Resource Graph.

use serde_json::{Value, json};

use super::bench::{Answer, Bench, account, group, path, vault};
use crate::{DEFAULT_SUBSCRIPTION, Latency};

async fn query(bench: &Bench, text: &str, options: Value) -> Answer {
    let body = json!({ "subscriptions": [DEFAULT_SUBSCRIPTION], "query": text, "options": options });
    bench
        .send("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01", Some(body))
        .await
}

#[tokio::test(start_paused = true)]
async fn resources_are_found_by_type_tag_and_group() {
    let bench = Bench::with_group(Latency::None).await;
    for (name, owner) in [("one", "me"), ("two", "you")] {
        let mut body = account();
        body["tags"] = json!({ "owner": owner });
        bench.put(&path(&format!("Microsoft.Storage/storageAccounts/{name}")), body).await;
    }
    bench.put(&path("Microsoft.KeyVault/vaults/kv-one"), vault()).await;
    let names = async |text: &str| {
        let body = query(&bench, text, json!({})).await.body;
        body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names("Resources | where type =~ 'Microsoft.Storage/storageAccounts' | project name").await,
        ["one", "two"]
    );
    assert_eq!(names("resources | where tags['owner'] == 'you'").await, ["two"]);
    assert_eq!(
        names("resources | where tags.owner != 'you' and resourceGroup =~ 'RG' | order by name desc").await,
        ["one", "kv-one"]
    );
    assert_eq!(
        names("resources | where location in ('eastus') | order by name asc | limit 1").await,
        ["kv-one"]
    );
    assert_eq!(
        names("resourcecontainers | where type == 'microsoft.resources/subscriptions/resourcegroups'").await,
        ["rg"]
    );
    let row = query(&bench, "resources | where name == 'one'", json!({})).await.body["data"][0].clone();
    assert_eq!(
        (&row["type"], &row["id"]),
        (&json!("microsoft.storage/storageaccounts"), &json!(path("Microsoft.Storage/storageAccounts/one")))
    );
    assert_eq!(row["properties"]["provisioningState"], "Succeeded");
}

#[tokio::test(start_paused = true)]
async fn pages_follow_their_token_and_other_queries_are_refused() {
    let bench = Bench::with_group(Latency::None).await;
    for number in 0..5 {
        bench.put(&path(&format!("Microsoft.Storage/storageAccounts/st{number}")), account()).await;
    }
    let first = query(&bench, "Resources | project name", json!({ "$top": 3 })).await;
    assert_eq!((&first.body["totalRecords"], &first.body["resultTruncated"]), (&json!(5), &json!("true")));
    assert_eq!(first.header("x-ms-user-quota-remaining"), "14");
    let next = json!({ "$top": 3, "$skipToken": first.body["$skipToken"] });
    let second = query(&bench, "Resources | project name", next).await;
    assert_eq!((&second.body["count"], &second.body["data"][1]["name"]), (&json!(2), &json!("st4")));
    let refused = query(&bench, "Resources | summarize count() by type", json!({})).await;
    assert_eq!((refused.status, refused.code()), (400, "BadRequest"));
    assert_eq!(refused.body["error"]["details"][0]["code"], "InvalidQuery");
}

#[tokio::test(start_paused = true)]
async fn what_is_new_is_not_found_yet() {
    let bench = Bench::with_group(Latency::Realistic { factor: 1.0 }).await;
    let groups = async || query(&bench, "resourcecontainers", json!({})).await.body["count"].clone();
    assert_eq!(groups().await, 0);
    bench.wait(30).await;
    assert_eq!(groups().await, 1);
    assert!(bench.world.get(&super::bench::id(&group())).is_some());
}
