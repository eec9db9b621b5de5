//! `Microsoft.Authorization` as lists show it: role assignments at a scope, role definitions, built-in and
//! custom ones, and what the caller may do (`facts.md` 8 and 18).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Filter, Typed, missing_resource, page};
use crate::body;
use crate::http::Reply;
use crate::options::Access;
use crate::providers::authorization::definitions::DEFINITION_TYPE;
use crate::providers::authorization::role_assignments::{ASSIGNMENT_TYPE, RoleAssignment, custom_role};
use crate::providers::{
    Kind, authorization::locks, authorization::permissions as authorization_permissions,
    authorization::roles as authorization_roles,
};
use crate::state::{State, Stored, parse_uuid};
use beamline_base::id::ResourceId;

/// Lists of assignments at a scope, and role definitions.
pub(in crate::providers) fn special(
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
    let alone = |id: &str| parse_uuid(id).map(|id| BTreeSet::from([id])).unwrap_or_default();
    let whole = |id: &str| parse_uuid(id).map(|id| state.principals.memberships(id)).unwrap_or_default();
    let principals =
        filter.equals("principalId").map(alone).or_else(|| filter.function("assignedTo").map(whole));
    let wanted = |stored: &&Stored| {
        let Some(own) = stored.id.parent() else { return false };
        let place = scope.is_within(&own) || (!only_here && own.is_within(&scope));
        let who = body::text(&stored.body, "/properties/principalId").and_then(parse_uuid);
        place && principals.as_ref().is_none_or(|wanted| who.is_some_and(|who| wanted.contains(&who)))
    };
    Ok(page(state, call, state.of_type(ASSIGNMENT_TYPE).filter(wanted)))
}

/// What the caller may do at this scope.
fn permissions(state: &State, call: &Call<'_>, typed: &Typed) -> Reply {
    let value = match state.settings.access {
        Access::Open => vec![authorization_permissions::everything()],
        Access::Enforced => authorization_permissions::effective(state, call.caller.object_id, &typed.scope),
    };
    Reply::json(200, json!({ "value": value }))
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
