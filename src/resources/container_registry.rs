//! `container_registries`: `Microsoft.ContainerRegistry/registries`.

use serde_json::Value;

use super::address::Kind;
use super::behaviour::Behaviour;
use super::body;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::name_rule;
use super::pointer;
use super::resource::{Resource, Resources};
use super::tags;

/// `Microsoft.ContainerRegistry/registries`
pub struct ContainerRegistry;

static SPEC: Spec = Spec {
    kind: Kind::ContainerRegistry,
    key: "container_registries",
    noun: "container registry",
    arm_type: "Microsoft.ContainerRegistry/registries",
    api_version: ApiVersion("2025-11-01"),
    doc: "A container registry, for the images that training and deployments run in.",
    parent: Some(Kind::ResourceGroup),
    segment: "",
    name_scope: NameScope::Azure,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::InGroup,
    located: Located::Yes,
    read_only: &[],
    timeout_secs: 30 * 60,
    behaviour: Behaviour::USUAL,
};

static FIELDS: [Field; 8] = [
    Field {
        name: "sku",
        doc: "The tier, which decides size and features.",
        shape: Shape::Choice(&["Basic", "Standard", "Premium"]),
        absent: WhenAbsent::Refused,
        arm: Arm::At("/sku/name"),
        change: Change::InPlace,
    },
    Field {
        name: "admin_enabled",
        doc: "Whether the registry has a user with a password that everybody shares.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/adminUserEnabled", Literal::Bool(false)),
        change: Change::InPlace,
    },
    Field {
        name: "public_network_access_enabled",
        doc: "Whether the registry can be reached other than through private endpoints. Off needs Premium.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccess"),
        change: Change::InPlace,
    },
    Field {
        // Not owned unless written: in regions with zones Azure switches it on by itself, and a
        // default that says otherwise would ask for a replacement.
        name: "zone_redundancy_enabled",
        doc: "Whether images are kept in several zones. Left out, Azure decides.",
        shape: Shape::Bool,
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::By { write: write_zones, read: read_zones },
        change: Change::Replace("whether a registry is kept in several zones is decided when it is made"),
    },
    Field {
        name: "anonymous_pull_enabled",
        doc: "Whether everybody may pull images. Needs Standard or Premium.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/anonymousPullEnabled", Literal::Bool(false)),
        change: Change::InPlace,
    },
    Field {
        name: "data_endpoint_enabled",
        doc: "Whether layers are served from endpoints of the registry's own. Needs Premium.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/dataEndpointEnabled", Literal::Bool(false)),
        change: Change::InPlace,
    },
    Field {
        name: "network_rule_bypass_option",
        doc: "Whether trusted services of Azure pass the network rules.",
        shape: Shape::Choice(&["AzureServices", "None"]),
        absent: WhenAbsent::Default(Literal::Text("AzureServices")),
        arm: Arm::AtOr("/properties/networkRuleBypassOptions", Literal::Text("AzureServices")),
        change: Change::InPlace,
    },
    Field {
        name: "role_assignment_mode",
        doc: "Whether roles hold for the registry (`LegacyRegistryPermissions`) or per repository. Left out, Azure \
              decides.",
        shape: Shape::Choice(&["LegacyRegistryPermissions", "AbacRepositoryPermissions"]),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/roleAssignmentMode"),
        change: Change::InPlace,
    },
];

const ZONES: &str = "/properties/zoneRedundancy";

impl ResourceType for ContainerRegistry {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, _all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            |name| name_rule::is_made_of(name, 5, 50, |c| c.is_ascii_alphanumeric()),
            "a registry's name has 5 to 50 letters and digits, and nobody else in Azure has it",
        );
        let mut findings: Vec<Finding> = name.into_iter().collect();
        findings.extend(tags::check(resource, tags::MARKS, None));
        findings.extend(check_sku(resource));
        findings.extend(advice(resource));
        findings
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        vec![Write::Patch(body::patch_of(self, update, context))]
    }

    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        Ok(vec![Write::Patch(body::unmarking_patch(self.spec(), observed))])
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id"), ("login_server", "/properties/loginServer")]
    }
}

/// Features that the tier does not have.
fn check_sku(resource: &Resource) -> Vec<Finding> {
    let sku = resource.text("sku").unwrap_or_default();
    let is_off = |path| resource.field(path) == Some(&Value::Bool(false));
    let wanted = [
        ("public_network_access_enabled", is_off("public_network_access_enabled"), &["Premium"][..]),
        ("anonymous_pull_enabled", resource.is_set("anonymous_pull_enabled"), &["Standard", "Premium"]),
        ("data_endpoint_enabled", resource.is_set("data_endpoint_enabled"), &["Premium"]),
    ];
    let missing = wanted.into_iter().filter(|(_, is_wanted, skus)| *is_wanted && !skus.contains(&sku));
    let finding = |(field, _, skus): (&str, bool, &[&str])| {
        let skus = skus.join(" or ");
        Finding::error(
            "registry-sku",
            field,
            &format!("a {sku} registry does not have this"),
            &format!("it needs the sku {skus}"),
            &format!("write `sku: {}`, or drop `{field}`", skus.split(' ').next_back().unwrap_or_default()),
        )
    };
    missing.map(finding).collect()
}

fn advice(resource: &Resource) -> Vec<Finding> {
    let mut findings = Vec::new();
    if resource.is_set("admin_enabled") {
        findings.push(Finding::warning(
            "admin-user-enabled",
            "admin_enabled",
            "everybody who knows the admin user's password may push images, and nobody knows who did",
            "Machine Learning pulls images with managed identities; it needs no admin user",
            "drop `admin_enabled: true`",
        ));
    }
    if resource.text("role_assignment_mode") == Some("AbacRepositoryPermissions") {
        findings.push(Finding::warning(
            "registry-roles-per-repository",
            "role_assignment_mode",
            "the roles AcrPull and AcrPush have no effect on this registry",
            "with permissions per repository only the Container Registry Repository roles count",
            "assign those roles, or drop `role_assignment_mode`",
        ));
    }
    findings
}

fn write_zones(value: &Value, body: &mut Value) {
    let word = if value == &Value::Bool(true) { "Enabled" } else { "Disabled" };
    pointer::put(body, ZONES, Value::from(word));
}

fn read_zones(body: &Value) -> Option<Value> {
    let word = pointer::get(body, ZONES).and_then(Value::as_str).unwrap_or_default();
    Some(Value::from(word.eq_ignore_ascii_case("Enabled")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::difference::Effect;
    use super::super::fixture::{GROUP, World};
    use super::*;

    const LOCAL: &str = "container_registries/main";

    fn world() -> World {
        let mut world = World::new();
        world.declare(LOCAL, "acrmlproduction001", json!({ "sku": "Standard", "admin_enabled": false }));
        world
    }

    fn observed() -> Value {
        json!({
            "id": format!("{GROUP}/providers/Microsoft.ContainerRegistry/registries/acrmlproduction001"),
            "name": "acrmlproduction001", "type": "Microsoft.ContainerRegistry/registries", "location": "eastus",
            "tags": {
                "environment": "production", "team": "data-science",
                "beamline": "acme/production", "beamline-address": "container_registries/main", "beamline-id": "1e2e94f54bb93ee2"
            },
            "sku": { "name": "standard", "tier": "Standard" },
            "properties": {
                "loginServer": "acrmlproduction001.azurecr.io", "creationDate": "2026-06-15T21:38:26Z",
                "provisioningState": "Succeeded", "adminUserEnabled": false,
                "networkRuleSet": { "defaultAction": "Allow", "ipRules": [] },
                "policies": { "quarantinePolicy": { "status": "disabled" }, "exportPolicy": { "status": "enabled" } },
                "encryption": { "status": "disabled" }, "status": null, "dataEndpointEnabled": false,
                "dataEndpointHostNames": [], "privateEndpointConnections": [], "publicNetworkAccess": "Enabled",
                "networkRuleBypassOptions": "AzureServices", "zoneRedundancy": "Enabled",
                "roleAssignmentMode": "LegacyRegistryPermissions"
            }
        })
    }

    #[test]
    fn the_body_says_everything_that_is_owned() {
        assert_eq!(
            world().body(LOCAL),
            json!({
                "location": "eastus",
                "sku": { "name": "Standard" },
                "tags": {
                    "environment": "production", "team": "data-science",
                    "beamline": "acme/production", "beamline-address": "container_registries/main", "beamline-id": "1e2e94f54bb93ee2"
                },
                "properties": {
                    "adminUserEnabled": false,
                    "publicNetworkAccess": "Enabled",
                    "anonymousPullEnabled": false,
                    "dataEndpointEnabled": false,
                    "networkRuleBypassOptions": "AzureServices"
                }
            })
        );
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(world().differences(LOCAL, &observed()), []);
    }

    #[test]
    fn every_field_in_place_is_one_patch() {
        for (field, value, patch) in [
            ("sku", json!("Premium"), json!({ "sku": { "name": "Premium" } })),
            ("admin_enabled", json!(true), json!({ "properties": { "adminUserEnabled": true } })),
            (
                "public_network_access_enabled",
                json!(false),
                json!({ "properties": { "publicNetworkAccess": "Disabled" } }),
            ),
            (
                "anonymous_pull_enabled",
                json!(true),
                json!({ "properties": { "anonymousPullEnabled": true } }),
            ),
            ("data_endpoint_enabled", json!(true), json!({ "properties": { "dataEndpointEnabled": true } })),
            (
                "network_rule_bypass_option",
                json!("None"),
                json!({ "properties": { "networkRuleBypassOptions": "None" } }),
            ),
            (
                "role_assignment_mode",
                json!("AbacRepositoryPermissions"),
                json!({ "properties": { "roleAssignmentMode": "AbacRepositoryPermissions" } }),
            ),
        ] {
            let mut world = world();
            world.write(LOCAL, field, value);
            assert_eq!(world.difference(LOCAL, &observed()), (field.to_owned(), Effect::InPlace));
            assert_eq!(world.patch(LOCAL, &observed()), patch, "{field}");
        }
    }

    #[test]
    fn zones_are_decided_when_the_registry_is_made() {
        let mut world = world();
        world.write(LOCAL, "zone_redundancy_enabled", json!(false));
        assert!(matches!(world.difference(LOCAL, &observed()).1, Effect::Replace(_)));
        assert_eq!(world.body(LOCAL)["properties"]["zoneRedundancy"], json!("Disabled"));
    }

    #[test]
    fn what_the_sku_does_not_have_is_found() {
        for (sku, field, value, codes) in [
            ("Standard", "public_network_access_enabled", false, vec!["registry-sku"]),
            ("Premium", "public_network_access_enabled", false, vec![]),
            ("Basic", "anonymous_pull_enabled", true, vec!["registry-sku"]),
            ("Standard", "anonymous_pull_enabled", true, vec![]),
            ("Standard", "data_endpoint_enabled", true, vec!["registry-sku"]),
            ("Basic", "admin_enabled", true, vec!["admin-user-enabled"]),
        ] {
            let mut world = world();
            world.write(LOCAL, "sku", json!(sku));
            world.write(LOCAL, field, json!(value));
            assert_eq!(world.codes(LOCAL), codes, "{sku} {field}");
        }
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["acr01", "AcrMlProduction001"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        assert_eq!(world().accepted(LOCAL, &["acr1", "acr-ml", "acr_ml", &"x".repeat(51)]), [""; 0]);
    }
}
