//! From bytes to a request for the simulator, and the verdict on its answer. The fuzz targets and the
//! replay of their corpus (`tests/it/simulator_fuzz.rs`) share this file.
//!
//! Guarantee: whatever the bytes are, the result is a request that HTTP allows, or none.

use axum::body::{Body, to_bytes};
use beamline_simulator::World;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;
use tower::ServiceExt as _;

/// What the bytes mean.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A method and a path with its query.
    Paths,
    /// A byte that chooses method and path, then a body.
    Bodies,
    /// A byte that chooses method and path, then lines of headers.
    Headers,
}

/// The subscription that every world begins with.
const SUBSCRIPTION: &str = "/subscriptions/5a1f7c1e-0d52-4c8b-9f36-2b7d5f0e9a01";

/// Places where bodies and headers are sent to, below the subscription.
const PLACES: [(&str, &str); 24] = [
    ("PUT", "/resourceGroups/rg"),
    ("PATCH", "/resourceGroups/rg"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stone"),
    ("PATCH", "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stone"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stone/blobServices/default"),
    (
        "PUT",
        "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stone/blobServices/default/containers/data",
    ),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv-one"),
    ("PATCH", "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv-one"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv-one/accessPolicies/add"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/logs"),
    ("PUT", "/resourceGroups/rg/providers/microsoft.insights/components/ai"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/acrone"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/one"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.Network/networkSecurityGroups/rules"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.Network/networkSecurityGroups/rules/securityRules/one"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw"),
    ("PATCH", "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw/computes/cluster"),
    ("PUT", "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw/datastores/own"),
    ("PUT", "/providers/Microsoft.Authorization/roleAssignments/2c1c1f7e-6f36-4f7c-9a5c-0b8ed2a1c001"),
    ("POST", "/providers/Microsoft.Storage/checkNameAvailability"),
    ("POST", "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw/listKeys"),
];

/// What stands in the world when the requests begin: below the subscription, and as a PUT would say it.
const FURNITURE: [(&str, &str); 13] = [
    ("/resourceGroups/rg", r#"{"location":"eastus"}"#),
    (
        "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stone",
        r#"{"location":"eastus","kind":"StorageV2","sku":{"name":"Standard_LRS"}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv-one",
        r#"{"location":"eastus","properties":{"sku":{"name":"standard"},"enableRbacAuthorization":true}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/logs",
        r#"{"location":"eastus"}"#,
    ),
    (
        "/resourceGroups/rg/providers/microsoft.insights/components/ai",
        r#"{"location":"eastus","kind":"web","properties":{"Application_Type":"web"}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/acrone",
        r#"{"location":"eastus","sku":{"name":"Premium"}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.Network/networkSecurityGroups/rules",
        r#"{"location":"eastus","properties":{}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net",
        r#"{"location":"eastus","properties":{"addressSpace":{"addressPrefixes":["10.0.0.0/16"]}}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net/subnets/one",
        r#"{"properties":{"addressPrefix":"10.0.0.0/24"}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai",
        r#"{"location":"eastus"}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw",
        r#"{"location":"eastus","identity":{"type":"SystemAssigned"},"properties":{}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw/computes/cluster",
        r#"{"location":"eastus","properties":{"computeType":"AmlCompute","properties":{"vmSize":"Standard_DS3_v2"}}}"#,
    ),
    (
        "/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/mlw/datastores/own",
        r#"{"properties":{"datastoreType":"AzureBlob","credentials":{"credentialsType":"None"}}}"#,
    ),
];

/// Puts the furniture into a world, so that requests meet more than missing parents.
pub fn furnish(world: &World) {
    for (tail, body) in FURNITURE {
        let body = serde_json::from_str(body);
        if let (Ok(id), Ok(body)) = (format!("{SUBSCRIPTION}{tail}").parse(), body) {
            world.put(&id, body);
        }
    }
}

/// The request that the bytes mean; `None`: HTTP itself would not let it through.
pub fn request(target: Target, data: &[u8]) -> Option<Request<Body>> {
    match target {
        Target::Paths => {
            let text = String::from_utf8_lossy(data);
            let (method, place) = text.split_once(' ').unwrap_or(("GET", &text));
            build(method, place, &[], Vec::new())
        }
        Target::Bodies => {
            let (method, place) = place(*data.first()?);
            build(method, &place, &[], data[1..].to_vec())
        }
        Target::Headers => {
            let (method, place) = place(*data.first()?);
            let lines: Vec<(&[u8], &[u8])> =
                data[1..].split(|byte| *byte == b'\n').filter_map(split).collect();
            build(method, &place, &lines, b"{\"location\":\"eastus\"}".to_vec())
        }
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..at], line[at + 1..].trim_ascii()))
}

fn place(choice: u8) -> (&'static str, String) {
    let (method, tail) = PLACES[usize::from(choice) % PLACES.len()];
    (method, format!("{SUBSCRIPTION}{tail}?api-version=2026-02-01"))
}

fn build(method: &str, place: &str, headers: &[(&[u8], &[u8])], body: Vec<u8>) -> Option<Request<Body>> {
    let uri: Uri = place.trim().parse().ok()?;
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = uri;
    let known = request.headers_mut();
    known.insert("authorization", HeaderValue::from_static("Bearer opaque"));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            known.append(name, value);
        }
    }
    Some(request)
}

/// Sends a request: the status of its answer, or what is wrong with it.
///
/// An answer is well-formed JSON or has no body; a refusal has an error: ARM's `{error: {code, message}}`,
/// or OAuth's `{error, error_description}` at a token endpoint.
pub async fn verdict(router: axum::Router, request: Request<Body>) -> Result<u16, String> {
    let what = format!("{} {}", request.method(), request.uri());
    let head = request.method() == Method::HEAD;
    let answer = match router.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let status = answer.status().as_u16();
    let bytes = to_bytes(answer.into_body(), usize::MAX).await.map_err(|error| error.to_string())?;
    let refused = status >= 400;
    if bytes.is_empty() {
        return if refused && !head { Err(format!("{what}: {status} without a body")) } else { Ok(status) };
    }
    let body: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("{what}: {status} with no JSON: {error}"))?;
    let error = &body["error"];
    let arm = error["code"].is_string() && error["message"].as_str().is_some_and(|text| !text.is_empty());
    let oauth = error.is_string() && body["error_description"].is_string();
    if refused && !arm && !oauth {
        return Err(format!("{what}: {status} without an error: {body}"));
    }
    if status == 500 { Err(format!("{what}: 500: {body}")) } else { Ok(status) }
}
