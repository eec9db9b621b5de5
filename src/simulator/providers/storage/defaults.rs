//! What a storage account is filled with: what the service sets by itself, and what can only be read
//! (`facts.md` 2).

use serde_json::{Value, json};

use crate::arm::Write;
use crate::body;
use crate::providers::resources::subscriptions;
use crate::state::State;

/// A PUT on an account keeps the properties that it does not name; tags are replaced.
pub(in crate::providers) fn merged(write: &Write<'_>) -> Value {
    let mut filled = json!({ "properties": write.old("/properties").cloned().unwrap_or_else(|| json!({})) });
    for pointer in ["/kind", "/sku", "/location", "/extendedLocation"] {
        if let Some(value) = body::at(write.body, pointer).or_else(|| write.old(pointer)) {
            body::set(&mut filled, pointer, value.clone());
        }
    }
    body::set(&mut filled, "/tags", body::at(write.body, "/tags").cloned().unwrap_or_else(|| json!({})));
    if let Some(properties) = body::at(write.body, "/properties") {
        let mut sent = properties.clone();
        if let Some(map) = sent.as_object_mut() {
            map.retain(|_, value| !value.is_null());
        }
        let mut all = filled["properties"].take();
        body::merge(&mut all, &sent);
        filled["properties"] = all;
    }
    filled
}

pub(in crate::providers) fn fill_service_defaults(filled: &mut Value) {
    let premium = body::text(filled, "/sku/name").is_some_and(|sku| sku.starts_with("Premium"));
    let tier = if premium { "Premium" } else { "Standard" };
    body::set(filled, "/sku/tier", tier);
    for (pointer, value) in [
        ("/properties/minimumTlsVersion", json!("TLS1_0")),
        ("/properties/allowBlobPublicAccess", json!(false)),
        ("/properties/allowCrossTenantReplication", json!(false)),
        ("/properties/supportsHttpsTrafficOnly", json!(true)),
        ("/properties/publicNetworkAccess", json!("Enabled")),
        ("/properties/dnsEndpointType", json!("Standard")),
        ("/properties/privateEndpointConnections", json!([])),
        ("/properties/networkAcls/bypass", json!("AzureServices")),
        ("/properties/networkAcls/defaultAction", json!("Allow")),
        ("/properties/networkAcls/ipRules", json!([])),
        ("/properties/networkAcls/ipv6Rules", json!([])),
        ("/properties/networkAcls/virtualNetworkRules", json!([])),
        ("/properties/networkAcls/resourceAccessRules", json!([])),
        ("/properties/encryption/keySource", json!("Microsoft.Storage")),
        ("/properties/encryption/requireInfrastructureEncryption", json!(false)),
    ] {
        body::fill(filled, pointer, value);
    }
    if body::text(filled, "/kind") != Some("Storage") {
        body::fill(filled, "/properties/accessTier", if premium { "Premium" } else { "Hot" });
    }
}

pub(in crate::providers) fn fill_read_only(state: &State, write: &Write<'_>, filled: &mut Value) {
    let created = state.get(write.id).map_or_else(|| state.now(), |stored| stored.created).to_string();
    let location = body::text(filled, "/location").map(subscriptions::normal_location).unwrap_or_default();
    let endpoint = |service: &str| format!("https://{}.{service}.core.windows.net/", write.name());
    let endpoints: serde_json::Map<String, Value> = ["dfs", "web", "blob", "queue", "table", "file"]
        .into_iter()
        .map(|service| (service.to_owned(), json!(endpoint(service))))
        .collect();
    for service in ["blob", "file"] {
        let place = format!("/properties/encryption/services/{service}");
        body::fill(filled, &place, json!({ "keyType": "Account", "enabled": true }));
        body::set(filled, &format!("{place}/lastEnabledTime"), created.as_str());
    }
    body::set(filled, "/properties/primaryEndpoints", Value::Object(endpoints));
    fill_routed_endpoints(filled, write.name());
    fill_customer_key(state, write, filled);
    body::set(filled, "/properties/primaryLocation", location.as_str());
    body::set(filled, "/properties/statusOfPrimary", "available");
    body::set(filled, "/properties/creationTime", created.as_str());
    let keys = write.old("/properties/keyCreationTime").cloned();
    let keys = keys.unwrap_or_else(|| json!({ "key1": created, "key2": created }));
    body::set(filled, "/properties/keyCreationTime", keys);
    let geographic =
        body::text(filled, "/sku/name").is_some_and(|sku| sku.contains("GRS") || sku.contains("GZRS"));
    if geographic {
        body::set(filled, "/properties/secondaryLocation", pair_of(&location));
        body::set(filled, "/properties/statusOfSecondary", "available");
    } else {
        body::remove(filled, "/properties/secondaryLocation");
        body::remove(filled, "/properties/statusOfSecondary");
    }
}

/// The endpoints of the routing that the account publishes (storage `RoutingPreference`).
fn fill_routed_endpoints(filled: &mut Value, account: &str) {
    let choices: [(&str, &str, &str, &[&str]); 2] = [
        (
            "publishMicrosoftEndpoints",
            "microsoftEndpoints",
            "microsoftrouting",
            &["web", "dfs", "blob", "file", "queue", "table"],
        ),
        ("publishInternetEndpoints", "internetEndpoints", "internetrouting", &["web", "dfs", "blob", "file"]),
    ];
    for (wish, name, routing, services) in choices {
        if body::truth(filled, &format!("/properties/routingPreference/{wish}")) != Some(true) {
            continue;
        }
        let endpoints: serde_json::Map<String, Value> = services
            .iter()
            .map(|service| {
                let url = format!("https://{account}-{routing}.{service}.core.windows.net/");
                ((*service).to_owned(), json!(url))
            })
            .collect();
        body::set(filled, &format!("/properties/primaryEndpoints/{name}"), Value::Object(endpoints));
    }
}

/// What the service says of a key in a vault of the customer.
fn fill_customer_key(state: &State, write: &Write<'_>, filled: &mut Value) {
    let place = "/properties/encryption/keyvaultproperties";
    let part = |name: &str| body::text(filled, &format!("{place}/{name}")).map(str::to_owned);
    let (Some(vault), Some(key)) = (part("keyvaulturi"), part("keyname")) else { return };
    let version = part("keyversion").filter(|version| !version.is_empty());
    let version = version.unwrap_or_else(|| state.uuid_of(&key, write.id).simple().to_string());
    let identifier = format!("{}/keys/{key}/{version}", vault.trim_end_matches('/'));
    body::set(filled, &format!("{place}/currentVersionedKeyIdentifier"), identifier);
    body::fill(filled, &format!("{place}/lastKeyRotationTimestamp"), state.now().to_string());
}

/// The paired region, for the pairs that are used most.
fn pair_of(location: &str) -> &'static str {
    match location {
        "eastus" => "westus",
        "eastus2" => "centralus",
        "centralus" => "eastus2",
        "westus2" => "westcentralus",
        "westeurope" => "northeurope",
        "northeurope" => "westeurope",
        "uksouth" => "ukwest",
        _ => "eastus",
    }
}
