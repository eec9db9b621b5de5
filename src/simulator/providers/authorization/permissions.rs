//! Effective permissions: what the role assignments of a principal add up to at a scope.
//!
//! An assignment holds at its scope and below. An action is allowed when some role has a pattern for it
//! among its actions and none among its notActions (Azure RBAC overview, "how Azure RBAC determines if a
//! user has access"). What a group is assigned, its members have. A new assignment takes a while to hold, a
//! deleted one to hold no more. Conditions and deny assignments are not evaluated.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::body;
use crate::providers::authorization::role_assignments::{ASSIGNMENT_TYPE, custom_role};
use crate::providers::authorization::roles as authorization_roles;
use crate::revocations::Revocation;
use crate::state::{State, Stored, parse_uuid};
use crate::times::Lag;
use beamline_base::id::ResourceId;

/// The assignments at exactly this folded scope; the empty one is the tenant's root.
fn assignments_at<'a>(state: &'a State, scope: &str) -> impl Iterator<Item = &'a Stored> + use<'a> {
    state.inventory.prefixed(format!("{scope}/providers/{}/", ASSIGNMENT_TYPE.to_ascii_lowercase()), None)
}

/// The folded scope and everything above it, ending with the root.
fn upwards(scope: &str) -> impl Iterator<Item = String> {
    let begin: Option<ResourceId> = scope.parse().ok();
    let chain = std::iter::successors(begin, ResourceId::parent);
    chain.map(|id| id.folded()).chain(std::iter::once(String::new()))
}

fn is_of(stored: &Stored, principals: &BTreeSet<Uuid>) -> bool {
    let own = body::text(&stored.body, "/properties/principalId").and_then(parse_uuid);
    own.is_some_and(|own| principals.contains(&own))
}

/// The GUIDs of the roles that are in force for one of these principals at exactly this scope: those of
/// its assignments, and of deleted ones that Azure has not forgotten.
fn held_at<'a>(
    state: &'a State,
    scope: &'a str,
    principals: &'a BTreeSet<Uuid>,
) -> impl Iterator<Item = &'a str> {
    let own =
        assignments_at(state, scope).filter(|stored| is_of(stored, principals) && in_force(state, stored));
    let gone = state.revocations.at(scope).filter(|gone| principals.contains(&gone.principal));
    own.map(guid_of).chain(gone.map(|gone| gone.role.as_str()))
}

/// A deleted assignment that was in force stays so for a while.
pub(in crate::providers) fn fade(state: &mut State, stored: &Stored) {
    let principal = body::text(&stored.body, "/properties/principalId").and_then(parse_uuid);
    let (Some(principal), Some(scope)) = (principal, stored.id.parent()) else { return };
    let lag = state.lag(Lag::RoleRemoval, &format!("removal {}", stored.id.folded()));
    if lag.is_zero() || !in_force(state, stored) {
        return;
    }
    let until = state.now().checked_add(lag).unwrap_or(jiff::Timestamp::MAX);
    let role = guid_of(stored).to_owned();
    state.revocations.add(Revocation { scope: scope.folded(), principal, role, until });
}

/// Whether an assignment is replicated by now.
fn in_force(state: &State, stored: &Stored) -> bool {
    let delay = state.lag(Lag::RoleAssignment, &format!("in force {}", stored.id.folded()));
    stored.created.checked_add(delay).is_ok_and(|moment| moment <= state.now())
}

fn guid_of(stored: &Stored) -> &str {
    let role = body::text(&stored.body, "/properties/roleDefinitionId").unwrap_or_default();
    role.rsplit('/').next().unwrap_or_default()
}

/// The permissions of a principal at a scope, an entry for each role.
pub(crate) fn effective(state: &State, principal: Uuid, scope: &str) -> Vec<Value> {
    let principals = state.principals.memberships(principal);
    let mut found = Vec::new();
    for place in upwards(scope) {
        for guid in held_at(state, &place, &principals) {
            match (authorization_roles::by_guid(guid), custom_role(state, guid)) {
                (Some(role), _) => found.push(role.permission()),
                (None, Some(role)) => {
                    found.extend(body::items(&role.body, "/properties/permissions").iter().cloned());
                }
                (None, None) => {}
            }
        }
    }
    found
}

/// Whether a principal may do `action` at `scope`.
pub(crate) fn allows(state: &State, principal: Uuid, action: &str, scope: &str) -> bool {
    let principals = state.principals.memberships(principal);
    upwards(scope)
        .any(|place| held_at(state, &place, &principals).any(|guid| role_allows(state, guid, action)))
}

/// Whether a principal has any role at a place inside `scope`: such a principal sees the subscription.
pub(crate) fn has_any_inside(state: &State, principal: Uuid, scope: &ResourceId) -> bool {
    let principals = state.principals.memberships(principal);
    let mut inside = state.inventory.of_type_within(ASSIGNMENT_TYPE, Some(scope), None);
    inside.any(|stored| is_of(stored, &principals) && in_force(state, stored))
        || !effective(state, principal, scope.as_str()).is_empty()
}

fn role_allows(state: &State, guid: &str, action: &str) -> bool {
    if let Some(role) = authorization_roles::by_guid(guid) {
        let any = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, action));
        return any(role.actions) && !any(role.not_actions);
    }
    let Some(role) = custom_role(state, guid) else { return false };
    body::items(&role.body, "/properties/permissions").iter().any(|permission| {
        let any = |name: &str| {
            let patterns = body::items(permission, name).iter().filter_map(Value::as_str);
            patterns.into_iter().any(|pattern| matches(pattern, action))
        };
        any("/actions") && !any("/notActions")
    })
}

/// Whether a pattern, in which `*` stands for any text, covers an action. Casing does not matter.
///
/// A whole segment `*` also covers none: the notActions of AzureML Data Scientist have to take
/// `workspaces/write` out of `workspaces/*/write`, and its `computes/*/write` keeps it from making computes.
pub(in crate::providers) fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    covers(&pattern, &action) || (pattern.contains("/*/") && covers(&pattern.replace("/*/", "/"), &action))
}

fn covers(pattern: &str, action: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else { return false };
    if !pattern.contains('*') {
        return rest.is_empty();
    }
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// What a caller has who may do everything.
pub(in crate::providers) fn everything() -> Value {
    json!({ "actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": [] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_actions() {
        for (pattern, action, covered) in [
            ("*", "Microsoft.Storage/storageAccounts/write", true),
            ("*/read", "microsoft.storage/storageaccounts/READ", true),
            ("*/read", "Microsoft.Storage/storageAccounts/listKeys/action", false),
            ("Microsoft.Storage/storageAccounts/*", "Microsoft.Storage/storageAccounts/delete", true),
            ("Microsoft.Storage/storageAccounts/*", "Microsoft.Storage/storageAccounts", false),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write", true),
            ("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/read", false),
            ("Microsoft.KeyVault/vaults/*/read", "Microsoft.KeyVault/vaults/read", true),
            ("a/*/b/*/c", "a/1/b/2/c", true),
            ("a/*/b/*/c", "a/1/c", false),
            ("a/b", "a/b/c", false),
        ] {
            assert_eq!(matches(pattern, action), covered, "{pattern} {action}");
        }
    }
}
