//! `Microsoft.MachineLearningServices` workspaces (`facts.md` 6): 202 and `Location`, dependencies that
//! come back in another casing, a soft-deleted name that no API gives back.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Query, Typed, Write, afterlife};
use crate::body;
use crate::http::Reply;
use crate::operation::Afterlife;
use crate::providers::identity::{self, Spelling};
use crate::providers::names::word;
use crate::providers::{
    Answer, Kind, Removal, Style, container_registry, machine_learning::compute_quota,
    machine_learning::datastores, machine_learning::managed_network as ml_network,
    machine_learning::vm_sizes, machine_learning::workspace_grants,
};
use crate::state::{Grave, State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Workspace;

/// How long the name of a deleted workspace stays taken.
const NAME_TAKEN_DAYS: i64 = 14;

static STYLE: Style = Style {
    arm_type: "Microsoft.MachineLearningServices/workspaces",
    first_version: "2018-03-01-preview",
    create: Answer::Location,
    update: Answer::Location,
    delete: Removal::Location,
    create_secs: 60.0,
    update_secs: 20.0,
    delete_secs: 45.0,
    result_segment: "workspaceOperationsStatus",
    ..Style::TRACKED
};

/// A dependency: property, type, how its type comes back in an id, whether a workspace needs it.
const DEPENDENCIES: [(&str, &str, &str, bool); 4] = [
    ("storageAccount", "Microsoft.Storage/storageAccounts", "Microsoft.Storage", true),
    ("keyVault", "Microsoft.KeyVault/vaults", "Microsoft.Keyvault", true),
    ("applicationInsights", "microsoft.insights/components", "Microsoft.insights", true),
    ("containerRegistry", "Microsoft.ContainerRegistry/registries", "Microsoft.ContainerRegistry", false),
];

const ISOLATION_MODES: [&str; 3] = ["Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"];

pub(in crate::providers) fn bad(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("BadRequest", message)
}

impl Kind for Workspace {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !word(write.name(), 3, 33) {
            let message =
                format!("Workspace name '{}' is invalid: 3 to 33 letters, digits, '-' or '_'.", write.name());
            return Err(ArmError::bad_request("InvalidWorkspaceName", message));
        }
        if state.graves.contains_key(&grave_key(write.id)) {
            return Err(bad(
                "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete",
            ));
        }
        match &write.existing {
            Some(_) => check_change(write),
            None => check_creation(state, write),
        }?;
        check_dependencies(state, write)
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = write.body.clone();
        identity::assign(state, write, &mut filled, Spelling::Tight);
        keep_old(write, &mut filled);
        fill_defaults(write, &mut filled);
        spell_dependencies(state, &mut filled);
        fill_read_only(state, write, &mut filled);
        filled
    }

    fn patched(&self, existing: &Value, sent: &Value) -> Result<Value, ArmError> {
        let mut wanted = existing.clone();
        for pointer in PATCHABLE {
            if let Some(value) = body::at(sent, pointer) {
                body::set(&mut wanted, pointer, value.clone());
            }
        }
        Ok(wanted)
    }

    /// `kind`: one or several, by commas (Workspaces_ListByResourceGroup).
    fn is_listed(&self, stored: &Stored, query: &Query) -> bool {
        let own = body::text(&stored.body, "/kind").unwrap_or("Default");
        let wants = |kinds: &str| kinds.split(',').any(|kind| kind.trim().eq_ignore_ascii_case(own));
        query.get("kind").filter(|kinds| !kinds.is_empty()).is_none_or(wants)
    }

    fn before_delete(&self, _: &State, _: &Stored, query: &Query) -> Result<Afterlife, ArmError> {
        Ok(afterlife(query, "forceToPurge"))
    }

    fn removed(&self, state: &mut State, stored: &Stored, afterlife: Afterlife) {
        if afterlife == Afterlife::Purge {
            return;
        }
        let deleted = state.now();
        let span = jiff::SignedDuration::from_hours(24 * NAME_TAKEN_DAYS);
        let purged = deleted.checked_add(span).unwrap_or(deleted);
        let grave = Grave {
            id: stored.id.clone(),
            body: stored.body.clone(),
            created: stored.created,
            deleted,
            purged,
        };
        state.graves.insert(grave_key(&stored.id), grave);
    }

    fn provisioned(&self, state: &mut State, id: &ResourceId) {
        datastores::add_built_ins(state, id);
        workspace_grants::add(state, id);
    }

    fn action(
        &self,
        state: &mut State,
        call: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        let storage = || body::at(&stored.body, "/properties/storageAccount").cloned();
        match action {
            "listkeys" => Some(Ok(Reply::json(200, keys(state, stored)))),
            "liststorageaccountkeys" => {
                Some(Ok(Reply::json(200, json!({ "userStorageKey": null, "userStorageArmId": storage() }))))
            }
            "listnotebookaccesstoken" => Some(Ok(Reply::json(200, notebook_token(state, stored)))),
            "diagnose" => Some(Ok(Reply::json(200, diagnosis()))),
            "provisionmanagednetwork" => Some(ml_network::provision(state, call, stored)),
            "resynckeys" => Some(Ok(Reply::empty(200))),
            "listnotebookkeys" => {
                let key = |name: &str| state.uuid_of(name, &stored.id).simple().to_string();
                let keys =
                    json!({ "primaryAccessKey": key("notebook 1"), "secondaryAccessKey": key("notebook 2") });
                Some(Ok(Reply::json(200, keys)))
            }
            _ => None,
        }
    }
}

/// The keys of what the workspace depends on. Those of a storage account or a component without key
/// access are null, as in the service's example.
fn keys(state: &State, stored: &Stored) -> Value {
    let id = |name: &str| body::text(&stored.body, &format!("/properties/{name}")).map(str::to_owned);
    let mut keys = json!({
        "userStorageKey": null, "userStorageResourceId": id("storageAccount"),
        "appInsightsInstrumentationKey": null,
        "notebookAccessKeys": { "primaryAccessKey": null, "secondaryAccessKey": null },
    });
    let registry = id("containerRegistry").and_then(|id| id.parse().ok());
    if let Some(registry) = registry.and_then(|id| state.get(&id)) {
        let mut credentials = container_registry::credentials(state, registry);
        credentials["location"] = registry.body["location"].clone();
        keys["containerRegistryCredentials"] = credentials;
    }
    keys
}

fn notebook_token(state: &State, stored: &Stored) -> Value {
    let host = body::text(&stored.body, "/properties/notebookInfo/fqdn").unwrap_or_default();
    json!({
        "notebookResourceId": stored.body["properties"]["notebookInfo"]["resourceId"], "hostName": host,
        "publicDns": host, "tokenType": "Bearer", "expiresIn": 28_800, "scope": "aznb_identity",
        "accessToken": state.uuid_of("notebook access", &stored.id).simple().to_string(),
        "refreshToken": state.uuid_of("notebook refresh", &stored.id).simple().to_string(),
    })
}

/// Nothing is ever found to be wrong.
fn diagnosis() -> Value {
    let empty = [
        "userDefinedRouteResults",
        "networkSecurityRuleResults",
        "resourceLockResults",
        "dnsResolutionResults",
        "storageAccountResults",
        "keyVaultResults",
        "containerRegistryResults",
        "applicationInsightsResults",
        "otherResults",
    ];
    let entries: serde_json::Map<String, Value> =
        empty.into_iter().map(|name| (name.to_owned(), json!([]))).collect();
    json!({ "value": entries })
}

/// What a PATCH changes; the rest of it is ignored (swagger `WorkspacePropertiesUpdateParameters`).
const PATCHABLE: [&str; 16] = [
    "/tags",
    "/sku",
    "/identity",
    "/properties/description",
    "/properties/friendlyName",
    "/properties/imageBuildCompute",
    "/properties/primaryUserAssignedIdentity",
    "/properties/serverlessComputeSettings",
    "/properties/publicNetworkAccess",
    "/properties/applicationInsights",
    "/properties/containerRegistry",
    "/properties/featureStoreSettings",
    "/properties/managedNetwork",
    "/properties/enableDataIsolation",
    "/properties/v1LegacyMode",
    "/properties/encryption",
];

fn grave_key(id: &ResourceId) -> (String, String) {
    ("workspaces".to_owned(), id.folded())
}

fn check_creation(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    let kind = write.text("/kind").unwrap_or("Default");
    if kind.eq_ignore_ascii_case("Project") {
        return Ok(());
    }
    if identity::kinds(write.body).is_none_or(|kinds| !kinds.system && !kinds.user) {
        return Err(bad(
            "The workspace requires an identity: specify a system-assigned or user-assigned identity.",
        ));
    }
    for (name, ..) in DEPENDENCIES.iter().filter(|(.., needed)| *needed) {
        if write.text(&format!("/properties/{name}")).is_none() {
            let message = format!("Missing dependent resources in workspace json: {name}");
            return Err(ArmError::bad_request("ValidationError", message).at(name));
        }
    }
    let account = write.text("/properties/storageAccount").and_then(|id| id.parse().ok());
    match account.as_ref().and_then(|id| state.get(id)) {
        Some(account) => check_default_storage(&account.body),
        None => Ok(()),
    }
}

/// The default account of a workspace (ML concept-workspace, `facts.md` 6).
fn check_default_storage(account: &Value) -> Result<(), ArmError> {
    if body::truth(account, "/properties/isHnsEnabled") == Some(true) {
        return Err(bad("Cannot use storage with HNS enabled."));
    }
    if body::text(account, "/sku/name").is_some_and(|sku| sku.starts_with("Premium")) {
        return Err(bad(
            "Cannot use storage with a Premium SKU as the default storage account of a workspace.",
        ));
    }
    if body::text(account, "/kind") == Some("BlobStorage") {
        return Err(bad(
            "Cannot use storage of kind BlobStorage as the default storage account of a workspace.",
        ));
    }
    Ok(())
}

fn check_dependencies(state: &State, write: &Write<'_>) -> Result<(), ArmError> {
    for (name, arm_type, ..) in DEPENDENCIES {
        let Some(text) = write.text(&format!("/properties/{name}")).filter(|text| !text.is_empty()) else {
            continue;
        };
        let id: Option<ResourceId> = text.parse().ok();
        let stored =
            id.filter(|id| id.arm_type().eq_ignore_ascii_case(arm_type)).and_then(|id| state.get(&id));
        let Some(stored) = stored else {
            return Err(bad(format!("The {name} '{text}' of the workspace was not found.")).at(name));
        };
        let ready = body::text(&stored.body, "/properties/provisioningState").unwrap_or("Succeeded");
        if !["Succeeded", "Updating"].contains(&ready) {
            return Err(bad(format!(
                "The {name} '{text}' is not ready: its provisioning state is '{ready}'."
            ))
            .at(name));
        }
    }
    Ok(())
}

fn check_change(write: &Write<'_>) -> Result<(), ArmError> {
    let changed = |pointer: &str| {
        let (new, old) = (write.text(pointer), write.old_text(pointer));
        new.is_some_and(|new| !old.unwrap_or_default().eq_ignore_ascii_case(new))
    };
    if changed("/properties/storageAccount") {
        return Err(bad("Storage Account update is not supported yet"));
    }
    if changed("/properties/keyVault") {
        return Err(bad("Key Vault update is not supported yet"));
    }
    if body::truth(write.body, "/properties/hbiWorkspace")
        .is_some_and(|new| write.old("/properties/hbiWorkspace") != Some(&json!(new)))
    {
        return Err(bad("The property 'hbiWorkspace' cannot be changed after the workspace was created."));
    }
    let (new, old) = (identity::kinds(write.body), write.existing.as_ref().and_then(identity::kinds));
    if let (Some(new), Some(old)) = (new, old)
        && ((old.system && old.user && !(new.system && new.user)) || !(new.system || new.user))
    {
        return Err(bad("The identity of a workspace cannot be reduced."));
    }
    let rank =
        |mode: Option<&str>| ISOLATION_MODES.iter().position(|known| Some(*known) == mode).unwrap_or(0);
    let mode = "/properties/managedNetwork/isolationMode";
    if write.text(mode).is_some() && rank(write.text(mode)) < rank(write.old_text(mode)) {
        return Err(bad("The isolation mode of a managed network cannot be relaxed."));
    }
    Ok(())
}

/// What a PUT on an existing workspace leaves alone: the registry that it takes away (accepted and
/// ignored, `facts.md` 22) and what only a creation sets.
fn keep_old(write: &Write<'_>, filled: &mut Value) {
    for name in [
        "storageAccount",
        "keyVault",
        "applicationInsights",
        "containerRegistry",
        "hbiWorkspace",
        "encryption",
    ] {
        let pointer = format!("/properties/{name}");
        if let Some(old) = write.old(&pointer) {
            body::fill(filled, &pointer, old.clone());
        }
    }
    for pointer in ["/kind", "/sku"] {
        if let Some(old) = write.old(pointer) {
            body::fill(filled, pointer, old.clone());
        }
    }
}

fn fill_defaults(write: &Write<'_>, filled: &mut Value) {
    let hub = body::text(filled, "/kind").is_some_and(|kind| kind == "Hub" || kind == "Project");
    for (pointer, value) in [
        ("/kind", json!("Default")),
        ("/sku/name", json!("Basic")),
        ("/sku/tier", json!("Basic")),
        ("/properties/friendlyName", json!(write.name())),
        ("/properties/description", json!("")),
        ("/properties/hbiWorkspace", json!(false)),
        ("/properties/allowPublicAccessWhenBehindVnet", json!(false)),
        ("/properties/publicNetworkAccess", json!("Enabled")),
        ("/properties/v1LegacyMode", json!(false)),
        ("/properties/enableDataIsolation", json!(hub)),
        ("/properties/systemDatastoresAuthMode", json!("accesskey")),
        ("/properties/managedNetwork/isolationMode", json!("Disabled")),
        ("/tags", json!({})),
    ] {
        body::fill(filled, pointer, value);
    }
    if let Some(mode) =
        body::text(filled, "/properties/systemDatastoresAuthMode").map(str::to_ascii_lowercase)
    {
        body::set(filled, "/properties/systemDatastoresAuthMode", mode);
    }
}

/// Dependencies come back in the provider's own casing (azure-cli-extensions#7699).
fn spell_dependencies(state: &State, filled: &mut Value) {
    for (name, arm_type, namespace, _) in DEPENDENCIES {
        let pointer = format!("/properties/{name}");
        let id: Option<ResourceId> = body::text(filled, &pointer).and_then(|text| text.parse().ok());
        let Some(id) = id else { continue };
        let own = state.get(&id).map_or(id, |stored| stored.id.clone());
        let short = arm_type.rsplit('/').next().unwrap_or_default();
        let spelled = own.parent().map(|group| group.provider(&format!("{namespace}/{short}"), own.name()));
        if let Some(spelled) = spelled {
            body::set(filled, &pointer, spelled.as_str());
        }
    }
}

fn fill_read_only(state: &State, write: &Write<'_>, filled: &mut Value) {
    let location = body::text(filled, "/location")
        .map(crate::providers::resources::subscriptions::normal_location)
        .unwrap_or_default();
    let workspace = state.uuid_of("workspace", write.id);
    let notebooks = format!("ml-{}-{location}-{workspace}.{location}.notebooks.azure.net", write.name());
    let mode = body::text(filled, "/properties/managedNetwork/isolationMode").unwrap_or("Disabled");
    let rank = ISOLATION_MODES.iter().position(|known| *known == mode).unwrap_or(0);
    for (name, value) in [
        ("workspaceId", json!(workspace)),
        ("tenantId", json!(state.tenant_of(write.id))),
        ("discoveryUrl", json!(format!("https://{location}.api.azureml.ms/discovery"))),
        ("mlFlowTrackingUri", json!(format!("azureml://{location}.api.azureml.ms/mlflow/v1.0{}", write.id))),
        (
            "notebookInfo",
            json!({
                "resourceId": state.uuid_of("notebook", write.id).simple().to_string(), "fqdn": notebooks,
                "isPrivateLinkEnabled": false, "notebookPreparationError": null,
            }),
        ),
        ("storageHnsEnabled", json!(false)),
        ("privateLinkCount", json!(0)),
        ("privateEndpointConnections", json!([])),
        ("managedNetwork/changeableIsolationModes", json!(&ISOLATION_MODES[rank..])),
    ] {
        body::set(filled, &format!("/properties/{name}"), value);
    }
    if let Some(status) = write.old("/properties/managedNetwork/status") {
        body::set(filled, "/properties/managedNetwork/status", status.clone());
    }
    body::set(filled, "/etag", Value::Null);
    body::set(filled, "/systemData", state.system_data(write.caller, write.existing.as_ref()));
}

/// Sizes, usages and quotas per region.
pub(in crate::providers) fn special(
    state: &mut State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let ["locations", location, list] = tail else { return None };
    let near = typed.scope.parse::<ResourceId>().ok()?;
    match (call.method.as_str(), *list) {
        ("GET", "vmsizes") => Some(Ok(Reply::json(200, vm_sizes::document(state.settings.vm_sizes)))),
        ("GET", "usages") => Some(Ok(Reply::json(200, compute_quota::usages(state, &near, location)))),
        ("GET", "quotas") => Some(Ok(Reply::json(200, compute_quota::quotas(state, &near, location)))),
        ("POST", "updatequotas") => Some(compute_quota::update(state, call, location)),
        _ => None,
    }
}
