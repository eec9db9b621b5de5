//! What a plan does to a resource, and why.

use serde::{Deserialize, Serialize};

use super::consent::{ConsentVerb, trailer};
use crate::resources::{Address, EnvironmentName, id::ResourceId};

/// What happens to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed where it stands.
    Update,
    /// It is deleted and made again: two steps.
    Replace,
    /// It is deleted.
    Delete,
    /// It is there without our mark; the mark is written on it (with what differs).
    Adopt,
    /// A soft-deleted one of its name is brought back (with what differs).
    Recover,
    /// It stays, and everything on it goes that says it is ours.
    Release,
    /// Nothing.
    Keep,
}

impl Action {
    /// What it does to what is there, as a verb: what is not replaced is deleted.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Delete
            | Self::Create
            | Self::Update
            | Self::Adopt
            | Self::Recover
            | Self::Release
            | Self::Keep => "delete",
        }
    }
}

/// Why a step is there. For people: printed, never branched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The definition declares it and Azure has none.
    Missing,
    /// Fields differ (the step's differences say which).
    Differs {
        /// Dotted paths.
        fields: Vec<String>,
    },
    /// A field cannot change on the living resource.
    Immutable {
        /// Dotted path.
        field: String,
        /// Why.
        why: String,
    },
    /// It carries our mark and the definition does not declare it any more.
    Undeclared,
    /// The resource that contains it, or that it is the identity's role assignment of, is replaced.
    Follows {
        /// That resource.
        address: Address,
    },
    /// It stands under another id: its name, its group, what contains it or (a role assignment) what it
    /// says is another now.
    Renamed {
        /// The id under which it stands.
        from: ResourceId,
        /// What the id becomes; `None` where that is known only after another step.
        to: Option<ResourceId>,
    },
    /// A resource that is written inside it changes.
    Inner {
        /// That resource.
        address: Address,
    },
    /// `adopt: true`.
    AdoptionRequested,
    /// A soft-deleted one holds its name.
    SoftDeleted {
        /// When Azure removes it for good, as Azure says it.
        scheduled_purge: Option<String>,
    },
    /// Azure's record of the last write of it is a failure; it is written again.
    ProvisioningFailed {
        /// The provisioning state Azure shows.
        state: String,
    },
    /// Another environment of the repository declared it before.
    HandedOver {
        /// That environment.
        from: EnvironmentName,
    },
    /// The definition does not declare it any more, and a consent line says that it is to stay.
    Released,
}

/// Why a plan must not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "blocker")]
pub enum Blocker {
    /// A protected resource would be deleted or replaced without consent.
    NeedsConsent {
        /// The resource.
        address: Address,
        /// Delete or replace.
        action: Action,
        /// What asks for it, as a sentence.
        because: String,
        /// What it is in Azure; `None` in plans of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<ResourceId>,
        /// Whether it can be released instead.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        releasable: bool,
    },
    /// A resource of the declared name is there without our mark.
    NotOurs {
        /// The declared resource.
        address: Address,
        /// What is there.
        id: ResourceId,
        /// The mark of another environment, where it carries one.
        marked: Option<String>,
        /// The owner that the mark names, where that is not ours; `None` in plans of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// Declared resources bear the mark of an environment that neither the commit nor the journal knows: it may be
    /// this one under the name that it had.
    PerhapsRenamed {
        /// The first of these resources.
        address: Address,
        /// What is there.
        id: ResourceId,
        /// That environment.
        from: EnvironmentName,
        /// How many more there are.
        more: usize,
    },
    /// Azure cannot make this change, not even by a replacement.
    Impossible {
        /// The resource.
        address: Address,
        /// The field, where one is to blame.
        field: Option<String>,
        /// Why, and what to do.
        why: String,
    },
    /// `existing: true`, and it is not there.
    ExistingMissing {
        /// The declared resource.
        address: Address,
        /// The id that was looked for.
        id: ResourceId,
    },
    /// A group would be deleted that holds something which is neither ours nor a known by-product.
    GroupNotEmpty {
        /// The group.
        address: Address,
        /// Ids of what is in the way (the first few).
        foreign: Vec<ResourceId>,
    },
    /// A resource would be deleted that another one, which stays, refers to.
    StillReferenced {
        /// The resource that would go.
        address: Address,
        /// Its id.
        id: ResourceId,
        /// The resource that refers to it.
        by: Address,
        /// Where in that resource's ARM body: a JSON pointer.
        at: String,
    },
    /// A replacement is planned whose name stays taken after the deletion.
    NameStaysTaken {
        /// The resource.
        address: Address,
        /// Why, and what to do.
        why: String,
    },
    /// Azure would refuse to make it: nothing is taken down for it.
    CannotBeMade {
        /// The resource.
        address: Address,
        /// Why, and what to do.
        why: String,
    },
    /// It would be deleted, and a definition with errors speaks of it: it may have moved there.
    PerhapsDeclared {
        /// The resource.
        address: Address,
        /// What it is in Azure.
        id: ResourceId,
        /// The definition's path.
        path: String,
    },
    /// Somebody has moved it by hand: made anew, there would be two, and its content would stay in the other place.
    MovedByHand {
        /// The declared resource.
        address: Address,
        /// Where it stands.
        id: ResourceId,
        /// Where it is declared.
        declared: ResourceId,
    },
    /// Azure is still working on it from an earlier write; planning on would fight with that.
    InProgress {
        /// The resource.
        address: Address,
        /// The provisioning state Azure shows.
        state: String,
    },
}

/// A resource that a plan would end and that lacks consent.
#[derive(Clone, Copy, Debug)]
pub struct Lacking<'a> {
    /// Its address.
    pub address: &'a Address,
    /// Delete or replace.
    pub action: Action,
    /// What it is in Azure; `None` in plans of older versions.
    pub id: Option<&'a ResourceId>,
    /// Whether it can be released instead.
    pub releasable: bool,
}

/// What lifts what is in a plan's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// Azure's state alone can, by itself or by somebody's hand; no commit says when.
    Azure,
    /// It takes a commit, or a consent.
    Commit,
}

impl Blocker {
    /// What lifts it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NeedsConsent { .. } | Self::PerhapsDeclared { .. } => Remedy::Commit,
            Self::NotOurs { .. }
            | Self::PerhapsRenamed { .. }
            | Self::Impossible { .. }
            | Self::ExistingMissing { .. }
            | Self::GroupNotEmpty { .. }
            | Self::StillReferenced { .. }
            | Self::NameStaysTaken { .. }
            | Self::CannotBeMade { .. }
            | Self::MovedByHand { .. }
            | Self::InProgress { .. } => Remedy::Azure,
        }
    }

    /// What lacks consent; `None` where something else is in the way.
    #[must_use]
    pub fn lacking(&self) -> Option<Lacking<'_>> {
        match self {
            Self::NeedsConsent { address, action, because: _, id, releasable } => {
                Some(Lacking { address, action: *action, id: id.as_ref(), releasable: *releasable })
            }
            Self::NotOurs { .. }
            | Self::Impossible { .. }
            | Self::ExistingMissing { .. }
            | Self::GroupNotEmpty { .. }
            | Self::StillReferenced { .. }
            | Self::NameStaysTaken { .. }
            | Self::CannotBeMade { .. }
            | Self::PerhapsDeclared { .. }
            | Self::PerhapsRenamed { .. }
            | Self::MovedByHand { .. }
            | Self::InProgress { .. } => None,
        }
    }

    /// The resource that the blocker is about.
    #[must_use]
    pub fn address(&self) -> &Address {
        match self {
            Self::NeedsConsent { address, .. }
            | Self::NotOurs { address, .. }
            | Self::Impossible { address, .. }
            | Self::ExistingMissing { address, .. }
            | Self::GroupNotEmpty { address, .. }
            | Self::StillReferenced { address, .. }
            | Self::NameStaysTaken { address, .. }
            | Self::CannotBeMade { address, .. }
            | Self::PerhapsDeclared { address, .. }
            | Self::PerhapsRenamed { address, .. }
            | Self::MovedByHand { address, .. }
            | Self::InProgress { address, .. } => address,
        }
    }

    /// A sentence for people that ends with the next step.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::NeedsConsent { address, action, because, id: _, releasable } => {
                let verb = action.ending();
                let instead = releasable.then(|| {
                    let line = trailer(ConsentVerb::Release, address);
                    format!(", or, to keep it in Azure and give it up: {line}")
                });
                format!(
                    "would {verb} {address} ({because}), which is protected. To allow it, add this line to the \
                     message of a commit: {}{}",
                    trailer(ConsentVerb::Destroy, address),
                    instead.unwrap_or_default()
                )
            }
            Self::NotOurs { address, id, marked: None, owner: _ } => format!(
                "{id} exists and does not carry our mark. Write `adopt: true` at {address} to take it over, \
                 or `existing: true` to only read it"
            ),
            Self::NotOurs { address, id, marked: Some(mark), owner: Some(owner) } => format!(
                "{id} belongs to {mark}: its tag names the owner `{owner}`, which is not the `owner` of these settings. Give \
                 {address} another name, or, where `owner` was changed, set it back"
            ),
            Self::NotOurs { address, id, marked: Some(mark), owner: None } => {
                format!("{id} belongs to {mark}. Give {address} another name, or remove it there first")
            }
            Self::PerhapsRenamed { address, id, from, more } => {
                let (others, bear, these) = match more {
                    0 => (String::new(), "bears", address.to_string()),
                    more => (format!(" and {more} more"), "bear", "each of them".to_owned()),
                };
                format!(
                    "{id}{others} {bear} the mark of the environment `{from}`, of which there is no file and no memory. If \
                     `{}` was called so, write `renamed_from: {from}`; else give {these} another name",
                    address.environment()
                )
            }
            Self::Impossible { address, field: Some(field), why } => format!("{address}: {field}: {why}"),
            Self::Impossible { address, field: None, why } | Self::NameStaysTaken { address, why } => {
                format!("{address}: {why}")
            }
            Self::PerhapsDeclared { address, id, path } => format!(
                "{address} is not deleted: {path} has errors and speaks of {}, which may have moved there ({id}). Mend \
                 that definition first",
                id.name()
            ),
            Self::MovedByHand { address, id, declared } => {
                let (now, before) =
                    [id, declared].map(|id| id.resource_group_name().unwrap_or_default()).into();
                format!(
                    "{address} was moved by hand: it stands in the group {now}, and is declared in {before}. Move it back \
                     (`az resource move --destination-group {before} --ids {id}`), or write `existing: true` and `id: {id}` \
                     to only read it from now on. If that is a copy, take its tag `beamline` away"
                )
            }
            Self::CannotBeMade { address, why } => format!("{address} cannot be made: {why}"),
            Self::ExistingMissing { address, id } => format!(
                "{address} says `existing: true`, but {id} does not exist. Correct its name or id, or remove \
                 `existing`"
            ),
            Self::GroupNotEmpty { address, foreign } => {
                let ids: Vec<String> = foreign.iter().map(ToString::to_string).collect();
                format!(
                    "{address} is not deleted: it holds what is not ours ({}). Move or delete that first",
                    ids.join(", ")
                )
            }
            Self::StillReferenced { address, id, by, at } => {
                let field = at.rsplit('/').find(|part| *part != "id").unwrap_or(at);
                format!(
                    "{address} is not deleted: {by} refers to {} in {field}, and would be left pointing at \
                     nothing. Let {by} refer to something else, or declare {address} again",
                    id.name()
                )
            }
            Self::InProgress { address, state } => {
                format!(
                    "Azure is still working on {address} ({state}). The run is repeated when it has ended"
                )
            }
        }
    }
}

/// The code of a note: a field differs, and Azure does not change it.
pub(super) const CREATION_ONLY: &str = "creation-only";

/// The code of a note: a resource names another one that is not there, or will not be.
pub(super) const DANGLING: &str = "dangling-reference";

/// Something worth saying that asks for no action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Stable code: an advice's, or `not-ours`, `creation-only`, `consent-matches-nothing` and such.
    pub code: String,
    /// The resource, where it is about one.
    pub address: Option<Address>,
    /// The sentence.
    pub message: String,
}
