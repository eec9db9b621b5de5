//! An example in the words of the simulated world: its subscription, its regions, its types.

use beamline::resources::id::ResourceId;
use beamline_simulator::DEFAULT_SUBSCRIPTION;
use serde_json::{Map, Value, json};

use crate::support::contract::Example;

/// The example in the words of our world: its subscription is the one of the world.
pub(super) fn translated(example: &Example) -> Example {
    let mut own = example.clone();
    let mut parameters = Value::Object(own.parameters);
    rename(&mut parameters);
    own.parameters = parameters.as_object().cloned().unwrap_or_default();
    if own.parameters.contains_key("subscriptionId") {
        own.parameters.insert("subscriptionId".to_owned(), json!(DEFAULT_SUBSCRIPTION));
    }
    if own.parameters.contains_key("roleId") {
        let id = format!("providers/Microsoft.Authorization/roleDefinitions/{ROLE}");
        own.parameters
            .insert("roleId".to_owned(), json!(format!("subscriptions/{DEFAULT_SUBSCRIPTION}/{id}")));
    }
    own.responses.values_mut().for_each(rename);
    if own.name.contains("/Registries/") {
        own.parameters.values_mut().chain(own.responses.values_mut()).for_each(relocate);
    }
    if let Some(query) = own.parameters.get_mut("query").filter(|query| query["subscriptions"].is_array()) {
        query["subscriptions"] = json!([DEFAULT_SUBSCRIPTION]);
    }
    if own.name.ends_with("SystemAssignedIdentityGet.json") {
        own.parameters.insert("scope".to_owned(), json!(&identified().as_str()[1..]));
    }
    own
}

/// A resource with an identity of its own.
pub(super) fn identified() -> ResourceId {
    let group = format!("/subscriptions/{DEFAULT_SUBSCRIPTION}/resourceGroups/rg");
    format!("{group}/providers/Microsoft.Storage/storageAccounts/stone").parse().unwrap()
}

/// Where a generated example says `string`, a region that exists.
fn relocate(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(relocate),
        Value::Object(map) => {
            for (key, value) in map {
                if key == "location" && value == "string" {
                    *value = json!("eastus");
                }
                relocate(value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn rename(value: &mut Value) {
    match value {
        Value::String(text) => *text = renamed(text),
        Value::Array(items) => items.iter_mut().for_each(rename),
        Value::Object(map) => {
            let entries: Map<String, Value> = std::mem::take(map)
                .into_iter()
                .map(|(key, mut value)| {
                    rename(&mut value);
                    (renamed_id(&key), value)
                })
                .collect();
            *map = entries;
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Words of the examples that name nothing, and what stands for them.
const WORDS: &[(&str, &str)] = &[
    ("roletype", "CustomRole"),
    (
        "test-subnet-resource-id",
        "/subscriptions/-/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
    ),
    ("scope", "subscriptions/-/resourceGroups/rg"),
    ("roleDefinitionId", ROLE),
    ("parentResourcePath", ""),
    ("resourceProviderNamespace", "Microsoft.Storage"),
    ("{encryption-scope-name}", "scope-of-customer"),
    ("{encyrption-scope-name}", "scope-of-customer"),
    ("Microsoft.TestRP", "Microsoft.Storage"),
    ("Microsoft.TestRP1", "Microsoft.Storage"),
];

/// The GUID of a role that the world does not know by itself.
const ROLE: &str = "2f1d9c1e-54d2-4a71-b0a6-0f6a2f0c7d22";

/// The example's own role, and one that exists in every directory.
const ROLES: (&str, &str) = ("0b5fe924-9a61-425c-96af-cfe6e287ca2d", "acdd72a7-3385-48ef-bd42-f606fba81ae7");

/// The type that queries of Resource Graph ask for, and one that the world has.
const MACHINES: (&str, &str) = ("Microsoft.Compute/virtualMachines", "Microsoft.Storage/storageAccounts");

fn renamed(text: &str) -> String {
    let word = WORDS.iter().find(|(word, _)| *word == text).map_or(text, |(_, meant)| meant);
    let word = word.replace(ROLES.0, ROLES.1).replace(MACHINES.0, MACHINES.1);
    renamed_id(&word)
}

/// An id in our subscription.
fn renamed_id(text: &str) -> String {
    let folded = text.to_ascii_lowercase();
    let Some(at) = folded.find("subscriptions/").filter(|at| *at <= 1) else { return text.to_owned() };
    let begin = at + "subscriptions/".len();
    let end = text[begin..].find('/').map_or(text.len(), |length| begin + length);
    format!("{}{DEFAULT_SUBSCRIPTION}{}", &text[..begin], &text[end..])
}
