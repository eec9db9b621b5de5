//! `subnets` of a network: `Microsoft.Network/virtualNetworks/subnets`.
//!
//! A subnet has no request of its own: its network's write carries it, as an element of the network's
//! body (see [`super::virtual_network`]). What this file calls the observed subnet is that element.

use serde_json::{Map, Value, json};

use super::address::Kind;
use super::behaviour::{Behaviour, Carried, Lock};
use super::body;
use super::contract::{
    Carrier, Context, InnerChange, InnerFate, Listing, Located, NameScope, Protection, ResourceType, Spec,
    Update, Write,
};
use super::difference::Effect;
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::name_rule;
use super::normalise::Prefix;
use super::pointer;
use super::prefixes;
use super::resource::{Resource, Resources};
use super::virtual_network::{has_name_ends, is_name_char};

/// `Microsoft.Network/virtualNetworks/subnets`
pub struct Subnet;

static SPEC: Spec = Spec {
    kind: Kind::Subnet,
    key: "subnets",
    noun: "subnet",
    arm_type: "Microsoft.Network/virtualNetworks/subnets",
    api_version: ApiVersion("2025-07-01"),
    doc: "A subnet. A security group, route table or NAT gateway that somebody attached to it is kept. It has no \
          tags; the network's tags say that it is ours.",
    parent: Some(Kind::VirtualNetwork),
    segment: "subnets",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Network,
    protection: Protection::Protected,
    listing: Listing::InParentBody("/properties/subnets"),
    located: Located::No,
    read_only: &["/properties/ipConfigurations"],
    timeout_secs: 30 * 60,
    behaviour: Behaviour {
        written_inside: true,
        carried: Carried::Always,
        lock: Lock::Outer,
        ..Behaviour::USUAL
    },
};

static FIELDS: [Field; 6] = [
    Field {
        name: "address_prefixes",
        doc: "The address ranges of the subnet, within those of its network.",
        shape: Shape::Prefixes,
        absent: WhenAbsent::Refused,
        arm: Arm::By { write: write_prefixes, read: read_prefixes },
        change: Change::InPlace,
    },
    Field {
        name: "service_endpoints",
        doc: "Services that are reached from the subnet directly, such as `Microsoft.Storage`.",
        shape: Shape::Set { max: 50 },
        absent: WhenAbsent::Nothing,
        arm: Arm::By { write: write_endpoints, read: read_endpoints },
        change: Change::InPlace,
    },
    Field {
        name: "private_endpoint_network_policies",
        doc: "Whether security groups and route tables hold for private endpoints in the subnet.",
        shape: Shape::Choice(&["Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"]),
        absent: WhenAbsent::Default(Literal::Text("Disabled")),
        arm: Arm::At("/properties/privateEndpointNetworkPolicies"),
        change: Change::InPlace,
    },
    Field {
        name: "private_link_service_network_policies_enabled",
        doc: "Whether network policies hold for private link services in the subnet.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/privateLinkServiceNetworkPolicies"),
        change: Change::InPlace,
    },
    Field {
        // Always written: versions of the network API after 2026-03-31 make new subnets private.
        name: "default_outbound_access_enabled",
        doc: "Whether machines without a public address or NAT reach the internet.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::At("/properties/defaultOutboundAccess"),
        change: Change::InPlace,
    },
    Field {
        name: "delegations",
        doc: "The services that may put their resources into the subnet, such as \
              `Microsoft.MachineLearningServices/workspaces`.",
        shape: Shape::Set { max: 10 },
        absent: WhenAbsent::Nothing,
        arm: Arm::By { write: write_delegations, read: read_delegations },
        change: Change::InPlace,
    },
];

const PREFIX: &str = "/properties/addressPrefix";
const PREFIXES: &str = "/properties/addressPrefixes";
const ENDPOINTS: &str = "/properties/serviceEndpoints";
const DELEGATIONS: &str = "/properties/delegations";

/// The smallest subnets of each family: Azure keeps five IPv4 addresses for itself, and IPv6 subnets
/// have one size (Azure Virtual Network FAQ).
const MAX_BITS_V4: u8 = 29;
const BITS_V6: u8 = 64;

/// Everything that a definition owns of a subnet, to lay over its element of the network or to make a
/// new one: a merge patch, in which `null` removes.
#[must_use]
pub fn element(resource: &Resource, context: &Context<'_>) -> Value {
    let mut owned =
        json!({ "properties": { "addressPrefix": null, "serviceEndpoints": null, "delegations": null } });
    let declared = body::of(&SPEC, resource, context);
    for at in pointer::leaves(&declared).into_iter().filter(|at| !at.is_empty()) {
        let value = pointer::get(&declared, &at).cloned().unwrap_or_default();
        pointer::put(&mut owned, &at, value);
    }
    owned
}

impl ResourceType for Subnet {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            |name| name_rule::is_made_of(name, 1, 80, is_name_char) && has_name_ends(name),
            "a subnet's name has 1 to 80 letters, digits, `_`, `.` and `-`, begins with a letter or digit and ends \
             with one or with `_`",
        );
        let mut findings: Vec<Finding> = name.into_iter().collect();
        findings.extend(prefixes::check(resource, FIELD));
        findings.extend(check_sizes(resource));
        findings.extend(check_network(resource, all));
        findings.extend(check_siblings(resource, all));
        findings
    }

    /// None: the network's write carries the subnet.
    fn update(&self, _update: Update<'_>, _context: &Context<'_>) -> Vec<Write> {
        Vec::new()
    }

    /// Its network says whose it is.
    fn release(&self, _observed: &Value) -> Result<Vec<Write>, String> {
        Ok(Vec::new())
    }

    /// All of it where Azure has none, else exactly the properties that differ.
    fn inner_change(
        &self,
        resource: &Resource,
        observed: Option<&Value>,
        context: &Context<'_>,
    ) -> Option<InnerChange> {
        let owned = element(resource, context);
        let element = match observed {
            None => owned,
            Some(observed) => {
                let mut properties = Map::new();
                for difference in self.differences(resource, observed, context) {
                    let is_prefix = difference.field == "address_prefixes";
                    let places = body::pointers(&SPEC, resource, &difference, context);
                    for at in places.into_iter().chain(is_prefix.then(|| PREFIX.to_owned())) {
                        let key = at.rsplit('/').next().unwrap_or_default().to_owned();
                        properties.insert(key, pointer::get(&owned, &at).cloned().unwrap_or_default());
                    }
                }
                json!({ "properties": properties })
            }
        };
        Some(InnerChange { azure_name: resource.name.clone(), fate: InnerFate::Written(element) })
    }

    fn effect(&self, resource: &Resource, path: &str, before: &Value, after: &Value) -> Effect {
        body::effect_by_table(&SPEC, resource, path, before, after)
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id")]
    }
}

const FIELD: &str = "address_prefixes";

fn check_sizes(resource: &Resource) -> Vec<Finding> {
    let fits = |prefix: &Prefix| {
        if prefix.address.is_ipv4() { prefix.bits <= MAX_BITS_V4 } else { prefix.bits == BITS_V6 }
    };
    let wrong = prefixes::of(resource, FIELD).into_iter().filter(|prefix| !fits(prefix));
    let finding = |prefix| {
        Finding::error(
            "subnet-size",
            FIELD,
            &format!("{prefix} cannot be a subnet"),
            &format!("an IPv4 subnet is /{MAX_BITS_V4} or larger, an IPv6 subnet is exactly /{BITS_V6}"),
            "write a range of that size",
        )
    };
    wrong.map(finding).collect()
}

/// Whether the network, where it is declared here, has room for the subnet and may be written.
fn check_network(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let network = resource.address.outer().and_then(|address| all.get(&address));
    let Some(network) = network.filter(|_| resource.is_managed()) else { return Vec::new() };
    if !network.is_managed() {
        return vec![Finding::error(
            "subnet-of-existing-network",
            "",
            "the subnet is to be written, and its network is `existing: true`",
            "a subnet is written through its network, and an existing network is never written",
            "write `existing: true` on the subnet too, or drop it from the network",
        )];
    }
    let space = prefixes::of(network, "address_space");
    let outside = prefixes::of(resource, FIELD)
        .into_iter()
        .filter(|prefix| !space.is_empty() && !space.iter().any(|range| range.contains(*prefix)));
    let finding = |prefix| {
        Finding::error(
            "subnet-outside-network",
            FIELD,
            &format!("{prefix} is not within the address space of {}", network.address.local()),
            "a subnet's addresses are some of its network's",
            "choose a range within `address_space`, or add one there",
        )
    };
    outside.map(finding).collect()
}

/// Overlaps and equal names, reported on the later of two subnets.
fn check_siblings(resource: &Resource, all: &Resources) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = prefixes::of(resource, FIELD);
    let siblings = all.values().filter(|other| {
        other.address.kind() == Kind::Subnet
            && other.address.outer() == resource.address.outer()
            && other.address < resource.address
    });
    for sibling in siblings {
        if sibling.name.eq_ignore_ascii_case(&resource.name) {
            findings.push(Finding::error(
                "subnet-name-taken",
                "name",
                &format!("`{}` is also the name of {}", resource.name, sibling.address.local()),
                "the subnets of a network have different names",
                "give one of the two another `name`",
            ));
        }
        let others = prefixes::of(sibling, FIELD);
        let pairs = own.iter().flat_map(|one| others.iter().map(move |other| (one, other)));
        for (one, other) in pairs.filter(|(one, other)| one.overlaps(**other)) {
            findings.push(Finding::error(
                "subnets-overlap",
                FIELD,
                &format!("{one} overlaps {other} of {}", sibling.address.local()),
                "the subnets of a network have no address in common",
                "make one of them smaller, or move it",
            ));
        }
    }
    findings
}

fn write_prefixes(value: &Value, body: &mut Value) {
    pointer::put(body, PREFIXES, value.clone());
}

/// Azure may answer with a single prefix where a list of one was sent.
fn read_prefixes(body: &Value) -> Option<Value> {
    let list =
        pointer::get(body, PREFIXES).filter(|list| list.as_array().is_some_and(|list| !list.is_empty()));
    list.cloned().or_else(|| Some(json!([pointer::get(body, PREFIX)?.as_str()?])))
}

fn write_endpoints(value: &Value, body: &mut Value) {
    let endpoints = value.as_array().into_iter().flatten().map(|service| json!({ "service": service }));
    pointer::put(body, ENDPOINTS, endpoints.collect());
}

fn read_endpoints(body: &Value) -> Option<Value> {
    let endpoints = pointer::get(body, ENDPOINTS)?.as_array()?;
    Some(endpoints.iter().filter_map(|endpoint| endpoint.get("service").cloned()).collect())
}

/// A delegation has a name of its own, which nobody asks for: the service's, with its slash replaced.
fn write_delegations(value: &Value, body: &mut Value) {
    let services = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    let delegations = services.map(
        |service| json!({ "name": service.replace('/', "."), "properties": { "serviceName": service } }),
    );
    pointer::put(body, DELEGATIONS, delegations.collect());
}

fn read_delegations(body: &Value) -> Option<Value> {
    let delegations = pointer::get(body, DELEGATIONS)?.as_array()?;
    let service = |delegation| pointer::get(delegation, "/properties/serviceName").cloned();
    Some(delegations.iter().filter_map(service).collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{GROUP, World};
    use super::super::resource::Presence;
    use super::*;

    const NETWORK: &str = "virtual_networks/main";
    const LOCAL: &str = "virtual_networks/main/subnets/compute";

    fn world() -> World {
        let mut world = World::new();
        world.declare(
            NETWORK,
            "vnet-ml-production",
            json!({ "address_space": ["10.1.0.0/16", "fd00::/48"] }),
        );
        world.declare(LOCAL, "snet-ml-compute", json!({ "address_prefixes": ["10.1.1.0/24"] }));
        world
    }

    fn observed() -> Value {
        json!({
            "name": "snet-ml-compute", "id": "x", "etag": "W/\"1\"",
            "properties": {
                "provisioningState": "Succeeded", "addressPrefix": "10.1.1.0/24", "delegations": [],
                "serviceEndpoints": [], "networkSecurityGroup": { "id": "nsg" },
                "privateEndpointNetworkPolicies": "disabled", "privateLinkServiceNetworkPolicies": "Enabled",
                "defaultOutboundAccess": true
            }
        })
    }

    fn properties(world: &World, observed: Option<&Value>) -> Value {
        let address = format!("production/{LOCAL}").parse().unwrap();
        let change = Subnet.inner_change(&world.resources[&address], observed, &world.context()).unwrap();
        assert_eq!(change.azure_name, "snet-ml-compute");
        let InnerFate::Written(element) = change.fate else { panic!("{change:#?}") };
        element["properties"].clone()
    }

    #[test]
    fn the_id_lies_within_the_network() {
        let address = format!("production/{LOCAL}").parse().unwrap();
        assert_eq!(
            world().context().id_of(&address).unwrap().as_str(),
            format!(
                "{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-ml-production/subnets/snet-ml-compute"
            )
        );
    }

    #[test]
    fn a_new_subnet_says_everything_that_is_owned() {
        let mut world = world();
        world.write(LOCAL, "service_endpoints", json!(["Microsoft.Storage"]));
        world.write(LOCAL, "delegations", json!(["Microsoft.MachineLearningServices/workspaces"]));
        assert_eq!(
            properties(&world, None),
            json!({
                "addressPrefix": null,
                "addressPrefixes": ["10.1.1.0/24"],
                "serviceEndpoints": [{ "service": "Microsoft.Storage" }],
                "privateEndpointNetworkPolicies": "Disabled",
                "privateLinkServiceNetworkPolicies": "Enabled",
                "defaultOutboundAccess": true,
                "delegations": [{
                    "name": "Microsoft.MachineLearningServices.workspaces",
                    "properties": { "serviceName": "Microsoft.MachineLearningServices/workspaces" }
                }]
            })
        );
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(world().differences(LOCAL, &observed()), []);
        assert_eq!(properties(&world(), Some(&observed())), json!({}));
    }

    #[test]
    fn every_field_in_place_changes_its_own_properties_only() {
        for (field, value, changed) in [
            (
                "address_prefixes",
                json!(["10.1.4.0/24"]),
                json!({ "addressPrefix": null, "addressPrefixes": ["10.1.4.0/24"] }),
            ),
            (
                "service_endpoints",
                json!(["Microsoft.KeyVault"]),
                json!({ "serviceEndpoints": [{ "service": "Microsoft.KeyVault" }] }),
            ),
            (
                "private_endpoint_network_policies",
                json!("Enabled"),
                json!({ "privateEndpointNetworkPolicies": "Enabled" }),
            ),
            (
                "private_link_service_network_policies_enabled",
                json!(false),
                json!({ "privateLinkServiceNetworkPolicies": "Disabled" }),
            ),
            ("default_outbound_access_enabled", json!(false), json!({ "defaultOutboundAccess": false })),
            (
                "delegations",
                json!(["A.B/c"]),
                json!({ "delegations": [{ "name": "A.B.c", "properties": { "serviceName": "A.B/c" } }] }),
            ),
        ] {
            let mut world = world();
            world.write(LOCAL, field, value);
            assert_eq!(world.difference(LOCAL, &observed()), (field.to_owned(), Effect::InPlace));
            assert_eq!(properties(&world, Some(&observed())), changed, "{field}");
        }
    }

    #[test]
    fn endpoints_that_are_no_longer_declared_go() {
        let mut observed = observed();
        observed["properties"]["serviceEndpoints"] = json!([{ "service": "Microsoft.Storage", "locations": ["eastus"], "provisioningState": "Succeeded" }]);
        assert_eq!(properties(&world(), Some(&observed)), json!({ "serviceEndpoints": null }));
    }

    #[test]
    fn addresses_that_azure_refuses_are_found() {
        for (prefixes, codes) in [
            (json!(["10.2.1.0/24"]), vec!["subnet-outside-network"]),
            (json!(["10.1.1.0/30"]), vec!["subnet-size"]),
            (json!(["10.1.1.7/24"]), vec!["invalid-prefix"]),
            (json!(["10.1.1.0/24", "fd00::/64"]), vec![]),
            (json!(["10.1.1.0/24", "fd00::/65"]), vec!["subnet-size"]),
        ] {
            let mut world = world();
            world.write(LOCAL, FIELD, prefixes.clone());
            assert_eq!(world.codes(LOCAL), codes, "{prefixes}");
        }
    }

    #[test]
    fn overlaps_are_reported_once() {
        let mut world = world();
        let other = "virtual_networks/main/subnets/wide";
        world.declare(other, "SNET-ml-compute", json!({ "address_prefixes": ["10.1.0.0/20"] }));
        assert_eq!(world.codes(LOCAL), [""; 0]);
        assert_eq!(world.codes(other), ["subnet-name-taken", "subnets-overlap"]);
    }

    #[test]
    fn a_network_that_is_never_written_takes_no_subnet() {
        let mut world = world();
        world.get(NETWORK).presence = Presence::Existing(None);
        assert_eq!(world.codes(LOCAL), ["subnet-of-existing-network"]);
        world.get(LOCAL).presence = Presence::Existing(None);
        assert_eq!(world.codes(LOCAL), [""; 0]);
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["s", "snet-ml.compute_1_"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        assert_eq!(world().accepted(LOCAL, &["", "-s", "s.", "s/t", &"x".repeat(81)]), [""; 0]);
    }
}
