//! What a resource provider says of itself: its operations (`/providers/{namespace}/operations` and
//! `providerOperations`) and its resource types. Both follow from the table of types.

use serde_json::{Value, json};

use crate::arm::{ArmError, Call, Typed};
use crate::http::Reply;
use crate::providers::{KINDS, NAMESPACES, Style, resources::registrations};
use crate::state::State;

/// Provider, and the name that its operations show (the providers' `Operations_List` examples).
const DISPLAYED: [(&str, &str); 12] = [
    ("Microsoft.Authorization", "Microsoft Authorization"),
    ("Microsoft.Consumption", "Microsoft Consumption"),
    ("Microsoft.ContainerRegistry", "Microsoft ContainerRegistry"),
    ("Microsoft.KeyVault", "Microsoft Key Vault"),
    ("Microsoft.MachineLearningServices", "Microsoft MachineLearningServices"),
    ("Microsoft.ManagedIdentity", "Managed Service Identity"),
    ("Microsoft.Network", "Microsoft Network"),
    ("Microsoft.OperationalInsights", "Microsoft Operational Insights"),
    ("Microsoft.ResourceGraph", "Microsoft Resource Graph"),
    ("Microsoft.Resources", "Microsoft Resources"),
    ("Microsoft.Storage", "Microsoft Storage"),
    ("microsoft.insights", "Microsoft Application Insights"),
];

/// Actions besides reading, writing and deleting.
const ACTIONS: [(&str, &str); 17] = [
    ("Microsoft.ContainerRegistry/registries", "listCredentials/action"),
    ("Microsoft.ContainerRegistry/registries", "regenerateCredential/action"),
    ("Microsoft.KeyVault/vaults", "accessPolicies/write"),
    ("Microsoft.KeyVault/vaults", "deploy/action"),
    ("Microsoft.MachineLearningServices/workspaces", "listKeys/action"),
    ("Microsoft.MachineLearningServices/workspaces", "resynckeys/action"),
    ("Microsoft.MachineLearningServices/workspaces", "diagnose/action"),
    ("Microsoft.MachineLearningServices/workspaces/computes", "start/action"),
    ("Microsoft.MachineLearningServices/workspaces/computes", "stop/action"),
    ("Microsoft.MachineLearningServices/workspaces/computes", "restart/action"),
    ("Microsoft.ManagedIdentity/userAssignedIdentities", "assign/action"),
    ("Microsoft.Network/virtualNetworks/subnets", "join/action"),
    ("Microsoft.OperationalInsights/workspaces", "sharedKeys/action"),
    ("Microsoft.Storage/storageAccounts", "listkeys/action"),
    ("Microsoft.Storage/storageAccounts", "regeneratekey/action"),
    ("Microsoft.Storage/storageAccounts", "listAccountSas/action"),
    ("Microsoft.Storage/storageAccounts", "listServiceSas/action"),
];

/// Whether a request is for the catalog of operations, which needs no permission.
pub(crate) fn is_open(typed: &Typed) -> bool {
    let first = typed.tail.first().map(|segment| segment.to_ascii_lowercase()).unwrap_or_default();
    typed.scope.is_empty()
        && (first == "provideroperations" || (first == "operations" && typed.tail.len() == 1))
}

pub(in crate::providers) fn special(
    state: &State,
    call: &Call<'_>,
    typed: &Typed,
    tail: &[&str],
) -> Option<Result<Reply, ArmError>> {
    if call.method != "GET" {
        return None;
    }
    let known = |name: &str| NAMESPACES.into_iter().find(|own| own.eq_ignore_ascii_case(name));
    let namespace = known(&typed.namespace)?;
    match (tail, typed.scope.is_empty()) {
        (["operations"], true) => Some(Ok(Reply::json(200, json!({ "value": operations(namespace) })))),
        (["provideroperations"], true) if namespace == "Microsoft.Authorization" => {
            let value: Vec<Value> = NAMESPACES.into_iter().map(metadata).collect();
            Some(Ok(Reply::json(200, json!({ "value": value }))))
        }
        (["provideroperations", name], true) if namespace == "Microsoft.Authorization" => {
            Some(match known(name) {
                Some(name) => Ok(Reply::json(200, metadata(name))),
                None => {
                    let message = format!("Provider '{name}' is not found.");
                    Err(ArmError::not_found("ProviderNotFound", message))
                }
            })
        }
        (["resourcetypes"], false) => {
            let subscription = typed.subscription()?;
            let own = registrations::get(state, subscription, namespace).map(|reply| {
                let types = reply.body.map(|body| body["resourceTypes"].clone()).unwrap_or_default();
                Reply::json(200, json!({ "value": types }))
            });
            Some(own)
        }
        _ => None,
    }
}

fn types_of(namespace: &str) -> impl Iterator<Item = &'static Style> {
    KINDS.into_iter().map(crate::providers::Kind::style).filter(move |style| {
        style.arm_type.split_once('/').is_some_and(|(own, _)| own.eq_ignore_ascii_case(namespace))
    })
}

fn displayed(namespace: &str) -> &'static str {
    DISPLAYED.iter().find(|(own, _)| *own == namespace).map_or("", |(_, shown)| shown)
}

/// Name of the operation, short type, what it does.
fn of_type(style: &'static Style) -> Vec<(String, &'static str, String)> {
    let short = style.arm_type.split_once('/').map_or("", |(_, short)| short);
    let plain = [("read", "Get"), ("write", "Create/Update"), ("delete", "Delete")].into_iter();
    let plain =
        plain.map(|(verb, does)| (format!("{}/{verb}", style.arm_type), short, format!("{does} {short}")));
    let own = ACTIONS.iter().filter(|(arm_type, _)| *arm_type == style.arm_type);
    let own = own.map(|(arm_type, action)| {
        let does = action.split('/').next().unwrap_or_default();
        (format!("{arm_type}/{action}"), short, format!("{does} of {short}"))
    });
    plain.chain(own).collect()
}

fn operations(namespace: &str) -> Vec<Value> {
    let mut all: Vec<(String, &str, String)> = types_of(namespace).flat_map(of_type).collect();
    if namespace == "Microsoft.ResourceGraph" {
        for (name, shown) in [("operations", "Get Operations"), ("resources", "Query resources")] {
            all.push((format!("{namespace}/{name}/read"), name, shown.to_owned()));
        }
    }
    let provider = displayed(namespace);
    let entry = |(name, resource, operation): (String, &str, String)| {
        let description = format!("{operation} ({provider})");
        json!({
            "name": name, "isDataAction": false,
            "display": {
                "provider": provider, "resource": resource, "operation": operation, "description": description,
            },
        })
    };
    all.into_iter().map(entry).collect()
}

fn metadata(namespace: &str) -> Value {
    let entry = |(name, _, does): (String, &str, String)| json!({ "name": name, "displayName": does, "description": does, "origin": "user,system", "isDataAction": false });
    let of = |style: &'static Style| {
        let short = style.arm_type.split_once('/').map_or("", |(_, short)| short);
        let operations: Vec<Value> = of_type(style).into_iter().map(entry).collect();
        json!({ "name": short, "displayName": short, "operations": operations })
    };
    json!({
        "id": format!("/providers/Microsoft.Authorization/providerOperations/{namespace}"), "name": namespace,
        "type": "Microsoft.Authorization/providerOperations", "displayName": displayed(namespace),
        "resourceTypes": types_of(namespace).map(of).collect::<Vec<_>>(), "operations": [],
    })
}
