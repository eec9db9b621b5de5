//! `containers` of a storage account: `Microsoft.Storage/storageAccounts/blobServices/containers`.
//!
//! Made through the control plane, which works with the account's keys switched off. Its metadata
//! carries the mark; tags it has none.

use serde_json::Value;

use super::address::Kind;
use super::behaviour::{Behaviour, Carried};
use super::body;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::mark::MARK_KEY;
use super::name_rule;
use super::pointer;
use super::resource::{Resource, Resources};

/// `Microsoft.Storage/storageAccounts/blobServices/containers`
pub struct Container;

static SPEC: Spec = Spec {
    kind: Kind::Container,
    key: "containers",
    noun: "container",
    arm_type: "Microsoft.Storage/storageAccounts/blobServices/containers",
    api_version: ApiVersion("2025-08-01"),
    doc: "A blob container, or with a hierarchical namespace a file system. Tags are not written to it; its \
          metadata belongs to its users, except for beamline's mark.",
    parent: Some(Kind::StorageAccount),
    segment: "blobServices/default/containers",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Metadata,
    protection: Protection::Protected,
    listing: Listing::InParent,
    located: Located::No,
    read_only: &[],
    timeout_secs: 30 * 60,
    behaviour: Behaviour { written_inside: true, carried: Carried::WhenParentGoes, ..Behaviour::USUAL },
};

static FIELDS: [Field; 1] = [Field {
    name: "container_access_type",
    doc: "Who may read without an identity: nobody (`private`), everybody who knows a blob's name (`blob`), or \
          everybody (`container`).",
    shape: Shape::Choice(&["private", "blob", "container"]),
    absent: WhenAbsent::Default(Literal::Text("private")),
    arm: Arm::By { write: write_access, read: read_access },
    change: Change::InPlace,
}];

const ACCESS: &str = "/properties/publicAccess";

impl ResourceType for Container {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        let name = name_rule::check(
            resource,
            |name| matches!(name, "$web" | "$root") || is_name(name),
            "a container's name has 3 to 63 lower-case letters, digits and single dashes, with a letter or digit \
             at both ends",
        );
        name.into_iter().chain(check_account(resource, all)).collect()
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        vec![Write::Patch(body::patch_of(self, update, context))]
    }

    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        Ok(vec![Write::Patch(body::unmarking_patch(self.spec(), observed))])
    }

    /// Containers that Azure makes for itself (`$logs`, those of a workspace and of diagnostics) are
    /// nobody's, unless they are marked.
    fn is_mine(&self, observed: &Value) -> bool {
        let name = pointer::get(observed, "/name").and_then(Value::as_str).unwrap_or_default();
        let by_product = ["$", "azureml", "insights-logs-", "insights-metrics-"];
        let is_marked = pointer::get(observed, "/properties/metadata")
            .is_some_and(|metadata| pointer::get(metadata, &format!("/{MARK_KEY}")).is_some());
        is_marked || !by_product.iter().any(|head| name.starts_with(head))
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[("name", "/name"), ("id", "/id")]
    }
}

fn is_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name_rule::is_made_of(name, 3, 63, |c| is_word(c) || c == '-')
        && name_rule::has_ends(name, is_word, is_word)
        && !name.contains("--")
}

/// Whether the account, where it is declared here, lets the container be.
fn check_account(resource: &Resource, all: &Resources) -> Option<Finding> {
    let account = all.get(&resource.address.outer()?).filter(|account| account.is_managed())?;
    if account.text("account_kind") == Some("FileStorage") {
        return Some(Finding::error(
            "container-without-blobs",
            "",
            "the account is a FileStorage account, which has no blob containers",
            "containers need StorageV2, BlobStorage or BlockBlobStorage",
            "put the container into another account",
        ));
    }
    let access = resource.text("container_access_type")?;
    let is_refused = access != "private" && !account.is_set("allow_nested_items_to_be_public");
    is_refused.then(|| {
        Finding::error(
            "public-container-refused",
            "container_access_type",
            &format!("the container is `{access}`, and its account allows no anonymous readers"),
            "Azure answers PublicAccessNotPermitted unless the account has `allow_nested_items_to_be_public: true`",
            "write `container_access_type: private`, or allow it on the account",
        )
    })
}

fn write_access(value: &Value, body: &mut Value) {
    let word = match value.as_str() {
        Some("blob") => "Blob",
        Some("container") => "Container",
        _ => "None",
    };
    pointer::put(body, ACCESS, Value::from(word));
}

/// A container that Azure answers without the property is private.
fn read_access(body: &Value) -> Option<Value> {
    let word = pointer::get(body, ACCESS).and_then(Value::as_str).unwrap_or_default();
    Some(Value::from(match word.to_ascii_lowercase().as_str() {
        "" | "none" => "private",
        "blob" => "blob",
        "container" => "container",
        _ => word,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::difference::Effect;
    use super::super::fixture::{GROUP, World};
    use super::*;

    const ACCOUNT: &str = "storage_accounts/data_lake";
    const LOCAL: &str = "storage_accounts/data_lake/containers/data";

    fn world() -> World {
        let mut world = World::new();
        let account =
            json!({ "account_tier": "Standard", "account_replication_type": "LRS", "is_hns_enabled": true });
        world.declare(ACCOUNT, "dlmlproduction001", account);
        world.declare(LOCAL, "data", json!({}));
        world
    }

    fn observed() -> Value {
        json!({
            "id": format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/dlmlproduction001/blobServices/default/containers/data"),
            "name": "data", "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
            "etag": "\"0x8D592D74CC20EBA\"",
            "properties": {
                "publicAccess": "None", "leaseStatus": "Unlocked", "leaseState": "Available",
                "lastModifiedTime": "2026-03-26T05:06:14Z", "hasImmutabilityPolicy": false,
                "metadata": {
                    "owner": "somebody", "Beamline": "acme/production",
                    "beamline_address": "storage_accounts/data_lake/containers/data", "beamline_id": "5ab8948e64ac383a"
                }
            }
        })
    }

    #[test]
    fn the_id_and_the_body_follow_the_account() {
        let world = world();
        let address = "production/storage_accounts/data_lake/containers/data".parse().unwrap();
        assert_eq!(world.context().id_of(&address).unwrap().as_str(), observed()["id"].as_str().unwrap());
        assert_eq!(
            world.body(LOCAL),
            json!({ "properties": {
                "publicAccess": "None",
                "metadata": {
                    "beamline": "acme/production",
                    "beamline_address": "storage_accounts/data_lake/containers/data", "beamline_id": "5ab8948e64ac383a"
                }
            } })
        );
    }

    #[test]
    fn what_azure_answers_is_no_difference() {
        assert_eq!(world().differences(LOCAL, &observed()), []);
        let mut bare = observed();
        bare["properties"].as_object_mut().unwrap().remove("publicAccess");
        assert_eq!(world().differences(LOCAL, &bare), []);
    }

    #[test]
    fn access_changes_in_place() {
        let mut observed = observed();
        observed["properties"]["publicAccess"] = json!("Blob");
        assert_eq!(world().difference(LOCAL, &observed), ("container_access_type".into(), Effect::InPlace));
        assert_eq!(world().patch(LOCAL, &observed), json!({ "properties": { "publicAccess": "None" } }));
    }

    #[test]
    fn adoption_keeps_the_metadata_of_others() {
        let mut observed = observed();
        observed["properties"]["metadata"] = json!({ "owner": "somebody" });
        assert_eq!(
            world().patch(LOCAL, &observed),
            json!({ "properties": { "metadata": {
                "owner": "somebody", "beamline": "acme/production",
                "beamline_address": "storage_accounts/data_lake/containers/data", "beamline_id": "5ab8948e64ac383a"
            } } })
        );
    }

    #[test]
    fn containers_of_the_service_are_nobodys() {
        assert!(Container.is_mine(&observed()));
        for name in ["$logs", "azureml-blobstore-1234", "insights-logs-audit"] {
            assert!(!Container.is_mine(&json!({ "name": name, "properties": {} })), "{name}");
        }
        let marked =
            json!({ "name": "azureml", "properties": { "metadata": { "beamline": "acme/production" } } });
        assert!(Container.is_mine(&marked));
    }

    #[test]
    fn an_open_container_needs_an_open_account() {
        let mut world = world();
        world.write(LOCAL, "container_access_type", json!("blob"));
        assert_eq!(world.codes(LOCAL), ["public-container-refused"]);
        world.write(ACCOUNT, "allow_nested_items_to_be_public", json!(true));
        assert_eq!(world.codes(LOCAL), [""; 0]);
        world.write(ACCOUNT, "account_kind", json!("FileStorage"));
        assert_eq!(world.codes(LOCAL), ["container-without-blobs"]);
    }

    #[test]
    fn names_follow_the_rule() {
        let good = ["abc", "a-b-c", "1ab", "$web"];
        assert_eq!(world().accepted(LOCAL, &good), good);
        assert_eq!(world().accepted(LOCAL, &["ab", "Abc", "a--b", "-ab", "ab-", "a_b", "$logs"]), [""; 0]);
    }
}
