//! A small valid PUT body for every resource type that tests place.

use beamline_simulator::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT};
use serde_json::{Value, json};

/// The body; `{"location": …}` for a type of which nothing is known.
pub(crate) fn body(arm_type: &str) -> Value {
    match arm_type.to_ascii_lowercase().as_str() {
        "microsoft.resources/resourcegroups" => json!({ "location": "eastus" }),
        "microsoft.storage/storageaccounts" => {
            json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" }, "properties": {
                "allowBlobPublicAccess": true,
            } })
        }
        "microsoft.keyvault/vaults" => json!({ "location": "westus", "properties": {
            "tenantId": DEFAULT_TENANT, "sku": { "family": "A", "name": "standard" }, "accessPolicies": [],
            "enableRbacAuthorization": true,
        } }),
        "microsoft.insights/components" => {
            json!({ "location": "eastus", "kind": "web", "properties": { "Application_Type": "web" } })
        }
        "microsoft.containerregistry/registries" => {
            json!({ "location": "eastus", "sku": { "name": "Premium" }, "properties": { "adminUserEnabled": true } })
        }
        "microsoft.network/privatelinkservices" => json!({ "location": "eastus", "properties": {
            "fqdns": [
                "abc.cosmos.com", "abc2.cosmos.com", "abc.zone1.com", "abc2.zone1.com", "abc3.zone2.com",
                "abc4.zone2.com",
            ],
        } }),
        "microsoft.network/privatednszones/a" => json!({ "properties": {
            "ttl": 3600, "aRecords": [{ "ipv4Address": "1.2.3.4" }],
        } }),
        "microsoft.network/virtualnetworks" => json!({ "location": "eastus", "properties": {
            "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
        } }),
        "microsoft.network/virtualnetworks/subnets" => {
            json!({ "properties": { "addressPrefix": "10.0.0.0/24" } })
        }
        "microsoft.network/networksecuritygroups/securityrules" => json!({ "properties": {
            "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
            "sourcePortRange": "*", "destinationPortRange": "80", "sourceAddressPrefix": "*",
            "destinationAddressPrefix": "*",
        } }),
        "microsoft.machinelearningservices/workspaces" => {
            let group = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/deps/providers");
            json!({ "location": "eastus", "identity": { "type": "SystemAssigned" }, "properties": {
                "storageAccount": format!("{group}/Microsoft.Storage/storageAccounts/stone"),
                "keyVault": format!("{group}/Microsoft.KeyVault/vaults/kv-one"),
                "applicationInsights": format!("{group}/Microsoft.Insights/components/ai"),
                "containerRegistry": format!("{group}/Microsoft.ContainerRegistry/registries/acrone"),
            } })
        }
        "microsoft.machinelearningservices/workspaces/computes" => {
            json!({ "location": "eastus", "properties": {
                "computeType": "ComputeInstance", "properties": { "vmSize": "Standard_DS3_v2" },
            } })
        }
        "microsoft.machinelearningservices/workspaces/datastores" => json!({ "properties": {
            "datastoreType": "AzureBlob", "accountName": "stone", "containerName": "data",
            "credentials": {
                "credentialsType": "AccountKey", "secrets": { "secretsType": "AccountKey", "key": "c2VjcmV0" },
            },
        } }),
        "microsoft.authorization/roledefinitions" => json!({ "properties": {
            "roleName": "Placed", "type": "CustomRole", "description": "A role of the test", "permissions": [{
                "actions": ["*/read"], "notActions": [], "dataActions": ["*"], "notDataActions": [],
            }],
            "assignableScopes": [format!("/subscriptions/{DEFAULT_SUBSCRIPTION}")],
        } }),
        "microsoft.authorization/locks" => json!({ "properties": { "level": "CanNotDelete" } }),
        "microsoft.storage/storageaccounts/blobservices/containers"
        | "microsoft.authorization/roleassignments" => json!({ "properties": {} }),
        _ => json!({ "location": "eastus", "properties": {} }),
    }
}
