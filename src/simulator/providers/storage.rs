//! `Microsoft.Storage` accounts (`facts.md` 2): created by 202 and `Location`, everything else at once.

use serde_json::{Value, json};

use super::identity::{self, Spelling};
use super::names::{self, fits, lower_or_digit};
use super::{Answer, Kind, Style, storage_services, subscriptions};
use crate::resources::id::ResourceId;
use crate::simulator::arm::{ArmError, Call, Typed, Write};
use crate::simulator::body;
use crate::simulator::http::Reply;
use crate::simulator::operation::Afterlife;
use crate::simulator::state::{Grave, State, Stored};

/// A storage account.
pub(super) struct Account;

/// How long a deleted account is listed (documented as best effort within 14 days).
const LISTED_FOR_DAYS: i64 = 14;

static STYLE: Style = Style {
    arm_type: "Microsoft.Storage/storageAccounts",
    first_version: "2015-05-01-preview",
    create: Answer::Location,
    update: Answer::Sync(200),
    create_secs: 21.0,
    retry_after_secs: 17,
    result_segment: "asyncoperations",
    ..Style::TRACKED
};

const KINDS: [&str; 5] = ["Storage", "StorageV2", "BlobStorage", "FileStorage", "BlockBlobStorage"];

const SKUS: [&str; 14] = [
    "Standard_LRS",
    "Standard_GRS",
    "Standard_RAGRS",
    "Standard_ZRS",
    "Standard_GZRS",
    "Standard_RAGZRS",
    "Premium_LRS",
    "Premium_ZRS",
    "StandardV2_LRS",
    "StandardV2_GRS",
    "StandardV2_ZRS",
    "StandardV2_GZRS",
    "PremiumV2_LRS",
    "PremiumV2_ZRS",
];

impl Kind for Account {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let name = write.name();
        if !fits(name, 3, 24, lower_or_digit) {
            return Err(ArmError::bad_request("AccountNameInvalid", invalid_name(name)));
        }
        if write.existing.is_none() && state.named(STYLE.arm_type, name).is_some() {
            let message = format!("The storage account named {name} is already taken.");
            return Err(ArmError::conflict("StorageAccountAlreadyTaken", message));
        }
        check_values(write)?;
        check_unchanged(write)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = merged(write);
        identity::assign(state, write, &mut filled, Spelling::Tight);
        fill_service_defaults(&mut filled);
        fill_read_only(state, write, &mut filled);
        filled
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        let message = format!("The storage account {} is still being created ({phase}).", id.name());
        ArmError::conflict("StorageAccountOperationInProgress", message)
    }

    fn removed(&self, state: &mut State, stored: &Stored, _afterlife: Afterlife) {
        let key = ("storageaccounts".to_owned(), stored.id.name().to_ascii_lowercase());
        let deleted = state.now();
        let purged =
            deleted.checked_add(jiff::SignedDuration::from_hours(24 * LISTED_FOR_DAYS)).unwrap_or(deleted);
        let grave = Grave {
            id: stored.id.clone(),
            body: stored.body.clone(),
            created: stored.created,
            deleted,
            purged,
        };
        state.graves.insert(key, grave);
    }

    fn action(
        &self,
        state: &mut State,
        call: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        match action {
            "listkeys" => Some(Ok(Reply::json(200, keys(state, stored)))),
            "regeneratekey" => Some(regenerate_key(state, call, stored)),
            "listaccountsas" => Some(signature(state, call, stored, "accountSasToken")),
            "listservicesas" => Some(signature(state, call, stored, "serviceSasToken")),
            _ => None,
        }
    }
}

fn invalid_name(name: &str) -> String {
    format!(
        "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in \
         length and use numbers and lower-case letters only."
    )
}

fn invalid_value(property: &str, value: &str) -> ArmError {
    let message = format!("The value '{value}' is not allowed for property {property}.");
    ArmError::bad_request("InvalidRequestPropertyValue", message).at(property)
}

fn check_values(write: &Write<'_>) -> Result<(), ArmError> {
    let missing = |name: &str| {
        let message = format!("The required property '{name}' is missing.");
        ArmError::bad_request("InvalidRequestContent", message).at(name)
    };
    let sku =
        write.text("/sku/name").or_else(|| write.old_text("/sku/name")).ok_or_else(|| missing("sku.name"))?;
    if !SKUS.iter().any(|known| known.eq_ignore_ascii_case(sku)) {
        return Err(invalid_value("sku.name", sku));
    }
    let kind = write.text("/kind").or_else(|| write.old_text("/kind")).ok_or_else(|| missing("kind"))?;
    if !KINDS.contains(&kind) {
        return Err(invalid_value("kind", kind));
    }
    let hierarchical = body::truth(write.body, "/properties/isHnsEnabled").unwrap_or(false);
    if hierarchical && kind == "StorageV2" && sku.starts_with("Premium") {
        return Err(invalid_value("isHnsEnabled", "true"));
    }
    let tls = write.text("/properties/minimumTlsVersion").unwrap_or("TLS1_2");
    if !["TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"].contains(&tls) {
        return Err(invalid_value("minimumTlsVersion", tls));
    }
    let tier = write.text("/properties/accessTier").unwrap_or("Hot");
    if !["Hot", "Cool", "Cold", "Premium", "Smart"].contains(&tier) {
        return Err(invalid_value("accessTier", tier));
    }
    Ok(())
}

/// What an account keeps for life (`facts.md` 2, immutable).
fn check_unchanged(write: &Write<'_>) -> Result<(), ArmError> {
    let Some(old) = &write.existing else { return Ok(()) };
    let fixed = |name: &str| {
        let message = format!(
            "The property '{name}' was specified in the input, but it cannot be updated as it is read-only. For more \
             information, see - https://aka.ms/storageaccountupdate"
        );
        Err(ArmError::bad_request("AccountPropertyCannotBeUpdated", message).at(name))
    };
    for name in ["isHnsEnabled", "isNfsV3Enabled", "dnsEndpointType"] {
        let pointer = format!("/properties/{name}");
        let (wanted, old) = (body::at(write.body, &pointer), body::at(old, &pointer));
        let default = json!(false);
        if wanted.is_some_and(|wanted| wanted != old.unwrap_or(&default)) {
            return fixed(name);
        }
    }
    let upgrade = (write.old_text("/kind"), write.text("/kind")) == (Some("Storage"), Some("StorageV2"));
    if !upgrade && write.text("/kind").is_some_and(|kind| Some(kind) != write.old_text("/kind")) {
        return fixed("kind");
    }
    let tier = |sku: Option<&str>| sku.and_then(|sku| sku.split('_').next()).map(str::to_ascii_lowercase);
    let wanted = tier(write.text("/sku/name"));
    if wanted.is_some() && wanted != tier(write.old_text("/sku/name")) { fixed("sku.name") } else { Ok(()) }
}

/// A PUT on an account keeps the properties that it does not name; tags are replaced.
fn merged(write: &Write<'_>) -> Value {
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

fn fill_service_defaults(filled: &mut Value) {
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

fn fill_read_only(state: &State, write: &Write<'_>, filled: &mut Value) {
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

fn keys(state: &State, stored: &Stored) -> Value {
    use base64::Engine as _;
    let key = |name: &str| {
        let since =
            body::text(&stored.body, &format!("/properties/keyCreationTime/{name}")).unwrap_or_default();
        let part = |half: u8| state.digest(&format!("{name} {half} of {} since {since}", stored.id.folded()));
        let value = base64::engine::general_purpose::STANDARD.encode([1, 2].map(part).concat());
        json!({ "keyName": name, "value": value, "permissions": "FULL", "creationTime": since })
    };
    json!({ "keys": [key("key1"), key("key2")] })
}

/// A key belongs to its moment of creation: a new moment makes a new key.
fn regenerate_key(state: &mut State, call: &Call<'_>, stored: &Stored) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let name = body::text(&sent, "/keyName").filter(|name| ["key1", "key2"].contains(name));
    let Some(name) = name else {
        return Err(invalid_value("keyName", body::text(&sent, "/keyName").unwrap_or_default()));
    };
    let now = state.now().to_string();
    if let Some(stored) = state.get_mut(&stored.id) {
        body::set(&mut stored.body, &format!("/properties/keyCreationTime/{name}"), now);
    }
    let keys = state.get(&stored.id).map(|stored| keys(state, stored)).unwrap_or_default();
    Ok(Reply::json(200, keys))
}

/// A shared access signature; nobody can use it, because there is no data plane.
fn signature(state: &State, call: &Call<'_>, stored: &Stored, name: &str) -> Result<Reply, ArmError> {
    use base64::Engine as _;
    let sent = call.body()?;
    let digest = state.digest(&format!("signature of {} for {sent}", stored.id.folded()));
    let signed = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
    let mut answer = json!({});
    answer[name] = json!(format!("sv={}&sig={signed}", call.api_version));
    Ok(Reply::json(200, answer))
}

/// Name checks, deleted accounts, and the services that every account has.
pub(super) fn special(
    state: &mut State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    match (call.method.as_str(), tail) {
        ("POST", ["checknameavailability"]) => Some(check_name(state, call)),
        ("GET", ["deletedaccounts"]) => Some(Ok(deleted_accounts(state, typed))),
        ("GET", ["locations", location, "deletedaccounts", name]) => {
            Some(find_deleted(state, typed, location, name))
        }
        ("GET", ["locations", location, "usages"]) => Some(Ok(usages(state, typed, location))),
        (_, ["storageaccounts", _, service, ..]) if storage_services::is_service(service) => {
            storage_services::special(state, call, typed, tail)
        }
        _ => None,
    }
}

/// How many accounts a subscription has in a region: 250 by default (ML how-to-manage-quotas).
fn usages(state: &State, typed: &Typed, location: &str) -> Reply {
    let here = |stored: &&Stored| {
        stored.id.subscription_id() == typed.subscription()
            && body::text(&stored.body, "/location").map(subscriptions::normal_location)
                == Some(subscriptions::normal_location(location))
    };
    let count = state.of_type(STYLE.arm_type).filter(here).count();
    Reply::json(
        200,
        json!({ "value": [{
            "unit": "Count", "currentValue": count, "limit": 250,
            "name": { "value": "StorageAccounts", "localizedValue": "Storage Accounts" },
        }] }),
    )
}

fn check_name(state: &State, call: &Call<'_>) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let name = body::text(&sent, "/name").unwrap_or_default();
    let answer = if !fits(name, 3, 24, lower_or_digit) {
        names::unavailable("AccountNameInvalid", &invalid_name(name))
    } else if state.named(STYLE.arm_type, name).is_some() {
        names::unavailable("AlreadyExists", &format!("The storage account named {name} is already taken."))
    } else {
        names::available()
    };
    Ok(Reply::json(200, answer))
}

fn deleted_accounts(state: &State, typed: &Typed) -> Reply {
    let subscription = typed.subscription();
    let entries: Vec<Value> = state
        .graves
        .iter()
        .filter(|((kind, _), grave)| kind == "storageaccounts" && grave.id.subscription_id() == subscription)
        .map(|(_, grave)| deleted_account(grave, &typed.scope))
        .collect();
    Reply::json(200, json!({ "value": entries }))
}

fn find_deleted(state: &State, typed: &Typed, location: &str, name: &str) -> Result<Reply, ArmError> {
    let grave = state.graves.get(&("storageaccounts".to_owned(), name.to_ascii_lowercase()));
    let found = grave.filter(|grave| {
        let own = body::text(&grave.body, "/location").map(subscriptions::normal_location);
        grave.id.subscription_id() == typed.subscription()
            && own == Some(subscriptions::normal_location(location))
    });
    let Some(grave) = found else {
        let message = format!("The deleted storage account '{name}' was not found.");
        return Err(ArmError::not_found("DeletedAccountNotFound", message));
    };
    Ok(Reply::json(200, deleted_account(grave, &typed.scope)))
}

fn deleted_account(grave: &Grave, scope: &str) -> Value {
    let (name, location) = (grave.id.name(), body::text(&grave.body, "/location").unwrap_or_default());
    json!({
        "id": format!("{scope}/providers/Microsoft.Storage/locations/{location}/deletedAccounts/{name}"),
        "name": name, "type": "Microsoft.Storage/deletedAccounts",
        "properties": {
            "storageAccountResourceId": grave.id.as_str(), "location": location,
            "restoreReference": format!("{name}|{}", grave.created),
            "creationTime": grave.created.to_string(), "deletionTime": grave.deleted.to_string(),
        },
    })
}
