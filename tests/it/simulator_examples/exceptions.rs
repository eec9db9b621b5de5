//! What is replayed, and what deviates from it for a reason.

use std::collections::BTreeSet;

use crate::support::contract::begins;

/// Whether the simulator has the type (and the operation) of an example; if not, which entry says why.
pub(super) fn unsupported(name: &str, template: &str) -> Option<usize> {
    let template = template.to_ascii_lowercase();
    UNSUPPORTED.iter().position(|(part, _)| template.contains(part) || name.contains(part))
}

/// Operations that the simulator does not have: part of a path template in lower case, or of an
/// example's name, and the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("KeyVault/2023-07-01/ManagedHsm_", "managed HSMs are a type of their own, which is not listed"),
    ("/generatecredentials", "makes passwords of registry tokens, which are not listed"),
    ("/preparenetworkpolicies", "called by services for their own subnets, never by users"),
    ("/unpreparenetworkpolicies", "called by services for their own subnets, never by users"),
    ("/ddosprotectionstatus", "is about public addresses, which are not listed"),
    ("/deployments", "template deployments are not simulated (docs/simulator.md)"),
    ("/exporttemplate", "templates are not simulated (docs/simulator.md)"),
    ("/providerpermissions", "what first-party services may do is not public"),
    ("/checkzonepeers", "compares the zones of subscriptions with the same feature registered"),
    ("/checkresourcename", "its body is a list, which the operation's own swagger does not take"),
    ("/removeregions", "all its values are the word 'string', and its one region cannot be removed"),
    ("/objectreplicationpolicies", "copying blobs between accounts is the data plane's"),
    ("/accountmigrations", "a conversion of redundancy that only Azure finishes"),
    ("ResourcesComplexQuery", AGGREGATES),
    ("ResourcesFacetQuery", AGGREGATES),
    ("ResourcesPropertiesQuery", AGGREGATES),
    ("ResourcesSummarizeQuery", AGGREGATES),
];

const AGGREGATES: &str = "aggregates; one form of query is answered, by type, tag and group";

/// Examples that are not replayed: a part of the name, the reason.
const WHOLE: &[(&str, &str)] = &[
    ("2022-04-01/GetDenyAssignmentById.json", NO_DENIALS),
    ("2022-04-01/GetDenyAssignmentByNameId.json", NO_DENIALS),
    ("2022-04-01/PutRoleDefinition.json", "its body is where no body can be"),
    ("2020-02-02/ComponentsUpdate.json", "without the required Application_Type (bicep-types)"),
    ("2023-07-01/createVaultWithNetworkAcls.json", "without accessPolicies, which the vault type requires"),
    ("StorageAccountUpdateUserAssignedEncryptionIdentityWithCMK", KIND_DOWNGRADE),
    ("StorageAccountUpdateUserAssignedIdentityWithFederated", KIND_DOWNGRADE),
];

const KIND_DOWNGRADE: &str =
    "changes StorageV2 to Storage; the swagger says of kind: only StorageV2 is supported by the server";

const NO_DENIALS: &str = "only Azure makes deny assignments; the world has none";

/// Paths that deviate: a part of the example's name, the beginning of a pointer (with `*` for one
/// segment), the reason.
const PATHS: &[(&str, &str, &str)] = &[
    (
        "01/PrivateEndpointCreateForManualApproval",
        "/properties/privateLinkServiceConnections",
        "asked for as a manual one",
    ),
    ("ManagedNetwork/getRule.json", "/name", "the example's name is not the one it asks for"),
    ("ListAtResourceLevel", "/value", "the lock of the answer is one of the group, not of the resource"),
    ("DenyAssignment", "/value", NO_DENIALS),
    ("GetProviderResourceTypes.json", "/value/*/locationMappings", "there are no edge zones"),
    ("GetProvider.json", "/resourceTypes/*/locationMappings", "there are no edge zones"),
    ("GetProviders.json", "/value/*/resourceTypes/*/locationMappings", "there are no edge zones"),
    ("", "/nextLink", "a list that has no pages, or whose entries cannot be placed"),
    (
        "RoleAssignments_",
        "/properties/roleDefinitionId",
        "answered below the subscription, whichever form was sent",
    ),
    ("RegistryCreate", "/properties/networkRuleSet", "only Premium registries have network rules"),
    ("ComponentsCreate", "/properties/HockeyAppId", HOCKEY_APP),
    ("ComponentsCreate", "/properties/HockeyAppToken", HOCKEY_APP),
    ("ComponentsCreate", "/tags", "tags are an object; the example has a string"),
    ("createVault.json", "/properties/hsmPoolResourceId", "the vault is in no HSM pool"),
    ("getVault.json", "/properties/vaultUri", "real ones end in a slash, as in the other examples"),
    ("KubernetesCompute", "/properties/properties/extensionInstanceReleaseTrain", ATTACHED),
    ("Compute/listNodes.json", "/nodes/*/runId", "nothing runs on the node"),
    ("Datastore/", "/properties/credentials/secrets", SECRETS),
    ("Datastore/list.json", "/value/*/properties/credentials/secrets", SECRETS),
    ("Workspace/diagnose.json", "/value/dnsResolutionResults", "nothing is wrong with the names"),
    ("Workspace/get.json", "/properties/discoveryUrl", "made by the service; the example has example.com"),
    ("IdentityGet.json", "/name", "the example's name is not the one it asks for"),
    ("SubnetCreateWithDelegation", "/properties/delegations", NOT_SENT),
    ("SubnetGetWithDelegation", "/properties/delegations/*/id", "the example's id is of another subnet"),
    ("GetResourceNavigationLinks", "/value", UNUSED),
    ("GetServiceAssociationLinks", "/value", UNUSED),
    ("istOperations.json", "/value/*/origin", METRICS),
    ("istOperations.json", "/value/*/properties", METRICS),
    ("OperationsList.json", "/value/*/origin", METRICS),
    ("OperationsList.json", "/value/*/properties", METRICS),
    ("Registries/", "/identity", PLACEHOLDERS),
    ("Registries/", "/value/*/identity", PLACEHOLDERS),
    ("Registries/", "/properties/discoveryUrl", PLACEHOLDERS),
    (
        "Registries/",
        "/properties/registryPrivateEndpointConnections/*/properties/privateEndpoint",
        CONNECTIONS,
    ),
    ("Registries/", "/properties/managedResourceGroup", PLACEHOLDERS),
    ("Registries/", "/properties/mlFlowRegistryUri", PLACEHOLDERS),
    ("ResourcesNextPageQuery", "/$skipToken", "the page has room for all that is left"),
    ("SubnetCreateWithDelegation", "/properties/purpose", PURPOSE),
    ("VirtualNetworkCreateSubnetWithDelegation", "/properties/subnets/*/properties/purpose", PURPOSE),
    ("SubnetCreateWithSharingScope", "/properties/defaultOutboundAccess", NOT_SENT),
    ("SubnetCreateWithSharingScope", "/properties/sharingScope", NOT_SENT),
    ("VirtualNetwork", "/properties/subnets/*/properties/ipConfigurations", UNUSED),
    ("VirtualNetwork", "/properties/subnets/*/properties/resourceNavigationLinks", UNUSED),
    ("GetSubscription", "/managedByTenants", NOT_OURS),
    ("GetSubscription", "/tags", NOT_OURS),
    ("GetSubscriptions", "/value/*/managedByTenants", NOT_OURS),
    ("GetSubscriptions", "/value/*/tags", NOT_OURS),
    ("GetTenants", "/value/*/tenantBrandingLogoUrl", NOT_OURS),
    ("GetNamedProviderAtTenant", "/resourceTypes", "aliases and profiles of templates are not modelled"),
    ("BlobContainersGet", "/properties/immutabilityPolicy", "policies of containers are not modelled"),
    ("BlobContainersGet", "/properties/legalHold", "policies of containers are not modelled"),
    ("StorageAccountCreateAllowedCopyScope", "/extendedLocation", NOT_SENT),
    ("PremiumBlockBlobStorage", "/properties/statusOfSecondary", "a Premium_LRS account has no secondary"),
    ("StorageAccountCreateUserAssigned", "/properties/accessTier", "an account of kind Storage has no tier"),
];

const HOCKEY_APP: &str = "the product behind it has been closed";
const ATTACHED: &str = "filled in by the extension of a real cluster";
const SECRETS: &str = "secrets are write-only (bicep-types flag 4)";
const CONNECTIONS: &str = "made by private endpoints, not by the resource";
const NOT_SENT: &str = "the example's request does not ask for it";
const PURPOSE: &str = "empty unless a service took the subnet";
const UNUSED: &str = "nothing uses the subnet";
const METRICS: &str = "metrics and logs of providers are not modelled";
const PLACEHOLDERS: &str = "all values of these examples are the word 'string', whatever they mean";
const NOT_OURS: &str = "the world's subscription and tenant have none";

pub(super) fn whole(name: &str) -> Option<usize> {
    let at = WHOLE.iter().position(|(part, _)| name.contains(part))?;
    Some(UNSUPPORTED.len() + at)
}

pub(super) fn path(name: &str, pointer: &str) -> Option<usize> {
    let at = PATHS.iter().position(|(part, begin, _)| name.contains(part) && begins(pointer, begin))?;
    Some(UNSUPPORTED.len() + WHOLE.len() + at)
}

/// The entries that no example needed.
pub(super) fn unused(used: &BTreeSet<usize>) -> Vec<&'static str> {
    let examples = UNSUPPORTED.iter().chain(WHOLE).map(|(part, _)| *part);
    let all = examples.chain(PATHS.iter().map(|(_, begin, _)| *begin));
    all.enumerate().filter(|(at, _)| !used.contains(at)).map(|(_, entry)| entry).collect()
}
