//! The requests of an observation. For an environment in one group: one GET of the group, one list
//! per resource type, one per parent for what lies inside others. An absent group answers for all of
//! its content with that one GET.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use serde_json::Value;

use super::elsewhere::elsewhere;
use super::sort::{Lists, Observed, SoftDeleted, sort_out};
use crate::azure::{Arm, ArmError};
use crate::definitions::Environment;
use crate::reconcile::Remembered;
use crate::resources::claims;
use crate::resources::contract::Remains;
use crate::resources::id::ResourceId;
use crate::resources::normalise;
use crate::resources::{self, Context, Kind, Listing, Presence, Reference, Site, Target};

/// The api-version of the generic resource list of a group (`facts.md` 1).
pub(super) const GROUP_CONTENTS: crate::resources::id::ApiVersion =
    crate::resources::id::ApiVersion("2025-04-01");

/// Why Azure's state could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read {what}")]
pub struct ObserveError {
    /// What was being read: an id or a list.
    pub what: String,
    /// What went wrong.
    #[source]
    pub source: ArmError,
}

/// Reads everything that a plan for `environment` needs to know. `former_groups` are groups
/// of which it is remembered that the environment lived there; others are found by the marks.
///
/// # Errors
/// [`ObserveError`] when a list or a resource cannot be read; a plan from half a picture would delete
/// or create wrongly.
pub async fn observe(
    environment: &Environment,
    site: &Site,
    former_groups: &[ResourceId],
    remembered: &Remembered,
    arm: &Arm,
) -> Result<Observed, ObserveError> {
    let reader = Reader { environment, site, arm };
    let mut lists = reader.group(&site.group_id()).await?;
    let found = elsewhere(environment, site, &lists, remembered, arm);
    let found = found.await.map_err(|source| failed(&"what carries the environment's mark", source))?;
    let former_groups: BTreeSet<ResourceId> = former_groups
        .iter()
        .filter(|group| **group != site.group_id())
        .cloned()
        .chain(found.groups)
        .collect();
    for group in &former_groups {
        lists.extend(reader.group(group).await?);
    }
    let outside = reader.outside_the_group(&lists).await?;
    lists.extend(outside);
    let claimed = reader.claimed_elsewhere(&lists).await?;
    lists.extend(claimed);
    let mut observed = sort_out(environment, site, &lists);
    (observed.former_groups, observed.moved) = (former_groups, found.moved);
    reader.soft_deleted(&mut observed).await?;
    observed.group_contents = reader.contents_of_going_groups(&observed).await?;
    Ok(observed)
}

struct Reader<'a> {
    environment: &'a Environment,
    site: &'a Site,
    arm: &'a Arm,
}

impl Reader<'_> {
    async fn group(&self, group: &ResourceId) -> Result<Lists, ObserveError> {
        let mut lists = Lists::default();
        for kind in distinct(|listing| listing == Listing::Group) {
            let spec = resources::of(kind).spec();
            let found =
                self.arm.get(group, spec.api_version).await.map_err(|source| failed(group, source))?;
            let Some(body) = found else { return Ok(lists) };
            lists.add(kind, vec![body]);
        }
        let top_level = distinct(|listing| matches!(listing, Listing::InGroup | Listing::AtScope));
        let found = try_join_all(top_level.iter().map(|kind| self.list_of(*kind, group.clone()))).await?;
        for (kind, items) in top_level.into_iter().zip(found) {
            lists.add(kind, items);
        }
        let inner: Vec<(Kind, ResourceId)> = distinct(|listing| listing == Listing::InParent)
            .into_iter()
            .flat_map(|kind| self.parents_of(kind, &lists).into_iter().map(move |parent| (kind, parent)))
            .collect();
        let found =
            try_join_all(inner.iter().map(|(kind, parent)| self.list_of(*kind, parent.clone()))).await?;
        for ((kind, _), items) in inner.into_iter().zip(found) {
            lists.add(kind, items);
        }
        Ok(lists)
    }

    /// Parents in the group whose content is worth a list: declared ones and ours.
    fn parents_of(&self, kind: Kind, lists: &Lists) -> Vec<ResourceId> {
        let Some(parent) = resources::of(kind).spec().parent else { return Vec::new() };
        let declared: BTreeSet<ResourceId> = self.declared_ids(parent).collect();
        lists
            .of(parent)
            .iter()
            .filter_map(|body| id_in(body).map(|id| (id, body)))
            .filter(|(id, body)| {
                declared.contains(id)
                    || super::sort::mark_on(parent, body).is_some_and(|mark| self.site.owns(&mark))
            })
            .map(|(id, _)| id)
            .collect()
    }

    fn declared_ids(&self, kind: Kind) -> impl Iterator<Item = ResourceId> {
        let nothing = BTreeMap::new();
        let context = Context { site: self.site, resources: &self.environment.resources, observed: &nothing };
        let ids: Vec<ResourceId> = self
            .environment
            .resources
            .keys()
            .filter(|address| address.kind() == kind)
            .filter_map(|address| context.id_of(address))
            .collect();
        ids.into_iter()
    }

    async fn list_of(&self, kind: Kind, within: ResourceId) -> Result<Vec<Value>, ObserveError> {
        let spec = resources::of(kind).spec();
        let path = match spec.listing {
            Listing::InParent => format!("{within}/{}", spec.segment),
            Listing::Group | Listing::InGroup | Listing::AtScope | Listing::InParentBody(_) => {
                format!("{within}/providers/{}", spec.arm_type)
            }
        };
        let items =
            self.arm.list(&path, spec.api_version, &[]).await.map_err(|source| failed(&path, source))?;
        Ok(items.unwrap_or_default())
    }

    /// Declared resources, and scopes of role assignments, that lie outside the environment's group:
    /// read one by one.
    async fn outside_the_group(&self, lists: &Lists) -> Result<Lists, ObserveError> {
        let group = self.site.group_id();
        let mut found = Lists::default();
        for resource in self.environment.resources.values() {
            let id = match &resource.presence {
                Presence::Existing(Some(id)) => id.clone(),
                Presence::Existing(None) | Presence::Managed => continue,
            };
            if id.is_within(&group) && !lists.is_empty() {
                continue;
            }
            let kind = resource.address.kind();
            let spec = resources::of(kind).spec();
            if let Some(body) =
                self.arm.get(&id, spec.api_version).await.map_err(|source| failed(&id, source))?
            {
                found.add(kind, vec![body]);
            }
        }
        for scope in self.foreign_scopes() {
            for kind in distinct(|listing| listing == Listing::AtScope) {
                found.add(kind, self.list_of(kind, scope.clone()).await?);
            }
        }
        Ok(found)
    }

    /// What is claimed and lies in nothing that was listed: read one by one.
    async fn claimed_elsewhere(&self, lists: &Lists) -> Result<Lists, ObserveError> {
        let bodies =
            Kind::ALL.into_iter().filter(|kind| claims::can_claim(*kind)).flat_map(|kind| lists.of(kind));
        let claims =
            bodies.filter_map(claims::on).filter(|(marked, _)| marked.mark.owner == self.site.mark.owner);
        let mut found = Lists::default();
        for claim in claims.flat_map(|(_, claims)| claims).filter(|claim| claim.text.contains("=/")) {
            let listed = lists.of(claim.kind).iter().any(|body| id_in(body).as_ref() == Some(&claim.id));
            if listed {
                continue;
            }
            let version = resources::of(claim.kind).spec().api_version;
            let body = self.arm.get(&claim.id, version).await.map_err(|source| failed(&claim.id, source))?;
            found.add(claim.kind, body.into_iter().collect());
        }
        Ok(found)
    }

    /// Where beyond the group a role assignment of ours may be: the scopes that the definition names,
    /// and what it only reads, on which one may be left over.
    fn foreign_scopes(&self) -> BTreeSet<ResourceId> {
        let nothing = BTreeMap::new();
        let context = Context { site: self.site, resources: &self.environment.resources, observed: &nothing };
        let group = self.site.group_id();
        let resources = self.environment.resources.values();
        let read = resources.clone().filter_map(|resource| match &resource.presence {
            Presence::Existing(id) => id.clone(),
            Presence::Managed => None,
        });
        resources
            .filter(|resource| resources::of(resource.address.kind()).spec().listing == Listing::AtScope)
            .filter_map(|resource| resource.references.get("scope"))
            .filter_map(|reference: &Reference| context.resolve(reference))
            .chain(read)
            .filter(|scope| !scope.is_within(&group))
            .collect()
    }

    /// Declared names that soft-deleted resources of the subscription hold, in whatever region (`facts.md` 3): one list
    /// for each kind of which something declared is not there. Who may read only the group gets 403 here; then the
    /// question stays open, and the plan says so.
    async fn soft_deleted(&self, observed: &mut Observed) -> Result<(), ObserveError> {
        let nothing = BTreeMap::new();
        let context = Context { site: self.site, resources: &self.environment.resources, observed: &nothing };
        for kind in Kind::ALL {
            let of_kind = resources::of(kind);
            let managed = self.environment.resources.values().filter(|resource| resource.is_managed());
            let missing: Vec<_> = managed
                .filter(|one| one.address.kind() == kind && !observed.present.contains_key(&one.address))
                .collect();
            let Some(path) = of_kind.remains_at(self.site).filter(|_| !missing.is_empty()) else { continue };
            let listed = match self.arm.list(&path, of_kind.spec().api_version, &[]).await {
                Ok(listed) => listed.unwrap_or_default(),
                Err(error @ ArmError::Refused { status: 403, .. }) => {
                    let why = error.message_for_people();
                    observed.unasked.extend(missing.iter().map(|one| (one.address.clone(), why.clone())));
                    continue;
                }
                Err(source) => return Err(failed(&path, source)),
            };
            for resource in missing {
                let named = |body: &&Value| {
                    body.get("name")
                        .and_then(Value::as_str)
                        .is_some_and(|it| it.eq_ignore_ascii_case(&resource.name))
                };
                let Some(remains) = listed.iter().find(named).and_then(|body| of_kind.remains(body)) else {
                    continue;
                };
                let same_place = of_kind.target(resource, &context) == Target::Known(remains.former)
                    && (remains.location.is_empty()
                        || remains.location == normalise::location(&resource.location));
                let Remains { scheduled_purge, mark, tagged, stays, keeps, .. } = remains;
                let deleted = SoftDeleted { scheduled_purge, mark, tagged, same_place, stays, keeps };
                observed.soft_deleted.insert(resource.address.clone(), deleted);
            }
        }
        Ok(())
    }

    async fn contents_of_going_groups(&self, observed: &Observed) -> Result<Vec<ResourceId>, ObserveError> {
        let mut contents = Vec::new();
        for group in observed.going_groups() {
            let path = format!("{}/resources", group.id);
            let items =
                self.arm.list(&path, GROUP_CONTENTS, &[]).await.map_err(|source| failed(&path, source))?;
            contents.extend(items.unwrap_or_default().iter().filter_map(id_in));
        }
        Ok(contents)
    }
}

/// One kind per ARM type among the kinds whose listing is asked for: clusters and instances share one.
fn distinct(wanted: impl Fn(Listing) -> bool) -> Vec<Kind> {
    let mut seen = BTreeSet::new();
    Kind::ALL
        .into_iter()
        .filter(|kind| wanted(resources::of(*kind).spec().listing))
        .filter(|kind| seen.insert(resources::of(*kind).spec().arm_type))
        .collect()
}

fn id_in(body: &Value) -> Option<ResourceId> {
    body.get("id")?.as_str()?.parse().ok()
}

fn failed(what: &impl ToString, source: ArmError) -> ObserveError {
    ObserveError { what: what.to_string(), source }
}
