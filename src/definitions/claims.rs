//! What an environment claims for itself alone, as data: names that Azure has only once in the world, in
//! a region or in a subscription.
//!
//! Claims are small and can be stored, so that one changed environment is checked against thousands
//! without reading their files again.

use std::collections::BTreeMap;

use super::code::Code;
use super::diagnostic::{Diagnostic, Related};
use super::environment::Environment;
use super::source::Location;
use crate::resources::{Address, Kind, NameScope, Presence, Resource, Severity, of};

/// What kind of thing is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind {
    /// The name of an environment, also a former one.
    Environment,
    /// A name that resources of this kind have only once: in Azure, in a region, in a subscription.
    Named(Kind),
    /// A resource inside one that somebody else made.
    Inner,
}

impl ClaimKind {
    /// The word under which it is stored: `storage_account`.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::Environment => "environment".to_owned(),
            Self::Named(kind) => of(kind).spec().noun.to_ascii_lowercase().replace(' ', "_"),
            Self::Inner => "inner".to_owned(),
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Named(kind) => of(kind).spec().noun,
            Self::Inner => "resource",
        }
    }

    fn rule(self) -> String {
        match self {
            Self::Environment => {
                "Each environment has a name of its own; former names (`renamed_from`) count.".to_owned()
            }
            Self::Named(kind) => match (of(kind).spec().name_scope, of(kind).spec().noun) {
                (NameScope::Azure, _) => "Azure has this name only once in the world.".to_owned(),
                (NameScope::Region, noun) => {
                    format!("Azure has the name of a {noun} only once in a region.")
                }
                (NameScope::Id, noun) if self.is_advice() => {
                    format!("Two of one name in one region are easily taken for one another ({noun}).")
                }
                (NameScope::Id, noun) => format!("An environment has a {noun} to itself."),
            },
            Self::Inner => "Only one environment can own a resource.".to_owned(),
        }
    }

    fn is_advice(self) -> bool {
        matches!(self, Self::Named(kind) if of(kind).spec().behaviour.confusable)
    }

    fn severity(self) -> (Severity, Code) {
        if self.is_advice() {
            (Severity::Warning, Code::ClusterNameReused)
        } else {
            (Severity::Error, Code::NameCollision)
        }
    }
}

/// Something that an environment claims for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    claims.push(own(
        ClaimKind::Named(Kind::ResourceGroup),
        group,
        &environment.resource_group,
        "resource_group",
    ));
    claims.extend(environment.resources.values().filter_map(|resource| of_resource(environment, resource)));
    claims
}

fn of_resource(environment: &Environment, resource: &Resource) -> Option<Claim> {
    if !resource.is_managed() {
        return None;
    }
    let named = resource.address.kind();
    let spec = of(named).spec();
    let region = || format!("{}/", resource.location);
    let (kind, scope) = match spec.name_scope {
        NameScope::Azure => (ClaimKind::Named(named), String::new()),
        NameScope::Region => (ClaimKind::Named(named), region()),
        NameScope::Id if spec.behaviour.confusable => (ClaimKind::Named(named), region()),
        NameScope::Id => (ClaimKind::Inner, foreign_outer(environment, &resource.address)?),
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
            rule: claim.kind.rule(),
            remedy: "Give one of them another name.".to_owned(),
            related: vec![related],
        };
        let is_shown = severity == Severity::Error || !claim.acknowledged;
        is_shown.then(|| Collision { path: (*path).to_owned(), diagnostic })
    };
    claimants.iter().filter_map(collide).collect()
}
