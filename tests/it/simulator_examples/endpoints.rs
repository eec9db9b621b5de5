//! The private endpoints that examples need: connections, names, addresses that are taken.

use beamline::resources::id::ResourceId;
use beamline_simulator::DEFAULT_SUBSCRIPTION;
use serde_json::{Value, json};

use super::replay::Request;
use crate::support::bench::Bench;
use crate::support::samples;

/// Makes the private endpoints whose connections the example shows, and asks for the one there is.
pub(super) async fn connected(bench: &Bench, request: &mut Request, answer: &Value) {
    let folded = request.path.to_ascii_lowercase();
    let named = folded.find("/privateendpointconnections").map(|at| (at, &request.path[at..]));
    let shown = answer["properties"]["privateEndpointConnections"].as_array().map_or(0, Vec::len);
    let (target, count) = match named {
        Some((at, _)) => (request.path[..at].to_owned(), answer["value"].as_array().map_or(1, Vec::len)),
        None if shown > 0 => (request.path.clone(), shown),
        None => return,
    };
    let target: ResourceId = target.parse().unwrap();
    match (bench.world.get(&target), named) {
        (None, Some(_)) => bench.place(&target, samples::body(&target.arm_type())),
        (None, None) => return,
        (Some(_), _) => {}
    }
    let entries =
        answer["value"].as_array().or(answer["properties"]["privateEndpointConnections"].as_array());
    for number in 0..count {
        let entry = entries.map_or(answer, |entries| &entries[number]);
        let shown = entry["properties"]["privateEndpoint"]["id"].as_str();
        let shown = shown.filter(|_| number == 0 || entries.is_some_and(|all| all[0] != all[number]));
        let shown = shown.and_then(|id| id.parse().ok());
        let id = shown.unwrap_or_else(|| endpoint(&format!("pe-{number}")));
        bench.place(&id, endpoint_body(&target));
    }
    let Some((at, segments)) = named.map(|(at, rest)| (at, rest.split('/').count())) else { return };
    if segments < 3 {
        return;
    }
    let list =
        format!("{}?api-version=2024-01-01", &request.path[..at + "/privateEndpointConnections".len()]);
    let connections = bench.send("get", &list, None).await.body;
    let own = connections["value"][0]["id"].as_str().unwrap();
    let decided = &answer["properties"]["privateLinkServiceConnectionState"];
    if decided.is_object() {
        let body = json!({ "properties": { "privateLinkServiceConnectionState": decided } });
        bench.send("put", &format!("{own}?api-version=2024-01-01"), Some(&body)).await;
    }
    request.target = request.target.replace(&request.path, own);
    request.path = own.to_owned();
}

/// An endpoint for a private link service, which has names of its own.
pub(super) fn named_body() -> Value {
    let service = format!("{}", endpoint("x").parent().unwrap().provider(LINK_SERVICES, "pls"));
    let connection = json!({ "privateLinkServiceId": service, "groupIds": ["group"] });
    json!({ "location": "eastus", "properties": {
        "privateLinkServiceConnections": [{ "name": "c", "properties": connection }],
    } })
}

const LINK_SERVICES: &str = "Microsoft.Network/privateLinkServices";

/// Puts an endpoint into every subnet that the example shows in use.
pub(super) fn inhabit(bench: &Bench, answer: &Value) {
    for subnet in answer["properties"]["subnets"].as_array().into_iter().flatten() {
        let used = subnet["properties"]["ipConfigurations"].as_array().is_some_and(|used| !used.is_empty());
        let id: Option<ResourceId> = subnet["id"].as_str().and_then(|id| id.parse().ok());
        if let Some(id) = id.filter(|id| used && bench.world.get(id).is_some()) {
            let mut body = named_body();
            body["properties"]["subnet"] = json!({ "id": id.as_str() });
            bench.place(&endpoint(id.name()), body);
        }
    }
}

/// Puts an endpoint with this address into a subnet of a network.
pub(super) fn occupy(bench: &Bench, network: &ResourceId, address: &Value) {
    bench.place(network, samples::body(&network.arm_type()));
    let subnet = network.child("subnets", "taken");
    bench.place(&subnet, json!({ "properties": { "addressPrefix": "10.0.1.0/24" } }));
    let mut body = named_body();
    body["properties"]["subnet"] = json!({ "id": subnet.as_str() });
    body["properties"]["ipConfigurations"] = json!([{ "properties": { "privateIPAddress": address } }]);
    bench.place(&endpoint("taken"), body);
}

fn endpoint(name: &str) -> ResourceId {
    let group = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg");
    format!("{group}/providers/Microsoft.Network/privateEndpoints/{name}").parse().unwrap()
}

/// An endpoint for the part of a resource that every resource of its type has.
fn endpoint_body(target: &ResourceId) -> Value {
    let group = match target.arm_type().to_ascii_lowercase().as_str() {
        "microsoft.storage/storageaccounts" => "blob",
        "microsoft.keyvault/vaults" => "vault",
        "microsoft.containerregistry/registries" => "registry",
        _ => "amlworkspace",
    };
    let connection = json!({ "privateLinkServiceId": target.as_str(), "groupIds": [group] });
    json!({ "location": "eastus", "properties": {
        "privateLinkServiceConnections": [{ "name": "c", "properties": connection }],
    } })
}
