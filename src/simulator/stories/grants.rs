//! Role assignments over time, groups, and the last Owner.

use serde_json::json;
use uuid::Uuid;

use super::bench::{Answer, Bench, group, id};
use crate::{
    Access, Application, DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, LatencyProfile, RoleGrant, Scenario,
};

const READERS: &str = "7a5c1f0e-1111-4222-8333-444455556666";
const EVERYBODY: &str = "7a5c1f0e-1111-4222-8333-444455557777";
const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

fn subscription() -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}")
}

fn enforced(profile: &str) -> Bench {
    let profile = LatencyProfile::parse(profile).unwrap();
    let bench = Bench::with_options(|options| options.with_access(Access::Enforced).with_profile(profile));
    bench.world.put(&id(&group()), json!({ "location": "eastus" }));
    bench
}

/// Registers an application; its object id and the header with its token.
async fn sign_in(bench: &Bench, client: &str, role: Option<&str>) -> (Uuid, String) {
    let grants = role.map(|role| RoleGrant { role: role.to_owned(), scope: id(&subscription()) });
    let application = Application {
        client_id: client.to_owned(),
        secret: Some("s3cret".to_owned().into()),
        grants: grants.into_iter().collect(),
    };
    let object_id = bench.world.register(&application).unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={client}&client_secret=s3cret&scope=https://management.azure.com/.default"
    );
    let token = bench.raw("POST", &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &[], form.into()).await;
    (object_id, format!("Bearer {}", token.body["access_token"].as_str().unwrap()))
}

async fn read_group(bench: &Bench, bearer: &str) -> Answer {
    bench.send_as(bearer, "GET", &group(), None).await
}

#[tokio::test(start_paused = true)]
async fn a_deleted_assignment_holds_for_a_while() {
    let bench = enforced("{ base: none, replication: { role_removals: 5m } }");
    let (_, owner) = sign_in(&bench, "owner", Some("Owner")).await;
    let (reader_id, reader) = sign_in(&bench, "reader", None).await;
    let role = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-111111111111",
        group()
    );
    let body = json!({ "properties": {
        "roleDefinitionId": "acdd72a7-3385-48ef-bd42-f606fba81ae7", "principalId": reader_id,
    } });
    assert_eq!(bench.send_as(&owner, "PUT", &role, Some(body)).await.status, 201);
    assert_eq!(read_group(&bench, &reader).await.status, 200);
    assert_eq!(bench.send_as(&owner, "DELETE", &role, None).await.status, 200);
    assert_eq!(bench.send_as(&owner, "GET", &role, None).await.status, 404);
    bench.wait(299).await;
    assert_eq!(read_group(&bench, &reader).await.status, 200);
    let other = Bench::with_options(|options| options.with_access(Access::Enforced));
    other.world.load(&bench.world.save()).unwrap();
    assert_eq!(read_group(&other, &reader).await.status, 200, "a saved world remembers it");
    bench.wait(1).await;
    assert_eq!(read_group(&bench, &reader).await.code(), "AuthorizationFailed");
}

#[tokio::test(start_paused = true)]
async fn members_have_what_their_groups_are_assigned() {
    let bench = enforced("{ base: none }");
    let (member_id, member) = sign_in(&bench, "member", None).await;
    assert_eq!(read_group(&bench, &member).await.status, 403);
    let scenario = format!(
        "groups:\n  - {{ id: {READERS}, members: [member] }}\n  - {{ id: {EVERYBODY}, members: [{READERS}] }}"
    );
    bench.world.play(Scenario::parse(&scenario).unwrap()).unwrap();
    let (_, owner) = sign_in(&bench, "owner", Some("Owner")).await;
    let role = format!(
        "{}/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-111111111111",
        group()
    );
    let grant = |kind: &str| {
        json!({ "properties": {
            "roleDefinitionId": "acdd72a7-3385-48ef-bd42-f606fba81ae7", "principalId": EVERYBODY, "principalType": kind,
        } })
    };
    let wrong = bench.send_as(&owner, "PUT", &role, Some(grant("ServicePrincipal"))).await;
    assert_eq!(wrong.code(), "UnmatchedPrincipalType");
    assert_eq!(bench.send_as(&owner, "PUT", &role, Some(grant("Group"))).await.status, 201);
    assert_eq!(read_group(&bench, &member).await.status, 200);
    let list = format!("{}/providers/Microsoft.Authorization/roleAssignments?$filter=", group());
    let found = async |filter: &str| {
        let answer = bench.send_as(&owner, "GET", &format!("{list}{filter}"), None).await;
        answer.body["value"].as_array().unwrap().len()
    };
    assert_eq!(found(&format!("assignedTo('{member_id}')")).await, 1);
    assert_eq!(found(&format!("principalId%20eq%20'{member_id}'")).await, 0);
    let left = json!({ "id": READERS, "members": [] }).to_string();
    assert_eq!(bench.raw("POST", "/_simulator/groups", &[], left.into()).await.status, 204);
    assert_eq!(read_group(&bench, &member).await.status, 403);
    let nobody = json!({ "id": READERS, "members": ["nobody"] }).to_string();
    assert_eq!(bench.raw("POST", "/_simulator/groups", &[], nobody.into()).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn the_last_owner_of_a_subscription_stays() {
    let bench = enforced("{ base: none }");
    let (_, owner) = sign_in(&bench, "owner", Some("Owner")).await;
    let (other_id, _) = sign_in(&bench, "other", None).await;
    let list = format!("{}/providers/Microsoft.Authorization/roleAssignments", subscription());
    let listed = bench.send_as(&owner, "GET", &list, None).await.body;
    let own = listed["value"][0]["id"].as_str().unwrap().to_owned();
    let refused = bench.send_as(&owner, "DELETE", &own, None).await;
    assert_eq!((refused.status, refused.code()), (412, "CannotDeleteLastRbacAdminAssignment"));
    let second = format!("{list}/11111111-1111-4111-8111-111111111111");
    let body = json!({ "properties": { "roleDefinitionId": OWNER, "principalId": other_id } });
    assert_eq!(bench.send_as(&owner, "PUT", &second, Some(body)).await.status, 201);
    assert_eq!(bench.send_as(&owner, "DELETE", &own, None).await.status, 200);
    let open = Bench::new(Latency::None);
    open.world.grant(other_id, "Owner", &id(&subscription())).unwrap();
    let listed = open.get(&list).await.body;
    assert_eq!(open.delete(listed["value"][0]["id"].as_str().unwrap()).await.status, 200);
}
