"""The Azure CLI with the simulator as a registered cloud."""

import json
import os
import subprocess
import sys

from simulator import CA, CLIENT, GROUP, SCRATCH, SECRET, SUBSCRIPTION, TENANT, URL, Checks

checks = Checks()
environment = dict(
    os.environ,
    AZURE_CONFIG_DIR=os.path.join(SCRATCH, "azure"),
    AZURE_CORE_INSTANCE_DISCOVERY="false",
    AZURE_CORE_COLLECT_TELEMETRY="false",
    AZURE_CORE_NO_COLOR="true",
    REQUESTS_CA_BUNDLE=CA,
)


def raw(words):
    return subprocess.run(
        [sys.executable, "-m", "azure.cli", *words, "--output", "json"],
        env=environment, capture_output=True, text=True, timeout=300,
    )


def az(*words):
    done = raw(words)
    assert done.returncode == 0, f"az {' '.join(words)}:\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout) if done.stdout.strip() else None


def refused(code, *words):
    done = raw(words)
    checks.true(done.returncode != 0 and code in done.stderr, f"az {' '.join(words)}: {done.stderr}")


az("cloud", "register", "--name", "Simulated", "--endpoint-resource-manager", URL)
az("cloud", "set", "--name", "Simulated")
az("login", "--service-principal", "--username", CLIENT, "--password", SECRET, "--tenant", TENANT)
checks.equal(az("account", "show")["id"], SUBSCRIPTION, "account")
print("login: ok")

az("group", "create", "--name", "rg", "--location", "eastus", "--tags", "a=b")
checks.equal(az("group", "show", "--name", "rg")["tags"], {"a": "b"}, "group")
checks.equal(az("group", "exists", "--name", "none"), False, "no group")
refused("ResourceGroupNotFound", "group", "show", "--name", "none")
print("group: ok")

az("storage", "account", "create", "--name", "stone", "--resource-group", "rg", "--location", "eastus", "--sku", "Standard_LRS")
az("storage", "account", "update", "--name", "stone", "--resource-group", "rg", "--set", "tags.a=b")
checks.equal(az("storage", "account", "show", "--name", "stone", "--resource-group", "rg")["tags"], {"a": "b"}, "account")
checks.equal(len(az("storage", "account", "keys", "list", "--account-name", "stone", "--resource-group", "rg")), 2, "keys")
print("storage: ok")

az("keyvault", "create", "--name", "kv-one", "--resource-group", "rg", "--location", "eastus", "--no-wait")
az("keyvault", "show", "--name", "kv-one", "--resource-group", "rg")
az("keyvault", "delete", "--name", "kv-one", "--resource-group", "rg", "--no-wait")
checks.equal([one["name"] for one in az("keyvault", "list-deleted")], ["kv-one"], "deleted vaults")
az("keyvault", "recover", "--name", "kv-one")
print("keyvault: ok")

az("acr", "create", "--name", "acrone", "--resource-group", "rg", "--sku", "Standard")
checks.equal(az("acr", "show", "--name", "acrone")["loginServer"], "acrone.azurecr.io", "registry")
az("acr", "update", "--name", "acrone", "--admin-enabled", "true")
checks.equal(len(az("acr", "credential", "show", "--name", "acrone")["passwords"]), 2, "passwords")
print("acr: ok")

az("network", "nsg", "create", "--name", "rules", "--resource-group", "rg")
az("network", "nsg", "rule", "create", "--nsg-name", "rules", "--resource-group", "rg", "--name", "tls", "--priority", "100",
   "--destination-port-ranges", "443", "--access", "Allow", "--protocol", "Tcp")
az("network", "vnet", "create", "--name", "net", "--resource-group", "rg", "--address-prefixes", "10.0.0.0/16")
az("network", "vnet", "subnet", "create", "--vnet-name", "net", "--resource-group", "rg", "--name", "one",
   "--address-prefixes", "10.0.0.0/24", "--network-security-group", "rules")
found = az("network", "vnet", "show", "--name", "net", "--resource-group", "rg")
checks.equal([subnet["name"] for subnet in found["subnets"]], ["one"], "subnets")
az("network", "vnet", "subnet", "delete", "--vnet-name", "net", "--resource-group", "rg", "--name", "one")
print("network: ok")

identity = az("identity", "create", "--name", "uai", "--resource-group", "rg")
az("role", "assignment", "create", "--assignee-object-id", identity["principalId"], "--assignee-principal-type",
   "ServicePrincipal", "--role", "acdd72a7-3385-48ef-bd42-f606fba81ae7", "--scope", GROUP)
found = az("role", "assignment", "list", "--scope", GROUP, "--fill-principal-name", "false", "--fill-role-definition-name", "false")
checks.true(identity["principalId"] in [one["principalId"] for one in found], "assignments")
print("role: ok")

logs = f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/logs"
az("rest", "--method", "put", "--uri", f"{URL}{logs}?api-version=2025-07-01", "--body", json.dumps({"location": "eastus"}))
found = az("rest", "--method", "get", "--uri", f"{URL}{logs}?api-version=2025-07-01")
checks.equal(found["name"], "logs", "az rest")
checks.true(len(az("resource", "list", "--resource-group", "rg")) >= 5, "resources")
checks.true(len(az("provider", "list")) > 5, "providers")
az("group", "delete", "--name", "rg", "--yes")
checks.equal(az("group", "exists", "--name", "rg"), False, "group gone")
print(f"{checks.count} checks with the Azure CLI")
