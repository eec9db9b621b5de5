//! Purging data of an Application Insights component (Components_Purge): there is no data here, so a
//! purge is complete as soon as it was asked for.

use serde_json::json;

use crate::arm::{ArmError, Call, Typed, missing_resource};
use crate::body;
use crate::http::Reply;
use crate::state::State;

pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    match (call.method.as_str(), tail) {
        ("POST", ["components", _, "purge"]) => Some(purge(state, call, typed)),
        ("GET", ["components", _, "operations", id]) if id.starts_with("purge-") => {
            Some(component(state, typed).map(|_| Reply::json(200, json!({ "status": "completed" }))))
        }
        _ => None,
    }
}

fn component(state: &State, typed: &Typed) -> Result<String, ArmError> {
    let id = typed.id_of(2)?;
    match state.get(&id) {
        Some(stored) => Ok(stored.id.as_str().to_owned()),
        None => Err(missing_resource(&id)),
    }
}

fn purge(state: &State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let owner = component(state, typed)?;
    let sent = call.body()?;
    if body::text(&sent, "/table").is_none() || body::items(&sent, "/filters").is_empty() {
        let message = "A purge must name a table and at least one filter.";
        return Err(ArmError::bad_request("InvalidRequestContent", message));
    }
    let id = state.uuid(&format!("purge {} {owner}", state.requests_seen));
    let place = format!("{}{owner}/operations/purge-{id}?api-version={}", state.base_url, call.api_version);
    Ok(Reply::json(202, json!({ "operationId": format!("purge-{id}") })).with("x-ms-status-location", place))
}
