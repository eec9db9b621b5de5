//! A world as text, so that it can outlive its process or be brought back to an earlier moment.
//!
//! Guarantee: a restored world answers as the saved one did, and draws the same ids from then on. A text
//! that cannot be read changes nothing. Secrets are kept as digests only.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::directory::Registration;
use super::inventory::{Inventory, Stored};
use super::operation::{Operation, Operations};
use super::state::{Grave, State, Subscription};
use crate::resources::id::{ResourceId, SubscriptionId, TenantId};

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

/// The whole world as one JSON text.
pub(super) fn save(state: &State) -> String {
    let (operations, operations_started) = state.operations.remembered();
    let saved = Saved {
        format: FORMAT,
        seed: state.seed,
        requests_seen: state.requests_seen,
        subscriptions: state.subscriptions.iter().map(saved_subscription).collect(),
        principals: Cow::Borrowed(&state.principals.principals),
        applications: Cow::Borrowed(&state.principals.applications),
        quota: state
            .quota
            .limits
            .iter()
            .map(|((location, family), cores)| (location.into(), family.into(), *cores))
            .collect(),
        generations: Cow::Borrowed(&state.generations),
        operations_started,
        operations: operations.into_iter().map(Cow::Borrowed).collect(),
        graves: state.graves.iter().map(saved_grave).collect(),
        resources: Inventory::default(),
    };
    let mut text = opened(&saved);
    text.push_str(",\"resources\":[");
    for (at, stored) in state.all().enumerate() {
        text.push_str(if at == 0 { "" } else { "," });
        let Stored { id, created, changed, operation, body } = stored;
        text.push_str(&opened(&SavedHead {
            id,
            created: *created,
            changed: *changed,
            operation: *operation,
        }));
        text.push_str(",\"body\":");
        text.push_str(&String::from_utf8_lossy(&body.text()));
        text.push('}');
    }
    text.push_str("]}");
    text
}

/// An object to which further properties can be added.
fn opened(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.pop();
    text
}

fn saved_subscription<'a>((id, own): (&SubscriptionId, &'a Subscription)) -> SavedSubscription<'a> {
    SavedSubscription {
        id: *id,
        tenant: own.tenant,
        name: own.name.as_str().into(),
        tags: Cow::Borrowed(&own.tags),
    }
}

fn saved_grave<'a>(((kind, key), grave): (&'a (String, String), &'a Grave)) -> SavedGrave<'a> {
    SavedGrave {
        kind: kind.as_str().into(),
        key: key.as_str().into(),
        id: Cow::Borrowed(&grave.id),
        body: Cow::Borrowed(&grave.body),
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
            inventory.insert(Stored { id, body: body.into(), operation, created, changed });
        }
        Ok(inventory)
    }
}

fn read_inventory<'de, D: Deserializer<'de>>(source: D) -> Result<Inventory, D::Error> {
    source.deserialize_seq(Resources)
}

/// Replaces what [`save`] keeps.
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
