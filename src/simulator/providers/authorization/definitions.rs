//! Custom role definitions (`facts.md` 8). They belong to the tenant: whatever scope one is asked at, it
//! is kept, and named, below the subscription.

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::authorization::role_assignments::ASSIGNMENT_TYPE;
use crate::providers::{Answer, Kind, Removal, Style, authorization::roles as authorization_roles};
use crate::state::{State, Stored, parse_uuid};
use beamline_base::id::ResourceId;

/// A role definition that is not built in.
pub(in crate::providers) struct RoleDefinition;

/// The type of role definitions.
pub(in crate::providers) const DEFINITION_TYPE: &str = "Microsoft.Authorization/roleDefinitions";

static STYLE: Style = Style {
    arm_type: DEFINITION_TYPE,
    first_version: "2015-07-01",
    create: Answer::Sync(201),
    update: Answer::Sync(201),
    delete: Removal::SyncWithBody,
    ..Style::SYNC
};

fn refused(code: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request(code, message)
}

impl Kind for RoleDefinition {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn home(&self, id: ResourceId) -> ResourceId {
        let subscription = id.subscription_id().map(ResourceId::subscription);
        subscription.map_or(id.clone(), |home| home.provider(DEFINITION_TYPE, id.name()))
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if parse_uuid(write.name()).is_none() {
            let message =
                format!("The role definition ID '{}' is not valid: it must be a GUID.", write.name());
            return Err(refused("InvalidRoleDefinitionId", message));
        }
        if authorization_roles::by_guid(write.name()).is_some() {
            return Err(refused("RoleDefinitionNotWritable", "A built-in role cannot be updated."));
        }
        let Some(name) = write.text("/properties/roleName").filter(|name| !name.is_empty()) else {
            return Err(
                refused("InvalidRequestContent", "The property 'roleName' is required.").at("roleName")
            );
        };
        let scopes = body::items(write.body, "/properties/assignableScopes");
        let known = |scope: &Value| scope.as_str().is_some_and(|text| text.parse::<ResourceId>().is_ok());
        if scopes.is_empty() || !scopes.iter().all(known) {
            let message = "The role definition must name at least one valid scope in 'assignableScopes'.";
            return Err(refused("InvalidRoleDefinitionScope", message).at("assignableScopes"));
        }
        check_patterns(write)?;
        let mut others = state.of_type(DEFINITION_TYPE).filter(|other| other.id != *write.id);
        let taken = others.any(|other| {
            body::text(&other.body, "/properties/roleName").is_some_and(|own| own.eq_ignore_ascii_case(name))
        });
        if taken || authorization_roles::by_name(name).is_some() {
            let message =
                format!("A role definition cannot be updated with a name that already exists: '{name}'.");
            return Err(ArmError::conflict("RoleDefinitionWithSameNameExists", message));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": { "type": "CustomRole" } });
        for name in ["roleName", "description", "assignableScopes"] {
            body::copy(&mut filled, write.body, &format!("/properties/{name}"));
        }
        let permissions: Vec<Value> = body::items(write.body, "/properties/permissions")
            .iter()
            .map(|permission| {
                let list = |name: &str| body::at(permission, name).cloned().unwrap_or_else(|| json!([]));
                json!({
                    "actions": list("/actions"), "notActions": list("/notActions"),
                    "dataActions": list("/dataActions"), "notDataActions": list("/notDataActions"),
                })
            })
            .collect();
        let (now, caller) = (json!(state.now().to_string()), json!(write.caller.object_id));
        let old = |name: &str, otherwise: &Value| {
            write.old(&format!("/properties/{name}")).unwrap_or(otherwise).clone()
        };
        for (name, value) in [
            ("permissions", json!(permissions)),
            ("createdOn", old("createdOn", &now)),
            ("createdBy", old("createdBy", &caller)),
            ("updatedOn", now),
            ("updatedBy", caller),
        ] {
            body::set(&mut filled, &format!("/properties/{name}"), value);
        }
        filled
    }

    fn has_container(&self, _: &State, _: &ResourceId) -> bool {
        true
    }

    fn before_delete(&self, state: &State, stored: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        let own = stored.id.name().to_ascii_lowercase();
        let used = state.of_type(ASSIGNMENT_TYPE).any(|assignment| {
            let role = body::text(&assignment.body, "/properties/roleDefinitionId").unwrap_or_default();
            role.to_ascii_lowercase().ends_with(&own)
        });
        if used {
            let message =
                "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments)";
            return Err(refused("RoleDefinitionHasAssignments", message));
        }
        Ok(Afterlife::Purge)
    }
}

fn check_patterns(write: &Write<'_>) -> Result<(), ArmError> {
    let permissions = body::items(write.body, "/properties/permissions");
    let shape = |permission: &Value| {
        ["actions", "notActions", "dataActions", "notDataActions"].iter().all(|name| {
            let list = body::at(permission, &format!("/{name}"));
            list.is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(Value::is_string)))
        })
    };
    if permissions.is_empty() || !permissions.iter().all(shape) {
        let message = "The property 'permissions' must hold lists of actions.";
        return Err(refused("InvalidRequestContent", message).at("permissions"));
    }
    let bare = |permission: &Value| body::items(permission, "/actions").iter().any(|action| action == "");
    if permissions.iter().any(bare) {
        return Err(refused(
            "InvalidActionOrNotAction",
            "'' does not match any of the actions supported by the providers.",
        ));
    }
    Ok(())
}
