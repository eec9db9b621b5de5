//! The role assignments that machine learning makes for a workspace's system-assigned identity
//! (`facts.md` 6; azure-docs, machine-learning/concept-enterprise-security, table of the managed identity's
//! permissions). They are ordinary assignments: lists show them, and they stay behind as orphans when the
//! workspace is deleted. With user-assigned identities the service assigns nothing.

use serde_json::json;

use crate::arm::place;
use crate::body;
use crate::providers::authorization::role_assignments::{ASSIGNMENT_TYPE, grant_exists};
use crate::state::{Caller, State, default_tenant, parse_uuid};
use beamline_base::id::ResourceId;

const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";
const BLOB_DATA_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";
const VAULT_ADMINISTRATOR: &str = "00482a5a-887f-4fb3-b363-3b7fe8e74483";

/// Assigns what is missing. A vault with access policies gets no role.
pub(in crate::providers) fn add(state: &mut State, workspace: &ResourceId) {
    let Some(stored) = state.get(workspace) else { return };
    let Some(principal) = body::text(&stored.body, "/identity/principalId").and_then(parse_uuid) else {
        return;
    };
    let dependency = |name: &str| {
        let id = body::text(&stored.body, &format!("/properties/{name}"))?.parse().ok()?;
        state.get(&id).map(|stored| stored.id.clone())
    };
    let has_rbac = |vault: &ResourceId| {
        let stored = state.get(vault);
        stored.and_then(|stored| body::truth(&stored.body, "/properties/enableRbacAuthorization"))
            == Some(true)
    };
    let grants = [
        (workspace.resource_group_id(), CONTRIBUTOR),
        (dependency("storageAccount"), BLOB_DATA_CONTRIBUTOR),
        (dependency("keyVault").filter(has_rbac), VAULT_ADMINISTRATOR),
        (dependency("containerRegistry"), CONTRIBUTOR),
    ];
    let service = state.uuid("the service principal of machine learning");
    let caller = Caller { object_id: service, app_id: service.to_string(), tenant: default_tenant() };
    for (scope, role) in grants {
        let Some(scope) = scope.filter(|scope| !grant_exists(state, scope, role, principal)) else {
            continue;
        };
        let name = state.uuid(&format!("assigned by machine learning {role} {principal} {}", scope.folded()));
        let properties = json!({
            "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": principal, "principalType": "ServicePrincipal",
        });
        let id = scope.provider(ASSIGNMENT_TYPE, &name.to_string());
        place(state, &id, &json!({ "properties": properties }), &caller);
    }
}
