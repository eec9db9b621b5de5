//! Parts of resources that exist by themselves and can only be read and changed: the billing features of
//! an Application Insights component.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed, missing_resource};
use crate::body;
use crate::http::Reply;
use crate::state::State;
use beamline_base::id::ResourceId;

pub(super) fn special(
    state: &mut State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let namespace = typed.namespace.to_ascii_lowercase();
    match (namespace.as_str(), call.method.as_str(), tail) {
        ("microsoft.insights", "GET", ["components", _, "currentbillingfeatures"]) => {
            Some(billing(state, typed).map(|(_, features)| Reply::json(200, features)))
        }
        ("microsoft.insights", "PUT", ["components", _, "currentbillingfeatures"]) => {
            Some(set_billing(state, call, typed))
        }
        _ => None,
    }
}

/// The resource that the first two segments of the tail name.
fn owner(state: &State, typed: &Typed) -> Result<ResourceId, ArmError> {
    let id = typed.id_of(2)?;
    state.get(&id).map(|stored| stored.id.clone()).ok_or_else(|| missing_resource(&id))
}

fn billing(state: &State, typed: &Typed) -> Result<(ResourceId, Value), ArmError> {
    let id = owner(state, typed)?.child("currentBillingFeatures", "current");
    let stored = state.get(&id).map(|stored| stored.body.clone());
    let features = stored.unwrap_or_else(|| {
        json!({
            "CurrentBillingFeatures": ["Basic"],
            "DataVolumeCap": {
                "Cap": 100.0, "ResetTime": 16, "WarningThreshold": 90, "StopSendNotificationWhenHitThreshold": false,
                "StopSendNotificationWhenHitCap": false, "MaxHistoryCap": 500.0,
            },
        })
    });
    Ok((id, features))
}

fn set_billing(state: &mut State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let (id, mut features) = billing(state, typed)?;
    crate::providers::check_locks(state, call.method, &id)?;
    let sent = call.body()?;
    for name in ["CurrentBillingFeatures", "DataVolumeCap"] {
        if let Some(value) = body::at(&sent, &format!("/{name}")) {
            let mut own = body::remove(&mut features, &format!("/{name}")).unwrap_or_default();
            body::merge(&mut own, value);
            body::set(&mut features, &format!("/{name}"), own);
        }
    }
    state.store(&id, features.clone());
    Ok(Reply::json(200, features))
}
