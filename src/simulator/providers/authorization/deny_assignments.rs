//! Deny assignments: Azure makes them for managed applications and deployment stacks; clients can only
//! read them (azure-docs role-based-access-control/deny-assignments), and this world has none.

use serde_json::json;

use crate::arm::{ArmError, Call, Typed};
use crate::http::Reply;

pub(in crate::providers) fn special(
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    match (call.method.as_str(), tail) {
        ("GET", ["denyassignments"]) => Some(Ok(Reply::json(200, json!({ "value": [] })))),
        ("GET", ["denyassignments", _]) => {
            let name = typed.tail.last().map(String::as_str).unwrap_or_default();
            let message = format!("The deny assignment '{name}' is not found.");
            Some(Err(ArmError::not_found("DenyAssignmentNotFound", message)))
        }
        _ => None,
    }
}
