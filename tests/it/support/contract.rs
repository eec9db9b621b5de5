//! Microsoft's published contract as it lies beside the repository: examples, swagger, bicep types.
//!
//! The folder is not part of the repository: without it the tests that need it say so and pass, except
//! under `CI=true`, where it must be there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The folder with `examples` and `schemas`.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/azure");
    if folder.join("examples").is_dir() {
        return Some(folder);
    }
    assert!(!crate::support::in_ci(), "{} is missing", folder.display());
    println!("skipped: {} is not there", folder.display());
    None
}

pub(crate) fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All JSON files below a folder, sorted, as paths relative to it with `/`.
pub(crate) fn json_files(folder: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "json") {
                let relative = path.strip_prefix(folder).unwrap();
                found.push(relative.to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

/// A request of Microsoft's examples, with the answers it names.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// `provider/version/file`.
    pub(crate) name: String,
    pub(crate) method: String,
    /// The path template of the operation.
    pub(crate) template: String,
    pub(crate) parameters: Map<String, Value>,
    /// Status to body (null: none).
    pub(crate) responses: BTreeMap<u16, Value>,
}

impl Example {
    pub(crate) fn provider(&self) -> &str {
        self.name.split('/').next().unwrap()
    }
}

/// The operations that no swagger file at hand names: part of the example's name, method, template.
const MORE_OPERATIONS: &[(&str, &str, &str)] = &[
    ("Microsoft.Resources/2022-12-01/GetLocations.json", "get", "/subscriptions/{subscriptionId}/locations"),
    ("Microsoft.Resources/2022-12-01/GetSubscription.json", "get", "/subscriptions/{subscriptionId}"),
    ("Microsoft.Resources/2022-12-01/GetSubscriptions.json", "get", "/subscriptions"),
    ("Microsoft.Resources/2022-12-01/GetTenants.json", "get", "/tenants"),
    (
        "Microsoft.Resources/2022-12-01/GetLocationsWithExtendedLocations.json",
        "get",
        "/subscriptions/{subscriptionId}/locations",
    ),
    ("2022-12-01/CheckResourceName.json", "post", "/providers/Microsoft.Resources/checkResourceName"),
    (
        "2022-12-01/PostCheckZonePeers.json",
        "post",
        "/subscriptions/{subscriptionId}/providers/Microsoft.Resources/checkZonePeers",
    ),
    ("2022-04-01/GetRoleDefinitionById.json", "get", "/{roleId}"),
    ("2022-04-01/GetAllDenyAssignments.json", "get", "/subscriptions/{subscriptionId}/{DENY}"),
    ("2022-04-01/GetDenyAssignmentById.json", "get", "/{denyAssignmentId}"),
    ("2022-04-01/GetDenyAssignmentByNameId.json", "get", "/{scope}/{DENY}/{denyAssignmentId}"),
    ("2022-04-01/GetDenyAssignmentByScope.json", "get", "/{scope}/{DENY}"),
    (
        "2022-04-01/GetDenyAssignmentsForResource.json",
        "get",
        "{GROUP}/providers/{resourceProviderNamespace}/{parentResourcePath}/{resourceType}/{resourceName}/{DENY}",
    ),
    ("2022-04-01/GetDenyAssignmentsForResourceGroup.json", "get", "{GROUP}/{DENY}"),
    (
        "2022-04-01/GetProviderOperationsRP.json",
        "get",
        "/providers/Microsoft.Authorization/providerOperations/{resourceProviderNamespace}",
    ),
    ("ManagedHsm_ListPrivateEndpointConnectionsByResource.json", "get", "{HSM}/privateEndpointConnections"),
    ("ManagedHsm_deletePrivateEndpointConnection.json", "delete", HSM_CONNECTION),
    ("ManagedHsm_getPrivateEndpointConnection.json", "get", HSM_CONNECTION),
    ("ManagedHsm_putPrivateEndpointConnection.json", "put", HSM_CONNECTION),
    ("ManagedHsm_listPrivateLinkResources.json", "get", "{HSM}/privateLinkResources"),
    ("KeyVault/2023-07-01/createSecret.json", "put", "{VAULT}/secrets/{secretName}"),
    ("KeyVault/2023-07-01/getSecret.json", "get", "{VAULT}/secrets/{secretName}"),
    ("KeyVault/2023-07-01/listSecrets.json", "get", "{VAULT}/secrets"),
    ("KeyVault/2023-07-01/updateSecret.json", "patch", "{VAULT}/secrets/{secretName}"),
    ("Registries/createOrUpdate-SystemCreated.json", "put", ML_REGISTRY),
    ("Registries/createOrUpdate-UserCreated.json", "put", ML_REGISTRY),
    ("Registries/delete.json", "delete", ML_REGISTRY),
    ("Registries/get-SystemCreated.json", "get", ML_REGISTRY),
    ("Registries/get-UserCreated.json", "get", ML_REGISTRY),
    ("Registries/list-SystemCreated.json", "get", "{GROUP}/{ML_REGISTRIES}"),
    ("Registries/list-UserCreated.json", "get", "{GROUP}/{ML_REGISTRIES}"),
    ("Registries/listBySubscription.json", "get", "/subscriptions/{subscriptionId}/{ML_REGISTRIES}"),
    ("Registries/removeRegions.json", "post", "{GROUP}/{ML_REGISTRIES}/{registryName}/removeRegions"),
    ("Registries/update-SystemCreated.json", "patch", ML_REGISTRY),
    ("Registries/update-UserCreated.json", "patch", ML_REGISTRY),
    ("FileSharesDelete.json", "delete", FILE_SHARE),
    ("FileSharesGet.json", "get", FILE_SHARE),
    ("FileSharesList.json", "get", "{ACCOUNT}/fileServices/default/shares"),
    ("FileSharesPut.json", "put", FILE_SHARE),
    ("AzureBlobWAccountKey/createOrUpdate.json", "put", DATASTORE),
    ("AzureDataLakeGen1WServicePrincipal/createOrUpdate.json", "put", DATASTORE),
    ("AzureDataLakeGen2WServicePrincipal/createOrUpdate.json", "put", DATASTORE),
    ("AzureFileWAccountKey/createOrUpdate.json", "put", DATASTORE),
    ("Datastore/delete.json", "delete", DATASTORE),
    ("Datastore/get.json", "get", DATASTORE),
    ("Datastore/list.json", "get", "{WORKSPACE}/datastores"),
    ("Datastore/listSecrets.json", "post", "{WORKSPACE}/datastores/{name}/listSecrets"),
    ("WorkspaceFeature/list.json", "get", "{WORKSPACE}/features"),
    (
        "Compute/updateIdleShutdownSetting.json",
        "post",
        "{WORKSPACE}/computes/{computeName}/updateIdleShutdownSetting",
    ),
    ("FileServicesGet.json", "get", "{ACCOUNT}/fileServices/{FileServicesName}"),
    ("FileServicesPut.json", "put", "{ACCOUNT}/fileServices/{FileServicesName}"),
    ("FileServicesList.json", "get", "{ACCOUNT}/fileServices"),
    ("OperationsListByTenant.json", "get", "/providers/Microsoft.OperationalInsights/operations"),
    ("KeyVault/2023-07-01/listOperations.json", "get", "/providers/Microsoft.KeyVault/operations"),
];

const DATASTORE: &str = "{WORKSPACE}/datastores/{name}";
const HSM_CONNECTION: &str = "{HSM}/privateEndpointConnections/{privateEndpointConnectionName}";
const FILE_SHARE: &str = "{ACCOUNT}/fileServices/default/shares/{shareName}";
const ML_REGISTRY: &str = "{GROUP}/{ML_REGISTRIES}/{registryName}";
const GROUP: &str = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}";

fn more_operation(name: &str) -> Option<(String, String)> {
    let (_, method, template) = MORE_OPERATIONS.iter().find(|(part, ..)| name.ends_with(part))?;
    let workspace =
        format!("{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{{workspaceName}}");
    let account = format!("{GROUP}/providers/Microsoft.Storage/storageAccounts/{{accountName}}");
    let vault = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/{{vaultName}}");
    let template = [
        ("{WORKSPACE}", workspace.as_str()),
        ("{ACCOUNT}", &account),
        ("{VAULT}", &vault),
        ("{HSM}", "{GROUP}/providers/Microsoft.KeyVault/managedHSMs/{name}"),
        ("{GROUP}", GROUP),
        ("{DENY}", "providers/Microsoft.Authorization/denyAssignments"),
        ("{ML_REGISTRIES}", "providers/Microsoft.MachineLearningServices/registries"),
    ]
    .iter()
    .fold((*template).to_owned(), |template, (word, meant)| template.replace(word, meant));
    Some(((*method).to_owned(), template))
}

/// The examples whose operation is known, and the names of the others.
pub(crate) fn examples(folder: &Path) -> (Vec<Example>, Vec<String>) {
    let operations = operations(&folder.join("schemas/swagger"));
    let (mut found, mut rest) = (Vec::new(), Vec::new());
    for name in json_files(&folder.join("examples")) {
        let (provider, file) = (name.split('/').next().unwrap(), name.splitn(3, '/').nth(2).unwrap());
        let known = operations.get(&(provider.to_ascii_lowercase(), file.to_ascii_lowercase()));
        let Some((method, template)) = known.cloned().or_else(|| more_operation(&name)) else {
            rest.push(name);
            continue;
        };
        let document = read(&folder.join("examples").join(&name));
        let responses = document["responses"].as_object().unwrap().iter();
        let responses = responses
            .filter_map(|(status, answer)| Some((status.parse().ok()?, answer["body"].clone())))
            .collect();
        let parameters = document["parameters"].as_object().unwrap().clone();
        found.push(Example { name, method, template, parameters, responses });
    }
    (found, rest)
}

type Operations = BTreeMap<(String, String), (String, String)>;

/// Method and path template by provider and file name of the example.
fn operations(swagger: &Path) -> Operations {
    let mut found = Operations::new();
    for name in json_files(swagger) {
        let Some((_, inside)) = name.split_once("/resource-manager/") else { continue };
        let provider = inside.split('/').next().unwrap().to_ascii_lowercase();
        let document = read(&swagger.join(&name));
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                for example in operation["x-ms-examples"].as_object().into_iter().flat_map(Map::values) {
                    let file = example["$ref"].as_str().unwrap().rsplit_once("examples/").unwrap().1;
                    let key = (provider.clone(), file.to_ascii_lowercase());
                    found.insert(key, (method.clone(), path.clone()));
                }
            }
        }
    }
    found
}

/// Whether a JSON pointer begins with another, in which `*` stands for any one segment.
pub(crate) fn begins(pointer: &str, begin: &str) -> bool {
    let mut own = pointer.split('/');
    begin.split('/').all(|wanted| own.next().is_some_and(|segment| wanted == "*" || wanted == segment))
}
