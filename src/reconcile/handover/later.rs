//! Declared, and known by an identity that only Azure knows: a grant for a resource's own identity.
//!
//! What its id is made of cannot be said from a definition alone. The resource whose identity it is for can, and what
//! stands there now says who it is. The environment that gives has mostly read that resource already; where it has not,
//! it is asked for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::azure::{Arm, ArmError};
use crate::definitions::Environment;
use crate::reconcile::observe::{ObserveError, Observed};
use crate::resources::contract::Target;
use crate::resources::id::ResourceId;
use crate::resources::{self, Context, EnvironmentName, Kind, Site};

/// One such declaration.
#[derive(Clone, Debug)]
pub(super) struct Later {
    target: Target,
    scope: ResourceId,
    /// The resource whose identity it is for, its kind, and where its body says the identity.
    principal: (ResourceId, Kind, String),
    pub(super) by: EnvironmentName,
}

/// Whose identity it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Identity {
    Known(String),
    /// The resource is not there, or has none.
    None,
    /// It may not be read.
    Unreadable,
}

/// The identities that are known, by the resources that have them.
#[derive(Clone, Debug, Default)]
pub(super) struct Identities(BTreeMap<ResourceId, Identity>);

/// Those that `environment` declares.
pub(super) fn of<'a>(environment: &'a Environment, site: &'a Site) -> impl Iterator<Item = Later> + 'a {
    environment.resources.keys().filter_map(|address| {
        let nothing = BTreeMap::new();
        let context = Context { site, resources: &environment.resources, observed: &nothing };
        let target = resources::of(address.kind()).target(environment.resources.get(address)?, &context);
        let Target::RoleAssignment { scope, principal, .. } = &target else { return None };
        let (scope, whose) = (scope.clone(), context.id_of(&principal.address)?);
        let principal = (whose, principal.address.kind(), principal.property.clone());
        Some(Later { target, scope, principal, by: environment.name.clone() })
    })
}

impl Later {
    /// Whether this declares what stands at `id`. Where nobody may say, it counts as declared: what is given away by
    /// mistake is still there.
    pub(super) fn is(&self, id: &ResourceId, body: &Value, identities: &Identities) -> bool {
        match identities.0.get(&self.principal.0) {
            Some(Identity::Known(principal)) => self.target.is_at(id, body, principal),
            Some(Identity::Unreadable) => self.may_be(id),
            Some(Identity::None) | None => false,
        }
    }

    fn may_be(&self, id: &ResourceId) -> bool {
        id.parent().is_some_and(|scope| scope == self.scope)
    }
}

impl Identities {
    /// Those that tell what of `observed` is one of `declared`.
    pub(super) async fn of(declared: &[Later], observed: &Observed, arm: &Arm) -> Result<Self, ObserveError> {
        let going = observed.going().filter(|orphan| resources::of(orphan.kind).spec().is_known_by_content());
        let present = observed.present.iter();
        let present =
            present.filter(|(address, _)| resources::of(address.kind()).spec().is_known_by_content());
        let ids: Vec<&ResourceId> =
            going.map(|orphan| &orphan.id).chain(present.map(|(_, found)| &found.id)).collect();
        let mut found = Self::default();
        for later in declared.iter().filter(|later| ids.iter().any(|id| later.may_be(id))) {
            let (whose, kind, property) = &later.principal;
            if found.0.contains_key(whose) {
                continue;
            }
            let seen = observed.present.values().map(|found| (&found.id, &found.body));
            let mut seen = seen.chain(observed.going().map(|orphan| (&orphan.id, &orphan.body)));
            let identity = match seen.find(|(id, _)| *id == whose) {
                Some((_, body)) => identity_in(body, property),
                None => match arm.get(whose, resources::of(*kind).spec().api_version).await {
                    Ok(body) => body.map_or(Identity::None, |body| identity_in(&body, property)),
                    Err(ArmError::Refused { status: 403, .. }) => Identity::Unreadable,
                    Err(source) => return Err(ObserveError { what: whose.to_string(), source }),
                },
            };
            found.0.insert(whose.clone(), identity);
        }
        Ok(found)
    }
}

fn identity_in(body: &Value, property: &str) -> Identity {
    let principal = body.pointer(property).and_then(Value::as_str);
    principal.map_or(Identity::None, |principal| Identity::Known(principal.to_owned()))
}
