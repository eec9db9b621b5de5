//! Networks and role assignments.

use serde_json::{Value, json};

use super::bench::{Bench, cluster_body, group, id, path, vault, workspace, workspace_body};
use crate::Latency;

const REAL: Latency = Latency::Realistic { factor: 1.0 };
const SECRETS_USER: &str = "4633458b-17de-408a-b874-0445c86b69e6";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn network() -> String {
    path("Microsoft.Network/virtualNetworks/vnet")
}

fn subnet(name: &str) -> String {
    format!("{}/subnets/{name}", network())
}

fn network_body(subnets: Value) -> Value {
    json!({ "location": "eastus", "properties": { "addressSpace": { "addressPrefixes": ["10.1.0.0/16"] }, "subnets": subnets } })
}

fn prefix(text: &str) -> Value {
    json!({ "properties": { "addressPrefixes": [text] } })
}

fn role(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

fn grant(role: &str, principal: &Value) -> Value {
    json!({ "properties": {
        "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        "principalId": principal, "principalType": "ServicePrincipal",
    } })
}

#[tokio::test(start_paused = true)]
async fn a_put_of_the_network_replaces_its_subnets() {
    let bench = Bench::with_group(Latency::None).await;
    let one = json!([{ "name": "one", "properties": { "addressPrefix": "10.1.1.0/24" } }]);
    assert_eq!(bench.put(&network(), network_body(one)).await.status, 201);
    assert_eq!(bench.put(&subnet("two"), prefix("10.1.2.0/24")).await.status, 201);
    let body = bench.get(&network()).await.body;
    assert_eq!(body["properties"]["subnets"][0]["properties"]["addressPrefix"], "10.1.1.0/24");
    assert_eq!(body["properties"]["subnets"][1]["name"], "two");
    let tags = bench.send("PATCH", &network(), Some(json!({ "tags": { "a": "b" } }))).await;
    assert_eq!((tags.status, tags.body["properties"]["subnets"].as_array().unwrap().len()), (200, 2));
    bench.put(&network(), network_body(json!([]))).await;
    assert_eq!(bench.get(&subnet("two")).await.code(), "ResourceNotFound");
}

#[tokio::test(start_paused = true)]
async fn one_write_at_a_time_in_a_network() {
    let bench = Bench::with_group(REAL).await;
    bench.put(&network(), network_body(json!([]))).await;
    assert_eq!(bench.put(&subnet("one"), prefix("10.1.1.0/24")).await.code(), "AnotherOperationInProgress");
    bench.wait(20).await;
    assert_eq!(bench.put(&subnet("one"), prefix("10.1.1.0/24")).await.status, 201);
    assert_eq!(bench.put(&subnet("two"), prefix("10.1.2.0/24")).await.code(), "AnotherOperationInProgress");
    bench.wait(20).await;
    assert_eq!(bench.put(&subnet("two"), prefix("10.1.2.0/24")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn subnets_lie_inside_the_network_and_apart() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&network(), network_body(json!([]))).await;
    bench.put(&subnet("one"), prefix("10.1.1.0/24")).await;
    for (text, code) in [
        ("10.2.0.0/24", "NetcfgInvalidSubnet"),
        ("10.1.0.1/24", "NetcfgInvalidSubnet"),
        ("10.1.0.0/99", "NetcfgInvalidSubnet"),
        ("10.1.0.0/20", "NetcfgSubnetRangesOverlap"),
    ] {
        assert_eq!(bench.put(&subnet("two"), prefix(text)).await.code(), code, "{text}");
    }
    let guarded = json!({ "properties": { "addressPrefix": "10.1.3.0/24", "networkSecurityGroup": {
        "id": path("Microsoft.Network/networkSecurityGroups/nsg") } } });
    assert_eq!(bench.put(&subnet("two"), guarded.clone()).await.code(), "InvalidResourceReference");
    let rules = json!([{ "name": "ssh", "properties": { "protocol": "Tcp", "access": "Deny", "direction": "Inbound", "priority": 100 } }]);
    let group = path("Microsoft.Network/networkSecurityGroups/nsg");
    let body = json!({ "location": "eastus", "properties": { "securityRules": rules } });
    assert_eq!(bench.put(&group, body).await.status, 201);
    assert_eq!(bench.put(&subnet("two"), guarded).await.status, 201);
    assert_eq!(bench.delete(&group).await.code(), "InUseNetworkSecurityGroupCannotBeDeleted");
}

#[tokio::test(start_paused = true)]
async fn a_subnet_in_use_stays() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    bench.put(&network(), network_body(json!([]))).await;
    bench.put(&subnet("one"), prefix("10.1.1.0/24")).await;
    let mut body = cluster_body();
    body["properties"]["properties"]["subnet"] = json!({ "id": subnet("ONE") });
    let cluster = format!("{}/computes/cpu-cluster", workspace());
    assert_eq!(bench.put(&cluster, body).await.status, 201);
    assert_eq!(bench.delete(&subnet("one")).await.code(), "InUseSubnetCannotBeDeleted");
    assert_eq!(bench.delete(&network()).await.code(), "InUseSubnetCannotBeDeleted");
    assert_eq!(bench.put(&network(), network_body(json!([]))).await.code(), "InUseSubnetCannotBeDeleted");
    bench.delete(&format!("{cluster}?underlyingResourceAction=Delete")).await;
    assert_eq!(bench.delete(&subnet("one")).await.status, 202);
    assert_eq!(bench.delete(&network()).await.status, 202);
    assert_eq!(bench.world.get(&id(&network())), None);
}

#[tokio::test(start_paused = true)]
async fn a_role_assignment_is_made_once_and_never_moved() {
    let bench = Bench::with_group(Latency::None).await;
    bench.with_dependencies().await;
    bench.put(&workspace(), workspace_body()).await;
    let principal = bench.get(&workspace()).await.body["identity"]["principalId"].clone();
    let vault = path("Microsoft.KeyVault/vaults/kv-one");
    let (one, two) = (
        role(&vault, "11111111-1111-4111-8111-111111111111"),
        role(&vault, "22222222-2222-4222-8222-222222222222"),
    );
    let unknown = json!("99999999-9999-4999-8999-999999999999");
    assert_eq!(bench.put(&one, grant(SECRETS_USER, &unknown)).await.code(), "PrincipalNotFound");
    let made = bench.put(&one, grant(SECRETS_USER, &principal)).await;
    assert_eq!((made.status, &made.body["properties"]["scope"]), (201, &json!(vault)));
    assert_eq!(bench.put(&one, grant(SECRETS_USER, &principal)).await.status, 200);
    assert_eq!(bench.put(&one, grant(READER, &principal)).await.code(), "RoleAssignmentUpdateNotPermitted");
    let twice = bench.put(&two, grant(SECRETS_USER, &principal)).await;
    assert_eq!((twice.status, twice.code()), (409, "RoleAssignmentExists"));
    assert_eq!(
        bench.put(&two, grant("33333333-0000-4000-8000-000000000000", &principal)).await.code(),
        "RoleDefinitionDoesNotExist"
    );
    bench.delete(&format!("{}?forceToPurge=true", workspace())).await;
    bench.put(&workspace(), workspace_body()).await;
    let fresh = bench.get(&workspace()).await.body["identity"]["principalId"].clone();
    assert_eq!(bench.put(&one, grant(SECRETS_USER, &fresh)).await.code(), "RoleAssignmentUpdateNotPermitted");
    assert_eq!(bench.put(&two, grant(SECRETS_USER, &principal)).await.code(), "PrincipalNotFound");
    let deleted = bench.delete(&one).await;
    assert_eq!((deleted.status, deleted.body["name"].is_string()), (200, true));
    assert_eq!(bench.delete(&one).await.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_assignments_reaches_below_its_scope_unless_it_says_at_scope() {
    let bench = Bench::with_group(Latency::None).await;
    bench.put(&path("Microsoft.KeyVault/vaults/kv-one"), vault()).await;
    let vault = path("Microsoft.KeyVault/vaults/kv-one");
    let user = json!("4f8c2a86-6d0e-4c1b-9a53-2f7f1f3f6a10");
    let mut body = grant(READER, &user);
    body["properties"]["principalType"] = json!("User");
    for (scope, name) in
        [(&vault, "11111111-1111-4111-8111-111111111111"), (&group(), "22222222-2222-4222-8222-222222222222")]
    {
        assert_eq!(bench.put(&role(scope, name), body.clone()).await.status, 201);
    }
    let list = async |scope: &str, filter: &str| {
        let answer = bench
            .get(&format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}"))
            .await;
        answer.body["value"].as_array().unwrap().len()
    };
    assert_eq!(list(&group(), "").await, 2);
    assert_eq!(list(&group(), "atScope()").await, 1);
    assert_eq!(list(&vault, "atScope()").await, 2);
    assert_eq!(list(&group(), "principalId%20eq%20'4F8C2A86-6d0e-4c1b-9a53-2f7f1f3f6a10'").await, 2);
    assert_eq!(list(&group(), "assignedTo('00000000-0000-0000-0000-000000000000')").await, 0);
    bench.delete(&vault).await;
    assert_eq!(list(&group(), "").await, 1);
    let named = format!(
        "{}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'AcrPush'",
        group()
    );
    let found = bench.get(&named).await.body;
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    assert_eq!(bench.get(found["value"][0]["id"].as_str().unwrap()).await.status, 200);
}
