//! The bench of the stories: a world on simulated time, and a client that knows only HTTP.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT, Latency, World, WorldOptions};
use beamline_base::clock::Clock;
use beamline_base::id::ResourceId;

/// A version that every type serves.
pub(super) const VERSION: &str = "api-version=2026-02-01";

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

pub(super) struct Bench {
    pub(super) world: World,
    pub(super) clock: Clock,
}

impl Bench {
    pub(super) fn new(latency: Latency) -> Self {
        Self::with_options(|options| options.with_latency(latency))
    }

    pub(super) fn with_options(choose: impl FnOnce(WorldOptions) -> WorldOptions) -> Self {
        let clock = Clock::simulated("2026-11-01T00:00:00Z".parse().unwrap(), 1);
        let world = World::new(choose(WorldOptions::new(clock.clone())));
        Self { world, clock }
    }

    /// A bench with the group `rg` in it.
    pub(super) async fn with_group(latency: Latency) -> Self {
        let bench = Self::new(latency);
        let made = bench.put(&group(), json!({ "location": "eastus" })).await;
        assert_eq!(made.status, 201);
        bench
    }

    pub(super) async fn raw(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let uri = uri.strip_prefix("https://arm.simulator.invalid").unwrap_or(uri);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.world.router().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, headers, body }
    }

    pub(super) async fn send(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        self.send_as("Bearer opaque", method, target, body).await
    }

    pub(super) async fn send_as(
        &self,
        bearer: &str,
        method: &str,
        target: &str,
        body: Option<Value>,
    ) -> Answer {
        let uri = match (target.contains("api-version="), target.contains('?')) {
            (true, _) => target.to_owned(),
            (false, true) => format!("{target}&{VERSION}"),
            (false, false) => format!("{target}?{VERSION}"),
        };
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        self.raw(method, &uri, &[("authorization", bearer)], bytes).await
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, None).await
    }

    pub(super) async fn put(&self, target: &str, body: Value) -> Answer {
        self.send("PUT", target, Some(body)).await
    }

    pub(super) async fn delete(&self, target: &str) -> Answer {
        self.send("DELETE", target, None).await
    }

    /// Lets realistic time pass.
    pub(super) async fn wait(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// The dependencies of a workspace, made and ready.
    pub(super) async fn with_dependencies(&self) {
        for (target, body) in dependencies() {
            let made = self.put(&target, body).await;
            assert!(made.status < 300, "{target}: {} {}", made.status, made.body);
        }
        self.wait(60).await;
    }
}

pub(super) fn group() -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg")
}

/// The path of a resource in the group.
pub(super) fn path(tail: &str) -> String {
    format!("{}/providers/{tail}", group())
}

pub(super) fn id(path: &str) -> ResourceId {
    path.parse().unwrap()
}

pub(super) fn account() -> Value {
    json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } })
}

pub(super) fn vault() -> Value {
    json!({ "location": "East US", "properties": {
        "tenantId": DEFAULT_TENANT, "sku": { "family": "A", "name": "standard" }, "enableRbacAuthorization": true,
    } })
}

pub(super) fn dependencies() -> Vec<(String, Value)> {
    let analytics = path("Microsoft.OperationalInsights/workspaces/logs");
    vec![
        (path("Microsoft.Storage/storageAccounts/stone"), account()),
        (path("Microsoft.KeyVault/vaults/kv-one"), vault()),
        (analytics.clone(), json!({ "location": "eastus" })),
        (
            path("Microsoft.Insights/components/ai"),
            json!({ "location": "eastus", "kind": "web", "properties": {
            "Application_Type": "web", "WorkspaceResourceId": analytics,
        } }),
        ),
        (
            path("Microsoft.ContainerRegistry/registries/acrone"),
            json!({
                "location": "eastus", "sku": { "name": "Standard" },
            }),
        ),
    ]
}

pub(super) fn workspace() -> String {
    path("Microsoft.MachineLearningServices/workspaces/mlw")
}

pub(super) fn workspace_body() -> Value {
    json!({ "location": "eastus", "identity": { "type": "SystemAssigned" }, "properties": {
        "storageAccount": path("Microsoft.Storage/storageAccounts/stone"),
        "keyVault": path("Microsoft.KeyVault/vaults/kv-one"),
        "applicationInsights": path("Microsoft.Insights/components/ai"),
        "containerRegistry": path("Microsoft.ContainerRegistry/registries/acrone"),
    } })
}

pub(super) fn cluster_body() -> Value {
    json!({ "location": "eastus", "identity": { "type": "SystemAssigned" }, "properties": {
        "computeType": "AmlCompute", "properties": {
            "vmSize": "Standard_D4s_v3",
            "scaleSettings": { "maxNodeCount": 4, "nodeIdleTimeBeforeScaleDown": "PT120S" },
        },
    } })
}
