//! Private DNS zones and their links to networks (`facts.md` 9): global, and the only types here whose
//! ETags guard writes. Their record sets are in [`crate::providers::network::dns_records`].

use serde_json::{Value, json};

use crate::arm::{ArmError, Query, Write};
use crate::body;
use crate::operation::Afterlife;
use crate::providers::names::{alphanumeric_or_hyphen, word};
use crate::providers::network::virtual_networks::with_tags;
use crate::providers::{Answer, Etags, Kind, Removal, Style, network::dns_records};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// A private DNS zone.
pub(in crate::providers) struct Zone;

/// A link of a zone to a virtual network.
pub(in crate::providers) struct Link;

const LINK_TYPE: &str = "Microsoft.Network/privateDnsZones/virtualNetworkLinks";

const BOTH: Style = Style {
    first_version: "2018-09-01",
    create: Answer::AsyncOperation(202),
    update: Answer::AsyncOperation(202),
    patch: Answer::AsyncOperation(202),
    delete: Removal::LocationAndStatus,
    create_secs: 30.0,
    update_secs: 5.0,
    delete_secs: 15.0,
    retry_after_secs: 60,
    status_segment: "privateDnsOperationStatuses",
    result_segment: "privateDnsOperationResults",
    ..Style::TRACKED
};

static STYLE: Style = Style { arm_type: "Microsoft.Network/privateDnsZones", ..BOTH };

static LINK: Style = Style { arm_type: LINK_TYPE, ..BOTH };

fn refused(code: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request(code, message)
}

/// Both types live in no region (`Global` comes back as `global`).
fn check_global(write: &Write<'_>) -> Result<(), ArmError> {
    let location = write.text("/location").unwrap_or_default();
    if location.eq_ignore_ascii_case("global") {
        return Ok(());
    }
    let message = format!("The location '{location}' is not available for this type: it must be 'global'.");
    Err(refused("LocationNotAvailableForResourceType", message).at("location"))
}

fn fresh_etag(state: &State, write: &Write<'_>) -> String {
    state.uuid(&format!("etag {} {}", state.requests_seen, write.id.folded())).to_string()
}

impl Kind for Zone {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn etags(&self) -> Etags {
        Etags::Checked
    }

    fn check(&self, _: &State, write: &Write<'_>) -> Result<(), ArmError> {
        let labels: Vec<&str> = write.name().split('.').collect();
        let label = |text: &&str| {
            (1..=63).contains(&text.len()) && text.chars().all(|c| alphanumeric_or_hyphen(c) || c == '_')
        };
        if labels.len() < 2 || labels.len() > 34 || !labels.iter().all(label) {
            let message = format!("The domain name '{}' is not a valid zone name.", write.name());
            return Err(refused("BadRequest", message));
        }
        check_global(write)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let etag = fresh_etag(state, write);
        json!({
            "location": "global", "etag": etag, "tags": body::at(write.body, "/tags").cloned().unwrap_or_else(|| json!({})),
            "properties": {
                "internalId": format!("SW1tdXRhYmxlWm9uZUlkZW50aXR5O{}", state.uuid_of("zone", write.id).simple()),
                "maxNumberOfRecordSets": dns_records::MAX_SETS, "maxNumberOfVirtualNetworkLinks": 1000,
                "maxNumberOfVirtualNetworkLinksWithRegistration": 100, "numberOfRecordSets": 1,
                "numberOfVirtualNetworkLinks": 0, "numberOfVirtualNetworkLinksWithRegistration": 0,
            },
        })
    }

    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        Ok(with_tags(existing, sent))
    }

    fn render(&self, state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        let (mut all, mut registering) = (0, 0);
        for link in state.inventory.of_type_within(LINK_TYPE, Some(&stored.id), None) {
            all += 1;
            registering +=
                u32::from(body::truth(&link.body, "/properties/registrationEnabled") == Some(true));
        }
        let sets = dns_records::in_zone(state, &stored.id).count();
        body::set(&mut body, "/properties/numberOfRecordSets", sets);
        body::set(&mut body, "/properties/numberOfVirtualNetworkLinks", all);
        body::set(&mut body, "/properties/numberOfVirtualNetworkLinksWithRegistration", registering);
        body
    }

    fn provisioned(&self, state: &mut State, id: &ResourceId) {
        dns_records::add_soa(state, id);
    }

    fn before_delete(&self, state: &State, stored: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        let link = state.inventory.of_type_within(LINK_TYPE, Some(&stored.id), None).next();
        let Some(link) = link else { return Ok(Afterlife::Purge) };
        let message = format!(
            "Can not delete resource before nested resources are deleted: the zone has the link '{}'.",
            link.id
        );
        Err(ArmError::conflict("CannotDeleteResource", message))
    }
}

impl Kind for Link {
    fn style(&self) -> &'static Style {
        &LINK
    }

    fn etags(&self) -> Etags {
        Etags::Checked
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !word(&write.name().replace('.', "-"), 1, 80) {
            return Err(refused("BadRequest", format!("The link name '{}' is not valid.", write.name())));
        }
        check_global(write)?;
        let network = "/properties/virtualNetwork/id";
        let sent = write.text(network).or_else(|| write.old_text(network)).unwrap_or_default();
        let id: Option<ResourceId> = sent.parse().ok();
        let Some(id) = id.filter(|id| state.get(id).is_some()) else {
            let message = format!("The virtual network '{sent}' was not found.");
            return Err(refused("BadRequest", message).at("virtualNetwork"));
        };
        if write.old_text(network).is_some_and(|old| !old.eq_ignore_ascii_case(id.as_str())) {
            return Err(refused("BadRequest", "The virtual network of a link cannot be changed."));
        }
        let zone = write.id.parent();
        let mut others = state.inventory.of_type_within(LINK_TYPE, zone.as_ref(), None);
        let twice = others.any(|other| {
            other.id != *write.id
                && body::text(&other.body, network).is_some_and(|own| own.eq_ignore_ascii_case(id.as_str()))
        });
        if twice {
            let message = format!("The virtual network '{id}' is linked to the zone already.");
            return Err(ArmError::conflict("Conflict", message));
        }
        Ok(())
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.existing.clone().unwrap_or_else(|| json!({ "properties": {} }));
        for pointer in [
            "/tags",
            "/properties/virtualNetwork",
            "/properties/registrationEnabled",
            "/properties/resolutionPolicy",
        ] {
            if let Some(value) = body::at(write.body, pointer) {
                body::set(&mut filled, pointer, value.clone());
            }
        }
        body::fill(&mut filled, "/tags", json!({}));
        body::fill(&mut filled, "/properties/registrationEnabled", false);
        body::set(&mut filled, "/location", "global");
        body::set(&mut filled, "/etag", fresh_etag(state, write));
        filled
    }

    fn render(&self, _: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        let done = stored.operation.is_none();
        body::set(
            &mut body,
            "/properties/virtualNetworkLinkState",
            if done { "Completed" } else { "InProgress" },
        );
        body
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        Ok(Afterlife::Purge)
    }
}
