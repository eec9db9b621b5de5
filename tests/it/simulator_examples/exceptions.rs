//! What is replayed, and what deviates from it for a reason.

use std::collections::BTreeSet;

use crate::support::contract::{Example, begins};

/// Whether the simulator has the type (and the operation) of an example.
pub(super) fn supported(example: &Example) -> bool {
    let template = example.template.to_ascii_lowercase();
    !UNSUPPORTED.iter().any(|part| template.contains(part) || example.name.contains(part))
}

/// Operations of types that the simulator does not have (parts of path templates in lower case, or of
/// example names).
const UNSUPPORTED: [&str; 37] = [
    "/privateendpointconnections",
    "microsoft.resourcegraph",
    "/privatednszones/{privatezonename}/{recordtype}",
    "/privatednszones/{privatezonename}/all",
    "managedhsms",
    "/privatelinkresources",
    "/availableprivateendpointtypes",
    "/encryptionscopes",
    "/managementpolicies",
    "/inventorypolicies",
    "/objectreplicationpolicies",
    "/accountmigrations",
    "/microsoft.storage/skus",
    "/federatedidentitycredentials",
    "/provisionmanagednetwork",
    "/connections",
    "/resourcenavigationlinks",
    "/serviceassociationlinks",
    "/ddosprotectionstatus",
    "/preparenetworkpolicies",
    "/unpreparenetworkpolicies",
    "/deployments",
    "/exporttemplate",
    "/providerpermissions",
    "/resourcetypes",
    "/checkzonepeers",
    "/checkresourcename",
    "/outboundnetworkdependenciesendpoints",
    "/operations",
    "/fileservices/{fileservicesname}/shares",
    "/identities/default",
    "/generatecredentials",
    "/secrets",
    "/denyassignments",
    "/microsoft.insights/components/{resourcename}/purge",
    "/microsoft.insights/components/{resourcename}/operations",
    "/features",
];

/// Examples that are not replayed: a part of the name, the reason.
const WHOLE: [(&str, &str); 5] = [
    ("2022-04-01/PutRoleDefinition.json", "its body is where no body can be"),
    ("2020-02-02/ComponentsUpdate.json", "without the required Application_Type (bicep-types)"),
    ("2023-07-01/createVaultWithNetworkAcls.json", "without accessPolicies, which the vault type requires"),
    ("StorageAccountUpdateUserAssignedEncryptionIdentityWithCMK", KIND_DOWNGRADE),
    ("StorageAccountUpdateUserAssignedIdentityWithFederated", KIND_DOWNGRADE),
];

const KIND_DOWNGRADE: &str =
    "changes StorageV2 to Storage; the swagger says of kind: only StorageV2 is supported by the server";

/// Paths that deviate: a part of the example's name, the beginning of a pointer (with `*` for one
/// segment), the reason.
const PATHS: [(&str, &str, &str); 53] = [
    ("01/PrivateEndpoint", "/properties/customDnsConfigs", LINK_SERVICE),
    ("01/PrivateEndpointList", "/value/*/properties/customDnsConfigs", LINK_SERVICE),
    (
        "01/PrivateEndpointCreateForManualApproval",
        "/properties/privateLinkServiceConnections",
        "asked for as a manual one",
    ),
    (
        "01/PrivateEndpointDnsZoneGroup",
        "/properties/privateDnsZoneConfigs/*/properties/recordSets",
        LINK_SERVICE,
    ),
    ("01/PrivateEndpointDnsZoneGroupList", "/value/0", "its ids are below a private link service"),
    ("01/PrivateEndpointDnsZoneGroupList", "/value/1", "its ids are below a private link service"),
    ("ManagedNetwork/getRule.json", "/name", "the example's name is not the one it asks for"),
    ("2024-06-01/", "/etag", "made by the service"),
    ("Consumption/2023-11-01/Budget.json", "/eTag", "made by the service"),
    ("ListAtResourceLevel", "/value", "the lock of the answer is one of the group, not of the resource"),
    ("GetProvider.json", "/resourceTypes/*/locationMappings", "there are no edge zones"),
    ("GetProviders.json", "/value/*/resourceTypes/*/locationMappings", "there are no edge zones"),
    ("", "/nextLink", "says that there are more; the world has no more than one page of it"),
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
    ("Datastore/list.json", "/value", "its query names a datastore that its answer does not have"),
    ("VirtualMachineSize/list.json", "/value/*/estimatedVMPrices", "prices are not modelled"),
    ("Workspace/diagnose.json", "/value/dnsResolutionResults", "nothing is wrong with the names"),
    ("Workspace/get.json", "/properties/discoveryUrl", "made by the service; the example has example.com"),
    ("Workspace/get.json", "/properties/privateEndpointConnections", CONNECTIONS),
    ("IdentityGet.json", "/name", "the example's name is not the one it asks for"),
    ("SubnetCreateWithDelegation", "/properties/delegations", NOT_SENT),
    ("SubnetGetWithDelegation", "/properties/delegations/*/id", "the example's id is of another subnet"),
    ("SubnetCreateWithDelegation", "/properties/purpose", PURPOSE),
    ("VirtualNetworkCreateSubnetWithDelegation", "/properties/subnets/*/properties/purpose", PURPOSE),
    ("SubnetCreateWithSharingScope", "/properties/defaultOutboundAccess", NOT_SENT),
    ("SubnetCreateWithSharingScope", "/properties/sharingScope", NOT_SENT),
    ("CheckIPAddressAvailability", "/availableIPAddresses", "the address is free, so no others are offered"),
    ("VirtualNetwork", "/properties/subnets/*/properties/ipConfigurations", UNUSED),
    ("VirtualNetwork", "/properties/subnets/*/properties/resourceNavigationLinks", UNUSED),
    (
        "BgpCommunities",
        "/properties/bgpCommunities/regionalCommunity",
        "communities of regions are not modelled",
    ),
    ("GetLocations.json", "/value/*/metadata", GEOGRAPHY),
    ("GetLocations.json", "/value/*/availabilityZoneMappings", GEOGRAPHY),
    ("GetSubscription", "/managedByTenants", NOT_OURS),
    ("GetSubscription", "/tags", NOT_OURS),
    ("GetSubscriptions", "/value/*/managedByTenants", NOT_OURS),
    ("GetSubscriptions", "/value/*/tags", NOT_OURS),
    ("GetTenants", "/value/*/tenantBrandingLogoUrl", NOT_OURS),
    ("GetNamedProviderAtTenant", "/resourceTypes", "aliases and profiles of templates are not modelled"),
    ("BlobContainersGet", "/properties/immutabilityPolicy", "policies of containers are not modelled"),
    ("BlobContainersGet", "/properties/legalHold", "policies of containers are not modelled"),
    ("FileServicesList", "/value/*/properties/cors/corsRules", "the entry is of another account"),
    ("StorageAccountCreateAllowedCopyScope", "/extendedLocation", NOT_SENT),
    ("PremiumBlockBlobStorage", "/properties/statusOfSecondary", "a Premium_LRS account has no secondary"),
    ("StorageAccountCreateUserAssigned", "/properties/accessTier", "an account of kind Storage has no tier"),
];

const LINK_SERVICE: &str = "the target is a private link service, which has no names in DNS";
const HOCKEY_APP: &str = "the product behind it has been closed";
const ATTACHED: &str = "filled in by the extension of a real cluster";
const SECRETS: &str = "secrets are write-only (bicep-types flag 4)";
const CONNECTIONS: &str = "made by private endpoints, not by the resource";
const NOT_SENT: &str = "the example's request does not ask for it";
const PURPOSE: &str = "empty unless a service took the subnet";
const UNUSED: &str = "nothing uses the subnet";
const GEOGRAPHY: &str = "the geography of regions is not modelled";
const NOT_OURS: &str = "the world's subscription and tenant have none";

pub(super) fn whole(name: &str) -> Option<usize> {
    WHOLE.iter().position(|(part, _)| name.contains(part))
}

pub(super) fn path(name: &str, pointer: &str) -> Option<usize> {
    let at = PATHS.iter().position(|(part, begin, _)| name.contains(part) && begins(pointer, begin))?;
    Some(WHOLE.len() + at)
}

/// The entries that no example needed.
pub(super) fn unused(used: &BTreeSet<usize>) -> Vec<&'static str> {
    let all = WHOLE.iter().map(|(part, _)| *part).chain(PATHS.iter().map(|(_, begin, _)| *begin));
    all.enumerate().filter(|(at, _)| !used.contains(at)).map(|(_, entry)| entry).collect()
}
