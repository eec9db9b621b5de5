//! Makes the world in which an example can happen.

use beamline::resources::id::ResourceId;
use beamline_simulator::DEFAULT_SUBSCRIPTION;
use serde_json::{Value, json};

use super::endpoints::{connected, inhabit, named_body, occupy};
use super::replay::Request;
use super::translate::identified;
use crate::support::bench::{Bench, subscription};
use crate::support::contract::Example;
use crate::support::samples;

/// Makes the world in which the example can happen.
pub(super) async fn prepare(bench: &Bench, example: &Example, request: &mut Request) {
    if example.name.contains("Microsoft.ResourceGraph") {
        for number in 10..30 {
            let name = format!("test{number}");
            let id = identified().parent().unwrap().provider("Microsoft.Storage/storageAccounts", &name);
            let mut body = samples::body(&id.arm_type());
            body["tags"] = json!({ "tag1": "Value1" });
            bench.place(&id, body);
        }
    }
    if example.name.ends_with("SystemAssignedIdentityGet.json") {
        let mut body = samples::body("Microsoft.Storage/storageAccounts");
        body["identity"] = json!({ "type": "SystemAssigned" });
        bench.place(&identified(), body);
        return;
    }
    let target: Option<ResourceId> = request.path.parse().ok();
    let Some(target) = target.filter(|id| id.subscription_id().is_some()) else { return };
    let creates = example.method == "put" && !UPDATES.iter().any(|part| example.name.contains(part));
    let segments = request.path.split('/').count();
    let after = request.path.rsplit_once("/providers/").map(|(_, tail)| tail.split('/').count());
    // Namespace, then pairs: an odd count names a resource, an even one a collection or an action.
    let names_resource = after.map_or(segments % 2 == 1, |count| count % 2 == 1);
    let own = if names_resource { Some(target.clone()) } else { target.parent() };
    if let Some(body) = &request.body {
        bench.place_references(body, own.as_ref().filter(|_| creates));
    }
    let answer = example.responses.get(&200).cloned().unwrap_or_default();
    if let Some((endpoint, _)) = request.path.split_once("/privateDnsZoneGroups") {
        bench.place_references(&named_body(), None);
        bench.place(&endpoint.parse().unwrap(), named_body());
    }
    place_list(bench, request, &answer);
    if example.name.contains("CheckIPAddressAvailability") {
        occupy(bench, &above(&request.path), &example.parameters["ipAddress"]);
    }
    if request.path.to_ascii_lowercase().contains("/privateendpointconnections") {
        connected(bench, request, &answer).await;
    }
    let resource = if names_resource { target.clone() } else { above(&request.path) };
    if creates {
        bench.place_above(&resource);
    } else if resource != subscription() {
        let mut body = placed(example, &resource);
        if names_resource && answer["properties"].is_object() {
            bench.place_references(&answer, Some(&resource));
            body = merged(&body, &answer);
        } else if bench.world.get(&resource).is_some() {
            return;
        }
        if let Some(location) = request.body.as_ref().and_then(|body| body["location"].as_str()) {
            body["location"] = json!(location);
        }
        bench.place_references(&body, Some(&resource));
        bench.place(&resource, body);
    }
    deleted(bench, example, request, &answer).await;
    if request.path.ends_with("/tags/default") && answer["properties"]["tags"].is_object() {
        let tags = json!({ "properties": { "tags": answer["properties"]["tags"] } });
        bench.send("put", &request.target, Some(&tags)).await;
    }
    inhabit(bench, &answer);
    if !request.path.contains("/privateEndpointConnections") {
        connected(bench, request, &answer).await;
    }
    if example.name.contains("RegistryCheckNameNotAvailable") {
        bench.place_references(&json!(taken_registry()), None);
    }
}

/// Examples whose PUT changes something that is there already: the body alone would create nothing.
const UPDATES: [&str; 1] = ["createOrUpdate/AmlCompute.json"];

fn taken_registry() -> String {
    let group = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg");
    format!("{group}/providers/Microsoft.ContainerRegistry/registries/myRegistry")
}

/// What is placed before a request that needs a resource: a compute of the kind that the operation is for.
fn placed(example: &Example, resource: &ResourceId) -> Value {
    let mut body = samples::body(&resource.arm_type());
    if example.name.ends_with("Compute/listNodes.json") || example.name.ends_with("Compute/patch.json") {
        body["properties"] = json!({ "computeType": "AmlCompute", "properties": {
            "vmSize": "Standard_DS3_v2", "scaleSettings": { "minNodeCount": 2, "maxNodeCount": 4 },
        } });
    } else if example.name.ends_with("Compute/listKeys.json") {
        body["properties"] = json!({ "computeType": "AKS", "properties": {} });
    } else if example.name.ends_with("ManagedNetwork/provision.json") {
        body["properties"]["managedNetwork"] = json!({ "isolationMode": "AllowInternetOutbound" });
    } else if example.name.ends_with("WorkspaceConnection/listSecrets.json") {
        body["properties"] = example.responses[&200]["properties"].clone();
    }
    body
}

/// The resource of a collection or an action.
fn above(path: &str) -> ResourceId {
    let before = path.rsplit_once('/').map_or(path, |(before, _)| before);
    let before = before
        .split_once("/providers/")
        .filter(|(_, tail)| !tail.contains('/'))
        .map_or(before, |(scope, _)| scope);
    before.parse().unwrap_or_else(|_| subscription())
}

fn merged(sample: &Value, answer: &Value) -> Value {
    let (Value::Object(own), Value::Object(more)) = (sample, answer) else { return answer.clone() };
    let mut all = own.clone();
    for (key, value) in more {
        let value = own.get(key).map_or_else(|| value.clone(), |own| merged(own, value));
        all.insert(key.clone(), value);
    }
    Value::Object(all)
}

/// Entries that fill the page of a list, so that there is another one.
const MANY: usize = 100;

/// Places what a list answers; when the example says that there is more, then more than a page of it.
fn place_list(bench: &Bench, request: &Request, answer: &Value) {
    let entries = answer["value"].as_array().into_iter().flatten();
    let entries: Vec<(ResourceId, &Value)> =
        entries.filter_map(|entry| Some((listed(request, entry)?, entry))).collect();
    for (id, entry) in &entries {
        bench.place_references(entry, Some(id));
        bench.place(id, merged(&samples::body(&id.arm_type()), entry));
    }
    let (Some((last, entry)), true) = (entries.last(), answer["nextLink"].is_string()) else { return };
    for number in 0..MANY {
        let id: ResourceId = format!("{last}z{number:03}").parse().unwrap();
        bench.place(&id, merged(&samples::body(&id.arm_type()), entry));
    }
}

/// The id of an entry of a list; below the list's own parent where the example has another one.
fn listed(request: &Request, entry: &Value) -> Option<ResourceId> {
    let parse = |id: &str| format!("/{}", id.trim_start_matches('/')).parse::<ResourceId>().ok();
    let sent = entry["id"].as_str().and_then(parse);
    let sent = sent.filter(|id| id.parent().is_some() && *id != subscription());
    let Some((scope, tail)) = request.path.rsplit_once("/providers/") else { return sent };
    let (Some(name), true) = (entry["name"].as_str(), tail.split('/').count().is_multiple_of(2)) else {
        return sent;
    };
    let parent = request.path.rsplit_once('/').map(|(parent, _)| format!("{parent}/").to_ascii_lowercase());
    let fits = |id: &ResourceId| {
        let typed = entry["type"].as_str().is_none_or(|own| own.eq_ignore_ascii_case(&id.arm_type()));
        let inside = parent.as_ref().is_some_and(|parent| id.folded().starts_with(parent));
        tail.split('/').count() == 2 || (typed && inside)
    };
    if sent.as_ref().is_some_and(fits) || (sent.is_none() && entry["properties"].is_null()) {
        return sent;
    }
    let group = if scope.contains("/resource") { "" } else { "/resourceGroups/rg" };
    parse(&format!("{scope}{group}/providers/{tail}/{name}"))
}

/// What must have been deleted for the example to happen.
async fn deleted(bench: &Bench, example: &Example, request: &mut Request, answer: &Value) {
    let path = request.path.to_ascii_lowercase();
    let name = path.split("/deletedvaults/").nth(1).or(path.split("/deletedaccounts/").nth(1));
    let mut ids: Vec<ResourceId> = Vec::new();
    for entry in answer["value"].as_array().into_iter().flatten().chain([answer]) {
        let id = entry["properties"]["vaultId"]
            .as_str()
            .or(entry["properties"]["storageAccountResourceId"].as_str());
        ids.extend(id.and_then(|id| id.parse().ok()));
    }
    if let (Some(name), true) = (name, ids.is_empty()) {
        let name = name.split('/').next().unwrap_or_default();
        ids.push(format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/{name}").parse().unwrap());
    }
    let location = path.split("/locations/").nth(1).and_then(|tail| tail.split('/').next());
    for id in ids {
        let mut body = samples::body(&id.arm_type());
        body["location"] = json!(location.unwrap_or("westus"));
        body["tags"] = json!({ "opportunity": "yes" });
        if example.name.contains("etDeleted") || example.name.contains("listDeleted") {
            body["properties"]["enablePurgeProtection"] = json!(true);
        }
        bench.place(&id, body);
        let gone = bench.send("delete", &format!("{id}?api-version=2026-02-01"), None).await;
        assert_eq!(gone.status, 200, "{}: {}", example.name, gone.body);
    }
}
