//! Effective permissions: what the role assignments of a principal add up to at a scope.
//!
//! An assignment holds at its scope and below. An action is allowed when some role has a pattern for it
//! among its actions and none among its notActions (Azure RBAC overview, "how Azure RBAC determines if a
//! user has access"). Conditions and deny assignments are not evaluated.

use serde_json::{Value, json};
use uuid::Uuid;

use super::authorization::{ASSIGNMENT_TYPE, custom_role};
use super::authorization_roles;
use crate::resources::id::ResourceId;
use crate::simulator::body;
use crate::simulator::state::{State, Stored, parse_uuid};

/// Shortest and longest time until a new assignment is in force, in seconds (Azure documents up to ten
/// minutes, and mostly it is one).
const EFFECT_SECS: (f64, f64) = (10.0, 90.0);

/// The assignments at exactly this scope; the empty one is the tenant's root.
fn assignments_at<'a>(state: &'a State, scope: &str) -> impl Iterator<Item = &'a Stored> {
    let folded = scope.to_ascii_lowercase();
    state.inventory.prefixed(format!("{folded}/providers/{}/", ASSIGNMENT_TYPE.to_ascii_lowercase()), None)
}

/// The scope and everything above it, ending with the root.
fn upwards(scope: &str) -> impl Iterator<Item = String> {
    let begin: Option<ResourceId> = scope.parse().ok();
    let chain = std::iter::successors(begin, ResourceId::parent);
    chain.map(|id| id.as_str().to_owned()).chain(std::iter::once(String::new()))
}

fn is_of(stored: &Stored, principal: Uuid) -> bool {
    body::text(&stored.body, "/properties/principalId").and_then(parse_uuid) == Some(principal)
}

/// Whether an assignment is replicated by now.
fn in_force(state: &State, stored: &Stored) -> bool {
    let drawn = f64::from(state.digest(&format!("in force {}", stored.id.folded()))[0]) / 255.0;
    let seconds = EFFECT_SECS.0 + drawn * (EFFECT_SECS.1 - EFFECT_SECS.0);
    let delay = state.latency.scaled(seconds);
    stored.created.checked_add(delay).is_ok_and(|moment| moment <= state.now())
}

fn guid_of(stored: &Stored) -> &str {
    let role = body::text(&stored.body, "/properties/roleDefinitionId").unwrap_or_default();
    role.rsplit('/').next().unwrap_or_default()
}

/// The permissions of a principal at a scope, an entry for each role.
pub(in crate::simulator) fn effective(state: &State, principal: Uuid, scope: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for place in upwards(scope) {
        let own = assignments_at(state, &place).filter(|stored| is_of(stored, principal));
        for assignment in own.filter(|stored| in_force(state, stored)) {
            let guid = guid_of(assignment);
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
pub(in crate::simulator) fn allows(state: &State, principal: Uuid, action: &str, scope: &str) -> bool {
    upwards(scope).any(|place| {
        assignments_at(state, &place)
            .filter(|stored| is_of(stored, principal) && in_force(state, stored))
            .any(|assignment| role_allows(state, guid_of(assignment), action))
    })
}

/// Whether a principal has any role at a place inside `scope`: such a principal sees the subscription.
pub(in crate::simulator) fn has_any_inside(state: &State, principal: Uuid, scope: &ResourceId) -> bool {
    let inside = state.inventory.of_type_within(ASSIGNMENT_TYPE, Some(scope), None);
    inside.filter(|stored| is_of(stored, principal)).any(|stored| in_force(state, stored))
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
pub(super) fn matches(pattern: &str, action: &str) -> bool {
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
pub(super) fn everything() -> Value {
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
