//! The read shapes: what a GET of each type answers after a set of PUTs validates against the newest
//! `bicep-types`: no unknown property, no write-only one, nothing required missing, no foreign value.

use serde_json::{Value, json};

use crate::support::bench::Bench;
use crate::support::bicep::Types;
use crate::support::contract;

use beamline::resources::id::ResourceId;
use beamline_simulator::{DEFAULT_SUBSCRIPTION, DEFAULT_TENANT};

/// What the types do not know and Azure answers all the same: the type, the beginning of a pointer
/// (`*`: one segment), the reason.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("microsoft.insights/components", "/type", "the provider is registered as microsoft.insights"),
    (ML_WORKSPACE, "/etag", "seen as null (azure-cli-extensions#7699)"),
    (ML_WORKSPACE, "/properties/managedNetwork/changeableIsolationModes", "seen (azure-cli-extensions#7699)"),
];

const ML_WORKSPACE: &str = "Microsoft.MachineLearningServices/workspaces";

fn group() -> String {
    format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg")
}

fn path(tail: &str) -> String {
    format!("{}/providers/{tail}", group())
}

/// Tail below the group (empty: the group itself) and body, in the order in which they must be made.
fn resources() -> Vec<(String, Value)> {
    let identity = path("Microsoft.ManagedIdentity/userAssignedIdentities/uai");
    let network = path("Microsoft.Network/virtualNetworks/net");
    let rules = path("Microsoft.Network/networkSecurityGroups/rules");
    let storage = path("Microsoft.Storage/storageAccounts/stone");
    let vault = path("Microsoft.KeyVault/vaults/kv-one");
    let logs = path("Microsoft.OperationalInsights/workspaces/logs");
    let insights = path("microsoft.insights/components/ai");
    let registry = path("Microsoft.ContainerRegistry/registries/acrone");
    let workspace = path("Microsoft.MachineLearningServices/workspaces/mlw");
    let both =
        json!({ "type": "SystemAssigned,UserAssigned", "userAssignedIdentities": { identity.clone(): {} } });
    let rule = json!({
        "priority": 110, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourcePortRange": "*",
        "destinationPortRange": "443", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*",
    });
    vec![
        (group(), json!({ "location": "eastus", "tags": { "a": "b" } })),
        (identity, json!({ "location": "eastus" })),
        (
            rules.clone(),
            json!({ "location": "eastus", "properties": { "securityRules": [{ "name": "tls", "properties": rule }] } }),
        ),
        (format!("{rules}/securityRules/later"), {
            let mut later = json!({ "properties": rule });
            later["properties"]["priority"] = json!(120);
            later
        }),
        (
            network.clone(),
            json!({ "location": "eastus", "properties": {
            "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
            "subnets": [{ "name": "one", "properties": { "addressPrefix": "10.0.0.0/24", "networkSecurityGroup": { "id": rules } } }],
        } }),
        ),
        (
            format!("{network}/subnets/two"),
            json!({ "properties": {
            "addressPrefixes": ["10.0.1.0/24"], "serviceEndpoints": [{ "service": "Microsoft.Storage" }],
            "delegations": [{ "name": "d", "properties": { "serviceName": "Microsoft.MachineLearningServices/workspaces" } }],
        } }),
        ),
        (
            storage.clone(),
            json!({ "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_LRS" } }),
        ),
        (
            path("Microsoft.Storage/storageAccounts/lake"),
            json!({
                "location": "eastus", "kind": "StorageV2", "sku": { "name": "Standard_GRS" }, "identity": both,
                "properties": {
                    "isHnsEnabled": true, "minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": true,
                    "networkAcls": { "defaultAction": "Deny", "ipRules": [{ "value": "1.2.3.4" }] },
                    "routingPreference": { "routingChoice": "MicrosoftRouting", "publishMicrosoftEndpoints": true },
                },
            }),
        ),
        (
            format!("{storage}/blobServices/default"),
            json!({ "properties": { "deleteRetentionPolicy": { "enabled": true, "days": 7 } } }),
        ),
        (format!("{storage}/fileServices/default"), json!({ "properties": {} })),
        (
            format!("{storage}/blobServices/default/containers/data"),
            json!({ "properties": { "metadata": { "a": "b" } } }),
        ),
        (
            vault.clone(),
            json!({ "location": "eastus", "properties": {
            "tenantId": DEFAULT_TENANT, "sku": { "family": "A", "name": "standard" }, "enableRbacAuthorization": true,
            "enablePurgeProtection": true, "softDeleteRetentionInDays": 7, "createMode": "default",
            "networkAcls": { "defaultAction": "Allow", "bypass": "AzureServices" },
        } }),
        ),
        (
            logs.clone(),
            json!({ "location": "eastus", "properties": { "sku": { "name": "PerGB2018" }, "retentionInDays": 60 } }),
        ),
        (
            insights.clone(),
            json!({ "location": "eastus", "kind": "web", "properties": {
            "Application_Type": "web", "WorkspaceResourceId": logs,
        } }),
        ),
        (
            registry.clone(),
            json!({ "location": "eastus", "sku": { "name": "Premium" }, "identity": { "type": "SystemAssigned" },
            "properties": { "adminUserEnabled": true } }),
        ),
        (
            path("Microsoft.ContainerRegistry/registries/acrtwo"),
            json!({ "location": "eastus", "sku": { "name": "Basic" } }),
        ),
        (
            workspace.clone(),
            json!({ "location": "eastus", "identity": both, "properties": {
            "storageAccount": storage, "keyVault": vault, "applicationInsights": insights, "containerRegistry": registry,
            "managedNetwork": { "isolationMode": "AllowInternetOutbound" }, "friendlyName": "Team",
        } }),
        ),
        (
            format!("{workspace}/computes/cluster"),
            json!({ "location": "eastus", "properties": {
            "computeType": "AmlCompute", "properties": {
                "vmSize": "Standard_DS3_v2", "scaleSettings": { "maxNodeCount": 2, "minNodeCount": 1 },
                "userAccountCredentials": { "adminUserName": "me", "adminUserPassword": "hidden" },
            },
        } }),
        ),
        (
            format!("{workspace}/computes/instance"),
            json!({ "location": "eastus", "identity": { "type": "SystemAssigned" }, "properties": {
            "computeType": "ComputeInstance", "properties": {
                "vmSize": "Standard_DS3_v2", "idleTimeBeforeShutdown": "PT30M", "sshSettings": { "sshPublicAccess": "Enabled", "adminPublicKey": "ssh-rsa AAAA" },
                "schedules": { "computeStartStop": [{ "action": "Stop", "triggerType": "Cron", "status": "Enabled", "cron": { "expression": "0 18 * * *", "timeZone": "UTC" } }] },
            },
        } }),
        ),
        (
            format!("{workspace}/computes/kube"),
            json!({ "location": "eastus", "properties": {
            "computeType": "Kubernetes", "resourceId": path("Microsoft.ContainerService/managedClusters/k"), "properties": { "namespace": "default" },
        } }),
        ),
        (
            format!("{workspace}/datastores/blob"),
            json!({ "properties": {
            "datastoreType": "AzureBlob", "accountName": "stone", "containerName": "data",
            "credentials": { "credentialsType": "AccountKey", "secrets": { "secretsType": "AccountKey", "key": "a2V5" } },
        } }),
        ),
        (
            format!("{workspace}/datastores/lake"),
            json!({ "properties": {
            "datastoreType": "AzureDataLakeGen2", "accountName": "lake", "filesystem": "data", "credentials": { "credentialsType": "None" },
        } }),
        ),
        (format!("{workspace}/datastores/workspaceblobstore"), Value::Null),
        (format!("{workspace}/datastores/workspacefilestore"), Value::Null),
        (
            format!(
                "{storage}/providers/Microsoft.Authorization/roleAssignments/0c1c1f7e-6f36-4f7c-9a5c-0b8ed2a1c001"
            ),
            json!({ "properties": {
            "roleDefinitionId": format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"),
            "principalId": "0c1c1f7e-6f36-4f7c-9a5c-0b8ed2a1c0ff", "principalType": "User",
        } }),
        ),
        (
            format!(
                "/subscriptions/{DEFAULT_SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
            ),
            Value::Null,
        ),
        (
            format!("{}/providers/Microsoft.Authorization/locks/keep", group()),
            json!({ "properties": { "level": "CanNotDelete" } }),
        ),
        (
            path("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"),
            json!({ "location": "global" }),
        ),
        (
            path(
                "Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net/virtualNetworkLinks/link",
            ),
            json!({
                "location": "global", "properties": { "registrationEnabled": false, "virtualNetwork": { "id": path("Microsoft.Network/virtualNetworks/net") } },
            }),
        ),
        (
            path("Microsoft.Network/privateEndpoints/pe"),
            json!({ "location": "eastus", "properties": {
            "subnet": { "id": path("Microsoft.Network/virtualNetworks/net/subnets/one") },
            "privateLinkServiceConnections": [{ "name": "c", "properties": {
                "privateLinkServiceId": path("Microsoft.KeyVault/vaults/kv-one"), "groupIds": ["vault"],
            } }],
        } }),
        ),
        (
            path("Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/default"),
            json!({ "properties": {
            "privateDnsZoneConfigs": [{ "name": "z", "properties": {
                "privateDnsZoneId": path("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net"),
            } }],
        } }),
        ),
        (path("Microsoft.KeyVault/vaults/kv-one"), Value::Null),
        (path("Microsoft.KeyVault/vaults/kv-one/secrets/one"), json!({ "properties": { "value": "hush" } })),
        (
            path("Microsoft.Storage/storageAccounts/stone/fileServices/default/shares/data"),
            json!({ "properties": {} }),
        ),
        (
            path("Microsoft.Storage/storageAccounts/stone/encryptionScopes/team"),
            json!({ "properties": { "requireInfrastructureEncryption": true } }),
        ),
        (
            path("Microsoft.ManagedIdentity/userAssignedIdentities/uai/federatedIdentityCredentials/ci-one"),
            json!({ "properties": {
            "issuer": "https://issuer.example", "subject": "repo:one", "audiences": ["api://AzureADTokenExchange"],
        } }),
        ),
        (
            path("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net/A/one"),
            json!({ "properties": { "ttl": 60, "aRecords": [{ "ipv4Address": "10.0.0.9" }] } }),
        ),
        (path("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net/SOA/@"), Value::Null),
        (path("Microsoft.Network/privateDnsZones/privatelink.vaultcore.azure.net/A/kv-one"), Value::Null),
        (
            path("Microsoft.MachineLearningServices/workspaces/mlw/connections/mail"),
            json!({ "properties": {
            "category": "ApiKey", "target": "https://mail.example", "authType": "ApiKey", "credentials": { "key": "k" },
        } }),
        ),
        (path("Microsoft.Network/virtualNetworks/net"), Value::Null),
        (
            path("Microsoft.MachineLearningServices/registries/shared"),
            json!({ "location": "eastus", "identity": { "type": "SystemAssigned" }, "properties": {
            "regionDetails": [{ "location": "eastus", "acrDetails": [{ "systemCreatedAcrAccount": { "acrAccountSku": "Premium" } }],
                "storageAccountDetails": [{ "systemCreatedStorageAccount": { "storageAccountType": "Standard_LRS", "storageAccountHnsEnabled": false } }] }],
        } }),
        ),
        (
            path("Microsoft.Consumption/budgets/monthly"),
            json!({ "properties": {
            "category": "Cost", "amount": 100.0, "timeGrain": "Monthly",
            "timePeriod": { "startDate": "2026-11-01T00:00:00Z", "endDate": "2027-11-01T00:00:00Z" },
        } }),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_type_reads_as_its_published_shape_says() {
    let Some(folder) = contract::folder() else { return };
    let types = Types::load(&folder);
    let bench = Bench::new();
    let (mut wrong, mut used, mut checked) = (Vec::new(), vec![false; EXCEPTIONS.len()], 0);
    for (target, body) in resources() {
        if !body.is_null() {
            let made = bench.send("put", &format!("{target}?api-version=2026-05-01"), Some(&body)).await;
            assert!(made.status < 300, "{target}: {} {}", made.status, made.body);
        }
        let read = bench.send("get", &format!("{target}?api-version=2026-05-01"), None).await;
        assert_eq!(read.status, 200, "{target}: {}", read.body);
        let arm_type = target.parse::<ResourceId>().unwrap().arm_type();
        assert!(types.knows(&arm_type), "{arm_type} has no published shape");
        checked += 1;
        for difference in types.check(&arm_type, &read.body) {
            let excepted = EXCEPTIONS.iter().position(|(own, begin, _)| {
                own.eq_ignore_ascii_case(&arm_type) && contract::begins(&difference.pointer, begin)
            });
            match excepted {
                Some(at) => used[at] = true,
                None => wrong.push(format!("{target}{}: {}", difference.pointer, difference.what)),
            }
        }
    }
    println!("{checked} bodies read as their published shapes say, {} listed deviations", EXCEPTIONS.len());
    assert!(wrong.is_empty(), "{} deviations:\n{}", wrong.len(), wrong.join("\n"));
    let unneeded: Vec<_> =
        EXCEPTIONS.iter().zip(used).filter(|(_, used)| !used).map(|(entry, _)| entry).collect();
    assert!(unneeded.is_empty(), "exceptions that are no longer needed: {unneeded:#?}");
}
