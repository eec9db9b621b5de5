//! What a body may hold: the JSON type of a property, or the words of an enumeration (swagger; `facts.md`
//! 2 to 12). It is looked at before the type's own rules, so that a wrong type or an unknown word is
//! refused whatever else is wrong. What the table does not name is accepted as it is; `null` is as good as
//! absent, and words compare without regard to casing, as most services read them.

use serde_json::Value;

use crate::arm::ArmError;
use crate::body;

/// What a property has to be.
#[derive(Clone, Copy, Debug)]
enum Expect {
    Truth,
    Number,
    Text,
    List,
    Object,
    OneOf(&'static [&'static str]),
}

use Expect::{List, Number, Object, OneOf, Text, Truth};

const SWITCH: Expect = OneOf(&["Enabled", "Disabled"]);
const ACCESS: Expect = OneOf(&["Enabled", "Disabled", "SecuredByPerimeter"]);
const FIREWALL: Expect = OneOf(&["Allow", "Deny"]);

type Shape = (&'static str, &'static [(&'static str, Expect)]);

const SHAPES: [Shape; 15] = [
    (
        "microsoft.storage/storageaccounts",
        &[
            ("isHnsEnabled", Truth),
            ("allowBlobPublicAccess", Truth),
            ("allowSharedKeyAccess", Truth),
            ("allowCrossTenantReplication", Truth),
            ("supportsHttpsTrafficOnly", Truth),
            ("minimumTlsVersion", Text),
            ("publicNetworkAccess", ACCESS),
            ("networkAcls", Object),
            ("networkAcls/defaultAction", FIREWALL),
            ("networkAcls/ipRules", List),
        ],
    ),
    (
        "microsoft.storage/storageaccounts/blobservices/containers",
        &[("publicAccess", OneOf(&["None", "Blob", "Container"])), ("metadata", Object)],
    ),
    (
        "microsoft.keyvault/vaults",
        &[
            ("tenantId", Text),
            ("sku/name", OneOf(&["standard", "premium"])),
            ("accessPolicies", List),
            ("enableRbacAuthorization", Truth),
            ("enableSoftDelete", Truth),
            ("enablePurgeProtection", Truth),
            ("softDeleteRetentionInDays", Number),
            ("createMode", OneOf(&["default", "recover"])),
            ("networkAcls/defaultAction", FIREWALL),
        ],
    ),
    (
        "microsoft.operationalinsights/workspaces",
        &[
            ("retentionInDays", Number),
            ("workspaceCapping/dailyQuotaGb", Number),
            ("publicNetworkAccessForIngestion", ACCESS),
            ("publicNetworkAccessForQuery", ACCESS),
            ("features", Object),
        ],
    ),
    (
        "microsoft.insights/components",
        &[
            ("Application_Type", OneOf(&["web", "other"])),
            ("RetentionInDays", Number),
            ("SamplingPercentage", Number),
            ("DisableIpMasking", Truth),
            ("DisableLocalAuth", Truth),
            ("WorkspaceResourceId", Text),
        ],
    ),
    (
        "microsoft.containerregistry/registries",
        &[
            ("adminUserEnabled", Truth),
            ("dataEndpointEnabled", Truth),
            ("anonymousPullEnabled", Truth),
            ("publicNetworkAccess", SWITCH),
            ("zoneRedundancy", SWITCH),
            ("networkRuleBypassOptions", OneOf(&["AzureServices", "None"])),
            ("roleAssignmentMode", OneOf(&["AbacRepositoryPermissions", "LegacyRegistryPermissions"])),
        ],
    ),
    (
        "microsoft.machinelearningservices/workspaces",
        &[
            ("storageAccount", Text),
            ("keyVault", Text),
            ("applicationInsights", Text),
            ("containerRegistry", Text),
            ("friendlyName", Text),
            ("description", Text),
            ("hbiWorkspace", Truth),
            ("v1LegacyMode", Truth),
            ("publicNetworkAccess", SWITCH),
            ("managedNetwork", Object),
            (
                "managedNetwork/isolationMode",
                OneOf(&["Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"]),
            ),
            ("systemDatastoresAuthMode", OneOf(&["AccessKey", "Identity", "UserDelegationSAS"])),
        ],
    ),
    (
        "microsoft.machinelearningservices/workspaces/computes",
        &[
            ("computeType", Text),
            ("disableLocalAuth", Truth),
            ("properties/vmSize", Text),
            ("properties/osType", OneOf(&["Linux", "Windows"])),
            ("properties/scaleSettings", Object),
            ("properties/scaleSettings/minNodeCount", Number),
            ("properties/scaleSettings/maxNodeCount", Number),
            ("properties/enableNodePublicIp", Truth),
            ("properties/remoteLoginPortPublicAccess", OneOf(&["Enabled", "Disabled", "NotSpecified"])),
            ("properties/applicationSharingPolicy", OneOf(&["Personal", "Shared"])),
        ],
    ),
    (
        "microsoft.network/virtualnetworks",
        &[("addressSpace", Object), ("addressSpace/addressPrefixes", List), ("subnets", List)],
    ),
    (
        "microsoft.network/virtualnetworks/subnets",
        &[
            ("addressPrefix", Text),
            ("addressPrefixes", List),
            ("delegations", List),
            ("serviceEndpoints", List),
            ("defaultOutboundAccess", Truth),
            (
                "privateEndpointNetworkPolicies",
                OneOf(&["Enabled", "Disabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"]),
            ),
            ("privateLinkServiceNetworkPolicies", SWITCH),
        ],
    ),
    ("microsoft.network/networksecuritygroups", &[("securityRules", List)]),
    ("microsoft.network/privateendpoints", &[("subnet", Object), ("privateLinkServiceConnections", List)]),
    (
        "microsoft.network/privatednszones/virtualnetworklinks",
        &[("registrationEnabled", Truth), ("resolutionPolicy", OneOf(&["Default", "NxDomainRedirect"]))],
    ),
    ("microsoft.managedidentity/userassignedidentities", &[("isolationScope", OneOf(&["None", "Regional"]))]),
    (
        "microsoft.authorization/roleassignments",
        &[("principalId", Text), ("roleDefinitionId", Text), ("description", Text)],
    ),
];

/// Refuses a property that is no value of its kind.
pub(crate) fn check(arm_type: &str, sent: &Value) -> Result<(), ArmError> {
    let Some((own, shape)) = SHAPES.iter().find(|(own, _)| own.eq_ignore_ascii_case(arm_type)) else {
        return Ok(());
    };
    for (name, expect) in *shape {
        let Some(value) = body::at(sent, &format!("/properties/{name}")).filter(|value| !value.is_null())
        else {
            continue;
        };
        let path = format!("properties.{}", name.replace('/', "."));
        match (expect, value) {
            (Truth, Value::Bool(_))
            | (Number, Value::Number(_))
            | (Text, Value::String(_))
            | (List, Value::Array(_))
            | (Object, Value::Object(_)) => {}
            (OneOf(words), Value::String(word)) => {
                if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
                    return Err(unknown_word(own, &path, word, words));
                }
            }
            (Truth, _) => return Err(wrong_type(&path, "a boolean")),
            (Number, _) => return Err(wrong_type(&path, "a number")),
            (Text | OneOf(_), _) => return Err(wrong_type(&path, "a string")),
            (List, _) => return Err(wrong_type(&path, "an array")),
            (Object, _) => return Err(wrong_type(&path, "an object")),
        }
    }
    Ok(())
}

fn wrong_type(path: &str, wanted: &str) -> ArmError {
    let message = format!(
        "The request content was invalid and could not be deserialized: the value of '{path}' could not be converted to \
         {wanted}."
    );
    ArmError::bad_request("InvalidRequestContent", message).at(path)
}

/// Storage has a code of its own for this; of the others none is documented.
fn unknown_word(arm_type: &str, path: &str, word: &str, words: &[&str]) -> ArmError {
    let storage = arm_type.starts_with("microsoft.storage/");
    let code = if storage { "InvalidRequestPropertyValue" } else { "BadRequest" };
    let message = format!(
        "The value '{word}' is not allowed for property '{path}'. Allowed are: {}.",
        words.join(", ")
    );
    ArmError::bad_request(code, message).at(path)
}
