//! A world as text, so that it can outlive its process or be brought back to an earlier moment.
//!
//! Guarantee: a restored world answers as the saved one did, and draws the same ids from then on. A text
//! that cannot be read changes nothing. Secrets are kept as digests only. Requests wait only while the
//! snapshot is taken, which shares the texts of the bodies, and not while it is written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::directory::Registration;
use super::inventory::{Inventory, Stored};
use super::operation::{Operation, Operations};
use super::registrations::Registration as ProviderRegistration;
use super::revocations::Revocations;
use super::state::{Grave, State, Subscription};
use beamline_base::id::{ResourceId, SubscriptionId, TenantId};

/// The version of the text.
const FORMAT: u32 = 1;

/// Why a saved world cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The text is no saved world.
    #[error("the saved state cannot be read: it is damaged, or was written by something else")]
    Shape(#[from] serde_json::Error),
    /// The text was written by another version of beamline.
    #[error("the saved state has format {found}; this version reads format {FORMAT}")]
    Format {
        /// The format that was found.
        found: u32,
    },
}

/// The part that is read first.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Saved<'a> {
    format: u32,
    seed: u64,
    requests_seen: u64,
    subscriptions: Vec<SavedSubscription<'a>>,
    principals: Cow<'a, BTreeMap<Uuid, Timestamp>>,
    applications: Cow<'a, BTreeMap<String, Registration>>,
    #[serde(default)]
    groups: Cow<'a, BTreeMap<Uuid, BTreeSet<Uuid>>>,
    #[serde(default)]
    providers: Vec<(SubscriptionId, Cow<'a, str>, ProviderRegistration)>,
    #[serde(default)]
    revocations: Cow<'a, Revocations>,
    #[serde(default)]
    watched: Cow<'a, BTreeSet<(Timestamp, ResourceId)>>,
    quota: Vec<(Cow<'a, str>, Cow<'a, str>, u64)>,
    generations: Cow<'a, BTreeMap<String, u64>>,
    operations_started: u64,
    operations: Vec<Cow<'a, Operation>>,
    graves: Vec<SavedGrave<'a>>,
    /// Written by hand behind the rest, from the text of the bodies; read one by one. Neither way do the
    /// parsed bodies of a large world exist at the same time.
    #[serde(skip_serializing, deserialize_with = "read_inventory")]
    resources: Inventory,
}

#[derive(Serialize, Deserialize)]
struct SavedSubscription<'a> {
    id: SubscriptionId,
    tenant: TenantId,
    name: Cow<'a, str>,
    tags: Cow<'a, Value>,
}

#[derive(Serialize, Deserialize)]
struct SavedGrave<'a> {
    kind: Cow<'a, str>,
    key: Cow<'a, str>,
    id: Cow<'a, ResourceId>,
    body: Cow<'a, Value>,
    created: Timestamp,
    deleted: Timestamp,
    purged: Timestamp,
}

/// A resource, but for its body.
#[derive(Serialize)]
struct SavedHead<'a> {
    id: &'a ResourceId,
    created: Timestamp,
    changed: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Uuid>,
}

#[derive(Deserialize)]
struct SavedResource {
    id: ResourceId,
    created: Timestamp,
    changed: Timestamp,
    #[serde(default)]
    operation: Option<Uuid>,
    body: Value,
}

/// A resource of a snapshot.
struct Kept {
    id: ResourceId,
    created: Timestamp,
    changed: Timestamp,
    operation: Option<Uuid>,
    body: Arc<[u8]>,
}

/// A world at one moment, on its own.
pub(super) struct Snapshot {
    /// Everything but the resources.
    saved: Saved<'static>,
    resources: Vec<Kept>,
}

pub(super) fn snapshot(state: &State) -> Snapshot {
    let (operations, operations_started) = state.operations.remembered();
    let limits = state.quota.limits.iter();
    let saved = Saved {
        format: FORMAT,
        seed: state.seed,
        requests_seen: state.requests_seen,
        subscriptions: state.subscriptions.iter().map(saved_subscription).collect(),
        principals: Cow::Owned(state.principals.principals.clone()),
        applications: Cow::Owned(state.principals.applications.clone()),
        groups: Cow::Owned(state.principals.groups.clone()),
        providers: state
            .registrations
            .changed
            .iter()
            .map(|((subscription, namespace), own)| (*subscription, namespace.clone().into(), *own))
            .collect(),
        revocations: Cow::Owned(state.revocations.clone()),
        watched: Cow::Owned(state.watched.clone()),
        quota: limits
            .map(|((place, family), cores)| (place.clone().into(), family.clone().into(), *cores))
            .collect(),
        generations: Cow::Owned(state.generations.clone()),
        operations_started,
        operations: operations.into_iter().cloned().map(Cow::Owned).collect(),
        graves: state.graves.iter().map(saved_grave).collect(),
        resources: Inventory::default(),
    };
    let kept = |stored: &Stored| Kept {
        id: stored.id.clone(),
        created: stored.created,
        changed: stored.changed,
        operation: stored.operation,
        body: stored.body.text(),
    };
    Snapshot { saved, resources: state.all().map(kept).collect() }
}

impl Snapshot {
    /// Writes the world as one JSON text, a resource at a time.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        open(out, &self.saved)?;
        out.write_all(b",\"resources\":[")?;
        for (at, Kept { id, created, changed, operation, body }) in self.resources.iter().enumerate() {
            out.write_all(if at == 0 { b"" } else { b"," })?;
            open(out, &SavedHead { id, created: *created, changed: *changed, operation: *operation })?;
            out.write_all(b",\"body\":")?;
            out.write_all(body)?;
            out.write_all(b"}")?;
        }
        out.write_all(b"]}")
    }
}

/// Writes an object to which further properties can be added.
fn open(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(value)?;
    text.pop();
    out.write_all(&text)
}

fn saved_subscription((id, own): (&SubscriptionId, &Subscription)) -> SavedSubscription<'static> {
    SavedSubscription {
        id: *id,
        tenant: own.tenant,
        name: own.name.clone().into(),
        tags: Cow::Owned(own.tags.clone()),
    }
}

fn saved_grave(((kind, key), grave): (&(String, String), &Grave)) -> SavedGrave<'static> {
    SavedGrave {
        kind: kind.clone().into(),
        key: key.clone().into(),
        id: Cow::Owned(grave.id.clone()),
        body: Cow::Owned(grave.body.clone()),
        created: grave.created,
        deleted: grave.deleted,
        purged: grave.purged,
    }
}

struct Resources;

impl<'de> Visitor<'de> for Resources {
    type Value = Inventory;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of resources")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Inventory, A::Error> {
        let mut inventory = Inventory::default();
        while let Some(own) = items.next_element::<SavedResource>()? {
            let SavedResource { id, created, changed, operation, body } = own;
            inventory.insert(Stored { operation, changed, ..Stored::new(id, body, created) });
        }
        Ok(inventory)
    }
}

fn read_inventory<'de, D: Deserializer<'de>>(source: D) -> Result<Inventory, D::Error> {
    source.deserialize_seq(Resources)
}

/// Replaces what `World::save` keeps.
pub(super) fn load(state: &mut State, text: &str) -> Result<(), StateError> {
    let Header { format } = serde_json::from_str(text)?;
    if format != FORMAT {
        return Err(StateError::Format { found: format });
    }
    let saved: Saved<'_> = serde_json::from_str(text)?;
    let operations = saved.operations.into_iter().map(Cow::into_owned).collect();
    state.inventory = saved.resources;
    state.operations = Operations::restored(operations, saved.operations_started);
    state.seed = saved.seed;
    state.requests_seen = saved.requests_seen;
    state.principals.principals = saved.principals.into_owned();
    state.principals.applications = saved.applications.into_owned();
    state.principals.groups = saved.groups.into_owned();
    state.registrations.changed = saved
        .providers
        .into_iter()
        .map(|(subscription, namespace, own)| ((subscription, namespace.into_owned()), own))
        .collect();
    state.revocations = saved.revocations.into_owned();
    state.watched = saved.watched.into_owned();
    state.generations = saved.generations.into_owned();
    state.quota.limits = saved
        .quota
        .into_iter()
        .map(|(location, family, cores)| ((location.into_owned(), family.into_owned()), cores))
        .collect();
    state.subscriptions = saved.subscriptions.into_iter().map(restored_subscription).collect();
    state.graves = saved.graves.into_iter().map(restored_grave).collect();
    Ok(())
}

fn restored_subscription(own: SavedSubscription<'_>) -> (SubscriptionId, Subscription) {
    let subscription =
        Subscription { tenant: own.tenant, name: own.name.into_owned(), tags: own.tags.into_owned() };
    (own.id, subscription)
}

fn restored_grave(own: SavedGrave<'_>) -> ((String, String), Grave) {
    let grave = Grave {
        id: own.id.into_owned(),
        body: own.body.into_owned(),
        created: own.created,
        deleted: own.deleted,
        purged: own.purged,
    };
    ((own.kind.into_owned(), own.key.into_owned()), grave)
}
