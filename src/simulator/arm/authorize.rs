//! Which action a request is, at which scope, and whether the caller may do it (Azure RBAC; the sentence
//! of the refusal is Azure's own).
//!
//! Polling an operation needs no permission, as in Azure: its URL is only known to who started it.

use http::Method;
use serde_json::Value;

use super::address::{Address, Typed};
use super::{ArmError, Call};
use crate::body;
use crate::options::Access;
use crate::providers::{self, Tracking};
use crate::state::{Caller, State};
use beamline_base::id::{ResourceId, SubscriptionId};

/// An action at a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) action: String,
    pub(super) scope: String,
}

/// Which entries of a list the caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    All,
    /// Those that the caller may read: ARM filters what it lists over a whole subscription.
    Permitted,
}

/// Refuses what the caller may not do; says what of a list it may see.
pub(super) fn authorize(state: &State, call: &Call<'_>, address: &Address) -> Result<Sight, ArmError> {
    if state.settings.access == Access::Open {
        return Ok(Sight::All);
    }
    let Some(needed) = needed(call.method, address) else { return Ok(Sight::All) };
    let principal = call.caller.object_id;
    if providers::allows(state, principal, &needed.action, &needed.scope) {
        check_linked(state, call, &needed)?;
        return Ok(Sight::All);
    }
    if is_subscription_wide(call, address)
        && subscription_of(address).is_some_and(|id| providers::has_any_inside(state, principal, &id))
    {
        return Ok(Sight::Permitted);
    }
    Err(failed(&call.caller, &needed))
}

fn failed(caller: &Caller, needed: &Needed) -> ArmError {
    let message = format!(
        "The client '{}' with object id '{}' does not have authorization to perform action '{}' over scope '{}' or the \
         scope is invalid. If access was recently granted, please refresh your credentials.",
        caller.app_id, caller.object_id, needed.action, needed.scope
    );
    ArmError::new(403, "AuthorizationFailed", message)
}

/// What ARM itself lists over a subscription: the subscription, its groups, its tracked resources.
fn is_subscription_wide(call: &Call<'_>, address: &Address) -> bool {
    if call.method != Method::GET {
        return false;
    }
    match address {
        Address::Subscription(_) | Address::Groups(_) | Address::Locations(_) => true,
        Address::Resources(scope) => scope.resource_group_name().is_none(),
        Address::Typed(typed) => {
            let tracked = |kind: &dyn providers::Kind| kind.style().tracking == Tracking::Tracked;
            typed.tail.len() == 1
                && typed.scope.parse::<ResourceId>().is_ok_and(|id| id.resource_group_name().is_none())
                && providers::kind(&typed.arm_type()).is_some_and(tracked)
        }
        Address::Tenants
        | Address::Subscriptions
        | Address::Group(_)
        | Address::Providers(_)
        | Address::Provider(..)
        | Address::TenantProvider(_)
        | Address::Register(..)
        | Address::Unregister(..)
        | Address::Poll(..) => false,
    }
}

fn subscription_of(address: &Address) -> Option<ResourceId> {
    match address {
        Address::Subscription(id)
        | Address::Groups(id)
        | Address::Locations(id)
        | Address::Providers(id)
        | Address::Provider(id, _)
        | Address::Register(id, _)
        | Address::Unregister(id, _) => Some(ResourceId::subscription(*id)),
        Address::Group(id) | Address::Resources(id) => id.subscription_id().map(ResourceId::subscription),
        Address::Typed(typed) => typed.subscription().map(ResourceId::subscription),
        Address::Tenants | Address::Subscriptions | Address::TenantProvider(_) | Address::Poll(..) => None,
    }
}

/// What a request needs; `None`: a token is enough.
pub(super) fn needed(method: &Method, address: &Address) -> Option<Needed> {
    let at = |id: &SubscriptionId, action: &str| {
        let scope = format!("/subscriptions/{id}");
        Some(Needed { action: format!("Microsoft.Resources/subscriptions/{action}"), scope })
    };
    match address {
        Address::Tenants | Address::Subscriptions | Address::TenantProvider(_) | Address::Poll(..) => None,
        Address::Subscription(id) => at(id, "read"),
        Address::Locations(id) => at(id, "locations/read"),
        Address::Groups(id) => at(id, "resourceGroups/read"),
        Address::Providers(id) | Address::Provider(id, _) => at(id, "providers/read"),
        Address::Register(id, namespace) => Some(Needed {
            action: format!("{}/register/action", spelled_namespace(namespace)),
            scope: format!("/subscriptions/{id}"),
        }),
        Address::Unregister(id, namespace) => Some(Needed {
            action: format!("{}/unregister/action", spelled_namespace(namespace)),
            scope: format!("/subscriptions/{id}"),
        }),
        Address::Group(id) => Some(Needed {
            action: format!("Microsoft.Resources/subscriptions/resourceGroups/{}", verb(method)),
            scope: id.as_str().to_owned(),
        }),
        Address::Resources(scope) => {
            let place = if scope.resource_group_name().is_some() { "resourceGroups/" } else { "" };
            Some(Needed {
                action: format!("Microsoft.Resources/subscriptions/{place}resources/read"),
                scope: scope.as_str().to_owned(),
            })
        }
        Address::Typed(typed) => needed_typed(method, typed),
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "read",
        Method::DELETE => "delete",
        Method::POST => "action",
        _ => "write",
    }
}

fn needed_typed(method: &Method, typed: &Typed) -> Option<Needed> {
    let namespace = spelled_namespace(&typed.namespace);
    let last = typed.tail.last()?.to_ascii_lowercase();
    if method == Method::GET && providers::is_open_catalog(typed) {
        return None;
    }
    if method == Method::GET && last == "permissions" || namespace == "Microsoft.ResourceGraph" {
        return None;
    }
    if !typed.names_resource() && method == Method::POST {
        if last == "checknameavailability" {
            let action = format!("{namespace}/checkNameAvailability/read");
            return Some(Needed { action, scope: typed.scope.clone() });
        }
        let above = Typed { tail: typed.tail[..typed.tail.len() - 1].to_vec(), ..typed.clone() };
        let action = format!("{}/{}/action", spelled(&above), typed.tail.last()?);
        let scope = above.id_of(above.tail.len()).map_or_else(|_| typed.scope.clone(), |id| id.to_string());
        return Some(Needed {
            action,
            scope: if above.tail.is_empty() { typed.scope.clone() } else { scope },
        });
    }
    let action = format!("{}/{}", spelled(typed), verb(method));
    let whole = if typed.names_resource() { typed.tail.len() } else { typed.tail.len() - 1 };
    let scope = if whole == 0 { typed.scope.clone() } else { typed.id_of(whole).ok()?.to_string() };
    Some(Needed { action, scope })
}

fn spelled_namespace(namespace: &str) -> String {
    let known = providers::NAMESPACES.iter().find(|known| known.eq_ignore_ascii_case(namespace));
    known.map_or_else(|| namespace.to_owned(), |known| (*known).to_owned())
}

/// The type as its provider spells it.
fn spelled(typed: &Typed) -> String {
    let sent = typed.arm_type();
    providers::kind(&sent).map_or_else(
        || sent.replacen(&typed.namespace, &spelled_namespace(&typed.namespace), 1),
        |kind| kind.style().arm_type.to_owned(),
    )
}

/// What a write refers to needs a permission there, too: joining a subnet, assigning an identity.
fn check_linked(state: &State, call: &Call<'_>, needed: &Needed) -> Result<(), ArmError> {
    if call.method != Method::PUT && call.method != Method::PATCH {
        return Ok(());
    }
    let Ok(sent) = call.body() else { return Ok(()) };
    let mut links = linked(&sent).into_iter();
    let refused = links.find(|link| {
        let known = link.scope.parse().is_ok_and(|id: ResourceId| state.get(&id).is_some());
        known && !providers::allows(state, call.caller.object_id, &link.action, &link.scope)
    });
    let Some(link) = refused else { return Ok(()) };
    let message = format!(
        "The client '{}' with object id '{}' has permission to perform action '{}' on scope '{}'; however, it does not \
         have permission to perform action(s) '{}' on the linked scope(s) '{}' (respectively) or the linked scope(s) are \
         invalid.",
        call.caller.app_id, call.caller.object_id, needed.action, needed.scope, link.action, link.scope
    );
    Err(ArmError::new(403, "LinkedAuthorizationFailed", message))
}

fn linked(sent: &Value) -> Vec<Needed> {
    let mut links = Vec::new();
    let mut link = |action: &str, scope: &str| {
        links.push(Needed { action: action.to_owned(), scope: scope.to_owned() });
    };
    let identities = body::at(sent, "/identity/userAssignedIdentities").and_then(Value::as_object);
    for key in identities.into_iter().flat_map(|map| map.keys()) {
        link("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", key);
    }
    for connection in body::items(sent, "/properties/privateLinkServiceConnections") {
        let target = body::text(connection, "/properties/privateLinkServiceId").unwrap_or_default();
        if let Ok(id) = target.parse::<ResourceId>() {
            link(&format!("{}/privateEndpointConnectionsApproval/action", id.arm_type()), target);
        }
    }
    for (pointer, action) in [
        ("/properties/subnet/id", "Microsoft.Network/virtualNetworks/subnets/join/action"),
        ("/properties/properties/subnet/id", "Microsoft.Network/virtualNetworks/subnets/join/action"),
        ("/properties/networkSecurityGroup/id", "Microsoft.Network/networkSecurityGroups/join/action"),
        ("/properties/virtualNetwork/id", "Microsoft.Network/virtualNetworks/join/action"),
    ] {
        if let Some(scope) = body::text(sent, pointer) {
            link(action, scope);
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::address;

    const GROUP: &str = "/subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01/resourceGroups/rg";

    #[test]
    fn actions_are_named_as_azure_names_them() {
        for (method, tail, action, scope) in [
            ("PUT", "", "Microsoft.Resources/subscriptions/resourceGroups/write", ""),
            ("GET", "/resources", "Microsoft.Resources/subscriptions/resourceGroups/resources/read", ""),
            (
                "POST",
                "/providers/microsoft.storage/storageaccounts/x/listKeys",
                "Microsoft.Storage/storageAccounts/listKeys/action",
                "/providers/microsoft.storage/storageaccounts/x",
            ),
            ("GET", "/providers/Microsoft.KeyVault/vaults", "Microsoft.KeyVault/vaults/read", ""),
            (
                "PUT",
                "/providers/Microsoft.KeyVault/vaults/kv/providers/Microsoft.Authorization/roleAssignments/g",
                "Microsoft.Authorization/roleAssignments/write",
                "/providers/Microsoft.KeyVault/vaults/kv/providers/Microsoft.Authorization/roleAssignments/g",
            ),
        ] {
            let address = address::parse(&format!("{GROUP}{tail}")).unwrap();
            let needed = needed(&method.parse().unwrap(), &address).unwrap();
            assert_eq!((needed.action.as_str(), needed.scope), (action, format!("{GROUP}{scope}")), "{tail}");
        }
    }
}
