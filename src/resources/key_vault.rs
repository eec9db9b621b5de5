//! `key_vaults`: `Microsoft.KeyVault/vaults`.
//!
//! A vault outlives its deletion: for its retention it can be recovered, and with purge protection
//! nobody can end that earlier. Access policies are never touched: with role-based access there are
//! none, and without it they are somebody else's.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::address::Kind;
use super::behaviour::Behaviour;
use super::body;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, Remains, ResourceType, Spec, Write,
};
use super::difference::Effect;
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::{ApiVersion, ResourceId, SubscriptionId};
use super::mark::Mark;
use super::merge::Merge;
use super::name_rule;
use super::normalise;
use super::pointer;
use super::resource::{OnDelete, Reference, Resource, Resources, Site};
use super::tags;

/// `Microsoft.KeyVault/vaults`
pub struct KeyVault;

static SPEC: Spec = Spec {
    kind: Kind::KeyVault,
    key: "key_vaults",
    noun: "key vault",
    arm_type: "Microsoft.KeyVault/vaults",
    // Every older control-plane version retires on 2027-02-27 (Key Vault, "Prepare for Azure RBAC as
    // the default access control model").
    api_version: ApiVersion("2026-02-01"),
    doc: "A key vault, for the secrets of a workspace.",
    parent: Some(Kind::ResourceGroup),
    segment: "",
    name_scope: NameScope::Azure,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::InGroup,
    located: Located::Yes,
    read_only: &[
        "/properties/vaultUri",
        "/properties/hsmPoolResourceId",
        "/properties/privateEndpointConnections",
    ],
    timeout_secs: 30 * 60,
    behaviour: Behaviour { soft_deleted: true, ..Behaviour::USUAL },
};

static FIELDS: [Field; 8] = [
    Field {
        name: "sku_name",
        doc: "`premium` keeps keys in hardware.",
        shape: Shape::Choice(&["standard", "premium"]),
        absent: WhenAbsent::Refused,
        arm: Arm::By { write: write_sku, read: read_sku },
        change: Change::InPlace,
    },
    Field {
        name: "purge_protection_enabled",
        doc: "Whether a deleted vault, with its name, is kept for the whole retention. Cannot be switched off again.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::By { write: write_purge_protection, read: read_purge_protection },
        change: Change::InPlace,
    },
    Field {
        name: "soft_delete_retention_days",
        doc: "How long a deleted vault can be recovered. Decided when the vault is made.",
        shape: Shape::Integer { min: 7, max: 90 },
        absent: WhenAbsent::Default(Literal::Integer(90)),
        arm: Arm::AtOr("/properties/softDeleteRetentionInDays", Literal::Integer(90)),
        change: Change::InPlace,
    },
    Field {
        // Always written: what it means to leave it out depends on the API version. An existing vault
        // that answers without it has access policies.
        name: "rbac_authorization_enabled",
        doc: "Whether role assignments decide who may read and write secrets, instead of access policies.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::AtOr(RBAC, Literal::Bool(false)),
        change: Change::InPlace,
    },
    Field {
        name: "public_network_access_enabled",
        doc: "Whether the vault can be reached other than through private endpoints.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccess"),
        change: Change::InPlace,
    },
    Field {
        name: "enabled_for_deployment",
        doc: "Whether virtual machines may read certificates from it.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/enabledForDeployment", Literal::Bool(false)),
        change: Change::InPlace,
    },
    Field {
        name: "enabled_for_disk_encryption",
        doc: "Whether Azure Disk Encryption may read secrets from it and unwrap keys.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/enabledForDiskEncryption", Literal::Bool(false)),
        change: Change::InPlace,
    },
    Field {
        name: "enabled_for_template_deployment",
        doc: "Whether template deployments may read secrets from it.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/enabledForTemplateDeployment", Literal::Bool(false)),
        change: Change::InPlace,
    },
];

const RBAC: &str = "/properties/enableRbacAuthorization";
const PURGE_PROTECTION: &str = "/properties/enablePurgeProtection";
const SKU: &str = "/properties/sku/name";
const CREATE_MODE: &str = "/properties/createMode";
const ACCESS_POLICIES: &str = "/properties/accessPolicies";
const RETENTION: &str = "/properties/softDeleteRetentionInDays";

/// The body of the PUT that brings a deleted vault back, made from the one that would create it.
/// It comes back as it was; what differs from the definition is brought up by an update afterwards.
fn recover_body(mut body: Value) -> Value {
    pointer::put(&mut body, CREATE_MODE, Value::from("recover"));
    pointer::remove(&mut body, ACCESS_POLICIES);
    body
}

/// The leaves of a desired body as assignments. Arrays that a living resource owns together with
/// others (access policies) are left as they are.
fn owned_values(body: &Value) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    collect("", body, &mut values);
    values.retain(|(pointer, _)| pointer != "/properties/accessPolicies");
    values
}

fn collect(pointer: &str, value: &Value, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(&format!("{pointer}/{key}"), value, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            into.push((pointer.to_owned(), value.clone()));
        }
    }
}

fn read_purge_protection_of_deleted(body: &Value) -> bool {
    pointer::get(body, "/properties/purgeProtectionEnabled").and_then(Value::as_bool).unwrap_or(false)
}

/// What cannot be changed when a deleted vault comes back. Its retention is the time between its two dates: Azure
/// does not say it otherwise (DeletedVaultProperties).
fn kept_by_deleted(body: &Value) -> Vec<(&'static str, Value)> {
    let date = |at| pointer::get(body, at).and_then(Value::as_str)?.parse::<Timestamp>().ok();
    let dates = date("/properties/deletionDate").zip(date("/properties/scheduledPurgeDate"));
    let days = dates.map(|(deleted, purged)| (deleted.duration_until(purged).as_hours() + 12) / 24);
    let retention = days.filter(|days| (7..=90).contains(days));
    let protection = read_purge_protection_of_deleted(body).then_some(Value::Bool(true));
    let retention = retention.map(|days| ("soft_delete_retention_days", Value::from(days)));
    retention.into_iter().chain(protection.map(|on| ("purge_protection_enabled", on))).collect()
}

/// Where Azure keeps a deleted vault.
fn deleted_id(subscription: SubscriptionId, location: &str, name: &str) -> ResourceId {
    ResourceId::subscription(subscription)
        .provider("Microsoft.KeyVault/locations", location)
        .child("deletedVaults", name)
}

impl ResourceType for KeyVault {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            is_name,
            "a vault's name has 3 to 24 letters, digits and single dashes, begins with a letter, does not end with \
             a dash, and nobody else in Azure has it",
        );
        let mut findings: Vec<Finding> = name.into_iter().collect();
        findings.extend(tags::check(resource, tags::MARKS, None));
        if resource.is_set("purge_protection_enabled") && resource.on_delete == OnDelete::Purge {
            findings.push(Finding::error(
                "purge-impossible",
                "on_delete",
                "the vault is to be purged on deletion, and its purge protection forbids just that",
                "a purge-protected vault keeps its name until its retention ends",
                "drop `on_delete: purge`, or `purge_protection_enabled: true` before the vault is made",
            ));
        }
        // A vault with access policies is as good as any, unless the definition gives roles that do nothing.
        let gives_roles = all.values().any(|one| {
            one.address.kind() == Kind::RoleAssignment
                && one.references.get("scope") == Some(&Reference::Local(resource.address.clone()))
        });
        if gives_roles && resource.field("rbac_authorization_enabled") == Some(&Value::Bool(false)) {
            findings.push(Finding::warning(
                "access-policies-unmanaged",
                "rbac_authorization_enabled",
                "access policies decide who may use the vault, and beamline does not write them",
                "role assignments have no effect on secrets of a vault with access policies",
                "drop `rbac_authorization_enabled: false` and use `role_assignments`",
            ));
        }
        findings
    }

    fn body(&self, resource: &Resource, context: &Context<'_>) -> Value {
        let mut body = body::of(&SPEC, resource, context);
        pointer::put(&mut body, "/properties/tenantId", Value::from(context.site.tenant.to_string()));
        pointer::put(&mut body, ACCESS_POLICIES, json!([]));
        body
    }

    fn effect(&self, resource: &Resource, path: &str, before: &Value, after: &Value) -> Effect {
        match path {
            "purge_protection_enabled" if before == &Value::Bool(true) => {
                Effect::Impossible("purge protection cannot be switched off again".to_owned())
            }
            "soft_delete_retention_days" => Effect::Impossible(
                "the retention of deleted vaults is decided when a vault is made; write the one it has"
                    .to_owned(),
            ),
            _ => body::effect_by_table(&SPEC, resource, path, before, after),
        }
    }

    fn replaceable(&self, resource: &Resource, observed: &Value) -> Result<(), String> {
        let days = pointer::get(observed, RETENTION).and_then(Value::as_i64);
        let days = days.unwrap_or(90);
        if read_purge_protection(observed) == Some(Value::Bool(true)) {
            return Err(format!(
                "purge protection keeps the deleted vault and its name for {days} days; give the vault another `name`"
            ));
        }
        match resource.on_delete {
            OnDelete::Purge => Ok(()),
            OnDelete::Keep => Err(format!(
                "the deleted vault keeps its name for {days} days; write `on_delete: purge` or another `name`"
            )),
        }
    }

    /// It comes back as it was, and is then brought to what is declared.
    fn recovery(&self, mut body: Value, tagged: &Value, site: &Site) -> Vec<Write> {
        // It keeps the one that it has, which `remains` tells where another one is written.
        pointer::remove(&mut body, RETENTION);
        let (set, remove) = (owned_values(&body), tags::undeclared(tagged, &body, site));
        vec![Write::Put(recover_body(body)), Write::Merged(Merge { set, remove, ..Merge::default() })]
    }

    fn remains_at(&self, site: &Site) -> Option<String> {
        Some(format!(
            "{}/providers/Microsoft.KeyVault/deletedVaults",
            ResourceId::subscription(site.subscription)
        ))
    }

    fn remains(&self, body: &Value) -> Option<Remains> {
        let text = |at| pointer::get(body, at).and_then(Value::as_str);
        Some(Remains {
            former: text("/properties/vaultId")?.parse().ok()?,
            location: text("/properties/location").map(normalise::location).unwrap_or_default(),
            scheduled_purge: text("/properties/scheduledPurgeDate").map(str::to_owned),
            mark: text("/properties/tags/beamline").and_then(Mark::parse),
            tagged: json!({ "tags": pointer::get(body, "/properties/tags") }),
            stays: read_purge_protection_of_deleted(body),
            keeps: kept_by_deleted(body),
        })
    }

    /// A deleted vault keeps its name until it is purged, at its location.
    fn purge(&self, resource: &Resource, observed: &Value) -> Option<(ResourceId, &'static str)> {
        let text = |at| pointer::get(observed, at).and_then(Value::as_str);
        let id: ResourceId = text("/id")?.parse().ok().filter(|_| resource.on_delete == OnDelete::Purge)?;
        let location = normalise::location(text("/location")?);
        Some((deleted_id(id.subscription_id()?, &location, id.name()), "purge"))
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id"), ("vault_uri", "/properties/vaultUri")]
    }
}

fn is_name(name: &str) -> bool {
    name_rule::is_made_of(name, 3, 24, |c| c.is_ascii_alphanumeric() || c == '-')
        && name_rule::has_ends(name, |c| c.is_ascii_alphabetic(), |c| c.is_ascii_alphanumeric())
        && !name.contains("--")
}

fn write_sku(value: &Value, body: &mut Value) {
    pointer::put(body, "/properties/sku/family", Value::from("A"));
    pointer::put(body, SKU, value.clone());
}

fn read_sku(body: &Value) -> Option<Value> {
    pointer::get(body, SKU).cloned()
}

/// Azure refuses `false`: off is said by silence.
fn write_purge_protection(value: &Value, body: &mut Value) {
    if value == &Value::Bool(true) {
        pointer::put(body, PURGE_PROTECTION, value.clone());
    }
}

fn read_purge_protection(body: &Value) -> Option<Value> {
    Some(Value::from(pointer::get(body, PURGE_PROTECTION) == Some(&Value::Bool(true))))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{GROUP, World};
    use super::*;

    const LOCAL: &str = "key_vaults/main";

    fn world() -> World {
        let mut world = World::new();
        let fields = json!({
            "sku_name": "standard", "purge_protection_enabled": true, "soft_delete_retention_days": 90,
            "rbac_authorization_enabled": true
        });
        world.declare(LOCAL, "kv-ml-production", fields);
        world
    }

    fn observed() -> Value {
        json!({
            "id": format!("{GROUP}/providers/Microsoft.Keyvault/vaults/kv-ml-production"),
            "name": "kv-ml-production", "type": "Microsoft.KeyVault/vaults", "location": "eastus",
            "systemData": { "createdBy": "somebody" },
            "tags": {
                "environment": "production", "team": "data-science",
                "beamline": "acme/production", "beamline-address": "key_vaults/main", "beamline-id": "8c704bce2b8ed866"
            },
            "properties": {
                "sku": { "family": "a", "name": "Standard" },
                "tenantId": "11111111-1111-1111-1111-111111111111",
                "accessPolicies": [{ "objectId": "x", "permissions": { "secrets": ["get"] }, "tenantId": "y" }],
                "enabledForDeployment": false, "enabledForDiskEncryption": false,
                "enableSoftDelete": true, "softDeleteRetentionInDays": 90, "enableRbacAuthorization": true,
                "enablePurgeProtection": true, "publicNetworkAccess": "enabled",
                "networkAcls": { "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [] },
                "privateEndpointConnections": [{ "id": "pe" }],
                "vaultUri": "https://kv-ml-production.vault.azure.net", "provisioningState": "Succeeded"
            }
        })
    }

    #[test]
    fn the_body_says_everything_that_is_owned() {
        assert_eq!(
            world().body(LOCAL),
            json!({
                "location": "eastus",
                "tags": {
                    "environment": "production", "team": "data-science",
                    "beamline": "acme/production", "beamline-address": "key_vaults/main", "beamline-id": "8c704bce2b8ed866"
                },
                "properties": {
                    "tenantId": "11111111-1111-1111-1111-111111111111",
                    "sku": { "family": "A", "name": "standard" },
                    "accessPolicies": [],
                    "enablePurgeProtection": true,
                    "softDeleteRetentionInDays": 90,
                    "enableRbacAuthorization": true,
                    "publicNetworkAccess": "Enabled",
                    "enabledForDeployment": false,
                    "enabledForDiskEncryption": false,
                    "enabledForTemplateDeployment": false
                }
            })
        );
    }

    #[test]
    fn purge_protection_that_is_off_is_not_sent() {
        let mut world = world();
        world.write(LOCAL, "purge_protection_enabled", json!(false));
        assert_eq!(pointer::get(&world.body(LOCAL), PURGE_PROTECTION), None);
    }

    #[test]
    fn a_recovery_sends_no_access_policies() {
        let body = recover_body(world().body(LOCAL));
        assert_eq!(body["properties"]["createMode"], json!("recover"));
        assert_eq!(pointer::get(&body, ACCESS_POLICIES), None);
        assert_eq!(body["properties"]["tenantId"], json!("11111111-1111-1111-1111-111111111111"));
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(world().differences(LOCAL, &observed()), []);
    }

    #[test]
    fn every_field_in_place_is_one_put_that_keeps_the_rest() {
        for (field, value, at, arm) in [
            ("sku_name", json!("premium"), SKU, json!("premium")),
            ("rbac_authorization_enabled", json!(false), RBAC, json!(false)),
            (
                "public_network_access_enabled",
                json!(false),
                "/properties/publicNetworkAccess",
                json!("Disabled"),
            ),
            ("enabled_for_deployment", json!(true), "/properties/enabledForDeployment", json!(true)),
            ("enabled_for_disk_encryption", json!(true), "/properties/enabledForDiskEncryption", json!(true)),
            (
                "enabled_for_template_deployment",
                json!(true),
                "/properties/enabledForTemplateDeployment",
                json!(true),
            ),
        ] {
            let mut world = world();
            world.write(LOCAL, field, value);
            assert_eq!(world.difference(LOCAL, &observed()), (field.to_owned(), Effect::InPlace));
            let mut expected = observed();
            for gone in ["/id", "/name", "/type", "/systemData", "/properties/provisioningState"] {
                pointer::remove(&mut expected, gone);
            }
            SPEC.read_only.iter().for_each(|gone| pointer::remove(&mut expected, gone));
            pointer::put(&mut expected, at, arm);
            if field == "sku_name" {
                pointer::put(&mut expected, "/properties/sku/family", json!("A"));
            }
            assert_eq!(world.put(LOCAL, &observed()), expected, "{field}");
        }
    }

    #[test]
    fn purge_protection_can_be_switched_on_and_never_off() {
        let mut observed = observed();
        observed["properties"].as_object_mut().unwrap().remove("enablePurgeProtection");
        assert_eq!(world().put(LOCAL, &observed)["properties"]["enablePurgeProtection"], json!(true));
        observed["properties"]["enablePurgeProtection"] = json!(true);
        let mut world = world();
        world.write(LOCAL, "purge_protection_enabled", json!(false));
        assert!(matches!(world.difference(LOCAL, &observed).1, Effect::Impossible(_)));
    }

    #[test]
    fn the_retention_never_changes() {
        let mut world = world();
        world.write(LOCAL, "soft_delete_retention_days", json!(30));
        assert!(matches!(world.difference(LOCAL, &observed()).1, Effect::Impossible(_)));
    }

    #[test]
    fn only_a_vault_whose_name_becomes_free_is_replaceable() {
        let mut world = world();
        world.get(LOCAL).on_delete = OnDelete::Purge;
        assert!(
            KeyVault.replaceable(world.get(LOCAL), &observed()).unwrap_err().contains("purge protection")
        );
        let bare = json!({ "properties": {} });
        assert_eq!(KeyVault.replaceable(world.get(LOCAL), &bare), Ok(()));
        world.get(LOCAL).on_delete = OnDelete::Keep;
        assert!(KeyVault.replaceable(world.get(LOCAL), &bare).unwrap_err().contains("on_delete: purge"));
    }

    #[test]
    fn contradictions_are_found() {
        let mut world = world();
        world.get(LOCAL).on_delete = OnDelete::Purge;
        world.write(LOCAL, "rbac_authorization_enabled", json!(false));
        // Access policies are legal; only roles beside them do nothing.
        assert_eq!(world.codes(LOCAL), ["purge-impossible"]);
        let role = world.declare("role_assignments/reader", "reader", json!({}));
        let vault = Reference::Local(world.get(LOCAL).address.clone());
        world.get(&role.local()).references.insert("scope".to_owned(), vault);
        assert_eq!(world.codes(LOCAL), ["purge-impossible", "access-policies-unmanaged"]);
    }

    #[test]
    fn a_recovered_vault_gets_back_what_is_ours_and_keeps_its_access_policies() {
        let body = json!({
            "location": "eastus", "tags": { "a/b": "1" },
            "properties": { "accessPolicies": [], "sku": { "name": "standard" } },
        });
        let values = owned_values(&body);
        assert_eq!(
            values,
            [
                ("/location".to_owned(), json!("eastus")),
                ("/properties/sku/name".to_owned(), json!("standard")),
                ("/tags/a~1b".to_owned(), json!("1")),
            ]
        );
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["kv1", "kv-ml-production", "K23456789012345678901234"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        let bad = ["kv", "1kv", "kv-", "k--v", "kv_1", "k234567890123456789012345"];
        assert_eq!(world().accepted(LOCAL, &bad), [""; 0]);
    }
}
