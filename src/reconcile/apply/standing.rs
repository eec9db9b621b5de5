//! PURE: what a resource's body says about its own state.
//!
//! Source: the ARM Resource Provider Contract: an absent `provisioningState` means `Succeeded`;
//! `Succeeded`, `Failed` and `Canceled` are the only states of rest; everything else is work.

use serde_json::{Value, json};

use crate::azure::AzureProblem;
use crate::resources::id::ResourceId;

/// The state that a body shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It rests; what it is now it stays.
    Settled,
    /// Azure works on it.
    Working {
        /// Azure's word for it.
        state: String,
    },
    /// Azure is deleting it.
    Deleting,
    /// The last write of it ended badly.
    Broken {
        /// Azure's word and, where the body has one, the cause.
        message: String,
    },
}

/// Where a compute's body lists what went wrong (facts.md 7), beside where an operation would.
const PROBLEMS: [&str; 3] =
    ["/properties/provisioningErrors", "/properties/properties/errors", "/properties/errors"];

/// Reads the state that `body` shows.
pub(super) fn of(body: &Value) -> Standing {
    let state = body.pointer("/properties/provisioningState").and_then(Value::as_str).unwrap_or("Succeeded");
    match state.to_ascii_lowercase().as_str() {
        "succeeded" => Standing::Settled,
        "deleting" => Standing::Deleting,
        "failed" | "canceled" | "cancelled" => Standing::Broken { message: broken(state, body) },
        _ => Standing::Working { state: state.to_owned() },
    }
}

/// Whether `body` is that of the resource `id`, as opposed to some other answer.
pub(super) fn is_of(body: &Value, id: &ResourceId) -> bool {
    let found = body.get("id").and_then(Value::as_str).and_then(|id| id.parse::<ResourceId>().ok());
    found.as_ref() == Some(id) && body.get("status").is_none()
}

fn broken(state: &str, body: &Value) -> String {
    let problem = PROBLEMS
        .iter()
        .filter_map(|pointer| body.pointer(pointer)?.as_array().filter(|list| !list.is_empty()))
        .map(|list| AzureProblem::of_body(&json!({ "errors": list }), None).innermost)
        .find(|message| !message.is_empty());
    match problem {
        Some(cause) => cause,
        None => format!("Azure's provisioning state is {state}, and the resource does not say why"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_states_are_at_rest() {
        let at = |state: &str| of(&json!({ "properties": { "provisioningState": state } }));
        assert_eq!(of(&json!({ "tags": {} })), Standing::Settled);
        assert_eq!(at("succeeded"), Standing::Settled);
        assert_eq!(at("Deleting"), Standing::Deleting);
        assert_eq!(at("ResolvingDNS"), Standing::Working { state: "ResolvingDNS".into() });
        for state in ["Failed", "Canceled", "cancelled"] {
            assert!(matches!(at(state), Standing::Broken { .. }), "{state}");
        }
    }

    #[test]
    fn a_broken_compute_says_why() {
        let body = json!({ "properties": { "provisioningState": "Failed", "provisioningErrors": [
            { "error": { "code": "ClusterCoreQuotaReached", "message": "needs 4 cores" } }
        ] } });
        assert_eq!(of(&body), Standing::Broken { message: "ClusterCoreQuotaReached: needs 4 cores".into() });
    }

    #[test]
    fn the_answer_of_an_operation_is_not_the_resource() {
        let id: ResourceId = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
        assert!(is_of(&json!({ "id": "/subscriptions/s/resourcegroups/RG" }), &id));
        assert!(!is_of(&json!({ "id": "/subscriptions/s/operations/1", "status": "Succeeded" }), &id));
        assert!(!is_of(&json!({ "status": "Succeeded" }), &id));
    }
}
