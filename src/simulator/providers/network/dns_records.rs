//! The record sets of private DNS zones (Microsoft.Network/privateDnsZones/{type}, 2024-06-01): those
//! that are written, the SOA record that every zone has, and the A records that the DNS zone groups of
//! private endpoints make.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Query, Typed, Write, after, missing_resource, page};
use crate::body;
use crate::http::Reply;
use crate::operation::Afterlife;
use crate::providers::{Etags, Kind, Style};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// The record sets of one record type.
pub(in crate::providers) struct RecordSet {
    style: &'static Style,
    /// Where the records are, in `properties`.
    records: &'static str,
}

const fn style(arm_type: &'static str) -> Style {
    Style { arm_type, first_version: "2018-09-01", ..Style::SYNC }
}

/// A, AAAA, CNAME, MX, PTR, SOA, SRV, TXT.
pub(in crate::providers) const A: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/A"), records: "aRecords" };
pub(in crate::providers) const AAAA: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/AAAA"), records: "aaaaRecords" };
pub(in crate::providers) const CNAME: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/CNAME"), records: "cnameRecord" };
pub(in crate::providers) const MX: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/MX"), records: "mxRecords" };
pub(in crate::providers) const PTR: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/PTR"), records: "ptrRecords" };
pub(in crate::providers) const SOA: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/SOA"), records: "soaRecord" };
pub(in crate::providers) const SRV: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/SRV"), records: "srvRecords" };
pub(in crate::providers) const TXT: RecordSet =
    RecordSet { style: &style("Microsoft.Network/privateDnsZones/TXT"), records: "txtRecords" };

const ALL: [&RecordSet; 8] = [&A, &AAAA, &CNAME, &MX, &PTR, &SOA, &SRV, &TXT];

/// Most record sets in a zone (`maxNumberOfRecordSets`).
pub(in crate::providers) const MAX_SETS: usize = 25_000;

/// The longest time to live, in seconds (swagger: a 32-bit number of RFC 2181).
const MAX_TTL: i64 = 2_147_483_647;

fn refused(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("BadRequest", message)
}

impl Kind for RecordSet {
    fn style(&self) -> &'static Style {
        self.style
    }

    fn etags(&self) -> Etags {
        Etags::Checked
    }

    /// Names come back in lower case.
    fn home(&self, id: ResourceId) -> ResourceId {
        let name = id.name().to_ascii_lowercase();
        match id.parent() {
            Some(zone) => zone.child(self.short(), &name),
            None => id,
        }
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if self.records == SOA.records && write.existing.is_none() {
            return Err(refused("A zone has the one SOA record set '@', which is made with the zone."));
        }
        let label = |text: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_*".contains(c);
            (1..=63).contains(&text.len()) && text.chars().all(allowed)
        };
        if write.name() != "@" && !write.name().split('.').all(label) {
            return Err(refused(format!("The relative record set name '{}' is not valid.", write.name())));
        }
        let ttl = body::at(write.body, "/properties/ttl");
        if !ttl.and_then(Value::as_i64).is_some_and(|ttl| (1..=MAX_TTL).contains(&ttl)) {
            return Err(refused("The property 'ttl' must be a number of seconds from 1 on.").at("ttl"));
        }
        if body::at(write.body, &format!("/properties/{}", self.records)).is_none() {
            let message = format!("The property '{}' is required for records of this type.", self.records);
            return Err(refused(message).at(self.records));
        }
        match write.id.parent().filter(|_| write.existing.is_none()) {
            Some(zone) if in_zone(state, &zone).count() >= MAX_SETS => {
                Err(refused(format!("A zone has at most {MAX_SETS} record sets.")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let zone = write.id.parent().map(|zone| zone.name().to_owned()).unwrap_or_default();
        let fqdn = if write.name() == "@" { format!("{zone}.") } else { format!("{}.{zone}.", write.name()) };
        let mut filled = json!({ "properties": { "fqdn": fqdn, "isAutoRegistered": false } });
        for name in ["ttl", "metadata", self.records] {
            let pointer = format!("/properties/{name}");
            if let Some(value) = body::at(write.body, &pointer) {
                body::set(&mut filled, &pointer, value.clone());
            }
        }
        let etag = state.uuid(&format!("etag {} {}", state.requests_seen, write.id.folded()));
        body::set(&mut filled, "/etag", etag.to_string());
        filled
    }

    fn before_delete(&self, _: &State, _: &Stored, _: &Query) -> Result<Afterlife, ArmError> {
        if self.records == SOA.records {
            return Err(refused("The SOA record set of a zone cannot be deleted."));
        }
        Ok(Afterlife::Purge)
    }

    fn is_listed(&self, stored: &Stored, query: &Query) -> bool {
        has_suffix(stored, query)
    }
}

impl RecordSet {
    fn short(&self) -> &'static str {
        self.style.arm_type.rsplit('/').next().unwrap_or_default()
    }
}

/// `$recordsetnamesuffix` (RecordSets_List).
fn has_suffix(stored: &Stored, query: &Query) -> bool {
    let suffix = query.get("$recordsetnamesuffix").map(str::to_ascii_lowercase);
    suffix.is_none_or(|suffix| stored.id.name().to_ascii_lowercase().ends_with(&suffix))
}

/// The record sets of a zone, in the order of their ids.
pub(in crate::providers) fn in_zone<'a>(
    state: &'a State,
    zone: &ResourceId,
) -> impl Iterator<Item = &'a Stored> + use<'a> {
    state.below(zone).filter(|below| {
        let own = below.id.arm_type();
        ALL.iter().any(|set| set.style.arm_type.eq_ignore_ascii_case(&own))
    })
}

/// The list of all record sets of a zone, whatever their type.
pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let ("GET", ["privatednszones", _, "all"]) = (call.method.as_str(), tail) else { return None };
    Some(typed.id_of(2).and_then(|zone| {
        if state.get(&zone).is_none() {
            return Err(missing_resource(&zone));
        }
        let inside = state.inventory.prefixed(format!("{}/", zone.folded()), after(call).as_deref());
        let sets = inside.filter(|stored| {
            let own = stored.id.arm_type();
            ALL.iter().any(|set| set.style.arm_type.eq_ignore_ascii_case(&own))
                && has_suffix(stored, &call.query)
        });
        Ok(page(state, call, sets))
    }))
}

/// Every zone has its SOA record (azure-docs dns/private-dns-privatednszone).
pub(in crate::providers) fn add_soa(state: &mut State, zone: &ResourceId) {
    let id = zone.child("SOA", "@");
    if state.get(&id).is_some() {
        return;
    }
    let soa = json!({
        "email": "azureprivatedns-host.microsoft.com", "expireTime": 2_419_200, "host": "azureprivatedns.net",
        "minimumTtl": 10, "refreshTime": 3600, "retryTime": 300, "serialNumber": 1,
    });
    keep(state, &id, &SOA, json!({ "ttl": 3600, "soaRecord": soa }));
}

fn keep(state: &mut State, id: &ResourceId, set: &RecordSet, properties: Value) {
    let zone = id.parent().map(|zone| zone.name().to_owned()).unwrap_or_default();
    let fqdn = if id.name() == "@" { format!("{zone}.") } else { format!("{}.{zone}.", id.name()) };
    let etag = state.uuid(&format!("etag {} {}", state.requests_seen, id.folded())).to_string();
    let mut body = json!({
        "id": id.as_str(), "name": id.name(), "type": set.style.arm_type, "etag": etag, "properties": properties,
    });
    body::set(&mut body, "/properties/fqdn", fqdn);
    body::set(&mut body, "/properties/isAutoRegistered", false);
    state.store(id, body);
}

/// The A record sets that a DNS zone group names appear in their zones.
pub(in crate::providers) fn publish(state: &mut State, group: &Value, endpoint: &str) {
    for (id, record) in records_of(state, group) {
        let addresses = body::items(&record, "/ipAddresses").iter();
        let addresses: Vec<Value> = addresses.map(|address| json!({ "ipv4Address": address })).collect();
        let properties = json!({
            "ttl": record["ttl"], "aRecords": addresses,
            "metadata": { "creator": format!("created by private endpoint {endpoint}") },
        });
        keep(state, &id, &A, properties);
    }
}

/// They go with the group that made them.
pub(in crate::providers) fn withdraw(state: &mut State, group: &Value) {
    for (id, _) in records_of(state, group) {
        state.take(&id);
    }
}

fn records_of(state: &State, group: &Value) -> Vec<(ResourceId, Value)> {
    let mut found = Vec::new();
    for config in body::items(group, "/properties/privateDnsZoneConfigs") {
        let zone = body::text(config, "/properties/privateDnsZoneId").and_then(|id| id.parse().ok());
        let Some(zone) = zone.and_then(|id| state.get(&id)).map(|zone| zone.id.clone()) else { continue };
        for record in body::items(config, "/properties/recordSets") {
            let name = body::text(record, "/recordSetName").unwrap_or_default().to_ascii_lowercase();
            found.push((zone.child("A", &name), record.clone()));
        }
    }
    found
}
