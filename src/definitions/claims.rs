//! What an environment claims for itself alone, as data: names that Azure has only once in the world, in
//! a region or in a subscription.
//!
//! Claims are small and can be stored, so that one changed environment is checked against thousands
//! without reading their files again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::code::Code;
use super::diagnostic::{Diagnostic, Related};
use super::environment::Environment;
use super::source::Location;
use crate::resources::{Address, Kind, Presence, Resource, Severity, of};

/// What kind of thing is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimKind {
    /// The name of an environment, also a former one.
    Environment,
    /// A resource group of a subscription.
    ResourceGroup,
    /// The name of a storage account, unique in Azure.
    StorageAccount,
    /// The name of a key vault, unique in Azure.
    KeyVault,
    /// The name of a container registry, unique in Azure.
    ContainerRegistry,
    /// The name of a compute instance, unique in its region.
    ComputeInstance,
    /// The name of a compute cluster in a region; used twice it is confusing, not wrong.
    ComputeCluster,
    /// A resource inside one that somebody else made.
    Inner,
}

impl ClaimKind {
    /// The word under which it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::ResourceGroup => "resource_group",
            Self::StorageAccount => "storage_account",
            Self::KeyVault => "key_vault",
            Self::ContainerRegistry => "container_registry",
            Self::ComputeInstance => "compute_instance",
            Self::ComputeCluster => "compute_cluster",
            Self::Inner => "inner",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::ResourceGroup => "resource group",
            Self::StorageAccount => "storage account",
            Self::KeyVault => "key vault",
            Self::ContainerRegistry => "container registry",
            Self::ComputeInstance => "compute instance",
            Self::ComputeCluster => "compute cluster",
            Self::Inner => "resource",
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Environment => {
                "Each environment has a name of its own; former names (`renamed_from`) count."
            }
            Self::ResourceGroup => "An environment has a resource group to itself.",
            Self::StorageAccount | Self::KeyVault | Self::ContainerRegistry => {
                "Azure has this name only once in the world."
            }
            Self::ComputeInstance => "Azure has the name of a compute instance only once in a region.",
            Self::ComputeCluster => "Clusters of one name in one region are easily taken for one another.",
            Self::Inner => "Only one environment can own a resource.",
        }
    }

    fn severity(self) -> (Severity, Code) {
        match self {
            Self::ComputeCluster => (Severity::Warning, Code::ClusterNameReused),
            Self::Environment
            | Self::ResourceGroup
            | Self::StorageAccount
            | Self::KeyVault
            | Self::ContainerRegistry
            | Self::ComputeInstance
            | Self::Inner => (Severity::Error, Code::NameCollision),
        }
    }
}

/// Something that an environment claims for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// What it is.
    pub kind: ClaimKind,
    /// What must be unique among claims of that kind: the name in lower case, with what it is unique in
    /// before it.
    pub key: String,
    /// The name, for people.
    pub name: String,
    /// Where the definition says so.
    pub location: Location,
    /// Whether advice about it is acknowledged.
    pub acknowledged: bool,
}

/// What an environment claims.
#[must_use]
pub fn claims(environment: &Environment) -> Vec<Claim> {
    let own = |kind, key: String, name: &str, at: &str| Claim {
        kind,
        key: key.to_ascii_lowercase(),
        name: name.to_owned(),
        location: environment.locate_key(at),
        acknowledged: false,
    };
    let name = environment.name.as_str();
    let mut claims = vec![own(ClaimKind::Environment, name.to_owned(), name, "name")];
    claims.extend(
        environment
            .renamed_from
            .iter()
            .map(|former| own(ClaimKind::Environment, former.to_string(), former.as_str(), "renamed_from")),
    );
    let group = format!("{}/{}", environment.subscription, environment.resource_group);
    claims.push(own(ClaimKind::ResourceGroup, group, &environment.resource_group, "resource_group"));
    claims.extend(environment.resources.values().filter_map(|resource| of_resource(environment, resource)));
    claims
}

fn of_resource(environment: &Environment, resource: &Resource) -> Option<Claim> {
    if !resource.is_managed() {
        return None;
    }
    let (kind, scope) = match resource.address.kind() {
        Kind::StorageAccount => (ClaimKind::StorageAccount, String::new()),
        Kind::KeyVault => (ClaimKind::KeyVault, String::new()),
        Kind::ContainerRegistry => (ClaimKind::ContainerRegistry, String::new()),
        Kind::ComputeInstance => (ClaimKind::ComputeInstance, format!("{}/", resource.location)),
        Kind::ComputeCluster => (ClaimKind::ComputeCluster, format!("{}/", resource.location)),
        Kind::Container | Kind::Subnet => (ClaimKind::Inner, foreign_outer(environment, &resource.address)?),
        Kind::ResourceGroup
        | Kind::LogAnalyticsWorkspace
        | Kind::ApplicationInsights
        | Kind::VirtualNetwork
        | Kind::Workspace
        | Kind::Datastore
        | Kind::RoleAssignment => return None,
    };
    let code = Code::ClusterNameReused.as_str();
    Some(Claim {
        kind,
        key: format!("{scope}{}", resource.name).to_ascii_lowercase(),
        name: resource.name.clone(),
        location: environment.locate(&resource.address, "name"),
        acknowledged: resource.acknowledged.contains(code) || environment.acknowledged.contains(code),
    })
}

/// The id of the resource around this one, where somebody else made it, with this one's place in it.
fn foreign_outer(environment: &Environment, address: &Address) -> Option<String> {
    let outer = environment.resources.get(&address.outer()?)?;
    match &outer.presence {
        Presence::Existing(Some(id)) => Some(format!("{id}/{}/", of(address.kind()).spec().segment)),
        Presence::Existing(None) | Presence::Managed => None,
    }
}

/// A claim that another file makes too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    /// The definition file of the environment that it is a problem of. The claim itself may stand in
    /// the defaults that the environment inherits.
    pub path: String,
    /// The problem.
    pub diagnostic: Diagnostic,
}

/// Every claim that is made by more than one file, as a problem of each of them. `claims` are those of
/// each environment, by the path of its definition file.
#[must_use]
pub fn collisions(claims: &[(String, Vec<Claim>)]) -> Vec<Collision> {
    let mut by_key: BTreeMap<(ClaimKind, &str), Vec<(&str, &Claim)>> = BTreeMap::new();
    for (path, claim) in
        claims.iter().flat_map(|(path, claims)| claims.iter().map(move |claim| (path, claim)))
    {
        by_key.entry((claim.kind, &claim.key)).or_default().push((path, claim));
    }
    by_key.values().flat_map(|claimants| colliding(claimants)).collect()
}

fn colliding(claimants: &[(&str, &Claim)]) -> Vec<Collision> {
    let collide = |(path, claim): &(&str, &Claim)| {
        let (other_path, other) = claimants.iter().find(|(other, _)| other != path)?;
        let (severity, code) = claim.kind.severity();
        let related = Related { location: other.location.clone(), message: "the other one".to_owned() };
        let diagnostic = Diagnostic {
            code,
            severity,
            message: format!("the {} `{}` of {path} is also in {other_path}", claim.kind.noun(), claim.name),
            location: claim.location.clone(),
            rule: claim.kind.rule().to_owned(),
            remedy: "Give one of them another name.".to_owned(),
            related: vec![related],
        };
        let is_shown = severity == Severity::Error || !claim.acknowledged;
        is_shown.then(|| Collision { path: (*path).to_owned(), diagnostic })
    };
    claimants.iter().filter_map(collide).collect()
}
