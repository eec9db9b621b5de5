//! The services that every storage account has: `blobServices`, `fileServices`, `queueServices` and
//! `tableServices`, each with the one resource `default`. It exists with its account; a PUT changes it.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed, missing_resource};
use crate::body;
use crate::http::Reply;
use crate::state::State;
use beamline_base::id::ResourceId;

/// The segment of each service, as it is spelled.
const SERVICES: [&str; 4] = ["blobServices", "fileServices", "queueServices", "tableServices"];

fn spelled(segment: &str) -> Option<&'static str> {
    SERVICES.into_iter().find(|known| known.eq_ignore_ascii_case(segment))
}

/// Whether a segment below an account names a service.
pub(in crate::providers) fn is_service(segment: &str) -> bool {
    spelled(segment).is_some()
}

/// Reading, changing and listing the service itself; what is below it belongs to other types.
pub(in crate::providers) fn special(
    state: &mut State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let service = spelled(tail.get(2)?)?;
    match (call.method.as_str(), &tail[3..]) {
        ("GET", []) => Some(read(state, typed, service).map(|body| json!({ "value": [body] }))),
        ("GET", ["default"]) => Some(read(state, typed, service)),
        ("PUT" | "PATCH", ["default"]) => Some(change(state, call, typed, service)),
        _ => None,
    }
    .map(|answer| answer.map(|body| Reply::json(200, body)))
}

fn account(state: &State, typed: &Typed) -> Result<(ResourceId, Value), ArmError> {
    let id = typed.id_of(2)?;
    let Some(account) = state.get(&id) else { return Err(missing_resource(&id)) };
    let mut sku = json!({});
    body::copy(&mut sku, &account.body["sku"], "/name");
    body::copy(&mut sku, &account.body["sku"], "/tier");
    Ok((account.id.clone(), sku))
}

fn read(state: &State, typed: &Typed, service: &str) -> Result<Value, ArmError> {
    let (account, sku) = account(state, typed)?;
    let id = account.child(service, "default");
    let mut document = json!({
        "id": id.as_str(), "name": "default", "type": format!("Microsoft.Storage/storageAccounts/{service}"),
        "properties": { "cors": { "corsRules": [] } },
    });
    if let Some(kept) = state.get(&id).and_then(|stored| body::at(&stored.body, "/properties")) {
        document["properties"] = kept.clone();
    }
    let properties = &mut document["properties"];
    body::fill(properties, "/cors/corsRules", json!([]));
    match service {
        "blobServices" => body::fill(properties, "/deleteRetentionPolicy/enabled", false),
        "fileServices" => {
            body::fill(properties, "/shareDeleteRetentionPolicy", json!({ "enabled": true, "days": 7 }));
            body::fill(properties, "/protocolSettings/smb", json!({}));
        }
        _ => {}
    }
    if ["blobServices", "fileServices"].contains(&service) {
        document["sku"] = sku;
    }
    Ok(document)
}

fn change(state: &mut State, call: &Call<'_>, typed: &Typed, service: &str) -> Result<Value, ArmError> {
    let sent = call.body()?;
    let (account, _) = account(state, typed)?;
    crate::providers::check_locks(state, call.method, &account)?;
    check(&sent)?;
    let id = account.child(service, "default");
    let mut properties =
        state.get(&id).map(|stored| stored.body["properties"].clone()).unwrap_or_else(|| json!({}));
    if let Some(wanted) = body::at(&sent, "/properties") {
        body::merge(&mut properties, wanted);
    }
    state.store(&id, json!({ "properties": properties }));
    read(state, typed, service)
}

/// Retention is 1 to 365 days; at most five CORS rules (storage `CorsRules`, `DeleteRetentionPolicy`).
fn check(sent: &Value) -> Result<(), ArmError> {
    let refuse = |name: &str| {
        let message = format!("The value for one of the properties is out of range: {name}.");
        Err(ArmError::bad_request("InvalidRequestPropertyValue", message).at(name))
    };
    if body::at(sent, "/properties").is_some_and(|properties| !properties.is_object()) {
        return refuse("properties");
    }
    if body::items(sent, "/properties/cors/corsRules").len() > 5 {
        return refuse("corsRules");
    }
    for name in ["deleteRetentionPolicy", "containerDeleteRetentionPolicy", "shareDeleteRetentionPolicy"] {
        let days = body::at(sent, &format!("/properties/{name}/days"));
        if days.is_some_and(|days| !days.as_i64().is_some_and(|days| (1..=365).contains(&days))) {
            return refuse(name);
        }
    }
    Ok(())
}
