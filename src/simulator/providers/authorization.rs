//! `Microsoft.Authorization`: role assignments at every scope, role definitions (`facts.md` 8).

use serde_json::{Value, json};
use uuid::Uuid;

use super::authorization_definitions::DEFINITION_TYPE;
use super::{Answer, Kind, Removal, Style, authorization_permissions, authorization_roles, locks};
use crate::resources::id::ResourceId;
use crate::simulator::arm::{ArmError, Call, Filter, Typed, Write, missing_resource, page};
use crate::simulator::body;
use crate::simulator::http::Reply;
use crate::simulator::options::Access;
use crate::simulator::state::{State, Stored, parse_uuid};

/// A role assignment.
pub(super) struct RoleAssignment;

/// The type of role assignments.
pub(super) const ASSIGNMENT_TYPE: &str = "Microsoft.Authorization/roleAssignments";

static STYLE: Style = Style {
    arm_type: ASSIGNMENT_TYPE,
    first_version: "2015-07-01",
    create: Answer::Sync(201),
    delete: Removal::SyncWithBody,
    ..Style::SYNC
};

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
        let definition = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{role}");
        let created = write.old("/properties/createdOn").cloned().unwrap_or_else(|| json!(now));
        let caller = json!(write.caller.object_id);
        for (name, value) in [
            ("roleDefinitionId", json!(definition)),
            ("principalType", json!(principal_type.unwrap_or("ServicePrincipal"))),
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

/// A service principal must be known to the directory; users and groups of the world are not listed.
fn check_principal(state: &State, write: &Write<'_>, wanted: &Grant) -> Result<(), ArmError> {
    let kind = write.text("/properties/principalType");
    if kind.is_some_and(|kind| !PRINCIPAL_TYPES.contains(&kind)) {
        let message = format!("The principal type '{}' is not valid.", kind.unwrap_or_default());
        return Err(ArmError::bad_request("InvalidPrincipalType", message));
    }
    let known = state.principals.contains(&wanted.principal);
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
            let message = format!(
                "The PrincipalId '{}' has type 'ServicePrincipal', which is different from specified PrinciaplType '{}'.",
                wanted.principal.simple(),
                kind.unwrap_or_default(),
            );
            Err(ArmError::bad_request("UnmatchedPrincipalType", message))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_new(state: &State, write: &Write<'_>, wanted: &Grant) -> Result<(), ArmError> {
    let scope = scope_of(write.id);
    let mut near = state.inventory.of_type_within(STYLE.arm_type, scope.as_ref(), None);
    let same = near.any(|stored| {
        stored.id != *write.id
            && scope_of(&stored.id) == scope
            && Grant::of(&stored.body)
                .is_some_and(|old| old.role == wanted.role && old.principal == wanted.principal)
    });
    if same {
        return Err(ArmError::conflict("RoleAssignmentExists", "The role assignment already exists."));
    }
    Ok(())
}

/// Lists of assignments at a scope, and role definitions.
pub(super) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    match (call.method.as_str(), tail) {
        ("GET", ["roleassignments"]) => Some(assignments(state, call, typed)),
        ("GET", ["roledefinitions"]) => Some(definitions(state, call, typed)),
        ("GET", ["roledefinitions", guid]) => Some(definition(state, typed, guid)),
        ("GET", ["locks"]) => Some(locks::list(state, call, typed)),
        ("GET", ["permissions"]) => Some(Ok(permissions(state, call, typed))),
        _ => None,
    }
}

/// At the scope and above it; below it as well unless the filter says `atScope()`.
fn assignments(state: &State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let scope: Option<ResourceId> = typed.scope.parse().ok();
    let Some(scope) = scope else {
        let message = format!("The scope '{}' is not valid.", typed.scope);
        return Err(ArmError::bad_request("InvalidScope", message));
    };
    if !RoleAssignment.has_container(state, &scope) {
        return Err(missing_resource(&scope));
    }
    let filter = Filter::parse(call.query.get("$filter"))?;
    let only_here = filter.function("atScope").is_some();
    let principal = filter.equals("principalId").or_else(|| filter.function("assignedTo"));
    let wanted = |stored: &&Stored| {
        let Some(own) = scope_of(&stored.id) else { return false };
        let place = scope.is_within(&own) || (!only_here && own.is_within(&scope));
        let who = body::text(&stored.body, "/properties/principalId").unwrap_or_default();
        place && principal.is_none_or(|principal| principal.eq_ignore_ascii_case(who))
    };
    Ok(page(state, call, state.of_type(STYLE.arm_type).filter(wanted)))
}

/// What the caller may do at this scope.
fn permissions(state: &State, call: &Call<'_>, typed: &Typed) -> Reply {
    let value = match state.settings.access {
        Access::Open => vec![authorization_permissions::everything()],
        Access::Enforced => authorization_permissions::effective(state, call.caller.object_id, &typed.scope),
    };
    Reply::json(200, json!({ "value": value }))
}

/// The custom role with this GUID, in whatever subscription.
pub(super) fn custom_role<'a>(state: &'a State, guid: &str) -> Option<&'a Stored> {
    state.named(DEFINITION_TYPE, guid)
}

/// The GUID of the role with this name or GUID.
pub(in crate::simulator) fn role_guid(state: &State, role: &str) -> Option<String> {
    let built_in = authorization_roles::by_guid(role).or_else(|| authorization_roles::by_name(role));
    built_in.map(|role| role.guid.to_owned()).or_else(|| custom_role(state, role).map(|_| role.to_owned()))
}

fn definitions(state: &State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let filter = Filter::parse(call.query.get("$filter"))?;
    let scope = definition_scope(typed);
    let kind = filter.equals("type");
    let of_kind = |name: &str| kind.is_none_or(|kind| kind.eq_ignore_ascii_case(name));
    let named = |name: &str| filter.equals("roleName").is_none_or(|wanted| name.eq_ignore_ascii_case(wanted));
    let built_in = authorization_roles::all().filter(|role| of_kind("BuiltInRole") && named(role.name));
    let custom = state.of_type(DEFINITION_TYPE).filter(|role| {
        of_kind("CustomRole")
            && body::text(&role.body, "/properties/roleName").is_some_and(named)
            && is_assignable(role, &typed.scope)
    });
    let built_in = built_in.map(|role| role.document(&scope));
    let value: Vec<Value> = built_in.chain(custom.map(|role| state.render(role))).collect();
    Ok(Reply::json(200, json!({ "value": value })))
}

fn is_assignable(role: &Stored, scope: &str) -> bool {
    let Ok(scope) = scope.parse::<ResourceId>() else { return true };
    let scopes = body::items(&role.body, "/properties/assignableScopes").iter().filter_map(Value::as_str);
    scopes.filter_map(|own| own.parse().ok()).any(|own| scope.is_within(&own))
}

fn definition(state: &State, typed: &Typed, guid: &str) -> Result<Reply, ArmError> {
    let built_in = authorization_roles::by_guid(guid).map(|role| role.document(&definition_scope(typed)));
    let found = built_in.or_else(|| custom_role(state, guid).map(|role| state.render(role)));
    found.map(|body| Reply::json(200, body)).ok_or_else(|| {
        let message = format!("The specified role definition with ID '{guid}' does not exist.");
        ArmError::not_found("RoleDefinitionDoesNotExist", message)
    })
}

/// Built-in roles are named below the subscription, whatever scope they are asked at.
fn definition_scope(typed: &Typed) -> String {
    typed.subscription().map(|id| format!("/subscriptions/{id}")).unwrap_or_default()
}
