//! Private link as its targets see it: what can be connected to, and the connections that private
//! endpoints have made, which the owner of the target approves, rejects or removes.
//!
//! A connection is part of its private endpoint; here it is shown, and changed, under its target
//! (azure-docs private-link/manage-private-endpoint; the providers' `privateEndpointConnections`).

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed, missing_resource};
use crate::body;
use crate::http::Reply;
use crate::providers::network::private_endpoints::{self, LINK_STATE, connections, target_of};
use crate::state::{State, Stored};
use beamline_base::id::ResourceId;

/// A part of a resource that an endpoint connects to.
pub(in crate::providers) struct Target {
    pub(in crate::providers) arm_type: &'static str,
    pub(in crate::providers) group: &'static str,
    members: &'static [&'static str],
    zones: &'static [&'static str],
    /// The names that it answers for: `{}` is the resource's name, `{l}` its location.
    pub(in crate::providers) names: &'static [&'static str],
}

const STORAGE: &str = "Microsoft.Storage/storageAccounts";
const VAULT: &str = "Microsoft.KeyVault/vaults";
const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";
const WORKSPACE: &str = "Microsoft.MachineLearningServices/workspaces";

const fn storage(
    group: &'static str,
    members: &'static [&'static str],
    zones: &'static [&'static str],
    names: &'static [&'static str],
) -> Target {
    Target { arm_type: STORAGE, group, members, zones, names }
}

/// What can be connected (azure-docs private-endpoint-dns; the `privateLinkResources` examples).
pub(in crate::providers) const TARGETS: [Target; 14] = [
    storage("blob", &["blob"], &["privatelink.blob.core.windows.net"], &["{}.blob.core.windows.net"]),
    storage(
        "blob_secondary",
        &["blob_secondary"],
        &["privatelink.blob.core.windows.net"],
        &["{}-secondary.blob.core.windows.net"],
    ),
    storage("table", &["table"], &["privatelink.table.core.windows.net"], &["{}.table.core.windows.net"]),
    storage(
        "table_secondary",
        &["table_secondary"],
        &["privatelink.table.core.windows.net"],
        &["{}-secondary.table.core.windows.net"],
    ),
    storage("queue", &["queue"], &["privatelink.queue.core.windows.net"], &["{}.queue.core.windows.net"]),
    storage(
        "queue_secondary",
        &["queue_secondary"],
        &["privatelink.queue.core.windows.net"],
        &["{}-secondary.queue.core.windows.net"],
    ),
    storage("file", &["file"], &["privatelink.file.core.windows.net"], &["{}.file.core.windows.net"]),
    storage("web", &["web"], &["privatelink.web.core.windows.net"], &["{}.web.core.windows.net"]),
    storage(
        "web_secondary",
        &["web_secondary"],
        &["privatelink.web.core.windows.net"],
        &["{}-secondary.web.core.windows.net"],
    ),
    storage("dfs", &["dfs"], &["privatelink.dfs.core.windows.net"], &["{}.dfs.core.windows.net"]),
    storage(
        "dfs_secondary",
        &["dfs_secondary"],
        &["privatelink.dfs.core.windows.net"],
        &["{}-secondary.dfs.core.windows.net"],
    ),
    Target {
        arm_type: VAULT,
        group: "vault",
        members: &["default"],
        zones: &["privatelink.vaultcore.azure.net"],
        names: &["{}.vault.azure.net"],
    },
    Target {
        arm_type: REGISTRY,
        group: "registry",
        members: &["registry", "registry_data_{l}"],
        zones: &["privatelink.azurecr.io"],
        names: &["{}.azurecr.io", "{}.{l}.data.azurecr.io"],
    },
    Target {
        arm_type: WORKSPACE,
        group: "amlworkspace",
        members: &["default"],
        zones: &["privatelink.api.azureml.ms", "privatelink.notebooks.azure.net"],
        names: &[
            "{}.workspace.{l}.api.azureml.ms",
            "{}.workspace.{l}.cert.api.azureml.ms",
            "{}.{l}.notebooks.azure.net",
        ],
    },
];

/// The parts of a type that can be connected to.
pub(in crate::providers) fn targets_of(arm_type: &str) -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().filter(move |target| target.arm_type.eq_ignore_ascii_case(arm_type))
}

/// Requests below a resource that can be connected to.
pub(in crate::providers) fn special(
    state: &mut State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    let (short, rest) = match tail {
        [short, _, rest @ ..] if !rest.is_empty() => (short, rest),
        _ => return None,
    };
    targets_of(&format!("{}/{short}", typed.namespace)).next()?;
    match (call.method.as_str(), rest) {
        ("GET", ["privateendpointconnections"]) => Some(list(state, typed)),
        ("GET", ["privateendpointconnections", _]) => Some(get(state, typed)),
        ("PUT", ["privateendpointconnections", _]) => Some(decide(state, call, typed)),
        ("DELETE", ["privateendpointconnections", _]) => Some(disconnect(state, call, typed)),
        ("GET", ["privatelinkresources"]) => Some(resources(state, typed, None)),
        ("GET", ["privatelinkresources", group]) => Some(resources(state, typed, Some(group))),
        _ => None,
    }
}

/// The resource that the first two segments of the tail name.
fn owner<'a>(state: &'a State, typed: &Typed) -> Result<&'a Stored, ArmError> {
    let id = typed.id_of(2)?;
    state.get(&id).ok_or_else(|| missing_resource(&id))
}

fn resources(state: &State, typed: &Typed, wanted: Option<&str>) -> Result<Reply, ArmError> {
    let owner = owner(state, typed)?;
    let location =
        body::text(&owner.body, "/location").map(crate::providers::normal_location).unwrap_or_default();
    let arm_type = spelled(&owner.id.arm_type());
    let document = |target: &Target| {
        let members: Vec<String> = target.members.iter().map(|one| one.replace("{l}", &location)).collect();
        json!({
            "id": owner.id.child("privateLinkResources", target.group).as_str(), "name": target.group,
            "type": format!("{arm_type}/privateLinkResources"),
            "properties": {
                "groupId": target.group, "requiredMembers": members, "requiredZoneNames": target.zones,
            },
        })
    };
    let Some(group) = wanted else {
        let value: Vec<Value> = targets_of(arm_type).map(document).collect();
        return Ok(Reply::json(200, json!({ "value": value })));
    };
    match targets_of(arm_type).find(|target| target.group.eq_ignore_ascii_case(group)) {
        Some(target) => Ok(Reply::json(200, document(target))),
        None => Err(missing_resource(&owner.id.child("privateLinkResources", group))),
    }
}

/// A type of [`TARGETS`] as its provider spells it.
fn spelled(arm_type: &str) -> &'static str {
    targets_of(arm_type).next().map_or("", |target| target.arm_type)
}

/// A connection: its endpoint, and where it stands in the endpoint's body.
struct Found {
    name: String,
    endpoint: ResourceId,
    pointer: String,
    state: Value,
}

/// The connections of a target that its owner has not removed.
fn found(state: &State, target: &ResourceId) -> Vec<Found> {
    let mut found = Vec::new();
    if targets_of(&target.arm_type()).next().is_none() {
        return found;
    }
    for endpoint in state.of_type(private_endpoints::TYPE) {
        for (pointer, connection) in connections(&endpoint.body) {
            let own = body::at(connection, LINK_STATE).cloned().unwrap_or_default();
            let removed = body::text(&own, "/status") == Some("Disconnected");
            if !removed && target_of(connection).as_ref() == Some(target) {
                let name = format!("{}.{}", endpoint.id.name(), state.uuid_of("connection", &endpoint.id));
                found.push(Found { name, endpoint: endpoint.id.clone(), pointer, state: own });
            }
        }
    }
    found
}

/// Whether a connection is shown inside its target or by itself: a vault says less inside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Inside,
    Alone,
}

fn document(target: &ResourceId, found: &Found, shown: Shown) -> Value {
    let arm_type = spelled(&target.arm_type());
    let mut state = found.state.clone();
    // The endpoint says `Auto-approved`, its target `Auto-Approved` (their examples).
    if body::text(&state, "/description") == Some("Auto-approved") {
        body::set(&mut state, "/description", "Auto-Approved");
    }
    // Storage spells the property without the plural (swagger 2023-05-01).
    if arm_type == STORAGE
        && let Some(required) = body::remove(&mut state, "/actionsRequired")
    {
        body::set(&mut state, "/actionRequired", required);
    }
    let mut document = json!({
        "id": target.child("privateEndpointConnections", &found.name).as_str(), "name": found.name,
        "type": format!("{arm_type}/privateEndpointConnections"),
        "properties": {
            "provisioningState": "Succeeded", "privateEndpoint": { "id": found.endpoint.as_str() },
            "privateLinkServiceConnectionState": state,
        },
    });
    if arm_type == VAULT {
        document["etag"] = json!("");
        if shown == Shown::Inside {
            body::remove(&mut document, "/name");
            body::remove(&mut document, "/type");
        }
    }
    document
}

/// What a target shows in `privateEndpointConnections`; empty without any.
pub(crate) fn connections_of(state: &State, target: &ResourceId) -> Vec<Value> {
    found(state, target).iter().map(|one| document(target, one, Shown::Inside)).collect()
}

fn list(state: &State, typed: &Typed) -> Result<Reply, ArmError> {
    let id = owner(state, typed)?.id.clone();
    let value: Vec<Value> = found(state, &id).iter().map(|one| document(&id, one, Shown::Alone)).collect();
    Ok(Reply::json(200, json!({ "value": value })))
}

/// The target, and its connection that the path names.
fn one(state: &State, typed: &Typed) -> Result<(ResourceId, Option<Found>), ArmError> {
    let (id, asked) = (owner(state, typed)?.id.clone(), typed.id_of(4)?);
    let found = found(state, &id).into_iter().find(|one| one.name.eq_ignore_ascii_case(asked.name()));
    Ok((id, found))
}

fn get(state: &State, typed: &Typed) -> Result<Reply, ArmError> {
    match one(state, typed)? {
        (id, Some(found)) => Ok(Reply::json(200, document(&id, &found, Shown::Alone))),
        (_, None) => Err(missing_resource(&typed.id_of(4)?)),
    }
}

/// The owner approves or rejects. Only a private endpoint makes a connection.
fn decide(state: &mut State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let sent = call.body()?;
    let (id, found) = one(state, typed)?;
    crate::providers::check_locks(state, call.method, &id)?;
    let Some(mut found) = found else {
        return Err(missing_resource(&typed.id_of(4)?));
    };
    let wanted = body::text(&sent, &format!("{LINK_STATE}/status")).unwrap_or_default();
    let Some(status) = ["Approved", "Rejected", "Pending"].into_iter().find(|known| *known == wanted) else {
        let message = format!("The connection state '{wanted}' is not valid: it is Approved or Rejected.");
        return Err(ArmError::bad_request("InvalidRequestContent", message).at("status"));
    };
    let description = body::text(&sent, &format!("{LINK_STATE}/description"));
    let description = description.or(body::text(&found.state, "/description")).unwrap_or_default();
    found.state = json!({ "status": status, "description": description, "actionsRequired": "None" });
    keep(state, &found);
    Ok(Reply::json(200, document(&id, &found, Shown::Alone)))
}

/// The endpoint stays behind, disconnected for good.
fn disconnect(state: &mut State, call: &Call<'_>, typed: &Typed) -> Result<Reply, ArmError> {
    let (id, found) = one(state, typed)?;
    crate::providers::check_locks(state, call.method, &id)?;
    let Some(mut found) = found else { return Ok(Reply::empty(204)) };
    found.state = json!({
        "status": "Disconnected", "description": "Deleted from the target.", "actionsRequired": "None",
    });
    keep(state, &found);
    if spelled(&id.arm_type()) != VAULT {
        return Ok(Reply::empty(200));
    }
    let mut gone = document(&id, &found, Shown::Alone);
    gone["properties"] = json!({ "provisioningState": "Disconnected" });
    Ok(Reply::json(200, gone))
}

fn keep(state: &mut State, found: &Found) {
    if let Some(endpoint) = state.get_mut(&found.endpoint) {
        body::set(&mut endpoint.body, &format!("{}{LINK_STATE}", found.pointer), found.state.clone());
    }
}
