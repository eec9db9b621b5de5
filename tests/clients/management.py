"""Microsoft's management SDKs: create, read, update, list with paging, operations, deletion, errors."""

import time

import simulator
from simulator import GROUP, SUBSCRIPTION, TENANT, URL, Checks

from azure.core.exceptions import HttpResponseError
from azure.mgmt.applicationinsights import ApplicationInsightsManagementClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

credential = simulator.credential()
checks = Checks()
where = {"base_url": URL, "credential_scopes": [URL + "/.default"], "connection_verify": simulator.CA, "polling_interval": 1}


def client(kind):
    return kind(credential, SUBSCRIPTION, **where)


resource = client(ResourceManagementClient)
storage = client(StorageManagementClient)
vaults = client(KeyVaultManagementClient)
logs = client(LogAnalyticsManagementClient)
insights = client(ApplicationInsightsManagementClient)
registries = client(ContainerRegistryManagementClient)
network = client(NetworkManagementClient)
identities = client(ManagedServiceIdentityClient)
authorization = client(AuthorizationManagementClient)
learning = client(MachineLearningServicesMgmtClient)


def groups():
    checks.equal(resource.resource_groups.check_existence("rg"), False, "before")
    made = resource.resource_groups.create_or_update("rg", {"location": "eastus", "tags": {"a": "b"}})
    checks.equal(made.properties.provisioning_state, "Succeeded", "group")
    checks.equal(resource.resource_groups.check_existence("rg"), True, "after")
    changed = resource.resource_groups.update("rg", {"tags": {"c": "d"}})
    checks.equal(changed.tags, {"c": "d"}, "patched tags")
    found = list(resource.resource_groups.list(filter="tagName eq 'c' and tagValue eq 'd'"))
    checks.equal([group.name for group in found], ["rg"], "groups by tag")
    checks.refused(lambda: resource.resource_groups.get("none"), 404, "ResourceGroupNotFound", "no group")
    checks.true(len(list(resource.providers.list())) > 5, "providers")


def accounts():
    body = {"location": "eastus", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    checks.true(
        storage.storage_accounts.check_name_availability({"name": "stone", "type": "Microsoft.Storage/storageAccounts"}).name_available,
        "free name",
    )
    made = storage.storage_accounts.begin_create("rg", "stone", body).result()
    checks.equal(made.provisioning_state, "Succeeded", "account")
    checks.true(made.primary_endpoints.blob.startswith("https://stone.blob."), "endpoint")
    checks.equal(len(storage.storage_accounts.list_keys("rg", "stone").keys_property), 2, "keys")
    changed = storage.storage_accounts.update("rg", "stone", {"tags": {"a": "b"}})
    checks.equal(changed.tags, {"a": "b"}, "patched account")
    storage.blob_containers.create("rg", "stone", "data", {})
    checks.equal([one.name for one in storage.blob_containers.list("rg", "stone")], ["data"], "containers")
    service = storage.blob_services.set_service_properties(
        "rg", "stone", {"properties": {"deleteRetentionPolicy": {"enabled": True, "days": 7}}}
    )
    checks.equal(service.delete_retention_policy.days, 7, "blob service")
    for number in range(120):
        storage.storage_accounts.begin_create("rg", f"many{number:03}", body)
    listed = list(storage.storage_accounts.list_by_resource_group("rg"))
    checks.equal(len(listed), 121, "accounts over two pages")
    checks.refused(
        lambda: storage.storage_accounts.begin_create("rg", "Not-Valid", body).result(), 400, "AccountNameInvalid", "name"
    )
    storage.storage_accounts.delete("rg", "many000")
    checks.refused(lambda: storage.storage_accounts.get_properties("rg", "many000"), 404, "ResourceNotFound", "gone")


def keyvaults():
    body = {
        "location": "eastus",
        "properties": {
            "tenantId": TENANT,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": True,
        },
    }
    made = vaults.vaults.begin_create_or_update("rg", "kv-one", body).result()
    checks.equal(made.properties.provisioning_state, "Succeeded", "vault")
    checks.equal(made.properties.vault_uri, "https://kv-one.vault.azure.net/", "vault uri")
    vaults.vaults.update("rg", "kv-one", {"tags": {"a": "b"}})
    checks.equal(vaults.vaults.get("rg", "kv-one").tags, {"a": "b"}, "patched vault")
    vaults.vaults.begin_create_or_update("rg", "kv-two", body).result()
    vaults.vaults.delete("rg", "kv-two")
    checks.equal([one.name for one in vaults.vaults.list_deleted()], ["kv-two"], "deleted vaults")
    checks.refused(
        lambda: vaults.vaults.begin_create_or_update("rg", "kv-two", body).result(), 409, "ConflictError", "taken name"
    )
    vaults.vaults.begin_purge_deleted("kv-two", "eastus").result()
    checks.refused(lambda: vaults.vaults.get_deleted("kv-two", "eastus"), 404, "DeletedVaultNotFound", "purged")


def monitoring():
    made = logs.workspaces.begin_create_or_update("rg", "logs", {"location": "eastus"}).result()
    checks.equal(made.provisioning_state, "Succeeded", "analytics")
    body = {
        "location": "eastus",
        "kind": "web",
        "application_type": "web",
        "properties": {"Application_Type": "web", "WorkspaceResourceId": made.id},
    }
    component = insights.components.create_or_update("rg", "ai", body)
    checks.true(component.connection_string.startswith("InstrumentationKey="), "connection string")
    insights.components.update_tags("rg", "ai", {"tags": {"a": "b"}})
    checks.equal(insights.components.get("rg", "ai").tags, {"a": "b"}, "component tags")


def registry():
    body = {"location": "eastus", "sku": {"name": "Standard"}, "properties": {"adminUserEnabled": False}}
    made = registries.registries.begin_create("rg", "acrone", body).result()
    checks.equal(made.login_server, "acrone.azurecr.io", "registry")
    changed = registries.registries.begin_update("rg", "acrone", {"properties": {"adminUserEnabled": True}}).result()
    checks.equal(changed.admin_user_enabled, True, "patched registry")
    checks.equal(len(registries.registries.list_credentials("rg", "acrone").passwords), 2, "passwords")
    checks.equal(len(list(registries.registries.list())), 1, "registries")


def networks():
    rule = {
        "name": "tls",
        "properties": {
            "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourcePortRange": "*",
            "destinationPortRange": "443", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*",
        },
    }
    rules = network.network_security_groups.begin_create_or_update(
        "rg", "rules", {"location": "eastus", "properties": {"securityRules": [rule]}}
    ).result()
    checks.equal(len(rules.default_security_rules), 6, "default rules")
    body = {"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    made = network.virtual_networks.begin_create_or_update("rg", "net", body).result()
    checks.equal(made.provisioning_state, "Succeeded", "network")
    subnet = network.subnets.begin_create_or_update(
        "rg", "net", "one", {"properties": {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": rules.id}}}
    ).result()
    checks.equal(subnet.address_prefix, "10.0.0.0/24", "subnet")
    checks.refused(
        lambda: network.subnets.begin_create_or_update(
            "rg", "net", "two", {"properties": {"addressPrefix": "10.0.0.0/25"}}
        ).result(),
        400,
        "NetcfgSubnetRangesOverlap",
        "overlap",
    )
    checks.equal(len(list(network.subnets.list("rg", "net"))), 1, "subnets")
    network.subnets.begin_delete("rg", "net", "one").result()
    network.network_security_groups.begin_delete("rg", "rules").result()
    checks.equal(len(list(network.network_security_groups.list("rg"))), 0, "security groups")


def once_replicated(act):
    """What Azure's own documentation asks of clients: a new principal is not known everywhere at once."""
    for _ in range(60):
        try:
            return act()
        except HttpResponseError as error:
            if error.error is None or error.error.code != "PrincipalNotFound":
                raise
            time.sleep(1)
    return act()


def access():
    made = identities.user_assigned_identities.create_or_update("rg", "uai", {"location": "eastus"})
    checks.true(made.principal_id, "identity")
    name = "2c1c1f7e-6f36-4f7c-9a5c-0b8ed2a1c001"
    definitions = list(authorization.role_definitions.list(GROUP, filter="roleName eq 'Reader'"))
    checks.equal(len(definitions), 1, "role by name")
    body = {
        "properties": {
            "roleDefinitionId": definitions[0].id,
            "principalId": made.principal_id,
            "principalType": "ServicePrincipal",
        }
    }
    once_replicated(lambda: authorization.role_assignments.create(GROUP, name, body))
    checks.equal(authorization.role_assignments.get(GROUP, name).principal_id, made.principal_id, "assignment")
    found = authorization.role_assignments.list_for_scope(GROUP, filter=f"principalId eq '{made.principal_id}'")
    checks.equal([one.name for one in found], [name], "assignments of the principal")
    other = "2c1c1f7e-6f36-4f7c-9a5c-0b8ed2a1c002"
    checks.refused(
        lambda: authorization.role_assignments.create(GROUP, other, body), 409, "RoleAssignmentExists", "twice"
    )
    authorization.role_assignments.delete(GROUP, name)


def workspaces():
    provider = f"{GROUP}/providers"
    body = {
        "location": "eastus",
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "storageAccount": f"{provider}/Microsoft.Storage/storageAccounts/stone",
            "keyVault": f"{provider}/Microsoft.KeyVault/vaults/kv-one",
            "applicationInsights": f"{provider}/microsoft.insights/components/ai",
            "containerRegistry": f"{provider}/Microsoft.ContainerRegistry/registries/acrone",
        },
    }
    made = learning.workspaces.begin_create_or_update("rg", "mlw", body).result()
    checks.equal(made.provisioning_state, "Succeeded", "workspace")
    checks.true(made.identity.principal_id, "workspace identity")
    changed = learning.workspaces.begin_update("rg", "mlw", {"properties": {"description": "new"}}).result()
    checks.equal(changed.description, "new", "patched workspace")
    cluster = {
        "location": "eastus",
        "properties": {
            "computeType": "AmlCompute",
            "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"maxNodeCount": 2, "minNodeCount": 0}},
        },
    }
    made = learning.compute.begin_create_or_update("rg", "mlw", "cluster", cluster).result()
    checks.equal(made.properties.provisioning_state, "Succeeded", "cluster")
    scaled = {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 4}}}}
    changed = learning.compute.begin_update("rg", "mlw", "cluster", scaled).result()
    checks.equal(changed.properties.properties.scale_settings.max_node_count, 4, "scaled cluster")
    instance = {
        "location": "eastus",
        "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_DS3_v2"}},
    }
    learning.compute.begin_create_or_update("rg", "mlw", "instance", instance).result()
    learning.compute.begin_stop("rg", "mlw", "instance").result()
    checks.equal(learning.compute.get("rg", "mlw", "instance").properties.properties.state, "Stopped", "stopped")
    learning.compute.begin_start("rg", "mlw", "instance").result()
    checks.equal(len(list(learning.compute.list("rg", "mlw"))), 2, "computes")
    checks.true(len(list(learning.virtual_machine_sizes.list("eastus").value)) > 10, "sizes")
    store = {
        "properties": {
            "datastoreType": "AzureBlob", "accountName": "stone", "containerName": "data",
            "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "a2V5"}},
        }
    }
    learning.datastores.create_or_update("rg", "mlw", "own", store)
    checks.equal(learning.datastores.list_secrets("rg", "mlw", "own").key, "a2V5", "datastore secret")
    checks.equal(len(list(learning.datastores.list("rg", "mlw"))), 5, "datastores")
    checks.refused(
        lambda: learning.compute.begin_create_or_update("rg", "mlw", "cpu-1", cluster).result(), 400, "BadRequest", "compute name"
    )
    learning.compute.begin_delete("rg", "mlw", "cluster", "Delete").result()
    checks.equal(len(list(learning.compute.list("rg", "mlw"))), 1, "computes after a deletion")
    learning.workspaces.begin_delete("rg", "mlw").result()
    checks.refused(lambda: learning.workspaces.get("rg", "mlw"), 404, "ResourceNotFound", "workspace gone")


def end():
    checks.true(len(list(resource.resources.list_by_resource_group("rg"))) > 100, "contents")
    resource.resource_groups.begin_delete("rg").result()
    checks.equal(resource.resource_groups.check_existence("rg"), False, "group gone")


for step in (groups, accounts, keyvaults, monitoring, registry, networks, access, workspaces, end):
    step()
    print(f"{step.__name__}: ok")
print(f"{checks.count} checks with ten management SDKs")
