//! The plan and its steps, as values: what is printed, posted, stored and executed.
//!
//! The JSON form is a public interface, versioned by [`FORMAT`]: fields are added, never renamed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::{Action, Blocker, CREATION_ONLY, DANGLING, Lacking, Note, Reason, Remedy};
use super::consent::ConsentStanding;
use crate::definitions::{InputDigest, Syntax};
use crate::resources::id::ResourceId;
use crate::resources::{Address, Difference, EnvironmentName, Merge, Target};

/// Version of the plan's JSON form.
pub const FORMAT: u32 = 1;

/// The commit that a plan is for, as its forge writes it; `None` for files of a working tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub String);

/// The immutable list of steps that turns observed into desired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The environment.
    pub environment: EnvironmentName,
    /// The commit whose definition is desired.
    pub commit: Option<Revision>,
    /// The notation of the definition, in which advice about it is; YAML where none is said.
    #[serde(default, skip_serializing_if = "Syntax::is_yaml")]
    pub notation: Syntax,
    /// Digest of the definition and its inherited defaults.
    pub input_digest: Option<InputDigest>,
    /// Digest of everything that was observed.
    pub observed_digest: String,
    /// The steps; each comes after those it waits for.
    pub steps: Vec<Step>,
    /// Resources that stay as they are.
    pub kept: Vec<Address>,
    /// Advice and reports.
    pub notes: Vec<Note>,
    /// Why it must not be applied. Empty in a plan that may be.
    pub blockers: Vec<Blocker>,
    /// The consent lines that bear on it, and what has become of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<ConsentStanding>,
}

/// Which half of a replacement a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// It is not part of a replacement.
    Whole,
    /// It deletes the old one.
    Removal,
    /// It makes the new one.
    Creation,
}

/// One thing done to one resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its place in the plan, from 0. Also its id in the journal.
    pub ordinal: u32,
    /// The resource.
    pub address: Address,
    /// The address that its mark says, where another resource has that by now: what a rename has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Address>,
    /// Whether it destroys what somebody else had made, and beamline adopted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The resource in Azure.
    pub target: Target,
    /// The api-version of its requests.
    pub api_version: String,
    /// What is done. A replacement is two steps of action `replace`.
    pub action: Action,
    /// Which half of a replacement it is.
    pub part: Part,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Field by field, for people; a creation lists what will be, a deletion what was.
    pub differences: Vec<Difference>,
    /// Steps (ordinals) that must be done first.
    pub after: Vec<u32>,
    /// Those of `after` whose failure does not keep it from running: it only waits for their end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_after_failure: Vec<u32>,
    /// What must hold immediately before the first request.
    pub precondition: Option<Precondition>,
    /// Steps that share a lock never run at the same time (writes in one virtual network).
    pub lock: Option<String>,
    /// The requests, in order. Empty when another step carries this one out.
    pub requests: Vec<RequestTemplate>,
    /// The step whose requests carry this one out: a subnet's network, a deleted container's account.
    pub carried_by: Option<u32>,
    /// How its effect is verified.
    pub read_back: ReadBack,
    /// How long it may take before it counts as stuck.
    pub timeout_secs: u64,
}

/// What must hold immediately before a step's first request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// A listing of the target group's content shows only resources of these ARM types (lower case).
    GroupHoldsOnly {
        /// The by-products that go with a group.
        types: Vec<String>,
    },
}

/// An HTTP method that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// Make or replace.
    Put,
    /// Change.
    Patch,
    /// Act.
    Post,
    /// Delete.
    Delete,
}

/// A request that lacks only what earlier steps yield.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestTemplate {
    /// The method.
    pub verb: Verb,
    /// The resource that it is sent to, where that is not the step's target: a deleted vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<ResourceId>,
    /// What follows the id in the path: empty, or `/updateIdleShutdownSetting`.
    pub suffix: String,
    /// Query parameters beside `api-version`.
    pub query: Vec<(String, String)>,
    /// The body, with placeholders. `None` for a merged PUT and for most deletions.
    pub body: Option<Value>,
    /// For a full-replace PUT of a living resource: what to lay over a body read immediately before.
    pub merge: Option<Merge>,
}

/// How the effect of a step is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadBack {
    /// A GET must show the resource as it was asked for.
    Matches,
    /// A GET must answer 404.
    Absent,
    /// The step with this ordinal deletes what contains it, and is read back itself; or carries it.
    CoveredBy(u32),
}

/// How many resources each action concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Created (recovered ones included).
    pub create: usize,
    /// Changed in place (adopted ones included).
    pub update: usize,
    /// Replaced.
    pub replace: usize,
    /// Deleted.
    pub delete: usize,
    /// Given up: they stay, and are ours no longer.
    #[serde(default)]
    pub release: usize,
    /// Left as they are.
    pub keep: usize,
}

impl Plan {
    /// Why it must not be applied, with advice in the notation of the definition.
    #[must_use]
    pub fn problem(&self, blocker: &Blocker) -> String {
        self.notation.advice(&blocker.message())
    }

    /// What lacks consent.
    pub fn lacking(&self) -> impl Iterator<Item = Lacking<'_>> {
        self.blockers.iter().filter_map(Blocker::lacking)
    }

    /// Whether there is nothing to do and nothing in the way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.blockers.is_empty()
    }

    /// What lifts all that is in the way; `None` where nothing is.
    #[must_use]
    pub fn remedy(&self) -> Option<Remedy> {
        let remedies = self.blockers.iter().map(Blocker::remedy);
        remedies.reduce(|all, one| if all == Remedy::Azure { one } else { all })
    }

    /// Resources that differ from what is declared and stay so, because Azure does not change it.
    #[must_use]
    pub fn unchangeable(&self) -> BTreeSet<&Address> {
        let stays = self.notes.iter().filter(|note| note.code == CREATION_ONLY);
        stays.filter_map(|note| note.address.as_ref()).collect()
    }

    /// How many resources stay as they are and are as declared.
    #[must_use]
    pub fn as_declared(&self) -> usize {
        let unchangeable = self.unchangeable();
        self.kept.iter().filter(|address| !unchangeable.contains(address)).count()
    }

    /// What is said of resources that name what is not there, or will not be.
    pub fn dangling(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|note| note.code == DANGLING)
    }

    /// The step with this ordinal.
    #[must_use]
    pub fn step(&self, ordinal: u32) -> Option<&Step> {
        self.steps.get(usize::try_from(ordinal).ok()?)
    }

    /// Whether a replacement takes the old one down before it makes the new one: `step` is the half that makes it.
    #[must_use]
    pub fn is_freed_first(&self, step: &Step) -> bool {
        let comes_before = |other: &Step| {
            other.part == Part::Removal && other.address == step.address && other.ordinal < step.ordinal
        };
        step.part == Part::Creation && self.steps.iter().any(comes_before)
    }

    /// How many resources each action concerns.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut summary = Summary { keep: self.kept.len(), ..Summary::default() };
        for step in &self.steps {
            match (step.action, step.part) {
                (Action::Create | Action::Recover, _) => summary.create += 1,
                (Action::Update | Action::Adopt, _) => summary.update += 1,
                (Action::Delete, _) => summary.delete += 1,
                (Action::Release, _) => summary.release += 1,
                (Action::Replace, Part::Creation) => summary.replace += 1,
                (Action::Replace, Part::Removal | Part::Whole) | (Action::Keep, _) => {}
            }
        }
        summary
    }

    /// Digest (hex SHA-256) of the plan's canonical JSON.
    #[must_use]
    pub fn digest(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or(Value::Null);
        crate::reconcile::digest_of(&value)
    }
}
