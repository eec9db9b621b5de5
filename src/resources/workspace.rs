//! The Machine Learning workspace: `Microsoft.MachineLearningServices/workspaces`.
//!
//! Guarantees: what Azure's PATCH knows travels by PATCH, the rest and everything that goes away by a
//! merged PUT; the accounts it was made with can only be changed by making it again, and that only
//! where the definition lets the old name be purged, because a soft-deleted workspace keeps its name
//! for 14 days and Azure has no request to recover or purge it then.
//! Sources: facts.md 6 and 22 (Workspaces API 2025-12-01; azurerm's workspace resource).

mod checks;

use serde_json::Value;

use super::address::{Address, Kind};
use super::behaviour::Behaviour;
use super::body;
use super::claims;
use super::contract::{
    Carrier, Context, Listing, Located, NameScope, Protection, ResourceType, Spec, Update, Write,
};
use super::difference::Effect;
use super::field::{Arm, Change, Field, Literal, Shape, WhenAbsent};
use super::finding::Finding;
use super::id::ApiVersion;
use super::identity;
use super::pointer;
use super::resource::{OnDelete, Resource, Resources};
use super::role_assignment;

/// Machine Learning workspaces.
#[derive(Debug)]
pub struct Workspace;

const IMAGE_BUILD: &str = "/properties/imageBuildCompute";
const ISOLATION: &str = "/properties/managedNetwork/isolationMode";
const NO_PUBLIC_IP: &str = "/properties/serverlessComputeSettings/serverlessComputeNoPublicIP";
const SERVERLESS_SUBNET: &str = "/properties/serverlessComputeSettings/serverlessComputeCustomSubnet";

const IDENTITY_EXAMPLE: &str = "/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.ManagedIdentity/userAssignedIdentities/<name>";

const FIXED: Change = Change::Replace("Azure cannot change it on a living workspace");

static SPEC: Spec = Spec {
    kind: Kind::Workspace,
    key: "workspace",
    noun: "workspace",
    arm_type: "Microsoft.MachineLearningServices/workspaces",
    api_version: ApiVersion("2025-12-01"),
    doc: "The workspace: where data, computes, jobs and models of a team meet. A deleted workspace \
          keeps its name for 14 days unless `on_delete: purge` is set.",
    parent: Some(Kind::ResourceGroup),
    segment: "",
    name_scope: NameScope::Id,
    fields: &FIELDS,
    carrier: Carrier::Tags,
    protection: Protection::Protected,
    listing: Listing::InGroup,
    located: Located::Yes,
    read_only: &[
        "/identity/principalId",
        "/identity/tenantId",
        "/identity/userAssignedIdentities/*/principalId",
        "/identity/userAssignedIdentities/*/clientId",
        "/properties/workspaceId",
        "/properties/creationTime",
        "/properties/tenantId",
        "/properties/mlFlowTrackingUri",
        "/properties/notebookInfo",
        "/properties/storageHnsEnabled",
        "/properties/privateLinkCount",
        "/properties/privateEndpointConnections",
        "/properties/serviceProvisionedResourceGroup",
        "/properties/managedNetwork/networkId",
        "/properties/managedNetwork/firewallPublicIpAddress",
        "/properties/managedNetwork/changeableIsolationModes",
    ],
    timeout_secs: 30 * 60,
    behaviour: Behaviour { single: true, soft_deleted: true, unseen_when_deleted: true, ..Behaviour::USUAL },
};

static FIELDS: [Field; 17] = [
    Field {
        name: "friendly_name",
        doc: "The name that people see; Azure shows the workspace's name where it is left out.",
        shape: Shape::Text { max_chars: 256, example: None },
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/friendlyName"),
        change: Change::InPlace,
    },
    Field {
        name: "description",
        doc: "For people.",
        shape: Shape::Text { max_chars: 1024, example: None },
        absent: WhenAbsent::Nothing,
        arm: Arm::At("/properties/description"),
        change: Change::InPlace,
    },
    Field {
        name: "storage_account",
        doc: "The default storage account: standard, and without a hierarchical namespace.",
        shape: Shape::Reference(&[Kind::StorageAccount]),
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/storageAccount"),
        change: FIXED,
    },
    Field {
        name: "key_vault",
        doc: "The vault that keeps the workspace's secrets.",
        shape: Shape::Reference(&[Kind::KeyVault]),
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/keyVault"),
        change: FIXED,
    },
    Field {
        name: "application_insights",
        doc: "Where the workspace sends its telemetry.",
        shape: Shape::Reference(&[Kind::ApplicationInsights]),
        absent: WhenAbsent::Refused,
        arm: Arm::At("/properties/applicationInsights"),
        change: Change::InPlace,
    },
    Field {
        name: "container_registry",
        doc: "The registry of the workspace's images; left out, Azure makes one when it builds the \
              first image.",
        shape: Shape::Reference(&[Kind::ContainerRegistry]),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/containerRegistry"),
        change: Change::InPlace,
    },
    Field {
        name: "identity",
        doc: "The identity with which the workspace reaches its storage, vault and registry.",
        shape: Shape::Object(&IDENTITY_FIELDS),
        absent: WhenAbsent::Refused,
        arm: Arm::Inside,
        change: Change::InPlace,
    },
    Field {
        name: "primary_user_assigned_identity",
        doc: "The full ARM id of the identity that stands for the workspace; needed where it has none \
              of its own.",
        shape: Shape::Word { example: IDENTITY_EXAMPLE },
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/primaryUserAssignedIdentity"),
        change: Change::InPlace,
    },
    Field {
        name: "public_network_access_enabled",
        doc: "Whether the workspace answers from the internet.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(true)),
        arm: Arm::Enabled("/properties/publicNetworkAccess"),
        change: Change::InPlace,
    },
    Field {
        name: "image_build_compute_name",
        doc: "The cluster that builds images where the registry's own build cannot reach it. The \
              cluster is made after the workspace.",
        shape: Shape::Reference(&[Kind::ComputeCluster]),
        absent: WhenAbsent::Nothing,
        arm: Arm::By { write: write_image_build, read: read_image_build },
        change: Change::InPlace,
    },
    Field {
        name: "high_business_impact",
        doc: "Whether Azure collects less diagnostic data, because of what the workspace holds.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/hbiWorkspace", Literal::Bool(false)),
        change: FIXED,
    },
    Field {
        name: "v1_legacy_mode_enabled",
        doc: "Whether the workspace keeps to the first version of the API.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::AtOr("/properties/v1LegacyMode", Literal::Bool(false)),
        change: Change::InPlace,
    },
    Field {
        name: "storage_account_access_type",
        doc: "How the built-in datastores reach the default storage account.",
        shape: Shape::Choice(&["AccessKey", "Identity", "UserDelegationSAS"]),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::At("/properties/systemDatastoresAuthMode"),
        change: Change::InPlace,
    },
    Field {
        name: "sku_name",
        doc: "The edition; there is one.",
        shape: Shape::Choice(&["Basic"]),
        absent: WhenAbsent::Default(Literal::Text("Basic")),
        arm: Arm::By { write: write_sku, read: read_sku },
        change: Change::InPlace,
    },
    Field {
        name: "kind",
        doc: "The kind of workspace.",
        shape: Shape::Choice(&["Default"]),
        absent: WhenAbsent::Default(Literal::Text("Default")),
        arm: Arm::AtOr("/kind", Literal::Text("Default")),
        change: Change::Replace("a workspace of another kind is another workspace"),
    },
    Field {
        name: "managed_network",
        doc: "A network that Azure manages for the workspace's computes.",
        shape: Shape::Object(&MANAGED_NETWORK_FIELDS),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::Inside,
        change: Change::InPlace,
    },
    Field {
        name: "serverless_compute",
        doc: "Where jobs without a compute of their own run.",
        shape: Shape::Object(&SERVERLESS_FIELDS),
        absent: WhenAbsent::ServiceDefault,
        arm: Arm::Inside,
        change: Change::InPlace,
    },
];

static IDENTITY_FIELDS: [Field; 2] = [
    identity::type_field(&[identity::SYSTEM, identity::USER, identity::BOTH], Change::InPlace),
    identity::ids_field(Change::InPlace),
];

/// From open to closed; Azure goes only in this direction (Workspace managed virtual network
/// isolation, learn.microsoft.com).
const ISOLATION_MODES: [&str; 3] = ["Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"];

static MANAGED_NETWORK_FIELDS: [Field; 1] = [Field {
    name: "isolation_mode",
    doc: "What computes may reach. It can only become stricter.",
    shape: Shape::Choice(&ISOLATION_MODES),
    absent: WhenAbsent::Refused,
    arm: Arm::AtOr(ISOLATION, Literal::Text("Disabled")),
    change: Change::InPlace,
}];

static SERVERLESS_FIELDS: [Field; 2] = [
    Field {
        name: "subnet",
        doc: "The subnet of serverless nodes.",
        shape: Shape::Reference(&[Kind::Subnet]),
        absent: WhenAbsent::Nothing,
        arm: Arm::At(SERVERLESS_SUBNET),
        change: Change::InPlace,
    },
    Field {
        name: "public_ip_enabled",
        doc: "Whether serverless nodes have public addresses.",
        shape: Shape::Bool,
        absent: WhenAbsent::Default(Literal::Bool(false)),
        arm: Arm::Not(NO_PUBLIC_IP),
        change: Change::InPlace,
    },
];

/// What a PATCH may carry (`WorkspacePropertiesUpdateParameters`), as far as it is written here.
const PATCHABLE: [&str; 10] = [
    "friendly_name",
    "description",
    "image_build_compute_name",
    "public_network_access_enabled",
    "application_insights",
    "container_registry",
    "primary_user_assigned_identity",
    "v1_legacy_mode_enabled",
    "sku_name",
    "managed_network.isolation_mode",
];

impl ResourceType for Workspace {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn check(&self, resource: &Resource, all: &Resources) -> Vec<Finding> {
        checks::check(resource, all)
    }

    fn effect(&self, resource: &Resource, path: &str, before: &Value, after: &Value) -> Effect {
        match path {
            "identity.type" => identity_effect(before, after),
            "managed_network.isolation_mode" if isolation_rank(after) < isolation_rank(before) => {
                Effect::Replace("the isolation of a managed network cannot be loosened again".to_owned())
            }
            "serverless_compute.public_ip_enabled"
                if after == &Value::Bool(false) && resource.field("serverless_compute.subnet").is_none() =>
            {
                Effect::Impossible(
                    "serverless nodes outside of a subnet cannot lose their public addresses; set `serverless_compute.subnet`"
                        .to_owned(),
                )
            }
            _ => body::effect_by_table(self.spec(), resource, path, before, after),
        }
    }

    fn update(&self, update: Update<'_>, context: &Context<'_>) -> Vec<Write> {
        // A PATCH cannot take a property away for certain: `null` may mean "as it is".
        let mut changed = update.differences.iter().filter(|one| one.effect == Effect::InPlace);
        let patchable = changed.all(|one| {
            let is_claim = one.field.starts_with(claims::FIELD_PREFIX);
            is_claim
                || !one.after.is_null()
                    && (PATCHABLE.contains(&one.field.as_str()) || is_tag_or_identity(&one.field))
        });
        if !patchable {
            return vec![Write::Merged(body::merge(self, update, context))];
        }
        let mut patch = body::patch_of(self, update, context);
        if patch.get("identity").is_some() {
            // Identities that are left out of a PATCH are taken away: it carries all of them.
            let desired = self.body(update.resource, context);
            pointer::put(&mut patch, "/identity", desired["identity"].clone());
        }
        vec![Write::Patch(patch)]
    }

    fn release(&self, observed: &Value) -> Result<Vec<Write>, String> {
        Ok(vec![Write::Patch(body::unmarking_patch(self.spec(), observed))])
    }

    fn replaceable(&self, resource: &Resource, _observed: &Value) -> Result<(), String> {
        match resource.on_delete {
            OnDelete::Purge => Ok(()),
            OnDelete::Keep => Err(format!(
                "a deleted workspace keeps its name for 14 days and Azure has no request to recover or purge it \
                 then; set `on_delete: purge` on the workspace to give up what `{}` holds, or choose another `name`",
                resource.name
            )),
        }
    }

    fn delete_query(
        &self,
        resource: Option<&Resource>,
        _observed: &Value,
    ) -> Vec<(&'static str, &'static str)> {
        match resource.map(|resource| resource.on_delete) {
            Some(OnDelete::Purge) => vec![("forceToPurge", "true")],
            Some(OnDelete::Keep) | None => Vec::new(),
        }
    }

    /// One that acts with an identity which somebody made needs that identity's roles when it is made (facts.md 6).
    fn depends_on(&self, resource: &Resource, all: &Resources) -> Vec<Address> {
        let acts_with_another = resource.text("identity.type").is_some_and(|kind| kind != identity::SYSTEM);
        let roles = acts_with_another.then(|| role_assignment::to_others_before_workspace(all));
        roles.into_iter().flatten().map(|one| one.address.clone()).collect()
    }

    fn loose_references(&self) -> &'static [&'static str] {
        &["image_build_compute_name"]
    }

    fn outputs(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("name", "/name"),
            ("id", "/id"),
            ("workspace_id", "/properties/workspaceId"),
            ("principal_id", "/identity/principalId"),
            ("discovery_url", "/properties/discoveryUrl"),
            ("mlflow_tracking_uri", "/properties/mlFlowTrackingUri"),
        ]
    }
}

fn is_tag_or_identity(path: &str) -> bool {
    matches!(path, "mark" | "address" | "seal") || path.starts_with("tags.") || path.starts_with("identity.")
}

/// An identity kind may be added to a workspace and never taken away (Set up authentication between
/// Azure Machine Learning and other services, learn.microsoft.com).
fn identity_effect(before: &Value, after: &Value) -> Effect {
    let (before, after) = (before.as_str().unwrap_or_default(), after.as_str().unwrap_or_default());
    match (before, after) {
        ("", _) | (_, identity::BOTH) => Effect::InPlace,
        _ => Effect::Impossible(format!(
            "a workspace cannot lose an identity it has: it is `{before}`, which can become `{}` and nothing else",
            identity::BOTH
        )),
    }
}

fn isolation_rank(mode: &Value) -> usize {
    let mode = mode.as_str().unwrap_or_default();
    ISOLATION_MODES.iter().position(|one| one.eq_ignore_ascii_case(mode)).unwrap_or(0)
}

/// Azure wants the cluster's name, not its id.
fn write_image_build(value: &Value, body: &mut Value) {
    let name = value.as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    pointer::put(body, IMAGE_BUILD, Value::from(name));
}

fn read_image_build(body: &Value) -> Option<Value> {
    let name = pointer::get(body, IMAGE_BUILD)?.as_str().filter(|name| !name.is_empty())?;
    let workspace = pointer::get(body, "/id").and_then(Value::as_str);
    Some(Value::from(workspace.map_or_else(|| name.to_owned(), |id| format!("{id}/computes/{name}"))))
}

fn write_sku(value: &Value, body: &mut Value) {
    pointer::put(body, "/sku/name", value.clone());
    pointer::put(body, "/sku/tier", value.clone());
}

fn read_sku(body: &Value) -> Option<Value> {
    let name = pointer::get(body, "/sku/name").and_then(Value::as_str);
    Some(Value::from(name.unwrap_or("Basic")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixture::World;
    use super::super::resource::Reference;
    use super::super::sample::{IDENTITY, PRINCIPAL, echoed, id, reference, tags};
    use super::*;

    fn workspace_id() -> String {
        id("Microsoft.MachineLearningServices/workspaces/mlw-production")
    }

    /// The reference workspace as Azure answers it, in its most unpleasant form.
    fn observed(world: &World) -> Value {
        let extra = json!({
            "location": "East US",
            "kind": "default",
            "identity": { "principalId": PRINCIPAL, "tenantId": "11111111-1111-1111-1111-111111111111" },
            "etag": null,
            "properties": {
                "keyVault": id("Microsoft.Keyvault/vaults/KV-ml-production"),
                "applicationInsights": id("microsoft.insights/components/ai-ml-production"),
                "hbiWorkspace": null,
                "v1LegacyMode": null,
                "systemDatastoresAuthMode": "accesskey",
                "managedNetwork": { "isolationMode": "Disabled", "changeableIsolationModes": ["AllowInternetOutbound"] },
                "workspaceId": PRINCIPAL,
                "mlFlowTrackingUri": "azureml://eastus.api.azureml.ms/mlflow/v1.0",
                "storageHnsEnabled": false,
                "discoveryUrl": "https://eastus.api.azureml.ms/discovery"
            }
        });
        echoed(&world.body("workspace"), &workspace_id(), &extra)
    }

    #[test]
    fn the_reference_workspace_has_this_body() {
        assert_eq!(
            reference().body("workspace"),
            json!({
                "location": "eastus",
                "kind": "Default",
                "sku": { "name": "Basic", "tier": "Basic" },
                "identity": { "type": "SystemAssigned" },
                "tags": tags("workspace", "8dc731946e523814"),
                "properties": {
                    "friendlyName": "ML Workspace - Production",
                    "description": "Machine Learning workspace for production workloads",
                    "storageAccount": id("Microsoft.Storage/storageAccounts/stmlproduction001"),
                    "keyVault": id("Microsoft.KeyVault/vaults/kv-ml-production"),
                    "applicationInsights": id("Microsoft.Insights/components/ai-ml-production"),
                    "containerRegistry": id("Microsoft.ContainerRegistry/registries/acrmlproduction001"),
                    "imageBuildCompute": "cpu-cluster",
                    "publicNetworkAccess": "Enabled",
                    "hbiWorkspace": false,
                    "v1LegacyMode": false
                }
            })
        );
    }

    #[test]
    fn azures_echo_is_no_difference() {
        let world = reference();
        assert_eq!(world.differences("workspace", &observed(&world)), []);
        assert_eq!(world.codes("workspace"), [""; 0]);
    }

    #[test]
    fn identities_that_come_back_in_another_casing_are_no_difference() {
        let mut world = reference();
        let mine = json!({ "type": "UserAssigned", "identity_ids": [IDENTITY] });
        world.write("workspace", "identity", mine);
        world.write("workspace", "primary_user_assigned_identity", json!(IDENTITY));
        let mut observed = observed(&world);
        let shouted = IDENTITY.to_ascii_uppercase();
        let theirs = json!({ "type": "UserAssigned", "userAssignedIdentities": { shouted.as_str(): { "clientId": "c" } } });
        pointer::put(&mut observed, "/identity", theirs);
        pointer::put(&mut observed, "/properties/primaryUserAssignedIdentity", json!(shouted));
        assert_eq!(world.differences("workspace", &observed), []);
    }

    #[test]
    fn what_the_patch_knows_travels_by_patch() {
        let mut world = reference();
        let observed = observed(&world);
        world.write("workspace", "description", json!("new"));
        world.write("workspace", "public_network_access_enabled", json!(false));
        world.get("workspace").tags.insert("team".into(), "ml".into());
        let mut tags = tags("workspace", "8dc731946e523814");
        tags["team"] = json!("ml");
        assert_eq!(
            world.patch("workspace", &observed),
            json!({ "tags": tags, "properties": { "description": "new", "publicNetworkAccess": "Disabled" } })
        );
    }

    #[test]
    fn another_cluster_for_images_is_named_not_identified() {
        let mut world = reference();
        let observed = observed(&world);
        world.write("workspace", "image_build_compute_name", json!("gpu-cluster"));
        let cluster = "production/compute_clusters/gpu-cluster".parse().unwrap();
        let reference = Reference::Local(cluster);
        world.get("workspace").references.insert("image_build_compute_name".into(), reference);
        let differences = world.differences("workspace", &observed);
        assert_eq!(
            (&differences[0].before, &differences[0].after),
            (&json!("cpu-cluster"), &json!("gpu-cluster"))
        );
        assert_eq!(
            world.patch("workspace", &observed),
            json!({ "properties": { "imageBuildCompute": "gpu-cluster" } })
        );
    }

    #[test]
    fn an_added_identity_is_sent_with_all_the_others() {
        let mut world = reference();
        let observed = observed(&world);
        world.write("workspace", "identity", json!({ "type": identity::BOTH, "identity_ids": [IDENTITY] }));
        assert_eq!(
            world.patch("workspace", &observed),
            json!({
                "identity": {
                    "type": "SystemAssigned,UserAssigned",
                    "userAssignedIdentities": { IDENTITY: {} }
                }
            })
        );
        assert_eq!(world.codes("workspace"), [""; 0]);
    }

    #[test]
    fn what_goes_away_or_is_not_patchable_goes_by_put() {
        let mut world = reference();
        let observed = observed(&world);
        world.get("workspace").fields.remove("description");
        world.write("workspace", "storage_account_access_type", json!("Identity"));
        let body = world.put("workspace", &observed);
        assert_eq!(body["properties"].get("description"), None);
        assert_eq!(body["properties"]["systemDatastoresAuthMode"], "Identity");
        assert_eq!(body["properties"]["discoveryUrl"], "https://eastus.api.azureml.ms/discovery");
        for gone in ["workspaceId", "mlFlowTrackingUri", "storageHnsEnabled", "provisioningState"] {
            assert_eq!(body["properties"].get(gone), None, "{gone}");
        }
        assert_eq!(body["identity"], json!({ "type": "SystemAssigned" }));
    }

    #[test]
    fn a_workspace_is_made_again_for_what_it_was_made_with() {
        let mut world = reference();
        for (pointer, value, field) in [
            (
                "/properties/storageAccount",
                json!(id("Microsoft.Storage/storageAccounts/other")),
                "storage_account",
            ),
            ("/properties/keyVault", json!(id("Microsoft.KeyVault/vaults/other")), "key_vault"),
            ("/properties/hbiWorkspace", json!(true), "high_business_impact"),
            ("/location", json!("westus"), "location"),
            ("/kind", json!("Hub"), "kind"),
        ] {
            let mut observed = observed(&world);
            pointer::put(&mut observed, pointer, value);
            world.get("workspace").written.insert(field.to_owned());
            let (found, effect) = world.difference("workspace", &observed);
            assert_eq!(found, field);
            assert!(matches!(effect, Effect::Replace(_)), "{field}: {effect:?}");
        }
    }

    #[test]
    fn an_identity_kind_is_never_taken_away() {
        let both = json!(identity::BOTH);
        assert_eq!(identity_effect(&json!(identity::SYSTEM), &both), Effect::InPlace);
        assert_eq!(identity_effect(&Value::Null, &json!(identity::USER)), Effect::InPlace);
        for (before, after) in
            [(&both, json!(identity::SYSTEM)), (&json!(identity::SYSTEM), json!(identity::USER))]
        {
            assert!(matches!(identity_effect(before, &after), Effect::Impossible(_)));
        }
    }

    #[test]
    fn isolation_only_becomes_stricter() {
        let mut world = reference();
        let mut observed = observed(&world);
        world.write("workspace", "managed_network", json!({ "isolation_mode": "AllowInternetOutbound" }));
        assert_eq!(
            world.patch("workspace", &observed),
            json!({ "properties": { "managedNetwork": { "isolationMode": "AllowInternetOutbound" } } })
        );
        pointer::put(&mut observed, ISOLATION, json!("allowonlyapprovedoutbound"));
        let (field, effect) = world.difference("workspace", &observed);
        assert_eq!(field, "managed_network.isolation_mode");
        assert!(matches!(effect, Effect::Replace(_)));
    }

    #[test]
    fn serverless_nodes_outside_of_a_subnet_keep_their_addresses() {
        let mut world = reference();
        let observed = observed(&world);
        world.write("workspace", "serverless_compute", json!({ "public_ip_enabled": false }));
        let (field, effect) = world.difference("workspace", &observed);
        assert_eq!(field, "serverless_compute.public_ip_enabled");
        assert!(matches!(effect, Effect::Impossible(_)));
        world.write("workspace", "public_network_access_enabled", json!(false));
        assert_eq!(world.codes("workspace"), ["serverless-without-subnet"]);
    }

    #[test]
    fn a_new_workspace_under_the_same_name_needs_the_purge_of_the_old() {
        let mut world = reference();
        let workspace = world.get("workspace");
        let body = Value::Null;
        assert!(Workspace.replaceable(workspace, &body).unwrap_err().contains("on_delete: purge"));
        assert!(Workspace.delete_query(Some(workspace), &body).is_empty());
        workspace.on_delete = OnDelete::Purge;
        assert_eq!(Workspace.replaceable(workspace, &body), Ok(()));
        assert_eq!(Workspace.delete_query(Some(workspace), &body), [("forceToPurge", "true")]);
        assert!(Workspace.delete_query(None, &body).is_empty());
    }

    #[test]
    fn a_default_account_that_azure_refuses_is_an_error() {
        for (field, value, code) in [
            ("is_hns_enabled", json!(true), "workspace-storage-hns"),
            ("account_tier", json!("Premium"), "workspace-storage-premium"),
            ("account_kind", json!("BlobStorage"), "workspace-storage-kind"),
        ] {
            let mut world = reference();
            world.write("storage_accounts/default", field, value);
            assert_eq!(world.codes("workspace"), [code]);
        }
    }

    #[test]
    fn identities_fit_together() {
        for (identity, primary, codes) in [
            (json!({ "type": "UserAssigned", "identity_ids": [IDENTITY] }), None, vec!["primary-identity"]),
            (json!({ "type": "UserAssigned", "identity_ids": [IDENTITY] }), Some(IDENTITY), vec![]),
            (json!({ "type": "UserAssigned" }), Some(IDENTITY), vec!["identity-ids", "primary-identity"]),
            (json!({ "type": "SystemAssigned", "identity_ids": [IDENTITY] }), None, vec!["identity-ids"]),
            (json!({ "type": identity::BOTH, "identity_ids": ["uai"] }), None, vec!["identity-ids"]),
        ] {
            let mut world = reference();
            world.write("workspace", "identity", identity);
            if let Some(primary) = primary {
                world.write("workspace", "primary_user_assigned_identity", json!(primary));
            }
            assert_eq!(world.codes("workspace"), codes);
        }
    }

    #[test]
    fn an_image_cluster_that_is_not_declared_is_pointed_out() {
        let mut world = reference();
        world.resources.remove(&"production/compute_clusters/cpu-cluster".parse().unwrap());
        assert_eq!(world.codes("workspace"), ["image-build-compute-undeclared"]);
    }

    #[test]
    fn names_follow_the_rule_of_the_schema() {
        let long = "a".repeat(33);
        let names = ["mlw-production", "1_a", "abc", &long];
        assert_eq!(reference().accepted("workspace", &names), names);
        let names = ["", "ab", "-ab", "a.b", "mlw production", &"a".repeat(34)];
        assert_eq!(reference().accepted("workspace", &names), [""; 0]);
    }
}
