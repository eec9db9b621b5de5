//! What Azure adds by itself.

use serde_json::{Value, json};

use super::bench::{Bench, group, path, workspace, workspace_body};
use crate::Latency;

const RULE: &str = "microsoft.alertsManagement/smartDetectorAlertRules/Failure%20Anomalies%20-%20ai";

async fn types_in_group(bench: &Bench) -> Vec<String> {
    let listed = bench.get(&format!("{}/resources", group())).await.body;
    let types = listed["value"].as_array().unwrap().iter();
    types.map(|entry| entry["type"].as_str().unwrap().to_ascii_lowercase()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_component_gets_an_alert_rule_some_minutes_later_and_again_when_it_is_deleted() {
    let bench = Bench::with_group(Latency::REALISTIC).await;
    bench.with_dependencies().await;
    let rule = "microsoft.alertsmanagement/smartdetectoralertrules".to_owned();
    assert!(!types_in_group(&bench).await.contains(&rule));
    bench.wait(300).await;
    let types = types_in_group(&bench).await;
    assert!(types.contains(&rule) && types.contains(&"microsoft.insights/actiongroups".to_owned()));
    let shown = bench.get(&path(RULE)).await;
    assert_eq!(shown.body["properties"]["detector"]["id"], "FailureAnomaliesDetector");
    assert_eq!(bench.delete(&path(RULE)).await.status, 200);
    assert_eq!(bench.get(&path(RULE)).await.status, 404);
    bench.wait(300).await;
    assert_eq!(bench.get(&path(RULE)).await.status, 200);
    bench.delete(&path("microsoft.insights/components/ai")).await;
    assert_eq!(bench.get(&path(RULE)).await.status, 200);
    assert_eq!(bench.delete(&path(RULE)).await.status, 200);
    bench.wait(600).await;
    assert_eq!(bench.get(&path(RULE)).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_group_takes_along_what_azure_added() {
    let bench = Bench::with_group(Latency::REALISTIC).await;
    bench.with_dependencies().await;
    bench.wait(60).await;
    bench.delete(&group()).await;
    bench.wait(1000).await;
    assert_eq!(bench.world.ids(), []);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_identity_is_assigned_roles_by_the_service() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let principal = bench.get(&workspace()).await.body["identity"]["principalId"].clone();
    let filter = format!("$filter=principalId%20eq%20'{}'", principal.as_str().unwrap());
    let list = format!("{}/providers/Microsoft.Authorization/roleAssignments?{filter}", group());
    let assigned = async || bench.get(&list).await.body["value"].as_array().unwrap().clone();
    let scopes = |assigned: &[Value]| {
        let scope = |own: &Value| own["properties"]["scope"].as_str().unwrap().replace(&group(), "");
        assigned.iter().map(scope).collect::<Vec<_>>()
    };
    let first = assigned().await;
    assert!(scopes(&first).contains(&String::new()), "{first:?}");
    assert!(scopes(&first).iter().any(|scope| scope.contains("storageAccounts")), "{first:?}");
    let group_grant = json!({ "properties": {
        "roleDefinitionId": "b24988ac-6180-42a0-ab88-20f7382dd24c", "principalId": principal,
    } });
    let again = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-111111111111",
        group()
    );
    assert_eq!(bench.put(&again, group_grant).await.code(), "RoleAssignmentExists");
    bench.put(&workspace(), workspace_body()).await;
    assert_eq!(assigned().await.len(), first.len());
    bench.delete(&format!("{}?forceToPurge=true", workspace())).await;
    assert_eq!(assigned().await.len(), first.len(), "they stay behind as orphans");
}
