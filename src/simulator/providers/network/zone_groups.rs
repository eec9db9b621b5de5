//! The DNS zone groups of private endpoints (`facts.md` 9): which private zones answer for an endpoint,
//! and the A records that they get.

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::network::private_endpoints::{no_patch, refused};
use crate::providers::network::virtual_networks::{NETWORK, check_name, in_progress, stamp};
use crate::providers::{Kind, Placement, Provisioning, Style, Tracking, network::dns_records};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// The DNS zones that answer for a private endpoint.
pub(in crate::providers) struct ZoneGroup;

static GROUP: Style = Style {
    arm_type: "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    placement: Placement::Nowhere,
    provisioning: Provisioning::Shown,
    tracking: Tracking::Untracked,
    create_secs: 5.0,
    ..NETWORK
};

/// Most DNS zones in a group.
const MAX_ZONES: usize = 5;

impl Kind for ZoneGroup {
    fn style(&self) -> &'static Style {
        &GROUP
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        check_name(write.name())?;
        let configs = body::items(write.body, "/properties/privateDnsZoneConfigs");
        if configs.len() > MAX_ZONES {
            let message = format!("A private DNS zone group has at most {MAX_ZONES} configurations.");
            return Err(refused("PrivateDnsZoneGroupTooManyConfigs", message));
        }
        let known = |config: &Value| {
            let id = body::text(config, "/properties/privateDnsZoneId")
                .and_then(|id| id.parse::<ResourceId>().ok());
            id.is_some_and(|id| state.get(&id).is_some())
        };
        if !configs.iter().all(known) {
            let message = "A private DNS zone of the group was not found.";
            return Err(refused("InvalidResourceReference", message).at("privateDnsZoneConfigs"));
        }
        let endpoint = write.id.parent();
        let others = state.inventory.of_type_within(GROUP.arm_type, endpoint.as_ref(), None);
        if others.into_iter().any(|other| other.id != *write.id) {
            let message = "A private endpoint can have one private DNS zone group only.";
            return Err(refused("PrivateEndpointCannotHaveMultipleDnsZoneGroups", message));
        }
        Ok(())
    }

    fn absorb(&self, state: &mut State, id: &ResourceId, body: Value) {
        if let Some(old) = state.get(id).map(|stored| stored.body.clone()) {
            dns_records::withdraw(state, &old);
        }
        let endpoint = id.parent().map(|endpoint| endpoint.name().to_owned()).unwrap_or_default();
        dns_records::publish(state, &body, &endpoint);
        state.store(id, body);
    }

    fn removed(&self, state: &mut State, stored: &Stored, _: Afterlife) {
        dns_records::withdraw(state, &stored.body);
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let endpoint = write.id.parent().and_then(|id| state.get(&id));
        let names =
            endpoint.map_or(&[] as &[Value], |own| body::items(&own.body, "/properties/customDnsConfigs"));
        let configs: Vec<Value> = body::items(write.body, "/properties/privateDnsZoneConfigs")
            .iter()
            .map(|config| {
                let mut config = config.clone();
                let found = records(&config, names);
                body::set(&mut config, "/properties/recordSets", found);
                config
            })
            .collect();
        let mut filled = json!({ "properties": { "privateDnsZoneConfigs": configs } });
        stamp(state, write, &mut filled);
        filled
    }

    fn patched(&self, _: &Value, _: &Value) -> Result<Value, ArmError> {
        Err(no_patch())
    }

    fn busy(&self, id: &ResourceId, phase: &str) -> ArmError {
        in_progress(id, phase)
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::Purge)
    }
}

/// The A records that a zone gets: of the names whose public zone the private one stands for.
fn records(config: &Value, names: &[Value]) -> Vec<Value> {
    let zone = body::text(config, "/properties/privateDnsZoneId").and_then(|id| id.rsplit('/').next());
    let zone = zone.unwrap_or_default().to_ascii_lowercase();
    let public =
        zone.strip_prefix("privatelink.").unwrap_or(&zone).replace("vaultcore.azure.net", "vault.azure.net");
    let of_zone = names.iter().filter_map(|name| {
        let record = body::text(name, "/fqdn")?.strip_suffix(&public)?.strip_suffix('.')?;
        Some(json!({
            "recordType": "A", "recordSetName": record, "fqdn": format!("{record}.{zone}"), "ttl": 10,
            "ipAddresses": name["ipAddresses"], "provisioningState": "Succeeded",
        }))
    });
    of_zone.collect()
}
