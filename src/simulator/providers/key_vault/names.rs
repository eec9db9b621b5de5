//! Vaults of a whole subscription: names that can be had, and vaults that were deleted and not purged; and
//! the access policies of one (`facts.md` 3).

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed};
use crate::body;
use crate::http::Reply;
use crate::providers::key_vault::vaults::{TYPE, bad, grave_key, invalid_name, is_name, taken};
use crate::providers::{names, resources::subscriptions};
use crate::state::{Grave, State};

/// Name checks and the deleted vaults.
pub(in crate::providers) fn special(
    state: &mut State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    match (call.method.as_str(), tail) {
        ("POST", ["checknameavailability"]) => Some(check_name(state, call)),
        ("GET", ["deletedvaults"]) => Some(Ok(deleted_vaults(state, typed))),
        ("GET", ["locations", location, "deletedvaults", name]) => {
            Some(deleted_vault(state, typed, location, name).map(|vault| Reply::json(200, vault)))
        }
        ("POST", ["locations", location, "deletedvaults", name, "purge"]) => {
            Some(purge(state, typed, location, name))
        }
        ("PUT", ["vaults", _, "accesspolicies", kind @ ("add" | "replace" | "remove")]) => {
            Some(access_policies(state, call, typed, kind))
        }
        ("GET", ["deletedmanagedhsms"]) => Some(Ok(Reply::json(200, json!({ "value": [] })))),
        _ => None,
    }
}

fn check_name(state: &State, call: &Call<'_>) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let name = body::text(&sent, "/name").unwrap_or_default();
    let free = state.named(TYPE, name).is_none() && !state.graves.contains_key(&grave_key(name));
    Ok(Reply::json(
        200,
        match (is_name(name), free) {
            (false, _) => names::unavailable("AccountNameInvalid", &invalid_name(name)),
            (true, false) => names::unavailable("AlreadyExists", &taken(name)),
            (true, true) => names::available(),
        },
    ))
}

fn deleted_vaults(state: &State, typed: &Typed) -> Reply {
    let subscription = typed.subscription();
    let entries: Vec<Value> = state
        .graves
        .iter()
        .filter(|((kind, _), grave)| kind == "vaults" && grave.id.subscription_id() == subscription)
        .map(|(_, grave)| document(grave, &typed.scope))
        .collect();
    Reply::json(200, json!({ "value": entries }))
}

fn document(grave: &Grave, scope: &str) -> Value {
    let (name, location) = (grave.id.name(), body::text(&grave.body, "/location").unwrap_or_default());
    let mut document = json!({
        "id": format!("{scope}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}"),
        "name": name, "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {
            "vaultId": grave.id.as_str(), "location": location, "tags": grave.body["tags"],
            "deletionDate": grave.deleted.to_string(), "scheduledPurgeDate": grave.purged.to_string(),
        },
    });
    if body::truth(&grave.body, "/properties/enablePurgeProtection") == Some(true) {
        document["properties"]["purgeProtectionEnabled"] = json!(true);
    }
    document
}

fn find<'a>(state: &'a State, typed: &Typed, location: &str, name: &str) -> Result<&'a Grave, ArmError> {
    let grave = state.graves.get(&grave_key(name)).filter(|grave| {
        grave.id.subscription_id() == typed.subscription()
            && body::text(&grave.body, "/location").map(subscriptions::normal_location)
                == Some(subscriptions::normal_location(location))
    });
    grave.ok_or_else(|| {
        let message = format!("The specified deleted vault '{name}' does not exist.");
        ArmError::not_found("DeletedVaultNotFound", message)
    })
}

fn deleted_vault(state: &State, typed: &Typed, location: &str, name: &str) -> Result<Value, ArmError> {
    find(state, typed, location, name).map(|grave| document(grave, &typed.scope))
}

/// Purging is done when it is answered; 202 would be as good (`facts.md` 3).
fn purge(state: &mut State, typed: &Typed, location: &str, name: &str) -> Result<Reply, ArmError> {
    let grave = find(state, typed, location, name)?;
    if body::truth(&grave.body, "/properties/enablePurgeProtection") == Some(true) {
        let message = format!(
            "Operation \"purge\" is not allowed because purge protection is enabled for this vault '{name}'."
        );
        return Err(ArmError::bad_request("DeletedVaultPurge", message));
    }
    state.graves.remove(&grave_key(name));
    Ok(Reply::empty(200))
}

/// Adds to, replaces or takes from the access policies of a vault (Vaults_UpdateAccessPolicy).
fn access_policies(state: &mut State, call: &Call<'_>, typed: &Typed, kind: &str) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let vault = typed.id_of(2)?;
    let place = "/properties/accessPolicies";
    let Some(policies) = body::at(&sent, place).and_then(Value::as_array).cloned() else {
        return Err(bad("The parameter accessPolicies is not specified."));
    };
    let Some(stored) = state.get_mut(&vault) else {
        return Err(crate::arm::missing_resource(&vault));
    };
    let whose = |policy: &Value| {
        let part = |name: &str| body::text(policy, name).unwrap_or_default().to_ascii_lowercase();
        (part("/tenantId"), part("/objectId"), part("/applicationId"))
    };
    let mut kept = match kind {
        "replace" => Vec::new(),
        _ => body::items(&stored.body, place).to_vec(),
    };
    kept.retain(|old| !policies.iter().any(|policy| whose(policy) == whose(old)));
    if kind != "remove" {
        kept.extend(policies);
    }
    body::set(&mut stored.body, place, kept.clone());
    let id = format!("{}/accessPolicies/", stored.id);
    Ok(Reply::json(
        200,
        json!({
            "id": id, "type": "Microsoft.KeyVault/vaults/accessPolicies", "name": kind,
            "location": stored.body["location"], "properties": { "accessPolicies": kept },
        }),
    ))
}
