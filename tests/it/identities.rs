//! Who acts with which identity, and what has to be granted before.

use serde_json::json;

use crate::support::{AzureWorld, Definition, IDENTITIES, identity, place_identities};

/// A workspace that acts with an identity which somebody made, and a role for that identity on `scope`.
fn acting(world: &AzureWorld, scope: &str) -> Definition {
    place_identities(world);
    let id = identity(IDENTITIES[0]);
    let body = world.azure.get(&id.parse().unwrap()).unwrap();
    let role = json!({
        "principal": body["properties"]["principalId"], "principal_type": "ServicePrincipal",
        "role": "Storage Blob Data Contributor", "scope": scope,
    });
    Definition::small()
        .with("workspace/identity", json!({ "type": "UserAssigned", "identity_ids": [id] }))
        .with("workspace/primary_user_assigned_identity", id)
        .with("role_assignments/acting", role)
}

#[tokio::test(start_paused = true)]
async fn a_workspace_is_made_after_the_roles_of_the_identity_that_it_acts_with() {
    let world = AzureWorld::new();
    let definition = acting(&world, "storage_accounts/default");
    world.apply(&definition.text()).await;
    let writes = world.take_writes();
    let at = |part: &str| {
        writes.iter().position(|path| path.contains(part)).unwrap_or_else(|| panic!("{writes:#?}"))
    };
    assert!(at("roleAssignments/") < at("workspaces/mlw-production"), "{writes:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_role_on_the_workspace_itself_comes_after_it() {
    let world = AzureWorld::new();
    world.apply(&acting(&world, "workspace").text()).await;
}
