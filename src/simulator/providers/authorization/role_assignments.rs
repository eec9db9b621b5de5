//! `Microsoft.Authorization` role assignments, at every scope (`facts.md` 8).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::options::Access;
use crate::providers::authorization::definitions::DEFINITION_TYPE;
use crate::providers::{
    Answer, Kind, Removal, Style, authorization::permissions as authorization_permissions,
    authorization::roles as authorization_roles,
};
use crate::state::{State, Stored, parse_uuid};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct RoleAssignment;

/// The type of role assignments.
pub(in crate::providers) const ASSIGNMENT_TYPE: &str = "Microsoft.Authorization/roleAssignments";

static STYLE: Style = Style {
    arm_type: ASSIGNMENT_TYPE,
    first_version: "2015-07-01",
    create: Answer::Sync(201),
    delete: Removal::SyncWithBody,
    ..Style::SYNC
};

const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

const PRINCIPAL_TYPES: [&str; 7] =
    ["User", "Group", "ServicePrincipal", "ForeignGroup", "Device", "AgentUser", "AgentServicePrincipal"];

impl Kind for RoleAssignment {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if parse_uuid(write.name()).is_none() {
            let message = format!(
                "The role assignment ID '{}' is not valid. The role assignment ID must be a GUID.",
                write.name()
            );
            return Err(ArmError::bad_request("InvalidRoleAssignmentId", message));
        }
        let wanted = Grant::of(write.body).ok_or_else(|| {
            let message =
                "The request content must name 'properties.roleDefinitionId' and 'properties.principalId'.";
            ArmError::bad_request("InvalidRequestContent", message)
        })?;
        if authorization_roles::by_guid(&wanted.role).is_none() && custom_role(state, &wanted.role).is_none()
        {
            let message = format!("The specified role definition with ID '{}' does not exist.", wanted.role);
            return Err(ArmError::bad_request("RoleDefinitionDoesNotExist", message));
        }
        check_not_moved(state, write, &wanted)?;
        check_principal(state, write, &wanted)?;
        check_new(state, write, &wanted)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let scope = scope_of(write.id);
        let scope = scope.map(|scope| state.get(&scope).map_or(scope, |stored| stored.id.clone()));
        let role = Grant::of(write.body).map(|grant| grant.role).unwrap_or_default();
        let subscription =
            write.id.subscription_id().map(|id| format!("/subscriptions/{id}")).unwrap_or_default();
        let now = state.now().to_string();
        let mut filled = json!({ "properties": {} });
        for name in [
            "principalId",
            "condition",
            "conditionVersion",
            "description",
            "delegatedManagedIdentityResourceId",
        ] {
            let pointer = format!("/properties/{name}");
            let value = body::at(write.body, &pointer).cloned().unwrap_or_default();
            body::set(&mut filled, &pointer, value);
        }
        let principal_type =
            write.text("/properties/principalType").or_else(|| write.old_text("/properties/principalType"));
        let principal = Grant::of(write.body).map(|grant| grant.principal);
        let is_group = principal.is_some_and(|principal| state.principals.is_group(&principal));
        let resolved = if is_group { "Group" } else { "ServicePrincipal" };
        let definition = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}");
        let created = write.old("/properties/createdOn").cloned().unwrap_or_else(|| json!(now));
        let caller = json!(write.caller.object_id);
        for (name, value) in [
            ("roleDefinitionId", json!(definition)),
            ("principalType", json!(principal_type.unwrap_or(resolved))),
            ("scope", json!(scope.map(|scope| scope.as_str().to_owned()))),
            ("createdOn", created),
            ("updatedOn", json!(now)),
            ("createdBy", write.old("/properties/createdBy").cloned().unwrap_or_else(|| caller.clone())),
            ("updatedBy", caller),
        ] {
            body::set(&mut filled, &format!("/properties/{name}"), value);
        }
        filled
    }

    /// The last Owner of a subscription stays (azure-docs, RBAC troubleshooting; status and code as
    /// terraform-provider-azurerm#26122 prints them). In an open world nobody needs one.
    fn before_delete(&self, state: &State, stored: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        let scope = stored.id.parent().filter(|scope| scope.resource_group_name().is_none());
        let owns = |own: &Stored| {
            own.id.parent() == scope && Grant::of(&own.body).is_some_and(|grant| grant.role == OWNER)
        };
        let mut others = state.inventory.of_type_within(ASSIGNMENT_TYPE, scope.as_ref(), None);
        let is_last = scope.is_some() && owns(stored) && !others.any(|own| own.id != stored.id && owns(own));
        if is_last && state.settings.access == Access::Enforced {
            let message = "Cannot delete the last RBAC admin assignment.";
            return Err(ArmError::new(412, "CannotDeleteLastRbacAdminAssignment", message));
        }
        Ok(Afterlife::SoftDelete)
    }

    fn removed(&self, state: &mut State, stored: &Stored, afterlife: Afterlife) {
        match afterlife {
            Afterlife::SoftDelete => authorization_permissions::fade(state, stored),
            Afterlife::Purge => {}
        }
    }

    fn has_container(&self, state: &State, container: &ResourceId) -> bool {
        state.get(container).is_some()
            || container.subscription_id().is_some_and(|id| ResourceId::subscription(id) == *container)
    }
}

/// What identifies an assignment besides its scope.
struct Grant {
    role: String,
    principal: Uuid,
}

impl Grant {
    fn of(body: &Value) -> Option<Self> {
        let role = body::text(body, "/properties/roleDefinitionId")?.rsplit('/').next()?.to_ascii_lowercase();
        let principal = parse_uuid(body::text(body, "/properties/principalId")?)?;
        Some(Self { role, principal })
    }
}

fn scope_of(id: &ResourceId) -> Option<ResourceId> {
    id.parent()
}

/// The same name for something else: names are unique in the tenant, and nothing of a grant can change.
fn check_not_moved(state: &State, write: &Write<'_>, wanted: &Grant) -> Result<(), ArmError> {
    let elsewhere = state.named(STYLE.arm_type, write.name()).filter(|stored| stored.id != *write.id);
    let changed = write
        .existing
        .as_ref()
        .and_then(Grant::of)
        .is_some_and(|old| old.role != wanted.role || old.principal != wanted.principal);
    if elsewhere.is_none() && !changed {
        return Ok(());
    }
    let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
    Err(ArmError::bad_request("RoleAssignmentUpdateNotPermitted", message))
}

/// A service principal must be known to the directory; users, and groups that it does not know, are
/// accepted unseen.
fn check_principal(state: &State, write: &Write<'_>, wanted: &Grant) -> Result<(), ArmError> {
    let kind = write.text("/properties/principalType");
    if kind.is_some_and(|kind| !PRINCIPAL_TYPES.contains(&kind)) {
        let message = format!("The principal type '{}' is not valid.", kind.unwrap_or_default());
        return Err(ArmError::bad_request("InvalidPrincipalType", message));
    }
    let known = state.principals.contains(&wanted.principal);
    if state.principals.is_group(&wanted.principal) {
        return match kind {
            Some("Group") | None => Ok(()),
            Some(other) => Err(unmatched(wanted, "Group", other)),
        };
    }
    match kind {
        Some("ServicePrincipal" | "AgentServicePrincipal") | None if !known => {
            let message = format!(
                "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you are \
                 creating this principal and then immediately assigning a role, this error might be related to a replication \
                 delay. In this case, set the role assignment principalType property to a value, such as ServicePrincipal, \
                 User, or Group.  See https://aka.ms/docs-principaltype",
                wanted.principal.simple(),
                state.tenant_of(write.id),
            );
            Err(ArmError::bad_request("PrincipalNotFound", message))
        }
        Some("User" | "Group" | "ForeignGroup" | "Device") if known => {
            Err(unmatched(wanted, "ServicePrincipal", kind.unwrap_or_default()))
        }
        Some(_) | None => Ok(()),
    }
}

fn unmatched(wanted: &Grant, found: &str, sent: &str) -> ArmError {
    let message = format!(
        "The PrincipalId '{}' has type '{found}', which is different from specified PrinciaplType '{sent}'.",
        wanted.principal.simple(),
    );
    ArmError::bad_request("UnmatchedPrincipalType", message)
}

fn check_new(state: &State, write: &Write<'_>, wanted: &Grant) -> Result<(), ArmError> {
    let Some(scope) = scope_of(write.id) else { return Ok(()) };
    let mut same = same_grants(state, &scope, &wanted.role, wanted.principal);
    if same.any(|stored| stored.id != *write.id) {
        return Err(ArmError::conflict("RoleAssignmentExists", "The role assignment already exists."));
    }
    Ok(())
}

/// The assignments of this role to this principal at exactly this scope.
fn same_grants<'a>(
    state: &'a State,
    scope: &'a ResourceId,
    role: &'a str,
    principal: Uuid,
) -> impl Iterator<Item = &'a Stored> {
    let near = state.inventory.of_type_within(ASSIGNMENT_TYPE, Some(scope), None);
    near.filter(move |stored| {
        scope_of(&stored.id).as_ref() == Some(scope)
            && Grant::of(&stored.body).is_some_and(|own| own.role == role && own.principal == principal)
    })
}

/// Whether this role is assigned to this principal at exactly this scope.
pub(in crate::providers) fn grant_exists(
    state: &State,
    scope: &ResourceId,
    role: &str,
    principal: Uuid,
) -> bool {
    same_grants(state, scope, role, principal).next().is_some()
}

/// The custom role with this GUID, in whatever subscription.
pub(in crate::providers) fn custom_role<'a>(state: &'a State, guid: &str) -> Option<&'a Stored> {
    state.named(DEFINITION_TYPE, guid)
}

/// The GUID of the role with this name or GUID.
pub(crate) fn role_guid(state: &State, role: &str) -> Option<String> {
    let built_in = authorization_roles::by_guid(role).or_else(|| authorization_roles::by_name(role));
    built_in.map(|role| role.guid.to_owned()).or_else(|| custom_role(state, role).map(|_| role.to_owned()))
}
