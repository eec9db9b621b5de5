//! What other services have tied to a subnet, and the types that private endpoints can connect to.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed, missing_resource};
use crate::http::Reply;
use crate::providers::network::private_link::TARGETS;
use crate::state::State;

/// No service of this world ties itself to a subnet: both lists are empty.
pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    match (call.method.as_str(), tail) {
        (
            "GET",
            ["virtualnetworks", _, "subnets", _, "resourcenavigationlinks" | "serviceassociationlinks"],
        ) => Some(typed.id_of(4).and_then(|subnet| match state.get(&subnet) {
            Some(_) => Ok(Reply::json(200, json!({ "value": [] }))),
            None => Err(missing_resource(&subnet)),
        })),
        ("GET", ["locations", _, "availableprivateendpointtypes"]) => Some(Ok(endpoint_types(typed))),
        _ => None,
    }
}

fn endpoint_types(typed: &Typed) -> Reply {
    let mut types: Vec<&str> = TARGETS.iter().map(|target| target.arm_type).collect();
    types.dedup();
    let entry = |arm_type: &&str| {
        let name = arm_type.replace('/', ".");
        json!({
            "id": format!("{}/providers/Microsoft.Network/AvailablePrivateEndpointTypes/{name}", typed.scope),
            "name": name, "type": "Microsoft.Network/AvailablePrivateEndpointTypes", "resourceName": arm_type,
            "displayName": arm_type,
        })
    };
    let value: Vec<Value> = types.iter().map(entry).collect();
    Reply::json(200, json!({ "value": value }))
}
