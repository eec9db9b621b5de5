//! `virtual_networks`: `Microsoft.Network/virtualNetworks`, and the only way to write its subnets.
//!
//! Azure refuses parallel writes to one network, and a PUT of a network deletes the subnets that it
//! does not name. Therefore subnets are written through their network, in one request that starts from
//! a fresh read: declared ones change, the others and every unknown property survive. The network's
//! tags also carry the marks of its subnets, which have none.

use serde_json::{Value, json};

use super::address::Kind;
use super::behaviour::{Behaviour, Lock};
use super::body;
use super::contract::{
    Carrier, Context, InnerFate, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::difference::{Difference, Effect, difference_of};
use super::field::{Arm, Change, Field, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::mark::SUBNET_KEY_PREFIX;
use super::merge::{self, Merge};
use super::name_rule;
use super::pointer;
use super::prefixes;
use super::resource::{Resource, Resources};
use super::subnet;
use super::tags;

/// `Microsoft.Network/virtualNetworks`
pub struct VirtualNetwork;

static SPEC: Spec = Spec {
    kind: Kind::VirtualNetwork,
    key: "virtual_networks",
    noun: "virtual network",
    arm_type: "Microsoft.Network/virtualNetworks",
    api_version: ApiVersion("2025-07-01"),
    doc: "A virtual network with its subnets. Subnets, peerings and settings that the definition does not name \
          are kept.",
    parent: Some(Kind::ResourceGroup),
    segment: "",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::InGroup,
    located: Located::Yes,
    read_only: &[
        "/properties/resourceGuid",
        "/properties/subnets/*/etag",
        "/properties/subnets/*/type",
        "/properties/subnets/*/properties/provisioningState",
        "/properties/subnets/*/properties/ipConfigurations",
        "/properties/subnets/*/properties/serviceEndpoints/*/provisioningState",
        "/properties/subnets/*/properties/delegations/*/etag",
        "/properties/subnets/*/properties/delegations/*/type",
        "/properties/subnets/*/properties/delegations/*/properties/actions",
        "/properties/subnets/*/properties/delegations/*/properties/provisioningState",
    ],
    timeout_secs: 30 * 60,
    // Writes in one network are serialised (`facts.md` 9).
    behaviour: Behaviour { lock: Lock::Own, ..Behaviour::USUAL },
};

static FIELDS: [Field; 2] = [
    Field {
        name: "address_space",
        doc: "The address ranges of the network, such as `10.1.0.0/16`.",
        shape: Shape::Prefixes,
        absent: WhenAbsent::Refused,
        arm: Arm::At(ADDRESS_SPACE),
        change: Change::InPlace,
    },
    Field {
        name: "dns_servers",
        doc: "The addresses of the network's own DNS servers; left out, Azure's are used.",
        shape: Shape::Set { max: 20 },
        absent: WhenAbsent::Nothing,
        arm: Arm::At("/properties/dhcpOptions/dnsServers"),
        change: Change::InPlace,
    },
];

const ADDRESS_SPACE: &str = "/properties/addressSpace/addressPrefixes";
const SUBNETS: &str = "/properties/subnets";

/// How the field of a [`Difference`] begins that concerns the mark of a subnet.
const MARK_FIELD: &str = "subnets.";

/// The merge that brings the network's own differences (there may be none) and those of its subnets
/// to Azure in one write. Marks follow: a subnet that stays declared gets its mark, a removed one
/// loses it.
fn merge_with_subnets(update: Update<'_>, context: &Context<'_>) -> Merge {
    let mut merge = body::merge(&VirtualNetwork, update, context);
    for difference in update.differences {
        let Some(short_name) = difference.field.strip_prefix(MARK_FIELD) else { continue };
        for (azure_name, mark) in [(&difference.before, None), (&difference.after, Some(short_name))] {
            if let Some(azure_name) = azure_name.as_str() {
                merge.own(mark_pointer(azure_name), update.observed, mark.map(Value::from));
            }
        }
    }
    let declared = declared(update.resource, context);
    for change in update.inner {
        let name = change.azure_name.as_str();
        let mark = declared.iter().find(|subnet| subnet.name.eq_ignore_ascii_case(name));
        let mark = mark.map(|subnet| Value::from(subnet.address.name()));
        let (mark, element) = match &change.fate {
            InnerFate::Written(element) => (mark, Some(Some(element))),
            InnerFate::Removed => (None, Some(None)),
            InnerFate::Released => (None, None),
        };
        merge.own(mark_pointer(name), update.observed, mark);
        if let Some(element) = element {
            merge.own_element(SUBNETS, name, update.observed, element);
        }
    }
    merge
}

/// The subnets that a network says are ours: name in Azure and short name. One that no definition
/// declares is an orphan.
fn subnet_marks(observed: &Value) -> Vec<(String, String)> {
    let tags = pointer::get(observed, "/tags").and_then(Value::as_object);
    let mark = |(name, value): (&String, &Value)| {
        let (head, azure_name) = name.split_at_checked(SUBNET_KEY_PREFIX.len())?;
        let is_mark = head.eq_ignore_ascii_case(SUBNET_KEY_PREFIX) && !azure_name.is_empty();
        is_mark.then(|| Some((azure_name.to_owned(), value.as_str()?.to_owned())))?
    };
    tags.into_iter().flatten().filter_map(mark).collect()
}

/// The element of an observed network that is the subnet of this name.
#[must_use]
pub fn subnet_element<'a>(observed: &'a Value, azure_name: &str) -> Option<&'a Value> {
    let elements = pointer::get(observed, SUBNETS)?.as_array()?;
    let name = |element: &Value| element.get("name").and_then(Value::as_str).map(str::to_ascii_lowercase);
    elements.iter().find(|element| name(element) == Some(azure_name.to_ascii_lowercase()))
}

impl ResourceType for VirtualNetwork {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            |name| name_rule::is_made_of(name, 2, 64, is_name_char) && has_name_ends(name),
            "a network's name has 2 to 64 letters, digits, `_`, `.` and `-`, begins with a letter or digit and ends \
             with one or with `_`",
        );
        let subnets = subnets_of(resource, all).len();
        let mut findings: Vec<Finding> = name.into_iter().collect();
        findings.extend(tags::check(resource, tags::MARKS + subnets, None));
        findings.extend(prefixes::check(resource, "address_space"));
        findings.extend(check_dns(resource));
        findings
    }

    /// The body that makes the network together with its subnets and their marks.
    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        let mut body = body::of(&SPEC, resource, context);
        let mut elements = Vec::new();
        for subnet in declared(resource, context) {
            let mark = Value::from(subnet.address.name());
            pointer::put(&mut body, &mark_pointer(&subnet.name), mark);
            let named = json!({ "name": subnet.name });
            elements.push(merge::laid_over(named, &subnet::element(subnet, context)));
        }
        pointer::put(&mut body, SUBNETS, Value::from(elements));
        body
    }

    /// The network's own fields, and marks of subnets that are missing or left over. What differs
    /// within a subnet is the subnet's to say.
    fn differences(&self, resource: &Resource, observed: &Value, context: &Context<'_>) -> Vec<Difference> {
        let mut differences = difference_of(self, resource, observed, context);
        let marks = subnet_marks(observed);
        let declared = declared(resource, context);
        let change = |short_name: &str, before: Value, after: Value| {
            let field = format!("{MARK_FIELD}{short_name}");
            Difference { field, before, after, effect: Effect::InPlace }
        };
        for subnet in &declared {
            let short_name = subnet.address.name();
            let is_marked = marks.iter().any(|(azure_name, mark)| {
                azure_name.eq_ignore_ascii_case(&subnet.name) && mark == short_name
            });
            if !is_marked {
                differences.push(change(short_name, Value::Null, Value::from(subnet.name.as_str())));
            }
        }
        for (azure_name, short_name) in &marks {
            let is_declared = declared.iter().any(|subnet| subnet.name.eq_ignore_ascii_case(azure_name));
            if !is_declared && subnet_element(observed, azure_name).is_none() {
                differences.push(change(short_name, Value::from(azure_name.as_str()), Value::Null));
            }
        }
        differences
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        vec![Write::Merged(merge_with_subnets(update, context))]
    }

    fn inner_marks(&self, observed: &Value) -> Vec<(String, String)> {
        subnet_marks(observed)
    }

    /// Never whole: that would delete every subnet which the definition does not name.
    fn rewrite(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        self.update(update, context)
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id")]
    }
}

/// The subnets that are written through `network`, in the order of their short names.
fn declared<'a>(network: &Resource, context: &Context<'a>) -> Vec<&'a Resource> {
    subnets_of(network, context.resources)
}

fn subnets_of<'a>(network: &Resource, all: &'a Resources) -> Vec<&'a Resource> {
    let is_inside = |subnet: &&Resource| {
        subnet.address.kind() == Kind::Subnet
            && subnet.is_managed()
            && subnet.address.outer().as_ref() == Some(&network.address)
    };
    all.values().filter(is_inside).collect()
}

fn mark_pointer(azure_name: &str) -> String {
    format!("/tags/{}", pointer::escape(&format!("{SUBNET_KEY_PREFIX}{azure_name}")))
}

/// The characters of names in Microsoft.Network.
pub(crate) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.-".contains(c)
}

/// What names in Microsoft.Network begin and end with.
pub(crate) fn has_name_ends(name: &str) -> bool {
    name_rule::has_ends(name, |c| c.is_ascii_alphanumeric(), |c| c.is_ascii_alphanumeric() || c == '_')
}

fn check_dns(resource: &Resource) -> Vec<Finding> {
    let servers = resource.field("dns_servers").and_then(Value::as_array);
    let texts = servers.into_iter().flatten().filter_map(Value::as_str);
    let wrong = texts.filter(|text| text.parse::<std::net::IpAddr>().is_err());
    let finding = |text| {
        Finding::error(
            "dns-server",
            "dns_servers",
            &format!("`{text}` is not an IP address"),
            "a network's DNS servers are given by their addresses",
            "write the server's address",
        )
    };
    wrong.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::super::contract::InnerChange;
    use super::super::fixture::{GROUP, World};
    use super::*;

    const LOCAL: &str = "virtual_networks/main";
    const COMPUTE: &str = "virtual_networks/main/subnets/compute";

    fn world() -> World {
        let mut world = World::new();
        world.declare(LOCAL, "vnet-ml-production", json!({ "address_space": ["10.1.0.0/16"] }));
        world.declare(COMPUTE, "snet-ml-compute", json!({ "address_prefixes": ["10.1.1.0/24"] }));
        let prefixes = json!({ "address_prefixes": ["10.1.2.0/24"] });
        world.declare(
            "virtual_networks/main/subnets/private_endpoints",
            "snet-ml-private-endpoints",
            prefixes,
        );
        world
    }

    fn id() -> String {
        format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/vnet-ml-production")
    }

    fn observed() -> Value {
        json!({
            "id": id(), "name": "vnet-ml-production", "type": "Microsoft.Network/virtualNetworks",
            "location": "eastus", "etag": "W/\"1\"",
            "tags": {
                "environment": "production", "team": "data-science",
                "beamline": "acme/production", "beamline-address": "virtual_networks/main", "beamline-id": "bbb830c81ac3563b",
                "Beamline-subnet.SNET-ml-compute": "compute",
                "beamline-subnet.snet-ml-private-endpoints": "private_endpoints"
            },
            "properties": {
                "provisioningState": "Succeeded", "resourceGuid": "g", "enableDdosProtection": false,
                "addressSpace": { "addressPrefixes": ["10.1.0.0/16"] },
                "dhcpOptions": { "dnsServers": [] },
                "virtualNetworkPeerings": [{ "id": "peering" }],
                "subnets": [
                    {
                        "name": "SNET-ml-compute", "id": format!("{}/subnets/snet-ml-compute", id()), "etag": "W/\"1\"",
                        "type": "Microsoft.Network/virtualNetworks/subnets",
                        "properties": {
                            "provisioningState": "Succeeded", "addressPrefix": "10.1.1.0/24",
                            "ipConfigurations": [{ "id": "nic" }],
                            "networkSecurityGroup": { "id": "nsg" }, "serviceEndpoints": [], "delegations": [],
                            "privateEndpointNetworkPolicies": "Disabled",
                            "privateLinkServiceNetworkPolicies": "Enabled", "defaultOutboundAccess": true
                        }
                    },
                    {
                        "name": "snet-ml-private-endpoints",
                        "properties": {
                            "addressPrefixes": ["10.1.2.0/24"], "privateEndpointNetworkPolicies": "Disabled",
                            "privateLinkServiceNetworkPolicies": "Enabled", "defaultOutboundAccess": true
                        }
                    },
                    { "name": "theirs", "properties": { "addressPrefix": "10.1.9.0/24", "routeTable": { "id": "rt" } } }
                ]
            }
        })
    }

    /// The PUT body for the present definition with these changes of subnets.
    fn put(world: &World, observed: &Value, changes: &[InnerChange]) -> Value {
        let address: Address = format!("production/{LOCAL}").parse().unwrap();
        let differences = world.differences(LOCAL, observed);
        let update = Update {
            resource: &world.resources[&address],
            observed,
            differences: &differences,
            inner: changes,
        };
        merge_with_subnets(update, &world.context()).apply(observed).unwrap()
    }

    fn stripped(mut body: Value) -> Value {
        let gone = ["/id", "/name", "/type", "/etag", "/properties/provisioningState"];
        gone.iter().chain(SPEC.read_only).for_each(|gone| pointer::remove(&mut body, gone));
        body
    }

    #[test]
    fn the_body_makes_the_network_with_its_subnets() {
        let element = |name: &str, prefix: &str| {
            json!({
                "name": name,
                "properties": {
                    "addressPrefixes": [prefix],
                    "privateEndpointNetworkPolicies": "Disabled",
                    "privateLinkServiceNetworkPolicies": "Enabled",
                    "defaultOutboundAccess": true
                }
            })
        };
        assert_eq!(
            world().body(LOCAL),
            json!({
                "location": "eastus",
                "tags": {
                    "environment": "production", "team": "data-science",
                    "beamline": "acme/production", "beamline-address": "virtual_networks/main", "beamline-id": "bbb830c81ac3563b",
                    "beamline-subnet.snet-ml-compute": "compute",
                    "beamline-subnet.snet-ml-private-endpoints": "private_endpoints"
                },
                "properties": {
                    "addressSpace": { "addressPrefixes": ["10.1.0.0/16"] },
                    "subnets": [
                        element("snet-ml-compute", "10.1.1.0/24"),
                        element("snet-ml-private-endpoints", "10.1.2.0/24")
                    ]
                }
            })
        );
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(world().differences(LOCAL, &observed()), []);
    }

    #[test]
    fn own_fields_change_and_everything_else_survives() {
        let mut world = world();
        world.write(LOCAL, "address_space", json!(["10.1.0.0/16", "10.2.0.0/16"]));
        world.write(LOCAL, "dns_servers", json!(["10.1.0.4"]));
        let mut expected = stripped(observed());
        pointer::put(&mut expected, ADDRESS_SPACE, json!(["10.1.0.0/16", "10.2.0.0/16"]));
        pointer::put(&mut expected, "/properties/dhcpOptions/dnsServers", json!(["10.1.0.4"]));
        assert_eq!(world.put(LOCAL, &observed()), expected);
    }

    #[test]
    fn a_missing_mark_is_written_and_a_left_over_one_goes() {
        let mut observed = observed();
        let tags = observed["tags"].as_object_mut().unwrap();
        tags.remove("Beamline-subnet.SNET-ml-compute");
        tags.insert("beamline-subnet.gone".to_owned(), json!("old"));
        let found = world().differences(LOCAL, &observed);
        let found: Vec<_> = found.iter().map(|one| (one.field.as_str(), &one.before, &one.after)).collect();
        let nothing = Value::Null;
        assert_eq!(
            found,
            [
                ("subnets.compute", &nothing, &json!("snet-ml-compute")),
                ("subnets.old", &json!("gone"), &nothing)
            ]
        );
        let tags = &world().put(LOCAL, &observed)["tags"];
        assert_eq!(tags["beamline-subnet.snet-ml-compute"], json!("compute"));
        assert_eq!(tags.get("beamline-subnet.gone"), None);
    }

    #[test]
    fn an_undeclared_subnet_that_is_still_there_is_an_orphan() {
        let mut world = world();
        let address: Address = format!("production/{COMPUTE}").parse().unwrap();
        world.resources.remove(&address);
        assert_eq!(world.differences(LOCAL, &observed()), []);
        let orphan = ("SNET-ml-compute".to_owned(), "compute".to_owned());
        assert!(subnet_marks(&observed()).contains(&orphan));

        let gone = InnerChange { azure_name: "snet-ml-compute".to_owned(), fate: InnerFate::Removed };
        let mut expected = stripped(observed());
        pointer::remove(&mut expected, "/tags/beamline-subnet.snet-ml-compute");
        pointer::remove(&mut expected, "/properties/subnets/snet-ml-compute");
        assert_eq!(put(&world, &observed(), &[gone]), expected);

        let released = InnerChange { azure_name: "snet-ml-compute".to_owned(), fate: InnerFate::Released };
        let mut expected = stripped(observed());
        pointer::remove(&mut expected, "/tags/beamline-subnet.snet-ml-compute");
        assert_eq!(put(&world, &observed(), &[released]), expected);
    }

    #[test]
    fn a_new_subnet_joins_the_others_with_its_mark() {
        let mut world = world();
        let more = "virtual_networks/main/subnets/more";
        let address = world.declare(more, "snet-more", json!({ "address_prefixes": ["10.1.3.0/24"] }));
        let element = subnet::element(&world.resources[&address], &world.context());
        let change = InnerChange { azure_name: "snet-more".to_owned(), fate: InnerFate::Written(element) };
        let body = put(&world, &observed(), &[change]);
        assert_eq!(body["tags"]["beamline-subnet.snet-more"], json!("more"));
        let names = body["properties"]["subnets"].as_array().unwrap().iter().map(|one| one["name"].clone());
        let names: Vec<Value> = names.collect();
        assert_eq!(names, ["SNET-ml-compute", "snet-ml-private-endpoints", "theirs", "snet-more"]);
        assert_eq!(body["properties"]["subnets"][3]["properties"]["addressPrefixes"], json!(["10.1.3.0/24"]));
        assert_eq!(body["properties"]["subnets"][3]["properties"].get("addressPrefix"), None);
    }

    #[test]
    fn a_subnet_that_moved_since_the_plan_stops_the_write() {
        let mut world = world();
        world.write(COMPUTE, "default_outbound_access_enabled", json!(false));
        let address: Address = format!("production/{COMPUTE}").parse().unwrap();
        let subnet = &world.resources[&address];
        let there = observed();
        let element = subnet_element(&there, "snet-ml-compute");
        let change = subnet::Subnet.inner_change(subnet, element, &world.context()).unwrap();
        let network: Address = format!("production/{LOCAL}").parse().unwrap();
        let plan = observed();
        let update = Update {
            resource: &world.resources[&network],
            observed: &plan,
            differences: &[],
            inner: &[change],
        };
        let merge = merge_with_subnets(update, &world.context());

        let done = merge.apply(&observed()).unwrap();
        let outbound = "/properties/subnets/snet-ml-compute/properties/defaultOutboundAccess";
        assert_eq!(pointer::get(&done, outbound), Some(&json!(false)));
        assert_eq!(merge.apply(&done).unwrap(), done);

        let mut fresh = observed();
        pointer::put(&mut fresh, outbound, json!("other"));
        assert_eq!(merge.apply(&fresh).unwrap_err().pointer, outbound);
    }

    #[test]
    fn addresses_that_azure_refuses_are_found() {
        for (space, codes) in [
            (json!(["10.1.0.0/16", "10.1.128.0/17"]), vec!["overlapping-prefixes"]),
            (json!(["10.1.0.1/16"]), vec!["invalid-prefix"]),
            (json!(["10.1.0.0"]), vec!["invalid-prefix"]),
            (json!(["10.1.0.0/16", "fd00::/48"]), vec![]),
        ] {
            let mut world = world();
            world.write(LOCAL, "address_space", space.clone());
            assert_eq!(world.codes(LOCAL), codes, "{space}");
        }
        let mut world = world();
        world.write(LOCAL, "dns_servers", json!(["dns.example.org"]));
        assert_eq!(world.codes(LOCAL), ["dns-server"]);
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["v1", "vnet-ml.production_"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        assert_eq!(world().accepted(LOCAL, &["v", "_vnet", "vnet-", "v net", &"x".repeat(65)]), [""; 0]);
    }
}
