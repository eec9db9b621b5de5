//! Subscriptions, tenants, locations and provider registrations.

use serde_json::{Value, json};

use crate::arm::Call;
use crate::http::Reply;
use crate::options::Access;
use crate::providers::{authorization::permissions as authorization_permissions, resources::geography};
use crate::state::{State, Subscription};
use beamline_base::id::{ResourceId, SubscriptionId};

/// The regions of the world: name and display name.
pub(in crate::providers) const LOCATIONS: [(&str, &str); 40] = [
    ("australiacentral", "Australia Central"),
    ("australiaeast", "Australia East"),
    ("australiasoutheast", "Australia Southeast"),
    ("brazilsouth", "Brazil South"),
    ("canadacentral", "Canada Central"),
    ("canadaeast", "Canada East"),
    ("centralindia", "Central India"),
    ("centralus", "Central US"),
    ("centraluseuap", "Central US EUAP"),
    ("eastasia", "East Asia"),
    ("eastus", "East US"),
    ("eastus2", "East US 2"),
    ("eastus2euap", "East US 2 EUAP"),
    ("francecentral", "France Central"),
    ("germanywestcentral", "Germany West Central"),
    ("israelcentral", "Israel Central"),
    ("italynorth", "Italy North"),
    ("japaneast", "Japan East"),
    ("japanwest", "Japan West"),
    ("koreacentral", "Korea Central"),
    ("koreasouth", "Korea South"),
    ("mexicocentral", "Mexico Central"),
    ("newzealandnorth", "New Zealand North"),
    ("northcentralus", "North Central US"),
    ("northeurope", "North Europe"),
    ("norwayeast", "Norway East"),
    ("polandcentral", "Poland Central"),
    ("qatarcentral", "Qatar Central"),
    ("southafricanorth", "South Africa North"),
    ("southcentralus", "South Central US"),
    ("southeastasia", "Southeast Asia"),
    ("southindia", "South India"),
    ("spaincentral", "Spain Central"),
    ("swedencentral", "Sweden Central"),
    ("switzerlandnorth", "Switzerland North"),
    ("uaenorth", "UAE North"),
    ("uksouth", "UK South"),
    ("westcentralus", "West Central US"),
    ("westeurope", "West Europe"),
    ("westus", "West US"),
];

/// Regions without a place of their own in the table above.
const MORE_LOCATIONS: [(&str, &str); 4] =
    [("ukwest", "UK West"), ("westindia", "West India"), ("westus2", "West US 2"), ("westus3", "West US 3")];

fn all_locations() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    LOCATIONS.into_iter().chain(MORE_LOCATIONS)
}

/// The names of all regions.
pub(in crate::providers) fn names() -> impl Iterator<Item = &'static str> + Clone {
    all_locations().map(|(name, _)| name)
}

/// A location as Azure compares it: lower case, without spaces.
pub(crate) fn normal_location(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}

/// Whether a (normalised) location exists.
pub(crate) fn is_location(name: &str) -> bool {
    name == "global" || all_locations().any(|(known, _)| known == name)
}

/// The display name of a location; an unknown one is its own.
pub(in crate::providers) fn display_location(location: &str) -> String {
    let name = normal_location(location);
    all_locations()
        .find(|(known, _)| *known == name)
        .map_or_else(|| location.to_owned(), |(_, shown)| shown.to_owned())
}

/// The display names of all locations.
pub(in crate::providers) fn display_locations() -> impl Iterator<Item = &'static str> {
    all_locations().map(|(_, shown)| shown)
}

fn document(id: &SubscriptionId, subscription: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"), "subscriptionId": id.to_string(),
        "displayName": subscription.name, "state": "Enabled",
        "tenantId": subscription.tenant.to_string(), "authorizationSource": "RoleBased",
        "managedByTenants": [], "tags": subscription.tags,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off",
        },
    })
}

pub(crate) fn tenants(state: &State) -> Reply {
    let mut tenants: Vec<_> = state.subscriptions.values().map(|subscription| subscription.tenant).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let value: Vec<Value> = tenants
        .into_iter()
        .map(|tenant| {
            let domain = "simulator.onmicrosoft.com";
            json!({
                "id": format!("/tenants/{tenant}"), "tenantId": tenant.to_string(), "tenantCategory": "Home",
                "countryCode": "US", "displayName": "Simulated directory", "domains": [domain],
                "defaultDomain": domain, "tenantType": "AAD",
            })
        })
        .collect();
    Reply::json(200, json!({ "value": value }))
}

/// The subscriptions in which the caller has a role at all.
pub(crate) fn list(state: &State, call: &Call<'_>) -> Reply {
    let seen = |id: &SubscriptionId| match state.settings.access {
        Access::Open => true,
        Access::Enforced => {
            let home = ResourceId::subscription(*id);
            authorization_permissions::has_any_inside(state, call.caller.object_id, &home)
        }
    };
    let value: Vec<Value> = state
        .subscriptions
        .iter()
        .filter(|(id, _)| seen(id))
        .map(|(id, subscription)| document(id, subscription))
        .collect();
    let count = value.len();
    Reply::json(200, json!({ "value": value, "count": { "type": "Total", "value": count } }))
}

pub(crate) fn get(state: &State, id: SubscriptionId) -> Reply {
    match state.subscriptions.get(&id) {
        Some(subscription) => Reply::json(200, document(&id, subscription)),
        None => Reply::empty(404),
    }
}

pub(crate) fn locations(id: SubscriptionId) -> Reply {
    let base = format!("/subscriptions/{id}");
    let value: Vec<Value> =
        all_locations().map(|(name, shown)| geography::document(&base, name, shown)).collect();
    Reply::json(200, json!({ "value": value }))
}
