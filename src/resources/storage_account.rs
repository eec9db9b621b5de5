//! `storage_accounts`: `Microsoft.Storage/storageAccounts`.
//!
//! Updated by PATCH, which changes what it names and nothing else. The rules are those of the Storage
//! resource provider's type description and of azurerm's ForceNew.

use serde_json::Value;

use super::address::Kind;
use super::behaviour::Behaviour;
use super::body;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::difference::Effect;
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::name_rule;
use super::pointer;
use super::resource::{Resource, Resources};
use super::tags;

/// `Microsoft.Storage/storageAccounts`
pub struct StorageAccount;

/// Storage has its own limit for the names of tags (type description of `tags`). The number of tags it
/// gives there, 15, is not held against a definition: Resource Manager documents 50 for every type.
const MAX_TAG_NAME_CHARS: usize = 128;

static SPEC: Spec = Spec {
    kind: Kind::StorageAccount,
    key: "storage_accounts",
    noun: "storage account",
    arm_type: "Microsoft.Storage/storageAccounts",
    api_version: ApiVersion("2025-08-01"),
    doc: "A storage account, for a workspace's default storage or as a data lake.",
    parent: Some(Kind::ResourceGroup),
    segment: "",
    name_scope: NameScope::Azure,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::InGroup,
    located: Located::Yes,
    read_only: &[],
    timeout_secs: 60 * 60,
    behaviour: Behaviour::USUAL,
};

static FIELDS: [Field; 12] = [
    Field {
        name: "account_tier",
        doc: "Magnetic (`Standard`) or solid-state (`Premium`) storage.",
        shape: Shape::Choice(&["Standard", "Premium"]),
        absent: WhenAbsent::Refused,
        arm: Arm::By { write: write_tier, read: read_tier },
        change: Change::Replace("an account cannot change its performance tier"),
    },
    Field {
        name: "account_replication_type",
        doc: "How many copies there are, and where. LRS, GRS and RAGRS change into one another in place, and \
              so do ZRS, GZRS and RAGZRS; from one group to the other is a replacement.",
        shape: Shape::Choice(&["LRS", "GRS", "RAGRS", "ZRS", "GZRS", "RAGZRS"]),
        absent: WhenAbsent::Refused,
        arm: Arm::By { write: write_replication, read: read_replication },
        change: Change::InPlace,
    },
    Field {
        name: "account_kind",
        doc: "The kind of account. A `Storage` account can become a `StorageV2` one in place.",
        shape: Shape::Choice(&["StorageV2", "BlobStorage", "BlockBlobStorage", "FileStorage", "Storage"]),
        absent: WhenAbsent::Default(Literal::Text("StorageV2")),
        arm: Arm::At("/kind"),
        change: Change::Replace("an account cannot change its kind"),
    },
    Field {
        name: "access_tier",
        doc: "The tier of blobs that do not say theirs. Left out, Azure decides (`Hot`).",
        shape: Shape::Choice(&["Hot", "Cool", "Cold"]),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/accessTier"),
        change: Change::InPlace,
    },
    Field {
        name: "min_tls_version",
        doc: "The oldest TLS that clients may speak.",
        shape: Shape::Choice(&["TLS1_2", "TLS1_1", "TLS1_0"]),
        absent: WhenAbsent::Default(Literal::Text("TLS1_2")),
        arm: Arm::AtOr("/properties/minimumTlsVersion", Literal::Text("TLS1_0")),
        change: Change::InPlace,
    },
    Field {
        name: "is_hns_enabled",
        doc: "A hierarchical namespace (Data Lake Storage Gen2). Machine Learning refuses it on a workspace's \
              default account.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/isHnsEnabled", Literal::Bool(false)),
        change: Change::Replace("whether an account has a hierarchical namespace is decided when it is made"),
    },
    Field {
        name: "https_traffic_only_enabled",
        doc: "Whether plain HTTP is refused.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::AtOr("/properties/supportsHttpsTrafficOnly", Literal::Bool(true)),
        change: Change::InPlace,
    },
    Field {
        name: "public_network_access_enabled",
        doc: "Whether the account can be reached other than through private endpoints.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccess"),
        change: Change::InPlace,
    },
    Field {
        name: "shared_access_key_enabled",
        doc: "Whether the account's keys are accepted, beside Entra identities.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::AtOr("/properties/allowSharedKeyAccess", Literal::Bool(true)),
        change: Change::InPlace,
    },
    Field {
        // What it means that Azure answers without it depends on when the account was made, and the
        // two readings differ in who may read the data: it is written once and then known.
        name: "allow_nested_items_to_be_public",
        doc: "Whether containers may be opened to anonymous readers.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::At("/properties/allowBlobPublicAccess"),
        change: Change::InPlace,
    },
    Field {
        // As above: accounts of before 2023-12-15 allow it where Azure answers nothing.
        name: "cross_tenant_replication_enabled",
        doc: "Whether objects may be replicated to accounts of other directories.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::At("/properties/allowCrossTenantReplication"),
        change: Change::InPlace,
    },
    Field {
        name: "default_to_oauth_authentication",
        doc: "Whether the Azure portal reads data with the user's identity unless told otherwise.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/defaultToOAuthAuthentication", Literal::Bool(false)),
        change: Change::InPlace,
    },
];

const SKU: &str = "/sku/name";

impl ResourceType for StorageAccount {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, _all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            |name| name_rule::is_made_of(name, 3, 24, |c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "a storage account's name has 3 to 24 lower-case letters and digits, and nobody else in Azure has it",
        );
        let mut findings: Vec<Finding> = name.into_iter().collect();
        findings.extend(tags::check(resource, tags::MARKS, Some(MAX_TAG_NAME_CHARS)));
        findings.extend(check_kind(resource));
        findings.extend(check_hns(resource));
        findings.extend(advice(resource));
        findings
    }

    fn effect(&self, resource: &Resource, path: &str, before: &Value, after: &Value) -> Effect {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match (path, text(before).as_str(), text(after).as_str()) {
            ("account_kind", "Storage", "StorageV2") => Effect::InPlace,
            ("account_replication_type", before, after) if is_zonal(before) != is_zonal(after) => {
                match converted(resource, before) {
                    Some(sku) => Effect::Impossible(conversion(resource, before, &sku)),
                    None => Effect::Replace(format!(
                        "an account of its kind cannot change from {before} to {after}: copies in zones are decided \
                         when it is made"
                    )),
                }
            }
            _ => body::effect_by_table(&SPEC, resource, path, before, after),
        }
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        vec![Write::Patch(body::patch_of(self, update, context))]
    }

    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        Ok(vec![Write::Patch(body::unmarking_patch(self.spec(), observed))])
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "/name"),
            ("id", "/id"),
            ("primary_blob_endpoint", "/properties/primaryEndpoints/blob"),
            ("primary_dfs_endpoint", "/properties/primaryEndpoints/dfs"),
        ]
    }
}

/// The SKU to which Azure converts the account in place on request, in one conversion; `None` for the kinds that it
/// does not convert (facts-data.md, replication conversions): Premium accounts of blocks and pages.
fn converted(resource: &Resource, before: &str) -> Option<String> {
    let tier = resource.text("account_tier").unwrap_or("Standard");
    if tier == "Premium" && resource.text("account_kind") != Some("FileStorage") {
        return None;
    }
    let after = match before.to_ascii_uppercase().as_str() {
        "LRS" => "ZRS",
        "GRS" => "GZRS",
        "RAGRS" => "RAGZRS",
        "ZRS" => "LRS",
        "GZRS" => "GRS",
        "RAGZRS" => "RAGRS",
        _ => return None,
    };
    Some(format!("{tier}_{after}"))
}

/// What has to be done instead of a replacement, which would lose what the account holds.
fn conversion(resource: &Resource, before: &str, sku: &str) -> String {
    format!(
        "Azure converts a living account from {before} in place on request, and it is never replaced for that. Start \
         the conversion to {sku} (`az storage account migration start --account-name {} --sku {sku} \
         --resource-group …`, or Redundancy in the portal), which may take days; until it has ended, leave {before} here",
        resource.name
    )
}

fn is_zonal(replication: &str) -> bool {
    replication.to_ascii_uppercase().contains("ZRS")
}

fn check_kind(resource: &Resource) -> Vec<Finding> {
    let field = |path| resource.text(path).unwrap_or_default();
    let (tier, kind) = (field("account_tier"), field("account_kind"));
    let replication = field("account_replication_type");
    let mut findings = Vec::new();
    let mut refuse = |path: &str, message: String, rule: &str, remedy: &str| {
        findings.push(Finding::error("storage-kind", path, &message, rule, remedy));
    };
    if tier == "Premium" && !matches!(replication, "LRS" | "ZRS") {
        refuse(
            "account_replication_type",
            format!("a Premium account cannot be {replication}"),
            "Premium storage is kept in one region: LRS or ZRS",
            "write LRS or ZRS, or `account_tier: Standard`",
        );
    }
    if tier == "Standard" && matches!(kind, "BlockBlobStorage" | "FileStorage") {
        refuse(
            "account_kind",
            format!("a Standard account cannot be {kind}"),
            "BlockBlobStorage and FileStorage are Premium",
            "write `account_kind: StorageV2`, or `account_tier: Premium`",
        );
    }
    if kind == "BlobStorage" && (tier == "Premium" || is_zonal(replication)) {
        refuse(
            "account_kind",
            format!("a BlobStorage account cannot be {tier} {replication}"),
            "BlobStorage is the former kind of account: Standard, with LRS, GRS or RAGRS",
            "write `account_kind: StorageV2`",
        );
    }
    if resource.field("access_tier").is_some() && !matches!(kind, "StorageV2" | "BlobStorage") {
        refuse(
            "access_tier",
            format!("a {kind} account has no access tier"),
            "only StorageV2 and BlobStorage have one",
            "drop `access_tier`",
        );
    }
    findings
}

fn check_hns(resource: &Resource) -> Option<Finding> {
    let kind = resource.text("account_kind").unwrap_or_default();
    let fits = match resource.text("account_tier") {
        Some("Premium") => kind == "BlockBlobStorage",
        _ => kind == "StorageV2",
    };
    (resource.is_set("is_hns_enabled") && !fits).then(|| {
        Finding::error(
            "storage-hns",
            "is_hns_enabled",
            &format!("a {kind} account cannot have a hierarchical namespace"),
            "it needs StorageV2, or with Premium BlockBlobStorage",
            "write another `account_kind`, or drop `is_hns_enabled`",
        )
    })
}

fn advice(resource: &Resource) -> Vec<Finding> {
    let mut findings = Vec::new();
    if matches!(resource.text("min_tls_version"), Some("TLS1_0" | "TLS1_1")) {
        findings.push(Finding::warning(
            "old-tls",
            "min_tls_version",
            "clients may speak a TLS version that is no longer safe",
            "TLS 1.0 and 1.1 are retired for Azure Storage since February 2026",
            "write `min_tls_version: TLS1_2`",
        ));
    }
    if resource.field("https_traffic_only_enabled") == Some(&Value::Bool(false)) {
        findings.push(Finding::warning(
            "plain-http-allowed",
            "https_traffic_only_enabled",
            "data can be read and written without encryption on the way",
            "only mounts by NFS need this",
            "drop `https_traffic_only_enabled: false`",
        ));
    }
    findings
}

/// `Standard_LRS` is two fields: each keeps the other's half.
fn sku_halves(body: &Value) -> Option<(&str, &str)> {
    pointer::get(body, SKU)?.as_str()?.split_once('_')
}

fn write_tier(value: &Value, body: &mut Value) {
    let replication = sku_halves(body).map_or("", |(_, replication)| replication);
    let sku = format!("{}_{replication}", value.as_str().unwrap_or_default());
    pointer::put(body, SKU, Value::from(sku));
}

fn write_replication(value: &Value, body: &mut Value) {
    let tier = sku_halves(body).map_or("", |(tier, _)| tier);
    let sku = format!("{tier}_{}", value.as_str().unwrap_or_default());
    pointer::put(body, SKU, Value::from(sku));
}

fn read_tier(body: &Value) -> Option<Value> {
    sku_halves(body).map(|(tier, _)| Value::from(tier))
}

fn read_replication(body: &Value) -> Option<Value> {
    sku_halves(body).map(|(_, replication)| Value::from(replication))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::{GROUP, World};
    use super::*;

    const LOCAL: &str = "storage_accounts/default";

    fn world() -> World {
        let mut world = World::new();
        let fields = json!({ "account_tier": "Standard", "account_replication_type": "LRS", "min_tls_version": "TLS1_2" });
        world.declare(LOCAL, "stmlproduction001", fields);
        world
    }

    fn observed() -> Value {
        json!({
            "id": format!("{}/providers/Microsoft.Storage/storageAccounts/stmlproduction001", GROUP.to_uppercase()),
            "name": "stmlproduction001", "type": "Microsoft.Storage/storageAccounts", "kind": "StorageV2",
            "location": "East US", "sku": { "name": "Standard_LRS", "tier": "Standard" },
            "tags": {
                "environment": "production", "team": "data-science",
                "beamline": "acme/production", "beamline-address": "storage_accounts/default", "beamline-id": "5d1ec5219f486d5a"
            },
            "properties": {
                "keyCreationTime": { "key1": "2026-03-18T04:42:22Z" }, "privateEndpointConnections": [],
                "minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": false, "allowCrossTenantReplication": false,
                "networkAcls": { "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [] },
                "supportsHttpsTrafficOnly": true, "accessTier": "Hot", "provisioningState": "Succeeded",
                "encryption": { "services": { "blob": { "enabled": true } }, "keySource": "Microsoft.Storage" },
                "primaryEndpoints": { "blob": "https://stmlproduction001.blob.core.windows.net/" },
                "primaryLocation": "eastus", "statusOfPrimary": "available"
            }
        })
    }

    #[test]
    fn the_body_says_everything_that_is_owned() {
        assert_eq!(
            world().body(LOCAL),
            json!({
                "location": "eastus",
                "kind": "StorageV2",
                "sku": { "name": "Standard_LRS" },
                "tags": {
                    "environment": "production", "team": "data-science",
                    "beamline": "acme/production", "beamline-address": "storage_accounts/default", "beamline-id": "5d1ec5219f486d5a"
                },
                "properties": {
                    "minimumTlsVersion": "TLS1_2",
                    "isHnsEnabled": false,
                    "supportsHttpsTrafficOnly": true,
                    "publicNetworkAccess": "Enabled",
                    "allowSharedKeyAccess": true,
                    "allowBlobPublicAccess": false,
                    "allowCrossTenantReplication": false,
                    "defaultToOAuthAuthentication": false
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
            ("account_replication_type", json!("RAGRS"), json!({ "sku": { "name": "Standard_RAGRS" } })),
            ("access_tier", json!("Cool"), json!({ "properties": { "accessTier": "Cool" } })),
            ("min_tls_version", json!("TLS1_1"), json!({ "properties": { "minimumTlsVersion": "TLS1_1" } })),
            (
                "https_traffic_only_enabled",
                json!(false),
                json!({ "properties": { "supportsHttpsTrafficOnly": false } }),
            ),
            (
                "public_network_access_enabled",
                json!(false),
                json!({ "properties": { "publicNetworkAccess": "Disabled" } }),
            ),
            (
                "shared_access_key_enabled",
                json!(false),
                json!({ "properties": { "allowSharedKeyAccess": false } }),
            ),
            (
                "allow_nested_items_to_be_public",
                json!(true),
                json!({ "properties": { "allowBlobPublicAccess": true } }),
            ),
            (
                "cross_tenant_replication_enabled",
                json!(true),
                json!({ "properties": { "allowCrossTenantReplication": true } }),
            ),
            (
                "default_to_oauth_authentication",
                json!(true),
                json!({ "properties": { "defaultToOAuthAuthentication": true } }),
            ),
        ] {
            let mut world = world();
            world.write(LOCAL, field, value);
            assert_eq!(world.difference(LOCAL, &observed()), (field.to_owned(), Effect::InPlace));
            assert_eq!(world.patch(LOCAL, &observed()), patch, "{field}");
        }
    }

    #[test]
    fn what_azure_cannot_change_is_a_replacement() {
        for (field, value) in [
            ("account_tier", json!("Premium")),
            ("account_kind", json!("BlobStorage")),
            ("is_hns_enabled", json!(true)),
        ] {
            let mut world = world();
            world.write(LOCAL, field, value);
            let (found, effect) = world.difference(LOCAL, &observed());
            assert_eq!(found, field);
            assert!(matches!(effect, Effect::Replace(_)), "{field}: {effect:?}");
        }
    }

    /// Within a zone class Azure writes the SKU; from one to the other it converts, one step at a time.
    #[test]
    fn what_azure_changes_or_converts_in_place_is_never_replaced() {
        const FLAT: [(&str, &str); 3] = [("LRS", "ZRS"), ("GRS", "GZRS"), ("RAGRS", "RAGZRS")];
        let partners: Vec<(&str, &str)> =
            FLAT.into_iter().chain(FLAT.map(|(flat, zonal)| (zonal, flat))).collect();
        for (before, partner) in &partners {
            for (after, _) in partners.iter().filter(|(after, _)| after != before) {
                let (mut world, mut observed) = (world(), observed());
                observed["sku"]["name"] = json!(format!("Standard_{before}"));
                world.write(LOCAL, "account_replication_type", json!(after));
                let (field, effect) = world.difference(LOCAL, &observed);
                assert_eq!(field, "account_replication_type");
                if before.contains("ZRS") == after.contains("ZRS") {
                    assert_eq!(effect, Effect::InPlace, "{before} to {after}");
                    let patch = json!({ "sku": { "name": format!("Standard_{after}") } });
                    assert_eq!(world.patch(LOCAL, &observed), patch);
                    continue;
                }
                let Effect::Impossible(why) = effect else { panic!("{before} to {after}: {effect:?}") };
                assert!(why.contains(&format!("--sku Standard_{partner} ")), "{before} to {after}: {why}");
                assert!(why.contains(&format!("leave {before} here")), "{before} to {after}: {why}");
            }
        }
    }

    /// Premium shares are converted too; Premium blobs are not, and there is nothing but a new account.
    #[test]
    fn of_premium_accounts_azure_converts_shares_alone() {
        let effect = |kind: &str| {
            let (mut world, mut observed) = (world(), observed());
            observed["sku"]["name"] = json!("Premium_LRS");
            observed["kind"] = json!(kind);
            for (field, value) in
                [("account_tier", "Premium"), ("account_kind", kind), ("account_replication_type", "ZRS")]
            {
                world.write(LOCAL, field, json!(value));
            }
            world.difference(LOCAL, &observed).1
        };
        let Effect::Impossible(why) = effect("FileStorage") else { panic!("shares are converted") };
        assert!(why.contains("--sku Premium_ZRS "), "{why}");
        for kind in ["BlockBlobStorage", "StorageV2"] {
            assert!(matches!(effect(kind), Effect::Replace(_)), "{kind}");
        }
    }

    #[test]
    fn an_account_of_the_first_kind_is_upgraded() {
        let mut observed = observed();
        observed["kind"] = json!("Storage");
        assert_eq!(world().difference(LOCAL, &observed).1, Effect::InPlace);
        assert_eq!(world().patch(LOCAL, &observed), json!({ "kind": "StorageV2" }));
    }

    #[test]
    fn an_unknown_word_of_access_differs_from_both() {
        let mut observed = observed();
        observed["properties"]["publicNetworkAccess"] = json!("SecuredByPerimeter");
        assert_eq!(world().difference(LOCAL, &observed).0, "public_network_access_enabled");
    }

    #[test]
    fn kinds_that_azure_does_not_have_are_found() {
        for (fields, codes) in [
            (json!({ "account_tier": "Premium", "account_replication_type": "GRS" }), vec!["storage-kind"]),
            (
                json!({ "account_tier": "Standard", "account_replication_type": "LRS", "account_kind": "FileStorage" }),
                vec!["storage-kind"],
            ),
            (
                json!({ "account_tier": "Standard", "account_replication_type": "ZRS", "account_kind": "BlobStorage" }),
                vec!["storage-kind"],
            ),
            (
                json!({ "account_tier": "Premium", "account_replication_type": "LRS", "account_kind": "BlockBlobStorage", "access_tier": "Hot" }),
                vec!["storage-kind"],
            ),
            (
                json!({ "account_tier": "Premium", "account_replication_type": "LRS", "is_hns_enabled": true }),
                vec!["storage-hns"],
            ),
            (
                json!({ "account_tier": "Premium", "account_replication_type": "LRS", "account_kind": "BlockBlobStorage", "is_hns_enabled": true }),
                vec![],
            ),
            (
                json!({ "account_tier": "Standard", "account_replication_type": "LRS", "min_tls_version": "TLS1_0" }),
                vec!["old-tls"],
            ),
            (
                json!({ "account_tier": "Standard", "account_replication_type": "LRS", "https_traffic_only_enabled": false }),
                vec!["plain-http-allowed"],
            ),
        ] {
            let mut world = World::new();
            world.declare(LOCAL, "st0", fields.clone());
            assert_eq!(world.codes(LOCAL), codes, "{fields}");
        }
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["abc", "st1", "a23456789012345678901234"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        let bad = ["ab", "a234567890123456789012345", "Storage", "st-ml", "st_ml", "stü"];
        assert_eq!(world().accepted(LOCAL, &bad), [""; 0]);
    }
}
