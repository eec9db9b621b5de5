//! Generated definitions: a base in which everything is declared, and random changes of it that leave
//! it valid.

use beamline::resources::id::{ResourceId, SubscriptionId};
use beamline::resources::{Kind, Shape};
use beamline_simulator::DEFAULT_SUBSCRIPTION;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::azure_world::AzureWorld;
use super::definition::{Definition, SPARES, address, leaves};

/// The user-assigned identities that definitions here may name.
pub(crate) const IDENTITIES: [&str; 2] = ["one", "two"];

/// The ARM id of such an identity: in a group that is somebody else's.
pub(crate) fn identity(name: &str) -> String {
    let below = format!("Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
    format!("{}/providers/{below}", identity_group())
}

fn identity_group() -> ResourceId {
    ResourceId::resource_group(SubscriptionId(DEFAULT_SUBSCRIPTION.parse().unwrap()), "rg-identities")
}

/// The reference environment with one resource of each type on which every field can be changed.
pub(crate) fn workshop() -> Definition {
    let other = |kind: &str, value: Value| (format!("{kind}/other"), value);
    let more = [
        other("container_registries", json!({ "name": "acrmlother001", "sku": "Premium" })),
        other("log_analytics_workspaces", json!({ "name": "log-ml-other" })),
        other(
            "application_insights",
            json!({ "name": "ai-ml-other", "application_type": "web", "workspace": "other" }),
        ),
        ("container_registries/main/sku".to_owned(), json!("Premium")),
        ("storage_accounts/default/allow_nested_items_to_be_public".to_owned(), json!(true)),
        (
            "virtual_networks/main/subnets/serverless".to_owned(),
            json!({ "address_prefixes": ["10.1.7.0/24"] }),
        ),
        ("role_assignments/spare/condition".to_owned(), json!("@Resource[x] StringEquals 'y'")),
        (
            "compute_clusters/bound".to_owned(),
            json!({
                "vm_size": "Standard_D4s_v3", "scale_settings": { "max_node_count": 2 },
                "identity": { "type": "UserAssigned", "identity_ids": [identity(IDENTITIES[0])] },
            }),
        ),
    ];
    more.into_iter().fold(Definition::with_spares(), |one, (path, value)| one.with(&path, value))
}

/// Makes the user-assigned identities and their group.
pub(crate) fn place_identities(world: &AzureWorld) {
    world.azure.put(&identity_group(), json!({ "location": "eastus" }));
    for name in IDENTITIES {
        world.azure.put(&identity(name).parse().unwrap(), json!({ "location": "eastus" }));
    }
}

/// A definition, and one like it.
pub(crate) fn definition() -> impl Strategy<Value = Definition> {
    let change = (any::<Index>(), any::<Index>());
    prop::collection::vec(change, 0..16).prop_map(|changes| {
        let candidates = candidates();
        changes.into_iter().fold(workshop(), |definition, (which, value)| {
            let (path, values) = which.get(&candidates);
            let value = value.get(values);
            let changed = if value.is_null() {
                without(&definition, path)
            } else {
                Some(definition.clone().with(path, value.clone()))
            };
            changed.filter(|one| one.errors().is_empty()).unwrap_or(definition)
        })
    })
}

fn without(definition: &Definition, path: &str) -> Option<Definition> {
    definition.0.pointer(&format!("/{path}")).map(|_| definition.clone().without(path))
}

/// Every place that may be changed, and what may stand there; `null`: nothing.
fn candidates() -> Vec<(String, Vec<Value>)> {
    let environment = workshop().environment();
    let mut candidates = Vec::new();
    for local in environment.resources.keys().map(|address| address.local()) {
        for leaf in leaves(address(&local).kind()) {
            let mut values = values(address(&local).kind(), &leaf.path, leaf.field.shape);
            values.push(Value::Null);
            candidates.push((format!("{local}/{}", leaf.path.replace('.', "/")), values));
        }
    }
    candidates.extend(SPARES.iter().map(|(_, local)| ((*local).to_owned(), vec![Value::Null])));
    for tag in ["tags/team", "tags/Äpfel", "key_vaults/spare/tags", "compute_clusters/spare/tags"] {
        let value =
            if tag.starts_with("tags") { json!("three") } else { json!({ "floor": "3", "team": "x" }) };
        candidates.push((tag.to_owned(), vec![value]));
    }
    candidates
}

/// What a field of this shape may be.
pub(crate) fn values(kind: Kind, path: &str, shape: Shape) -> Vec<Value> {
    match (kind, path) {
        (Kind::Subnet, "address_prefixes") => {
            return vec![json!(["10.1.40.0/24"]), json!(["10.1.41.0/26", "10.1.42.0/26"])];
        }
        (_, "address_space") => return vec![json!(["10.8.0.0/16"]), json!(["10.1.0.0/16", "fd00:db8::/48"])],
        (_, "dns_servers") => return vec![json!(["10.1.0.4", "10.1.0.5"]), json!(["fd00:db8::4"])],
        (_, "service_endpoints") => {
            return vec![json!(["Microsoft.Storage"]), json!(["Microsoft.KeyVault", "Microsoft.Storage"])];
        }
        (_, "delegations") => return vec![json!(["Microsoft.MachineLearningServices/workspaces"])],
        (_, "identity.identity_ids") => {
            return vec![json!([identity("one")]), json!(IDENTITIES.map(identity))];
        }
        (_, "vm_size" | "virtual_machine_size") => {
            return vec![json!("Standard_D8s_v3"), json!("standard_ds3_v2")];
        }
        (_, "primary_user_assigned_identity") => return vec![json!(identity("one"))],
        (_, "cron") => return vec![json!("0 18 * * 1-5")],
        (_, "schedules") => {
            let one = json!({ "action": "Stop", "cron": "0 18 * * 1-5" });
            return vec![
                json!([one]),
                json!([one, { "action": "Start", "cron": "0 8 * * 1-5", "enabled": false }]),
            ];
        }
        (_, "ssh.public_key") => return vec![json!("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 me")],
        // Which roles on which scope is another question than what an assignment looks like.
        (Kind::RoleAssignment, "principal" | "principal_type" | "scope" | "role") => return Vec::new(),
        (Kind::Datastore, "endpoint") => return vec![json!("core.windows.net")],
        (Kind::Datastore, "container" | "share") => return vec![json!("elsewhere"), json!("spare")],
        _ => {}
    }
    match shape {
        Shape::Bool => vec![json!(true), json!(false)],
        Shape::Integer { min, max } => {
            // Not more nodes than the simulated quota allows.
            let upper = max.min(min + 200);
            vec![json!(min), json!(min + 1), json!((min + upper) / 2), json!(max.min(100))]
        }
        Shape::Text { .. } => vec![json!("one text"), json!("Öl | \"日本\" 'x'\\")],
        Shape::Choice(words) => words.iter().map(|word| json!(word)).collect(),
        Shape::Duration { .. } => {
            ["PT20M", "PT120M", "P1D", "PT1H30M", "PT5400S"].map(|text| json!(text)).to_vec()
        }
        Shape::Reference(kinds) => match kinds {
            [Kind::Subnet] => vec![json!("main/compute"), json!("main/serverless")],
            _ => vec![json!("main"), json!("other"), json!("default")],
        },
        Shape::Guid => vec![json!("4F8C2A86-6D0E-4C1B-9A53-2F7F1F3F6A10")],
        Shape::Word { .. }
        | Shape::Set { .. }
        | Shape::Prefixes
        | Shape::Principal(_)
        | Shape::Object(_)
        | Shape::Objects { .. } => Vec::new(),
    }
}
