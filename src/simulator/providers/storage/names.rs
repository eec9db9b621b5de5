//! Storage accounts of a whole subscription: names that can be had, accounts that were deleted, how many
//! there are (`facts.md` 2).

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed};
use crate::body;
use crate::http::Reply;
use crate::providers::names::{self, fits, lower_or_digit};
use crate::providers::storage::accounts::{TYPE, invalid_name};
use crate::providers::{resources::subscriptions, storage::services as storage_services};
use crate::state::{Grave, State, Stored};

/// Name checks, deleted accounts, and the services that every account has.
pub(in crate::providers) fn special(
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
    let count = state.of_type(TYPE).filter(here).count();
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
    } else if state.named(TYPE, name).is_some() {
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
