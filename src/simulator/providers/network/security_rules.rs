//! The rules of network security groups: resources of their own, shown inside their group (`facts.md` 9).

use serde_json::Value;

use crate::arm::{ArmError, Write};
use crate::body;
use crate::providers::network::virtual_networks::{NETWORK, check_name, in_progress, stamp};
use crate::providers::{Kind, Placement, Style, Tracking};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct SecurityRule;

static STYLE: Style = Style {
    arm_type: "Microsoft.Network/networkSecurityGroups/securityRules",
    placement: Placement::Nowhere,
    tracking: Tracking::Untracked,
    create_secs: 3.0,
    ..NETWORK
};

impl Kind for SecurityRule {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write.name())?;
        let Some(group) = write.id.parent() else { return Ok(()) };
        let others = of(state, &group).filter(|rule| rule.id != *write.id);
        let others: Vec<&Value> = others.map(|rule| &*rule.body).collect();
        check_rule(write.body, &others)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        fill_rule(state, write)
    }

    fn patched(&self, _: &Value, _: &Value) -> Result<Value, ArmError> {
        let message = "The HTTP method 'PATCH' is not supported for security rules.";
        Err(ArmError::new(405, "HttpMethodNotAllowed", message))
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        in_progress(id, phase)
    }
}

/// The rules of a group, in the order of their names.
pub(in crate::providers) fn of<'a>(
    state: &'a State,
    group: &ResourceId,
) -> impl Iterator<Item = &'a Stored> + use<'a> {
    state.below(group).filter(|below| below.id.arm_type().eq_ignore_ascii_case(STYLE.arm_type))
}

/// Refuses what a group with these other rules cannot take.
pub(in crate::providers) fn check_rule(rule: &Value, others: &[&Value]) -> Result<(), ArmError> {
    let name = body::text(rule, "/name").unwrap_or_default();
    let priority = priority(rule);
    if !(100..=4096).contains(&priority) {
        let message = format!(
            "Security rule {name} has invalid Priority. Value provided: {priority} Allowed range 100-4096."
        );
        return Err(ArmError::bad_request("SecurityRuleInvalidPriority", message));
    }
    let known = |pointer: &str, values: &[&str]| {
        let value = body::text(rule, pointer).unwrap_or_default();
        values.iter().any(|known| known.eq_ignore_ascii_case(value))
    };
    for (property, values) in [
        ("protocol", &["Tcp", "Udp", "Icmp", "Esp", "Ah", "*"] as &[&str]),
        ("access", &["Allow", "Deny"]),
        ("direction", &["Inbound", "Outbound"]),
    ] {
        if !known(&format!("/properties/{property}"), values) {
            let message = format!("Security rule {name} has invalid {property}.");
            return Err(ArmError::bad_request("SecurityRuleInvalidProperty", message).at(property));
        }
    }
    if others.iter().any(|other| (direction(other), self::priority(other)) == (direction(rule), priority)) {
        let message = format!(
            "Security rule {name} conflicts with another rule. Rules cannot have the same Priority and Direction."
        );
        return Err(ArmError::bad_request("SecurityRuleConflict", message));
    }
    Ok(())
}

fn priority(rule: &Value) -> i64 {
    body::at(rule, "/properties/priority").and_then(Value::as_i64).unwrap_or(0)
}

fn direction(rule: &Value) -> String {
    body::text(rule, "/properties/direction").unwrap_or_default().to_ascii_lowercase()
}

pub(in crate::providers) fn fill_rule(state: &State, write: &Write<'_>) -> Value {
    let mut filled = write.body.clone();
    body::set(&mut filled, "/id", write.id.as_str());
    body::set(&mut filled, "/name", write.name());
    body::set(&mut filled, "/type", STYLE.arm_type);
    body::set(&mut filled, "/properties/provisioningState", "Succeeded");
    stamp(state, write, &mut filled);
    filled
}
