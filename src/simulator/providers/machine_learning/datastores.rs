//! Datastores of a workspace (`facts.md` 11): at once, secrets go in and never come out, four appear
//! by themselves.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Query, Write};
use crate::body;
use crate::http::Reply;
use crate::providers::machine_learning::workspaces::bad;
use crate::providers::names::word;
use crate::providers::{Answer, Kind, Style};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

pub(in crate::providers) struct Datastore;

static STYLE: Style = Style {
    arm_type: "Microsoft.MachineLearningServices/workspaces/datastores",
    first_version: "2020-05-01-preview",
    create: Answer::Sync(201),
    ..Style::SYNC
};

/// Each type of datastore, and what it must name.
const TYPES: [(&str, &[&str]); 5] = [
    ("AzureBlob", &["accountName", "containerName"]),
    ("AzureFile", &["accountName", "fileShareName"]),
    ("AzureDataLakeGen2", &["accountName", "filesystem"]),
    ("AzureDataLakeGen1", &["storeName"]),
    ("OneLake", &["artifact"]),
];

impl Kind for Datastore {
    fn style(&self) -> &'static Style {
        &STYLE
    }

    fn check(&self, _state: &State, write: &Write<'_>) -> Result<(), ArmError> {
        if !word(write.name(), 1, 255) {
            return Err(bad(format!(
                "Datastore name '{}' is invalid: letters, digits, '-' or '_'.",
                write.name()
            )));
        }
        let kind = write.text("/properties/datastoreType").unwrap_or_default();
        let Some((_, required)) = TYPES.iter().find(|(known, _)| *known == kind) else {
            return Err(
                bad(format!("The datastore type '{kind}' is not valid.")).at("properties.datastoreType")
            );
        };
        for name in *required {
            if body::at(write.body, &format!("/properties/{name}")).is_none() {
                return Err(bad(format!("The property '{name}' is required.")).at(name));
            }
        }
        match write.text("/properties/credentials/credentialsType") {
            Some("None" | "AccountKey" | "Sas" | "ServicePrincipal" | "Certificate") => Ok(()),
            Some(other) => {
                Err(bad(format!("The credentials type '{other}' is not valid.")).at("credentialsType"))
            }
            None => Err(bad("The property 'credentials.credentialsType' is required.").at("credentialsType")),
        }
    }

    fn fill(&self, state: &mut State, write: &Write<'_>) -> Value {
        let mut filled = json!({ "properties": write.body["properties"].clone() });
        if let Some(old) = write.old(SECRETS) {
            body::fill(&mut filled, SECRETS, old.clone());
        }
        let group = write.id.resource_group_name().unwrap_or_default();
        let subscription = write.id.subscription_id().map(|id| id.to_string());
        for (name, value) in [
            ("endpoint", json!("core.windows.net")),
            ("protocol", json!("https")),
            ("serviceDataAccessAuthIdentity", json!("None")),
            ("subscriptionId", json!(subscription)),
            ("resourceGroup", json!(group)),
            ("description", Value::Null),
            ("tags", json!({})),
            ("properties", json!({})),
        ] {
            body::fill(&mut filled, &format!("/properties/{name}"), value);
        }
        body::set(&mut filled, "/properties/isDefault", write.name() == "workspaceblobstore");
        let system_data = state.system_data(write.caller, write.existing.as_ref());
        body::set(&mut filled, "/systemData", system_data);
        filled
    }

    fn render(&self, _state: &State, stored: &Stored) -> Value {
        let mut body = stored.body.clone();
        body::remove(&mut body, SECRETS);
        body
    }

    /// Secrets are not part of what comes back, so they stay.
    fn absorb(&self, state: &mut State, id: &ResourceId, mut body: Value) {
        if let Some(old) = state.get(id).and_then(|stored| body::at(&stored.body, SECRETS)) {
            body::fill(&mut body, SECRETS, old.clone());
        }
        state.store(id, body);
    }

    /// `isDefault`, `names` (by commas) and `searchText` (Datastores_List).
    fn is_listed(&self, stored: &Stored, query: &Query) -> bool {
        let default = body::truth(&stored.body, "/properties/isDefault").unwrap_or(false);
        let name = stored.id.name();
        let named = |names: &str| names.split(',').any(|one| one.trim().eq_ignore_ascii_case(name));
        query.get("isDefault").is_none_or(|wanted| wanted.eq_ignore_ascii_case(&default.to_string()))
            && query.get("names").is_none_or(named)
            && query.get("searchText").is_none_or(|text| name.contains(text))
    }

    fn action(
        &self,
        state: &mut State,
        _: &Call<'_>,
        stored: &Stored,
        action: &str,
    ) -> Option<Result<Reply, ArmError>> {
        let kind = body::text(&stored.body, "/properties/credentials/credentialsType").unwrap_or("None");
        (action == "listsecrets").then(|| match kind {
            "None" => Err(bad("The datastore has no credentials.")),
            kind => Ok(Reply::json(200, secrets(state, stored, kind))),
        })
    }
}

/// Where the secrets of a datastore are kept; no answer but `listSecrets` shows them.
const SECRETS: &str = "/properties/credentials/secrets";

/// What was put in, or the account's key where the service made the datastore itself.
fn secrets(state: &State, stored: &Stored, kind: &str) -> Value {
    use base64::Engine as _;
    let mut secrets = body::at(&stored.body, SECRETS).cloned().unwrap_or_else(|| json!({}));
    body::set(&mut secrets, "/secretsType", kind);
    if kind == "AccountKey" {
        let digest = state.digest(&format!("account key of {}", stored.id.folded()));
        body::fill(&mut secrets, "/key", base64::engine::general_purpose::STANDARD.encode(digest));
    }
    secrets
}

/// The datastores that a new workspace finds. An update does not bring deleted ones back.
pub(in crate::providers) fn add_built_ins(state: &mut State, workspace: &ResourceId) {
    let Some(stored) = state.get(workspace) else { return };
    let updated = stored.changed != stored.created;
    if updated && state.below(workspace).any(|below| below.id.arm_type() == STYLE.arm_type) {
        return;
    }
    let account = body::text(&stored.body, "/properties/storageAccount").and_then(|id| id.rsplit('/').next());
    let Some(account) = account.map(str::to_owned) else { return };
    let identity = body::text(&stored.body, "/properties/workspaceId").unwrap_or_default().to_owned();
    let system_data = stored.body["systemData"].clone();
    for (name, kind, key, place) in [
        ("workspaceblobstore", "AzureBlob", "containerName", format!("azureml-blobstore-{identity}")),
        ("workspaceartifactstore", "AzureBlob", "containerName", "azureml".to_owned()),
        ("workspacefilestore", "AzureFile", "fileShareName", format!("azureml-filestore-{identity}")),
        (
            "workspaceworkingdirectory",
            "AzureFile",
            "fileShareName",
            "code-391ff5ac-6576-460f-ba4d-7e03433c68b6".to_owned(),
        ),
    ] {
        let id = workspace.child("datastores", name);
        if state.get(&id).is_some() {
            continue;
        }
        let mut body = json!({
            "id": id.as_str(), "name": name, "type": STYLE.arm_type, "systemData": system_data,
            "properties": {
                "datastoreType": kind, "accountName": account, "endpoint": "core.windows.net", "protocol": "https",
                "credentials": { "credentialsType": "AccountKey" }, "isDefault": name == "workspaceblobstore",
                "serviceDataAccessAuthIdentity": "None", "tags": {}, "description": null, "properties": {},
                "subscriptionId": id.subscription_id().map(|id| id.to_string()),
                "resourceGroup": id.resource_group_name(),
            },
        });
        body["properties"][key] = json!(place);
        state.store(&id, body);
    }
}
