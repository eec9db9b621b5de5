//! The built-in roles that the world knows, 24 with their actions, the others by name and id. All lists are those of azure-docs,
//! role-based-access-control/built-in-roles (`privileged.md`, `general.md`, `storage.md`, `security.md`,
//! `containers.md`, `networking.md`, `monitor.md`, `identity.md`, `ai-machine-learning.md`; the first,
//! `storage.md` and `identity.md` as of 2026-07, the others in the newest versions at hand). GUIDs:
//! `facts.md` 8.

use std::sync::LazyLock;

use beamline_base::roles;
use serde_json::{Value, json};

/// What a role allows: patterns with `*`, compared without regard to casing.
#[derive(Clone, Copy, Debug)]
pub(in crate::providers) struct Role {
    pub(in crate::providers) name: &'static str,
    pub(in crate::providers) guid: &'static str,
    description: &'static str,
    pub(in crate::providers) actions: &'static [&'static str],
    pub(in crate::providers) not_actions: &'static [&'static str],
    data_actions: &'static [&'static str],
}

const NOTHING: Role =
    Role { name: "", guid: "", description: "", actions: &[], not_actions: &[], data_actions: &[] };

/// The control-plane actions of the Key Vault data roles.
const VAULT_READING: &[&str] = &[
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Support/*",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
];

const ROLES: [Role; 24] = [
    Role {
        name: "Owner",
        guid: "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        description: "Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.",
        actions: &["*"],
        ..NOTHING
    },
    Role {
        name: "Contributor",
        guid: "b24988ac-6180-42a0-ab88-20f7382dd24c",
        description: "Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, \
                      manage assignments in Azure Blueprints, or share image galleries.",
        actions: &["*"],
        not_actions: &[
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
            "Microsoft.Compute/galleries/share/action",
            "Microsoft.Purview/consents/write",
            "Microsoft.Purview/consents/delete",
            "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
            "Microsoft.Subscription/cancel/action",
            "Microsoft.Subscription/enable/action",
        ],
        ..NOTHING
    },
    Role {
        name: "Reader",
        guid: "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        description: "View all resources, but does not allow you to make any changes.",
        actions: &["*/read"],
        ..NOTHING
    },
    Role {
        name: "User Access Administrator",
        guid: "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        description: "Lets you manage user access to Azure resources.",
        actions: &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
        ..NOTHING
    },
    Role {
        name: "Role Based Access Control Administrator",
        guid: "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
        description: "Manage access to Azure resources by assigning roles using Azure RBAC. This role does not allow you \
                      to manage access using other ways, such as Azure Policy.",
        actions: &[
            "Microsoft.Authorization/roleAssignments/write",
            "Microsoft.Authorization/roleAssignments/delete",
            "*/read",
            "Microsoft.Support/*",
        ],
        ..NOTHING
    },
    Role {
        name: "Key Vault Administrator",
        guid: "00482a5a-887f-4fb3-b363-3b7fe8e74483",
        description: "Perform all data plane operations on a key vault and all objects in it, including certificates, \
                      keys, and secrets. Cannot manage key vault resources or manage role assignments. Only works for key vaults that use the \
                      'Azure role-based access control' permission model.",
        actions: VAULT_READING,
        data_actions: &["Microsoft.KeyVault/vaults/*"],
        ..NOTHING
    },
    Role {
        name: "Key Vault Secrets User",
        guid: "4633458b-17de-408a-b874-0445c86b69e6",
        description: "Read secret contents. Only works for key vaults that use the \
                      'Azure role-based access control' permission model.",
        data_actions: &[
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ],
        ..NOTHING
    },
    Role {
        name: "Key Vault Secrets Officer",
        guid: "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        description: "Perform any action on the secrets of a key vault, except manage permissions. Only works for key vaults that use the \
                      'Azure role-based access control' permission model.",
        actions: VAULT_READING,
        data_actions: &["Microsoft.KeyVault/vaults/secrets/*"],
        ..NOTHING
    },
    Role {
        name: "Key Vault Reader",
        guid: "21090545-7ca7-4776-b22c-e363652d74d2",
        description: "Read metadata of key vaults and its certificates, keys, and secrets. Cannot read sensitive values \
                      such as secret contents or key material. Only works for key vaults that use the \
                      'Azure role-based access control' permission model.",
        actions: VAULT_READING,
        data_actions: &[
            "Microsoft.KeyVault/vaults/*/read",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ],
        ..NOTHING
    },
    Role {
        name: "Storage Blob Data Contributor",
        guid: "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        description: "Allows for read, write and delete access to Azure Storage blob containers and data",
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/delete",
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/write",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ],
        data_actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
        ],
        ..NOTHING
    },
    Role {
        name: "Storage Blob Data Reader",
        guid: "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        description: "Allows for read access to Azure Storage blob containers and data",
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
        ..NOTHING
    },
    Role {
        name: "Storage Blob Data Owner",
        guid: "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        description: "Allows for full access to Azure Storage blob containers and data, including assigning POSIX access \
                      control.",
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/*",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"],
        ..NOTHING
    },
    Role {
        name: "Storage File Data Privileged Contributor",
        guid: "69566ab7-960f-475b-8e7c-b3118f30c6bd",
        description: "Customer has read, write, delete and modify NTFS permission access on Azure Storage file shares.",
        data_actions: &[
            "Microsoft.Storage/storageAccounts/fileServices/fileshares/files/read",
            "Microsoft.Storage/storageAccounts/fileServices/fileshares/files/write",
            "Microsoft.Storage/storageAccounts/fileServices/fileshares/files/delete",
            "Microsoft.Storage/storageAccounts/fileServices/fileshares/files/modifypermissions/action",
            "Microsoft.Storage/storageAccounts/fileServices/readFileBackupSemantics/action",
            "Microsoft.Storage/storageAccounts/fileServices/writeFileBackupSemantics/action",
        ],
        ..NOTHING
    },
    Role {
        name: "Storage File Data Privileged Reader",
        guid: "b8eda974-7b85-4f76-af95-65846b26df6d",
        description: "Customer has read access on Azure Storage file shares.",
        data_actions: &[
            "Microsoft.Storage/storageAccounts/fileServices/fileshares/files/read",
            "Microsoft.Storage/storageAccounts/fileServices/readFileBackupSemantics/action",
        ],
        ..NOTHING
    },
    Role {
        name: "Storage Account Contributor",
        guid: "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        description: "Lets you manage storage accounts, including accessing storage account keys which provide full \
                      access to storage account data.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Insights/diagnosticSettings/*",
            "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Storage/storageAccounts/*",
            "Microsoft.Support/*",
        ],
        ..NOTHING
    },
    Role {
        name: "AcrPush",
        guid: "8311e382-0749-4cb8-b61a-304f252e45ec",
        description: "acr push",
        actions: &[
            "Microsoft.ContainerRegistry/registries/pull/read",
            "Microsoft.ContainerRegistry/registries/push/write",
        ],
        ..NOTHING
    },
    Role {
        name: "AcrPull",
        guid: "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        description: "acr pull",
        actions: &["Microsoft.ContainerRegistry/registries/pull/read"],
        ..NOTHING
    },
    Role {
        name: "AzureML Data Scientist",
        guid: "f6c7c914-8db3-469d-8ca1-694a8f32e121",
        description: "Can perform all actions within an Azure Machine Learning workspace, except for creating or deleting \
                      compute resources and modifying the workspace itself.",
        actions: &[
            "Microsoft.MachineLearningServices/workspaces/*/read",
            "Microsoft.MachineLearningServices/workspaces/*/action",
            "Microsoft.MachineLearningServices/workspaces/*/delete",
            "Microsoft.MachineLearningServices/workspaces/*/write",
        ],
        not_actions: &[
            "Microsoft.MachineLearningServices/workspaces/delete",
            "Microsoft.MachineLearningServices/workspaces/write",
            "Microsoft.MachineLearningServices/workspaces/computes/*/write",
            "Microsoft.MachineLearningServices/workspaces/computes/*/delete",
            "Microsoft.MachineLearningServices/workspaces/computes/listKeys/action",
            "Microsoft.MachineLearningServices/workspaces/listKeys/action",
            "Microsoft.MachineLearningServices/workspaces/hubs/write",
            "Microsoft.MachineLearningServices/workspaces/hubs/delete",
            "Microsoft.MachineLearningServices/workspaces/featurestores/write",
            "Microsoft.MachineLearningServices/workspaces/featurestores/delete",
        ],
        ..NOTHING
    },
    Role {
        name: "AzureML Compute Operator",
        guid: "e503ece1-11d0-4e8e-8e2c-7a6c3bf38815",
        description: "Can access and perform CRUD operations on Machine Learning Services managed compute resources \
                      (including Notebook VMs).",
        actions: &[
            "Microsoft.MachineLearningServices/workspaces/computes/*",
            "Microsoft.MachineLearningServices/workspaces/notebooks/vm/*",
        ],
        ..NOTHING
    },
    Role {
        name: "AzureML Registry User",
        guid: "1823dd4f-9b8c-4ab6-ab4e-7397a3684615",
        description: "Can perform all actions on Machine Learning Services Registry assets as well as get Registry resources.",
        actions: &[
            "Microsoft.MachineLearningServices/registries/read",
            "Microsoft.MachineLearningServices/registries/assets/*",
        ],
        ..NOTHING
    },
    Role {
        name: "Network Contributor",
        guid: "4d97b98b-1d4f-4787-a291-c67834d212e7",
        description: "Lets you manage networks, but not access to them.",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Network/*",
            "Microsoft.ResourceHealth/availabilityStatuses/read",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
        ..NOTHING
    },
    Role {
        name: "Monitoring Reader",
        guid: "43d0d8ad-25c7-4714-9337-8ba259a9fe05",
        description: "Can read all monitoring data.",
        actions: &["*/read", "Microsoft.OperationalInsights/workspaces/search/action", "Microsoft.Support/*"],
        ..NOTHING
    },
    Role {
        name: "Log Analytics Reader",
        guid: "73c42c96-874c-492b-b04d-ab87d138a893",
        description: "Log Analytics Reader can view and search all monitoring data as well as and view monitoring settings, \
                      including viewing the configuration of Azure diagnostics on all Azure resources.",
        actions: &[
            "*/read",
            "Microsoft.OperationalInsights/workspaces/analytics/query/action",
            "Microsoft.OperationalInsights/workspaces/search/action",
            "Microsoft.Support/*",
        ],
        not_actions: &["Microsoft.OperationalInsights/workspaces/sharedKeys/read"],
        ..NOTHING
    },
    Role {
        name: "Managed Identity Operator",
        guid: "f1a07417-d97a-45cb-824c-7a7467783830",
        description: "Read and Assign User Assigned Identity",
        actions: &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
        ],
        ..NOTHING
    },
];

/// The other built-in roles: known by name and id, so that they can be assigned. What they allow is not in the world.
static OTHERS: LazyLock<Vec<Role>> = LazyLock::new(|| {
    let known = |guid: &str| ROLES.iter().any(|role| role.guid == guid);
    let others = roles::built_in().iter().map(|(name, id)| (*name, id.to_string()));
    others
        .filter(|(_, guid)| !known(guid))
        .map(|(name, guid)| Role { name, guid: guid.leak(), description: name, ..NOTHING })
        .collect()
});

/// The role with this GUID.
pub(in crate::providers) fn by_guid(guid: &str) -> Option<&'static Role> {
    all().find(|role| role.guid.eq_ignore_ascii_case(guid))
}

/// The role with this name.
pub(in crate::providers) fn by_name(name: &str) -> Option<&'static Role> {
    all().find(|role| role.name.eq_ignore_ascii_case(name))
}

pub(in crate::providers) fn all() -> impl Iterator<Item = &'static Role> {
    ROLES.iter().chain(OTHERS.iter())
}

impl Role {
    /// The element of `permissions` in answers.
    pub(in crate::providers) fn permission(&self) -> Value {
        json!({
            "actions": self.actions, "notActions": self.not_actions, "dataActions": self.data_actions,
            "notDataActions": [],
        })
    }

    /// The definition; `scope` begins its id.
    pub(in crate::providers) fn document(&self, scope: &str) -> Value {
        json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/{}", self.guid),
            "type": "Microsoft.Authorization/roleDefinitions", "name": self.guid,
            "properties": {
                "roleName": self.name, "type": "BuiltInRole", "description": self.description,
                "assignableScopes": ["/"], "permissions": [self.permission()],
                "createdOn": "2015-02-02T21:55:09.8806423Z", "updatedOn": "2023-07-10T15:10:53.8858967Z",
                "createdBy": null, "updatedBy": null,
            },
        })
    }
}
