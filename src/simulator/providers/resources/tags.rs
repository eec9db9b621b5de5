//! The tags API: `{scope}/providers/Microsoft.Resources/tags/default` reads, replaces, merges and removes
//! the tags of a subscription, a group or a resource (ARM `Tags_CreateOrUpdateAtScope` and its kin).

use http::Method;
use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed, missing_resource, tags_fit};
use crate::body;
use crate::http::Reply;
use crate::state::State;
use beamline_base::id::ResourceId;

pub(in crate::providers) fn special(
    state: &mut State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    (tail == ["tags", "default"]).then(|| answer(state, call, typed))
}

fn answer(state: &mut State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let scope: ResourceId = typed.scope.parse().map_err(|_| {
        ArmError::bad_request("InvalidScope", format!("The scope '{}' is not valid.", typed.scope))
    })?;
    let old = read(state, &scope)?;
    match *call.method {
        Method::GET => Ok(Reply::json(200, document(&scope, &old))),
        Method::PUT => {
            let sent = sent_tags(&call.body()?)?;
            replace(state, call, &scope, sent)
        }
        Method::PATCH => {
            let sent = call.body()?;
            let tags = changed(&old, &sent)?;
            replace(state, call, &scope, tags)
        }
        Method::DELETE => {
            replace(state, call, &scope, json!({}))?;
            Ok(Reply::empty(200))
        }
        _ => Err(ArmError::new(405, "HttpMethodNotAllowed", "The tags API has GET, PUT, PATCH and DELETE.")),
    }
}

fn read(state: &State, scope: &ResourceId) -> Result<Value, ArmError> {
    let own_id = scope.subscription_id().filter(|id| ResourceId::subscription(*id) == *scope);
    if let Some(subscription) = own_id.and_then(|id| state.subscriptions.get(&id)) {
        return Ok(subscription.tags.clone());
    }
    let stored = state.get(scope).ok_or_else(|| missing_resource(scope))?;
    Ok(body::at(&stored.body, "/tags").cloned().unwrap_or_else(|| json!({})))
}

fn sent_tags(sent: &Value) -> Result<Value, ArmError> {
    let tags = body::at(sent, "/properties/tags").cloned().unwrap_or_else(|| json!({}));
    let fine = tags.as_object().is_some_and(|map| map.values().all(Value::is_string));
    if fine {
        return Ok(tags);
    }
    let message = "The request content was invalid: 'properties.tags' must hold texts.";
    Err(ArmError::bad_request("InvalidRequestContent", message).at("tags"))
}

/// `Replace`, `Merge` or `Delete`; names compare without regard to casing.
fn changed(old: &Value, sent: &Value) -> Result<Value, ArmError> {
    let tags = sent_tags(sent)?;
    let operation = body::text(sent, "/operation").unwrap_or_default().to_ascii_lowercase();
    if operation == "replace" {
        return Ok(tags);
    }
    let merges = match operation.as_str() {
        "merge" => true,
        "delete" => false,
        _ => {
            let message = format!("The tag operation '{operation}' is not valid: Replace, Merge or Delete.");
            return Err(ArmError::bad_request("InvalidTagOperation", message).at("operation"));
        }
    };
    let mut kept = old.as_object().cloned().unwrap_or_default();
    for (name, value) in tags.as_object().into_iter().flatten() {
        let known = kept.keys().find(|own| own.eq_ignore_ascii_case(name)).cloned();
        if let Some(known) = known {
            kept.remove(&known);
        }
        if merges {
            kept.insert(name.clone(), value.clone());
        }
    }
    Ok(Value::Object(kept))
}

fn replace(state: &mut State, call: &Call<'_>, scope: &ResourceId, tags: Value) -> Result<Reply, ArmError> {
    crate::providers::check_locks(state, call.method, scope)?;
    tags_fit(&tags)?;
    let own_id = scope.subscription_id().filter(|id| ResourceId::subscription(*id) == *scope);
    let reply = Reply::json(200, document(scope, &tags));
    if let Some(subscription) = own_id.and_then(|id| state.subscriptions.get_mut(&id)) {
        subscription.tags = tags;
    } else if let Some(stored) = state.get(scope) {
        let mut body = stored.body.clone();
        body::set(&mut body, "/tags", tags);
        state.store(scope, body);
    }
    Ok(reply)
}

fn document(scope: &ResourceId, tags: &Value) -> Value {
    json!({
        "id": format!("{scope}/providers/Microsoft.Resources/tags/default"), "name": "default",
        "type": "Microsoft.Resources/tags", "properties": { "tags": tags },
    })
}
