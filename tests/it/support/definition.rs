//! Definitions that tests change piece by piece, and the catalog's fields with values to change to.

use beamline::definitions::{Environment, SourceFile, load};
use beamline::resources::{self, Address, EnvironmentName, Field, Kind, Shape};
use serde_json::{Value, json};

use super::azure_world::{AzureWorld, PRODUCTION};

/// The text of a definition as a value. Paths are those of addresses, then of fields:
/// `compute_clusters/cpu-cluster/scale_settings/max_node_count`.
#[derive(Clone, PartialEq)]
pub(crate) struct Definition(pub(crate) Value);

/// One line: generated definitions are printed when they fail.
impl std::fmt::Debug for Definition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Definition {
    /// The reference environment.
    pub(crate) fn production() -> Self {
        Self(serde_yaml::from_str(PRODUCTION).unwrap())
    }

    /// The smallest environment: a workspace and what Azure wants beside it.
    pub(crate) fn small() -> Self {
        Self(json!({
            "beamline": 1, "subscription": "ml", "location": "eastus", "tags": { "team": "research" },
            "resource_group": { "name": "rg-ml-production" },
            "storage_accounts": { "default": {
                "name": "stmlproduction001", "account_tier": "Standard", "account_replication_type": "LRS",
            } },
            "key_vaults": { "main": { "name": "kv-ml-production", "sku_name": "standard" } },
            "log_analytics_workspaces": { "main": { "name": "log-ml-production" } },
            "application_insights": { "main": {
                "name": "ai-ml-production", "application_type": "web", "workspace": "main",
            } },
            "workspace": {
                "name": "mlw-production", "storage_account": "default", "key_vault": "main",
                "application_insights": "main", "identity": { "type": "SystemAssigned" },
            },
        }))
    }

    /// The reference environment with a second resource of every type that can have one, on which
    /// nothing else depends.
    pub(crate) fn with_spares() -> Self {
        SPARES.iter().fold(Self::production(), |definition, (_, path)| definition.with(path, spare(path)))
    }

    /// The same with `value` at `path`; what contains it is made as needed.
    pub(crate) fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        let place = path.split('/').fold(&mut self.0, |at, key| &mut at[key]);
        *place = value.into();
        self
    }

    /// The same without what is at `path`.
    pub(crate) fn without(mut self, path: &str) -> Self {
        let (outer, key) = path.rsplit_once('/').unwrap_or(("", path));
        let outer = outer.split('/').filter(|key| !key.is_empty()).fold(&mut self.0, |at, key| &mut at[key]);
        outer.as_object_mut().unwrap().remove(key).unwrap_or_else(|| panic!("{path} is not there"));
        self
    }

    /// The text, one member a line.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap()
    }

    /// The environment `production` that it defines.
    pub(crate) fn environment(&self) -> Environment {
        AzureWorld::environment("production", &self.text())
    }

    /// What is wrong with it.
    pub(crate) fn errors(&self) -> Vec<String> {
        let file = SourceFile::from_bytes("environments/production.yaml", self.text().as_bytes());
        let loaded = load(&[file]);
        let errors = loaded.diagnostics.iter().filter(|one| one.is_error());
        errors.map(ToString::to_string).collect()
    }
}

/// Resources on which nothing depends, one of each type that an environment can have several of.
pub(crate) const SPARES: [(Kind, &str); 12] = [
    (Kind::StorageAccount, "storage_accounts/spare"),
    (Kind::Container, "storage_accounts/default/containers/spare"),
    (Kind::KeyVault, "key_vaults/spare"),
    (Kind::LogAnalyticsWorkspace, "log_analytics_workspaces/spare"),
    (Kind::ApplicationInsights, "application_insights/spare"),
    (Kind::ContainerRegistry, "container_registries/spare"),
    (Kind::VirtualNetwork, "virtual_networks/spare"),
    (Kind::Subnet, "virtual_networks/main/subnets/spare"),
    (Kind::Datastore, "datastores/spare"),
    (Kind::ComputeCluster, "compute_clusters/spare"),
    (Kind::ComputeInstance, "compute_instances/spare-ci"),
    (Kind::RoleAssignment, "role_assignments/spare"),
];

fn spare(path: &str) -> Value {
    match path.split('/').next().unwrap() {
        _ if path.ends_with("containers/spare") => json!({}),
        _ if path.ends_with("subnets/spare") => json!({ "address_prefixes": ["10.1.9.0/24"] }),
        "storage_accounts" => {
            json!({ "name": "stmlspare001", "account_tier": "Standard", "account_replication_type": "LRS" })
        }
        "key_vaults" => json!({ "name": "kv-ml-spare", "sku_name": "standard" }),
        "log_analytics_workspaces" => json!({ "name": "log-ml-spare" }),
        "application_insights" => {
            json!({ "name": "ai-ml-spare", "application_type": "web", "workspace": "main" })
        }
        "container_registries" => json!({ "name": "acrmlspare001", "sku": "Standard" }),
        "virtual_networks" => json!({ "name": "vnet-ml-spare", "address_space": ["10.8.0.0/16"] }),
        "datastores" => {
            json!({ "type": "AzureBlob", "storage_account": "default", "container": "somewhere" })
        }
        "compute_clusters" => json!({
            "vm_size": "Standard_D4s_v3", "scale_settings": { "max_node_count": 2 },
            "identity": { "type": "SystemAssigned" },
        }),
        "compute_instances" => {
            json!({ "virtual_machine_size": "Standard_DS3_v2", "idle_time_before_shutdown": "PT1H" })
        }
        "role_assignments" => {
            json!({ "principal": "compute_clusters/cpu-cluster", "role": "Reader", "scope": "resource_group" })
        }
        other => panic!("no spare {other}"),
    }
}

/// The address of a path in the environment `production`.
pub(crate) fn address(local: &str) -> Address {
    let environment: EnvironmentName = "production".parse().unwrap();
    Address::parse_local(&environment, local).unwrap()
}

/// A field that is not a group of further ones.
pub(crate) struct Leaf {
    /// Dotted path below the resource.
    pub(crate) path: String,
    /// Its row.
    pub(crate) field: &'static Field,
}

/// Every field of a kind that is not a group of further ones.
pub(crate) fn leaves(kind: Kind) -> Vec<Leaf> {
    fn collect(fields: &'static [Field], within: &str, found: &mut Vec<Leaf>) {
        for field in fields {
            let path = format!("{within}{}", field.name);
            if let Shape::Object(fields) = field.shape {
                collect(fields, &format!("{path}."), found);
            } else {
                found.push(Leaf { path, field });
            }
        }
    }
    let mut found = Vec::new();
    collect(resources::of(kind).spec().fields, "", &mut found);
    found
}

/// A value of this shape that is not `now`; `None` where there is none that any definition may have.
pub(crate) fn other_value(shape: Shape, now: Option<&Value>) -> Option<Value> {
    let candidates: Vec<Value> = match shape {
        Shape::Bool => vec![json!(true), json!(false)],
        Shape::Integer { min, max } => [min + 1, min + 2, max - 1].map(|value| json!(value)).to_vec(),
        Shape::Text { .. } => vec![json!("one text"), json!("another text")],
        Shape::Choice(words) => words.iter().map(|word| json!(word)).collect(),
        Shape::Duration { .. } => vec![json!("PT20M"), json!("PT2H")],
        Shape::Guid
        | Shape::Word { .. }
        | Shape::Set { .. }
        | Shape::Prefixes
        | Shape::Reference(_)
        | Shape::Principal(_)
        | Shape::Object(_)
        | Shape::Objects { .. } => vec![],
    };
    candidates.into_iter().find(|value| Some(value) != now)
}
