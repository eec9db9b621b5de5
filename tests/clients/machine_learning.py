"""azure-ai-ml: everything but creating a workspace, which it does by a template deployment."""

import os

import simulator
from simulator import CA, GROUP, SUBSCRIPTION, TENANT, URL, Checks

os.environ["ARM_CLOUD_METADATA_URL"] = URL + "/metadata/endpoints?api-version=2019-05-01"

import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AmlCompute,
    AzureBlobDatastore,
    ComputeInstance,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

checks = Checks()
credential = simulator.credential()
token = credential.get_token(URL + "/.default").token
session = requests.Session()
session.verify = CA
session.headers["Authorization"] = f"Bearer {token}"


def put(path, body):
    answer = session.put(f"{URL}{path}?api-version=2026-02-01", json=body)
    assert answer.status_code < 300, (path, answer.text)


def prepare():
    """What a workspace needs, and the workspace."""
    import time

    provider = f"{GROUP}/providers"
    storage = f"{provider}/Microsoft.Storage/storageAccounts/stone"
    vault = f"{provider}/Microsoft.KeyVault/vaults/kv-one"
    logs = f"{provider}/Microsoft.OperationalInsights/workspaces/logs"
    insights = f"{provider}/microsoft.insights/components/ai"
    put(GROUP, {"location": "eastus"})
    put(storage, {"location": "eastus", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}})
    put(vault, {"location": "eastus", "properties": {
        "tenantId": TENANT, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}})
    put(logs, {"location": "eastus"})
    put(insights, {"location": "eastus", "kind": "web", "properties": {
        "Application_Type": "web", "WorkspaceResourceId": logs}})
    time.sleep(0.2)
    workspace = f"{provider}/Microsoft.MachineLearningServices/workspaces/mlw"
    put(workspace, {"location": "eastus", "identity": {"type": "SystemAssigned"}, "properties": {
        "storageAccount": storage, "keyVault": vault, "applicationInsights": insights}})
    time.sleep(0.2)


prepare()
client = MLClient(
    credential, SUBSCRIPTION, "rg", "mlw", enable_telemetry=False, show_progress=False, polling_interval=1,
)

workspace = client.workspaces.get("mlw")
checks.equal((workspace.name, workspace.location), ("mlw", "eastus"), "workspace")
checks.equal([one.name for one in client.workspaces.list()], ["mlw"], "workspaces")
workspace.description = "new"
checks.equal(client.workspaces.begin_update(workspace).result().description, "new", "updated workspace")
checks.true(client.workspaces.get_keys("mlw") is not None, "keys")
print("workspaces: ok")

cluster = AmlCompute(name="cluster", size="Standard_DS3_v2", min_instances=0, max_instances=2, idle_time_before_scale_down=120)
made = client.compute.begin_create_or_update(cluster).result()
checks.equal((made.size.lower(), made.max_instances), ("standard_ds3_v2", 2), "cluster")
made.max_instances = 4
checks.equal(client.compute.begin_update(made).result().max_instances, 4, "scaled cluster")
client.compute.begin_create_or_update(ComputeInstance(name="instance", size="Standard_DS3_v2")).result()
client.compute.begin_stop("instance").result()
checks.equal(client.compute.get("instance").state, "Stopped", "stopped")
client.compute.begin_start("instance").result()
client.compute.begin_restart("instance").result()
checks.equal(client.compute.get("instance").state, "Running", "restarted")
checks.equal(sorted(one.name for one in client.compute.list()), ["cluster", "instance"], "computes")
checks.equal(list(client.compute.list_nodes("cluster")), [], "nodes")
checks.true(len(client.compute.list_sizes()) > 10, "sizes")
checks.true(len(list(client.compute.list_usage())) > 0, "usage")
client.compute.begin_delete("cluster").result()
checks.equal([one.name for one in client.compute.list()], ["instance"], "computes after a deletion")
try:
    client.compute.get("cluster")
except (ResourceNotFoundError, HttpResponseError) as error:
    checks.equal(error.status_code, 404, "a compute that is gone")
else:
    raise AssertionError("the cluster is still there")
print("computes: ok")

store = AzureBlobDatastore(
    name="own", account_name="stone", container_name="data", credentials=AccountKeyConfiguration(account_key="a2V5")
)
client.datastores.create_or_update(store)
checks.equal(client.datastores.get("own").container_name, "data", "datastore")
checks.equal(client.datastores.get("own", include_secrets=True).credentials.account_key, "a2V5", "secret")
checks.equal(client.datastores.get_default().name, "workspaceblobstore", "default datastore")
checks.equal(len(list(client.datastores.list())), 5, "datastores")
client.datastores.delete("own")
checks.equal(len(list(client.datastores.list())), 4, "datastores after a deletion")
print("datastores: ok")

client.workspaces.begin_delete("mlw", delete_dependent_resources=False, permanently_delete=True).result()
checks.equal(list(client.workspaces.list()), [], "workspaces after a deletion")
print(f"{checks.count} checks with azure-ai-ml")
