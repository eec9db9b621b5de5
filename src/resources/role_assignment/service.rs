//! The role assignments that machine learning makes by itself, for the identity of a workspace.
//!
//! Guarantees: only what is given to the system-assigned identity of this very workspace counts, on the
//! workspace, its group or what it is made with, under nobody's mark, and never a role with which more
//! could be given. Which other roles is left open: the service gave Contributor, gives Azure AI
//! Administrator now, and may give another one tomorrow.
//! Sources: facts.md 6 (Enterprise security for Azure Machine Learning, permissions of the workspace
//! managed identity).

use serde_json::Value;

use super::super::id::ResourceId;
use super::super::{pointer, role};
use super::{DESCRIPTION, PRINCIPAL, PRINCIPAL_ID, ROLE, mark_of, scope_in, text};

/// What a workspace is made with.
const DEPENDENCIES: [&str; 4] = [
    "/properties/storageAccount",
    "/properties/keyVault",
    "/properties/containerRegistry",
    "/properties/applicationInsights",
];

/// Whether `assignment` is one that the service makes for `workspace`. Somebody who has given that
/// identity such a role by hand is not told apart: the service would have given it too.
#[must_use]
pub fn is_made_by_service(assignment: &Value, workspace: &Value) -> bool {
    let Some(principal) = text(workspace, PRINCIPAL_ID) else { return false };
    let is_its_own = text(assignment, PRINCIPAL).is_some_and(|found| found.eq_ignore_ascii_case(principal));
    let is_marked = text(assignment, DESCRIPTION).and_then(mark_of).is_some();
    let is_usual = text(assignment, ROLE).and_then(role::of_id).is_some_and(|role| !role::gives_roles(role));
    is_its_own
        && !is_marked
        && is_usual
        && scope_in(assignment).is_some_and(|scope| is_given_roles_on(&scope, workspace))
}

fn is_given_roles_on(scope: &ResourceId, workspace: &Value) -> bool {
    let id = |at: &str| pointer::get(workspace, at)?.as_str()?.parse::<ResourceId>().ok();
    let own = id("/id");
    let group = own.as_ref().and_then(ResourceId::resource_group_id);
    own.into_iter().chain(group).chain(DEPENDENCIES.into_iter().filter_map(id)).any(|known| known == *scope)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::sample::{PRINCIPAL as OBJECT_ID, id};
    use super::*;

    const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";

    fn workspace() -> Value {
        json!({
            "id": id("Microsoft.MachineLearningServices/workspaces/mlw"),
            "identity": { "type": "SystemAssigned", "principalId": OBJECT_ID },
            "properties": { "keyVault": id("Microsoft.KeyVault/vaults/kv"), "containerRegistry": null },
        })
    }

    fn group() -> String {
        id("x/y/z").split("/providers/").next().unwrap().to_owned()
    }

    fn given(scope: &str, role: &str, principal: &str) -> Value {
        json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/roleAssignments/0"),
            "properties": {
                "roleDefinitionId": format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"),
                "principalId": principal, "scope": scope, "description": null,
            },
        })
    }

    #[test]
    fn what_the_identity_has_on_the_group_and_what_the_workspace_is_made_with_is_the_services() {
        let vault = id("Microsoft.KeyVault/vaults/KV").to_lowercase();
        for scope in [group(), vault, id("Microsoft.MachineLearningServices/workspaces/mlw")] {
            let assignment = given(&scope, CONTRIBUTOR, &OBJECT_ID.to_uppercase());
            assert!(is_made_by_service(&assignment, &workspace()), "{scope}");
        }
    }

    #[test]
    fn other_principals_scopes_and_marks_and_roles_that_give_roles_are_somebody_elses() {
        let other = "99999999-0000-0000-0000-000000000000";
        let owner = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
        let mut marked = given(&group(), CONTRIBUTOR, OBJECT_ID);
        marked["properties"]["description"] = json!("beamline: ops/other role_assignments/x");
        let foreign = [
            given(&group(), CONTRIBUTOR, other),
            given(&id("Microsoft.KeyVault/vaults/another"), CONTRIBUTOR, OBJECT_ID),
            given(&group(), owner, OBJECT_ID),
            marked,
        ];
        for assignment in foreign {
            assert!(!is_made_by_service(&assignment, &workspace()), "{assignment}");
        }
        let mut without_identity = workspace();
        without_identity["identity"] = Value::Null;
        assert!(!is_made_by_service(&given(&group(), CONTRIBUTOR, OBJECT_ID), &without_identity));
    }
}
