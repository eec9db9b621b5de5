//! Who may do what.

use serde_json::{Value, json};
use uuid::Uuid;

use super::bench::{Answer, Bench, account, group, id, path, workspace};
use crate::{
    Access, Application, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, RoleGrant, Throttling, WorldOptions,
};

const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const ASSIGNMENT: &str = "11111111-1111-4111-8111-111111111111";
const STORAGE: &str = "Microsoft.Storage/storageAccounts/stone";

fn subscription() -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}")
}

fn enforced(latency: Latency) -> Bench {
    Bench::with_options(|options| options.with_access(Access::Enforced).with_latency(latency))
}

/// An application with one role, its object id and the header with its token.
struct Somebody<'a> {
    bench: &'a Bench,
    object_id: Uuid,
    bearer: String,
}

impl<'a> Somebody<'a> {
    async fn with(bench: &'a Bench, client: &str, grants: &[(&str, &str)]) -> Self {
        let grants =
            grants.iter().map(|(role, scope)| RoleGrant { role: (*role).to_owned(), scope: id(scope) });
        let secret = Some("s3cret".to_owned().into());
        let application = Application { client_id: client.to_owned(), secret, grants: grants.collect() };
        let object_id = bench.world.register(&application).unwrap();
        let token = sign_in(bench, client, "s3cret").await;
        let bearer = format!("Bearer {}", token.body["access_token"].as_str().unwrap());
        Self { bench, object_id, bearer }
    }

    async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        self.bench.send_as(&self.bearer, method, target, body).await
    }

    async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, None).await
    }
}

async fn sign_in(bench: &Bench, client: &str, secret: &str) -> Answer {
    let scope = "https%3A%2F%2Fmanagement.azure.com%2F.default";
    let form =
        format!("grant_type=client_credentials&client_id={client}&client_secret={secret}&scope={scope}");
    bench.raw("POST", &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &[], form.into()).await
}

#[tokio::test(start_paused = true)]
async fn only_registered_applications_with_their_secret_get_tokens() {
    let bench = enforced(Latency::None);
    let somebody = Somebody::with(&bench, "app-one", &[("Owner", &subscription())]).await;
    let wrong = sign_in(&bench, "app-one", "guess").await;
    assert_eq!((wrong.status, &wrong.body["error_codes"][0]), (401, &json!(7_000_215)));
    assert_eq!(sign_in(&bench, "app-two", "s3cret").await.body["error"], "unauthorized_client");
    assert_eq!(bench.get("/subscriptions").await.code(), "InvalidAuthenticationToken");
    assert_eq!(somebody.get("/subscriptions").await.body["value"].as_array().unwrap().len(), 1);
    let payload = somebody.bearer.split('.').nth(1).unwrap();
    let forged = format!("Bearer e30.{payload}.AAAA");
    assert_eq!(bench.send_as(&forged, "GET", "/subscriptions", None).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_granted_is_refused_in_azures_words() {
    let bench = enforced(Latency::None);
    bench.world.put(&id(&group()), json!({ "location": "eastus" }));
    let reader = Somebody::with(&bench, "reader", &[("Reader", &group())]).await;
    assert_eq!(reader.get(&group()).await.status, 200);
    let target = path(STORAGE);
    let refused = reader.send("PUT", &target, Some(account())).await;
    assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"));
    assert_eq!(
        refused.body["error"]["message"],
        format!(
            "The client 'reader' with object id '{}' does not have authorization to perform action \
             'Microsoft.Storage/storageAccounts/write' over scope '{target}' or the scope is invalid. If access was \
             recently granted, please refresh your credentials.",
            reader.object_id
        )
    );
    bench.world.put(&id(&target), account());
    let keys = reader.send("POST", &format!("{target}/listKeys"), None).await;
    assert!(keys.body["error"]["message"].as_str().unwrap().contains("storageAccounts/listKeys/action"));
    let contributor = Somebody::with(&bench, "contributor", &[("Contributor", &group())]).await;
    assert_eq!(contributor.send("POST", &format!("{target}/listKeys"), None).await.status, 200);
    let role = format!("{target}/providers/Microsoft.Authorization/roleAssignments/{ASSIGNMENT}");
    let body = json!({ "properties": { "roleDefinitionId": READER, "principalId": reader.object_id } });
    assert_eq!(contributor.send("PUT", &role, Some(body.clone())).await.code(), "AuthorizationFailed");
    let admin = Somebody::with(&bench, "admin", &[("User Access Administrator", &group())]).await;
    assert_eq!(admin.send("PUT", &role, Some(body)).await.status, 201);
    assert_eq!(admin.send("DELETE", &target, None).await.code(), "AuthorizationFailed");
}

#[tokio::test(start_paused = true)]
async fn a_role_in_a_group_shows_only_that_group() {
    let bench = enforced(Latency::None);
    let other = group().replace("/rg", "/other");
    for place in [&group(), &other] {
        bench.world.put(&id(place), json!({ "location": "eastus" }));
        bench.world.put(&id(&format!("{place}/providers/{STORAGE}{}", place.len())), account());
    }
    let reader = Somebody::with(&bench, "reader", &[("Reader", &group())]).await;
    for list in ["/resourcegroups", "/resources", "/providers/Microsoft.Storage/storageAccounts"] {
        let seen = reader.get(&format!("{}{list}", subscription())).await;
        assert_eq!(seen.body["value"].as_array().unwrap().len(), 1, "{list}: {}", seen.body);
    }
    assert_eq!(reader.get(&other).await.status, 403);
    let nobody = Somebody::with(&bench, "nobody", &[]).await;
    assert_eq!(nobody.get(&format!("{}/resourcegroups", subscription())).await.status, 403);
    assert_eq!(nobody.get("/subscriptions").await.body["value"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_custom_role_allows_what_it_lists_and_goes_when_nobody_has_it() {
    let bench = enforced(Latency::None);
    bench.world.put(&id(&group()), json!({ "location": "eastus" }));
    bench.world.put(&id(&path(STORAGE)), account());
    let owner = Somebody::with(&bench, "owner", &[("Owner", &subscription())]).await;
    let role = "33333333-3333-4333-8333-333333333333";
    let definition = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{role}", group());
    let body = json!({ "properties": {
        "roleName": "Storage starter", "description": "d", "assignableScopes": [subscription()],
        "permissions": [{ "actions": ["Microsoft.Storage/*"], "notActions": ["Microsoft.Storage/*/delete"] }],
    } });
    let made = owner.send("PUT", &definition, Some(body.clone())).await;
    assert_eq!((made.status, made.body["properties"]["type"].as_str()), (201, Some("CustomRole")));
    assert!(made.body["id"].as_str().unwrap().starts_with(&format!("{}/providers", subscription())));
    let twice = definition.replace("33333333-3", "44444444-4");
    assert_eq!(owner.send("PUT", &twice, Some(body)).await.code(), "RoleDefinitionWithSameNameExists");
    let worker =
        Somebody::with(&bench, "worker", &[("33333333-3333-4333-8333-333333333333", &group())]).await;
    assert_eq!(worker.send("PUT", &path(STORAGE), Some(account())).await.status, 200);
    assert_eq!(worker.send("DELETE", &path(STORAGE), None).await.code(), "AuthorizationFailed");
    let permissions =
        worker.get(&format!("{}/providers/Microsoft.Authorization/permissions", path(STORAGE))).await;
    assert_eq!(permissions.body["value"][0]["notActions"], json!(["Microsoft.Storage/*/delete"]));
    assert_eq!(owner.send("DELETE", &definition, None).await.code(), "RoleDefinitionHasAssignments");
    let assignments = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments?$filter=principalId%20eq%20'{}'",
        group(),
        worker.object_id
    );
    let assigned = owner.get(&assignments).await;
    assert_eq!(
        owner.send("DELETE", assigned.body["value"][0]["id"].as_str().unwrap(), None).await.status,
        200
    );
    assert_eq!(worker.get(&path(STORAGE)).await.status, 403);
    assert_eq!(owner.send("DELETE", &definition, None).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_identity_is_assigned_only_by_who_may_assign_it() {
    let bench = enforced(Latency::None);
    let other = group().replace("/rg", "/other");
    for place in [&group(), &other] {
        bench.world.put(&id(place), json!({ "location": "eastus" }));
    }
    let identity = format!("{other}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai");
    bench.world.put(&id(&identity), json!({ "location": "eastus" }));
    let worker = Somebody::with(&bench, "worker", &[("Contributor", &group())]).await;
    let mut body = account();
    body["identity"] = json!({ "type": "UserAssigned", "userAssignedIdentities": { &identity: {} } });
    let refused = worker.send("PUT", &path(STORAGE), Some(body.clone())).await;
    assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"));
    bench.world.grant(worker.object_id, "Managed Identity Operator", &id(&identity)).unwrap();
    assert_eq!(worker.send("PUT", &path(STORAGE), Some(body)).await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_new_principal_and_a_new_grant_take_their_time() {
    let bench = enforced(Latency::Realistic { factor: 1.0 });
    bench.world.put(&id(&group()), json!({ "location": "eastus" }));
    let owner = Somebody::with(&bench, "owner", &[("Owner", &subscription())]).await;
    let made = owner
        .send(
            "PUT",
            &path("Microsoft.ManagedIdentity/userAssignedIdentities/uai"),
            Some(json!({ "location": "eastus" })),
        )
        .await;
    let role = format!("{}/providers/Microsoft.Authorization/roleAssignments/{ASSIGNMENT}", group());
    let grant =
        |principal: &Value| json!({ "properties": { "roleDefinitionId": READER, "principalId": principal } });
    let fresh = &made.body["properties"]["principalId"];
    assert_eq!(owner.send("PUT", &role, Some(grant(fresh))).await.code(), "PrincipalNotFound");
    bench.wait(60).await;
    assert_eq!(owner.send("PUT", &role, Some(grant(fresh))).await.status, 201);
    let newcomer = Somebody::with(&bench, "newcomer", &[]).await;
    let role = role.replace("1111-4111", "2222-4222");
    assert_eq!(owner.send("PUT", &role, Some(grant(&json!(newcomer.object_id)))).await.status, 201);
    assert_eq!(newcomer.get(&group()).await.code(), "AuthorizationFailed");
    bench.wait(120).await;
    assert_eq!(newcomer.get(&group()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_data_scientist_works_in_the_workspace_and_does_not_change_it() {
    let bench = enforced(Latency::None);
    bench.world.put(&id(&group()), json!({ "location": "eastus" }));
    for (target, body) in super::bench::dependencies() {
        bench.world.put(&id(&target), body);
    }
    bench.world.put(&id(&workspace()), super::bench::workspace_body());
    let scientist = Somebody::with(&bench, "scientist", &[("AzureML Data Scientist", &workspace())]).await;
    assert_eq!(scientist.get(&workspace()).await.status, 200);
    assert_eq!(scientist.get(&format!("{}/computes", workspace())).await.status, 200);
    assert_eq!(scientist.send("DELETE", &workspace(), None).await.status, 403);
    let cluster = format!("{}/computes/cpu", workspace());
    assert_eq!(scientist.send("PUT", &cluster, Some(super::bench::cluster_body())).await.status, 403);
    let store = format!("{}/datastores/mine", workspace());
    let body = json!({ "properties": { "datastoreType": "AzureBlob", "accountName": "stone", "containerName": "c",
        "credentials": { "credentialsType": "None" } } });
    assert_eq!(scientist.send("PUT", &store, Some(body)).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn above_the_limits_requests_wait() {
    let bench =
        Bench::with_options(|options: WorldOptions| options.with_throttling(Throttling::On { scale: 0.1 }));
    let list = format!("{}/resourcegroups", subscription());
    for left in (0..25).rev() {
        let answer = bench.get(&list).await;
        assert_eq!(answer.header("x-ms-ratelimit-remaining-subscription-reads"), left.to_string());
    }
    let refused = bench.get(&list).await;
    assert_eq!((refused.status, refused.code()), (429, "SubscriptionRequestsThrottled"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(bench.put(&group(), json!({ "location": "eastus" })).await.status, 201);
    bench.wait(1).await;
    assert_eq!(bench.get(&list).await.status, 200);
}
