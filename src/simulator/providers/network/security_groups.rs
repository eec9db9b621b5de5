//! Network security groups (`facts.md` 9): the rules are replaced with the group.

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::network::security_rules::{self, check_rule, fill_rule};
use crate::providers::network::virtual_networks::{NETWORK, check_name, in_progress, stamp, with_tags};
use crate::providers::{Kind, Style};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// A network security group.
pub(in crate::providers) struct SecurityGroup;

static STYLE: Style =
    Style { arm_type: "Microsoft.Network/networkSecurityGroups", create_secs: 4.0, ..NETWORK };

impl Kind for SecurityGroup {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write.name())?;
        let mut seen: Vec<&Value> = Vec::new();
        for rule in body::items(write.body, "/properties/securityRules") {
            check_name(body::text(rule, "/name").unwrap_or_default())?;
            check_rule(rule, &seen)?;
            seen.push(rule);
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        let rules: Vec<Value> = body::items(write.body, "/properties/securityRules")
            .iter()
            .map(|rule| {
                let id = write.id.child("securityRules", body::text(rule, "/name").unwrap_or_default());
                fill_rule(state, &Write { id: &id, body: rule, existing: None, ..*write })
            })
            .collect();
        body::set(&mut filled, "/properties/securityRules", rules);
        body::set(&mut filled, "/properties/defaultSecurityRules", default_rules(write.id));
        body::fill(&mut filled, "/properties/flushConnection", false);
        body::set(&mut filled, "/properties/resourceGuid", json!(state.uuid_of("group", write.id)));
        stamp(state, write, &mut filled);
        filled
    }

    fn render(&self, state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        let rules: Vec<Value> = security_rules::of(state, &stored.id).map(|rule| rule.body.clone()).collect();
        body::set(&mut body, "/properties/securityRules", rules);
        let users: Vec<Value> =
            users(state, &stored.id).map(|subnet| json!({ "id": subnet.id.as_str() })).collect();
        if users.is_empty() {
            body::remove(&mut body, "/properties/subnets");
        } else {
            body::set(&mut body, "/properties/subnets", users);
        }
        body
    }

    /// The rules inside the body become the rules there are.
    fn absorb(&self, state: &mut State, id: &ResourceId, mut body: Value) {
        let rules = body::remove(&mut body, "/properties/securityRules");
        state.store(id, body);
        let Some(Value::Array(rules)) = rules else { return };
        let gone: Vec<ResourceId> = security_rules::of(state, id).map(|rule| rule.id.clone()).collect();
        for id in gone {
            state.remove_tree(&id, Afterlife::Purge);
        }
        for rule in rules {
            if let Some(name) = body::text(&rule, "/name") {
                state.store(&id.child("securityRules", name), rule);
            }
        }
    }

    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        Ok(with_tags(existing, sent))
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        in_progress(id, phase)
    }

    fn before_delete(&self, state: &State, stored: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        let Some(user) = users(state, &stored.id).next() else { return Ok(Afterlife::Purge) };
        let message = format!(
            "Network security group {} cannot be deleted because it is in use by the following resources: {}.",
            stored.id, user.id
        );
        Err(ArmError::bad_request("InUseNetworkSecurityGroupCannotBeDeleted", message))
    }
}

fn users<'a>(state: &'a State, group: &'a ResourceId) -> impl Iterator<Item = &'a Stored> {
    state.of_type("Microsoft.Network/virtualNetworks/subnets").filter(|subnet| {
        let own = body::text(&subnet.body, "/properties/networkSecurityGroup/id");
        own.is_some_and(|own| own.eq_ignore_ascii_case(group.as_str()))
    })
}

fn default_rules(group: &ResourceId) -> Vec<Value> {
    let [inbound, outbound] = ["Inbound", "Outbound"];
    [
        (
            "AllowVnetInBound",
            "Allow inbound traffic from all VMs in VNET",
            (inbound, "Allow", 65_000),
            ("VirtualNetwork", "VirtualNetwork"),
        ),
        (
            "AllowAzureLoadBalancerInBound",
            "Allow inbound traffic from azure load balancer",
            (inbound, "Allow", 65_001),
            ("AzureLoadBalancer", "*"),
        ),
        ("DenyAllInBound", "Deny all inbound traffic", (inbound, "Deny", 65_500), ("*", "*")),
        (
            "AllowVnetOutBound",
            "Allow outbound traffic from all VMs to all VMs in VNET",
            (outbound, "Allow", 65_000),
            ("VirtualNetwork", "VirtualNetwork"),
        ),
        (
            "AllowInternetOutBound",
            "Allow outbound traffic from all VMs to Internet",
            (outbound, "Allow", 65_001),
            ("*", "Internet"),
        ),
        ("DenyAllOutBound", "Deny all outbound traffic", (outbound, "Deny", 65_500), ("*", "*")),
    ]
    .into_iter()
    .map(|(name, description, (direction, access, priority), (from, to))| {
        json!({
            "id": group.child("defaultSecurityRules", name).as_str(), "name": name,
            "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded", "description": description, "protocol": "*", "access": access,
                "direction": direction, "priority": priority, "sourcePortRange": "*", "destinationPortRange": "*",
                "sourceAddressPrefix": from, "destinationAddressPrefix": to,
            },
        })
    })
    .collect()
}
