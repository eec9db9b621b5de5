//! A large world.

use serde_json::json;

use super::bench::{Bench, account, group, id};
use crate::Latency;

const GROUPS: usize = 1000;
const PER_GROUP: usize = 100;

/// The most resources that a request may look at: its page, what else is in its group, and a few.
const MOST_VISITS: usize = 2 * PER_GROUP + 20;

#[tokio::test(start_paused = true)]
async fn a_list_in_a_world_of_a_hundred_thousand_accounts_touches_only_its_group() {
    let bench = Bench::with_group(Latency::None).await;
    let body = json!({ "location": "eastus", "sku": { "name": "Standard_LRS" }, "properties": {} });
    for number in 0..GROUPS {
        let group = group().replace("/rg", &format!("/group{number:04}"));
        bench.world.place_raw(&id(&group), json!({ "location": "eastus", "properties": {} }));
        for account in 0..PER_GROUP {
            let target =
                format!("{group}/providers/Microsoft.Storage/storageAccounts/st{number:04}x{account:03}");
            bench.world.place_raw(&id(&target), body.clone());
        }
    }
    let subscription = group().replace("/resourceGroups/rg", "");
    let storage = "providers/Microsoft.Storage";
    for clause in [
        "resourceGroup =~ 'group0500' and type =~ 'microsoft.storage/storageaccounts'",
        "resourceGroup == 'group0500'",
    ] {
        bench.world.take_visits();
        let query = json!({ "query": format!("Resources | where {clause} | project name") });
        let found = bench.send("POST", "/providers/Microsoft.ResourceGraph/resources", Some(query)).await;
        assert_eq!(found.body["count"], PER_GROUP);
        assert!(bench.world.take_visits() <= MOST_VISITS);
    }
    for (target, count) in [
        (format!("{subscription}/resourceGroups/group0500/{storage}/storageAccounts"), 100),
        (format!("{subscription}/resourceGroups/group0999/resources"), 100),
        (format!("{subscription}/{storage}/storageAccounts"), 100),
        (format!("{subscription}/resourceGroups"), 100),
    ] {
        bench.world.take_visits();
        let answer = bench.get(&target).await;
        let visits = bench.world.take_visits();
        assert!(visits <= MOST_VISITS, "{target} looked at {visits}");
        assert_eq!(answer.body["value"].as_array().unwrap().len(), count, "{target}");
    }
    let late = format!("{subscription}/resourceGroups/group0998/{storage}/storageAccounts/st0998x000");
    let made = bench.put(&late.replace("st0998x000", "st0001x000"), account()).await;
    assert_eq!(made.code(), "StorageAccountAlreadyTaken");
    assert_eq!(bench.get(&late).await.status, 200);
    let visits = bench.world.take_visits();
    assert!(visits <= MOST_VISITS, "a global name looked at {visits}");
    assert_eq!(bench.world.ids().len(), 1 + GROUPS * (PER_GROUP + 1));
}
